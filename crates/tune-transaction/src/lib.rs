//! Lock, journal, execute, read back, undo, recover, history.
//!
//! This crate carries out [`tune_model::plan::Step`]s and never decides what to change. A [`Store`] is the state
//! directory; [`Store::look`] reads it without a trace, [`Store::lock`] makes its holder the one changer, and
//! [`Locked`] recovers and executes.
//!
//! # Files
//!
//! | file | mode | content |
//! | --- | --- | --- |
//! | `lock` | 0600 | locked with `flock` while a command changes things; `pid`, `command`, `since` of its holder |
//! | `claims.json` | 0644 | [`tune_model::Claims`], format `tune.claims/1`; absent when nothing is claimed yet |
//! | `journal/000001.jsonl` | 0600 | one transaction, format `tune.journal/1` |
//! | `history.jsonl` | 0644 | a line for each time a transaction reaches a state, format `tune.history/1` |
//! | `head` | 0644 | format `tune.head/1`: `count` and `digest` of the last line of the history |
//!
//! The directory has mode 0755, `journal` 0700. The directory and all above it must belong to root or the caller and be
//! writable by nobody else, sticky directories above aside; symbolic links are refused. Files are replaced by way of
//! `.NAME.new` beside them.
//!
//! **Journal.** The first line has `format`, `boot_id` and the members of [`tune_model::transaction::Entry`]. Then, each
//! with a member `record`: `step` for each step with its undo, `claims` (the bytes before and after), `ready` (the number
//! of steps); then `begin`, `done`, `failed`, `undo-begin`, `undone`, `stuck` with the `index` of a step, counted from 0
//! (the active list comes after the last), and `await` with `deadline`, `deadline_uptime_ms` and `changed` where what comes
//! next waits for a confirmation; then `end` with `state`, `changed`, `conflicts`, `note` and, for a rollback,
//! `taken_back`, the state of the other transaction. Each line ends in `check`: 16 hexadecimal digits of the SHA-256 of
//! the check before and the line up to there.
//!
//! **History.** After a line with the format, each line has `number`, counted from 1, `previous`, the SHA-256 of the line
//! before, and the members of an entry; the last line of a transaction is how it stands. The head goes to the system's
//! log too, where that listens. This shows edits, reordering, gaps and a lost tail to whoever holds an older copy of the
//! head; it stops nobody who may write the directory from making it all anew.
//!
//! # Order
//!
//! 1. The whole plan is held against the allow-list and against the host.
//! 2. The journal, with every undo, is durable before it has its name. The history shows the transaction as open.
//! 3. For each step: `begin`, which for a file is durable; the target is compared with what the plan saw; the effect;
//!    it is read back; `done`. The beginning of a live step need not survive a power cut, because the value does not.
//!    That of the active list becomes durable with that of the last file.
//! 4. The active list is replaced, like any file.
//! 5. `end` is made durable. From here on the transaction counts.
//! 6. History, then head.
//!
//! Whatever fails before 5 is taken back in reverse. After a crash the newest journal decides: without `end` it is taken
//! back, step by step, as the target is now: as after the step, undone; as before, nothing to do; anything else was
//! somebody else, left and reported. A live value whose fields are partly those before and partly those after is ours:
//! kernels store the beginning of a list that they refuse. After a restart of the machine live values are not touched.
//! What cannot be put back for another reason keeps the transaction open, and recovery tries again the next time; so does
//! a half-made file that cannot be removed, though nothing reads it. With
//! `end`, only history and head are completed.
//!
//! A last line that is torn is dropped, after a restart all from the first torn line on: nothing after it was durable.
//! Any other damage is an error that names file and line; nothing is then touched. Files of a newer version are read as
//! far as they are understood where that only added to the format (`tune.history/1.1`), and are never written over: the
//! lock is then refused. A format with another first number is not read at all.
//!
//! # Trials
//!
//! A transaction that is tried out ([`Locked::try_out`]) stops before the first step that is not of the running kernel, or
//! before the active list. `await` is made durable and shown in the history, with the boot and the milliseconds since its
//! start, so that whoever may read the history can tell how much time is left whatever happens to the wall clock. What
//! follows is decided by the first to come:
//!
//! - [`Locked::confirm`] in time: what was left is compared with the running kernel, the history shows the transaction as
//!   open again, and it goes on with 3. Whatever fails is taken back, all of it.
//! - [`Locked::revoke`], or the first [`Locked::recover`] after the deadline: it is taken back.
//! - Another boot: the live values are gone with the one before, and recovery closes the books.
//!
//! Until then recovery is [`RecoverError::Awaiting`], so that nobody else changes anything. A confirmation that is killed
//! after its first step is an interrupted transaction like any other.
//!
//! # What cannot be undone
//!
//! [`Locked::begin_final`] writes down what is about to be done for good, as a journal without steps and a line in the
//! history, and [`Final::end`] what came of it. After a crash in between the history says that it is not known how far it
//! got.
//!
//! # Limits
//!
//! - Between the comparison and the write somebody else can change a value unseen; so can a change away and back.
//! - A value that the kernel rounds against the plan's prediction is put back at once, but by a process that is killed
//!   just then it is left, and recovery reports it as somebody else's.
//! - When the disk neither confirms `end` nor lets it be removed, the transaction counts, and the observer is told.
//! - Inode numbers, hard links and times of replaced files are not kept. Labels named `security.*` that were not asked
//!   for are taken for the system's own.

#![forbid(unsafe_code)]

mod absent;
#[cfg(test)]
mod campaign;
mod clock;
mod disk;
mod effect;
mod error;
mod execute;
mod failpoint;
mod history;
mod journal;
mod line;
mod lock;
mod newer;
mod once;
mod pause;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod real_tests;
mod recover;
mod run;
mod store;
mod syslog;
#[cfg(test)]
mod tests;
mod trial;
#[cfg(test)]
mod trial_campaign;
#[cfg(test)]
mod trial_tests;
#[doc(hidden)]
pub mod untrusted;

use tune_host::Machine;
use tune_model::{Effect, Step};

pub use clock::{Deadline, actor, now};
pub use effect::unlike;
pub use error::{Awaiting, Busy, ExecuteError, LockError, RecoverError, StateError, TrialError};
pub use history::Verification;
pub use lock::Locked;
pub use once::Final;
pub use recover::{Cause, Recovered};
pub use store::Store;
pub use trial::{Concluded, Foreign, OnTrial, Trial};

/// Returns the SHA-256 digest of texts, one after the other: `sha256:` and the digest in hexadecimal.
pub fn digest<'t>(texts: impl IntoIterator<Item = &'t [u8]>) -> String {
    let texts: Vec<_> = texts.into_iter().collect();
    format!("sha256:{}", line::digest(&texts))
}

/// The allow-list. Journals are untrusted input: each step is held against it before it is carried out or taken back.
pub trait Policy {
    /// Tells whether `tune` may ever do this.
    ///
    /// # Errors
    ///
    /// The reason why not.
    fn permits(&self, effect: &Effect) -> Result<(), String>;
}

/// What a plan is carried out on.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The machine.
    pub machine: &'a dyn Machine,
    /// What may be done to it.
    pub policy: &'a dyn Policy,
    /// The identity of the present boot: live values of another are never put back.
    pub boot_id: &'a str,
}

impl std::fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings").field("boot_id", &self.boot_id).finish_non_exhaustive()
    }
}

/// How far a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// It begins.
    Begin,
    /// It was carried out and read back.
    Done,
    /// It failed, for this reason; what was there before is there.
    Failed(&'a str),
    /// It was taken back.
    Undone,
    /// It could not be taken back, for this reason.
    Stuck(&'a str),
}

/// Is told how a transaction goes on.
pub trait Observer {
    /// Is told about a step, counted from 0.
    fn step(&mut self, index: usize, step: &Step, progress: Progress<'_>) {
        let _ = (index, step, progress);
    }

    /// Is told what an administrator should know besides.
    fn notice(&mut self, text: &str) {
        let _ = text;
    }
}

/// Looks away.
impl Observer for () {}
