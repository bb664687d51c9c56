//! From wanted values to steps.

use std::collections::BTreeMap;

use tune_host::{Around, Backend, Host};
use tune_model::plan::{Change, Refusal, RefusalKind};
use tune_model::reading::{Layer, Readings};
use tune_model::tunable::same_value;
use tune_model::{Slot, Step, Subject, Values};

use crate::options::Options;
use crate::subject::{self, View};

/// A slot's value that is to change.
#[derive(Debug, Clone)]
pub(crate) struct Move {
    pub(crate) slot: Slot,
    pub(crate) value: String,
    pub(crate) serves: Vec<Subject>,
}

/// Makes one step for each tunable that changes: a tunable is written whole.
pub(crate) fn live_steps(
    backend: &dyn Backend,
    host: &dyn Host,
    readings: &Readings,
    moves: &[Move],
) -> (Vec<Step>, Vec<Change>) {
    let mut texts: BTreeMap<&str, (String, String, Vec<Subject>)> = BTreeMap::new();
    for change in moves {
        let Some(Ok(live)) = readings.get(&change.slot.tunable).map(|reading| &reading.live) else {
            continue;
        };
        let entry =
            texts.entry(&change.slot.tunable).or_insert_with(|| (live.clone(), live.clone(), Vec::new()));
        entry.1 = change.slot.replaced(&entry.1, &change.value);
        entry.2.extend(change.serves.iter().cloned());
    }
    texts.retain(|_, (before, after, _)| !same_value(before, after));
    let mut texts: Vec<_> = texts.into_iter().collect();
    texts.sort_by_key(|(tunable, (before, after, _))| (backend.rank(tunable, before, after), *tunable));
    let steps = texts.iter().map(|(tunable, (before, after, serves))| Step {
        serves: unique(serves),
        effect: backend.live_effect(host, tunable, before, after),
        // The way back is another change, which the kernel may not take.
        irreversible: backend.held_back(
            tunable,
            subject::mutability(backend, readings, tunable),
            after,
            before,
        ),
        takes_hold: Some(backend.behaviour(tunable).1),
    });
    let changes = texts.iter().map(|(tunable, (before, after, _))| Change {
        key: (*tunable).to_owned(),
        before: Some(before.clone()),
        after: Some(after.clone()),
        scope: "runtime".to_owned(),
    });
    (steps.collect(), changes.collect())
}

fn unique(subjects: &[Subject]) -> Vec<Subject> {
    let mut found = subjects.to_vec();
    found.sort();
    found.dedup();
    found
}

/// Refuses values that no profile should ask for, and values that are dangerous on this host as it is used now.
pub(crate) fn dangers(
    backend: &dyn Backend,
    host: &dyn Host,
    moves: &[Move],
    (before, after): (&View<'_>, &View<'_>),
    layer: Layer,
    options: &Options,
) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for change in moves {
        let text = after.text(&change.slot.tunable).unwrap_or_default();
        let subject = change.serves.first().cloned().unwrap_or_else(|| Subject::Tunable(change.slot.clone()));
        let allowed = options.allow_unsafe.contains(&subject)
            || options.allow_unsafe.contains(&Subject::Tunable(change.slot.clone()));
        let present = before.text(&change.slot.tunable).ok();
        let now = (layer == Layer::Runtime).then_some(present.as_deref()).flatten();
        let around = Around { present: now, after: &text, values: after };
        let unstorable =
            || Some((RefusalKind::NotStorable, backend.unstorable(host, &change.slot.tunable, &text)?));
        let hazard =
            || Some((RefusalKind::Unsafe, backend.hazard(host, &change.slot, &change.value, &around)?));
        let (refused, reckless) = outside(backend, change);
        let danger = refused.or_else(unstorable).or(reckless).or_else(hazard);
        if let Some((kind, message)) = danger
            && !(allowed && kind == RefusalKind::Unsafe)
        {
            let lift = format!("if it is really meant: --allow-unsafe {subject}");
            let hints = if kind == RefusalKind::Unsafe { vec![lift] } else { Vec::new() };
            refusals.push(Refusal { kind, subject: Some(subject), message, hints });
        }
    }
    refusals
}

type Danger = Option<(RefusalKind, String)>;

/// Tells why a value is outside of what the kernel takes, and why of what a profile may ask for.
fn outside(backend: &dyn Backend, change: &Move) -> (Danger, Danger) {
    let Some((row, value)) =
        backend.catalog().get(&change.slot.tunable).zip(change.value.parse::<i128>().ok())
    else {
        return (None, None);
    };
    let shown = format!("{} = {value}", change.slot);
    if let Some((low, high)) = row.accepted_in(change.slot.field)
        && !(low..=high).contains(&value)
    {
        let message = format!("{shown}: not every kernel takes it; {low} to {high} is taken by all");
        return (Some((RefusalKind::NotStorable, message)), None);
    }
    let reckless = row.allowed_in(change.slot.field).filter(|(low, high)| !(low..=high).contains(&&value));
    let reckless = reckless.map(|(low, high)| {
        let reason = row.unsafe_values.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        (RefusalKind::Unsafe, format!("{shown} is outside {low} to {high}, which is safe{reason}"))
    });
    (None, reckless)
}
