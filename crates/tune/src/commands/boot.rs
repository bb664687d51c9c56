//! `tune apply --boot`: what a service runs at boot where the system keeps no values itself.

use std::collections::BTreeSet;

use tune_engine::Options;
use tune_model::transaction::Action;

use super::change::{Intent, Switches, Wanted, again};
use crate::args::Change;
use crate::context::Context;
use crate::error::CliError;
use crate::{exit, output};

pub(crate) fn run(context: &Context, change: &Change) -> Result<u8, CliError> {
    if context.backend.boots_by_itself() {
        if context.format == crate::args::Format::Json {
            return Err(CliError::failed(
                "nothing is to be done: this system sets at boot what its files say",
            )
            .hint("see what is held: tune active"));
        }
        output::say("nothing is to be done: this system sets at boot what its files say\n");
        return Ok(exit::MET);
    }
    let (claims, unseen) = context.claims_seen();
    if let Some(reason) = unseen {
        return Err(CliError::failed(reason));
    }
    let here = context.engine().claims_here(&claims);
    let claims = here.boot.values().flat_map(|holding| &holding.claims);
    let profiles: BTreeSet<String> = claims.map(|claim| claim.profile.clone()).collect();
    Wanted {
        intent: Intent::Boot,
        action: Action::Apply { profiles: profiles.into_iter().collect() },
        options: Options { runtime_only: true, ..Options::default() },
        switches: Switches {
            dry_run: change.dry_run,
            yes: true,
            diff: change.diff,
            detailed: change.detailed_exitcodes,
            confirm_within: None,
        },
        again: Some(again(None)),
    }
    .run(context)
}
