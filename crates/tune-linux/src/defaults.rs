//! What the kernel makes a tunable when nobody sets it.
//!
//! Some defaults are computed at boot from memory that was free then. They cannot be computed again to the page, so a
//! value that lies where the rule puts it is taken for the default, and any other is not guessed.

use std::cell::LazyCell;

use tune_host::{Files, Host};
use tune_model::Tunable;
use tune_model::tunable::{integer, integers};

/// What the rules are computed from.
pub(crate) struct Ground<'a> {
    /// The kernel's release, as numbers.
    release: Option<(u32, u32)>,
    /// Entries of the TCP hash table.
    hash_entries: Option<i128>,
    /// Pages in the low zones above their high watermark; the kernel takes its time to count them.
    free_pages: LazyCell<Option<i128>, Box<dyn FnOnce() -> Option<i128> + 'a>>,
    /// Bytes that the kernel manages.
    total: LazyCell<Option<i128>, Box<dyn FnOnce() -> Option<i128> + 'a>>,
    page: i128,
}

const HASH_ENTRIES: &str = "net.ipv4.tcp_ehash_entries";

impl<'a> Ground<'a> {
    pub(crate) fn of(host: &'a dyn Host) -> Self {
        let read = host.read_tunables(&[HASH_ENTRIES]).pop().and_then(Result::ok);
        Self {
            release: host.identity().release.as_deref().and_then(numbers).or_else(|| installed(host)),
            // Negative in a namespace that shares the host's table.
            hash_entries: read.and_then(|text| integer(text.trim())).map(i128::abs),
            free_pages: LazyCell::new(Box::new(|| free_pages(host.files()))),
            total: LazyCell::new(Box::new(|| total(host.files()))),
            page: host.page_size().into(),
        }
    }

    /// Returns the default of a tunable as the kernel shows it; `live` helps to tell where the rule leaves room.
    pub(crate) fn default_of(&self, row: &Tunable, live: Option<&str>) -> Option<String> {
        if let Some(constant) = constant(row) {
            return Some(constant);
        }
        let live = live.and_then(integers);
        match row.default_rule.as_deref()? {
            "kernel-version" => self.by_release(row, live.as_deref()),
            "ehash/2" => self.hash_entries.map(|entries| (entries / 2).to_string()),
            "ehash/128-min-128" => self.hash_entries.map(|entries| (entries / 128).max(128).to_string()),
            "page-size" => Some(if self.before((6, 0))? { 4096 } else { self.page }.to_string()),
            "tcp_mem" => self.memory(live.as_deref(), 16),
            "udp_mem" => self.memory(live.as_deref(), 8),
            "tcp_rmem" => self.buffers(live.as_deref(), 131_072, &[6 << 20, 32 << 20]),
            "tcp_wmem" => self.buffers(live.as_deref(), 65_536, &[4 << 20]),
            _ => None,
        }
    }

    /// Tells whether a live value is what connection tracking starts with on this machine. It is no default to plan with: a
    /// value that somebody sets may be just that one.
    pub(crate) fn is_as_loaded(&self, row: &Tunable, live: &str) -> bool {
        let live = integers(live);
        let found = match row.default_rule.as_deref() {
            Some("conntrack_buckets") => self.tracked(live.as_deref(), 1),
            Some("conntrack_max") => self.tracked(live.as_deref(), 4),
            _ => None,
        };
        found.is_some()
    }

    fn before(&self, release: (u32, u32)) -> Option<bool> {
        self.release.map(|this| this < release)
    }

    /// Distributions carry changes back, so a live value that any release has counts.
    fn by_release(&self, row: &Tunable, live: Option<&[i128]>) -> Option<String> {
        let known = |values: &&(String, Vec<i128>)| Some(values.1.as_slice()) == live;
        let here = |values: &&(String, Vec<i128>)| {
            numbers(&values.0).is_some_and(|since| Some(since) <= self.release)
        };
        let found =
            row.default_since.iter().find(known).or_else(|| row.default_since.iter().rev().find(here));
        found.map(|(_, values)| shown(values))
    }

    /// `tcp_mem` and `udp_mem`: L = free pages / `share`, at least 128, then 3/4 L, L, 3/2 L.
    fn memory(&self, live: Option<&[i128]>, share: i128) -> Option<String> {
        let pressure = ((*self.free_pages)? / share).max(128);
        let low = pressure / 4 * 3;
        plausible(live?, &[low, pressure, 2 * low])
    }

    /// The last field is free memory / 128, between a floor and one of some caps.
    fn buffers(&self, live: Option<&[i128]>, floor: i128, caps: &[i128]) -> Option<String> {
        let live = live?;
        let share = (*self.free_pages)? * self.page / 128;
        let middle = live.get(1)?;
        let expected = |cap: &i128| {
            plausible(live, &[4096.max(live[0].min(self.page)), *middle, share.min(*cap).max(floor)])
        };
        let usual = [16_384, 87_380, 131_072].contains(middle);
        caps.iter().find_map(expected).filter(|_| usual)
    }

    /// Buckets of the connection tracking table, or how many connections it takes when its size was not given: as many
    /// since 5.15, `older` times as many of fewer buckets before.
    ///
    /// Source: net/netfilter/nf_conntrack_core.c `nf_conntrack_init_start`, `nf_ct_alloc_hashtable`; Linux commit d532bcd0b269.
    fn tracked(&self, live: Option<&[i128]>, older: i128) -> Option<String> {
        const GIB: i128 = 1 << 30;
        const POINTER: i128 = 8;
        let total = (*self.total)?;
        let buckets = |above: [i128; 2], least: i128| match total {
            large if large > 4 * GIB => above[0],
            middling if middling > GIB => above[1],
            small => (small / 16_384 / POINTER).max(least),
        };
        let whole = |buckets: i128| {
            let step = self.page / POINTER;
            (buckets + step - 1) / step * step
        };
        let rules = [(buckets([262_144, 65_536], 1024), 1), (buckets([65_536, 16_384], 32), older)];
        rules.iter().find_map(|(buckets, times)| plausible(live?, &[whole(*buckets) * times]))
    }
}

/// Returns the live values where each is within 5 % of what is expected.
fn plausible(live: &[i128], expected: &[i128]) -> Option<String> {
    let near = |(live, expected): (&i128, &i128)| (live - expected).abs() * 20 <= *expected;
    (live.len() == expected.len() && live.iter().zip(expected).all(near)).then(|| shown(live))
}

fn constant(row: &Tunable) -> Option<String> {
    match row.default.as_slice() {
        [] if row.is_text() && row.default_rule.is_none() => Some(String::new()),
        [] => None,
        values => Some(shown(values)),
    }
}

fn shown(values: &[i128]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join("\t")
}

/// Returns the newest kernel whose modules are installed, as an image has no running one.
fn installed(host: &dyn Host) -> Option<(u32, u32)> {
    let directories =
        ["/usr/lib/modules", "/lib/modules"].iter().map(|path| host.files().names(path.as_ref()));
    let names = directories.flatten().flatten();
    names.filter_map(|name| numbers(name.to_str()?)).max()
}

/// Reads the first two numbers of a release such as `6.18.44-cloud`.
pub(crate) fn numbers(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Returns the memory that the kernel manages. Source: /proc/meminfo, `MemTotal`.
fn total(files: &dyn Files) -> Option<i128> {
    let text = String::from_utf8(files.read("/proc/meminfo".as_ref()).ok()?).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    integer(line.split_whitespace().next()?).and_then(|kib| kib.checked_mul(1024))
}

/// Sums the pages of the zones that ordinary allocations use, above the high watermark.
///
/// Source: Linux mm/page_alloc.c nr_free_buffer_pages; /proc/zoneinfo.
fn free_pages(files: &dyn Files) -> Option<i128> {
    let text = String::from_utf8(files.read("/proc/zoneinfo".as_ref()).ok()?).ok()?;
    let mut total = 0;
    let mut counted = false;
    let mut high = 0;
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some("Node"), _) => {
                counted =
                    ["DMA", "DMA32", "Normal"].contains(&line.split_whitespace().last().unwrap_or_default());
            }
            (Some("high"), Some(value)) => high = integer(value)?,
            (Some("managed"), Some(value)) if counted => total += (integer(value)? - high).max(0),
            _ => {}
        }
    }
    (total > 0).then_some(total)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tune_model::{Catalog, System};

    /// The host of the captures: 24 GB, 262144 hash entries, Linux 6.18.
    fn ground() -> Ground<'static> {
        Ground {
            release: Some((6, 18)),
            hash_entries: Some(262_144),
            free_pages: LazyCell::new(Box::new(|| Some(6_141_872))),
            total: LazyCell::new(Box::new(|| Some(24 << 30))),
            page: 4096,
        }
    }

    fn default_of(name: &str, live: &str) -> Option<String> {
        ground().default_of(Catalog::of(System::Linux).get(name).unwrap(), Some(live))
    }

    #[test]
    fn the_rules_give_what_an_untouched_kernel_shows() {
        for (name, shown) in [
            ("net.ipv4.tcp_fin_timeout", "60"),
            ("net.ipv4.tcp_max_orphans", "131072"),
            ("net.ipv4.tcp_max_tw_buckets", "131072"),
            ("net.ipv4.tcp_max_syn_backlog", "2048"),
            ("net.core.somaxconn", "4096"),
            ("net.ipv4.tcp_mem", "287898\t383867\t575796"),
            ("net.ipv4.udp_mem", "575799\t767734\t1151598"),
            ("net.ipv4.tcp_rmem", "4096\t131072\t33554432"),
            ("net.ipv4.tcp_wmem", "4096\t16384\t4194304"),
            ("net.ipv4.ip_local_port_range", "32768\t60999"),
        ] {
            assert_eq!(default_of(name, shown).as_deref(), Some(shown), "{name}");
        }
    }

    #[test]
    fn a_changed_value_is_not_taken_for_the_default() {
        assert_eq!(default_of("net.ipv4.tcp_mem", "65536\t98304\t131072"), None);
        assert_eq!(default_of("net.core.somaxconn", "1024").as_deref(), Some("4096"));
    }

    #[test]
    fn the_size_of_connection_tracking_follows_the_memory() {
        const MAX: &str = "net.netfilter.nf_conntrack_max";
        const BUCKETS: &str = "net.netfilter.nf_conntrack_buckets";
        let of = |total: i128, name: &str, live: &str| {
            let ground = Ground { total: LazyCell::new(Box::new(move || Some(total))), ..ground() };
            let row = Catalog::of(System::Linux).get(name).unwrap();
            assert_eq!(ground.default_of(row, Some(live)), None);
            ground.is_as_loaded(row, live)
        };
        for (total, name, live) in [
            (24 << 30, MAX, "262144"),
            (2 << 30, MAX, "65536"),
            (512 << 20, MAX, "4096"),
            (512 << 20, BUCKETS, "4096"),
            (1 << 20, BUCKETS, "1024"),
            // Before 5.15.
            (2 << 30, BUCKETS, "16384"),
            (24 << 30, BUCKETS, "65536"),
        ] {
            assert!(of(total, name, live), "{name} at {total}");
        }
        assert!(!of(24 << 30, MAX, "1048576"));
        assert!(!of(2 << 30, MAX, "500000"));
    }

    #[test]
    fn zones_larger_than_any_are_no_reason_to_panic() {
        let zones = "Node 0, zone Normal\n high -1\n managed 170141183460469231731687303715884105727\n";
        let files = tune_host::MemoryFiles::default().with("/proc/zoneinfo", zones);
        assert_eq!(free_pages(&files), None);
    }

    #[test]
    fn a_live_value_larger_than_any_is_not_the_default() {
        assert_eq!(default_of("net.ipv4.tcp_mem", "-170141183460469231731687303715884105727\t1\t1"), None);
    }
}
