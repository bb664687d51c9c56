//! Requirements held against readings.

use std::collections::BTreeSet;

use tune_host::{Backend, Host, Provision};
use tune_model::finding::{Finding, TunableState};
use tune_model::reading::{Layer, Reading, Readings, Unread};
use tune_model::{Effective, Limits, Mutability, Slot, Status, Subject, Verdict};

use crate::subject::{self, View};
use crate::wish::Wish;

/// Holds wishes against a host. Wishes of several profiles on one subject become one finding where their bounds go
/// together, and stay apart where they exclude each other.
#[must_use]
pub fn findings(
    backend: &dyn Backend,
    host: &dyn Host,
    wishes: &[Wish],
    readings: &Readings,
) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    let (known, unknown): (Vec<&Wish>, Vec<&Wish>) =
        wishes.iter().partition(|wish| wish.unknown_default.is_none());
    for wish in known {
        let fits = |finding: &&mut Finding| finding.subject == wish.subject;
        let joined = found.iter_mut().rev().find(fits).and_then(|finding| {
            let wanted = finding.wanted.intersect(&wish.runtime)?;
            Some((finding, wanted))
        });
        match joined {
            Some((finding, wanted)) => {
                join(finding, wish);
                judge(backend, host, finding, &wanted, wish, readings);
            }
            None => found.push(finding(backend, host, wish, readings)),
        }
    }
    found.extend(unknown.into_iter().map(|wish| finding(backend, host, wish, readings)));
    found.sort_by(|a, b| a.subject.cmp(&b.subject));
    found
}

fn join(finding: &mut Finding, wish: &Wish) {
    finding.profiles.push(wish.profile.clone());
    finding.severity = finding.severity.max(wish.severity);
    finding.optional &= wish.optional;
    finding.why = finding.why.take().or_else(|| wish.why.clone());
    finding.reference = finding.reference.take().or_else(|| wish.reference.clone());
}

fn finding(backend: &dyn Backend, host: &dyn Host, wish: &Wish, readings: &Readings) -> Finding {
    let slots = subject::slots(backend, &wish.subject);
    let first = slots.first().map(|slot| slot.tunable.as_str());
    let mut finding = Finding {
        subject: wish.subject.clone(),
        status: Status::Unsupported,
        live: Verdict::Unknown,
        boot: Verdict::Unknown,
        severity: wish.severity,
        optional: wish.optional,
        wanted: wish.runtime.clone(),
        effective: Effective::Unknown(String::new()),
        boot_effective: Effective::Unknown(String::new()),
        tunables: states(backend, &wish.subject, readings),
        mutability: first.map(|tunable| subject::mutability(backend, readings, tunable)),
        takes_hold: first.map(|tunable| backend.behaviour(tunable).1),
        why: wish.why.clone(),
        reference: wish.reference.clone(),
        profiles: vec![wish.profile.clone()],
        notes: Vec::new(),
    };
    judge(backend, host, &mut finding, &wish.runtime, wish, readings);
    finding
}

fn judge(
    backend: &dyn Backend,
    host: &dyn Host,
    finding: &mut Finding,
    wanted: &Limits,
    wish: &Wish,
    readings: &Readings,
) {
    finding.wanted = wanted.clone();
    finding.notes.clear();
    match subject::provision(backend, &finding.subject) {
        Provision::None => unsupported(finding, &stands_in(backend, &finding.subject)),
        Provision::Fixed(value) => judge_fixed(finding, Effective::Exact(value)),
        Provision::Slots(_) | Provision::Derived(_) => {
            judge_layers(backend, host, finding, readings);
            qualify(backend, finding, &subject::slots(backend, &wish.subject), readings);
            if let Some(reason) = &wish.unknown_default {
                unsupported(finding, &format!("the vendor's default is not known: {reason}"));
            }
        }
    }
}

fn stands_in(backend: &dyn Backend, subject: &Subject) -> String {
    match subject {
        Subject::Setting(setting) => {
            format!("this system has none; what bounds it: {}", backend.stands_in(*setting))
        }
        Subject::Tunable(slot) => format!("this system has no {slot}"),
    }
}

fn unsupported(finding: &mut Finding, note: &str) {
    finding.status = Status::Unsupported;
    finding.live = Verdict::NotApplicable;
    finding.boot = Verdict::NotApplicable;
    finding.effective = Effective::Unknown(note.to_owned());
    finding.boot_effective = finding.effective.clone();
    finding.notes.push(note.to_owned());
}

fn judge_fixed(finding: &mut Finding, value: Effective) {
    let verdict = finding.wanted.judge(&value);
    finding.live = verdict;
    finding.boot = verdict;
    finding.status = if verdict == Verdict::Met { Status::Met } else { Status::Unsupported };
    finding.mutability = Some(Mutability::Fixed);
    finding.notes.push(format!("always {value} on this system"));
    finding.effective = value.clone();
    finding.boot_effective = value;
}

fn judge_layers(backend: &dyn Backend, host: &dyn Host, finding: &mut Finding, readings: &Readings) {
    let look = |layer| {
        let view = View::layer(readings, layer);
        let assessment = subject::assess(backend, &finding.subject, &view);
        (finding.wanted.judge(&assessment.effective), assessment)
    };
    let (live, now) = look(Layer::Runtime);
    let (boot, next) = look(Layer::Boot);
    let image = matches!(host.scope(), tune_host::Scope::Image(_));
    finding.live = if image { Verdict::NotApplicable } else { live };
    finding.boot = if backend.has_boot_layer(host) { boot } else { Verdict::NotApplicable };
    finding.effective = now.effective;
    finding.boot_effective = next.effective;
    let cautions = if image { next.cautions } else { now.cautions };
    finding.notes.extend(cautions);
    if (finding.live, finding.boot) == (Verdict::NotApplicable, Verdict::NotApplicable) {
        finding.notes.push("there is no running kernel here, and nothing that sets it at boot".to_owned());
    }
    let mutability = finding.mutability.unwrap_or(Mutability::Live);
    finding.status = Status::of(finding.live, finding.boot, mutability);
}

/// Gives way where the tunable is not this scope's, or not there at all.
fn qualify(backend: &dyn Backend, finding: &mut Finding, slots: &[Slot], readings: &Readings) {
    let found: Vec<_> = slots.iter().filter_map(|slot| Some((slot, readings.get(&slot.tunable)?))).collect();
    for (_, reading) in &found {
        finding.notes.extend(reading.notes.iter().cloned());
    }
    if let Some(reason) = found.iter().find_map(|(_, reading)| reading.out_of_scope.clone()) {
        finding.status = Status::OutOfScope;
        finding.notes.push(reason);
        return;
    }
    let fixed =
        slots.iter().any(|slot| subject::mutability(backend, readings, &slot.tunable) == Mutability::Fixed);
    let missing = found.iter().find_map(|(_, reading)| missing(reading));
    match missing {
        Some(reason) => unsupported(finding, &reason),
        None if fixed && finding.live == Verdict::NotMet => finding.status = Status::Unsupported,
        None => {}
    }
    finding.notes.dedup();
}

fn missing(reading: &Reading) -> Option<String> {
    match &reading.live {
        Err(Unread::Missing(reason)) => Some(reason.clone()),
        _ => None,
    }
}

/// Shows the tunables that a subject is made of, and those that make it what it is.
fn states(backend: &dyn Backend, subject: &Subject, readings: &Readings) -> Vec<TunableState> {
    let slots = subject::slots(backend, subject).into_iter().map(|slot| slot.tunable);
    let decisive = subject::decisive(backend, subject, &View::layer(readings, Layer::Runtime));
    let mut seen = BTreeSet::new();
    let names: Vec<String> = slots.chain(decisive).filter(|name| seen.insert(name.clone())).collect();
    names.iter().filter_map(|name| Some(state(name, readings.get(name)?))).collect()
}

/// Returns a reading as findings show it.
#[must_use]
pub fn state(name: &str, reading: &Reading) -> TunableState {
    let reason = [&reading.live, &reading.boot]
        .into_iter()
        .filter_map(|text| text.as_ref().err())
        .find(|unread| !matches!(unread, Unread::NotApplicable(_)))
        .map(ToString::to_string);
    TunableState {
        name: name.to_owned(),
        live: reading.live.as_ref().ok().cloned(),
        boot: reading.boot.as_ref().ok().cloned(),
        boot_source: reading.boot_source.clone(),
        default: reading.default.clone(),
        reason,
    }
}
