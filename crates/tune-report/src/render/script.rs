//! Text that a shell can be given: code as it is, everything else in comments.

use crate::escape::escape;
use crate::page::{LEAST_WIDTH, wrap};

/// Columns of what is written into files, and of commands, wherever they are shown.
pub(crate) const FILE_WIDTH: usize = 80;

/// A script in the making. Nothing foreign in it can be anything but a comment.
#[derive(Debug)]
pub(crate) struct Script {
    out: String,
    width: usize,
}

impl Script {
    pub fn new(width: usize) -> Self {
        Self { out: String::new(), width: width.max(LEAST_WIDTH) }
    }

    pub fn finish(self) -> String {
        self.out
    }

    /// Adds a line of code as it is.
    pub fn code(&mut self, line: &str) {
        self.out.push_str(&escape(line));
        self.out.push('\n');
    }

    /// Adds an empty line.
    pub fn blank(&mut self) {
        self.out.push('\n');
    }

    /// Adds a comment, broken into lines.
    pub fn comment(&mut self, text: &str) {
        self.hanging("", text);
    }

    /// Adds a comment that begins with a label; further lines stand below its text.
    pub fn hanging(&mut self, label: &str, text: &str) {
        let indent = label.chars().count();
        for (at, line) in wrap(&escape(text), self.width - 2 - indent).iter().enumerate() {
            let before = if at == 0 { label.to_owned() } else { " ".repeat(indent) };
            self.out.push_str(format!("# {before}{line}").trim_end());
            self.out.push('\n');
        }
    }

    /// Begins a part.
    pub fn part(&mut self, title: &str) {
        self.blank();
        self.code(&format!("# ==== {title}"));
    }

    /// Adds text whose lines are already made.
    pub fn lines(&mut self, text: &str) {
        text.lines().for_each(|line| self.code(line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_stays_in_its_comment() {
        let mut script = Script::new(80);
        script.comment("harmless\nrm -rf /\u{202e}");
        script.hanging("why: ", &"word ".repeat(20));
        for line in script.finish().lines() {
            assert!(line.starts_with("# ") && line.chars().count() <= 80, "{line:?}");
        }
    }
}
