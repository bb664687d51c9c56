//! `tune drop`: abort chosen connections.

use std::ops::ControlFlow;

use tune_host::AbortError;
use tune_model::transaction::Action;
use tune_report::{DropReport, Report};
use tune_sockets::diagnosis::fin_timeout;
use tune_sockets::drop::{Choice, Outcome, choose};
use tune_sockets::{Filter, Side, StateSet};
use tune_transaction::Surroundings;

use super::change::{self, Permit, again, command_line, watch_signals};
use super::trial;
use crate::args::Drop;
use crate::context::{Context, width};
use crate::error::CliError;
use crate::prompt::Answer;
use crate::{exit, output, prompt};

pub(crate) fn run(context: &Context, wanted: &Drop) -> Result<u8, CliError> {
    let filter = filter(wanted);
    let timeout = fin_timeout(context.host(), &*context.backend).shown;
    let choice = choose(context.host(), &filter, wanted.max, timeout)?;
    let mut report = report(context, wanted, &filter, choice);
    if wanted.dry_run {
        report.next = (!report.choice.chosen.is_empty()).then(|| again(None));
        report.notes.extend(report.choice.permitted().err().map(|error| error.to_string()));
        context.show(&report);
        return Ok(exit::MET);
    }
    if report.choice.chosen.is_empty() {
        context.show(&report);
        return Ok(exit::MET);
    }
    report
        .choice
        .permitted()
        .map_err(|error| CliError::failed(error.to_string()).hint("run tune as root"))?;
    if !wanted.yes && !agreed(context, &report)? {
        return Ok(exit::FAILED);
    }
    carry_out(context, report, wanted.detailed_exitcodes)
}

fn filter(wanted: &Drop) -> Filter {
    let side = match (wanted.orphaned, wanted.held) {
        (true, _) => Some(Side::Orphaned),
        (_, true) => Some(Side::Held),
        _ => None,
    };
    Filter {
        states: wanted.state.iter().fold(StateSet::EMPTY, |all, more| all.union(*more)),
        side,
        older_than: wanted.older_than,
        peers: wanted.peer.clone(),
        local_ports: wanted.local_port.clone(),
        pids: wanted.pid.clone(),
    }
}

fn report(context: &Context, wanted: &Drop, filter: &Filter, choice: Choice) -> DropReport {
    DropReport {
        host: context.host_ref(),
        filter: filter.to_string(),
        choice,
        outcomes: None,
        dry_run: wanted.dry_run,
        transaction: None,
        next: None,
        notes: Vec::new(),
        verbose: context.verbose,
    }
}

/// Shows what is meant and asks.
fn agreed(context: &Context, report: &DropReport) -> Result<bool, CliError> {
    if !context.can_ask() {
        return Err(CliError::usage("nobody is there to be asked")
            .hint("do it without asking: --yes")
            .hint("see first what would be done: --dry-run"));
    }
    trial::refuse_waiting(context)?;
    output::say(&report.human(width()));
    match prompt::ask("Drop these connections", &[])? {
        Answer::Apply => Ok(true),
        _ => {
            output::say("nothing was changed\n");
            Ok(false)
        }
    }
}

fn carry_out(context: &Context, mut report: DropReport, detailed: bool) -> Result<u8, CliError> {
    let interrupt = watch_signals()?;
    let store = context.open_store()?;
    let mut locked = store.lock(&command_line())?;
    change::recover(context, &mut locked)?;
    let boot_id = context.host().boot_id();
    let permit = Permit(context);
    let surroundings = Surroundings { machine: context.machine(), policy: &permit, boot_id: &boot_id };
    let action = Action::Drop { filter: report.filter.clone() };
    let begun = locked.begin_final(&surroundings, action, context.scope(), report.changes())?;
    report.transaction = Some(begun.id());
    let outcomes = report.choice.carry_out(context.machine(), &mut |_, _| {
        if interrupt.asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    // It was permitted before, and the choice is the same.
    let outcomes = outcomes.map_err(|error| CliError::failed(error.to_string()))?;
    let denied = outcomes.first() == Some(&Outcome::Failed(AbortError::Denied));
    report.outcomes = Some(outcomes);
    if let Err(error) = begun.end(report.changes(), Some(report.message())) {
        report.notes.push(format!("what was dropped is not in the history: {error}"));
    }
    if interrupt.asked() {
        report.notes.push("interrupted: what was dropped stays so".to_owned());
    }
    if denied {
        report.notes.push("aborting connections needs CAP_NET_ADMIN in their network namespace".to_owned());
    }
    context.show(&report);
    Ok(report.exit_status(detailed))
}
