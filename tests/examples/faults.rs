//! Runs fault campaigns by hand; see `docs/reliability.md`.
//!
//! Use: faults [power] [--quick | --runs N] [--workers N] [--only PREFIX] [--looking]

use std::io::{self, Write};
use std::process::ExitCode;

use tune_tests::faults::campaign::{Campaign, Extent};
use tune_tests::faults::power::Cuts;

fn main() -> ExitCode {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let power = words.first().is_some_and(|word| word == "power");
    words.drain(..usize::from(power));
    let Some(extent) = extent(&words) else {
        let _ = writeln!(
            io::stderr(),
            "use: faults [power] [--quick | --runs N] [--workers N] [--only PREFIX] [--looking]"
        );
        return ExitCode::from(64);
    };
    if !tune_tests::faults::can_inject() {
        return ExitCode::FAILURE;
    }
    if power {
        let cuts = Cuts::run(&extent);
        let _ = write!(io::stdout(), "{}", cuts.text());
        return ended(cuts.violations.is_empty() && cuts.tried() > 0);
    }
    let campaign = Campaign::run(&extent);
    let _ = write!(io::stdout(), "{}", campaign.text());
    ended(campaign.violations.is_empty() && campaign.missed.is_empty() && campaign.runs() > 0)
}

fn ended(passed: bool) -> ExitCode {
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn extent(words: &[String]) -> Option<Extent> {
    let mut extent = Extent { runs: None, workers: 2, only: String::new(), looking: false };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--quick" => extent.runs = Some(300),
            "--runs" => extent.runs = Some(words.next()?.parse().ok()?),
            "--workers" => extent.workers = words.next()?.parse().ok()?,
            "--only" => extent.only.clone_from(words.next()?),
            "--looking" => extent.looking = true,
            _ => return None,
        }
    }
    Some(extent)
}
