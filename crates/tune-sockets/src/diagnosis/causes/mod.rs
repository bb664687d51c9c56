//! The causes that are known: a file for each.
//!
//! Each is a function from the facts to what it finds. What a connection counts in the order of findings is the factor
//! behind its number: what never ends by itself counts most, then what takes longer than it should, then what the kernel
//! clears away in time. The other ends of connections within this host count least: they are seen twice.

mod close_wait_leak;
mod conntrack_short;
mod deferred_accept;
mod earlier_timers;
mod first_phase;
mod half_close_leak;
mod httpd_lingering;
mod mbufs_denied;
mod nginx_lingering;
mod no_keepalive;
mod orphan_limit;
mod other_network;
mod tcp_memory;
mod time_wait_full;
mod unclosing_peers;

use std::net::IpAddr;
use std::time::Duration;

use super::facts::Facts;
use super::finding::{Finding, Remedy, RemedyKind};
use super::programs::{Program, Server};
use super::words::{parts, time};

/// What a connection counts that nothing but its application ends, on a port that is listened on.
const NEVER_ENDS: u64 = 16;
/// What a connection counts that stays longer than the settings say, on a port that is listened on.
const TOO_LONG: u64 = 8;
/// What an orphan counts in time, on a port that is listened on.
const ENDS_IN_TIME: u64 = 2;
/// What the other ends of connections of this host's own count.
const OTHER_END: u64 = 1;

type Cause = fn(&Facts) -> Vec<Finding>;

const CAUSES: [Cause; 15] = [
    time_wait_full::find,
    orphan_limit::find,
    tcp_memory::find,
    mbufs_denied::find,
    other_network::find,
    half_close_leak::find,
    httpd_lingering::find,
    nginx_lingering::find,
    deferred_accept::find,
    earlier_timers::find,
    close_wait_leak::find,
    unclosing_peers::find,
    first_phase::find,
    no_keepalive::find,
    conntrack_short::find,
];

/// Returns what is behind the half-closed connections of a host, the weightiest first.
#[must_use]
pub fn diagnose(facts: &Facts) -> Vec<Finding> {
    let mut findings: Vec<_> = CAUSES.iter().flat_map(|cause| cause(facts)).collect();
    // Equals stay in the order of the causes.
    findings.sort_by_key(|finding| std::cmp::Reverse((finding.weight, finding.score)));
    findings
}

/// httpd and nginx read on for no longer than 30 s after they have closed; what is idle for longer is not that.
const LONGEST_LINGERING: Duration = Duration::from_secs(40);

/// Tells whether what a program holds can be the lingering close of a server that is known.
fn lingers(program: &Program, server: Server) -> bool {
    let in_time = program.idle.is_none_or(|(_, most)| most <= LONGEST_LINGERING);
    program.server() == Some(server) && program.fin_wait_2 > 0 && in_time
}

/// Says who holds connections, and for how long they have been idle.
fn holding(program: &Program, number: u64, state: &str) -> String {
    let idle = match program.idle {
        Some((least, most)) if time(least) == time(most) => format!(", idle for at least {}", time(most)),
        Some((least, most)) => format!(", idle for at least {} to {}", time(least), time(most)),
        None => String::new(),
    };
    format!("{} holds {number} in {state}{idle}", program.named())
}

/// Says which ports and peers lead.
fn leading(program: &Program) -> Vec<String> {
    ports(&program.ports).into_iter().chain(peers(&program.peers)).collect()
}

/// Says which local ports lead; outgoing connections have one each, which says nothing.
fn ports(found: &[(u16, u64)]) -> Option<String> {
    let leads = found.len() == 1 || found.first().is_some_and(|(_, number)| *number > 1);
    leads.then(|| format!("local ports: {}", parts(found, 4)))
}

fn peers<K: std::fmt::Display>(found: &[(K, u64)]) -> Option<String> {
    (!found.is_empty()).then(|| format!("peers: {}", parts(found, 3)))
}

/// Tells whether a program has its connections as a server: they came in at a port that is listened on.
fn serves(facts: &Facts, program: &Program) -> bool {
    program.ports.first().is_none_or(|(port, _)| facts.listening.contains(port))
}

/// Tells whether the peers of a program are on this host, or in another network of it that was looked into.
fn is_within_the_host(facts: &Facts, program: &Program) -> bool {
    let here = |peer: &IpAddr| {
        peer.is_loopback() || facts.elsewhere.iter().any(|there| there.addresses.contains(peer))
    };
    !program.peers.is_empty() && program.peers.iter().all(|(peer, _)| here(peer))
}

/// More processes than this are not named one by one in a command.
const MOST_PIDS: usize = 4;
/// The ages that a command to drop is proposed with.
const AGES: [u64; 7] = [3600, 600, 300, 60, 30, 10, 5];

/// Returns the command that drops what a program holds and has left alone for long.
fn drop_command(facts: &Facts, program: &Program, state: &str) -> String {
    let whom: Vec<_> = if program.pids.len() <= MOST_PIDS {
        program.pids.iter().map(|pid| format!(" --pid {pid}")).collect()
    } else {
        program.ports.iter().map(|(port, _)| format!(" --local-port {port}")).collect()
    };
    let half = program.idle.map_or(0, |(_, most)| most.as_secs() / 2);
    let age = AGES.iter().find(|age| **age <= half);
    let older =
        age.map_or_else(String::new, |age| format!(" --older-than {}", time(Duration::from_secs(*age))));
    facts.tune(&format!("drop --state {state} --held{older}{}", whom.concat()))
}

/// What the kernel's timeout has no say in.
const TIMEOUT_OF_HELD: &str =
    "it counts for connections that no process has any more, and a process holds these";

/// Returns the way to free what a program holds without waiting for it.
fn dropping(facts: &Facts, program: &Program, state: &str) -> Remedy {
    Remedy::new(RemedyKind::Drop, "until then, abort those that have been idle for long")
        .command(drop_command(facts, program, state))
        .price(
            "cannot be undone: the peer gets a reset, and the descriptor stays until the process closes it",
        )
}

/// Returns a remedy that is a setting of a server.
fn server_setting(
    action: &str,
    (file, then): (&'static str, Option<&'static str>),
    directives: &[&str],
) -> Remedy {
    let then = then.map_or_else(String::new, |then| format!("; then: {then}"));
    Remedy::new(RemedyKind::Application, format!("{action}{then}")).file(file, directives)
}

#[cfg(test)]
mod tests {
    use super::super::finding::Cause;
    use super::super::testing::{causes, quiet};
    use super::*;

    #[test]
    fn nothing_is_found_on_a_quiet_host() {
        assert_eq!(causes(&quiet()), []);
        assert_eq!(causes(&quiet().with_orphans(80, 0, 0)), []);
    }

    /// Situations as they are met, with both ends of loopback connections in sight where a trial has them.
    #[test]
    fn the_true_cause_comes_first() {
        let cases = [
            (
                "a server leaks",
                quiet().held_by("leaky", 80, 50, 3).with_orphans(80, 90, 0),
                Cause::HalfCloseLeak,
            ),
            (
                "a server leaks, its clients are here too",
                quiet().held_by("leaky", 80, 50, 3).waited_by("client", 40_000, 50, 3),
                Cause::HalfCloseLeak,
            ),
            (
                "clients never close under a long timeout",
                quiet().with_timeout(360, 600).with_orphans(80, 500, 400),
                Cause::UnclosingPeers,
            ),
            (
                "the same within the host",
                local_client(quiet().with_timeout(360, 600).with_orphans(80, 50, 40), 90),
                Cause::UnclosingPeers,
            ),
            ("CLOSE_WAIT leaks", quiet().waited_by("java", 80, 30, 400), Cause::CloseWaitLeak),
            (
                "CLOSE_WAIT leaks, its clients are here too",
                quiet().waited_by("java", 80, 30, 400).with_orphans(40_000, 30, 0),
                Cause::CloseWaitLeak,
            ),
            (
                "httpd lingers, and twice as many orphans follow",
                quiet().held_by("apache2", 80, 300, 29).with_orphans(80, 600, 0),
                Cause::HttpdLingering,
            ),
            (
                "nginx lingers",
                quiet().held_by("nginx", 80, 300, 4).with_orphans(80, 900, 0),
                Cause::NginxLingering,
            ),
            (
                "deferred accept",
                listened(quiet().with_overdue(80, 40, 324).with_orphans(80, 60, 0), "apache2"),
                Cause::DeferredAccept,
            ),
        ];
        for (name, facts, cause) in cases {
            assert_eq!(causes(&facts).first(), Some(&cause), "{name}: {:?}", causes(&facts));
        }
    }

    fn listened(mut facts: Facts, command: &str) -> Facts {
        facts.listeners.insert(80, command.to_owned());
        facts
    }

    fn local_client(facts: Facts, many: u64) -> Facts {
        let mut facts = facts.waited_by("client", 40_000, many, 30);
        if let Some(client) = facts.programs.as_mut().and_then(|list| list.last_mut()) {
            client.peers = vec![(IpAddr::from([127, 0, 0, 1]), many)];
        }
        facts
    }

    #[test]
    fn the_command_to_drop_names_processes_or_ports() {
        let facts = quiet().held_by("leaky", 80, 50, 700);
        let mut program = facts.seen_programs()[0].clone();
        let command = |program: &Program| drop_command(&facts, program, "fin-wait-2");
        assert_eq!(command(&program), "tune drop --state fin-wait-2 --held --older-than 5min --pid 100");
        program.pids = vec![1, 2, 3, 4, 5];
        program.idle = Some((Duration::ZERO, Duration::from_secs(3)));
        assert_eq!(command(&program), "tune drop --state fin-wait-2 --held --local-port 80");
    }
}
