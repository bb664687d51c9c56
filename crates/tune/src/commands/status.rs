//! `tune status`: the settings of this host.

use tune_engine::overview::{Decided, Overview};
use tune_model::transaction::TransactionState;
use tune_report::StatusReport;
use tune_report::status::{DecidedBy, SettingState, Waiting};

use crate::context::Context;
use crate::error::CliError;
use crate::exit;

pub(crate) fn run(context: &Context) -> Result<u8, CliError> {
    context.show(&look(context));
    Ok(exit::MET)
}

/// Returns the state of a host.
pub(crate) fn look(context: &Context) -> StatusReport {
    let (claims, unseen) = context.claims_seen();
    let engine = context.engine();
    let scope = engine.claims_here(&claims);
    let mut active: Vec<String> = Vec::new();
    for claim in scope.runtime.values().chain(scope.boot.values()).flat_map(|holding| &holding.claims) {
        if !active.contains(&claim.profile) {
            active.push(claim.profile.clone());
        }
    }
    let (transactions, unknown) = waiting(context);
    let settings: Vec<_> = engine.overview(&scope).into_iter().map(setting).collect();
    let undecided = shared_reason(&settings);
    let differences = if context.verbose { context.backend.differences(context.host()) } else { Vec::new() };
    StatusReport {
        host: context.host_ref(),
        settings,
        boot_tool: context.backend.boot_story(context.host(), "").tool,
        active,
        transactions,
        notes: unseen.into_iter().chain(unknown).chain(undecided).chain(differences).collect(),
    }
}

/// Returns what keeps the next boot of several settings from being told, such as a file that may not be read.
fn shared_reason(settings: &[SettingState]) -> Option<String> {
    let mut reasons = settings.iter().filter_map(|state| match &state.decided_by {
        DecidedBy::Unknown { reason } => Some(reason),
        _ => None,
    });
    let first = reasons.next()?;
    reasons.any(|reason| reason == first).then(|| format!("the next boot: {first}"))
}

fn setting(found: Overview) -> SettingState {
    SettingState {
        setting: found.subject,
        effective: found.now,
        boot_effective: found.next,
        default: found.default,
        decided_by: match found.decided {
            Decided::Line(place) => DecidedBy::File(place),
            Decided::Kernel => DecidedBy::KernelDefault,
            Decided::Nothing => DecidedBy::NotApplicable,
            Decided::Unknown(reason) => DecidedBy::Unknown { reason },
        },
        tunables: found.tunables,
        mutability: found.mutability,
        out_of_scope: found.out_of_scope,
        notes: found.notes,
    }
}

/// Returns the transactions that are not finished, as far as the caller may see them, and what keeps them from being
/// seen in a directory that is otherwise fit to be looked at.
fn waiting(context: &Context) -> (Vec<Waiting>, Option<String>) {
    let Ok(Some(store)) = context.look_at_store() else { return (Vec::new(), None) };
    let (mut entries, unknown) = match context.history(&store) {
        Err(error) => (Vec::new(), Some(format!("what tune did is not known: {error}"))),
        Ok(entries) => (entries, None),
    };
    // A crash may leave a journal that the history does not show yet.
    let open = context.unfinished().ok().flatten();
    entries.extend(open.filter(|open| entries.iter().all(|entry| entry.id != open.id)));
    let waits = |state| {
        matches!(
            state,
            TransactionState::Open
                | TransactionState::AwaitingConfirmation
                | TransactionState::AwaitingReboot
        )
    };
    let open = entries.into_iter().filter(|entry| waits(entry.state));
    (open.map(|entry| context.waiting(entry)).collect(), unknown)
}
