//! The only door from `tune` to the machine.
//!
//! [`Host`] looks, [`Machine`] changes; what is only looked at can therefore not be changed by mistake.

pub mod backend;
mod detached;
pub mod fake;
pub mod files;
mod fresh;
pub mod host;
mod interrupt;
mod keys;
pub mod live;
mod replace;
pub mod site;
pub mod sockets;
mod solve;
mod sys;
mod sysctl_name;

pub use backend::{
    Around, Assessment, Backend, Override, PersistOptions, Persistence, Provision, Targets, Unsolvable,
};
pub use detached::{Detached, detach, say_ready};
pub use fake::{FakeHost, FakeSockets};
pub use files::{FileError, FileKind, Files, MemoryFiles, Overlay, RootedFiles};
pub use fresh::FreshHost;
pub use host::{Description, Host, Identity, Isolation, Machine, ReadError, Scope, WriteError};
pub use interrupt::Interrupt;
pub use keys::Keys;
pub use live::{LiveHost, NamespaceError};
pub use site::SiteLibrary;
pub use sockets::{
    AbortError, ListRequest, NetworkNamespace, Receive, ReceiveList, SocketHolder, SocketHolders,
    SocketsError,
};
pub use solve::solve_scalar;
pub use sysctl_name::sysctl_path;
