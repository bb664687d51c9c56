//! What the fault campaigns have found, each by its own test.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tune_tests::binary::Ran;
use tune_tests::faults::can_inject;
use tune_tests::files;
use tune_tests::namespace::{Boot, TestHost, write_file};

const APPLY: &[&str] = &["apply", "web-server", "--yes", "--take-over", "--format", "json"];
const OURS: &str = "/etc/sysctl.d/zz-tune.conf";
const TRACE: &str = "/mnt/strace";

fn on_a_host(test: impl FnOnce(&TestHost) + Send) {
    if !can_inject() {
        return;
    }
    TestHost::run(Boot::Systemd, |host| {
        write_file("/etc/sysctl.d/zzz.conf", "net.ipv4.tcp_fin_timeout = 50\n");
        test(host);
    });
}

fn with_faults(host: &TestHost, faults: &[&str], arguments: &[&str]) -> Ran {
    let mut strace = vec!["-o", TRACE];
    strace.extend(faults.iter().flat_map(|fault| ["-e", fault]));
    Ran::of(&mut host.traced(&strace, arguments))
}

fn hidden() -> Vec<PathBuf> {
    let below = files::below(Path::new("/etc"));
    let hidden =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    below.into_keys().filter(hidden).collect()
}

#[test]
fn a_half_made_file_that_cannot_be_removed_is_told_and_removed_by_the_next_recovery() {
    on_a_host(|host| {
        let before = host.everything();
        // The boot file cannot be given its name, and what was made beside it cannot be removed.
        let ran = with_faults(
            host,
            &["trace=rename,unlink", "inject=rename:error=EIO:when=1", "inject=unlink:error=EIO"],
            APPLY,
        );
        assert_eq!(hidden().len(), 1, "{ran}");
        let told = ran.exits(3).says("/etc/sysctl.d/.zz-tune.conf.tune-1-").json();
        assert!(told["msg"].as_str().unwrap().contains("1 step could not be put back"), "{told}");
        host.tune(&["recover"]).exits(0);
        host.everything().same_as(&before, "after recovery");
        host.tune(&["recover"]).exits(0).says("Nothing to recover");
        host.tune(&["history", "--verify"]).exits(0);
    });
}

#[test]
fn a_recovery_that_cannot_remove_a_half_made_file_is_not_done_yet() {
    on_a_host(|host| {
        let before = host.everything();
        with_faults(host, &["trace=rename", "inject=rename:signal=KILL:when=1"], APPLY).exits(137);
        assert_eq!(hidden().len(), 1);
        let faults = ["trace=unlink", "inject=unlink:error=EROFS"];
        with_faults(host, &faults, &["recover"]).exits(3).says("/etc/sysctl.d/.zz-tune.conf.tune-1-");
        let status = host.tune(&["status", "--format", "json"]).exits(0).json();
        assert_eq!(status["transactions"].as_array().unwrap().len(), 1, "{status}");
        host.tune(&["recover"]).exits(0);
        host.everything().same_as(&before, "after recovery");
    });
}

#[test]
fn the_first_reason_is_told_not_what_a_second_attempt_met() {
    on_a_host(|host| {
        host.tune(APPLY).exits(0);
        let faults = ["trace=fsync,unlink", "inject=fsync:error=EROFS:when=2+", "inject=unlink:error=EROFS"];
        let ran = with_faults(host, &faults, &["rollback", "--yes"]);
        assert!(!ran.stderr.contains("File exists"), "{ran}");
        assert!(ran.stderr.contains("read-only"), "{ran}");
        host.tune(&["recover"]).exits(0);
    });
}

#[test]
fn what_recovery_removed_does_not_come_back_when_the_power_goes() {
    on_a_host(|host| {
        with_faults(host, &["trace=rename", "inject=rename:signal=KILL:when=1"], APPLY).exits(137);
        Ran::of(&mut host.traced(&["-y", "-o", TRACE, "-e", "trace=unlink,fsync,pwrite64"], &["recover"]))
            .exits(0);
        let trace = fs::read_to_string(TRACE).unwrap();
        let after = trace.split("unlink(\"/etc/sysctl.d/.zz-tune.conf.tune-1-").nth(1).unwrap();
        let next = after.lines().nth(1).unwrap();
        assert!(next.contains("fsync(") && next.contains("</etc/sysctl.d>"), "{next}");
    });
}

#[test]
fn state_is_never_made_wider_than_it_stays() {
    on_a_host(|host| {
        let state = host.state().join("inner");
        let directory = state.to_str().unwrap();
        let apply = ["apply", "web-server", "--yes", "--take-over", "--state-dir", directory];
        // Killed before any mode is set.
        with_faults(host, &["trace=fchmod", "inject=fchmod:signal=KILL"], &apply);
        let status = host.tune(&["status", "--state-dir", directory]);
        status.exits(0);
        with_faults(host, &["trace=fchmod", "inject=fchmod:error=EACCES"], &apply);
        let mode =
            |name: &str| fs::metadata(state.join(name)).map(|found| found.permissions().mode() & 0o7777);
        assert_eq!(mode("").unwrap(), 0o755);
        assert!(mode("journal").map_or(true, |mode| mode == 0o700));
        assert!(mode("history.jsonl").map_or(true, |mode| mode == 0o644));
    });
}

#[test]
fn an_error_of_standard_output_is_told_without_its_number() {
    on_a_host(|host| {
        let ran = with_faults(host, &["trace=write", "inject=write:error=EINVAL:when=1"], &["status"]);
        assert!(ran.stderr.contains("standard output") && !ran.stderr.contains("os error"), "{ran}");
        host.tune(&["status"]).exits(0);
        assert!(!Path::new(OURS).exists());
    });
}

#[test]
fn a_value_that_cannot_be_read_is_not_given_up_by_a_rollback() {
    on_a_host(|host| {
        let before = host.everything();
        let key = "/proc/sys/net/core/somaxconn";
        host.tune(&["set", "tcp.listen_backlog=8192", "tcp.keepalive_idle=10min", "--yes"]).exits(0);
        let strace = ["-o", TRACE, "-P", key, "-e", "trace=openat", "-e", "inject=openat:error=EIO"];
        let rollback = ["rollback", "--yes", "--format", "json"];
        let told = Ran::of(&mut host.traced(&strace, &rollback)).exits(3).json();
        assert_eq!(told["conflicts"][0]["target"], "net.core.somaxconn", "{told}");
        assert_eq!(told["conflicts"][0]["unreadable"], true, "{told}");
        // The rest is put back, the claim stays, and the same command finishes it.
        assert_eq!(host.read("net.ipv4.tcp_keepalive_time"), "7200");
        let held = host.tune(&["active", "--format", "json"]).exits(0).json();
        assert_eq!(held["claims"].as_array().unwrap().len(), 1, "{held}");
        Ran::of(&mut host.traced(&strace, &["rollback", "--yes"])).exits(3).says("cannot be told");
        host.tune(&rollback).exits(0);
        host.everything().same_as(&before, "after the second rollback");
    });
}

#[test]
fn a_boot_file_that_cannot_be_read_is_not_given_up_by_a_rollback() {
    on_a_host(|host| {
        let before = host.everything();
        host.tune(&["set", "tcp.keepalive_idle=10min", "--yes"]).exits(0);
        let strace = ["-o", TRACE, "-P", OURS, "-e", "trace=openat", "-e", "inject=openat:error=EIO"];
        let rollback = ["rollback", "--yes", "--format", "json"];
        let told = Ran::of(&mut host.traced(&strace, &rollback)).exits(3).json();
        assert_eq!(told["conflicts"][0]["target"], OURS, "{told}");
        assert_eq!(told["conflicts"][0]["unreadable"], true, "{told}");
        assert_eq!(host.read("net.ipv4.tcp_keepalive_time"), "7200", "{told}");
        Ran::of(&mut host.traced(&strace, &["rollback", "--yes"])).exits(3).says("cannot be told");
        assert!(Path::new(OURS).exists());
        host.tune(&rollback).exits(0);
        host.everything().same_as(&before, "after the second rollback");
    });
}

#[test]
fn a_trial_whose_value_cannot_be_read_is_not_taken_back_in_silence() {
    on_a_host(|host| {
        let before = host.everything();
        let key = "/proc/sys/net/core/somaxconn";
        host.tune(&["set", "tcp.listen_backlog=8192", "--confirm-within", "1h", "--yes"]).exits(0);
        let strace = ["-o", TRACE, "-P", key, "-e", "trace=openat", "-e", "inject=openat:error=EIO"];
        let dry = ["rollback", "--dry-run"];
        Ran::of(&mut host.traced(&strace, &dry)).exits(2).says("cannot be told");
        Ran::of(&mut host.traced(&strace, &["rollback", "--yes"])).exits(3).says("cannot be read");
        host.tune(&["recover"]).exits(0);
        host.everything().same_as(&before, "after recovery");
    });
}

#[test]
fn a_value_that_cannot_be_read_is_not_left_out_in_silence() {
    on_a_host(|host| {
        let before = host.everything();
        let (key, set) = ("/proc/sys/net/core/somaxconn", ["set", "tcp.listen_backlog=8192", "--yes"]);
        let strace = ["-o", TRACE, "-P", key, "-e", "trace=openat", "-e", "inject=openat:error=EIO"];
        Ran::of(&mut host.traced(&strace, &set)).exits(1).says("cannot be read");
        host.everything().same_as(&before, "after a refusal");
        // Who means the boot files only needs no reading.
        let boot_only = [&set[..], &["--boot-only"]].concat();
        Ran::of(&mut host.traced(&strace, &boot_only)).exits(0);
        host.tune(&["rollback", "--yes"]).exits(0);
        host.everything().same_as(&before, "after the rollback");
    });
}
