//! No value that `tune` calls fine may be one that the kernel refuses or stores otherwise.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // the counts are part of the result

use std::path::Path;
use std::thread;

use tune_model::catalog::{Mutability, Reach};
use tune_model::{Catalog, System};
use tune_tests::outcome_cases::{self, Case, Form};
use tune_tests::outcome_defaults;
use tune_tests::outcome_lab::OutcomeLab;
use tune_tests::outcome_matrix::{Matrix, Tally};
use tune_tests::{binary, needs_root};

/// Runs `work` in a laboratory, on a thread that ends with it.
fn in_lab(work: impl FnOnce(&OutcomeLab) + Send) {
    if !needs_root() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path();
    let enter = || work(&OutcomeLab::enter(path).unwrap());
    thread::scope(|threads| threads.spawn(enter).join()).unwrap();
}

fn report(title: &str, tally: &Tally) {
    println!("{title}: {tally}");
    assert!(tally.mismatches.is_empty(), "{title}:\n{}", tally.mismatches.join("\n"));
}

fn run(lab: &OutcomeLab, cases: &[Case]) -> Tally {
    let matrix = Matrix::new(&lab.scratch.join("state"), false);
    let mut tally = Tally::default();
    for case in cases {
        tally.count(case, matrix.run(case));
    }
    tally
}

fn of_catalog(reach: Reach) -> Vec<Case> {
    let rows = Catalog::of(System::Linux).iter().filter(|row| row.scope == reach);
    rows.flat_map(outcome_cases::of_tunable).collect()
}

#[test]
fn a_native_value_called_fine_is_stored_as_foretold() {
    in_lab(|lab| {
        let tally = run(lab, &of_catalog(Reach::Netns));
        report("native, of a namespace", &tally);
        let ports = |case: &&String| case.contains("ip_local_port_range");
        assert!(tally.strict.iter().all(|case| ports(&case)), "{}", tally.strict.join("\n"));
        assert!(tally.changed > 1000, "{tally}");
    });
}

#[test]
fn nothing_is_tried_on_what_belongs_to_the_host() {
    in_lab(|lab| {
        let tally = run(lab, &of_catalog(Reach::Host));
        report("native, of the host", &tally);
        assert!(tally.out_of_scope > 500 && tally.accepted == 0, "{tally}");
    });
}

#[test]
fn a_portable_value_called_fine_is_stored_as_foretold() {
    in_lab(|lab| {
        let tally = run(lab, &outcome_cases::of_settings());
        report("portable", &tally);
        assert!(tally.changed > 200, "{tally}");
    });
}

#[test]
fn the_defaults_are_those_of_an_untouched_namespace() {
    in_lab(|_| {
        let found = outcome_defaults::look(false);
        println!("{found}");
        assert!(found.wrong.is_empty(), "{}", found.wrong.join("\n"));
        assert!(found.right.len() >= 20, "{found}");
    });
}

/// Every so many cases one goes through the real binary, boot files included.
const SAMPLE: usize = 151;

#[test]
fn the_binary_says_the_same() {
    if !needs_root() {
        return;
    }
    let binary = binary::tune();
    in_lab(|lab| {
        let cases = of_catalog(Reach::Netns).into_iter().chain(outcome_cases::of_settings());
        let mut counts = [0; 3];
        for case in cases.step_by(SAMPLE) {
            counts[usize::from(by_binary(lab, binary, &case))] += 1;
        }
        println!("by the binary: {} applied, {} refused, {} otherwise", counts[0], counts[1], counts[2]);
        assert!(counts[0] > 10 && counts[1] > 20 && counts[2] == 0);
    });
}

/// Has a case applied and taken back: 0 applied, 1 refused, 2 anything else.
fn by_binary(lab: &OutcomeLab, binary: &Path, case: &Case) -> u8 {
    let before = snapshot();
    let profile = lab.scratch.join("edge.toml");
    let path = profile.to_str().unwrap().to_owned();
    let asked = match &case.form {
        Form::Set(argument) => vec!["set", argument.as_str()],
        Form::Profile(..) => {
            std::fs::write(&profile, case.profile_text().unwrap()).unwrap();
            vec!["apply", path.as_str()]
        }
    };
    let insist = if case.insist { vec!["--allow-unsafe", case.subject.as_str()] } else { Vec::new() };
    let arguments = [asked, insist, vec!["--yes"]].concat();
    let output = lab.tune(binary, &arguments).unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    let json: serde_json::Value = serde_json::from_str(&shown).unwrap();
    match output.status.code() {
        Some(0) => {
            assert_changes(&json, case);
            let back = lab.tune(binary, &["rollback", "--yes"]).unwrap();
            assert!(
                json["changed"] == false || back.status.success(),
                "{case}: {}",
                String::from_utf8_lossy(&back.stdout)
            );
            assert_eq!(snapshot(), before, "{case}");
            0
        }
        Some(1 | 64 | 65) => {
            assert!(!shown.contains("the kernel refused") && !shown.contains("it reads "), "{case}: {shown}");
            assert_eq!(snapshot(), before, "{case}");
            1
        }
        _ => {
            println!("{case}: {shown}");
            2
        }
    }
}

fn assert_changes(json: &serde_json::Value, case: &Case) {
    for change in json["changes"].as_array().unwrap().iter().filter(|change| change["scope"] == "runtime") {
        let found = live(change["key"].as_str().unwrap()).unwrap();
        assert_eq!(found, change["after"].as_str().unwrap(), "{case}");
    }
}

fn live(key: &str) -> Option<String> {
    let text = std::fs::read_to_string(Path::new("/proc/sys").join(key.replace('.', "/"))).ok()?;
    Some(text.trim_end_matches('\n').to_owned())
}

fn snapshot() -> Vec<Option<String>> {
    let rows = Catalog::of(System::Linux).iter();
    let own = rows.filter(|row| row.scope == Reach::Netns && row.mutability != Mutability::Fixed);
    own.map(|row| live(&row.name)).collect()
}

#[test]
fn a_row_without_a_known_default_and_a_list_go_to_the_boot_file_too() {
    if !needs_root() {
        return;
    }
    let binary = binary::tune();
    in_lab(|lab| {
        std::fs::write("/proc/sys/net/ipv4/tcp_rmem", "4096 100000 6291456").unwrap();
        let set = [
            "set",
            "net.ipv4.tcp_rmem[2]=8388608",
            "net.ipv4.ip_local_reserved_ports=9000,8081,8080",
            "--yes",
        ];
        for changed in [true, false] {
            let output = lab.tune(binary, &set).unwrap();
            let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!((output.status.code(), &json["changed"]), (Some(0), &changed.into()), "{json}");
            let file = std::fs::read_to_string("/etc/sysctl.d/zz-tune.conf").unwrap();
            assert!(file.contains("\nnet.ipv4.tcp_rmem = 4096 100000 8388608\n"), "{file}");
            assert!(file.contains("\nnet.ipv4.ip_local_reserved_ports = 8080-8081,9000\n"), "{file}");
        }
    });
}
