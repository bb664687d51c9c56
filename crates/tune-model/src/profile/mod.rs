//! Profiles: what is required of a host.
//!
//! A text becomes a document of tables (`walk`, `table`, `value`, `native`); the documents of a profile, its parents and
//! its overrides become the tables of one system (`resolve`); a table becomes a requirement (`require`), held against
//! the others (`contradiction`). Mistakes are noted on the way (`log`) and reported together (`diagnostic`).

mod contradiction;
mod diagnostic;
mod document;
mod library;
mod log;
mod native;
mod new;
mod oneoff;
mod require;
mod resolve;
mod schema;
mod table;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod value;
mod walk;

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::limits::Limits;
use crate::quantity::Quantity;
use crate::setting::Setting;
use crate::system::System;
use crate::tunable::Slot;

pub use diagnostic::{Class, Diagnostic, Diagnostics, Excerpt, escaped};
pub use document::Key;
pub use library::{BuiltIn, InMemory, Library, LibraryError, ProfileText};
pub use log::Input;
pub use new::starter;
pub use oneoff::one_off;
pub use resolve::{ProfileError, Resolved, check, check_text, resolve, resolve_text};
pub use schema::schema;
pub use walk::is_name;

/// Finds the catalog of a system; [`crate::Catalog::of`] outside of tests.
pub type Catalogs = fn(System) -> &'static crate::Catalog;

/// What a requirement is about: a portable setting, or a native tunable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A portable setting.
    Setting(Setting),
    /// A native tunable, in its own unit.
    Tunable(Slot),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setting(setting) => setting.fmt(f),
            Self::Tunable(slot) => slot.fmt(f),
        }
    }
}

impl std::str::FromStr for Subject {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match Setting::named(name) {
            Some(setting) => Ok(Self::Setting(setting)),
            None => name.parse().map(Self::Tunable),
        }
    }
}

crate::serde_as_text!(Subject);

/// How much it matters that a requirement is not met.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to have.
    Low,
    /// The ordinary case.
    #[default]
    Medium,
    /// The service suffers.
    High,
}

impl Severity {
    /// Every severity, the least first.
    pub const ALL: [Self; 3] = [Self::Low, Self::Medium, Self::High];

    /// Returns the name, as a profile writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// One end of what is required, before the host's memory and page size are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bound {
    /// Just that.
    Fixed(Quantity),
    /// So much for each GiB of physical memory (rounded to the nearest GiB, at least 1), then clamped.
    PerGibOfRam {
        /// The amount for each GiB, of the setting's kind.
        each: Quantity,
        /// Never less.
        min: Option<Quantity>,
        /// Never more.
        max: Option<Quantity>,
    },
    /// An amount of memory, for a native tunable that counts pages.
    PagesOf {
        /// The amount in bytes.
        bytes: u64,
    },
}

/// What a requirement asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // a profile has a few dozen
pub enum Wanted {
    /// What the system would have without `tune`.
    VendorDefault,
    /// A value inside bounds.
    Within {
        /// At least this.
        at_least: Option<Bound>,
        /// At most this.
        at_most: Option<Bound>,
        /// The value to choose when the present one has to change.
        prefer: Option<Bound>,
    },
}

/// A spot in a profile's text. Lines and columns count from 1; columns count characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The profile's name.
    pub profile: String,
    /// The file, or `None` for a built-in profile, the command line or standard input.
    pub file: Option<PathBuf>,
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{}:{}:{}", file.display(), self.line, self.column),
            None if self.profile.is_empty() => write!(f, "standard input:{}:{}", self.line, self.column),
            None => write!(f, "{}:{}:{}", self.profile, self.line, self.column),
        }
    }
}

/// One thing that a profile requires, on one system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// What it is about.
    pub subject: Subject,
    /// What it asks for.
    pub wanted: Wanted,
    /// How much it matters.
    pub severity: Severity,
    /// The reason, in a sentence or two.
    pub why: Option<String>,
    /// Where the reason can be looked up.
    pub reference: Option<String>,
    /// Forgive a system that has nothing of the kind.
    pub optional: bool,
    /// The tunable is not in the catalog, and the profile says that it knows.
    pub uncatalogued: bool,
    /// Where it is written.
    pub origin: Origin,
    /// Where each of its keys is written, which an override may have done.
    pub keys: Vec<(Key, Origin)>,
}

/// Where a profile comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Built into the binary.
    BuiltIn,
    /// A file of the site, or one named on the command line.
    File(PathBuf),
    /// Standard input.
    StandardInput,
    /// Made from the command line by `tune set`.
    CommandLine,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.pad("built-in"),
            Self::File(path) => f.pad(&path.display().to_string()),
            Self::StandardInput => f.pad("standard input"),
            Self::CommandLine => f.pad("command line"),
        }
    }
}

crate::serialize_as_text!(Source);

/// A profile as it stands for one system: parents, overrides and that system's tables worked in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The name.
    pub name: String,
    /// What it is for, in a line.
    pub summary: String,
    /// Where it comes from.
    pub source: Source,
    /// `sha256:` and the digest of all text that went into it, in hexadecimal; filled in by the loader.
    pub digest: String,
    /// A site's file that hides a built-in profile of the same name.
    pub shadows_built_in: bool,
    /// What it requires, in the order of the settings, then the tunables.
    pub requirements: Vec<Requirement>,
}

/// What a host has that scaled bounds depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale {
    /// Physical memory in bytes.
    pub ram: u64,
    /// The size of a page in bytes.
    pub page: u64,
}

impl Scale {
    /// Returns physical memory in GiB, rounded to the nearest and at least 1.
    #[must_use]
    pub const fn gib_of_ram(self) -> u64 {
        const GIB: u64 = 1 << 30;
        let rounded = self.ram.saturating_add(GIB / 2) / GIB;
        if rounded == 0 { 1 } else { rounded }
    }
}

impl Wanted {
    /// Tells whether a bound depends on how much memory there is.
    #[must_use]
    pub fn scales(&self) -> bool {
        let Self::Within { at_least, at_most, prefer } = self else { return false };
        let bounds = [at_least, at_most, prefer].into_iter().flatten();
        bounds.into_iter().any(|bound| matches!(bound, Bound::PerGibOfRam { .. }))
    }

    /// Returns the bounds on a host with that memory, or `None` for the vendor's default.
    ///
    /// An amount of memory that is no whole number of pages is rounded into the bound.
    #[must_use]
    pub fn limits(&self, scale: Scale) -> Option<Limits> {
        let Self::Within { at_least, at_most, prefer } = self else { return None };
        Some(Limits {
            at_least: at_least.as_ref().map(|bound| bound.on(scale, true)),
            at_most: at_most.as_ref().map(|bound| bound.on(scale, false)),
            prefer: prefer.as_ref().map(|bound| bound.on(scale, false)),
        })
    }
}

impl Bound {
    fn on(&self, scale: Scale, up: bool) -> Quantity {
        match self {
            Self::Fixed(value) => value.clone(),
            Self::PagesOf { bytes } if up => Quantity::Native(bytes.div_ceil(scale.page).into()),
            Self::PagesOf { bytes } => Quantity::Native((bytes / scale.page).into()),
            Self::PerGibOfRam { each, min, max } => {
                let total = each.scalar().unwrap_or(0).saturating_mul(scale.gib_of_ram().into());
                let total = total.min(u64::MAX.into());
                let scaled = Quantity::from_scalar(each.kind(), total).unwrap_or_else(|| each.clone());
                let raised = min.as_ref().and_then(|min| scaled.join(min)).unwrap_or(scaled);
                max.as_ref().and_then(|max| raised.meet(max)).unwrap_or(raised)
            }
        }
    }
}
