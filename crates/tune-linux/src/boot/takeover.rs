//! Taking a line of somebody else's file out of force, and putting it back.

use std::ops::Range;
use std::path::{Path, PathBuf};

use tune_host::{FileError, Files};

use super::plan::Place;

/// What a line that was taken over begins with.
pub const TAKEN_OVER: &str = "# tune: taken over: ";

/// Why a line is left alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Untouchable {
    /// The real file is not below `/etc`: it belongs to a package or to the running system.
    #[error("{} is not below /etc", .0.display())]
    NotBelowEtc(PathBuf),
    /// The file cannot be read.
    #[error(transparent)]
    Unreadable(#[from] FileError),
    /// The file has no such line.
    #[error("{0} does not exist")]
    NoSuchLine(Place),
    /// The line holds carriage returns or NULs that systemd takes for ends of lines: commenting it out would
    /// not silence all of it.
    #[error("{0} holds several lines for systemd-sysctl")]
    SeveralInOne(Place),
}

/// Returns the real file whose line may be commented out, symbolic links resolved.
///
/// # Errors
///
/// [`Untouchable`] where the line is to be left alone.
pub fn may_comment_out(files: &dyn Files, place: &Place) -> Result<PathBuf, Untouchable> {
    let real = files.real_path(&place.file)?;
    if !real.starts_with("/etc") || real == Path::new("/etc") {
        return Err(Untouchable::NotBelowEtc(real));
    }
    let content = files.read(&real)?;
    let Some(line) = line_range(&content, place.line) else {
        return Err(Untouchable::NoSuchLine(place.clone()));
    };
    let text = &content[line];
    let inner = text.strip_suffix(b"\r").unwrap_or(text);
    if inner.iter().any(|byte| matches!(byte, b'\r' | 0)) {
        return Err(Untouchable::SeveralInOne(place.clone()));
    }
    Ok(real)
}

/// Returns the content with a line, counted from 1, turned into a comment; every other byte stays. A content
/// without that line is returned as it is.
#[must_use]
pub fn comment_out(content: &[u8], line: u32) -> Vec<u8> {
    match line_range(content, line) {
        Some(range) => splice(content, range.start..range.start, TAKEN_OVER.as_bytes()),
        None => content.to_vec(),
    }
}

/// A line that was taken over is no longer there: somebody else changed the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the line taken over is not there any more: {original:?}")]
pub struct NotRestored {
    /// The line as it was.
    pub original: String,
}

/// Returns the content with a line that [`comment_out`] silenced put back. `original` is that line without
/// its line ending. Other lines may have been added or removed since. Of several such lines the first is put back: each
/// of them was taken over, and has its turn.
///
/// # Errors
///
/// [`NotRestored`] where there is no such line.
pub fn restore(content: &[u8], original: &[u8]) -> Result<Vec<u8>, NotRestored> {
    let original = original.strip_suffix(b"\n").unwrap_or(original);
    let original = original.strip_suffix(b"\r").unwrap_or(original);
    let silenced = [TAKEN_OVER.as_bytes(), original].concat();
    let is_it = |range: &Range<usize>| {
        let text = &content[range.clone()];
        text == silenced || text.strip_suffix(b"\r") == Some(&silenced)
    };
    match ranges(content).find(is_it) {
        Some(range) => Ok(splice(content, range.start..range.start + TAKEN_OVER.len(), b"")),
        None => Err(NotRestored { original: String::from_utf8_lossy(original).into_owned() }),
    }
}

/// Tells whether a content has a line with that text.
#[must_use]
pub fn holds(content: &[u8], original: &[u8]) -> bool {
    ranges(content)
        .any(|range| content[range.clone()].strip_suffix(b"\r").unwrap_or(&content[range]) == original)
}

/// Returns the content with `original` in place of a line, counted from 1, or behind all others where there is none.
#[must_use]
pub fn put_instead(content: &[u8], line: Option<u32>, original: &[u8]) -> Vec<u8> {
    if let Some(range) = line.and_then(|line| line_range(content, line)) {
        return splice(content, range, original);
    }
    let end: &[u8] = if content.is_empty() || content.ends_with(b"\n") { b"" } else { b"\n" };
    [content, end, original, b"\n"].concat()
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
    use tune_host::MemoryFiles;

    fn place(file: &str, line: u32) -> Place {
        Place { file: file.into(), line }
    }

    #[test]
    fn only_files_below_etc_and_through_links() {
        let files = MemoryFiles::default()
            .with("/etc/sysctl.conf", "a = 1\r\nb = 2\rc = 3\n")
            .with_link("/etc/sysctl.d/99-sysctl.conf", "../sysctl.conf")
            .with("/usr/lib/sysctl.d/x.conf", "a = 1\n")
            .with_link("/etc/sysctl.d/x.conf", "/usr/lib/sysctl.d/x.conf");
        let link = "/etc/sysctl.d/99-sysctl.conf";
        assert_eq!(may_comment_out(&files, &place(link, 1)), Ok("/etc/sysctl.conf".into()));
        assert!(matches!(may_comment_out(&files, &place(link, 2)), Err(Untouchable::SeveralInOne(_))));
        assert!(matches!(may_comment_out(&files, &place(link, 3)), Err(Untouchable::NoSuchLine(_))));
        let vendor = may_comment_out(&files, &place("/etc/sysctl.d/x.conf", 1));
        assert!(matches!(vendor, Err(Untouchable::NotBelowEtc(_))));
    }

    #[test]
    fn line_endings_stay() {
        let content = b"a = 1\r\nb = 2";
        let silenced = comment_out(content, 2);
        assert_eq!(silenced, b"a = 1\r\n# tune: taken over: b = 2");
        assert_eq!(restore(&silenced, b"b = 2").unwrap(), content);
        assert_eq!(comment_out(content, 1), b"# tune: taken over: a = 1\r\nb = 2");
        assert_eq!(comment_out(content, 0), content);
        assert_eq!(comment_out(content, 3), content);
    }

    #[test]
    fn a_line_that_is_gone_is_reported() {
        assert!(restore(b"b = 2\n", b"b = 2").is_err());
    }

    proptest! {
        #[test]
        fn restoring_undoes(content in "[ab=#\n\r]{0,60}", line in 1..8_u32) {
            let content = content.as_bytes();
            let silenced = comment_out(content, line);
            if let Some(range) = line_range(content, line) {
                prop_assert_eq!(restore(&silenced, &content[range]).unwrap(), content);
            }
        }
    }
}
