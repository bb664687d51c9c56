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
    let tally = tally();
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

fn tally() -> Tally {
    let matrix = Matrix::new(Path::new("/tmp/state"), true);
    let native = Catalog::of(System::Linux).iter().flat_map(outcome_cases::of_tunable);
    let mut tally = Tally::default();
    for case in native.chain(outcome_cases::of_settings()).filter(|case| !starves(case)) {
        tally.count(&case, matrix.run(&case));
    }
    tally
}

fn starves(case: &Case) -> bool {
    let numbers = case.largest_number();
    case.insist && GREEDY.contains(&case.subject.as_str()) && numbers.is_some_and(|number| number > HARMLESS)
}
