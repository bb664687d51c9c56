//! The process dies, the disk fails or the power goes at every single change of the machine and of the state
//! directory; afterwards everything is wholly old or wholly new.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tune_host::{FakeHost, Host};
use tune_model::transaction::{Action, Outcome, TransactionState};

use crate::failpoint::{self, Durable, Event};
use crate::tests::{Anything, NEW_FILE, OLD_FILE, RMEM, TIMEOUT, directory, host, plan, same_world};
use crate::{ExecuteError, Store, Surroundings};

pub(crate) const BOOT: &str = "boot-1";
pub(crate) const EIO: i32 = 5;
pub(crate) const ENOSPC: i32 = 28;

pub(crate) struct Scene {
    pub(crate) state: TempDir,
    pub(crate) host: FakeHost,
}

/// What can be seen of the machine and the active list.
pub(crate) type World = (Option<String>, Option<String>, Option<Vec<u8>>, Option<Vec<u8>>, Option<Vec<u8>>);

impl Scene {
    pub(crate) fn new(host: FakeHost) -> Self {
        let scene = Self { state: directory(), host };
        fs::write(scene.state.path().join("claims.json"), "{\"format\":\"tune.claims/1\",\"scopes\":{}}\n")
            .unwrap();
        // The directories are there, so that the campaign is about the transaction.
        Store::open(scene.state.path()).unwrap();
        scene
    }

    pub(crate) fn store(&self) -> Store {
        Store::open(self.state.path()).unwrap().logging_to(Vec::new())
    }

    pub(crate) fn surroundings<'a>(&'a self, boot_id: &'a str) -> Surroundings<'a> {
        Surroundings { machine: &self.host, policy: &Anything, boot_id }
    }

    fn execute(&self) -> Result<Outcome, ExecuteError> {
        let store = self.store();
        let mut locked = store.lock("tune apply").unwrap();
        let action = Action::Apply { profiles: vec!["web-server".to_owned()] };
        locked.execute(&self.surroundings(BOOT), &plan(), action, "host", &mut (), &|| false)
    }

    pub(crate) fn world(&self) -> World {
        let file = |path: &str| self.host.image(path).map(|image| image.content.0);
        let claims = fs::read(self.state.path().join("claims.json")).ok();
        (self.host.value(TIMEOUT), self.host.value(RMEM), file(NEW_FILE), file(OLD_FILE), claims)
    }

    fn recover(&self, boot_id: &str) -> bool {
        let store = self.store();
        let mut locked = store.lock("tune recover").unwrap();
        locked.recover(&self.surroundings(boot_id)).unwrap().is_some()
    }

    /// Recovers, and checks all that has to hold afterwards.
    fn check(&self, boot_id: &str, old: &World, new: &World, what: &str) -> TransactionState {
        self.recover(boot_id);
        let world = self.world();
        assert!(same_world(&world, old) || same_world(&world, new), "{what}: {world:?}");
        assert!(!self.recover(boot_id), "{what}: a second recovery found something to do");
        assert!(same_world(&world, &self.world()), "{what}: a second recovery changed something");
        self.check_tidy(what);
        let store = self.store();
        let verified = store.verify().unwrap();
        assert!(verified.problems.is_empty() && verified.notes.is_empty(), "{what}: {verified:?}");
        assert_eq!(store.open_transaction().unwrap(), None, "{what}");
        let state = store.history().unwrap().last().map_or(TransactionState::Failed, |entry| entry.state);
        let applied = state == TransactionState::Applied;
        assert!(same_world(&world, if applied { new } else { old }), "{what}: {state}, but {world:?}");
        assert!(applied || state == TransactionState::Failed, "{what}: {state}");
        self.apply_again(boot_id, applied, what);
        state
    }

    pub(crate) fn check_tidy(&self, what: &str) {
        for directory in ["/etc", "/etc/sysctl.d"] {
            let names = self.host.files().names(Path::new(directory)).unwrap();
            assert!(!names.iter().any(|name| name.to_string_lossy().starts_with('.')), "{what}: {names:?}");
        }
        for directory in ["", "journal"] {
            for entry in fs::read_dir(self.state.path().join(directory)).unwrap() {
                let name = entry.unwrap().file_name();
                assert!(!name.to_string_lossy().starts_with('.'), "{what}: {name:?} is left");
            }
        }
    }

    /// What was not applied can be applied now.
    fn apply_again(&self, boot_id: &str, applied: bool, what: &str) {
        if applied || boot_id != BOOT {
            return;
        }
        let outcome = self.execute().unwrap();
        assert_eq!(outcome.state, TransactionState::Applied, "{what}");
    }
}

pub(crate) fn old_and_new() -> (World, World) {
    let scene = Scene::new(host());
    let old = scene.world();
    assert_eq!(scene.execute().unwrap().state, TransactionState::Applied);
    (old, scene.world())
}

/// The operations of an undisturbed transaction.
fn operations() -> Vec<String> {
    let scene = Scene::new(host());
    failpoint::arm(usize::MAX, Event::Nothing);
    scene.execute().unwrap();
    failpoint::disarm().0
}

fn crashing(scene: &Scene, at: usize, partial: usize) -> Durable {
    failpoint::arm(at, Event::Crash { partial });
    dying(scene, at, || drop(scene.execute()))
}

/// Lets the process die in `work` as it was armed for.
pub(crate) fn dying(scene: &Scene, at: usize, work: impl FnOnce()) -> Durable {
    let died = catch_unwind(AssertUnwindSafe(work)).is_err();
    let durable = failpoint::disarm().1;
    assert!(died, "operation {at} was not reached");
    scene.host.restart();
    durable
}

/// Returns the lengths at which a write is cut off: every one of a journal's record, some of longer writes.
fn cuts(operation: &str) -> Vec<usize> {
    match operation.strip_prefix("write ").map(|length| length.parse::<usize>().unwrap()) {
        None => vec![0],
        Some(length) => (0..=length).step_by(if length > 300 { 37 } else { 1 }).collect(),
    }
}

pub(crate) fn quiet() {
    std::panic::set_hook(Box::new(|info| {
        let text = info.payload_as_str().unwrap_or_default();
        if !text.contains("the process died") && !text.contains(tune_host::fake::CRASH) {
            eprintln!("{info}");
        }
    }));
}

#[test]
fn killed_at_every_change_of_the_state_directory() {
    quiet();
    let (old, new) = old_and_new();
    let mut states = Vec::new();
    for (at, operation) in operations().iter().enumerate() {
        for partial in cuts(operation) {
            let scene = Scene::new(host());
            crashing(&scene, at, partial);
            states.push(scene.check(BOOT, &old, &new, &format!("operation {at}, {operation}, {partial}")));
        }
    }
    assert!(states.contains(&TransactionState::Applied) && states.contains(&TransactionState::Failed));
}

#[test]
fn killed_at_every_change_of_the_machine() {
    quiet();
    let (old, new) = old_and_new();
    for effects in 0..4 {
        let scene = Scene::new(host().crashing_after(effects));
        assert!(catch_unwind(AssertUnwindSafe(|| scene.execute())).is_err());
        scene.host.restart();
        scene.check(BOOT, &old, &new, &format!("after {effects} effects"));
    }
}

#[test]
fn killed_again_at_every_change_of_the_recovery() {
    quiet();
    let (old, new) = old_and_new();
    for at in 0..operations().len() {
        for again in 0.. {
            let scene = Scene::new(host());
            crashing(&scene, at, 3);
            failpoint::arm(again, Event::Crash { partial: 5 });
            let died = catch_unwind(AssertUnwindSafe(|| scene.recover(BOOT))).is_err();
            failpoint::disarm();
            scene.check(BOOT, &old, &new, &format!("operation {at}, then {again}"));
            if !died {
                break;
            }
        }
    }
}

#[test]
fn the_disk_fails_once_or_for_good_at_every_change() {
    quiet();
    let (old, new) = old_and_new();
    for (at, operation) in operations().iter().enumerate() {
        for event in [
            Event::Fail { errno: EIO, partial: 0 },
            Event::Fail { errno: ENOSPC, partial: 9 },
            Event::FailFrom { errno: EIO },
            Event::FailFrom { errno: ENOSPC },
        ] {
            let scene = Scene::new(host());
            let what = format!("operation {at}, {operation}, {event:?}");
            failpoint::arm(at, event);
            let store = Store::look(scene.state.path()).unwrap().unwrap().logging_to(Vec::new());
            let Ok(mut locked) = store.lock("tune apply") else {
                failpoint::disarm();
                continue;
            };
            let action = Action::Apply { profiles: Vec::new() };
            let outcome =
                locked.execute(&scene.surroundings(BOOT), &plan(), action, "host", &mut (), &|| false);
            failpoint::disarm();
            drop(locked);
            let claimed = outcome.map(|outcome| outcome.state == TransactionState::Applied).unwrap_or(false);
            let (mut live, expected) = (scene.world(), if claimed { &new } else { &old });
            // While the disk fails the active list cannot be put back; recovery does it.
            live.4.clone_from(&expected.4);
            assert!(same_world(&live, expected), "{what}: {live:?}");
            let state = scene.check(BOOT, &old, &new, &what);
            assert_eq!(state == TransactionState::Applied, claimed, "{what}");
        }
    }
}

/// What a power cut may take.
#[derive(Debug, Clone)]
pub(crate) enum Cut {
    Nothing,
    /// A rename, or the making of a file, that was not synced.
    Rename(usize),
    /// The bytes of a file beyond a length; or they were never written, and read as zero.
    Tail {
        name: &'static str,
        length: usize,
        zeroed: bool,
    },
    /// All that was not synced.
    Everything,
}

pub(crate) const APPENDED: [&str; 2] = ["journal/000001.jsonl", "history.jsonl"];

impl Cut {
    pub(crate) fn all(scene: &Scene, durable: &Durable) -> Vec<Self> {
        let mut all = vec![Self::Nothing, Self::Everything];
        all.extend((0..durable.renamed.len()).map(Self::Rename));
        for name in APPENDED {
            let (safe, length) = safe_length(scene, durable, name);
            let cuts = (safe..length).step_by(19).flat_map(|at| [(at, false), (at, true)]);
            all.extend(cuts.map(|(length, zeroed)| Self::Tail { name, length, zeroed }));
        }
        all
    }

    pub(crate) fn make(&self, scene: &Scene, durable: &Durable) {
        match self {
            Self::Nothing => {}
            Self::Rename(at) => take_rename(&durable.renamed[*at]),
            Self::Tail { name, length, zeroed } => cut_tail(scene, name, *length, *zeroed),
            Self::Everything => {
                for name in APPENDED {
                    cut_tail(scene, name, safe_length(scene, durable, name).0, false);
                }
                durable.renamed.iter().rev().for_each(take_rename);
            }
        }
    }
}

/// Returns how much of a file is durable, and its length.
fn safe_length(scene: &Scene, durable: &Durable, name: &str) -> (usize, usize) {
    let Ok(found) = fs::metadata(scene.state.path().join(name)) else { return (0, 0) };
    let safe = durable.lengths.get(&found.ino()).copied().unwrap_or(0).min(found.len());
    (usize::try_from(safe).unwrap(), usize::try_from(found.len()).unwrap())
}

fn cut_tail(scene: &Scene, name: &str, length: usize, zeroed: bool) {
    let path = scene.state.path().join(name);
    let Ok(mut content) = fs::read(&path) else { return };
    let whole = content.len();
    content.truncate(length);
    if zeroed {
        content.resize(whole, 0);
    }
    fs::write(path, content).unwrap();
}

fn take_rename((path, before): &(PathBuf, Option<Vec<u8>>)) {
    match before {
        Some(content) => fs::write(path, content).unwrap(),
        None => drop(fs::remove_file(path)),
    }
}

#[test]
fn the_power_goes_at_every_change() {
    quiet();
    let (old, mut new) = old_and_new();
    // The live values are those of the boot.
    (new.0, new.1) = (old.0.clone(), old.1.clone());
    for (at, operation) in operations().iter().enumerate() {
        let probe = Scene::new(host());
        let durable = crashing(&probe, at, 1_000_000);
        for cut in Cut::all(&probe, &durable) {
            let scene = Scene::new(host());
            let durable = crashing(&scene, at, 1_000_000);
            cut.make(&scene, &durable);
            scene.host.reboot();
            let what = format!("operation {at}, {operation}, {cut:?}");
            scene.check("boot-2", &old, &new, &what);
            assert!(scene.host.effects().iter().all(|effect| !effect.starts_with("set ")), "{what}");
        }
    }
}
