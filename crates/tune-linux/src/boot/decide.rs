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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tune_host::{MemoryFiles, Overlay};

    const KEY: &str = "net.ipv4.tcp_fin_timeout";
    const TIMEOUT: std::ops::RangeInclusive<i128> = -8_589_934..=8_589_934;

    fn plan(files: &MemoryFiles, tool: BootTool) -> BootPlan {
        BootPlan::read(files, tool)
    }

    fn winner(plan: &BootPlan) -> Option<String> {
        decide(&Key::parse(KEY).unwrap(), plan).winner.map(|line| line.place.to_string())
    }

    fn one_file(content: &str) -> MemoryFiles {
        MemoryFiles::default().with("/etc/sysctl.d/50-a.conf", content)
    }

    #[test]
    fn our_own_file_is_asked_about_before_it_is_written() {
        let files = one_file("net.ipv4.tcp_fin_timeout = 20\n")
            .with("/etc/sysctl.conf", "net.ipv4.tcp_fin_timeout = 10\n");
        let mut overlay = Overlay::new(&files);
        overlay.set("/etc/sysctl.d/zz-tune.conf", Some(b"net.ipv4.tcp_fin_timeout = 30\n".to_vec()));
        let systemd = BootPlan::read(&overlay, BootTool::SystemdSysctl);
        assert_eq!(winner(&systemd).as_deref(), Some("/etc/sysctl.d/zz-tune.conf:1"));
        let procps = BootPlan::read(&overlay, BootTool::Procps);
        assert_eq!(winner(&procps).as_deref(), Some("/etc/sysctl.conf:1"));
        let key = Key::parse(KEY).unwrap();
        let other = disagreement(&key, &systemd, &procps).unwrap();
        let shown = other.shown("60", &Fields::signed(1, TIMEOUT));
        assert_eq!(shown, Some(("30".to_owned(), "10".to_owned())));
        assert_eq!(other.by_hand.losers.len(), 2);
    }

    #[test]
    fn an_exclusion_cancels_an_earlier_line_under_systemd_only() {
        let files = one_file("net.ipv4.tcp_fin_timeout = 20\n-net.ipv4.tcp_fin_timeout\n");
        let systemd = plan(&files, BootTool::SystemdSysctl);
        let decision = decide(&Key::parse(KEY).unwrap(), &systemd);
        assert_eq!(decision.winner, None);
        assert!(matches!(decision.losers[0].reason, Reason::Excluded(line) if line.place.line == 2));
        assert_eq!(winner(&plan(&files, BootTool::Procps)).as_deref(), Some("/etc/sysctl.d/50-a.conf:1"));
        let again = one_file("-net.ipv4.tcp_fin_timeout\nnet.ipv4.tcp_fin_timeout = 20\n");
        assert!(winner(&plan(&again, BootTool::SystemdSysctl)).is_some());
    }

    #[test]
    fn a_name_is_stronger_than_a_pattern_wherever_it_stands() {
        let files = one_file("net.ipv4.tcp_fin_timeout = 20\nnet.ipv4.tcp_*_timeout = 30\n");
        for tool in [BootTool::SystemdSysctl, BootTool::Procps] {
            let plan = plan(&files, tool);
            let decision = decide(&Key::parse(KEY).unwrap(), &plan);
            assert_eq!(decision.winner.unwrap().place.line, 1);
            assert!(matches!(decision.losers[0].reason, Reason::Named(_)));
        }
    }

    #[test]
    fn a_repeated_value_keeps_the_place_of_its_pattern() {
        let files = one_file("net.ipv4.tcp_f* = 1\nnet.ipv4.tcp_fi* = 2\nnet.ipv4.tcp_f* = 1\n");
        let systemd = plan(&files, BootTool::SystemdSysctl);
        assert_eq!(winner(&systemd).as_deref(), Some("/etc/sysctl.d/50-a.conf:2"));
        let procps = plan(&files, BootTool::Procps);
        assert_eq!(winner(&procps).as_deref(), Some("/etc/sysctl.d/50-a.conf:3"));
    }

    #[test]
    fn a_refused_value_leaves_the_one_before() {
        let files = one_file("net.ipv4.tcp_fin_timeout = 20\nnet.ipv4.tcp_fin_timeout = soon\n");
        let fields = Fields::signed(1, TIMEOUT);
        let procps = plan(&files, BootTool::Procps);
        let decision = decide(&Key::parse(KEY).unwrap(), &procps);
        assert_eq!(decision.predict("60", &fields).unwrap().shown, "20");
        assert_eq!(decision.effective("60", &fields).unwrap().place.line, 1);
        let systemd = plan(&files, BootTool::SystemdSysctl);
        let decision = decide(&Key::parse(KEY).unwrap(), &systemd);
        assert_eq!(decision.predict("60", &fields).unwrap().shown, "60");
        assert_eq!(decision.effective("60", &fields), None);
    }

    #[test]
    fn what_could_not_be_read_is_a_doubt_about_every_key() {
        let files = one_file("net.ipv4.tcp_fin_timeout = 20\n").with_denied("/etc/sysctl.d/60-b.conf");
        let plan = plan(&files, BootTool::SystemdSysctl);
        let decision = decide(&Key::parse(KEY).unwrap(), &plan);
        assert!(matches!(decision.doubts[..], [Doubt::Unseen(problem)] if problem.place.line == 0));
    }

    #[test]
    fn exclusions_by_pattern_depend_on_the_version_of_procps() {
        let files = one_file("net.ipv4.tcp_f* = 20\n-net.ipv4.tcp_*\n");
        let procps = plan(&files, BootTool::Procps);
        let decision = decide(&Key::parse(KEY).unwrap(), &procps);
        assert!(matches!(decision.doubts[..], [Doubt::ExcludedByPattern(_)]));
    }
}
