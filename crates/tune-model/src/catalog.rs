//! The catalog: what is known of each native tunable, as data.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::system::System;
use crate::tunable::Slot;

/// What one write of a tunable reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// The whole host.
    Host,
    /// The network namespace of the writer.
    Netns,
    /// The network stack of the writer: the host's, or that of a VNET jail.
    Vnet,
    /// The IP stack of the writer's zone: the global zone's, or that of an exclusive-IP zone.
    Stack,
}

/// The C type of a tunable's value, where the system has typed ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)] // the types of sysctl(9), under their own names
pub enum KernelType {
    Int,
    Uint,
    Long,
    Ulong,
    S8,
    U8,
    S16,
    U16,
    S32,
    U32,
    S64,
    U64,
}

impl KernelType {
    /// Returns the smallest and the largest number that it holds; `long` has 64 bits.
    #[must_use]
    pub const fn range(self) -> (i128, i128) {
        match self {
            Self::Int | Self::S32 => (i32::MIN as i128, i32::MAX as i128),
            Self::Uint | Self::U32 => (0, u32::MAX as i128),
            Self::Long | Self::S64 => (i64::MIN as i128, i64::MAX as i128),
            Self::Ulong | Self::U64 => (0, u64::MAX as i128),
            Self::S8 => (i8::MIN as i128, i8::MAX as i128),
            Self::U8 => (0, u8::MAX as i128),
            Self::S16 => (i16::MIN as i128, i16::MAX as i128),
            Self::U16 => (0, u16::MAX as i128),
        }
    }

    /// Returns the name, as in the catalog.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Long => "long",
            Self::Ulong => "ulong",
            Self::S8 => "s8",
            Self::U8 => "u8",
            Self::S16 => "s16",
            Self::U16 => "u16",
            Self::S32 => "s32",
            Self::U32 => "u32",
            Self::S64 => "s64",
            Self::U64 => "u64",
        }
    }
}

/// What the kernel does with a value outside of what it takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outside {
    /// It refuses the write.
    #[default]
    Refused,
    /// It reports success and stores the nearest value that it takes.
    Clamped,
    /// It reports success and stores nothing.
    Ignored,
}

/// When a tunable can be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Mutability {
    /// At run time, both ways.
    Live,
    /// At run time, upwards only.
    RaiseOnly,
    /// At boot only.
    Boot,
    /// Never.
    Fixed,
}

/// Whom a change reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum TakesHold {
    /// Every connection, at once.
    AllConnections,
    /// Connections made from then on.
    NewConnections,
    /// Connections closed from then on.
    NewCloses,
    /// Listening sockets made from then on.
    NewListeners,
    /// Sockets made from then on; an accepted connection has what its listener had when that was made.
    NewSockets,
    /// Keepalive timers set from then on; a running timer keeps its time.
    NewKeepaliveCycles,
    /// The host as a whole, at once.
    Host,
}

impl TakesHold {
    /// Returns whom a change reaches, in words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::AllConnections => "all connections, at once",
            Self::NewConnections => "connections made from then on",
            Self::NewCloses => "connections closed from then on; running timers keep their time",
            Self::NewListeners => "sockets that listen from then on; restart the service",
            Self::NewSockets => {
                "sockets made from then on, and what they accept; a service keeps the old value until restarted"
            }
            Self::NewKeepaliveCycles => "keepalive timers set from then on; running timers keep their time",
            Self::Host => "the host, at once",
        }
    }
}

/// Where the key is when looked at from a namespace that is not the initial one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Elsewhere {
    /// There is no such key.
    Absent,
    /// The key shows the host's value and cannot be written.
    ReadOnly,
    /// Either, by kernel release.
    Varies,
}

/// Where one family of releases differs from the row: only what is stated here does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// Its kernels have no such tunable.
    #[serde(default)]
    pub absent: bool,
    /// The default.
    #[serde(default)]
    pub default: Vec<i128>,
    /// What its kernels take.
    #[serde(default)]
    pub accepted: Vec<(i128, i128)>,
    /// What nobody could confirm about it, in words.
    pub unconfirmed: Option<String>,
}

/// The families of releases that differ within one system, in the order in which they are shown.
pub const FAMILIES: &[&str] = &["illumos", "opensolaris-2010", "solaris-11", "solaris-10"];

/// What is known of one native tunable.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tunable {
    /// The name, as the system writes it.
    pub name: String,
    /// What it does, in a few sentences.
    pub meaning: String,
    /// The unit in which the system shows it.
    pub unit: String,
    /// The names of its fields, where it holds several.
    #[serde(default)]
    pub fields: Vec<String>,
    /// What every supported kernel takes, per field.
    #[serde(default)]
    pub accepted: Vec<(i128, i128)>,
    /// What at least one supported kernel takes, per field, where that is more than all take: whether a value between
    /// the two is taken cannot be told from the release.
    #[serde(default)]
    pub taken_by_some: Vec<(i128, i128)>,
    /// What the kernel does with other values.
    #[serde(default)]
    pub outside: Outside,
    /// The C type of the value, where the system has typed ones.
    #[serde(rename = "type")]
    pub kernel_type: Option<KernelType>,
    /// It is shown in milliseconds and kept in ticks of the kernel's clock: what is written is rounded down to whole
    /// ticks.
    #[serde(default)]
    pub ticks: bool,
    /// The boot loader's environment is asked for it when the kernel starts.
    #[serde(default)]
    pub loader: bool,
    /// What a profile may ask for, per field: stricter than the kernel.
    #[serde(default)]
    pub allowed: Vec<(i128, i128)>,
    /// The default, where it is the same constant on every supported kernel.
    #[serde(default)]
    pub default: Vec<i128>,
    /// The name of the rule by which the kernel computes the default.
    pub default_rule: Option<String>,
    /// The default in words.
    pub default_text: Option<String>,
    /// Constant defaults by the first release that has them, oldest first.
    #[serde(default)]
    pub default_since: Vec<(String, Vec<i128>)>,
    /// Where a family of releases differs, by its name, which is one of [`FAMILIES`].
    #[serde(default)]
    pub variants: BTreeMap<String, Variant>,
    /// The names that earlier releases had for it, newest first.
    #[serde(default)]
    pub former_names: Vec<String>,
    /// Its name for `ndd`, where the system has that program.
    pub ndd: Option<String>,
    /// What one write reaches.
    pub scope: Reach,
    /// Where a new network namespace takes the value from: `default` or `initial`.
    pub new_netns: Option<String>,
    /// How a host-wide key looks from another network namespace.
    pub elsewhere: Option<Elsewhere>,
    /// When it can be changed.
    pub mutability: Mutability,
    /// Whom a change reaches.
    pub takes_hold: TakesHold,
    /// The first release that has it, where known.
    pub since: Option<String>,
    /// The first release that has it per network namespace, where known.
    pub netns_since: Option<String>,
    /// The first release that has it per network stack, where it was the host's before.
    pub vnet_since: Option<String>,
    /// The last release that has it.
    pub until: Option<String>,
    /// The kernel module it comes with.
    pub module: Option<String>,
    /// What can go wrong, a sentence each.
    #[serde(default)]
    pub cautions: Vec<String>,
    /// Why values that the kernel takes and a profile may not ask for are refused.
    pub unsafe_values: Option<String>,
    /// The primary source.
    pub source: String,
}

impl Tunable {
    /// Returns how many integers it holds; 0 for a text.
    #[must_use]
    pub fn width(&self) -> usize {
        if self.is_text() { 0 } else { self.fields.len().max(1) }
    }

    /// Tells whether it holds a text that is no row of integers.
    #[must_use]
    pub fn is_text(&self) -> bool {
        self.unit == "list"
    }

    /// Returns the slots it is made of: itself, or one per field.
    #[must_use]
    pub fn slots(&self) -> Vec<Slot> {
        match self.fields.len() {
            0 => vec![Slot::whole(&self.name)],
            fields => (0..fields).map(|field| Slot::field(&self.name, field)).collect(),
        }
    }

    /// Returns what a profile may ask for in a field.
    #[must_use]
    pub fn allowed_in(&self, field: Option<usize>) -> Option<(i128, i128)> {
        self.allowed.get(field.unwrap_or(0)).copied()
    }

    /// Returns all that holds for a family of releases: what its variant states, and the row's own where it states
    /// nothing. What its kernels do not have has neither a default nor anything that they take.
    #[must_use]
    pub fn of_family(&self, family: &str) -> Variant {
        let stated = self.variants.get(family).cloned().unwrap_or_default();
        if stated.absent {
            return stated;
        }
        Variant {
            default: if stated.default.is_empty() { self.default.clone() } else { stated.default },
            accepted: if stated.accepted.is_empty() { self.accepted.clone() } else { stated.accepted },
            ..stated
        }
    }

    /// Returns what every supported kernel takes in a field.
    #[must_use]
    pub fn accepted_in(&self, field: Option<usize>) -> Option<(i128, i128)> {
        self.accepted.get(field.unwrap_or(0)).copied()
    }
}

/// The tunables of one system.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CatalogFile {
    tunable: Vec<Tunable>,
}

/// The tunables of one system, in the order in which they are shown.
#[derive(Debug)]
pub struct Catalog {
    rows: Vec<Tunable>,
    by_name: BTreeMap<String, usize>,
}

impl Catalog {
    /// Reads a catalog as people write it.
    #[cfg(test)]
    pub(crate) fn parse(source: &str) -> Self {
        Self::new(toml::from_str(source).expect("the catalog is sound"))
    }

    fn built_in(source: &str) -> Self {
        Self::new(serde_json::from_str(source).expect("the build script wrote it; a test reads it"))
    }

    fn new(file: CatalogFile) -> Self {
        let by_name = file.tunable.iter().enumerate().map(|(at, row)| (row.name.clone(), at)).collect();
        Self { rows: file.tunable, by_name }
    }

    /// Returns the catalog of a system.
    #[must_use]
    pub fn of(system: System) -> &'static Self {
        static LINUX: LazyLock<Catalog> =
            LazyLock::new(|| Catalog::built_in(include_str!(concat!(env!("OUT_DIR"), "/linux.json"))));
        static SOLARIS: LazyLock<Catalog> =
            LazyLock::new(|| Catalog::built_in(include_str!(concat!(env!("OUT_DIR"), "/solaris.json"))));
        static FREEBSD: LazyLock<Catalog> =
            LazyLock::new(|| Catalog::built_in(include_str!(concat!(env!("OUT_DIR"), "/freebsd.json"))));
        match system {
            System::Linux => &LINUX,
            System::FreeBsd => &FREEBSD,
            System::Solaris => &SOLARIS,
        }
    }

    /// Returns what is known of a tunable.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Tunable> {
        self.by_name.get(name).map(|at| &self.rows[*at])
    }

    /// Tells whether nothing is known of the system's tunables yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns every tunable, in the order in which they are shown.
    pub fn iter(&self) -> impl Iterator<Item = &Tunable> {
        self.rows.iter()
    }
}
