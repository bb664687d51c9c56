//! Values that the kernel takes and that would hurt this host as it is used now.

use tune_host::Around;
use tune_model::{Slot, Values};

use crate::buffers;
use crate::settings::{FIRST_PORT, LAST_PORT};

/// Returns why a new value would be dangerous.
pub(crate) fn hazard(slot: &Slot, value: &str, around: &Around<'_>) -> Option<String> {
    let wanted: i128 = value.parse().ok()?;
    limit_below_buffers(&slot.tunable, wanted, around.values)
        .or_else(|| few_ports(&slot.tunable, around.values))
}

/// The kernel lowers a limit under a larger buffer without a word; the next boot then refuses the buffer's line.
fn limit_below_buffers(tunable: &str, wanted: i128, values: &dyn Values) -> Option<String> {
    let buffers = buffers::bounded_by(tunable)?;
    let larger = buffers.iter().find(|buffer| values.integer(buffer, 0).is_ok_and(|size| size > wanted))?;
    let size = values.integer(larger, 0).ok()?;
    Some(format!("{tunable} = {wanted} is less than {larger} = {size}, what every connection gets"))
}

fn few_ports(tunable: &str, values: &dyn Values) -> Option<String> {
    const FEW: i128 = 1000;
    if ![FIRST_PORT, LAST_PORT].contains(&tunable) {
        return None;
    }
    let (low, high) = (values.integer(FIRST_PORT, 0).ok()?, values.integer(LAST_PORT, 0).ok()?);
    let ports = high - low + 1;
    (ports < FEW)
        .then(|| format!("{FIRST_PORT} = {low} and {LAST_PORT} = {high} leave {} ports", ports.max(0)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_limit_under_what_connections_get_is_dangerous() {
        let values: BTreeMap<String, String> = [(buffers::SEND, "49152"), (buffers::RECEIVE, "128000")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let around = Around { present: None, after: "65536", values: &values };
        let slot = Slot::whole(buffers::LIMIT);
        assert!(hazard(&slot, "65536", &around).is_some_and(|why| why.contains("recv_buf = 128000")));
        assert_eq!(hazard(&slot, "128000", &around), None);
    }
}
