//! The process that undoes what was not confirmed in time.
//!
//! It is `tune` itself, started by `--confirm-within` before the first change, with words that no help shows. It stays
//! behind when the login that started it ends. Told to end by SIGTERM, as where a system ends all processes of a login or
//! shuts down, it undoes right then: nobody would do it later.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use tune_host::{Detached, Interrupt, detach, say_ready};
use tune_transaction::{Deadline, Foreign, LockError, Locked, RecoverError, Store, Surroundings, TrialError};

use super::change::Permit;
use crate::args::Global;
use crate::context::Context;
use crate::doors::Doors;
use crate::error::CliError;
use crate::exit;

/// The first of its words.
const WORD: &str = "watch-unconfirmed";
/// What other changers are told while it is at work.
const AT_WORK: &str = "tune, undoing what was not confirmed";
/// What the history says when it was told to end.
const TOLD_TO_END: &str = "taken back before it was confirmed: the process that waited was told to end";
/// How often it looks at the clock, and whether there is still something to wait for.
const SLICE: Duration = Duration::from_secs(1);
/// How soon it tries again to become the one changer.
const SOON: Duration = Duration::from_millis(100);
/// How often it tries to undo before it leaves that to the next command.
const TRIES: usize = 10;

/// What it waits for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Order {
    transaction: u64,
    /// Milliseconds since the machine was started.
    due_ms: u64,
    state: PathBuf,
}

impl Order {
    /// Understands the words of a command line, if they are its own.
    pub(crate) fn of(words: &[OsString]) -> Option<Self> {
        let [word, transaction, due_ms, state] = words else { return None };
        let number = |text: &OsString| text.to_str()?.parse().ok();
        (word == WORD).then_some(())?;
        Some(Self { transaction: number(transaction)?, due_ms: number(due_ms)?, state: state.into() })
    }
}

/// Starts it for a transaction that is about to begin.
pub(crate) fn start(context: &Context, transaction: u64, until: &Deadline) -> Result<Detached, CliError> {
    let started = std::env::current_exe().and_then(|program| {
        let mut command = Command::new(program);
        command.env_clear().envs(context.environment());
        command.arg(WORD).arg(transaction.to_string()).arg(until.uptime_ms.to_string()).arg(context.state());
        Detached::start(&mut command)
    });
    started.map_err(|error| {
        let message =
            format!("the process that would undo it could not be started: {error}; nothing was changed");
        CliError::failed(message).hint("apply it without --confirm-within")
    })
}

/// Waits, and undoes unless it is confirmed.
pub(crate) fn run(order: &Order, doors: &dyn Doors) -> Result<u8, CliError> {
    let failed = |error: std::io::Error| CliError::failed(format!("cannot leave the login: {error}"));
    detach().map_err(failed)?;
    let told = Interrupt::watch_for_the_end().map_err(failed)?;
    let context = Context::new(&Global::of_state(&order.state), doors)?;
    say_ready().map_err(failed)?;
    let watch = Watch { order, context: &context };
    while !watch.has_ended() {
        let left = Duration::from_millis(order.due_ms).saturating_sub(context.host().uptime());
        if left.is_zero() || told.asked() {
            return Ok(watch.undo(!left.is_zero()));
        }
        std::thread::sleep(left.min(SLICE));
    }
    Ok(exit::MET)
}

struct Watch<'a> {
    order: &'a Order,
    context: &'a Context,
}

impl Watch<'_> {
    /// Tells whether the transaction was confirmed or taken back.
    fn has_ended(&self) -> bool {
        let store = self.context.look_at_store().ok().flatten();
        store.is_some_and(|store| store.has_ended(self.order.transaction).unwrap_or(false))
    }

    fn undo(&self, early: bool) -> u8 {
        let mut tries = 0;
        while tries < TRIES {
            match self.try_to_undo(early) {
                Ok(Attempt::Done) => return exit::MET,
                Ok(Attempt::Busy) => std::thread::sleep(SOON),
                Err(()) => {
                    tries += 1;
                    std::thread::sleep(SLICE);
                }
            }
        }
        exit::FAILED
    }

    fn try_to_undo(&self, early: bool) -> Result<Attempt, ()> {
        // Where the state is gone there is nothing left to go by.
        let Some(_) = self.context.look_at_store().map_err(drop)? else { return Ok(Attempt::Done) };
        let store = self.context.open_store().map_err(drop)?;
        match store.lock(AT_WORK) {
            Err(LockError::Busy(_)) => Ok(Attempt::Busy),
            Err(_) => Err(()),
            Ok(mut locked) => self.undo_locked(&store, &mut locked, early).map(|()| Attempt::Done),
        }
    }

    fn undo_locked(&self, store: &Store, locked: &mut Locked<'_>, early: bool) -> Result<(), ()> {
        if self.has_ended() {
            return Ok(());
        }
        let boot_id = self.context.host().boot_id();
        let permit = Permit(self.context);
        let surroundings =
            Surroundings { machine: self.context.machine(), policy: &permit, boot_id: &boot_id };
        let undone = match early {
            true => match locked.revoke(&surroundings, &mut (), Foreign::Leave, TOLD_TO_END) {
                // It was not that far yet.
                Err(TrialError::NothingAwaits) => locked.recover(&surroundings).map(drop),
                Err(TrialError::Recover(error)) => Err(error),
                Ok(_) | Err(_) => Ok(()),
            },
            false => locked.recover(&surroundings).map(drop),
        };
        let id = self.order.transaction;
        match undone {
            Ok(()) => store.log(&format!("transaction {id} was not confirmed and is taken back")),
            // Somebody else's, which began after this one was over.
            Err(RecoverError::Awaiting(_)) => {}
            Err(error) => {
                store.log(&format!("transaction {id} was not confirmed and cannot be taken back: {error}"));
                return Err(());
            }
        }
        Ok(())
    }
}

enum Attempt {
    Done,
    /// Another `tune` is at work.
    Busy,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Option<Order> {
        Order::of(&line.split(' ').map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn only_its_own_words_are_understood() {
        let order = Order { transaction: 3, due_ms: 4711, state: "/var/lib/tune".into() };
        assert_eq!(of("watch-unconfirmed 3 4711 /var/lib/tune"), Some(order));
        for line in ["watch-unconfirmed", "watch-unconfirmed 3 x /s", "status", "watch-unconfirmed 3 4 /s y"]
        {
            assert_eq!(of(line), None, "{line}");
        }
    }
}
