//! The lines of a sysctl.d file, as each boot tool cuts and reads them.

/// One line as a tool sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    /// The line of the file, from 1, counted in newlines as editors do.
    pub number: u32,
    pub text: &'a [u8],
}

/// What a line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Statement<'a> {
    /// Blank, or a comment.
    Nothing,
    /// `key = value`.
    Assign { name: &'a [u8], value: &'a [u8], ignore_errors: bool },
    /// `-key`, without a value.
    Exclude { name: &'a [u8] },
    /// Anything else.
    NotAnAssignment,
}

/// Lines this long end the reading of a file by systemd-sysctl.
const LONGEST_LINE: usize = 1 << 20;

/// Cuts a file as systemd does: a newline, a carriage return and a NUL each end a line, and one of each in a
/// row end it together. Stops at a line that is too long, and says at which.
pub(crate) fn systemd_lines(content: &[u8]) -> (Vec<Line<'_>>, Option<u32>) {
    let mut lines = Vec::new();
    let (mut start, mut number) = (0, 1);
    while start < content.len() {
        let length = content[start..].iter().position(|byte| ends_line(*byte));
        let length = length.unwrap_or(content.len() - start);
        if length >= LONGEST_LINE {
            return (lines, Some(number));
        }
        lines.push(Line { number, text: &content[start..start + length] });
        let next = start + length + ending(&content[start + length..]);
        number += newlines(&content[start..next]);
        start = next;
    }
    (lines, None)
}

fn ends_line(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r' | 0)
}

/// The length of the line ending that a text begins with: each kind at most once, and a NUL is its last.
fn ending(text: &[u8]) -> usize {
    let mut length = 0;
    while let Some(byte) = text.get(length).filter(|byte| ends_line(**byte)) {
        if text[..length].contains(byte) {
            break;
        }
        length += 1;
        if *byte == 0 {
            break;
        }
    }
    length
}

fn newlines(text: &[u8]) -> u32 {
    u32::try_from(text.iter().filter(|byte| **byte == b'\n').count()).unwrap_or(u32::MAX)
}

/// Cuts a file as procps does: at newlines, and what follows a NUL is lost.
pub(crate) fn procps_lines(content: &[u8]) -> Vec<Line<'_>> {
    let until_nul = |text: &'_ [u8]| text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
    (1..)
        .zip(content.split_inclusive(|byte| *byte == b'\n'))
        .filter(|(_, text)| text.len() >= 2)
        .map(|(number, text)| Line { number, text: &text[..until_nul(text)] })
        .collect()
}

/// Reads a line as systemd does.
pub(crate) fn systemd_statement(line: &[u8]) -> Statement<'_> {
    let space = |byte: u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    let line = trim(line, space);
    if matches!(line, [] | [b'#' | b';', ..]) {
        return Statement::Nothing;
    }
    let (marked, rest) = match line {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, line),
    };
    match (split_at_equals(line), marked) {
        // A line that is only "=..." behind the mark has its '=' after it in either case.
        (Some((name, value)), _) => Statement::Assign {
            name: trim(name.strip_prefix(b"-").unwrap_or(name), space),
            value: trim(value, space),
            ignore_errors: marked,
        },
        (None, true) => Statement::Exclude { name: trim(rest, space) },
        (None, false) => Statement::NotAnAssignment,
    }
}

/// Reads a line as procps does.
pub(crate) fn procps_statement(line: &[u8]) -> Statement<'_> {
    let line = trim_start(line, is_space);
    if line.len() < 2 || matches!(line[0], b'#' | b';') {
        return Statement::Nothing;
    }
    match split_at_equals(line) {
        Some((name, value)) => {
            let name = trim_end(name, is_space);
            Statement::Assign {
                name: procps_unmarked(name).unwrap_or(name),
                value: trim(value, is_space),
                ignore_errors: name.first() == Some(&b'-'),
            }
        }
        None => match procps_unmarked(trim_end(line, is_space)) {
            Some(name) => Statement::Exclude { name },
            None => Statement::NotAnAssignment,
        },
    }
}

/// Takes the mark off a name, and a second one too. White space behind it stays part of the name, which then
/// exists nowhere.
fn procps_unmarked(name: &[u8]) -> Option<&[u8]> {
    let once = name.strip_prefix(b"-")?;
    Some(once.strip_prefix(b"-").unwrap_or(once))
}

fn split_at_equals(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = line.iter().position(|byte| *byte == b'=')?;
    Some((&line[..at], &line[at + 1..]))
}

/// White space as isspace(3) has it in the C locale.
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

fn trim_start(text: &[u8], space: impl Fn(u8) -> bool) -> &[u8] {
    &text[text.iter().position(|byte| !space(*byte)).unwrap_or(text.len())..]
}

fn trim_end(text: &[u8], space: impl Fn(u8) -> bool) -> &[u8] {
    &text[..text.iter().rposition(|byte| !space(*byte)).map_or(0, |at| at + 1)]
}

fn trim(text: &[u8], space: impl Fn(u8) -> bool + Copy) -> &[u8] {
    trim_end(trim_start(text, space), space)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(content: &[u8]) -> Vec<(u32, &[u8])> {
        systemd_lines(content).0.into_iter().map(|line| (line.number, line.text)).collect()
    }

    #[test]
    fn systemd_ends_lines_at_returns_and_nuls_too() {
        assert_eq!(texts(b"a\r\nb\n\nc"), [(1, &b"a"[..]), (2, b"b"), (3, b""), (4, b"c")]);
        assert_eq!(texts(b"a\rb\n"), [(1, &b"a"[..]), (1, b"b")]);
        assert_eq!(texts(b"a\0\nb"), [(1, &b"a"[..]), (1, b""), (2, b"b")]);
    }

    #[test]
    fn procps_loses_what_follows_a_nul() {
        assert_eq!(procps_lines(b"ab\0cd\nx\n")[0].text, b"ab");
        assert_eq!(procps_lines(b"ab\rcd\nx\n")[0].text, b"ab\rcd\n");
        assert_eq!(procps_lines(b"\n\nab").len(), 1);
        assert_eq!(procps_lines(b"\n\nab")[0].number, 3);
    }

    #[test]
    fn marks_differ_between_the_tools() {
        let assign = |name, ignore_errors| Statement::Assign { name, value: b"1", ignore_errors };
        assert_eq!(systemd_statement(b"- a = 1"), assign(b"a", true));
        assert_eq!(procps_statement(b"- a = 1"), assign(b" a", true));
        assert_eq!(systemd_statement(b"--a=1"), assign(b"-a", true));
        assert_eq!(procps_statement(b"--a=1"), assign(b"a", true));
        assert_eq!(systemd_statement(b"-a "), Statement::Exclude { name: b"a" });
        assert_eq!(procps_statement(b"-a "), Statement::Exclude { name: b"a" });
    }

    #[test]
    fn white_space_differs_between_the_tools() {
        assert_eq!(
            systemd_statement(b"a = 5\x0b\n"),
            Statement::Assign { name: b"a", value: b"5\x0b", ignore_errors: false }
        );
        assert_eq!(
            procps_statement(b"a = 5\x0b\n"),
            Statement::Assign { name: b"a", value: b"5", ignore_errors: false }
        );
        assert_eq!(systemd_statement(b" ; x"), Statement::Nothing);
        assert_eq!(procps_statement(b"no equals"), Statement::NotAnAssignment);
    }

    proptest! {
        #[test]
        fn never_panics(content in proptest::collection::vec(any::<u8>(), 0..200)) {
            for line in systemd_lines(&content).0 {
                let _ = systemd_statement(line.text);
            }
            for line in procps_lines(&content) {
                let _ = procps_statement(line.text);
            }
        }

        #[test]
        fn nothing_is_lost_between_lines(content in "[ab\n\r]{0,60}") {
            let kept: usize = systemd_lines(content.as_bytes()).0.iter().map(|line| line.text.len()).sum();
            prop_assert_eq!(kept, content.bytes().filter(|byte| !ends_line(*byte)).count());
        }
    }
}
