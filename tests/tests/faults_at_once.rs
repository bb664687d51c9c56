//! Many changers, dead ones, clocks that lie, state directories without room, and a reboot in the middle.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;

use tune_tests::binary::Ran;
use tune_tests::faults::{can_inject, sealed};
use tune_tests::namespace::{Boot, TestHost, write_file};

const APPLY: &[&str] = &["apply", "web-server", "--yes", "--take-over", "--format", "json"];
const FIN: &str = "net.ipv4.tcp_fin_timeout";
const OURS: &str = "/etc/sysctl.d/zz-tune.conf";

fn on_a_host(test: impl FnOnce(&TestHost) + Send) {
    if !can_inject() {
        return;
    }
    TestHost::run(Boot::Systemd, |host| {
        write_file("/etc/sysctl.d/zzz.conf", "net.ipv4.tcp_fin_timeout = 50\n");
        test(host);
    });
}

#[test]
fn of_sixteen_at_once_one_changes_and_the_others_are_told() {
    on_a_host(|host| {
        let before = host.everything();
        for _ in 0..3 {
            let mut commands: Vec<_> = (0..16).map(|_| host.tune_command(APPLY)).collect();
            let children: Vec<_> = commands
                .iter_mut()
                .map(|command| command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
                .collect();
            let ended = commands.iter().zip(children);
            let ran: Vec<_> = ended
                .map(|(command, child)| Ran::ended(command, &child.wait_with_output().unwrap()))
                .collect();
            let changed = ran.iter().filter(|ran| ran.code == 0 && ran.json()["changed"] == true).count();
            let unchanged = ran.iter().filter(|ran| ran.code == 0 && ran.json()["changed"] == false).count();
            let busy: Vec<_> = ran.iter().filter(|ran| ran.code == 75).collect();
            assert_eq!((changed, unchanged + busy.len()), (1, 15), "{ran:#?}");
            for ran in busy {
                assert!(ran.stdout.contains("another tune is at work"), "{ran}");
            }
            host.tune(&["audit", "web-server"]).exits(0);
            host.tune(&["history", "--verify"]).exits(0);
            host.tune(&["rollback", "--yes"]).exits(0);
            host.everything().same_as(&before, "after the rollback");
        }
        let history = host.tune(&["history", "--format", "json"]).exits(0).json();
        assert_eq!(history["transactions"].as_array().unwrap().len(), 6, "{history}");
    });
}

#[test]
fn a_lock_of_the_dead_is_no_lock_whoever_has_their_number_now() {
    on_a_host(|host| {
        // The number of a living process that is no tune: this test, and the first process of all.
        for pid in [std::process::id(), 1] {
            let text = format!(
                "{{\"pid\":{pid},\"command\":\"tune apply x\",\"since\":\"2026-01-01T00:00:00Z\"}}\n"
            );
            write_file(host.state().join("lock").to_str().unwrap(), &text);
            fs::set_permissions(
                host.state().join("lock"),
                std::os::unix::fs::PermissionsExt::from_mode(0o600),
            )
            .unwrap();
            host.tune(APPLY).exits(0);
            host.tune(&["rollback", "--yes"]).exits(0);
        }
        let killed = ["-o", "/mnt/strace", "-e", "trace=fsync", "-e", "inject=fsync:signal=KILL:when=2"];
        Ran::of(&mut host.traced(&killed, APPLY)).exits(137);
        assert!(fs::read_to_string(host.state().join("lock")).unwrap().contains("\"pid\""));
        host.tune(APPLY).exits(0);
    });
}

#[test]
fn a_clock_that_went_back_changes_no_order() {
    on_a_host(|host| {
        let before = host.everything();
        host.tune(&["set", "tcp.keepalive_probes=5", "--yes"]).exits(0);
        // As if that had been in the year 2099.
        later_journal(host);
        later_history(host);
        host.tune(APPLY).exits(0);
        let history = host.tune(&["history", "--format", "json"]).exits(0).json();
        let times: BTreeMap<u64, String> = history["transactions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| (entry["id"].as_u64().unwrap(), entry["started"].as_str().unwrap().to_owned()))
            .collect();
        assert!(times[&1] > times[&2], "{times:?}");
        host.tune(&["history", "--verify"]).exits(0);
        // The newest is the one with the highest number, whatever the clock said.
        host.tune(&["rollback", "--yes"]).exits(0);
        assert_eq!(host.read("net.ipv4.tcp_keepalive_probes"), "5");
        host.tune(&["rollback", "--yes"]).exits(0);
        host.everything().same_as(&before, "after both rollbacks");
    });
}

/// Returns a line with its times in the year 2099.
fn later(line: &str) -> String {
    ["started", "changed"].iter().fold(line.to_owned(), |line, name| {
        let start = format!("\"{name}\":\"");
        match line.split_once(&start) {
            Some((before, after)) => format!("{before}{start}2099{}", &after[4..]),
            None => line,
        }
    })
}

fn later_journal(host: &TestHost) {
    let path = host.state().join("journal/000001.jsonl");
    let lines: Vec<_> = fs::read_to_string(&path).unwrap().lines().map(later).collect();
    fs::write(path, sealed(&lines)).unwrap();
}

/// Moves every time of the history to the year 2099, with the digests that belong to that.
fn later_history(host: &TestHost) {
    let path = host.state().join("history.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let mut lines = text.lines();
    let mut previous = tune_transaction::digest([lines.next().unwrap().as_bytes()]);
    let mut moved = text.lines().next().unwrap().to_owned() + "\n";
    let mut count = 0;
    for line in lines {
        let (before, after) = line.split_once("\"previous\":\"").unwrap();
        let line = later(&format!("{before}\"previous\":\"{previous}{}", &after[previous.len()..]));
        previous = tune_transaction::digest([line.as_bytes()]);
        moved += &format!("{line}\n");
        count += 1;
    }
    fs::write(&path, moved).unwrap();
    let head = format!("{{\"format\":\"tune.head/1\",\"count\":{count},\"digest\":\"{previous}\"}}\n");
    fs::write(host.state().join("head"), head).unwrap();
    host.tune(&["history", "--verify"]).exits(0);
}

#[test]
fn a_state_directory_that_fills_up_on_the_way_leaves_all_or_nothing() {
    on_a_host(|host| {
        let full = host.directory("full");
        let mounted = Some("tmpfs");
        nix::mount::mount(mounted, &full, mounted, nix::mount::MsFlags::empty(), Some("size=128k,mode=755"))
            .unwrap();
        let state = full.join("state");
        let directory = state.to_str().unwrap();
        let before = host.everything();
        let mut codes = BTreeMap::new();
        for pages in 0..24 {
            let _ = fs::remove_dir_all(&state);
            // Filled as far as it goes.
            let _ = fs::write(full.join("filler"), vec![0; (32 - pages) * 4096]);
            let ran = host.tune(&[APPLY, &["--state-dir", directory]].concat());
            *codes.entry(ran.code).or_insert(0) += 1;
            match ran.code {
                1 => host.everything().same_as(&before, &format!("{pages} pages: {ran}")),
                0 => assert_eq!(host.read(FIN), "30", "{ran}"),
                code => panic!("{pages} pages, exit code {code}: {ran}"),
            }
            fs::write(full.join("filler"), "").unwrap();
            host.tune(&["recover", "--state-dir", directory]).exits(0);
            if ran.code == 0 {
                assert_eq!(host.read(FIN), "30", "{pages} pages: recovery took it back");
                host.tune(&["rollback", "--yes", "--state-dir", directory]).exits(0);
            }
            host.everything().same_as(&before, &format!("{pages} pages, in the end"));
        }
        assert!(codes.contains_key(&0) && codes.contains_key(&1), "{codes:?}");
    });
}

#[test]
fn a_state_directory_that_turned_read_only_takes_no_change() {
    on_a_host(|host| {
        host.tune(APPLY).exits(0);
        let applied = host.everything();
        nix::mount::mount(
            Some(host.state()),
            host.state(),
            None::<&str>,
            nix::mount::MsFlags::MS_BIND,
            None::<&str>,
        )
        .unwrap();
        let read_only =
            nix::mount::MsFlags::MS_BIND | nix::mount::MsFlags::MS_REMOUNT | nix::mount::MsFlags::MS_RDONLY;
        nix::mount::mount(None::<&str>, host.state(), None::<&str>, read_only, None::<&str>).unwrap();
        host.tune(&["rollback", "--yes"]).exits(1).says("read-only");
        host.tune(&["recover"]).exits(1).says("read-only");
        host.everything().same_as(&applied, "after refusals");
        host.tune(&["history", "--verify"]).exits(0);
        host.tune(&["audit", "web-server"]).exits(0);
    });
}

#[test]
fn after_a_reboot_live_values_of_before_are_not_put_back() {
    on_a_host(|host| {
        host.boots_as("00000000-0000-4000-8000-000000000001");
        let before = host.everything();
        host.write(FIN, "45");
        host.tune(APPLY).exits(0);
        assert_eq!(host.read(FIN), "30");
        // The machine starts again: the boot file makes it 30, the 45 of before is history.
        host.boots_as("00000000-0000-4000-8000-000000000002");
        let told = host.tune(&["rollback", "--yes", "--format", "json"]).exits(0).json();
        assert!(!std::path::Path::new(OURS).exists(), "{told}");
        assert_ne!(host.read(FIN), "45", "{told}");
        let files = &host.everything().files;
        assert!(*files == before.files, "the boot files are not as before: {told}");
        host.boots_as("00000000-0000-4000-8000-000000000003");
        host.tune(&["history", "--verify"]).exits(0);
    });
}

#[test]
fn rebooted_in_the_middle_of_an_apply_the_files_are_as_before_and_live_values_are_let_alone() {
    on_a_host(|host| {
        host.boots_as("00000000-0000-4000-8000-000000000001");
        let before = host.everything();
        let killed =
            ["-o", "/mnt/strace", "-e", "trace=renameat", "-e", "inject=renameat:signal=KILL:when=2"];
        Ran::of(&mut host.traced(&killed, APPLY)).exits(137);
        assert!(std::path::Path::new(OURS).exists());
        host.boots_as("00000000-0000-4000-8000-000000000002");
        // Booted with our file, and somebody has been at work since.
        host.write(FIN, "33");
        host.tune(&["recover"]).exits(0);
        assert_eq!(host.read(FIN), "33", "recovery touched a value of another boot");
        assert!(host.everything().files == before.files, "the boot files are not as before");
        host.tune(&["recover"]).exits(0).says("Nothing to recover");
    });
}
