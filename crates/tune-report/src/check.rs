//! Checks of profiles: everything that is wrong, and where.

use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use crate::escape::escape;
use crate::page::Page;
use crate::profiles::{SCHEMA, Spot};
use crate::style::{BAD, GOOD, PLAIN, STRONG, WARN};
use crate::verdict::counted;
use crate::{Report, json};

/// Something wrong with a profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mistake {
    /// Where it is.
    pub origin: Spot,
    /// What was found and what is expected.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The line, as it is in the text.
    pub excerpt: Option<String>,
    /// How many characters of the line it is about.
    pub width: usize,
}

/// The result of `tune profile check`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// The profile.
    pub name: String,
    /// It can be used.
    pub valid: bool,
    /// All that is wrong with it.
    pub errors: Vec<Mistake>,
    /// What is worth knowing and does no harm.
    pub warnings: Vec<String>,
}

/// The exit status for a profile that cannot be used.
pub const EXIT_BAD_PROFILE: u8 = 65;

impl CheckReport {
    /// Returns the exit status: 65 where it cannot be used, else 0.
    #[must_use]
    pub const fn exit_status(&self) -> u8 {
        if self.valid { 0 } else { EXIT_BAD_PROFILE }
    }
}

impl Report for CheckReport {
    fn human(&self, width: usize) -> String {
        let mut page = Page::new(width);
        for mistake in &self.errors {
            mistake.show(&mut page, "");
        }
        for warning in &self.warnings {
            page.marked(0, WARN, "warning:", warning);
        }
        if self.valid {
            page.marked(0, GOOD, &format!("{}:", self.name), "can be used");
        } else {
            page.marked(0, BAD, &format!("{}:", self.name), &counted(self.errors.len(), "error"));
        }
        page.finish()
    }

    fn json(&self) -> String {
        json::document(SCHEMA, self)
    }
}

impl Mistake {
    /// Shows a mistake, its line with a caret below what it is about, and what to do about it.
    pub(crate) fn show(&self, page: &mut Page, label: &str) {
        page.marked(0, BAD, &format!("{label}{}:", self.origin), &self.message);
        if let Some(excerpt) = self.excerpt.as_deref() {
            point(page, self, excerpt);
        }
        if let Some(hint) = &self.hint {
            page.marked(2, STRONG, "hint:", hint);
        }
    }

    /// Returns the mistake in one line, for programs.
    pub(crate) fn sentence(&self) -> String {
        let hint = self.hint.as_deref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("{}: {}{hint}", self.origin, self.message)
    }
}

/// Shows the part of a line that fits, with a caret below the mistake.
fn point(page: &mut Page, mistake: &Mistake, excerpt: &str) {
    let number = mistake.origin.line.to_string();
    let column = mistake.origin.column.saturating_sub(1) as usize;
    let room = page.width() - number.len() - "   | ".len();
    let skipped = if excerpt.chars().count() > room { column.saturating_sub(room / 2) } else { 0 };
    let line: Vec<_> = excerpt.chars().skip(skipped).map(shown).collect();
    let fitting = fitting(&line, room);
    let columns = |part: &[String]| part.iter().map(|shown| shown.width()).sum::<usize>();
    let start = (column - skipped).min(fitting);
    let end = (start + mistake.width).clamp(start, fitting);
    let under = " ".repeat(columns(&line[..start]));
    let carets = "^".repeat(columns(&line[start..end]).max(1));
    page.verbatim(2, PLAIN, &format!("{number} | {}", line[..fitting].concat()));
    page.verbatim(2, PLAIN, &format!("{} | {under}{carets}", " ".repeat(number.len())));
}

/// Shows a character so that it takes its place in the line and does nothing else.
fn shown(c: char) -> String {
    if c == '\t' { " ".to_owned() } else { escape(&c.to_string()) }
}

/// Returns how many of the characters fit.
fn fitting(line: &[String], room: usize) -> usize {
    let mut used = 0;
    let fits = |shown: &&String| {
        used += shown.width();
        used <= room
    };
    line.iter().take_while(fits).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{check, plain};

    #[test]
    fn mistakes_are_shown_where_they_are() {
        let mut report = CheckReport {
            name: "web-server".into(),
            valid: true,
            errors: vec![],
            warnings: vec!["unusual".into()],
        };
        assert_eq!(plain(&report), "warning: unusual\nweb-server: can be used\n");
        check(&report, "profile-report");
        report.valid = false;
        report.errors.push(Mistake {
            origin: Spot {
                profile: "web-server".into(),
                file: Some("./web-server.toml".into()),
                line: 12,
                column: 8,
            },
            message: "unknown setting \"tcp.fin_wait_timeout\"".into(),
            hint: Some("did you mean \"tcp.fin_wait_2_timeout\"?".into()),
            excerpt: Some("\"x\x1b\" = \"tcp.fin_wait_timeout\"".into()),
            width: 22,
        });
        assert_eq!(
            plain(&report),
            "\
./web-server.toml:12:8: unknown setting \"tcp.fin_wait_timeout\"
  12 | \"x\\x1b\" = \"tcp.fin_wait_timeout\"
     |           ^^^^^^^^^^^^^^^^^^^^^^
  hint: did you mean \"tcp.fin_wait_2_timeout\"?
warning: unusual
web-server: 1 error
"
        );
        check(&report, "profile-report");
        assert_eq!(report.exit_status(), 65);
        report.errors[0].excerpt = Some(format!("{}{}", "x".repeat(500), "y".repeat(500)));
        report.errors[0].origin.column = 501;
        let long = plain(&report);
        let lines: Vec<_> = long.lines().collect();
        assert_eq!(lines[1].find('y'), lines[2].find('^'), "{long}");
    }
}
