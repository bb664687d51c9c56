//! Settings that are made of one another and cannot all be had.

use std::collections::BTreeMap;

use super::document::{Content, Entry, Key, Table};
use super::log::{Complaint, Log, Spot};
use super::{Bound, Subject};
use crate::setting::Setting;

/// Complains when the time of probing is required to be something that its own parts cannot come to.
pub(super) fn check(log: &mut Log, tables: &BTreeMap<Subject, Table>) {
    let of = |setting| tables.get(&Subject::Setting(setting)).map(Span::of);
    let (Some(abort), Some(interval), Some(probes)) =
        (of(Setting::KeepaliveAbort), of(Setting::KeepaliveInterval), of(Setting::KeepaliveProbes))
    else {
        return;
    };
    let product = |a: Option<i128>, b: Option<i128>| Some(a?.saturating_mul(b?));
    let (low, high) = (product(interval.low, probes.low), product(interval.high, probes.high));
    let above = low.zip(abort.high).is_some_and(|(low, high)| low > high);
    let below = high.zip(abort.low).is_some_and(|(high, low)| high < low);
    if above || below {
        complain(
            log,
            &abort,
            &[(Setting::KeepaliveInterval, &interval), (Setting::KeepaliveProbes, &probes)],
        );
    }
}

fn complain(log: &mut Log, abort: &Span, parts: &[(Setting, &Span); 2]) {
    let places = parts.map(|(setting, span)| format!("{setting} ({})", log.place(span.spot, abort.spot)));
    let message =
        format!("{} contradicts its own parts, {} times {}", Setting::KeepaliveAbort, places[0], places[1]);
    let complaint = Complaint::new(message);
    log.error(abort.spot, complaint.help("state the interval and the probes, or the whole, not all three"));
}

/// The least and the most that a table allows, where it says so without regard to memory.
struct Span {
    low: Option<i128>,
    high: Option<i128>,
    spot: Spot,
}

impl Span {
    fn of(table: &Table) -> Self {
        let entry = |key: Key| table.entries.get(&key).or_else(|| table.entries.get(&Key::Exactly));
        let (low, high) = (entry(Key::AtLeast), entry(Key::AtMost));
        let spot = high.or(low).map_or(table.spot, |entry| entry.spot);
        Self { low: low.and_then(number), high: high.and_then(number), spot }
    }
}

fn number(entry: &Entry) -> Option<i128> {
    match &entry.content {
        Content::Bound(Bound::Fixed(value)) => value.scalar(),
        _ => None,
    }
}
