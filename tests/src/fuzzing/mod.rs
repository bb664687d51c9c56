//! What is done with bytes that others wrote: one function for each parser, run by the fuzzers in `fuzz/` and as
//! properties by `tests/tests/fuzzing.rs`. Each fails by a panic, of the parser or of what is asserted of its answer.
//!
//! It depends on nothing of this crate, so that the fuzzers build without it.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc)] // A panic is the finding.

mod freebsd;
mod host;
mod linux;
mod model;
mod sockets;
mod state;
mod sunos;

pub use freebsd::{
    freebsd_block, freebsd_kernel_text, freebsd_loader_conf, freebsd_rc_conf, freebsd_sysctl_conf,
};
pub use linux::{kernel_command_line, modules, proc_text, sysctl_line_taken_over, sysctl_tree_linux};
pub use model::{claims, names, one_off, profile, quantities};
pub use sockets::{sockets_filter, sockets_freebsd, sockets_inet_diag, sockets_netstat, sockets_proc_net};
pub use state::{history, journal};
pub use sunos::{sunos_ipadm_conf, sunos_manifest, sunos_netstat, sunos_show_prop, sunos_start_script};

/// A function for bytes that others wrote.
pub type Body = fn(&[u8]);

/// Every one of them, by the name of its fuzzer and of its seeds.
pub const BODIES: [(&str, Body); 27] = [
    ("profile", profile),
    ("one_off", one_off),
    ("names", names),
    ("quantities", quantities),
    ("claims", claims),
    ("journal", journal),
    ("history", history),
    ("sysctl_tree_linux", sysctl_tree_linux),
    ("sysctl_line_taken_over", sysctl_line_taken_over),
    ("kernel_command_line", kernel_command_line),
    ("modules", modules),
    ("proc_text", proc_text),
    ("freebsd_sysctl_conf", freebsd_sysctl_conf),
    ("freebsd_loader_conf", freebsd_loader_conf),
    ("freebsd_rc_conf", freebsd_rc_conf),
    ("freebsd_block", freebsd_block),
    ("freebsd_kernel_text", freebsd_kernel_text),
    ("sockets_inet_diag", sockets_inet_diag),
    ("sockets_proc_net", sockets_proc_net),
    ("sockets_freebsd", sockets_freebsd),
    ("sockets_netstat", sockets_netstat),
    ("sockets_filter", sockets_filter),
    ("sunos_show_prop", sunos_show_prop),
    ("sunos_ipadm_conf", sunos_ipadm_conf),
    ("sunos_start_script", sunos_start_script),
    ("sunos_manifest", sunos_manifest),
    ("sunos_netstat", sunos_netstat),
];

/// How many lines a content has, one without an end included.
fn lines(content: &[u8]) -> u32 {
    u32::try_from(content.split(|byte| *byte == b'\n').count()).unwrap_or(u32::MAX)
}
