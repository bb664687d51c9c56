//! The JSON form of a plan: the audit, then what is to be done about it.

use std::collections::BTreeMap;

use serde::Serialize;
use tune_model::plan::{Change, Conflict, FileImage, Refusal};
use tune_model::{Effect, Plan, Quantity, Step, Subject, TakesHold};

use crate::audit::AuditDocument;
use crate::escape::fields;
use crate::plan::PlanReport;

/// A plan as its document shows it.
#[derive(Debug, Serialize)]
pub(crate) struct PlanDocument<'a> {
    #[serde(flatten)]
    audit: AuditDocument<'a>,
    changed: bool,
    comment: String,
    msg: String,
    pub(crate) check_mode: bool,
    changes: Vec<&'a Change>,
    pub(crate) steps: Vec<StepDocument<'a>>,
    refusals: &'a [Refusal],
    warnings: &'a [String],
    conflicts: &'a [Conflict],
    #[serde(skip_serializing_if = "Option::is_none")]
    diff: Option<Vec<Difference>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirm_within: Option<&'a Quantity>,
}

impl<'a> PlanDocument<'a> {
    pub(crate) fn of(report: &'a PlanReport, changed: bool, msg: String, changes: Vec<&'a Change>) -> Self {
        let plan = &report.plan;
        let mut audit = AuditDocument::of(&report.host, &report.profiles, &plan.findings);
        audit.reboot_required |= plan.reboot_required;
        audit.open_transaction = report.open_transaction.as_deref();
        Self {
            audit,
            changed,
            comment: msg.clone(),
            msg,
            check_mode: true,
            changes,
            steps: plan.steps.iter().map(|step| StepDocument::of(step, report.when(step))).collect(),
            refusals: &plan.refusals,
            warnings: &plan.warnings,
            conflicts: &plan.conflicts,
            diff: report.with_diff.then(|| differences(plan)),
            confirm_within: report.confirm_within.as_ref(),
        }
    }
}

/// A step as its document shows it.
#[derive(Debug, Serialize)]
pub(crate) struct StepDocument<'a> {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tunable: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    from: Option<String>,
    to: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    commands: Vec<String>,
    reversible: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    irreversible: Option<&'a str>,
    takes_hold: Option<TakesHold>,
    serves: &'a [Subject],
    #[serde(skip_serializing_if = "Option::is_none")]
    when: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) outcome: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<&'a str>,
}

impl<'a> StepDocument<'a> {
    fn of(step: &'a Step, when: Option<&'static str>) -> Self {
        let (kind, from, to) = ends(&step.effect);
        let (tunable, path, namespace) = match &step.effect {
            Effect::SetTunable { tunable, namespace, .. } => {
                (Some(tunable.as_str()), None, namespace.as_ref().map(ToString::to_string))
            }
            Effect::SetProperty { tunable, .. } | Effect::PersistProperty { tunable, .. } => {
                (Some(tunable.as_str()), None, None)
            }
            other => (None, Some(other.target()), None),
        };
        Self {
            kind,
            tunable,
            path,
            namespace,
            from,
            to,
            commands: step.effect.commands().iter().map(ToString::to_string).collect(),
            reversible: step.irreversible.is_none(),
            irreversible: step.irreversible.as_deref(),
            takes_hold: step.takes_hold,
            serves: &step.serves,
            when,
            outcome: None,
            reason: None,
        }
    }
}

/// Returns an effect's kind and what is there before and after: a value, a file's text, or nothing.
fn ends(effect: &Effect) -> (&'static str, Option<String>, Option<String>) {
    match effect {
        Effect::SetTunable { before, after, .. } => {
            ("set-tunable", Some(before.clone()), Some(after.clone()))
        }
        Effect::SetProperty { before, after, .. } => {
            ("set-property", Some(before.clone()), Some(after.clone()))
        }
        Effect::PersistProperty { before, after, .. } => ("persist-property", before.clone(), after.clone()),
        Effect::ReplaceFile { before, after, .. } => {
            ("replace-file", before.as_ref().map(text), after.as_ref().map(text))
        }
        Effect::Directory { before, after, .. } => {
            let there = |is: &bool| is.then(|| "directory".to_owned());
            ("directory", there(before), there(after))
        }
        _ => ("other", None, None),
    }
}

pub(crate) fn text(image: &FileImage) -> String {
    String::from_utf8_lossy(&image.content.0).into_owned()
}

/// The text of one target before and after, each line ended.
#[derive(Debug, Serialize)]
pub(crate) struct Difference {
    pub(crate) before_header: String,
    pub(crate) after_header: String,
    pub(crate) before: String,
    pub(crate) after: String,
}

/// Returns the differences: the running kernel first, then each file.
pub(crate) fn differences(plan: &Plan) -> Vec<Difference> {
    let files = plan.steps.iter().filter_map(|step| match &step.effect {
        Effect::ReplaceFile { path, before, after } => {
            let name = |image: &Option<FileImage>| match image {
                Some(_) => path.display().to_string(),
                None => format!("{} (absent)", path.display()),
            };
            let content = |image: &Option<FileImage>| image.as_ref().map(text).map(ended).unwrap_or_default();
            Some(Difference {
                before_header: name(before),
                after_header: name(after),
                before: content(before),
                after: content(after),
            })
        }
        _ => None,
    });
    running_kernel(plan).into_iter().chain(files).collect()
}

/// Returns the values that are set, among the others that the findings rest on.
fn running_kernel(plan: &Plan) -> Option<Difference> {
    let mut values = BTreeMap::new();
    for state in plan.findings.iter().flat_map(|found| &found.tunables) {
        if let Some(live) = &state.live {
            values.insert(state.name.as_str(), (live.as_str(), live.as_str()));
        }
    }
    let mut any = false;
    for step in &plan.steps {
        if let Some((tunable, before, after)) = step.effect.live() {
            values.entry(tunable).and_modify(|value| value.1 = after).or_insert((before, after));
            any = true;
        }
    }
    let lines = |pick: fn(&(&str, &str)) -> String| {
        values.iter().map(|(name, value)| format!("{name} = {}\n", fields(&pick(value)))).collect()
    };
    any.then(|| Difference {
        before_header: "running kernel (before)".to_owned(),
        after_header: "running kernel (after)".to_owned(),
        before: lines(|value| value.0.to_owned()),
        after: lines(|value| value.1.to_owned()),
    })
}

fn ended(mut text: String) -> String {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}
