//! `tune apply --boot`: what a service runs at boot where the system keeps no values itself.

use std::collections::BTreeSet;

use tune_engine::Options;
use tune_model::Plan;
use tune_model::transaction::{Action, Outcome, TransactionState};
use tune_report::{Command, PlanReport, RunReport};

use super::change::{Intent, Switches, Wanted, again};
use crate::args::Change;
use crate::context::Context;
use crate::error::CliError;
use crate::exit;

pub(crate) fn run(context: &Context, change: &Change) -> Result<u8, CliError> {
    if context.backend.boots_by_itself() {
        return Ok(nothing_to_do(context));
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

/// A service that was left behind, or is started by hand, does no harm, and is told so in the form that it asks for.
fn nothing_to_do(context: &Context) -> u8 {
    let why = "this system sets at boot what its files say: nothing is left to set";
    let plan = Plan {
        findings: Vec::new(),
        steps: Vec::new(),
        claims: None,
        refusals: Vec::new(),
        conflicts: Vec::new(),
        warnings: vec![why.to_owned()],
        changes: Vec::new(),
        reboot_required: false,
    };
    let plan = PlanReport {
        command: Command::Apply,
        host: context.host_ref(),
        profiles: Vec::new(),
        plan,
        with_diff: false,
        next: None,
        open_transaction: None,
        confirm_within: None,
    };
    let outcome =
        Outcome { transaction: None, state: TransactionState::Applied, steps: Vec::new(), failure: None };
    let state_dir = context.state_dir_named();
    context.show(&RunReport { plan, outcome, deadline: None, state_dir, to_do: Vec::new() });
    exit::MET
}
