//! Made-up facts for the tests of the causes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tune_model::{Effective, Quantity, System};

use super::causes::diagnose;
use super::counters::{Counters, Rates};
use super::facts::{Facts, FinTimeout, Network, Overdue};
use super::finding::{Cause, Finding};
use super::programs::Program;
use super::usage::{Gauge, Usage};
use crate::census::Source;
use crate::connection::Family;
use crate::state::TcpState;
use crate::tally::{Counts, Holdings, Share, TimeLeft};

/// A Linux server without a connection, with the kernel's defaults.
pub(crate) fn quiet() -> Facts {
    let gauge = |limit| Gauge { used: Some(0), limit: Some(limit), pressure: None };
    Facts {
        system: System::Linux,
        network: Network::Host,
        option: String::new(),
        source: Source::InetDiag,
        counts: Counts::default(),
        fin_wait_2: Holdings::default(),
        close_wait: Holdings::default(),
        time_left: TimeLeft::default(),
        overdue: Overdue::default(),
        ports: BTreeMap::new(),
        peers: Vec::new(),
        listening: BTreeSet::from([80]),
        listeners: BTreeMap::new(),
        programs: Some(Vec::new()),
        unnamed: 0,
        unreadable: 0,
        httpd_is_event: None,
        keepalive_off_in: None,
        httpd_file: (
            "/etc/apache2/conf-available/zz-tune.conf",
            Some("a2enconf zz-tune && apachectl graceful"),
        ),
        nginx_file: ("/etc/nginx/nginx.conf", Some("nginx -t && nginx -s reload")),
        timeout: FinTimeout {
            effective: Effective::Exact(Quantity::Duration(60_000)),
            shown: Some(Duration::from_secs(60)),
            tunable: "net.ipv4.tcp_fin_timeout",
            of_the_host: None,
        },
        keepalive_idle: Effective::Exact(Quantity::Duration(7_200_000)),
        usage: Usage {
            orphans: gauge(131_072),
            time_wait: gauge(131_072),
            tcp_memory: Gauge { used: Some(0), limit: Some(2 << 30), pressure: Some(1 << 30) },
            mbuf_clusters: Gauge::default(),
        },
        memory: None,
        counters: Counters::default(),
        rates: None,
        conntrack: None,
        elsewhere: Vec::new(),
        unseen: Default::default(),
        notes: Vec::new(),
    }
}

impl Facts {
    pub(crate) fn with_timeout(mut self, tunable: u64, effective: u64) -> Self {
        self.timeout.effective = Effective::Exact(Quantity::Duration(effective * 1000));
        self.timeout.shown = Some(Duration::from_secs(tunable));
        self
    }

    /// Adds orphans in FIN_WAIT_2: small entries, and whole sockets.
    pub(crate) fn with_orphans(mut self, port: u16, minisocks: u64, full_sockets: u64) -> Self {
        self.counts.add_many(TcpState::FinWait2, Family::Ipv4, minisocks + full_sockets);
        self.fin_wait_2.minisocks += minisocks;
        self.fin_wait_2.full_sockets += full_sockets;
        self.ports.entry(port).or_default().orphaned += minisocks + full_sockets;
        self
    }

    /// Adds orphans in FIN_WAIT_2 that have longer than the timeout gives.
    pub(crate) fn with_overdue(mut self, port: u16, many: u64, longest: u64) -> Self {
        self = self.with_orphans(port, many, 0);
        self.overdue.looked_at = self.fin_wait_2.orphaned();
        self.overdue.longer += many;
        self.overdue.longest = Duration::from_secs(longest);
        self.overdue.ports.push((port, many));
        self
    }

    /// Adds a program with connections in FIN_WAIT_2, idle for up to so many seconds.
    pub(crate) fn held_by(self, command: &str, port: u16, many: u64, idle: u64) -> Self {
        self.held(command, port, idle, TcpState::FinWait2, many)
    }

    /// Adds a program with connections in CLOSE_WAIT.
    pub(crate) fn waited_by(self, command: &str, port: u16, many: u64, idle: u64) -> Self {
        self.held(command, port, idle, TcpState::CloseWait, many)
    }

    fn held(mut self, command: &str, port: u16, idle: u64, state: TcpState, many: u64) -> Self {
        self.counts.add_many(state, Family::Ipv4, many);
        let share: &mut Share = self.ports.entry(port).or_default();
        let (mut fin_wait_2, mut close_wait) = (0, 0);
        if state == TcpState::FinWait2 {
            (fin_wait_2, share.held) = (many, share.held + many);
            self.fin_wait_2.held_without_timer += many;
        } else {
            (close_wait, share.close_wait) = (many, share.close_wait + many);
            self.close_wait.held_without_timer += many;
        }
        let programs = self.programs.get_or_insert_default();
        let pid = 100 + i32::try_from(programs.len()).unwrap_or(0);
        programs.push(Program {
            command: command.to_owned(),
            pids: vec![pid],
            uids: vec![33],
            fin_wait_2,
            close_wait,
            shared: 0,
            idle: Some((Duration::ZERO, Duration::from_secs(idle))),
            ports: vec![(port, many)],
            peers: vec![("192.0.2.1".parse().unwrap_or(std::net::IpAddr::from([0; 4])), many)],
        });
        self
    }

    /// Lets a counter grow while it was watched for a second.
    pub(crate) fn growing(mut self, counter: &'static str, by: u64) -> Self {
        self.counters.0.insert(counter, 1000 + by);
        let grown = Counters([(counter, by)].into());
        self.rates = Some(Rates { over: Duration::from_secs(1), grown });
        self
    }
}

/// Returns the causes that are found, in their order.
pub(crate) fn causes(facts: &Facts) -> Vec<Cause> {
    diagnose(facts).into_iter().map(|finding| finding.cause).collect()
}

/// Returns the finding of a cause.
pub(crate) fn found(facts: &Facts, cause: Cause) -> Option<Finding> {
    diagnose(facts).into_iter().find(|finding| finding.cause == cause)
}

/// Returns every command that a finding names.
pub(crate) fn commands(finding: &Finding) -> Vec<&str> {
    finding.remedies.iter().filter_map(|remedy| remedy.command.as_deref()).collect()
}
