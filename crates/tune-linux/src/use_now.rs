//! How much of the network's resources is in use.

use std::path::Path;

use tune_host::Files;
use tune_model::tunable::integer;

/// What `/proc/net/sockstat` counts for TCP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TcpUse {
    /// Full sockets without a process, on the whole host.
    pub(crate) orphans: i128,
    /// Small TIME_WAIT and FIN_WAIT_2 entries, in this namespace.
    pub(crate) time_wait: i128,
    /// Pages of memory, on the whole host.
    pub(crate) pages: i128,
}

/// Reads how much TCP uses now.
pub(crate) fn tcp_use(files: &dyn Files) -> Option<TcpUse> {
    let text = files.read(Path::new("/proc/net/sockstat")).ok()?;
    parse(&String::from_utf8_lossy(&text))
}

fn parse(text: &str) -> Option<TcpUse> {
    let line = text.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    let words: Vec<_> = line.split_whitespace().collect();
    let value =
        |name: &str| words.chunks_exact(2).find(|pair| pair[0] == name).and_then(|pair| integer(pair[1]));
    Some(TcpUse { orphans: value("orphan")?, time_wait: value("tw")?, pages: value("mem")? })
}

/// Reads a file that begins with one number.
pub(crate) fn number_in(files: &dyn Files, path: &str) -> Option<i128> {
    let text = files.read(Path::new(path)).ok()?;
    String::from_utf8_lossy(&text).split_whitespace().next().and_then(integer)
}

/// Reads physical memory in bytes.
pub(crate) fn memory(files: &dyn Files) -> Option<u64> {
    let text = files.read(Path::new("/proc/meminfo")).ok()?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = total.split_whitespace().next()?.parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_found_by_name() {
        let text = "sockets: used 93\nTCP: inuse 5 orphan 2 tw 7 alloc 9 mem 11\nUDP: inuse 0 mem 0\n";
        assert_eq!(parse(text), Some(TcpUse { orphans: 2, time_wait: 7, pages: 11 }));
        assert_eq!(parse("TCP: inuse"), None);
    }

    #[test]
    fn a_count_that_no_kernel_has_is_none() {
        let of = |count: &str| parse(&format!("TCP: orphan {count} tw 7 mem 11"));
        assert!(of("9223372036854775807").is_some());
        assert_eq!(of("99999999999999999999999999999999999999"), None);
    }
}
