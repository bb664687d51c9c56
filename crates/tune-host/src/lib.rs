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
mod keys;
pub mod live;
mod loopback;
pub mod native;
mod new_network;
pub mod property;
mod replace;
pub mod site;
pub mod sockets;
mod solve;
mod sys;
mod sysctl_name;

pub use backend::{
    Altered, Around, Assessment, Backend, Override, PersistOptions, Persistence, Provision, Targets,
    Unsolvable,
};
pub use detached::{Detached, detach, say_ready};
pub use fake::{FakeHost, FakeSockets};
pub use files::{FileError, FileKind, Files, MemoryFiles, Overlay, RootedFiles, content_of};
pub use fresh::FreshHost;
pub use host::{Description, Host, Identity, Isolation, Machine, ReadError, Scope, WriteError};
pub use interrupt::Interrupt;
pub use keys::Keys;
pub use live::{LiveHost, NamespaceError};
pub use loopback::{Loopback, LoopbackError};
pub use native::{Inquiry, Output, RunError, Runner};
pub use new_network::{NewNetworkError, in_new_network};
pub use site::SiteLibrary;
pub use sockets::{
    AbortError, ListRequest, NetworkNamespace, Receive, ReceiveList, SocketHolder, SocketHolders,
    SocketsError,
};
pub use solve::solve_scalar;
pub use sysctl_name::sysctl_path;
