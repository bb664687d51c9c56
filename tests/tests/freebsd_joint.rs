//! Settings of FreeBSD that depend on one another, changed together on a fake host.
#![allow(clippy::unwrap_used)]

use tune_tests::freebsd::{Guest, Jail, Model, Release};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tune-on-freebsd");
const TIMEOUT: &str = "net.inet.tcp.finwait2_timeout";
const RECYCLE: &str = "net.inet.tcp.fast_finwait2_recycle";

/// A host whose FIN_WAIT_2 is short by way of keepalive: 20 to 25 s.
fn short_by_keepalive() -> Guest {
    let guest = Guest::of(PROGRAM, Model::of(Release::Fifteen));
    guest.write("net.inet.tcp.keepintvl=5000");
    guest.write("net.inet.tcp.keepcnt=4");
    guest.put("etc/sysctl.conf", "net.inet.tcp.keepintvl=5000\nnet.inet.tcp.keepcnt=4\n");
    guest
}

fn profile(guest: &Guest, name: &str, text: &str) {
    let path = format!("usr/local/etc/tune/profiles/{name}.toml");
    guest.put(&path, &format!("name = \"{name}\"\n{text}"));
}

const SHORT: &str = "[settings.\"tcp.fin_wait_2_timeout\"]\nat_most = \"60s\"\n";

#[test]
fn a_claim_is_kept_where_what_it_depends_on_changes() {
    let guest = short_by_keepalive();
    profile(&guest, "short", SHORT);
    guest.tune(&["apply", "short", "--yes"]).exits(0);
    assert_eq!(guest.value(RECYCLE), "0");
    guest.tune(&["set", "tcp.keepalive_interval=75s", "--yes"]).exits(0);
    assert_eq!((guest.value(RECYCLE), guest.value(TIMEOUT)), ("1".to_owned(), "60000".to_owned()));
    guest.tune(&["audit", "short"]).exits(0);
    guest.reboot();
    guest.tune(&["audit", "short"]).exits(0);
}

#[test]
fn settings_of_one_profile_that_depend_on_one_another_are_solved_together() {
    let guest = short_by_keepalive();
    guest.tune(&["apply", "mobile-clients", "--yes"]).exits(0);
    guest.tune(&["audit", "mobile-clients"]).exits(0);
    guest.tune(&["off", "--yes"]).exits(0);
    assert_eq!(
        (guest.value(RECYCLE), guest.value("net.inet.tcp.keepintvl")),
        ("0".to_owned(), "5000".to_owned())
    );
}

#[test]
fn the_systems_own_values_need_no_recycling() {
    let guest = Guest::of(PROGRAM, Model::of(Release::Fifteen));
    guest.write("net.inet.tcp.keepintvl=10000");
    guest.write("net.inet.tcp.keepcnt=3");
    guest.tune(&["apply", "system-defaults", "--yes", "--skip-unsupported"]).exits(0);
    assert_eq!((guest.value(RECYCLE), guest.value(TIMEOUT)), ("0".to_owned(), "60000".to_owned()));
    assert_eq!(guest.value("net.inet.tcp.keepintvl"), "75000");
}

#[test]
fn a_native_change_in_vain_is_said() {
    let guest = Guest::of(PROGRAM, Model::of(Release::Fifteen));
    guest.tune(&["set", "net.inet.tcp.finwait2_timeout=30000", "--yes"]).exits(0).says("is not used");
    guest.tune(&["set", "kern.ipc.somaxconn=512", "--yes"]).exits(64).says("kern.ipc.soacceptqueue");
    guest.tune(&["apply", "baseline", "--only", "net.max_sockets", "--yes"]).exits(64);
}

#[test]
fn what_decides_is_named() {
    let guest = Guest::of(PROGRAM, Model::of(Release::Fifteen));
    guest.put("etc/sysctl.conf", "net.inet.tcp.finwait2_timeout=15000\nnet.inet.tcp.keepintvl=10000\n");
    let status = guest.tune(&["--format", "json", "status"]).json();
    let settings = status["settings"].as_array().unwrap();
    let of = |name: &str| settings.iter().find(|found| found["setting"] == name).unwrap().clone();
    assert_eq!(of("tcp.fin_wait_2_timeout")["decided_by"]["line"], 2);
}

#[test]
fn what_a_jail_holds_is_not_the_hosts() {
    let guest = Guest::of(PROGRAM, Model::of(Release::Fifteen).jailed(Jail::Vnet));
    guest.tune(&["set", "net.inet.tcp.msl=20000", "--runtime-only", "--yes"]).exits(0);
    let claims = guest.text("/var/db/tune/claims.json").unwrap();
    assert!(claims.contains("\"jail:") && !claims.contains("\"host\""), "{claims}");
}
