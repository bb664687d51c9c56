//! The keys that are tried, with the range that we believe the kernel accepts.

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
}

impl Row {
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
/// All of 8 to 32 bits, and more than any queue of this guest needs.
const BASE: i128 = 8192;

const fn row(key: &'static str, fields: usize, low: i128, high: i128) -> Row {
    Row { key, fields, low, high, base: BASE, largest_tried: high }
}

const fn small(key: &'static str, high: i128) -> Row {
    Row { base: if high < 16 { 1 } else { 16 }, ..row(key, 1, 0, high) }
}

/// Keys that belong to the whole machine, then those of a network namespace whose type differs between kernels.
pub const ROWS: &[Row] = &[
    row("net.ipv4.tcp_mem", 3, 0, ULONG_MAX),
    row("net.ipv4.udp_mem", 3, 0, ULONG_MAX),
    row("net.ipv4.tcp_max_orphans", 1, INT_MIN, INT_MAX),
    row("net.core.rmem_max", 1, 2304, INT_MAX),
    row("net.core.wmem_max", 1, 4608, INT_MAX),
    row("net.core.rmem_default", 1, 2304, INT_MAX),
    row("net.core.wmem_default", 1, 4608, INT_MAX),
    row("net.core.netdev_max_backlog", 1, INT_MIN, INT_MAX),
    row("net.netfilter.nf_conntrack_max", 1, 0, INT_MAX),
    row("net.nf_conntrack_max", 1, 0, INT_MAX),
    Row { largest_tried: 65536, ..row("net.netfilter.nf_conntrack_buckets", 1, 0, INT_MAX) },
    Row { largest_tried: 65536, ..row("vm.min_free_kbytes", 1, 0, INT_MAX) },
    row("fs.file-max", 1, 0, LONG_MAX),
    row("fs.nr_open", 1, 8, 2_147_483_584),
    row("net.core.optmem_max", 1, 0, INT_MAX),
    row("net.core.somaxconn", 1, 0, INT_MAX),
    row("net.ipv4.tcp_rmem", 3, 1, INT_MAX),
    row("net.ipv4.tcp_wmem", 3, 1, INT_MAX),
    row("net.ipv4.tcp_max_tw_buckets", 1, INT_MIN, INT_MAX),
    row("net.ipv4.tcp_max_syn_backlog", 1, INT_MIN, INT_MAX),
    row("net.ipv4.tcp_fin_timeout", 1, -SECONDS_MAX, SECONDS_MAX),
    row("net.ipv4.tcp_keepalive_time", 1, -SECONDS_MAX, SECONDS_MAX),
    row("net.ipv4.tcp_keepalive_intvl", 1, -SECONDS_MAX, SECONDS_MAX),
    small("net.ipv4.tcp_keepalive_probes", 255),
    small("net.ipv4.tcp_orphan_retries", 255),
    small("net.ipv4.tcp_retries2", 255),
    small("net.ipv4.tcp_syncookies", 255),
    small("net.ipv4.tcp_tw_reuse", 2),
    row("net.netfilter.nf_conntrack_tcp_timeout_fin_wait", 1, -SECONDS_MAX, SECONDS_MAX),
];
