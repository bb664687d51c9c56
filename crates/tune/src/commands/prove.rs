//! `tune prove`: connections that are closed on purpose, to see whether the FIN_WAIT_2 timeout acts as configured.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::time::Duration;

use tune_engine::subject;
use tune_host::{Host, Interrupt, NewNetworkError, ReadError, Scope};
use tune_model::proof::{Expectation, Judgement, Span, judge};
use tune_model::{Effective, Quantity, Setting, Subject};
use tune_report::ProveReport;
use tune_report::prove::{MeasuredIn, NamedValue, NotMeasured, Outcome};
use tune_sockets::{ObserveError, Observed, observe};

use super::change;
use crate::args::{Format, Prove};
use crate::context::Context;
use crate::doors::Doors;
use crate::error::CliError;
use crate::{exit, output};

const SETTING: Setting = Setting::FinWait2Timeout;
/// What making the connections may take.
const BEGINNING: Duration = Duration::from_secs(1);

/// Tunables by name, as they read.
type Texts = BTreeMap<String, String>;

pub(crate) fn run(context: &Context, doors: &dyn Doors, wanted: &Prove) -> Result<u8, CliError> {
    if matches!(context.host().scope(), Scope::Image(_)) {
        return Err(CliError::usage("tune prove measures a running kernel, and an image has none"));
    }
    let values = read(context.host(), &names(context))
        .map_err(|error| CliError::failed(format!("what is to be proven is not known: {error}")))?;
    let configured = context.backend.assess(SETTING, &values).effective;
    let report = ProveReport {
        host: context.host_ref(),
        began: tune_transaction::now(),
        here: wanted.here,
        measured_in: None,
        tunables: named(&values),
        expected: expectation(context, &configured, None),
        configured,
        timeout: wanted.timeout,
        retransmission_timeout: None,
        observed: None,
        outcome: Outcome::Proven,
    };
    let report = match hindrance(&report) {
        Some(reason) => ProveReport { outcome: Outcome::NotMeasured(reason), ..report },
        None => measured(context, doors, &values, report)?,
    };
    context.show(&report);
    Ok(report.exit_status())
}

/// Returns the tunables that the setting comes from.
fn names(context: &Context) -> Vec<String> {
    subject::tunables(&*context.backend, &Subject::Setting(SETTING)).into_iter().collect()
}

fn read(host: &dyn Host, names: &[String]) -> Result<Texts, ReadError> {
    let asked: Vec<&str> = names.iter().map(String::as_str).collect();
    let texts = host.read_tunables(&asked);
    names.iter().cloned().zip(texts).map(|(name, text)| Ok((name, text?))).collect()
}

fn named(values: &Texts) -> Vec<NamedValue> {
    let named = |(name, value): (&String, &String)| NamedValue { name: name.clone(), value: value.clone() };
    values.iter().map(named).collect()
}

/// Returns what is expected of a closed connection, where the values amount to a time.
fn expectation(context: &Context, configured: &Effective, rto: Option<Duration>) -> Option<Expectation> {
    let time = |value: &Quantity| match value {
        Quantity::Duration(ms) => Some(Duration::from_millis(*ms)),
        _ => None,
    };
    let (least, most) = match configured {
        Effective::Exact(life) => (time(life)?, time(life)?),
        Effective::Between { low, high } => (time(low)?, time(high)?),
        Effective::Unbounded | Effective::Unknown(_) => return None,
    };
    let floor = rto.map_or(Duration::ZERO, |rto| context.backend.fin_wait_2_floor(rto));
    let life = Span { least: least.max(floor), most: most.max(floor) };
    Some(Expectation { life, slack: context.backend.timer_slack(life.most) })
}

/// Returns why there is nothing to begin with, if there is not.
fn hindrance(report: &ProveReport) -> Option<NotMeasured> {
    match (&report.expected, &report.configured) {
        (Some(expected), _) => {
            let needs = whole_seconds(expected.allowed().most + BEGINNING);
            (needs > report.timeout).then_some(NotMeasured::TooLong(needs))
        }
        (None, Effective::Unknown(reason)) => Some(NotMeasured::Unknown(reason.clone())),
        (None, _) => Some(NotMeasured::Endless),
    }
}

fn whole_seconds(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs() + u64::from(time.subsec_nanos() > 0))
}

/// What was seen where it was measured, and what the tunables read there afterwards.
type Measurement = Result<(Observed, Result<Texts, ReadError>), ObserveError>;

fn measured(
    context: &Context,
    doors: &dyn Doors,
    values: &Texts,
    report: ProveReport,
) -> Result<ProveReport, CliError> {
    let mut waiting = Waiting::new(context, change::watch_signals()?, report.expected);
    let names = names(context);
    let (measured_in, measurement) = match report.here {
        true => (MeasuredIn::Here, measure(context.host(), &names, report.timeout, &mut waiting)),
        false => apart(context, doors, values, |host| measure(host, &names, report.timeout, &mut waiting))?,
    };
    waiting.end();
    let (Observed { seen, retransmission_timeout }, there) = measurement.map_err(|error| match error {
        ObserveError::Interrupted => CliError::new("interrupted", exit::FAILED, error.to_string()),
        error => CliError::failed(format!("it could not be measured: {error}")),
    })?;
    let expected = expectation(context, &report.configured, retransmission_timeout);
    let changed = [there, read(context.host(), &names)].iter().find_map(|after| changed(values, after));
    let outcome = match (changed, expected.map(|expected| judge(&expected, &seen))) {
        (Some((value, after)), _) => Outcome::NotMeasured(NotMeasured::Changed(value, after)),
        (None, Some(Judgement::Proven)) => Outcome::Proven,
        (None, Some(Judgement::Differs(list))) => Outcome::Differs(list),
        (None, Some(Judgement::Unclear) | None) => Outcome::NotMeasured(NotMeasured::Unclear),
    };
    let measured_in = Some(measured_in);
    let observed = Some(seen);
    Ok(ProveReport { measured_in, expected, retransmission_timeout, observed, outcome, ..report })
}

/// Measures in a network namespace of its own, where the system has such; else there is but one place.
fn apart(
    context: &Context,
    doors: &dyn Doors,
    values: &Texts,
    mut measure: impl FnMut(&dyn Host) -> Measurement + Send,
) -> Result<(MeasuredIn, Measurement), CliError> {
    let values: Vec<_> = values.clone().into_iter().collect();
    let mut measurement = None;
    let made = doors.in_new_network(&values, &mut |host| measurement = Some(measure(host)));
    match (made, measurement) {
        (Ok(()), Some(measurement)) => Ok((MeasuredIn::OwnNamespace, measurement)),
        (Ok(()), None) | (Err(NewNetworkError::Unsupported), _) => {
            Ok((MeasuredIn::Here, measure(context.host())))
        }
        (Err(error), _) => Err(not_made(&error)),
    }
}

fn measure(host: &dyn Host, names: &[String], timeout: Duration, waiting: &mut Waiting) -> Measurement {
    waiting.begin();
    let observed = observe(host, timeout, &mut |elapsed| waiting.go_on(elapsed))?;
    Ok((observed, read(host, names)))
}

/// Returns the first value that is another one now, and what it is.
fn changed(before: &Texts, after: &Result<Texts, ReadError>) -> Option<(NamedValue, String)> {
    let now = |name: &String| match after {
        Ok(after) => after.get(name).cloned().unwrap_or_default(),
        Err(error) => format!("something unknown: {error}"),
    };
    let mut values = before.iter().map(|(name, value)| (name, value, now(name)));
    let (name, value, now) = values.find(|(_, value, now)| *value != now)?;
    Some((NamedValue { name: name.clone(), value: value.clone() }, now))
}

fn not_made(error: &NewNetworkError) -> CliError {
    let hint = "or measure where this host's connections are, which needs no privilege: tune prove --here";
    match error {
        NewNetworkError::Denied => CliError::new("not-permitted", exit::NOT_PERMITTED, error.to_string())
            .hint("run tune as root")
            .hint(hint),
        error => CliError::failed(error.to_string()).hint(hint),
    }
}

/// What is said while somebody waits, and whether they still want to.
struct Waiting {
    interrupt: Interrupt,
    said: Said,
    expected: Duration,
}

/// How much is said.
enum Said {
    Nothing,
    /// One line in the beginning.
    Once,
    /// A line that is written anew each second; the last second that was.
    EachSecond(Option<u64>),
}

impl Waiting {
    fn new(context: &Context, interrupt: Interrupt, expected: Option<Expectation>) -> Self {
        let said = match (context.quiet || context.format != Format::Human, std::io::stderr().is_terminal()) {
            (true, _) => Said::Nothing,
            (false, false) => Said::Once,
            (false, true) => Said::EachSecond(None),
        };
        let expected = expected.map_or(Duration::ZERO, |expected| whole_seconds(expected.life.most));
        Self { interrupt, said, expected }
    }

    fn begin(&self) {
        if matches!(self.said, Said::Once) {
            output::say(&format!("measuring, for about {} s\n", self.expected.as_secs()));
        }
    }

    fn go_on(&mut self, elapsed: Duration) -> ControlFlow<()> {
        if let Said::EachSecond(last) = &mut self.said
            && last.replace(elapsed.as_secs()) != Some(elapsed.as_secs())
        {
            let left = self.expected.saturating_sub(elapsed).as_secs();
            let left = match left {
                0 => "any moment now".to_owned(),
                left => format!("about {left} s left"),
            };
            output::say(&format!("\rmeasuring: {} s, {left:<20}", elapsed.as_secs()));
        }
        if self.interrupt.asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn end(&self) {
        if matches!(self.said, Said::EachSecond(Some(_))) {
            // Without codes for terminals, which may be unwanted.
            output::say(&format!("\r{:<50}\r", ""));
        }
    }
}
