//! /etc/sysctl.conf and /etc/sysctl.conf.local, as sysctl(8) reads them.
//!
//! Source: sbin/sysctl/sysctl.c `parsefile`, `parse`; libexec/rc/rc.d/sysctl.

use std::path::Path;

use tune_host::Files;
use tune_model::Place;

use super::problem::{Problem, content};

/// The files, in the order in which they are read.
pub(crate) const SYSCTL_CONF_FILES: [&str; 2] = ["/etc/sysctl.conf", "/etc/sysctl.conf.local"];
/// What sysctl(8) reads at once: a longer line is several to it.
const LONGEST: usize = 1023;

/// A line that sets a tunable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// Where it stands.
    pub(crate) place: Place,
    /// The tunable, as it is written.
    pub(crate) name: String,
    /// The value, as sysctl(8) takes it from the line.
    pub(crate) value: String,
}

/// Everything that sysctl(8) is given at boot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SysctlConf {
    /// The lines that set something, in order.
    pub(crate) lines: Vec<Line>,
    /// What is wrong, in the order in which it is met.
    pub(crate) problems: Vec<Problem>,
}

impl SysctlConf {
    /// Reads the files; what cannot be read becomes a [`Problem`].
    pub(crate) fn read(files: &dyn Files) -> Self {
        let mut found = Self::default();
        for file in SYSCTL_CONF_FILES.map(Path::new) {
            if let Some(bytes) = content(files, file, &mut found.problems) {
                found.parse(file, &bytes);
            }
        }
        found
    }

    fn parse(&mut self, file: &Path, content: &[u8]) {
        for (number, line) in (1..).zip(content.split_inclusive(|byte| *byte == b'\n')) {
            if line.len() > LONGEST {
                let what = format!("is longer than {LONGEST} bytes, and is several lines to sysctl");
                self.problems.push(Problem::line(file, number, what));
            }
            for piece in line.chunks(LONGEST) {
                match statement(piece) {
                    None => {}
                    Some((name, Some(value))) => {
                        let place = Place { file: file.to_owned(), line: number };
                        self.lines.push(Line { place, name, value });
                    }
                    Some((name, None)) => {
                        let what = format!("sets nothing: there is no value for {name:?}");
                        self.problems.push(Problem::line(file, number, what));
                    }
                }
            }
        }
    }
}

/// Reads a line: the name and the value, which a line that only shows a tunable does not have.
pub(crate) fn statement(line: &[u8]) -> Option<(String, Option<String>)> {
    // It is a C string.
    let line = line.split(|byte| *byte == 0).next().unwrap_or_default();
    let line = trim(uncommented(line));
    if line.is_empty() {
        return None;
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match line.iter().position(|byte| matches!(byte, b'=' | b':')) {
        None => Some((text(line), None)),
        Some(at) => Some((text(trim(&line[..at])), Some(text(unquoted(trim(&line[at + 1..])))))),
    }
}

/// Cuts a comment off. A `#` behind a quote is none, and the text behind the closing quote is cut with it.
fn uncommented(line: &[u8]) -> &[u8] {
    let quote = |which: u8| line.iter().position(|byte| *byte == which).map(|at| (which, at));
    let quotes = [quote(b'\''), quote(b'"')];
    for (at, _) in line.iter().enumerate().filter(|(_, byte)| **byte == b'#') {
        if let Some((which, open)) = quotes.iter().flatten().find(|(_, open)| at > *open) {
            let close = line[open + 1..].iter().position(|byte| byte == which);
            return close.map_or(line, |close| &line[..open + close + 2]);
        }
        if at == 0 || line[at - 1] != b'\\' {
            return &line[..at];
        }
    }
    line
}

/// Takes a quote off the beginning, and its like off the end.
fn unquoted(value: &[u8]) -> &[u8] {
    match value {
        [quote @ (b'"' | b'\''), rest @ ..] => rest.strip_suffix(&[*quote]).unwrap_or(rest),
        _ => value,
    }
}

/// White space as isspace(3) has it in the C locale.
fn trim(text: &[u8]) -> &[u8] {
    let space = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let start = text.iter().position(|byte| !space(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !space(byte)).map_or(start, |at| at + 1);
    &text[start..end]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use tune_host::MemoryFiles;

    #[test]
    fn a_line_is_read_as_sysctl_reads_it() {
        for (line, name, value) in [
            ("a.b=1", "a.b", "1"),
            ("  a.b  =  1  \n", "a.b", "1"),
            ("a.b: 1", "a.b", "1"),
            ("a.b=1:2", "a.b", "1:2"),
            ("a.b:1=2", "a.b", "1=2"),
            ("a.b=1 # two", "a.b", "1"),
            ("a.b=1 \\# two", "a.b", "1 \\# two"),
            ("a.b=\"1\"", "a.b", "1"),
            ("a.b='1'", "a.b", "1"),
            ("a.b='1\"", "a.b", "1\""),
            ("a.b=\"1", "a.b", "1"),
            ("a.b=\"1 # 2\" # three", "a.b", "1 # 2"),
            ("a.b='1 # 2", "a.b", "1 # 2"),
            ("a.b=1 # it's", "a.b", "1"),
            ("a.b=\"1\" 2 # three", "a.b", "1"),
            ("a.b=\"1\" 2", "a.b", "1\" 2"),
            ("a.b=1\0 2", "a.b", "1"),
            ("a.b=\r\n", "a.b", ""),
        ] {
            assert_eq!(
                statement(line.as_bytes()),
                Some((name.to_owned(), Some(value.to_owned()))),
                "{line:?}"
            );
        }
        assert_eq!(statement(b"a.b"), Some(("a.b".to_owned(), None)));
        for nothing in ["", "  \n", "# a.b=1", "  # a.b=1", "\0a.b=1"] {
            assert_eq!(statement(nothing.as_bytes()), None, "{nothing:?}");
        }
    }

    #[test]
    fn the_local_file_is_read_last_and_nothing_else_is() {
        let files = MemoryFiles::default()
            .with("/etc/sysctl.conf.local", "\nb=2")
            .with("/etc/sysctl.conf", "a=1\nshown\n")
            .with("/etc/sysctl.d/x.conf", "c=3\n");
        let found = SysctlConf::read(&files);
        let lines: Vec<_> =
            found.lines.iter().map(|line| (line.place.to_string(), line.name.as_str())).collect();
        assert_eq!(
            lines,
            [("/etc/sysctl.conf:1".to_owned(), "a"), ("/etc/sysctl.conf.local:2".to_owned(), "b")]
        );
        assert_eq!(
            found.problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["/etc/sysctl.conf:2 sets nothing: there is no value for \"shown\""]
        );
    }

    #[test]
    fn a_long_line_is_several() {
        let long = format!("{}b=2\nc=3\n", " ".repeat(LONGEST - 3) + "a=1");
        let files = MemoryFiles::default().with("/etc/sysctl.conf", long);
        let found = SysctlConf::read(&files);
        let lines: Vec<_> = found.lines.iter().map(|line| (line.name.as_str(), line.place.line)).collect();
        assert_eq!(lines, [("a", 1), ("b", 1), ("c", 2)]);
        assert!(found.problems[0].to_string().contains("longer than 1023"));
        assert!(!found.problems[0].hides);
    }

    #[test]
    fn what_may_not_be_read_hides_settings() {
        let files =
            MemoryFiles::default().with_denied("/etc/sysctl.conf").with_directory("/etc/sysctl.conf.local");
        let found = SysctlConf::read(&files);
        assert_eq!(found.problems.len(), 1);
        assert!(found.problems[0].hides);
    }

    proptest! {
        #[test]
        fn never_panics(content in proptest::collection::vec(any::<u8>(), 0..200)) {
            SysctlConf::default().parse(Path::new("/x"), &content);
        }

        #[test]
        fn what_tune_writes_is_read_back(name in "[a-z][a-z0-9_.]{0,30}", value in "-?[0-9]{1,10}") {
            let read = statement(format!("{name}={value}\n").as_bytes());
            prop_assert_eq!(read, Some((name, Some(value))));
        }
    }
}
