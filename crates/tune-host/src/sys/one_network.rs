//! Systems whose processes cannot move between network stacks.

use tune_model::plan::Namespace;

use crate::host::Isolation;
use crate::live::NamespaceError;

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
