//! The calls to the system itself. What each system must provide:
//!
//! - `identity`, `page_size`: what `uname` and `sysconf` say;
//! - `boot_id`: what tells this boot from every other;
//! - `UPTIME`: the clock that counts from the start of the machine, suspended time included where there is such a one;
//! - `read_tunable`, `describe_tunable`, `write_tunable`, `writable_tunable`: one tunable of the running kernel, whole;
//! - `find_namespace`, `own_namespace`, `within`, `isolation`: network namespaces, where the system has them;
//! - `ask_for_sockets`, `ask_for_lists`, `read_network_file`, `read_structure`, `abort_connection`: connections, each where the system
//!   tells of them in this way;
//! - `NAMES_SOCKET_HOLDERS`, `socket_holders`, `ancestors`, `network_namespaces`: the processes behind them;
//! - `idle_processors`: how many have nothing to do.
//!
//! `target_os` is written in this file only.

mod posix;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod linux_namespaces;
#[cfg(target_os = "linux")]
mod linux_processes;
#[cfg(target_os = "linux")]
mod linux_sockets;
#[cfg(target_os = "linux")]
pub(crate) use linux::{
    boot_id, describe_tunable, find_namespace, isolation, own_namespace, read_tunable, within,
    writable_tunable, write_tunable,
};
#[cfg(target_os = "linux")]
pub(crate) use linux_namespaces::network_namespaces;
#[cfg(target_os = "linux")]
pub(crate) use linux_processes::{ancestors, idle_processors, socket_holders};
#[cfg(target_os = "linux")]
pub(crate) use linux_sockets::{
    abort_connection, ask_for_lists, ask_for_sockets, read_network_file, read_structure,
};

#[cfg(target_os = "freebsd")]
mod freebsd;
#[cfg(any(target_os = "freebsd", test))]
mod kernel_value;
#[cfg(target_os = "freebsd")]
pub(crate) use freebsd::{
    abort_connection, boot_id, describe_tunable, read_structure, read_tunable, writable_tunable,
    write_tunable,
};
#[cfg(all(target_os = "freebsd", not(all(target_pointer_width = "64", target_endian = "little"))))]
compile_error!("the sysctl crate reads numbers as little-endian ones, and a long as one of 64 bits");

#[cfg(not(target_os = "linux"))]
mod one_network;
#[cfg(not(target_os = "linux"))]
pub(crate) use one_network::{
    ancestors, ask_for_lists, ask_for_sockets, find_namespace, idle_processors, isolation,
    network_namespaces, own_namespace, read_network_file, socket_holders, within,
};

#[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
mod unsupported;
#[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
pub(crate) use unsupported::{
    abort_connection, boot_id, describe_tunable, read_structure, read_tunable, writable_tunable,
    write_tunable,
};

pub(crate) use posix::{identity, page_size, uptime};

/// FreeBSD has no clock that counts the time of a suspended machine.
#[cfg(target_os = "linux")]
const UPTIME: nix::time::ClockId = nix::time::ClockId::CLOCK_BOOTTIME;
#[cfg(not(target_os = "linux"))]
const UPTIME: nix::time::ClockId = nix::time::ClockId::CLOCK_MONOTONIC;

/// Where descriptors of processes can be looked at as files.
pub(crate) const NAMES_SOCKET_HOLDERS: bool = cfg!(target_os = "linux");

/// Extended attributes are in two namespaces, `user` and `system`, of which only root sees the latter.
pub(crate) const HAS_SYSTEM_ATTRIBUTES: bool = cfg!(target_os = "freebsd");
