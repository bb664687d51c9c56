//! What has to hold of the stand-ins whatever they are asked.

use std::ffi::OsString;

use proptest::prelude::*;

use super::program::said;
use super::said::Said;
use super::{Machine, Model, Setup, UNMODELLED};

/// A host in memory, whose programs are run in this process.
struct Lab {
    _directory: tempfile::TempDir,
    machine: Machine,
}

impl Lab {
    fn of(model: Model) -> Self {
        let directory =
            tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a directory");
        let machine = Machine::install_with(directory.path(), &Setup::of(model));
        Self { _directory: directory, machine }
    }

    fn run(&self, words: &[&str]) -> Said {
        let rest = words[1..].iter().map(OsString::from);
        said(&self.machine.program(words[0]), rest).expect("a host")
    }

    fn shows(&self, fields: &str, name: &str, protocol: &str) -> String {
        let said = self.run(&["ipadm", "show-prop", "-c", "-o", fields, "-p", name, protocol]);
        assert_eq!(said.code, 0, "{name}: {said:?}");
        String::from_utf8(said.out).expect("text").trim_end_matches('\n').to_owned()
    }

    fn sets(&self, assignment: &str, protocol: &str) -> u8 {
        self.run(&["ipadm", "set-prop", "-p", assignment, protocol]).code
    }
}

/// What a row of two or more fields has in each.
fn unescaped(row: &str) -> Vec<String> {
    let (mut fields, mut letters) = (vec![String::new()], row.chars());
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => fields.last_mut().expect("one").extend(letters.next()),
            ':' => fields.push(String::new()),
            other => fields.last_mut().expect("one").push(other),
        }
    }
    fields
}

const MODELS: &[Model] = &[Model::IllumosCurrent, Model::Illumos2010];

/// Properties that take any number of a range, whatever the others are.
const NUMBERS: &[(&str, &str, u64, u64)] = &[
    ("tcp", "_fin_wait_2_flush_interval", 1000, 7_200_000),
    ("tcp", "_keepalive_interval", 10_000, 864_000_000),
    ("tcp", "_keepalive_abort_interval", 0, 4_294_967_295),
    ("udp", "_xmit_lowat", 0, 1_073_741_824),
    ("icmp", "_ipv4_ttl", 1, 255),
    ("sctp", "_rto_max", 1000, 60_000_000),
    ("ipv4", "ttl", 1, 255),
];

/// Changes, each of another property, that may or may not succeed.
fn changes() -> impl Strategy<Value = Vec<(String, &'static str)>> {
    let number =
        |name: &'static str, most: u32| (0..most).prop_map(move |number| (format!("{name}={number}"), "tcp"));
    let word = |name: &'static str| {
        prop_oneof!["never", "passive", "active", "2"].prop_map(move |word| (format!("{name}={word}"), "tcp"))
    };
    let all = (
        number("max_buf", 4_000_000),
        number("_max_buf", 4_000_000),
        number("recv_buf", 4_000_000),
        number("send_buf", 2_000_000),
        number("smallest_anon_port", 70_000),
        number("largest_anon_port", 70_000),
        number("_wroff_xtra", 300),
        word("sack"),
        word("ecn"),
        (1000_u32..9000).prop_map(|port| (format!("extra_priv_ports+={port}"), "tcp")),
        prop_oneof![
            Just(("forwarding=on".to_owned(), "ipv6")),
            Just(("hostmodel=strong".to_owned(), "ipv4"))
        ],
    );
    all.prop_map(|(a, b, c, d, e, f, g, h, i, j, k)| vec![a, b, c, d, e, f, g, h, i, j, k]).prop_shuffle()
}

const SHOWN: &[(&str, &str)] = &[
    ("sack", "tcp"),
    ("ecn", "tcp"),
    ("_wroff_xtra", "tcp"),
    ("_max_buf", "tcp"),
    ("recv_maxbuf", "tcp"),
    ("send_maxbuf", "tcp"),
    ("smallest_anon_port", "tcp"),
    ("largest_anon_port", "tcp"),
    ("extra_priv_ports", "tcp"),
    ("forwarding", "ipv6"),
    ("hostmodel", "ipv4"),
];

/// Words of which command lines can be made.
const WORDS: &[&str] = &[
    "show-prop",
    "set-prop",
    "reset-prop",
    "help",
    "show-addr",
    "-c",
    "-o",
    "-p",
    "-t",
    "-x",
    "--",
    "-",
    "-:",
    "-c-",
    "--prop",
    "--p",
    "--out",
    "--parsable=1",
    "--temporary",
    "all",
    "current",
    "proto,bogus",
    "CURRENT,property",
    ",",
    "",
    "tcp",
    "udp",
    "sctp",
    "icmp",
    "ip",
    "ipv4",
    "ipv6",
    "arp",
    "TCP",
    "max_buf",
    "max_buf=70000",
    "sack=never",
    "sack",
    "recv_buf+=1",
    "extra_priv_ports+=5001",
    "extra_priv_ports-=2049",
    "extra_priv_ports=80,81",
    "_nope=1",
    "_listener_limit_conf_add=80:10",
    "_listener_limit_conf",
    "_1948_phrase=a;b",
    "ttl=64",
    "mtu",
    "forwarding=on",
    "hostmodel=weak",
    "a,a",
    "=5",
    "+=5",
    "a=b=c",
    "-get",
    "-set",
    "-settle",
    "-got",
    "/dev/tcp",
    "/dev/udp",
    "/dev/ip",
    "/dev/null",
    "tcp_max_buf",
    "tcp_sack_permitted",
    "tcp_extra_priv_ports_add",
    "tcp_extra_priv_ports",
    "_max_buf",
    "?",
    "tcp_status",
    "ip_def_ttl",
    "ip6_nope",
    "30000",
    "67500s",
    "-1",
    "\u{e9}\u{1f600}",
    " 1",
    "\n",
    "%s",
    "-s",
    "-rv",
    "-n",
    "-t",
    "-p",
    "tcp:0:tcp",
    "-H",
    "-o",
    "state",
    "svc:/network/initial:default",
    "-an",
    "-f",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_set_is_shown(
        model in prop::sample::select(MODELS),
        (row, number) in prop::sample::select(NUMBERS).prop_flat_map(|row| (Just(row), row.2..=row.3)),
        dress in prop::sample::select(&["", " ", "+", "0", "\t00"][..]),
    ) {
        let (protocol, name, ..) = row;
        let lab = Lab::of(model);
        let typed = format!("{dress}{number}");
        prop_assert_eq!(lab.sets(&format!("{name}={typed}"), protocol), 0);
        prop_assert_eq!(lab.shows("current", name, protocol), number.to_string());
        prop_assert_eq!(lab.shows("persistent", name, protocol), typed.clone());
        prop_assert_eq!(lab.machine.persistent(protocol, name), Some(typed.clone()));
        prop_assert_eq!(lab.machine.reboot(), Vec::<String>::new());
        prop_assert_eq!(lab.shows("current,persistent", name, protocol), format!("{number}:{typed}"));
    }

    #[test]
    fn a_row_can_be_taken_apart(phrase in "[!-~]{1,30}", port in 1_u16.., ratio in 1_i32..) {
        prop_assume!(!phrase.contains('='));
        let lab = Lab::of(Model::IllumosCurrent);
        prop_assert_eq!(lab.sets(&format!("_listener_limit_conf_add={port}:{ratio}"), "tcp"), 0);
        prop_assert_eq!(lab.sets(&format!("_1948_phrase={phrase}"), "tcp"), 0);
        for (fields, name) in [("property,current,perm", "_listener_limit_conf"), ("property,persistent", "_1948_phrase")] {
            let row = unescaped(&lab.shows(fields, name, "tcp"));
            let single: Vec<String> = fields.split(',').map(|field| lab.shows(field, name, "tcp")).collect();
            prop_assert_eq!(row, single);
        }
        prop_assert_eq!(lab.shows("current", "_listener_limit_conf", "tcp"), format!("{port}:{ratio}"));
    }

    #[test]
    fn what_was_stored_in_order_is_there_after_a_restart(
        model in prop::sample::select(MODELS),
        changes in changes(),
    ) {
        let lab = Lab::of(model);
        for (change, protocol) in &changes {
            // Both are names of one property, and a value that is stored anew keeps its old place.
            if model == Model::IllumosCurrent && change.starts_with("_max_buf") {
                continue;
            }
            let (before, conf) = (lab.machine.live(protocol, change.split('=').next().unwrap_or_default()), lab.machine.conf());
            if lab.sets(change, protocol) != 0 {
                prop_assert_eq!(lab.machine.conf(), conf, "{} failed and is stored", change);
                let after = lab.machine.live(protocol, change.split('=').next().unwrap_or_default());
                prop_assert_eq!(after, before, "{} failed and is set", change);
            }
        }
        let values = || -> Vec<_> { SHOWN.iter().map(|(name, protocol)| lab.machine.live(protocol, name)).collect() };
        let before = values();
        prop_assert_eq!(lab.machine.reboot(), Vec::<String>::new());
        prop_assert_eq!(values(), before);
    }

    #[test]
    fn what_is_temporary_is_never_stored(changes in changes()) {
        let lab = Lab::of(Model::IllumosCurrent);
        let conf = lab.machine.conf();
        for (change, protocol) in &changes {
            lab.run(&["ipadm", "set-prop", "-t", "-p", change, protocol]);
        }
        prop_assert_eq!(lab.machine.conf(), conf);
        lab.machine.reboot();
        let fresh = Lab::of(Model::IllumosCurrent);
        for (name, protocol) in SHOWN {
            prop_assert_eq!(lab.machine.live(protocol, name), fresh.machine.live(protocol, name));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_command_line_ends_in_another_way(
        model in prop::sample::select(Model::ALL),
        lines in prop::collection::vec(
            (
                prop::sample::select(&["ipadm", "ndd", "netstat", "kstat", "zonename", "uname", "svcs"][..]),
                prop::collection::vec(prop::sample::select(WORDS), 0..7),
            ),
            40,
        ),
    ) {
        let lab = Lab::of(model);
        for (program, words) in lines {
            let line: Vec<&str> = [program].into_iter().chain(words).collect();
            let said = lab.run(&line);
            prop_assert!([0, 1, UNMODELLED].contains(&said.code), "{:?}: {:?}", line, said);
        }
    }
}
