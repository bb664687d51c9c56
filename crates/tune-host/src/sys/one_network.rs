//! Systems whose processes cannot move between network stacks.

use tune_model::plan::Namespace;

use crate::host::Isolation;
use crate::live::NamespaceError;
use crate::sockets::{ListRequest, NetworkNamespace, Receive, SocketHolders, SocketsError};

pub(crate) fn find_namespace(_name: &str) -> Result<Namespace, NamespaceError> {
    Err(NamespaceError::Unsupported)
}

pub(crate) fn own_namespace() -> Option<Namespace> {
    None
}

pub(crate) fn within<T: Send>(
    namespace: Option<&Namespace>,
    work: impl FnOnce() -> T + Send,
) -> Result<T, NamespaceError> {
    if namespace.is_some() { Err(NamespaceError::Unsupported) } else { Ok(work()) }
}

/// A jail or a zone is a machine of its own here: what it may change its kernel tells.
pub(crate) const fn isolation() -> Isolation {
    Isolation::None
}

pub(crate) fn ask_for_sockets(
    _namespace: Option<&Namespace>,
    _request: &[u8],
    _receive: &mut Receive<'_>,
) -> Result<(), SocketsError> {
    Err(SocketsError::Unsupported("it has no NETLINK_SOCK_DIAG".to_owned()))
}

pub(crate) fn ask_for_lists(
    namespace: Option<&Namespace>,
    _requests: Vec<ListRequest<'_>>,
) -> Result<(), SocketsError> {
    ask_for_sockets(namespace, &[], &mut |_| std::ops::ControlFlow::Break(()))
}

pub(crate) fn read_network_file(
    _namespace: Option<&Namespace>,
    name: &str,
    _receive: &mut Receive<'_>,
) -> Result<(), SocketsError> {
    Err(SocketsError::Unsupported(format!("there is no /proc/net/{name}")))
}

pub(crate) fn socket_holders(_only: Option<&[i32]>, _wanted: &(dyn Fn(u64) -> bool + Sync)) -> SocketHolders {
    SocketHolders::default()
}

pub(crate) fn ancestors() -> Vec<i32> {
    vec![nix::unistd::getpid().as_raw(), nix::unistd::getppid().as_raw()]
}

pub(crate) const fn network_namespaces() -> Vec<NetworkNamespace> {
    Vec::new()
}

pub(crate) const fn idle_processors() -> usize {
    0
}
