//! From the keys of a table, inherited and overridden, to a requirement.

use super::document::{Content, Key, Table};
use super::log::{Complaint, Log, Spot};
use super::{Bound, Requirement, Scale, Subject, Wanted};
use crate::limits::Limits;
use crate::quantity::{PortRange, Quantity};
use crate::setting::Kind;
use crate::tunable::list_ranges;

/// Notes the mistakes in a table and returns what it requires; `None` when it asks for nothing.
pub(super) fn requirement(log: &mut Log, subject: &Subject, table: &Table) -> Option<Requirement> {
    check(log, subject, table);
    for (spot, Flaw { complaint, .. }) in flaws(subject, table).filter(|(_, flaw)| flaw.can_be_lifted) {
        log.refuse(spot, subject, complaint);
    }
    Some(Requirement {
        subject: subject.clone(),
        wanted: wanted(table)?,
        severity: table.severity(),
        why: table.text(Key::Why),
        reference: table.text(Key::Reference),
        optional: table.flag(Key::Optional),
        uncatalogued: table.flag(Key::Uncatalogued),
        origin: log.origin(table.spot),
        keys: table.entries.iter().map(|(key, entry)| (*key, log.origin(entry.spot))).collect(),
    })
}

/// Notes the mistakes in a table that nobody can lift.
pub(super) fn check(log: &mut Log, subject: &Subject, table: &Table) {
    if table.is_removed() {
        return check_removal(log, table);
    }
    let before = log.len();
    check_together(log, table);
    if log.len() == before {
        check_range(log, subject, table);
    }
    if let Some(help) = table.unknown.as_ref().filter(|_| !table.flag(Key::Uncatalogued)) {
        let complaint = Complaint::new(format!("{subject} is not in the catalog"));
        log.error(table.spot, complaint.help(help));
    }
    for (spot, Flaw { complaint, .. }) in flaws(subject, table).filter(|(_, flaw)| !flaw.can_be_lifted) {
        log.error(spot, complaint);
    }
}

/// Complains about a removal with other keys beside it.
pub(super) fn check_removal(log: &mut Log, table: &Table) {
    if let Some(entry) = table.entries.get(&Key::Remove)
        && table.entries.len() > 1
    {
        let complaint = Complaint::new("remove stands together with other keys");
        log.error(entry.spot, complaint.help("remove = true drops the whole requirement: keep it alone"));
    }
}

fn wanted(table: &Table) -> Option<Wanted> {
    let bound = |key| table.bound(key).cloned();
    let bounds = match &table.entries.get(&Key::Exactly).map(|entry| &entry.content) {
        Some(Content::VendorDefault) => return Some(Wanted::VendorDefault),
        Some(_) => (bound(Key::Exactly), bound(Key::Exactly)),
        None => (bound(Key::AtLeast), bound(Key::AtMost)),
    };
    match bounds {
        (None, None) => None,
        (at_least, at_most) => Some(Wanted::Within { at_least, at_most, prefer: bound(Key::Prefer) }),
    }
}

/// Complains about keys that exclude each other, or a table that requires nothing.
fn check_together(log: &mut Log, table: &Table) {
    let has = |key: Key| table.entries.get(&key);
    let bound = [Key::AtLeast, Key::AtMost, Key::Prefer].iter().find_map(|key| Some((key, has(*key)?)));
    match (has(Key::Exactly), bound) {
        (Some(exactly), Some((key, other))) => {
            let place = log.place(other.spot, exactly.spot);
            let complaint = Complaint::new(format!("exactly stands together with {key} ({place})"));
            log.error(exactly.spot, complaint.help("keep one of them"));
        }
        (None, _) if table.whole && has(Key::AtLeast).is_none() && has(Key::AtMost).is_none() => {
            let complaint = Complaint::new("the requirement asks for nothing");
            log.error(table.spot, complaint.help("add exactly, at_least or at_most"));
        }
        _ => {}
    }
}

/// Complains about bounds that nothing satisfies on any host, and a preference outside of them.
fn check_range(log: &mut Log, subject: &Subject, table: &Table) {
    let Some(wanted) = wanted(table) else { return };
    let limits = on_hosts(&wanted);
    let Some(first) = limits.first() else { return };
    let entry = |key| table.entries.get(&key);
    let (low, high, prefer) = (entry(Key::AtLeast), entry(Key::AtMost), entry(Key::Prefer));
    if let (Some(low), Some(high)) = (low, high)
        && limits.iter().all(is_empty)
    {
        let place = log.place(high.spot, low.spot);
        let message = format!("no {subject} satisfies both bounds: {} ({place})", shown(first));
        log.error(low.spot, Complaint::new(message).help("at_least must not be above at_most"));
    } else if let Some(prefer) = prefer
        && limits.iter().all(|limits| limits.prefer.as_ref().is_some_and(|prefer| !limits.admit(prefer)))
    {
        log.error(prefer.spot, Complaint::new(format!("prefer is outside the bounds, {first}")));
    }
}

/// Returns the bounds on hosts of 1 GiB to 16 TiB; on one, where nothing depends on it.
fn on_hosts(wanted: &Wanted) -> Vec<Limits> {
    let Wanted::Within { at_least, at_most, .. } = wanted else { return Vec::new() };
    let scales = |bound: &Option<Bound>| matches!(bound, Some(Bound::PerGibOfRam { .. }));
    let sizes = if scales(at_least) || scales(at_most) { 15 } else { 1 };
    (0..sizes).filter_map(|size| wanted.limits(Scale { ram: 1 << (30 + size), page: 4096 })).collect()
}

fn is_empty(limits: &Limits) -> bool {
    limits.at_least.as_ref().zip(limits.at_most.as_ref()).is_some_and(|(low, high)| !low.at_most(high))
}

fn shown(limits: &Limits) -> String {
    let text = |value: &Option<Quantity>| value.as_ref().map(ToString::to_string).unwrap_or_default();
    format!("at_least {}, at_most {}", text(&limits.at_least), text(&limits.at_most))
}

/// What is wrong with a value by itself.
struct Flaw {
    complaint: Complaint,
    /// Somebody who insists may have the value.
    can_be_lifted: bool,
}

impl Flaw {
    fn invalid(message: String) -> Self {
        Self { complaint: Complaint::new(message), can_be_lifted: false }
    }

    fn reckless(message: String, reason: Option<&str>, subject: &Subject) -> Self {
        let reason = reason.map(|reason| format!("{reason}; ")).unwrap_or_default();
        let help = format!("{reason}--allow-unsafe {subject} lifts this, where the system takes the value");
        Self { complaint: Complaint::new(message).help(help), can_be_lifted: true }
    }
}

fn flaws(subject: &Subject, table: &Table) -> impl Iterator<Item = (Spot, Flaw)> {
    let entries = table.entries.iter().filter(|(key, _)| key.is_value());
    entries.filter_map(|(_, entry)| Some((entry.spot, flaw(subject, table, &entry.content)?)))
}

fn flaw(subject: &Subject, table: &Table, content: &Content) -> Option<Flaw> {
    let Content::Bound(bound) = content else { return None };
    match bound {
        Bound::Fixed(value) => value_flaw(subject, table, value),
        Bound::PerGibOfRam { min, max, .. } => {
            min.iter().chain(max).find_map(|value| value_flaw(subject, table, value))
        }
        // The most pages it can be and the fewest: only what is wrong with either page size is wrong here.
        &Bound::PagesOf { bytes } => {
            let pages = (i128::from(bytes / 65_536), i128::from(bytes.div_ceil(4096)));
            native_flaw(subject, table, pages, &Quantity::Bytes(bytes))
        }
    }
}

fn value_flaw(subject: &Subject, table: &Table, value: &Quantity) -> Option<Flaw> {
    match (subject, value.scalar()) {
        (Subject::Tunable(_), None) => list_flaw(subject, table, value),
        (Subject::Tunable(_), Some(number)) => native_flaw(subject, table, (number, number), value),
        (Subject::Setting(_), Some(0)) if value.kind() != Kind::Switch => {
            let message = format!("{value} for {subject} would not mean what it says");
            Some(Flaw::reckless(message, None, subject))
        }
        (Subject::Setting(_), _) => port_flaw(subject, value),
    }
}

fn port_flaw(subject: &Subject, value: &Quantity) -> Option<Flaw> {
    match value {
        Quantity::Ports(PortRange { low: 0, .. }) => Some(Flaw::invalid("there is no port 0".to_owned())),
        Quantity::Ports(PortRange { low: 1..1024, .. }) => {
            let message = format!("{value} has ports below 1024, which belong to services");
            Some(Flaw::reckless(message, None, subject))
        }
        _ => None,
    }
}

/// Holds each number of a list such as `8080,9000-9010` against what the catalog allows.
fn list_flaw(subject: &Subject, table: &Table, value: &Quantity) -> Option<Flaw> {
    let Quantity::Text(text) = value else { return None };
    let Some(ranges) = list_ranges(text) else {
        return Some(Flaw::invalid(format!("the text {text:?} is no list such as \"8080,9000-9010\"")));
    };
    let ends = ranges.into_iter().flat_map(|(low, high)| [low.into(), high.into()]);
    ends.filter_map(|end| native_flaw(subject, table, (end, end), &Quantity::Native(end)))
        .min_by_key(|flaw| flaw.can_be_lifted)
}

/// Holds a native value, or the least and the most it can be, against what the catalog allows.
fn native_flaw(
    subject: &Subject,
    table: &Table,
    (least, most): (i128, i128),
    shown: &Quantity,
) -> Option<Flaw> {
    let (Some(row), Subject::Tunable(slot)) = (table.row, subject) else { return None };
    let outside = |range: Option<(i128, i128)>| range.filter(|(min, max)| most < *min || least > *max);
    if let Some((min, max)) = outside(row.accepted_in(slot.field)) {
        let message = format!("{shown} is outside of what the kernel takes for {subject}: {min} to {max}");
        return Some(Flaw::invalid(message));
    }
    let (min, max) = outside(row.allowed_in(slot.field))?;
    let message = format!("{shown} is outside of what a profile may ask of {subject}: {min} to {max}");
    Some(Flaw::reckless(message, row.unsafe_values.as_deref(), subject))
}
