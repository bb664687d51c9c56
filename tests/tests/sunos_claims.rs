//! Profiles that overlap on illumos and Solaris hosts, applied and taken back in every order: both layers follow what is
//! still held, and in the end everything is as it was.
#![allow(clippy::unwrap_used)]

use tune_tests::sunos::{Guest, Setup};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tune-on-sunos");
/// Each asks for less than the one before.
const PROFILES: [(&str, u64); 3] = [("loose", 50), ("middle", 40), ("tight", 20)];

fn orders() -> Vec<[usize; 3]> {
    vec![[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]
}

fn host(setup: &Setup) -> Guest {
    let guest = Guest::with(PROGRAM, setup).quick();
    for (name, seconds) in PROFILES {
        let text = format!(
            "name = {name:?}\nsummary = \"At most {seconds} s\"\n\n[settings.\"tcp.fin_wait_2_timeout\"]\n\
             at_most = \"{seconds}s\"\n"
        );
        guest.put(&format!("/etc/tune/profiles/{name}.toml"), &text);
    }
    guest
}

fn holds(guest: &Guest, held: &[usize], what: &str) {
    let has_ipadm = guest.machine.setup().model.has_ipadm();
    let (name, default) =
        if has_ipadm { ("_fin_wait_2_flush_interval", 60) } else { ("tcp_fin_wait_2_flush_interval", 675) };
    let bound = held.iter().map(|at| PROFILES[*at].1).min();
    let expected = (bound.unwrap_or(default) * 1000).to_string();
    assert_eq!(guest.machine.live("tcp", name), Some(expected.clone()), "{what}");
    if guest.machine.setup().keeps_values() {
        let kept = bound.map(|_| expected);
        assert_eq!(guest.machine.persistent("tcp", name), kept, "{what}");
    }
}

fn in_order(setup: &Setup, name: &str, on: [usize; 3], off: [usize; 3], restart: bool) {
    let guest = host(setup);
    let old = guest.everything();
    let what = format!("{name}: on {on:?}, off {off:?}");
    let mut held = Vec::new();
    for at in on {
        guest.tune(&["apply", PROFILES[at].0, "--yes"]).exits(0);
        held.push(at);
        holds(&guest, &held, &what);
    }
    if restart {
        guest.restart();
        holds(&guest, &held, &what);
    }
    for at in off {
        guest.tune(&["off", PROFILES[at].0, "--yes"]).exits(0);
        held.retain(|other| *other != at);
        holds(&guest, &held, &what);
    }
    guest.everything().same_as(&old, &what);
    guest.tune(&["history", "--verify"]).exits(0);
}

#[test]
fn every_order_on_and_off() {
    for (host_at, (name, setup)) in Setup::every().into_iter().enumerate() {
        for (on_at, on) in orders().into_iter().enumerate() {
            for (off_at, off) in orders().into_iter().enumerate() {
                // All of them on the first host, and a few on each of the others.
                if host_at == 0 || (on_at + off_at + host_at) % 6 == 0 {
                    in_order(&setup, &name, on, off, (on_at + off_at).is_multiple_of(2));
                }
            }
        }
    }
}
