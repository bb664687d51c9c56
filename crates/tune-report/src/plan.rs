//! Plans: what would be done, in which order, and what speaks against it.

use tune_model::finding::{HostRef, ProfileRef};
use tune_model::plan::{Conflict, FileImage, Refusal};
use tune_model::reading::Layer;
use tune_model::{Effect, Finding, Plan, Quantity, Step};

use crate::apply::EXIT_FAILED;
use crate::audit;
use crate::error::ErrorReport;
use crate::escape::fields;
use crate::page::Page;
use crate::plan_document::{Difference, PlanDocument, differences, text};
use crate::style::{self, BAD, STRONG, WARN};
use crate::table::Table;
use crate::verdict::counted;
use crate::{Report, diff, json, verdict};

/// The command that a plan is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// `tune apply`, `tune plan` or `tune set`.
    Apply,
    /// `tune off`.
    Off,
    /// `tune rollback`.
    Rollback,
    /// `tune confirm`.
    Confirm,
}

impl Command {
    /// Returns the name of the document's schema.
    #[must_use]
    pub const fn schema(self, dry: bool) -> &'static str {
        match (self, dry) {
            (Self::Apply, true) => "tune.plan/1",
            (Self::Apply, false) => "tune.apply/1",
            (Self::Off, _) => "tune.off/1",
            (Self::Rollback, _) => "tune.rollback/1",
            (Self::Confirm, _) => "tune.confirm/1",
        }
    }
}

/// A plan, and what it is for.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanReport {
    /// The command it is made for.
    pub command: Command,
    /// The host.
    pub host: HostRef,
    /// The profiles, if any.
    pub profiles: Vec<ProfileRef>,
    /// The plan.
    pub plan: Plan,
    /// Shows the texts before and after.
    pub with_diff: bool,
    /// What to type to have it done, where it can be typed again.
    pub next: Option<String>,
    /// A transaction that is not finished, in words, if there is one.
    pub open_transaction: Option<String>,
    /// How long there is to confirm it, where it is to be tried out first.
    pub confirm_within: Option<Quantity>,
}

impl PlanReport {
    /// Returns the exit status of a dry run. For `apply`: 2 where the host differs from what is wanted or the plan would
    /// change it, else 1 where something could not be read, else 0. For the others 2 where somebody else's changes would be left,
    /// else 0.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        match (self.command, verdict::exit_status(&self.plan.findings)) {
            (Command::Off | Command::Rollback, _) if !self.plan.conflicts.is_empty() => verdict::EXIT_DIFFERS,
            (Command::Off | Command::Rollback | Command::Confirm, _) => verdict::EXIT_MET,
            (Command::Apply, verdict::EXIT_MET) if !self.plan.refusals.is_empty() => verdict::EXIT_UNKNOWN,
            (Command::Apply, verdict::EXIT_MET) if self.would_change() => verdict::EXIT_DIFFERS,
            (Command::Apply, status) => status,
        }
    }

    /// Tells whether carrying it out would change the host.
    #[must_use]
    pub const fn would_change(&self) -> bool {
        !self.plan.steps.is_empty() && self.plan.refusals.is_empty()
    }

    /// Says in a sentence what would be done.
    #[must_use]
    pub fn message(&self) -> String {
        let plan = &self.plan;
        match (plan.refusals.len(), plan.steps.len(), plan.is_empty()) {
            (0, _, true) => "nothing to do".to_owned(),
            (0, 0, false) => self.bookkeeping().to_owned(),
            (0, ..) => format!("{} would change, in {}", values(plan), counted(plan.steps.len(), "step")),
            (1, ..) => format!("refused: {}", plan.refusals[0].message),
            (refusals, ..) => {
                format!("refused for {}: {}", counted(refusals, "reason"), plan.refusals[0].message)
            }
        }
    }

    /// Says what is recorded where no value changes.
    const fn bookkeeping(&self) -> &'static str {
        match self.command {
            Command::Apply => "no value would change; the profile would be recorded as active",
            Command::Off => "no value would change; the profile would no longer be recorded as active",
            Command::Rollback => "no value would change; the transaction would be recorded as rolled back",
            Command::Confirm => "no value would change; the transaction would be recorded as confirmed",
        }
    }

    /// Returns the error of a command that was to carry the plan out and must not; `None` where nothing speaks against it.
    #[must_use]
    pub fn refusal(&self) -> Option<ErrorReport> {
        refused(&self.plan.refusals, "refused; nothing was changed")
    }

    fn document(&self) -> PlanDocument<'_> {
        let changes = if self.would_change() { self.plan.changes.iter().collect() } else { Vec::new() };
        PlanDocument::of(self, self.would_change(), self.message(), changes)
    }
}

impl Report for PlanReport {
    fn human(&self, width: usize) -> String {
        let mut page = Page::new(width);
        audit::head(&mut page, &self.host, &self.profiles);
        audit::remarks(&mut page, &[], self.open_transaction.as_deref());
        page.blank();
        settings(&mut page, &self.plan);
        if self.plan.refusals.is_empty() {
            self.steps(&mut page);
        }
        if self.with_diff {
            show_differences(&mut page, &self.plan);
        }
        objections(&mut page, &self.plan);
        let end = match self.plan.refusals.len() {
            0 => sentence(&self.message()),
            number => format!("Refused for {}: nothing is changed.", counted(number, "reason")),
        };
        page.heading(&end);
        self.next(&mut page);
        page.finish()
    }

    fn json(&self) -> String {
        json::document(self.command.schema(true), &self.document())
    }
}

impl PlanReport {
    fn steps(&self, page: &mut Page) {
        if self.plan.steps.is_empty() {
            return;
        }
        page.heading("Steps, in order:");
        let waiting = self.first_waiting();
        for (at, step) in self.plan.steps.iter().enumerate() {
            if waiting == Some(at) {
                page.text(2, "and when it is confirmed:");
            }
            show_step(page, at + 1, step);
        }
        page.blank();
    }

    /// Returns the first step that waits for a confirmation.
    fn first_waiting(&self) -> Option<usize> {
        let at_boot = |step: &Step| step.effect.layer() == Layer::Boot;
        self.confirm_within.as_ref().and_then(|_| self.plan.steps.iter().position(at_boot))
    }

    /// Tells when a step would be carried out, where there are two times.
    pub(crate) fn when(&self, step: &Step) -> Option<&'static str> {
        self.confirm_within.as_ref().map(|_| match step.effect.layer() {
            Layer::Runtime => "now",
            Layer::Boot => "confirm",
        })
    }

    fn next(&self, page: &mut Page) {
        let going = self.plan.refusals.is_empty() && !self.plan.is_empty();
        if let Some(within) = self.confirm_within.as_ref().filter(|_| going) {
            page.text(0, &format!("Undone after {within} unless tune confirm keeps it."));
        }
        if self.plan.reboot_required && self.would_change() {
            page.text(0, "Part of it takes hold at the next boot only.");
        }
        if let Some(next) = self.next.as_deref().filter(|_| going) {
            page.marked(0, STRONG, "next:", next);
        }
    }
}

/// Returns the error of a plan that is refused; `None` where it is not.
pub(crate) fn refused(refusals: &[Refusal], message: &str) -> Option<ErrorReport> {
    refusals.first()?;
    let mut error = ErrorReport::new("refused", EXIT_FAILED, message);
    error.causes = refusals.iter().map(told).collect();
    for hint in refusals.iter().flat_map(|refusal| &refusal.hints) {
        if !error.hints.contains(hint) {
            error.hints.push(hint.clone());
        }
    }
    Some(error)
}

/// Makes a sentence of a fragment. The name of a tunable or a file at its beginning stays as it is.
pub(crate) fn sentence(fragment: &str) -> String {
    let is_name =
        fragment.split(':').next().is_some_and(|word| word.contains(['.', '/', '_']) && !word.contains(' '));
    let mut chars = fragment.chars();
    let first =
        chars.next().map(|first| if is_name { first.to_string() } else { first.to_uppercase().to_string() });
    let first = first.unwrap_or_default();
    let end = if fragment.ends_with('.') { "" } else { "." };
    format!("{first}{}{end}", chars.as_str())
}

/// Shows the settings that are to change, or should and do not.
fn settings(page: &mut Page, plan: &Plan) {
    let mut table = Table::new(&["setting", "now", "next boot", "wanted", "changes", "reversible"]);
    let mut met = 0;
    for found in &plan.findings {
        let steps: Vec<_> = plan.steps.iter().filter(|step| step.serves.contains(&found.subject)).collect();
        if steps.is_empty() && found.status == tune_model::Status::Met {
            met += 1;
        } else {
            table.row(style::of_status(found.status).1, cells(found, &steps));
        }
    }
    if !table.is_empty() {
        page.table(&table);
        page.blank();
    }
    if met > 0 {
        page.text(0, &format!("{} as wanted already.", verdict::settings(met)));
        page.blank();
    }
}

fn cells(found: &Finding, steps: &[&Step]) -> [String; 6] {
    let reversible = match steps.iter().any(|step| step.irreversible.is_some()) {
        _ if steps.is_empty() => "-",
        true => "no",
        false => "yes",
    };
    [
        found.subject.to_string(),
        crate::words::effective(&found.effective, found.live),
        crate::words::effective(&found.boot_effective, found.boot),
        found.wanted.to_string(),
        how(steps).to_owned(),
        reversible.to_owned(),
    ]
}

/// Says where a setting is changed.
fn how(steps: &[&Step]) -> &'static str {
    let has = |layer| steps.iter().any(|step| step.effect.layer() == layer);
    match (has(Layer::Runtime), has(Layer::Boot)) {
        (true, true) => "both",
        (true, false) => "live",
        (false, true) => "at boot",
        (false, false) => "nothing",
    }
}

fn show_step(page: &mut Page, number: usize, step: &Step) {
    page.marked(2, STRONG, &format!("{number}."), &describe(&step.effect));
    for command in step.effect.commands() {
        page.item(5, "runs:", &command.to_string());
    }
    if let Some(takes_hold) = step.takes_hold {
        page.item(5, "reaches:", takes_hold.words());
    }
    if let Some(reason) = &step.irreversible {
        page.marked(5, WARN, "cannot be undone before a reboot:", reason);
    }
}

/// Describes an effect: `set net.ipv4.tcp_fin_timeout 60 -> 30`.
#[must_use]
pub fn describe(effect: &Effect) -> String {
    match effect {
        Effect::SetTunable { tunable, namespace, before, after } => {
            // The caller's own has no name.
            let named = namespace.as_ref().filter(|namespace| !namespace.name.is_empty());
            let scope = named.map(|namespace| format!(" in {namespace}")).unwrap_or_default();
            format!("set {tunable} {} -> {}{scope}", fields(before), fields(after))
        }
        Effect::SetProperty { tunable, before, after, .. } => format!("set {tunable} {before} -> {after}"),
        Effect::PersistProperty { tunable, before, after, .. } => {
            let kept = |kept: &Option<String>| kept.as_deref().unwrap_or("not set").trim().to_owned();
            format!("set {tunable} for the next boot: {} -> {}", kept(before), kept(after))
        }
        Effect::ReplaceFile { path, before, after } => {
            describe_file(&path.display().to_string(), before.as_ref(), after.as_ref())
        }
        Effect::Directory { path, after: true, .. } => format!("make directory {}", path.display()),
        Effect::Directory { path, .. } => format!("remove directory {}", path.display()),
        other => format!("change {}", other.target()),
    }
}

fn describe_file(path: &str, before: Option<&FileImage>, after: Option<&FileImage>) -> String {
    let (Some(before), Some(after)) = (before, after) else {
        return match after {
            Some(after) => format!("write {path} (new, {})", counted(text(after).lines().count(), "line")),
            None => format!("remove {path}"),
        };
    };
    match diff::count(&text(before), &text(after)) {
        (0, 0) => format!("write {path} (owner, mode or attributes)"),
        (1, 0) => format!("write {path} (+1 line)"),
        (new, 0) => format!("write {path} (+{new} lines)"),
        (0, 1) => format!("write {path} (-1 line)"),
        (0, gone) => format!("write {path} (-{gone} lines)"),
        (new, gone) => format!("write {path} (+{new} -{gone} lines)"),
    }
}

fn show_differences(page: &mut Page, plan: &Plan) {
    for difference in differences(plan) {
        let Difference { before_header, after_header, before, after } = &difference;
        diff::unified(page, before_header, after_header, before, after);
        page.blank();
    }
}

/// Says what speaks against the plan.
fn objections(page: &mut Page, plan: &Plan) {
    for warning in &plan.warnings {
        page.marked(0, WARN, "warning:", warning);
    }
    for conflict in &plan.conflicts {
        page.marked(0, WARN, "conflict:", &describe_conflict(conflict));
    }
    for refusal in &plan.refusals {
        page.marked(0, BAD, "refused:", &told(refusal));
        for hint in &refusal.hints {
            page.marked(2, STRONG, "hint:", hint);
        }
    }
    if !(plan.warnings.is_empty() && plan.conflicts.is_empty() && plan.refusals.is_empty()) {
        page.blank();
    }
}

/// Says what is refused, and why.
fn told(refusal: &Refusal) -> String {
    match &refusal.subject {
        Some(subject) if !refusal.message.starts_with(&subject.to_string()) => {
            format!("{subject}: {}", refusal.message)
        }
        _ => refusal.message.clone(),
    }
}

/// Describes what is left alone.
#[must_use]
pub fn describe_conflict(conflict: &Conflict) -> String {
    let Conflict { target, layer, expected, found, unreadable } = conflict;
    if *unreadable && target.starts_with('/') {
        return format!("{found}; whether it is as tune left it cannot be told, and it stays");
    }
    if *unreadable {
        let expected = fields(expected);
        return format!(
            "{found}; whether it is still {expected}, as tune left it, cannot be told, and it stays"
        );
    }
    if target.starts_with('/') {
        return format!("{target} is not as tune left it; somebody else changed it, and it stays");
    }
    let place = if *layer == Layer::Boot { " at boot" } else { "" };
    let (expected, found) = (fields(expected), fields(found));
    format!(
        "{target} is {found}{place}, not {expected} as tune left it; somebody else changed it, and it stays"
    )
}

/// Counts the values that change: `2 values`; where only files do, those.
pub(crate) fn values(plan: &Plan) -> String {
    match plan.changes.len() {
        0 => counted(plan.steps.len(), "file"),
        number => counted(number, "value"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tune_model::plan::RefusalKind;

    use super::*;
    use crate::testing::{TUNE_CONF, backlog, check, host, plain, plan, profile, set, step, write};

    pub(crate) fn report(plan: Plan) -> PlanReport {
        PlanReport {
            command: Command::Apply,
            host: host(),
            profiles: vec![profile("web-server")],
            plan,
            with_diff: false,
            next: Some("tune apply web-server".into()),
            open_transaction: None,
            confirm_within: None,
        }
    }

    #[test]
    fn a_plan_tells_what_changes_and_how() {
        let mut report = report(plan());
        assert_eq!(
            plain(&report),
            "\
host: linux 6.18.44
profile: web-server (built-in)

setting                 now  next boot  wanted       changes  reversible
tcp.fin_wait_2_timeout  60s  60s        at most 30s  both     yes

1 setting as wanted already.

Steps, in order:
  1. set net.ipv4.tcp_fin_timeout 60 -> 30
     reaches: connections closed from then on; running timers keep their time
  2. write /etc/sysctl.d/zz-tune.conf (new, 2 lines)

2 values would change, in 2 steps.
next: tune apply web-server
"
        );
        let document = check(&report, "plan");
        assert_eq!((&document["changed"], &document["check_mode"]), (&true.into(), &true.into()));
        assert_eq!(document["msg"], document["comment"]);
        assert_eq!(document["changes"][0]["scope"], "runtime");
        assert_eq!(document["changes"][1]["before"], serde_json::Value::Null);
        assert_eq!(document["steps"][1]["path"], TUNE_CONF);
        assert_eq!(document.get("diff"), None);
        assert_eq!(report.exit_status(), 2);
        report.with_diff = true;
        let diff = &check(&report, "plan")["diff"];
        assert_eq!(diff[0]["before"], "net.ipv4.tcp_fin_timeout = 60\n");
        assert_eq!(
            (&diff[1]["before"], &diff[1]["before_header"]),
            (&"".into(), &format!("{TUNE_CONF} (absent)").into())
        );
    }

    #[test]
    fn a_difference_is_shown_when_asked_for() {
        let mut report = report(plan());
        report.plan.steps[1].effect =
            write(TUNE_CONF, Some("# ours\nx = 1\n"), Some("# ours\nx = 1\nevil\x1b[2J = 2"));
        report.with_diff = true;
        assert_eq!(
            plain(&report),
            "\
host: linux 6.18.44
profile: web-server (built-in)

setting                 now  next boot  wanted       changes  reversible
tcp.fin_wait_2_timeout  60s  60s        at most 30s  both     yes

1 setting as wanted already.

Steps, in order:
  1. set net.ipv4.tcp_fin_timeout 60 -> 30
     reaches: connections closed from then on; running timers keep their time
  2. write /etc/sysctl.d/zz-tune.conf (+1 line)

--- running kernel (before)
+++ running kernel (after)
@@ -1 +1 @@
-net.ipv4.tcp_fin_timeout = 60
+net.ipv4.tcp_fin_timeout = 30

--- /etc/sysctl.d/zz-tune.conf
+++ /etc/sysctl.d/zz-tune.conf
@@ -1,2 +1,3 @@
 # ours
 x = 1
+evil\\x1b[2J = 2

2 values would change, in 2 steps.
next: tune apply web-server
"
        );
        check(&report, "plan");
    }

    #[test]
    fn what_speaks_against_a_plan_is_said_with_what_would_help() {
        let mut report = report(plan());
        report.plan.findings.push(backlog());
        report.plan.refusals.push(Refusal {
            kind: RefusalKind::Overridden,
            subject: Some(backlog().subject),
            message: "/etc/sysctl.d/zzz.conf:7 would set it to 128 at the next boot".into(),
            hints: vec![
                "--take-over comments that line out".into(),
                "--runtime-only leaves the boot files alone".into(),
            ],
        });
        report.plan.warnings.push("procps would leave net.core.somaxconn at 128".into());
        report.plan.conflicts.push(Conflict {
            target: "net.ipv4.tcp_fin_timeout".into(),
            layer: Layer::Boot,
            expected: "30".into(),
            found: "45".into(),
            unreadable: false,
        });
        let raise = set("kern.ipc.nmbclusters", "65536", "131072");
        report.plan.steps.push(Step { irreversible: Some("it can only be raised".into()), ..step(raise) });
        assert_eq!(
            plain(&report),
            "\
host: linux 6.18.44
profile: web-server (built-in)

setting                 now   next boot  wanted         changes  reversible
tcp.fin_wait_2_timeout  60s   60s        at most 30s    both     no
tcp.listen_backlog      8192  128        at least 4096  nothing  -

1 setting as wanted already.

warning: procps would leave net.core.somaxconn at 128
conflict: net.ipv4.tcp_fin_timeout is 45 at boot, not 30 as tune left it;
          somebody else changed it, and it stays
refused: tcp.listen_backlog: /etc/sysctl.d/zzz.conf:7 would set it to 128 at the
         next boot
  hint: --take-over comments that line out
  hint: --runtime-only leaves the boot files alone

Refused for 1 reason: nothing is changed.
"
        );
        let document = check(&report, "plan");
        assert_eq!((&document["changed"], &document["changes"]), (&false.into(), &serde_json::json!([])));
        assert_eq!(document["steps"][2]["reversible"], false);
        let error = report.refusal().unwrap();
        assert_eq!((error.kind.as_str(), error.hints.len()), ("refused", 2));
        check(&error, "error");
    }

    #[test]
    fn what_is_tried_out_is_told_from_what_waits() {
        let mut report = report(plan());
        report.confirm_within = Some(Quantity::Duration(120_000));
        assert_eq!(
            plain(&report),
            "\
host: linux 6.18.44
profile: web-server (built-in)

setting                 now  next boot  wanted       changes  reversible
tcp.fin_wait_2_timeout  60s  60s        at most 30s  both     yes

1 setting as wanted already.

Steps, in order:
  1. set net.ipv4.tcp_fin_timeout 60 -> 30
     reaches: connections closed from then on; running timers keep their time
  and when it is confirmed:
  2. write /etc/sysctl.d/zz-tune.conf (new, 2 lines)

2 values would change, in 2 steps.
Undone after 120s unless tune confirm keeps it.
next: tune apply web-server
"
        );
        let document = check(&report, "plan");
        assert_eq!(document["confirm_within"]["value"], 120_000);
        assert_eq!(
            (&document["steps"][0]["when"], &document["steps"][1]["when"]),
            (&"now".into(), &"confirm".into())
        );
    }

    #[test]
    fn nothing_to_do_is_said() {
        let mut done = plan();
        done.findings.remove(0);
        (done.steps, done.changes) = (vec![], vec![]);
        let report = report(done);
        assert_eq!(
            plain(&report),
            "\
host: linux 6.18.44
profile: web-server (built-in)

1 setting as wanted already.

Nothing to do.
"
        );
        assert_eq!(check(&report, "plan")["changed"], false);
        assert_eq!(report.exit_status(), 0);
    }

    #[test]
    fn every_effect_has_a_description() {
        let directory =
            |after: bool| Effect::Directory { path: "/etc/sysctl.d".into(), before: !after, after };
        for (effect, shown) in [
            (set("net.ipv4.tcp_rmem", "1\t2\t3", "1\t2\t4"), "set net.ipv4.tcp_rmem 1 2 3 -> 1 2 4"),
            (write("/a", None, Some("x\n")), "write /a (new, 1 line)"),
            (write("/a", Some("x\n"), None), "remove /a"),
            (write("/a", Some("x\n"), Some("x\ny\nz\n")), "write /a (+2 lines)"),
            (write("/a", Some("x\ny\n"), Some("z\n")), "write /a (+1 -2 lines)"),
            (write("/a", Some("x\n"), Some("x\n")), "write /a (owner, mode or attributes)"),
            (directory(true), "make directory /etc/sysctl.d"),
            (directory(false), "remove directory /etc/sysctl.d"),
        ] {
            assert_eq!(describe(&effect), shown);
        }
    }
}
