//! What the kernels have: every name with its type, its flags and its value, as recorded.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// A kernel that was recorded, or described by its sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Release {
    /// 13.0-RELEASE, after its sources.
    #[serde(rename = "freebsd-13-like")]
    Thirteen,
    /// 14.0-CURRENT of 2022, recorded.
    #[serde(rename = "freebsd-14")]
    Fourteen,
    /// 15.0-RELEASE, recorded.
    #[serde(rename = "freebsd-15.0")]
    Fifteen,
}

impl Release {
    /// Every kernel.
    pub const ALL: &'static [Self] = &[Self::Thirteen, Self::Fourteen, Self::Fifteen];

    /// Returns what the kernel has.
    pub fn table(self) -> &'static Table {
        static TABLES: LazyLock<[Table; 3]> = LazyLock::new(|| {
            [
                Table::parse(include_str!("../../fixtures/freebsd/13.0.txt")),
                Table::parse(include_str!("../../fixtures/freebsd/14.0.txt")),
                Table::parse(include_str!("../../fixtures/freebsd/15.0.txt")),
            ]
        });
        match self {
            Self::Thirteen => &TABLES[0],
            Self::Fourteen => &TABLES[1],
            Self::Fifteen => &TABLES[2],
        }
    }
}

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// A signed integer of so many bytes.
    Signed(usize),
    /// An unsigned integer of so many bytes.
    Unsigned(usize),
    /// Text.
    Text,
    /// A structure.
    Opaque,
    /// Names below it, and no value.
    Node,
    /// It is there, and nothing else was recorded of it.
    Unrecorded,
}

impl Type {
    fn named(word: &str) -> Self {
        match word {
            "int" => Self::Signed(4),
            "long" | "s64" => Self::Signed(8),
            "uint" | "u32" => Self::Unsigned(4),
            "ulong" | "u64" => Self::Unsigned(8),
            "u8" => Self::Unsigned(1),
            "string" => Self::Text,
            "opaque" => Self::Opaque,
            "node" => Self::Node,
            "unrecorded" => Self::Unrecorded,
            other => panic!("no type is called {other:?}"),
        }
    }

    /// Returns how many bytes a number of the type has.
    pub const fn size(self) -> Option<usize> {
        match self {
            Self::Signed(size) | Self::Unsigned(size) => Some(size),
            _ => None,
        }
    }

    /// Returns the number in the first bytes, or `None` where there are too few.
    ///
    /// # Panics
    ///
    /// When the type is no number.
    pub fn decode(self, bytes: &[u8]) -> Option<i128> {
        let size = self.size().expect("a number");
        let mut wide = [0; 16];
        wide[..size].copy_from_slice(bytes.get(..size)?);
        let number = i128::from_le_bytes(wide);
        let sign = 1 << (size * 8 - 1);
        Some(if matches!(self, Self::Signed(_)) && number >= sign { number - 2 * sign } else { number })
    }

    /// Returns the bytes of a number, cut to the size of the type.
    ///
    /// # Panics
    ///
    /// When the type is no number.
    pub fn encode(self, number: i128) -> Vec<u8> {
        number.to_le_bytes()[..self.size().expect("a number")].to_vec()
    }
}

/// What was recorded under one name.
#[derive(Debug, Clone)]
pub struct Oid {
    /// The type.
    pub kind: Type,
    /// The word for the type, as recorded.
    pub word: &'static str,
    /// It can be written while the system runs.
    pub writable: bool,
    /// The loader's environment is asked for it, and says so.
    pub tunable: bool,
    /// Each network stack has its own.
    pub vnet: bool,
    /// Root of any jail may write it.
    pub prison: bool,
    /// Nobody may write it while the securelevel is above 0.
    pub secure: bool,
    /// The value as it was recorded.
    pub value: &'static str,
}

/// What one kernel has.
#[derive(Debug)]
pub struct Table(BTreeMap<&'static str, Oid>);

impl Table {
    fn parse(text: &'static str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Self(
            lines
                .map(|line| {
                    let mut words = line.splitn(4, ' ');
                    let mut next = || words.next().unwrap_or_default();
                    let (name, word, flags, value) = (next(), next(), next(), next());
                    let has = |flag| flags.contains(flag);
                    let oid = Oid {
                        kind: Type::named(word),
                        word,
                        writable: has('w'),
                        tunable: has('t'),
                        vnet: has('v'),
                        prison: has('j'),
                        secure: has('s'),
                        value,
                    };
                    (name, oid)
                })
                .collect(),
        )
    }

    /// Returns what was recorded under a name.
    pub fn get(&self, name: &str) -> Option<&Oid> {
        self.0.get(name)
    }

    /// Returns every name with what was recorded, in the order of names.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Oid)> {
        self.0.iter().map(|(name, oid)| (*name, oid))
    }

    /// Tells whether every name of the part of the tree that `name` is in was recorded.
    pub fn is_whole_around(name: &str) -> bool {
        ["net.inet.", "net.inet6.", "kern.ipc."].iter().any(|part| name.starts_with(part))
    }
}
