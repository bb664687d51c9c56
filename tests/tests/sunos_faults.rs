//! Native programs that refuse, fail, lie, hang or die, at any call of a change: nothing else than what was there, or what
//! was wanted, is left in the end, and nobody is told otherwise.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // What is wrong is shown when it is found.

use serde_json::Value;
use tune_tests::sunos::{Everything, Fault, Guest, Machine, Setup, Switch};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tune-on-sunos");
const APPLY: &[&str] = &["apply", "web-server", "--yes"];
const TRY: &[&str] = &["apply", "web-server", "--yes", "--confirm-within", "10min"];

/// What is disturbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Apply,
    Rollback,
    Confirm,
}

impl Act {
    /// Brings a new host to where it begins.
    fn prepare(self, guest: &Guest) {
        match self {
            Self::Apply => {}
            Self::Rollback => _ = guest.tune(APPLY).exits(0),
            Self::Confirm => _ = guest.tune(TRY).exits(0),
        }
        guest.machine.forget_calls();
    }

    const fn words(self) -> &'static [&'static str] {
        match self {
            Self::Apply => APPLY,
            Self::Rollback => &["rollback", "--yes"],
            Self::Confirm => &["confirm"],
        }
    }
}

/// One host before, after, and under way.
struct Course {
    act: Act,
    setup: Setup,
    /// As installed.
    old: Everything,
    /// As the profile makes it.
    new: Everything,
    /// How it is when the act begins.
    begun: Everything,
    /// How many calls of the keeping program the act makes.
    calls: u64,
}

impl Course {
    fn of(setup: &Setup, act: Act) -> Self {
        let fresh = || Guest::with(PROGRAM, setup).quick();
        let guest = fresh();
        let old = guest.everything();
        guest.tune(APPLY).exits(0);
        let new = guest.everything();
        let guest = fresh();
        act.prepare(&guest);
        let begun = guest.everything();
        guest.machine.forget_calls();
        guest.tune(act.words()).exits(0);
        let calls = guest.calls().len() as u64;
        Self { act, setup: setup.clone(), old, new, begun, calls }
    }

    const fn wanted(&self) -> &Everything {
        match self.act {
            Act::Rollback => &self.old,
            Act::Apply | Act::Confirm => &self.new,
        }
    }

    fn is(&self, machine: &Guest, what: &Everything) -> bool {
        machine.everything().differences(what).is_empty()
    }

    /// Lets the act meet a fault, and says everything that is not as it has to be.
    fn disturbed(&self, switch: &Switch) -> Vec<String> {
        let guest = Guest::with(PROGRAM, &self.setup).quick();
        self.act.prepare(&guest);
        guest.machine.switch_on(switch.clone());
        let (code, document) = guest.document(self.act.words());
        mend(&guest.machine, switch.fault);
        let mut wrong: Vec<String> = self.told(&guest, code, &document).into_iter().collect();
        wrong.extend(self.recovered(&guest, code));
        let said = format!("{} {}", document["msg"], document["hints"]);
        wrong.into_iter().map(|what| format!("{:?}, {switch:?}: {what}\n{said}", self.act)).collect()
    }

    /// What was said has to be so at once.
    fn told(&self, guest: &Guest, code: i32, document: &Value) -> Option<String> {
        let failed = document["failed"].as_bool().unwrap_or_default();
        let text = document["msg"].as_str().unwrap_or_default();
        match code {
            0 if failed => Some("exit code 0, and failed".to_owned()),
            0 if !self.is(guest, self.wanted()) => Some(format!(
                "exit code 0, and not as wanted: {:?}",
                guest.everything().differences(self.wanted())
            )),
            1 if !failed => Some("exit code 1, and not failed".to_owned()),
            1 if !self.is(guest, &self.begun) && !self.is(guest, &self.old) => Some(format!(
                "exit code 1, and not as before: {:?}",
                guest.everything().differences(&self.begun)
            )),
            0 | 1 | 3 if text.len() > 10 => None,
            0 | 1 | 3 => Some(format!("says only {text:?}")),
            other => Some(format!("exit code {other}")),
        }
    }

    /// Once the fault is over everything is old or new, and everything can be done.
    fn recovered(&self, guest: &Guest, code: i32) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut demand = |fine: bool, what: &str| {
            if !fine {
                wrong.push(format!("after code {code}, {what}"));
            }
        };
        let ran = guest.tune(&["recover"]);
        let waits = self.act == Act::Confirm && ran.code == 75;
        demand(ran.code == 0 || waits, &format!("recover: {ran}"));
        if waits {
            let ran = guest.tune(&["confirm"]);
            demand(ran.code == 0, &format!("confirm: {ran}"));
        }
        let one = [&self.old, &self.new, &self.begun].into_iter().any(|state| self.is(guest, state));
        // A rollback leaves what it could not read, and says so.
        let left = self.act == Act::Rollback && code == 3;
        let one = one || left && guest.everything().is_between(&self.old, &self.begun);
        demand(one, &format!("neither old nor new: {:?}", guest.everything().differences(&self.begun)));
        let ran = guest.tune(&["history", "--verify"]);
        demand(ran.code == 0, &format!("history: {ran}"));
        let ran = guest.tune(APPLY);
        demand(ran.code == 0 && self.is(guest, &self.new), &format!("apply: {ran}"));
        let ran = guest.tune(&["off", "--yes"]);
        demand(
            ran.code == 0 && self.is(guest, &self.old),
            &format!("off: {ran}{:?}", guest.everything().differences(&self.old)),
        );
        wrong
    }
}

/// Ends a fault; the file that one of them takes away is put back as it was installed.
fn mend(machine: &Machine, fault: Fault) {
    machine.mend_all();
    if fault == Fault::NoConf && machine.conf().is_none() {
        machine.write_conf("_ifname=net0;_family=2;\n");
    }
}

/// One call in so many is disturbed by each fault.
const SHARE: u64 = 8;

/// Faults that a caller can meet at one call and not at the next.
const PASSING: [Fault; 8] = [
    Fault::NoAuth,
    Fault::NoPerm,
    Fault::NoIpmgmtd,
    Fault::SharedZone,
    Fault::NoDoor,
    Fault::Garbage,
    Fault::Killed,
    Fault::KilledHalfway,
];

fn keeper(setup: &Setup) -> &'static str {
    if setup.model.has_ipadm() { "ipadm" } else { "ndd" }
}

fn all_calls(act: Act) {
    let mut wrong = Vec::new();
    for (name, setup) in Setup::every() {
        let course = Course::of(&setup, act);
        for (at, fault) in (0..).zip(PASSING) {
            // Each begins at another call, so that every call is met by one of them.
            for call in (1..=course.calls).filter(|call| (call + at).is_multiple_of(SHARE)) {
                let lasting = Switch::of(fault).on(keeper(&setup)).from(call);
                let once = lasting.clone().times(1);
                let switch = if call.is_multiple_of(2) { lasting } else { once };
                let found = course.disturbed(&switch).into_iter().map(|what| format!("{name}: {what}"));
                wrong.extend(found.inspect(|what| println!("{what}\n")));
            }
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong[..wrong.len().min(12)].join("\n\n"));
}

#[test]
fn apply_disturbed_at_any_call() {
    all_calls(Act::Apply);
}

#[test]
fn rollback_disturbed_at_any_call() {
    all_calls(Act::Rollback);
}

#[test]
fn confirm_disturbed_at_any_call() {
    all_calls(Act::Confirm);
}

/// What cannot be had all along is refused, or taken back, with words that say where to look.
#[test]
fn from_the_beginning_each_fault_is_named() {
    for (fault, words, says) in [
        (Fault::NoAuth, "ipadm", &["solaris.network.interface.config", "Network Management"][..]),
        (Fault::NoPerm, "ipadm", &["sys_ip_config", "the host is as before"]),
        (Fault::NoIpmgmtd, "ipadm", &["svc:/network/ip-interface-management", "--runtime-only"]),
        (Fault::SharedZone, "ipadm", &["sys_ip_config", "the host is as before"]),
        (Fault::NoDoor, "ipadm", &["keeps nothing", "svc:/network/ip-interface-management"]),
        (Fault::NoConf, "ipadm", &["/etc/ipadm/ipadm.conf is missing", "--runtime-only"]),
        (Fault::Garbage, "ipadm", &["cannot be understood"]),
        (Fault::Hang, "ipadm", &["did not end within 3 s and was stopped"]),
        (Fault::Killed, "ipadm", &["was ended by signal 9"]),
        (Fault::KilledHalfway, "ipadm", &["was ended by signal 9", "the host is as before"]),
    ] {
        for (name, setup) in Setup::every().into_iter().filter(|(_, setup)| setup.keeps_values()) {
            let guest = Guest::with(PROGRAM, &setup);
            let before = guest.everything();
            guest.machine.switch_on(Switch::of(fault).on(words));
            let mut ran = guest.tune(APPLY).exits(1);
            for text in says {
                ran = ran.says(text);
            }
            let seen = !ran.stdout.contains('\u{1b}') && !ran.stderr.contains('\u{1b}');
            assert!(seen, "what a program prints is escaped: {ran}");
            let status = guest.tune(&["status"]);
            match status.code {
                0 => {}
                _ => _ = status.exits(1).says("this system cannot be read"),
            }
            mend(&guest.machine, fault);
            guest.everything().same_as(&before, &format!("{name}: {fault:?}"));
            guest.tune(&["recover"]).exits(0);
            guest.tune(APPLY).exits(0);
            guest.tune(&["off", "--yes"]).exits(0);
            guest.everything().same_as(&before, &format!("{name}: {fault:?}, applied and taken back"));
        }
    }
}

/// A program that hangs in the middle is stopped, and what was done is taken back once it does not any more.
#[test]
fn one_that_hangs_in_the_middle_is_stopped() {
    for (name, setup) in Setup::every() {
        for (act, call) in [(Act::Apply, 6), (Act::Rollback, 4), (Act::Confirm, 7)] {
            let course = Course::of(&setup, act);
            let switch = Switch::of(Fault::Hang).on(keeper(&setup)).from(call).times(1);
            let wrong = course.disturbed(&switch);
            assert!(wrong.is_empty(), "{name}: {}", wrong.join("\n"));
        }
    }
}

/// A host whose root turns out to be a ramdisk only at a restart: nothing can foretell that.
#[test]
fn a_root_that_forgets_is_seen_after_the_restart() {
    let guest = Guest::with(PROGRAM, &Setup::of(tune_tests::sunos::Model::IllumosCurrent));
    let before = guest.everything();
    guest.tune(APPLY).exits(0);
    guest.machine.fault(Fault::Ramdisk);
    guest.machine.reboot();
    guest.tune(&["audit", "web-server"]).exits(2).says("drifted");
    let again = guest.tune(APPLY).exits(0);
    again.says("was set to nothing for the next boot by somebody else");
    guest.tune(&["audit", "web-server"]).exits(0);
    guest.tune(&["off", "--yes"]).exits(0);
    guest.everything().same_as(&before, "taken back");
}
