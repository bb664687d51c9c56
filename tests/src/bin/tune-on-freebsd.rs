//! The whole command on a fake FreeBSD host that is kept in a directory: `TUNE_FAKE=DIR tune-on-freebsd status`.
//!
//! `tune-on-freebsd fake new freebsd-15.0 [hz=1000] [jail=vnet] [root=no] [securelevel=1]` makes one there,
//! `fake reboot` restarts it, `fake sysctl WORDS` is its sysctl(8) for root of the host, and `fake writes` shows what
//! was written.
#![allow(clippy::print_stdout)]

use std::path::PathBuf;
use std::process::ExitCode;

use tune_tests::freebsd::{FakeDoors, Home, Model, Release, tool};

fn main() -> ExitCode {
    let Some(directory) = std::env::var_os("TUNE_FAKE").map(PathBuf::from) else {
        println!("TUNE_FAKE names the directory of the host");
        return ExitCode::from(64);
    };
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_none_or(|word| word != "fake") {
        return ExitCode::from(tune::run(&FakeDoors(Home::open(&directory))));
    }
    let words: Vec<&str> = words.iter().skip(1).map(String::as_str).collect();
    match fake(&directory, &words) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn fake(directory: &std::path::Path, words: &[&str]) -> Result<u8, String> {
    match words {
        ["new", kernel, options @ ..] => {
            Home::install(directory, model(kernel, options)?);
        }
        ["reboot"] => Home::open(directory).reboot()?,
        ["sysctl", arguments @ ..] => {
            let (said, code) = Home::open(directory).on_the_host(|kernel| tool::sysctl(kernel, arguments));
            print!("{said}");
            return Ok(u8::try_from(code).unwrap_or(u8::MAX));
        }
        ["writes"] => Home::open(directory).writes().iter().for_each(|line| println!("{line}")),
        _ => return Err("fake new KERNEL [OPTION=VALUE...] | reboot | sysctl WORDS | writes".to_owned()),
    }
    Ok(0)
}

fn model(kernel: &str, options: &[&str]) -> Result<Model, String> {
    let release: Release = serde_json::from_value(kernel.into()).map_err(|error| error.to_string())?;
    let mut model = Model::of(release);
    for option in options {
        let (name, value) = option.split_once('=').ok_or_else(|| format!("{option}: OPTION=VALUE"))?;
        let number = || value.parse().map_err(|error| format!("{option}: {error}"));
        match name {
            "hz" => model.hz = number()?,
            "securelevel" => model.securelevel = number()?,
            "jail" => model.caller.jail = value.parse()?,
            "root" => model.caller.root = value == "yes",
            _ => return Err(format!("{name} is no option of a fake host")),
        }
    }
    Ok(model)
}
