//! Finishing what a crash interrupted, and taking back what was not confirmed in time.

use std::time::Duration;

use tune_model::plan::{Conflict, Step};
use tune_model::reading::Layer;
use tune_model::transaction::{Action, Entry, StepResult, TransactionState};

use crate::clock;
use crate::disk::Directory;
use crate::effect;
use crate::error::{Awaiting, RecoverError, StateError};
use crate::history::{self, Chain};
use crate::journal::{self, Intent, Journal, Progress, Story};
use crate::lock::Locked;
use crate::once;
use crate::pause::Standing;
use crate::run::{self, Run};
use crate::store::CLAIMS;
use crate::{Observer, Surroundings};

/// What was recovered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovered {
    /// The transaction.
    pub transaction: u64,
    /// What it was for.
    pub action: Action,
    /// How it stands now: applied when only the history was behind, else failed or partly rolled back.
    pub state: TransactionState,
    /// One result for each step; empty when only the history was behind.
    pub steps: Vec<StepResult>,
    /// What somebody else had changed and was left alone.
    pub conflicts: Vec<Conflict>,
    /// Why it had to be recovered.
    pub cause: Cause,
}

/// Why a transaction had to be recovered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// It was interrupted.
    Interrupted,
    /// It was not confirmed in time.
    Overdue,
    /// It was not confirmed before the machine was restarted.
    Restarted,
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Interrupted => "interrupted",
            Self::Overdue => "not confirmed in time",
            Self::Restarted => "not confirmed before the machine was restarted",
        })
    }
}

impl Cause {
    /// Returns what the history says about it.
    const fn note(self) -> &'static str {
        match self {
            Self::Interrupted => "interrupted, and taken back by recovery",
            Self::Overdue => "not confirmed in time, and taken back",
            Self::Restarted => {
                "not confirmed before the machine was restarted, which took the live values back"
            }
        }
    }

    /// Returns the state of a transaction of which all was taken back.
    const fn state(self) -> TransactionState {
        match self {
            Self::Interrupted => TransactionState::Failed,
            Self::Overdue | Self::Restarted => TransactionState::RolledBack,
        }
    }
}

impl Locked<'_> {
    /// Finishes what a crash interrupted: takes back a transaction that did not end, completes the history of one that
    /// did. Returns `None` when there is nothing to do, as the second time. What waits for a confirmation is taken back
    /// once its time is over.
    ///
    /// Live values are put back only while the machine has not been restarted since.
    ///
    /// # Errors
    ///
    /// [`RecoverError::Awaiting`]: there is time left to confirm a transaction, and nothing was touched.
    /// [`RecoverError::Forbidden`]: no step was touched. [`RecoverError::Stuck`] and [`RecoverError::State`]: what was
    /// taken back so far stays so, the transaction stays open, and the next recovery does the rest.
    pub fn recover(&mut self, surroundings: &Surroundings<'_>) -> Result<Option<Recovered>, RecoverError> {
        let journals = self.store.make_journals()?;
        let newest = journal::newest(&journals)?;
        self.tidy(&journals, newest)?;
        let recovered = match newest {
            0 => None,
            id => match journal::story(&journals, id, surroundings.boot_id)? {
                None => self.forget(&journals, id)?,
                Some(story) => self.finish(surroundings, &journals, &story)?,
            },
        };
        let orphan = self.close_orphans(&journals)?;
        self.mend_head()?;
        Ok(recovered.or(orphan))
    }

    /// Removes the half-made files of the state directory.
    pub(crate) fn tidy(&self, journals: &Directory, newest: u64) -> Result<(), StateError> {
        for name in [CLAIMS, history::HEAD] {
            tidy_if_there(&self.store.directory, name)?;
        }
        for id in [newest, newest + 1] {
            tidy_if_there(journals, &journal::file_name(id))?;
        }
        Ok(())
    }

    /// Drops a journal that was not whole yet: nothing was done under it.
    fn forget(&self, journals: &Directory, id: u64) -> Result<Option<Recovered>, StateError> {
        let name = journal::file_name(id);
        if Chain::read(&self.store.directory)?.last_of(id).is_some() {
            return Err(StateError::corrupt(journals.path().join(name), 1, "its beginning is incomplete"));
        }
        journals.remove(&name)?;
        Ok(None)
    }

    fn finish(
        &self,
        surroundings: &Surroundings<'_>,
        journals: &Directory,
        story: &Story,
    ) -> Result<Option<Recovered>, RecoverError> {
        let entry = &story.intent.header.entry;
        let Some(ending) = &story.ending else {
            self.refuse_lost_end(journals, entry)?;
            let cause = match story.standing(surroundings.boot_id, surroundings.machine.uptime()) {
                Standing::Interrupted => Cause::Interrupted,
                Standing::Overdue => Cause::Overdue,
                Standing::Restarted => Cause::Restarted,
                Standing::Waits(_) if is_put_back(surroundings, story) => Cause::Interrupted,
                Standing::Waits(left) => return Err(self.leave_waiting(journals, story, left)?),
            };
            return self.take_back(surroundings, journals, story, cause).map(Some);
        };
        let missing = run::settle_missing(self.store, entry, ending)?;
        Ok(missing.then(|| Recovered {
            transaction: entry.id,
            action: entry.action.clone(),
            state: ending.state,
            steps: Vec::new(),
            conflicts: ending.conflicts.clone(),
            cause: Cause::Interrupted,
        }))
    }

    /// Brings the history to where a transaction that waits is, and says that it does.
    fn leave_waiting(
        &self,
        journals: &Directory,
        story: &Story,
        left: Duration,
    ) -> Result<RecoverError, StateError> {
        let shown = story.shown_waiting().unwrap_or_else(|| story.intent.header.entry.clone());
        if Chain::read(&self.store.directory)?.last_of(shown.id) != Some(&shown) {
            self.store.record(std::slice::from_ref(&shown))?;
        }
        self.close_orphans(journals)?;
        self.mend_head()?;
        Ok(RecoverError::Awaiting(Box::new(Awaiting::with(&shown, left))))
    }

    /// The end of a journal is durable before the history shows it: where the history has an end and the journal none,
    /// the journal was damaged later, and what it did must not be taken back.
    fn refuse_lost_end(&self, journals: &Directory, entry: &Entry) -> Result<(), StateError> {
        use TransactionState::{AwaitingConfirmation, Open, PartlyRolledBack};
        let chain = Chain::read(&self.store.directory)?;
        let shown = chain.last_of(entry.id).map(|entry| entry.state);
        match shown {
            None | Some(Open | AwaitingConfirmation | PartlyRolledBack) => Ok(()),
            Some(state) => {
                let file = journals.path().join(journal::file_name(entry.id));
                let what = format!("its end is missing, and the history shows it as {state}");
                Err(StateError::corrupt(file, 1, what))
            }
        }
    }

    pub(crate) fn take_back(
        &self,
        surroundings: &Surroundings<'_>,
        journals: &Directory,
        story: &Story,
        cause: Cause,
    ) -> Result<Recovered, RecoverError> {
        let entry = &story.intent.header.entry;
        let mut nobody = ();
        let mut run = self.resume(surroundings, journals, story, &mut nobody)?;
        run.backward();
        if !run.stuck.is_empty() {
            let file = journals.path().join(journal::file_name(entry.id));
            return Err(RecoverError::Stuck { file, what: run.stuck.join("; "), steps: run.results });
        }
        let (note, state) = match entry.action.is_final() {
            true => (once::INTERRUPTED, TransactionState::Applied),
            false => (cause.note(), cause.state()),
        };
        let ended = run.end_undone(note, state);
        let (steps, conflicts) = (run.results, run.conflicts);
        let file = journals.path().join(journal::file_name(entry.id));
        let state = ended.map_err(|error| unfinished(file, &steps, &conflicts, error))?;
        let (transaction, action) = (entry.id, entry.action.clone());
        Ok(Recovered { transaction, action, state, steps, conflicts, cause })
    }

    /// Goes on with a transaction where its journal ends.
    pub(crate) fn resume<'r>(
        &'r self,
        surroundings: &'r Surroundings<'r>,
        journals: &Directory,
        story: &'r Story,
        observer: &'r mut dyn Observer,
    ) -> Result<Run<'r>, RecoverError> {
        let intent = &story.intent;
        let entry = &intent.header.entry;
        if let Some((step, target, reason)) = run::forbidden(surroundings, &intent.steps) {
            let file = journals.path().join(journal::file_name(entry.id));
            return Err(RecoverError::Forbidden { file, step, target, reason });
        }
        let same_boot = intent.header.boot_id == surroundings.boot_id;
        Ok(Run {
            store: self.store,
            surroundings,
            intent,
            journal: Journal::resume(journals, story)?,
            observer,
            results: where_it_stands(intent, &story.progress, same_boot),
            claims: result(&story.progress[intent.steps.len()], false),
            claims_begun: false,
            conflicts: Vec::new(),
            stuck: Vec::new(),
            stay: 0,
            overwrite: false,
        })
    }

    /// Closes transactions that the history shows as unfinished and whose journal somebody has moved away.
    fn close_orphans(&self, journals: &Directory) -> Result<Option<Recovered>, StateError> {
        let chain = Chain::read(&self.store.directory)?;
        let names = journals.names()?;
        let is_orphan = |entry: &&Entry| {
            let last = chain.last_of(entry.id) == Some(*entry);
            last && entry.is_unfinished() && !names.contains(&journal::file_name(entry.id))
        };
        let closed: Vec<_> = chain.intact().filter(is_orphan).map(orphan).collect();
        if closed.is_empty() {
            return Ok(None);
        }
        self.store.record(&closed)?;
        Ok(closed.into_iter().next_back().map(|Entry { id, action, state, .. }| Recovered {
            transaction: id,
            action,
            state,
            steps: Vec::new(),
            conflicts: Vec::new(),
            cause: Cause::Interrupted,
        }))
    }

    fn mend_head(&self) -> Result<(), StateError> {
        if Chain::read(&self.store.directory)?.head_is_behind() {
            self.store.record(&[])?;
        }
        Ok(())
    }
}

/// Tells whether nothing is left of what waits: it was taken back, and the disk took no word of that.
fn is_put_back(surroundings: &Surroundings<'_>, story: &Story) -> bool {
    let steps = story.intent.steps.iter().zip(&story.progress);
    let mut done = steps.filter(|(_, progress)| **progress == Progress::Touched).peekable();
    let is_before =
        |step: &Step| effect::look(surroundings.machine, &step.effect).is_ok_and(|shown| shown.before);
    done.peek().is_some() && done.all(|(step, _)| is_before(step))
}

/// What is left alone has to be told, even when its end cannot be written down.
fn unfinished(
    file: std::path::PathBuf,
    steps: &[StepResult],
    conflicts: &[Conflict],
    error: StateError,
) -> RecoverError {
    if conflicts.is_empty() {
        return error.into();
    }
    let left = conflicts.iter().map(|Conflict { target, expected, found, .. }| {
        format!("{target}: changed by somebody else: it was {expected}, now it is {found}")
    });
    let what = left.chain([error.to_string()]).collect::<Vec<_>>().join("; ");
    RecoverError::Stuck { file, what, steps: steps.to_vec() }
}

fn orphan(open: &Entry) -> Entry {
    let note = "interrupted; its journal was moved away before recovery could finish".to_owned();
    let state = TransactionState::PartlyRolledBack;
    let (until_end_of, deadline, deadline_uptime_ms) = (None, None, None);
    let entry = Entry { until_end_of, deadline, deadline_uptime_ms, ..open.clone() };
    Entry { state, changed: clock::now(), note: Some(note), ..entry }
}

fn tidy_if_there(directory: &Directory, name: &str) -> Result<(), StateError> {
    if directory.has_leftover(name)? { directory.tidy(name) } else { Ok(()) }
}

/// Returns what may have to be taken back. What was live before a restart is gone with it.
fn where_it_stands(intent: &Intent, progress: &[Progress], same_boot: bool) -> Vec<StepResult> {
    let lost = |layer: Layer| layer == Layer::Runtime && !same_boot;
    let steps = intent.steps.iter().zip(progress);
    steps.map(|(step, progress)| result(progress, lost(step.effect.layer()))).collect()
}

fn result(progress: &Progress, lost: bool) -> StepResult {
    match progress {
        Progress::Untouched => StepResult::NotReached,
        Progress::Touched if lost => StepResult::Undone,
        Progress::Touched => StepResult::Done,
        Progress::Failed(reason) => StepResult::Failed { reason: reason.clone() },
        Progress::Undone => StepResult::Undone,
    }
}
