//! The whole command on a fake FreeBSD host: what it shows, and that showing changes nothing.
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use tune_tests::binary::Ran;
use tune_tests::files;
use tune_tests::freebsd::{Caller, Guest, Jail, Model, Release};
use tune_tests::sandbox::valid;

const PROGRAM: &str = env!("CARGO_BIN_EXE_tune-on-freebsd");
const TIMEOUT: &str = "net.inet.tcp.finwait2_timeout";

fn guest(model: Model) -> Guest {
    Guest::of(PROGRAM, model)
}

fn guest_15() -> Guest {
    guest(Model::of(Release::Fifteen))
}

/// Runs a command for its document, and holds that against its published schema.
fn document(guest: &Guest, words: &[&str]) -> (Ran, Value) {
    let ran = guest.tune(&[&["--format", "json"], words].concat());
    let document = ran.json();
    let schema = document["schema"].as_str().unwrap().to_owned();
    valid(&document, &schema).unwrap_or_else(|error| panic!("{error}\n{ran}"));
    assert_eq!(ran.stderr, "", "{ran}");
    if schema == "tune.error/1" {
        assert_eq!(document["exit_code"], ran.code, "{ran}");
    }
    (ran, document)
}

fn finding<'d>(document: &'d Value, key: &str, name: &str) -> &'d Value {
    let found = document[key].as_array().unwrap().iter().find(|found| found["setting"] == name);
    found.unwrap_or_else(|| panic!("{name} is not among the {key}: {document:#}"))
}

#[test]
fn status_shows_a_fresh_host_and_who_decides() {
    let guest = guest_15();
    guest.tune(&[]).exits(0).says("host: freebsd 15.0-RELEASE").says("none changes at the next boot");
    let (_, document) = document(&guest, &["status"]);
    let ports = finding(&document, "settings", "tcp.ephemeral_ports");
    assert_eq!(ports["effective"]["text"], "10000-65535", "{ports}");
    let clusters = finding(&document, "settings", "net.mbuf_clusters");
    assert_eq!(clusters["effective"]["value"], 127_432, "{clusters}");
    assert_eq!(clusters["mutability"], "raise-only", "{clusters}");
    let wait = finding(&document, "settings", "tcp.fin_wait_2_timeout");
    assert!(wait["notes"].to_string().contains("fast_finwait2_recycle is 0"), "{wait}");
}

#[test]
fn diagnose_reads_the_kernels_list_and_names_what_helps_there() {
    let guest = guest_15();
    let (ran, document) = document(&guest, &["diagnose"]);
    assert_eq!((ran.code, &document["source"]), (0, &"net.inet.tcp.pcblist".into()));
    let in_state = |state: &str| {
        let states = document["states"].as_array().unwrap();
        states.iter().find(|found| found["state"] == state).unwrap()["total"].as_u64().unwrap()
    };
    assert_eq!((in_state("FIN_WAIT_2"), in_state("CLOSE_WAIT"), in_state("LISTEN")), (5, 5, 3));
    // No descriptor can be looked up there, and keepalive never probes in FIN_WAIT_2.
    assert!(document["programs"].is_null());
    let findings = document["findings"].as_array().unwrap();
    let causes: Vec<_> = findings.iter().map(|finding| finding["cause"].as_str().unwrap()).collect();
    assert!(!causes.contains(&"no-keepalive"), "{causes:?}");
    assert_eq!(document["fin_wait_2"]["timeout"]["text"], "10min to 11min15s");
    let held = document["fin_wait_2"]["held"].as_u64().unwrap();
    let orphaned = document["fin_wait_2"]["orphaned"].as_u64().unwrap();
    assert_eq!(held + orphaned, 5, "{document:#}");
    assert!(document["limits"]["mbuf_clusters"]["limit"].is_u64(), "{document:#}");
    guest.tune(&["diagnose"]).exits(0).says("timeout 10min to 11min15s").says("sockstat");
    // Nobody there can be asked which process has a connection.
    guest.tune(&["drop", "--pid", "1", "--dry-run"]).exits(1).says("cannot be told here");
    guest.tune(&["drop", "--state", "fin-wait-2", "--dry-run"]).exits(0);
}

#[test]
fn explain_names_the_line_that_decides_and_the_one_that_does_nothing() {
    let guest = guest_15();
    guest.put("/boot/loader.conf", "net.inet.tcp.finwait2_timeout=\"15000\"\n");
    guest.put("/etc/sysctl.conf", "net.inet.tcp.finwait2_timeout=20000\n");
    guest.put("/etc/sysctl.conf.local", "net.inet.tcp.finwait2_timeout=25005\n");
    guest
        .tune(&["explain", TIMEOUT])
        .exits(0)
        .says("next boot: 25000")
        .says("/etc/sysctl.conf.local:1")
        .says("/boot/loader.conf:1");
    let (_, document) = document(&guest, &["explain", TIMEOUT]);
    let lines = document["tunables"][0]["lines"].as_array().unwrap();
    let line = |file: &str| {
        let of_file = |line: &&Value| line["file"] == file || line["place"]["file"] == file;
        lines.iter().find(of_file).unwrap_or_else(|| panic!("{file}: {lines:#?}"))
    };
    assert_eq!(line("/etc/sysctl.conf.local")["wins"], true, "{lines:#?}");
    let inert = line("/boot/loader.conf");
    assert!(inert["wins"] == false && inert["note"].is_string(), "{inert}");
    guest.reboot();
    assert_eq!(guest.value(TIMEOUT), "25000");
}

#[test]
fn what_is_typed_wrong_is_told() {
    let guest = guest_15();
    guest.tune(&["explain", "net.inet.tcp.finwait_timeout"]).exits(64).says(TIMEOUT);
    guest.tune(&["set", "tcp.fin_wait_2_timeout=9ms", "--yes"]).exits(1);
    guest.tune(&["set", "net.inet.tcp.keepidle=60005", "--yes"]).exits(1).says("60000").says("60010");
    guest.tune(&["--netns", "blue", "status"]).exits(1).says("no network namespaces");
    guest.tune(&["--root", guest.home.root().to_str().unwrap(), "status"]).exits(64).says("no image");
    let (_, error) = document(&guest, &["set", "net.inet.tcp.keepidle=60005", "--yes"]);
    assert_eq!(error["schema"], "tune.error/1");
    assert!(guest.home.writes().is_empty(), "{:?}", guest.home.writes());
}

#[test]
fn profiles_are_checked_and_those_of_the_site_are_found_in_usr_local() {
    let guest = guest_15();
    for name in ["baseline", "web-server", "reverse-proxy", "fin-wait-2-relief", "mobile-clients"] {
        guest.tune(&["profile", "check", name]).exits(0);
    }
    let profile = "name = \"ours\"\n[settings]\n\"tcp.keepalive_idle\" = \"10min\"\n";
    guest.put("/usr/local/etc/tune/profiles/ours.toml", profile);
    guest.tune(&["profile", "list"]).exits(0).says("ours");
    guest.tune(&["profile", "show", "ours"]).exits(0).says("tcp.keepalive_idle");
    guest.put("/etc/tune/profiles/theirs.toml", &profile.replace("ours", "theirs"));
    guest.tune(&["profile", "show", "theirs"]).exits(65);
}

#[test]
fn an_audit_ends_with_what_it_found() {
    let guest = guest_15();
    guest.tune(&["audit", "web-server"]).exits(2).says("drifted");
    guest.tune(&["audit", "nosuch"]).exits(65);
    guest.tune(&["set", "tcp.keepalive_idle=10min", "--runtime-only", "--yes"]).exits(0);
    let profile = guest.directory().join("idle.toml");
    std::fs::write(&profile, "name = \"idle\"\n[settings]\n\"tcp.keepalive_idle\" = \"10min\"\n").unwrap();
    let path = profile.to_str().unwrap();
    let (ran, found) = document(&guest, &["audit", path]);
    assert_eq!((ran.code, &found["findings"][0]["status"]), (2, &"will-drift".into()), "{found:#}");
    guest.tune(&["audit", path, "--only", "runtime"]).exits(0);
    guest.tune(&["apply", path, "--yes"]).exits(0);
    guest.tune(&["audit", path]).exits(0);
    guest.reboot();
    guest.tune(&["audit", path]).exits(0);
    let (_, found) = document(&guest, &["audit", path]);
    assert_eq!(found["met"], true, "{found:#}");
}

/// Every command that only looks, and those that are asked to.
const LOOKING: &[&[&str]] = &[
    &["status"],
    &["explain", "tcp.fin_wait_2_timeout"],
    &["explain", "net.mbuf_clusters"],
    &["explain", "tcp.time_wait_limit"],
    &["explain", "kern.ipc.maxmbufmem"],
    &["profile", "list"],
    &["profile", "show", "web-server"],
    &["profile", "check", "web-server"],
    &["audit", "web-server", "baseline", "mobile-clients"],
    &["plan", "web-server"],
    &["plan", "web-server", "--diff"],
    &["plan", "system-defaults"],
    &["apply", "web-server", "--dry-run", "--yes"],
    &["set", "net.mbuf_clusters>=400000", "--dry-run", "--diff"],
    &["rollback", "--dry-run"],
    &["off", "--dry-run"],
    &["active"],
    &["facts"],
    &["history"],
    &["history", "--verify"],
];

#[test]
fn looking_changes_nothing_anywhere() {
    for caller in [Caller::ROOT, Caller::NOBODY] {
        let guest = guest_15();
        guest.tune(&["apply", "fin-wait-2-relief", "--yes"]).exits(0);
        guest.home.entered_by(caller);
        guest.home.forget_writes();
        let (before, touches) = (guest.everything(), files::touches(guest.directory()));
        for words in LOOKING {
            let (ran, _) = document(&guest, words);
            assert!([0, 1, 2].contains(&ran.code), "{ran}");
            guest.tune(words);
        }
        guest.everything().same_as(&before, "after looking");
        assert!(guest.home.writes().is_empty(), "{:?}", guest.home.writes());
        assert_eq!(files::touches(guest.directory()), touches, "a file was touched");
    }
}

#[test]
fn without_root_nothing_is_begun() {
    let guest = guest(Model { caller: Caller::NOBODY, ..Model::of(Release::Fifteen) });
    let before = guest.everything();
    guest.tune(&["plan", "web-server"]).exits(2);
    let (ran, error) = document(&guest, &["apply", "web-server", "--yes"]);
    assert_eq!((ran.code, &error["kind"]), (77, &"not-permitted".into()), "{ran}");
    guest.everything().same_as(&before, "after the refusal");
    assert!(guest.home.writes().is_empty());
}

#[test]
fn a_jail_shows_what_is_the_hosts_and_leaves_it_alone() {
    let guest = guest(Model::of(Release::Fifteen).jailed(Jail::Shared));
    let (ran, found) = document(&guest, &["audit", "web-server"]);
    assert_eq!(ran.code, 0, "{ran}");
    let of = finding(&found, "findings", "tcp.fin_wait_2_timeout");
    assert_eq!(of["status"], "out-of-scope", "{of}");
    guest.tune(&["apply", "web-server", "--yes"]).exits(0);
    guest.tune(&["set", "tcp.fin_wait_2_timeout=30s", "--yes"]).exits(1).says("jail");
    assert!(guest.home.writes().is_empty(), "{:?}", guest.home.writes());
}

#[test]
fn a_jail_with_a_network_stack_sets_what_is_its_own() {
    let guest = guest(Model::of(Release::Fifteen).jailed(Jail::Vnet));
    let (_, found) = document(&guest, &["audit", "web-server"]);
    assert_eq!(finding(&found, "findings", "tcp.fin_wait_2_timeout")["status"], "out-of-scope");
    assert_eq!(finding(&found, "findings", "tcp.listen_backlog")["status"], "drifted");
    guest.tune(&["apply", "web-server", "--yes"]).exits(0);
    assert_eq!(guest.value("kern.ipc.soacceptqueue"), "128", "the host's own is as before");
    guest.tune(&["explain", "kern.ipc.soacceptqueue"]).exits(0).says("now: 4096");
    let (_, found) = document(&guest, &["audit", "web-server"]);
    assert_eq!(finding(&found, "findings", "tcp.listen_backlog")["status"], "met");
    guest.tune(&["rollback", "--yes"]).exits(0);
    guest.tune(&["explain", "kern.ipc.soacceptqueue"]).exits(0).says("now: 128");
}

#[test]
fn a_securelevel_is_in_the_way_of_the_reserved_ports_only() {
    let guest = guest(Model { securelevel: 1, ..Model::of(Release::Fifteen) });
    let port = "net.inet.ip.portrange.reservedhigh=1000";
    guest.tune(&["set", port, "--runtime-only", "--yes"]).exits(77).says("securelevel");
    guest.tune(&["set", "tcp.fin_wait_2_timeout=30s", "--yes"]).exits(0);
}

#[test]
fn a_clock_rounds_and_the_neighbours_are_named() {
    let set = &["set", "net.inet.tcp.keepidle=60005", "--yes"];
    let fine = guest(Model { hz: 1000, ..Model::of(Release::Fifteen) });
    // What a virtual machine does not have by itself comes from its loader.
    fine.put("boot/loader.conf", "kern.hz=\"1000\"\n");
    fine.tune(set).exits(0);
    assert_eq!(fine.value("net.inet.tcp.keepidle"), "60005");
    let coarse = guest_15();
    coarse.tune(set).exits(1);
    coarse.tune(&["set", "net.inet.tcp.keepidle<=60005", "--yes"]).exits(0);
    assert_eq!(coarse.value("net.inet.tcp.keepidle"), "60000");
}
