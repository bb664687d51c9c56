//! Values that are in range and would still hurt this host as it is used now.

use tune_host::Host;
use tune_model::Slot;
use tune_model::tunable::integers;

use crate::use_now::{memory, number_in, tcp_use};

/// Returns why a new value would be dangerous; `present` is the tunable's live text when it is the live value that
/// changes.
pub(crate) fn hazard(host: &dyn Host, slot: &Slot, value: &str, present: Option<&str>) -> Option<String> {
    let wanted: i128 = value.parse().ok()?;
    let present = present.and_then(integers);
    let now = present.as_ref().and_then(|fields| fields.get(slot.field.unwrap_or(0)).copied());
    too_much_memory(host, slot, wanted)
        .or_else(|| out_of_order(slot, wanted, present.as_deref()?))
        .or_else(|| below_use(host, slot, wanted, now?))
}

const PAGES: &[&str] = &["net.ipv4.tcp_mem", "net.ipv4.udp_mem"];

fn too_much_memory(host: &dyn Host, slot: &Slot, wanted: i128) -> Option<String> {
    if !PAGES.contains(&slot.tunable.as_str()) || slot.field != Some(2) {
        return None;
    }
    let Some(ram) = host.stated_ram().or_else(|| memory(host.files())).map(i128::from) else {
        return Some(format!(
            "whether {slot} = {wanted} is more than half of the memory is not known: state it with --ram"
        ));
    };
    let bytes = wanted * i128::from(host.page_size());
    (bytes > ram / 2).then(|| {
        format!(
            "{slot} = {wanted} pages are {} MiB, more than half of the memory ({} MiB)",
            bytes >> 20,
            ram >> 20
        )
    })
}

/// Rows of limits are meant to ascend; the kernel does not check.
fn out_of_order(slot: &Slot, wanted: i128, fields: &[i128]) -> Option<String> {
    const ASCENDING: &[&str] =
        &["net.ipv4.tcp_mem", "net.ipv4.udp_mem", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"];
    let at = slot.field.filter(|_| ASCENDING.contains(&slot.tunable.as_str()))?;
    let mut after = fields.to_vec();
    *after.get_mut(at)? = wanted;
    (!after.is_sorted()).then(|| {
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
