//! What a freshly installed FreeBSD has of the files that matter here.

use tune_host::MemoryFiles;

/// The loader's lists as they are since 14.1.
const LOADER: &str = "loader_conf_files=\"/boot/device.hints /boot/loader.conf\"\n\
    loader_conf_dirs=\"/boot/loader.conf.d\"\n\
    local_loader_conf_files=\"/boot/loader.conf.local\"\n\
    nextboot_conf=\"/boot/nextboot.conf\"\n";
/// What rc.d writes into tunables unless /etc/rc.conf says otherwise.
const RC: &str = "rc_conf_files=\"/etc/rc.conf /etc/rc.conf.local\"\n\
    tcp_extensions=\"NO\"\n\
    tcp_keepalive=\"YES\"\n\
    tcp_drop_synfin=\"NO\"\n\
    log_in_vain=\"0\"\n\
    ip_portrange_first=\"NO\"\n\
    ip_portrange_last=\"NO\"\n";
const SCRIPT: &str = "#!/bin/sh\n";

/// Returns the files of a freshly installed FreeBSD; which release it is they do not tell.
#[must_use]
pub fn fresh_files() -> MemoryFiles {
    MemoryFiles::default()
        .with("/boot/defaults/loader.conf", LOADER)
        .with("/boot/lua/loader.lua", "")
        .with_directory("/boot/loader.conf.d")
        .with("/etc/defaults/rc.conf", RC)
        .with("/etc/rc.conf", "")
        .with("/etc/rc.d/sysctl", SCRIPT)
        .with("/etc/rc.d/netoptions", SCRIPT)
        .with("/etc/rc.d/sysctl_lastload", SCRIPT)
        .with("/etc/sysctl.conf", "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tune_host::{Backend, FreshHost};

    #[test]
    fn it_is_recognised_and_has_a_next_boot() {
        let host = FreshHost::new(fresh_files(), None);
        assert!(crate::recognises(&host));
        assert!(crate::FreeBsd::on(&host).has_boot_layer(&host));
    }
}
