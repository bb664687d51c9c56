//! Holds documents of every shape against the published schemas, and the schemas against what must not be.

#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use tune_model::finding::TunableState;
use tune_model::plan::{Bytes, FileImage, Namespace, Refusal, RefusalKind};
use tune_model::profile::{Severity, Source, Subject};
use tune_model::rendering::{Amount, Assignment, Proviso};
use tune_model::transaction::{Action, Outcome, StepResult, TransactionState};
use tune_model::{
    Effect, Effective, Finding, Limits, Mutability, Plan, PortRange, Quantity, Rendering, Setting, Slot,
    Status, System, TakesHold, Verdict,
};

use crate::apply::RunReport;
use crate::audit::AuditReport;
use crate::error::ErrorReport;
use crate::history::HistoryReport;
use crate::plan::{Command, PlanReport};
use crate::render::RenderReport;
use crate::testing::{change, check, entry, finding, host, place, plain, plan, profile, state, step, valid};

const STATUSES: &[Status] = &[
    Status::Met,
    Status::WillDrift,
    Status::PendingReboot,
    Status::Drifted,
    Status::Unreadable,
    Status::Unsupported,
    Status::OutOfScope,
];

fn quantities() -> Vec<Quantity> {
    vec![
        Quantity::Duration(0),
        Quantity::Duration(u64::MAX),
        Quantity::Count(4096),
        Quantity::Bytes(512 << 20),
        Quantity::Switch(true),
        Quantity::Ports(PortRange { low: 0, high: u16::MAX }),
        Quantity::Native(-1),
        Quantity::Text("8080,9090-9099".into()),
    ]
}

fn effectives() -> Vec<Effective> {
    let exact = quantities().into_iter().map(Effective::Exact);
    let range = Effective::Between { low: Quantity::Duration(600_000), high: Quantity::Duration(675_000) };
    exact.chain([range, Effective::Unbounded, Effective::Unknown("permission denied".into())]).collect()
}

/// Findings in which every field takes every form.
fn findings() -> Vec<Finding> {
    let limits = |value: &Quantity| {
        let value = Some(value.clone());
        let bounds = [(true, true), (true, false), (false, true), (false, false)];
        bounds.map(|(low, high)| Limits {
            at_least: value.clone().filter(|_| low),
            at_most: value.clone().filter(|_| high),
            prefer: value.clone().filter(|_| low && high),
        })
    };
    let wanted = quantities().iter().flat_map(limits).collect::<Vec<_>>();
    let effectives = effectives();
    let all = wanted.into_iter().enumerate().map(|(at, wanted)| {
        let mut found = finding(STATUSES[at % STATUSES.len()]);
        found.wanted = wanted;
        found.effective = effectives[at % effectives.len()].clone();
        found.boot_effective = effectives[(at + 3) % effectives.len()].clone();
        vary(&mut found, at);
        found
    });
    all.collect()
}

fn vary(found: &mut Finding, at: usize) {
    use TakesHold::{AllConnections, Host, NewCloses, NewConnections, NewKeepaliveCycles, NewListeners};
    const HOLDS: &[TakesHold] =
        &[AllConnections, NewConnections, NewCloses, NewListeners, NewKeepaliveCycles, Host];
    const MUTABLE: &[Mutability] =
        &[Mutability::Live, Mutability::RaiseOnly, Mutability::Boot, Mutability::Fixed];
    found.severity = [Severity::Low, Severity::Medium, Severity::High][at % 3];
    found.optional = at.is_multiple_of(5);
    found.takes_hold = HOLDS.get(at % 7).copied();
    found.mutability = MUTABLE.get(at % 5).copied();
    found.boot = [Verdict::Met, Verdict::NotMet, Verdict::Unknown, Verdict::NotApplicable][at % 4];
    found.reference = at.is_multiple_of(2).then(|| "tcp(7)".to_owned());
    if at.is_multiple_of(3) {
        found.subject = Subject::Tunable(Slot::field("net.ipv4.tcp_rmem", 2));
        found.notes = vec!["procps would decide otherwise".into()];
        found.tunables.push(TunableState {
            live: None,
            reason: Some("permission denied".into()),
            boot_source: Some(place("/etc/sysctl.conf", 1)),
            ..state("net.ipv4.tcp_rmem", "4096\t131072\t6291456")
        });
    }
}

fn audit() -> AuditReport {
    let sources = [
        Source::BuiltIn,
        Source::File("/etc/tune/profiles/x.toml".into()),
        Source::StandardInput,
        Source::CommandLine,
    ];
    let mut profiles: Vec<_> = sources.into_iter().map(|source| (source, profile("x"))).collect();
    for (source, profile) in &mut profiles {
        profile.source = source.clone();
        profile.shadows_built_in = matches!(source, Source::File(_));
    }
    let profiles = profiles.into_iter().map(|(_, profile)| profile).collect();
    AuditReport {
        host: host(),
        profiles,
        findings: findings(),
        notes: vec!["a".into()],
        open_transaction: None,
    }
}

fn everything_planned() -> PlanReport {
    let mut plan = plan();
    plan.findings = findings();
    plan.steps.push(step(Effect::Directory { path: "/etc/sysctl.d".into(), before: false, after: true }));
    plan.steps.push(step(Effect::SetTunable {
        tunable: "net.core.somaxconn".into(),
        namespace: Some(Namespace { name: "blue".into(), device: 4, inode: 5 }),
        before: "128".into(),
        after: "4096".into(),
    }));
    let foreign = FileImage { content: Bytes(vec![0xff, 0, b'\n']), ..crate::testing::image("") };
    let (before, after) = (Some(foreign), None);
    plan.steps.push(step(Effect::ReplaceFile { path: "/etc/sysctl.d/a.conf".into(), before, after }));
    plan.steps[0].irreversible = Some("it can only be raised".into());
    plan.changes.push(change("x", Some("1"), None, "runtime"));
    plan.refusals = refusals();
    PlanReport {
        command: Command::Apply,
        host: host(),
        profiles: vec![],
        plan,
        with_diff: true,
        next: None,
        open_transaction: Some("transaction 3 is running".into()),
        confirm_within: Some(Quantity::Duration(90_000)),
    }
}

fn refusals() -> Vec<Refusal> {
    use RefusalKind::{
        Contradiction, ForeignEdit, Irreversible, NotStorable, Overridden, Unreadable, Unsafe, Unsupported,
        WouldLeak,
    };
    let kinds = [
        NotStorable,
        Unsafe,
        Unsupported,
        Unreadable,
        Contradiction,
        Overridden,
        ForeignEdit,
        WouldLeak,
        Irreversible,
    ];
    let refusal = |kind| Refusal { kind, subject: None, message: "no".into(), hints: vec!["do".into()] };
    kinds.map(refusal).into()
}

#[test]
fn audits_of_every_shape_are_valid_and_fit_the_page() {
    check(&audit(), "audit");
    plain(&audit());
}

#[test]
fn plans_and_runs_of_every_shape_are_valid_and_fit_the_page() {
    let plan = everything_planned();
    check(&plan, "plan");
    plain(&plan);
    let failed = || StepResult::Failed { reason: "busy".into() };
    let stuck = || StepResult::Stuck { reason: "busy".into() };
    for state in states() {
        let steps = vec![StepResult::Done, StepResult::Undone, failed(), StepResult::NotReached, stuck()];
        let outcome = Outcome { transaction: Some(1), state, steps, failure: Some("step 3 failed".into()) };
        for (command, schema) in [
            (Command::Apply, "apply"),
            (Command::Off, "off"),
            (Command::Rollback, "rollback"),
            (Command::Confirm, "confirm"),
        ] {
            let plan = PlanReport { command, ..plan.clone() };
            let run = RunReport {
                plan,
                outcome: outcome.clone(),
                deadline: None,
                state_dir: None,
                to_do: vec!["restart what listens".into()],
            };
            check(&run, schema);
            plain(&run);
        }
    }
}

/// A rendering in which everything takes every form.
fn rendered() -> RenderReport {
    let subject = || Subject::Setting(Setting::FinWait2Timeout);
    let text = |text: &str| Some(text.to_owned());
    let assignment = Assignment {
        property: None,
        takes_hold: Some(TakesHold::NewCloses),
        tunable: "net.ipv4.tcp_fin_timeout".into(),
        value: "30".into(),
        default: text("60"),
        serves: vec![subject()],
        irreversible: None,
        at_boot_only: None,
    };
    let raised = Assignment { irreversible: text("it can only be raised"), ..assignment.clone() };
    let at_boot =
        Assignment { at_boot_only: text("it is read when the system starts"), ..assignment.clone() };
    let unknown = Assignment { tunable: "x.y".into(), default: None, ..assignment.clone() };
    let proviso = Proviso {
        serves: vec![subject()],
        slot: Slot::field("net.ipv4.tcp_mem", 2),
        at_least: text("131072"),
        at_most: text("2097152"),
        irreversible: None,
        at_boot_only: None,
    };
    let whole = Proviso { slot: Slot::whole("net.core.somaxconn"), at_most: None, ..proviso.clone() };
    let capped = Proviso { at_least: None, ..proviso.clone() };
    let cautions = vec!["above 60 s it is something else".to_owned()];
    let effective = Effective::Exact(Quantity::Duration(30_000));
    RenderReport {
        command: "tune render web-server --for linux".into(),
        profiles: vec![(profile("web-server"), "HTTP server".into())],
        ram: Some(16 << 30),
        target: ("linux", "Linux"),
        rendering: Rendering {
            system: System::Linux,
            plan: Plan { findings: findings(), warnings: vec!["beware".into()], ..plan() },
            assignments: vec![assignment, raised, at_boot, unknown],
            provisos: vec![proviso, whole, capped],
            amounts: [(subject(), Amount { effective, cautions })].into(),
        },
    }
}

#[test]
fn renderings_of_every_shape_are_valid_and_fit_the_page() {
    let report = rendered();
    check(&report, "render");
    let text = plain(&report);
    for words in ["Cannot be undone before a reboot", "There is no command", "above 60 s", "$1 $2 131072"] {
        assert!(text.contains(words), "{words} in {text}");
    }
    let nothing = Rendering { assignments: vec![], provisos: vec![], ..report.rendering.clone() };
    let nothing = RenderReport { ram: None, rendering: nothing, ..report };
    check(&nothing, "render");
    assert!(plain(&nothing).contains("nothing has to be set"));
}

const fn states() -> [TransactionState; 7] {
    use TransactionState::{
        Applied, AwaitingConfirmation, AwaitingReboot, Failed, Open, PartlyRolledBack, RolledBack,
    };
    [Open, Applied, AwaitingConfirmation, AwaitingReboot, RolledBack, PartlyRolledBack, Failed]
}

#[test]
fn histories_of_every_shape_are_valid_and_fit_the_page() {
    let actions = [
        Action::Apply { profiles: vec!["a".into(), "b".into()] },
        Action::Off { profiles: vec![] },
        Action::Rollback { of: 1 },
        Action::Drop { filter: "state=fin-wait-2 held".into() },
    ];
    let mut transactions = Vec::new();
    for (at, state) in states().into_iter().enumerate() {
        let mut entry = entry(at as u64 + 1, state);
        entry.action = actions[at % 4].clone();
        entry.note = at.is_multiple_of(2).then(|| "interrupted".to_owned());
        entry.deadline = at.is_multiple_of(2).then(|| "2026-11-22T03:06:05Z".to_owned());
        entry.deadline_uptime_ms = at.is_multiple_of(2).then_some(4711);
        transactions.push(entry);
    }
    let report = HistoryReport { transactions, notes: vec![] };
    check(&report, "history");
    plain(&report);
}

/// Documents with something that must not be there, or without something that must.
#[test]
fn what_the_schemas_do_not_name_is_refused() {
    let documents = [
        ("audit", check(&audit(), "audit")),
        ("plan", check(&everything_planned(), "plan")),
        ("render", check(&rendered(), "render")),
        ("prove", check(&crate::prove::tests::report(crate::prove::Outcome::Proven), "prove")),
        ("error", check(&ErrorReport::new("busy", 75, "another tune holds the lock"), "error")),
    ];
    for (schema, document) in documents {
        let refused = |change: &dyn Fn(&mut Value)| {
            let mut changed = document.clone();
            change(&mut changed);
            assert!(valid(&changed, schema).is_err(), "{schema} takes {changed}");
        };
        refused(&|document| document["rc"] = json!(0));
        refused(&|document| document["unknown"] = json!(1));
        refused(&|document| document["schema"] = json!("tune.other/1"));
        let required: Vec<_> = document.as_object().unwrap().keys().cloned().collect();
        for key in required
            .iter()
            .filter(|key| !["notes", "open_transaction", "diff", "confirm_within"].contains(&key.as_str()))
        {
            refused(&|document| {
                document.as_object_mut().unwrap().remove(key);
            });
        }
        if document.get("findings").is_some() {
            refused(&|document| document["findings"][0]["unknown"] = json!(1));
            refused(&|document| document["findings"][0]["status"] = json!("fine"));
            refused(&|document| document["findings"][0]["effective"] = json!(60));
        }
    }
}
