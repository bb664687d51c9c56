//! `tune man`: manual pages, from the same definitions as the help.

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use crate::error::CliError;
use crate::{command_line, exit, output};

pub(crate) fn run(command: &[String]) -> Result<u8, CliError> {
    // Without the commands named help: they have no page.
    let mut whole = without_help(command_line());
    whole.build();
    let mut text = Vec::new();
    let failed = |error: std::io::Error| CliError::failed(format!("the page could not be made: {error}"));
    Man::new(named(&whole, command)?).section("8").render(&mut text).map_err(failed)?;
    if command.is_empty() {
        exit_codes().to_writer(&mut text).map_err(failed)?;
    }
    output::print(&String::from_utf8_lossy(&text));
    Ok(exit::MET)
}

fn without_help(command: Command) -> Command {
    command.disable_help_subcommand(true).mut_subcommands(without_help)
}

/// Returns the command behind a row of names, with all of them for its name.
fn named(whole: &Command, names: &[String]) -> Result<Command, CliError> {
    let mut found = whole;
    for name in names {
        found = found.find_subcommand(name).ok_or_else(|| unknown(found, name))?;
    }
    let full: &'static str = Box::leak([&["tune".to_owned()], names].concat().join("-").into_boxed_str());
    Ok(found.clone().name(full))
}

fn unknown(command: &Command, name: &str) -> CliError {
    let known: Vec<_> = command.get_subcommands().map(Command::get_name).collect();
    let hint = tune_model::did_you_mean(tune_model::nearest(name, known).as_deref());
    CliError::usage(format!("there is no command {name:?}{hint}"))
}

fn exit_codes() -> Roff {
    let mut section = Roff::new();
    section.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in exit::ALL {
        section.control("TP", []);
        section.text([roman(code.to_string())]);
        section.text([roman(*meaning)]);
    }
    section
}
