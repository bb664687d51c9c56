//! The names by which people call these systems: `hp-ux`, `HPUX`, `hp-ux-11i`, `aix-5.3`, `sunos-4.1.4`.

use super::{Legacy, LegacySystem, Release};
use crate::system::System;

/// A system that somebody named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named<'a> {
    /// The system.
    pub system: &'a LegacySystem,
    /// The release, where one was named.
    pub release: Option<&'a Release>,
}

impl<'a> Named<'a> {
    /// Returns the releases that are meant: the one that was named, or all.
    pub fn releases(&self) -> impl Iterator<Item = &'a Release> + use<'a> {
        let named = self.release;
        self.system.releases.iter().filter(move |release| named.is_none_or(|named| named == *release))
    }

    /// Returns the one release to write for: the one that was named, or the newest.
    #[must_use]
    pub fn one(&self) -> &'a Release {
        self.release.unwrap_or_else(|| self.system.newest())
    }
}

/// There is no system of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown system {name:?}{}", crate::did_you_mean(.nearest.as_deref()))]
pub struct UnknownSystem {
    /// What was asked for.
    pub name: String,
    /// The valid name nearest to it, if any is near.
    pub nearest: Option<String>,
}

impl Legacy {
    /// Finds a system by its name or another that it goes by, with or without a version behind it.
    ///
    /// # Errors
    ///
    /// [`UnknownSystem`] with the nearest name.
    pub fn named(&self, text: &str) -> Result<Named<'_>, UnknownSystem> {
        let name = folded(text);
        let mut found: Vec<(&LegacySystem, &str)> = Vec::new();
        for system in self.iter() {
            let rest = system.names().filter_map(|called| version_behind(&name, called));
            found.extend(rest.map(|rest| (system, rest)));
        }
        // The longest name wins: the least is left of what was typed.
        let best = found.into_iter().min_by_key(|(_, rest)| rest.len());
        best.map(|(system, rest)| Named { system, release: system.release_of(rest) }).ok_or_else(|| {
            UnknownSystem { name: text.to_owned(), nearest: crate::nearest(&name, self.every_name()) }
        })
    }

    /// Returns every name that can be given, those of systems with a backend included.
    pub fn every_name(&self) -> impl Iterator<Item = &str> {
        let live = System::ALL.iter().map(|system| system.name());
        live.chain(self.iter().flat_map(LegacySystem::names))
    }
}

impl LegacySystem {
    fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.name.as_str()).chain(self.aliases.iter().map(String::as_str))
    }

    /// Returns the generation that a version belongs to: the last one that began with it or before it. What is older than
    /// the first that is known counts as that.
    fn release_of(&self, version: &str) -> Option<&Release> {
        let wanted = numbers(version);
        if wanted.is_empty() {
            return None;
        }
        let begun = self.releases.iter().rev().find(|release| numbers(&release.name) <= wanted);
        begun.or_else(|| self.releases.first())
    }
}

fn folded(text: &str) -> String {
    text.trim().to_lowercase().replace(['_', ' ', '/'], "-")
}

/// Returns what stands behind a system's name, if that is nothing or a version.
fn version_behind<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let rest = text.strip_prefix(name)?;
    let version = rest.trim_start_matches(['-', '.', '@', ':']);
    let version = version.strip_prefix('v').unwrap_or(version);
    (rest.is_empty() || version.starts_with(|c: char| c.is_ascii_digit())).then_some(version)
}

/// Returns the numbers that a version begins with: `11.31` of `11.31i`.
fn numbers(version: &str) -> Vec<u32> {
    let plain = version.split(|c: char| !c.is_ascii_digit() && c != '.').next().unwrap_or_default();
    plain.split('.').map_while(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn systems_are_found_by_the_names_that_people_type() {
        for (typed, system, release) in [
            ("hp-ux", "hp-ux", None),
            ("HPUX", "hp-ux", None),
            ("hp-ux-10.20", "hp-ux", Some("10")),
            ("hpux11i", "hp-ux", Some("11")),
            ("HP-UX 11.31", "hp-ux", Some("11")),
            ("aix", "aix", None),
            ("aix-4.1", "aix", Some("4.2")),
            ("aix-4.2", "aix", Some("4.2")),
            ("aix-4.3.3", "aix", Some("4.3")),
            ("aix7.2", "aix", Some("4.3")),
            ("irix", "irix", None),
            ("mp-ras", "mp-ras", None),
            ("mp-ras-2.03", "mp-ras", Some("2")),
            ("mpras-3", "mp-ras", Some("3")),
            ("dynix-ptx", "dynix-ptx", None),
            ("DYNIX/ptx", "dynix-ptx", None),
            ("sunos-4", "sunos-4", None),
            ("sunos-4.1.4", "sunos-4", Some("4")),
            ("bsd-os", "bsd-os", None),
            ("BSD/OS", "bsd-os", None),
            ("bsdi", "bsd-os", None),
            ("tru64", "tru64", None),
            ("osf1", "tru64", None),
            ("sco", "sco", None),
            ("netbsd", "netbsd", None),
            ("netbsd-10.1", "netbsd", Some("1")),
            ("openbsd", "openbsd", None),
            ("openbsd-6.9", "openbsd", Some("7.2")),
            ("openbsd-7.2", "openbsd", Some("7.2")),
            ("openbsd-7.3", "openbsd", Some("7.3")),
            ("openbsd-7.6", "openbsd", Some("7.3")),
            ("dragonfly", "dragonfly", None),
            ("macos", "macos", None),
            ("darwin", "macos", None),
            ("illumos", "solaris", None),
            ("solaris-10", "solaris", Some("2")),
            ("solaris-2.6", "solaris", Some("2")),
            ("solaris-11.4", "solaris", Some("11")),
            ("sunos-5.10", "solaris", Some("2")),
        ] {
            let found = Legacy::get().named(typed).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(found.system.name, system, "{typed}");
            assert_eq!(found.release.map(|release| release.name.as_str()), release, "{typed}");
        }
    }

    #[test]
    fn a_name_that_nobody_has_is_answered_with_the_nearest() {
        for (typed, nearest) in
            [("hp-xu", "hp-ux"), ("netsbd", "netbsd"), ("dragonfy", "dragonfly"), ("linus", "linux")]
        {
            let unknown = Legacy::get().named(typed).unwrap_err();
            assert_eq!(unknown.nearest.as_deref(), Some(nearest), "{typed}");
            assert!(unknown.to_string().ends_with(&format!("did you mean {nearest:?}?")), "{unknown}");
        }
        for typed in ["plan9", "", "hp-ux-", "hp-ux-eleven", "11"] {
            assert!(Legacy::get().named(typed).is_err(), "{typed}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_can_be_asked_for(text: String) {
            let _ = Legacy::get().named(&text);
        }
    }
}
