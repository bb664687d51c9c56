//! A page of text for people, never wider than it was asked to be.
//!
//! All text is escaped on its way in, so that nothing foreign reaches a terminal as it is.

use anstyle::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::escape::escape;
use crate::style::{DIM, PLAIN, STRONG, paint};
use crate::table::Table;

/// The width used where none is known, and the least that is kept to.
pub const LEAST_WIDTH: usize = 80;

/// A page in the making.
#[derive(Debug)]
pub struct Page {
    out: String,
    width: usize,
}

impl Page {
    /// Begins a page of that many columns, at least [`LEAST_WIDTH`].
    #[must_use]
    pub fn new(width: usize) -> Self {
        Self { out: String::new(), width: width.max(LEAST_WIDTH) }
    }

    /// Returns the text, with colours, each line ended.
    #[must_use]
    pub fn finish(self) -> String {
        self.out
    }

    /// Returns the number of columns.
    #[must_use]
    pub const fn width(&self) -> usize {
        self.width
    }

    /// Adds an empty line, unless the page is empty.
    pub fn blank(&mut self) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
    }

    /// Adds a paragraph.
    pub fn text(&mut self, indent: usize, text: &str) {
        self.styled(indent, PLAIN, text);
    }

    /// Adds a heading.
    pub fn heading(&mut self, text: &str) {
        self.styled(0, STRONG, text);
    }

    /// Adds a paragraph in one style.
    pub fn styled(&mut self, indent: usize, style: Style, text: &str) {
        for line in wrap(&escape(text), self.width - indent) {
            self.line(indent, &paint(style, &line));
        }
    }

    /// Adds a paragraph that begins with a dimmed label; further lines stand below its text.
    pub fn item(&mut self, indent: usize, label: &str, text: &str) {
        self.marked(indent, DIM, label, text);
    }

    /// Adds a paragraph that begins with a label in a style; further lines stand below its text.
    pub fn marked(&mut self, indent: usize, style: Style, label: &str, text: &str) {
        let (label, text) = (escape(label), escape(text));
        let hang = label.width() + 1;
        let lines = wrap(&text, self.width - indent - hang);
        for (at, line) in lines.iter().enumerate() {
            match at {
                0 => self.line(indent, &format!("{} {line}", paint(style, &label))),
                _ => self.line(indent + hang, line),
            }
        }
    }

    /// Adds a line as it is, escaped but not wrapped: a line of a file, a command to copy.
    pub fn verbatim(&mut self, indent: usize, style: Style, text: &str) {
        self.line(indent, &paint(style, &escape(text)));
    }

    /// Adds a whole table.
    pub fn table(&mut self, table: &Table) {
        let layout = table.layout(self.width);
        self.lines(&layout.head);
        for row in &layout.rows {
            self.lines(row);
        }
    }

    /// Adds lines of a table that has been laid out.
    pub fn lines(&mut self, lines: &[String]) {
        for line in lines {
            self.line(0, line);
        }
    }

    fn line(&mut self, indent: usize, painted: &str) {
        self.out.extend(std::iter::repeat_n(' ', indent));
        self.out.push_str(painted);
        self.out.truncate(self.out.trim_end_matches(' ').len());
        self.out.push('\n');
    }
}

/// Breaks a text into lines of at most `width` columns, between words where it can. There is always one line.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        for piece in pieces(word, width) {
            add(&mut lines, piece, width);
        }
    }
    lines
}

fn add(lines: &mut Vec<String>, piece: &str, width: usize) {
    match lines.last_mut() {
        Some(line) if line.is_empty() => line.push_str(piece),
        Some(line) if line.width() + 1 + piece.width() <= width => {
            line.push(' ');
            line.push_str(piece);
        }
        _ => lines.push(piece.to_owned()),
    }
}

/// Cuts a word that is too long for a line.
fn pieces(word: &str, width: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = word;
    loop {
        let (piece, after) = rest.split_at(fitting(rest, width));
        pieces.push(piece);
        if after.is_empty() {
            return pieces;
        }
        rest = after;
    }
}

/// Returns how many bytes of a text fit: at least one character, so that cutting comes to an end.
fn fitting(text: &str, width: usize) -> usize {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += c.width().unwrap_or(1);
        if used > width && at > 0 {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_kept_whole_where_they_fit() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefghij kl", 4), ["abcd", "efgh", "ij", "kl"]);
        assert_eq!(wrap("", 4), [""]);
    }

    #[test]
    fn a_label_hangs_before_its_text() {
        let mut page = Page::new(80);
        page.item(4, "why:", &"word ".repeat(20));
        let plain = anstream::adapter::strip_str(&page.finish()).to_string();
        let lines: Vec<_> = plain.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("    why: word") && lines[1].starts_with("         word"));
    }

    proptest::proptest! {
        #[test]
        fn no_line_is_too_long(text: String, width in 2usize..100) {
            for line in wrap(&escape(&text), width) {
                proptest::prop_assert!(line.width() <= width, "{line:?}");
            }
        }
    }
}
