//! `tune completions`: completions for a shell.

use clap_complete::{Shell, generate};

use crate::error::CliError;
use crate::{command_line, exit, output};

pub(crate) fn run(shell: Shell) -> Result<u8, CliError> {
    let mut text = Vec::new();
    generate(shell, &mut command_line(), "tune", &mut text);
    output::print(&String::from_utf8_lossy(&text));
    Ok(exit::MET)
}
