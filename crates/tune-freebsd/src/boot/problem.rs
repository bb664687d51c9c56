//! What is wrong with a file or a line.

use std::fmt;
use std::path::{Path, PathBuf};

use tune_host::{FileError, Files};

/// Something an administrator should know about a file or line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The file.
    pub(crate) file: PathBuf,
    /// The line, counted from 1; `None` for the whole file.
    pub(crate) line: Option<u32>,
    /// What is wrong.
    pub(crate) what: String,
    /// Settings may stand where they could not be seen.
    pub(crate) hides: bool,
}

impl Problem {
    /// A line that has not the effect that it seems to have.
    pub(crate) fn line(file: &Path, line: u32, what: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: Some(line), what: what.into(), hides: false }
    }

    /// A file or line that may set anything.
    pub(crate) fn hiding(file: &Path, line: Option<u32>, what: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, what: what.into(), hides: true }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            None => write!(f, "{} {}", self.file.display(), self.what),
            Some(line) => write!(f, "{}:{line} {}", self.file.display(), self.what),
        }
    }
}

/// Reads a file as a program that runs as root would: what is not there, or no file, holds nothing.
pub(crate) fn content(files: &dyn Files, path: &Path, problems: &mut Vec<Problem>) -> Option<Vec<u8>> {
    match files.read(path) {
        Ok(content) => return Some(content),
        Err(FileError::Missing(_) | FileError::WrongKind(_)) => {}
        Err(error) => problems.push(Problem::hiding(path, None, format!("is not known: {error}"))),
    }
    None
}
