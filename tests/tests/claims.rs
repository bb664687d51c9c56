//! Several profiles on the same values, applied and given up in every order.
//!
//! What each value has to be is computed here from the bounds alone: what was there before the first claim, moved no
//! further than the bounds of the profiles that are applied make it.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use tune_tests::namespace::{Boot, TestHost, write_file};

const FIN: &str = "net.ipv4.tcp_fin_timeout";
const RMEM: &str = "net.ipv4.tcp_rmem";
const IDLE: &str = "net.ipv4.tcp_keepalive_time";
const PROBES: &str = "net.ipv4.tcp_keepalive_probes";
const RETRIES: &str = "net.ipv4.tcp_retries2";
const KEYS: [&str; 5] = [FIN, RMEM, IDLE, PROBES, RETRIES];

/// A bound on one field of a key, in the kernel's unit.
type Bound = (&'static str, usize, i64, i64);

/// A profile as it is written, and what it comes to.
#[derive(Debug)]
struct Profile {
    name: &'static str,
    body: &'static str,
    bounds: &'static [Bound],
}

/// What is there before any claim, or ought to be there now.
type Fields = BTreeMap<&'static str, Vec<i64>>;

const MOST: i64 = i64::MAX;

const SAME_SETTING: [Profile; 2] = [
    Profile {
        name: "half",
        body: "settings.\"tcp.fin_wait_2_timeout\".at_most = \"30s\"",
        bounds: &[(FIN, 0, 0, 30)],
    },
    Profile {
        name: "third",
        body: "settings.\"tcp.fin_wait_2_timeout\".at_most = \"20s\"",
        bounds: &[(FIN, 0, 0, 20)],
    },
];

const OTHER_SETTINGS: [Profile; 2] = [
    Profile {
        name: "web",
        body: "[settings]\n\"tcp.fin_wait_2_timeout\".at_most = \"30s\"\n\"tcp.keepalive_idle\".at_most = \"10min\"",
        bounds: &[(FIN, 0, 0, 30), (IDLE, 0, 0, 600)],
    },
    Profile {
        name: "mail",
        body: "[settings]\n\"tcp.fin_wait_2_timeout\".at_least = \"10s\"\n\"tcp.keepalive_probes\" = 5",
        bounds: &[(FIN, 0, 10, MOST), (PROBES, 0, 5, 5)],
    },
];

const NATIVE_PIN: [Profile; 2] = [
    Profile {
        name: "soft",
        body: "settings.\"tcp.fin_wait_2_timeout\".at_most = \"40s\"",
        bounds: &[(FIN, 0, 0, 40)],
    },
    Profile {
        name: "pin",
        body: "linux.sysctl.\"net.ipv4.tcp_fin_timeout\" = 25",
        bounds: &[(FIN, 0, 25, 25)],
    },
];

const NATIVE_BOUND: [Profile; 2] = [
    Profile {
        name: "soft",
        body: "settings.\"tcp.fin_wait_2_timeout\".at_most = \"40s\"",
        bounds: &[(FIN, 0, 0, 40)],
    },
    Profile {
        name: "floor",
        body: "linux.sysctl.\"net.ipv4.tcp_fin_timeout\".at_least = 15",
        bounds: &[(FIN, 0, 15, MOST)],
    },
];

const COMPONENTS: [Profile; 2] = [
    Profile {
        name: "start",
        body: "linux.sysctl.\"net.ipv4.tcp_rmem[1]\".at_least = 200000",
        bounds: &[(RMEM, 1, 200_000, MOST)],
    },
    Profile {
        name: "limit",
        body: "settings.\"tcp.receive_buffer_max\".at_least = \"64MiB\"",
        bounds: &[(RMEM, 2, 64 << 20, MOST)],
    },
];

const THREE: [Profile; 3] = [
    Profile {
        name: "one",
        body: "settings.\"tcp.fin_wait_2_timeout\".at_most = \"30s\"\nlinux.sysctl.\"net.ipv4.tcp_rmem[1]\" = 262144",
        bounds: &[(FIN, 0, 0, 30), (RMEM, 1, 262_144, 262_144)],
    },
    Profile {
        name: "two",
        body: "[settings]\n\"tcp.fin_wait_2_timeout\" = { at_least = \"15s\", at_most = \"45s\" }\n\
               \"tcp.receive_buffer_max\".at_least = \"64MiB\"",
        bounds: &[(FIN, 0, 15, 45), (RMEM, 2, 64 << 20, MOST)],
    },
    Profile {
        name: "three",
        body: "[linux.sysctl]\n\"net.ipv4.tcp_fin_timeout\".at_most = 20\n\"net.ipv4.tcp_rmem[0]\" = 8192\n\
               \"net.ipv4.tcp_retries2\" = 10",
        bounds: &[(FIN, 0, 0, 20), (RMEM, 0, 8192, 8192), (RETRIES, 0, 10, 10)],
    },
];

/// One step of a story: a profile applied, or given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Apply(usize),
    GiveUp(usize),
}

/// Every order in which profiles can be applied and given up, each once.
fn orders(profiles: usize) -> Vec<Vec<Event>> {
    let mut stories = vec![Vec::new()];
    for _ in 0..2 * profiles {
        stories = stories.iter().flat_map(|story| continued(story, profiles)).collect();
    }
    stories
}

fn continued(story: &[Event], profiles: usize) -> Vec<Vec<Event>> {
    let possible = |at| match (story.contains(&Event::Apply(at)), story.contains(&Event::GiveUp(at))) {
        (false, _) => Some(Event::Apply(at)),
        (true, false) => Some(Event::GiveUp(at)),
        (true, true) => None,
    };
    (0..profiles).filter_map(possible).map(|event| [story, &[event]].concat()).collect()
}

/// What the values are to be: each field moved into the bounds, and no further.
fn expected(base: &Fields, active: &[&Profile]) -> Fields {
    let mut fields = base.clone();
    for (key, field, low, high) in active.iter().flat_map(|profile| profile.bounds) {
        let value = &mut fields.get_mut(key).unwrap()[*field];
        *value = (*value).clamp(*low, *high);
    }
    fields
}

fn parsed(texts: impl Iterator<Item = (&'static str, String)>) -> Fields {
    texts.map(|(key, text)| (key, text.split(' ').map(|field| field.parse().unwrap()).collect())).collect()
}

fn live(host: &TestHost) -> Fields {
    parsed(KEYS.into_iter().map(|key| (key, host.read(key))))
}

fn boot(host: &TestHost) -> Fields {
    let found = host.after_boot(&KEYS);
    parsed(KEYS.into_iter().map(|key| (key, found[key].clone())))
}

/// Live values and boot values differ from each other and from the kernel's own, so that nothing is confused.
fn furnish(host: &TestHost, profiles: &[Profile]) {
    host.write(FIN, "55");
    host.write(RMEM, "4096 150000 7000000");
    write_file(
        "/etc/sysctl.d/10-site.conf",
        "net.ipv4.tcp_fin_timeout = 50\nnet.ipv4.tcp_rmem = 5000 100000 6000000\nnet.ipv4.tcp_retries2 = 12\n",
    );
    for profile in profiles {
        host.site_profile(profile.name, profile.body);
    }
}

fn in_every_order(profiles: &'static [Profile], system: Boot) {
    TestHost::run(system, |host| {
        furnish(host, profiles);
        let before = host.everything();
        let bases = (live(host), boot(host));
        for (number, story) in orders(profiles.len()).iter().enumerate() {
            let mut transactions = BTreeMap::new();
            let mut active: Vec<usize> = Vec::new();
            for (at, event) in story.iter().enumerate() {
                let when = format!(
                    "{:?}, step {at} of {story:?}",
                    profiles.iter().map(|p| p.name).collect::<Vec<_>>()
                );
                match *event {
                    Event::Apply(which) => {
                        let applied =
                            host.tune(&["apply", profiles[which].name, "--yes", "--format", "json"]);
                        transactions.insert(which, applied.exits(0).json()["transaction"].to_string());
                        active.push(which);
                    }
                    Event::GiveUp(which) => {
                        let by_name = (number + at) % 2 == 0;
                        let words = match by_name {
                            true => ["off", profiles[which].name, "--yes"],
                            false => ["rollback", &transactions[&which], "--yes"],
                        };
                        host.tune(&words).exits(0);
                        active.retain(|other| *other != which);
                    }
                }
                let holding: Vec<_> = active.iter().map(|which| &profiles[*which]).collect();
                assert_eq!(live(host), expected(&bases.0, &holding), "the running kernel, {when}");
                assert_eq!(boot(host), expected(&bases.1, &holding), "the next boot, {when}");
            }
            host.everything().same_as(&before, &format!("at the end of {story:?}"));
            host.tune(&["history", "--verify"]).exits(0);
            host.forget();
        }
    });
}

#[test]
fn a_change_of_the_kernel_alone_is_taken_back_whatever_the_boot_file_has_become() {
    TestHost::run(Boot::Systemd, |host| {
        host.tune(&["set", "tcp.keepalive_probes=5", "--yes"]).exits(0);
        host.tune(&["set", "tcp.keepalive_idle=10min", "--runtime-only", "--yes"]).exits(0);
        let edited = std::fs::read_to_string("/etc/sysctl.d/zz-tune.conf").unwrap() + "# by hand\n";
        std::fs::write("/etc/sysctl.d/zz-tune.conf", &edited).unwrap();
        host.tune(&["rollback", "2", "--yes"]).exits(0);
        assert_eq!(host.read("net.ipv4.tcp_keepalive_time"), "7200");
        assert_eq!(std::fs::read_to_string("/etc/sysctl.d/zz-tune.conf").unwrap(), edited);
        host.tune(&["rollback", "1", "--yes"]).exits(3);
    });
}

#[test]
fn two_bounds_on_one_setting() {
    in_every_order(&SAME_SETTING, Boot::Systemd);
}

#[test]
fn bounds_on_the_same_and_on_other_settings() {
    in_every_order(&OTHER_SETTINGS, Boot::Procps);
}

#[test]
fn a_native_pin_and_a_setting() {
    in_every_order(&NATIVE_PIN, Boot::Systemd);
}

#[test]
fn a_native_bound_and_a_setting() {
    in_every_order(&NATIVE_BOUND, Boot::Systemd);
}

#[test]
fn fields_of_one_key() {
    in_every_order(&COMPONENTS, Boot::Systemd);
}

#[test]
fn three_profiles() {
    in_every_order(&THREE, Boot::Systemd);
}

/// Two profiles that no value satisfies.
const CONTRADICTIONS: [(&str, &str); 3] = [
    (
        "settings.\"tcp.fin_wait_2_timeout\".at_most = \"20s\"",
        "settings.\"tcp.fin_wait_2_timeout\".at_least = \"40s\"",
    ),
    (
        "settings.\"tcp.fin_wait_2_timeout\".at_most = \"20s\"",
        "linux.sysctl.\"net.ipv4.tcp_fin_timeout\" = 40",
    ),
    (
        "settings.\"tcp.keepalive_interval\".at_most = \"10s\"",
        "settings.\"tcp.keepalive_abort\".at_least = \"450s\"\nsettings.\"tcp.keepalive_probes\" = 9",
    ),
];

#[test]
fn profiles_that_contradict_each_other_are_both_named() {
    TestHost::run(Boot::Systemd, |host| {
        furnish(host, &[]);
        let before = host.everything();
        for (number, (low, high)) in CONTRADICTIONS.iter().enumerate() {
            for (first, second) in [("lower", "higher"), ("higher", "lower")] {
                host.site_profile("lower", low);
                host.site_profile("higher", high);
                let before = host.everything();
                let when = format!("contradiction {number}, {first} first");
                host.tune(&["apply", first, "--yes"]).exits(0);
                let applied = host.everything();
                let refused = host.tune(&["apply", second, "--yes"]);
                assert_eq!(refused.code, 1, "{when}: {refused}");
                let refused = refused.says(first).says(second).says(&format!("--replace {first}"));
                host.everything().same_as(&applied, &format!("{when}, after {refused}"));
                host.tune(&["plan", second]).exits(2).says(first);
                host.tune(&["apply", second, "--yes", "--replace", first]).exits(0);
                host.tune(&["audit", second]).exits(0);
                let active = host.tune(&["active"]).exits(0).stdout;
                assert!(active.contains(second) && !active.contains(first), "{when}: {active}");
                host.tune(&["off", "--yes"]).exits(0);
                host.everything().same_as(&before, &when);
            }
        }
        for name in ["lower", "higher"] {
            std::fs::remove_file(format!("/etc/tune/profiles/{name}.toml")).unwrap();
        }
        host.everything().same_as(&before, "at the end");
    });
}

#[test]
fn both_at_once_are_refused_as_well() {
    TestHost::run(Boot::Systemd, |host| {
        for (low, high) in CONTRADICTIONS {
            host.site_profile("lower", low);
            host.site_profile("higher", high);
            let before = host.everything();
            host.tune(&["apply", "lower", "higher", "--yes"]).exits(1).says("lower").says("higher");
            host.everything().same_as(&before, "after a refusal");
        }
    });
}

#[test]
fn a_profile_that_changed_gives_up_what_it_no_longer_wants() {
    TestHost::run(Boot::Systemd, |host| {
        furnish(host, &[]);
        host.site_profile("site", OTHER_SETTINGS[0].body);
        let before = host.everything();
        let bases = (live(host), boot(host));
        host.tune(&["apply", "site", "--yes"]).exits(0);
        assert_eq!(live(host), expected(&bases.0, &[&OTHER_SETTINGS[0]]));
        host.site_profile("site", SAME_SETTING[1].body);
        host.tune(&["apply", "site", "--yes"]).exits(0);
        assert_eq!(live(host), expected(&bases.0, &[&SAME_SETTING[1]]));
        assert_eq!(boot(host), expected(&bases.1, &[&SAME_SETTING[1]]));
        host.site_profile("site", OTHER_SETTINGS[0].body);
        host.tune(&["apply", "site", "--yes"]).exits(0);
        // 20 s keeps the wider bound as well and is left alone.
        assert_eq!((live(host)[FIN][0], boot(host)[FIN][0], live(host)[IDLE][0]), (20, 20, 600));
        host.tune(&["off", "site", "--yes"]).exits(0);
        host.everything().same_as(&before, "after tune off");
    });
}

#[test]
fn transactions_of_one_profile_are_taken_back_one_by_one() {
    TestHost::run(Boot::Systemd, |host| {
        furnish(host, &[]);
        host.site_profile("site", SAME_SETTING[0].body);
        let before = host.everything();
        host.tune(&["apply", "site", "--yes"]).exits(0);
        host.tune(&["set", "tcp.keepalive_probes=5", "--yes"]).exits(0);
        host.tune(&["set", "tcp.keepalive_probes=7", "--yes"]).exits(0);
        assert_eq!(host.read(PROBES), "7");
        // The third transaction took the place of the second, of which nothing is left to take back.
        host.tune(&["rollback", "--yes"]).exits(0);
        assert_eq!((host.read(PROBES).as_str(), host.read(FIN).as_str()), ("9", "30"));
        host.tune(&["rollback", "--yes"]).exits(0);
        host.everything().same_as(&before, "after the rollbacks");
        host.tune(&["rollback", "--yes"]).exits(1).says("no transaction to take back");
    });
}
