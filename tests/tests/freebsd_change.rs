//! Changes on a fake FreeBSD host: made, kept over a restart, taken back, and finished after a crash.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use serde_json::Value;
use tune_tests::freebsd::{Guest, Model, Release};
use tune_tests::sandbox::valid;

const PROGRAM: &str = env!("CARGO_BIN_EXE_tune-on-freebsd");
const CLUSTERS: &str = "kern.ipc.nmbclusters";
const RAISE: &[&str] = &["set", "net.mbuf_clusters>=200000", "--yes"];
const LOADER_FILE: &str = "/boot/loader.conf.d/tune.conf";

fn guest_15() -> Guest {
    Guest::of(PROGRAM, Model::of(Release::Fifteen))
}

fn with<'a>(words: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [words, more].concat()
}

fn document(guest: &Guest, words: &[&str]) -> Value {
    let ran = guest.tune(&with(&["--format", "json"], words));
    let document = ran.json();
    valid(&document, document["schema"].as_str().unwrap()).unwrap_or_else(|error| panic!("{error}\n{ran}"));
    document
}

fn state_of(guest: &Guest, id: u64) -> String {
    let history = document(guest, &["history"]);
    let entries = history["transactions"].as_array().unwrap();
    let entry = entries.iter().find(|entry| entry["id"] == id).unwrap();
    entry["state"].as_str().unwrap().to_owned()
}

#[test]
fn a_profile_is_applied_once_kept_over_a_restart_and_taken_back() {
    let guest = guest_15();
    let before = guest.everything();
    guest.tune(&["apply", "web-server", "--yes"]).exits(0);
    assert_eq!(guest.value("net.inet.tcp.finwait2_timeout"), "30000");
    assert_eq!(guest.value("net.inet.tcp.fast_finwait2_recycle"), "1");
    let applied = guest.everything();

    guest.home.forget_writes();
    guest.tune(&["apply", "web-server", "--yes"]).exits(0).says("Nothing changed");
    guest.tune(&["apply", "web-server", "--yes", "--detailed-exitcodes"]).exits(0);
    assert!(guest.home.writes().is_empty(), "{:?}", guest.home.writes());
    guest.tune(&["active"]).exits(0).says("web-server");

    guest.reboot();
    guest.everything().same_as(&applied, "after the restart");
    guest.tune(&["audit", "web-server"]).exits(0);
    guest.tune(&["rollback", "--yes"]).exits(0);
    guest.everything().same_as(&before, "after the rollback");
    guest.tune(&["active"]).exits(0);
    guest.tune(&["history", "--verify"]).exits(0);
}

#[test]
fn the_switch_of_the_timeout_goes_on_last() {
    let guest = guest_15();
    let order = |guest: &Guest| {
        let of = |word: &str| {
            let writes = guest.home.writes();
            writes.iter().position(|line| line.contains(word)).unwrap_or_else(|| panic!("{word}: {writes:?}"))
        };
        (of("finwait2_timeout"), of("fast_finwait2_recycle"))
    };
    guest.tune(&["set", "tcp.fin_wait_2_timeout=30s", "--runtime-only", "--yes"]).exits(0);
    let (timeout, switch) = order(&guest);
    assert!(timeout < switch);
}

#[test]
fn a_raise_has_to_be_accepted_and_stays_until_the_restart() {
    let guest = guest_15();
    let before = guest.everything();
    guest.tune(RAISE).exits(1).says("--accept-irreversible").says("can only be raised");
    guest.everything().same_as(&before, "after the refusal");
    assert!(guest.home.writes().is_empty(), "{:?}", guest.home.writes());

    guest.tune(&with(RAISE, &["--accept-irreversible"])).exits(0);
    assert_eq!(guest.value(CLUSTERS), "200000");
    assert!(guest.text(LOADER_FILE).unwrap().contains("kern.ipc.nmbclusters=\"200000\""));
    assert_eq!(state_of(&guest, 1), "applied");

    guest.tune(&["rollback", "--yes"]).exits(0).says("until reboot");
    assert_eq!((guest.value(CLUSTERS).as_str(), guest.text(LOADER_FILE)), ("200000", None));
    assert!(state_of(&guest, 1) == "awaiting-reboot" || state_of(&guest, 2) == "awaiting-reboot");
    guest.reboot();
    guest.everything().same_as(&before, "after the restart");
    guest.tune(&["status"]).exits(0);
    assert_eq!(state_of(&guest, 1), "rolled-back");
    guest.tune(&["history", "--verify"]).exits(0);
}

#[test]
fn mbufs_are_raised_before_the_clusters_that_need_them() {
    let guest = guest_15();
    guest.write("kern.ipc.nmbclusters=900000");
    guest.tune(&["set", "net.mbuf_clusters>=1000000", "--runtime-only", "--yes"]).exits(1);
    guest.home.forget_writes();
    let words = ["set", "net.mbuf_clusters>=1000000", "--runtime-only", "--yes", "--accept-irreversible"];
    guest.tune(&with(&words, &["--allow-unsafe", "net.mbuf_clusters"])).exits(0);
    let writes = guest.home.writes();
    assert!(writes[0].starts_with("tunable kern.ipc.nmbufs "), "{writes:?}");
    assert_eq!(writes[1], "tunable kern.ipc.nmbclusters 1000000");
}

#[test]
fn a_limit_is_lowered_at_the_next_boot_only() {
    let guest = guest_15();
    let profile = guest.directory().join("few.toml");
    let text = "name = \"few\"\n[settings.\"net.mbuf_clusters\"]\nat_most = 100000\n";
    std::fs::write(&profile, text).unwrap();
    let path = profile.to_str().unwrap();
    let audit = document(&guest, &["audit", path]);
    assert_eq!(audit["findings"][0]["status"], "drifted", "{audit:#}");
    guest.tune(&["apply", path, "--yes"]).exits(0).says("reboot");
    assert_eq!(guest.value(CLUSTERS), "127432");
    let audit = document(&guest, &["audit", path]);
    assert_eq!(
        (&audit["findings"][0]["status"], &audit["reboot_required"]),
        (&"pending-reboot".into(), &true.into())
    );
    guest.reboot();
    guest.tune(&["audit", path]).exits(0);
    assert_eq!(guest.value(CLUSTERS), "100000");
}

#[test]
fn a_limit_that_only_the_loader_sets_waits_for_the_next_boot() {
    let guest = guest_15();
    let before = guest.everything();
    guest.tune(&["set", "net.tcp_memory_limit=512MiB", "--yes"]).exits(0).says("reboot");
    assert_eq!(guest.value("kern.ipc.maxmbufmem"), "1043929088");
    guest.reboot();
    assert_eq!(guest.value("kern.ipc.maxmbufmem"), "536870912");
    guest.tune(&["off", "--yes"]).exits(0);
    guest.reboot();
    guest.everything().same_as(&before, "after giving it up and a restart");
}

#[test]
fn settings_are_set_one_by_one_and_given_up_one_by_one() {
    let guest = guest_15();
    let before = guest.everything();
    guest.tune(&["set", "tcp.keepalive_idle=10min", "--yes"]).exits(0);
    guest.tune(&["set", "tcp.ephemeral_ports=20000-60000", "kern.ipc.maxsockbuf=4194304", "--yes"]).exits(0);
    guest.tune(&["set", "net.inet.ip.portrange.first=80", "--yes"]).exits(64);
    guest.tune(&["off", "set:tcp.keepalive_idle", "--yes"]).exits(0);
    assert_eq!(guest.value("net.inet.tcp.keepidle"), "7200000");
    assert_eq!(guest.value("net.inet.ip.portrange.first"), "20000");
    guest.reboot();
    assert_eq!(guest.value("net.inet.ip.portrange.last"), "60000");
    guest.tune(&["off", "--yes"]).exits(0);
    guest.everything().same_as(&before, "after giving up the rest");
}

#[test]
fn a_line_that_would_win_is_named_and_taken_over() {
    let guest = guest_15();
    guest.put("/boot/loader.conf.local", "# ours\nkern.ipc.nmbclusters=\"150000\"\n");
    let before = guest.everything();
    let raise = with(RAISE, &["--boot-only"]);
    guest.tune(&raise).exits(1).says("/boot/loader.conf.local:2");
    guest.everything().same_as(&before, "after the refusal");
    guest.tune(&with(&raise, &["--take-over"])).exits(0);
    guest.reboot();
    assert_eq!(guest.value(CLUSTERS), "200000");
    guest.tune(&["rollback", "--yes"]).exits(0);
    assert_eq!(guest.text("/boot/loader.conf.local").unwrap(), "# ours\nkern.ipc.nmbclusters=\"150000\"\n");
    guest.reboot();
    assert_eq!(guest.value(CLUSTERS), "150000");
}

#[test]
fn what_somebody_else_changed_is_left_alone() {
    let guest = guest_15();
    guest.tune(&["apply", "web-server", "--yes"]).exits(0);
    guest.write("net.inet.tcp.keepidle=1234560");
    guest.tune(&["rollback", "--yes"]).exits(3).says("keepidle");
    assert_eq!(guest.value("net.inet.tcp.keepidle"), "1234560");
    assert_eq!(guest.value("net.inet.tcp.finwait2_timeout"), "60000");
    guest.tune(&["rollback", "--yes", "--overwrite-foreign"]).exits(0);
    assert_eq!(guest.value("net.inet.tcp.keepidle"), "7200000");
}

#[test]
fn lines_of_the_site_survive_in_the_file_that_is_shared() {
    let guest = guest_15();
    let theirs = "# by hand\nnet.inet.tcp.msl=20000\n";
    guest.put("/etc/sysctl.conf.local", theirs);
    guest.reboot();
    guest.tune(&["set", "tcp.keepalive_idle=10min", "--yes"]).exits(0);
    let both = guest.text("/etc/sysctl.conf.local").unwrap();
    assert!(both.contains(theirs.trim_end()) && both.contains("net.inet.tcp.keepidle=600000"), "{both}");
    guest.reboot();
    assert_eq!(guest.value("net.inet.tcp.msl"), "20000");
    assert_eq!(guest.value("net.inet.tcp.keepidle"), "600000");
    guest.tune(&["rollback", "--yes"]).exits(0);
    assert_eq!(guest.text("/etc/sysctl.conf.local").as_deref(), Some(theirs));
}

/// Ends an apply at each of its effects in turn; returns how often something was left to recover.
fn killed_everywhere(guest: &Guest, words: &[&str], finished: impl Fn(&Guest) -> bool) -> usize {
    let before = guest.everything();
    let mut left = 0;
    for at in 1.. {
        for when in ["before", "after"] {
            let ran = guest.killed(&format!("{when}:{at}"), words);
            if ran.code == 0 {
                return left;
            }
            assert_eq!(ran.code, 128 + 6, "{when} {at}: {ran}");
            guest.tune(&["status"]).exits(0).says("tune recover");
            guest.tune(&["recover"]).exits(0);
            assert!(!finished(guest), "{when} {at}: recovery does not go forward");
            guest.everything().same_as(&before, &format!("killed {when} effect {at}, recovered"));
            left += 1;
        }
    }
    left
}

#[test]
fn killed_anywhere_the_host_is_as_before_once_recovered() {
    let guest = guest_15();
    guest.put("/etc/sysctl.conf", "net.inet.tcp.keepidle=1000000\n");
    guest.reboot();
    let applied = |guest: &Guest| guest.value("net.inet.tcp.finwait2_timeout") == "30000";
    let left = killed_everywhere(&guest, &["apply", "web-server", "--yes"], applied);
    assert!(left >= 8, "{left}");
    guest.tune(&["audit", "web-server"]).exits(0);
    guest.tune(&["history", "--verify"]).exits(0);
}

#[test]
fn killed_before_an_irreversible_step_nothing_of_it_is_left() {
    let guest = guest_15();
    let words = with(RAISE, &["--accept-irreversible"]);
    let before = guest.everything();
    // The boot file goes first, the raise last.
    for at in ["before:1", "after:1", "before:2"] {
        assert_eq!(guest.killed(at, &words).code, 134);
        guest.tune(&["recover"]).exits(0);
        guest.everything().same_as(&before, at);
    }
    assert_eq!(guest.killed("after:2", &words).code, 134);
    let recovered = guest.tune(&["recover"]);
    assert!([0, 3].contains(&recovered.code), "{recovered}");
    assert_eq!(guest.value(CLUSTERS), "200000", "it cannot be lowered");
    guest.reboot();
    guest.tune(&["recover"]).exits(0);
    let audit = guest.tune(&["set", "net.mbuf_clusters>=200000", "--dry-run"]);
    assert!([0, 2].contains(&audit.code), "{audit}");
}

#[test]
fn killed_and_restarted_the_files_are_put_back() {
    let guest = guest_15();
    let before = guest.everything();
    let effects = {
        let other = guest_15();
        other.tune(&["apply", "web-server", "--yes"]).exits(0);
        other.home.writes().len()
    };
    assert_eq!(guest.killed(&format!("after:{effects}"), &["apply", "web-server", "--yes"]).code, 134);
    guest.reboot();
    guest.tune(&["recover"]).exits(0);
    guest.reboot();
    guest.everything().same_as(&before, "after recovery and a restart");
}

#[test]
fn an_image_is_planned_and_written_offline_and_starts_as_foretold() {
    let built = guest_15();
    let image = built.home.root();
    let image = image.to_str().unwrap();
    // The image is looked at from another host.
    let guest = guest_15();
    let in_image = |words: &[&str]| guest.tune(&with(&["--root", image], words));
    in_image(&["status"]).exits(0);
    in_image(&["audit", "fin-wait-2-relief"]).exits(2);
    let here = guest.everything();
    in_image(&["--ram", "2GiB", "apply", "web-server", "--yes"]).exits(0);
    in_image(&["--ram", "2GiB", "set", "net.mbuf_clusters=200000", "--yes"]).exits(0);
    guest.everything().same_as(&here, "the host that looks");
    assert!(built.home.root().join("var/db/tune/history.jsonl").exists());
    built.reboot();
    assert_eq!(built.value("net.inet.tcp.finwait2_timeout"), "30000");
    assert_eq!(built.value(CLUSTERS), "200000");
    built.tune(&["audit", "web-server"]).exits(0);
    built.tune(&["active"]).exits(0).says("web-server");
}

#[test]
fn what_is_not_confirmed_in_time_is_undone_and_what_is_confirmed_stays() {
    let guest = guest_15();
    let before = guest.everything();
    let trial = |within| ["set", "tcp.fin_wait_2_timeout=30s", "--yes", "--confirm-within", within];
    guest.tune(&trial("2s")).exits(0);
    assert_eq!(guest.value("net.inet.tcp.finwait2_timeout"), "30000");
    assert_eq!(guest.text("/etc/sysctl.conf.local"), None, "boot files wait for the confirmation");
    within(Duration::from_secs(20), || !is_watched(&guest));
    guest.tune(&["recover"]).exits(0);
    guest.everything().same_as(&before, "after the deadline");

    guest.tune(&trial("5min")).exits(0);
    guest.tune(&["confirm"]).exits(0);
    guest.reboot();
    assert_eq!(guest.value("net.inet.tcp.finwait2_timeout"), "30000");
    guest.tune(&with(RAISE, &["--accept-irreversible", "--confirm-within", "5min"])).exits(1);
    within(Duration::from_secs(20), || !is_watched(&guest));
}

fn within(most: Duration, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < most, "it did not come");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Tells whether a process waits to undo something of a host.
fn is_watched(guest: &Guest) -> bool {
    let directory = guest.directory().to_str().unwrap();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let mut words = processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    words.any(|words| String::from_utf8_lossy(&words).contains(directory))
}

/// The boot has set everything; what differs then is somebody's, and stays.
#[test]
fn at_boot_an_interrupted_change_is_finished_and_edits_are_left() {
    const BOOT: &[&str] = &["apply", "--boot"];
    const KEY: &str = "net.inet.tcp.finwait2_timeout";
    let guest = guest_15();
    guest.tune(BOOT).exits(0).says("nothing was ever applied here");
    guest.tune(&["set", "tcp.fin_wait_2_timeout=30s", "--yes"]).exits(0);
    let held = guest.value(KEY);
    let killed = guest.killed("after:1", &["set", "tcp.listen_backlog=2048", "--yes"]);
    assert_ne!(killed.code, 0, "{killed}");
    guest.reboot();
    guest.tune(BOOT).exits(0).says("was interrupted");
    guest.tune(&["recover"]).exits(0).says("Nothing to recover");
    assert_eq!(guest.value(KEY), held);
    guest.write(&format!("{KEY}=45000"));
    let before = guest.everything();
    guest.tune(BOOT).exits(0).says(&format!("{KEY} is 45000")).says("left alone").says("Nothing changed");
    guest.everything().same_as(&before, "an edit");
    guest.tune(&["audit", "--active"]).exits(2).says("drifted");
}
