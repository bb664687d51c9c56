//! Which tunables were seen to be missing in the present boot: what comes to be later was not set by what sets boot values.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::disk::PUBLIC;
use crate::error::StateError;
use crate::lock::Locked;
use crate::store::Store;

/// The file of the note.
pub(crate) const ABSENT: &str = "absent.json";
/// The format of the note.
pub(crate) const FORMAT: &str = "tune.absent/1";

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    format: String,
    boot_id: String,
    tunables: BTreeSet<String>,
}

impl Store {
    /// Returns the tunables that were seen to be missing since the machine was started; a note that cannot be understood
    /// says nothing.
    ///
    /// # Errors
    ///
    /// [`StateError`] where the note cannot be read.
    pub fn absent(&self, boot_id: &str) -> Result<BTreeSet<String>, StateError> {
        let content = self.directory.read(ABSENT)?;
        let note: Option<Note> = content.and_then(|content| serde_json::from_slice(&content).ok());
        let of_this_boot = note.filter(|note| note.format == FORMAT && note.boot_id == boot_id);
        Ok(of_this_boot.map(|note| note.tunables).unwrap_or_default())
    }
}

impl Locked<'_> {
    /// Notes that tunables are missing now. Nothing is written where that is known already.
    ///
    /// # Errors
    ///
    /// [`StateError`] where the note cannot be written.
    pub fn note_absent(&self, boot_id: &str, tunables: BTreeSet<String>) -> Result<(), StateError> {
        let known = self.store.absent(boot_id)?;
        if tunables.is_subset(&known) {
            return Ok(());
        }
        let tunables = known.into_iter().chain(tunables).collect();
        let note = Note { format: FORMAT.to_owned(), boot_id: boot_id.to_owned(), tunables };
        let path = || self.store.path().join(ABSENT);
        let text = serde_json::to_string_pretty(&note)
            .map_err(|error| StateError::new("write", path(), &error.into()))?;
        self.store.directory.replace(ABSENT, (text + "\n").as_bytes(), PUBLIC)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_note_is_of_one_boot_and_grows() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let locked = store.lock("test").unwrap();
        locked.note_absent("one", set(&[])).unwrap();
        assert!(!directory.path().join(ABSENT).exists());
        locked.note_absent("one", set(&["a"])).unwrap();
        locked.note_absent("one", set(&["b"])).unwrap();
        assert_eq!(store.absent("one").unwrap(), set(&["a", "b"]));
        assert_eq!(store.absent("two").unwrap(), set(&[]));
        locked.note_absent("two", set(&["c"])).unwrap();
        assert_eq!((store.absent("one").unwrap(), store.absent("two").unwrap()), (set(&[]), set(&["c"])));
    }

    #[test]
    fn a_note_that_is_not_understood_says_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        for text in ["", "{", r#"{"format":"tune.absent/2","boot_id":"one","tunables":["a"]}"#] {
            std::fs::write(directory.path().join(ABSENT), text).unwrap();
            assert_eq!(store.absent("one").unwrap(), set(&[]), "{text}");
        }
    }
}
