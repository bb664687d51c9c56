//! Ended in the middle: killed, interrupted, and two at once.
//!
//! A run that nothing disturbs is recorded first. Then `strace` ends the same run at calls of its own choice that
//! change something, so that each test ends it at the same places every time.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use tune_tests::binary::Ran;
use tune_tests::namespace::{Boot, Everything, TestHost, write_file};

const APPLY: &[&str] = &["apply", "web-server", "--yes", "--take-over"];
const FIN: &str = "net.ipv4.tcp_fin_timeout";

/// The calls that change something.
const CALLS: &str = "mkdir,mkdirat,openat,write,pwrite64,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,ftruncate,fchmod,fchown,rmdir";

/// How many places a run is ended at.
const PLACES: usize = 12;

/// A call, and which of its name it is.
type Place = (String, usize);

/// Runs a test where a line has to be taken over, so that three kinds of steps are made.
fn on_a_host(test: impl FnOnce(&TestHost, &Everything) + Send) {
    TestHost::run(Boot::Systemd, |host| {
        write_file("/etc/sysctl.d/zzz.conf", "net.ipv4.tcp_fin_timeout = 50\n");
        test(host, &host.everything());
    });
}

fn ended_at(host: &TestHost, (call, number): &Place, signal: &str, arguments: &[&str]) -> Ran {
    let inject = format!("inject={call}:signal={signal}:when={number}");
    let trace = format!("trace={call}");
    let strace = ["-o", "/mnt/strace", "-e", &trace, "-e", &inject];
    Ran::of(&mut host.traced(&strace, arguments))
}

/// Records an undisturbed run, takes it back, and returns every call of it that changes something.
fn calls(host: &TestHost, before: &Everything) -> Vec<Place> {
    let trace = format!("trace={CALLS}");
    let apply = Ran::of(&mut host.traced(&["-o", "/mnt/strace", "-e", &trace], APPLY));
    apply.exits(0);
    host.tune(&["rollback", "--yes"]).exits(0);
    host.everything().same_as(before, "after the recorded run");
    host.forget();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let text = fs::read_to_string("/mnt/strace").unwrap();
    let mut found = Vec::new();
    for line in text.lines() {
        let Some((call, rest)) = line.split_once(' ').and_then(|(_, call)| call.trim().split_once('('))
        else {
            continue;
        };
        let number = seen.entry(call.to_owned()).or_default();
        *number += 1;
        let reads = call == "openat" && !rest.contains("O_CREAT") && !rest.contains("O_WRONLY");
        let speaks = call == "write" && (rest.starts_with("1,") || rest.starts_with("2,"));
        if !reads && !speaks {
            found.push((call.to_owned(), *number));
        }
    }
    found
}

fn spread(calls: &[Place]) -> impl Iterator<Item = &Place> {
    let places = PLACES.min(calls.len());
    (0..places).map(move |at| &calls[at * (calls.len() - 1) / (places - 1)])
}

/// Tells whether a transaction is on the books as not finished.
fn is_open(host: &TestHost) -> bool {
    let status = host.tune(&["status", "--format", "json"]).exits(0).json();
    let open = !status["transactions"].as_array().unwrap().is_empty();
    let audit = host.tune(&["audit", "web-server", "--format", "json"]).json();
    assert_eq!(audit.get("open_transaction").is_some(), open, "status and audit differ: {audit}\n{status}");
    open
}

#[test]
fn killed_anywhere_the_host_is_as_before_or_after_once_recovered() {
    on_a_host(|host, before| {
        let calls = calls(host, before);
        assert!(calls.len() > 20, "{calls:?}");
        let mut open = 0;
        for place in spread(&calls) {
            let killed = ended_at(host, place, "KILL", APPLY);
            assert_eq!(killed.code, 137, "{place:?}: {killed}");
            let changed = host.everything() != *before;
            let said = is_open(host);
            open += usize::from(said);
            host.tune(&["recover"]).exits(0);
            assert!(!is_open(host), "{place:?}: still open after recovery");
            let after = host.everything();
            let applied = host.read(FIN) == "30";
            assert!(said || !changed || applied, "{place:?}: something was changed and nobody says so");
            if applied {
                host.tune(&["audit", "web-server"]).exits(0);
                host.tune(&["rollback", "--yes"]).exits(0);
                host.everything().same_as(before, &format!("{place:?}, rolled back"));
            } else {
                after.same_as(before, &format!("{place:?}, recovered"));
            }
            host.tune(&["recover"]).exits(0);
            host.forget();
        }
        assert!(open >= 4, "only {open} places left something open");
    });
}

#[test]
fn the_next_apply_recovers_by_itself() {
    on_a_host(|host, before| {
        let calls = calls(host, before);
        for place in spread(&calls) {
            assert_eq!(ended_at(host, place, "KILL", APPLY).code, 137);
            host.tune(APPLY).exits(0);
            host.tune(&["audit", "web-server"]).exits(0);
            host.tune(&["history", "--verify"]).exits(0);
            host.tune(&["rollback", "--yes"]).exits(0);
            host.everything().same_as(before, &format!("{place:?}, applied again and rolled back"));
            host.forget();
        }
    });
}

#[test]
fn a_killed_rollback_is_recovered_too() {
    on_a_host(|host, before| {
        let trace = format!("trace={CALLS}");
        host.tune(APPLY).exits(0);
        let applied = host.everything();
        Ran::of(&mut host.traced(&["-o", "/mnt/strace", "-e", &trace], &["rollback", "--yes"])).exits(0);
        let text = fs::read_to_string("/mnt/strace").unwrap();
        let syncs = text.lines().filter(|line| line.contains(" fsync(")).count();
        for number in 1..=syncs {
            host.tune(APPLY).exits(0);
            let killed = ended_at(host, &("fsync".to_owned(), number), "KILL", &["rollback", "--yes"]);
            assert_eq!(killed.code, 137, "{killed}");
            host.tune(&["recover"]).exits(0);
            let now = host.everything();
            assert!(now == applied || now == *before, "fsync {number}: neither before nor after");
            if now == applied {
                host.tune(&["rollback", "--yes"]).exits(0);
            }
            host.everything().same_as(before, &format!("fsync {number}, rolled back"));
        }
    });
}

#[test]
fn an_interrupted_apply_is_undone() {
    on_a_host(|host, before| {
        // Keys are written one `write` each; the last fsyncs are those of the end.
        for signal in ["INT", "TERM", "HUP"] {
            let calls = calls(host, before);
            let renames: Vec<_> = calls.iter().filter(|(call, _)| call.starts_with("rename")).collect();
            let ended = ended_at(host, renames[0], signal, &[APPLY, &["--format", "json"]].concat());
            let told = ended.exits(1).json();
            assert_eq!((&told["changed"], &told["failed"]), (&false.into(), &true.into()), "{told}");
            assert!(told["msg"].as_str().unwrap().contains("interrupted"), "{told}");
            host.everything().same_as(before, &format!("interrupted by SIG{signal}"));
            assert!(!is_open(host));
            host.forget();
        }
    });
}

#[test]
fn the_second_changer_is_told_who_is_at_work() {
    on_a_host(|host, before| {
        let mut slow = host.traced(
            &["-o", "/dev/null", "-e", "trace=fsync", "-e", "inject=fsync:delay_enter=1500000:when=2"],
            APPLY,
        );
        let child =
            slow.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
        let start = Instant::now();
        while fs::read_to_string(host.state().join("lock")).unwrap_or_default().is_empty() {
            assert!(start.elapsed() < Duration::from_secs(20), "the first never took the lock");
            std::thread::sleep(Duration::from_millis(5));
        }
        let refused = host.tune(&["set", "tcp.keepalive_probes=5", "--yes", "--format", "json"]);
        let told = refused.exits(75).json();
        assert!(told.to_string().contains("apply web-server"), "{told}");
        host.tune(&["rollback", "--yes"]);
        // Looking needs no lock.
        host.tune(&["status"]).exits(0);
        host.tune(&["audit", "web-server"]);
        let first = child.wait_with_output().unwrap();
        Ran::ended(&slow, &first).exits(0);
        host.tune(&["rollback", "--yes"]).exits(0);
        host.everything().same_as(before, "after the rollback");
    });
}

#[test]
fn of_two_at_once_one_does_it_and_none_is_confused() {
    on_a_host(|host, before| {
        for _ in 0..8 {
            let mut commands = [host.tune_command(APPLY), host.tune_command(APPLY)];
            let quiet = |command: &mut std::process::Command| {
                command
                    .stdout(std::process::Stdio::piped())
                    .stderr(std::process::Stdio::piped())
                    .spawn()
                    .unwrap()
            };
            let children = commands.each_mut().map(quiet);
            let ended = children.map(|child| child.wait_with_output().unwrap().status.code().unwrap());
            assert!(ended.contains(&0) && ended.iter().all(|code| [0, 75].contains(code)), "{ended:?}");
            host.tune(&["audit", "web-server"]).exits(0);
            host.tune(&["rollback", "--yes"]).exits(0);
            host.everything().same_as(before, "after the rollback");
        }
    });
}
