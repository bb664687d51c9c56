//! What is wrong with a profile, shown with the line and a caret.

use std::fmt;

use super::{Origin, Subject};

/// What a diagnostic means for the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Class {
    /// The profile cannot be used.
    Invalid,
    /// The value may only be used by somebody who says so for this subject (`--allow-unsafe`).
    Unsafe {
        /// What the value is for.
        subject: Subject,
    },
}

/// One mistake in a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Where it is.
    pub origin: Origin,
    /// What it means for the caller.
    pub class: Class,
    /// What was found and what is expected: a fragment in lower case.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// The line, or what is around the mistake of a long one.
    pub excerpt: Excerpt,
}

/// A line of a text, fit to be shown: control characters are escaped, of a long line only a part is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// What is shown.
    pub text: String,
    /// How many characters stand before the mistake.
    pub before: usize,
    /// How many characters the mistake has; 1 at the least.
    pub under: usize,
}

/// All that is wrong with a profile and what it extends, in the order of the texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    /// Tells whether nothing is wrong.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns each mistake.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.0.iter()
    }

    /// Drops the unsafe values of the subjects in `allowed`: names of settings or of tunables, with or without a field.
    #[must_use]
    pub fn forgiving(mut self, allowed: &[String]) -> Self {
        self.0.retain(|found| match &found.class {
            Class::Unsafe { subject } => !allowed.iter().any(|name| names(name, subject)),
            Class::Invalid => true,
        });
        self
    }
}

fn names(name: &str, subject: &Subject) -> bool {
    match subject {
        Subject::Setting(setting) => name == setting.name(),
        Subject::Tunable(slot) => name == slot.tunable || name == slot.to_string(),
    }
}

impl std::error::Error for Diagnostics {}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, found) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n\n")?;
            }
            found.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.origin.line.to_string();
        let margin = number.len();
        let Excerpt { text, before, under } = &self.excerpt;
        writeln!(f, "{}: {}", escaped(&self.origin.to_string()), self.message)?;
        writeln!(f, "{:margin$} |", "")?;
        writeln!(f, "{number} | {text}")?;
        write!(f, "{:margin$} | {:before$}{:^<under$}", "", "", "", before = *before, under = *under)?;
        match &self.help {
            Some(help) => write!(f, "\n{:margin$} = help: {help}", ""),
            None => Ok(()),
        }
    }
}

/// How many characters of a long line are shown before the mistake, of it, and after it.
const AROUND: usize = 80;

impl Excerpt {
    /// Takes what is worth showing out of a line; the mistake is from byte `start` to byte `end`.
    pub(super) fn of(line: &str, start: usize, end: usize) -> Self {
        let (head, rest) = line.split_at(start);
        let (middle, _) = rest.split_at(end - start);
        let from = head.char_indices().rev().nth(AROUND - 1).map_or(0, |(at, _)| at);
        let shown = first(middle);
        let tail = first(&rest[shown.len()..]);
        let mut text = String::new();
        if from > 0 {
            text.push('…');
        }
        push_all(&mut text, &head[from..]);
        let before = text.chars().count();
        push_all(&mut text, shown);
        let under = text.chars().count() - before;
        push_all(&mut text, tail);
        if shown.len() + tail.len() < rest.len() {
            text.push('…');
        }
        Self { text, before, under: under.max(1) }
    }
}

/// Returns as much of the beginning of a text as is shown.
fn first(text: &str) -> &str {
    &text[..text.char_indices().nth(AROUND).map_or(text.len(), |(at, _)| at)]
}

fn push_all(shown: &mut String, text: &str) {
    text.chars().for_each(|c| push_escaped(shown, c));
}

/// Returns foreign text with everything that a terminal would act upon made visible.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    push_all(&mut shown, text);
    shown
}

fn push_escaped(shown: &mut String, c: char) {
    match c {
        '\t' => shown.push(' '),
        c if c.is_control() || changes_direction(c) => shown.extend(c.escape_unicode()),
        c => shown.push(c),
    }
}

/// Tells whether a character only changes how its neighbours are laid out.
const fn changes_direction(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setting::Setting;

    fn found(line: &str, column: u32, width: usize) -> Diagnostic {
        let start = column as usize - 1;
        Diagnostic {
            origin: Origin { profile: "p".into(), file: Some("/etc/p.toml".into()), line: 12, column },
            class: Class::Invalid,
            message: "unknown key \"at_mots\"".into(),
            help: Some("did you mean \"at_most\"?".into()),
            excerpt: Excerpt::of(line, start, start + width),
        }
    }

    #[test]
    fn the_caret_is_under_the_mistake() {
        let expected = "\
/etc/p.toml:12:3: unknown key \"at_mots\"
   |
12 | x at_mots = 1
   |   ^^^^^^^
   = help: did you mean \"at_most\"?";
        assert_eq!(found("x at_mots = 1", 3, 7).to_string(), expected);
    }

    #[test]
    fn what_a_terminal_would_act_upon_is_made_visible() {
        let shown = found("\x1b[2J\tat_mots", 6, 7).to_string();
        assert!(shown.contains("12 | \\u{1b}[2J at_mots\n   |           ^^^^^^^\n"), "{shown}");
        assert_eq!(escaped("a\u{202e}b"), "a\\u{202e}b");
    }

    #[test]
    fn of_a_long_line_only_the_neighbourhood_is_shown() {
        let line = format!("{}at_mots{}", "x".repeat(5000), "y".repeat(5000));
        let shown = found(&line, 5001, 7).to_string();
        assert!(shown.contains(&format!("…{}at_mots{}…", "x".repeat(80), "y".repeat(80))), "{shown}");
        assert!(shown.lines().all(|line| line.chars().count() < 200));
    }

    #[test]
    fn only_unsafe_values_of_what_is_named_are_forgiven() {
        let mut unsafe_value = found("x", 1, 1);
        unsafe_value.class = Class::Unsafe { subject: Subject::Setting(Setting::KeepaliveProbes) };
        let all = Diagnostics(vec![found("x", 1, 1), unsafe_value]);
        assert_eq!(all.clone().forgiving(&["tcp.listen_backlog".into()]).0.len(), 2);
        assert_eq!(all.forgiving(&["tcp.keepalive_probes".into()]).0.len(), 1);
    }
}
