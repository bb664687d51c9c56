//! Computes what a kernel should have chosen for itself from the memory of its machine.

use serde_json::{Value, json};
use std::fs;
use std::io;
use std::process::Command;

const PAGE: u64 = 4096;
/// How far a computed value may be off: boot frees a few pages without saying so.
const TOLERANCE_PER_MILLE: u64 = 2;

/// How a key's default comes about.
pub enum Rule {
    /// The same on every machine, given as the kernel shows it.
    Fixed(&'static str),
    /// Differs between releases, so it is recorded and not judged.
    Recorded,
    /// A part of low memory in pages: three quarters, the whole and one and a half of `pages / divisor`.
    Pages { divisor: u64 },
    /// First and middle value fixed, the last a 128th of low memory in bytes between two limits.
    Buffer { first: u64, middle: u64, least: u64, most: u64 },
    /// TCP's table of connections divided by this, but not less than `least`.
    Hash { divisor: u64, least: u64 },
    /// Buckets of connection tracking: by steps of memory.
    Conntrack,
    /// Square root of low memory, or what huge pages ask for.
    MinFree,
    /// A tenth of memory in KiB, less what the kernel itself took.
    FileMax,
}

/// The sizes of a machine that defaults depend on.
pub struct Sizes {
    managed_pages: u64,
    managed_less_high: u64,
    zones: u64,
    total_kib: u64,
    hash: u64,
    huge_pages: bool,
}

impl Sizes {
    /// Reads the sizes as they were when the network came up, before boot memory was freed.
    pub fn read() -> io::Result<Self> {
        let zones = managed_and_high(&fs::read_to_string("/proc/zoneinfo")?);
        let managed: u64 = zones.iter().map(|zone| zone.0).sum();
        let high: u64 = zones.iter().map(|zone| zone.1).sum();
        let freed = freed_pages(&String::from_utf8_lossy(&Command::new("/bin/dmesg").output()?.stdout));
        Ok(Self {
            managed_pages: managed - freed,
            managed_less_high: managed - high - freed,
            zones: zones.iter().filter(|zone| zone.0 > 0).count() as u64,
            total_kib: number_after(&fs::read_to_string("/proc/meminfo")?, "MemTotal:"),
            hash: fs::read_to_string("/proc/sys/net/ipv4/tcp_ehash_entries")?.trim().parse().unwrap_or(0),
            huge_pages: !fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled")?
                .contains("[never]"),
        })
    }

    /// Holds a default against its rule; `agrees` is null where the rule does not judge.
    pub fn judge(&self, key: &str, rule: &Rule, shown: &str) -> Value {
        let found: Vec<u64> = shown.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let (predicted, agrees) = match rule {
            Rule::Recorded => (None, None),
            Rule::FileMax => {
                let tenth = self.total_kib / 10;
                (Some(vec![tenth]), Some(found[0] <= tenth && found[0] >= tenth * 9 / 10))
            }
            _ => {
                let predicted = self.predict(rule);
                let agrees = close(&predicted, &found);
                (Some(predicted), Some(agrees))
            }
        };
        json!({"key": key, "default": shown, "predicted": predicted, "agrees": agrees})
    }

    fn predict(&self, rule: &Rule) -> Vec<u64> {
        match rule {
            Rule::Fixed(text) => text.split_whitespace().filter_map(|word| word.parse().ok()).collect(),
            Rule::Pages { divisor } => {
                let middle = (self.managed_less_high / divisor).max(128);
                let low = middle / 4 * 3;
                vec![low, middle, low * 2]
            }
            Rule::Buffer { first, middle, least, most } => {
                let share = self.managed_less_high * PAGE / 128;
                vec![*first, *middle, share.min(*most).max(*least)]
            }
            Rule::Hash { divisor, least } => vec![(self.hash / divisor).max(*least)],
            Rule::Conntrack => vec![self.conntrack_buckets()],
            Rule::MinFree => vec![self.min_free_kib()],
            Rule::Recorded | Rule::FileMax => Vec::new(),
        }
    }

    /// Above 1 and 4 GiB fixed numbers, below one 8-byte bucket per 128 KiB, in whole pages of buckets.
    fn conntrack_buckets(&self) -> u64 {
        const GIB_IN_KIB: u64 = 1 << 20;
        match self.total_kib {
            kib if kib > 4 * GIB_IN_KIB => 262_144,
            kib if kib > GIB_IN_KIB => 65_536,
            kib => (kib / 128).max(1024).next_multiple_of(PAGE / 8),
        }
    }

    /// Huge pages want eleven blocks of 2 MiB per zone, but no more than a twentieth of low memory.
    fn min_free_kib(&self) -> u64 {
        let root = (self.managed_pages * PAGE / 1024 * 16).isqrt();
        let wanted = (self.zones * 11 * 512).min(self.managed_less_high / 20) * PAGE / 1024;
        if self.huge_pages { root.max(wanted) } else { root }
    }
}

fn close(predicted: &[u64], found: &[u64]) -> bool {
    let near = |(want, have): (&u64, &u64)| want.abs_diff(*have) <= have * TOLERANCE_PER_MILLE / 1000 + 1;
    predicted.len() == found.len() && predicted.iter().zip(found).all(near)
}

/// Managed pages and high watermark of each zone.
fn managed_and_high(zoneinfo: &str) -> Vec<(u64, u64)> {
    zoneinfo
        .split("Node ")
        .skip(1)
        .map(|zone| (number_after(zone, "managed "), number_after(zone, "high ")))
        .collect()
}

/// The number that follows the first place where a line starts with `label`, else 0.
fn number_after(text: &str, label: &str) -> u64 {
    let rest = text.lines().find_map(|line| line.trim_start().strip_prefix(label));
    rest.and_then(|rest| rest.split_whitespace().next()).and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// Pages that the kernel log says were freed at the end of boot ("Freeing … memory: 3552K").
fn freed_pages(log: &str) -> u64 {
    log.lines()
        .filter(|line| line.contains("Freeing initrd") || line.contains("Freeing unused"))
        .filter_map(|line| line.rsplit(' ').next()?.strip_suffix('K')?.parse::<u64>().ok())
        .sum::<u64>()
        * 1024
        / PAGE
}
