//! What is known of systems without looking at one: told, compared, and written down as scripts.

mod compare;
mod document;
mod explain;
mod script;
mod shell;
#[cfg(test)]
mod tests;

use serde::Serialize;
use tune_model::catalog::Tunable;
use tune_model::legacy::{BootFile, Claim, Part, Release, Row, Tool, Way};
use tune_model::{Effective, LegacySystem, Quantity, Setting, System};

use crate::explain::Range;

pub use compare::ComparisonReport;
pub use explain::SystemReport;
pub use script::ScriptReport;

/// What keeps a value for the next boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// The file.
    pub path: String,
    /// The lines of this tunable, with VALUE where its value stands; none where only words say it.
    pub lines: Vec<String>,
    /// What makes the system read it now.
    pub reload: Option<String>,
    /// What there is to know about it.
    pub note: String,
    /// What that rests on.
    pub evidence: &'static str,
}

/// One thing that bounds or sets a setting on a system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Mechanism {
    /// The name of the row; `None` for a system that `tune` works on.
    pub id: Option<String>,
    /// The system and the releases that it is about.
    pub releases: String,
    /// How the setting is provided: `tunable`, `derived`, `fixed`, `patch`, `unknown` or `none`.
    pub way: &'static str,
    /// It bounds the same thing as the one before it, and is never set for a profile.
    pub beside: bool,
    /// The system's own name for it.
    pub tunable: Option<String>,
    /// What sets it.
    pub tool: Option<String>,
    /// The unit of its numbers.
    pub unit: Option<String>,
    /// The default as the system shows it.
    pub default: Option<String>,
    /// What the default amounts to.
    pub amounts_to: Option<Effective>,
    /// The default in words.
    pub default_text: Option<String>,
    /// The numbers that the system takes.
    pub range: Option<Range>,
    /// What bounds the same thing where there is no knob.
    pub bounded_by: Option<String>,
    /// Whom a change reaches.
    pub takes_hold: Option<String>,
    /// The command that sets the running system, with VALUE in it.
    pub set_now: Option<String>,
    /// The command that sets the running system and the next boot, with VALUE in it.
    pub set_both: Option<String>,
    /// What keeps it for the next boot.
    pub boot: Option<Kept>,
    /// How to undo it.
    pub undo: Option<String>,
    /// What it rests on.
    pub evidence: &'static str,
    /// The parts of it that are general knowledge only.
    pub unconfirmed: Vec<Part>,
    /// Whether `tune render` makes commands of it without being told to take what is unverified.
    pub rendered: bool,
    /// Why it does not although it is confirmed.
    pub withheld: Option<String>,
    /// What there is to know about the tool.
    pub tool_note: Option<String>,
    /// What can go wrong.
    pub cautions: Vec<String>,
    /// Where sources disagree: every claim.
    pub conflicts: Vec<Claim>,
    /// Where it was found.
    pub sources: Vec<String>,
}

/// The evidence of what stands in the catalog of a system that `tune` works on.
pub const CATALOG: &str = "catalog";

impl Mechanism {
    /// Tells what a row says.
    #[must_use]
    pub fn of_row(system: &LegacySystem, release: &Release, row: &Row) -> Self {
        let tool = system.tool(release, row);
        let filled = |template: &str, value: &str| {
            row.tunable.as_ref().map(|name| Tool::filled(template, name, value))
        };
        let settable = tool.filter(|_| row.way == Way::Tunable);
        Self {
            id: Some(row.id.clone()),
            releases: release.title.clone(),
            way: way(row.way),
            beside: row.beside,
            tunable: row.tunable.clone(),
            tool: row.tool.clone(),
            unit: row.unit.map(|unit| unit.words().to_owned()),
            default: row.default.map(|raw| raw.to_string()),
            amounts_to: amount(system, release, row),
            default_text: row.default_text.clone(),
            range: row.range.map(|(min, max)| Range { min, max }),
            bounded_by: row.bounded_by.clone(),
            takes_hold: row.takes_hold.clone(),
            set_now: settable.and_then(|tool| filled(&tool.set, "VALUE")),
            set_both: settable.and_then(|tool| filled(tool.set_both.as_ref()?, "VALUE")),
            boot: settable.and_then(|tool| Some(kept(tool.boot.as_ref()?, row, "VALUE"))),
            undo: settable.and_then(|tool| undo(tool, row)),
            evidence: evidence(row.mark),
            unconfirmed: row.general.clone(),
            rendered: system.live.is_none() && is_rendered(system, release, row),
            withheld: row.withheld.clone(),
            tool_note: settable.and_then(note),
            cautions: row.cautions.clone(),
            conflicts: row.conflicts.clone(),
            sources: row.sources.iter().filter(|source| *source != "none").cloned().collect(),
        }
    }

    /// Tells what the catalog of a system that `tune` works on says of a tunable; what it amounts to is to be added.
    #[must_use]
    pub fn of_tunable(system: System, row: &Tunable) -> Self {
        let raw = |values: &[i128]| values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let range = if row.accepted.len() == 1 { row.accepted.first() } else { None };
        Self {
            releases: system.title().to_owned(),
            way: way(Way::Tunable),
            tunable: Some(row.name.clone()),
            unit: Some(row.unit.clone()),
            default: (!row.default.is_empty()).then(|| raw(&row.default)),
            default_text: row.default_text.clone(),
            range: range.map(|(min, max)| Range { min: *min, max: *max }),
            takes_hold: Some(row.takes_hold.words().to_owned()),
            evidence: CATALOG,
            rendered: true,
            cautions: row.cautions.clone(),
            sources: vec![row.source.clone()],
            ..Self::default()
        }
    }

    /// Tells of a setting that a system has no number of its own for.
    #[must_use]
    pub fn without_knob(
        system: System,
        what: Way,
        bounded_by: String,
        amounts_to: Option<Effective>,
    ) -> Self {
        Self {
            releases: system.title().to_owned(),
            way: way(what),
            bounded_by: Some(bounded_by),
            amounts_to,
            evidence: CATALOG,
            ..Self::default()
        }
    }

    /// Shows the default: the number, and what it amounts to where that is not the same.
    fn default_shown(&self) -> Option<String> {
        let amount = match &self.amounts_to {
            None | Some(Effective::Unknown(_)) => None,
            Some(amount) => Some(amount.to_string()),
        };
        let unit = self.unit.as_deref().unwrap_or_default();
        match (&self.default, amount) {
            (Some(raw), Some(amount)) if *raw != amount && format!("{raw}{unit}") != amount => {
                Some(format!("{raw} ({amount})"))
            }
            (Some(raw), _) => Some(raw.clone()),
            (None, amount) => amount,
        }
    }

    /// Tells whether a part is general knowledge only, though the row is not.
    fn doubts(&self, part: Part) -> bool {
        self.unconfirmed.contains(&part)
    }
}

/// Tells whether commands are made of a row: of its own, or of the interval that it follows from.
fn is_rendered(system: &LegacySystem, release: &Release, row: &Row) -> bool {
    let derived = row.way == Way::Derived && row.withheld.is_none();
    let interval = system.row(release, Setting::KeepaliveInterval).filter(|_| derived);
    let row = if row.way == Way::Tunable { Some(row) } else { interval };
    row.is_some_and(|row| {
        let tool = system.tool(release, row).filter(|_| row.way == Way::Tunable && !row.beside);
        row.is_confirmed() && row.withheld.is_none() && tool.is_some_and(|tool| tool.mark.is_confirmed())
    })
}

/// Returns what a default amounts to.
fn amount(system: &LegacySystem, release: &Release, row: &Row) -> Option<Effective> {
    if row.zero_is_never && row.default == Some(0) {
        return Some(Effective::Unbounded);
    }
    let least = row.default_amount()?;
    let again = row.product.is_some_and(|product| product.again);
    let interval = system.row(release, Setting::KeepaliveInterval).filter(|_| again);
    let more = interval.and_then(|row| row.default_amount()?.scalar());
    let most = more.and_then(|more| Quantity::from_scalar(least.kind(), least.scalar()? + more));
    Some(match most {
        Some(high) => Effective::Between { low: least, high },
        None => Effective::Exact(least),
    })
}

/// Returns the name that a kind of provision has in documents.
const fn way(way: Way) -> &'static str {
    match way {
        Way::Tunable => "tunable",
        Way::Derived => "derived",
        Way::Fixed => "fixed",
        Way::Patch => "patch",
        Way::Unknown => "unknown",
        Way::None => "none",
    }
}

/// Returns the name that a mark has in documents.
const fn evidence(mark: tune_model::legacy::Mark) -> &'static str {
    use tune_model::legacy::Mark;
    match mark {
        Mark::PageClaim => "page-claim",
        Mark::Document => "document",
        Mark::Source => "source",
        Mark::Analogy => "analogy",
        Mark::GeneralKnowledge => "general-knowledge",
    }
}

/// Returns the evidence in words, for people.
fn evidence_words(evidence: &str) -> &'static str {
    match evidence {
        "page-claim" => "claim of the Apache page of 1997-98",
        "document" => "document",
        "source" => "source, read",
        "analogy" => "by analogy with another system; not confirmed",
        "general-knowledge" => "general knowledge; not confirmed",
        _ => "tune's catalog of a system that it works on",
    }
}

fn kept(boot: &BootFile, row: &Row, value: &str) -> Kept {
    let name = row.tunable.as_deref().unwrap_or_default();
    let line = |line: &String| Tool::filled(line, name, value).replace("{index}", "0");
    Kept {
        path: boot.path.clone(),
        lines: boot.lines.iter().map(line).collect(),
        reload: boot.reload.clone(),
        note: boot.note.clone(),
        evidence: evidence(boot.mark),
    }
}

fn undo(tool: &Tool, row: &Row) -> Option<String> {
    let name = row.tunable.as_deref()?;
    if row.raise_only {
        return Some("It cannot be lowered before the next boot.".to_owned());
    }
    let read = Tool::filled(&tool.read, name, "");
    let set = Tool::filled(&tool.set, name, "BEFORE");
    let more = row.undo.as_ref().map(|undo| format!(" {undo}")).unwrap_or_default();
    Some(format!("{set}, where BEFORE is what {read} showed before.{more}"))
}

fn note(tool: &Tool) -> Option<String> {
    let unsure = (!tool.mark.is_confirmed())
        .then(|| format!("How {} is used is {}.", tool.name, evidence_words(evidence(tool.mark))));
    let parts: Vec<_> = tool.note.clone().into_iter().chain(unsure).collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// Adds what a row says of a release; where it says the same of the others that were told, once for the whole system.
pub fn tell(told: &mut Vec<Mechanism>, system: &LegacySystem, release: &Release, row: &Row) {
    let new = Mechanism::of_row(system, release, row);
    let same = told.iter_mut().find(|known| {
        known.id == new.id && Mechanism { releases: new.releases.clone(), ..Mechanism::clone(known) } == new
    });
    match same {
        Some(known) => known.releases.clone_from(&system.title),
        None => told.push(new),
    }
}

/// What is known of a setting on one system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Known {
    /// The system's name on the command line.
    pub system: String,
    /// Its name in a sentence.
    pub title: String,
    /// Whether `tune` can change it there itself.
    pub backend: bool,
    /// What bounds or sets it, release by release.
    pub mechanisms: Vec<Mechanism>,
    /// What an administrator should know besides.
    pub notes: Vec<String>,
}
