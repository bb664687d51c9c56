//! What can go wrong with the state, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tune_model::Quantity;
use tune_model::plan::Conflict;
use tune_model::transaction::{Action, Actor, Entry, StepResult};

/// Why the state directory, or a file in it, cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The caller may not do that.
    #[error("this user may not {tried} {}; run this command as root", .path.display())]
    Denied {
        /// What was tried.
        tried: &'static str,
        /// On what.
        path: PathBuf,
    },
    /// Somebody else could change what is kept there.
    #[error("{} is not safe to keep state in: {why}", .path.display())]
    Unsafe {
        /// The directory or file.
        path: PathBuf,
        /// The reason, and what to do.
        why: String,
    },
    /// The file system is mounted read-only.
    #[error(
        "cannot {tried} {}: its file system is read-only; mount it read-write, or choose another state directory",
        .path.display()
    )]
    ReadOnly {
        /// What was tried.
        tried: &'static str,
        /// On what.
        path: PathBuf,
    },
    /// The file system, or the quota, is full.
    #[error("cannot {tried} {}: no space is left; free some and run this command again", .path.display())]
    Full {
        /// What was tried.
        tried: &'static str,
        /// On what.
        path: PathBuf,
    },
    /// A file holds what `tune` never writes.
    #[error("{} line {line} is damaged ({what}); {}", .file.display(), advice(.file))]
    Corrupt {
        /// The file.
        file: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// A newer version wrote the file, in a format that this one cannot read.
    #[error("{} has the format {format:?} of a newer tune; use that version", .file.display())]
    NewerFormat {
        /// The file.
        file: PathBuf,
        /// Its format.
        format: String,
    },
    /// A newer version wrote the file, and this one reads what it understands of it.
    #[error(
        "{} has the format {format:?} of a newer tune, which this version reads as far as it understands it and never \
         writes over; to change anything, use that version",
        .file.display()
    )]
    OfNewer {
        /// The file.
        file: PathBuf,
        /// Its format.
        format: String,
    },
    /// Anything else the system said.
    #[error("cannot {tried} {}: {reason}; see to that and run this command again", .path.display())]
    Other {
        /// What was tried.
        tried: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's own words.
        reason: String,
    },
}

/// Returns what to do about a damaged file.
fn advice(file: &Path) -> &'static str {
    match file.file_name().and_then(|name| name.to_str()) {
        Some("claims.json") => {
            "restore it from a backup, or move it away to forget which profiles are active"
        }
        Some("history.jsonl" | "head") => "compare it with a backup, or move history.jsonl and head away",
        _ => "check its steps against the host by hand, then move it away",
    }
}

impl StateError {
    pub(crate) fn new(tried: &'static str, path: impl Into<PathBuf>, error: &io::Error) -> Self {
        let path = path.into();
        match error.kind() {
            io::ErrorKind::PermissionDenied => Self::Denied { tried, path },
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { tried, path },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { tried, path },
            _ => {
                let text = error.to_string();
                let reason = text.split(" (os error ").next().unwrap_or_default().to_owned();
                Self::Other { tried, path, reason }
            }
        }
    }

    pub(crate) fn corrupt(file: impl Into<PathBuf>, line: usize, what: impl Into<String>) -> Self {
        let what = what.into();
        // The line is told already.
        let what = what.split(" at line ").next().unwrap_or_default().to_owned();
        Self::Corrupt { file: file.into(), line, what }
    }
}

/// Another `tune` is changing things.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("another tune is at work{}; wait for it to end, then run this command again", self.holder())]
pub struct Busy {
    /// Its process id, where it has been written down.
    pub pid: Option<u32>,
    /// Its command.
    pub command: Option<String>,
    /// Since when: RFC 3339, UTC.
    pub since: Option<String>,
}

impl Busy {
    fn holder(&self) -> String {
        let part = |before: &str, text: Option<String>| text.map(|text| format!("{before}{text}"));
        let parts = [
            part(": process ", self.pid.map(|pid| pid.to_string())),
            part(", ", self.command.clone()),
            part(", since ", self.since.clone()),
        ];
        parts.into_iter().flatten().collect()
    }
}

/// Why the lock could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Somebody else holds it.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The lock file cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
}

/// Why a plan was not begun: nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExecuteError {
    /// The state cannot be written.
    #[error(transparent)]
    State(#[from] StateError),
    /// An earlier transaction has to be recovered first.
    #[error("transaction {0} was interrupted; run tune recover first")]
    Unrecovered(u64),
    /// The allow-list does not have it.
    #[error("step {step} ({target}) is not permitted: {reason}")]
    Forbidden {
        /// The step, counted from 1.
        step: usize,
        /// What it acts on.
        target: String,
        /// The reason.
        reason: String,
    },
    /// The host is no longer as the plan saw it.
    #[error(
        "{target} was changed by somebody else meanwhile: the plan saw {expected}, now it is {found}; plan again"
    )]
    ChangedMeanwhile {
        /// The tunable or path.
        target: String,
        /// What the plan saw.
        expected: String,
        /// What is there.
        found: String,
    },
    /// The host cannot be looked at.
    #[error("{target} cannot be checked: {reason}")]
    Unreadable {
        /// The tunable or path.
        target: String,
        /// The system's own words.
        reason: String,
    },
}

/// A transaction waits for a confirmation, and nothing else is changed meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "transaction {transaction} ({action}), begun by {}, awaits confirmation for another {}, until {deadline}",
    name(.actor),
    in_words(*.left)
)]
pub struct Awaiting {
    /// The transaction.
    pub transaction: u64,
    /// What it is for.
    pub action: Action,
    /// Who began it.
    pub actor: Actor,
    /// When it is undone unless confirmed: RFC 3339, UTC.
    pub deadline: String,
    /// How long that is from now.
    pub left: Duration,
}

impl Awaiting {
    /// Returns what another changer is told about a transaction while the machine has been running for `uptime`; `None`
    /// where it does not wait, or no longer.
    #[must_use]
    pub fn of(entry: &Entry, uptime: Duration) -> Option<Self> {
        let left = entry.time_left(uptime).filter(|left| !left.is_zero())?;
        Some(Self::with(entry, left))
    }

    pub(crate) fn with(entry: &Entry, left: Duration) -> Self {
        Self {
            transaction: entry.id,
            action: entry.action.clone(),
            actor: entry.actor.clone(),
            deadline: entry.deadline.clone().unwrap_or_default(),
            left,
        }
    }
}

fn name(actor: &Actor) -> String {
    actor.user.clone().unwrap_or_else(|| format!("user {}", actor.uid))
}

/// Returns a time in whole seconds, rounded up.
fn in_words(time: Duration) -> String {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    Quantity::Duration(seconds.saturating_mul(1000)).to_string()
}

/// Why an interrupted transaction was not recovered. It stays open, and recovery can be run again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecoverError {
    /// There is time left to confirm a transaction.
    #[error(transparent)]
    Awaiting(Box<Awaiting>),
    /// The state cannot be read or written.
    #[error(transparent)]
    State(#[from] StateError),
    /// Something could not be put back. Recovery tries again each time it is run, until it can, or until the journal
    /// is moved away.
    #[error(
        "not everything could be put back: {what}; remove the cause and run tune recover, or put it back by hand and \
         move {} away",
        .file.display()
    )]
    Stuck {
        /// The journal.
        file: PathBuf,
        /// What could not be put back, and why.
        what: String,
        /// One result for each step.
        steps: Vec<StepResult>,
    },
    /// The journal names what the allow-list does not have.
    #[error(
        "{} step {step} ({target}) is not permitted: {reason}; check the journal by hand, then move it away",
        .file.display()
    )]
    Forbidden {
        /// The journal.
        file: PathBuf,
        /// The step, counted from 1.
        step: usize,
        /// What it acts on.
        target: String,
        /// The reason.
        reason: String,
    },
}

/// Why a transaction was neither confirmed nor taken back: it stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrialError {
    /// No transaction waits for a confirmation.
    #[error("nothing awaits confirmation")]
    NothingAwaits,
    /// Something was changed by somebody else, and nothing was to be touched then.
    #[error("{} was changed by somebody else since; nothing was touched", .0.target)]
    Foreign(Box<Conflict>),
    /// The journal cannot be followed.
    #[error(transparent)]
    Recover(#[from] RecoverError),
}

impl From<StateError> for TrialError {
    fn from(error: StateError) -> Self {
        Self::Recover(error.into())
    }
}
