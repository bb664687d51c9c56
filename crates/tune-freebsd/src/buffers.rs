//! Socket buffers: what automatic sizing may reach, and the limit that cuts every buffer.
//!
//! Source: sys/kern/uipc_sockbuf.c `sbreserve_locked`, `sysctl_handle_sb_max`.

use tune_host::{Targets, Unsolvable, solve_scalar};
use tune_model::{Effective, Kind, Limits, Quantity, Slot, Storable, Unread, Values};

use crate::settings::accepted;

pub(crate) const SEND: &str = "net.inet.tcp.sendbuf_max";
pub(crate) const RECEIVE: &str = "net.inet.tcp.recvbuf_max";
/// What a connection starts with.
pub(crate) const FIRST: [&str; 2] = ["net.inet.tcp.sendspace", "net.inet.tcp.recvspace"];
/// The limit of one socket buffer, of which the bookkeeping takes a ninth.
pub(crate) const LIMIT: &str = "kern.ipc.maxsockbuf";

/// A cluster, and a cluster with its mbuf.
const CLUSTER: i128 = 2048;
const CLUSTER_AND_MBUF: i128 = 2304;

/// Returns the largest buffer under a limit.
pub(crate) const fn usable(limit: i128) -> i128 {
    limit * CLUSTER / CLUSTER_AND_MBUF
}

/// Returns the smallest limit under which a buffer fits.
const fn limit_for(buffer: i128) -> i128 {
    (buffer * CLUSTER_AND_MBUF + CLUSTER - 1) / CLUSTER
}

pub(crate) fn effective(
    tunable: &str,
    values: &dyn Values,
    cautions: &mut Vec<String>,
) -> Result<Effective, Unread> {
    let (buffer, limit) = (values.integer(tunable, 0)?, values.integer(LIMIT, 0)?);
    let usable = usable(limit);
    if buffer > usable {
        cautions.push(format!("{tunable} is {buffer}, and {LIMIT} cuts every buffer to {usable}"));
    }
    let found = Quantity::from_scalar(Kind::Bytes, buffer.min(usable));
    Ok(found.map_or(Effective::Unbounded, Effective::Exact))
}

pub(crate) fn storable(tunable: &str) -> Storable {
    let (low, high) = accepted(tunable);
    Storable::every(1, low.max(1), high)
}

/// Plans the buffer, and the limit where it would cut the buffer.
pub(crate) fn solve(
    tunable: &str,
    limits: &Limits,
    values: &dyn Values,
    jailed: bool,
) -> Result<Targets, Unsolvable> {
    let read = |name| values.integer(name, 0).map_err(|unread| Unsolvable::Unreadable(unread.to_string()));
    let (buffer, limit) = (read(tunable)?, read(LIMIT)?);
    let present = buffer.min(usable(limit));
    let effective =
        Quantity::from_scalar(Kind::Bytes, present).map_or(Effective::Unbounded, Effective::Exact);
    let wanted = solve_scalar(Kind::Bytes, &storable(tunable), limits, &effective)?;
    let mut targets = Targets::new();
    if wanted < present || wanted > buffer {
        targets.insert(Slot::whole(tunable), wanted.to_string());
    }
    if wanted > usable(limit) {
        if jailed {
            let message = format!("{LIMIT} cuts every buffer to {}, and belongs to the host", usable(limit));
            return Err(Unsolvable::NotStorable { message, neighbours: Vec::new() });
        }
        targets.insert(Slot::whole(LIMIT), limit_for(wanted).to_string());
    }
    Ok(targets)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use super::*;

    fn host(buffer: i128, limit: i128) -> BTreeMap<String, String> {
        BTreeMap::from([(SEND.to_owned(), buffer.to_string()), (LIMIT.to_owned(), limit.to_string())])
    }

    fn at_least(bytes: u64) -> Limits {
        Limits { at_least: Some(Quantity::Bytes(bytes)), ..Limits::default() }
    }

    fn plan(limits: &Limits, host: &BTreeMap<String, String>) -> Vec<(String, String)> {
        let targets = solve(SEND, limits, host, false).unwrap();
        targets.into_iter().map(|(slot, value)| (slot.tunable, value)).collect()
    }

    #[test]
    fn a_ninth_of_the_limit_cannot_be_used() {
        let mut cautions = Vec::new();
        let found = effective(SEND, &host(2_097_152, 2_097_152), &mut cautions).unwrap();
        assert_eq!(found, Effective::Exact(Quantity::Bytes(1_864_135)));
        assert_eq!(cautions.len(), 1);
        assert_eq!(usable(limit_for(4 << 20)), 4 << 20);
        assert!(usable(limit_for(4 << 20) - 1) < 4 << 20);
    }

    #[test]
    fn the_limit_is_raised_where_it_would_cut_and_only_there() {
        let limit = (LIMIT.to_owned(), "4718592".to_owned());
        let buffer = (SEND.to_owned(), "4194304".to_owned());
        assert_eq!(plan(&at_least(4 << 20), &host(2 << 20, 2 << 20)), [limit.clone(), buffer.clone()]);
        assert_eq!(plan(&at_least(4 << 20), &host(2 << 20, 16 << 20)), [buffer]);
        // A buffer that an operator has set larger stays.
        assert_eq!(plan(&at_least(4 << 20), &host(8 << 20, 2 << 20)), [limit]);
        assert!(solve(SEND, &at_least(4 << 20), &host(8 << 20, 2 << 20), true).is_err());
    }
}
