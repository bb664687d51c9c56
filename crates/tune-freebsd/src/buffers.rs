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
