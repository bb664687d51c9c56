//! The calls to the system itself. What each system must provide:
//!
//! - `identity`, `page_size`: what `uname` and `sysconf` say;
//! - `boot_id`: what tells this boot from every other;
//! - `read_tunable`, `write_tunable`, `writable_tunable`: one tunable of the running kernel, whole;
//! - `find_namespace`, `own_namespace`, `within`, `isolation`: network namespaces, where the system has them.
//!
//! `target_os` is written in this file only.

mod posix;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(crate) use linux::{
    boot_id, find_namespace, isolation, own_namespace, read_tunable, within, writable_tunable, write_tunable,
};

#[cfg(not(target_os = "linux"))]
mod unsupported;
#[cfg(not(target_os = "linux"))]
pub(crate) use unsupported::{
    boot_id, find_namespace, isolation, own_namespace, read_tunable, within, writable_tunable, write_tunable,
};

pub(crate) use posix::{identity, page_size};
