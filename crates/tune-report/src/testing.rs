//! What the tests of this crate share: a small world, plain text, and the schemas.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use serde_json::Value;
use tune_model::finding::{HostRef, ProfileRef, TunableState};
use tune_model::plan::{Bytes, Change, FileImage};
use tune_model::profile::{Severity, Source};
use tune_model::system::Place;
use tune_model::transaction::{Action, Actor, Entry, TransactionState};
use tune_model::{
    Effect, Effective, Finding, Limits, Mutability, Plan, Quantity, Setting, Slot, Status, Step, Subject,
    TakesHold, Verdict,
};
use unicode_width::UnicodeWidthStr;

use crate::Report;

pub fn host() -> HostRef {
    HostRef { system: "linux".into(), release: Some("6.18.44".into()), scope: "host".into() }
}

pub fn profile(name: &str) -> ProfileRef {
    let digest = format!("sha256:{}", "0f".repeat(32));
    ProfileRef { name: name.into(), source: Source::BuiltIn, digest, shadows_built_in: false }
}

pub fn place(file: &str, line: u32) -> Place {
    Place { file: file.into(), line }
}

pub fn state(name: &str, value: &str) -> TunableState {
    TunableState {
        name: name.into(),
        live: Some(value.into()),
        boot: Some(value.into()),
        boot_source: None,
        default: Some(value.into()),
        reason: None,
    }
}

pub fn seconds(value: u64) -> Quantity {
    Quantity::Duration(value * 1000)
}

/// FIN_WAIT_2 in some status, on a host that has the kernel's defaults.
pub fn finding(status: Status) -> Finding {
    use Verdict::{Met, NotApplicable, NotMet, Unknown};
    let (live, boot) = match status {
        Status::Met => (Met, Met),
        Status::WillDrift => (Met, NotMet),
        Status::PendingReboot => (NotMet, Met),
        Status::Drifted => (NotMet, NotMet),
        Status::Unreadable => (Unknown, Unknown),
        _ => (NotApplicable, NotApplicable),
    };
    let value = |verdict| match verdict {
        Met => Effective::Exact(seconds(30)),
        NotMet => Effective::Exact(seconds(60)),
        _ => Effective::Unknown("permission denied".into()),
    };
    Finding {
        subject: Subject::Setting(Setting::FinWait2Timeout),
        status,
        live,
        boot,
        severity: Severity::High,
        optional: false,
        wanted: Limits { at_most: Some(seconds(30)), ..Limits::default() },
        effective: value(live),
        boot_effective: value(boot),
        tunables: vec![state("net.ipv4.tcp_fin_timeout", "60")],
        mutability: Some(Mutability::Live),
        takes_hold: Some(TakesHold::NewCloses),
        why: Some("Orphaned FIN_WAIT_2 sockets hold kernel memory until this runs out.".into()),
        reference: None,
        profiles: vec!["web-server".into()],
        notes: vec![],
    }
}

pub fn backlog() -> Finding {
    let setting = Subject::Setting(Setting::ListenBacklog);
    let count = |value| Effective::Exact(Quantity::Count(value));
    Finding {
        subject: setting,
        wanted: Limits { at_least: Some(Quantity::Count(4096)), ..Limits::default() },
        effective: count(8192),
        boot_effective: count(128),
        tunables: vec![TunableState {
            live: Some("8192".into()),
            boot: Some("128".into()),
            boot_source: Some(place("/etc/sysctl.d/99-x.conf", 3)),
            default: Some("4096".into()),
            ..state("net.core.somaxconn", "")
        }],
        takes_hold: Some(TakesHold::NewListeners),
        why: None,
        ..finding(Status::WillDrift)
    }
}

pub fn image(text: &str) -> FileImage {
    let content = Bytes(text.as_bytes().to_vec());
    FileImage { content, mode: 0o644, uid: 0, gid: 0, attributes: Default::default() }
}

pub fn set(tunable: &str, before: &str, after: &str) -> Effect {
    Effect::SetTunable {
        tunable: tunable.into(),
        namespace: None,
        before: before.into(),
        after: after.into(),
    }
}

pub fn write(path: &str, before: Option<&str>, after: Option<&str>) -> Effect {
    Effect::ReplaceFile { path: path.into(), before: before.map(image), after: after.map(image) }
}

pub fn step(effect: Effect) -> Step {
    let serves = vec![Subject::Setting(Setting::FinWait2Timeout)];
    let takes_hold = matches!(effect, Effect::SetTunable { .. }).then_some(TakesHold::NewCloses);
    Step { serves, effect, irreversible: None, takes_hold }
}

pub fn change(key: &str, before: Option<&str>, after: Option<&str>, scope: &str) -> Change {
    let owned = |text: Option<&str>| text.map(ToOwned::to_owned);
    Change { key: key.into(), before: owned(before), after: owned(after), scope: scope.into() }
}

pub const TUNE_CONF: &str = "/etc/sysctl.d/zz-tune.conf";

/// FIN_WAIT_2 from 60 to 30 s, live and at boot.
pub fn plan() -> Plan {
    let after = "# Written by tune.\nnet.ipv4.tcp_fin_timeout = 30\n";
    Plan {
        findings: vec![
            finding(Status::Drifted),
            Finding { subject: Subject::Tunable(Slot::field("x.y", 2)), ..finding(Status::Met) },
        ],
        steps: vec![
            step(set("net.ipv4.tcp_fin_timeout", "60", "30")),
            step(write(TUNE_CONF, None, Some(after))),
        ],
        claims: None,
        refusals: vec![],
        conflicts: vec![],
        warnings: vec![],
        changes: vec![
            change("net.ipv4.tcp_fin_timeout", Some("60"), Some("30"), "runtime"),
            change("net.ipv4.tcp_fin_timeout", None, Some("30"), &format!("boot:{TUNE_CONF}")),
        ],
        reboot_required: false,
    }
}

pub fn entry(id: u64, state: TransactionState) -> Entry {
    Entry {
        id,
        action: Action::Apply { profiles: vec!["web-server".into()] },
        state,
        started: "2026-11-22T03:04:05Z".into(),
        changed: "2026-11-22T03:04:06Z".into(),
        actor: Actor { uid: 0, user: Some("alice".into()), pid: 4711 },
        scope: "host".into(),
        changes: plan().changes,
        conflicts: vec![],
        note: None,
        until_end_of: None,
        deadline: None,
        deadline_uptime_ms: None,
    }
}

/// Returns the text at 80 columns without colours; with or without them no line may be longer.
pub fn plain(report: &dyn Report) -> String {
    let coloured = report.human(80);
    let plain = anstream::adapter::strip_str(&coloured).to_string();
    for line in plain.lines() {
        assert!(line.width() <= 80, "{} columns: {line:?}", line.width());
        assert_eq!(line.trim_end(), line, "trailing space");
    }
    let foreign = plain.chars().find(|c| c.is_control() && *c != '\n');
    assert_eq!(foreign, None, "a control character in {plain}");
    assert!(coloured.ends_with('\n') && !coloured.ends_with("\n\n"), "{coloured:?}");
    plain
}

/// Holds a report's document against a published schema and returns it.
pub fn check(report: &dyn Report, schema: &str) -> Value {
    let text = report.json();
    assert_eq!(text.matches('\n').count(), 1, "one line: {text}");
    let document: Value = serde_json::from_str(&text).unwrap();
    if let Err(error) = valid(&document, schema) {
        panic!("{error}\n{text}");
    }
    assert_eq!(document.get("rc"), None);
    document
}

/// Holds a document against a published schema.
pub fn valid(document: &Value, schema: &str) -> Result<(), String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schemas").canonicalize().unwrap();
    let file = directory.join(format!("{schema}.schema.json"));
    let mut schemas = boon::Schemas::new();
    let mut compiler = boon::Compiler::new();
    compiler.enable_format_assertions();
    let index = compiler.compile(file.to_str().unwrap(), &mut schemas);
    let index = index.unwrap_or_else(|error| panic!("{schema}: {error:#}"));
    schemas.validate(document, index).map_err(|error| format!("{error:#}"))
}
