//! Names of kernel settings: dotted for people, with slashes below `/proc/sys`.

use std::fmt;

/// The name of one kernel setting, such as `net.ipv4.tcp_fin_timeout`.
///
/// Kept as the path below `/proc/sys`; shown dotted. A dot inside a part, as in an interface name, is shown as
/// a slash (`net.ipv4.conf.eth0/100.rp_filter`), the way both boot tools read it back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

/// Why a text is not the name of a kernel setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} cannot name a kernel setting")]
pub struct NotAKey(pub String);

impl Key {
    /// Reads a name in either spelling: where the first separator is a dot, dots and slashes are swapped.
    ///
    /// # Errors
    ///
    /// [`NotAKey`] on empty parts, `.` and `..`, absolute paths, white space and control characters.
    ///
    /// Source: sysctl.d(5), "Configuration Format".
    pub fn parse(name: &str) -> Result<Self, NotAKey> {
        let path = swap_separators(name);
        let odd = |part: &str| matches!(part, "" | "." | "..") || part.bytes().any(|byte| byte <= b' ');
        if path.split('/').any(odd) {
            return Err(NotAKey(name.to_owned()));
        }
        Ok(Self(path))
    }

    /// Takes a path below `/proc/sys` that is already clean.
    pub(crate) fn from_path(path: impl Into<String>) -> Self {
        Self(path.into())
    }

    /// Returns the path below `/proc/sys`, without a leading slash.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.0
    }

    /// Returns the dotted name.
    #[must_use]
    pub fn dotted(&self) -> String {
        self.0.chars().map(swapped).collect()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.dotted())
    }
}

impl std::str::FromStr for Key {
    type Err = NotAKey;

    fn from_str(name: &str) -> Result<Self, NotAKey> {
        Self::parse(name)
    }
}

fn swapped(character: char) -> char {
    match character {
        '.' => '/',
        '/' => '.',
        other => other,
    }
}

/// Turns a name whose first separator is a dot into a path; leaves any other as it is.
pub(crate) fn swap_separators(name: &str) -> String {
    match name.find(['.', '/']) {
        Some(first) if name[first..].starts_with('.') => name.chars().map(swapped).collect(),
        _ => name.to_owned(),
    }
}

/// Takes empty parts and `.` out of a path.
pub(crate) fn simplify(path: &str) -> String {
    super::glob::components(path).collect::<Vec<_>>().join("/")
}

/// Directories every kernel with TCP has: `..` is known to work behind these only.
const DIRECTORIES: &[&str] =
    &["", "net", "net/core", "net/ipv4", "net/ipv4/conf", "net/ipv4/conf/all", "kernel", "vm", "fs"];

/// Returns the file below `/proc/sys` that the kernel finds under a path, `..` included.
///
/// Nothing where the path leaves `/proc/sys`, ends in a slash (settings are files), or passes through a
/// directory that may not exist.
pub(crate) fn resolve(path: &str) -> Option<String> {
    if path.ends_with('/') || path.ends_with("/.") {
        return None;
    }
    let mut inside: Vec<&str> = Vec::new();
    for part in super::glob::components(path) {
        if part == ".." {
            if inside.is_empty() || !DIRECTORIES.contains(&inside.join("/").as_str()) {
                return None;
            }
            inside.pop();
        } else {
            inside.push(part);
        }
    }
    (!inside.is_empty()).then(|| inside.join("/"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_spellings_are_one_key() {
        let dotted = Key::parse("net.ipv4.conf.eth0/100.rp_filter").unwrap();
        assert_eq!(dotted, Key::parse("net/ipv4/conf/eth0.100/rp_filter").unwrap());
        assert_eq!(dotted.path(), "net/ipv4/conf/eth0.100/rp_filter");
        assert_eq!(dotted.to_string(), "net.ipv4.conf.eth0/100.rp_filter");
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for bad in ["", "/net/ipv4/x", "net..x", "net/../x", "net.ipv4.", "a b", "net/./x", "x\n"] {
            assert!(Key::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_kernel_resolves_dots_behind_directories_only() {
        assert_eq!(resolve("net/core/../ipv4/x").as_deref(), Some("net/ipv4/x"));
        assert_eq!(resolve("/net//ipv4/./x").as_deref(), Some("net/ipv4/x"));
        assert_eq!(resolve("net/nowhere/../ipv4/x"), None);
        assert_eq!(resolve("../x"), None);
        assert_eq!(resolve("net/ipv4/x/"), None);
    }

    proptest! {
        #[test]
        fn reading_what_is_shown_gives_the_same(name in ".{0,30}") {
            let _ = resolve(&name);
            if let Ok(key) = Key::parse(&name) && key.path().contains('/') {
                prop_assert_eq!(Key::parse(&key.dotted()), Ok(key));
            }
        }
    }
}
