//! A stand-in for systems whose calls are not written yet: it compiles, and says so when asked.

use tune_model::plan::Namespace;

use crate::host::{Description, ReadError, WriteError};
use crate::sockets::AbortError;

const REASON: &str = "this build of tune cannot reach the running kernel of this system";

pub(crate) fn read_tunable(name: &str) -> Result<String, ReadError> {
    Err(ReadError::Failed { name: name.to_owned(), reason: REASON.to_owned() })
}

pub(crate) fn describe_tunable(_name: &str) -> Option<Description> {
    None
}

pub(crate) fn write_tunable(name: &str, _value: &str) -> Result<(), WriteError> {
    Err(WriteError::Failed { name: name.to_owned(), reason: REASON.to_owned() })
}

pub(crate) fn writable_tunable(name: &str) -> Result<(), WriteError> {
    Err(WriteError::Failed { name: name.to_owned(), reason: REASON.to_owned() })
}

pub(crate) const fn boot_id() -> String {
    String::new()
}

pub(crate) fn read_structure(name: &str) -> Result<Vec<u8>, ReadError> {
    Err(ReadError::Missing(name.to_owned()))
}

pub(crate) fn abort_connection(_namespace: Option<&Namespace>, _request: &[u8]) -> Result<(), AbortError> {
    Err(AbortError::Unsupported)
}
