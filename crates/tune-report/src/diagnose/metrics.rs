//! A diagnosis as OpenMetrics text.
//!
//! Only gauges and counters: the textfile collector of node_exporter reads the older Prometheus form, in which those are
//! the same. Names and labels are kept from release to release.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};

use tune_model::{Effective, Quantity};
use tune_sockets::diagnosis::COUNTERS;
use tune_sockets::{Family, StateSet};

use super::DiagnoseReport;

/// The text in the making.
#[derive(Default)]
struct Exposition(String);

type Labels<'a> = &'a [(&'static str, &'a str)];

impl Exposition {
    /// Begins a family of samples.
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: Labels<'_>, value: impl Display) {
        let pairs: Vec<_> =
            labels.iter().map(|(key, value)| format!("{key}=\"{}\"", escaped(value))).collect();
        let labels = if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(",")) };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

pub(super) fn text(report: &DiagnoseReport) -> String {
    let mut out = Exposition::default();
    connections(&mut out, report);
    half_closed(&mut out, report);
    programs(&mut out, report);
    limits(&mut out, report);
    times(&mut out, report);
    memory(&mut out, report);
    events(&mut out, report);
    networks(&mut out, report);
    findings(&mut out, report);
    out.0.push_str("# EOF\n");
    out.0
}

fn connections(out: &mut Exposition, report: &DiagnoseReport) {
    const NAME: &str = "tune_tcp_connections";
    out.family(NAME, "gauge", "TCP connections by state and address family.");
    for state in StateSet::ALL.iter() {
        for (family, label) in [(Family::Ipv4, "ipv4"), (Family::Ipv6, "ipv6")] {
            let labels = [("state", state.name()), ("family", label)];
            out.sample(NAME, &labels, report.facts.counts.of(state, family));
        }
    }
}

fn half_closed(out: &mut Exposition, report: &DiagnoseReport) {
    const NAME: &str = "tune_tcp_half_closed";
    out.family(NAME, "gauge", "TCP connections in FIN_WAIT_2 and CLOSE_WAIT by who has them.");
    let facts = &report.facts;
    for (state, held) in [("FIN_WAIT_2", &facts.fin_wait_2), ("CLOSE_WAIT", &facts.close_wait)] {
        for (kind, number) in [
            ("orphaned_minisock", held.minisocks),
            ("orphaned_socket", held.full_sockets),
            ("held_without_timer", held.held_without_timer),
            ("held_with_timer", held.held_with_timer),
            ("unaccepted", held.unaccepted),
            ("unknown", held.unknown),
        ] {
            out.sample(NAME, &[("state", state), ("kind", kind)], number);
        }
    }
    const LONGER: &str = "tune_tcp_orphans_longer_than_timeout";
    out.family(LONGER, "gauge", "Orphans in FIN_WAIT_2 with longer to run than the timeout gives.");
    out.sample(LONGER, &[], facts.overdue_orphans());
}

fn programs(out: &mut Exposition, report: &DiagnoseReport) {
    const NAME: &str = "tune_tcp_half_closed_of_program";
    let Some(programs) = &report.facts.programs else { return };
    out.family(NAME, "gauge", "TCP connections in FIN_WAIT_2 and CLOSE_WAIT that a program has open.");
    let mut sums: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for program in programs {
        for (state, number) in [("FIN_WAIT_2", program.fin_wait_2), ("CLOSE_WAIT", program.close_wait)] {
            *sums.entry((&program.command, state)).or_default() += number;
        }
    }
    for ((program, state), number) in sums {
        out.sample(NAME, &[("program", program), ("state", state)], number);
    }
}

fn limits(out: &mut Exposition, report: &DiagnoseReport) {
    const USED: &str = "tune_tcp_resource_used";
    const LIMIT: &str = "tune_tcp_resource_limit";
    let named = report.facts.usage.named();
    out.family(USED, "gauge", "How much of a limited resource is in use; tcp_memory in bytes.");
    for (name, gauge) in named {
        if let Some(used) = gauge.used {
            out.sample(USED, &[("resource", name)], used);
        }
    }
    out.family(LIMIT, "gauge", "The limit of a resource; tcp_memory in bytes.");
    for (name, gauge) in named {
        if let Some(limit) = gauge.limit {
            out.sample(LIMIT, &[("resource", name)], limit);
        }
    }
}

fn times(out: &mut Exposition, report: &DiagnoseReport) {
    let facts = &report.facts;
    for (name, help, effective) in [
        (
            "tune_tcp_fin_wait_2_timeout_seconds",
            "How long the kernel keeps a closed connection in FIN_WAIT_2, at most.",
            &facts.timeout.effective,
        ),
        (
            "tune_tcp_keepalive_idle_seconds",
            "How long a connection is idle before keepalive probes it.",
            &facts.keepalive_idle,
        ),
    ] {
        if let Some(value) = seconds(effective) {
            out.family(name, "gauge", help);
            out.sample(name, &[], value);
        }
    }
}

/// Returns a time in seconds, the longest that it can be; nothing where it is not known.
fn seconds(effective: &Effective) -> Option<String> {
    match effective {
        Effective::Exact(Quantity::Duration(ms))
        | Effective::Between { high: Quantity::Duration(ms), .. } => {
            Some(format!("{}.{:03}", ms / 1000, ms % 1000))
        }
        Effective::Unbounded => Some("+Inf".to_owned()),
        _ => None,
    }
}

fn memory(out: &mut Exposition, report: &DiagnoseReport) {
    const NAME: &str = "tune_tcp_kernel_memory_estimate_bytes";
    let Some(memory) = report.facts.memory else { return };
    out.family(
        NAME,
        "gauge",
        "What connections take of the kernel's memory without their buffers: an estimate.",
    );
    out.sample(NAME, &[("of", "all")], memory.connections);
    out.sample(NAME, &[("of", "FIN_WAIT_2")], memory.fin_wait_2);
}

fn events(out: &mut Exposition, report: &DiagnoseReport) {
    const NAME: &str = "tune_tcp_events";
    out.family(NAME, "counter", "What the kernel counts of resets, drops and memory, by its own names.");
    let known = COUNTERS.iter().filter(|counter| counter.system == report.facts.system);
    for counter in known {
        if let Some(value) = report.facts.counters.0.get(counter.name) {
            out.sample("tune_tcp_events_total", &[("event", counter.name)], value);
        }
    }
}

fn networks(out: &mut Exposition, report: &DiagnoseReport) {
    const NAME: &str = "tune_tcp_network_half_closed";
    if report.facts.elsewhere.is_empty() {
        return;
    }
    out.family(NAME, "gauge", "TCP connections in FIN_WAIT_2 and CLOSE_WAIT by network namespace.");
    for there in &report.facts.elsewhere {
        for (state, kind, number) in [
            ("FIN_WAIT_2", "orphaned", there.fin_wait_2.orphaned()),
            ("FIN_WAIT_2", "held", there.fin_wait_2.held()),
            ("CLOSE_WAIT", "all", there.counts.of_state(tune_sockets::TcpState::CloseWait)),
        ] {
            let labels =
                [("network", &*there.name), ("title", &*there.title), ("state", state), ("kind", kind)];
            out.sample(NAME, &labels, number);
        }
    }
}

fn findings(out: &mut Exposition, report: &DiagnoseReport) {
    const NAME: &str = "tune_diagnose_findings";
    out.family(NAME, "gauge", "How many findings there are of each weight.");
    for weight in ["harm", "problem", "note"] {
        let number = report.findings.iter().filter(|finding| finding.weight.name() == weight).count();
        out.sample(NAME, &[("weight", weight)], number);
    }
}
