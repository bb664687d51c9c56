//! The catalog of illumos and Solaris held against the property tables of three generations.

use std::collections::{BTreeMap, BTreeSet};

use tune_model::{Catalog, System, Tunable};

/// A generation: the family that it stands for, and what it said under the names of the catalog's protocols.
struct Generation {
    family: &'static str,
    said: BTreeMap<String, Recorded>,
}

/// What was said of one property that holds a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Recorded {
    default: i128,
    range: (i128, i128),
}

fn generations() -> [Generation; 3] {
    [
        Generation { family: "illumos", said: ipadm(include_str!("fixtures/solaris/illumos-2025-01.txt")) },
        Generation {
            family: "opensolaris-2010",
            said: ipadm(include_str!("fixtures/solaris/opensolaris-2010-08.txt")),
        },
        Generation {
            family: "solaris-10",
            said: ndd(include_str!("fixtures/solaris/opensolaris-2005-06-ndd.txt")),
        },
    ]
}

/// Reads lines of `PROTO:PROPERTY:PERM:CURRENT:PERSISTENT:DEFAULT:POSSIBLE`.
fn ipadm(table: &str) -> BTreeMap<String, Recorded> {
    let row = |line: &str| {
        let fields: Vec<_> = line.split(':').collect();
        let [protocol, property, "rw", current, "", default, possible] = fields[..] else { return None };
        assert_eq!(current, default, "{line}: recorded as installed");
        let recorded = Recorded { default: default.parse().ok()?, range: range(possible)? };
        Some((format!("ipadm.{protocol}.{property}"), recorded))
    };
    table.lines().filter_map(row).collect()
}

/// Reads what a property can be: `LOW-HIGH`, or `0,1` for a switch. Words and lists of ports are neither.
fn range(possible: &str) -> Option<(i128, i128)> {
    let (low, high) = possible.split_once(['-', ',']).filter(|_| !possible.contains(char::is_alphabetic))?;
    Some((low.parse().ok()?, high.parse().ok()?))
}

/// Reads lines of `NAME DEFAULT LOW HIGH`.
fn ndd(table: &str) -> BTreeMap<String, Recorded> {
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    let row = |line: &str| {
        let (name, numbers) = line.split_once(' ').expect("a name");
        let numbers: Vec<_> = numbers.split(' ').map(|text| text.parse().expect("a number")).collect();
        let [default, low, high] = numbers[..] else { panic!("{line}") };
        (name.to_owned(), Recorded { default, range: (low, high) })
    };
    lines.map(row).collect()
}

/// Returns the names under which a generation may have a row: the present one, those of before, and ndd's.
fn names(row: &Tunable) -> impl Iterator<Item = String> {
    let front = row.name.rsplit_once('.').map_or("", |(front, _)| front);
    let former = row.former_names.iter().map(move |name| format!("{front}.{name}"));
    [row.name.clone()].into_iter().chain(former).chain(row.ndd.clone())
}

/// Returns what the catalog expects a family to say, where its kernels have the property.
fn expected(row: &Tunable, family: &str) -> Option<Recorded> {
    let known = row.of_family(family);
    let (default, range) = known.default.first().copied().zip(known.accepted.first().copied())?;
    Some(Recorded { default, range })
}

const MAX_BUF: &str =
    "the most is max_buf as it is at that moment, and the row states what can be had by raising it";
const NOT_RECORDED: &str = "only the table of tcp was recorded";

/// Where a generation and the catalog differ: the family, the row, in what, and why that is so.
const DIFFERENCES: &[(&str, &str, &str, &str)] = &[
    ("illumos", "ipadm.icmp.recv_buf", "range", MAX_BUF),
    ("illumos", "ipadm.icmp.send_buf", "range", MAX_BUF),
    ("illumos", "ipadm.sctp.recv_buf", "range", MAX_BUF),
    ("illumos", "ipadm.sctp.send_buf", "range", MAX_BUF),
    ("illumos", "ipadm.tcp.recv_buf", "range", MAX_BUF),
    ("illumos", "ipadm.tcp.send_buf", "range", MAX_BUF),
    ("illumos", "ipadm.udp.recv_buf", "range", MAX_BUF),
    ("illumos", "ipadm.udp.send_buf", "range", MAX_BUF),
    ("solaris-10", "ipadm.icmp.max_buf", "presence", NOT_RECORDED),
    ("solaris-10", "ipadm.icmp.recv_buf", "presence", NOT_RECORDED),
    ("solaris-10", "ipadm.icmp.send_buf", "presence", NOT_RECORDED),
    ("solaris-10", "ipadm.sctp.largest_anon_port", "presence", NOT_RECORDED),
    ("solaris-10", "ipadm.sctp.max_buf", "presence", NOT_RECORDED),
    ("solaris-10", "ipadm.sctp.recv_buf", "presence", NOT_RECORDED),
    ("solaris-10", "ipadm.sctp.send_buf", "presence", NOT_RECORDED),
    ("solaris-10", "ipadm.sctp.smallest_anon_port", "presence", NOT_RECORDED),
    ("solaris-10", "ipadm.udp.largest_anon_port", "presence", NOT_RECORDED),
    ("solaris-10", "ipadm.udp.max_buf", "presence", NOT_RECORDED),
    ("solaris-10", "ipadm.udp.recv_buf", "presence", NOT_RECORDED),
    ("solaris-10", "ipadm.udp.send_buf", "presence", NOT_RECORDED),
    ("solaris-10", "ipadm.udp.smallest_anon_port", "presence", NOT_RECORDED),
];

/// Returns in what a row and a generation differ.
fn differences(row: &Tunable, generation: &Generation) -> Vec<&'static str> {
    let said: Vec<_> = names(row).filter_map(|name| generation.said.get(&name)).collect();
    assert!(said.len() <= 1, "{}: two names on {}", row.name, generation.family);
    match (said.first(), expected(row, generation.family)) {
        (None, None) => vec![],
        (Some(said), Some(expected)) => {
            let agree =
                [("default", said.default == expected.default), ("range", said.range == expected.range)];
            agree.into_iter().filter(|(_, agrees)| !agrees).map(|(what, _)| what).collect()
        }
        _ => vec!["presence"],
    }
}

#[test]
fn rows_and_generations_agree_but_for_what_is_known() {
    let mut found = BTreeSet::new();
    for generation in &generations() {
        for row in Catalog::of(System::Solaris).iter() {
            let differ = differences(row, generation);
            found.extend(differ.into_iter().map(|what| (generation.family, row.name.as_str(), what)));
        }
    }
    let known = DIFFERENCES.iter().map(|(family, name, what, _)| (*family, *name, *what)).collect();
    assert_eq!(found, known);
}

/// On illumos the range of each buffer ended at the default of its protocol's max_buf.
#[test]
fn what_differs_for_max_buf_differs_by_max_buf() {
    let [illumos, ..] = generations();
    let held = DIFFERENCES.iter().filter(|(.., reason)| *reason == MAX_BUF).map(|(_, name, ..)| name);
    for name in held {
        let (front, _) = name.rsplit_once('.').expect("a property");
        let said = illumos.said[*name];
        assert_eq!(said.range.1, illumos.said[&format!("{front}.max_buf")].default, "{name}");
        let row = Catalog::of(System::Solaris).get(name).expect("a row");
        assert_eq!(Some(said.range.0), expected(row, "illumos").map(|expected| expected.range.0), "{name}");
    }
}

/// A former name is what the table of 2010 has, and nobody has both.
#[test]
fn renamed_properties_had_their_former_names_in_2010() {
    let [illumos, before, _] = generations();
    let mut renamed = 0;
    for row in Catalog::of(System::Solaris).iter().filter(|row| !row.former_names.is_empty()) {
        let (front, _) = row.name.rsplit_once('.').expect("a property");
        let old = format!("{front}.{}", row.former_names[0]);
        assert!(illumos.said.contains_key(&row.name) && !illumos.said.contains_key(&old), "{old}");
        assert!(before.said.contains_key(&old) && !before.said.contains_key(&row.name), "{old}");
        renamed += 1;
    }
    assert_eq!(renamed, 12);
}

/// Numbers of tcp that have no row: nothing that a profile is about.
const NO_ROWS: &[&str] = &[
    "_conn_grace_period",
    "_debug",
    "_deferred_acks_max",
    "_dev_flow_ctl",
    "_dupack_fast_retransmit",
    "_ignore_path_mtu",
    "_ipv4_ttl",
    "_ipv6_hoplimit",
    "_iss_incr",
    "_local_dack_interval",
    "_local_dacks_max",
    "_maxpsz_multiplier",
    "_mss_def_ipv4",
    "_mss_def_ipv6",
    "_mss_max_ipv4",
    "_mss_max_ipv6",
    "_mss_min",
    "_naglim_def",
    "_push_timer_interval",
    "_rev_src_routes",
    "_rst_sent_rate_enabled",
    "_rtt_updates",
    "_tstamp_always",
    "_tstamp_if_wscale",
    "_use_smss_as_mss_opt",
    "_wroff_xtra",
    "_wscale_always",
];

#[test]
fn numbers_of_tcp_have_a_row_unless_no_profile_is_about_them() {
    let [illumos, ..] = generations();
    let without: BTreeSet<_> = illumos
        .said
        .keys()
        .filter(|name| Catalog::of(System::Solaris).get(name).is_none())
        .filter_map(|name| name.strip_prefix("ipadm.tcp."))
        .collect();
    assert_eq!(without, NO_ROWS.iter().copied().collect());
}

#[test]
fn lists_and_words_are_not_taken_for_numbers() {
    let [illumos, ..] = generations();
    for name in
        ["sack", "ecn", "congestion_control", "extra_priv_ports", "_listener_limit_conf", "_1948_phrase"]
    {
        assert!(!illumos.said.contains_key(&format!("ipadm.tcp.{name}")), "{name}");
    }
    assert_eq!(illumos.said["ipadm.tcp._abc"], Recorded { default: 1, range: (0, 1) });
}
