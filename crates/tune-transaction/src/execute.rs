//! Carrying out a plan.

use std::collections::BTreeSet;

use tune_model::Plan;
use tune_model::plan::{Effect, Step};
use tune_model::transaction::{Action, Entry, Outcome, StepResult, TransactionState};

use crate::clock::{self, Deadline};
use crate::effect;
use crate::error::{ExecuteError, StateError};
use crate::history;
use crate::journal::{self, ClaimsChange, Ending, FORMAT, Header, Intent, Journal};
use crate::lock::Locked;
use crate::run::{self, Run};
use crate::store::claims_text;
use crate::trial;
use crate::{Observer, Surroundings};

/// What a plan is carried out for.
pub(crate) struct Task<'a> {
    pub(crate) action: Action,
    pub(crate) scope: &'a str,
    /// Until when it has to be confirmed, if it has.
    pub(crate) until: Option<Deadline>,
}

impl Locked<'_> {
    /// Carries out a plan that was made while this lock was held, or takes back what it had begun to do.
    ///
    /// `scope` is what the history shows as looked at; `interrupted` is asked between steps whether to stop. The
    /// outcome has no transaction when the plan is empty, and a failure when it was broken off. When the transaction is
    /// applied but the history cannot be written, `observer` is told and the next recovery completes the history.
    ///
    /// # Errors
    ///
    /// [`ExecuteError`]: nothing was changed. It is refused while an earlier transaction is unrecovered, when the
    /// allow-list does not have a step, and when the host is not as the plan saw it.
    pub fn execute(
        &mut self,
        surroundings: &Surroundings<'_>,
        plan: &Plan,
        action: Action,
        scope: &str,
        observer: &mut dyn Observer,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<Outcome, ExecuteError> {
        let task = Task { action, scope, until: None };
        self.carry_out(surroundings, plan, task, observer, interrupted)
    }

    /// Carries out a plan, or with a deadline what of it can be tried out.
    pub(crate) fn carry_out(
        &mut self,
        surroundings: &Surroundings<'_>,
        plan: &Plan,
        task: Task<'_>,
        observer: &mut dyn Observer,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<Outcome, ExecuteError> {
        if plan.is_empty() {
            return Ok(Outcome {
                transaction: None,
                state: TransactionState::Applied,
                steps: Vec::new(),
                failure: None,
            });
        }
        refuse_forbidden(surroundings, &plan.steps)?;
        refuse_changed(surroundings, &plan.steps)?;
        let intent = self.intend(surroundings, plan, task.action, task.scope)?;
        let run = Run {
            store: self.store,
            surroundings,
            journal: self.begin(&intent)?,
            intent: &intent,
            observer,
            results: vec![StepResult::NotReached; plan.steps.len()],
            claims: StepResult::NotReached,
            claims_begun: false,
            conflicts: Vec::new(),
            stuck: Vec::new(),
            stay: 0,
            overwrite: false,
        };
        Ok(match task.until {
            Some(until) => trial::try_out(run, until, interrupted),
            None => carry_through(run, plan, interrupted),
        })
    }

    pub(crate) fn intend(
        &self,
        surroundings: &Surroundings<'_>,
        plan: &Plan,
        action: Action,
        scope: &str,
    ) -> Result<Intent, StateError> {
        let now = clock::now();
        let entry = Entry {
            id: self.store.next_id()?,
            action,
            state: TransactionState::Open,
            started: now.clone(),
            changed: now,
            actor: clock::actor(),
            scope: scope.to_owned(),
            changes: plan.changes.clone(),
            conflicts: plan.conflicts.clone(),
            note: None,
            until_end_of: None,
            deadline: None,
            deadline_uptime_ms: None,
        };
        let header = Header { format: FORMAT.to_owned(), boot_id: surroundings.boot_id.to_owned(), entry };
        Ok(Intent { header, steps: plan.steps.clone(), claims: self.claims_change(plan)? })
    }

    fn claims_change(&self, plan: &Plan) -> Result<Option<ClaimsChange>, StateError> {
        let Some(claims) = &plan.claims else { return Ok(None) };
        let after = claims_text(claims).map_err(|error| StateError::Other {
            tried: "write",
            path: self.store.path().join(crate::store::CLAIMS),
            reason: error.to_string(),
        })?;
        Ok(Some(ClaimsChange { before: self.store.claims_bytes()?, after: Some(after) }))
    }

    /// Makes the undo of every step durable, then shows the transaction in the history.
    pub(crate) fn begin(&self, intent: &Intent) -> Result<Journal, ExecuteError> {
        let journals = self.store.make_journals()?;
        self.refuse_unrecovered(intent)?;
        let name = journal::file_name(intent.header.entry.id);
        tracing::info!("transaction {} begins, journal {name}", intent.header.entry.id);
        let begun = Journal::create(&journals, intent).and_then(|journal| {
            history::append(&self.store.directory, std::slice::from_ref(&intent.header.entry), false)?;
            Ok(journal)
        });
        if begun.is_err() {
            let _ = journals.remove(&name);
        }
        Ok(begun?)
    }

    fn refuse_unrecovered(&self, intent: &Intent) -> Result<(), ExecuteError> {
        let journals = self.store.make_journals()?;
        let newest = journal::newest(&journals)?;
        if newest == 0 {
            return Ok(());
        }
        match journal::story(&journals, newest, &intent.header.boot_id)? {
            Some(story) if story.ending.is_some() => Ok(()),
            _ => Err(ExecuteError::Unrecovered(newest)),
        }
    }
}

fn carry_through(mut run: Run<'_>, plan: &Plan, interrupted: &dyn Fn() -> bool) -> Outcome {
    let ending = success(plan, &run.intent.header);
    let done = run.forward(0, interrupted).and_then(|()| conclude(&mut run, &ending));
    outcome(run, done.map(|()| ending.state))
}

/// Writes down that all was done.
pub(crate) fn conclude(run: &mut Run<'_>, ending: &Ending) -> Result<(), String> {
    run.seal(ending).map_err(|error| error.to_string())?;
    if let Err(error) = run::settle_missing(run.store, &run.intent.header.entry, ending) {
        run.observer.notice(&format!("the change is made, but not in the history yet: {error}"));
    }
    Ok(())
}

/// Tells what became of it; takes it back where something failed.
pub(crate) fn outcome(mut run: Run<'_>, done: Result<TransactionState, String>) -> Outcome {
    let (state, failure) = match done {
        Ok(state) => (state, None),
        Err(reason) => {
            run.backward();
            (give_up(&mut run, &reason, TransactionState::Failed), Some(reason))
        }
    };
    Outcome { transaction: Some(run.intent.header.entry.id), state, steps: run.results, failure }
}

/// Writes down that the transaction was taken back; if even that fails, the next recovery finds nothing to do.
pub(crate) fn give_up(run: &mut Run<'_>, reason: &str, clean: TransactionState) -> TransactionState {
    match run.end_undone(reason, clean) {
        Ok(state) => state,
        Err(error) => {
            run.observer.notice(&format!("it could not be written down that this was taken back: {error}"));
            run.state_after_undo(clean)
        }
    }
}

fn success(plan: &Plan, header: &Header) -> Ending {
    let taken_back = taken_back(plan, header);
    let until_end_of = (taken_back == Some(TransactionState::AwaitingReboot)).then(|| header.boot_id.clone());
    Ending { taken_back, until_end_of, ..applied() }
}

/// Returns the end of a transaction that was carried out.
pub(crate) fn applied() -> Ending {
    Ending {
        state: TransactionState::Applied,
        changed: clock::now(),
        conflicts: Vec::new(),
        note: None,
        until_end_of: None,
        taken_back: None,
        changes: None,
    }
}

/// Tells how the transaction that a rollback takes back stands afterwards.
fn taken_back(plan: &Plan, header: &Header) -> Option<TransactionState> {
    match &header.entry.action {
        Action::Rollback { .. } if !plan.conflicts.is_empty() => Some(TransactionState::PartlyRolledBack),
        Action::Rollback { .. } if plan.reboot_required => Some(TransactionState::AwaitingReboot),
        Action::Rollback { .. } => Some(TransactionState::RolledBack),
        _ => None,
    }
}

fn refuse_forbidden(surroundings: &Surroundings<'_>, steps: &[Step]) -> Result<(), ExecuteError> {
    match run::forbidden(surroundings, steps) {
        Some((step, target, reason)) => Err(ExecuteError::Forbidden { step, target, reason }),
        None => Ok(()),
    }
}

/// Refuses to begin when a target is not as the plan saw it. Only the first step on each target can be checked yet.
fn refuse_changed(surroundings: &Surroundings<'_>, steps: &[Step]) -> Result<(), ExecuteError> {
    let mut seen = BTreeSet::new();
    for Step { effect, .. } in steps {
        let namespace = match effect {
            Effect::SetTunable { namespace, .. } => namespace.clone(),
            _ => None,
        };
        if !seen.insert((namespace, effect.layer(), effect.target())) {
            continue;
        }
        let target = effect.target();
        match effect::look(surroundings.machine, effect) {
            Ok(shown) if shown.before => {}
            Ok(shown) => {
                let (expected, _) = effect::sides(effect);
                return Err(ExecuteError::ChangedMeanwhile { target, expected, found: shown.found });
            }
            Err(reason) => return Err(ExecuteError::Unreadable { target, reason }),
        }
    }
    Ok(())
}
