//! The `tune` command on the machine that it runs on.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(tune::run(&tune::LiveDoors))
}
