//! The catalog of FreeBSD held against what kernels said of themselves.

use std::collections::BTreeSet;

use tune_model::catalog::{Mutability, Reach};
use tune_model::{Catalog, System, Tunable};

/// A kernel: its release, and what it said.
struct Kernel {
    name: &'static str,
    release: (u32, u32),
    rows: Vec<Recorded>,
}

/// What a kernel said of one tunable; `None` where it was not recorded.
struct Recorded {
    name: &'static str,
    kernel_type: Option<&'static str>,
    loader: Option<bool>,
    writable: Option<bool>,
    vnet: Option<bool>,
    value: Option<i128>,
}

fn kernels() -> [Kernel; 2] {
    [
        kernel("14.0-CURRENT", (14, 0), include_str!("fixtures/freebsd/14.0-current-1400063.txt")),
        kernel("15.0", (15, 0), include_str!("fixtures/freebsd/15.0-release-1500068.txt")),
    ]
}

fn kernel(name: &'static str, release: (u32, u32), table: &'static str) -> Kernel {
    let rows = table.lines().filter(|line| !line.starts_with('#')).map(recorded).collect();
    Kernel { name, release, rows }
}

fn recorded(line: &'static str) -> Recorded {
    let fields: Vec<_> = line.split(' ').collect();
    let [name, kernel_type, loader, writable, vnet, value] = fields[..] else { panic!("{line}") };
    let flag = |text: &str| (text != "?").then_some(text == "yes");
    Recorded {
        name,
        kernel_type: (kernel_type != "?").then_some(kernel_type),
        loader: flag(loader),
        writable: flag(writable),
        vnet: flag(vnet),
        value: value.parse().ok(),
    }
}

/// Counters and second names, which have no row.
const NO_ROWS: &[&str] = &[
    "kern.ipc.somaxconn",
    "kern.ipc.numopensockets",
    "net.inet.tcp.pcbcount",
    "net.inet.tcp.syncache.count",
];

const ASKS_WITHOUT_THE_FLAG: &str = "the kernel asks its loader for it and does not flag it";
const OLDER_THAN_14_0: &str = "this kernel is older than 14.0 and lacks what came last before it";

/// Where a recorded kernel and the catalog differ: the kernel, the tunable, in what, and why that is so.
const DIFFERENCES: &[(&str, &str, &str, &str)] = &[
    ("14.0-CURRENT", "kern.ipc.maxsockets", "loader", ASKS_WITHOUT_THE_FLAG),
    ("14.0-CURRENT", "kern.ipc.nmbclusters", "loader", ASKS_WITHOUT_THE_FLAG),
    ("14.0-CURRENT", "kern.ipc.nmbjumbo16", "loader", ASKS_WITHOUT_THE_FLAG),
    ("14.0-CURRENT", "kern.ipc.nmbjumbo9", "loader", ASKS_WITHOUT_THE_FLAG),
    ("14.0-CURRENT", "kern.ipc.nmbjumbop", "loader", ASKS_WITHOUT_THE_FLAG),
    ("14.0-CURRENT", "kern.ipc.nmbufs", "loader", ASKS_WITHOUT_THE_FLAG),
    ("14.0-CURRENT", "kern.maxfiles", "loader", ASKS_WITHOUT_THE_FLAG),
    ("14.0-CURRENT", "kern.maxfilesperproc", "loader", ASKS_WITHOUT_THE_FLAG),
    ("14.0-CURRENT", "net.inet.ip.portrange.randomcps", "presence", OLDER_THAN_14_0),
    ("14.0-CURRENT", "net.inet.ip.portrange.randomtime", "presence", OLDER_THAN_14_0),
    ("14.0-CURRENT", "net.inet.tcp.maxtcptw", "loader", ASKS_WITHOUT_THE_FLAG),
    ("14.0-CURRENT", "net.inet.tcp.maxtcptw", "presence", OLDER_THAN_14_0),
    ("14.0-CURRENT", "net.inet.tcp.maxunacktime", "presence", OLDER_THAN_14_0),
    ("14.0-CURRENT", "net.inet.tcp.retries", "presence", OLDER_THAN_14_0),
    ("14.0-CURRENT", "net.inet.tcp.sack.enable", "loader", ASKS_WITHOUT_THE_FLAG),
    ("15.0", "net.inet.tcp.sack.enable", "loader", ASKS_WITHOUT_THE_FLAG),
];

fn release(text: &str) -> (u32, u32) {
    let (major, minor) = text.split_once('.').unwrap_or((text, ""));
    (major.parse().expect("a release"), minor.parse().unwrap_or(0))
}

/// Tells whether the catalog has a row for this release.
fn expected_in(row: &Tunable, kernel: (u32, u32)) -> bool {
    let since = row.since.as_deref().is_none_or(|since| release(since) <= kernel);
    // "13" is every release of 13.
    since && row.until.as_deref().is_none_or(|until| kernel.0 <= release(until).0)
}

/// Returns the default of a row in a release, where it is a constant.
fn default_in(row: &Tunable, kernel: (u32, u32)) -> Option<i128> {
    let by_release = row.default_since.iter().rev().find(|(since, _)| release(since) <= kernel);
    by_release.map(|(_, values)| values).unwrap_or(&row.default).first().copied()
}

/// Tells whether a row belongs to each network stack in a release.
fn vnet_in(row: &Tunable, kernel: (u32, u32)) -> bool {
    row.scope == Reach::Vnet && row.vnet_since.as_deref().is_none_or(|since| release(since) <= kernel)
}

/// Returns in what a row and the kernel differ.
fn differences(row: &Tunable, said: &Recorded, kernel: (u32, u32)) -> Vec<&'static str> {
    let run_time = matches!(row.mutability, Mutability::Live | Mutability::RaiseOnly);
    let agree = [
        ("type", said.kernel_type.zip(row.kernel_type).is_none_or(|(said, of)| of.name() == said)),
        ("loader", said.loader.is_none_or(|flag| flag == row.loader)),
        ("writable", said.writable.is_none_or(|flag| flag == run_time)),
        ("vnet", said.vnet.is_none_or(|flag| flag == vnet_in(row, kernel))),
        (
            "value",
            default_in(row, kernel).is_none_or(|default| said.value.is_none_or(|value| value == default)),
        ),
    ];
    agree.into_iter().filter(|(_, agrees)| !agrees).map(|(what, _)| what).collect()
}

#[test]
fn rows_and_kernels_agree_but_for_what_is_known() {
    let mut found = BTreeSet::new();
    for kernel in kernels() {
        for row in Catalog::of(System::FreeBsd).iter() {
            let said = kernel.rows.iter().find(|said| said.name == row.name);
            if said.is_some() != expected_in(row, kernel.release) {
                found.insert((kernel.name, row.name.as_str(), "presence"));
            }
            let differ = said.map(|said| differences(row, said, kernel.release)).unwrap_or_default();
            found.extend(differ.into_iter().map(|what| (kernel.name, row.name.as_str(), what)));
        }
    }
    let known = DIFFERENCES.iter().map(|(kernel, name, what, _)| (*kernel, *name, *what)).collect();
    assert_eq!(found, known);
}

#[test]
fn what_was_recorded_has_a_row_unless_it_cannot_be_set() {
    let recorded: BTreeSet<_> =
        kernels().into_iter().flat_map(|kernel| kernel.rows).map(|said| said.name).collect();
    let without: BTreeSet<_> =
        recorded.into_iter().filter(|name| Catalog::of(System::FreeBsd).get(name).is_none()).collect();
    assert_eq!(without, NO_ROWS.iter().copied().collect());
}

/// The arithmetic that the catalog states in words gives what these kernels showed.
#[test]
fn the_rules_in_words_give_what_the_kernels_showed() {
    for kernel in kernels() {
        let value = |name: &str| {
            let said = kernel.rows.iter().find(|said| said.name == name);
            said.and_then(|said| said.value).unwrap_or_else(|| panic!("{name} on {}", kernel.name))
        };
        let memory = value("kern.ipc.maxmbufmem");
        assert_eq!(value("kern.ipc.nmbclusters"), memory / 2048 / 4);
        assert_eq!(value("kern.ipc.nmbjumbop"), memory / 4096 / 4);
        assert_eq!(value("kern.ipc.nmbjumbo9"), memory / 9216 / 6);
        assert_eq!(value("kern.ipc.nmbjumbo16"), memory / 16384 / 6);
        assert_eq!(value("kern.ipc.nmbufs"), memory / 256 / 5);
        assert_eq!(value("kern.ipc.maxsockets"), value("kern.maxfiles"));
        let next_power = (value("kern.ipc.maxsockets") / 4).ilog2() + 1;
        assert_eq!(value("net.inet.tcp.tcbhashsize"), 1 << next_power);
        let buckets = value("net.inet.tcp.syncache.hashsize");
        assert_eq!(
            value("net.inet.tcp.syncache.cachelimit"),
            buckets * value("net.inet.tcp.syncache.bucketlimit")
        );
    }
}
