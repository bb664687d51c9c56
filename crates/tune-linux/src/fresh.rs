//! What a freshly installed Linux has of the files that matter here.

use tune_host::MemoryFiles;

/// Returns the files of a freshly installed Linux whose settings systemd applies at boot, as on every large
/// distribution; no other file sets a tunable of the catalog there.
#[must_use]
pub fn fresh_files() -> MemoryFiles {
    MemoryFiles::default().with("/usr/lib/systemd/systemd-sysctl", "").with_directory("/etc/sysctl.d")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tune_host::{Backend, FreshHost};

    #[test]
    fn it_is_recognised_and_has_a_next_boot() {
        let host = FreshHost::new(fresh_files(), None);
        assert!(crate::recognises(&host));
        assert!(crate::Linux::on(&host).has_boot_layer(&host));
    }
}
