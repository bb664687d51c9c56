//! Taking a line of somebody else's file out of force, and putting it back.

use std::ops::Range;

/// What a line that was taken over begins with.
pub(crate) const TAKEN_OVER: &str = "# tune: taken over: ";

/// Returns the content with a line, counted from 1, turned into a comment; every other byte stays. A content without
/// that line is returned as it is.
pub(crate) fn comment_out(content: &[u8], line: u32) -> Vec<u8> {
    match line_range(content, line) {
        Some(range) => splice(content, range.start..range.start, TAKEN_OVER.as_bytes()),
        None => content.to_vec(),
    }
}

/// Returns the content with a line that [`comment_out`] silenced put back, `None` where it is not there any more.
/// `original` is that line without its end. Of several such lines the first is put back: each has its turn.
pub(crate) fn restore(content: &[u8], original: &[u8]) -> Option<Vec<u8>> {
    let silenced = [TAKEN_OVER.as_bytes(), original].concat();
    let range = ranges(content).find(|range| bare(&content[range.clone()]) == silenced)?;
    Some(splice(content, range.start..range.start + TAKEN_OVER.len(), b""))
}

/// Tells whether a content has a line with that text.
pub(crate) fn holds(content: &[u8], original: &[u8]) -> bool {
    ranges(content).any(|range| bare(&content[range]) == original)
}

/// Returns the content with `original` in place of a line, counted from 1, or behind all others where there is none.
pub(crate) fn put_instead(content: &[u8], line: Option<u32>, original: &[u8]) -> Vec<u8> {
    if let Some(range) = line.and_then(|line| line_range(content, line)) {
        return splice(content, range, original);
    }
    let end: &[u8] = if content.is_empty() || content.ends_with(b"\n") { b"" } else { b"\n" };
    [content, end, original, b"\n"].concat()
}

/// Returns the text of a line, counted from 1, where it is one line to the programs that read it, too.
pub(crate) fn line_text(content: &[u8], line: u32) -> Option<String> {
    const LONGEST: usize = 1023;
    let text = &content[line_range(content, line)?];
    let sound = text.len() < LONGEST && !text.contains(&0);
    String::from_utf8(bare(text).to_vec()).ok().filter(|_| sound)
}

fn bare(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn splice(content: &[u8], range: Range<usize>, with: &[u8]) -> Vec<u8> {
    [&content[..range.start], with, &content[range.end..]].concat()
}

fn line_range(content: &[u8], line: u32) -> Option<Range<usize>> {
    ranges(content).nth(usize::try_from(line.checked_sub(1)?).ok()?)
}

/// The lines of a content without their newlines.
fn ranges(content: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    content.split_inclusive(|byte| *byte == b'\n').map(move |line| {
        let begin = start;
        start += line.len();
        begin..begin + line.strip_suffix(b"\n").unwrap_or(line).len()
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn line_endings_stay() {
        let content = b"a=1\r\nb=2";
        let silenced = comment_out(content, 2);
        assert_eq!(silenced, b"a=1\r\n# tune: taken over: b=2");
        assert_eq!(restore(&silenced, b"b=2").unwrap(), content);
        assert_eq!(comment_out(content, 1), b"# tune: taken over: a=1\r\nb=2");
        assert_eq!((comment_out(content, 0), comment_out(content, 3)), (content.to_vec(), content.to_vec()));
        assert_eq!(restore(b"b=2\n", b"b=2"), None);
        assert_eq!(line_text(content, 1).as_deref(), Some("a=1"));
        assert_eq!(line_text(&[b'x'; 2000], 1), None);
    }

    proptest! {
        #[test]
        fn restoring_undoes(content in "[ab=#\n\r]{0,60}", line in 1..8_u32) {
            let content = content.as_bytes();
            let silenced = comment_out(content, line);
            if let Some(range) = line_range(content, line) {
                prop_assert_eq!(restore(&silenced, bare(&content[range])).unwrap(), content);
            }
        }
    }
}
