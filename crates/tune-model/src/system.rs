//! The systems that have a catalog, and places in files.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A system with a catalog of its own, named as the tables of a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum System {
    /// Linux.
    Linux,
    /// FreeBSD.
    FreeBsd,
    /// illumos and Solaris.
    Solaris,
}

impl System {
    /// Every system, in the order in which they are shown.
    pub const ALL: &'static [Self] = &[Self::Linux, Self::FreeBsd, Self::Solaris];

    /// Returns the name of the system's table in a profile.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Linux => "linux",
            Self::FreeBsd => "freebsd",
            Self::Solaris => "solaris",
        }
    }

    /// Returns the system's name as it is written in a sentence.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Linux => "Linux",
            Self::FreeBsd => "FreeBSD",
            Self::Solaris => "illumos and Solaris",
        }
    }

    /// Returns where journals and claims are kept unless another place is named.
    #[must_use]
    pub const fn state_directory(self) -> &'static str {
        match self {
            Self::FreeBsd => "/var/db/tune",
            Self::Linux | Self::Solaris => "/var/lib/tune",
        }
    }

    /// Returns where a site keeps its own profiles.
    #[must_use]
    pub const fn profile_directory(self) -> &'static str {
        match self {
            Self::FreeBsd => "/usr/local/etc/tune/profiles",
            Self::Linux | Self::Solaris => "/etc/tune/profiles",
        }
    }
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for System {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().copied().find(|system| system.name() == name);
        found.ok_or_else(|| format!("unknown system {name:?}"))
    }
}

crate::serde_as_text!(System);

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The file. In JSON, bytes of its name that are no UTF-8 are replaced.
    #[serde(serialize_with = "crate::path_as_text")]
    pub file: PathBuf,
    /// The line, counted from 1.
    pub line: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}:{}", self.file.display(), self.line))
    }
}
