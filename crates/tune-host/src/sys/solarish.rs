//! illumos and Solaris: their tunables are properties, which ipadm and ndd keep; nothing is read by a system call.

// No safe interface reads the accounts of logins or asks for physical memory here.
#![allow(unsafe_code)]

use tune_model::plan::Namespace;

use crate::host::{Description, ReadError, WriteError};
use crate::sockets::AbortError;

const REASON: &str = "this system has no tunables but properties, which ipadm and ndd keep";

pub(crate) fn read_tunable(name: &str) -> Result<String, ReadError> {
    Err(ReadError::Missing(name.to_owned()))
}

pub(crate) const fn describe_tunable(_name: &str) -> Option<Description> {
    None
}

pub(crate) fn write_tunable(name: &str, _value: &str) -> Result<(), WriteError> {
    Err(WriteError::Failed { name: name.to_owned(), reason: REASON.to_owned() })
}

pub(crate) fn writable_tunable(name: &str) -> Result<(), WriteError> {
    Err(WriteError::Failed { name: name.to_owned(), reason: REASON.to_owned() })
}

pub(crate) fn read_structure(name: &str) -> Result<Vec<u8>, ReadError> {
    Err(ReadError::Missing(name.to_owned()))
}

/// The kernel has a call for it, which is private to the system.
pub(crate) const fn abort_connection(
    _namespace: Option<&Namespace>,
    _request: &[u8],
) -> Result<(), AbortError> {
    Err(AbortError::Unsupported)
}

/// The record of the boot in the accounts of logins: each zone has its own, and setting the clock leaves it as it is.
pub(crate) fn boot_id() -> String {
    let mut found = String::new();
    // SAFETY: the three calls take no pointers of ours. They are not for several threads at a time; nothing else here
    // uses them, and the host is opened by the first thread before there is another.
    unsafe { libc::setutxent() };
    loop {
        // SAFETY: as above.
        let record = unsafe { libc::getutxent() };
        // SAFETY: what is returned is null or points to a record that stays until the next of these calls.
        let Some(record) = (unsafe { record.as_ref() }) else { break };
        if record.ut_type == libc::BOOT_TIME {
            found = format!("{}.{:06}", record.ut_tv.tv_sec, record.ut_tv.tv_usec);
            break;
        }
    }
    // SAFETY: as above.
    unsafe { libc::endutxent() };
    found
}

/// Returns physical memory in bytes.
pub(crate) fn memory() -> Option<u64> {
    // SAFETY: the call takes a number and returns one.
    let pages = unsafe { libc::sysconf(libc::_SC_PHYS_PAGES) };
    u64::try_from(pages).ok().filter(|pages| *pages > 0).map(|pages| pages * super::page_size())
}
