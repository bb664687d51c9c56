//! The `tune` command: arguments, prompts and exit codes. It decides nothing by itself.
//!
//! It is a library so that the whole command can be run on another machine than the one it stands on: [`run`] opens
//! machines through [`Doors`] only.

#![forbid(unsafe_code)]

mod args;
mod commands;
mod context;
#[cfg(test)]
mod documents;
mod doors;
mod error;
mod exit;
mod log;
mod output;
mod prompt;
mod shelf;

use std::panic::AssertUnwindSafe;

use clap::{CommandFactory, Parser};
use tune_report::{ErrorReport, Report};

use crate::args::{Cli, Command, Format};
use crate::error::CliError;

pub use crate::doors::{Doors, LiveDoors};

/// Runs the command that the process was started with, on the machines behind `doors`, and returns its exit code.
///
/// It takes the panic hook of the process, and prints what went wrong itself.
#[must_use]
pub fn run(doors: &dyn Doors) -> u8 {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    let json = wants_json();
    // The words go to the document or the message below, not in between.
    std::panic::set_hook(Box::new(|_| {}));
    let ended = std::panic::catch_unwind(AssertUnwindSafe(|| match commands::watch::Order::of(&words) {
        Some(order) => commands::watch::run(&order, doors),
        None => match Cli::try_parse() {
            Ok(cli) => carry_out(cli, doors),
            Err(error) => usage(&error),
        },
    }));
    match ended {
        Ok(Ok(code)) => code,
        Ok(Err(error)) => fail(&error.0, json),
        Err(panic) => fail(&internal(&*panic), json),
    }
}

fn carry_out(cli: Cli, doors: &dyn Doors) -> Result<u8, CliError> {
    log::start(&cli.global);
    let command = cli.command.unwrap_or(Command::Status);
    if cli.global.format == Format::Openmetrics && !matches!(command, Command::Diagnose(_)) {
        return Err(CliError::usage("--format openmetrics is for tune diagnose")
            .hint("other commands: --format human, --format json"));
    }
    let changes = command.changes();
    let code = commands::run(command, &cli.global, doors)?;
    // A change that was made is not unmade by a full disk that its report was to go to.
    Ok(if output::lost() && !changes { exit::FAILED } else { code })
}

/// Help and versions are results; anything else clap says is a usage error with its own code.
fn usage(error: &clap::Error) -> Result<u8, CliError> {
    use clap::error::ErrorKind;
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            output::print(&error.render().ansi().to_string());
            Ok(exit::MET)
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            output::say(&error.render().ansi().to_string());
            Ok(exit::USAGE)
        }
        _ => {
            let text = error.render().to_string();
            let text = text.trim().trim_start_matches("error: ");
            let (message, rest) = text.split_once("\n\n").unwrap_or((text, ""));
            let message = message.lines().map(str::trim).collect::<Vec<_>>().join(" ");
            let hints = rest.split("\n\n").flat_map(|part| part.trim().split('\n')).map(str::trim);
            let noise = |line: &&str| {
                line.is_empty() || line.starts_with("Usage:") || line.starts_with("For more information")
            };
            let hints = hints.filter(|line| !noise(line)).map(|line| line.trim_start_matches("tip: "));
            Err(hints.fold(CliError::usage(message), CliError::hint))
        }
    }
}

/// Tells whether JSON was asked for, also on a command line that cannot be understood.
fn wants_json() -> bool {
    let arguments: Vec<_> = typed().collect();
    let pairs = arguments.windows(2).any(|pair| pair[0] == "--format" && pair[1] == "json");
    pairs || arguments.iter().any(|argument| argument == "--format=json")
}

/// Returns the command line as typed; what is no UTF-8 is legible at least.
pub(crate) fn typed() -> impl Iterator<Item = String> {
    std::env::args_os().map(|word| word.to_string_lossy().into_owned())
}

fn fail(error: &ErrorReport, json: bool) -> u8 {
    if json {
        output::print(&error.json());
    } else {
        output::say(&error.human(context::width()));
    }
    error.exit_code
}

fn internal(panic: &(dyn std::any::Any + Send)) -> ErrorReport {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    ErrorReport::new("internal", exit::FAILED, format!("tune failed in a way it should not: {text}"))
        .hint("if a change was under way: tune recover takes it back")
        .hint("please report this, with the command and what tune status shows")
}

/// The command line as clap knows it, for completions and manual pages.
pub(crate) fn command_line() -> clap::Command {
    Cli::command()
}

/// Tells how results are written, for commands that have none of their own.
pub(crate) const fn is_json(format: Format) -> bool {
    matches!(format, Format::Json)
}
