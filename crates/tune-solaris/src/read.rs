//! Reading properties: now, after the next boot, and by default.

use std::collections::{BTreeMap, BTreeSet};

use tune_host::property::{self, Shown};
use tune_host::{Host, ReadError};
use tune_model::claim::ScopeClaims;
use tune_model::native::Property;
use tune_model::reading::{Reading, Readings, Text, Unread};
use tune_model::{Catalog, System};

use crate::boot::{NextBoot, Predicted, Which};
use crate::ground::{Ground, Zone};
use crate::names;

/// What the program that keeps them says of tunables.
#[derive(Debug, Clone, Default)]
pub(crate) struct Found {
    by_name: BTreeMap<String, (Property, Shown)>,
    failed: BTreeMap<String, ReadError>,
}

impl Found {
    /// Returns a tunable's property, and what is shown of it.
    pub(crate) fn get(&self, tunable: &str) -> Option<&(Property, Shown)> {
        self.by_name.get(tunable)
    }

    /// Says why nothing is known of a tunable.
    pub(crate) fn why_not(&self, tunable: &str) -> String {
        self.failed.get(tunable).map_or_else(|| "it cannot be read".to_owned(), ToString::to_string)
    }

    /// Returns what is shown of every tunable that was found.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Property, &Shown)> {
        self.by_name.iter().map(|(name, (property, shown))| (name.as_str(), property, shown))
    }
}

/// Asks for tunables: once for each protocol, by all the names that they may have.
pub(crate) fn ask<'n>(host: &dyn Host, ground: &Ground, tunables: impl Iterator<Item = &'n str>) -> Found {
    let mut found = Found::default();
    let Ok(keeper) = ground.keeper.clone() else { return found };
    let mut by_protocol: BTreeMap<String, Vec<(&str, Property)>> = BTreeMap::new();
    for tunable in tunables.collect::<BTreeSet<_>>() {
        for property in names::candidates(keeper, tunable) {
            by_protocol.entry(property.protocol.clone()).or_default().push((tunable, property));
        }
    }
    for (protocol, asked) in by_protocol {
        let names: Vec<String> = asked.iter().map(|(_, property)| property.name.clone()).collect();
        let shown = property::read_all(host, keeper, &protocol, &names);
        for ((tunable, property), shown) in asked.into_iter().zip(shown) {
            found.put(tunable, property, shown);
        }
    }
    found
}

impl Found {
    /// The first name that is known counts.
    fn put(&mut self, tunable: &str, property: Property, shown: Result<Shown, ReadError>) {
        match shown {
            _ if self.by_name.contains_key(tunable) => {}
            Ok(shown) => {
                self.failed.remove(tunable);
                self.by_name.insert(tunable.to_owned(), (property, shown));
            }
            Err(error) => {
                self.failed.entry(tunable.to_owned()).or_insert(error);
            }
        }
    }
}

pub(crate) fn read(
    host: &dyn Host,
    ground: &Ground,
    tunables: &BTreeSet<String>,
    claims: &ScopeClaims,
) -> (Readings, Found) {
    let found =
        if ground.image { Found::default() } else { ask(host, ground, tunables.iter().map(String::as_str)) };
    let next = NextBoot::of(host, ground, &found, claims);
    let reader = Reader { ground, found: &found, next: &next };
    let readings = tunables.iter().map(|name| (name.clone(), reader.reading(name))).collect();
    (readings, found)
}

struct Reader<'a> {
    ground: &'a Ground,
    found: &'a Found,
    next: &'a NextBoot,
}

impl Reader<'_> {
    fn reading(&self, tunable: &str) -> Reading {
        let boot = self.next.predict(tunable, Which::AsIs);
        let without = self.next.predict(tunable, Which::WithoutTune);
        let live = self.live(tunable);
        let there = |predicted: Predicted| match &live {
            // The next kernel is taken to be the one that runs.
            Err(unread @ Unread::Missing(_)) => (Err(unread.clone()), None),
            _ => (predicted.text, predicted.source),
        };
        let ((boot, boot_source), (boot_without_tune, boot_without_tune_source)) =
            (there(boot), there(without));
        Reading {
            boot,
            boot_source,
            boot_without_tune,
            boot_without_tune_source,
            default: self.next.default(tunable).ok(),
            out_of_scope: self.out_of_scope(tunable),
            mutability: None,
            notes: self.next.notes(tunable),
            live,
        }
    }

    fn live(&self, tunable: &str) -> Text {
        if self.ground.image {
            return Err(Unread::NotApplicable(format!("{tunable} has no live value in an image")));
        }
        if let Err(reason) = &self.ground.keeper {
            return Err(Unread::Unclear(reason.clone()));
        }
        match (self.found.by_name.get(tunable), self.found.failed.get(tunable)) {
            (Some((_, shown)), _) => Ok(shown.current.trim().to_owned()),
            (None, Some(ReadError::Missing(_)) | None) => Err(Unread::Missing(self.missing(tunable))),
            (None, Some(error)) => Err(Unread::Unclear(error.to_string())),
        }
    }

    fn missing(&self, tunable: &str) -> String {
        match Catalog::of(System::Solaris).get(tunable) {
            Some(row) if !row.former_names.is_empty() => {
                format!("this kernel has neither {tunable} nor {}", row.former_names.join(", "))
            }
            _ => format!("this kernel has no {tunable}"),
        }
    }

    fn out_of_scope(&self, tunable: &str) -> Option<String> {
        let Zone::Shared(zone) = &self.ground.zone else { return None };
        Some(format!(
            "{tunable} belongs to the global zone: zone {zone} uses its IP stack, sees its value and cannot set it"
        ))
    }
}

/// Returns why the running kernel would not take a number, in the range that it names itself.
pub(crate) fn out_of_range(tunable: &str, property: &Property, shown: &Shown, text: &str) -> Option<String> {
    let number = tune_model::native::number(text)?;
    if !shown.writable {
        return Some(format!("{property} can only be read on this system"));
    }
    // The upper end of a buffer is its limit, which may move first.
    let (low, high) = crate::boot::range(shown.possible.as_deref()?)?;
    let high = if crate::buffers::limit_of(tunable).is_some() { i128::MAX } else { high };
    (!(low..=high).contains(&number))
        .then(|| format!("{tunable} = {number} is outside of {low} to {high}, which this kernel takes"))
}

/// Says where the running kernel is not as the catalog has it.
pub(crate) fn differences(host: &dyn Host, ground: &Ground) -> Vec<String> {
    let catalog = Catalog::of(System::Solaris);
    if ground.image || ground.keeper != Ok(tune_model::Keeper::Ipadm) {
        return Vec::new();
    }
    let found = ask(host, ground, catalog.iter().map(|row| row.name.as_str()));
    let differs = |(tunable, _, shown): (&str, &Property, &Shown)| {
        let known = crate::boot::default_of(tunable, ground.family).ok()?.to_string();
        let default = shown.default.as_deref().filter(|default| **default != known)?;
        Some(format!(
            "{tunable} is not on this kernel as in the catalog: its default is {default} and not {known}"
        ))
    };
    found.iter().filter_map(differs).collect()
}
