//! `tune off`: give up what profiles hold.

use std::collections::BTreeSet;

use tune_engine::{Options, Release};
use tune_model::claim::ScopeClaims;
use tune_model::transaction::Action;

use super::change::{Intent, Switches, Wanted, again};
use crate::args::Undo;
use crate::context::Context;
use crate::error::CliError;

pub(crate) fn run(context: &Context, named: &[String], if_held: bool, undo: &Undo) -> Result<u8, CliError> {
    let (claims, unseen) = context.claims_seen();
    if let Some(reason) = unseen {
        return Err(CliError::failed(reason));
    }
    // The boot files are the host's, and so is what holds them.
    let runtime_only = context.engine().would_leak();
    let mut here = context.engine().claims_here(&claims);
    if runtime_only {
        here.boot.clear();
    }
    let profiles = chosen(holders(&here), named, if_held)?;
    let list: Vec<String> = profiles.iter().cloned().collect();
    Wanted {
        intent: Intent::Release(Release::Profiles(profiles)),
        again: Some(again(None)),
        action: Action::Off { profiles: list },
        options: Options { runtime_only, ..options(undo) },
        switches: switches(undo),
    }
    .run(context)
}

/// Returns which of the active profiles are meant: all where none is named.
fn chosen(active: BTreeSet<String>, named: &[String], if_held: bool) -> Result<BTreeSet<String>, CliError> {
    if named.is_empty() {
        return Ok(active);
    }
    let (held, not_held): (Vec<&String>, Vec<&String>) =
        named.iter().partition(|name| active.contains(*name));
    match not_held.first() {
        Some(unknown) if !if_held => Err(holds_nothing(unknown, &active)),
        _ => Ok(held.into_iter().cloned().collect()),
    }
}

fn holds_nothing(unknown: &str, active: &BTreeSet<String>) -> CliError {
    let hint =
        tune_model::did_you_mean(tune_model::nearest(unknown, active.iter().map(String::as_str)).as_deref());
    CliError::failed(format!("profile {unknown:?} holds nothing here{hint}"))
        .hint("see what is held: tune active")
}

/// Returns the profiles that hold something.
fn holders(claims: &ScopeClaims) -> BTreeSet<String> {
    let holdings = claims.runtime.values().chain(claims.boot.values());
    holdings.flat_map(|holding| &holding.claims).map(|claim| claim.profile.clone()).collect()
}

pub(crate) fn options(undo: &Undo) -> Options {
    Options {
        overwrite_foreign: undo.overwrite_foreign,
        all_or_nothing: undo.all_or_nothing,
        ..Options::default()
    }
}

pub(crate) const fn switches(undo: &Undo) -> Switches {
    Switches {
        dry_run: undo.dry_run,
        yes: undo.yes,
        diff: undo.diff,
        detailed: undo.detailed_exitcodes,
        confirm_within: None,
    }
}
