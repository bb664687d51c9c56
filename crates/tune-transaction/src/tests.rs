//! What the crate promises, on a fake machine.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use tempfile::TempDir;
use tune_host::FakeHost;
use tune_host::fake::Meddling;
use tune_model::claim::{Holding, ScopeClaims};
use tune_model::plan::{Bytes, Change, Conflict, FileImage};
use tune_model::reading::Layer;
use tune_model::transaction::{Action, Outcome, StepResult, TransactionState};
use tune_model::tunable::same_value;
use tune_model::{Claims, Effect, Plan, Slot, Step};

use crate::{ExecuteError, LockError, Policy, RecoverError, StateError, Store, Surroundings};

pub(crate) const TIMEOUT: &str = "net.ipv4.tcp_fin_timeout";
pub(crate) const RMEM: &str = "net.ipv4.tcp_rmem";
pub(crate) const NEW_FILE: &str = "/etc/sysctl.d/zz-tune.conf";
pub(crate) const OLD_FILE: &str = "/etc/sysctl.d/99-site.conf";

pub(crate) struct Anything;

impl Policy for Anything {
    fn permits(&self, _effect: &Effect) -> Result<(), String> {
        Ok(())
    }
}

/// Permits tunables only.
pub(crate) struct NoFiles;

impl Policy for NoFiles {
    fn permits(&self, effect: &Effect) -> Result<(), String> {
        match effect {
            Effect::SetTunable { .. } => Ok(()),
            _ => Err("it is not a file of tune's".to_owned()),
        }
    }
}

/// A directory in memory where there is such a place: the campaigns sync thousands of times.
pub(crate) fn directory() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

pub(crate) fn host() -> FakeHost {
    FakeHost::new()
        .with_tunable(TIMEOUT, "60")
        .with_tunable(RMEM, "4096\t131072\t6291456")
        .with_file(OLD_FILE, "net.ipv4.tcp_fin_timeout = 90\n")
}

pub(crate) fn image(content: &str, mode: u32) -> FileImage {
    let content = Bytes(content.as_bytes().to_vec());
    FileImage { content, mode, uid: 0, gid: 0, attributes: BTreeMap::new() }
}

pub(crate) fn set(tunable: &str, before: &str, after: &str) -> Effect {
    let (before, after) = (before.to_owned(), after.to_owned());
    Effect::SetTunable { tunable: tunable.to_owned(), namespace: None, before, after }
}

pub(crate) fn step(effect: Effect) -> Step {
    Step { serves: Vec::new(), effect, irreversible: None, takes_hold: None }
}

pub(crate) fn claims() -> Claims {
    let holding = Holding {
        original: Some("60".to_owned()),
        boot_id: "boot-1".to_owned(),
        held: Some("30".to_owned()),
        claims: Vec::new(),
        taken_over: Vec::new(),
    };
    let mut scope = ScopeClaims::default();
    scope.layer_mut(Layer::Runtime).insert(Slot::whole(TIMEOUT), holding);
    let mut claims = Claims::default();
    claims.set_scope("host", scope);
    claims
}

pub(crate) fn empty_plan() -> Plan {
    Plan {
        findings: Vec::new(),
        steps: Vec::new(),
        claims: None,
        refusals: Vec::new(),
        conflicts: Vec::new(),
        warnings: Vec::new(),
        changes: Vec::new(),
        reboot_required: false,
    }
}

pub(crate) fn plan() -> Plan {
    let replaced = |path: &str, before, after| Effect::ReplaceFile { path: path.into(), before, after };
    let old = image("net.ipv4.tcp_fin_timeout = 90\n", 0o644);
    let steps = [
        set(TIMEOUT, "60", "30"),
        set(RMEM, "4096 131072 6291456", "8192 262144 8388608"),
        replaced(NEW_FILE, None, Some(image("net.ipv4.tcp_fin_timeout = 30\n", 0o644))),
        replaced(OLD_FILE, Some(old), Some(image("# net.ipv4.tcp_fin_timeout = 90\n", 0o644))),
    ];
    let change = Change {
        key: TIMEOUT.to_owned(),
        before: Some("60".to_owned()),
        after: Some("30".to_owned()),
        scope: "runtime".to_owned(),
    };
    let steps = steps.into_iter().map(step).collect();
    Plan { steps, claims: Some(claims()), changes: vec![change], ..empty_plan() }
}

/// The same plan the other way round.
pub(crate) fn back() -> Plan {
    let there = plan();
    let undo = |step: &Step| Step { effect: step.effect.undo(), ..step.clone() };
    Plan { steps: there.steps.iter().rev().map(undo).collect(), claims: Some(Claims::default()), ..there }
}

type Part = (Option<String>, Option<String>, Option<Vec<u8>>, Option<Vec<u8>>, Option<Vec<u8>>);

/// Tells whether two worlds are the same but for the spacing of live values.
pub(crate) fn same_world(a: &Part, b: &Part) -> bool {
    let same = |a: &Option<String>, b: &Option<String>| {
        same_value(a.as_deref().unwrap_or_default(), b.as_deref().unwrap_or_default())
    };
    same(&a.0, &b.0) && same(&a.1, &b.1) && (&a.2, &a.3, &a.4) == (&b.2, &b.3, &b.4)
}

pub(crate) fn apply() -> Action {
    Action::Apply { profiles: vec!["web-server".to_owned()] }
}

pub(crate) fn run(
    store: &Store,
    host: &FakeHost,
    plan: &Plan,
    action: Action,
) -> Result<Outcome, ExecuteError> {
    let surroundings = Surroundings { machine: host, policy: &Anything, boot_id: "boot-1" };
    let mut locked = store.lock("tune apply web-server").unwrap();
    locked.recover(&surroundings).unwrap();
    locked.execute(&surroundings, plan, action, "host", &mut (), &|| false)
}

pub(crate) fn open(state: &TempDir) -> Store {
    Store::open(state.path()).unwrap().logging_to(Vec::new())
}

#[test]
fn a_plan_is_carried_out_recorded_and_taken_back() {
    let (state, host) = (directory(), host());
    let store = open(&state);
    assert_eq!(store.claims().unwrap(), Claims::default());

    let outcome = run(&store, &host, &plan(), apply()).unwrap();
    assert_eq!((outcome.transaction, outcome.failure), (Some(1), None));
    assert_eq!(outcome.steps, vec![StepResult::Done; 4]);
    assert_eq!(host.value(TIMEOUT).unwrap(), "30");
    assert_eq!(store.claims().unwrap(), claims());

    let rollback = Action::Rollback { of: 1 };
    assert_eq!(run(&store, &host, &back(), rollback).unwrap().transaction, Some(2));
    assert_eq!(host.value(TIMEOUT).unwrap(), "60");
    assert_eq!(host.image(NEW_FILE), None);
    let states: Vec<_> = store.history().unwrap().iter().map(|entry| (entry.id, entry.state)).collect();
    assert_eq!(states, [(1, TransactionState::RolledBack), (2, TransactionState::Applied)]);
    let verified = store.verify().unwrap();
    assert!(verified.is_ok() && verified.notes.is_empty() && verified.lines == 5, "{verified:?}");
}

#[test]
fn an_empty_plan_writes_nothing() {
    let (state, host) = (directory(), host());
    let outcome = run(&open(&state), &host, &empty_plan(), apply()).unwrap();
    assert_eq!(outcome.transaction, None);
    assert!(!state.path().join("history.jsonl").exists());
    assert_eq!(fs::read_dir(state.path().join("journal")).unwrap().count(), 0);
}

#[test]
fn a_rollback_says_how_the_other_transaction_stands() {
    let conflict = Conflict {
        target: TIMEOUT.to_owned(),
        layer: Layer::Runtime,
        expected: "30".to_owned(),
        found: "7".to_owned(),
        unreadable: false,
    };
    for (conflicts, reboot_required, state) in [
        (vec![conflict], true, TransactionState::PartlyRolledBack),
        (Vec::new(), true, TransactionState::AwaitingReboot),
    ] {
        let (directory, host) = (directory(), host());
        let store = open(&directory);
        run(&store, &host, &plan(), apply()).unwrap();
        let plan = Plan { conflicts, reboot_required, ..back() };
        run(&store, &host, &plan, Action::Rollback { of: 1 }).unwrap();
        let entry = store.history().unwrap()[0].clone();
        assert_eq!(entry.clone().in_boot("boot-1").state, state);
        let after = match state {
            TransactionState::AwaitingReboot => TransactionState::RolledBack,
            other => other,
        };
        assert_eq!(entry.in_boot("a later boot").state, after);
    }
}

#[test]
fn what_somebody_else_changed_before_stops_all_and_between_steps_undoes_all() {
    let state = directory();
    let store = open(&state);
    let host = host().meddled_with_before(1, Meddling::Value(TIMEOUT.to_owned(), "7".to_owned()));
    let error = run(&store, &host, &plan(), apply()).unwrap_err();
    assert!(matches!(error, ExecuteError::ChangedMeanwhile { .. }), "{error}");
    assert!(host.effects().is_empty() && store.history().unwrap().is_empty());

    // Four looks beforehand, then look, write and look at the first step.
    let host = self::host().meddled_with_before(8, Meddling::Value(RMEM.to_owned(), "1 2 3".to_owned()));
    let outcome = run(&store, &host, &plan(), apply()).unwrap();
    assert_eq!(outcome.state, TransactionState::Failed);
    assert_eq!(outcome.steps[0], StepResult::Undone);
    assert!(matches!(&outcome.steps[1], StepResult::Failed { reason } if reason.contains("somebody else")));
    assert_eq!(outcome.steps[2], StepResult::NotReached);
    assert_eq!(host.value(TIMEOUT).unwrap(), "60");
    assert_eq!(host.value(RMEM).unwrap(), "1 2 3");
}

#[test]
fn what_somebody_else_changed_before_the_undo_is_left_and_told() {
    let state = directory();
    let store = open(&state);
    // The third step fails; before the undo of the first somebody sets it.
    let host = host()
        .failing(tune_host::fake::Operation::Replace, 1, "input/output error")
        .meddled_with_before(12, Meddling::Value(TIMEOUT.to_owned(), "7".to_owned()));
    let outcome = run(&store, &host, &plan(), apply()).unwrap();
    assert_eq!(outcome.state, TransactionState::PartlyRolledBack);
    assert!(matches!(&outcome.steps[0], StepResult::Stuck { reason } if reason.contains("now it is 7")));
    assert_eq!(outcome.steps[1], StepResult::Undone);
    let entry = store.history().unwrap().pop().unwrap();
    assert_eq!((entry.conflicts.len(), entry.conflicts[0].found.as_str()), (1, "7"));
}

#[test]
fn a_refused_value_and_an_interruption_leave_nothing() {
    let state = directory();
    let store = open(&state);
    let host = host().refusing(RMEM, "8192 262144 8388608");
    let outcome = run(&store, &host, &plan(), apply()).unwrap();
    assert!(outcome.failure.unwrap().contains("refused"));
    assert_eq!(host.value(TIMEOUT).unwrap(), "60");

    let host = self::host();
    let surroundings = Surroundings { machine: &host, policy: &Anything, boot_id: "boot-1" };
    let asked = std::cell::Cell::new(0);
    let interrupted = || asked.replace(asked.get() + 1) == 3;
    let mut locked = store.lock("tune apply").unwrap();
    let outcome = locked.execute(&surroundings, &plan(), apply(), "host", &mut (), &interrupted).unwrap();
    assert_eq!(outcome.failure.as_deref(), Some("interrupted"));
    let undone = [StepResult::Undone, StepResult::Undone, StepResult::Undone, StepResult::NotReached];
    assert_eq!(outcome.steps, undone);
    assert_eq!((host.value(TIMEOUT).unwrap(), host.image(NEW_FILE)), ("60".to_owned(), None));
}

#[test]
fn what_the_allow_list_does_not_have_is_neither_done_nor_taken_back() {
    let (state, host) = (directory(), host().crashing_after(3));
    let store = open(&state);
    let strict = Surroundings { machine: &host, policy: &NoFiles, boot_id: "boot-1" };
    let error = store.lock("a").unwrap().execute(&strict, &plan(), apply(), "host", &mut (), &|| false);
    assert!(matches!(error, Err(ExecuteError::Forbidden { step: 3, .. })), "{error:?}");

    let dies = std::panic::AssertUnwindSafe(|| run(&store, &host, &plan(), apply()));
    assert!(std::panic::catch_unwind(dies).is_err());
    host.restart();
    assert_eq!(store.open_transaction().unwrap().unwrap().id, 1);
    let error = store.lock("tune recover").unwrap().recover(&strict).unwrap_err();
    assert!(matches!(&error, RecoverError::Forbidden { .. }), "{error}");
    assert!(host.effects().is_empty());
}

#[test]
fn an_unrecovered_transaction_stops_the_next() {
    let (state, host) = (directory(), host().crashing_after(1));
    let store = open(&state);
    let dies = std::panic::AssertUnwindSafe(|| run(&store, &host, &plan(), apply()));
    assert!(std::panic::catch_unwind(dies).is_err());
    host.restart();
    host.set_value(TIMEOUT, "60");
    let surroundings = Surroundings { machine: &host, policy: &Anything, boot_id: "boot-1" };
    let refused =
        store.lock("a").unwrap().execute(&surroundings, &plan(), apply(), "host", &mut (), &|| false);
    assert_eq!(refused.unwrap_err(), ExecuteError::Unrecovered(1));
}

#[test]
fn what_cannot_be_put_back_keeps_the_transaction_open_until_it_can() {
    let (state, host) = (directory(), host().crashing_after(3));
    let store = open(&state);
    let dies = std::panic::AssertUnwindSafe(|| run(&store, &host, &plan(), apply()));
    assert!(std::panic::catch_unwind(dies).is_err());
    host.restart();
    let host = host.failing(tune_host::fake::Operation::Write, 1, "input/output error").failing(
        tune_host::fake::Operation::Write,
        2,
        "input/output error",
    );
    let surroundings = Surroundings { machine: &host, policy: &Anything, boot_id: "boot-1" };
    let mut locked = store.lock("a").unwrap();
    let error = locked.recover(&surroundings).unwrap_err();
    assert!(matches!(&error, RecoverError::Stuck { what, .. } if what.starts_with(RMEM)), "{error}");
    assert_eq!((host.value(TIMEOUT).unwrap(), host.image(NEW_FILE)), ("60".to_owned(), None));
    assert_eq!(store.open_transaction().unwrap().unwrap().id, 1);
    let recovered = locked.recover(&surroundings).unwrap().unwrap();
    assert_eq!(recovered.state, TransactionState::Failed);
    assert!(same_value(&host.value(RMEM).unwrap(), "4096 131072 6291456"));
    assert_eq!(locked.recover(&surroundings).unwrap(), None);
}

#[test]
fn a_failed_undo_is_told_and_tried_again_by_recovery() {
    let state = directory();
    let store = open(&state);
    // The third step fails, and so does the undo of the second, both times.
    let write = tune_host::fake::Operation::Write;
    let host = host()
        .failing(tune_host::fake::Operation::Replace, 1, "input/output error")
        .failing(write, 3, "input/output error")
        .failing(write, 4, "input/output error");
    let outcome = run(&store, &host, &plan(), apply()).unwrap();
    assert_eq!(outcome.state, TransactionState::PartlyRolledBack);
    assert_eq!(outcome.steps[0], StepResult::Undone);
    assert!(matches!(&outcome.steps[1], StepResult::Stuck { reason } if reason.contains("input/output")));
    let entry = store.history().unwrap().pop().unwrap();
    assert_eq!(entry.state, TransactionState::PartlyRolledBack);
    assert!(entry.note.unwrap().contains("tune recover tries again"));
    let surroundings = Surroundings { machine: &host, policy: &Anything, boot_id: "boot-1" };
    let mut locked = store.lock("a").unwrap();
    let recovered = locked.recover(&surroundings).unwrap().unwrap();
    assert_eq!(recovered.state, TransactionState::Failed);
    assert_eq!(locked.recover(&surroundings).unwrap(), None);
    assert!(same_value(&host.value(RMEM).unwrap(), "4096 131072 6291456"));
    assert_eq!(store.history().unwrap()[0].state, TransactionState::Failed);
}

#[test]
fn a_journal_that_was_moved_away_closes_its_transaction() {
    let (state, host) = (directory(), host().crashing_after(1));
    let store = open(&state);
    let dies = std::panic::AssertUnwindSafe(|| run(&store, &host, &plan(), apply()));
    assert!(std::panic::catch_unwind(dies).is_err());
    host.restart();
    fs::remove_file(state.path().join("journal/000001.jsonl")).unwrap();
    let surroundings = Surroundings { machine: &host, policy: &Anything, boot_id: "boot-1" };
    let mut locked = store.lock("a").unwrap();
    let recovered = locked.recover(&surroundings).unwrap().unwrap();
    assert_eq!(recovered.state, TransactionState::PartlyRolledBack);
    assert_eq!(locked.recover(&surroundings).unwrap(), None);
}

#[test]
fn a_journal_that_lost_its_end_later_takes_nothing_back() {
    let state = tempfile::tempdir().unwrap();
    let (store, host) = (open(&state), host());
    run(&store, &host, &plan(), apply()).unwrap();
    let done = host.effects().len();
    let journal = state.path().join("journal/000001.jsonl");
    let text = fs::read(&journal).unwrap();
    fs::write(&journal, &text[..text.len() - 5]).unwrap();

    let surroundings = Surroundings { machine: &host, policy: &Anything, boot_id: "boot-1" };
    let found = store.lock("tune recover").unwrap().recover(&surroundings);
    assert!(matches!(found, Err(RecoverError::State(StateError::Corrupt { .. }))), "{found:?}");
    assert_eq!(host.effects().len(), done, "something was taken back");
}

#[test]
fn a_tampered_journal_is_told_from_a_torn_one() {
    let (state, host) = (directory(), host().crashing_after(3));
    let store = open(&state);
    let dies = std::panic::AssertUnwindSafe(|| run(&store, &host, &plan(), apply()));
    assert!(std::panic::catch_unwind(dies).is_err());
    host.restart();
    let path = state.path().join("journal/000001.jsonl");
    let journal = fs::read_to_string(&path).unwrap();
    fs::write(&path, journal.replace("zz-tune", "zz-evil")).unwrap();
    let surroundings = Surroundings { machine: &host, policy: &Anything, boot_id: "boot-1" };
    let error = store.lock("a").unwrap().recover(&surroundings).unwrap_err();
    assert!(matches!(&error, RecoverError::State(StateError::Corrupt { line: 4, .. })), "{error}");

    fs::write(&path, journal.replace("tune.journal/1", "tune.journal/2")).unwrap();
    let error = store.lock("a").unwrap_err();
    assert!(error.to_string().contains("000001.jsonl has the format \"tune.journal/2\""), "{error}");
    assert!(host.effects().is_empty());
}

#[test]
fn verify_finds_edits_reordering_gaps_and_a_lost_tail() {
    let (state, host) = (directory(), host());
    let store = open(&state);
    run(&store, &host, &plan(), apply()).unwrap();
    run(&store, &host, &back(), Action::Rollback { of: 1 }).unwrap();
    let path = state.path().join("history.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let join = |order: &[usize]| order.iter().map(|at| format!("{}\n", lines[*at])).collect::<String>();
    for (changed, problem) in [
        (text.replacen("web-server", "web-sErver", 1), "line 1 edited"),
        (text.replacen("\"state\":\"rolled-back\"", "\"state\":\"failed\"", 1), "edited"),
        (join(&[0, 2, 1, 3, 4, 5]), "reordered"),
        (join(&[0, 1, 3, 4, 5]), "gap before line 2"),
        (join(&[0, 1, 2, 3, 4]), "tail lost"),
        (String::new(), "tail lost"),
    ] {
        fs::write(&path, changed).unwrap();
        let verified = store.verify().unwrap();
        assert!(verified.problems.iter().any(|found| found.contains(problem)), "{problem}: {verified:?}");
        // It stays visible when the history goes on.
        host.set_value(TIMEOUT, "60");
        run(&store, &host, &plan(), apply()).unwrap();
        run(&store, &host, &back(), Action::Rollback { of: 1 }).unwrap();
        assert!(!store.verify().unwrap().is_ok(), "{problem} was covered up");
        fs::write(&path, &text).unwrap();
        reset_head(&state, lines.len() - 1, lines.last().unwrap());
    }
    assert!(store.verify().unwrap().is_ok());
}

fn reset_head(state: &TempDir, count: usize, last: &str) {
    let digest = crate::line::digest(&[last.as_bytes()]);
    let head = format!("{{\"format\":\"tune.head/1\",\"count\":{count},\"digest\":\"sha256:{digest}\"}}\n");
    fs::write(state.path().join("head"), head).unwrap();
}

#[test]
fn a_second_changer_is_told_who_is_the_first_and_a_dead_one_is_no_obstacle() {
    let state = directory();
    let store = open(&state);
    fs::write(state.path().join("lock"), "{\"pid\":1,\"command\":\"died\",\"since\":\"then\"}\n").unwrap();
    let held = store.lock("tune apply web-server").unwrap();
    let LockError::Busy(busy) = open(&state).lock("tune off").unwrap_err() else { panic!("not busy") };
    assert_eq!(
        (busy.pid, busy.command.as_deref()),
        (Some(std::process::id()), Some("tune apply web-server"))
    );
    assert!(
        busy.to_string().starts_with(&format!("another tune is at work: process {}", std::process::id()))
    );
    drop(held);
    assert!(store.lock("tune off").is_ok());
}

#[test]
fn rights_are_as_documented_whatever_the_umask() {
    let (state, host) = (directory(), host());
    let inner = state.path().join("var/tune");
    let store = Store::open(&inner).unwrap().logging_to(Vec::new());
    run(&store, &host, &plan(), apply()).unwrap();
    let mode = |name: &str| fs::metadata(inner.join(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!(["", "history.jsonl", "claims.json", "head"].map(mode), [0o755, 0o644, 0o644, 0o644]);
    assert_eq!(["journal", "journal/000001.jsonl", "lock"].map(mode), [0o700, 0o600, 0o600]);
}

#[test]
fn looking_makes_nothing() {
    let state = directory();
    assert!(Store::look(&state.path().join("absent/tune")).unwrap().is_none());
    let store = Store::look(state.path()).unwrap().unwrap();
    assert!(store.history().unwrap().is_empty() && store.open_transaction().unwrap().is_none());
    assert!(store.verify().unwrap().is_ok());
    assert_eq!(fs::read_dir(state.path()).unwrap().count(), 0);
}

#[test]
fn a_directory_that_others_could_change_is_refused() {
    let refused = |path: &Path| match Store::open(path).unwrap_err() {
        StateError::Unsafe { why, .. } => why,
        other => panic!("{other}"),
    };
    let state = directory();
    let inner = state.path().join("tune");
    fs::create_dir(&inner).unwrap();
    symlink(&inner, state.path().join("link")).unwrap();
    assert!(refused(&state.path().join("link")).contains("symbolic link"));
    assert!(refused(&state.path().join("link/below")).contains("symbolic link"));
    for mode in [0o777, 0o775, 0o1777] {
        fs::set_permissions(&inner, Permissions::from_mode(mode)).unwrap();
        assert!(refused(&inner).contains("others may write it"), "{mode:o}");
    }
    assert!(Store::open(&inner.join("below")).is_ok(), "a sticky directory above is no harm");
    fs::set_permissions(&inner, Permissions::from_mode(0o755)).unwrap();
    if nix::unistd::geteuid().is_root() {
        std::os::unix::fs::chown(&inner, Some(65534), None).unwrap();
        assert!(refused(&inner).contains("belongs to user 65534"));
        assert!(refused(&inner.join("below")).contains("belongs to user 65534"));
    }
}

#[test]
fn a_history_that_is_a_link_is_refused() {
    let state = directory();
    let store = open(&state);
    symlink("/etc/passwd", state.path().join("history.jsonl")).unwrap();
    assert!(matches!(store.history(), Err(StateError::Unsafe { .. })));
    let locked = store.lock("tune apply web-server");
    assert!(matches!(locked, Err(LockError::State(StateError::Unsafe { .. }))));
}
