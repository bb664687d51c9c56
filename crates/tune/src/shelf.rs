//! Where profiles come from: a site's directory, files, standard input, and those built in.

use std::cell::OnceCell;
use std::path::Path;

use tune_host::{Host, SiteLibrary};
use tune_model::profile::{self, Diagnostics, Library, ProfileText, Resolved};
use tune_model::{Catalog, Profile, System};

use crate::error::CliError;

/// Finds profiles by what stands for them on the command line.
pub(crate) struct Shelf {
    pub(crate) library: SiteLibrary,
    /// The profile on standard input, which can be read once.
    input: OnceCell<ProfileText>,
}

impl Shelf {
    /// The profiles of a host with this system.
    pub(crate) fn of(host: &dyn Host, system: System) -> Self {
        let library = SiteLibrary::inside(host.root(), system.profile_directory());
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

    /// Resolves a profile for a system; without one, its portable requirements.
    pub(crate) fn resolve(
        &self,
        argument: &str,
        system: impl Into<Option<System>>,
    ) -> Result<Resolved, CliError> {
        match self.text(argument)? {
            Some(text) => Ok(profile::resolve_text(&self.library, Catalog::of, text, system)?),
            None => Ok(profile::resolve(&self.library, Catalog::of, argument, system)?),
        }
    }

    pub(crate) fn check(&self, argument: &str) -> Result<Diagnostics, CliError> {
        match self.text(argument)? {
            Some(text) => Ok(profile::check_text(&self.library, Catalog::of, text)?),
            None => Ok(profile::check(&self.library, Catalog::of, argument)?),
        }
    }

    /// Loads profiles for a system, or their portable requirements; unsafe values only for the subjects allowed.
    pub(crate) fn load(
        &self,
        arguments: &[String],
        system: impl Into<Option<System>>,
        allowed: &[String],
    ) -> Result<Vec<Profile>, CliError> {
        let system = system.into();
        arguments.iter().map(|argument| Ok(digested(self.resolve(argument, system)?, allowed)?)).collect()
    }
}

/// Returns the profile with the digest of all text that went into it.
pub(crate) fn digested(resolved: Resolved, allowed: &[String]) -> Result<Profile, Diagnostics> {
    let texts: Vec<_> = resolved.inputs.iter().map(|input| input.text.clone()).collect();
    let mut profile = resolved.allowing(allowed)?;
    profile.digest = tune_transaction::digest(texts.iter().map(|text| text.as_bytes()));
    Ok(profile)
}
