<<<<<<< HEAD
//! The `tune` command on the machine that it runs on.
=======
//! The `tune` command: arguments, prompts and exit codes. It decides nothing by itself.

#![forbid(unsafe_code)]

mod args;
mod commands;
mod context;
#[cfg(test)]
mod documents;
mod error;
mod exit;
mod log;
mod output;
mod prompt;
>>>>>>> sys

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(tune::run(&tune::LiveDoors))
}
