//! Changes on illumos and Solaris hosts in a directory: made, kept over a restart, taken back, and finished after a crash.
#![allow(clippy::unwrap_used)]

use tune_tests::sunos::Guest;

const PROGRAM: &str = env!("CARGO_BIN_EXE_tune-on-sunos");
const APPLY: &[&str] = &["apply", "web-server", "--yes"];

fn on_each_host(test: impl Fn(&str, &Guest)) {
    Guest::on_each(PROGRAM, test);
}

#[test]
fn a_profile_is_applied_once_kept_over_a_restart_and_taken_back() {
    on_each_host(|name, guest| {
        let before = guest.everything();
        guest.tune(APPLY).exits(0).says("to do: what listens already keeps the old values");
        guest.tune(&["audit", "web-server"]).exits(0);
        let applied = guest.everything();

        let calls = guest.changes();
        guest.tune(APPLY).exits(0).says("Nothing changed");
        guest.tune(&[APPLY, &["--detailed-exitcodes"]].concat()).exits(0);
        assert_eq!(guest.changes(), calls, "{name}");
        guest.tune(&["active"]).exits(0).says("web-server");

        guest.restart();
        guest.everything().same_as(&applied, &format!("{name}: after the restart"));
        guest.tune(&["audit", "web-server"]).exits(0);
        guest.tune(&["rollback", "1", "--yes"]).exits(0);
        guest.everything().same_as(&before, &format!("{name}: after the rollback"));
        guest.restart();
        guest.everything().same_as(&before, &format!("{name}: after another restart"));
        guest.tune(&["history", "--verify"]).exits(0);
    });
}

#[test]
fn what_looks_only_shows_and_what_changes_makes_the_calls_that_it_printed() {
    on_each_host(|name, guest| {
        for words in [
            &["status"] as &[&str],
            &["explain", "tcp.fin_wait_2_timeout"],
            &["audit", "web-server"],
            &["plan", "web-server"],
            &["apply", "web-server", "--dry-run", "--diff"],
        ] {
            guest.tune(words);
        }
        assert!(guest.changes().is_empty(), "{name}: {:?}", guest.changes());
        let shows = |call: &Vec<String>| matches!(call[1].as_str(), "show-prop" | "-get");
        assert!(guest.calls().iter().all(shows), "{name}: {:?}", guest.calls());

        let planned = guest.document(&["plan", "web-server"]).1;
        let steps = planned["steps"].as_array().unwrap().iter();
        let printed: Vec<String> = steps
            .flat_map(|step| step["commands"].as_array().cloned().unwrap_or_default())
            .map(|command| command.as_str().unwrap().to_owned())
            .collect();
        guest.tune(APPLY).exits(0);
        assert_eq!(guest.changes(), printed, "{name}");
    });
}

#[test]
fn killed_before_and_after_any_change_everything_is_old_or_new() {
    on_each_host(|name, guest| {
        let old = guest.everything();
        let mut at = 1;
        loop {
            for when in ["before", "after"] {
                let what = format!("{name}: killed {when} change {at}");
                let ran = guest.killed(&format!("{when}:{at}"), APPLY);
                if ran.code == 0 {
                    assert!(at > 4, "{what}: it was not killed");
                    return;
                }
                guest.tune(&["status"]).exits(0).says("tune recover");
                guest.tune(&["recover"]).exits(0);
                guest.everything().same_as(&old, &what);
                guest.tune(&["recover"]).exits(0);
                guest.tune(&["history", "--verify"]).exits(0);
            }
            at += 1;
        }
    });
}
