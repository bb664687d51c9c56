//! What the kernel counts by itself since it started: what was refused, dropped and aborted.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use tune_host::Host;
use tune_model::System;

/// A counter of some system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counter {
    /// The system that counts it.
    pub system: System,
    /// The kernel's own name for it.
    pub name: &'static str,
    /// What it counts.
    pub counts: &'static str,
}

const fn linux(name: &'static str, counts: &'static str) -> Counter {
    Counter { system: System::Linux, name, counts }
}

const fn freebsd(name: &'static str, counts: &'static str) -> Counter {
    Counter { system: System::FreeBsd, name, counts }
}

/// The counters that a diagnosis looks at. Sources: Linux net/ipv4/proc.c, by the names in `/proc/net/netstat` and
/// `snmp`; FreeBSD sys/vm/uma_core.c, by their names as tunables.
pub const COUNTERS: &[Counter] = &[
    linux("TCPTimeWaitOverflow", "entries not made because tcp_max_tw_buckets was reached"),
    linux("TCPAbortOnMemory", "connections reset for want of memory, or of room for orphans"),
    linux("TCPMemoryPressures", "times that TCP came under memory pressure"),
    linux("PruneCalled", "times that receive buffers were cut for want of memory"),
    linux("TCPAbortOnTimeout", "connections given up by a timer: retransmission, keepalive, or user timeout"),
    linux("TCPAbortOnLinger", "connections reset at once by a negative TCP_LINGER2"),
    linux("TCPAbortOnData", "connections reset when closed, by SO_LINGER or because data came"),
    linux("TCPAbortOnClose", "connections reset because data was not read before they were closed"),
    linux("TCPKeepAlive", "keepalive probes sent"),
    linux("ListenOverflows", "connections that did not fit into a listener's queue"),
    linux("ListenDrops", "connections that a listener dropped"),
    linux("EstabResets", "connections reset"),
    linux("OutRsts", "resets sent"),
    linux("RetransSegs", "segments sent again"),
    freebsd("vm.uma.mbuf.stats.fails", "requests for mbufs denied"),
    freebsd("vm.uma.mbuf_packet.stats.fails", "requests for mbufs with a cluster denied"),
    freebsd("vm.uma.mbuf_cluster.stats.fails", "requests for mbuf clusters denied"),
    freebsd("vm.uma.mbuf_cluster.limit.sleeps", "requests for mbuf clusters that had to wait"),
    freebsd("vm.uma.mbuf_jumbo_page.stats.fails", "requests for page-sized clusters denied"),
];

/// The counters at one moment, by name. One that the kernel does not have is not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters(pub BTreeMap<&'static str, u64>);

impl Counters {
    /// Returns a counter; zero where the kernel has none of that name.
    #[must_use]
    pub fn of(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }
}

/// How counters grew over some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rates {
    /// How long they were watched.
    pub over: Duration,
    /// By how much each grew.
    pub grown: Counters,
}

impl Rates {
    /// Compares two moments.
    #[must_use]
    pub fn between(before: &Counters, after: &Counters, over: Duration) -> Self {
        let grown = |(name, value): (&&'static str, &u64)| {
            let before = before.0.get(name)?;
            Some((*name, value.saturating_sub(*before)))
        };
        Self { over, grown: Counters(after.0.iter().filter_map(grown).collect()) }
    }

    /// Returns by how much a counter grew in a second.
    #[must_use]
    #[allow(clippy::cast_precision_loss)] // of what no host counts in so short a time
    pub fn per_second(&self, name: &str) -> f64 {
        let seconds = self.over.as_secs_f64();
        if seconds > 0.0 { self.grown.of(name) as f64 / seconds } else { 0.0 }
    }
}

/// Reads the counters of a host, in the scope that it looks at. What cannot be read is left out.
#[must_use]
pub fn read_counters(host: &dyn Host, system: System) -> Counters {
    let names: Vec<_> =
        COUNTERS.iter().filter(|counter| counter.system == system).map(|counter| counter.name).collect();
    match system {
        System::Linux => {
            let mut found = Counters::default();
            for file in ["netstat", "snmp"] {
                found.0.extend(paired(&network_file(host, file).unwrap_or_default(), &names));
            }
            found
        }
        _ => {
            let read = host.read_tunables(&names);
            let value = |(name, read): (&'static str, Result<String, _>)| {
                Some((name, read.ok()?.trim().parse().ok()?))
            };
            Counters(names.into_iter().zip(read).filter_map(value).collect())
        }
    }
}

/// Reads a file below `/proc/net` whole.
pub(crate) fn network_file(host: &dyn Host, name: &str) -> Option<String> {
    let mut content = Vec::new();
    let read = host.read_network_file(name, &mut |piece| {
        content.extend_from_slice(piece);
        ControlFlow::Continue(())
    });
    read.ok()?;
    Some(String::from_utf8_lossy(&content).into_owned())
}

/// Reads pairs of lines of which the first has names and the second values.
fn paired<'t>(text: &'t str, wanted: &'t [&'static str]) -> impl Iterator<Item = (&'static str, u64)> {
    let lines: Vec<_> = text.lines().collect();
    let pairs: Vec<_> = lines.chunks_exact(2).filter(|pair| group(pair[0]) == group(pair[1])).collect();
    let of_pair = move |pair: &[&str]| -> Vec<_> {
        let columns = pair[0].split_whitespace().zip(pair[1].split_whitespace()).skip(1);
        let known = |(name, value): (&str, &str)| {
            let name = wanted.iter().find(|wanted| **wanted == name)?;
            Some((*name, value.parse().ok()?))
        };
        columns.filter_map(known).collect()
    };
    pairs.into_iter().flat_map(of_pair).collect::<Vec<_>>().into_iter()
}

fn group(line: &str) -> Option<&str> {
    line.split_once(':').map(|(group, _)| group)
}

/// Reads the counts that a line of `sockstat` has, by name.
pub(crate) fn sockstat(text: &str, line: &str, name: &str) -> Option<u64> {
    let counts = text.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(':'))?;
    let words: Vec<_> = counts.split_whitespace().collect();
    words.chunks_exact(2).find(|pair| pair[0] == name)?[1].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn counters_are_found_by_name() {
        let text = "TcpExt: SyncookiesSent TCPTimeWaitOverflow ListenDrops\nTcpExt: 1 17 3\n\
            IpExt: InNoRoutes\nIpExt: 9\nTcp: MaxConn OutRsts\nTcp: -1 5\n";
        let wanted = ["TCPTimeWaitOverflow", "ListenDrops", "OutRsts", "TCPAbortOnMemory"];
        let found: BTreeMap<_, _> = paired(text, &wanted).collect();
        assert_eq!(found, [("TCPTimeWaitOverflow", 17), ("ListenDrops", 3), ("OutRsts", 5)].into());
    }

    #[test]
    fn rates_are_what_was_added() {
        let at = |value| Counters([("OutRsts", value)].into());
        let rates = Rates::between(&at(10), &at(30), Duration::from_secs(5));
        assert_eq!((rates.grown.of("OutRsts"), rates.grown.of("ListenDrops")), (20, 0));
        assert!((rates.per_second("OutRsts") - 4.0).abs() < f64::EPSILON);
    }

    #[test]
    fn sockstat_is_read_by_name() {
        let text = "sockets: used 26\nTCP: inuse 18 orphan 2 tw 3 alloc 32 mem 191\nTCP6: inuse 8\n";
        assert_eq!(sockstat(text, "TCP", "mem"), Some(191));
        assert_eq!(sockstat(text, "TCP6", "inuse"), Some(8));
        assert_eq!(sockstat(text, "TCP", "nothing"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "((TcpExt|Tcp|TCP): ?|[A-Za-z0-9 -]{0,9}|\n){0,20}") {
            let _ = paired(&text, &["ListenDrops"]).count();
            let _ = sockstat(&text, "TCP", "mem");
        }
    }
}
