//! The file that ipadm keeps, read and never written: it tells in which order the daemon sets the properties, and whether
//! ipadm has reached its daemon when it shows that nothing is kept.
//!
//! A line is `_protocol=tcp;recv_buf=262144;`, and a private name has a second underscore: `__fin_wait_2_flush_interval`.
//! Interfaces and addresses are in the same file.

use std::collections::BTreeSet;
use std::path::Path;

use tune_model::Place;
use tune_model::native::Property;

use crate::files::Files;

/// The file, which says of itself that nothing but the daemon may write it.
pub const CONF: &str = "/etc/ipadm/ipadm.conf";

/// A line that sets a property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The protocol.
    pub protocol: String,
    /// The property, as ipadm names it.
    pub name: String,
    /// The value, as it was typed.
    pub value: String,
    /// It is written as ipadm writes it, so that ipadm shows it and changes it. The daemon takes others too.
    pub is_known: bool,
    /// Where it is; `None` for one that is yet to be written.
    pub place: Option<Place>,
}

impl Line {
    /// Tells whether the daemon sets this property when it comes to the line.
    #[must_use]
    pub fn sets(&self, property: &Property) -> bool {
        self.protocol == property.protocol && self.name == property.name
    }

    /// Tells whether it is the line that ipadm shows for this property and changes with it.
    #[must_use]
    pub fn keeps(&self, property: &Property) -> bool {
        self.is_known && self.sets(property)
    }
}

/// Returns the lines of the file that set properties, in order; `None` where it cannot be read.
#[must_use]
pub fn read(files: &dyn Files) -> Option<Vec<Line>> {
    Some(lines(&String::from_utf8_lossy(&files.read(Path::new(CONF)).ok()?)))
}

/// Returns the lines of a text that set properties, in order.
#[must_use]
pub fn lines(text: &str) -> Vec<Line> {
    let numbered = text.lines().zip(1..);
    numbered.filter_map(|(line, number)| parse(line, Place { file: CONF.into(), line: number })).collect()
}

/// Takes a line as the daemon does at its start: of several properties in one line, which it never writes, it sets the
/// last.
fn parse(line: &str, place: Place) -> Option<Line> {
    let line = line.trim_start();
    if line.starts_with('#') {
        return None;
    }
    let pairs: Vec<(&str, &str)> = line.split(';').filter_map(|pair| pair.split_once('=')).collect();
    let of = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
    let names: BTreeSet<&str> = pairs.iter().map(|(key, _)| *key).collect();
    let corrupt = names.len() < pairs.len();
    if corrupt || OTHERS.iter().any(|key| of(key).is_some()) {
        return None;
    }
    let is_property = |(key, _): &&(&str, &str)| !key.starts_with('_') || key.starts_with("__");
    let (protocol, (key, value)) = of("_protocol").zip(pairs.iter().rfind(is_property))?;
    Some(Line {
        protocol: protocol.to_owned(),
        name: name(protocol, key),
        is_known: !key.starts_with(&format!("{protocol}_")),
        value: (*value).to_owned(),
        place: Some(place),
    })
}

/// Returns the property that a key names. The daemon takes the names of ndd too, as lines of early releases may have them.
fn name(protocol: &str, key: &str) -> String {
    let private = key.strip_prefix('_').or_else(|| key.strip_prefix(protocol));
    private.filter(|name| name.starts_with('_')).unwrap_or(key).to_owned()
}

/// What a line about an interface or an address has.
const OTHERS: [&str; 2] = ["_ifname", "_aobjname"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_told_from_interfaces() {
        let found = lines(
            "_ifname=lo0;_family=2;\n_protocol=tcp;recv_buf=262144;\n_ifname=net0;_aobjname=net0/v4;\n\
             _protocol=tcp;__fin_wait_2_flush_interval=+030000;\n_protocol=tcp;\n",
        );
        let shown: Vec<_> = found
            .iter()
            .map(|line| {
                (line.name.as_str(), line.value.as_str(), line.place.as_ref().map(|place| place.line))
            })
            .collect();
        assert_eq!(
            shown,
            [("recv_buf", "262144", Some(2)), ("_fin_wait_2_flush_interval", "+030000", Some(4))]
        );
    }
}
