//! Values that the kernel takes and that would hurt this host as it is used now.

use tune_host::{Around, Host};
use tune_model::{Slot, Values};

use crate::buffers::{self, usable};
use crate::defaults::{Ground, page_cluster};
use crate::fin_wait_2::RECYCLE;
use crate::ground::number;
use crate::kernel::{CLUSTERS, FILES, MBUFS, SOCKETS};
use crate::settings::{INTERVAL, PROBES, longest_product};

/// Returns why a new value would be dangerous.
pub(crate) fn hazard(
    host: &dyn Host,
    ground: &Ground,
    slot: &Slot,
    value: &str,
    around: &Around<'_>,
) -> Option<String> {
    let wanted: i128 = value.parse().ok()?;
    let name = slot.tunable.as_str();
    product(name, around.values, ground.hz)
        .or_else(|| too_much_memory(name, wanted, around.values, ground))
        .or_else(|| too_large_for_a_buffer(name, wanted, around.values))
        .or_else(|| below_use(host, name, wanted))
}

/// The kernel multiplies interval and probes, also for FIN_WAIT_2: nothing stops the timer, too much overflows.
fn product(name: &str, values: &dyn Values, hz: i128) -> Option<String> {
    if ![INTERVAL, PROBES, RECYCLE].contains(&name) {
        return None;
    }
    let (interval, probes) = (values.integer(INTERVAL, 0).ok()?, values.integer(PROBES, 0).ok()?);
    let product = interval.saturating_mul(probes);
    if product > longest_product(hz) {
        return Some(format!(
            "{PROBES} = {probes} times {INTERVAL} = {interval} is more ticks than the kernel can count"
        ));
    }
    let recycling = values.integer(RECYCLE, 0).is_ok_and(|flag| flag != 0);
    (product <= 0 && (!recycling || name != RECYCLE)).then(|| {
        format!(
            "{PROBES} = {probes} times {INTERVAL} = {interval} is no time at all: keepalive drops healthy connections, \
             and without recycling closed ones stay in FIN_WAIT_2 for ever"
        )
    })
}

/// What one of each limit takes, in bytes.
fn weights(page: i128) -> [(&'static str, i128); 5] {
    let [clusters, page_size, nine, sixteen] = CLUSTERS;
    [(clusters, 2048), (page_size, page_cluster(page)), (nine, 9216), (sixteen, 16384), (MBUFS, 256)]
}

fn too_much_memory(name: &str, wanted: i128, values: &dyn Values, ground: &Ground) -> Option<String> {
    const MEMORY: &str = "kern.ipc.maxmbufmem";
    let weights = weights(ground.page);
    let each = weights.iter().find(|(limit, _)| *limit == name).map(|(_, bytes)| *bytes);
    if each.is_none() && name != MEMORY {
        return None;
    }
    let Some(ram) = ground.memory else {
        return Some(format!(
            "whether {name} = {wanted} is too much of the memory is not known: state it with --ram"
        ));
    };
    let taken = wanted.saturating_mul(each.unwrap_or(1));
    let all: i128 = weights.iter().map(|(limit, bytes)| values.integer(limit, 0).unwrap_or(0) * bytes).sum();
    let (bytes, part, words) = match name {
        MEMORY => (taken, ram / 4 * 3, "three quarters of the memory"),
        _ if taken > ram / 2 => (taken, ram / 2, "half of the memory"),
        _ => (all, ram / 4 * 3, "three quarters of the memory, with the other limits of mbufs"),
    };
    (bytes > part)
        .then(|| format!("{name} = {wanted}: {} MiB, more than {words} ({} MiB)", bytes >> 20, ram >> 20))
}

/// A socket whose first buffers exceed the limit cannot be made.
fn too_large_for_a_buffer(name: &str, wanted: i128, values: &dyn Values) -> Option<String> {
    if name != buffers::LIMIT && !buffers::FIRST.contains(&name) {
        return None;
    }
    let limit = usable(values.integer(buffers::LIMIT, 0).ok()?);
    let first = buffers::FIRST.iter().filter_map(|first| Some((*first, values.integer(first, 0).ok()?)));
    let (first, size) = first.max_by_key(|(_, size)| *size)?;
    (size > limit).then(|| {
        format!("{name} = {wanted}: {first} is {size}, and no socket can be made whose buffers exceed {limit} bytes")
    })
}

fn below_use(host: &dyn Host, name: &str, wanted: i128) -> Option<String> {
    let (counter, what) = match name {
        "kern.ipc.nmbclusters" => ("vm.uma.mbuf_cluster.stats.current", "clusters in use"),
        "kern.ipc.nmbjumbop" => ("vm.uma.mbuf_jumbo_page.stats.current", "clusters in use"),
        "kern.ipc.nmbjumbo9" => ("vm.uma.mbuf_jumbo_9k.stats.current", "clusters in use"),
        "kern.ipc.nmbjumbo16" => ("vm.uma.mbuf_jumbo_16k.stats.current", "clusters in use"),
        MBUFS => ("vm.uma.mbuf.stats.current", "mbufs in use"),
        SOCKETS => ("kern.ipc.numopensockets", "sockets open"),
        FILES => ("kern.openfiles", "files open"),
        _ => return None,
    };
    let used = number(host, counter)?;
    (wanted < used).then(|| format!("{name} = {wanted} is below what is used now: {used} {what}"))
}
