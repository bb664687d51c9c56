//! What a diagnosis goes by.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use tune_model::{Effective, Quantity, System};

use super::counters::{Counters, Rates};
use super::elsewhere::{Elsewhere, Unseen};
use super::programs::Program;
use super::usage::{Memory, Usage};
use crate::census::Source;
use crate::connection::Connection;
use crate::state::TcpState;
use crate::tally::{Counts, Holdings, Share, TimeLeft, leading};

/// Which network is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Network {
    /// That of the host.
    Host,
    /// One of its own over the host's files, or in a container.
    Namespace,
}

/// How long the kernel keeps what was closed in FIN_WAIT_2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinTimeout {
    /// How long that is.
    pub effective: Effective,
    /// The number in the tunable, where it is a plain time.
    pub shown: Option<Duration>,
    /// The tunable.
    pub tunable: &'static str,
    /// How long it is on the host, where a namespace of its own is looked at from there.
    pub of_the_host: Option<Effective>,
}

impl FinTimeout {
    /// Returns the longest time that it can be; `None` where there is no end to it, or it is not known.
    #[must_use]
    pub const fn longest(&self) -> Option<Duration> {
        longest(&self.effective)
    }
}

/// Returns the longest time that an effective duration can be.
pub(crate) const fn longest(effective: &Effective) -> Option<Duration> {
    match effective {
        Effective::Exact(Quantity::Duration(ms))
        | Effective::Between { high: Quantity::Duration(ms), .. } => Some(Duration::from_millis(*ms)),
        _ => None,
    }
}

/// Orphans in FIN_WAIT_2 whose timer has longer to run than the timeout gives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overdue {
    /// How many were looked at one by one.
    pub looked_at: u64,
    /// How many of those have longer.
    pub longer: u64,
    /// The longest time that one has left.
    pub longest: Duration,
    /// The local ports of those that have longer, the one with the most first.
    pub ports: Vec<(u16, u64)>,
}

/// A timer that was set a moment before it was read, or rounded up by the kernel, is not longer.
const SLACK: Duration = Duration::from_secs(5);

impl Overdue {
    /// Looks at orphans one by one.
    pub(crate) fn of(orphans: &[Connection], timeout: &FinTimeout) -> Self {
        let mut found = Self { looked_at: orphans.len() as u64, ..Self::default() };
        let Some(longest) = timeout.longest() else { return found };
        let mut ports = BTreeMap::<u16, u64>::new();
        for orphan in orphans {
            let Some(left) = orphan.time_left(timeout.shown) else { continue };
            found.longest = found.longest.max(left);
            if left > longest + SLACK {
                found.longer += 1;
                *ports.entry(orphan.local.port()).or_default() += 1;
            }
        }
        found.ports = ports.into_iter().collect();
        leading(&mut found.ports, 5, |number| *number);
        found
    }

    /// Estimates how many there are among `all` orphans.
    #[must_use]
    pub fn among(&self, all: u64) -> u64 {
        if self.looked_at == 0 || self.looked_at >= all {
            return self.longer.min(all);
        }
        u64::try_from(u128::from(all) * u128::from(self.longer) / u128::from(self.looked_at)).unwrap_or(all)
    }
}

/// How long connection tracking remembers, where it is at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConntrackTimes {
    /// A connection of which one side has closed.
    pub fin_wait: Duration,
    /// An open one.
    pub established: Duration,
}

/// What a diagnosis goes by: one network, at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// The system.
    pub system: System,
    /// Which network is looked at.
    pub network: Network,
    /// The option that makes `tune` look at it again, after a space; empty where it is the caller's own.
    pub option: String,
    /// Where the census comes from.
    pub source: Source,
    /// Connections by state and family.
    pub counts: Counts,
    /// Who has those in FIN_WAIT_2.
    pub fin_wait_2: Holdings,
    /// Who has those in CLOSE_WAIT.
    pub close_wait: Holdings,
    /// How long orphans in FIN_WAIT_2 have left.
    pub time_left: TimeLeft,
    /// Orphans whose time is longer than the timeout.
    pub overdue: Overdue,
    /// Half-closed connections by local port.
    pub ports: BTreeMap<u16, Share>,
    /// The peers with the most of them, the most first.
    pub peers: Vec<(IpAddr, Share)>,
    /// Ports with a listener.
    pub listening: BTreeSet<u16>,
    /// The programs that listen on the ports with the most orphans, where they can be seen.
    pub listeners: BTreeMap<u16, String>,
    /// The programs that have half-closed connections, the one with the most first; `None` where the system does not
    /// tell.
    pub programs: Option<Vec<Program>>,
    /// How many held connections no process that can be seen has.
    pub unnamed: u64,
    /// How many processes the caller may not look into.
    pub unreadable: usize,
    /// httpd answers with its event module; `None` where no file says.
    pub httpd_is_event: Option<bool>,
    /// A file of httpd that turns keep-alive off.
    pub keepalive_off_in: Option<String>,
    /// The file for settings of httpd, and what makes it take the file in.
    pub httpd_file: (&'static str, Option<&'static str>),
    /// The file for settings of nginx, and what makes it take the file in.
    pub nginx_file: (&'static str, Option<&'static str>),
    /// How long the kernel keeps what was closed.
    pub timeout: FinTimeout,
    /// How long a connection is idle before keepalive probes it.
    pub keepalive_idle: Effective,
    /// What is limited.
    pub usage: Usage,
    /// What connections take of the kernel's memory.
    pub memory: Option<Memory>,
    /// Counters since the start.
    pub counters: Counters,
    /// How they grow, where they were watched.
    pub rates: Option<Rates>,
    /// How long connection tracking remembers.
    pub conntrack: Option<ConntrackTimes>,
    /// Other network namespaces of the host.
    pub elsewhere: Vec<Elsewhere>,
    /// Those that could not be looked into.
    pub unseen: Unseen,
    /// What could not be read or is not exact, a sentence each.
    pub notes: Vec<String>,
}

impl Facts {
    /// Writes a command of `tune` that looks at the same network.
    pub(crate) fn tune(&self, command: &str) -> String {
        format!("tune {command}{}", self.option)
    }

    /// Returns how many orphans in FIN_WAIT_2 have longer than the timeout gives.
    #[must_use]
    pub fn overdue_orphans(&self) -> u64 {
        self.overdue.among(self.fin_wait_2.orphaned())
    }

    /// Returns the programs with half-closed connections that can be seen.
    pub(crate) fn seen_programs(&self) -> &[Program] {
        self.programs.as_deref().unwrap_or_default()
    }

    /// Returns the local ports with the most orphans in FIN_WAIT_2.
    pub(crate) fn orphan_ports(&self) -> Vec<(u16, u64)> {
        let mut ports: Vec<_> = self
            .ports
            .iter()
            .map(|(port, share)| (*port, share.orphaned))
            .filter(|(_, orphaned)| *orphaned > 0)
            .collect();
        leading(&mut ports, 5, |orphaned| *orphaned);
        ports
    }

    /// Returns how many orphans are of connections that were made to this host.
    pub(crate) fn orphans_of_listeners(&self) -> u64 {
        let of =
            |(port, share): (&u16, &Share)| if self.listening.contains(port) { share.orphaned } else { 0 };
        self.ports.iter().map(of).sum()
    }

    /// Adds how the counters grew since a moment before.
    #[must_use]
    pub fn since(mut self, before: &Counters, over: Duration) -> Self {
        self.rates = Some(Rates::between(before, &self.counters, over));
        self
    }

    /// Adds what was found in other network namespaces.
    #[must_use]
    pub fn beside(mut self, (elsewhere, unseen): (Vec<Elsewhere>, Unseen)) -> Self {
        (self.elsewhere, self.unseen) = (elsewhere, unseen);
        self
    }

    /// Returns by how much a counter grew while it was watched.
    pub(crate) fn grown(&self, counter: &str) -> u64 {
        self.rates.as_ref().map_or(0, |rates| rates.grown.of(counter))
    }

    /// Returns how many connections are in a state.
    #[must_use]
    pub const fn in_state(&self, state: TcpState) -> u64 {
        self.counts.of_state(state)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::connection::tests::example;
    use crate::connection::{Holding, Orphan, Timer, TimerKind};

    #[test]
    fn orphans_are_overdue_beyond_the_timeout_in_force() {
        let orphan = |left| Connection {
            holding: Holding::Orphaned(Orphan::Minisock),
            inode: 0,
            timer: Some(Timer { kind: TimerKind::TimeWait, left: Duration::from_secs(left) }),
            ..example()
        };
        let timeout = FinTimeout {
            effective: Effective::Exact(Quantity::Duration(60_000)),
            shown: Some(Duration::from_secs(60)),
            tunable: "net.ipv4.tcp_fin_timeout",
            of_the_host: None,
        };
        let found = Overdue::of(&[orphan(10), orphan(61), orphan(324)], &timeout);
        assert_eq!((found.looked_at, found.longer, found.longest), (3, 1, Duration::from_secs(324)));
        assert_eq!(found.ports, [(80, 1)]);
        assert_eq!((found.among(3), found.among(300)), (1, 100));
        let unknown = FinTimeout { effective: Effective::Unknown("denied".into()), ..timeout };
        assert_eq!(Overdue::of(&[orphan(324)], &unknown).longer, 0);
    }
}
