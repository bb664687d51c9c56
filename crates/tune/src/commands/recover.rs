//! `tune recover`: finish what a crash interrupted.

use tune_model::transaction::StepResult;
use tune_report::RecoverReport;

use super::change::{self, command_line};
use crate::context::Context;
use crate::error::CliError;

pub(crate) fn run(context: &Context) -> Result<u8, CliError> {
    let mut report = RecoverReport { recovered: Vec::new(), changes: Vec::new(), stuck: Vec::new() };
    // Where there is no state there is nothing to recover, and none is made.
    if context.look_at_store()?.is_some() {
        let store = context.open_store()?;
        let mut locked = store.lock(&command_line())?;
        if let Some(found) = change::recover(context, &mut locked)? {
            let history = store.history()?;
            report.recovered = history.into_iter().filter(|entry| entry.id == found.transaction).collect();
            report.stuck = found.steps.iter().filter_map(stuck).collect();
        }
    }
    context.show(&report);
    Ok(report.exit_status())
}

fn stuck(result: &StepResult) -> Option<String> {
    match result {
        StepResult::Stuck { reason } => Some(reason.clone()),
        _ => None,
    }
}
