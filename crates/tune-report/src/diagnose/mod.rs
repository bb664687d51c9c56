//! What is behind the half-closed connections of a host: the numbers, then the findings.

mod document;
mod live;
mod metrics;
mod networks;
#[cfg(test)]
mod tests;

use std::time::Duration;

use tune_model::finding::HostRef;
use tune_sockets::diagnosis::{Facts, Finding, Gauge, Program, Remedy, Unseen, Weight, size, time};
use tune_sockets::{Family, Holdings, StateSet, TcpState, TimeLeft};

use crate::page::Page;
use crate::style::{BAD, DIM, GOOD, PLAIN, STRONG, WARN};
use crate::table::Table;
use crate::{Report, json, words};

pub use live::History;

/// The result of `tune diagnose`.
#[derive(Debug, Clone, PartialEq)]
pub struct DiagnoseReport {
    /// The host.
    pub host: HostRef,
    /// What was seen.
    pub facts: Facts,
    /// What is behind it, the weightiest first.
    pub findings: Vec<Finding>,
    /// Shows all of every finding to people.
    pub verbose: bool,
}

/// How long the bars of a histogram are at most.
const BAR: u64 = 30;
/// How many programs are told.
const PROGRAMS: usize = 8;

impl DiagnoseReport {
    /// The name of the document's schema.
    pub const SCHEMA: &str = "tune.diagnose/1";

    /// Returns it as OpenMetrics text, for the textfile collector of node_exporter.
    #[must_use]
    pub fn open_metrics(&self) -> String {
        metrics::text(self)
    }
}

impl Report for DiagnoseReport {
    fn human(&self, width: usize) -> String {
        let mut page = Page::new(width);
        let facts = &self.facts;
        page.item(0, "host:", &words::host(&self.host));
        page.blank();
        states(&mut page, facts);
        fin_wait_2(&mut page, facts);
        close_wait(&mut page, facts);
        limits(&mut page, facts);
        rates(&mut page, facts);
        networks::brief(&mut page, facts);
        findings(&mut page, &self.findings, self.verbose);
        if facts.unseen != Unseen::default() || !facts.notes.is_empty() {
            page.blank();
        }
        networks::unseen(&mut page, facts);
        for note in &facts.notes {
            page.item(0, "note:", note);
        }
        page.finish()
    }

    fn json(&self) -> String {
        json::document(Self::SCHEMA, &document::of(self))
    }
}

fn states(page: &mut Page, facts: &Facts) {
    if facts.counts.total() == 0 {
        page.text(0, "There are no TCP connections.");
        return;
    }
    let shown: Vec<_> = StateSet::ALL.iter().filter(|state| facts.counts.of_state(*state) > 0).collect();
    let families = shown.iter().all(|state| facts.counts.of_unknown_family(*state) == 0);
    let mut table = Table::new(if families { &["state", "IPv4", "IPv6"] } else { &["state", "connections"] });
    for state in shown {
        let of = |family| facts.counts.of(state, family).to_string();
        let numbers = match families {
            true => vec![of(Family::Ipv4), of(Family::Ipv6)],
            false => vec![facts.counts.of_state(state).to_string()],
        };
        table.row(of_state(state), [state.name().to_owned()].into_iter().chain(numbers));
    }
    page.table(&table);
}

const fn of_state(state: TcpState) -> anstyle::Style {
    match state {
        TcpState::FinWait2 | TcpState::CloseWait => STRONG,
        _ => PLAIN,
    }
}

fn fin_wait_2(page: &mut Page, facts: &Facts) {
    let held = &facts.fin_wait_2;
    if held.total() == 0 {
        return;
    }
    page.blank();
    page.heading(&format!("FIN_WAIT_2: {}, timeout {}", held.total(), facts.timeout.effective));
    if held.orphaned() > 0 {
        page.item(
            2,
            "orphaned:",
            &format!("{} that no process has; the kernel ends them{}", held.orphaned(), forms(held)),
        );
        time_left(page, &facts.time_left);
    }
    if held.held() > 0 {
        let keepalive = match held.held_with_timer {
            0 => String::new(),
            number => format!("; {number} with keepalive"),
        };
        page.item(
            2,
            "held:",
            &format!("{} that a process has open; no timeout ends them{keepalive}", held.held()),
        );
        holders(page, facts, |program| program.fin_wait_2);
    }
    if held.unknown > 0 {
        page.item(2, "unknown:", &format!("{} of which the system does not tell", held.unknown));
    }
}

fn forms(held: &Holdings) -> String {
    if held.full_sockets == 0 { String::new() } else { format!("; {} are whole sockets", held.full_sockets) }
}

/// Draws how many orphans have how long left.
fn time_left(page: &mut Page, left: &TimeLeft) {
    let bounds = TimeLeft::BOUNDS.iter().map(|bound| format!("within {}s", bound.as_secs()));
    let rows: Vec<_> = bounds
        .zip(left.within)
        .chain([("longer".to_owned(), left.longer), ("unknown".to_owned(), left.unknown)])
        .filter(|(_, number)| *number > 0)
        .collect();
    let most = rows.iter().map(|(_, number)| *number).max().unwrap_or(1);
    for (label, number) in rows {
        let bar = usize::try_from((number * BAR).div_ceil(most)).unwrap_or(0);
        page.verbatim(4, PLAIN, &format!("{label:<12} {number:>7}  {}", "#".repeat(bar)));
    }
}

fn close_wait(page: &mut Page, facts: &Facts) {
    let held = &facts.close_wait;
    if held.total() == 0 {
        return;
    }
    page.blank();
    page.heading(&format!(
        "CLOSE_WAIT: {}, which the peer has closed and the application here has not",
        held.total()
    ));
    holders(page, facts, |program| program.close_wait);
    if held.unaccepted > 0 {
        page.item(2, "not accepted yet:", &held.unaccepted.to_string());
    }
}

/// Names the programs that hold connections.
fn holders(page: &mut Page, facts: &Facts, number: fn(&Program) -> u64) {
    let programs = facts.programs.as_deref().unwrap_or_default();
    let holders: Vec<_> = programs.iter().filter(|program| number(program) > 0).collect();
    for program in holders.iter().take(PROGRAMS) {
        let idle = program
            .idle
            .map_or_else(String::new, |(least, most)| format!(", idle at least {}", span(least, most)));
        page.item(
            4,
            &format!("{:>7}", number(program)),
            &format!("{}{}{idle}", program.named(), ports(program)),
        );
    }
    if holders.len() > PROGRAMS {
        page.item(4, "and", &format!("{} more programs", holders.len() - PROGRAMS));
    }
    if facts.programs.is_none() {
        page.text(4, "which processes, this system does not tell");
    } else if facts.unnamed > 0 {
        page.item(4, &format!("{:>7}", facts.unnamed), "in all held by processes that cannot be seen");
    }
}

/// Names the local ports that lead; outgoing connections have one each, which says nothing.
fn ports(program: &Program) -> String {
    match &program.ports[..] {
        [] => String::new(),
        [(_, 1), _, ..] => ", outgoing".to_owned(),
        ports => {
            let shown: Vec<_> = ports.iter().take(3).map(|(port, _)| port.to_string()).collect();
            format!(", port {}", shown.join(" "))
        }
    }
}

fn span(least: Duration, most: Duration) -> String {
    let (least, most) = (time(least), time(most));
    if least == most { most } else { format!("{least} to {most}") }
}

fn limits(page: &mut Page, facts: &Facts) {
    let lines: Vec<_> =
        facts.usage.named().into_iter().filter_map(|(name, gauge)| limit(name, gauge)).collect();
    if lines.is_empty() && facts.memory.is_none() {
        return;
    }
    page.blank();
    for (label, text, style) in lines {
        page.marked(0, style, &format!("{label}:"), &text);
    }
    if let Some(memory) = facts.memory {
        let text = format!(
            "about {} for all connections, {} of it for FIN_WAIT_2, buffers apart (an estimate: 256 bytes for a small \
             entry, 2.4 KB for a socket)",
            size(memory.connections),
            size(memory.fin_wait_2)
        );
        page.item(0, "kernel memory:", &text);
    }
}

fn limit(name: &str, gauge: &Gauge) -> Option<(&'static str, String, anstyle::Style)> {
    let used = gauge.used?;
    let (label, show): (_, fn(u64) -> String) = match name {
        "orphans" => ("orphans", |number| number.to_string()),
        "time_wait" => ("closed entries", |number| number.to_string()),
        "tcp_memory" => ("TCP buffers", size),
        _ => ("mbuf clusters", |number| number.to_string()),
    };
    let text = match (gauge.limit, gauge.percent()) {
        (Some(limit), Some(percent)) => format!("{} of {} ({percent} %)", show(used), show(limit)),
        _ => show(used),
    };
    let style = match gauge.percent() {
        Some(90..) => BAD,
        Some(50..) => WARN,
        _ => DIM,
    };
    Some((label, text, style))
}

/// Tells which counters grew while they were watched.
fn rates(page: &mut Page, facts: &Facts) {
    let Some(rates) = &facts.rates else { return };
    let grown: Vec<_> = rates.grown.0.iter().filter(|(_, grown)| **grown > 0).collect();
    page.blank();
    let tenths = u64::try_from(rates.over.as_millis() / 100).unwrap_or(u64::MAX);
    let over = tune_model::Quantity::Duration(tenths.saturating_mul(100));
    if grown.is_empty() {
        page.item(0, "counters:", &format!("none of those that tell of trouble grew in {over}"));
        return;
    }
    page.heading(&format!("Counters that grew in {over}:"));
    let mut table = Table::new(&["counter", "by", "a second", "counts"]);
    for (name, grown) in grown {
        let counts = tune_sockets::diagnosis::COUNTERS.iter().find(|counter| counter.name == *name);
        let rate = format!("{:.1}", rates.per_second(name));
        table.row(PLAIN, [*name, &grown.to_string(), &rate, counts.map_or("", |counter| counter.counts)]);
    }
    page.table(&table);
}

/// The heading of the findings says how much they matter.
fn findings(page: &mut Page, findings: &[Finding], verbose: bool) {
    page.blank();
    let Some(first) = findings.first() else {
        page.styled(0, GOOD, "Nothing stands out.");
        return;
    };
    page.heading(match first.weight {
        Weight::Note => "Nothing is wrong. Good to know:",
        Weight::Problem | Weight::Harm => "What is behind it, the weightiest first:",
    });
    for (at, finding) in findings.iter().enumerate() {
        page.blank();
        title(page, at + 1, finding);
        if at == 0 || verbose || finding.weight > Weight::Note {
            whole(page, finding);
        } else {
            brief(page, finding);
        }
    }
}

fn title(page: &mut Page, number: usize, finding: &Finding) {
    let style = match finding.weight {
        Weight::Harm => BAD,
        Weight::Problem => WARN,
        Weight::Note => PLAIN,
    };
    page.marked(0, style, &format!("{number}."), &format!("{}.", finding.title));
}

/// Shows all of a finding.
fn whole(page: &mut Page, finding: &Finding) {
    for evidence in &finding.evidence {
        page.item(3, "seen:", evidence);
    }
    for remedy in &finding.remedies {
        page.marked(3, STRONG, "do:", &remedy.action);
        steps(page, remedy);
        if let Some(price) = &remedy.price {
            page.item(7, "price:", price);
        }
    }
    for vain in &finding.in_vain {
        page.item(3, "no help:", &format!("{}: {}", vain.what, vain.why));
    }
}

/// Shows the first thing to do.
fn brief(page: &mut Page, finding: &Finding) {
    if let Some(remedy) = finding.remedies.first() {
        page.marked(3, STRONG, "do:", &remedy.action);
        steps(page, remedy);
    }
}

/// Shows what to type or write.
fn steps(page: &mut Page, remedy: &Remedy) {
    if let Some(command) = &remedy.command {
        page.verbatim(7, STRONG, command);
    }
    if let Some(file) = &remedy.file {
        page.text(7, &format!("in {file}:"));
    }
    for directive in &remedy.directives {
        page.verbatim(9, STRONG, directive);
    }
}
