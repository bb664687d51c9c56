//! What can be wrong with a host, and from when on.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Something that is wrong with a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The caller has no authorization to change the network: `noauth`.
    #[serde(rename = "noauth")]
    NoAuth,
    /// The kernel refuses, for want of a privilege: `noperm`.
    #[serde(rename = "noperm")]
    NoPerm,
    /// ipmgmtd does not run; what it would store fails after the kernel has changed: `noipmgmtd`.
    #[serde(rename = "noipmgmtd")]
    NoIpmgmtd,
    /// The zone has no network stack of its own: `sharedzone`.
    #[serde(rename = "sharedzone")]
    SharedZone,
    /// The file of ipmgmtd's door is missing; nothing is stored, and nothing said: `nodoor`.
    #[serde(rename = "nodoor")]
    NoDoor,
    /// `ipadm.conf` is gone; nothing is stored, and nothing said: `noconf`. The file does go, and stays away.
    #[serde(rename = "noconf")]
    NoConf,
    /// The root is a ramdisk, as in the global zone of SmartOS: `ramdisk`.
    Ramdisk,
    /// The program says what nobody can read, and succeeds: `garbage`.
    Garbage,
    /// The program says nothing and does not end, for ten minutes at most or until its caller is gone: `hang`.
    Hang,
    /// The program is killed before it does anything: `killed`.
    Killed,
    /// The program is killed after the kernel has changed and before that is stored: `killed-halfway`.
    KilledHalfway,
}

impl Fault {
    /// Every fault.
    pub const ALL: &'static [Self] = &[
        Self::NoAuth,
        Self::NoPerm,
        Self::NoIpmgmtd,
        Self::SharedZone,
        Self::NoDoor,
        Self::NoConf,
        Self::Ramdisk,
        Self::Garbage,
        Self::Hang,
        Self::Killed,
        Self::KilledHalfway,
    ];

    /// Returns the name that it is chosen by.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoAuth => "noauth",
            Self::NoPerm => "noperm",
            Self::NoIpmgmtd => "noipmgmtd",
            Self::SharedZone => "sharedzone",
            Self::NoDoor => "nodoor",
            Self::NoConf => "noconf",
            Self::Ramdisk => "ramdisk",
            Self::Garbage => "garbage",
            Self::Hang => "hang",
            Self::Killed => "killed",
            Self::KilledHalfway => "killed-halfway",
        }
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|fault| fault.name() == name);
        found.copied().ok_or_else(|| format!("no fault is called {name:?}"))
    }
}

/// A fault, the calls that meet it, and how many of them before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switch {
    /// The fault.
    pub fault: Fault,
    /// The words that a call has to have, in this order, with the name of the program first; none means every call.
    pub words: Vec<String>,
    /// The first matching call that meets it, counted from 1.
    pub first: u64,
    /// How many meet it; none means all from then on.
    pub count: Option<u64>,
    /// How many calls have matched.
    pub seen: u64,
}

impl Switch {
    /// Every call meets the fault, from now on.
    pub const fn of(fault: Fault) -> Self {
        Self { fault, words: Vec::new(), first: 1, count: None, seen: 0 }
    }

    /// Only calls that have these words, in this order, match: `ipadm set-prop`.
    #[must_use]
    pub fn on(self, words: &str) -> Self {
        Self { words: words.split_whitespace().map(str::to_owned).collect(), ..self }
    }

    /// The first ones that match are spared: the `first`, counted from 1, meets the fault, and those after it.
    #[must_use]
    pub const fn from(mut self, first: u64) -> Self {
        self.first = first;
        self
    }

    /// Only so many calls meet the fault.
    #[must_use]
    pub const fn times(mut self, count: u64) -> Self {
        self.count = Some(count);
        self
    }

    /// Counts a call, and tells whether it meets the fault.
    pub(super) fn meets(&mut self, call: &[String]) -> bool {
        let mut rest = call.iter();
        if !self.words.iter().all(|word| rest.any(|said| said == word)) {
            return false;
        }
        self.seen += 1;
        self.seen >= self.first && self.count.is_none_or(|count| self.seen < self.first + count)
    }
}
