//! What `tune diagnose` says, as people and programs read it, and doing what it says.

use serde::Deserialize;
use serde_json::Value;

use super::Stage;

/// A diagnosis, in both forms.
#[derive(Debug)]
pub struct Diagnosis {
    /// The document.
    pub document: Value,
    findings: Vec<Finding>,
    text: String,
}

/// A finding of the document.
#[derive(Debug, Clone, Deserialize)]
pub struct Finding {
    /// What it is.
    pub cause: String,
    /// How much it matters.
    pub weight: String,
    /// How many connections it is about.
    pub connections: u64,
    /// It in a sentence.
    pub title: String,
    /// What helps.
    pub remedies: Vec<Remedy>,
}

/// A remedy of the document.
#[derive(Debug, Clone, Deserialize)]
pub struct Remedy {
    /// What sort of thing it is.
    pub kind: String,
    /// What to do.
    pub action: String,
    /// What to type.
    pub command: Option<String>,
    /// Where to write.
    pub file: Option<String>,
    /// What to write.
    pub directives: Vec<String>,
}

impl Diagnosis {
    pub(super) fn new(document: Value, text: String) -> Self {
        let findings = serde_json::from_value(document["findings"].clone()).unwrap();
        Self { document, findings, text }
    }

    /// Returns a number of the document, by the names on the way to it.
    #[track_caller]
    #[must_use]
    pub fn number(&self, path: &str) -> u64 {
        self.document.pointer(path).and_then(Value::as_u64).unwrap_or_else(|| panic!("no {path}: {self}"))
    }

    /// Returns how many connections are in any of these states.
    #[must_use]
    pub fn in_states(&self, names: &[&str]) -> u64 {
        let states = self.document["states"].as_array().unwrap().iter();
        let of = |state: &Value| names.contains(&state["state"].as_str().unwrap());
        states.filter(|state| of(state)).map(|state| state["total"].as_u64().unwrap()).sum()
    }

    /// Returns a finding.
    #[must_use]
    pub fn of(&self, cause: &str) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.cause == cause)
    }

    /// Demands that a cause is the first thing that is said, to programs and people, and that it is said to matter;
    /// `words` are of its title.
    #[track_caller]
    pub fn begins_with(&self, cause: &str, words: &str) -> &Finding {
        let first = self.findings.first().unwrap_or_else(|| panic!("nothing is found: {self}"));
        assert_eq!(first.cause, cause, "{self}");
        assert_ne!(first.weight, "note", "{self}");
        assert!(first.title.contains(words), "no {words:?} in the title: {self}");
        let flat = self.text.split_whitespace().collect::<Vec<_>>().join(" ");
        let said = flat.split_once("the weightiest first: 1. ").map_or("", |(_, rest)| rest);
        let title = said.split(" seen: ").next().unwrap_or_default();
        assert!(title.contains(words), "no {words:?} in the first thing said: {self}");
        for remedy in &first.remedies {
            assert!(self.shows(remedy), "people are not told {remedy:?}: {self}");
        }
        first
    }

    /// Tells whether people see what to type and write.
    fn shows(&self, remedy: &Remedy) -> bool {
        let lines: Vec<_> = self.text.lines().map(str::trim).collect();
        remedy.command.iter().chain(&remedy.directives).all(|line| lines.contains(&line.as_str()))
    }

    /// Demands that a cause is found no more.
    #[track_caller]
    pub fn is_free_of(&self, cause: &str) {
        assert!(self.of(cause).is_none(), "{cause} is still found: {self}");
    }

    /// Demands that a cause is nothing to worry about any more.
    #[track_caller]
    pub fn does_not_worry_about(&self, cause: &str) {
        assert!(
            self.of(cause).is_none_or(|finding| finding.weight == "note"),
            "{cause} still matters: {self}"
        );
    }
}

impl std::fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\n{}\n{}", self.text, self.document["findings"])
    }
}

impl Finding {
    /// Returns the first remedy of a sort.
    #[track_caller]
    #[must_use]
    pub fn remedy(&self, kind: &str) -> &Remedy {
        let found = self.remedies.iter().find(|remedy| remedy.kind == kind);
        found.unwrap_or_else(|| panic!("no remedy that is {kind}: {self:?}"))
    }
}

impl Remedy {
    /// Types the command that is shown, as it is, says yes, and waits for `said`.
    #[track_caller]
    pub fn is_typed(&self, stage: &Stage, said: &str) {
        let command = self.command.as_ref().unwrap_or_else(|| panic!("no command: {self:?}"));
        stage.types_and_agrees(command, said);
    }

    /// Writes the lines that are shown into the file that is named, and does what is said to follow.
    #[track_caller]
    pub fn is_written(&self, stage: &Stage) {
        let file = stage.file(self.file.as_ref().unwrap());
        std::fs::write(file, self.directives.join("\n") + "\n").unwrap();
        stage.types(self.then());
    }

    /// Changes the lines that there are into those that are shown, and does what is said to follow.
    #[track_caller]
    pub fn is_changed(&self, stage: &Stage, old: &str) {
        let file = stage.file(self.file.as_ref().unwrap());
        let before = std::fs::read_to_string(&file).unwrap();
        let after = before.replace(old, &self.directives.join("\n"));
        assert_ne!(before, after, "no {old:?} in {file:?}");
        std::fs::write(file, after).unwrap();
        stage.types(self.then());
    }

    /// Does what is said to be done on Debian: commands with commas between.
    #[track_caller]
    pub fn is_done_as_on_debian(&self, stage: &Stage) {
        let (_, commands) = self.action.split_once("on Debian ").unwrap_or_else(|| panic!("{self:?}"));
        for command in commands.split(", ") {
            stage.types(command);
        }
    }

    #[track_caller]
    fn then(&self) -> &str {
        self.action.split_once("; then: ").unwrap_or_else(|| panic!("nothing is to follow: {self:?}")).1
    }
}
