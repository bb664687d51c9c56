//! Gathering the facts from a host.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use tune_host::{Backend, Host, Isolation, property};
use tune_model::{Effective, Setting, System};

use super::counters::read_counters;
use super::facts::{ConntrackTimes, Facts, FinTimeout, Network, Overdue};
use super::programs::{Server, httpd_is_event, programs};
use super::usage::{Memory, Usage, numbers, of_the_caller};
use crate::census::{Census, CensusError, Options, Source, take};
use crate::connection::Connection;
use crate::filter::{Filter, Side};
use crate::state::{StateSet, TcpState};

/// How many orphans are looked at one by one.
const ORPHANS: usize = 10_000;
/// How many listeners are looked at.
const LISTENERS: usize = 10_000;
/// How many peers are told.
const PEERS: usize = 5;

/// What is to be looked at.
#[derive(Clone, Copy)]
pub struct Look<'a> {
    /// The host, in the scope that it looks at.
    pub host: &'a dyn Host,
    /// What knows its system.
    pub backend: &'a dyn Backend,
    /// The option that makes `tune` look at it again, after a space.
    pub option: &'a str,
    /// Finds the processes behind the connections, too.
    pub owners: bool,
}

impl std::fmt::Debug for Look<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Look")
            .field("option", &self.option)
            .field("owners", &self.owners)
            .finish_non_exhaustive()
    }
}

impl Look<'_> {
    /// Gathers the facts. What may not be read is unknown, and noted.
    ///
    /// # Errors
    ///
    /// Any [`CensusError`].
    pub fn take(&self) -> Result<Facts, CensusError> {
        let timeout = fin_timeout(self.host, self.backend);
        let orphans = Filter {
            states: StateSet::of(&[TcpState::FinWait2]),
            side: Some(Side::Orphaned),
            ..Filter::default()
        };
        let options = Options {
            owners: self.owners,
            idle_times: true,
            keep: Some((orphans, ORPHANS)),
            ..Options::counting(StateSet::ALL).with_fin_timeout(timeout.shown)
        };
        let census = take(self.host, &options)?;
        Ok(self.facts(&census, timeout))
    }

    fn facts(&self, census: &Census, timeout: FinTimeout) -> Facts {
        let (host, system) = (self.host, self.backend.system());
        let counts = census.tally.counts;
        let fin_wait_2 = *census.tally.holdings(TcpState::FinWait2);
        let usage = Usage::read(host, system, &counts);
        let notes = notes(census, self.owners && host.names_socket_holders());
        let owners = census.owners.as_ref();
        let mut facts = Facts {
            system,
            network: network(host),
            option: self.option.to_owned(),
            source: census.source,
            fin_wait_2,
            close_wait: *census.tally.holdings(TcpState::CloseWait),
            time_left: census.tally.time_left,
            overdue: Overdue::of(&census.connections, &timeout),
            ports: census.tally.ports(),
            peers: census.tally.leading_peers(PEERS),
            listening: census.tally.listening.clone(),
            listeners: BTreeMap::new(),
            programs: owners.map(|owners| programs(owners, &census.tally.listening)),
            unnamed: owners.map_or(0, |owners| owners.unnamed),
            unreadable: owners.map_or(0, |owners| owners.unreadable),
            httpd_is_event: httpd_is_event(host),
            keepalive_off_in: keepalive_off(host),
            httpd_file: Server::Httpd.file(host.files()),
            nginx_file: Server::Nginx.file(host.files()),
            keepalive_idle: effective(host, self.backend, Setting::KeepaliveIdle),
            usage,
            memory: Memory::estimate(system, &counts, &fin_wait_2, &usage),
            counters: read_counters(host, system),
            rates: None,
            conntrack: conntrack(host, system),
            elsewhere: Vec::new(),
            unseen: Default::default(),
            notes,
            counts,
            timeout,
        };
        if self.owners {
            facts.listeners = listeners(host, &facts);
        }
        facts
    }
}

fn network(host: &dyn Host) -> Network {
    match host.isolation() {
        Isolation::NetworkOnly | Isolation::NetworkAndFiles => Network::Namespace,
        Isolation::None | Isolation::Unknown => Network::Host,
    }
}

fn notes(census: &Census, names_holders: bool) -> Vec<String> {
    let mut notes: Vec<_> = source_note(census.source).into_iter().map(str::to_owned).collect();
    if census.inexact {
        notes.push(inexact_note(census.source).to_owned());
    }
    if census.tally.held_beyond > 0 {
        notes.push(format!(
            "the holders of {} connections were not looked for: there are too many",
            census.tally.held_beyond
        ));
    }
    let unreadable = census.owners.as_ref().map_or(0, |owners| owners.unreadable);
    if unreadable > 0 && names_holders {
        notes.push(format!("{unreadable} processes may not be looked into by this user; run tune as root to name every holder"));
    }
    notes
}

/// Says what a source of less than all does not tell.
const fn source_note(source: Source) -> Option<&'static str> {
    match source {
        Source::ProcNet => Some("this kernel does not tell for how long connections have been idle"),
        Source::States => {
            Some("this kernel lists connections in a way that is not known: they are counted, and no more")
        }
        Source::Netstat => Some("this system does not tell who has a connection, nor for how long"),
        Source::InetDiag | Source::PcbList => None,
    }
}

const fn inexact_note(source: Source) -> &'static str {
    match source {
        Source::Netstat => "netstat shows connections in states that are not known: they are not counted",
        _ => "the list of connections changed each time it was read: some may be missing or counted twice",
    }
}

/// Returns what a setting amounts to in the scope that the host looks at.
fn effective(host: &dyn Host, backend: &dyn Backend, setting: Setting) -> Effective {
    effective_of(backend, setting, |name| current(host, backend, name))
}

/// Returns what the running kernel has, as text.
fn current(host: &dyn Host, backend: &dyn Backend, tunable: &str) -> Option<String> {
    match backend.native(tunable) {
        Some(property) => property::read(host, &property).ok().map(|shown| shown.current),
        None => host.read_tunables(&[tunable]).pop().and_then(Result::ok),
    }
}

fn effective_of(backend: &dyn Backend, setting: Setting, read: impl Fn(&str) -> Option<String>) -> Effective {
    let slots = backend.provision(setting).slots().to_vec();
    let mut names: BTreeSet<_> = slots.iter().map(|slot| slot.tunable.clone()).collect();
    names.extend(slots.iter().flat_map(|slot| backend.depends_on(slot)));
    names.extend(backend.follows(setting));
    let values: BTreeMap<String, String> =
        names.into_iter().filter_map(|name| read(&name).map(|text| (name, text))).collect();
    backend.assess(setting, &values).effective
}

/// Returns how long the kernel keeps what was closed in FIN_WAIT_2, in the scope that the host looks at.
#[must_use]
pub fn fin_timeout(host: &dyn Host, backend: &dyn Backend) -> FinTimeout {
    let (tunable, unit) = match backend.system() {
        System::Linux => ("net.ipv4.tcp_fin_timeout", Duration::from_secs(1)),
        System::FreeBsd => ("net.inet.tcp.finwait2_timeout", Duration::from_millis(1)),
        System::Solaris => ("ipadm.tcp._fin_wait_2_flush_interval", Duration::from_millis(1)),
    };
    let setting = Setting::FinWait2Timeout;
    let shown = current(host, backend, tunable);
    let shown = shown.and_then(|text| text.trim().parse::<u32>().ok()).map(|number| unit * number);
    let elsewhere = *host.scope() != tune_host::Scope::Own;
    let of_the_host = (elsewhere && backend.system() == System::Linux)
        .then(|| effective_of(backend, setting, |name| of_the_caller(host, name)));
    FinTimeout { effective: effective(host, backend, setting), shown, tunable, of_the_host }
}

fn conntrack(host: &dyn Host, system: System) -> Option<ConntrackTimes> {
    if system != System::Linux {
        return None;
    }
    let seconds = |name: &str| {
        let name = format!("net.netfilter.nf_conntrack_tcp_timeout_{name}");
        host.read_tunables(&[&name]).pop()?.ok()?.trim().parse().ok().map(Duration::from_secs)
    };
    // Without a connection that it follows it is only loaded.
    let follows = numbers(host, "net.netfilter.nf_conntrack_count").first().is_some_and(|count| *count > 0);
    let times = ConntrackTimes { fin_wait: seconds("fin_wait")?, established: seconds("established")? };
    follows.then_some(times)
}

/// Finds which programs listen on the ports with the most orphans.
fn listeners(host: &dyn Host, facts: &Facts) -> BTreeMap<u16, String> {
    let ports: Vec<_> = facts.orphan_ports().into_iter().map(|(port, _)| port).collect();
    let worth = ports.iter().any(|port| facts.listening.contains(port)) && host.names_socket_holders();
    if !worth {
        return BTreeMap::new();
    }
    let filter =
        Filter { states: StateSet::of(&[TcpState::Listen]), local_ports: ports, ..Filter::default() };
    let Ok(census) = take(host, &Options::listing(filter, LISTENERS)) else { return BTreeMap::new() };
    let wanted = |inode| census.connections.iter().any(|listener| listener.inode == inode);
    let found = host.socket_holders(None, &wanted);
    let port_of = |inode: u64| {
        census
            .connections
            .iter()
            .find(|listener| listener.inode == inode)
            .map(|listener: &Connection| listener.local.port())
    };
    let of_holder = |holder: &tune_host::SocketHolder| {
        let ports: Vec<_> = holder.sockets.iter().filter_map(|inode| port_of(*inode)).collect();
        ports.into_iter().map(|port| (port, holder.command.clone())).collect::<Vec<_>>()
    };
    // The process with the lowest id is the one that was started first.
    found.holders.iter().rev().flat_map(of_holder).collect()
}

/// Directories with httpd's files, and whether all of their files count.
const HTTPD: [&str; 5] = [
    "/etc/apache2/conf-enabled",
    "/etc/apache2/sites-enabled",
    "/etc/apache2",
    "/etc/httpd/conf.d",
    "/etc/httpd/conf",
];

/// Finds a file of httpd that turns keep-alive off.
fn keepalive_off(host: &dyn Host) -> Option<String> {
    let files = host.files();
    let in_directory = |directory: &&str| {
        let names = files.names(Path::new(directory)).unwrap_or_default();
        let paths = names.into_iter().map(|name| Path::new(directory).join(name));
        paths.filter(|path| path.extension().is_some_and(|end| end == "conf")).find(|path| {
            let content = files.read(path).unwrap_or_default();
            String::from_utf8_lossy(&content).lines().any(turns_keepalive_off)
        })
    };
    HTTPD.iter().find_map(in_directory).map(|path| path.display().to_string())
}

fn turns_keepalive_off(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let is = |word: Option<&str>, wanted: &str| word.is_some_and(|word| word.eq_ignore_ascii_case(wanted));
    is(words.next(), "KeepAlive") && is(words.next(), "Off")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tune_host::FakeHost;

    #[test]
    fn keep_alive_that_is_off_is_found_where_it_is_turned_off() {
        let off = "/etc/apache2/conf-enabled/x.conf";
        let host = FakeHost::new()
            .with_file("/etc/apache2/apache2.conf", "KeepAlive On\n# KeepAlive Off\nKeepAliveTimeout 5\n")
            .with_file(off, "  keepalive off\n");
        assert_eq!(keepalive_off(&host).as_deref(), Some(off));
        assert_eq!(keepalive_off(&FakeHost::new()), None);
    }

    #[test]
    fn connection_tracking_counts_where_it_follows_something() {
        let host = |count: &str| {
            FakeHost::new()
                .with_tunable("net.netfilter.nf_conntrack_tcp_timeout_fin_wait", "120")
                .with_tunable("net.netfilter.nf_conntrack_tcp_timeout_established", "432000")
                .with_tunable("net.netfilter.nf_conntrack_count", count)
        };
        assert_eq!(conntrack(&host("1"), System::Linux).unwrap().fin_wait, Duration::from_secs(120));
        assert_eq!(conntrack(&host("0"), System::Linux), None);
        assert_eq!(conntrack(&FakeHost::new(), System::Linux), None);
    }
}
