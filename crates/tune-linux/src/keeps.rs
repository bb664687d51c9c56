//! What the kernel keeps of what it is given, beyond the range of each number.

use tune_host::Host;
use tune_model::tunable::integers;
use tune_model::{Catalog, Slot, Storable, System};

const BUCKETS: &str = "net.netfilter.nf_conntrack_buckets";
const PORTS: &str = "net.ipv4.ip_local_port_range";
const RESERVED: &str = "net.ipv4.ip_local_reserved_ports";
/// The lowest port that any process may bind.
const UNPRIVILEGED: &str = "net.ipv4.ip_unprivileged_port_start";
/// The size of a pointer, of which the hash table of connection tracking is made.
const POINTER: i128 = 8;
/// The kernel looks at one page less one byte of what is written, the newline included.
const LONGEST: usize = 4094;

/// Returns the numbers that a native slot keeps as they are given.
///
/// Source for the buckets: net/netfilter/nf_conntrack_core.c `nf_ct_alloc_hashtable`, which fills whole pages; measured.
pub(crate) fn numbers(slot: &Slot, page: u64) -> Storable {
    let row = Catalog::of(System::Linux).get(&slot.tunable);
    let accepted = row.and_then(|row| row.accepted_in(slot.field));
    let (low, high) = accepted.unwrap_or((i128::from(i32::MIN), i128::from(i32::MAX)));
    if slot.tunable == BUCKETS {
        let step = i128::from(page) / POINTER;
        return Storable::every(step, step, high);
    }
    Storable::every(1, low, high)
}

/// Returns why the kernel would refuse a whole text of which each number is in range.
pub(crate) fn refuses(host: &dyn Host, tunable: &str, text: &str) -> Option<String> {
    match tunable {
        PORTS => refuses_ports(host, &integers(text)?),
        RESERVED if text.len() > LONGEST => Some(format!(
            "{tunable}: a list of {} bytes is longer than the {LONGEST} that the kernel takes at once",
            text.len()
        )),
        _ => None,
    }
}

/// Source: net/ipv4/sysctl_net_ipv4.c `ipv4_local_port_range`; measured.
fn refuses_ports(host: &dyn Host, ports: &[i128]) -> Option<String> {
    let &[first, last] = ports else { return None };
    if first > last {
        return Some(format!("{PORTS} = {first} {last}: the kernel refuses a first port above the last"));
    }
    let read = host.read_tunables(&[UNPRIVILEGED]).pop().and_then(Result::ok);
    let lowest = read.and_then(|text| text.trim().parse().ok()).unwrap_or(1024);
    (first < lowest).then(|| {
        format!("{PORTS} = {first} {last}: the kernel refuses ports below {UNPRIVILEGED}, which is {lowest}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tune_host::FakeHost;

    #[test]
    fn a_hash_table_fills_whole_pages() {
        let storable = |page| numbers(&Slot::whole(BUCKETS), page);
        assert_eq!(storable(4096).ceil(5000), Some(5120));
        assert_eq!(storable(4096).floor(5000), Some(4608));
        assert_eq!(storable(65_536).ceil(1), Some(8192));
        assert!(storable(4096).contains(65_536) && !storable(4096).contains(65_537));
    }

    #[test]
    fn ports_are_refused_that_the_kernel_refuses() {
        let host = FakeHost::new().with_tunable(UNPRIVILEGED, "1024");
        assert_eq!(refuses(&host, PORTS, "1024\t65535"), None);
        assert_eq!(refuses(&host, PORTS, "2000\t2000"), None);
        assert!(refuses(&host, PORTS, "1023\t65535").is_some_and(|why| why.contains("which is 1024")));
        assert!(refuses(&host, PORTS, "2001\t2000").is_some_and(|why| why.contains("above the last")));
        let open = FakeHost::new().with_tunable(UNPRIVILEGED, "80");
        assert_eq!(refuses(&open, PORTS, "80\t65535"), None);
    }

    #[test]
    fn a_list_is_no_longer_than_a_page() {
        assert_eq!(refuses(&FakeHost::new(), RESERVED, &"1".repeat(4094)), None);
        assert!(refuses(&FakeHost::new(), RESERVED, &"1".repeat(4095)).is_some());
    }
}
