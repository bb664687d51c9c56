//! The texts of a profile and what is found wrong with them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::rc::Rc;

use super::diagnostic::{Class, Diagnostic, Diagnostics, Excerpt, escaped};
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

/// How many mistakes are told of: enough for any text that is meant as a profile.
const MOST: usize = 1000;

/// How long a message may be, in characters; only names out of all proportion make it longer.
const LONGEST: usize = 2000;

/// The texts read so far and what was found in them.
#[derive(Debug)]
pub(super) struct Log {
    inputs: Vec<Input>,
    /// Where the lines of each text start.
    lines: Vec<Vec<usize>>,
    /// What a line is called.
    line: &'static str,
    found: BTreeMap<(Spot, String), Diagnostic>,
    /// Lines that are no TOML: what else they seem to hold says nothing.
    broken: BTreeSet<(usize, u32)>,
}

impl Log {
    /// Starts without texts; `line` is what a reader calls a line of them.
    pub(super) fn new(line: &'static str) -> Self {
        let (found, broken) = (BTreeMap::new(), BTreeSet::new());
        Self { inputs: Vec::new(), lines: Vec::new(), line, found, broken }
    }

    /// Adds a text and returns its number.
    pub(super) fn add(&mut self, profile: &str, file: Option<PathBuf>, text: &str) -> usize {
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        self.lines.push(std::iter::once(0).chain(newlines.map(|(at, _)| at + 1)).collect());
        self.inputs.push(Input { profile: profile.to_owned(), file, text: text.into() });
        self.inputs.len() - 1
    }

    pub(super) fn text(&self, source: usize) -> Rc<str> {
        Rc::clone(&self.inputs[source].text)
    }

    /// Returns the line of a spot, counted from 0, and where it starts.
    fn line_of(&self, spot: Spot) -> (usize, usize) {
        let starts = &self.lines[spot.source];
        let line = starts.partition_point(|start| *start <= spot.start) - 1;
        (line, starts[line])
    }

    pub(super) fn origin(&self, spot: Spot) -> Origin {
        let Input { profile, file, text } = &self.inputs[spot.source];
        let (line, line_start) = self.line_of(spot);
        let column = text[line_start..text.floor_char_boundary(spot.start)].chars().count();
        let number = |count: usize| u32::try_from(count + 1).unwrap_or(u32::MAX);
        Origin { profile: profile.clone(), file: file.clone(), line: number(line), column: number(column) }
    }

    /// Says where `spot` is to a reader who is at `from`: the line alone in the same file.
    pub(super) fn place(&self, spot: Spot, from: Spot) -> String {
        let Origin { profile, file, line, .. } = self.origin(spot);
        if spot.source == from.source {
            return format!("{} {line}", self.line);
        }
        let file = file.map_or(profile, |file| file.display().to_string());
        format!("{}:{line}", escaped(&file))
    }

    /// Notes that a line is no TOML; the first complaint about it is the only one.
    pub(super) fn broken(&mut self, spot: Spot, complaint: Complaint) {
        let line = self.origin(spot).line;
        if !self.broken.contains(&(spot.source, line)) {
            self.error(spot, complaint);
            self.broken.insert((spot.source, line));
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

    fn note(&mut self, spot: Spot, class: Class, Complaint { mut message, help }: Complaint) {
        if self.found.len() > MOST {
            return;
        }
        let origin = self.origin(spot);
        if self.broken.contains(&(spot.source, origin.line)) {
            return;
        }
        if self.found.len() == MOST {
            let message = format!("there are more than {MOST} mistakes; the rest is left out");
            let diagnostic = Diagnostic { origin, class, excerpt: self.excerpt(spot), message, help: None };
            self.found.insert((spot, String::new()), diagnostic);
            return;
        }
        if let Some((end, _)) = message.char_indices().nth(LONGEST) {
            message.replace_range(end.., "…");
        }
        let excerpt = self.excerpt(spot);
        let diagnostic = Diagnostic { origin, class, message: message.clone(), help, excerpt };
        self.found.entry((spot, message)).or_insert(diagnostic);
    }

    fn excerpt(&self, spot: Spot) -> Excerpt {
        let text = &self.inputs[spot.source].text;
        let (line, from) = self.line_of(spot);
        let to = self.lines[spot.source].get(line + 1).map_or(text.len(), |next| next - 1);
        let start = text.floor_char_boundary(spot.start) - from;
        let end = text.floor_char_boundary(spot.end.min(to)).saturating_sub(from);
        let line = text[from..to].trim_end_matches('\r');
        let start = start.min(line.len());
        Excerpt::of(line, start, end.clamp(start, line.len()))
    }

    /// Returns how many mistakes have been noted.
    pub(super) fn len(&self) -> usize {
        self.found.len()
    }

    /// Returns what was found, in the order of the texts, and the texts.
    pub(super) fn finish(self) -> (Diagnostics, Vec<Input>) {
        (Diagnostics(self.found.into_values().collect()), self.inputs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spots_are_counted_in_characters_from_one() {
        let mut log = Log::new("line");
        let source = log.add("p", None, "one\r\nzwölf\n");
        let at = |start: usize| log.origin(Spot::new(source, &(start..start)));
        let shown: Vec<_> = [0, 4, 5, 9, 11, 12].map(|start| (at(start).line, at(start).column)).to_vec();
        assert_eq!(shown, [(1, 1), (1, 5), (2, 1), (2, 4), (2, 6), (3, 1)]);
        log.error(Spot::new(source, &(7..11)), Complaint::new("x"));
        let found = log.finish().0.0.remove(0);
        assert_eq!(found.excerpt, Excerpt { text: "zwölf".to_owned(), before: 2, under: 3 });
    }

    #[test]
    fn the_same_is_said_once_and_nothing_more_about_a_broken_line() {
        let mut log = Log::new("line");
        let source = log.add("p", None, "a\nb");
        let (a, b) = (Spot::new(source, &(0..1)), Spot::new(source, &(2..3)));
        log.error(a, Complaint::new("x"));
        log.error(a, Complaint::new("x"));
        log.broken(b, Complaint::new("y"));
        log.error(b, Complaint::new("z"));
        assert_eq!(log.len(), 2);
    }

    #[test]
    fn of_endless_mistakes_only_the_first_are_told() {
        let mut log = Log::new("line");
        let source = log.add("p", None, &"x".repeat(2 * MOST));
        for at in 0..2 * MOST {
            log.error(Spot::new(source, &(at..at + 1)), Complaint::new("y".repeat(LONGEST + 1)));
        }
        let found = log.finish().0.0;
        assert_eq!(found.len(), MOST + 1);
        assert!(found[MOST].message.contains("left out"));
        assert!(found[0].message.ends_with("y…"));
    }
}
