//! What is known of systems that `tune` has no backend for: old ones, and those nobody had at hand.
//!
//! Every row keeps its evidence. Where two sources disagree both are kept, and nothing is made of general knowledge alone
//! unless somebody asks for it.

mod name;
mod translation;
mod unit;

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::quantity::Quantity;
use crate::setting::Setting;
use crate::system::System;

pub use name::{Named, UnknownSystem};
pub use translation::{Amount, Assignment, LeftOut, Reason, Translation};
pub use unit::{Inexact, Unit};

/// What a statement rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// A claim of Apache's page on FIN_WAIT_2 of 1997 and 1998, carried as a claim.
    PageClaim,
    /// A public document that was read.
    Document,
    /// The system's own source, which was read.
    Source,
    /// A document about another system of the same descent.
    Analogy,
    /// General knowledge that nobody confirmed.
    GeneralKnowledge,
}

impl Mark {
    /// Returns the mark in words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::PageClaim => "claim of the Apache page",
            Self::Document => "document",
            Self::Source => "source, read",
            Self::Analogy => "by analogy, unconfirmed",
            Self::GeneralKnowledge => "general knowledge, unconfirmed",
        }
    }

    /// Tells whether commands may be made of it without asking for unverified ones.
    #[must_use]
    pub const fn is_confirmed(self) -> bool {
        matches!(self, Self::PageClaim | Self::Document | Self::Source)
    }
}

/// How a system provides a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// By a number that can be set.
    Tunable,
    /// It follows from other settings.
    Derived,
    /// It is a constant.
    Fixed,
    /// By a patch of the vendor.
    Patch,
    /// By something that no source names.
    Unknown,
    /// Not at all.
    None,
}

/// A part of a row, where one part rests on less than the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The name of the tunable.
    Name,
    /// The unit.
    Unit,
    /// The default.
    Default,
    /// The range.
    Range,
    /// How the value is bounded without a knob.
    Bound,
}

/// A statement that another source contradicts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// What is claimed.
    pub claim: String,
    /// By whom.
    pub source: String,
    /// What it rests on.
    pub mark: Mark,
}

/// A timeout that is a number of probes times the time between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Product {
    /// The number of probes, where it is a constant of the system.
    pub probes: Option<u32>,
    /// It is looked at once more every interval, so that it can last one interval longer.
    #[serde(default)]
    pub again: bool,
}

/// What is known of one setting on one system.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// A name of its own, to be quoted in scripts.
    pub id: String,
    /// The releases that it is about; all where none is named.
    #[serde(default)]
    pub releases: Vec<String>,
    /// The setting.
    #[serde(deserialize_with = "setting")]
    pub setting: Setting,
    /// How it is provided.
    pub way: Way,
    /// A second mechanism that bounds the same thing: told, never set for a profile.
    #[serde(default)]
    pub beside: bool,
    /// What sets it.
    pub tool: Option<String>,
    /// The system's own name for it.
    pub tunable: Option<String>,
    /// The unit of its numbers.
    pub unit: Option<Unit>,
    /// The default, in that unit.
    pub default: Option<i128>,
    /// The default in words, or what its number means.
    pub default_text: Option<String>,
    /// 0 switches it off: as a timeout, it never runs out.
    #[serde(default)]
    pub zero_is_never: bool,
    /// The numbers that the system takes.
    pub range: Option<(i128, i128)>,
    /// Smaller numbers than the present one are refused.
    #[serde(default)]
    pub raise_only: bool,
    /// What it is the product of.
    pub product: Option<Product>,
    /// What bounds the same thing, where there is no knob for it.
    pub bounded_by: Option<String>,
    /// Whom a change reaches, in words.
    pub takes_hold: Option<String>,
    /// What undoing takes besides the value before.
    pub undo: Option<String>,
    /// What it rests on.
    pub mark: Mark,
    /// The parts of it that are general knowledge only.
    #[serde(default)]
    pub general: Vec<Part>,
    /// Why no command is made of it although it is confirmed.
    pub withheld: Option<String>,
    /// What can go wrong, a sentence each.
    #[serde(default)]
    pub cautions: Vec<String>,
    /// Where sources disagree: every claim, none of them preferred in silence.
    #[serde(default)]
    pub conflicts: Vec<Claim>,
    /// Where it was found.
    pub sources: Vec<String>,
}

fn setting<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Setting, D::Error> {
    let name = <String as Deserialize>::deserialize(deserializer)?;
    name.parse().map_err(serde::de::Error::custom)
}

impl Row {
    /// Tells whether it is about a release.
    #[must_use]
    pub fn is_about(&self, release: &Release) -> bool {
        self.releases.is_empty() || self.releases.contains(&release.name)
    }

    /// Returns the default as a value; `None` where it is not known or 0 stands for never.
    #[must_use]
    pub fn default_amount(&self) -> Option<Quantity> {
        let raw = self.default.filter(|raw| !(self.zero_is_never && *raw == 0))?;
        self.unit?.amount(self.setting.kind(), raw)
    }

    /// Returns what a part rests on.
    #[must_use]
    pub fn mark_of(&self, part: Part) -> Mark {
        if self.general.contains(&part) { Mark::GeneralKnowledge } else { self.mark }
    }

    /// Tells whether name and unit are confirmed, so that a command may be made of them.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.mark_of(Part::Name).is_confirmed() && self.mark_of(Part::Unit).is_confirmed()
    }
}

/// What keeps a value for the next boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootFile {
    /// The file.
    pub path: String,
    /// The lines of a setting; `{name}`, `{value}` and `{index}` stand for what is filled in. None where only words say it.
    #[serde(default)]
    pub lines: Vec<String>,
    /// The command that makes the system read the file now.
    pub reload: Option<String>,
    /// What there is to know about it.
    pub note: String,
    /// A script may add to it. Otherwise the lines are shown to be added by hand.
    #[serde(default)]
    pub by_script: bool,
    /// What it rests on.
    pub mark: Mark,
}

/// How a system is told things. In its commands `{name}` and `{value}` stand for what is filled in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// The command.
    pub name: String,
    /// The releases that have it so; all where none is named.
    #[serde(default)]
    pub releases: Vec<String>,
    /// Prints the value; the number is the last word.
    pub read: String,
    /// Sets the running system.
    pub set: String,
    /// Sets the running system and the next boot, where the release knows it.
    pub set_both: Option<String>,
    /// It may stand in comments only: its form differs between releases.
    #[serde(default)]
    pub comment_only: bool,
    /// What keeps a value for the next boot.
    pub boot: Option<BootFile>,
    /// What it rests on.
    pub mark: Mark,
    /// What there is to know about it.
    pub note: Option<String>,
}

impl Tool {
    /// Returns a command or line of it for a tunable and a value.
    #[must_use]
    pub fn filled(template: &str, name: &str, value: &str) -> String {
        template.replace("{name}", name).replace("{value}", value)
    }
}

/// A tunable that tells in which unit a release counts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guard {
    /// Its name.
    pub tunable: String,
    /// What it has to be; where nothing is stated it must not be there.
    pub value: Option<i128>,
    /// What another answer means.
    pub otherwise: String,
}

/// One generation of a system, as far as it differs from the others.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Its first version: what stands behind the system's name on the command line.
    pub name: String,
    /// The system's name with the versions meant, as in a sentence.
    pub title: String,
    /// The system's backend knows more of it.
    #[serde(default)]
    pub catalogued: bool,
    /// What tells that a host counts as this release does.
    pub guard: Option<Guard>,
}

/// One system, and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LegacySystem {
    /// The name on the command line.
    pub name: String,
    /// Other names that it goes by.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// The name in a sentence.
    pub title: String,
    /// What `uname -s` prints there, where a script has to know.
    pub uname: Option<String>,
    /// The system with a backend whose history this is.
    pub live: Option<System>,
    /// What an administrator should know first.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Its generations, the oldest first.
    #[serde(rename = "release")]
    pub releases: Vec<Release>,
    /// How it is told things.
    #[serde(default, rename = "tool")]
    pub tools: Vec<Tool>,
    /// What is known of it.
    #[serde(default, rename = "row")]
    pub rows: Vec<Row>,
}

impl LegacySystem {
    /// Returns what is known of a setting on a release, the chief mechanism first.
    pub fn rows_on<'a>(
        &'a self,
        release: &'a Release,
        setting: Setting,
    ) -> impl Iterator<Item = &'a Row> + use<'a> {
        let about = move |row: &&Row| row.setting == setting && row.is_about(release);
        let chief = self.rows.iter().filter(about).filter(|row| !row.beside);
        chief.chain(self.rows.iter().filter(about).filter(|row| row.beside))
    }

    /// Returns what is known of the chief mechanism behind a setting on a release.
    #[must_use]
    pub fn row<'a>(&'a self, release: &'a Release, setting: Setting) -> Option<&'a Row> {
        self.rows_on(release, setting).find(|row| !row.beside)
    }

    /// Returns the tool that a row names, as a release has it.
    #[must_use]
    pub fn tool(&self, release: &Release, row: &Row) -> Option<&Tool> {
        let name = row.tool.as_ref()?;
        let of = |tool: &&Tool| tool.releases.is_empty() || tool.releases.contains(&release.name);
        self.tools.iter().filter(of).find(|tool| tool.name == *name)
    }

    /// Returns the newest release that is known.
    ///
    /// # Panics
    ///
    /// Never: every system of the catalog has one, which a test sees to.
    #[must_use]
    pub fn newest(&self) -> &Release {
        self.releases.last().expect("every system has a release")
    }
}

/// Everything that is known of systems without a backend.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Legacy {
    #[serde(rename = "system")]
    systems: Vec<LegacySystem>,
}

impl Legacy {
    /// Returns the catalog.
    #[must_use]
    pub fn get() -> &'static Self {
        static CATALOG: LazyLock<Legacy> = LazyLock::new(|| {
            let source = include_str!(concat!(env!("OUT_DIR"), "/legacy.json"));
            serde_json::from_str(source).expect("the build script wrote it; a test reads it")
        });
        &CATALOG
    }

    /// Returns the systems, in the order in which they are shown.
    pub fn iter(&self) -> impl Iterator<Item = &LegacySystem> {
        self.systems.iter()
    }
}
