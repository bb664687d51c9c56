//! Tried out, and then something ends: the terminal, the login, the process that waits, the command, the machine.

#![allow(clippy::unwrap_used)]

use std::fs::{self, OpenOptions};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::signal::Signal;
use tune_tests::binary::{self, Ran};
use tune_tests::namespace::{TestHost, write_file};
use tune_tests::trial::{FIN, LONG, SHORT, last, on_a_host, state, try_out, undone, waiting};
use tune_tests::watchdog::{Watchdog, eventually};

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

/// Starts a shell that has a terminal of its own, and waits until it shows something. The terminal closes with the
/// file: no other process has that end of it. Signals do to the shell what they do by default, also where the tests run
/// under nohup.
fn at_a_terminal(host: &TestHost, script: &str, until: &str) -> (Child, fs::File) {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let near = posix_openpt(flags).unwrap();
    grantpt(&near).and_then(|()| unlockpt(&near)).unwrap();
    let mut far = OpenOptions::new();
    far.read(true).write(true).custom_flags(OFlag::O_NOCTTY.bits());
    let far = far.open(ptsname_r(&near).unwrap()).unwrap();
    let end = || Stdio::from(far.try_clone().unwrap());
    let mut shell = host.command("env");
    shell
        .args(["--default-signal", "setsid", "--ctty", "sh", "-c", script])
        .stdin(end())
        .stdout(end())
        .stderr(end());
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
            let login = ["--default-signal", "setsid", "--wait", "sh", "-c", &script];
            let ended = Ran::of(host.command("env").args(login));
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
