//! What FreeBSD reads when it starts: the loader's files, those of sysctl(8), and what /etc/rc.conf has rc.d write.
//!
//! Everything here is computed from a tree of files ([`tune_host::Files`]). Nothing is run and nothing is written.

mod block;
mod clock;
mod future;
mod loader_conf;
mod loader_line;
mod number;
mod problem;
mod rc_conf;
mod shell;
mod simulate;
mod sources;
mod sysctl_conf;
mod takeover;

use std::path::Path;

use tune_host::Files;

pub(crate) use problem::Problem;

#[cfg(test)]
pub(crate) use block::{Kind as BlockKind, mark};
pub(crate) use block::{find, put, unmarked, without};
pub(crate) use clock::booted_with;
pub(crate) use future::{Attempt, Future, Outcome, Predicted, Stage};
pub(crate) use loader_line::variable as loader_variable;
pub(crate) use rc_conf::sysrc;
pub(crate) use simulate::Setup;
pub(crate) use sources::Sources;
pub(crate) use sysctl_conf::statement;
pub(crate) use takeover::{TAKEN_OVER, comment_out, holds, line_text, put_instead, restore};

/// Whether the host is a jail, and whether that has a network stack of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Jail {
    /// It is no jail.
    None,
    /// A jail on the network stack of its host.
    Shared,
    /// A jail with a network stack of its own.
    Vnet,
}

/// The script that gives the files of sysctl(8) to it, early in the boot.
const SYSCTL_SCRIPT: &str = "/etc/rc.d/sysctl";
/// The script that does so again when everything else is up.
const AGAIN_SCRIPT: &str = "/etc/rc.d/sysctl_lastload";

/// Says that the script which applies the files of sysctl(8) is not where every release has it. That they are applied
/// all the same is assumed: somebody who starts a system in another way reads the usual files too.
pub(crate) fn no_script(files: &dyn Files) -> Option<Problem> {
    let missing = files.kind(Path::new(SYSCTL_SCRIPT)).is_err();
    let what = "is not there; that the files of sysctl(8) are applied at boot is assumed";
    missing.then(|| Problem { file: SYSCTL_SCRIPT.into(), line: None, what: what.to_owned(), hides: false })
}

/// Tells whether the files of sysctl(8) are applied a second time.
pub(crate) fn applies_them_again(files: &dyn Files) -> bool {
    files.kind(Path::new(AGAIN_SCRIPT)).is_ok()
}

/// Returns the name under which a tunable is known that has two.
///
/// Source: sys/kern/uipc_socket.c.
pub(crate) fn canonical(name: &str) -> &str {
    match name {
        "kern.ipc.somaxconn" => "kern.ipc.soacceptqueue",
        other => other,
    }
}
