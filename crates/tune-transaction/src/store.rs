//! The state directory.

use std::path::{Path, PathBuf};

use serde::Serialize;
use tune_model::Claims;
use tune_model::claim::CLAIMS_FORMAT;
use tune_model::plan::Bytes;
use tune_model::transaction::Entry;

use crate::disk::{Directory, PUBLIC};
use crate::error::{LockError, StateError};
use crate::history::{self, Chain, Head, Verification};
use crate::lock::Locked;
use crate::newer::{self, Age, Named};
use crate::trial::{self, OnTrial};
use crate::{absent, journal, syslog};

/// The file of the active list.
pub(crate) const CLAIMS: &str = "claims.json";
/// The directory of the journals.
const JOURNALS: &str = "journal";

/// The state directory, `/var/lib/tune` by default. To read it takes no lock and no privilege but for the journals.
#[derive(Debug)]
pub struct Store {
    pub(crate) directory: Directory,
    loggers: Vec<PathBuf>,
}

impl Store {
    /// Looks at a state directory without making, locking or writing anything; `None` where there is none.
    ///
    /// # Errors
    ///
    /// [`StateError::Unsafe`] where others than root and the caller could have written it, [`StateError::Denied`]
    /// where the caller may not look.
    pub fn look(path: &Path) -> Result<Option<Self>, StateError> {
        Ok(Directory::find(path)?.map(Self::new))
    }

    /// Opens a state directory to be changed, making it where there is none.
    ///
    /// # Errors
    ///
    /// Any [`StateError`]; see [`Store::look`].
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let store = Self::new(Directory::make(path)?);
        store.make_journals()?;
        Ok(store)
    }

    fn new(directory: Directory) -> Self {
        Self { directory, loggers: syslog::sockets() }
    }

    /// Sends copies of the head to these datagram sockets instead of the system's log; to none if empty.
    #[must_use]
    pub fn logging_to(mut self, sockets: Vec<PathBuf>) -> Self {
        self.loggers = sockets;
        self
    }

    /// Returns where the state is kept.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Returns which profiles hold which values.
    ///
    /// # Errors
    ///
    /// [`StateError::Corrupt`] and [`StateError::NewerFormat`] too.
    pub fn claims(&self) -> Result<Claims, StateError> {
        match self.directory.read(CLAIMS)? {
            Some(content) => read_claims(&content, self.path().join(CLAIMS)),
            None => Ok(Claims::default()),
        }
    }

    /// Returns the first file that a newer version wrote, as the error that it is to whoever wants to change something;
    /// `None` where there is no such file, as far as the caller may see.
    ///
    /// # Errors
    ///
    /// [`StateError`] where a file cannot be looked at.
    pub fn of_newer(&self) -> Result<Option<StateError>, StateError> {
        let mut named = vec![
            (&self.directory, CLAIMS.to_owned(), CLAIMS_FORMAT),
            (&self.directory, history::HEAD.to_owned(), history::HEAD_FORMAT),
            (&self.directory, history::HISTORY.to_owned(), history::FORMAT),
            (&self.directory, absent::ABSENT.to_owned(), absent::FORMAT),
        ];
        let journals = match self.journals() {
            Err(StateError::Denied { .. }) => None,
            other => other?,
        };
        if let Some(journals) = &journals {
            let newest = journal::newest(journals)?;
            named.push((journals, journal::file_name(newest), journal::FORMAT));
        }
        for (directory, name, ours) in named {
            let Some(format) = directory.read(&name)?.as_deref().and_then(format_of) else { continue };
            let file = directory.path().join(name);
            match Age::of(&format, ours) {
                Age::Same | Age::Foreign => {}
                Age::Minor => return Ok(Some(StateError::OfNewer { file, format })),
                Age::Major => return Ok(Some(StateError::NewerFormat { file, format })),
            }
        }
        Ok(None)
    }

    /// Returns every transaction as it stands, in the order of their numbers.
    ///
    /// # Errors
    ///
    /// [`StateError::Corrupt`] and [`StateError::NewerFormat`] too.
    pub fn history(&self) -> Result<Vec<Entry>, StateError> {
        Chain::read(&self.directory)?.entries()
    }

    /// Returns the transaction that is running, was interrupted, or waits for a confirmation.
    ///
    /// # Errors
    ///
    /// As [`Store::history`].
    pub fn open_transaction(&self) -> Result<Option<Entry>, StateError> {
        let found = self.history()?.into_iter().rev().find(Entry::is_unfinished);
        match self.unfinished() {
            // The history may be a step behind, and who may not see the journals has nothing else.
            Ok(Some(entry)) if found.as_ref().is_none_or(|found| found.id == entry.id) => Ok(Some(entry)),
            Ok(_) | Err(StateError::Denied { .. }) => Ok(found),
            Err(error) => found.map_or(Err(error), |found| Ok(Some(found))),
        }
    }

    /// Returns the transaction of the newest journal if that has no end: a power cut may have lost the line in the
    /// history.
    fn unfinished(&self) -> Result<Option<Entry>, StateError> {
        let Some(journals) = self.journals()? else { return Ok(None) };
        match journal::newest(&journals)? {
            0 => Ok(None),
            id => Ok(match journal::read(&journals, id, "")? {
                journal::Reading::Story(story) if story.ending.is_none() => {
                    Some(story.shown_waiting().unwrap_or(story.intent.header.entry))
                }
                journal::Reading::OfNewer(glimpse) if !glimpse.ended => Some(glimpse.shown()),
                _ => None,
            }),
        }
    }

    /// Returns the transaction that waits for a confirmation, with its steps.
    ///
    /// # Errors
    ///
    /// [`StateError::Denied`] where the caller may not see the journals.
    pub fn on_trial(&self) -> Result<Option<OnTrial>, StateError> {
        let Some(journals) = self.journals()? else { return Ok(None) };
        let newest = journal::newest(&journals)?;
        if newest == 0 {
            return Ok(None);
        }
        let journal::Reading::Story(story) = journal::read(&journals, newest, "")? else {
            return Ok(None);
        };
        let entry = story.shown_waiting().filter(|_| story.ending.is_none());
        let steps = story.intent.steps;
        let done = trial::of_the_running_kernel(&steps);
        Ok(entry.map(|entry| OnTrial { entry, steps, done }))
    }

    /// Tells whether the journal of a transaction says that it has ended.
    ///
    /// # Errors
    ///
    /// [`StateError::Corrupt`] and [`StateError::NewerFormat`] too.
    pub fn has_ended(&self, id: u64) -> Result<bool, StateError> {
        let Some(journals) = self.journals()? else { return Ok(false) };
        match journal::read(&journals, id, "")? {
            journal::Reading::Story(story) => Ok(story.ending.is_some()),
            journal::Reading::OfNewer(glimpse) => Ok(glimpse.ended),
            journal::Reading::NeverBegun => Ok(false),
        }
    }

    /// Says something in the system's log, where that listens.
    pub fn log(&self, text: &str) {
        syslog::announce(&self.loggers, text);
    }

    /// Holds the history against its own digests and its head.
    ///
    /// # Errors
    ///
    /// [`StateError`] where it cannot be read at all.
    pub fn verify(&self) -> Result<Verification, StateError> {
        Ok(Chain::read(&self.directory)?.verify())
    }

    /// Returns the number of the next transaction: one that neither a journal nor the history has, whatever the clock says.
    ///
    /// # Errors
    ///
    /// As [`Store::history`].
    pub fn next_id(&self) -> Result<u64, StateError> {
        // Who may not see the journals has the history, which is not behind but after a crash.
        let newest = match self.journals() {
            Ok(Some(journals)) => journal::newest(&journals)?,
            Ok(None) | Err(StateError::Denied { .. }) => 0,
            Err(error) => return Err(error),
        };
        Ok(newest.max(Chain::read(&self.directory)?.newest()) + 1)
    }

    /// Becomes the one changer, or says who is. Never waits.
    ///
    /// # Errors
    ///
    /// [`LockError::Busy`] while another process holds the lock.
    pub fn lock(&self, command: &str) -> Result<Locked<'_>, LockError> {
        Locked::take(self, command)
    }

    pub(crate) fn journals(&self) -> Result<Option<Directory>, StateError> {
        self.directory.inner(JOURNALS)
    }

    pub(crate) fn make_journals(&self) -> Result<Directory, StateError> {
        self.directory.make_inner(JOURNALS, 0o700)
    }

    pub(crate) fn claims_bytes(&self) -> Result<Option<Bytes>, StateError> {
        Ok(self.directory.read(CLAIMS)?.map(Bytes))
    }

    pub(crate) fn set_claims(&self, content: Option<&Bytes>) -> Result<(), StateError> {
        match content {
            Some(content) => self.directory.replace(CLAIMS, &content.0, PUBLIC),
            None => self.directory.remove(CLAIMS),
        }
    }

    /// Appends to the history for good, and tells the system's log.
    pub(crate) fn record(&self, entries: &[Entry]) -> Result<(), StateError> {
        self.announce(&history::append(&self.directory, entries, true)?);
        Ok(())
    }

    pub(crate) fn announce(&self, head: &Head) {
        let (path, Head { count, digest, .. }) = (self.path().display(), head);
        syslog::announce(&self.loggers, &format!("history {path}: {count} lines, {digest}"));
    }
}

/// Reads an active list; `file` is where errors say that it is.
pub(crate) fn read_claims(content: &[u8], file: PathBuf) -> Result<Claims, StateError> {
    let damaged = |error: serde_json::Error| StateError::corrupt(&file, error.line(), error.to_string());
    let Named { format } = serde_json::from_slice(content).map_err(damaged)?;
    match Age::of(&format, CLAIMS_FORMAT) {
        Age::Same => serde_json::from_slice(content).map_err(damaged),
        Age::Minor => {
            let list = serde_json::from_slice(content).map_err(damaged)?;
            newer::claims(&list).ok_or(StateError::NewerFormat { file, format })
        }
        Age::Major | Age::Foreign => Err(StateError::NewerFormat { file, format }),
    }
}

/// Returns the format that a file names: in its first line, or as a member.
fn format_of(content: &[u8]) -> Option<String> {
    let first = content.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let named = serde_json::from_slice(first).or_else(|_| serde_json::from_slice(content));
    named.ok().map(|Named { format }| format)
}

/// Returns the active list as it is written.
pub(crate) fn claims_text<T: Serialize>(claims: &T) -> Result<Bytes, serde_json::Error> {
    let mut text = serde_json::to_vec_pretty(claims)?;
    text.push(b'\n');
    Ok(Bytes(text))
}
