//! What a measurement on real connections came to.

use std::time::Duration;

use serde::Serialize;
use tune_model::finding::HostRef;
use tune_model::proof::{Difference, Expectation, KeptAs, Observation, Span, Stage};
use tune_model::{Effective, Quantity, Setting};

use crate::page::Page;
use crate::plan::sentence;
use crate::style::{BAD, GOOD, STRONG, WARN};
use crate::table::Table;
use crate::verdict::{EXIT_DIFFERS, EXIT_MET, EXIT_UNKNOWN, scope_option};
use crate::{Report, json, words};

/// Where it was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MeasuredIn {
    /// In a network namespace of its own, with the host's values.
    OwnNamespace,
    /// Where the host's connections are.
    Here,
}

/// A tunable as it was during the measurement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NamedValue {
    /// Its name.
    pub name: String,
    /// Its text.
    pub value: String,
}

/// Why it is not known whether the values act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotMeasured {
    /// It takes up to so long.
    TooLong(Duration),
    /// There is nothing to wait for: no timer ends a closed connection.
    Endless,
    /// What the values amount to is not known, for this reason.
    Unknown(String),
    /// A value was another one in the end: what it was, and what it was then.
    Changed(NamedValue, String),
    /// It was not looked at often enough, or not long enough.
    Unclear,
}

/// What the measurement came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The values act as they should.
    Proven,
    /// They do not.
    Differs(Vec<Difference>),
    /// It is not known.
    NotMeasured(NotMeasured),
}

/// A measurement on real connections, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProveReport {
    /// The host whose values were tried.
    pub host: HostRef,
    /// When it was begun: RFC 3339, UTC.
    pub began: String,
    /// It was to be measured where the host's connections are.
    pub here: bool,
    /// Where it was measured, if it was.
    pub measured_in: Option<MeasuredIn>,
    /// The values that were tried.
    pub tunables: Vec<NamedValue>,
    /// What they amount to.
    pub configured: Effective,
    /// What was expected of the connection that was closed; nothing where that is not known.
    pub expected: Option<Expectation>,
    /// How long was to be waited at most.
    pub timeout: Duration,
    /// The retransmission timeout of the closed connection before it was closed; nothing where the system does not tell.
    pub retransmission_timeout: Option<Duration>,
    /// What was seen, if it was measured.
    pub observed: Option<Observation>,
    /// What it came to.
    pub outcome: Outcome,
}

#[derive(Debug, Serialize)]
struct ProveDocument<'a> {
    host: &'a HostRef,
    began: &'a str,
    setting: Setting,
    verdict: &'static str,
    msg: String,
    differences: &'a [Difference],
    #[serde(skip_serializing_if = "Option::is_none")]
    needs: Option<Quantity>,
    measured_in: Option<MeasuredIn>,
    tunables: &'a [NamedValue],
    configured: &'a Effective,
    expected: Option<Span>,
    allowed: Option<Span>,
    timeout: Quantity,
    retransmission_timeout: Option<Quantity>,
    observed: Option<&'a Observation>,
}

impl ProveReport {
    /// The name of the document's schema.
    pub const SCHEMA: &str = "tune.prove/1";

    /// Returns the exit status: 0 where it is proven, 2 where something differs, 1 where it is not known.
    #[must_use]
    pub const fn exit_status(&self) -> u8 {
        match self.outcome {
            Outcome::Proven => EXIT_MET,
            Outcome::Differs(_) => EXIT_DIFFERS,
            Outcome::NotMeasured(_) => EXIT_UNKNOWN,
        }
    }

    const fn verdict(&self) -> &'static str {
        match self.outcome {
            Outcome::Proven => "proven",
            Outcome::Differs(_) => "differs",
            Outcome::NotMeasured(_) => "not-measured",
        }
    }

    /// Says in a sentence what it came to.
    #[must_use]
    pub fn message(&self) -> String {
        match &self.outcome {
            Outcome::Proven => format!(
                "proven: the closed connection stayed in FIN_WAIT_2 for {}, and the half-closed one was left alone",
                self.times()
            ),
            Outcome::Differs(list) => {
                let list: Vec<_> = list.iter().map(|difference| self.difference(*difference)).collect();
                format!("it differs: {}", list.join("; "))
            }
            Outcome::NotMeasured(reason) => format!("not measured: {}", self.reason(reason)),
        }
    }

    fn reason(&self, reason: &NotMeasured) -> String {
        match reason {
            NotMeasured::TooLong(needs) => format!(
                "a closed connection stays in FIN_WAIT_2 for {}, so a proof takes up to {}, and --timeout allows {}",
                self.configured,
                quantity(*needs),
                quantity(self.timeout)
            ),
            NotMeasured::Endless => {
                "with these values no timer ends a closed connection, so there is no time to measure"
                    .to_owned()
            }
            NotMeasured::Unknown(reason) => format!("what the values amount to is not known: {reason}"),
            NotMeasured::Changed(NamedValue { name, value }, after) => {
                format!("{name} was {value}, and had been changed to {after} when the connection was gone; measure again")
            }
            NotMeasured::Unclear => {
                "the connections were not looked at often enough, or not long enough, to tell, as when a machine is very busy; \
                 measure again"
                    .to_owned()
            }
        }
    }

    fn difference(&self, difference: Difference) -> String {
        let times = self.times();
        match difference {
            Difference::Early => format!(
                "the closed connection was gone too early, after {times}: something else than this timer ended it, \
                 such as a full table of such connections or somebody who aborted it"
            ),
            Difference::Late => format!("the closed connection was gone too late, after {times}"),
            Difference::StillThere => format!("the closed connection was still there after {times}"),
            Difference::HalfClosedGone => {
                "the half-closed connection was gone, though a process held it".to_owned()
            }
            Difference::HalfClosedTimed => {
                "a timer ran on the half-closed connection, though a process held it".to_owned()
            }
        }
    }

    /// Shows the measured and the expected time.
    fn times(&self) -> String {
        let measured = self.observed.as_ref().map(|seen| seconds(seen.closed.in_fin_wait_2));
        let measured = measured.unwrap_or_else(|| "an unknown time".to_owned());
        let expected = self.expected.map(|expected| expected.life.effective().to_string());
        expected.map_or_else(|| measured.clone(), |expected| format!("{measured} (expected: {expected})"))
    }

    fn needs(&self) -> Option<Quantity> {
        match &self.outcome {
            Outcome::NotMeasured(NotMeasured::TooLong(needs)) => Some(quantity(*needs)),
            _ => None,
        }
    }
}

fn quantity(time: Duration) -> Quantity {
    Quantity::Duration(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

/// Shows a measured time: to the hundredth of a second where it is known so well.
fn seconds(span: Span) -> String {
    const CLOSE: Duration = Duration::from_millis(100);
    let (least, most) = (span.least.as_secs_f64(), span.most.as_secs_f64());
    if span.most.saturating_sub(span.least) <= CLOSE {
        format!("{:.2} s", span.middle().as_secs_f64())
    } else {
        format!("{least:.2} to {most:.2} s")
    }
}

impl Report for ProveReport {
    fn human(&self, width: usize) -> String {
        let mut page = Page::new(width);
        page.item(0, "host:", &words::host(&self.host));
        self.place(&mut page);
        if let Some(observed) = &self.observed {
            page.blank();
            connections(&mut page, observed, self.expected.as_ref());
        }
        page.blank();
        let style = match self.outcome {
            Outcome::Proven => GOOD,
            Outcome::Differs(_) => BAD,
            Outcome::NotMeasured(_) => WARN,
        };
        page.styled(0, style, &sentence(&self.message()));
        self.next(&mut page);
        page.finish()
    }

    fn json(&self) -> String {
        let differences = match &self.outcome {
            Outcome::Differs(list) => list.as_slice(),
            _ => &[],
        };
        let document = ProveDocument {
            host: &self.host,
            began: &self.began,
            setting: Setting::FinWait2Timeout,
            verdict: self.verdict(),
            msg: self.message(),
            differences,
            needs: self.needs(),
            measured_in: self.measured_in,
            tunables: &self.tunables,
            configured: &self.configured,
            expected: self.expected.map(|expected| expected.life),
            allowed: self.expected.map(|expected| expected.allowed()),
            timeout: quantity(self.timeout),
            retransmission_timeout: self.retransmission_timeout.map(quantity),
            observed: self.observed.as_ref(),
        };
        json::document(Self::SCHEMA, &document)
    }
}

impl ProveReport {
    fn place(&self, page: &mut Page) {
        let shown = |tunable: &NamedValue| format!("{} = {}", tunable.name, tunable.value);
        let tunables = self.tunables.iter().map(shown).collect::<Vec<_>>().join(", ");
        let whose = if self.host.scope == "host" {
            "on this host".to_owned()
        } else {
            format!("in {}", self.host.scope)
        };
        match self.measured_in {
            None => page.item(0, "values:", &tunables),
            Some(MeasuredIn::OwnNamespace) => {
                let text = format!("in a network namespace of its own, with {tunables} as {whose}");
                page.item(0, "measured:", &text);
            }
            Some(MeasuredIn::Here) => {
                let text = format!("where this host's connections are, with {tunables}");
                page.item(0, "measured:", &text);
            }
        }
    }

    fn next(&self, page: &mut Page) {
        let here = if self.here { " --here" } else { "" };
        let again = format!("tune prove{here}{}", scope_option(&self.host.scope));
        match &self.outcome {
            Outcome::NotMeasured(NotMeasured::TooLong(needs)) => {
                let timeout = quantity(*needs).to_string().replace(' ', "");
                page.marked(0, STRONG, "next:", &format!("{again} --timeout {timeout}"));
            }
            Outcome::NotMeasured(NotMeasured::Changed(..) | NotMeasured::Unclear) => {
                page.marked(0, STRONG, "next:", &again);
            }
            _ => {}
        }
    }
}

fn connections(page: &mut Page, seen: &Observation, expected: Option<&Expectation>) {
    let mut table = Table::new(&["connection", "in FIN_WAIT_2", "expected", "allowed", "in the end"]);
    let (closed, half) = (&seen.closed, &seen.half_closed);
    let wanted =
        expected.map_or_else(|| "unknown".to_owned(), |expected| expected.life.effective().to_string());
    let room = expected.map_or_else(|| "-".to_owned(), |expected| seconds(expected.allowed()));
    let end = if closed.gone { "gone" } else { "still there" };
    table.row(STRONG, ["closed", &seconds(closed.in_fin_wait_2), &wanted, &room, end]);
    let end = match (half.still_there, half.timer_ran) {
        (true, false) => "still there, no timer",
        (true, true) => "still there, with a timer",
        (false, _) => "gone",
    };
    table.row(STRONG, ["half-closed", &seconds(half.in_fin_wait_2), "no limit", "-", end]);
    page.table(&table);
    let parts: Vec<_> = closed.stages.iter().filter(|stage| stage.state == "FIN_WAIT_2").collect();
    if parts.len() > 1 {
        let parts: Vec<_> = parts.into_iter().map(part).collect();
        page.item(4, "closed:", &parts.join(", then "));
    }
}

fn part(stage: &Stage) -> String {
    let form = match stage.kept_as {
        KeptAs::Socket => "a whole socket",
        KeptAs::Minisock => "a small record",
    };
    format!("{} as {form}", seconds(stage.lasted))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::testing::{check, host, plain};
    use tune_model::proof::{HalfClosed, Orphan};

    fn ms(least: u64, most: u64) -> Span {
        Span { least: Duration::from_millis(least), most: Duration::from_millis(most) }
    }

    fn stage(state: &str, kept_as: KeptAs, lasted: Span, timer: Option<u64>) -> Stage {
        Stage { state: state.into(), kept_as, lasted, timer: timer.map(Quantity::Duration) }
    }

    fn observed() -> Observation {
        let stages = vec![
            stage("FIN_WAIT_1", KeptAs::Socket, ms(30, 40), Some(200)),
            stage("FIN_WAIT_2", KeptAs::Socket, ms(1020, 1040), Some(996)),
            stage("FIN_WAIT_2", KeptAs::Minisock, ms(1030, 1050), None),
        ];
        let end = |port: u16| format!("127.0.0.1:{port}");
        Observation {
            source: "inet_diag".into(),
            longest_gap: ms(12, 12),
            closed: Orphan {
                local: end(40000),
                remote: end(40001),
                in_fin_wait_2: ms(2060, 2080),
                gone: true,
                stages,
            },
            half_closed: HalfClosed {
                local: end(40002),
                remote: end(40003),
                in_fin_wait_2: ms(2061, 2300),
                still_there: true,
                timer_ran: false,
            },
        }
    }

    pub(crate) fn report(outcome: Outcome) -> ProveReport {
        let life = Duration::from_secs(2);
        ProveReport {
            host: host(),
            began: "2026-11-22T03:04:05Z".into(),
            here: false,
            measured_in: Some(MeasuredIn::OwnNamespace),
            tunables: vec![NamedValue { name: "net.ipv4.tcp_fin_timeout".into(), value: "61".into() }],
            configured: Effective::Exact(Quantity::Duration(2000)),
            expected: Some(Expectation { life: Span::exactly(life), slack: life / 8 }),
            timeout: Duration::from_secs(90),
            retransmission_timeout: Some(Duration::from_millis(204)),
            observed: Some(observed()),
            outcome,
        }
    }

    #[test]
    fn a_proof_says_what_was_seen_of_both_connections() {
        let report = report(Outcome::Proven);
        assert_eq!(
            plain(&report),
            "\
host: linux 6.18.44
measured: in a network namespace of its own, with net.ipv4.tcp_fin_timeout = 61
          as on this host

connection   in FIN_WAIT_2   expected  allowed         in the end
closed       2.07 s          2s        1.70 to 2.55 s  gone
half-closed  2.06 to 2.30 s  no limit  -               still there, no timer
    closed: 1.03 s as a whole socket, then 1.04 s as a small record

Proven: the closed connection stayed in FIN_WAIT_2 for 2.07 s (expected: 2s),
and the half-closed one was left alone.
"
        );
        let document = check(&report, "prove");
        assert_eq!((&document["verdict"], report.exit_status()), (&"proven".into(), 0));
        assert_eq!(document["allowed"]["max"]["value"], 2550);
    }

    #[test]
    fn what_differs_is_said_and_ends_with_2() {
        use Difference::{Early, HalfClosedGone, HalfClosedTimed, Late, StillThere};
        let mut report = report(Outcome::Differs(vec![Late, HalfClosedTimed]));
        let text = plain(&report).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            text.contains("It differs: the closed connection was gone too late, after 2.07 s (expected: 2s); a timer ran"),
            "{text}"
        );
        assert_eq!(report.exit_status(), 2);
        for difference in [Early, Late, StillThere, HalfClosedGone, HalfClosedTimed] {
            report.outcome = Outcome::Differs(vec![difference]);
            let document = check(&report, "prove");
            assert_eq!(document["verdict"], "differs");
        }
    }

    #[test]
    fn what_is_not_measured_says_why_and_what_to_do() {
        let value = NamedValue { name: "net.ipv4.tcp_fin_timeout".into(), value: "61".into() };
        let cases = [
            (NotMeasured::TooLong(Duration::from_secs(137)), "--timeout 2min17s"),
            (NotMeasured::Endless, "no timer"),
            (NotMeasured::Unknown("permission denied".into()), "permission denied"),
            (NotMeasured::Changed(value, "10".into()), "tcp_fin_timeout was 61, and had been changed to 10"),
            (NotMeasured::Unclear, "measure again. next: tune prove --here"),
        ];
        for (reason, words) in cases {
            let measured = matches!(reason, NotMeasured::Changed(..) | NotMeasured::Unclear);
            let mut report = report(Outcome::NotMeasured(reason));
            (report.here, report.measured_in) = (true, measured.then_some(MeasuredIn::Here));
            if !measured {
                (report.observed, report.expected, report.retransmission_timeout) = (None, None, None);
            }
            let text = plain(&report).split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(text.contains(words), "{words} in {text}");
            assert_eq!(report.exit_status(), 1);
            let document = check(&report, "prove");
            assert_eq!(document["observed"].is_null(), !measured);
        }
    }
}
