//! Every row of every catalog makes sense by itself.

use std::collections::BTreeSet;

use tune_model::catalog::{Mutability, Reach};
use tune_model::{Catalog, System, Tunable};

const SYSTEMS: [System; 2] = [System::Linux, System::FreeBsd];

/// Rows whose default cannot be asked for or written back, and why.
const ONE_WAY: &[(&str, &str)] =
    &[("net.inet.tcp.maxunacktime", "0 is the default, and the kernel refuses it")];

/// Rows whose type changed between the supported releases.
const TYPE_BY_RELEASE: &[&str] =
    &["net.inet.tcp.nolocaltimewait", "net.inet.tcp.syncookies", "net.inet.tcp.syncookies_only"];

/// The rules by which FreeBSD's defaults are computed.
const FREEBSD_RULES: &[&str] = &[
    "half-of-kernel-memory",
    "maxmbufmem/2048/4",
    "maxmbufmem/page/4",
    "maxmbufmem/9216/6",
    "maxmbufmem/16384/6",
    "nmbufs",
    "maxsockets",
    "maxfiles",
    "maxfiles*9/10",
    "maxusers",
    "maxtcptw",
    "hz",
    "syncache-cachelimit",
    "tcbhashsize",
    "unknown",
];

/// Holds each row of some systems against a rule, and says which rows break it.
fn every_row(systems: &[System], what: &str, sound: impl Fn(&Tunable) -> bool) {
    let rows = systems.iter().flat_map(|system| Catalog::of(*system).iter());
    let broken: Vec<_> = rows.filter(|row| !sound(row)).map(|row| row.name.as_str()).collect();
    assert!(broken.is_empty(), "{what}: {broken:#?}");
}

fn within(inner: &[(i128, i128)], outer: &[(i128, i128)]) -> bool {
    inner.len() == outer.len()
        && inner.iter().zip(outer).all(|(inner, outer)| outer.0 <= inner.0 && inner.1 <= outer.1)
}

/// Returns every constant default that a row states.
fn constants(row: &Tunable) -> Vec<&[i128]> {
    let since = row.default_since.iter().map(|(_, values)| values.as_slice());
    since.chain((!row.default.is_empty()).then_some(row.default.as_slice())).collect()
}

fn holds(range: &[(i128, i128)], values: &[i128]) -> bool {
    range.len() == values.len()
        && values.iter().zip(range).all(|(value, (low, high))| (low..=high).contains(&value))
}

fn numbers(release: &str) -> Vec<u32> {
    release
        .split('.')
        .map(|part| part.parse().unwrap_or_else(|_| panic!("{release} is no release")))
        .collect()
}

#[test]
fn names_are_stated_once() {
    for system in SYSTEMS {
        let names: Vec<_> = Catalog::of(system).iter().map(|row| &row.name).collect();
        let different: BTreeSet<_> = names.iter().collect();
        assert_eq!(different.len(), names.len(), "{system}");
    }
}

#[test]
fn ranges_lie_within_each_other() {
    every_row(&SYSTEMS, "empty ranges", |row| {
        let all = [&row.accepted, &row.allowed, &row.taken_by_some];
        all.iter().flat_map(|ranges| ranges.iter()).all(|(low, high)| low <= high)
    });
    every_row(&SYSTEMS, "allowed but not accepted", |row| within(&row.allowed, &row.accepted));
    every_row(&SYSTEMS, "accepted by all and not by some", |row| {
        row.taken_by_some.is_empty() || within(&row.accepted, &row.taken_by_some)
    });
    every_row(&SYSTEMS, "accepted outside of the type", |row| {
        row.kernel_type.is_none_or(|kind| within(&row.accepted, &vec![kind.range(); row.accepted.len()]))
    });
    every_row(&SYSTEMS, "nothing to ask for", |row| {
        row.allowed.is_empty() == (row.mutability == Mutability::Fixed)
    });
}

#[test]
fn defaults_can_be_asked_for() {
    let one_way = |row: &Tunable| ONE_WAY.iter().any(|(name, _)| *name == row.name);
    every_row(&SYSTEMS, "defaults out of range", |row| {
        let sound = constants(row).iter().all(|values| row.is_text() || holds(&row.allowed, values));
        sound != one_way(row)
    });
}

#[test]
fn each_default_is_stated_one_way() {
    every_row(&[System::Linux], "neither a constant nor a rule, or both", |row| {
        row.is_text() || row.default.is_empty() == row.default_rule.is_some()
    });
    every_row(&[System::Linux], "values by release without the rule, or the rule without them", |row| {
        row.default_since.is_empty() == (row.default_rule.as_deref() != Some("kernel-version"))
    });
    every_row(&[System::FreeBsd], "not one of a constant, constants by release and a rule", |row| {
        let ways = [!row.default.is_empty(), !row.default_since.is_empty(), row.default_rule.is_some()];
        ways.iter().filter(|stated| **stated).count() == 1
    });
    every_row(&SYSTEMS, "a rule, or constants by release, without words", |row| {
        (row.default_rule.is_none() && row.default_since.is_empty()) || row.default_text.is_some()
    });
    every_row(&SYSTEMS, "releases out of order", |row| {
        row.default_since.is_sorted_by(|a, b| numbers(&a.0) < numbers(&b.0))
    });
    every_row(&[System::FreeBsd], "unknown rules", |row| {
        row.default_rule.as_deref().is_none_or(|rule| FREEBSD_RULES.contains(&rule))
    });
}

#[test]
fn rows_say_what_an_administrator_asks() {
    let sentence = |text: &str| text.ends_with('.') && text.starts_with(|c: char| !c.is_whitespace());
    every_row(&SYSTEMS, "no sentences", |row| {
        sentence(&row.meaning) && row.cautions.iter().chain(&row.unsafe_values).all(|text| sentence(text))
    });
    every_row(&SYSTEMS, "no source", |row| !row.source.is_empty());
    every_row(&[System::FreeBsd], "narrower than the kernel without a reason", |row| {
        row.allowed == row.accepted || row.unsafe_values.is_some()
    });
    every_row(&SYSTEMS, "releases that are none", |row| {
        let releases = [&row.since, &row.until, &row.netns_since, &row.vnet_since];
        releases.into_iter().flatten().all(|release| !numbers(release).is_empty())
    });
}

#[test]
fn rows_of_freebsd_fit_together() {
    let freebsd = [System::FreeBsd];
    every_row(&freebsd, "no type", |row| {
        row.kernel_type.is_some() != TYPE_BY_RELEASE.contains(&row.name.as_str())
    });
    every_row(&freebsd, "scopes of another system", |row| matches!(row.scope, Reach::Host | Reach::Vnet));
    every_row(&freebsd, "vnet_since of the host's own", |row| {
        row.vnet_since.is_none() || row.scope == Reach::Vnet
    });
    every_row(&freebsd, "at boot and by the loader only, and no loader", |row| {
        row.loader || matches!(row.mutability, Mutability::Live)
    });
    every_row(&freebsd, "ticks", |row| {
        !row.ticks || (row.unit == "ms" && row.accepted == [(1, i128::from(i32::MAX))] && !row.loader)
    });
    every_row(&freebsd, "times without ticks", |row| (row.unit == "ms") == row.ticks);
    every_row(&freebsd, "flags", |row| row.unit != "flag" || row.allowed == [(0, 1)]);
}

/// What no profile may ask for without insisting: no time or probe count of 0, no port that needs privilege.
#[test]
fn what_is_never_meant_is_not_allowed() {
    every_row(&[System::FreeBsd], "zero", |row| {
        let counts = ["ms", "clusters", "mbufs", "sockets", "files", "bytes"].contains(&row.unit.as_str());
        !(counts || row.name == "net.inet.tcp.keepcnt") || row.allowed.iter().all(|(low, _)| *low >= 1)
    });
    every_row(&[System::FreeBsd], "privileged ports", |row| {
        let picked =
            ["first", "last", "hifirst", "hilast"].iter().any(|end| row.name.ends_with(&format!(".{end}")));
        !picked || row.allowed == [(1024, 65535)]
    });
}
