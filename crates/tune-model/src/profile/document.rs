//! One text of a profile, taken apart but not yet joined with others.

use std::collections::BTreeMap;

use super::log::Spot;
use super::{Bound, Severity, Subject};
use crate::catalog::Tunable;
use crate::system::System;

macro_rules! keys {
    ($($variant:ident, $name:literal, $meaning:literal;)*) => {
        /// A key in the table of a requirement.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Key {
            $(#[doc = $meaning] $variant,)*
        }

        impl Key {
            /// Every key, in the order in which they are shown.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Every key's name, in the same order.
            pub const NAMES: &'static [&'static str] = &[$($name),*];

            /// Returns the name, as a profile writes it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// Returns what it means, in a sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning),* }
            }
        }
    };
}

keys! {
    Exactly, "exactly", "The one value allowed, or \"vendor-default\" for what the system would have without tune.";
    AtLeast, "at_least", "The smallest value allowed.";
    AtMost, "at_most", "The largest value allowed.";
    Prefer, "prefer", "The value to choose inside the bounds when the present one has to change.";
    Optional, "optional", "Forgives a system that has nothing of the kind.";
    Severity, "severity", "How much it matters that the requirement is not met.";
    Why, "why", "The reason, in a sentence or two.";
    Reference, "reference", "Where the reason can be looked up.";
    Uncatalogued, "uncatalogued", "Says that the tunable is meant although the catalog does not know it.";
    Remove, "remove", "Drops what was inherited; stands alone.";
}

impl Key {
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|key| key.name() == name)
    }

    /// Tells whether it states a value.
    #[must_use]
    pub const fn is_value(self) -> bool {
        matches!(self, Self::Exactly | Self::AtLeast | Self::AtMost | Self::Prefer)
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

crate::serialize_as_text!(Key);

/// What a key is set to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    VendorDefault,
    Bound(Bound),
    Flag(bool),
    Severity(Severity),
    Text(String),
}

/// A key's content and where it is written.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) spot: Spot,
    pub(super) content: Content,
}

/// A requirement as it is written, key by key.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) spot: Spot,
    /// What the catalog knows of the tunable.
    pub(super) row: Option<&'static Tunable>,
    /// The tunable needs `uncatalogued = true`: what to tell who forgot.
    pub(super) unknown: Option<String>,
    /// Every key could be read, so that what is missing was never written.
    pub(super) whole: bool,
    pub(super) entries: BTreeMap<Key, Entry>,
}

impl Table {
    pub(super) fn bound(&self, key: Key) -> Option<&Bound> {
        match &self.entries.get(&key)?.content {
            Content::Bound(bound) => Some(bound),
            _ => None,
        }
    }

    pub(super) fn is_removed(&self) -> bool {
        self.entries.contains_key(&Key::Remove)
    }

    pub(super) fn flag(&self, key: Key) -> bool {
        matches!(self.entries.get(&key), Some(Entry { content: Content::Flag(true), .. }))
    }

    pub(super) fn text(&self, key: Key) -> Option<String> {
        match &self.entries.get(&key)?.content {
            Content::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    pub(super) fn severity(&self) -> Severity {
        match self.entries.get(&Key::Severity) {
            Some(Entry { content: Content::Severity(severity), .. }) => *severity,
            _ => Severity::default(),
        }
    }

    /// Lays single keys over this table; an exact value and bounds displace each other.
    pub(super) fn overlay(&mut self, over: Self) {
        const BOUNDS: [Key; 3] = [Key::AtLeast, Key::AtMost, Key::Prefer];
        if over.is_removed() {
            *self = over;
            return;
        }
        if over.entries.contains_key(&Key::Exactly) {
            self.entries.retain(|key, _| !BOUNDS.contains(key));
        } else if BOUNDS.iter().any(|key| over.entries.contains_key(key)) {
            self.entries.remove(&Key::Exactly);
        }
        self.whole &= over.whole;
        self.entries.extend(over.entries);
    }
}

/// One text of a profile.
#[derive(Debug, Clone, Default)]
pub(super) struct Document {
    pub(super) name: Option<String>,
    pub(super) summary: Option<String>,
    /// The parents, in the order in which they are written.
    pub(super) extends: Option<Vec<(String, Spot)>>,
    /// The tables, by the system that they are for (`None`: all) and what they are about.
    pub(super) tables: BTreeMap<(Option<System>, Subject), Table>,
}

impl Document {
    /// Returns the tables for one system: its own replace the portable ones. `None` has the portable ones only.
    pub(super) fn on(&self, system: Option<System>) -> BTreeMap<&Subject, &Table> {
        let of = |wanted: Option<System>| {
            let tables = self.tables.iter().filter(move |((system, _), _)| *system == wanted);
            tables.map(|((_, subject), table)| (subject, table))
        };
        of(None).chain(of(system)).collect()
    }
}
