//! What a plan leaves behind when the kernel refuses a value that every check before let through: nothing.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::thread;

use tune_host::{Host, LiveHost};
use tune_model::plan::Plan;
use tune_model::transaction::{Action, Outcome, StepResult, TransactionState};
use tune_model::{Effect, Step};
use tune_tests::needs_root;
use tune_tests::outcome_lab::OutcomeLab;
use tune_transaction::{Policy, Store, Surroundings};

/// Lets everything through, so that the kernel alone refuses.
struct Anything;

impl Policy for Anything {
    fn permits(&self, _: &Effect) -> Result<(), String> {
        Ok(())
    }
}

const TIMEOUT: &str = "net.ipv4.tcp_fin_timeout";

fn read(tunable: &str) -> String {
    let host = LiveHost::own();
    host.read_tunables(&[tunable]).pop().unwrap().unwrap()
}

fn step(tunable: &str, after: &str) -> Step {
    let (before, after) = (read(tunable), after.to_owned());
    let effect = Effect::SetTunable { tunable: tunable.to_owned(), namespace: None, before, after };
    Step { serves: Vec::new(), effect, irreversible: None, takes_hold: None }
}

fn execute(lab: &OutcomeLab, steps: Vec<Step>) -> Outcome {
    let plan = Plan {
        findings: Vec::new(),
        steps,
        claims: None,
        refusals: Vec::new(),
        conflicts: Vec::new(),
        warnings: Vec::new(),
        changes: Vec::new(),
        reboot_required: false,
    };
    let store = Store::open(&lab.scratch.join("state")).unwrap().logging_to(Vec::new());
    let host = LiveHost::own();
    let boot_id = host.boot_id();
    let surroundings = Surroundings { machine: &host, policy: &Anything, boot_id: &boot_id };
    let mut locked = store.lock("test").unwrap();
    let action = Action::Apply { profiles: vec!["edge".to_owned()] };
    locked.execute(&surroundings, &plan, action, "test", &mut (), &|| false).unwrap()
}

fn in_lab(work: impl FnOnce(&OutcomeLab) + Send) {
    if !needs_root() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path();
    thread::scope(|threads| threads.spawn(|| work(&OutcomeLab::enter(path).unwrap())).join()).unwrap();
}

/// The kernel stores the fields of a row one by one and stops at the first that it refuses.
#[test]
fn a_row_refused_in_part_is_as_before() {
    in_lab(|lab| {
        for tunable in ["net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"] {
            let before = read(tunable);
            fs::write(format!("/proc/sys/{}", tunable.replace('.', "/")), "8192 262144 0\n").unwrap_err();
            assert!(read(tunable).starts_with("8192\t262144\t"), "the kernel stores what comes before");
            fs::write(format!("/proc/sys/{}", tunable.replace('.', "/")), &before).unwrap();
            for after in [
                "8192\t262144\t0",
                "8192\t262144\t-1",
                "8192\t0\t8388608",
                "8192\t262144\t2147483648",
                "8192\t262144\t99999999999999999999",
                "8192\t262144\tmany",
                "8192\t262144",
                "8192\t262144\t8388608\t1",
                "0x2000\t262144\t8388608",
            ] {
                let outcome = execute(lab, vec![step(tunable, after)]);
                assert_eq!(outcome.state, TransactionState::Failed, "{after}");
                assert_eq!(read(tunable), before, "{tunable} after {after}: {outcome:?}");
            }
        }
    });
}

#[test]
fn what_was_done_before_a_refusal_is_undone() {
    in_lab(|lab| {
        let rmem = "net.ipv4.tcp_rmem";
        let before = (read(TIMEOUT), read(rmem));
        let steps =
            vec![step(TIMEOUT, "30"), step(rmem, "8192\t262144\t0"), step("net.core.somaxconn", "9000")];
        let outcome = execute(lab, steps);
        assert_eq!(outcome.steps[0], StepResult::Undone);
        assert!(
            matches!(&outcome.steps[1], StepResult::Failed { reason } if reason.contains("the kernel refused")),
            "{outcome:?}"
        );
        assert_eq!(outcome.steps[2], StepResult::NotReached);
        assert_eq!((read(TIMEOUT), read(rmem)), before);
    });
}

/// Numbers in another base, blanks and signs: the kernel may take them, and what it shows is not what was planned.
#[test]
fn a_value_that_the_kernel_shows_otherwise_is_put_back() {
    in_lab(|lab| {
        for after in ["0x1e", "036", "30 31", "", "+30", "3e1", "99999999999999999999", "30\n40"] {
            let before = read(TIMEOUT);
            let outcome = execute(lab, vec![step(TIMEOUT, after)]);
            assert_eq!(outcome.state, TransactionState::Failed, "{after:?}: {outcome:?}");
            assert_eq!(read(TIMEOUT), before, "{after:?}: {outcome:?}");
        }
    });
}

#[test]
fn ports_and_lists_that_the_kernel_changes_are_put_back() {
    in_lab(|lab| {
        let long = (0..900).map(|n| (10_001 + 2 * n).to_string()).collect::<Vec<_>>().join(",");
        for (tunable, after) in [
            ("net.ipv4.ip_local_port_range", "60000\t50000"),
            ("net.ipv4.ip_local_port_range", "80\t60999"),
            ("net.ipv4.ip_local_port_range", "40000"),
            ("net.ipv4.ip_local_reserved_ports", "8082,8080,8081"),
            ("net.ipv4.ip_local_reserved_ports", "8080,70000"),
            ("net.ipv4.ip_local_reserved_ports", long.as_str()),
        ] {
            let before = read(tunable);
            let outcome = execute(lab, vec![step(tunable, after)]);
            assert_eq!(outcome.state, TransactionState::Failed, "{tunable}: {outcome:?}");
            assert_eq!(read(tunable), before, "{tunable}: {outcome:?}");
        }
    });
}
