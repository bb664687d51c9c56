//! No value that `tune` calls fine may be one that a FreeBSD kernel refuses or stores otherwise.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // the counts are part of the result

use tune_model::{Catalog, System};
use tune_tests::freebsd::matrix::{Matrix, Tally};
use tune_tests::freebsd::{Jail, Model, Release, cases};
use tune_tests::outcome_cases::{self, Case};

/// A directory whose files need no disk: every request makes its state durable.
fn in_memory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Every request that is tried on the rows of the catalog, or one in so many.
fn native(matrix: &Matrix, one_in: usize) -> Vec<Case> {
    let rows = Catalog::of(System::FreeBsd).iter();
    let cases = rows.flat_map(|row| cases::of_row(row, matrix.kernel()));
    cases.step_by(one_in).collect()
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
    let directory = in_memory();
    let matrix = Matrix::new(directory.path(), model);
    let mut tally = Tally::default();
    for case in cases(&matrix) {
        matrix.live(&case, &mut tally);
    }
    report(title, &tally);
    tally
}

fn boot(title: &str, model: Model, cases: impl Fn(&Matrix) -> Vec<Case>) -> Tally {
    let directory = in_memory();
    let matrix = Matrix::new(directory.path(), model);
    let mut tally = Tally::default();
    for case in cases(&matrix) {
        matrix.boot(&case, &mut tally);
    }
    report(title, &tally);
    tally
}

/// The kernel keeps these too, and `tune` never asks for them: above what a limit can be on any host, or negative.
fn is_beyond_use(case: &str) -> bool {
    ["kern.ipc.nmb", "kern.ipc.maxsockbuf", "net.inet.tcp.nolocaltimewait"]
        .iter()
        .any(|name| case.contains(name))
}

#[test]
fn a_native_value_called_fine_is_stored_as_foretold() {
    let tally = live("native, 15.0", Model::of(Release::Fifteen), |matrix| native(matrix, 1));
    assert!(tally.changed > 1500, "{tally}");
    assert!(tally.strict.iter().all(|case| is_beyond_use(case)), "{}", tally.strict.join("\n"));
}

#[test]
fn so_it_is_on_older_kernels() {
    for (release, shift) in [(Release::Fourteen, 5), (Release::Thirteen, 7)] {
        let title = format!("native, {release:?}");
        let tally = live(&title, Model::of(release), |matrix| native(matrix, shift));
        assert!(tally.changed > 200, "{tally}");
        assert!(tally.strict.iter().all(|case| is_beyond_use(case)), "{}", tally.strict.join("\n"));
    }
}

#[test]
fn a_finer_clock_keeps_every_millisecond() {
    let model = Model { hz: 1000, ..Model::of(Release::Fifteen) };
    let in_ticks = |matrix: &Matrix| {
        let rows = Catalog::of(System::FreeBsd).iter().filter(|row| row.ticks);
        rows.flat_map(|row| cases::of_row(row, matrix.kernel())).step_by(3).collect()
    };
    let tally = live("native, 1000 ticks a second", model, in_ticks);
    assert!(tally.changed > 200, "{tally}");
    assert!(tally.strict.is_empty(), "{}", tally.strict.join("\n"));
}

#[test]
fn a_portable_value_called_fine_is_stored_as_foretold() {
    let cases = |_: &Matrix| outcome_cases::of_settings().into_iter().step_by(3).collect();
    let tally = live("portable, 15.0", Model::of(Release::Fifteen), cases);
    assert!(tally.changed > 200, "{tally}");
}

#[test]
fn nothing_is_tried_in_a_jail_on_what_belongs_to_the_host() {
    let shared = Model::of(Release::Fifteen).jailed(Jail::Shared);
    let tally = live("native, in a jail", shared, |matrix| native(matrix, 7));
    assert!(tally.changed == 0 && tally.out_of_scope > 300, "{tally}");
    let own = Model::of(Release::Fifteen).jailed(Jail::Vnet);
    let tally = live("native, in a jail with a network stack", own, |matrix| native(matrix, 7));
    assert!(tally.changed > 100 && tally.out_of_scope > 100, "{tally}");
}

#[test]
fn a_value_for_the_next_boot_is_there_after_a_restart() {
    for (release, one_in) in [(Release::Fifteen, 7), (Release::Fourteen, 13), (Release::Thirteen, 13)] {
        let tally = boot(&format!("boot, {release:?}"), Model::of(release), |matrix| native(matrix, one_in));
        assert!(tally.changed > 60 && tally.foretold[0] > tally.foretold[1] * 10, "{tally}");
    }
}

#[test]
fn a_portable_value_for_the_next_boot_is_there_after_a_restart() {
    let cases = |_: &Matrix| outcome_cases::of_settings().into_iter().step_by(5).collect();
    let tally = boot("boot, portable", Model::of(Release::Fifteen), cases);
    assert!(tally.changed > 100, "{tally}");
}
