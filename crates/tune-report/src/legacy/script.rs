//! What profiles come to on a system without a backend, as a script for people: comments, then commands.

use std::collections::BTreeSet;

use tune_model::finding::ProfileRef;
use tune_model::legacy::{Amount, Assignment, LeftOut, Reason, Row, Translation, Unit};
use tune_model::plan::Refusal;
use tune_model::{Quantity, Setting};

use super::document::ScriptDocument;
use super::{evidence, evidence_words};
use crate::error::ErrorReport;
use crate::plan::refused;
use crate::render::script::{FILE_WIDTH, Script};
use crate::{Report, json, words};

/// A script that a person may run on a system without a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptReport {
    /// What was typed.
    pub command: String,
    /// The profiles, each with what it is for.
    pub profiles: Vec<(ProfileRef, String)>,
    /// The memory in bytes, where it was stated.
    pub ram: Option<u64>,
    /// What the profiles come to.
    pub translation: Translation,
}

impl ScriptReport {
    /// The name of the document's schema.
    pub const SCHEMA: &str = "tune.render-script/1";

    /// Returns the error where nothing may be written, for these reasons.
    #[must_use]
    pub fn refusal(refusals: &[Refusal], title: &str) -> ErrorReport {
        let message = format!("refused; nothing is written for {title}");
        refused(refusals, &message).unwrap_or_else(|| ErrorReport::new("refused", 1, message))
    }

    /// Returns the script, the same wherever it is made.
    #[must_use]
    pub fn script(&self) -> String {
        let mut script = Script::new(FILE_WIDTH);
        script.code("#!/bin/sh");
        self.head(&mut script);
        self.rows(&mut script);
        self.reached(&mut script);
        self.left_out(&mut script);
        self.beware(&mut script);
        self.code(&mut script);
        script.finish()
    }

    pub(super) fn ram(&self) -> Option<Quantity> {
        self.ram.map(Quantity::Bytes)
    }

    pub(super) fn wanted(&self, setting: Setting) -> Option<&Reason> {
        self.translation.wanted.iter().find(|reason| reason.setting == setting)
    }
}

impl Report for ScriptReport {
    fn human(&self, _width: usize) -> String {
        self.script()
    }

    fn json(&self) -> String {
        json::document(Self::SCHEMA, &ScriptDocument::of(self))
    }
}

impl ScriptReport {
    fn head(&self, script: &mut Script) {
        let title = &self.translation.release.title;
        script.comment(&self.command);
        script.comment("");
        script.comment(&format!("What {title} needs for:"));
        for (profile, summary) in &self.profiles {
            script.hanging("  ", &format!("{}: {summary}", words::profile(profile)));
        }
        script.comment(
            "tune has no backend for this system, has read no host and tried nothing of this there. Read it before \
             you run it.",
        );
        script.comment("");
        script.hanging("  sh FILE        ", "shows the values now, and what would be set");
        script.hanging("  sh FILE apply  ", "sets them, as root; ends with what undoes it");
        self.other_releases(script);
        if self.translation.assignments.iter().any(|set| !set.verified) {
            script.comment("");
            script.comment("UNVERIFIED: some of it rests on what nobody confirmed; it is marked so.");
        }
    }

    /// Names the releases that this is not written for, where none was asked for.
    fn other_releases(&self, script: &mut Script) {
        let Translation { named, release, .. } = &self.translation;
        let others =
            named.system.releases.iter().filter(|other| *other != *release && named.release.is_none());
        for other in others {
            script.comment("");
            script.comment(&format!("For {}: --for {}-{}.", other.title, named.system.name, other.name));
        }
    }

    fn rows(&self, script: &mut Script) {
        if self.translation.assignments.is_empty() {
            return;
        }
        script.part("what it rests on");
        let mut tools: Vec<_> = self.translation.assignments.iter().map(|set| set.tool).collect();
        tools.dedup();
        let mut told = BTreeSet::new();
        for set in &self.translation.assignments {
            let unverified = if set.verified { "" } else { "UNVERIFIED: " };
            row(script, set.row, unverified);
            for setting in &set.serves {
                self.why(script, *setting, told.insert(*setting));
            }
            set.row.cautions.iter().for_each(|caution| script.hanging("  ", caution));
            if let Some(takes_hold) = &set.row.takes_hold {
                script.hanging("  reaches: ", takes_hold);
            }
            for conflict in &set.row.conflicts {
                script.hanging("  sources disagree: ", &format!("{} ({})", conflict.claim, conflict.source));
            }
        }
        for tool in tools {
            if let Some(note) = &tool.note {
                script.hanging(&format!("{}: ", tool.name), note);
            }
        }
    }

    /// Says what a number is set for, and why where that was not said yet.
    fn why(&self, script: &mut Script, setting: Setting, is_new: bool) {
        let Some(reason) = self.wanted(setting) else { return };
        let why = reason.why.as_ref().filter(|_| is_new).map(|why| format!(". {why}")).unwrap_or_default();
        script.hanging("  for ", &format!("{setting}, {}{why}", reason.wanted));
    }

    fn reached(&self, script: &mut Script) {
        let Translation { reached, shipped, .. } = &self.translation;
        if !reached.is_empty() {
            script.part("what follows from it");
            reached.iter().for_each(|amount| told(script, amount));
        }
        if !shipped.is_empty() {
            script.part("as shipped, and as wanted");
            shipped.iter().for_each(|amount| told(script, amount));
        }
    }

    fn left_out(&self, script: &mut Script) {
        if self.translation.left_out.is_empty() {
            return;
        }
        script.part("left out");
        for LeftOut { setting, reason, stands_in, .. } in &self.translation.left_out {
            let instead = if reason.contains(stands_in.as_str()) {
                String::new()
            } else {
                format!(". In its place: {stands_in}")
            };
            script.comment(&format!("{setting}: {reason}{instead}."));
        }
    }

    fn beware(&self, script: &mut Script) {
        let Translation { named, warnings, .. } = &self.translation;
        if named.system.notes.is_empty() && warnings.is_empty() {
            return;
        }
        script.part("beware");
        warnings.iter().chain(&named.system.notes).for_each(|warning| script.comment(warning));
    }
}

fn row(script: &mut Script, row: &Row, before: &str) {
    let sources: Vec<_> = row.sources.iter().filter(|source| *source != "none").map(String::as_str).collect();
    let from = if sources.is_empty() { String::new() } else { format!(": {}", sources.join("; ")) };
    script.hanging("", &format!("{before}{} ({}{from})", row.id, evidence_words(evidence(row.mark))));
}

fn told(script: &mut Script, amount: &Amount) {
    let Amount { setting, wanted, effective, by } = amount;
    let wanted = if wanted.at_least.is_none() && wanted.at_most.is_none() {
        String::new()
    } else {
        format!("; wanted: {wanted}")
    };
    script.comment(&format!("{setting}: {effective}, {by}{wanted}"));
}

/// Returns what a number amounts to, where it has a unit of its own: `1200 half-seconds (10min)`.
pub(super) fn shown(set: &Assignment) -> String {
    let unit = set.row.unit.map(Unit::words).unwrap_or_default();
    let amount = set.amounts_to.to_string();
    match unit {
        "count" | "clusters" => set.value.to_string(),
        "0 or 1" => format!("{} ({amount})", set.value),
        _ if format!("{}{unit}", set.value) == amount => amount,
        _ => format!("{} {unit} ({amount})", set.value),
    }
}
