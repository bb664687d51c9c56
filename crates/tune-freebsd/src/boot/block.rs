//! The lines of `tune` in a file that an administrator may have lines in, too.
//!
//! They stand between two marks. Whatever is outside of these is not ours: it comes back byte for byte when the block
//! goes.

use std::ops::Range;

/// How a block began, which decides what goes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Behind lines of others, or at the beginning of their file.
    Plain,
    /// Behind a last line of others that had no end, and was given one.
    AfterOpenLine,
    /// In a file that was made for it.
    OwnFile,
}

const KINDS: [Kind; 3] = [Kind::Plain, Kind::AfterOpenLine, Kind::OwnFile];
/// The last line of a block.
const END: &str = "# tune: end";

impl Kind {
    /// Returns the first line of such a block.
    const fn begin(self) -> &'static str {
        match self {
            Self::Plain => "# tune: begin",
            Self::AfterOpenLine => "# tune: begin (the line above had no end)",
            Self::OwnFile => "# tune: begin (tune made this file)",
        }
    }
}

/// The marks of a file do not make one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockError;

/// A block in a content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) kind: Kind,
    /// Marks included, with the end of the last line.
    pub(crate) range: Range<usize>,
}

/// Finds the block.
pub(crate) fn find(content: &[u8]) -> Result<Option<Found>, BlockError> {
    let mut open: Option<(Kind, usize)> = None;
    let mut found = None;
    let mut at = 0;
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        let start = at;
        at += line.len();
        match (mark_of(line), open) {
            (None, _) => {}
            (Some(Mark::Begin(kind)), None) if found.is_none() => open = Some((kind, start)),
            (Some(Mark::End), Some((kind, start))) => {
                found = Some(Found { kind, range: start..at });
                open = None;
            }
            _ => return Err(BlockError),
        }
    }
    if open.is_some() { Err(BlockError) } else { Ok(found) }
}

enum Mark {
    Begin(Kind),
    End,
}

fn mark_of(line: &[u8]) -> Option<Mark> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    if line == END.as_bytes() {
        return Some(Mark::End);
    }
    KINDS.into_iter().find(|kind| line == kind.begin().as_bytes()).map(Mark::Begin)
}

/// Returns lines with the marks of a block around them. `lines` is ASCII and ends with a newline.
pub(crate) fn mark(kind: Kind, lines: &str) -> String {
    format!("{}\n{lines}{END}\n", kind.begin())
}

/// Returns the content with these lines as its block: in the place of the one that is there, or behind everything else.
/// A `content` of `None` is a file that is not there. Also returns the block with its marks.
pub(crate) fn put(content: Option<&[u8]>, lines: &str) -> Result<(Vec<u8>, String), BlockError> {
    let Some(content) = content else {
        let block = mark(Kind::OwnFile, lines);
        return Ok((block.clone().into_bytes(), block));
    };
    if let Some(Found { kind, range }) = find(content)? {
        let block = mark(kind, lines);
        return Ok(([&content[..range.start], block.as_bytes(), &content[range.end..]].concat(), block));
    }
    let open = !content.is_empty() && !content.ends_with(b"\n");
    let (kind, end): (_, &[u8]) = if open { (Kind::AfterOpenLine, b"\n") } else { (Kind::Plain, b"") };
    let block = mark(kind, lines);
    Ok(([content, end, block.as_bytes()].concat(), block))
}

/// Returns the content without its block, `None` where the file goes with it.
pub(crate) fn without(content: &[u8]) -> Result<Option<Vec<u8>>, BlockError> {
    let Some(Found { kind, range }) = find(content)? else { return Ok(Some(content.to_vec())) };
    let (before, after) = (&content[..range.start], &content[range.end..]);
    let before = match before.strip_suffix(b"\n") {
        // The end that the line was given has a use where something follows.
        Some(open) if kind == Kind::AfterOpenLine && after.is_empty() => open,
        _ => before,
    };
    if kind == Kind::OwnFile && before.is_empty() && after.is_empty() {
        return Ok(None);
    }
    Ok(Some([before, after].concat()))
}

/// Returns the content without marks, what stands between them left.
pub(crate) fn unmarked(content: &[u8]) -> Vec<u8> {
    content
        .split_inclusive(|byte| *byte == b'\n')
        .filter(|line| mark_of(line).is_none())
        .flatten()
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const LINES: &str = "# web\na.b=1\n";

    #[test]
    fn a_file_that_was_made_goes_with_the_block() {
        let (content, block) = put(None, LINES).unwrap();
        assert_eq!(content, b"# tune: begin (tune made this file)\n# web\na.b=1\n# tune: end\n");
        assert_eq!(block.as_bytes(), content);
        assert_eq!(without(&content).unwrap(), None);
        let (added, _) = put(Some(&[&content[..], b"c=1\n"].concat()), LINES).unwrap();
        assert_eq!(without(&added).unwrap().unwrap(), b"c=1\n");
        let (empty, _) = put(Some(b""), LINES).unwrap();
        assert_eq!(without(&empty).unwrap().unwrap(), b"");
    }

    #[test]
    fn a_last_line_without_an_end_gets_one_for_as_long_as_it_needs_it() {
        let (content, _) = put(Some(b"c=1"), LINES).unwrap();
        assert!(content.starts_with(b"c=1\n# tune: begin (the line above had no end)\n"));
        assert_eq!(without(&content).unwrap().unwrap(), b"c=1");
        let followed = [&content[..], b"d=1"].concat();
        assert_eq!(without(&followed).unwrap().unwrap(), b"c=1\nd=1");
    }

    #[test]
    fn the_block_stays_where_it_is() {
        let (content, _) = put(Some(b"c=1\n"), LINES).unwrap();
        let followed = [&content[..], b"d=1\n"].concat();
        let (again, block) = put(Some(&followed), "a.b=2\n").unwrap();
        assert_eq!(again, [b"c=1\n", block.as_bytes(), b"d=1\n"].concat());
    }

    #[test]
    fn marks_that_make_no_block_are_refused() {
        for content in [
            "# tune: begin\na=1\n",
            "# tune: end\n",
            "# tune: begin\n# tune: begin\n# tune: end\n",
            "# tune: begin\n# tune: end\n# tune: begin\n# tune: end\n",
        ] {
            assert_eq!(find(content.as_bytes()), Err(BlockError), "{content:?}");
            assert_eq!(find(&unmarked(content.as_bytes())), Ok(None), "{content:?}");
        }
        assert_eq!(unmarked(b"b=1\n# tune: begin\na=1"), b"b=1\na=1");
    }

    proptest! {
        #[test]
        fn foreign_bytes_come_back(content in proptest::collection::vec(any::<u8>(), 0..120), again in 0..3) {
            let mut file = put(Some(&content), LINES).unwrap().0;
            for _ in 0..again {
                file = put(Some(&file), "x=1\n").unwrap().0;
            }
            prop_assert_eq!(without(&file).unwrap().unwrap(), content);
        }

        #[test]
        fn foreign_lines_around_stay(before in "([a-c=#]{0,6}\n){0,4}", after in "([a-c=#]{0,6}\n){0,4}[a-c]{0,3}") {
            let (file, _) = put(Some(before.as_bytes()), LINES).unwrap();
            let file = [file, after.clone().into_bytes()].concat();
            let (file, block) = put(Some(&file), "x=1\n").unwrap();
            prop_assert!(find(&file).unwrap().is_some_and(|found| &file[found.range] == block.as_bytes()));
            prop_assert_eq!(without(&file).unwrap().unwrap(), format!("{before}{after}").into_bytes());
        }
    }
}
