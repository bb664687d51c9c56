//! Which line decides a key.

use super::kernel_text::{Fields, Outcome, Prediction, predict};
use super::keys::Key;
use super::plan::{Assignment, BootPlan, Problem};
use super::{BootTool, busybox, procps, systemd};

/// Why a line does not decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason<'p> {
    /// A later line sets the key again.
    Later(&'p Assignment),
    /// A later line sets the same value again.
    Repeated(&'p Assignment),
    /// The line is a pattern, and another line names the key itself.
    Named(&'p Assignment),
    /// Another line excludes the key (`-key`).
    Excluded(&'p Assignment),
}

impl<'p> Reason<'p> {
    /// The reason a pattern loses against a line that names the key.
    pub(crate) fn against(line: &'p Assignment) -> Self {
        if line.value().is_some() { Self::Named(line) } else { Self::Excluded(line) }
    }

    /// Returns the line that is stronger.
    #[must_use]
    pub fn line(&self) -> &'p Assignment {
        match self {
            Self::Later(line) | Self::Repeated(line) | Self::Named(line) | Self::Excluded(line) => line,
        }
    }
}

/// A line that sets the key and does not decide it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loser<'p> {
    /// The line.
    pub assignment: &'p Assignment,
    /// Why.
    pub reason: Reason<'p>,
}

/// Why a decision may be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Doubt<'p> {
    /// A file that could not be read may set the key.
    Unseen(&'p Problem),
    /// An exclusion by pattern, which procps honours from 4.0.5 on; earlier ones set the key all the same.
    ExcludedByPattern(&'p Assignment),
}

/// What the boot tool will do with one key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Decision<'p> {
    /// The key.
    pub key: Key,
    /// The tool.
    pub tool: BootTool,
    /// The lines whose values are written to the kernel, in that order.
    pub writes: Vec<&'p Assignment>,
    /// The last of them: the line to change. The kernel may still refuse its value, see [`Decision::predict`].
    pub winner: Option<&'p Assignment>,
    /// The lines that would set the key if it were not for others, in the order they are read.
    pub losers: Vec<Loser<'p>>,
    /// Why this may be wrong; empty where everything could be read.
    pub doubts: Vec<Doubt<'p>>,
}

impl<'p> Decision<'p> {
    pub(crate) fn new(
        key: &Key,
        plan: &'p BootPlan,
        writes: Vec<&'p Assignment>,
        mut losers: Vec<Loser<'p>>,
    ) -> Self {
        let order = |line: &Assignment| plan.assignments.iter().position(|other| std::ptr::eq(other, line));
        losers.sort_by_key(|loser| order(loser.assignment));
        let winner = writes.last().copied();
        let doubts = plan.unseen().map(Doubt::Unseen).collect();
        Self { key: key.clone(), tool: plan.tool, writes, winner, losers, doubts }
    }

    /// Returns what the kernel will show after boot, given what it shows before any file is read.
    ///
    /// Nothing where `start` is not a list of integers as `fields` describes them.
    #[must_use]
    pub fn predict(&self, start: &str, fields: &Fields) -> Option<Prediction> {
        let mut prediction = predict(start, [], fields)?;
        for line in &self.writes {
            let written = self.tool.written(line.value().unwrap_or_default());
            let mut step = predict(&prediction.shown, [written.as_slice()], fields)?;
            let refused = matches!(step.outcomes[..], [Outcome::Refused { .. }]);
            if let Some(retried) = self.tool.retried(&written).filter(|_| refused) {
                step = predict(&step.shown, [retried.as_slice()], fields)?;
            }
            prediction.shown = step.shown;
            prediction.outcomes.extend(step.outcomes);
        }
        Some(prediction)
    }

    /// Returns the line that the kernel's value comes from: the last one that it did not refuse whole.
    #[must_use]
    pub fn effective(&self, start: &str, fields: &Fields) -> Option<&'p Assignment> {
        let prediction = self.predict(start, fields)?;
        let mut tried = self.writes.iter().zip(&prediction.outcomes);
        tried
            .rfind(|(_, outcome)| !matches!(outcome, Outcome::Refused { changed: 0, .. }))
            .map(|(line, _)| *line)
    }
}

/// Decides one key.
pub fn decide<'p>(key: &Key, plan: &'p BootPlan) -> Decision<'p> {
    match plan.tool {
        BootTool::SystemdSysctl => systemd::decide(key, plan),
        BootTool::Procps => procps::decide(key, plan),
        BootTool::OpenrcBusybox => busybox::decide(key, plan),
    }
}

/// Two tools that would leave a key at different values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disagreement<'p> {
    /// What the tool that runs at boot decides.
    pub boot: Decision<'p>,
    /// What the other one decides when it is run by hand.
    pub by_hand: Decision<'p>,
}

/// Returns both decisions where the value written last differs; a refused value counts as written.
///
/// [`Disagreement::shown`] tells whether the kernel would end up with different values.
#[must_use]
pub fn disagreement<'p>(key: &Key, boot: &'p BootPlan, by_hand: &'p BootPlan) -> Option<Disagreement<'p>> {
    let found = Disagreement { boot: decide(key, boot), by_hand: decide(key, by_hand) };
    let last = |decision: &Decision<'p>| decision.winner.and_then(Assignment::value);
    (last(&found.boot) != last(&found.by_hand)).then_some(found)
}

impl Disagreement<'_> {
    /// Returns what the kernel would show after each, boot first.
    #[must_use]
    pub fn shown(&self, start: &str, fields: &Fields) -> Option<(String, String)> {
        let boot = self.boot.predict(start, fields)?.shown;
        Some((boot, self.by_hand.predict(start, fields)?.shown))
    }
}
