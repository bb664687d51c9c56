//! Settings that are made of one another and cannot all be had.

use std::collections::BTreeMap;

use super::document::{Content, Entry, Key, Table};
use super::log::{Complaint, Log, Spot};
use super::{Bound, Subject};
use crate::setting::Setting;
use crate::tunable::Slot;

/// Complains about requirements that no host can meet together.
pub(super) fn check(log: &mut Log, tables: &BTreeMap<Subject, Table>) {
    check_probing(log, tables);
    check_fields(log, tables);
}

/// Complains about the fields of a tunable that holds several: they ascend, from the least to the most.
fn check_fields(log: &mut Log, tables: &BTreeMap<Subject, Table>) {
    let mut before: Vec<(&Slot, Span)> = Vec::new();
    for (subject, table) in tables {
        let Subject::Tunable(slot @ Slot { field: Some(_), .. }) = subject else { continue };
        before.retain(|(earlier, _)| earlier.tunable == slot.tunable);
        let span = Span::of(table);
        for (earlier, least) in before.iter().filter(|(_, least)| least.is_above(&span)) {
            let place = log.place(least.spot, span.spot);
            let complaint = Complaint::new(format!("{slot} is required to be below {earlier} ({place})"));
            log.error(span.spot, complaint.help("the fields of a tunable ascend"));
        }
        before.push((slot, span));
    }
}

/// Complains when the time of probing is required to be something that its own parts cannot come to.
fn check_probing(log: &mut Log, tables: &BTreeMap<Subject, Table>) {
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

/// The least and the most that a table allows, where it says so without regard to the host.
struct Span {
    low: Option<i128>,
    high: Option<i128>,
    /// The numbers are bytes of what is counted in pages.
    low_in_bytes: bool,
    high_in_bytes: bool,
    spot: Spot,
}

impl Span {
    fn of(table: &Table) -> Self {
        let entry = |key: Key| table.entries.get(&key).or_else(|| table.entries.get(&Key::Exactly));
        let (low, high) = (entry(Key::AtLeast), entry(Key::AtMost));
        let spot = high.or(low).map_or(table.spot, |entry| entry.spot);
        let (low, low_in_bytes) = low.map_or((None, false), number);
        let (high, high_in_bytes) = high.map_or((None, false), number);
        Self { low, high, low_in_bytes, high_in_bytes, spot }
    }

    /// Tells whether the least of this is above the most of `other`, in the same measure.
    fn is_above(&self, other: &Self) -> bool {
        let comparable = self.low_in_bytes == other.high_in_bytes;
        comparable && self.low.zip(other.high).is_some_and(|(low, high)| low > high)
    }
}

/// Returns the number that an entry states, and whether it is bytes of what is counted in pages.
fn number(entry: &Entry) -> (Option<i128>, bool) {
    match &entry.content {
        Content::Bound(Bound::Fixed(value)) => (value.scalar(), false),
        Content::Bound(Bound::PagesOf { bytes }) => (Some((*bytes).into()), true),
        _ => (None, false),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{mistake, mistakes};

    #[test]
    fn fields_must_ascend() {
        let (line, _, message, _) = mistake(
            "[linux.sysctl]\n\"net.ipv4.tcp_rmem[0]\" = 9000\n\"net.ipv4.tcp_rmem[2]\".at_most = 8000",
        );
        assert_eq!(
            (line, message.as_str()),
            (4, "net.ipv4.tcp_rmem[2] is required to be below net.ipv4.tcp_rmem[0] (line 3)")
        );
        mistake("linux.sysctl.\"net.ipv4.tcp_rmem\" = \"4096 9000 8000\"");
        mistake("linux.sysctl.\"net.ipv4.tcp_mem\" = \"1GiB 3GiB 2GiB\"");
        assert!(
            mistakes("linux.sysctl.\"net.ipv4.tcp_mem\" = [\"1GiB\", \"900000 pages\", \"2GiB\"]").is_empty()
        );
        assert!(
            mistakes("linux.sysctl.\"net.ipv4.tcp_rmem\" = { at_least = \"9000 9000 9000\" }").is_empty()
        );
    }
}
