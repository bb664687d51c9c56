//! What somebody else changes between apply and rollback on illumos and Solaris hosts: in the running kernel, in what ipadm
//! keeps, in both, in the manifest. It is named with both values, left alone, and kept in mind.
#![allow(clippy::unwrap_used)]

use tune_tests::sunos::{Guest, MANIFESTS};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tune-on-sunos");
const APPLY: &[&str] = &["apply", "web-server", "--yes"];
const ROLLBACK: &[&str] = &["rollback", "1", "--yes"];
const TUNABLE: &str = "ipadm.tcp._fin_wait_2_flush_interval";

fn on_each_host(test: impl Fn(&str, &Guest)) {
    Guest::on_each(PROGRAM, |name, guest| {
        guest.tune(APPLY).exits(0);
        test(name, guest);
        guest.tune(&["history", "--verify"]).exits(0);
    });
}

fn native(guest: &Guest) -> &'static str {
    if guest.machine.setup().model.has_ipadm() {
        "_fin_wait_2_flush_interval"
    } else {
        "tcp_fin_wait_2_flush_interval"
    }
}

fn live(guest: &Guest) -> Option<String> {
    guest.machine.live("tcp", native(guest))
}

fn kept(guest: &Guest) -> Option<String> {
    guest.machine.persistent("tcp", native(guest))
}

fn default(guest: &Guest) -> &'static str {
    if guest.machine.setup().model.has_ipadm() { "60000" } else { "675000" }
}

/// A rollback that meets a change of somebody else's: one conflict for each layer, the claims stay, and everything else
/// is back.
fn conflicts(guest: &Guest, name: &str, found: &[&str]) {
    let before = guest.everything();
    let (code, plan) = guest.document(&["rollback", "1", "--dry-run"]);
    assert_eq!((code, plan["conflicts"].as_array().unwrap().len()), (2, found.len()), "{name}: {plan}");
    guest.tune(&["rollback", "1", "--yes", "--all-or-nothing"]).exits(3);
    guest.everything().same_as(&before, &format!("{name}: all or nothing"));

    let (code, told) = guest.document(ROLLBACK);
    assert_eq!(code, 3, "{name}: {told}");
    let shown: Vec<&str> = told["conflicts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|conflict| {
            assert!(conflict["target"].as_str().unwrap() == TUNABLE, "{name}: {told}");
            assert!(conflict["expected"].as_str().unwrap().contains("30000"), "{name}: {told}");
            conflict["found"].as_str().unwrap()
        })
        .collect();
    assert_eq!(shown, found, "{name}: {told}");
    guest.tune(&["active"]).exits(0).says("web-server");
    let idle = guest.machine.live("tcp", &native(guest).replace("fin_wait_2_flush", "keepalive"));
    assert_eq!(idle.as_deref(), Some("7200000"), "{name}");
}

#[test]
fn a_change_of_the_running_kernel_is_left() {
    on_each_host(|name, guest| {
        guest.machine.set_behind("tcp", native(guest), "45000");
        conflicts(guest, name, &["45000"]);
        assert_eq!(live(guest).as_deref(), Some("45000"), "{name}");
        assert_eq!(kept(guest), None, "{name}");
        guest.tune(&["rollback", "1", "--yes", "--overwrite-foreign"]).exits(0);
        assert_eq!(live(guest).as_deref(), Some(default(guest)), "{name}");
        guest.tune(&["active"]).exits(0).says("No profile is active");
    });
}

#[test]
fn a_change_of_what_ipadm_keeps_is_left() {
    on_each_host(|name, guest| {
        if !guest.machine.setup().keeps_values() {
            return;
        }
        guest.machine.persist_behind("tcp", native(guest), Some("45000"));
        conflicts(guest, name, &["45000"]);
        assert_eq!((live(guest), kept(guest)), (Some("60000".into()), Some("45000".into())), "{name}");
        guest.tune(&["rollback", "1", "--yes", "--overwrite-foreign"]).exits(0);
        assert_eq!((live(guest), kept(guest)), (Some("60000".into()), None), "{name}");
    });
}

#[test]
fn a_line_taken_away_is_left_so() {
    on_each_host(|name, guest| {
        if !guest.machine.setup().keeps_values() {
            return;
        }
        guest.machine.persist_behind("tcp", native(guest), None);
        conflicts(guest, name, &["nothing"]);
        assert_eq!((live(guest), kept(guest)), (Some("60000".into()), None), "{name}");
        // It is as it was before the first apply: giving it up for good needs no further change.
        guest.tune(&["off", "--yes", "--overwrite-foreign"]).exits(0);
        guest.tune(&["active"]).exits(0).says("No profile is active");
    });
}

#[test]
fn a_change_of_both_is_left_in_both() {
    on_each_host(|name, guest| {
        if !guest.machine.setup().keeps_values() {
            return;
        }
        let set = format!("{}=45000", native(guest));
        guest.machine.run(&["ipadm", "set-prop", "-p", &set, "tcp"]).exits(0);
        conflicts(guest, name, &["45000", "45000"]);
        assert_eq!((live(guest), kept(guest)), (Some("45000".into()), Some("45000".into())), "{name}");
        guest.restart();
        assert_eq!(live(guest).as_deref(), Some("45000"), "{name}");
        guest.tune(&["off", "--yes", "--overwrite-foreign"]).exits(0);
        assert_eq!((live(guest), kept(guest)), (Some("60000".into()), None), "{name}");
    });
}

#[test]
fn the_same_number_typed_otherwise_is_no_conflict() {
    for typed in ["+030000", "030000", " 30000"] {
        Guest::on_each(PROGRAM, |name, guest| {
            if !guest.machine.setup().keeps_values() {
                return;
            }
            let before = guest.everything();
            guest.tune(APPLY).exits(0);
            guest.machine.persist_behind("tcp", native(guest), Some(typed));
            let calls = guest.changes();
            guest.tune(APPLY).exits(0).says("Nothing changed");
            guest.tune(&["audit", "web-server"]).exits(0);
            assert_eq!(guest.changes(), calls, "{name}: {typed:?}");
            assert_eq!(kept(guest).as_deref(), Some(typed), "{name}");
            guest.tune(ROLLBACK).exits(0);
            guest.everything().same_as(&before, &format!("{name}: {typed:?}"));
        });
    }
}

#[test]
fn apply_sets_it_again_and_says_so() {
    on_each_host(|name, guest| {
        let applied = guest.everything();
        guest.machine.set_behind("tcp", native(guest), "45000");
        guest.tune(&["audit", "web-server"]).exits(2).says("drifted");
        guest.tune(APPLY).exits(0).says("was changed to 45000 by somebody else since tune left 30000 there");
        guest.everything().same_as(&applied, name);
        if guest.machine.setup().keeps_values() {
            guest.machine.persist_behind("tcp", native(guest), Some("45000"));
            guest.tune(&["audit", "web-server"]).exits(2);
            let again = guest.tune(APPLY).exits(0);
            again.says("was set to 45000 for the next boot by somebody else since tune left 30000 there");
            guest.everything().same_as(&applied, name);
        }
        guest.tune(&["off", "--yes"]).exits(0);
        assert_eq!((live(guest).as_deref(), kept(guest)), (Some(default(guest)), None), "{name}");
    });
}

#[test]
fn a_manifest_that_somebody_else_edited_is_neither_run_nor_replaced() {
    on_each_host(|name, guest| {
        let Some(path) = MANIFESTS.into_iter().find(|path| guest.text(path).is_some()) else { return };
        let own = guest.text(path).unwrap();
        for planted in [
            own.replace("/usr/bin/tune apply --boot", "/bin/sh -c id"),
            own.replace("timeout_seconds=\"60\"", "timeout_seconds=\"600\""),
            "<!-- mine -->\n".to_owned(),
        ] {
            guest.put(path, &planted);
            let audited = guest.tune(&["audit", "web-server"]).exits(2);
            audited.says("will drift");
            let before = guest.everything();
            guest.tune(&["set", "tcp.time_wait_interval=50s", "--yes"]).exits(1).says(path);
            guest.everything().same_as(&before, &format!("{name}: set"));
            // That file is not for tune to put back, so that it does not overwrite it either.
            guest
                .tune(&["set", "tcp.time_wait_interval=50s", "--yes", "--overwrite-foreign"])
                .exits(1)
                .says("move it away");
            guest.everything().same_as(&before, &format!("{name}: set and overwrite"));
            guest.tune(&["off", "--yes"]).exits(3).says(path);
            assert_eq!(guest.text(path).as_deref(), Some(planted.as_str()), "{name}");
            assert_eq!(live(guest).as_deref(), Some(default(guest)), "{name}");
            // Back as it was, everything goes on.
            guest.put(path, &own);
            guest.tune(APPLY).exits(0);
            guest.tune(&["audit", "web-server"]).exits(0);
        }
        guest.tune(&["off", "--yes"]).exits(0);
        assert_eq!(guest.text(path), None, "{name}");
    });
}

#[test]
fn a_manifest_that_is_gone_is_written_anew_where_that_is_wanted() {
    on_each_host(|name, guest| {
        let Some(path) = MANIFESTS.into_iter().find(|path| guest.text(path).is_some()) else { return };
        let own = guest.text(path);
        std::fs::remove_file(guest.machine.root().join(path.trim_start_matches('/'))).unwrap();
        guest.tune(&["audit", "web-server"]).exits(2);
        guest.tune(&[APPLY, &["--overwrite-foreign"]].concat()).exits(0);
        assert_eq!(guest.text(path), own, "{name}");
        guest.tune(&["audit", "web-server"]).exits(0);
    });
}
