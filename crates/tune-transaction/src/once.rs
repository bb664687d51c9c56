//! What is done for good: nothing can take it back, so that it is written down before and after.

use tune_model::plan::{Change, Plan};
use tune_model::transaction::{Action, Entry, TransactionState};

use crate::Surroundings;
use crate::clock;
use crate::error::{ExecuteError, StateError};
use crate::execute::applied;
use crate::journal::{Ending, Intent, Journal, Record};
use crate::lock::Locked;
use crate::run;
use crate::store::Store;

/// What the history says after a crash.
pub(crate) const INTERRUPTED: &str =
    "interrupted: which of these were done is not known, and none can be undone";

/// Something under way that cannot be undone, and that the history shows as open.
#[derive(Debug)]
#[must_use]
pub struct Final<'a> {
    store: &'a Store,
    intent: Intent,
    journal: Journal,
}

impl Locked<'_> {
    /// Writes down, durably, what is about to be done for good.
    ///
    /// # Errors
    ///
    /// [`ExecuteError`]: nothing may be done then. It is refused while an earlier transaction is unrecovered.
    pub fn begin_final(
        &mut self,
        surroundings: &Surroundings<'_>,
        action: Action,
        scope: &str,
        changes: Vec<Change>,
    ) -> Result<Final<'_>, ExecuteError> {
        let plan = Plan {
            findings: Vec::new(),
            steps: Vec::new(),
            claims: None,
            refusals: Vec::new(),
            conflicts: Vec::new(),
            warnings: Vec::new(),
            changes,
            reboot_required: false,
        };
        let intent = self.intend(surroundings, &plan, action, scope)?;
        let journal = self.begin(&intent)?;
        Ok(Final { store: self.store, intent, journal })
    }
}

impl Final<'_> {
    /// Returns the number of the transaction.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.intent.header.entry.id
    }

    /// Writes down what came of it: what was really changed, and what else there is to say. Where nothing was, it failed.
    ///
    /// # Errors
    ///
    /// Any [`StateError`]; the next recovery then says that it is not known.
    pub fn end(mut self, changes: Vec<Change>, note: Option<String>) -> Result<Entry, StateError> {
        let state = if changes.is_empty() { TransactionState::Failed } else { TransactionState::Applied };
        let ending = Ending { state, changed: clock::now(), note, changes: Some(changes), ..applied() };
        self.journal.commit(&Record::End(ending.clone()))?;
        let open = &self.intent.header.entry;
        run::settle_missing(self.store, open, &ending)?;
        Ok(run::closed(open, &ending))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tune_host::FakeHost;
    use tune_model::Effect;

    use super::*;
    use crate::Policy;

    struct Anything;

    impl Policy for Anything {
        fn permits(&self, _: &Effect) -> Result<(), String> {
            Ok(())
        }
    }

    fn change(number: u8) -> Change {
        let (key, before) = (format!("tcp 10.0.0.1:80 10.0.0.2:{number}"), Some("FIN_WAIT_2".to_owned()));
        Change { key, before, after: None, scope: "runtime".to_owned() }
    }

    fn action() -> Action {
        Action::Drop { filter: "state=fin-wait-2 held".to_owned() }
    }

    fn with_store(test: impl FnOnce(&Store, &Surroundings<'_>)) {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("state")).unwrap().logging_to(Vec::new());
        let machine = FakeHost::new();
        test(&store, &Surroundings { machine: &machine, policy: &Anything, boot_id: "boot" });
    }

    #[test]
    fn what_was_done_is_in_the_history_and_what_was_not_is_not() {
        with_store(|store, surroundings| {
            let mut locked = store.lock("tune drop").unwrap();
            let begun =
                locked.begin_final(surroundings, action(), "host", vec![change(1), change(2)]).unwrap();
            assert_eq!((begun.id(), store.history().unwrap()[0].state), (1, TransactionState::Open));
            let ended = begun.end(vec![change(2)], Some("1 was gone".to_owned())).unwrap();
            assert_eq!((ended.state, &ended.changes[..]), (TransactionState::Applied, &[change(2)][..]));
            assert_eq!(store.history().unwrap(), [ended]);
            assert!(store.verify().unwrap().is_ok());
            assert_eq!(locked.recover(surroundings).unwrap(), None);
        });
    }

    #[test]
    fn nothing_done_has_failed() {
        with_store(|store, surroundings| {
            let mut locked = store.lock("tune drop").unwrap();
            let begun = locked.begin_final(surroundings, action(), "host", vec![change(1)]).unwrap();
            assert_eq!(begun.end(Vec::new(), None).unwrap().state, TransactionState::Failed);
        });
    }

    #[test]
    fn a_crash_in_between_leaves_it_open_and_recovery_says_what_is_not_known() {
        with_store(|store, surroundings| {
            let mut locked = store.lock("tune drop").unwrap();
            drop(locked.begin_final(surroundings, action(), "host", vec![change(1)]).unwrap());
            let again = locked.begin_final(surroundings, action(), "host", Vec::new());
            assert!(matches!(again, Err(ExecuteError::Unrecovered(1))));
            let recovered = locked.recover(surroundings).unwrap().unwrap();
            assert_eq!((recovered.transaction, recovered.state), (1, TransactionState::Applied));
            let entry = store.history().unwrap().pop().unwrap();
            assert_eq!((entry.note.as_deref(), &entry.changes[..]), (Some(INTERRUPTED), &[change(1)][..]));
            assert_eq!(locked.recover(surroundings).unwrap(), None);
        });
    }
}
