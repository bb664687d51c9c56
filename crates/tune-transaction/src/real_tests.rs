//! Real file systems that are full or read-only, and the real kernel, in namespaces of their own.
//!
//! Each test starts itself again under `unshare`. Without the right to do so it says `not run: REASON` and passes, but for
//! `CI=true`, where it fails: a test that never runs must be seen.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use tune_host::{Host, LiveHost, Machine};
use tune_model::transaction::{Action, TransactionState};
use tune_model::{Effect, Plan};

use crate::tests::{Anything, NEW_FILE, TIMEOUT, empty_plan, host, image, plan, set, step};
use crate::{LockError, StateError, Store, Surroundings};

/// Where the inner test finds its directory; set in the namespaces only.
const PLACE: &str = "TUNE_TEST_PLACE";

/// Runs `inside` in new namespaces on a small file system in memory; elsewhere starts the test `name` there.
fn in_namespaces(name: &str, inside: impl FnOnce(&Path)) {
    if let Some(place) = std::env::var_os(PLACE) {
        return inside(&PathBuf::from(place));
    }
    let place = tempfile::tempdir().unwrap();
    let namespaces = ["--mount", "--net", "--propagation", "private"];
    let allowed = Command::new("unshare").args(namespaces).arg("true").status();
    if !allowed.is_ok_and(|status| status.success()) {
        let reason = "not run: needs root, and mount and network namespaces of its own";
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{reason}");
        let _ = writeln!(std::io::stderr(), "{reason}");
        return;
    }
    let script = "mount -t tmpfs -o size=64k,mode=755 tune \"$1\" && exec \"$0\" --exact \"$2\"";
    let program = std::env::current_exe().unwrap();
    let test = format!("real_tests::{name}");
    let ran = Command::new("unshare")
        .args(namespaces)
        .args(["sh", "-c", script])
        .args([program.as_os_str(), place.path().as_os_str(), test.as_ref()])
        .env(PLACE, place.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && said.contains("1 passed"), "{said}");
}

fn apply() -> Action {
    Action::Apply { profiles: vec!["web-server".to_owned()] }
}

fn open(path: &Path) -> Store {
    Store::open(path).unwrap().logging_to(Vec::new())
}

#[test]
fn a_full_disk_stops_a_plan_at_any_point_and_leaves_nothing() {
    in_namespaces("a_full_disk_stops_a_plan_at_any_point_and_leaves_nothing", |place| {
        let (mut refused, mut applied) = (0, 0);
        for pages in 0..14 {
            let path = place.join(format!("state-{pages}"));
            let store = open(&path);
            let filler = place.join("filler");
            fill(&filler, pages);
            let host = host();
            let surroundings = Surroundings { machine: &host, policy: &Anything, boot_id: "boot-1" };
            let done = store.lock("tune apply").map(|mut locked| {
                let done = locked.execute(&surroundings, &plan(), apply(), "host", &mut (), &|| false);
                done.map_err(|error| error.to_string())
            });
            let succeeded = matches!(&done, Ok(Ok(outcome)) if outcome.state == TransactionState::Applied);
            let live = if succeeded { "30" } else { "60" };
            assert_eq!(host.value(TIMEOUT).unwrap(), live, "{pages} pages: {done:?}");
            assert_eq!(host.image(NEW_FILE).is_some(), succeeded, "{pages} pages: {done:?}");
            if let Ok(Err(message)) = &done {
                assert!(message.contains("no space is left; free some"), "{message}");
                refused += 1;
            }
            applied += usize::from(succeeded);
            fs::remove_file(&filler).unwrap();
            store.lock("tune recover").unwrap().recover(&surroundings).unwrap();
            let verified = store.verify().unwrap();
            assert!(verified.is_ok() && verified.notes.is_empty(), "{pages} pages: {verified:?}");
            assert_eq!(store.claims().unwrap() == plan().claims.unwrap(), succeeded, "{pages} pages");
            fs::remove_dir_all(&path).unwrap();
        }
        assert!(refused > 0 && applied > 0);
    });
}

/// Fills the file system up but for some pages of 4 KiB.
fn fill(filler: &Path, pages: usize) {
    let mut length = 0;
    while fs::write(filler, vec![b'x'; length + 4096]).is_ok() {
        length += 4096;
    }
    fs::write(filler, vec![b'x'; length.saturating_sub(pages * 4096)]).unwrap();
}

#[test]
fn a_read_only_state_can_be_looked_at() {
    in_namespaces("a_read_only_state_can_be_looked_at", |place| {
        let path = place.join("state");
        open(&path);
        let remount = Command::new("mount").args(["-o", "remount,ro"]).arg(place).status().unwrap();
        assert!(remount.success());
        assert!(Store::look(&path).unwrap().unwrap().history().unwrap().is_empty());
        let locked = open(&path).lock("tune apply").map(drop);
        assert!(matches!(locked, Err(LockError::State(StateError::ReadOnly { .. }))), "{locked:?}");
        assert!(matches!(Store::open(&place.join("other")), Err(StateError::ReadOnly { .. })));
    });
}

#[test]
fn the_real_kernel_takes_values_and_gives_them_back() {
    in_namespaces("the_real_kernel_takes_values_and_gives_them_back", |place| {
        let live = LiveHost::own();
        let before = live.read_in(None, TIMEOUT).unwrap();
        let file = place.join("zz-tune.conf");
        let written =
            Effect::ReplaceFile { path: file.clone(), before: None, after: Some(image("x\n", 0o640)) };
        let steps = vec![step(set(TIMEOUT, &before, "31")), step(written)];
        let there = Plan { steps, ..empty_plan() };
        let undo = |at: usize| step(there.steps[at].effect.undo());
        let back = Plan { steps: vec![undo(1), undo(0)], ..empty_plan() };

        let store = open(&place.join("state"));
        let surroundings = Surroundings { machine: &live, policy: &Anything, boot_id: "boot-1" };
        let mut locked = store.lock("tune apply").unwrap();
        let mut run = |plan: &Plan, action| {
            let outcome = locked.execute(&surroundings, plan, action, "host", &mut (), &|| false).unwrap();
            assert_eq!(outcome.failure, None);
        };
        run(&there, apply());
        assert_eq!(live.read_in(None, TIMEOUT).unwrap(), "31");
        assert_eq!(live.file_image(&file).unwrap().unwrap().mode, 0o640);
        run(&back, Action::Rollback { of: 1 });
        assert_eq!(live.read_in(None, TIMEOUT).unwrap(), before);
        assert!(!file.exists());
    });
}
