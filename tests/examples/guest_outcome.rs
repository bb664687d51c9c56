//! Tries edge values on every tunable and setting of a throw-away kernel, those of the host included, and holds what
//! the kernel makes of them against what `tune` foretold.
//!
//! For a guest only (`tests/guest/run guest_outcome`): it refuses to run unless it finds the guest's own command file.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use tune_model::{Catalog, System};
use tune_tests::outcome_cases::{self, Case};
use tune_tests::outcome_defaults;
use tune_tests::outcome_matrix::{Matrix, Tally};

/// Keys of which a large value would starve the guest, and the largest that does not.
const GREEDY: [&str; 2] = ["vm.min_free_kbytes", "net.netfilter.nf_conntrack_buckets"];
const HARMLESS: i128 = 65_536;

fn main() -> ExitCode {
    if !Path::new("/guest/command").exists() {
        let _ = writeln!(io::stderr(), "guest_outcome: runs in the test guest only (tests/guest/run)");
        return ExitCode::from(2);
    }
    match run(&mut io::stdout().lock()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "guest_outcome: {error}");
            ExitCode::from(2)
        }
    }
}

/// Prints what was counted and everything that was wrong; true when nothing was.
fn run(out: &mut impl Write) -> io::Result<bool> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    writeln!(out, "{}", release.trim())?;
    let defaults = outcome_defaults::look(true);
    writeln!(out, "{defaults}")?;
    let tally = tally(out)?;
    writeln!(out, "{tally}")?;
    let wrong: Vec<_> = defaults.wrong.iter().chain(&tally.mismatches).collect();
    for line in &wrong {
        writeln!(out, "WRONG {line}")?;
    }
    for line in tally.strict.iter().filter(|line| !line.contains("ip_local_port_range")) {
        writeln!(out, "refused although in range: {line}")?;
    }
    Ok(wrong.is_empty() && tally.out_of_scope == 0 && tally.changed > 1000)
}

/// Prints a line for each tunable, so that a run cut short shows how far it came.
fn tally(out: &mut impl Write) -> io::Result<Tally> {
    let matrix = Matrix::new(Path::new("/tmp/state"), true);
    let mut tally = Tally::default();
    let native =
        Catalog::of(System::Linux).iter().map(|row| (row.name.as_str(), outcome_cases::of_tunable(row)));
    for (title, cases) in native.chain([("settings", outcome_cases::of_settings())]) {
        let before = (tally.cases, tally.accepted);
        for case in thinned(cases).filter(|case| !starves(case)) {
            tally.count(&case, matrix.run(&case));
        }
        writeln!(out, "{title}: {} cases, {} accepted", tally.cases - before.0, tally.accepted - before.1)?;
    }
    Ok(tally)
}

/// Leaves out every other of the many: emulation takes its time, and `tests/outcome.rs` tries them all.
fn thinned(cases: Vec<Case>) -> impl Iterator<Item = Case> {
    // Prime to the four or five forms of each value, so that every form has its turn.
    let step = match cases.len() {
        ..300 => 1,
        300..1000 => 3,
        _ => 7,
    };
    cases.into_iter().step_by(step)
}

fn starves(case: &Case) -> bool {
    let numbers = case.largest_number();
    case.insist && GREEDY.contains(&case.subject.as_str()) && numbers.is_some_and(|number| number > HARMLESS)
}
