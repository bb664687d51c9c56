//! The native programs of an illumos or Solaris host that is kept in a directory: ipadm, ndd and others, whichever it is
//! started as. `tune_tests::sunos::Machine` makes such a directory; `sunos-host` does so by hand.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(tune_tests::sunos::run(std::env::args_os()))
}
