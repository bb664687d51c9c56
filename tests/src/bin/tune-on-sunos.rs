//! The whole command on an illumos or Solaris host that is kept in a directory: `TUNE_FAKE=DIR tune-on-sunos status`.
//!
//! `sunos-host` makes such a directory.
#![allow(clippy::print_stdout)]

use std::path::PathBuf;
use std::process::ExitCode;

use tune_tests::sunos::SunDoors;

fn main() -> ExitCode {
    match std::env::var_os("TUNE_FAKE").map(PathBuf::from) {
        Some(directory) => ExitCode::from(tune::run(&SunDoors(directory))),
        None => {
            println!("TUNE_FAKE names the directory of the host");
            ExitCode::from(64)
        }
    }
}
