//! What a FreeBSD kernel makes of a value that is written while it runs, and of one that its loader hands over.
//!
//! Source: sys/kern/kern_sysctl.c `sysctl_msec_to_ticks`, kern_mbuf.c, uipc_socket.c, netinet/in_pcb.c; measured on 14
//! and 15.

use tune_model::catalog::{Mutability, Outside};
use tune_model::{Tunable, Values};

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
    match row.outside {
        _ if (low..=high).contains(&written) => Kept::As(written),
        Outside::Refused => Kept::Refused(format!("the kernel takes {low} to {high}")),
        Outside::Clamped => Kept::As(written.clamp(low, high)),
        Outside::Ignored => Kept::Ignored,
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
