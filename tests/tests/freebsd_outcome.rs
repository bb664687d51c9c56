//! No value that `tune` calls fine may be one that a FreeBSD kernel refuses or stores otherwise.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // the counts are part of the result

use tune_model::{Catalog, System};
use tune_tests::freebsd::matrix::{Matrix, Tally};
use tune_tests::freebsd::{Jail, Model, Release, cases};
use tune_tests::outcome_cases::{self, Case};

fn native(matrix: &Matrix) -> Vec<Case> {
    Catalog::of(System::FreeBsd).iter().flat_map(|row| cases::of_row(row, matrix.kernel())).collect()
}

fn report(title: &str, tally: &Tally) {
    println!("{title}: {tally}");
    assert!(
        tally.mismatches.is_empty(),
        "{title}: {} mismatches\n{}",
        tally.mismatches.len(),
        tally.mismatches[..tally.mismatches.len().min(40)].join("\n")
    );
}

fn live(title: &str, model: Model, cases: impl Fn(&Matrix) -> Vec<Case>) -> Tally {
    let directory = tempfile::tempdir().unwrap();
    let matrix = Matrix::new(directory.path(), model);
    let mut tally = Tally::default();
    for case in cases(&matrix) {
        matrix.live(&case, &mut tally);
    }
    report(title, &tally);
    tally
}

#[test]
fn a_native_value_called_fine_is_stored_as_foretold() {
    for release in Release::ALL {
        let tally = live(&format!("native, {release:?}"), Model::of(*release), native);
        assert!(tally.changed > 300, "{tally}");
        println!("{}", tally.strict.join("\n"));
    }
}
