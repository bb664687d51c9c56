//! The keys that are tried, with the range and the default that we believe in.

use crate::defaults::Rule::{self, Buffer, Conntrack, FileMax, Fixed, Hash, MinFree, Pages, Recorded};

/// One key. All numbers are in the key's own unit.
pub struct Row {
    /// Dotted name below /proc/sys.
    pub key: &'static str,
    /// How many integers the key holds.
    pub fields: usize,
    /// Least value that a write is believed to accept.
    pub low: i128,
    /// Greatest value that a write is believed to accept.
    pub high: i128,
    /// A harmless value within the range, for trying spellings.
    pub base: i128,
    /// Greatest acceptable value that is written at all: above it the guest would run out of memory.
    pub largest_tried: i128,
    /// What the default is believed to be.
    pub default: Rule,
}

impl Row {
    /// Whether every number that the kernel may take can be tried without harm to the guest.
    pub fn tries_all(&self) -> bool {
        self.largest_tried >= self.high
    }

    /// Whether the kernel is believed to take this number.
    pub fn accepts(&self, number: i128) -> bool {
        (self.low..=self.high).contains(&number)
    }
}

const INT_MIN: i128 = i32::MIN as i128;
const INT_MAX: i128 = i32::MAX as i128;
const LONG_MAX: i128 = i64::MAX as i128;
const ULONG_MAX: i128 = u64::MAX as i128;
/// Times in seconds are kept in ticks of HZ in an int; Debian builds with HZ=250.
const SECONDS_MAX: i128 = INT_MAX / 250;
const BASE: i128 = 8192;
const MIB: u64 = 1 << 20;

const fn row(key: &'static str, fields: usize, low: i128, high: i128, default: Rule) -> Row {
    Row { key, fields, low, high, base: BASE, largest_tried: high, default }
}

const fn int(key: &'static str, default: Rule) -> Row {
    row(key, 1, INT_MIN, INT_MAX, default)
}

const fn seconds(key: &'static str, default: &'static str) -> Row {
    row(key, 1, -SECONDS_MAX, SECONDS_MAX, Fixed(default))
}

const fn byte(key: &'static str, high: i128, default: &'static str) -> Row {
    Row { base: if high < 16 { 1 } else { 16 }, ..row(key, 1, 0, high, Fixed(default)) }
}

/// Keys that belong to the whole machine, then those of a network namespace whose type differs between kernels.
pub static ROWS: &[Row] = &[
    row("net.ipv4.tcp_mem", 3, 0, ULONG_MAX, Pages { divisor: 16 }),
    row("net.ipv4.udp_mem", 3, 0, ULONG_MAX, Pages { divisor: 8 }),
    int("net.ipv4.tcp_max_orphans", Hash { divisor: 2, least: 0 }),
    row("net.core.rmem_max", 1, 2304, INT_MAX, Recorded),
    row("net.core.wmem_max", 1, 4608, INT_MAX, Recorded),
    row("net.core.rmem_default", 1, 2304, INT_MAX, Fixed("212992")),
    row("net.core.wmem_default", 1, 4608, INT_MAX, Fixed("212992")),
    int("net.core.netdev_max_backlog", Fixed("1000")),
    row("net.netfilter.nf_conntrack_max", 1, 0, INT_MAX, Conntrack),
    row("net.nf_conntrack_max", 1, 0, INT_MAX, Conntrack),
    Row { largest_tried: 65536, ..row("net.netfilter.nf_conntrack_buckets", 1, 1, INT_MAX, Conntrack) },
    Row { largest_tried: 65536, ..row("vm.min_free_kbytes", 1, 0, INT_MAX, MinFree) },
    row("fs.file-max", 1, 0, LONG_MAX, FileMax),
    row("fs.nr_open", 1, 64, 2_147_483_584, Fixed("1048576")),
    row("net.core.somaxconn", 1, 0, INT_MAX, Fixed("4096")),
    row("net.ipv4.tcp_rmem", 3, 4096, INT_MAX, rmem()),
    row("net.ipv4.tcp_wmem", 3, 1, INT_MAX, wmem()),
    int("net.ipv4.tcp_max_tw_buckets", Hash { divisor: 2, least: 0 }),
    int("net.ipv4.tcp_max_syn_backlog", Hash { divisor: 128, least: 128 }),
    seconds("net.ipv4.tcp_fin_timeout", "60"),
    seconds("net.ipv4.tcp_keepalive_time", "7200"),
    seconds("net.ipv4.tcp_keepalive_intvl", "75"),
    byte("net.ipv4.tcp_keepalive_probes", 255, "9"),
    byte("net.ipv4.tcp_orphan_retries", 255, "0"),
    byte("net.ipv4.tcp_retries2", 255, "15"),
    byte("net.ipv4.tcp_syncookies", 255, "1"),
    byte("net.ipv4.tcp_tw_reuse", 2, "2"),
    seconds("net.netfilter.nf_conntrack_tcp_timeout_fin_wait", "120"),
];

/// Whose lower bound depends on the release: host-wide and without one in 6.1, of a namespace and from 0 in 6.12.
pub static OPTMEM_BEFORE_NAMESPACES: Row = int("net.core.optmem_max", Fixed("20480"));
/// The same key in a kernel that keeps it per network namespace.
pub static OPTMEM: Row = row("net.core.optmem_max", 1, 0, INT_MAX, Fixed("131072"));

const fn rmem() -> Rule {
    Buffer { first: 4096, middle: 131_072, least: 131_072, most: 6 * MIB }
}

const fn wmem() -> Rule {
    Buffer { first: 4096, middle: 16384, least: 65536, most: 4 * MIB }
}
