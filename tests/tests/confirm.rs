//! Tried out and confirmed, or not: silence, other changers, what somebody else wrote, failures.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;
use tune_tests::binary::{self, Ran};
use tune_tests::namespace::{Everything, TestHost, write_file};
use tune_tests::trial::{FIN, IDLE, LONG, OURS, SHORT, last, on_a_host, state, try_out, undone, waiting};
use tune_tests::watchdog::{Watchdog, eventually};

#[test]
fn silence_undoes_it() {
    on_a_host(|host, before| {
        let start = Instant::now();
        let ran = try_out(host, SHORT);
        ran.says("undone unless confirmed").says("keep: tune confirm --state-dir /mnt/state (before 20");
        let found = waiting(host).unwrap();
        assert_eq!((&found["state"], &found["overdue"]), (&"awaiting-confirmation".into(), &false.into()));
        assert!((1..=2000).contains(&found["left_ms"].as_u64().unwrap()), "{found}");
        assert!(found["deadline"].as_str().unwrap().ends_with('Z'), "{found}");
        undone(host, before, "not confirmed in time");
        assert!(start.elapsed() >= Duration::from_secs(2), "it was undone too early");
        host.tune(&["confirm"]).exits(1).says("nothing awaits confirmation").says("not confirmed in time");
    });
}

#[test]
fn confirmed_it_is_like_any_other_change() {
    on_a_host(|host, before| {
        let told = host.tune(&["apply", "web-server", "--yes", "--confirm-within", LONG, "--format", "json"]);
        let told = told.exits(0).json();
        assert_eq!((&told["state"], &told["changed"]), (&"awaiting-confirmation".into(), &true.into()));
        assert_eq!(told["keep"], "tune confirm --state-dir /mnt/state");
        let scopes: Vec<_> =
            told["changes"].as_array().unwrap().iter().map(|change| &change["scope"]).collect();
        assert!(!scopes.is_empty() && scopes.iter().all(|scope| **scope == "runtime"), "{told}");
        let confirmed = host.tune(&["confirm", "--format", "json"]).exits(0).json();
        assert_eq!(
            (&confirmed["schema"], &confirmed["state"]),
            (&"tune.confirm/1".into(), &"applied".into())
        );
        assert!(confirmed["undo"].as_str().unwrap().starts_with("tune rollback 1"), "{confirmed}");
        assert!(fs::read_to_string(OURS).unwrap().contains(FIN));
        host.tune(&["audit", "web-server"]).exits(0);
        assert!(host.tune(&["active"]).exits(0).stdout.contains("web-server"));
        assert_eq!((waiting(host), state(host).as_str()), (None, "applied"));
        assert!(last(host).get("deadline").is_none(), "{}", last(host));
        let again =
            host.tune(&["apply", "web-server", "--yes", "--confirm-within", LONG, "--format", "json"]);
        assert_eq!(again.exits(0).json()["changed"], false);
        assert_eq!(waiting(host), None, "there was nothing to try out");
        host.tune(&["confirm"]).exits(1);
        host.tune(&["rollback", "1", "--yes"]).exits(0);
        host.everything().same_as(before, "after the rollback");
    });
}

#[test]
fn a_single_setting_is_tried_out_too() {
    on_a_host(|host, before| {
        host.tune(&["set", "tcp.fin_wait_2_timeout=25s", "--yes", "--confirm-within", SHORT]).exits(0);
        assert_eq!(host.read(FIN), "25");
        undone(host, before, "not confirmed in time");
    });
}

#[test]
fn other_changers_are_told_who_and_how_long() {
    on_a_host(|host, before| {
        try_out(host, LONG);
        let during = host.everything();
        for command in [
            &["apply", "baseline", "--yes"][..],
            &["apply", "web-server", "--yes", "--confirm-within", LONG],
            &["set", "tcp.keepalive_probes=5", "--yes"],
            &["off", "--yes"],
            &["recover"],
        ] {
            let refused = host.tune(command).exits(75);
            refused
                .says("transaction 1 (apply web-server), begun by root, awaits confirmation for another")
                .says("hint: keep it: tune confirm")
                .says("hint: take it back: tune rollback 1");
        }
        let told = host.tune(&["apply", "baseline", "--yes", "--format", "json"]).exits(75).json();
        assert_eq!((&told["kind"], &told["exit_code"]), (&"awaiting-confirmation".into(), &75.into()));
        host.everything().same_as(&during, "after commands that had to wait");
        host.tune(&["plan", "baseline"]).says("is undone in");
        host.tune(&["rollback", "--dry-run"]).exits(0).says("set net.ipv4.tcp_fin_timeout 30 -> 60");
        host.everything().same_as(&during, "after commands that look");
        let told = host.tune(&["rollback", "--format", "json"]).exits(0).json();
        assert_eq!((&told["state"], &told["changed"]), (&"rolled-back".into(), &true.into()));
        undone(host, before, "taken back before it was confirmed");
        host.tune(&["rollback", "1", "--yes"]).exits(1).says("rolled-back");
    });
}

#[test]
fn confirming_too_late_undoes_it() {
    on_a_host(|host, before| {
        try_out(host, "1s");
        Watchdog::only().kill();
        eventually("it is overdue", || waiting(host).unwrap()["overdue"] == true);
        let told = host.tune(&["confirm", "--format", "json"]).exits(1).json();
        assert_eq!((&told["changed"], &told["state"]), (&false.into(), &"rolled-back".into()));
        assert!(told["msg"].as_str().unwrap().contains("not confirmed in time"), "{told}");
        undone(host, before, "not confirmed in time");
    });
}

#[test]
fn a_trial_that_fails_leaves_nothing_armed() {
    on_a_host(|host, before| {
        // The last value is not taken.
        let strace = ["-o", "/mnt/strace", "-P", "/proc/sys/net/ipv4/tcp_keepalive_time"];
        let inject = ["-e", "trace=write", "-e", "inject=write:error=EINVAL"];
        let apply = ["apply", "web-server", "--yes", "--confirm-within", LONG];
        let failed = Ran::of(&mut host.traced(&[&strace[..], &inject].concat(), &apply)).exits(1);
        failed.says("the host is as before");
        host.everything().same_as(before, "after a trial that failed");
        assert!(Watchdog::all().is_empty());
        assert_eq!((waiting(host), state(host).as_str()), (None, "failed"));
    });
}

/// Demands that a confirmation failed and that nothing is left of it.
fn nothing_is_armed(host: &TestHost, before: &Everything, told: &Value) {
    assert_eq!((&told["failed"], &told["changed"]), (&true.into(), &false.into()), "{told}");
    eventually("no process is left", || Watchdog::all().is_empty());
    assert_eq!((waiting(host), state(host).as_str()), (None, "failed"));
    host.everything().same_as(before, "after a confirmation that failed");
    host.tune(&["recover"]).exits(0).says("Nothing to recover");
}

#[test]
fn a_confirmation_that_cannot_write_undoes_it() {
    on_a_host(|host, before| {
        host.does(&["mount", "--bind", "/etc/sysctl.d", "/etc/sysctl.d"]);
        try_out(host, LONG);
        host.does(&["mount", "-o", "remount,bind,ro", "/etc/sysctl.d"]);
        let told = host.tune(&["confirm", "--format", "json"]).exits(1).json();
        assert!(told["msg"].as_str().unwrap().contains("read-only"), "{told}");
        host.does(&["umount", "/etc/sysctl.d"]);
        nothing_is_armed(host, before, &told);
    });
}

#[test]
fn what_somebody_else_wrote_meanwhile_is_not_confirmed_and_stays() {
    on_a_host(|host, before| {
        try_out(host, LONG);
        write_file(OURS, "# theirs\n");
        let told = host.tune(&["confirm", "--format", "json"]).exits(1).json();
        assert_eq!(fs::read_to_string(OURS).unwrap(), "# theirs\n");
        fs::remove_file(OURS).unwrap();
        nothing_is_armed(host, before, &told);

        try_out(host, LONG);
        host.write(FIN, "45");
        let told = host.tune(&["confirm"]).exits(3);
        told.says("omebody else has changed net.ipv4.tcp_fin_timeout meanwhile: it was 30, now it is 45");
        assert_eq!((host.read(FIN).as_str(), host.read(IDLE).as_str()), ("45", "7200"));
        eventually("no process is left", || Watchdog::all().is_empty());
        assert_eq!((waiting(host), state(host).as_str()), (None, "partly-rolled-back"));
        host.write(FIN, "60");
        host.everything().same_as(before, "but for what somebody else wrote");
    });
}

#[test]
fn silence_leaves_what_somebody_else_wrote() {
    on_a_host(|host, _| {
        try_out(host, SHORT);
        host.write(FIN, "45");
        eventually("the rest is undone", || host.read(IDLE) == "7200");
        eventually("the books are closed", || state(host) == "partly-rolled-back");
        assert_eq!(host.read(FIN), "45");
        assert_eq!(last(host)["conflicts"][0]["found"], "45");
    });
}

#[test]
fn a_rollback_of_a_trial_leaves_what_somebody_else_wrote_unless_told_otherwise() {
    on_a_host(|host, before| {
        try_out(host, LONG);
        host.write(FIN, "45");
        host.tune(&["rollback", "--all-or-nothing"]).exits(1).says("nothing was touched");
        assert_eq!(host.read(IDLE), "900");
        host.tune(&["rollback", "--dry-run"]).exits(2).says("conflict: net.ipv4.tcp_fin_timeout is 45");
        host.tune(&["rollback"]).exits(3).says("conflict: net.ipv4.tcp_fin_timeout is 45");
        assert_eq!((host.read(FIN).as_str(), host.read(IDLE).as_str()), ("45", "7200"));
        host.write(FIN, "60");

        try_out(host, LONG);
        host.write(FIN, "45");
        host.tune(&["rollback", "--overwrite-foreign"]).exits(0);
        host.everything().same_as(before, "after everything was put back");
    });
}

#[test]
fn another_network_namespace_is_found_again() {
    on_a_host(|host, before| {
        host.does(&["ip", "netns", "add", "blue"]);
        let read = || {
            let path = format!("/proc/sys/{}", FIN.replace('.', "/"));
            host.does(&["ip", "netns", "exec", "blue", "cat", &path]).trim().to_owned()
        };
        let apply = |time| {
            host.tune(&["apply", "web-server", "--netns", "blue", "--yes", "--confirm-within", time])
                .exits(0);
            assert_eq!(read(), "30");
            host.everything().same_as(before, "while a namespace is tuned");
        };
        apply(SHORT);
        eventually("it is undone", || read() == "60");
        eventually("no process is left", || Watchdog::all().is_empty());
        apply(LONG);
        host.tune(&["confirm"]).exits(0);
        assert_eq!(read(), "30");
        host.tune(&["audit", "web-server", "--netns", "blue"]).exits(0);
        host.tune(&["rollback", "--yes"]).exits(0);
        assert_eq!(read(), "60");
        // Gone with its name and its values.
        apply(SHORT);
        host.does(&["ip", "netns", "del", "blue"]);
        eventually("the books are closed", || state(host) == "rolled-back");
        host.everything().same_as(before, "after the namespace is gone");
    });
}

#[test]
fn what_cannot_be_tried_out_is_refused() {
    on_a_host(|host, before| {
        let apply = |more: &[&str]| host.tune(&[&["apply", "web-server", "--yes"], more].concat());
        apply(&["--confirm-within", "2min", "--boot-only"]).exits(64).says("cannot be used with");
        for time in ["999ms", "25h", "0s", "soon", "2", ""] {
            apply(&["--confirm-within", time]).exits(64);
        }
        let image = host.directory("image");
        for directory in ["etc/sysctl.d", "etc/init.d", "var/lib"] {
            fs::create_dir_all(image.join(directory)).unwrap();
        }
        fs::write(image.join("etc/init.d/procps"), "").unwrap();
        apply(&["--confirm-within", "2min", "--root", "/mnt/image"]).exits(64).says("an image does not run");
        host.tune(&["apply", "web-server", "--confirm-within", "2min"]).exits(64).says("--yes");
        host.everything().same_as(before, "after refusals");
        assert_eq!(fs::read_dir(host.state()).unwrap().count(), 0, "a refusal left state behind");
    });
}

#[test]
fn a_dry_run_shows_what_waits_and_starts_nothing() {
    on_a_host(|host, before| {
        let words = ["apply", "web-server", "--dry-run", "--confirm-within", "2min"];
        host.tune(&words).exits(2).says("and when it is confirmed").says("Undone after 120s unless");
        let told = host.tune(&[&words[..], &["--format", "json"]].concat()).exits(2).json();
        for step in told["steps"].as_array().unwrap() {
            let when = if step["kind"] == "set-tunable" { "now" } else { "confirm" };
            assert_eq!(step["when"], when, "{step}");
        }
        assert!(Watchdog::all().is_empty());
        host.everything().same_as(before, "after a dry run");
        assert_eq!(fs::read_dir(host.state()).unwrap().count(), 0, "a dry run left state behind");
    });
}

#[test]
fn who_may_not_change_anything_may_see_what_waits() {
    on_a_host(|host, before| {
        try_out(host, LONG);
        fs::set_permissions("/mnt", std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let nobody = |arguments: &[&str]| {
            let mut command = host.command("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg("/mnt/tune");
            Ran::of(command.args(arguments).args(["--state-dir", "/mnt/state"]))
        };
        fs::copy(binary::tune(), "/mnt/tune").unwrap();
        nobody(&["status"]).exits(0).says("is undone in").says("unless tune confirm keeps it");
        nobody(&["audit", "web-server"]).says("unless tune confirm keeps it");
        nobody(&["confirm"]).exits(77);
        nobody(&["rollback"]).exits(77);
        assert_eq!(host.read(FIN), "30");
        host.tune(&["rollback"]).exits(0);
        host.everything().same_as(before, "after the rollback");
    });
}

#[test]
fn only_live_values_wait_too() {
    on_a_host(|host, before| {
        let apply = ["apply", "web-server", "--yes", "--runtime-only", "--confirm-within"];
        host.tune(&[&apply[..], &[LONG]].concat()).exits(0);
        assert!(!host.tune(&["active"]).exits(0).stdout.contains("tcp_fin_timeout"));
        host.tune(&["confirm"]).exits(0);
        assert!(host.tune(&["active"]).exits(0).stdout.contains("tcp_fin_timeout"));
        host.tune(&["rollback", "--yes"]).exits(0);
        host.everything().same_as(before, "after the rollback");
    });
}
