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
        let table = if page.width() >= WIDE { self.wide() } else { self.narrow() };
        page.table(&table);
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
                default(mechanism),
                range(mechanism),
                evidence(mechanism),
            ];
            table.row(if known.backend { GOOD } else { PLAIN }, cells);
        }
        table
    }

    fn narrow(&self) -> Table {
        let mut table = Table::new(&["system", "called, or bounded by", "default and range", "evidence"]);
        for (known, mechanism) in self.mechanisms() {
            let unit = mechanism.unit.as_deref().map(|unit| format!(" {unit}")).unwrap_or_default();
            let (default, range) = (default(mechanism), range(mechanism));
            let numbers = match (default.is_empty(), range.is_empty()) {
                (true, true) => unit.trim().to_owned(),
                (false, true) => in_unit(&default, &unit),
                (true, false) => format!("{range}{unit}"),
                (false, false) => format!("{}, {range}", in_unit(&default, &unit)),
            };
            let cells = [mechanism.releases.clone(), called(mechanism), numbers, evidence(mechanism)];
            table.row(if known.backend { GOOD } else { PLAIN }, cells);
        }
        table
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

/// Puts a unit behind the number of a default, before what that amounts to.
fn in_unit(default: &str, unit: &str) -> String {
    match default.split_once(" (") {
        Some((raw, amount)) => format!("{raw}{unit} ({amount}"),
        None if default.starts_with(|c: char| c.is_ascii_digit())
            && default.chars().all(|c| c.is_ascii_digit()) =>
        {
            format!("{default}{unit}")
        }
        None => default.to_owned(),
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

fn default(mechanism: &Mechanism) -> String {
    let shown = mechanism.default_shown().unwrap_or_default();
    if doubtful(mechanism) { format!("{shown} ?") } else { shown }
}

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
