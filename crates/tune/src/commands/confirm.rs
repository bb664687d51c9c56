//! `tune confirm`: keep what was tried out. What was tried out is also taken back here, at once.

use tune_model::finding::HostRef;
use tune_model::plan::{Change, Conflict, Plan, Step};
use tune_model::transaction::{Entry, Outcome, StepResult};
use tune_report::{Command, PlanReport, RunReport};
use tune_transaction::{Concluded, Foreign, Locked, OnTrial, Surroundings, TrialError};

use super::change::{self, Permit, Shown, command_line};
use crate::args::Undo;
use crate::context::Context;
use crate::error::CliError;

/// What the history says about a trial that was taken back by hand.
const REVOKED: &str = "taken back before it was confirmed";

pub(crate) fn run(context: &Context) -> Result<u8, CliError> {
    let Some(seen) = context.look_at_store()? else { return Err(nothing(None)) };
    if let Some(entry) = seen.open_transaction()? {
        refuse_elsewhere(context, &entry)?;
    }
    let store = context.open_store()?;
    let mut locked = store.lock(&command_line())?;
    match confirm(context, &mut locked)? {
        Ok(concluded) => {
            let host = host(context, &concluded.entry);
            let plan = Plan { changes: concluded.entry.changes, ..plan(concluded.steps) };
            Ok(show(context, (Command::Confirm, host, plan), concluded.outcome, false))
        }
        Err(TrialError::NothingAwaits) => {
            change::recover(context, &mut locked)?;
            Err(nothing(store.history()?.last()))
        }
        Err(error) => Err(error.into()),
    }
}

fn confirm(context: &Context, locked: &mut Locked<'_>) -> Result<Result<Concluded, TrialError>, CliError> {
    let interrupt = change::watch_signals()?;
    let boot_id = context.host().boot_id();
    let permit = Permit(context);
    let surroundings = Surroundings { machine: context.machine(), policy: &permit, boot_id: &boot_id };
    let total = locked.store().on_trial()?.map_or(0, |trial| trial.steps.len());
    Ok(locked.confirm(&surroundings, &mut Shown::new(context, total), &|| interrupt.asked()))
}

/// Says that there is nothing to confirm, and what became of the last transaction where that may be why.
fn nothing(last: Option<&Entry>) -> CliError {
    let error = CliError::failed("nothing awaits confirmation");
    match last {
        Some(Entry { id, state, note: Some(note), .. }) => {
            error.hint(format!("transaction {id} is {state}: {note}"))
        }
        _ => error.hint("see what was done: tune history"),
    }
}

/// What was begun elsewhere would reach other values or files from here.
pub(crate) fn refuse_elsewhere(context: &Context, entry: &Entry) -> Result<(), CliError> {
    let scope = context.engine().scope_name();
    let here = match entry.scope.as_str() {
        "host" => scope == "host",
        jail if jail.starts_with("jail:") => jail == scope,
        own if own.starts_with("netns:[") => context.is_own(own),
        _ => true,
    };
    if here {
        return Ok(());
    }
    let message = format!("transaction {} was begun in another place ({})", entry.id, entry.scope);
    Err(CliError::failed(message).hint("run this command there"))
}

/// Takes back at once what was tried out.
pub(crate) fn revoke(context: &Context, entry: &Entry, undo: &Undo) -> Result<u8, CliError> {
    refuse_elsewhere(context, entry)?;
    if undo.dry_run {
        return would_revoke(context, entry, undo);
    }
    let store = context.open_store()?;
    let mut locked = store.lock(&command_line())?;
    let Concluded { entry, steps, outcome, conflicts, .. } = revoke_locked(context, &mut locked, undo)?;
    let (plan, outcome) = backwards(&entry, steps, outcome, conflicts);
    Ok(show(context, (Command::Rollback, host(context, &entry), plan), outcome, undo.detailed_exitcodes))
}

fn revoke_locked(context: &Context, locked: &mut Locked<'_>, undo: &Undo) -> Result<Concluded, CliError> {
    let foreign = match (undo.overwrite_foreign, undo.all_or_nothing) {
        (true, _) => Foreign::Overwrite,
        (_, true) => Foreign::Refuse,
        _ => Foreign::Leave,
    };
    let boot_id = context.host().boot_id();
    let permit = Permit(context);
    let surroundings = Surroundings { machine: context.machine(), policy: &permit, boot_id: &boot_id };
    let total = locked.store().on_trial()?.map_or(0, |trial| trial.steps.len());
    Ok(locked.revoke(&surroundings, &mut Shown::new(context, total), foreign, REVOKED)?)
}

/// Shows what taking it back would do.
fn would_revoke(context: &Context, entry: &Entry, undo: &Undo) -> Result<u8, CliError> {
    let trial = context.look_at_store()?.map(|store| store.on_trial()).transpose()?.flatten();
    let Some(OnTrial { steps, done, .. }) = trial.filter(|trial| trial.entry.id == entry.id) else {
        return Err(nothing(None));
    };
    let conflicts: Vec<_> = steps.iter().take(done).filter_map(|step| conflict(context, step)).collect();
    let results = steps.iter().enumerate().map(|(at, _)| match at < done {
        true => StepResult::Undone,
        false => StepResult::NotReached,
    });
    let outcome = Outcome { transaction: None, state: entry.state, steps: results.collect(), failure: None };
    let left_alone =
        conflicts.into_iter().filter(|left| left.unreadable || !undo.overwrite_foreign).collect();
    let (plan, _) = backwards(entry, steps, outcome, left_alone);
    let report = PlanReport {
        with_diff: undo.diff,
        next: Some(change::again(None)),
        ..planned(Command::Rollback, host(context, entry), plan)
    };
    context.show(&report);
    Ok(report.exit_status())
}

/// Returns the conflict where somebody else has changed a value since, or it cannot be read.
fn conflict(context: &Context, step: &Step) -> Option<Conflict> {
    step.effect.live()?;
    tune_transaction::unlike(context.machine(), &step.effect)
}

/// Turns a trial that was taken back into the plan that did it, and its outcome.
fn backwards(entry: &Entry, steps: Vec<Step>, outcome: Outcome, conflicts: Vec<Conflict>) -> (Plan, Outcome) {
    let left = |step: &Step| conflicts.iter().any(|conflict| conflict.target == step.effect.target());
    let (mut undone, mut results) = (Vec::new(), Vec::new());
    for (step, result) in steps.into_iter().zip(outcome.steps).rev() {
        if left(&step) || result == StepResult::NotReached {
            continue;
        }
        undone.push(Step { effect: step.effect.undo(), ..step });
        results.push(if result == StepResult::Undone { StepResult::Done } else { result });
    }
    let moved = |change: &&Change| {
        let mut targets = undone.iter().map(|step| step.effect.target());
        change.scope == "runtime" && targets.any(|target| target == change.key)
    };
    let back = |change: &Change| Change {
        before: change.after.clone(),
        after: change.before.clone(),
        ..change.clone()
    };
    let changes = entry.changes.iter().filter(moved).map(back).collect();
    (Plan { conflicts, changes, ..plan(undone) }, Outcome { steps: results, ..outcome })
}

fn plan(steps: Vec<Step>) -> Plan {
    Plan {
        findings: Vec::new(),
        steps,
        claims: None,
        refusals: Vec::new(),
        conflicts: Vec::new(),
        warnings: Vec::new(),
        changes: Vec::new(),
        reboot_required: false,
    }
}

/// Returns the host as the transaction looked at it.
fn host(context: &Context, entry: &Entry) -> HostRef {
    HostRef { scope: entry.scope.clone(), ..context.host_ref() }
}

const fn planned(command: Command, host: HostRef, plan: Plan) -> PlanReport {
    PlanReport {
        command,
        host,
        profiles: Vec::new(),
        plan,
        with_diff: false,
        next: None,
        open_transaction: None,
        confirm_within: None,
    }
}

fn show(
    context: &Context,
    (command, host, plan): (Command, HostRef, Plan),
    outcome: Outcome,
    detailed: bool,
) -> u8 {
    let plan = planned(command, host, plan);
    let report =
        RunReport { plan, outcome, deadline: None, state_dir: context.state_dir_named(), to_do: Vec::new() };
    context.show(&report);
    report.exit_status(detailed)
}
