//! What every system answers in the same way.

use std::time::Duration;

use nix::sys::utsname::uname;
use nix::time::clock_gettime;
use nix::unistd::{SysconfVar, sysconf};

use crate::host::Identity;

pub(crate) fn identity() -> Identity {
    let text = |part: &std::ffi::OsStr| Some(part.to_string_lossy().into_owned());
    match uname() {
        Ok(name) => Identity {
            kernel: text(name.sysname()),
            release: text(name.release()),
            version: text(name.version()),
            host_name: text(name.nodename()),
        },
        Err(_) => Identity::default(),
    }
}

pub(crate) fn uptime() -> Duration {
    // The clock is there: it is one that the system must have.
    clock_gettime(super::UPTIME).map(Duration::from).unwrap_or_default()
}

pub(crate) fn page_size() -> u64 {
    let said = sysconf(SysconfVar::PAGE_SIZE).ok().flatten();
    said.and_then(|size| u64::try_from(size).ok()).unwrap_or(4096)
}
