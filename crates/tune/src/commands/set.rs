//! `tune set`: single settings through the same engine, each as a profile of its own.

use tune_engine::Options;
use tune_model::profile::{Resolved, one_off};
use tune_model::transaction::Action;
use tune_model::{Catalog, Profile};

use super::change::{Intent, Wanted, again};
use super::plan::{options, switches};
use crate::args::Change;
use crate::context::Context;
use crate::error::CliError;
use crate::exit;
use crate::shelf::digested;

pub(crate) fn run(context: &Context, assignments: &[String], change: &Change) -> Result<u8, CliError> {
    let resolved: Resolved = one_off(assignments, Catalog::of, context.backend.system())
        .map_err(|mistakes| CliError::of_mistakes("usage", exit::USAGE, &mistakes))?;
    let profile = digested(resolved, &change.allow_unsafe)
        .map_err(|mistakes| CliError::of_mistakes("usage", exit::USAGE, &mistakes))?;
    let profiles = one_each(&profile);
    let action = Action::Apply { profiles: profiles.iter().map(|profile| profile.name.clone()).collect() };
    Wanted {
        intent: Intent::Apply(profiles),
        action,
        options: Options { by_name: true, ..options(context, change)? },
        switches: switches(change),
        again: Some(again(None)),
    }
    .run(context)
}

/// One profile for each setting, so that setting another one later leaves the first alone.
fn one_each(profile: &Profile) -> Vec<Profile> {
    let single = |requirement: tune_model::Requirement| Profile {
        name: format!("set:{}", requirement.subject),
        requirements: vec![requirement],
        ..profile.clone()
    };
    profile.requirements.iter().cloned().map(single).collect()
}
