//! What the boot tool will read: every line that sets or excludes a key, in order, and what went wrong.

use std::fmt;
use std::path::{Path, PathBuf};

use tune_host::{FileError, Files};

use super::keys::{Key, resolve};
use super::tree::Masked;
use super::{BootTool, busybox, glob, procps, systemd};

/// A line of a file, or the whole of one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, by the name the tool opens it with.
    pub file: PathBuf,
    /// The line from 1; 0 stands for the whole file.
    pub line: u32,
}

impl Place {
    pub(crate) fn whole(file: &Path) -> Self {
        Self { file: file.to_owned(), line: 0 }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}", self.file.display()),
            line => write!(f, "{}:{line}", self.file.display()),
        }
    }
}

/// What a line does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Sets the key to these bytes, white space around them taken off.
    Set(Vec<u8>),
    /// Keeps patterns from setting the key (`-key`).
    Exclude,
}

/// One line that names a key or a pattern of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Where it stands.
    pub place: Place,
    /// The path below `/proc/sys` as the tool forms it; not always a clean one.
    pub name: String,
    /// What it does.
    pub effect: Effect,
    /// Whether the line begins with `-`, so that a failure to set the key is not reported.
    pub ignore_errors: bool,
}

impl Assignment {
    /// Tells whether the name is a pattern.
    #[must_use]
    pub fn glob(&self) -> bool {
        glob::is_pattern(&self.name)
    }

    /// Returns the key that the line names, where it names a single one that can exist.
    #[must_use]
    pub fn key(&self) -> Option<Key> {
        if self.glob() { None } else { resolve(&self.name).map(Key::from_path) }
    }

    /// Returns the bytes it sets; nothing for an exclusion.
    #[must_use]
    pub fn value(&self) -> Option<&[u8]> {
        match &self.effect {
            Effect::Set(value) => Some(value),
            Effect::Exclude => None,
        }
    }

    /// Returns the value for people, odd bytes replaced.
    #[must_use]
    pub fn value_text(&self) -> String {
        String::from_utf8_lossy(self.value().unwrap_or_default()).into_owned()
    }
}

/// What is wrong with a file, a directory or a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Trouble {
    /// Its content is not known here, so it may set any key.
    #[error("not known: {0}")]
    Unreadable(FileError),
    /// A directory with a name like a settings file; nothing in it is read.
    #[error("is a directory, nothing in it is read")]
    IsADirectory,
    /// Something else than a directory where the settings files would be.
    #[error("is not a directory, no settings are read there")]
    NotADirectory,
    /// A symbolic link without a target. It still hides files of its name in weaker directories.
    #[error("is a link that leads nowhere")]
    LeadsNowhere,
    /// A line that is neither a comment nor an assignment; it has no effect.
    #[error("is not an assignment")]
    NotAnAssignment,
    /// A name that no key can have; the line has no effect.
    #[error("{0:?} cannot name a kernel setting")]
    NotAKey(String),
    /// A line that the tool takes for something else than a setting; it has no effect.
    #[error("{0:?} is not understood by the boot tool")]
    NotUnderstood(String),
    /// A name with `..`, which busybox takes apart in ways that are not followed here.
    #[error("{0:?} may mean any kernel setting to the boot tool")]
    Ambiguous(String),
    /// A line too long for the tool, which reads nothing behind it.
    #[error("is longer than 1 MiB, nothing from here on is read")]
    TooLong,
    /// Nothing is read at all without this file.
    #[error("does not exist, so no settings are read at all")]
    NeededFirst,
}

impl Trouble {
    /// Tells whether settings may stand where they could not be seen.
    #[must_use]
    pub fn hides_settings(&self) -> bool {
        matches!(self, Self::Unreadable(_) | Self::Ambiguous(_))
    }
}

/// Something an administrator should know about a file or line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What.
    pub trouble: Trouble,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.place, self.trouble)
    }
}

/// Everything a boot tool will read on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct BootPlan {
    /// The tool.
    pub tool: BootTool,
    /// The files it opens, in order.
    pub files: Vec<PathBuf>,
    /// Files that are not read because of another one of the same name.
    pub masked: Vec<Masked>,
    /// The lines that name keys, in the order they are read.
    pub assignments: Vec<Assignment>,
    /// What is wrong, in the order it is met.
    pub problems: Vec<Problem>,
}

impl BootPlan {
    /// Reads what `tool` would read. Never fails: what cannot be read becomes a [`Problem`].
    pub fn read(files: &dyn Files, tool: BootTool) -> Self {
        let mut plan = Self::empty(tool);
        match tool {
            BootTool::SystemdSysctl => systemd::read(files, &mut plan),
            BootTool::Procps => procps::read(files, &mut plan),
            BootTool::OpenrcBusybox => busybox::read(files, &mut plan),
        }
        plan
    }

    pub(crate) fn empty(tool: BootTool) -> Self {
        let (files, masked, assignments, problems) = Default::default();
        Self { tool, files, masked, assignments, problems }
    }

    pub(crate) fn trouble(&mut self, file: &Path, line: u32, trouble: Trouble) {
        let place = Place { file: file.to_owned(), line };
        self.problems.push(Problem { place, trouble });
    }

    /// Returns the places that may set any key without our knowing.
    pub fn unseen(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|problem| problem.trouble.hides_settings())
    }
}
