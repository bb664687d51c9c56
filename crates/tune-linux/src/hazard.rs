//! Values that are in range and would still hurt this host as it is used now.

use tune_host::{Around, Host};
use tune_model::Slot;
use tune_model::tunable::integers;

use crate::use_now::{memory, number_in, tcp_use};

/// Returns why a new value would be dangerous.
pub(crate) fn hazard(host: &dyn Host, slot: &Slot, value: &str, around: &Around<'_>) -> Option<String> {
    let wanted: i128 = value.parse().ok()?;
    let now =
        around.present.and_then(integers).and_then(|fields| fields.get(slot.field.unwrap_or(0)).copied());
    too_much_memory(host, slot, wanted)
        .or_else(|| out_of_order(slot, &integers(around.after)?))
        .or_else(|| below_use(host, slot, wanted, now?))
}

/// A tunable that takes memory away from everything else: what one of its unit takes, and how small a part of the
/// memory it may be.
struct Greedy {
    tunable: &'static str,
    field: Option<usize>,
    /// Bytes; nothing for a page.
    each: Option<i128>,
    share: i128,
    part: &'static str,
}

const GREEDY: &[Greedy] = &[
    Greedy { tunable: "net.ipv4.tcp_mem", field: Some(2), each: None, share: 2, part: "half" },
    Greedy { tunable: "net.ipv4.udp_mem", field: Some(2), each: None, share: 2, part: "half" },
    Greedy { tunable: "vm.min_free_kbytes", field: None, each: Some(1024), share: 10, part: "a tenth" },
    Greedy {
        tunable: "net.netfilter.nf_conntrack_buckets",
        field: None,
        each: Some(8),
        share: 10,
        part: "a tenth",
    },
];

fn too_much_memory(host: &dyn Host, slot: &Slot, wanted: i128) -> Option<String> {
    let greedy = GREEDY.iter().find(|row| row.tunable == slot.tunable && row.field == slot.field)?;
    let Some(ram) = host.stated_ram().or_else(|| memory(host.files())).map(i128::from) else {
        return Some(format!(
            "whether {slot} = {wanted} is too much of the memory is not known: state it with --ram"
        ));
    };
    let bytes = wanted.saturating_mul(greedy.each.unwrap_or(i128::from(host.page_size())));
    let unit = if greedy.each.is_none() { " pages" } else { "" };
    (bytes > ram / greedy.share).then(|| {
        let (taken, there, part) = (bytes >> 20, ram >> 20, greedy.part);
        format!("{slot} = {wanted}{unit}: {taken} MiB, more than {part} of the memory ({there} MiB)")
    })
}

/// Rows of limits are meant to ascend; the kernel does not check.
fn out_of_order(slot: &Slot, after: &[i128]) -> Option<String> {
    const ASCENDING: &[&str] =
        &["net.ipv4.tcp_mem", "net.ipv4.udp_mem", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"];
    let at = slot.field.filter(|at| ASCENDING.contains(&slot.tunable.as_str()) && *at < after.len())?;
    let (below, above) = after.split_at(at);
    let falls = below.last().is_some_and(|below| *below > after[at])
        || above.get(1).is_some_and(|above| *above < after[at]);
    falls.then(|| {
        let shown: Vec<_> = after.iter().map(ToString::to_string).collect();
        format!("{} = {} does not ascend", slot.tunable, shown.join(" "))
    })
}

fn below_use(host: &dyn Host, slot: &Slot, wanted: i128, now: i128) -> Option<String> {
    if wanted >= now {
        return None;
    }
    let files = host.files();
    let (used, what) = match (slot.tunable.as_str(), slot.field) {
        ("net.ipv4.tcp_mem", Some(2)) => (tcp_use(files)?.pages, "pages in use"),
        // A socket that looks stuck counts up to four times.
        ("net.ipv4.tcp_max_orphans", _) => (4 * tcp_use(files)?.orphans, "as orphans are counted at worst"),
        ("net.ipv4.tcp_max_tw_buckets", _) => (tcp_use(files)?.time_wait, "entries in use"),
        ("net.netfilter.nf_conntrack_max", _) => {
            (number_in(files, "/proc/sys/net/netfilter/nf_conntrack_count")?, "connections tracked")
        }
        ("fs.file-max", _) => (number_in(files, "/proc/sys/fs/file-nr")?, "files open"),
        _ => return None,
    };
    (wanted < used).then(|| format!("{slot} = {wanted} is below what is used now: {used} {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use tune_host::FakeHost;

    const RMEM: &str = "net.ipv4.tcp_rmem";

    fn of(slot: &Slot, value: &str, after: &str) -> Option<String> {
        let values = BTreeMap::<String, String>::new();
        let around = Around { present: Some("4096\t131072\t6291456"), after, values: &values };
        hazard(&FakeHost::new(), slot, value, &around)
    }

    #[test]
    fn a_row_is_judged_as_it_will_be() {
        let raised = "8192\t8388608\t16777216";
        for (field, value) in ["8192", "8388608", "16777216"].into_iter().enumerate() {
            assert_eq!(of(&Slot::field(RMEM, field), value, raised), None);
        }
        let crossed = "65536\t32768\t6291456";
        assert!(of(&Slot::field(RMEM, 0), "65536", crossed).is_some());
        assert!(of(&Slot::field(RMEM, 1), "32768", crossed).is_some());
        assert_eq!(of(&Slot::field(RMEM, 2), "6291456", crossed), None);
    }
}
