//! Runs fault campaigns by hand; see `docs/reliability.md`.
//!
//! Use: faults [power|compare] [--quick | --runs N] [--workers N] [--only PREFIX] [--looking]

use std::io::{self, Write};
use std::process::ExitCode;

use tune_tests::faults::campaign::{Campaign, Extent};
use tune_tests::faults::others;
use tune_tests::faults::power::Cuts;

fn main() -> ExitCode {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let kind = words.first().filter(|word| !word.starts_with('-')).cloned();
    words.drain(..usize::from(kind.is_some()));
    let Some(extent) = extent(&words) else {
        let _ = writeln!(
            io::stderr(),
            "use: faults [power|compare] [--quick | --runs N] [--workers N] [--only PREFIX] [--looking]"
        );
        return ExitCode::from(64);
    };
    if !tune_tests::faults::can_inject() {
        return ExitCode::FAILURE;
    }
    match kind.as_deref() {
        None => ended(inject(&extent)),
        Some("power") => ended(cut_the_power(&extent)),
        Some("compare") => ended(compare()),
        Some(_) => ExitCode::from(64),
    }
}

fn inject(extent: &Extent) -> bool {
    let campaign = Campaign::run(extent);
    say(&campaign.text());
    campaign.violations.is_empty() && campaign.missed.is_empty() && campaign.runs() > 0
}

fn cut_the_power(extent: &Extent) -> bool {
    let cuts = Cuts::run(extent);
    say(&cuts.text());
    cuts.violations.is_empty() && cuts.tried() > 0
}

fn compare() -> bool {
    let figures = others::compare();
    say(&others::text(&figures));
    figures.get("tune apply").is_some_and(|tune| tune.false_success == 0 && tune.half_for_good == 0)
}

fn say(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
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
