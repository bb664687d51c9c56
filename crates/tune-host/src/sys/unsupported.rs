//! A stand-in for systems whose calls are not written yet: it compiles, and says so when asked.

use tune_model::plan::Namespace;

use crate::host::{Isolation, ReadError, WriteError};
use crate::live::NamespaceError;

const REASON: &str = "this build of tune cannot reach the running kernel of this system";

pub(crate) fn read_tunable(name: &str) -> Result<String, ReadError> {
    Err(ReadError::Failed { name: name.to_owned(), reason: REASON.to_owned() })
}

pub(crate) fn write_tunable(name: &str, _value: &str) -> Result<(), WriteError> {
    Err(WriteError::Failed { name: name.to_owned(), reason: REASON.to_owned() })
}

pub(crate) fn writable_tunable(name: &str) -> Result<(), WriteError> {
    Err(WriteError::Failed { name: name.to_owned(), reason: REASON.to_owned() })
}

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

pub(crate) const fn isolation() -> Isolation {
    Isolation::None
}

pub(crate) const fn boot_id() -> String {
    String::new()
}
