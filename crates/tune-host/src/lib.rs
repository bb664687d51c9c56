//! The only door from `tune` to the machine.
//!
//! [`Host`] looks, [`Machine`] changes; what is only looked at can therefore not be changed by mistake.

pub mod fake;
pub mod files;
pub mod host;
pub mod live;
mod replace;
mod sys;
mod sysctl_name;

pub use fake::FakeHost;
pub use files::{FileError, FileKind, Files, MemoryFiles, Overlay, RootedFiles};
pub use host::{Host, Identity, Isolation, Machine, ReadError, Scope, WriteError};
pub use live::{LiveHost, NamespaceError};
pub use sysctl_name::sysctl_path;
