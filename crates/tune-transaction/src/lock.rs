//! One changer at a time.

use std::fs::{File, TryLockError};
use std::io;

use serde::{Deserialize, Serialize};

use crate::clock;
use crate::disk::{self, PRIVATE};
use crate::error::{Busy, LockError, StateError};
use crate::store::Store;

/// The file that is locked. Only its owner may open it: whoever can open it could hold the lock for ever.
const LOCK: &str = "lock";

/// The state directory, held by this process alone until this is dropped.
#[derive(Debug)]
#[must_use]
pub struct Locked<'a> {
    pub(crate) store: &'a Store,
    file: File,
}

/// Who holds the lock, as the lock file says.
#[derive(Debug, Serialize, Deserialize)]
struct Holder {
    pid: u32,
    command: String,
    since: String,
}

impl<'a> Locked<'a> {
    pub(crate) fn take(store: &'a Store, command: &str) -> Result<Self, LockError> {
        refuse_newer(store)?;
        let file = store.directory.edit(LOCK, PRIVATE)?;
        match try_lock(&file) {
            // One that was at work until now may have been a newer version.
            Ok(()) => refuse_newer(store)?,
            Err(TryLockError::WouldBlock) => return Err(holder(&file).into()),
            Err(TryLockError::Error(error)) => {
                return Err(StateError::new("lock", store.path().join(LOCK), &error).into());
            }
        }
        // The lock holds whether or not it can be said who has it.
        let _ = sign(&file, command);
        Ok(Self { store, file })
    }

    /// Returns the state directory.
    #[must_use]
    pub const fn store(&self) -> &'a Store {
        self.store
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        let _ = self.file.set_len(0);
        let _ = self.file.unlock();
    }
}

/// What a newer version wrote is not written over.
fn refuse_newer(store: &Store) -> Result<(), StateError> {
    store.of_newer()?.map_or(Ok(()), Err)
}

fn try_lock(file: &File) -> Result<(), TryLockError> {
    loop {
        match file.try_lock() {
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

fn sign(file: &File, command: &str) -> io::Result<()> {
    let holder =
        Holder { pid: std::process::id(), command: command.chars().take(200).collect(), since: clock::now() };
    let text = serde_json::to_string(&holder)? + "\n";
    disk::truncate(file, 0)?;
    disk::write_at(file, text.as_bytes(), 0)
}

fn holder(file: &File) -> Busy {
    let text = io::read_to_string(file).unwrap_or_default();
    match serde_json::from_str::<Holder>(&text) {
        Ok(Holder { pid, command, since }) => {
            Busy { pid: Some(pid), command: Some(command), since: Some(since) }
        }
        Err(_) => Busy { pid: None, command: None, since: None },
    }
}
