//! Connections that are to be dropped, and what became of them.

use serde::Serialize;
use tune_model::finding::HostRef;
use tune_model::plan::Change;
use tune_sockets::diagnosis::time;
use tune_sockets::drop::{Choice, Chosen, Holder, Outcome, Totals};
use tune_sockets::{Age, Holding};

use crate::apply::{EXIT_CHANGED, EXIT_FAILED, EXIT_OPERATOR_NEEDED};
use crate::page::Page;
use crate::plan::sentence;
use crate::style::{BAD, DIM, GOOD, PLAIN, STRONG, WARN};
use crate::table::Table;
use crate::{Report, json, words};

/// The result of `tune drop`, and what is asked about before.
#[derive(Debug, Clone)]
pub struct DropReport {
    /// The host.
    pub host: HostRef,
    /// Which connections are meant.
    pub filter: String,
    /// Those that were chosen.
    pub choice: Choice,
    /// What became of each; `None` while nothing was tried.
    pub outcomes: Option<Vec<Outcome>>,
    /// Nothing was to be done.
    pub dry_run: bool,
    /// The transaction, where there is one.
    pub transaction: Option<u64>,
    /// What to type to have it done.
    pub next: Option<String>,
    /// What an administrator should know besides.
    pub notes: Vec<String>,
    /// Shows every connection to people.
    pub verbose: bool,
}

/// How many connections are listed to people.
const LISTED: usize = 20;

impl DropReport {
    /// The name of the document's schema.
    pub const SCHEMA: &str = "tune.drop/1";

    /// Returns the exit status: 0 when none that is meant is left of those that were chosen, 1 where none was dropped, 3
    /// where some were and others could not be; `detailed` tells a change from no change.
    #[must_use]
    pub fn exit_status(&self, detailed: bool) -> u8 {
        let totals = self.totals();
        match (self.outcomes.is_some(), totals.is_complete(), totals.aborted) {
            (true, false, 0) => EXIT_FAILED,
            (true, false, _) => EXIT_OPERATOR_NEEDED,
            (true, true, 1..) if detailed => EXIT_CHANGED,
            _ => 0,
        }
    }

    /// Says in a sentence what was done.
    #[must_use]
    pub fn message(&self) -> String {
        let chosen = self.choice.chosen.len();
        if chosen == 0 {
            return "no connection is meant".to_owned();
        }
        if self.outcomes.is_none() {
            return format!("{} would be dropped", counted(chosen, "connection"));
        }
        let totals = self.totals();
        let parts = [
            (totals.gone, "gone before"),
            (totals.changed, "changed meanwhile and left alone"),
            (totals.remained, "still there"),
            (totals.failed, "could not be dropped"),
            (totals.not_tried, "not tried"),
        ];
        let rest =
            parts.iter().filter(|(number, _)| *number > 0).map(|(number, what)| format!("; {number} {what}"));
        format!("{} dropped{}", counted(totals.aborted, "connection"), rest.collect::<String>())
    }

    /// Returns what is changed: each connection that was dropped, or would be.
    #[must_use]
    pub fn changes(&self) -> Vec<Change> {
        let all = self.choice.chosen.iter();
        match &self.outcomes {
            None => all.map(change).collect(),
            Some(outcomes) => {
                let dropped = all.zip(outcomes).filter(|(_, outcome)| **outcome == Outcome::Aborted);
                dropped.map(|(chosen, _)| change(chosen)).collect()
            }
        }
    }

    fn totals(&self) -> Totals {
        Totals::of(self.outcomes.iter().flatten())
    }

    /// Returns why some could not be dropped, each reason once.
    fn reasons(&self) -> Vec<String> {
        let mut reasons: Vec<String> = Vec::new();
        for outcome in self.outcomes.iter().flatten() {
            let reason = outcome.to_string();
            if matches!(outcome, Outcome::Failed(_) | Outcome::Remains) && !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
        reasons
    }

    fn list(&self, page: &mut Page) {
        let mut table = Table::new(&["local", "peer", "state", "age", "held by"]);
        let most = if self.verbose { usize::MAX } else { LISTED };
        for (at, chosen) in self.choice.chosen.iter().enumerate().take(most) {
            let connection = &chosen.connection;
            let style = self.outcomes.as_ref().and_then(|outcomes| outcomes.get(at)).map_or(PLAIN, style);
            let ends = [connection.local.to_string(), connection.remote.to_string()];
            let rest = [connection.state.name().to_owned(), age(chosen.age), holders(chosen)];
            table.row(style, ends.into_iter().chain(rest));
        }
        page.table(&table);
        if self.choice.chosen.len() > most {
            page.text(0, &format!("and {} more; -v lists all", self.choice.chosen.len() - most));
        }
    }

    fn left_out(&self, page: &mut Page) {
        let choice = &self.choice;
        let mut note = |number: u64, what: &str| {
            if number > 0 {
                page.item(0, "left out:", &format!("{number} {what}"));
            }
        };
        note(choice.beyond, "more that are meant: run it again, or raise --max");
        note(choice.unknown_age, "of which it is not known how old they are");
        note(choice.own.len() as u64, "that this session itself uses");
    }
}

const fn style(outcome: &Outcome) -> anstyle::Style {
    match outcome {
        Outcome::Aborted => GOOD,
        Outcome::Gone | Outcome::Changed | Outcome::NotTried => DIM,
        Outcome::Remains | Outcome::Failed(_) => BAD,
    }
}

fn counted(number: usize, thing: &str) -> String {
    crate::verdict::counted(number, thing)
}

fn change(chosen: &Chosen) -> Change {
    let connection = &chosen.connection;
    let by = match holding(connection.holding) {
        "held" if chosen.holders.is_empty() => "held".to_owned(),
        "held" => format!("held by {}", holders(chosen)),
        other => other.to_owned(),
    };
    Change {
        key: format!("tcp {} {}", connection.local, connection.remote),
        before: Some(format!("{}, {by}", connection.state)),
        after: None,
        scope: "runtime".to_owned(),
    }
}

const fn holding(holding: Holding) -> &'static str {
    match holding {
        Holding::Orphaned(_) => "orphaned",
        Holding::Held => "held",
        Holding::Unaccepted => "unaccepted",
        Holding::Unknown => "unknown",
    }
}

fn holders(chosen: &Chosen) -> String {
    let named = |holder: &Holder| format!("{} (pid {})", holder.command, holder.pid);
    match &chosen.holders[..] {
        [] if chosen.connection.holding == Holding::Held => "a process that cannot be seen".to_owned(),
        [] => "-".to_owned(),
        [one] => named(one),
        [first, rest @ ..] => format!("{} and {} more", named(first), rest.len()),
    }
}

fn age(age: Age) -> String {
    match age {
        Age::IdleAtLeast(least) => format!("idle {}", time(least)),
        Age::Estimated(about) => format!("about {}", time(about)),
        Age::Unknown => "unknown".to_owned(),
    }
}

impl Report for DropReport {
    fn human(&self, width: usize) -> String {
        let mut page = Page::new(width);
        page.item(0, "host:", &words::host(&self.host));
        page.item(0, "meant:", &self.filter);
        page.blank();
        if !self.choice.chosen.is_empty() {
            self.list(&mut page);
            page.blank();
        }
        page.heading(&sentence(&self.message()));
        for reason in self.reasons() {
            page.marked(0, BAD, "reason:", &reason);
        }
        self.left_out(&mut page);
        for note in &self.notes {
            page.item(0, "note:", note);
        }
        if self.outcomes.is_none() && !self.choice.chosen.is_empty() {
            page.marked(
                0,
                WARN,
                "beware:",
                "this cannot be undone. Peers get a reset where they can; a process that holds one finds it aborted at its \
                 next call, and keeps the descriptor until it closes it",
            );
        }
        if let Some(next) = &self.next {
            page.marked(0, STRONG, "next:", next);
        }
        if let Some(transaction) = self.transaction {
            page.item(0, "recorded:", &format!("tune history {transaction}; it cannot be undone"));
        }
        page.finish()
    }

    fn json(&self) -> String {
        json::document(Self::SCHEMA, &Document::of(self))
    }
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    host: &'a HostRef,
    filter: &'a str,
    check_mode: bool,
    changed: bool,
    failed: bool,
    msg: String,
    comment: String,
    transaction: Option<u64>,
    changes: Vec<Change>,
    connections: Vec<ConnectionDocument<'a>>,
    own: usize,
    beyond: u64,
    unknown_age: u64,
    totals: TotalsDocument,
    irreversible: bool,
    notes: &'a [String],
}

#[derive(Debug, Serialize)]
struct ConnectionDocument<'a> {
    local: std::net::SocketAddr,
    peer: std::net::SocketAddr,
    interface: u32,
    state: &'static str,
    holding: &'static str,
    holders: Vec<HolderDocument<'a>>,
    age_ms: Option<u128>,
    age: &'static str,
    outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Debug, Serialize)]
struct HolderDocument<'a> {
    pid: i32,
    command: &'a str,
}

#[derive(Debug, Serialize)]
struct TotalsDocument {
    aborted: usize,
    gone: usize,
    changed: usize,
    remained: usize,
    failed: usize,
    not_tried: usize,
}

impl<'a> Document<'a> {
    fn of(report: &'a DropReport) -> Self {
        let msg = report.message();
        let changes = report.changes();
        let Totals { aborted, gone, changed, remained, failed, not_tried } = report.totals();
        let outcome = |at: usize| report.outcomes.as_ref().and_then(|outcomes| outcomes.get(at));
        let all = report.choice.chosen.iter().enumerate();
        Self {
            host: &report.host,
            filter: &report.filter,
            check_mode: report.dry_run,
            changed: !changes.is_empty(),
            failed: report.exit_status(false) != 0,
            comment: msg.clone(),
            msg,
            transaction: report.transaction,
            changes,
            connections: all.map(|(at, chosen)| ConnectionDocument::of(chosen, outcome(at))).collect(),
            own: report.choice.own.len(),
            beyond: report.choice.beyond,
            unknown_age: report.choice.unknown_age,
            totals: TotalsDocument { aborted, gone, changed, remained, failed, not_tried },
            irreversible: true,
            notes: &report.notes,
        }
    }
}

impl<'a> ConnectionDocument<'a> {
    fn of(chosen: &'a Chosen, outcome: Option<&Outcome>) -> Self {
        let connection = &chosen.connection;
        let holder = |holder: &'a Holder| HolderDocument { pid: holder.pid, command: &holder.command };
        Self {
            local: connection.local,
            peer: connection.remote,
            interface: connection.interface,
            state: connection.state.name(),
            holding: holding(connection.holding),
            holders: chosen.holders.iter().map(holder).collect(),
            age_ms: chosen.age.duration().map(|age| age.as_millis()),
            age: match chosen.age {
                Age::IdleAtLeast(_) => "idle-at-least",
                Age::Estimated(_) => "estimate",
                Age::Unknown => "unknown",
            },
            outcome: outcome.map(name),
            reason: outcome.and_then(|outcome| match outcome {
                Outcome::Failed(error) => Some(error.to_string()),
                _ => None,
            }),
        }
    }
}

const fn name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Aborted => "aborted",
        Outcome::Gone => "gone",
        Outcome::Changed => "changed",
        Outcome::Remains => "remains",
        Outcome::Failed(_) => "failed",
        Outcome::NotTried => "not-tried",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use tune_sockets::{Connection, Family, Orphan, Source, TcpState, Timer};

    use super::*;
    use crate::testing::{check, host, plain};

    fn chosen(port: u16, holding: Holding, holders: &[&str], age: Age) -> Chosen {
        let connection = Connection {
            family: Family::Ipv4,
            state: TcpState::FinWait2,
            local: "10.0.0.1:80".parse().unwrap(),
            remote: std::net::SocketAddr::from(([192, 0, 2, 7], port)),
            interface: 0,
            timer: Some(Timer::OFF),
            inode: 7,
            cookie: None,
            uid: Some(0),
            receive_queue: 0,
            send_queue: 0,
            holding,
            idle: None,
        };
        let holder = |(pid, command): (i32, &&str)| Holder { pid, command: (*command).to_owned() };
        Chosen { connection, age, holders: (12..).zip(holders).map(holder).collect() }
    }

    fn report(outcomes: Option<Vec<Outcome>>) -> DropReport {
        let second = Duration::from_secs;
        let list = vec![
            chosen(4000, Holding::Held, &["leaky"], Age::IdleAtLeast(second(700))),
            chosen(4001, Holding::Held, &["lea\x1bky", "b", "c"], Age::IdleAtLeast(second(61))),
            chosen(4002, Holding::Orphaned(Orphan::Minisock), &[], Age::Estimated(second(9))),
        ];
        let own = vec![chosen(22, Holding::Held, &["sshd"], Age::Unknown)];
        let choice = Choice {
            chosen: list,
            own,
            beyond: 4,
            unknown_age: 2,
            unreadable_ancestors: 0,
            source: Source::InetDiag,
        };
        DropReport {
            host: host(),
            filter: "state=fin-wait-2".to_owned(),
            choice,
            dry_run: outcomes.is_none(),
            transaction: outcomes.as_ref().map(|_| 3),
            next: outcomes.is_none().then(|| "tune drop --state fin-wait-2".to_owned()),
            outcomes,
            notes: Vec::new(),
            verbose: false,
        }
    }

    #[test]
    fn what_would_be_dropped_is_listed_first() {
        let report = report(None);
        assert_eq!(
            plain(&report),
            "\
host: linux 6.18.44
meant: state=fin-wait-2

local        peer            state       age         held by
10.0.0.1:80  192.0.2.7:4000  FIN_WAIT_2  idle 11min  leaky (pid 12)
10.0.0.1:80  192.0.2.7:4001  FIN_WAIT_2  idle 61s    lea\\x1bky (pid 12) and 2
                                                     more
10.0.0.1:80  192.0.2.7:4002  FIN_WAIT_2  about 9s    -

3 connections would be dropped.
left out: 4 more that are meant: run it again, or raise --max
left out: 2 of which it is not known how old they are
left out: 1 that this session itself uses
beware: this cannot be undone. Peers get a reset where they can; a process that
        holds one finds it aborted at its next call, and keeps the descriptor
        until it closes it
next: tune drop --state fin-wait-2
"
        );
        let document = check(&report, "drop");
        assert_eq!((&document["changed"], &document["check_mode"]), (&true.into(), &true.into()));
        assert_eq!(document["changes"][0]["before"], "FIN_WAIT_2, held by leaky (pid 12)");
        assert_eq!(report.exit_status(true), 0);
    }

    #[test]
    fn what_became_of_each_decides_the_exit_code() {
        use tune_host::AbortError::{Denied, Unsupported};
        let failed = || Outcome::Failed(Unsupported);
        for (outcomes, code, detailed, says) in [
            (
                vec![Outcome::Aborted, Outcome::Gone, Outcome::Changed],
                0,
                2,
                "1 connection dropped; 1 gone before; 1 changed meanwhile and left alone",
            ),
            (vec![Outcome::Gone; 3], 0, 0, "0 connections dropped; 3 gone before"),
            (
                vec![Outcome::Aborted, failed(), Outcome::Remains],
                3,
                3,
                "1 connection dropped; 1 still there; 1 could not be dropped",
            ),
            (
                vec![Outcome::Failed(Denied), Outcome::NotTried, Outcome::NotTried],
                1,
                1,
                "0 connections dropped; 1 could not be dropped; 2 not tried",
            ),
        ] {
            let report = report(Some(outcomes));
            assert_eq!((report.exit_status(false), report.exit_status(true)), (code, detailed), "{says}");
            assert_eq!(report.message(), says);
            plain(&report);
            let document = check(&report, "drop");
            assert_eq!(document["changes"].as_array().unwrap().len(), report.totals().aborted);
            assert_eq!(document["failed"], code != 0);
        }
    }
}
