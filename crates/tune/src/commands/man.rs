//! `tune man`: manual pages, from the same definitions as the help.

use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use crate::error::CliError;
use crate::{command_line, exit, output};

pub(crate) fn run(command: Option<&str>) -> Result<u8, CliError> {
    let mut whole = command_line();
    whole.build();
    let page = match command {
        None => whole,
        Some(name) => {
            let found = whole.find_subcommand(name).cloned();
            let known: Vec<_> = whole.get_subcommands().map(clap::Command::get_name).collect();
            let hint = tune_model::did_you_mean(tune_model::nearest(name, known).as_deref());
            let found =
                found.ok_or_else(|| CliError::usage(format!("there is no command {name:?}{hint}")))?;
            let full: &'static str = Box::leak(format!("tune-{name}").into_boxed_str());
            found.name(full)
        }
    };
    let mut text = Vec::new();
    let failed = |error: std::io::Error| CliError::failed(format!("the page could not be made: {error}"));
    Man::new(page).section("8").render(&mut text).map_err(failed)?;
    if command.is_none() {
        exit_codes().to_writer(&mut text).map_err(failed)?;
    }
    output::print(&String::from_utf8_lossy(&text));
    Ok(exit::MET)
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
