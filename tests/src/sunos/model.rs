//! The systems that are modelled, and what kind of host runs one.

use std::str::FromStr;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::public::Publics;
use super::table::Table;

/// A system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Model {
    /// The main line of illumos of January 2025: `illumos-current`.
    IllumosCurrent,
    /// OpenSolaris of August 2010, which illumos began as: `illumos-2010`.
    #[serde(rename = "illumos-2010")]
    Illumos2010,
    /// Solaris 11, taken to be as OpenSolaris of August 2010: `solaris11`.
    Solaris11,
    /// Solaris 10, taken to be as OpenSolaris of June 2005; it has no ipadm: `s10`.
    S10,
}

impl Model {
    /// Every system.
    pub const ALL: &'static [Self] = &[Self::IllumosCurrent, Self::Illumos2010, Self::Solaris11, Self::S10];

    /// Returns the name that it is chosen by.
    pub const fn name(self) -> &'static str {
        match self {
            Self::IllumosCurrent => "illumos-current",
            Self::Illumos2010 => "illumos-2010",
            Self::Solaris11 => "solaris11",
            Self::S10 => "s10",
        }
    }

    /// Tells whether it has ipadm.
    pub const fn has_ipadm(self) -> bool {
        !matches!(self, Self::S10)
    }

    /// Returns what its ipadm and its kernel know, or `None` where it has no ipadm.
    pub(super) fn knowledge(self) -> Option<&'static Knowledge> {
        static NEW: LazyLock<Knowledge> = LazyLock::new(|| Knowledge {
            table: Table::parse(
                concat!(
                    include_str!("../../fixtures/sunos/illumos-2025-01/ip.txt"),
                    include_str!("../../fixtures/sunos/illumos-2025-01/catalog.txt"),
                ),
                include_str!("../../fixtures/sunos/illumos-2025-01/rules.txt"),
            ),
            publics: Publics::parse(include_str!("../../fixtures/sunos/illumos-2025-01/public.txt")),
            usage: include_str!("../../fixtures/sunos/illumos-2025-01/usage.txt"),
            helps: true,
            warns: false,
        });
        static OLD: LazyLock<Knowledge> = LazyLock::new(|| Knowledge {
            table: Table::parse(
                concat!(
                    include_str!("../../fixtures/sunos/opensolaris-2010-08/ip.txt"),
                    include_str!("../../fixtures/sunos/opensolaris-2010-08/catalog.txt"),
                ),
                include_str!("../../fixtures/sunos/opensolaris-2010-08/rules.txt"),
            ),
            publics: Publics::parse(include_str!("../../fixtures/sunos/opensolaris-2010-08/public.txt")),
            usage: include_str!("../../fixtures/sunos/opensolaris-2010-08/usage.txt"),
            helps: false,
            warns: true,
        });
        match self {
            Self::IllumosCurrent => Some(&NEW),
            Self::Illumos2010 | Self::Solaris11 => Some(&OLD),
            Self::S10 => None,
        }
    }
}

impl FromStr for Model {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|model| model.name() == name);
        found.copied().ok_or_else(|| format!("no system is called {name:?}"))
    }
}

/// What ipadm, its library and the kernel know on one system.
#[derive(Debug)]
pub(super) struct Knowledge {
    pub(super) table: Table,
    pub(super) publics: Publics,
    /// What ipadm says of its subcommands.
    pub(super) usage: &'static str,
    /// It has a subcommand `help`, and shows addresses where none is named.
    pub(super) helps: bool,
    /// It warns of each property that it cannot show.
    pub(super) warns: bool,
}

/// The zone that the programs run in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Zone {
    /// The global zone.
    Global,
    /// One with a network stack of its own.
    Exclusive(String),
    /// One on the network stack of the global zone.
    Shared(String),
}

impl Zone {
    /// Returns its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Global => "global",
            Self::Exclusive(name) | Self::Shared(name) => name,
        }
    }
}

/// What kind of host it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// Its system.
    pub model: Model,
    /// The zone that the programs run in.
    pub zone: Zone,
    /// The root file system is a ramdisk: a restart loses what was written below `etc`.
    pub ramdisk: bool,
    /// What `uname -r` says.
    pub release: String,
    /// What `uname -v` says.
    pub version: String,
}

impl Setup {
    /// The global zone of a host with an ordinary root.
    pub fn of(model: Model) -> Self {
        let (release, version) = match model {
            Model::IllumosCurrent => ("5.11", "illumos-1792cdc723"),
            Model::Illumos2010 => ("5.11", "illumos-16bf37448d"),
            Model::Solaris11 => ("5.11", "11.0"),
            Model::S10 => ("5.10", "Generic_000000-00"),
        };
        let (release, version) = (release.to_owned(), version.to_owned());
        Self { model, zone: Zone::Global, ramdisk: false, release, version }
    }

    /// Every kind of host whose values are its own: each system, and SmartOS.
    pub fn every() -> Vec<(String, Self)> {
        let plain = Model::ALL.iter().map(|model| (model.name().to_owned(), Self::of(*model)));
        plain.chain([("smartos".to_owned(), Self::smartos())]).collect()
    }

    /// Tells whether ipadm keeps values over a restart; elsewhere a service of `tune`'s has to set them.
    pub fn keeps_values(&self) -> bool {
        self.model.has_ipadm() && !self.ramdisk
    }

    /// The global zone of SmartOS, whose root is a ramdisk.
    pub fn smartos() -> Self {
        let version = "joyent_20250124T000000Z".to_owned();
        Self { ramdisk: true, version, ..Self::of(Model::IllumosCurrent) }
    }

    /// The same host, seen from a zone.
    #[must_use]
    pub fn zone(self, zone: Zone) -> Self {
        Self { zone, ..self }
    }

    /// The same host, with something else for `uname -v` to say.
    #[must_use]
    pub fn version(self, version: &str) -> Self {
        Self { version: version.to_owned(), ..self }
    }
}
