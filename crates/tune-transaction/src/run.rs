//! A transaction under way: its steps forward, and back.

use tune_model::Effect;
use tune_model::plan::{Conflict, Step};
use tune_model::reading::Layer;
use tune_model::transaction::{Action, Entry, StepResult, TransactionState};

use crate::clock;
use crate::effect::{self, Back, Trouble};
use crate::error::StateError;
use crate::history::Chain;
use crate::journal::{ClaimsChange, Ending, Intent, Journal, Record};
use crate::store::{CLAIMS, Store};
use crate::{Observer, Progress, Surroundings};

/// A transaction whose journal is written.
pub(crate) struct Run<'a> {
    pub(crate) store: &'a Store,
    pub(crate) surroundings: &'a Surroundings<'a>,
    pub(crate) intent: &'a Intent,
    pub(crate) journal: Journal,
    pub(crate) observer: &'a mut dyn Observer,
    /// One for each step.
    pub(crate) results: Vec<StepResult>,
    /// What became of the active list.
    pub(crate) claims: StepResult,
    /// It is durable that the active list may have changed.
    pub(crate) claims_begun: bool,
    /// What somebody else changed before it could be taken back.
    pub(crate) conflicts: Vec<Conflict>,
    /// What could not be put back for another reason, and may be the next time.
    pub(crate) stuck: Vec<String>,
    /// How many steps stay until the end of this boot, as was said before they were done.
    pub(crate) stay: usize,
    /// Puts back also what somebody else has changed since.
    pub(crate) overwrite: bool,
}

impl Run<'_> {
    /// Carries out every step from `first` on, then the change of the active list; stops at the first failure.
    pub(crate) fn forward(&mut self, first: usize, interrupted: &dyn Fn() -> bool) -> Result<(), String> {
        self.steps(first..self.intent.steps.len(), interrupted)?;
        stop_if(interrupted)?;
        self.change_claims()?;
        stop_if(interrupted)
    }

    /// Carries out some of the steps; stops at the first failure.
    pub(crate) fn steps(
        &mut self,
        which: std::ops::Range<usize>,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<(), String> {
        for index in which {
            stop_if(interrupted)?;
            self.step(index)?;
        }
        Ok(())
    }

    fn step(&mut self, index: usize) -> Result<(), String> {
        let step = &self.intent.steps[index];
        self.observer.step(index, step, Progress::Begin);
        if let Err(error) = self.begin(index, step.effect.layer()) {
            self.results[index] = StepResult::Failed { reason: error.to_string() };
            return Err(error.to_string());
        }
        let trouble = match effect::carry_out(self.surroundings.machine, &step.effect, &self.tag(index)) {
            Ok(()) => {
                self.set(index, StepResult::Done);
                return self.journal.note(&Record::Done { index }).map_err(|error| error.to_string());
            }
            Err(trouble) => trouble,
        };
        let (result, record, reason) = match trouble {
            Trouble::Failed(reason) => {
                let record = Record::Failed { index, reason: reason.clone() };
                (StepResult::Failed { reason: reason.clone() }, record, reason)
            }
            Trouble::Stuck(reason) => {
                let record = Record::Stuck { index, reason: reason.clone() };
                self.stuck.push(format!("{}: {reason}", step.effect.target()));
                (StepResult::Stuck { reason: reason.clone() }, record, reason)
            }
        };
        self.set(index, result);
        let _ = self.journal.note(&record);
        let target = step.effect.target();
        Err(if reason.starts_with(&target) { reason } else { format!("{target}: {reason}") })
    }

    /// Says that a step may have an effect from here on. The live values of a machine do not outlive a power cut, so
    /// that their beginning need not either.
    ///
    /// With the last step begins the active list, so that one sync does for both: where nothing followed, recovery finds
    /// the list as it was.
    fn begin(&mut self, index: usize, layer: Layer) -> Result<(), StateError> {
        if layer == Layer::Runtime {
            return self.journal.note(&Record::Begin { index });
        }
        let claims = self.intent.claims.as_ref().map(|_| self.intent.steps.len());
        if let Some(claims) = claims.filter(|claims| index + 1 == *claims) {
            self.journal.note(&Record::Begin { index: claims })?;
        }
        self.journal.commit(&Record::Begin { index })?;
        self.claims_begun |= claims.is_some_and(|claims| index + 1 >= claims);
        Ok(())
    }

    fn change_claims(&mut self) -> Result<(), String> {
        let Some(change) = &self.intent.claims else { return Ok(()) };
        let index = self.intent.steps.len();
        if !self.claims_begun {
            self.begin(index, Layer::Boot).map_err(|error| error.to_string())?;
        }
        if self.store.claims_bytes().map_err(|error| error.to_string())? != change.before {
            return Err("the list of active profiles was changed by somebody else meanwhile".to_owned());
        }
        // From here on it may have happened, even if it fails.
        self.claims = StepResult::Done;
        replace_claims(self.store, change)?;
        self.journal.note(&Record::Done { index }).map_err(|error| error.to_string())
    }

    /// Takes back what was done, last things first.
    pub(crate) fn backward(&mut self) {
        if self.claims == StepResult::Done {
            self.restore_claims();
        }
        for index in (0..self.intent.steps.len()).rev() {
            if self.results[index] == StepResult::Done {
                self.undo(index);
            }
        }
    }

    fn undo(&mut self, index: usize) {
        let step = &self.intent.steps[index];
        let _ = self.journal.note(&Record::UndoBegin { index });
        let effect = self.beside_what_is_back(index);
        let back = effect::take_back(self.surroundings.machine, &effect, &self.tag(index), self.overwrite);
        let target = step.effect.target();
        let result = self.judge(back, &target, step.irreversible.as_deref());
        self.set(index, result.clone());
        self.note_undo(index, &result);
    }

    /// Returns an effect as it is to be taken back. Where what the next boot sets could not be put back the first time,
    /// the running kernel beside it may be back by now, and has to stay so.
    fn beside_what_is_back(&self, index: usize) -> Effect {
        let mut effect = self.intent.steps[index].effect.clone();
        if let Effect::PersistProperty { property, live: Some(live), .. } = &mut effect {
            let earlier = self.intent.steps[..index].iter().zip(&self.results).rev();
            let beside = earlier.filter_map(|(step, result)| match &step.effect {
                Effect::SetProperty { property: same, before, .. } if same == property => {
                    Some((before, result))
                }
                _ => None,
            });
            if let Some((before, StepResult::Undone)) = beside.into_iter().next() {
                live.clone_from(before);
            }
        }
        effect
    }

    fn restore_claims(&mut self) {
        let Some(change) = &self.intent.claims else { return };
        let index = self.intent.steps.len();
        let _ = self.journal.note(&Record::UndoBegin { index });
        let back = undo_claims(self.store, change);
        self.claims = self.judge(back, "the list of active profiles", None);
        self.note_undo(index, &self.claims.clone());
    }

    fn judge(&mut self, back: Back, target: &str, irreversible: Option<&str>) -> StepResult {
        match back {
            Back::Undone => StepResult::Undone,
            Back::Conflict(conflict) => {
                let Conflict { expected, found, .. } = &conflict;
                let reason = format!("changed by somebody else: it was {expected}, now it is {found}");
                self.conflicts.push(conflict);
                StepResult::Stuck { reason }
            }
            Back::Stuck(reason) => {
                match irreversible {
                    // It was said before, and trying again is of no use.
                    Some(cause) => {
                        self.stay += 1;
                        return StepResult::Stuck { reason: format!("{reason} ({cause})") };
                    }
                    None => self.stuck.push(format!("{target}: {reason}")),
                }
                StepResult::Stuck { reason }
            }
        }
    }

    fn note_undo(&mut self, index: usize, result: &StepResult) {
        let record = match result {
            StepResult::Stuck { reason } => Record::Stuck { index, reason: reason.clone() },
            _ => Record::Undone { index },
        };
        let _ = self.journal.note(&record);
    }

    fn set(&mut self, index: usize, result: StepResult) {
        let progress = match &result {
            StepResult::Done => Some(Progress::Done),
            StepResult::Undone => Some(Progress::Undone),
            StepResult::Failed { reason } => Some(Progress::Failed(reason)),
            StepResult::Stuck { reason } => Some(Progress::Stuck(reason)),
            _ => None,
        };
        if let Some(progress) = progress {
            self.observer.step(index, &self.intent.steps[index], progress);
        }
        self.results[index] = result;
    }

    fn tag(&self, index: usize) -> String {
        effect::tag(self.intent.header.entry.id, index)
    }

    /// Tells how the transaction stands after it was taken back; `clean` if all of it was.
    pub(crate) fn state_after_undo(&self, clean: TransactionState) -> TransactionState {
        let stuck = |result: &StepResult| matches!(result, StepResult::Stuck { .. });
        match self.results.iter().chain([&self.claims]).filter(|result| stuck(result)).count() {
            0 => clean,
            left if left == self.stay => TransactionState::AwaitingReboot,
            _ => TransactionState::PartlyRolledBack,
        }
    }

    /// Writes down how the transaction ended after it was taken back, in the journal and in the history.
    ///
    /// What is stuck leaves the journal without an end, so that the next recovery tries again.
    pub(crate) fn end_undone(
        &mut self,
        reason: &str,
        clean: TransactionState,
    ) -> Result<TransactionState, StateError> {
        let stuck = self.stuck.join("; ");
        let note = match stuck.is_empty() {
            true => reason.to_owned(),
            false => format!("{reason}; not put back: {stuck}; tune recover tries again"),
        };
        let state = self.state_after_undo(clean);
        let ending = Ending {
            state,
            changed: clock::now(),
            conflicts: self.conflicts.clone(),
            note: Some(note),
            taken_back: None,
            until_end_of: (state == TransactionState::AwaitingReboot)
                .then(|| self.intent.header.boot_id.clone()),
            changes: None,
        };
        if stuck.is_empty() {
            self.seal(&ending)?;
        }
        settle_missing(self.store, &self.intent.header.entry, &ending)?;
        Ok(ending.state)
    }

    /// Writes down how the transaction ended in the journal: this is the moment from which on it counts.
    ///
    /// When the disk neither confirms the record nor lets it be taken out again, the transaction counts all the same:
    /// whoever reads the journal will find it ended, and after a power cut that loses the record, recovery undoes it.
    pub(crate) fn seal(&mut self, ending: &Ending) -> Result<(), StateError> {
        match self.journal.commit(&Record::End(ending.clone())) {
            Err(error) if self.journal.holds_unconfirmed() => {
                self.observer
                    .notice(&format!("the disk did not confirm the end of the transaction: {error}"));
                Ok(())
            }
            other => other,
        }
    }
}

pub(crate) fn stop_if(interrupted: &dyn Fn() -> bool) -> Result<(), String> {
    if interrupted() { Err("interrupted".to_owned()) } else { Ok(()) }
}

fn replace_claims(store: &Store, change: &ClaimsChange) -> Result<(), String> {
    let text = |error: StateError| error.to_string();
    store.set_claims(change.after.as_ref()).map_err(text)?;
    if store.claims_bytes().map_err(text)? == change.after {
        return Ok(());
    }
    Err("the list of active profiles does not read as it was written".to_owned())
}

/// Puts the active list back. Nobody but `tune` has any business there, and the lock is held, but a list that is
/// neither the old nor the new one is left.
fn undo_claims(store: &Store, change: &ClaimsChange) -> Back {
    let mut trouble = String::new();
    for _ in 0..effect::ATTEMPTS {
        match store.claims_bytes() {
            Ok(found) if found == change.before => return Back::Undone,
            Ok(found) if found == change.after => {}
            Ok(_) => return Back::Conflict(claims_conflict(store)),
            Err(error) => {
                trouble = error.to_string();
                continue;
            }
        }
        match store.set_claims(change.before.as_ref()) {
            Ok(()) => return Back::Undone,
            Err(error) => trouble = error.to_string(),
        }
    }
    Back::Stuck(trouble)
}

fn claims_conflict(store: &Store) -> Conflict {
    let target = store.path().join(CLAIMS).display().to_string();
    Conflict::new(target, Layer::Boot, "as tune wrote it".to_owned(), "something else".to_owned())
}

/// Brings the history to where a journal that has ended says it is; what is there already is not repeated.
///
/// Returns whether something was missing.
pub(crate) fn settle_missing(store: &Store, open: &Entry, ending: &Ending) -> Result<bool, StateError> {
    let chain = Chain::read(&store.directory)?;
    let mut missing = Vec::new();
    let own = closed(open, ending);
    if chain.last_of(open.id).is_none_or(|entry| *entry != own) {
        missing.push(own);
    }
    if let (Some(state), Action::Rollback { of }) = (ending.taken_back, &open.action)
        && let Some(entry) = chain.last_of(*of)
        && entry.state != state
    {
        let until_end_of = ending.until_end_of.clone();
        missing.push(Entry { state, changed: ending.changed.clone(), until_end_of, ..entry.clone() });
    }
    if missing.is_empty() && !chain.head_is_behind() {
        return Ok(false);
    }
    store.record(&missing)?;
    Ok(true)
}

/// Returns the last line of a transaction in the history.
pub(crate) fn closed(open: &Entry, ending: &Ending) -> Entry {
    let mut entry = open.clone();
    entry.state = ending.state;
    entry.changed.clone_from(&ending.changed);
    entry.conflicts.extend(ending.conflicts.iter().cloned());
    entry.note.clone_from(&ending.note);
    if let Some(changes) = &ending.changes {
        entry.changes.clone_from(changes);
    }
    if ending.taken_back.is_none() {
        entry.until_end_of.clone_from(&ending.until_end_of);
    }
    match ending.state {
        TransactionState::Failed => entry.changes.clear(),
        // It was tried out in the running kernel only.
        TransactionState::RolledBack => entry.changes.retain(|change| change.scope == "runtime"),
        _ => {}
    }
    entry
}

/// Refuses steps that the allow-list does not have, in either direction; returns the first, counted from 1.
pub(crate) fn forbidden(surroundings: &Surroundings<'_>, steps: &[Step]) -> Option<(usize, String, String)> {
    let refuse = |effect: &Effect| surroundings.policy.permits(effect).err();
    steps.iter().enumerate().find_map(|(index, Step { effect, .. })| {
        let reason = refuse(effect).or_else(|| refuse(&effect.undo()))?;
        Some((index + 1, effect.target(), reason))
    })
}
