//! Tried out and confirmed, or not: silence, ended logins, killed processes, failures.

#![allow(clippy::unwrap_used)]

use std::fs::{self, OpenOptions};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::signal::Signal;
use serde_json::Value;
use tune_tests::binary::{self, Ran};
use tune_tests::namespace::{Boot, Everything, TestHost, write_file};
use tune_tests::watchdog::{NoneLeft, Watchdog, eventually};

const FIN: &str = "net.ipv4.tcp_fin_timeout";
const IDLE: &str = "net.ipv4.tcp_keepalive_time";
const OURS: &str = "/etc/sysctl.d/zz-tune.conf";
const SHORT: &str = "2s";
/// Longer than any test takes.
const LONG: &str = "10min";

fn on_a_host(test: impl FnOnce(&TestHost, &Everything) + Send) {
    TestHost::run(Boot::Systemd, |host| {
        let _none_left = NoneLeft;
        let before = host.everything();
        test(host, &before);
        eventually("no process is left", || Watchdog::all().is_empty());
    });
}

fn try_out(host: &TestHost, time: &str) -> Ran {
    let ran = host.tune(&["apply", "web-server", "--yes", "--confirm-within", time]).exits(0);
    assert_eq!(host.read(FIN), "30");
    assert!(!Path::new(OURS).exists(), "a boot file was written before it was confirmed");
    ran
}

fn undone(host: &TestHost, before: &Everything, note: &str) {
    eventually("it is undone", || host.read(FIN) == "60");
    eventually("the books are closed", || state(host) == "rolled-back");
    host.everything().same_as(before, "after it was undone");
    assert!(last(host)["note"].as_str().unwrap().contains(note), "{}", last(host));
    assert_eq!(waiting(host), None);
    host.tune(&["history", "--verify"]).exits(0);
    host.tune(&["recover"]).exits(0).says("Nothing to recover");
}

fn last(host: &TestHost) -> Value {
    let history = host.tune(&["history", "--format", "json"]).exits(0).json();
    history["transactions"].as_array().unwrap().last().unwrap().clone()
}

fn state(host: &TestHost) -> String {
    last(host)["state"].as_str().unwrap().to_owned()
}

/// Returns the transaction that status shows as not finished; audit and active must show it too.
fn waiting(host: &TestHost) -> Option<Value> {
    let status = host.tune(&["status", "--format", "json"]).exits(0).json();
    let found = status["transactions"].as_array().unwrap().first().cloned();
    for command in [&["audit", "web-server", "--format", "json"][..], &["active", "--format", "json"]] {
        let document = host.tune(command).json();
        assert_eq!(document.get("open_transaction").is_some(), found.is_some(), "{command:?}: {document}");
    }
    found
}

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
fn without_the_process_that_waits_the_next_change_undoes_it() {
    on_a_host(|host, before| {
        try_out(host, SHORT);
        Watchdog::only().kill();
        eventually("it is overdue", || waiting(host).unwrap()["overdue"] == true);
        host.tune(&["status"]).exits(0).says("is overdue for confirmation");
        host.tune(&["audit", "web-server"]).says("is overdue for confirmation");
        assert_eq!(host.read(FIN), "30");
        let told = host.tune(&["set", "tcp.keepalive_probes=5", "--yes"]).exits(0);
        told.says("transaction 1 was not confirmed in time: it is now rolled-back");
        assert_eq!(host.read(FIN), "60");
        host.tune(&["rollback", "--yes"]).exits(0);
        host.everything().same_as(before, "after the rollback of the other change");
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

/// Starts a shell that has a terminal of its own, and waits until it shows something. The terminal closes with the
/// file: no other process has that end of it.
fn at_a_terminal(host: &TestHost, script: &str, until: &str) -> (Child, fs::File) {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let near = posix_openpt(flags).unwrap();
    grantpt(&near).and_then(|()| unlockpt(&near)).unwrap();
    let mut far = OpenOptions::new();
    far.read(true).write(true).custom_flags(OFlag::O_NOCTTY.bits());
    let far = far.open(ptsname_r(&near).unwrap()).unwrap();
    let end = || Stdio::from(far.try_clone().unwrap());
    let mut shell = host.command("setsid");
    shell.args(["--ctty", "sh", "-c", script]).stdin(end()).stdout(end()).stderr(end());
    let child = shell.spawn().unwrap();
    let mut terminal = fs::File::from(OwnedFd::from(near));
    let mut shown = String::new();
    while !shown.contains(until) {
        let mut buffer = [0; 4096];
        let length = terminal.read(&mut buffer).unwrap();
        shown.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    (child, terminal)
}

fn tune_line(time: &str) -> String {
    let tune = binary::tune().display();
    format!("{tune} apply web-server --yes --state-dir /mnt/state --confirm-within {time}")
}

#[test]
fn a_closed_terminal_is_silence() {
    on_a_host(|host, before| {
        let script = format!("{}; sleep 1000", tune_line("3s"));
        let (mut shell, terminal) = at_a_terminal(host, &script, "awaiting-confirmation");
        assert_eq!(host.read(FIN), "30");
        drop(terminal);
        let ended = shell.wait().unwrap();
        assert!(!ended.success(), "the shell survived its terminal: {ended}");
        assert!(Watchdog::only().leads_a_session());
        undone(host, before, "not confirmed in time");
    });
}

#[test]
fn a_login_all_of_whose_processes_are_killed_is_silence() {
    on_a_host(|host, before| {
        for signal in ["KILL", "HUP", "INT", "TERM"] {
            // As soon as the command has returned, everything in its process group is killed.
            let script = format!("{}; kill -{signal} 0; sleep 1000", tune_line(SHORT));
            let ended = Ran::of(host.command("setsid").args(["--wait", "sh", "-c", &script]));
            assert_ne!(ended.code, 0, "{signal}: {ended}");
            assert_eq!(host.read(FIN), "30", "{signal}");
            assert!(Watchdog::only().is_alive(), "{signal}");
            undone(host, before, "not confirmed in time");
            host.forget();
        }
    });
}

#[test]
fn told_to_end_the_process_that_waits_undoes_at_once() {
    on_a_host(|host, before| {
        try_out(host, LONG);
        let waits = Watchdog::only();
        waits.signal(Signal::SIGHUP);
        waits.signal(Signal::SIGINT);
        std::thread::sleep(Duration::from_millis(1500));
        assert!(waits.is_alive() && host.read(FIN) == "30", "it is not for a terminal to end it");
        waits.signal(Signal::SIGTERM);
        undone(host, before, "was told to end");
    });
}

#[test]
fn the_process_that_waits_holds_nothing_of_the_login() {
    on_a_host(|host, _| {
        let script = format!("exec 7>/mnt/held 8</etc/passwd; cd /mnt; {}", tune_line(LONG));
        let start = Instant::now();
        Ran::of(host.command("sh").args(["-c", &script]).env("SECRET", "word")).exits(0);
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "the caller had to wait for the end of the output"
        );
        let waits = Watchdog::only();
        let null = |number: &str| (number.to_owned(), "/dev/null".into());
        eventually("it has settled", || waits.descriptors() == [null("0"), null("1"), null("2")]);
        assert_eq!((waits.environment().as_str(), waits.directory()), ("", Some("/".into())));
        assert!(waits.leads_a_session());
        host.tune(&["confirm"]).exits(0);
    });
}

#[test]
fn nothing_is_changed_where_nobody_would_undo_it() {
    on_a_host(|host, before| {
        let strace = ["-o", "/dev/null", "-e", "inject=clone,clone3,vfork:error=EAGAIN"];
        let apply = ["apply", "web-server", "--yes", "--confirm-within", LONG];
        let refused = Ran::of(&mut host.traced(&strace, &apply)).exits(1);
        let refused = refused.says("could not be started").says("nothing was changed");
        assert!(!refused.stderr.contains("os error"), "{refused}");
        host.everything().same_as(before, "after a change that nobody would have undone");
        assert!(Watchdog::all().is_empty());
        host.tune(&["confirm"]).exits(1);
        assert_eq!(waiting(host), None);
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
        host.tune(&["rollback", "--dry-run"]).exits(0).says("conflict: net.ipv4.tcp_fin_timeout is 45");
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
fn a_killed_trial_is_undone_in_time_with_nobody_there() {
    on_a_host(|host, before| {
        let mut changed = 0;
        for number in 1..=20 {
            let inject = format!("inject=write,fsync,fdatasync:signal=KILL:when={number}");
            let mut killed = host.command("strace");
            killed.args(["-qq", "-o", "/dev/null", "-e", "trace=write,fsync,fdatasync", "-e", &inject]);
            killed.arg(binary::tune()).args(["apply", "web-server", "--yes", "--state-dir", "/mnt/state"]);
            let killed = Ran::of(killed.args(["--confirm-within", SHORT]));
            assert!([0, 137].contains(&killed.code), "{killed}");
            changed += usize::from(host.everything() != *before);
            eventually("no process is left", || Watchdog::all().is_empty());
            host.everything().same_as(before, &format!("killed at call {number}"));
            host.tune(&["recover"]).exits(0);
            host.everything().same_as(before, &format!("killed at call {number}, recovered"));
            host.forget();
            if killed.code == 0 {
                break;
            }
        }
        assert!(changed >= 3, "only {changed} were killed after the first change");
    });
}

/// Ends a confirmation at a call of its own.
fn confirm_ended_at(host: &TestHost, call: &str, number: usize, signal: &str) -> Ran {
    let (trace, inject) = (format!("trace={call}"), format!("inject={call}:signal={signal}:when={number}"));
    Ran::of(&mut host.traced(&["-o", "/mnt/strace", "-e", &trace, "-e", &inject], &["confirm"]))
}

#[test]
fn an_interrupted_confirmation_undoes_it() {
    on_a_host(|host, before| {
        for signal in ["INT", "TERM", "HUP"] {
            try_out(host, LONG);
            // The first is that of the head of the history, the second that of the boot file.
            confirm_ended_at(host, "renameat,rename,renameat2", 2, signal)
                .exits(1)
                .says("nterrupted; the host is as before");
            eventually("no process is left", || Watchdog::all().is_empty());
            assert_eq!((waiting(host), state(host).as_str()), (None, "failed"), "{signal}");
            host.everything().same_as(before, &format!("interrupted by SIG{signal}"));
        }
    });
}

#[test]
fn a_killed_confirmation_is_undone_in_time_or_can_be_repeated() {
    on_a_host(|host, before| {
        for number in 1..=9 {
            try_out(host, "3s");
            let killed = confirm_ended_at(host, "fsync,fdatasync", number, "KILL");
            if killed.code == 0 {
                break;
            }
            assert_eq!(killed.code, 137, "{killed}");
            eventually("it is over", || Watchdog::all().is_empty());
            // What had ended when it was killed is only not on the books yet.
            host.tune(&["recover"]).exits(0);
            match state(host).as_str() {
                "applied" => drop(host.tune(&["rollback", "--yes"]).exits(0)),
                other => assert!(["failed", "rolled-back"].contains(&other), "fsync {number}: {other}"),
            }
            host.everything().same_as(before, &format!("fsync {number}"));
            assert_eq!(waiting(host), None, "fsync {number}");
        }
    });
}

#[test]
fn a_restart_undoes_it() {
    on_a_host(|host, _| {
        try_out(host, LONG);
        Watchdog::only().kill();
        write_file("/mnt/boot_id", "5c7ba2ae-0000-4000-8000-5f0d1d0c1a2b\n");
        host.does(&["mount", "--bind", "/mnt/boot_id", "/proc/sys/kernel/random/boot_id"]);
        // What the next boot has made of it.
        host.write(FIN, "50");
        let before = host.everything();
        assert_eq!((waiting(host), state(host).as_str()), (None, "rolled-back"));
        host.tune(&["rollback", "--yes"]).exits(1);
        let told = host.tune(&["confirm"]).exits(1);
        told.says("ot confirmed before the machine was restarted");
        host.everything().same_as(&before, "after a restart");
        assert!(last(host)["note"].as_str().unwrap().contains("restarted"), "{}", last(host));
        host.tune(&["recover"]).exits(0).says("Nothing to recover");
        host.tune(&["history", "--verify"]).exits(0);
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
