//! Socket buffers: what a connection gets whose application asks for nothing, and the most that one may ask for.
//!
//! Source: illumos inet/tunables.c `mod_set_buf_prop`: a buffer above the *current* limit is refused, a limit below the
//! current buffer is not.

use tune_host::{Targets, Unsolvable, solve_scalar};
use tune_model::{Effective, Kind, Limits, Quantity, Slot, Storable, Unread, Values};

use crate::fresh::Family;
use crate::settings::accepted;

pub(crate) const SEND: &str = "ipadm.tcp.send_buf";
pub(crate) const RECEIVE: &str = "ipadm.tcp.recv_buf";
pub(crate) const LIMIT: &str = "ipadm.tcp.max_buf";

/// Returns the limit that a buffer must not exceed, where the tunable is a buffer.
pub(crate) fn limit_of(tunable: &str) -> Option<String> {
    let protocol = tunable.strip_suffix(".send_buf").or_else(|| tunable.strip_suffix(".recv_buf"))?;
    Some(format!("{protocol}.max_buf"))
}

/// Returns the buffers that a limit bounds, where the tunable is a limit.
pub(crate) fn bounded_by(tunable: &str) -> Option<[String; 2]> {
    let protocol = tunable.strip_suffix(".max_buf")?;
    Some([format!("{protocol}.send_buf"), format!("{protocol}.recv_buf")])
}

pub(crate) fn effective(
    tunable: &str,
    values: &dyn Values,
    cautions: &mut Vec<String>,
) -> Result<Effective, Unread> {
    let (buffer, limit) = (values.integer(tunable, 0)?, values.integer(LIMIT, 0)?);
    if limit < buffer {
        cautions.push(format!("{tunable} is {buffer}, more than {LIMIT} = {limit} lets a program ask for"));
    }
    let bytes = |number| Quantity::from_scalar(Kind::Bytes, number);
    Ok(match (bytes(buffer), bytes(limit.max(buffer))) {
        (Some(low), Some(high)) if low == high => Effective::Exact(low),
        (Some(low), Some(high)) => Effective::Between { low, high },
        _ => Effective::Unbounded,
    })
}

pub(crate) fn storable(tunable: &str, family: Option<Family>) -> Storable {
    let (low, high) = accepted(tunable, family);
    Storable::every(1, low, high)
}

/// Raises the limit where a buffer would not fit under it: kernels refuse a buffer above the present limit.
pub(crate) fn prepare(targets: &mut Targets, values: &dyn Values) {
    let planned = |targets: &Targets, name: &str| -> Option<i128> {
        let target = targets.get(&Slot::whole(name)).and_then(|value| value.parse().ok());
        target.or_else(|| values.integer(name, 0).ok())
    };
    let wanted: Vec<(String, i128)> = targets
        .iter()
        .filter_map(|(slot, value)| Some((limit_of(&slot.tunable)?, value.parse().ok()?)))
        .collect();
    for (limit, buffer) in wanted {
        if planned(targets, &limit).is_some_and(|present| present < buffer) {
            targets.insert(Slot::whole(limit), buffer.to_string());
        }
    }
}

/// Plans the buffer, and the limit around it.
pub(crate) fn solve(
    tunable: &str,
    limits: &Limits,
    values: &dyn Values,
    family: Option<Family>,
) -> Result<Targets, Unsolvable> {
    let read = |name| values.integer(name, 0).map_err(|unread| Unsolvable::Unreadable(unread.to_string()));
    let (buffer, limit) = (read(tunable)?, read(LIMIT)?);
    let present =
        |number| Quantity::from_scalar(Kind::Bytes, number).map_or(Effective::Unbounded, Effective::Exact);
    let wanted = solve_scalar(Kind::Bytes, &storable(tunable, family), limits, &present(buffer))?;
    let around =
        Limits { at_least: Quantity::from_scalar(Kind::Bytes, wanted), prefer: None, ..limits.clone() };
    let raised = solve_scalar(Kind::Bytes, &storable(LIMIT, family), &around, &present(limit))?;
    let slot = |name: &str, number: i128| (Slot::whole(name), number.to_string());
    Ok(Targets::from([slot(tunable, wanted), slot(LIMIT, raised)]))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use super::*;

    fn host(buffer: i128, limit: i128) -> BTreeMap<String, String> {
        BTreeMap::from([(RECEIVE.to_owned(), buffer.to_string()), (LIMIT.to_owned(), limit.to_string())])
    }

    fn within(low: Option<u64>, high: Option<u64>) -> Limits {
        Limits { at_least: low.map(Quantity::Bytes), at_most: high.map(Quantity::Bytes), ..Limits::default() }
    }

    #[test]
    fn it_is_what_an_application_gets_up_to_what_it_may_ask_for() {
        let mut cautions = Vec::new();
        let found = effective(RECEIVE, &host(128_000, 1 << 20), &mut cautions).unwrap();
        let (low, high) = (Quantity::Bytes(128_000), Quantity::Bytes(1 << 20));
        assert_eq!((found, cautions.len()), (Effective::Between { low, high }, 0));
        effective(RECEIVE, &host(128_000, 65_536), &mut cautions).unwrap();
        assert_eq!(cautions.len(), 1);
    }

    #[test]
    fn a_buffer_takes_its_limit_with_it() {
        let mut targets = Targets::from([(Slot::whole(RECEIVE), "4194304".to_owned())]);
        prepare(&mut targets, &host(128_000, 1 << 20));
        assert_eq!(targets[&Slot::whole(LIMIT)], "4194304");
        let mut targets = Targets::from([(Slot::whole(RECEIVE), "65536".to_owned())]);
        prepare(&mut targets, &host(128_000, 1 << 20));
        assert_eq!(targets.len(), 1);
    }

    #[test]
    fn the_limit_moves_only_where_it_has_to() {
        for (limits, buffer, limit, expected) in [
            (within(Some(1 << 20), None), 128_000, 1 << 20, (1 << 20, 1 << 20)),
            (within(Some(4 << 20), None), 128_000, 1 << 20, (4 << 20, 4 << 20)),
            (within(Some(1 << 20), None), 128_000, 8 << 20, (1 << 20, 8 << 20)),
            (within(None, Some(65_536)), 128_000, 1 << 20, (65_536, 65_536)),
            (within(None, Some(1 << 20)), 128_000, 8 << 20, (128_000, 1 << 20)),
        ] {
            let targets = solve(RECEIVE, &limits, &host(buffer, limit), None).unwrap();
            let (buffer, limit): (i128, i128) = expected;
            assert_eq!(targets[&Slot::whole(RECEIVE)], buffer.to_string(), "{limits}");
            assert_eq!(targets[&Slot::whole(LIMIT)], limit.to_string(), "{limits}");
        }
    }
}
