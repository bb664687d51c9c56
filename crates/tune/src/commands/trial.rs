//! What `--confirm-within` adds to a change.

use std::time::Duration;

use tune_host::Scope;
use tune_model::Quantity;
use tune_model::transaction::{Outcome, TransactionState};
use tune_transaction::{Awaiting, ExecuteError, Locked, Trial};

use super::watch;
use crate::context::Context;
use crate::error::CliError;

/// Tries a change out while somebody is there to undo it: before the first step there is a process that will.
pub(crate) fn watched(
    context: &Context,
    locked: &mut Locked<'_>,
    trial: &Trial<'_>,
    work: &mut dyn FnMut(&mut Locked<'_>) -> Result<Outcome, ExecuteError>,
) -> Result<Outcome, CliError> {
    let watching = watch::start(context, locked.store().next_id()?, &trial.until)?;
    let outcome = work(locked);
    let waits = |outcome: &Outcome| outcome.state == TransactionState::AwaitingConfirmation;
    if !outcome.as_ref().is_ok_and(waits) {
        watching.dismiss();
    }
    Ok(outcome?)
}

/// A trial is undone by time: there has to be something running, and a boot that can be told from the next.
pub(crate) fn possible(context: &Context) -> Result<(), CliError> {
    if matches!(context.host().scope(), Scope::Image(_)) {
        return Err(CliError::usage("--confirm-within tries a change out, and an image does not run"));
    }
    if context.host().boot_id().is_empty() {
        let message = "--confirm-within cannot be used here: this system does not tell one boot from another";
        return Err(CliError::failed(message));
    }
    Ok(())
}

/// Nobody is asked about a change that cannot be made yet.
pub(crate) fn refuse_waiting(context: &Context) -> Result<(), CliError> {
    let waiting = context.unfinished().ok().flatten();
    let waiting = waiting.and_then(|entry| Awaiting::of(&entry, context.host().uptime()));
    waiting.map_or(Ok(()), |awaiting| Err(awaiting.into()))
}

pub(crate) fn quantity(time: Duration) -> Quantity {
    Quantity::Duration(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}
