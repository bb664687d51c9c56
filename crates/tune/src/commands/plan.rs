//! `tune apply` and `tune plan`.

use tune_engine::Options;
use tune_model::profile::{Library, Profile};
use tune_model::transaction::Action;

use super::change::{Intent, Switches, Wanted, again, subjects};
use crate::args::{Apply, Change};
use crate::context::Context;
use crate::error::CliError;
use crate::{exit, prompt};

pub(crate) fn run(context: &Context, apply: &Apply) -> Result<u8, CliError> {
    let names =
        if apply.profiles.is_empty() { choose(context, &apply.change)? } else { apply.profiles.clone() };
    if names.is_empty() {
        return Ok(exit::FAILED);
    }
    let profiles = context.load(&names, &apply.change.allow_unsafe)?;
    let action = Action::Apply { profiles: profiles.iter().map(|profile| profile.name.clone()).collect() };
    let options = options(context, &apply.change)?;
    selects_something(&profiles, &options)?;
    Wanted {
        intent: Intent::Apply(profiles),
        action,
        options,
        switches: switches(&apply.change),
        again: (!names.iter().any(|name| name == "-")).then(|| again(None)),
    }
    .run(context)
}

/// A filter that leaves nothing is a slip.
fn selects_something(profiles: &[Profile], options: &Options) -> Result<(), CliError> {
    let filtered = !(options.only.is_empty() && options.except.is_empty());
    let mut required = profiles.iter().flat_map(|profile| &profile.requirements);
    if filtered && !required.any(|required| options.selects(&required.subject)) {
        return Err(CliError::usage("--only and --except leave nothing of what the profiles require")
            .hint("see what they require: tune profile show PROFILE"));
    }
    Ok(())
}

/// Offers the list at a terminal; elsewhere a profile has to be named.
fn choose(context: &Context, change: &Change) -> Result<Vec<String>, CliError> {
    let known = context.shelf.library.names();
    if !context.can_ask() || change.yes || change.dry_run {
        return Err(CliError::usage("name a profile").hint(format!("known profiles: {}", known.join(", "))));
    }
    let system = context.backend.system();
    let offered: Vec<_> = known
        .into_iter()
        .map(|name| {
            let summary =
                context.shelf.resolve(&name, system).map(|found| found.profile.summary).unwrap_or_default();
            (name, summary)
        })
        .collect();
    Ok(prompt::choose_profile(&offered)?.into_iter().collect())
}

pub(crate) fn options(context: &Context, change: &Change) -> Result<Options, CliError> {
    Ok(Options {
        runtime_only: change.runtime_only,
        boot_only: change.boot_only,
        take_over: change.take_over,
        accept_override: change.accept_override,
        overwrite_foreign: change.overwrite_foreign,
        all_or_nothing: false,
        rendering: false,
        by_name: false,
        skip_unsupported: change.skip_unsupported,
        accept_irreversible: change.accept_irreversible,
        allow_unsafe: subjects(context, &change.allow_unsafe)?,
        only: subjects(context, &change.only)?,
        except: subjects(context, &change.except)?,
        replace: change.replace.iter().cloned().collect(),
    })
}

pub(crate) const fn switches(change: &Change) -> Switches {
    Switches {
        dry_run: change.dry_run,
        yes: change.yes,
        diff: change.diff,
        detailed: change.detailed_exitcodes,
        confirm_within: change.confirm_within,
    }
}
