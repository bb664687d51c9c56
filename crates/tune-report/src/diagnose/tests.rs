//! Golden texts of a diagnosis.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tune_model::{Effective, Quantity, System};
use tune_sockets::diagnosis::{
    Counters, Elsewhere, Facts, FinTimeout, Gauge, Memory, Network, Overdue, Program, Rates, Unseen, Usage,
    diagnose,
};
use tune_sockets::{Counts, Family, Holdings, Share, Source, TcpState, TimeLeft};

use super::DiagnoseReport;
use crate::testing::{check, host, plain};

fn counted(states: &[(TcpState, Family, u64)]) -> Counts {
    let mut counts = Counts::default();
    states.iter().for_each(|(state, family, many)| counts.add_many(*state, *family, *many));
    counts
}

/// A server that is quiet.
fn quiet() -> Facts {
    let gauge = |used, limit| Gauge { used: Some(used), limit: Some(limit), pressure: None };
    Facts {
        system: System::Linux,
        network: Network::Host,
        option: String::new(),
        source: Source::InetDiag,
        counts: counted(&[(TcpState::Listen, Family::Ipv4, 1), (TcpState::Established, Family::Ipv6, 7)]),
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
        httpd_is_event: Some(true),
        keepalive_off_in: None,
        httpd_file: (
            "/etc/apache2/conf-available/zz-tune.conf",
            Some("a2enconf zz-tune && apachectl graceful"),
        ),
        nginx_file: ("/etc/nginx/nginx.conf", None),
        timeout: FinTimeout {
            effective: Effective::Exact(Quantity::Duration(60_000)),
            shown: Some(Duration::from_secs(60)),
            tunable: "net.ipv4.tcp_fin_timeout",
            of_the_host: None,
        },
        keepalive_idle: Effective::Exact(Quantity::Duration(7_200_000)),
        usage: Usage {
            orphans: gauge(3, 131_072),
            time_wait: gauge(660, 1000),
            tcp_memory: gauge(3 << 20, 2 << 30),
            mbuf_clusters: Gauge::default(),
        },
        memory: Some(Memory { connections: 2400 * 8, fin_wait_2: 0, buffers: Some(3 << 20) }),
        counters: Counters([("OutRsts", 17), ("TCPAbortOnMemory", 0)].into()),
        rates: None,
        conntrack: None,
        elsewhere: Vec::new(),
        unseen: Unseen::default(),
        notes: Vec::new(),
    }
}

/// httpd lingers, a program leaks, orphans wait.
fn busy() -> Facts {
    let mut facts = quiet();
    facts.counts = counted(&[
        (TcpState::Listen, Family::Ipv4, 1),
        (TcpState::FinWait2, Family::Ipv4, 900),
        (TcpState::FinWait2, Family::Ipv6, 60),
        (TcpState::CloseWait, Family::Ipv4, 12),
    ]);
    facts.fin_wait_2 =
        Holdings { minisocks: 660, held_without_timer: 12, held_with_timer: 288, ..Holdings::default() };
    facts.close_wait = Holdings { held_without_timer: 12, ..Holdings::default() };
    facts.time_left = TimeLeft { within: [60, 110, 160, 330, 0], ..TimeLeft::default() };
    facts.ports = [(80, Share { orphaned: 660, held: 300, unknown: 0, close_wait: 0 })].into();
    let program = |command: &str, pids: &[i32], fin_wait_2, close_wait, idle| Program {
        command: command.to_owned(),
        pids: pids.to_vec(),
        uids: vec![33],
        fin_wait_2,
        close_wait,
        shared: 0,
        idle: Some((Duration::ZERO, Duration::from_secs(idle))),
        ports: vec![(80, fin_wait_2 + close_wait)],
        peers: vec![("192.0.2.7".parse().unwrap(), fin_wait_2 + close_wait)],
    };
    facts.programs =
        Some(vec![program("apache2", &[812, 813], 300, 0, 29), program("ja\x1bva", &[99], 0, 12, 700)]);
    let grown = Counters([("OutRsts", 10), ("TCPAbortOnMemory", 0)].into());
    facts.rates = Some(Rates { over: Duration::from_secs(5), grown });
    facts.elsewhere = vec![Elsewhere {
        name: "4711".to_owned(),
        title: "web (nginx, pid 4711)".to_owned(),
        own: false,
        counts: counted(&[(TcpState::FinWait2, Family::Ipv4, 5)]),
        fin_wait_2: Holdings { minisocks: 5, ..Holdings::default() },
        timeout: Effective::Exact(Quantity::Duration(60_000)),
        addresses: Default::default(),
    }];
    facts.unseen = Unseen { namespaces: 2, reason: Some("this user may not".to_owned()), maybe_more: false };
    facts
}

fn report(facts: Facts) -> DiagnoseReport {
    let findings = diagnose(&facts);
    DiagnoseReport { host: host(), facts, findings, verbose: false }
}

#[test]
fn a_quiet_host_has_a_short_diagnosis() {
    let report = report(quiet());
    assert_eq!(plain(&report), GOLDEN_QUIET);
    check(&report, "diagnose");
}

#[test]
fn a_busy_host_has_numbers_then_findings() {
    let report = report(busy());
    assert_eq!(plain(&report), GOLDEN_BUSY);
    let document = check(&report, "diagnose");
    assert_eq!(document["findings"][0]["cause"], "httpd-lingering");
    assert_eq!(document["fin_wait_2"]["orphaned"], 660);
    assert_eq!(document["programs"][0]["program"], "apache2");
    assert_eq!(document["counters"][1]["grown"], 10);
}

#[test]
fn everything_is_shown_where_more_is_asked_for() {
    let mut report = report(busy());
    report.verbose = true;
    let long = plain(&report);
    assert!(long.lines().count() > GOLDEN_BUSY.lines().count(), "{long}");
    assert_eq!(
        long.matches("no help:").count(),
        report.findings.iter().map(|found| found.in_vain.len()).sum::<usize>()
    );
}

#[test]
fn what_is_not_known_is_null() {
    let mut facts = quiet();
    facts.programs = None;
    facts.memory = None;
    facts.usage = Usage::default();
    facts.timeout.effective = Effective::Unknown("denied".to_owned());
    let document = check(&report(facts), "diagnose");
    assert!(document["programs"].is_null() && document["memory"].is_null());
    assert!(document["limits"]["orphans"]["used"].is_null());
}

#[test]
fn metrics_have_stable_names_and_an_end() {
    let text = report(busy()).open_metrics();
    assert!(text.ends_with("\n# EOF\n"), "{text}");
    for line in [
        "tune_tcp_connections{state=\"FIN_WAIT_2\",family=\"ipv6\"} 60",
        "tune_tcp_half_closed{state=\"FIN_WAIT_2\",kind=\"orphaned_minisock\"} 660",
        "tune_tcp_half_closed_of_program{program=\"apache2\",state=\"FIN_WAIT_2\"} 300",
        "tune_tcp_resource_used{resource=\"time_wait\"} 660",
        "tune_tcp_resource_limit{resource=\"tcp_memory\"} 2147483648",
        "tune_tcp_fin_wait_2_timeout_seconds 60.000",
        "tune_tcp_events_total{event=\"OutRsts\"} 17",
        "tune_tcp_network_half_closed{network=\"4711\",title=\"web (nginx, pid 4711)\",state=\"FIN_WAIT_2\",kind=\"orphaned\"} 5",
        "tune_diagnose_findings{weight=\"problem\"} 2",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
    let families: Vec<_> = text.lines().filter(|line| line.starts_with("# TYPE ")).collect();
    assert!(
        families.iter().all(|line| line.ends_with(" gauge") || line.ends_with(" counter")),
        "{families:?}"
    );
}

#[test]
fn no_two_samples_of_a_family_have_the_same_labels() {
    let mut facts = busy();
    if let Some(programs) = &mut facts.programs {
        let again = programs[0].clone();
        programs.push(again);
    }
    let text = report(facts).open_metrics();
    let mut seen = BTreeSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        assert!(seen.insert(line.rsplit_once(' ').unwrap().0), "{line} twice");
    }
}

/// Documents with something that must not be there, or without something that must.
#[test]
fn what_the_schema_does_not_name_is_refused() {
    let document = check(&report(busy()), "diagnose");
    let refused = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut changed = document.clone();
        change(&mut changed);
        assert!(crate::testing::valid(&changed, "diagnose").is_err(), "{changed}");
    };
    refused(&|document| document["rc"] = 0.into());
    refused(&|document| document["findings"][0]["unknown"] = 1.into());
    refused(&|document| document["findings"][0]["weight"] = "heavy".into());
    refused(&|document| document["fin_wait_2"]["held"] = "12".into());
    for key in document.as_object().unwrap().keys() {
        refused(&|document| drop(document.as_object_mut().unwrap().remove(key)));
    }
}

const GOLDEN_QUIET: &str = include_str!("quiet.txt");
const GOLDEN_BUSY: &str = include_str!("busy.txt");
