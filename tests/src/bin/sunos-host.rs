//! An illumos or Solaris host that is kept in a directory, by hand: `sunos-host DIR new illumos-current` makes one, whose
//! programs are then in `DIR/usr/sbin` and `DIR/usr/bin`.
//!
//! `new` takes options: `zone=NAME` for a zone with a network stack of its own, `shared=NAME` for one without, `ramdisk=yes`,
//! `version=TEXT` for `uname -v`. `reboot` restarts the host and tells what is logged, `fault NAME [WORD...]` lets every
//! call that has these words meet a fault, `mend` ends all faults, `calls` shows the calls.
#![allow(clippy::print_stdout)]

use std::path::Path;
use std::process::ExitCode;

use tune_tests::sunos::{Machine, Setup, Switch, Zone};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<(), String> {
    let usage = "sunos-host DIR new MODEL [OPTION=VALUE...] | reboot | fault NAME [WORD...] | mend | calls";
    let [directory, words @ ..] = words else { return Err(usage.to_owned()) };
    let directory = Path::new(directory);
    match words {
        ["new", model, options @ ..] => {
            Machine::install_with(directory, &setup(model, options)?);
        }
        ["reboot"] => Machine::open(directory).reboot().iter().for_each(|line| println!("{line}")),
        ["fault", name, words @ ..] => {
            let switch = Switch::of(name.parse()?).on(&words.join(" "));
            Machine::open(directory).switch_on(switch);
        }
        ["mend"] => Machine::open(directory).mend_all(),
        ["calls"] => Machine::open(directory).calls().iter().for_each(|call| println!("{}", call.join(" "))),
        _ => return Err(usage.to_owned()),
    }
    Ok(())
}

fn setup(model: &str, options: &[&str]) -> Result<Setup, String> {
    let mut setup = Setup::of(model.parse()?);
    for option in options {
        let (name, value) = option.split_once('=').ok_or_else(|| format!("{option}: OPTION=VALUE"))?;
        match name {
            "zone" => setup.zone = Zone::Exclusive(value.to_owned()),
            "shared" => setup.zone = Zone::Shared(value.to_owned()),
            "ramdisk" => setup.ramdisk = value == "yes",
            "version" => value.clone_into(&mut setup.version),
            _ => return Err(format!("{name} is no option of a host")),
        }
    }
    Ok(setup)
}
