//! Where the texts of profiles come from.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;

use super::Source;

/// The texts of one profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileText {
    /// The name by which it was found: the stem of its file.
    pub name: String,
    /// Where it comes from.
    pub source: Source,
    /// Its own text.
    pub text: String,
    /// The texts that override single keys of it, in the order in which they do.
    pub dropins: Vec<(PathBuf, String)>,
    /// It hides a built-in profile of the same name.
    pub shadows_built_in: bool,
}

/// A profile is there but cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("failed to read profile {name:?}")]
pub struct LibraryError {
    /// The profile.
    pub name: String,
    /// What went wrong, naming the file.
    #[source]
    pub cause: Box<dyn Error + Send + Sync>,
}

/// A place to look profiles up by name.
pub trait Library {
    /// Returns the texts of a profile, or `None` when there is none of that name.
    ///
    /// # Errors
    ///
    /// [`LibraryError`] when it is there but cannot be read or must not be trusted.
    fn find(&self, name: &str) -> Result<Option<ProfileText>, LibraryError>;

    /// Returns the names of all profiles, sorted.
    fn names(&self) -> Vec<String>;
}

/// The profiles that are part of the binary.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BuiltIn;

const BUILT_IN: &[(&str, &str)] = &[
    ("baseline", include_str!("../../../../profiles/baseline.toml")),
    ("fin-wait-2-relief", include_str!("../../../../profiles/fin-wait-2-relief.toml")),
    ("mobile-clients", include_str!("../../../../profiles/mobile-clients.toml")),
    ("reverse-proxy", include_str!("../../../../profiles/reverse-proxy.toml")),
    ("system-defaults", include_str!("../../../../profiles/system-defaults.toml")),
    ("web-server", include_str!("../../../../profiles/web-server.toml")),
];

impl BuiltIn {
    /// Returns the text of a built-in profile.
    #[must_use]
    pub fn text(name: &str) -> Option<&'static str> {
        BUILT_IN.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
    }
}

impl Library for BuiltIn {
    fn find(&self, name: &str) -> Result<Option<ProfileText>, LibraryError> {
        Ok(Self::text(name).map(|text| ProfileText {
            name: name.to_owned(),
            source: Source::BuiltIn,
            text: text.to_owned(),
            dropins: Vec::new(),
            shadows_built_in: false,
        }))
    }

    fn names(&self) -> Vec<String> {
        BUILT_IN.iter().map(|(name, _)| (*name).to_owned()).collect()
    }
}

/// Profiles held in memory, as if they were files of a site.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InMemory(BTreeMap<String, ProfileText>);

impl InMemory {
    /// Adds a profile.
    #[must_use]
    pub fn with(mut self, name: &str, text: &str) -> Self {
        let text = ProfileText {
            name: name.to_owned(),
            source: Source::File(PathBuf::from(format!("{name}.toml"))),
            text: text.to_owned(),
            dropins: Vec::new(),
            shadows_built_in: BuiltIn::text(name).is_some(),
        };
        self.0.insert(name.to_owned(), text);
        self
    }

    /// Adds a file to `NAME.d` of a profile that was added before.
    #[must_use]
    pub fn with_override(mut self, name: &str, file: &str, text: &str) -> Self {
        if let Some(profile) = self.0.get_mut(name) {
            profile.dropins.push((PathBuf::from(format!("{name}.d/{file}")), text.to_owned()));
            profile.dropins.sort();
        }
        self
    }
}

impl Library for InMemory {
    fn find(&self, name: &str) -> Result<Option<ProfileText>, LibraryError> {
        Ok(self.0.get(name).cloned())
    }

    fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_built_in_profile_is_found_by_its_sorted_name() {
        let names = BuiltIn.names();
        assert!(names.is_sorted());
        for name in &names {
            assert_eq!(BuiltIn.find(name).unwrap().unwrap().name, *name);
        }
        assert_eq!(BuiltIn.find("no-such").unwrap(), None);
    }
}
