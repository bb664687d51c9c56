//! Keys that exist only while a kernel module is loaded.

use std::path::Path;

use tune_host::Files;

use super::keys::Key;
use super::plan::Place;
use super::tree::{self, Content};

/// The module a key comes with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// The module.
    pub name: &'static str,
    /// The line of a `modules-load.d` file that loads it before the settings are applied. Without one, the
    /// settings of its keys are passed over at boot without a word, unless it is built in.
    pub loaded_by: Option<Place>,
}

/// The beginnings of keys, and the module they come with.
const MODULES: &[(&str, &str)] = &[
    ("net/netfilter/nf_conntrack_", "nf_conntrack"),
    ("net/nf_conntrack_max", "nf_conntrack"),
    ("net/bridge/bridge-nf-", "br_netfilter"),
    ("net/sctp/", "sctp"),
    ("net/mptcp/", "mptcp"),
];

/// Returns the module that a key comes with, and what loads it at boot.
///
/// Source: `modules-load.d(5)`.
#[must_use]
pub fn module_of(files: &dyn Files, key: &Key) -> Option<Module> {
    let (_, name) = MODULES.iter().find(|(prefix, _)| key.path().starts_with(prefix))?;
    Some(Module { name, loaded_by: loaded_by(files, name) })
}

fn loaded_by(files: &dyn Files, module: &str) -> Option<Place> {
    let listed = tree::list(files, "modules-load.d", false).files;
    listed.iter().find_map(|file| named_in(files, file, module))
}

/// Dashes and underscores are the same in module names.
fn named_in(files: &dyn Files, file: &Path, module: &str) -> Option<Place> {
    let Content::Bytes(content) = tree::content(files, file) else { return None };
    let content = String::from_utf8_lossy(&content);
    let named = |line: &str| line.trim().replace('-', "_") == module;
    let (line, _) = (1..).zip(content.lines()).find(|(_, line)| named(line))?;
    Some(Place { file: file.to_owned(), line })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tune_host::MemoryFiles;

    #[test]
    fn connection_tracking_needs_its_module() {
        let key = Key::parse("net.netfilter.nf_conntrack_max").unwrap();
        let files = MemoryFiles::default();
        assert_eq!(module_of(&files, &key).unwrap().loaded_by, None);
        let files = files.with("/etc/modules-load.d/ct.conf", "# firewall\nnf-conntrack\n");
        let place = module_of(&files, &key).unwrap().loaded_by.unwrap();
        assert_eq!(place.to_string(), "/etc/modules-load.d/ct.conf:2");
        assert_eq!(module_of(&files, &Key::parse("net.core.somaxconn").unwrap()), None);
    }
}
