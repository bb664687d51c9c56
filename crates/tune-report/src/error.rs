//! Errors: what failed, because of what, and what to do about it.

use std::error::Error;

use serde::Serialize;

use crate::Report;
use crate::check::Mistake;
use crate::json;
use crate::page::Page;
use crate::style::{BAD, STRONG};
use crate::verdict::counted;

/// A command that could not do its work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErrorReport {
    failed: bool,
    changed: bool,
    /// The sort of failure, a word that scripts can rely on: `busy`, `denied`, `usage`.
    pub kind: String,
    /// What was tried, on what.
    pub msg: String,
    /// Why, the nearest cause first.
    pub causes: Vec<String>,
    /// What to do about it.
    pub hints: Vec<String>,
    /// The exit status of the command.
    pub exit_code: u8,
    /// The mistakes of a profile, shown to people with their lines; the message and the causes tell them to programs.
    #[serde(skip)]
    pub mistakes: Box<[Mistake]>,
}

impl ErrorReport {
    /// The name of the document's schema.
    pub const SCHEMA: &str = "tune.error/1";

    /// Makes a report of a failure that left the host as it was.
    #[must_use]
    pub fn new(kind: &str, exit_code: u8, msg: impl Into<String>) -> Self {
        let msg = msg.into();
        let (causes, hints, mistakes) = (Vec::new(), Vec::new(), Box::default());
        Self { failed: true, changed: false, kind: kind.to_owned(), msg, causes, hints, exit_code, mistakes }
    }

    /// Makes a report of an error and all that caused it. A cause that its effect has already told is left out.
    #[must_use]
    pub fn of(kind: &str, exit_code: u8, error: &dyn Error) -> Self {
        let mut report = Self::new(kind, exit_code, error.to_string());
        let mut last = report.msg.clone();
        for cause in std::iter::successors(error.source(), |cause| (*cause).source()) {
            let text = cause.to_string();
            if !last.ends_with(&text) {
                report.causes.push(text.clone());
            }
            last = text;
        }
        report
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Says that something on the host is no longer as it was.
    #[must_use]
    pub const fn changed(mut self, changed: bool) -> Self {
        self.changed = changed;
        self
    }
}

impl ErrorReport {
    /// Makes an error of what is wrong with a profile, or with values on the command line.
    #[must_use]
    pub fn of_mistakes(kind: &str, exit_code: u8, mistakes: Vec<Mistake>) -> Self {
        let mut report = match &mistakes[..] {
            [only] => {
                let report = Self::new(kind, exit_code, format!("{}: {}", only.origin, only.message));
                only.hint.iter().fold(report, Self::hint)
            }
            _ => Self::new(kind, exit_code, counted(mistakes.len(), "mistake")),
        };
        if mistakes.len() > 1 {
            report.causes = mistakes.iter().map(Mistake::sentence).collect();
        }
        report.mistakes = mistakes.into();
        report
    }

    fn show_mistakes(&self, page: &mut Page) {
        match &self.mistakes[..] {
            [only] => only.show(page, "error: "),
            many => {
                page.marked(0, BAD, "error:", &self.msg);
                many.iter().for_each(|mistake| mistake.show(page, ""));
            }
        }
    }
}

impl Report for ErrorReport {
    fn human(&self, width: usize) -> String {
        let mut page = Page::new(width);
        if !self.mistakes.is_empty() {
            self.show_mistakes(&mut page);
            return page.finish();
        }
        for (at, line) in self.msg.lines().enumerate() {
            match at {
                0 => page.marked(0, BAD, "error:", line),
                _ => page.text(0, line),
            }
        }
        for cause in &self.causes {
            page.item(2, "because:", cause);
        }
        for hint in &self.hints {
            page.marked(2, STRONG, "hint:", hint);
        }
        page.finish()
    }

    fn json(&self) -> String {
        json::document(Self::SCHEMA, self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{check, plain};

    #[derive(Debug, thiserror::Error)]
    #[error("cannot write {0}")]
    struct Outer(&'static str, #[source] std::io::Error);

    #[test]
    fn an_error_is_told_once_with_its_causes_and_hints() {
        let cause = std::io::Error::new(std::io::ErrorKind::PermissionDenied, "permission denied\x1b[2J");
        let error = ErrorReport::of("denied", 77, &Outer("net.ipv4.tcp_fin_timeout", cause))
            .hint("run it as root, or with sudo: everything that changes the host needs the right to write its settings");
        assert_eq!(
            plain(&error),
            "\
error: cannot write net.ipv4.tcp_fin_timeout
  because: permission denied\\x1b[2J
  hint: run it as root, or with sudo: everything that changes the host needs the
        right to write its settings
"
        );
        check(&error, "error");
    }
}
