//! The texts of a profile and what is found wrong with them.

use std::path::PathBuf;
use std::rc::Rc;

use super::diagnostic::{Class, Diagnostic, Diagnostics};
use super::{Origin, Subject};

/// A stretch of one of the texts, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    source: usize,
    start: usize,
    end: usize,
}

impl Spot {
    pub(super) const fn new(source: usize, span: &std::ops::Range<usize>) -> Self {
        Self { source, start: span.start, end: span.end }
    }
}

/// What is wrong, without where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Complaint {
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl Complaint {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds the nearest valid name where one is near, else the names themselves.
    pub(super) fn nearest(self, name: &str, valid: &[&str]) -> Self {
        match crate::nearest(name, valid.iter().copied()) {
            Some(nearest) => self.help(format!("did you mean {nearest:?}?")),
            None => self.help(format!("expected one of: {}", valid.join(", "))),
        }
    }
}

/// A text that went into a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// The name of the profile that it belongs to.
    pub profile: String,
    /// The file, or `None` for a built-in profile, the command line or standard input.
    pub file: Option<PathBuf>,
    /// The text.
    pub text: Rc<str>,
}

/// The texts read so far and what was found in them.
#[derive(Debug, Default)]
pub(super) struct Log {
    inputs: Vec<Input>,
    found: Vec<(Spot, Diagnostic)>,
}

impl Log {
    /// Adds a text and returns its number.
    pub(super) fn add(&mut self, profile: &str, file: Option<PathBuf>, text: &str) -> usize {
        self.inputs.push(Input { profile: profile.to_owned(), file, text: text.into() });
        self.inputs.len() - 1
    }

    pub(super) fn text(&self, source: usize) -> Rc<str> {
        Rc::clone(&self.inputs[source].text)
    }

    pub(super) fn origin(&self, spot: Spot) -> Origin {
        let Input { profile, file, text } = &self.inputs[spot.source];
        let before = &text[..text.floor_char_boundary(spot.start)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let column = before[line_start..].chars().count() + 1;
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Origin { profile: profile.clone(), file: file.clone(), line: number(line), column: number(column) }
    }

    /// Says where `spot` is to a reader who is at `from`: the line alone in the same file.
    pub(super) fn place(&self, spot: Spot, from: Spot) -> String {
        let origin = self.origin(spot);
        if spot.source == from.source {
            return format!("line {}", origin.line);
        }
        match &origin.file {
            Some(file) => format!("{}:{}", super::diagnostic::escaped(&file.to_string_lossy()), origin.line),
            None => format!("{}:{}", origin.profile, origin.line),
        }
    }

    /// Notes a mistake.
    pub(super) fn error(&mut self, spot: Spot, complaint: Complaint) {
        self.note(spot, Class::Invalid, complaint);
    }

    /// Notes a value that is only for those who insist on it.
    pub(super) fn refuse(&mut self, spot: Spot, subject: &Subject, complaint: Complaint) {
        self.note(spot, Class::Unsafe { subject: subject.clone() }, complaint);
    }

    fn note(&mut self, spot: Spot, class: Class, complaint: Complaint) {
        let Complaint { message, help } = complaint;
        if self.found.iter().any(|(at, earlier)| *at == spot && earlier.message == message) {
            return;
        }
        let text = &self.inputs[spot.source].text;
        let start = text.floor_char_boundary(spot.start);
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
        let end = text.floor_char_boundary(spot.end.min(line_end)).max(start);
        let line = text[line_start..line_end].trim_end_matches('\r').to_owned();
        let width = text[start..end].chars().count();
        let diagnostic = Diagnostic { origin: self.origin(spot), class, message, help, line, width };
        self.found.push((spot, diagnostic));
    }

    /// Forgets what was noted after the first `count` on lines where those stand.
    pub(super) fn keep_one_per_line(&mut self, count: usize) {
        let lines: Vec<_> =
            self.found[..count].iter().map(|(spot, found)| (spot.source, found.origin.line)).collect();
        let mut at = 0;
        self.found.retain(|(spot, found)| {
            at += 1;
            at <= count || !lines.contains(&(spot.source, found.origin.line))
        });
    }

    pub(super) fn len(&self) -> usize {
        self.found.len()
    }

    /// Returns what was found, in the order of the texts, and the texts.
    pub(super) fn finish(mut self) -> (Diagnostics, Vec<Input>) {
        self.found.sort_by_key(|(spot, _)| *spot);
        (Diagnostics(self.found.into_iter().map(|(_, diagnostic)| diagnostic).collect()), self.inputs)
    }
}
