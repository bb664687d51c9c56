//! What a FreeBSD kernel makes of a value that is written while it runs, and of one that its loader hands over.
//!
//! Source: sys/kern/kern_sysctl.c `sysctl_msec_to_ticks`, kern_mbuf.c, uipc_socket.c, netinet/in_pcb.c; measured on 14
//! and 15.

use tune_host::Targets;
use tune_model::catalog::{Mutability, Outside};
use tune_model::{Catalog, Slot, System, Tunable, Values};

/// What became of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kept {
    /// The kernel shows this from now on.
    As(i128),
    /// The kernel refused it and shows what it did before.
    Refused(String),
    /// The kernel reported success and shows what it did before.
    Ignored,
}

/// The limits of mbuf clusters, each of which takes one mbuf.
pub(crate) const CLUSTERS: [&str; 4] =
    ["kern.ipc.nmbclusters", "kern.ipc.nmbjumbop", "kern.ipc.nmbjumbo9", "kern.ipc.nmbjumbo16"];
/// The limit of mbufs.
pub(crate) const MBUFS: &str = "kern.ipc.nmbufs";
/// The limit of sockets, and of files, which it may not exceed.
pub(crate) const SOCKETS: &str = "kern.ipc.maxsockets";
pub(crate) const FILES: &str = "kern.maxfiles";

/// Returns the milliseconds that a kernel with `hz` ticks a second shows after `written` ones; 0 is less than a tick.
#[must_use]
pub(crate) const fn in_ticks(written: i128, hz: i128) -> i128 {
    (written * hz / 1000) * 1000 / hz
}

/// Returns the smallest distance of milliseconds that are whole ticks and shown as they were written.
#[must_use]
pub(crate) fn tick(hz: i128) -> i128 {
    let (mut a, mut b) = (1000, hz.max(1));
    while b != 0 {
        (a, b) = (b, a % b);
    }
    1000 / a
}

/// Tells what a running kernel makes of `written`; `values` are the tunables as they stand before.
pub(crate) fn write(row: &Tunable, written: i128, values: &dyn Values, hz: i128) -> Kept {
    let now = values.integer(&row.name, 0).ok();
    let fits = row.kernel_type.is_none_or(|kind| (kind.range().0..=kind.range().1).contains(&written));
    if !fits {
        return Kept::Refused(format!("{written} does not fit its type"));
    }
    match row.mutability {
        Mutability::Boot | Mutability::Fixed => Kept::Refused("it is read when the system starts".to_owned()),
        Mutability::RaiseOnly => raise(row, written, now, values),
        _ => store(row, written, hz),
    }
}

/// Stores a value as the handler of a tunable does that can be set both ways.
pub(crate) fn store(row: &Tunable, written: i128, hz: i128) -> Kept {
    if row.ticks {
        return match in_ticks(written, hz) {
            _ if written * hz / 1000 < 1 => Kept::Refused(format!("{written} ms is less than a tick")),
            shown => Kept::As(shown),
        };
    }
    let Some((low, high)) = row.accepted_in(None) else { return Kept::As(written) };
    let high = unbounded(row, high);
    match row.outside {
        _ if (low..=high).contains(&written) => Kept::As(written),
        Outside::Refused => Kept::Refused(format!("the kernel takes {low} to {high}")),
        Outside::Clamped => Kept::As(written.clamp(low, high)),
        Outside::Ignored => Kept::Ignored,
    }
}

/// Returns the end of what a tunable takes: the catalog cannot write numbers above those of 63 bits.
fn unbounded(row: &Tunable, high: i128) -> i128 {
    match row.kernel_type {
        Some(kind) if high == i128::from(i64::MAX) => kind.range().1,
        _ => high,
    }
}

fn raise(row: &Tunable, written: i128, now: Option<i128>, values: &dyn Values) -> Kept {
    let Some(now) = now else { return Kept::As(written) };
    let limit = |name: &str| values.integer(name, 0).unwrap_or(0);
    if written < now {
        return Kept::Refused(format!("it can only be raised, and is {now}"));
    }
    if written == now {
        return Kept::As(now);
    }
    if CLUSTERS.contains(&row.name.as_str()) {
        let (sum, mbufs) = (CLUSTERS.iter().map(|name| limit(name)).sum::<i128>(), limit(MBUFS));
        if mbufs < sum {
            return Kept::Refused(format!("{MBUFS} is {mbufs}, less than the clusters of all sizes: {sum}"));
        }
    }
    if row.name == SOCKETS && written > limit(FILES) {
        return Kept::Refused(format!("{FILES} is {}", limit(FILES)));
    }
    Kept::As(written)
}

/// Raises what the kernel wants raised first: an mbuf for every cluster, a file for every socket.
pub(crate) fn prepare(targets: &mut Targets, values: &dyn Values) {
    let will = |targets: &Targets, name: &str| {
        let planned = targets.get(&Slot::whole(name)).and_then(|text| text.parse().ok());
        planned.or_else(|| values.integer(name, 0).ok())
    };
    let raised = |targets: &Targets, name: &str| {
        targets.contains_key(&Slot::whole(name)) && will(targets, name) > values.integer(name, 0).ok()
    };
    let clusters: Option<i128> = CLUSTERS.iter().map(|name| will(targets, name)).sum();
    let needs = [
        (MBUFS, clusters, CLUSTERS.iter().any(|name| raised(targets, name))),
        (FILES, will(targets, SOCKETS), raised(targets, SOCKETS)),
    ];
    for (name, need, wanted) in needs {
        if let (Some(need), Some(has), true) = (need, will(targets, name), wanted)
            && has < need
        {
            targets.insert(Slot::whole(name), need.to_string());
        }
    }
}

/// Returns why the running kernel would not take a tunable from one value to another.
pub(crate) fn held_back(
    tunable: &str,
    mutability: Mutability,
    (from, to): (&str, &str),
    hz: i128,
) -> Option<String> {
    let numbers = || Some((from.trim().parse::<i128>().ok()?, to.trim().parse::<i128>().ok()?));
    match mutability {
        Mutability::Boot => Some(format!("{tunable} is read when the system starts")),
        Mutability::Fixed => Some(format!("{tunable} cannot be set")),
        Mutability::RaiseOnly => numbers()
            .filter(|(from, to)| to < from)
            .map(|_| format!("{tunable} can only be raised while the system runs")),
        _ => {
            let row = Catalog::of(System::FreeBsd).get(tunable)?;
            match store(row, numbers()?.1, hz) {
                Kept::Refused(reason) => {
                    Some(format!("{tunable} takes no {to} while the system runs: {reason}"))
                }
                _ => None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use super::*;

    fn row(name: &str) -> &'static Tunable {
        Catalog::of(System::FreeBsd).get(name).unwrap()
    }

    fn values(pairs: &[(&str, i128)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.to_string())).collect()
    }

    /// A kernel with 2 GiB as it starts.
    fn mbufs() -> BTreeMap<String, String> {
        let [clusters, page, nine, sixteen] = CLUSTERS;
        values(&[(clusters, 127_432), (page, 63_716), (nine, 18_878), (sixteen, 10_619), (MBUFS, 815_569)])
    }

    #[test]
    fn times_are_kept_in_ticks() {
        let timeout = row("net.inet.tcp.finwait2_timeout");
        for (hz, written, shown) in [
            (100, 15, Kept::As(10)),
            (100, 60_001, Kept::As(60_000)),
            (100, 2_147_483_647, Kept::As(2_147_483_640)),
            (1000, 15, Kept::As(15)),
            (1000, 1, Kept::As(1)),
        ] {
            assert_eq!(write(timeout, written, &values(&[]), hz), shown, "{written} at {hz}");
        }
        for (hz, written) in [(100, 9), (100, 1), (100, 0), (100, -10), (1000, 0), (100, 4_294_967_296)] {
            assert!(
                matches!(write(timeout, written, &values(&[]), hz), Kept::Refused(_)),
                "{written} at {hz}"
            );
        }
        assert_eq!((tick(100), tick(1000), tick(128), tick(250), tick(2000)), (10, 1, 125, 4, 1));
    }

    /// `sysctl kern.ipc.maxsockbuf=-1` on a running kernel.
    #[test]
    fn a_limit_without_end_takes_every_number_of_its_type() {
        let most = i128::from(u64::MAX);
        assert_eq!(write(row("kern.ipc.maxsockbuf"), most, &values(&[]), 100), Kept::As(most));
    }

    /// As a kernel with 2 GiB answered.
    #[test]
    fn a_raise_needs_an_mbuf_for_every_cluster_there_was() {
        let (clusters, page) = (row(CLUSTERS[0]), row(CLUSTERS[1]));
        let mut now = mbufs();
        assert!(matches!(write(clusters, 127_431, &now, 100), Kept::Refused(_)));
        assert_eq!(write(clusters, 127_432, &now, 100), Kept::As(127_432));
        assert_eq!(write(clusters, 100_000_000, &now, 100), Kept::As(100_000_000));
        now.insert(clusters.name.clone(), "100000000".to_owned());
        assert!(matches!(write(clusters, 100_050_000, &now, 100), Kept::Refused(_)));
        assert!(matches!(write(page, 63_726, &now, 100), Kept::Refused(_)));
    }

    #[test]
    fn what_must_be_raised_first_is_planned_too() {
        let plan = |name: &str, value: i128, now: &BTreeMap<String, String>| {
            let mut targets = Targets::from([(Slot::whole(name), value.to_string())]);
            prepare(&mut targets, now);
            targets.into_iter().map(|(slot, value)| (slot.tunable, value)).collect::<Vec<_>>()
        };
        let text = |name: &str, value: i128| (name.to_owned(), value.to_string());
        let now = mbufs();
        assert_eq!(plan(CLUSTERS[0], 524_288, &now), [text(CLUSTERS[0], 524_288)]);
        let sum = 1_048_576 + 63_716 + 18_878 + 10_619;
        assert_eq!(plan(CLUSTERS[0], 1_048_576, &now), [text(CLUSTERS[0], 1_048_576), text(MBUFS, sum)]);
        assert_eq!(plan(CLUSTERS[0], 65_536, &now), [text(CLUSTERS[0], 65_536)]);
        let now = values(&[(SOCKETS, 65_134), (FILES, 65_134)]);
        assert_eq!(plan(SOCKETS, 200_000, &now), [text(SOCKETS, 200_000), text(FILES, 200_000)]);
    }

    #[test]
    fn a_way_back_that_the_kernel_does_not_take_is_told() {
        let back = |name, from, to| held_back(name, row(name).mutability, (from, to), 100);
        assert!(back(CLUSTERS[0], "127432", "65536").is_some());
        assert!(back(CLUSTERS[0], "65536", "127432").is_none());
        assert!(back("net.inet.tcp.finwait2_timeout", "30000", "60000").is_none());
        assert!(back("kern.ipc.maxmbufmem", "1", "2").is_some());
        // Once set, it cannot be unset.
        assert!(back("net.inet.tcp.maxunacktime", "5000", "0").is_some());
    }
}
