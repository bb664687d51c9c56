//! What became of a plan: the steps as they went, what was done, and how to take it back.

use serde::Serialize;
use tune_model::Effect;
use tune_model::plan::Change;
use tune_model::reading::Layer;
use tune_model::transaction::{Outcome, StepResult, TransactionState};

use crate::escape::{escape, fields};
use crate::page::Page;
use crate::plan::{Command, PlanReport, describe, describe_conflict, sentence};
use crate::plan_document::PlanDocument;
use crate::style::{BAD, GOOD, PLAIN, STRONG, WARN, of_state, paint};
use crate::table::Table;
use crate::verdict::{counted, quoted, scope_option};
use crate::{Report, audit, json};

/// A plan that was carried out, as far as it went.
#[derive(Debug, Clone, PartialEq)]
pub struct RunReport {
    /// The plan.
    pub plan: PlanReport,
    /// What became of it.
    pub outcome: Outcome,
    /// When it is undone unless confirmed: RFC 3339, UTC.
    pub deadline: Option<String>,
    /// The state directory, where another one than the usual was named: what takes the change back has to name it too.
    pub state_dir: Option<String>,
    /// What remains to be done by hand, a sentence each.
    pub to_do: Vec<String>,
}

/// Nothing was changed, or all that was has been put back.
pub const EXIT_FAILED: u8 = 1;
/// Something was changed: the status of a real run under `--detailed-exitcodes`.
pub const EXIT_CHANGED: u8 = 2;
/// Something was changed and not all could be put back, or a rollback left conflicts.
pub const EXIT_OPERATOR_NEEDED: u8 = 3;

impl RunReport {
    /// Returns the exit status of the command; `detailed` tells a change from no change.
    #[must_use]
    pub fn exit_status(&self, detailed: bool) -> u8 {
        let stuck = self.stuck() > 0 || self.outcome.state == TransactionState::PartlyRolledBack;
        let conflicts = self.plan.command != Command::Apply && !self.plan.plan.conflicts.is_empty();
        if stuck || conflicts {
            EXIT_OPERATOR_NEEDED
        } else if self.failed() {
            EXIT_FAILED
        } else if detailed && self.changed() {
            EXIT_CHANGED
        } else {
            0
        }
    }

    /// Tells whether the host is no longer as it was.
    #[must_use]
    pub fn changed(&self) -> bool {
        self.outcome.steps.iter().any(lasting)
    }

    /// Says in a sentence what became of it.
    #[must_use]
    pub fn message(&self) -> String {
        let failure = self.outcome.failure.as_deref().unwrap_or("a step failed");
        match (self.failed(), self.stuck(), self.changed()) {
            (_, stuck @ 1.., _) => format!("{failure}; {} could not be put back", counted(stuck, "step")),
            (true, 0, true) => format!("{failure}; what was done stays"),
            (true, 0, false) => format!("{failure}; the host is as before"),
            (false, _, true) => format!("{}{}", self.done(), self.remainder()),
            (false, ..) if self.plan.command == Command::Confirm => "confirmed; no value changed".to_owned(),
            (false, _, false) => format!("nothing changed{}", self.remainder()),
        }
    }

    fn failed(&self) -> bool {
        let failed =
            |result: &StepResult| matches!(result, StepResult::Failed { .. } | StepResult::Stuck { .. });
        self.outcome.failure.is_some()
            || self.outcome.state == TransactionState::Failed
            || self.outcome.steps.iter().any(failed)
    }

    fn stuck(&self) -> usize {
        self.outcome.steps.iter().filter(|result| matches!(result, StepResult::Stuck { .. })).count()
    }

    fn done(&self) -> String {
        let verb = match self.plan.command {
            Command::Rollback => "put back",
            Command::Confirm => "confirmed",
            Command::Apply | Command::Off => "changed",
        };
        match self.changes().len() {
            0 => format!(
                "{} {verb}",
                counted(self.outcome.steps.iter().filter(|step| lasting(step)).count(), "file")
            ),
            number => format!("{} {verb}", counted(number, "value")),
        }
    }

    fn remainder(&self) -> String {
        let conflicts = match self.plan.plan.conflicts.len() {
            0 => String::new(),
            number => format!("; {} left alone", counted(number, "conflict")),
        };
        let state = match self.outcome.state {
            TransactionState::AwaitingReboot => "; complete after the next reboot",
            TransactionState::AwaitingConfirmation => "; undone unless confirmed",
            _ => "",
        };
        format!("{conflicts}{state}")
    }

    /// Returns the values that were changed and stay so.
    fn changes(&self) -> Vec<&Change> {
        let results = || self.plan.plan.steps.iter().zip(&self.outcome.steps);
        let done =
            |change: &Change| results().any(|(step, result)| lasting(result) && makes(&step.effect, change));
        self.plan.plan.changes.iter().filter(|change| done(change)).collect()
    }
}

/// Tells whether a step's effect is there now.
const fn lasting(result: &StepResult) -> bool {
    matches!(result, StepResult::Done | StepResult::Stuck { .. })
}

/// Tells whether an effect is the one that makes a change.
fn makes(effect: &Effect, change: &Change) -> bool {
    match (effect.layer(), change.scope.strip_prefix("boot:")) {
        (Layer::Runtime, None) => change.key.split('[').next() == Some(&effect.target()),
        (Layer::Boot, Some(path)) => match effect {
            Effect::PersistProperty { tunable, .. } => *tunable == change.key,
            _ => effect.target() == path,
        },
        _ => false,
    }
}

/// Shows a step and its result: `[2/3] net.ipv4.tcp_fin_timeout 60 -> 30 ... done`.
#[must_use]
pub fn step_line(number: usize, total: usize, effect: &Effect, result: &StepResult) -> String {
    let what = describe(effect);
    let what = escape(what.strip_prefix("set ").unwrap_or(&what));
    let (style, word, reason) = match result {
        StepResult::Done => (GOOD, "done", None),
        StepResult::NotReached => (PLAIN, "not reached", None),
        StepResult::Failed { reason } => (BAD, "failed", Some(reason)),
        StepResult::Undone => (WARN, "put back", None),
        StepResult::Stuck { reason } => (BAD, "cannot be put back", Some(reason)),
        _ => (WARN, "unknown", None),
    };
    let reason = reason.map(|reason| format!(": {}", escape(reason))).unwrap_or_default();
    format!("[{number}/{total}] {what} ... {}{reason}\n", paint(style, word))
}

/// What became of a plan, as its document shows it.
#[derive(Debug, Serialize)]
struct RunDocument<'a> {
    #[serde(flatten)]
    plan: PlanDocument<'a>,
    failed: bool,
    transaction: Option<u64>,
    state: TransactionState,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    undo: Option<String>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    to_do: &'a [String],
}

impl RunReport {
    fn document(&self) -> RunDocument<'_> {
        let mut plan = PlanDocument::of(&self.plan, self.changed(), self.message(), self.changes());
        plan.check_mode = false;
        for (step, result) in plan.steps.iter_mut().zip(&self.outcome.steps) {
            (step.outcome, step.reason) = named(result);
        }
        RunDocument {
            plan,
            failed: self.exit_status(false) != 0,
            transaction: self.outcome.transaction,
            state: self.outcome.state,
            failure: self.outcome.failure.as_deref(),
            deadline: self.deadline.as_deref(),
            keep: self.keep(),
            undo: self.undo(),
            to_do: &self.to_do,
        }
    }

    /// Returns the command that keeps it, where it is undone otherwise.
    #[must_use]
    pub fn keep(&self) -> Option<String> {
        let waits = self.outcome.state == TransactionState::AwaitingConfirmation;
        waits.then(|| format!("tune confirm{}", self.state_option()))
    }

    fn state_option(&self) -> String {
        self.state_dir.as_deref().map(|dir| format!(" --state-dir {}", quoted(dir))).unwrap_or_default()
    }

    /// Returns the command that takes it back, where there is something to take back.
    #[must_use]
    pub fn undo(&self) -> Option<String> {
        let applied = match self.plan.command {
            // What is set at boot is held by the transactions that applied it.
            Command::Apply => self.changed() && !self.plan.profiles.is_empty(),
            // Of one that failed nothing is held.
            Command::Confirm => self.changed() && !self.failed(),
            Command::Off | Command::Rollback => false,
        };
        let id = self.outcome.transaction.filter(|_| applied)?;
        Some(format!("tune rollback {id}{}{}", root_option(&self.plan.host.scope), self.state_option()))
    }
}

/// A transaction knows its namespace; an image has its own history.
fn root_option(scope: &str) -> String {
    if scope.starts_with("root:") { scope_option(scope) } else { String::new() }
}

fn named(result: &StepResult) -> (Option<&'static str>, Option<&str>) {
    match result {
        StepResult::Done => (Some("done"), None),
        StepResult::NotReached => (Some("not-reached"), None),
        StepResult::Failed { reason } => (Some("failed"), Some(reason)),
        StepResult::Undone => (Some("undone"), None),
        StepResult::Stuck { reason } => (Some("stuck"), Some(reason)),
        _ => (None, None),
    }
}

impl Report for RunReport {
    fn human(&self, width: usize) -> String {
        let mut page = Page::new(width);
        audit::remarks(&mut page, &[], self.plan.open_transaction.as_deref());
        show_changes(&mut page, &self.changes());
        for warning in &self.plan.plan.warnings {
            page.marked(0, WARN, "warning:", warning);
        }
        for conflict in &self.plan.plan.conflicts {
            page.marked(0, WARN, "conflict:", &describe_conflict(conflict));
        }
        let conflicts = &self.plan.plan.conflicts;
        if conflicts.iter().any(|conflict| !conflict.unreadable) {
            page.item(2, "hint:", "the same command with --overwrite-foreign puts that back too");
        }
        if conflicts.iter().any(|conflict| conflict.unreadable) {
            page.item(2, "hint:", "once it can be read, the same command puts it back");
        }
        self.troubles(&mut page);
        self.end(&mut page);
        page.finish()
    }

    fn json(&self) -> String {
        json::document(self.plan.command.schema(false), &self.document())
    }
}

impl RunReport {
    /// Says which steps failed, and which could not be put back.
    fn troubles(&self, page: &mut Page) {
        for (step, result) in self.plan.plan.steps.iter().zip(&self.outcome.steps) {
            match result {
                StepResult::Failed { reason } => {
                    page.marked(0, BAD, "failed:", &format!("{}: {reason}", describe(&step.effect)));
                }
                StepResult::Stuck { reason } => {
                    page.marked(0, BAD, "not put back:", &format!("{}: {reason}", describe(&step.effect)));
                }
                _ => {}
            }
        }
    }

    fn end(&self, page: &mut Page) {
        page.heading(&sentence(&self.message()));
        if let Some(id) = self.outcome.transaction {
            page.marked(
                0,
                of_state(self.outcome.state),
                "transaction:",
                &format!("{id}, {}", self.outcome.state),
            );
        }
        if let Some(keep) = self.keep() {
            let until =
                self.deadline.as_deref().map(|until| format!(" (before {until})")).unwrap_or_default();
            page.marked(0, STRONG, "keep:", &format!("{keep}{until}"));
        }
        if self.plan.plan.reboot_required && self.changed() {
            page.marked(0, WARN, "reboot:", "part of it takes hold at the next boot only");
        }
        for remains in &self.to_do {
            page.marked(0, WARN, "to do:", remains);
        }
        if let Some(undo) = self.undo() {
            page.marked(0, STRONG, "undo:", &undo);
        }
    }
}

/// Shows values that changed, before and after.
pub(crate) fn show_changes(page: &mut Page, changes: &[&Change]) {
    if changes.is_empty() {
        return;
    }
    let mut table = Table::new(&["tunable", "before", "after", "where"]);
    let shown = |value: &Option<String>| value.as_deref().map_or_else(|| "none".to_owned(), fields);
    for change in changes {
        let place = change.scope.strip_prefix("boot:").unwrap_or("running kernel");
        table.row(PLAIN, [&change.key, &shown(&change.before), &shown(&change.after), place]);
    }
    page.table(&table);
    page.blank();
}

#[cfg(test)]
mod tests {
    use tune_model::plan::Conflict;

    use super::*;
    use crate::testing::{check, host, plain, plan, profile, set};

    fn report(state: TransactionState, steps: Vec<StepResult>) -> RunReport {
        let plan = PlanReport {
            command: Command::Apply,
            host: host(),
            profiles: vec![profile("web-server")],
            plan: plan(),
            with_diff: true,
            next: None,
            open_transaction: None,
            confirm_within: None,
        };
        let outcome = Outcome { transaction: Some(3), state, steps, failure: None };
        RunReport { plan, outcome, deadline: None, state_dir: None, to_do: Vec::new() }
    }

    #[test]
    fn success_names_the_changes_and_the_way_back() {
        let report = report(TransactionState::Applied, vec![StepResult::Done, StepResult::Done]);
        assert_eq!(
            plain(&report),
            "\
tunable                   before  after  where
net.ipv4.tcp_fin_timeout  60      30     running kernel
net.ipv4.tcp_fin_timeout  none    30     /etc/sysctl.d/zz-tune.conf

2 values changed.
transaction: 3, applied
undo: tune rollback 3
"
        );
        let document = check(&report, "apply");
        assert_eq!((&document["transaction"], &document["state"]), (&3.into(), &"applied".into()));
        assert_eq!((&document["changed"], &document["failed"]), (&true.into(), &false.into()));
        assert_eq!(document["steps"][0]["outcome"], "done");
        assert_eq!((report.exit_status(false), report.exit_status(true)), (0, 2));
    }

    #[test]
    fn a_failure_that_was_undone_left_the_host_as_it_was() {
        let failed = StepResult::Failed { reason: "read-only file system".into() };
        let mut report = report(TransactionState::Failed, vec![StepResult::Undone, failed]);
        report.outcome.failure = Some("step 2 failed".into());
        assert_eq!(
            plain(&report),
            "\
failed: write /etc/sysctl.d/zz-tune.conf (new, 2 lines): read-only file system
Step 2 failed; the host is as before.
transaction: 3, failed
"
        );
        let document = check(&report, "apply");
        assert_eq!((&document["changed"], &document["failed"]), (&false.into(), &true.into()));
        assert_eq!(document["changes"], serde_json::json!([]));
        assert_eq!(report.exit_status(true), 1);
    }

    #[test]
    fn what_could_not_be_put_back_needs_an_operator() {
        let stuck = StepResult::Stuck { reason: "device or resource busy".into() };
        let failed = StepResult::Failed { reason: "read-only file system".into() };
        let mut report = report(TransactionState::PartlyRolledBack, vec![stuck, failed]);
        report.outcome.failure = Some("step 2 failed".into());
        report.plan.plan.reboot_required = true;
        assert_eq!(
            plain(&report),
            "\
tunable                   before  after  where
net.ipv4.tcp_fin_timeout  60      30     running kernel

not put back: set net.ipv4.tcp_fin_timeout 60 -> 30: device or resource busy
failed: write /etc/sysctl.d/zz-tune.conf (new, 2 lines): read-only file system
Step 2 failed; 1 step could not be put back.
transaction: 3, partly-rolled-back
reboot: part of it takes hold at the next boot only
undo: tune rollback 3
"
        );
        let document = check(&report, "apply");
        assert_eq!(document["changes"].as_array().map(Vec::len), Some(1));
        assert_eq!(report.exit_status(false), 3);
    }

    #[test]
    fn a_rollback_leaves_what_somebody_else_changed() {
        let mut report = report(TransactionState::PartlyRolledBack, vec![StepResult::Done, StepResult::Done]);
        report.plan.command = Command::Rollback;
        report.plan.plan.conflicts.push(Conflict {
            target: "net.core.somaxconn".into(),
            layer: Layer::Runtime,
            expected: "4096".into(),
            found: "1024".into(),
            unreadable: false,
        });
        assert_eq!(
            plain(&report),
            "\
tunable                   before  after  where
net.ipv4.tcp_fin_timeout  60      30     running kernel
net.ipv4.tcp_fin_timeout  none    30     /etc/sysctl.d/zz-tune.conf

conflict: net.core.somaxconn is 1024, not 4096 as tune left it; somebody else
          changed it, and it stays
  hint: the same command with --overwrite-foreign puts that back too
2 values put back; 1 conflict left alone.
transaction: 3, partly-rolled-back
"
        );
        check(&report, "rollback");
        check(&report.plan, "rollback");
        report.plan.command = Command::Off;
        check(&report, "off");
        check(&report.plan, "off");
        assert_eq!(report.exit_status(false), 3);
    }

    #[test]
    fn a_change_to_be_confirmed_says_how() {
        let mut report =
            report(TransactionState::AwaitingConfirmation, vec![StepResult::Done, StepResult::NotReached]);
        report.deadline = Some("2026-11-22T03:06:05Z".into());
        assert_eq!(
            plain(&report),
            "\
tunable                   before  after  where
net.ipv4.tcp_fin_timeout  60      30     running kernel

1 value changed; undone unless confirmed.
transaction: 3, awaiting-confirmation
keep: tune confirm (before 2026-11-22T03:06:05Z)
undo: tune rollback 3
"
        );
        assert_eq!(check(&report, "apply")["deadline"], "2026-11-22T03:06:05Z");
    }

    #[test]
    fn nothing_to_do_has_no_transaction() {
        let mut report = report(TransactionState::Applied, vec![]);
        report.outcome.transaction = None;
        (report.plan.plan.steps, report.plan.plan.changes) = (vec![], vec![]);
        assert_eq!(plain(&report), "Nothing changed.\n");
        check(&report, "apply");
        assert_eq!(report.exit_status(true), 0);
    }

    #[test]
    fn progress_is_a_line_for_each_step() {
        let effect = set("net.ipv4.tcp_fin_timeout", "60", "30\x1b[2J");
        let failed = StepResult::Failed { reason: "denied\n".into() };
        for (result, end) in [(StepResult::Done, "done\n"), (failed, "failed: denied\\n\n")] {
            let line = step_line(2, 3, &effect, &result);
            let plain = anstream::adapter::strip_str(&line).to_string();
            assert_eq!(plain, format!("[2/3] net.ipv4.tcp_fin_timeout 60 -> 30\\x1b[2J ... {end}"));
        }
    }
}
