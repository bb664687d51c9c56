//! The only door from `tune` to the machine.
//!
//! [`Host`] looks, [`Machine`] changes; what is only looked at can therefore not be changed by mistake.

pub mod backend;
mod detached;
pub mod fake;
mod fake_properties;
pub mod files;
mod fresh;
pub mod host;
mod interrupt;
pub mod ipadm_conf;
pub mod live;
pub mod native;
pub mod property;
mod replace;
pub mod site;
mod solve;
mod sys;
mod sysctl_name;

pub use backend::{
    Altered, Around, Assessment, Backend, Override, PersistOptions, Persistence, Provision, Targets,
    Unsolvable,
};
pub use detached::{Detached, detach, say_ready};
pub use fake::FakeHost;
pub use files::{FileError, FileKind, Files, MemoryFiles, Overlay, RootedFiles};
pub use fresh::FreshHost;
pub use host::{Description, Host, Identity, Isolation, Machine, ReadError, Scope, WriteError};
pub use interrupt::Interrupt;
pub use live::{LiveHost, NamespaceError};
pub use native::{Inquiry, Output, RunError, Runner};
pub use site::SiteLibrary;
pub use solve::solve_scalar;
pub use sysctl_name::sysctl_path;
