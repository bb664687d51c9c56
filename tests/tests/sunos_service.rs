//! `tune apply --boot`, and the service that runs it where nothing else keeps values: Solaris 10, SmartOS.
#![allow(clippy::unwrap_used)]

use tune_tests::files;
use tune_tests::sunos::{Guest, MANIFESTS, Setup};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tune-on-sunos");
const APPLY: &[&str] = &["apply", "web-server", "--yes"];
const BOOT: &[&str] = &["apply", "--boot"];

fn served() -> impl Iterator<Item = (String, Guest)> {
    let setups = Setup::every().into_iter().filter(|(_, setup)| !setup.keeps_values());
    setups.map(|(name, setup)| (name, Guest::with(PROGRAM, &setup)))
}

fn transactions(guest: &Guest) -> usize {
    guest.document(&["history"]).1["transactions"].as_array().unwrap().len()
}

#[test]
fn where_the_system_keeps_values_it_says_that_nothing_is_to_be_done() {
    for (name, setup) in Setup::every().into_iter().filter(|(_, setup)| setup.keeps_values()) {
        let guest = Guest::with(PROGRAM, &setup);
        guest.tune(BOOT).exits(0).says("this system sets at boot what its files say").says("Nothing changed");
        let (code, told) = guest.document(BOOT);
        assert_eq!((code, &told["changed"], &told["failed"]), (0, &false.into(), &false.into()), "{name}");
        guest.tune(APPLY).exits(0);
        let before = guest.everything();
        guest.tune(BOOT).exits(0);
        guest.everything().same_as(&before, &name);
    }
}

#[test]
fn a_restart_sets_what_is_held_once() {
    for (name, guest) in served() {
        guest.tune(BOOT).exits(0);
        guest.tune(APPLY).exits(0);
        let applied = guest.everything();
        guest.machine.reboot();
        let (code, told) = guest.document(BOOT);
        assert_eq!((code, &told["changed"]), (0, &true.into()), "{name}: {told}");
        assert!(told.get("to_do").is_none(), "at boot nothing listens yet: {told}");
        guest.everything().same_as(&applied, &name);
        let (written, state) = (transactions(&guest), files::touches(guest.machine.root()));
        let (code, told) = guest.document(BOOT);
        assert_eq!((code, &told["changed"]), (0, &false.into()), "{name}: {told}");
        assert_eq!(transactions(&guest), written, "{name}");
        let stand_in = guest.machine.root().join("stand-in");
        let changed: Vec<_> = files::touches(guest.machine.root())
            .into_iter()
            .filter(|(path, found)| state.get(path) != Some(found))
            .filter(|(path, _)| !path.starts_with(&stand_in) && !path.ends_with("lock"))
            .collect();
        assert!(changed.is_empty(), "{name}: {changed:?}");
    }
}

#[test]
fn what_satisfies_is_not_overwritten() {
    for (name, guest) in served() {
        guest.tune(APPLY).exits(0);
        guest.machine.reboot();
        let flush = if guest.machine.setup().model.has_ipadm() {
            "_fin_wait_2_flush_interval"
        } else {
            "tcp_fin_wait_2_flush_interval"
        };
        // Within the bounds of the profile, and not what tune would set.
        guest.machine.set_behind("tcp", flush, "20000");
        guest.tune(BOOT).exits(0);
        assert_eq!(guest.machine.live("tcp", flush).as_deref(), Some("20000"), "{name}");
        guest.tune(&["audit", "web-server"]).exits(0);
    }
}

#[test]
fn a_start_that_is_cut_off_is_finished_by_the_next_one() {
    for (name, guest) in served() {
        guest.tune(APPLY).exits(0);
        let applied = guest.everything();
        for at in 1..=3 {
            guest.machine.reboot();
            let ran = guest.killed(&format!("after:{at}"), BOOT);
            assert_ne!(ran.code, 0, "{name}: {ran}");
            guest.machine.reboot();
            guest.tune(BOOT).exits(0);
            guest.everything().same_as(&applied, &format!("{name}: cut off after change {at}"));
            guest.tune(&["history", "--verify"]).exits(0);
        }
        guest.tune(&["off", "--yes"]).exits(0);
        guest.restart();
        assert!(MANIFESTS.iter().all(|path| guest.text(path).is_none()), "{name}");
        // A service that the repository of SMF still has finds nothing to do.
        guest.tune(BOOT).exits(0).says("Nothing changed");
    }
}

#[test]
fn a_start_script_that_sets_the_same_later_is_named() {
    let guest = Guest::with(PROGRAM, &Setup::of(tune_tests::sunos::Model::S10));
    let script = "/etc/rc2.d/S99ndd";
    guest.put(script, "#!/sbin/sh\n/usr/sbin/ndd -set /dev/tcp tcp_fin_wait_2_flush_interval 67500\n");
    guest.tune(&["audit", "web-server"]).exits(2).says(&format!("boot: 67500, from {script}:2"));
    guest.tune(&["explain", "ipadm.tcp._fin_wait_2_flush_interval"]).exits(0).says(&format!("{script}:2"));
    let before = guest.everything();
    guest.tune(APPLY).exits(1).says(&format!("{script}:2")).says("--runtime-only").says("--accept-override");
    guest.everything().same_as(&before, "refused");
    assert!(guest.changes().is_empty(), "{:?}", guest.changes());

    guest.tune(&[APPLY, &["--runtime-only"]].concat()).exits(0);
    assert_eq!(guest.text(MANIFESTS[0]), None);
    guest.tune(&["off", "--yes"]).exits(0);
    guest.everything().same_as(&before, "runtime only, and off");

    guest.tune(&[APPLY, &["--accept-override"]].concat()).exits(0).says(script);
    assert!(guest.text(MANIFESTS[0]).is_some());
    guest.tune(&["audit", "web-server"]).exits(2).says("will drift");
    guest.tune(&["off", "--yes"]).exits(0);
    guest.everything().same_as(&before, "accepted, and off");
}
