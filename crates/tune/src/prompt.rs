//! Asking at a terminal.

use std::collections::BTreeSet;

use dialoguer::theme::SimpleTheme;
use dialoguer::{MultiSelect, Select};
use tune_host::Interrupt;
use tune_model::Subject;

use crate::error::CliError;

/// What was answered to a plan.
pub(crate) enum Answer {
    /// Do it.
    Apply,
    /// Leave these out and show the plan again.
    LeaveOut(BTreeSet<Subject>),
    /// Do nothing.
    Cancel,
}

/// Offers profiles, each with what it is for; `None` when none was chosen.
pub(crate) fn choose_profile(profiles: &[(String, String)]) -> Result<Option<String>, CliError> {
    answer_signals();
    let items: Vec<_> = profiles.iter().map(|(name, summary)| format!("{name:<20} {summary}")).collect();
    let chosen =
        Select::with_theme(&SimpleTheme).with_prompt("Profile").items(&items).default(0).interact_opt();
    Ok(chosen.map_err(lost)?.and_then(|at| profiles.get(at)).map(|(name, _)| name.clone()))
}

/// Asks what to do with a plan. `subjects` are those whose values change.
pub(crate) fn ask(question: &str, subjects: &[Subject]) -> Result<Answer, CliError> {
    answer_signals();
    let choices = ["yes, do it", "no, change nothing", "choose what to leave out"];
    let shown = if subjects.len() > 1 { &choices[..] } else { &choices[..2] };
    let chosen =
        Select::with_theme(&SimpleTheme).with_prompt(question).items(shown).default(1).interact_opt();
    match chosen.map_err(lost)? {
        Some(0) => Ok(Answer::Apply),
        Some(2) => leave_out(subjects),
        _ => Ok(Answer::Cancel),
    }
}

fn leave_out(subjects: &[Subject]) -> Result<Answer, CliError> {
    let items: Vec<_> = subjects.iter().map(|subject| (subject.to_string(), true)).collect();
    let prompt = "Space leaves one out, Enter goes on";
    let kept = MultiSelect::with_theme(&SimpleTheme).with_prompt(prompt).items_checked(items).interact_opt();
    let Some(kept) = kept.map_err(lost)? else { return Ok(Answer::Cancel) };
    let out = subjects.iter().enumerate().filter(|(at, _)| !kept.contains(at));
    Ok(Answer::LeaveOut(out.map(|(_, subject)| subject.clone()).collect()))
}

/// From the first question on a signal is to be answered, not to end the process with the cursor hidden.
fn answer_signals() {
    // Where that cannot be had, a signal ends the process as it always does, and nothing was changed yet.
    let _ = Interrupt::watch();
}

#[allow(clippy::needless_pass_by_value)] // as map_err hands it over
fn lost(error: dialoguer::Error) -> CliError {
    let _ = dialoguer::console::Term::stderr().show_cursor();
    match error {
        dialoguer::Error::IO(error) if error.kind() == std::io::ErrorKind::Interrupted => {
            CliError::failed("interrupted; nothing was changed")
        }
        other => CliError::failed(format!("the terminal was lost, nothing was changed: {other}")),
    }
}
