//! The files of a freshly installed system, as far as anything here looks at them.

use std::path::Path;

use super::table::Release;

const LOADER_13: &str = "# What the loader reads.\n\
    loader_conf_files=\"/boot/device.hints /boot/loader.conf /boot/loader.conf.local\"\n\
    loader_conf_dirs=\"/boot/loader.conf.d\"\n\
    nextboot_conf=\"/boot/nextboot.conf\"\n";

const LOADER_15: &str = "# What the loader reads.\n\
    loader_conf_files=\"/boot/device.hints /boot/loader.conf\"\n\
    loader_conf_dirs=\"/boot/loader.conf.d\"\n\
    local_loader_conf_files=\"/boot/loader.conf.local\"\n\
    nextboot_conf=\"/boot/nextboot.conf\"\n";

const RC_DEFAULTS: &str = "# What rc does unless rc.conf says otherwise.\n\
    rc_conf_files=\"/etc/rc.conf /etc/rc.conf.local\"\n\
    tcp_keepalive=\"YES\"\n\
    tcp_drop_synfin=\"NO\"\n\
    tcp_extensions=\"YES\"\n\
    log_in_vain=\"0\"\n\
    ip_portrange_first=\"NO\"\n\
    ip_portrange_last=\"NO\"\n";

/// Makes the files below `root`.
///
/// # Panics
///
/// When they cannot be made.
pub fn plant(root: &Path, release: Release) {
    let (version, loader) = match release {
        Release::Thirteen => ("13.0-RELEASE", LOADER_13),
        Release::Fourteen => ("14.0-CURRENT", LOADER_13),
        Release::Fifteen => ("15.0-RELEASE", LOADER_15),
    };
    for directory in ["boot/loader.conf.d", "usr/local/etc", "usr/local/etc/rc.d", "var/db", "tmp"] {
        std::fs::create_dir_all(root.join(directory)).unwrap_or_else(|error| panic!("{directory}: {error}"));
    }
    put(root, "bin/freebsd-version", &format!("#!/bin/sh\n\nUSERLAND_VERSION=\"{version}\"\n"));
    put(root, "boot/defaults/loader.conf", loader);
    put(root, "boot/lua/loader.lua", "-- The loader.\n");
    put(root, "boot/device.hints", "hint.acpi.0.disabled=\"0\"\n");
    put(root, "boot/loader.conf", "autoboot_delay=\"3\"\n");
    put(root, "etc/defaults/rc.conf", RC_DEFAULTS);
    put(root, "etc/rc.conf", "hostname=\"fbsd\"\n");
    put(root, "etc/rc.d/sysctl", "#!/bin/sh\n");
    put(root, "etc/rc.d/netoptions", "#!/bin/sh\n");
    put(root, "etc/rc.d/sysctl_lastload", "#!/bin/sh\n");
    put(root, "etc/sysctl.conf", "# What is set at every boot.\n");
}

/// Writes a file below `root`, with the directories that it needs.
///
/// # Panics
///
/// When it cannot be written.
pub fn put(root: &Path, name: &str, text: &str) {
    let path = root.join(name.trim_start_matches('/'));
    let made = std::fs::create_dir_all(path.parent().unwrap_or(root));
    made.and_then(|()| std::fs::write(&path, text))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
