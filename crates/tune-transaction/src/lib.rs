//! Lock, journal, execute, read back, undo, recover, history.

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
mod recover;
mod run;
mod store;
mod syslog;
#[cfg(test)]
mod tests;

use tune_host::Machine;
use tune_model::{Effect, Step};

pub use clock::{actor, now};
pub use error::{Busy, ExecuteError, LockError, RecoverError, StateError};
pub use history::Verification;
pub use lock::Locked;
pub use recover::Recovered;
pub use store::Store;

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
