//! Where profiles come from: a site's directory, files, standard input, and those built in.

use std::cell::OnceCell;
use std::path::Path;

use tune_host::SiteLibrary;
use tune_model::profile::{self, Library, ProfileText, Resolved};
use tune_model::{Catalog, Profile, System};

use crate::context::digested;
use crate::error::CliError;

/// Finds profiles by what stands for them on the command line.
pub(crate) struct Shelf {
    library: SiteLibrary,
    /// The profile on standard input, which can be read once.
    input: OnceCell<ProfileText>,
}

impl Shelf {
    pub(crate) const fn new(library: SiteLibrary) -> Self {
        Self { library, input: OnceCell::new() }
    }

    /// Finds a profile by name, path or `-`.
    fn text(&self, argument: &str) -> Result<Option<ProfileText>, CliError> {
        if argument == "-" {
            if self.input.get().is_none() {
                let _ = self.input.set(SiteLibrary::standard_input()?);
            }
            return Ok(self.input.get().cloned());
        }
        if argument.contains('/') {
            return Ok(Some(SiteLibrary::file(Path::new(argument))?));
        }
        Ok(self.library.find(argument)?)
    }

    pub(crate) fn resolve(&self, argument: &str, system: System) -> Result<Resolved, CliError> {
        match self.text(argument)? {
            Some(text) => Ok(profile::resolve_text(&self.library, Catalog::of, text, system)?),
            None => Ok(profile::resolve(&self.library, Catalog::of, argument, system)?),
        }
    }

    /// Loads profiles for a system; unsafe values only for the subjects allowed.
    pub(crate) fn load(
        &self,
        arguments: &[String],
        system: System,
        allowed: &[String],
    ) -> Result<Vec<Profile>, CliError> {
        arguments.iter().map(|argument| Ok(digested(self.resolve(argument, system)?, allowed)?)).collect()
    }
}
