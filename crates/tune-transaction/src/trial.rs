//! Trying out: what only touches the running kernel now, the rest once it is confirmed.

use std::collections::BTreeSet;

use tune_model::plan::{Conflict, Effect, Plan, Step};
use tune_model::reading::Layer;
use tune_model::transaction::{Action, Entry, Outcome, StepResult, TransactionState};

use crate::clock::{self, Deadline};
use crate::disk::Directory;
use crate::effect;
use crate::error::{ExecuteError, TrialError};
use crate::execute::{self, Task};
use crate::journal::{self, Record, Story};
use crate::lock::Locked;
use crate::pause::{Pause, Standing, shown_waiting};
use crate::recover::{Cause, Recovered};
use crate::run::{self, Run};
use crate::{Observer, Surroundings};

/// A change that has to be confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial<'a> {
    /// What it is for.
    pub action: Action,
    /// What the history shows as looked at.
    pub scope: &'a str,
    /// Until when it has to be confirmed.
    pub until: Deadline,
}

/// A transaction that waited for a confirmation, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Concluded {
    /// The transaction as it was begun.
    pub entry: Entry,
    /// Its steps.
    pub steps: Vec<Step>,
    /// What became of them.
    pub outcome: Outcome,
    /// What somebody else had changed and was left alone.
    pub conflicts: Vec<Conflict>,
}

/// A transaction that waits for a confirmation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OnTrial {
    /// The transaction as the history shows it.
    pub entry: Entry,
    /// Its steps.
    pub steps: Vec<Step>,
    /// How many of them, from the first on, were carried out.
    pub done: usize,
}

/// What happens to values that somebody else has changed meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// They are left, and the rest is put back.
    Leave,
    /// They are put back too.
    Overwrite,
    /// Nothing is touched at all.
    Refuse,
}

impl Locked<'_> {
    /// Carries out what a plan does to the running kernel, and waits with the rest until [`Locked::confirm`]. The steps
    /// of the running kernel have to come first; what comes after them waits.
    ///
    /// The rest is as with [`Locked::execute`]. Unless it is confirmed in time, the next [`Locked::recover`] takes it
    /// back; who calls this sees to it that there is one.
    ///
    /// # Errors
    ///
    /// As [`Locked::execute`].
    pub fn try_out(
        &mut self,
        surroundings: &Surroundings<'_>,
        plan: &Plan,
        trial: Trial<'_>,
        observer: &mut dyn Observer,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<Outcome, ExecuteError> {
        let task = Task { action: trial.action, scope: trial.scope, until: Some(trial.until) };
        self.carry_out(surroundings, plan, task, observer, interrupted)
    }

    /// Carries out the rest of the transaction that waits, after which it is like any other that was applied.
    ///
    /// It is taken back instead when its time is over, when the machine was restarted, when somebody else has changed
    /// what it left, and when a step fails: the outcome then has a failure.
    ///
    /// # Errors
    ///
    /// [`TrialError`]: nothing was changed.
    pub fn confirm(
        &mut self,
        surroundings: &Surroundings<'_>,
        observer: &mut dyn Observer,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<Concluded, TrialError> {
        let (journals, story) = self.waiting(surroundings)?;
        let cause = match story.standing(surroundings.boot_id, surroundings.machine.uptime()) {
            Standing::Waits(_) => None,
            Standing::Restarted => Some(Cause::Restarted),
            Standing::Overdue | Standing::Interrupted => Some(Cause::Overdue),
        };
        if let Some(cause) = cause {
            let recovered = self.take_back(surroundings, &journals, &story, cause)?;
            return Ok(too_late(*story, recovered));
        }
        let run = self.resume(surroundings, &journals, &story, observer)?;
        let outcome = go_on(run, interrupted);
        Ok(concluded(*story, outcome, Vec::new()))
    }

    /// Takes back the transaction that waits, whatever time is left. `note` is what the history says about it.
    ///
    /// # Errors
    ///
    /// [`TrialError`]: nothing was changed.
    pub fn revoke(
        &mut self,
        surroundings: &Surroundings<'_>,
        observer: &mut dyn Observer,
        foreign: Foreign,
        note: &str,
    ) -> Result<Concluded, TrialError> {
        let (journals, story) = self.waiting(surroundings)?;
        let mut run = self.resume(surroundings, &journals, &story, observer)?;
        if foreign == Foreign::Refuse {
            refuse_foreign(&run)?;
        }
        run.overwrite = foreign == Foreign::Overwrite;
        run.backward();
        let state = execute::give_up(&mut run, note, TransactionState::RolledBack);
        let transaction = Some(run.intent.header.entry.id);
        let (steps, conflicts) = (run.results, run.conflicts);
        Ok(concluded(*story, Outcome { transaction, state, steps, failure: None }, conflicts))
    }

    fn waiting(&self, surroundings: &Surroundings<'_>) -> Result<(Directory, Box<Story>), TrialError> {
        let journals = self.store.make_journals()?;
        let newest = journal::newest(&journals)?;
        self.tidy(&journals, newest)?;
        if newest == 0 {
            return Err(TrialError::NothingAwaits);
        }
        match journal::story(&journals, newest, surroundings.boot_id)? {
            Some(story) if story.ending.is_none() && story.waits.is_some() => Ok((journals, story)),
            _ => Err(TrialError::NothingAwaits),
        }
    }
}

/// Returns how many steps come before the first that is not of the running kernel.
pub(crate) fn of_the_running_kernel(steps: &[Step]) -> usize {
    steps.iter().take_while(|step| step.effect.layer() == Layer::Runtime).count()
}

/// Carries out the steps of the running kernel, and writes down until when the rest waits.
pub(crate) fn try_out(mut run: Run<'_>, until: Deadline, interrupted: &dyn Fn() -> bool) -> Outcome {
    let now = of_the_running_kernel(&run.intent.steps);
    let done = run.steps(0..now, interrupted).and_then(|()| {
        run::stop_if(interrupted)?;
        pause(&mut run, until)
    });
    execute::outcome(run, done.map(|()| TransactionState::AwaitingConfirmation))
}

fn pause(run: &mut Run<'_>, deadline: Deadline) -> Result<(), String> {
    let pause = Pause { deadline, changed: clock::now() };
    run.journal.commit(&Record::Await(pause.clone())).map_err(|error| error.to_string())?;
    let header = &run.intent.header;
    let shown = shown_waiting(&header.entry, &header.boot_id, &pause);
    if let Err(error) = run.store.record(&[shown]) {
        run.observer.notice(&format!("it awaits confirmation, but the history does not say so yet: {error}"));
    }
    Ok(())
}

/// Carries out what waited.
fn go_on(mut run: Run<'_>, interrupted: &dyn Fn() -> bool) -> Outcome {
    let rest = of_the_running_kernel(&run.intent.steps);
    let ending = execute::applied();
    let done = still_there(&run)
        .and_then(|()| show_open(&run))
        .and_then(|()| run.forward(rest, interrupted))
        .and_then(|()| execute::conclude(&mut run, &ending));
    execute::outcome(run, done.map(|()| ending.state))
}

/// From here on there may be more than live values, which a restart takes back: the history must not say that all is
/// well after one.
fn show_open(run: &Run<'_>) -> Result<(), String> {
    let open = Entry { changed: clock::now(), ..run.intent.header.entry.clone() };
    run.store.record(&[open]).map_err(|error| error.to_string())
}

/// Checks that the running kernel is as it was left. Of several steps on one target the last one counts.
fn still_there(run: &Run<'_>) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for (step, result) in run.intent.steps.iter().zip(&run.results).rev() {
        let Some((tunable, ..)) = step.effect.live() else { continue };
        let namespace = match &step.effect {
            Effect::SetTunable { namespace, .. } => namespace.as_ref(),
            _ => None,
        };
        if *result != StepResult::Done || !seen.insert((namespace, tunable)) {
            continue;
        }
        let shown = effect::look(run.surroundings.machine, &step.effect);
        let shown = shown.map_err(|reason| format!("cannot check {tunable}: {reason}"))?;
        if !shown.after {
            let (_, left) = effect::sides(&step.effect);
            return Err(format!(
                "somebody else has changed {tunable} meanwhile: it was {left}, now it is {}",
                shown.found
            ));
        }
    }
    Ok(())
}

fn refuse_foreign(run: &Run<'_>) -> Result<(), TrialError> {
    let done = run.intent.steps.iter().zip(&run.results).filter(|(_, result)| **result == StepResult::Done);
    let mut conflicts = done.filter_map(|(step, _)| effect::foreign(run.surroundings.machine, &step.effect));
    conflicts.next().map_or(Ok(()), |conflict| Err(TrialError::Foreign(Box::new(conflict))))
}

fn concluded(story: Story, outcome: Outcome, conflicts: Vec<Conflict>) -> Concluded {
    Concluded { entry: story.intent.header.entry, steps: story.intent.steps, outcome, conflicts }
}

fn too_late(story: Story, recovered: Recovered) -> Concluded {
    let Recovered { transaction, state, steps, cause, conflicts, .. } = recovered;
    let until = story.waits.as_ref().map(|pause| format!(" (until {})", pause.deadline.text));
    let failure = Some(format!("{cause}{}", until.unwrap_or_default()));
    concluded(story, Outcome { transaction: Some(transaction), state, steps, failure }, conflicts)
}
