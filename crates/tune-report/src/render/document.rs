//! The JSON form of a rendered plan.

use serde::Serialize;
use tune_model::finding::ProfileRef;
use tune_model::rendering::{Assignment, Proviso};
use tune_model::{Effective, Finding, Quantity, Subject, TakesHold};

use super::files::NativeFile;
use super::{RenderReport, properties};

/// A rendered plan as its document shows it.
#[derive(Debug, Serialize)]
pub(super) struct RenderDocument<'a> {
    system: &'static str,
    ram: Option<Quantity>,
    profiles: Vec<&'a ProfileRef>,
    files: Vec<FileDocument>,
    tunables: Vec<TunableDocument<'a>>,
    provisos: Vec<ProvisoDocument<'a>>,
    findings: &'a [Finding],
    warnings: &'a [String],
    reboot_required: bool,
}

#[derive(Debug, Serialize)]
struct FileDocument {
    path: String,
    append: bool,
    content: String,
}

#[derive(Debug, Serialize)]
struct TunableDocument<'a> {
    tunable: &'a str,
    value: &'a str,
    default: Option<&'a str>,
    takes_hold: Option<TakesHold>,
    command: Option<String>,
    undo: Option<String>,
    irreversible: Option<&'a str>,
    at_boot_only: Option<&'a str>,
    serves: Vec<Served<'a>>,
}

#[derive(Debug, Serialize)]
struct Served<'a> {
    setting: &'a Subject,
    amounts_to: Option<&'a Effective>,
    cautions: &'a [String],
}

#[derive(Debug, Serialize)]
struct ProvisoDocument<'a> {
    tunable: &'a str,
    field: Option<usize>,
    at_least: Option<&'a str>,
    at_most: Option<&'a str>,
    path: &'static str,
    command: Option<String>,
    irreversible: Option<&'a str>,
    at_boot_only: Option<&'a str>,
    serves: &'a [Subject],
}

impl<'a> RenderDocument<'a> {
    pub(super) fn of(report: &'a RenderReport) -> Self {
        let rendering = &report.rendering;
        let file =
            |file: NativeFile| FileDocument { path: file.path, append: file.shared, content: file.content };
        let at_boot = |line: &Assignment| line.at_boot_only.is_some();
        Self {
            system: report.target.0,
            ram: report.ram(),
            profiles: report.profiles.iter().map(|(profile, _)| profile).collect(),
            files: report.files().into_iter().map(file).collect(),
            tunables: rendering.assignments.iter().map(|line| tunable(report, line)).collect(),
            provisos: rendering.provisos.iter().map(|open| proviso(report, open)).collect(),
            findings: &rendering.plan.findings,
            warnings: &rendering.plan.warnings,
            reboot_required: rendering.assignments.iter().any(at_boot),
        }
    }
}

fn tunable<'a>(report: &'a RenderReport, line: &'a Assignment) -> TunableDocument<'a> {
    let dialect = report.dialect();
    let undo = line.default.as_ref().filter(|_| line.irreversible.is_none() && line.at_boot_only.is_none());
    let served = |subject| {
        let amount = report.rendering.amounts.get(subject);
        Served {
            setting: subject,
            amounts_to: amount.map(|amount| &amount.effective),
            cautions: amount.map_or(&[], |amount| &amount.cautions),
        }
    };
    TunableDocument {
        tunable: &line.tunable,
        value: &line.value,
        default: line.default.as_deref(),
        takes_hold: line.takes_hold,
        command: line.at_boot_only.is_none().then(|| report.command(line).join("\n")),
        undo: match properties::undo(line) {
            Some(command) => Some(command.to_string()),
            None => undo.map(|default| dialect.command(&line.tunable, default)),
        },
        irreversible: line.irreversible.as_deref(),
        at_boot_only: line.at_boot_only.as_deref(),
        serves: line.serves.iter().map(served).collect(),
    }
}

fn proviso<'a>(report: &'a RenderReport, open: &'a Proviso) -> ProvisoDocument<'a> {
    let dialect = report.dialect();
    let Proviso { serves, slot, at_least, at_most, .. } = open;
    let raise = |least: &String| dialect.raise(slot, least, open.at_boot_only.is_none()).join("\n");
    ProvisoDocument {
        tunable: &slot.tunable,
        field: slot.field,
        at_least: at_least.as_deref(),
        at_most: at_most.as_deref(),
        path: dialect.file_for(&slot.tunable).limits,
        command: at_least.as_ref().map(raise),
        irreversible: open.irreversible.as_deref(),
        at_boot_only: open.at_boot_only.as_deref(),
        serves,
    }
}
