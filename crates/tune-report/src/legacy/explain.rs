//! What a setting is on a system that is not looked at.

use serde::Serialize;
use tune_model::legacy::Part;
use tune_model::{Setting, Subject, System};

use super::{Known, Mechanism, evidence_words};
use crate::page::Page;
use crate::style::{PLAIN, WARN};
use crate::{Report, json};

/// The explanation of a setting, or of a system's own tunable, on a system that is not looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SystemReport {
    /// The setting or the tunable.
    pub setting: Subject,
    /// What a setting means; `None` for a tunable.
    pub meaning: Option<String>,
    /// How a profile writes its values.
    pub takes: Option<String>,
    /// What bounds the same thing where nothing is known of it.
    pub stands_in: Option<String>,
    /// What is known.
    pub known: Known,
}

impl SystemReport {
    /// The name of the document's schema.
    pub const SCHEMA: &str = "tune.explain-system/1";
}

impl Report for SystemReport {
    fn human(&self, width: usize) -> String {
        let mut page = Page::new(width);
        page.heading(&format!("{} on {}", self.setting, self.known.title));
        if let Some(meaning) = &self.meaning {
            page.text(0, meaning);
        }
        page.blank();
        page.item(0, "host:", "none is looked at");
        if let Some(takes) = &self.takes {
            page.item(0, "takes:", takes);
        }
        if self.known.mechanisms.is_empty() {
            page.styled(0, WARN, "Nothing is known of it on this system.");
        }
        if let Some(stands_in) = &self.stands_in {
            page.item(0, "in its place:", stands_in);
        }
        for note in &self.known.notes {
            page.item(0, "note:", note);
        }
        for mechanism in &self.known.mechanisms {
            page.blank();
            show(&mut page, mechanism);
            if !mechanism.beside && self.known.system.parse::<System>().is_err() {
                page.item(INDENT, "tune render:", &rendered(mechanism));
            }
        }
        page.finish()
    }

    fn json(&self) -> String {
        json::document(Self::SCHEMA, self)
    }
}

const INDENT: usize = 2;
const UNSURE: &str = "; general knowledge, not confirmed";

fn show(page: &mut Page, mechanism: &Mechanism) {
    let knob = mechanism.set_now.is_some() || mechanism.evidence == super::CATALOG;
    let name = mechanism.tunable.as_deref().filter(|_| knob).unwrap_or("no knob");
    let beside = if mechanism.beside { ", beside it" } else { "" };
    page.heading(&format!("{}{beside}: {name}", mechanism.releases));
    let doubt = |part| if mechanism.doubts(part) { UNSURE } else { "" };
    if let Some(bound) = &mechanism.bounded_by {
        page.item(INDENT, "bounded by:", &format!("{bound}{}", doubt(Part::Bound)));
    }
    numbers(page, mechanism);
    if let Some(takes_hold) = &mechanism.takes_hold {
        page.item(INDENT, "a change reaches:", takes_hold);
    }
    commands(page, mechanism);
    evidence(page, mechanism);
}

fn numbers(page: &mut Page, mechanism: &Mechanism) {
    let doubt = |part| if mechanism.doubts(part) { UNSURE } else { "" };
    if let Some(unit) = &mechanism.unit {
        page.item(INDENT, "unit:", &format!("{unit}{}", doubt(Part::Unit)));
    }
    let text = mechanism.default_text.as_deref();
    let default = match (mechanism.default_shown(), text) {
        (Some(shown), Some(text)) => Some(format!("{shown}: {text}")),
        (Some(shown), None) => Some(shown),
        (None, Some(text)) => Some(text.to_owned()),
        (None, None) => None,
    };
    match default {
        Some(default) => page.item(INDENT, "default:", &format!("{default}{}", doubt(Part::Default))),
        None if mechanism.unit.is_some() => page.item(INDENT, "default:", "not known"),
        None => {}
    }
    match &mechanism.range {
        Some(range) => {
            let range = format!("{} to {}{}", range.min, range.max, doubt(Part::Range));
            page.item(INDENT, "range:", &range);
        }
        None if mechanism.set_now.is_some() => page.item(INDENT, "range:", "not known"),
        None => {}
    }
}

fn commands(page: &mut Page, mechanism: &Mechanism) {
    if let Some(tool) = &mechanism.tool {
        page.item(INDENT, "tool:", tool);
    }
    if let Some(note) = &mechanism.tool_note {
        page.item(INDENT, "about the tool:", note);
    }
    for (label, command) in
        [("to set now:", &mechanism.set_now), ("and for the next boot:", &mechanism.set_both)]
    {
        if let Some(command) = command {
            page.item(INDENT, label, command);
        }
    }
    if let Some(boot) = &mechanism.boot {
        let unsure = if matches!(boot.evidence, "general-knowledge" | "analogy") { UNSURE } else { "" };
        page.item(INDENT, "next boot:", &format!("{}{unsure}", boot.path));
        for line in &boot.lines {
            page.verbatim(INDENT + 2, PLAIN, line);
        }
        page.text(INDENT + 2, &boot.note);
        if let Some(reload) = &boot.reload {
            page.text(INDENT + 2, &format!("Applied at once by: {reload}"));
        }
    }
    if let Some(undo) = &mechanism.undo {
        page.item(INDENT, "to undo:", undo);
    }
}

fn evidence(page: &mut Page, mechanism: &Mechanism) {
    for caution in &mechanism.cautions {
        page.marked(INDENT, WARN, "caution:", caution);
    }
    for conflict in &mechanism.conflicts {
        let evidence = evidence_words(super::evidence(conflict.mark));
        page.marked(
            INDENT,
            WARN,
            "sources disagree:",
            &format!("{} ({}; {evidence})", conflict.claim, conflict.source),
        );
    }
    page.item(INDENT, "evidence:", evidence_words(mechanism.evidence));
    for source in &mechanism.sources {
        page.item(INDENT, "source:", source);
    }
}

/// Says whether `tune render` makes commands of it.
fn rendered(mechanism: &Mechanism) -> String {
    match (mechanism.rendered, &mechanism.withheld, mechanism.set_now.is_some()) {
        (true, _, true) => "yes".to_owned(),
        (true, _, false) => format!("yes, through {}", Setting::KeepaliveInterval),
        (false, Some(withheld), _) => format!("no: {withheld}"),
        (false, None, true) => "only with --unverified".to_owned(),
        (false, None, false) => "no: there is nothing to set".to_owned(),
    }
}
