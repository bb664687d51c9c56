//! What a machine must offer so that its TCP connections can be counted: raw answers of its kernel, who has which
//! socket open, and where the network namespaces are. What the answers mean is told elsewhere.

use std::ops::ControlFlow;

use nix::errno::Errno;
use tune_model::plan::Namespace;

use crate::files::plain;

/// Why the kernel could not be asked for its connections.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SocketsError {
    /// The caller may not ask.
    #[error("the kernel's list of connections may not be read by this user")]
    Denied,
    /// This system, or this kernel, is not asked in this way.
    #[error("this system does not list its connections: {0}")]
    Unsupported(String),
    /// The namespace it was to be asked in is gone.
    #[error("the network namespace {0} no longer exists")]
    NamespaceGone(String),
    /// Answers were lost because they were not taken in time.
    #[error("the kernel sent its list of connections faster than it was read")]
    Overrun,
    /// Anything else the system said.
    #[error("the kernel's list of connections cannot be read: {0}")]
    Failed(String),
}

impl SocketsError {
    /// Returns what the kernel means by the number in an answer, an error number below zero.
    #[must_use]
    pub fn answered(number: i32) -> Self {
        match Errno::from_raw(number.wrapping_neg()) {
            Errno::EPERM | Errno::EACCES => Self::Denied,
            Errno::ENOENT | Errno::EINVAL | Errno::EOPNOTSUPP | Errno::EPROTONOSUPPORT => {
                Self::Unsupported("its kernel does not know the request".to_owned())
            }
            errno => Self::Failed(plain(&errno.into())),
        }
    }
}

/// Why a connection could not be aborted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AbortError {
    /// There is no such connection any more.
    #[error("it is gone already")]
    Gone,
    /// The caller may not.
    #[error("this user may not abort connections here")]
    Denied,
    /// The kernel cannot, or not one of this sort.
    #[error("this kernel does not abort connections of this sort")]
    Unsupported,
    /// The namespace it was in is gone.
    #[error("the network namespace {0} no longer exists")]
    NamespaceGone(String),
    /// Anything else the system said.
    #[error("the kernel did not abort it: {0}")]
    Failed(String),
}

/// A process that has some of the sockets asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketHolder {
    /// Its id.
    pub pid: i32,
    /// The name of its program, as the kernel keeps it.
    pub command: String,
    /// The user it runs as; `None` where that cannot be told.
    pub uid: Option<u32>,
    /// The inodes of the sockets, one for each descriptor.
    pub sockets: Vec<u64>,
}

/// Which processes have which sockets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SocketHolders {
    /// Those that have some, by their ids.
    pub holders: Vec<SocketHolder>,
    /// How many processes the caller may not look into.
    pub unreadable: usize,
}

/// A network namespace of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkNamespace {
    /// What it is chosen by: its name below `/run/netns`, the id of a process in it, or its number in brackets.
    pub namespace: Namespace,
    /// A name that somebody gave it: that of `ip netns`, or of the container whose processes are in it.
    pub label: Option<String>,
    /// The process in it with the lowest id, and the name of its program; one that only has a thread in it where there
    /// is no other.
    pub process: Option<(i32, String)>,
    /// How many processes are in it, or have a thread in it.
    pub processes: usize,
    /// It is the one of the caller.
    pub own: bool,
}

/// What takes raw answers of the kernel; it breaks when it has enough.
pub type Receive<'a> = dyn FnMut(&[u8]) -> ControlFlow<()> + 'a;

/// As [`Receive`], for one of several lists that are read at the same time; it breaks at the end of its list.
pub type ReceiveList<'a> = dyn FnMut(&[u8]) -> ControlFlow<()> + Send + 'a;

/// A request for a list, and what takes its answer.
pub type ListRequest<'a> = (Vec<u8>, Box<ReceiveList<'a>>);
