//! The process dies, the disk fails or the power goes at every single change of a trial, of its confirmation and of its
//! end; afterwards everything is as before the trial, as during it, or as after the confirmation.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use tune_host::Host;
use tune_model::transaction::TransactionState;

use crate::campaign::{BOOT, Cut, EIO, ENOSPC, Scene, World, dying, old_and_new, quiet};
use crate::failpoint::{self, Durable, Event};
use crate::tests::{apply, host, plan, same_world};
use crate::{Deadline, Foreign, RecoverError, Trial, TrialError};

const TIME: Duration = Duration::from_secs(120);

impl Scene {
    /// Tries the plan out; tells how that ended.
    fn try_out(&self) -> TransactionState {
        let store = self.store();
        let Ok(mut locked) = store.lock("tune apply") else { return TransactionState::Failed };
        let until = Deadline::after(TIME, self.host.uptime());
        let trial = Trial { action: apply(), scope: "host", until };
        let outcome = locked.try_out(&self.surroundings(BOOT), &plan(), trial, &mut (), &|| false);
        outcome.map_or(TransactionState::Failed, |outcome| outcome.state)
    }

    fn trying() -> Self {
        let scene = Self::new(host());
        assert_eq!(scene.try_out(), TransactionState::AwaitingConfirmation);
        scene
    }

    fn confirm(&self) -> Result<TransactionState, TrialError> {
        let store = self.store();
        let Ok(mut locked) = store.lock("tune confirm") else { return Err(TrialError::NothingAwaits) };
        let concluded = locked.confirm(&self.surroundings(BOOT), &mut (), &|| false)?;
        Ok(concluded.outcome.state)
    }

    fn revoke(&self) {
        let store = self.store();
        let mut locked = store.lock("tune rollback").unwrap();
        let _ = locked.revoke(&self.surroundings(BOOT), &mut (), Foreign::Leave, "taken back");
    }

    /// Recovers; tells whether there is time left for a confirmation.
    fn still_waits(&self, boot_id: &str, what: &str) -> bool {
        let store = self.store();
        match store.lock("tune recover").unwrap().recover(&self.surroundings(boot_id)) {
            Ok(_) => false,
            Err(RecoverError::Awaiting(_)) => true,
            Err(error) => panic!("{what}: {error}"),
        }
    }

    /// Demands that the books are closed, on one of the worlds; tells the state.
    fn is_closed(&self, boot_id: &str, (old, new): (&World, &World), what: &str) -> TransactionState {
        assert!(!self.still_waits(boot_id, what), "{what}: it still waits");
        self.check_tidy(what);
        let store = self.store();
        let verified = store.verify().unwrap();
        assert!(verified.problems.is_empty() && verified.notes.is_empty(), "{what}: {verified:?}");
        assert_eq!(store.open_transaction().unwrap(), None, "{what}");
        let state = store.history().unwrap().last().map_or(TransactionState::Failed, |entry| entry.state);
        let wanted = if state == TransactionState::Applied { new } else { old };
        let known = [TransactionState::Applied, TransactionState::RolledBack, TransactionState::Failed];
        assert!(known.contains(&state), "{what}: {state}");
        assert!(same_world(&self.world(), wanted), "{what}: {state}, but {:?}", self.world());
        state
    }

    /// Demands that what waits can still be confirmed, or else is over.
    fn can_go_on(&self, (old, new): (&World, &World), what: &str) -> TransactionState {
        if self.still_waits(BOOT, what) {
            let live = (new.0.clone(), new.1.clone(), old.2.clone(), old.3.clone(), old.4.clone());
            assert!(same_world(&self.world(), &live), "{what}: it waits, but {:?}", self.world());
            assert_eq!(self.confirm().unwrap(), TransactionState::Applied, "{what}");
        }
        self.is_closed(BOOT, (old, new), what)
    }
}

/// The operations of work that nothing disturbs.
fn operations(scene: &Scene, work: impl FnOnce(&Scene)) -> Vec<String> {
    failpoint::arm(usize::MAX, Event::Nothing);
    work(scene);
    failpoint::disarm().0
}

/// Returns some lengths at which a write is cut off.
fn cuts(operation: &str) -> Vec<usize> {
    let length = operation.strip_prefix("write ").map(|length| length.parse::<usize>().unwrap());
    length.map_or_else(|| vec![0], |length| vec![0, 1, length / 2, length - 1, length])
}

/// Lets the process die at each operation of `work`, at each length of a write.
fn at_every_change(scene: fn() -> Scene, work: fn(&Scene), check: impl Fn(&Scene, &str)) {
    for (at, operation) in operations(&scene(), work).iter().enumerate() {
        for partial in cuts(operation) {
            let scene = scene();
            failpoint::arm(at, Event::Crash { partial });
            dying(&scene, at, || work(&scene));
            check(&scene, &format!("operation {at}, {operation}, {partial}"));
        }
    }
}

#[test]
fn killed_at_every_change_of_a_trial() {
    quiet();
    let (old, new) = old_and_new();
    let work = |scene: &Scene| {
        scene.try_out();
    };
    at_every_change(
        || Scene::new(host()),
        work,
        |scene, what| {
            scene.can_go_on((&old, &new), what);
        },
    );
    at_every_change(
        || Scene::new(host()),
        work,
        |scene, what| {
            scene.host.pass(TIME);
            let state = scene.is_closed(BOOT, (&old, &new), what);
            assert_ne!(state, TransactionState::Applied, "{what}");
            assert_eq!(scene.try_out(), TransactionState::AwaitingConfirmation, "{what}");
        },
    );
}

#[test]
fn killed_at_every_change_of_a_confirmation() {
    quiet();
    let (old, new) = old_and_new();
    let confirm = |scene: &Scene| drop(scene.confirm());
    let states = std::cell::RefCell::new(Vec::new());
    at_every_change(Scene::trying, confirm, |scene, what| {
        states.borrow_mut().push(scene.can_go_on((&old, &new), what));
    });
    assert!(states.borrow().contains(&TransactionState::Failed));
    // Silence afterwards.
    at_every_change(Scene::trying, confirm, |scene, what| {
        scene.host.pass(TIME);
        scene.is_closed(BOOT, (&old, &new), what);
    });
}

#[test]
fn killed_at_every_change_of_the_machine_in_both_halves() {
    quiet();
    let (old, new) = old_and_new();
    for effects in 0..2 {
        let scene = Scene::new(host().crashing_after(effects));
        dying(&scene, effects, || {
            scene.try_out();
        });
        scene.can_go_on((&old, &new), &format!("after {effects} effects"));
    }
    for effects in 2..4 {
        let scene = Scene::new(host().crashing_after(effects));
        assert_eq!(scene.try_out(), TransactionState::AwaitingConfirmation);
        dying(&scene, effects, || drop(scene.confirm()));
        let state = scene.can_go_on((&old, &new), &format!("after {effects} effects"));
        assert_eq!(state, TransactionState::Failed);
    }
}

#[test]
fn killed_at_every_change_of_the_end_of_a_trial() {
    quiet();
    let (old, new) = old_and_new();
    let overdue = |scene: &Scene| {
        scene.host.pass(TIME);
        scene.still_waits(BOOT, "overdue");
    };
    for work in [overdue, Scene::revoke] {
        at_every_change(Scene::trying, work, |scene, what| {
            scene.host.pass(TIME);
            let state = scene.is_closed(BOOT, (&old, &new), what);
            assert_ne!(state, TransactionState::Applied, "{what}");
        });
    }
}

#[test]
fn the_disk_fails_once_or_for_good_at_every_change_of_both_halves() {
    quiet();
    let (old, new) = old_and_new();
    let events = [
        Event::Fail { errno: EIO, partial: 0 },
        Event::Fail { errno: ENOSPC, partial: 9 },
        Event::FailFrom { errno: ENOSPC },
    ];
    let try_out: fn(&Scene) -> TransactionState = Scene::try_out;
    let confirm: fn(&Scene) -> TransactionState =
        |scene| scene.confirm().unwrap_or(TransactionState::AwaitingConfirmation);
    let halves: [(fn() -> Scene, _); 2] = [(|| Scene::new(host()), try_out), (Scene::trying, confirm)];
    for (scene, half) in halves {
        let undisturbed = operations(&scene(), |scene| {
            half(scene);
        });
        for (at, operation) in undisturbed.iter().enumerate() {
            for event in events {
                let (scene, what) = (scene(), format!("operation {at}, {operation}, {event:?}"));
                failpoint::arm(at, event);
                let said = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| half(&scene)));
                failpoint::disarm();
                // Where even the state directory cannot be opened.
                let Ok(said) = said else { continue };
                // While the disk fails the active list cannot be put back; recovery does it.
                let undone = matches!(said, TransactionState::Failed | TransactionState::PartlyRolledBack);
                let live = if undone { &old } else { &new };
                let mut expected = scene.world();
                (expected.0, expected.1) = (live.0.clone(), live.1.clone());
                assert!(same_world(&scene.world(), &expected), "{what}: {said}, but {:?}", scene.world());
                scene.host.pass(TIME);
                let state = scene.is_closed(BOOT, (&old, &new), &what);
                let applied = said == TransactionState::Applied;
                assert_eq!(state == TransactionState::Applied, applied, "{what}: {said}, then {state}");
            }
        }
    }
}

/// The lengths of the files that a trial has made durable.
fn durable(scene: &Scene) -> Durable {
    use std::os::unix::fs::MetadataExt;
    let found = |name: &str| std::fs::metadata(scene.state.path().join(name)).unwrap();
    let lengths = crate::campaign::APPENDED.map(found).map(|found| (found.ino(), found.len()));
    Durable { lengths: lengths.into(), ..Durable::default() }
}

#[test]
fn the_power_goes_at_every_change_of_both_halves() {
    quiet();
    let (old, mut new) = old_and_new();
    // The live values are those of the boot.
    (new.0, new.1) = (old.0.clone(), old.1.clone());
    let try_out: fn(&Scene) = |scene| {
        scene.try_out();
    };
    let confirm: fn(&Scene) = |scene| drop(scene.confirm());
    let before_trial: fn() -> Scene = || Scene::new(host());
    let nothing: fn(&Scene) -> Durable = |_| Durable::default();
    for (scene, before, half) in [(before_trial, nothing, try_out), (Scene::trying, durable, confirm)] {
        let dies = |at: usize| {
            let scene = scene();
            failpoint::arm_with(before(&scene), at, Event::Crash { partial: 1_000_000 });
            let durable = dying(&scene, at, || half(&scene));
            (scene, durable)
        };
        for (at, operation) in operations(&scene(), half).iter().enumerate() {
            let (probe, durable) = dies(at);
            for cut in Cut::all(&probe, &durable) {
                let (scene, durable) = dies(at);
                cut.make(&scene, &durable);
                scene.host.reboot();
                let what = format!("operation {at}, {operation}, {cut:?}");
                honest(&scene, &old, &what);
                scene.is_closed("boot-2", (&old, &new), &what);
                let set = |effect: &String| effect.starts_with("set ");
                assert!(!scene.host.effects().iter().any(set), "{what}");
            }
        }
    }
}

/// Who may not see the journals is not told that all is as before while files are changed.
fn honest(scene: &Scene, old: &World, what: &str) {
    let history = scene.store().history().unwrap();
    let Some(entry) = history.last().cloned() else { return };
    if entry.in_boot("boot-2").state == TransactionState::RolledBack {
        assert!(same_world(&scene.world(), old), "{what}: {:?}", scene.world());
    }
}
