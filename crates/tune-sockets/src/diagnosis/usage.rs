//! How much of what is limited is in use.

use tune_host::Host;
use tune_model::System;
use tune_model::tunable::integers;

use super::counters::{network_file, sockstat};
use crate::state::TcpState;
use crate::tally::{Counts, Holdings};

/// Something that is used up to a limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gauge {
    /// How much is in use; `None` where the system does not tell.
    pub used: Option<u64>,
    /// How much may be; `None` where there is no limit, or it cannot be seen from here.
    pub limit: Option<u64>,
    /// From how much on the kernel becomes sparing, where it does.
    pub pressure: Option<u64>,
}

impl Gauge {
    /// Returns how much of the limit is in use, in percent.
    #[must_use]
    pub fn percent(&self) -> Option<u64> {
        let (used, limit) = self.used.zip(self.limit)?;
        (limit > 0).then(|| used.saturating_mul(100) / limit)
    }
}

/// How much of each thing that is limited is in use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Whole sockets that no process has, on the whole host.
    pub orphans: Gauge,
    /// Small entries in TIME_WAIT and FIN_WAIT_2, in the scope looked at.
    pub time_wait: Gauge,
    /// Bytes of memory for TCP's buffers, on the whole host.
    pub tcp_memory: Gauge,
    /// FreeBSD: mbuf clusters.
    pub mbuf_clusters: Gauge,
}

impl Usage {
    /// The gauges by name, as in JSON.
    #[must_use]
    pub const fn named(&self) -> [(&'static str, &Gauge); 4] {
        [
            ("orphans", &self.orphans),
            ("time_wait", &self.time_wait),
            ("tcp_memory", &self.tcp_memory),
            ("mbuf_clusters", &self.mbuf_clusters),
        ]
    }

    /// Reads what a host uses.
    pub(crate) fn read(host: &dyn Host, system: System, counts: &Counts) -> Self {
        match system {
            System::Linux => linux(host),
            System::FreeBsd => freebsd(host, counts),
            System::Solaris => Self::default(),
        }
    }
}

fn linux(host: &dyn Host) -> Usage {
    let text = network_file(host, "sockstat").unwrap_or_default();
    let used = |name| sockstat(&text, "TCP", name);
    let page = host.page_size();
    let memory = numbers(host, "net.ipv4.tcp_mem");
    let bytes = |at: usize| memory.get(at).map(|pages| pages.saturating_mul(page));
    // The kernel takes limits as unsigned, and a negative one is none.
    let one = |name| numbers(host, name).first().copied();
    Usage {
        orphans: Gauge { used: used("orphan"), limit: one("net.ipv4.tcp_max_orphans"), pressure: None },
        time_wait: Gauge { used: used("tw"), limit: one("net.ipv4.tcp_max_tw_buckets"), pressure: None },
        tcp_memory: Gauge {
            used: used("mem").map(|pages| pages.saturating_mul(page)),
            limit: bytes(2),
            pressure: bytes(1),
        },
        mbuf_clusters: Gauge::default(),
    }
}

fn freebsd(host: &dyn Host, counts: &Counts) -> Usage {
    let one = |name| numbers(host, name).first().copied();
    Usage {
        time_wait: Gauge {
            used: Some(counts.of_state(TcpState::TimeWait)),
            limit: one("net.inet.tcp.maxtcptw"),
            pressure: None,
        },
        mbuf_clusters: Gauge {
            used: one("vm.uma.mbuf_cluster.stats.current"),
            limit: one("kern.ipc.nmbclusters"),
            pressure: None,
        },
        ..Usage::default()
    }
}

/// Returns a tunable's numbers; nothing where it is not there, may not be read, or has others than counts. Those of the
/// whole host are looked up in the caller's own network, where the one looked at does not have them.
pub(crate) fn numbers(host: &dyn Host, name: &str) -> Vec<u64> {
    let here = host.read_tunables(&[name]).pop().and_then(Result::ok);
    let text = here.or_else(|| of_the_caller(host, name)).unwrap_or_default();
    let counts = integers(&text).unwrap_or_default().into_iter().map(u64::try_from);
    counts.collect::<Result<_, _>>().unwrap_or_default()
}

/// Reads a tunable of Linux in the caller's own network namespace.
pub(crate) fn of_the_caller(host: &dyn Host, name: &str) -> Option<String> {
    let path = format!("/proc/sys/{}", name.replace('.', "/"));
    let content = host.files().read(std::path::Path::new(&path)).ok()?;
    Some(String::from_utf8_lossy(&content).into_owned())
}

/// What connections take of the kernel's memory: an estimate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// Bytes of all connections, without what is in their buffers.
    pub connections: u64,
    /// Bytes of those in FIN_WAIT_2.
    pub fin_wait_2: u64,
    /// Bytes of all buffers, as the kernel counts them for the whole host.
    pub buffers: Option<u64>,
}

/// What a small entry takes on Linux. Source: /proc/slabinfo `tw_sock_TCP`.
const MINISOCK: u64 = 256;
/// What a socket takes on Linux without buffers. Source: /proc/slabinfo `TCP`.
const SOCKET: u64 = 2400;

impl Memory {
    /// Estimates it from what was counted; `None` where it is not known what a connection takes.
    pub(crate) fn estimate(
        system: System,
        counts: &Counts,
        fin_wait_2: &Holdings,
        usage: &Usage,
    ) -> Option<Self> {
        if system != System::Linux {
            return None;
        }
        let half_closed =
            MINISOCK * fin_wait_2.minisocks + SOCKET * (fin_wait_2.total() - fin_wait_2.minisocks);
        let time_wait = counts.of_state(TcpState::TimeWait);
        let others = counts.total() - counts.of_state(TcpState::FinWait2) - time_wait;
        Some(Self {
            connections: half_closed + MINISOCK * time_wait + SOCKET * others,
            fin_wait_2: half_closed,
            buffers: usage.tcp_memory.used,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::Family;

    #[test]
    fn minisocks_take_a_tenth_of_a_socket() {
        let mut counts = Counts::default();
        counts.add_many(TcpState::FinWait2, Family::Ipv4, 12);
        counts.add_many(TcpState::TimeWait, Family::Ipv6, 100);
        counts.add_many(TcpState::Established, Family::Ipv4, 1);
        let held = Holdings { minisocks: 10, held_without_timer: 2, ..Holdings::default() };
        let memory = Memory::estimate(System::Linux, &counts, &held, &Usage::default());
        let half_closed = 10 * 256 + 2 * 2400;
        let whole = half_closed + 100 * 256 + 2400;
        assert_eq!(memory, Some(Memory { connections: whole, fin_wait_2: half_closed, buffers: None }));
        assert_eq!(Memory::estimate(System::FreeBsd, &counts, &held, &Usage::default()), None);
    }

    #[test]
    fn gauges_tell_their_part() {
        let gauge = Gauge { used: Some(50), limit: Some(200), pressure: None };
        assert_eq!(gauge.percent(), Some(25));
        assert_eq!(Gauge { limit: Some(0), ..gauge }.percent(), None);
        assert_eq!(Gauge::default().percent(), None);
    }
}
