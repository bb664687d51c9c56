//! What a freshly installed FreeBSD has of the files that matter here.

use tune_host::MemoryFiles;

/// The loader's lists as they are since 14.1.
const LOADER: &str = "loader_conf_files=\"/boot/device.hints /boot/loader.conf\"\n\
    loader_conf_dirs=\"/boot/loader.conf.d\"\n\
    local_loader_conf_files=\"/boot/loader.conf.local\"\n\
    nextboot_conf=\"/boot/nextboot.conf\"\n";
/// What rc.d writes into tunables unless /etc/rc.conf says otherwise.
const RC: &str = "rc_conf_files=\"/etc/rc.conf /etc/rc.conf.local\"\n\
    tcp_extensions=\"YES\"\n\
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
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tune_host::{Backend, FreshHost};
    use tune_model::claim::ScopeClaims;
    use tune_model::{Catalog, System};

    use crate::boot::Jail;
    use crate::defaults::{Ground, Handed, at_start};
    use crate::ground::absent;
    use crate::next_boot::{NextBoot, Which};

    #[test]
    fn it_is_recognised_and_has_a_next_boot() {
        let host = FreshHost::new(fresh_files(), None);
        assert!(crate::recognises(&host));
        assert!(crate::FreeBsd::on(&host).has_boot_layer(&host));
    }

    #[test]
    fn its_scripts_write_what_the_kernel_has_anyway() {
        let ground = Ground { hz: 100, page: 4096, release: Some(1_401_000), ..Ground::default() };
        let host = FreshHost::new(fresh_files(), None);
        let next = NextBoot::of(&host, &ScopeClaims::default(), &ground, Jail::None).unwrap();
        let mut written = 0;
        for row in Catalog::of(System::FreeBsd).iter().filter(|row| absent(row, &ground).is_none()) {
            let default = at_start(row, &Handed::new(), &ground).map(|default| default.to_string());
            let predicted = next.predict(&row.name, Which::AsIs);
            assert_eq!(predicted.text.ok(), default, "{}", row.name);
            written += usize::from(predicted.source.is_some());
        }
        assert_eq!(written, 4);
    }
}
