//! Tables of what came of a campaign.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::campaign::{Campaign, Tally};

/// What is shown of a violation, in characters.
const LONGEST: usize = 1500;

impl Tally {
    fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.between += other.between;
        self.old += other.old;
        self.new += other.new;
        for (code, number) in &other.codes {
            *self.codes.entry(*code).or_default() += number;
        }
    }

    fn row(&self, name: &str) -> String {
        let code = |code: i32| self.codes.get(&code).copied().unwrap_or(0);
        let others = self.runs - code(0) - code(1) - code(3) - code(137);
        format!(
            "{name:<26} {:>6} {:>6} {:>6} {:>6} {:>6} {others:>6} {:>8} {:>6} {:>6}\n",
            self.runs,
            code(0),
            code(1),
            code(3),
            code(137),
            self.between,
            self.old,
            self.new
        )
    }
}

impl Campaign {
    /// Shows what came of it: by command, by fault, and every broken promise.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = self.table("command", |(command, _)| command.clone());
        text += &self.table("fault", |(_, fault)| fault.clone());
        let _ = writeln!(
            text,
            "{} calls, {} faulty runs, {} violations, {} faults did not come about",
            self.sites,
            self.runs(),
            self.violations.len(),
            self.missed.len()
        );
        for violation in &self.violations {
            let what: String = violation.what.chars().take(LONGEST).collect();
            let _ = writeln!(text, "BROKEN {}: {what}", violation.case);
        }
        for missed in &self.missed {
            let _ = writeln!(text, "MISSED {missed}");
        }
        text
    }

    fn table(&self, title: &str, by: impl Fn(&(String, String)) -> String) -> String {
        let mut rows: BTreeMap<String, Tally> = BTreeMap::new();
        for (key, tally) in &self.tallies {
            rows.entry(by(key)).or_default().add(tally);
        }
        let mut text = format!(
            "{title:<26} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>8} {:>6} {:>6}\n",
            "runs", "exit 0", "exit 1", "exit 3", "killed", "other", "between", "old", "new"
        );
        for (name, tally) in &rows {
            text += &tally.row(name);
        }
        text + "\n"
    }
}
