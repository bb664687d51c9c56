//! What rc(8) writes when the system has started: sysctl.conf, what rc.conf says of TCP, and sysctl.conf once more.

use std::collections::BTreeMap;
use std::path::Path;

use super::kernel::Kernel;
use super::loader::assignments;
use super::tool::{self, Options};

/// Writes what the files below `root` say.
///
/// # Errors
///
/// Says what in the files the fake does not know the meaning of.
pub fn run(kernel: &mut Kernel, root: &Path) -> Result<(), String> {
    let early = Options { ignore: true, ..Options::default() };
    settings(kernel, root, early)?;
    options_of_tcp(kernel, root)?;
    settings(kernel, root, Options::default())
}

fn settings(kernel: &mut Kernel, root: &Path, options: Options) -> Result<(), String> {
    for name in ["etc/sysctl.conf", "etc/sysctl.conf.local"] {
        let text = match std::fs::read_to_string(root.join(name)) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(format!("/{name}: {error}")),
        };
        for (at, line) in text.lines().enumerate() {
            let assignment = assignment(line).map_err(|()| {
                format!("/{name}:{}: the fake FreeBSD does not know what {line:?} does", at + 1)
            })?;
            if let Some((name, value)) = assignment {
                tool::one(kernel, options, &format!("{name}={value}"), &mut String::new())?;
            }
        }
    }
    Ok(())
}

/// Returns name and value of a line; `None` where it writes nothing.
fn assignment(line: &str) -> Result<Option<(String, String)>, ()> {
    if line.contains('\\') || line.len() >= 1024 {
        return Err(());
    }
    let line = without_comment(line)?.trim();
    let Some(at) = line.find(['=', ':']) else { return Ok(None) };
    let (name, value) = (line[..at].trim(), line[at + 1..].trim());
    let value = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => value[1..].strip_suffix(quote).filter(|value| !value.contains(quote)),
        _ => Some(value),
    };
    Ok(Some((name.to_owned(), value.ok_or(())?.to_owned())))
}

/// Cuts a comment, which no `#` in quotes begins.
fn without_comment(line: &str) -> Result<&str, ()> {
    let mut quote = None;
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (None, '#') => return Ok(&line[..at]),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
    }
    if quote.is_some() { Err(()) } else { Ok(line) }
}

/// Writes what rc.conf says of TCP, as the script for network options does.
fn options_of_tcp(kernel: &mut Kernel, root: &Path) -> Result<(), String> {
    if root.join("etc/rc.conf.d").exists() {
        return Err("the fake FreeBSD does not know /etc/rc.conf.d".to_owned());
    }
    let mut found = BTreeMap::new();
    for path in ["/etc/defaults/rc.conf", "/etc/rc.conf", "/etc/rc.conf.local"] {
        found.extend(assignments(root, Path::new(path))?.unwrap_or_default());
    }
    let switch = |name: &str| found.get(name).map(|word| yes(name, word)).transpose();
    let mut writes = Vec::new();
    let keepalive = switch("tcp_keepalive")?.ok_or("no file says what tcp_keepalive is")?;
    let no_synfin = switch("tcp_drop_synfin")?.ok_or("no file says what tcp_drop_synfin is")?;
    writes.push(("net.inet.tcp.always_keepalive", u32::from(keepalive)));
    writes.push(("net.inet.tcp.drop_synfin", u32::from(no_synfin)));
    if let Some(on) = switch("tcp_extensions")? {
        writes.push(("net.inet.tcp.rfc1323", u32::from(on)));
    }
    let number = |name: &str| found.get(name).and_then(|word| word.parse::<u32>().ok());
    if let Some(level) = number("log_in_vain").filter(|level| *level > 0) {
        writes.extend([("net.inet.tcp.log_in_vain", level), ("net.inet.udp.log_in_vain", level)]);
    }
    for (word, name) in [
        ("ip_portrange_first", "net.inet.ip.portrange.first"),
        ("ip_portrange_last", "net.inet.ip.portrange.last"),
    ] {
        writes.extend(number(word).map(|port| (name, port)));
    }
    for (name, value) in writes {
        tool::one(kernel, Options::default(), &format!("{name}={value}"), &mut String::new())?;
    }
    Ok(())
}

fn yes(name: &str, word: &str) -> Result<bool, String> {
    match word.to_ascii_lowercase().as_str() {
        "yes" | "true" | "on" | "1" => Ok(true),
        "no" | "false" | "off" | "0" => Ok(false),
        _ => Err(format!("the fake FreeBSD does not know {name}={word:?}")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_line_is_cut_as_the_tool_cuts_it() {
        let of = |line: &str| assignment(line).unwrap().map(|(name, value)| format!("{name}|{value}"));
        assert_eq!(of(" a.b = 5  # why").as_deref(), Some("a.b|5"));
        assert_eq!(of("a.b:5").as_deref(), Some("a.b|5"));
        assert_eq!(of("a.b=\"5\" # more").as_deref(), Some("a.b|5"));
        assert_eq!(of("a.b='5#6'").as_deref(), Some("a.b|5#6"));
        assert_eq!(of("a.b"), None);
        assert_eq!(of("# a.b=5"), None);
        for odd in ["a.b=\"5", "a.b=\"5\" and more", "a.b=5\\"] {
            assert!(assignment(odd).is_err(), "{odd}");
        }
    }
}
