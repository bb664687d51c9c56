//! The file that ipadm keeps, read and never written: only it tells in which order the daemon sets the properties.
//!
//! A line is `_protocol=tcp;recv_buf=262144;`, and a private name has a second underscore: `__fin_wait_2_flush_interval`.
//! Interfaces and addresses are in the same file.

use std::path::Path;

use tune_host::Files;
use tune_model::Place;

/// The file.
pub(crate) const CONF: &str = "/etc/ipadm/ipadm.conf";

/// A line that sets a property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The protocol.
    pub protocol: String,
    /// The property, as ipadm names it.
    pub name: String,
    /// The value, as it was typed.
    pub value: String,
    /// Where it is; `None` for one that is yet to be written.
    pub place: Option<Place>,
}

/// Returns the lines of the file that set properties, in order; `None` where it cannot be read.
pub(crate) fn read(files: &dyn Files) -> Option<Vec<Line>> {
    Some(lines(&String::from_utf8_lossy(&files.read(Path::new(CONF)).ok()?)))
}

/// Returns the lines of a text that set properties, in order.
#[must_use]
pub fn lines(text: &str) -> Vec<Line> {
    let numbered = text.lines().zip(1..);
    numbered.filter_map(|(line, number)| parse(line, Place { file: CONF.into(), line: number })).collect()
}

fn parse(line: &str, place: Place) -> Option<Line> {
    let mut pairs = line.trim().split(';').filter_map(|pair| pair.split_once('='));
    let (_, protocol) = pairs.next().filter(|(key, _)| *key == "_protocol")?;
    let (key, value) = pairs.next()?;
    let name = if key.starts_with("__") { &key[1..] } else { key };
    Some(Line {
        protocol: protocol.to_owned(),
        name: name.to_owned(),
        value: value.to_owned(),
        place: Some(place),
    })
}

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
