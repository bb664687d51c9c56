//! Differences between two texts, line by line, in the unified form.

use crate::page::Page;
use crate::style::{BAD, DIM, GOOD, PLAIN, STRONG};

/// One line of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line<'a> {
    Same(&'a str),
    Gone(&'a str),
    New(&'a str),
}

/// The unchanged lines shown around a change.
const CONTEXT: usize = 3;

/// The lines on either side beyond which no common lines are looked for: files of settings are shorter.
const COMPARED: usize = 2000;

/// Adds the difference to a page; nothing where there is none.
pub fn unified(page: &mut Page, before_header: &str, after_header: &str, before: &str, after: &str) {
    let lines = compare(before, after);
    if lines.iter().all(|line| matches!(line, Line::Same(_))) {
        return;
    }
    page.verbatim(0, STRONG, &format!("--- {before_header}"));
    page.verbatim(0, STRONG, &format!("+++ {after_header}"));
    for (start, end) in hunks(&lines) {
        page.verbatim(0, DIM, &hunk_head(&lines, start, end));
        for line in &lines[start..end] {
            show(page, *line);
        }
    }
}

/// Returns how many lines come and go.
#[must_use]
pub fn count(before: &str, after: &str) -> (usize, usize) {
    let lines = compare(before, after);
    let new = lines.iter().filter(|line| matches!(line, Line::New(_))).count();
    let gone = lines.iter().filter(|line| matches!(line, Line::Gone(_))).count();
    (new, gone)
}

fn show(page: &mut Page, line: Line<'_>) {
    let (mark, style, text) = match line {
        Line::Same(text) => (' ', PLAIN, text),
        Line::Gone(text) => ('-', BAD, text),
        Line::New(text) => ('+', GOOD, text),
    };
    page.verbatim(0, style, &format!("{mark}{}", text.replace('\t', " ")));
}

fn compare<'a>(before: &'a str, after: &'a str) -> Vec<Line<'a>> {
    let (old, new): (Vec<_>, Vec<_>) = (before.lines().collect(), after.lines().collect());
    let start = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let (old_rest, new_rest) = (&old[start..], &new[start..]);
    let end = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(a, b)| a == b).count();
    let old_middle = &old_rest[..old_rest.len() - end];
    let new_middle = &new_rest[..new_rest.len() - end];
    let mut lines: Vec<_> = old[..start].iter().map(|line| Line::Same(line)).collect();
    lines.extend(middle(old_middle, new_middle));
    lines.extend(old_rest[old_rest.len() - end..].iter().map(|line| Line::Same(line)));
    lines
}

/// Compares what lies between the common start and the common end.
fn middle<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Line<'a>> {
    if old.len().max(new.len()) > COMPARED {
        let gone = old.iter().map(|line| Line::Gone(line));
        return gone.chain(new.iter().map(|line| Line::New(line))).collect();
    }
    let common = common_lengths(old, new);
    let (mut a, mut b) = (0, 0);
    let mut lines = Vec::new();
    while a < old.len() || b < new.len() {
        if a < old.len() && b < new.len() && old[a] == new[b] {
            lines.push(Line::Same(old[a]));
            (a, b) = (a + 1, b + 1);
        } else if b == new.len() || (a < old.len() && common[a + 1][b] >= common[a][b + 1]) {
            lines.push(Line::Gone(old[a]));
            a += 1;
        } else {
            lines.push(Line::New(new[b]));
            b += 1;
        }
    }
    lines
}

/// Returns, for each pair of starts, how many lines the rests have in common.
fn common_lengths(old: &[&str], new: &[&str]) -> Vec<Vec<u16>> {
    let mut common = vec![vec![0u16; new.len() + 1]; old.len() + 1];
    for a in (0..old.len()).rev() {
        for b in (0..new.len()).rev() {
            common[a][b] = if old[a] == new[b] {
                common[a + 1][b + 1] + 1
            } else {
                common[a + 1][b].max(common[a][b + 1])
            };
        }
    }
    common
}

/// Returns the stretches that are shown: each change with its surroundings, merged where they touch.
fn hunks(lines: &[Line<'_>]) -> Vec<(usize, usize)> {
    let mut hunks: Vec<(usize, usize)> = Vec::new();
    for (at, _) in lines.iter().enumerate().filter(|(_, line)| !matches!(line, Line::Same(_))) {
        let (start, end) = (at.saturating_sub(CONTEXT), (at + 1 + CONTEXT).min(lines.len()));
        match hunks.last_mut() {
            Some(last) if start <= last.1 => last.1 = end,
            _ => hunks.push((start, end)),
        }
    }
    hunks
}

fn hunk_head(lines: &[Line<'_>], start: usize, end: usize) -> String {
    let range = |skipped: fn(&Line<'_>) -> bool| {
        let count = |lines: &[Line<'_>]| lines.iter().filter(|line| !skipped(line)).count();
        let length = count(&lines[start..end]);
        // An empty range is named by the line before it.
        let first = count(&lines[..start]) + usize::from(length > 0);
        if length == 1 { first.to_string() } else { format!("{first},{length}") }
    };
    let old = range(|line| matches!(line, Line::New(_)));
    let new = range(|line| matches!(line, Line::Gone(_)));
    format!("@@ -{old} +{new} @@")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(before: &str, after: &str) -> String {
        let mut page = Page::new(80);
        unified(&mut page, "a", "b", before, after);
        anstream::adapter::strip_str(&page.finish()).to_string()
    }

    #[test]
    fn changes_are_shown_with_what_stands_around_them() {
        let before = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n";
        let after = "1\n2\n3\n4\nfive\n6\n7\n8\n9\n10\n11\n";
        assert_eq!(
            shown(before, after),
            "--- a\n+++ b\n@@ -2,11 +2,10 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n 9\n 10\n 11\n-12\n"
        );
        assert_eq!(count(before, after), (1, 2));
    }

    #[test]
    fn a_new_file_is_all_new_and_no_change_is_nothing() {
        assert_eq!(shown("", "x = 1\n"), "--- a\n+++ b\n@@ -0,0 +1 @@\n+x = 1\n");
        assert_eq!(shown("x\n", "x\n"), "");
    }

    proptest::proptest! {
        #[test]
        fn both_texts_can_be_told_from_the_comparison(old in "[abc\n]{0,40}", new in "[abc\n]{0,40}") {
            let lines = compare(&old, &new);
            let left = lines.iter().filter_map(|line| match line {
                Line::Same(text) | Line::Gone(text) => Some(*text),
                Line::New(_) => None,
            });
            proptest::prop_assert!(left.eq(old.lines()));
            let right = lines.iter().filter_map(|line| match line {
                Line::Same(text) | Line::New(text) => Some(*text),
                Line::Gone(_) => None,
            });
            proptest::prop_assert!(right.eq(new.lines()));
        }
    }
}
