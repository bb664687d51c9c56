//! `tune apply --boot`: what a service runs at boot.
//!
//! Where the system keeps no values itself it sets all that is held. Where the system has set them, it sets what came to
//! be later, and says what else differs.

use std::collections::BTreeSet;

use tune_engine::Options;
use tune_model::Plan;
use tune_model::transaction::{Action, Outcome, TransactionState};
use tune_report::{Command, PlanReport, RunReport};

use super::change::{Intent, Switches, Wanted, again, command_line, recover};
use crate::args::Change;
use crate::context::Context;
use crate::error::CliError;
use crate::exit;

pub(crate) fn run(context: &Context, change: &Change) -> Result<u8, CliError> {
    let intent = match (context.backend.boots_by_itself(), context.backend.has_latecomers()) {
        (false, _) => Intent::Boot,
        (true, true) => Intent::Late,
        (true, false) => return Ok(nothing_to_do(context, "this system sets at boot what its files say")),
    };
    if matches!(intent, Intent::Late) {
        // Where there is no state nothing is held, and none is made.
        if context.look_at_store()?.is_none() {
            return Ok(nothing_to_do(context, "nothing was ever applied here"));
        }
        refuse_private_network(context)?;
        if !change.dry_run {
            note_absent(context)?;
        }
    }
    let (claims, unseen) = context.claims_seen();
    if let Some(reason) = unseen {
        return Err(CliError::failed(reason));
    }
    let here = context.engine().claims_here(&claims);
    let claims = here.boot.values().flat_map(|holding| &holding.claims);
    let profiles: BTreeSet<String> = claims.map(|claim| claim.profile.clone()).collect();
    Wanted {
        intent,
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

/// What the host's boot files say was never set in a network namespace of its own.
fn refuse_private_network(context: &Context) -> Result<(), CliError> {
    if !context.engine().would_leak() {
        return Ok(());
    }
    Err(CliError::failed(
        "this is a network namespace of its own, and what is held for the boot is the host's",
    )
    .hint("run it on the host: tune apply --boot"))
}

/// Finishes what a crash interrupted, and notes which of the tunables that are held are not there: what came later was not
/// set by the system.
fn note_absent(context: &Context) -> Result<(), CliError> {
    let store = context.open_store()?;
    let mut locked = store.lock(&command_line())?;
    recover(context, &mut locked)?;
    let absent = context.engine().absent(&store.claims()?);
    Ok(locked.note_absent(&context.host().boot_id(), absent)?)
}

/// A service that was left behind, or is started by hand, does no harm, and is told so in the form that it asks for.
fn nothing_to_do(context: &Context, why: &str) -> u8 {
    let plan = Plan {
        findings: Vec::new(),
        steps: Vec::new(),
        claims: None,
        refusals: Vec::new(),
        conflicts: Vec::new(),
        warnings: vec![format!("{why}: nothing is left to set")],
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
