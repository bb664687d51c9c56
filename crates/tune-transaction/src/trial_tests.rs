//! Trying out and confirming, on a fake machine.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use tempfile::TempDir;
use tune_host::fake::{Meddling, Operation};
use tune_host::{FakeHost, Host};
use tune_model::transaction::{Action, Entry, Outcome, StepResult, TransactionState};
use tune_model::{Claims, Plan};

use crate::tests::{
    Anything, NEW_FILE, NoFiles, OLD_FILE, RMEM, TIMEOUT, apply, back, claims, directory, empty_plan, host,
    open, plan, run,
};
use crate::{
    Cause, Concluded, Deadline, ExecuteError, Foreign, RecoverError, Recovered, Store, Surroundings, Trial,
    TrialError,
};

const TIME: Duration = Duration::from_secs(120);

fn surroundings<'a>(host: &'a FakeHost, boot_id: &'a str) -> Surroundings<'a> {
    Surroundings { machine: host, policy: &Anything, boot_id }
}

fn try_out(store: &Store, host: &FakeHost, plan: &Plan) -> Result<Outcome, ExecuteError> {
    let until = Deadline::after(TIME, host.uptime());
    let trial = Trial { action: apply(), scope: "host", until };
    let mut locked = store.lock("tune apply --confirm-within 2min").unwrap();
    locked.try_out(&surroundings(host, &host.boot_id()), plan, trial, &mut (), &|| false)
}

fn confirm(store: &Store, host: &FakeHost) -> Result<Concluded, TrialError> {
    let mut locked = store.lock("tune confirm").unwrap();
    locked.confirm(&surroundings(host, &host.boot_id()), &mut (), &|| false)
}

fn revoke(store: &Store, host: &FakeHost, foreign: Foreign) -> Result<Concluded, TrialError> {
    let mut locked = store.lock("tune rollback").unwrap();
    locked.revoke(
        &surroundings(host, &host.boot_id()),
        &mut (),
        foreign,
        "taken back before it was confirmed",
    )
}

fn recover(store: &Store, host: &FakeHost) -> Result<Option<Recovered>, RecoverError> {
    store.lock("tune recover").unwrap().recover(&surroundings(host, &host.boot_id()))
}

/// A machine on which something is tried out.
fn trying() -> (TempDir, Store, FakeHost) {
    trying_on(host())
}

fn trying_on(host: FakeHost) -> (TempDir, Store, FakeHost) {
    let state = directory();
    let store = open(&state);
    assert_eq!(try_out(&store, &host, &plan()).unwrap().state, TransactionState::AwaitingConfirmation);
    (state, store, host)
}

fn last(store: &Store) -> Entry {
    store.history().unwrap().pop().unwrap()
}

/// Demands that the machine is as before the trial, and that the books are closed.
fn all_is_old(store: &Store, host: &FakeHost) {
    assert_eq!(host.value(TIMEOUT).unwrap(), "60");
    assert!(host.value(RMEM).unwrap().starts_with("4096"));
    assert_eq!(host.image(NEW_FILE), None);
    assert_eq!(host.image(OLD_FILE).unwrap().content.0, b"net.ipv4.tcp_fin_timeout = 90\n");
    assert_eq!(store.claims().unwrap(), Claims::default());
    closed(store);
}

fn closed(store: &Store) {
    assert_eq!(store.open_transaction().unwrap(), None);
    let verified = store.verify().unwrap();
    assert!(verified.is_ok() && verified.notes.is_empty(), "{verified:?}");
}

#[test]
fn only_the_running_kernel_is_changed_until_it_is_confirmed() {
    let (_state, store, host) = trying();
    assert_eq!(host.value(TIMEOUT).unwrap(), "30");
    assert_eq!((host.image(NEW_FILE), store.claims().unwrap()), (None, Claims::default()));
    let waiting = last(&store);
    assert_eq!(waiting.state, TransactionState::AwaitingConfirmation);
    assert!(waiting.changes.iter().all(|change| change.scope == "runtime"), "{:?}", waiting.changes);
    assert_eq!(waiting.time_left(host.uptime()), Some(TIME));
    assert!(waiting.deadline.is_some());
    assert_eq!(store.open_transaction().unwrap(), Some(waiting));

    let concluded = confirm(&store, &host).unwrap();
    assert_eq!(concluded.outcome.failure, None);
    assert_eq!(concluded.outcome.steps, vec![StepResult::Done; 4]);
    assert_eq!(store.claims().unwrap(), claims());
    assert!(host.image(NEW_FILE).is_some());
    let applied = last(&store);
    assert_eq!((applied.state, applied.deadline.clone()), (TransactionState::Applied, None));
    assert_eq!(applied.changes, plan().changes);
    closed(&store);

    host.pass(TIME * 2);
    assert_eq!(recover(&store, &host).unwrap(), None);
    let undone = run(&store, &host, &back(), Action::Rollback { of: 1 }).unwrap();
    assert_eq!(undone.state, TransactionState::Applied);
    assert_eq!(store.history().unwrap()[0].state, TransactionState::RolledBack);
}

#[test]
fn other_changers_are_told_who_and_how_long() {
    let (_state, store, host) = trying();
    host.pass(Duration::from_millis(30_500));
    let effects = host.effects().len();
    let error = recover(&store, &host).unwrap_err();
    let RecoverError::Awaiting(awaiting) = &error else { panic!("{error}") };
    assert_eq!((awaiting.transaction, awaiting.left), (1, Duration::from_millis(89_500)));
    let text = error.to_string();
    assert!(text.starts_with("transaction 1 (apply web-server), begun by "), "{text}");
    assert!(text.contains("awaits confirmation for another 90s, until "), "{text}");
    assert_eq!(host.effects().len(), effects);
    let another = Plan { claims: Some(claims()), ..empty_plan() };
    let refused = try_out(&store, &host, &another);
    assert_eq!(refused.unwrap_err(), ExecuteError::Unrecovered(1));
}

#[test]
fn silence_takes_it_back_whatever_the_wall_clock_says() {
    let (_state, store, host) = trying();
    host.pass(TIME);
    let recovered = recover(&store, &host).unwrap().unwrap();
    assert_eq!((recovered.state, recovered.cause), (TransactionState::RolledBack, Cause::Overdue));
    assert_eq!(last(&store).note.unwrap(), "not confirmed in time, and taken back");
    all_is_old(&store, &host);
    assert_eq!(recover(&store, &host).unwrap(), None);
    assert_eq!(confirm(&store, &host).unwrap_err(), TrialError::NothingAwaits);
}

#[test]
fn what_somebody_else_changed_is_left_when_silence_takes_it_back() {
    let (_state, store, host) = trying();
    host.set_value(TIMEOUT, "7");
    host.pass(TIME);
    let recovered = recover(&store, &host).unwrap().unwrap();
    assert_eq!(recovered.state, TransactionState::PartlyRolledBack);
    assert_eq!((recovered.conflicts.len(), host.value(TIMEOUT).unwrap().as_str()), (1, "7"));
    assert!(host.value(RMEM).unwrap().starts_with("4096"));
    closed(&store);
}

#[test]
fn a_restart_takes_it_back_by_itself() {
    let (_state, store, host) = trying();
    host.reboot();
    let shown = last(&store).in_boot(&host.boot_id());
    assert_eq!((shown.state, shown.time_left(host.uptime())), (TransactionState::RolledBack, None));
    let recovered = recover(&store, &host).unwrap().unwrap();
    assert_eq!((recovered.state, recovered.cause), (TransactionState::RolledBack, Cause::Restarted));
    assert!(last(&store).note.unwrap().contains("restarted"));
    assert!(host.effects().is_empty(), "{:?}", host.effects());
    all_is_old(&store, &host);
}

#[test]
fn confirming_too_late_or_after_a_restart_takes_it_back() {
    for restart in [false, true] {
        let (_state, store, host) = trying();
        if restart {
            host.reboot();
        } else {
            host.pass(TIME);
        }
        let concluded = confirm(&store, &host).unwrap();
        let failure = concluded.outcome.failure.unwrap();
        let words =
            if restart { "before the machine was restarted" } else { "not confirmed in time (until " };
        assert!(failure.contains(words), "{failure}");
        assert_eq!(concluded.outcome.state, TransactionState::RolledBack);
        all_is_old(&store, &host);
        assert_eq!(confirm(&store, &host).unwrap_err(), TrialError::NothingAwaits);
    }
}

#[test]
fn what_is_not_as_it_was_left_is_not_confirmed() {
    for (value, state) in [("7", TransactionState::PartlyRolledBack), ("60", TransactionState::Failed)] {
        let (_state, store, host) = trying();
        host.set_value(TIMEOUT, value);
        let outcome = confirm(&store, &host).unwrap().outcome;
        assert_eq!(outcome.state, state);
        assert!(outcome.failure.unwrap().contains("somebody else has changed"));
        assert_eq!(host.value(TIMEOUT).unwrap(), value);
        assert!(host.value(RMEM).unwrap().starts_with("4096"));
        assert_eq!((host.image(NEW_FILE), store.claims().unwrap()), (None, Claims::default()));
        closed(&store);
    }
}

#[test]
fn an_active_list_that_was_edited_meanwhile_is_not_overwritten() {
    let (state, store, host) = trying();
    let edited = "{\"format\":\"tune.claims/1\",\"scopes\":{}}\n";
    std::fs::write(state.path().join("claims.json"), edited).unwrap();
    let outcome = confirm(&store, &host).unwrap().outcome;
    assert_eq!(outcome.state, TransactionState::Failed);
    assert!(outcome.failure.unwrap().contains("list of active profiles"));
    assert_eq!(std::fs::read_to_string(state.path().join("claims.json")).unwrap(), edited);
    all_is_old(&store, &host);
}

#[test]
fn a_confirmation_that_fails_at_any_step_leaves_nothing() {
    for nth in 1..=2 {
        let failing = host().failing(Operation::Replace, nth, "read-only file system");
        let (_state, store, host) = trying_on(failing);
        let outcome = confirm(&store, &host).unwrap().outcome;
        assert_eq!(outcome.state, TransactionState::Failed);
        assert!(outcome.failure.unwrap().contains("read-only file system"));
        all_is_old(&store, &host);
        host.pass(TIME);
        assert_eq!(recover(&store, &host).unwrap(), None);
    }
    let (_state, store, host) = trying();
    host.set_file(NEW_FILE, Some("theirs\n"));
    let outcome = confirm(&store, &host).unwrap().outcome;
    assert_eq!(outcome.state, TransactionState::Failed);
    assert_eq!(host.image(NEW_FILE).unwrap().content.0, b"theirs\n");
    assert_eq!(host.value(TIMEOUT).unwrap(), "60");
    closed(&store);
}

#[test]
fn an_interrupted_confirmation_is_taken_back() {
    for at in 0..3 {
        let (_state, store, host) = trying();
        let asked = std::cell::Cell::new(0);
        let interrupted = || asked.replace(asked.get() + 1) == at;
        let mut locked = store.lock("tune confirm").unwrap();
        let boot_id = host.boot_id();
        let concluded = locked.confirm(&surroundings(&host, &boot_id), &mut (), &interrupted).unwrap();
        assert_eq!(concluded.outcome.failure.as_deref(), Some("interrupted"));
        all_is_old(&store, &host);
    }
}

#[test]
fn a_trial_that_fails_or_is_interrupted_never_waits() {
    let state = directory();
    let store = open(&state);
    let host = host().refusing(RMEM, "8192 262144 8388608");
    assert_eq!(try_out(&store, &host, &plan()).unwrap().state, TransactionState::Failed);
    all_is_old(&store, &host);

    let host = self::host();
    let until = Deadline::after(TIME, host.uptime());
    let asked = std::cell::Cell::new(0);
    let interrupted = || asked.replace(asked.get() + 1) == 2;
    let trial = Trial { action: apply(), scope: "host", until };
    let mut locked = store.lock("tune apply").unwrap();
    let outcome = locked.try_out(&surroundings(&host, "boot-1"), &plan(), trial, &mut (), &interrupted);
    assert_eq!(outcome.unwrap().failure.as_deref(), Some("interrupted"));
    all_is_old(&store, &host);
}

#[test]
fn it_is_taken_back_at_once_where_that_is_asked_for() {
    let (_state, store, host) = trying();
    let concluded = revoke(&store, &host, Foreign::Leave).unwrap();
    assert_eq!(concluded.outcome.state, TransactionState::RolledBack);
    assert_eq!(concluded.outcome.steps[0], StepResult::Undone);
    assert_eq!(concluded.outcome.steps[2], StepResult::NotReached);
    assert_eq!(last(&store).note.unwrap(), "taken back before it was confirmed");
    all_is_old(&store, &host);
    assert_eq!(revoke(&store, &host, Foreign::Leave).unwrap_err(), TrialError::NothingAwaits);
}

#[test]
fn what_somebody_else_changed_is_left_overwritten_or_stops_all() {
    let (_state, store, host) = trying();
    host.set_value(TIMEOUT, "7");
    let refused = revoke(&store, &host, Foreign::Refuse).unwrap_err();
    assert!(matches!(&refused, TrialError::Foreign(conflict) if conflict.found == "7"), "{refused}");
    assert!(host.value(RMEM).unwrap().starts_with("8192"));
    let outcome = revoke(&store, &host, Foreign::Overwrite).unwrap().outcome;
    assert_eq!(outcome.state, TransactionState::RolledBack);
    all_is_old(&store, &host);

    let (_state, store, host) = trying();
    host.set_value(TIMEOUT, "7");
    let outcome = revoke(&store, &host, Foreign::Leave).unwrap().outcome;
    assert_eq!(outcome.state, TransactionState::PartlyRolledBack);
    assert_eq!(host.value(TIMEOUT).unwrap(), "7");
    assert!(host.value(RMEM).unwrap().starts_with("4096"));
    closed(&store);
}

#[test]
fn what_cannot_be_taken_back_is_tried_again() {
    let write = Operation::Write;
    let failing = host().failing(write, 3, "input/output error").failing(write, 4, "input/output error");
    let (_state, store, host) = trying_on(failing);
    host.pass(TIME);
    let error = recover(&store, &host).unwrap_err();
    assert!(matches!(&error, RecoverError::Stuck { what, .. } if what.starts_with(RMEM)), "{error}");
    assert!(store.open_transaction().unwrap().is_some());
    assert!(recover(&store, &host).unwrap().is_some());
    all_is_old(&store, &host);
}

#[test]
fn what_the_allow_list_does_not_have_is_neither_confirmed_nor_taken_back() {
    let (_state, store, host) = trying();
    let strict = Surroundings { machine: &host, policy: &NoFiles, boot_id: "boot-1" };
    let mut locked = store.lock("tune confirm").unwrap();
    let error = locked.confirm(&strict, &mut (), &|| false).unwrap_err();
    assert!(matches!(error, TrialError::Recover(RecoverError::Forbidden { step: 3, .. })), "{error}");
    let error = locked.revoke(&strict, &mut (), Foreign::Leave, "no").unwrap_err();
    assert!(matches!(error, TrialError::Recover(RecoverError::Forbidden { .. })), "{error}");
    assert_eq!(host.value(TIMEOUT).unwrap(), "30");
    drop(locked);
    assert!(confirm(&store, &host).unwrap().outcome.failure.is_none());
}

#[test]
fn with_nothing_but_live_steps_the_active_list_waits() {
    let (state, host) = (directory(), host());
    let store = open(&state);
    let mut plan = plan();
    plan.steps.truncate(2);
    try_out(&store, &host, &plan).unwrap();
    assert_eq!(store.claims().unwrap(), Claims::default());
    confirm(&store, &host).unwrap();
    assert_eq!(store.claims().unwrap(), claims());
}

#[test]
fn nothing_awaits_where_nothing_was_tried_out() {
    let (state, host) = (directory(), host());
    let store = open(&state);
    assert_eq!(confirm(&store, &host).unwrap_err(), TrialError::NothingAwaits);
    run(&store, &host, &plan(), apply()).unwrap();
    assert_eq!(confirm(&store, &host).unwrap_err(), TrialError::NothingAwaits);
    assert!(store.has_ended(1).unwrap() && !store.has_ended(2).unwrap());
}

#[test]
fn a_journal_that_was_moved_away_closes_a_waiting_transaction() {
    let (state, store, host) = trying();
    std::fs::remove_file(state.path().join("journal/000001.jsonl")).unwrap();
    let recovered = recover(&store, &host).unwrap().unwrap();
    assert_eq!(recovered.state, TransactionState::PartlyRolledBack);
    assert_eq!(last(&store).deadline, None);
    closed(&store);
}

#[test]
fn a_meddler_between_check_and_step_is_noticed() {
    // Ten operations of the trial and two looks at live values come before the look at the first file.
    let (_state, store, host) = trying_on(
        host().meddled_with_before(13, Meddling::File(NEW_FILE.into(), Some(b"theirs\n".to_vec()))),
    );
    let outcome = confirm(&store, &host).unwrap().outcome;
    assert_eq!(outcome.state, TransactionState::Failed, "{outcome:?}");
    assert_eq!(host.image(NEW_FILE).unwrap().content.0, b"theirs\n");
    assert_eq!(host.value(TIMEOUT).unwrap(), "60");
}
