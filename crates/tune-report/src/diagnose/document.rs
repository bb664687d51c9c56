//! The document of a diagnosis.

use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;
use tune_model::Effective;
use tune_model::finding::HostRef;
use tune_sockets::diagnosis::{COUNTERS, Facts, Finding, Gauge, Program};
use tune_sockets::{Family, Holdings, Share, StateSet, TimeLeft};

use super::DiagnoseReport;
use super::networks::NetworkDocument;

#[derive(Debug, Serialize)]
pub(super) struct Document<'a> {
    host: &'a HostRef,
    source: &'static str,
    states: Vec<State>,
    fin_wait_2: FinWait2<'a>,
    close_wait: Held,
    programs: Option<Vec<Holder<'a>>>,
    unnamed: u64,
    unreadable_processes: usize,
    ports: Vec<Port<'a>>,
    peers: Vec<Peer>,
    limits: Limits,
    memory: Option<MemoryDocument>,
    counters: Vec<CounterDocument>,
    sample_ms: Option<u128>,
    networks: Vec<NetworkDocument<'a>>,
    networks_not_looked_into: usize,
    findings: &'a [Finding],
    notes: &'a [String],
}

#[derive(Debug, Serialize)]
struct State {
    state: &'static str,
    ipv4: u64,
    ipv6: u64,
    total: u64,
}

#[derive(Debug, Serialize)]
struct Held {
    total: u64,
    orphaned: u64,
    held: u64,
    held_without_timer: u64,
    held_with_timer: u64,
    unaccepted: u64,
    unknown: u64,
}

#[derive(Debug, Serialize)]
struct FinWait2<'a> {
    #[serde(flatten)]
    held: Held,
    minisocks: u64,
    full_sockets: u64,
    timeout: &'a Effective,
    tunable: &'static str,
    time_left: Vec<Left>,
    longer_than_timeout: u64,
    longest_left_ms: Option<u128>,
}

#[derive(Debug, Serialize)]
struct Left {
    /// `null` for those that take longer than the last bound, and with `unknown` for those of which it is not known.
    within_ms: Option<u128>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    unknown: bool,
    connections: u64,
}

#[derive(Debug, Serialize)]
struct Holder<'a> {
    program: &'a str,
    pids: &'a [i32],
    uids: &'a [u32],
    fin_wait_2: u64,
    close_wait: u64,
    shared: u64,
    idle_ms: Option<Span>,
    ports: Vec<PortShare>,
    peers: Vec<PeerShare>,
}

#[derive(Debug, Serialize)]
struct Span {
    min: u128,
    max: u128,
}

#[derive(Debug, Serialize)]
struct PortShare {
    port: u16,
    connections: u64,
}

#[derive(Debug, Serialize)]
struct PeerShare {
    peer: IpAddr,
    connections: u64,
}

#[derive(Debug, Serialize)]
struct Port<'a> {
    port: u16,
    listening: bool,
    listener: Option<&'a str>,
    #[serde(flatten)]
    share: ShareDocument,
}

#[derive(Debug, Serialize)]
struct Peer {
    peer: IpAddr,
    #[serde(flatten)]
    share: ShareDocument,
}

#[derive(Debug, Serialize)]
struct ShareDocument {
    orphaned: u64,
    held: u64,
    unknown: u64,
    close_wait: u64,
}

#[derive(Debug, Serialize)]
struct Limits {
    orphans: GaugeDocument,
    time_wait: GaugeDocument,
    tcp_memory: GaugeDocument,
    mbuf_clusters: GaugeDocument,
}

#[derive(Debug, Serialize)]
struct GaugeDocument {
    used: Option<u64>,
    limit: Option<u64>,
    pressure: Option<u64>,
}

#[derive(Debug, Serialize)]
struct MemoryDocument {
    estimate: bool,
    connections_bytes: u64,
    fin_wait_2_bytes: u64,
    buffers_bytes: Option<u64>,
}

#[derive(Debug, Serialize)]
struct CounterDocument {
    name: &'static str,
    counts: &'static str,
    value: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    grown: Option<u64>,
}

/// How many ports are told: those with the most half-closed connections.
const PORTS: usize = 20;

pub(super) fn of(report: &DiagnoseReport) -> Document<'_> {
    let facts = &report.facts;
    Document {
        host: &report.host,
        source: facts.source.name(),
        states: states(facts),
        fin_wait_2: fin_wait_2(facts),
        close_wait: held(&facts.close_wait),
        programs: facts.programs.as_ref().map(|programs| programs.iter().map(holder).collect()),
        unnamed: facts.unnamed,
        unreadable_processes: facts.unreadable,
        ports: ports(facts),
        peers: facts.peers.iter().map(|(peer, found)| Peer { peer: *peer, share: share(found) }).collect(),
        limits: Limits {
            orphans: gauge(&facts.usage.orphans),
            time_wait: gauge(&facts.usage.time_wait),
            tcp_memory: gauge(&facts.usage.tcp_memory),
            mbuf_clusters: gauge(&facts.usage.mbuf_clusters),
        },
        memory: facts.memory.map(|memory| MemoryDocument {
            estimate: true,
            connections_bytes: memory.connections,
            fin_wait_2_bytes: memory.fin_wait_2,
            buffers_bytes: memory.buffers,
        }),
        counters: counters(facts),
        sample_ms: facts.rates.as_ref().map(|rates| rates.over.as_millis()),
        networks: facts.elsewhere.iter().map(NetworkDocument::of).collect(),
        networks_not_looked_into: facts.unseen.namespaces,
        findings: &report.findings,
        notes: &facts.notes,
    }
}

fn states(facts: &Facts) -> Vec<State> {
    let of = |state, family| facts.counts.of(state, family);
    StateSet::ALL
        .iter()
        .map(|state| State {
            state: state.name(),
            ipv4: of(state, Family::Ipv4),
            ipv6: of(state, Family::Ipv6),
            total: facts.counts.of_state(state),
        })
        .collect()
}

const fn held(found: &Holdings) -> Held {
    Held {
        total: found.total(),
        orphaned: found.orphaned(),
        held: found.held(),
        held_without_timer: found.held_without_timer,
        held_with_timer: found.held_with_timer,
        unaccepted: found.unaccepted,
        unknown: found.unknown,
    }
}

fn fin_wait_2(facts: &Facts) -> FinWait2<'_> {
    let left = &facts.time_left;
    let within = TimeLeft::BOUNDS.iter().zip(left.within);
    let bounded = within.map(|(bound, connections)| Left {
        within_ms: Some(bound.as_millis()),
        unknown: false,
        connections,
    });
    let rest = [
        Left { within_ms: None, unknown: false, connections: left.longer },
        Left { within_ms: None, unknown: true, connections: left.unknown },
    ];
    FinWait2 {
        held: held(&facts.fin_wait_2),
        minisocks: facts.fin_wait_2.minisocks,
        full_sockets: facts.fin_wait_2.full_sockets,
        timeout: &facts.timeout.effective,
        tunable: facts.timeout.tunable,
        time_left: bounded.chain(rest).collect(),
        longer_than_timeout: facts.overdue_orphans(),
        longest_left_ms: (facts.overdue.looked_at > 0).then_some(facts.overdue.longest.as_millis()),
    }
}

fn holder(program: &Program) -> Holder<'_> {
    let ms = |time: Duration| time.as_millis();
    let ports =
        program.ports.iter().map(|(port, connections)| PortShare { port: *port, connections: *connections });
    let peers =
        program.peers.iter().map(|(peer, connections)| PeerShare { peer: *peer, connections: *connections });
    Holder {
        program: &program.command,
        pids: &program.pids,
        uids: &program.uids,
        fin_wait_2: program.fin_wait_2,
        close_wait: program.close_wait,
        shared: program.shared,
        idle_ms: program.idle.map(|(least, most)| Span { min: ms(least), max: ms(most) }),
        ports: ports.collect(),
        peers: peers.collect(),
    }
}

fn ports(facts: &Facts) -> Vec<Port<'_>> {
    let mut ports: Vec<_> = facts.ports.iter().collect();
    ports.sort_by_key(|(port, share)| (std::cmp::Reverse(share.total()), **port));
    let of = |(port, found): (&u16, &Share)| Port {
        port: *port,
        listening: facts.listening.contains(port),
        listener: facts.listeners.get(port).map(String::as_str),
        share: share(found),
    };
    ports.into_iter().take(PORTS).map(of).collect()
}

const fn share(found: &Share) -> ShareDocument {
    let Share { orphaned, held, unknown, close_wait } = *found;
    ShareDocument { orphaned, held, unknown, close_wait }
}

const fn gauge(found: &Gauge) -> GaugeDocument {
    let Gauge { used, limit, pressure } = *found;
    GaugeDocument { used, limit, pressure }
}

fn counters(facts: &Facts) -> Vec<CounterDocument> {
    let known = COUNTERS.iter().filter(|counter| counter.system == facts.system);
    let of = |counter: &tune_sockets::diagnosis::Counter| {
        let value = *facts.counters.0.get(counter.name)?;
        let grown = facts.rates.as_ref().map(|rates| rates.grown.of(counter.name));
        Some(CounterDocument { name: counter.name, counts: counter.counts, value, grown })
    };
    known.filter_map(of).collect()
}
