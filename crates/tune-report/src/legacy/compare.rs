//! One setting on all systems, beside each other.

use serde::Serialize;
use tune_model::Setting;
use tune_model::legacy::Part;

use super::{Known, Mechanism};
use crate::page::Page;
use crate::style::{DIM, GOOD, PLAIN};
use crate::table::Table;
use crate::{Report, json};

/// One setting on all systems, beside each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ComparisonReport {
    /// The setting.
    pub setting: Setting,
    /// What it means.
    pub meaning: &'static str,
    /// How a profile writes its values.
    pub takes: &'static str,
    /// The systems, those that `tune` works on first.
    pub systems: Vec<Known>,
}

impl ComparisonReport {
    /// The name of the document's schema.
    pub const SCHEMA: &str = "tune.comparison/1";
}

/// From so many columns on each fact has a column of its own.
const WIDE: usize = 110;

impl Report for ComparisonReport {
    fn human(&self, width: usize) -> String {
        let mut page = Page::new(width);
        page.heading(&format!("{} on all systems", self.setting));
        page.text(0, self.meaning);
        page.blank();
        if page.width() >= WIDE {
            page.table(&self.wide());
        } else {
            self.narrow(&mut page);
        }
        self.legend(&mut page);
        page.finish()
    }

    fn json(&self) -> String {
        json::document(Self::SCHEMA, self)
    }
}

impl ComparisonReport {
    fn mechanisms(&self) -> impl Iterator<Item = (&Known, &Mechanism)> {
        self.systems.iter().flat_map(|known| known.mechanisms.iter().map(move |mechanism| (known, mechanism)))
    }

    fn wide(&self) -> Table {
        let mut table =
            Table::new(&["system", "called, or bounded by", "unit", "default", "range", "evidence"]);
        for (known, mechanism) in self.mechanisms() {
            let cells = [
                mechanism.releases.clone(),
                called(mechanism),
                mechanism.unit.clone().unwrap_or_default(),
                default(mechanism, false),
                range(mechanism),
                evidence(mechanism),
            ];
            table.row(if known.backend { GOOD } else { PLAIN }, cells);
        }
        table
    }

    /// Shows the numbers below each row: there is no room for them beside it.
    fn narrow(&self, page: &mut Page) {
        let mut table = Table::new(&["system", "called, or bounded by", "evidence"]);
        for (known, mechanism) in self.mechanisms() {
            let cells = [mechanism.releases.clone(), called(mechanism), evidence(mechanism)];
            table.row(if known.backend { GOOD } else { PLAIN }, cells);
        }
        let layout = table.layout(page.width());
        page.lines(&layout.head);
        for (row, (_, mechanism)) in layout.rows.iter().zip(self.mechanisms()) {
            page.lines(row);
            let default = default(mechanism, true);
            let unit = mechanism.unit.clone().filter(|_| default.is_empty()).unwrap_or_default();
            let numbers = [("unit", unit), ("default", default), ("range", range(mechanism))];
            let known = numbers.into_iter().filter(|(_, number)| !number.is_empty());
            let known: Vec<_> = known.map(|(what, number)| format!("{what} {number}")).collect();
            if !known.is_empty() {
                page.text(4, &known.join("; "));
            }
        }
    }

    fn legend(&self, page: &mut Page) {
        const MARKS: &[(&str, &str)] = &[
            ("catalog", "tune works there; see tune explain --for SYSTEM"),
            ("page", "a claim of Apache's page on FIN_WAIT_2, 1997-98"),
            ("document", "a public document"),
            ("source", "the system's source, which was read"),
            ("analogy", "from another system of the same descent; not confirmed"),
            ("general", "general knowledge; not confirmed"),
        ];
        page.blank();
        for (mark, meaning) in MARKS {
            if self.mechanisms().any(|(_, mechanism)| short(mechanism) == *mark) {
                page.marked(0, DIM, &format!("{mark}:"), meaning);
            }
        }
        if self.mechanisms().any(|(_, mechanism)| !mechanism.conflicts.is_empty()) {
            page.marked(0, DIM, "!:", "sources disagree; see tune explain --for SYSTEM");
        }
        if self.mechanisms().any(|(_, mechanism)| doubtful(mechanism)) {
            page.marked(0, DIM, "?:", "this number is general knowledge, whatever the rest is");
        }
    }
}

fn called(mechanism: &Mechanism) -> String {
    let knob = mechanism.set_now.is_some() || mechanism.evidence == super::CATALOG;
    let beside = if mechanism.beside { "beside it: " } else { "" };
    match (&mechanism.tunable, &mechanism.bounded_by) {
        (Some(name), _) if knob => format!("{beside}{name}"),
        (_, Some(bound)) => format!("(no knob) {bound}"),
        (Some(name), None) => name.clone(),
        (None, None) => "(not known)".to_owned(),
    }
}

fn doubtful(mechanism: &Mechanism) -> bool {
    mechanism.doubts(Part::Default) && mechanism.default_shown().is_some()
}

/// Shows the default, with its unit where that has no column of its own; the rule where there is no number.
fn default(mechanism: &Mechanism, with_unit: bool) -> String {
    let Some(shown) = mechanism.default_shown() else {
        return mechanism.default_text.clone().unwrap_or_default();
    };
    let unit = mechanism.unit.as_deref().filter(|unit| with_unit && !NUMBERS.contains(unit));
    let (raw, amount) = shown.split_once(' ').unwrap_or((&shown, ""));
    let number = raw.chars().all(|c| c.is_ascii_digit());
    let unit = unit.filter(|_| number).map(|unit| format!(" {unit}")).unwrap_or_default();
    let doubt = if doubtful(mechanism) { " ?" } else { "" };
    format!("{raw}{unit} {amount}").trim_end().to_owned() + doubt
}

/// Units that say nothing behind a number.
const NUMBERS: &[&str] = &["count", "0 or 1", "flag"];

fn range(mechanism: &Mechanism) -> String {
    mechanism.range.map(|range| format!("{} to {}", range.min, range.max)).unwrap_or_default()
}

fn evidence(mechanism: &Mechanism) -> String {
    let disputed = if mechanism.conflicts.is_empty() { "" } else { " !" };
    format!("{}{disputed}", short(mechanism))
}

fn short(mechanism: &Mechanism) -> &'static str {
    match mechanism.evidence {
        "page-claim" => "page",
        "general-knowledge" => "general",
        other => other,
    }
}
