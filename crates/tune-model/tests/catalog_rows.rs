//! Every row of every catalog makes sense by itself.

use std::collections::BTreeSet;

use tune_model::catalog::{FAMILIES, Mutability, Reach, Variant};
use tune_model::{Catalog, System, Tunable};

const SYSTEMS: [System; 3] = [System::Linux, System::FreeBsd, System::Solaris];

/// Rows whose default cannot be asked for or written back, and why.
const ONE_WAY: &[(&str, &str)] = &[
    ("net.inet.tcp.maxunacktime", "0 is the default, and the kernel refuses it"),
    ("ipadm.tcp._slow_start_after_idle", "0 is illumos's default, and other families refuse it"),
    ("ipadm.tcp._slow_start_initial", "0 is illumos's default, and other families refuse it"),
];

/// Properties that came after ndd, so that it has no name of its own for them.
const WITHOUT_NDD: &[&str] = &["ipadm.tcp._abc", "ipadm.tcp._abc_l_var"];

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
    let families = row.variants.values().map(|variant| variant.default.as_slice());
    let stated = since.chain([row.default.as_slice()]).chain(families);
    stated.filter(|values| !values.is_empty()).collect()
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
    let known = |name: &str| SYSTEMS.iter().any(|system| Catalog::of(*system).get(name).is_some());
    assert!(ONE_WAY.iter().all(|(name, _)| known(name)));
}

#[test]
fn each_default_is_stated_one_way() {
    every_row(&[System::Linux], "neither a constant nor a rule, or both", |row| {
        row.is_text() || row.default.is_empty() == row.default_rule.is_some()
    });
    every_row(&[System::Linux], "values by release without the rule, or the rule without them", |row| {
        row.default_since.is_empty() == (row.default_rule.as_deref() != Some("kernel-version"))
    });
    every_row(&[System::Solaris], "not one constant", |row| {
        row.default.len() == 1 && row.default_since.is_empty() && row.default_rule.is_none()
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
    every_row(&SYSTEMS, "unconfirmed without a sentence", |row| {
        row.variants.values().flat_map(|variant| &variant.unconfirmed).all(|text| sentence(text))
    });
    every_row(&[System::FreeBsd, System::Solaris], "narrower than the kernel without a reason", |row| {
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

#[test]
fn only_rows_of_solaris_are_told_apart_by_family() {
    every_row(&[System::Linux, System::FreeBsd], "families", |row| {
        row.variants.is_empty() && row.former_names.is_empty() && row.ndd.is_none()
    });
}

/// Returns the name by which ndd of illumos hands a property to ipadm: the protocol's and the property's, but for two.
fn ndd_name(row: &Tunable) -> String {
    let words: Vec<_> = row.name.split('.').collect();
    let [_, protocol, property] = words[..] else { panic!("{}", row.name) };
    let word = match property {
        "send_buf" => "xmit_hiwat",
        "recv_buf" => "recv_hiwat",
        other => other.trim_start_matches('_'),
    };
    format!("{protocol}_{word}")
}

#[test]
fn rows_of_solaris_fit_together() {
    let solaris = [System::Solaris];
    every_row(&solaris, "not an IP stack's own, or not to be changed at run time", |row| {
        row.scope == Reach::Stack && row.mutability == Mutability::Live
    });
    every_row(&solaris, "fields of other systems", |row| {
        !row.ticks && !row.loader && row.kernel_type.is_none() && row.fields.is_empty()
    });
    every_row(&solaris, "names that are not ipadm.PROTOCOL.PROPERTY", |row| {
        matches!(row.name.split('.').collect::<Vec<_>>()[..], ["ipadm", "tcp" | "udp" | "icmp" | "sctp", _])
    });
    every_row(&solaris, "ndd names that ipadm would not know the property by", |row| {
        let known = (!WITHOUT_NDD.contains(&row.name.as_str())).then(|| ndd_name(row));
        row.ndd == known
    });
    every_row(&solaris, "times that are not in milliseconds", |row| {
        let time = ["interval", "_timeout"].iter().any(|word| row.name.contains(word));
        time == (row.unit == "ms")
    });
    every_row(&solaris, "private properties that do not say so, or public ones that do", |row| {
        let private = row.name.contains("._");
        private == row.cautions.iter().any(|caution| caution.contains("PSARC 2010/080"))
    });
}

/// Nothing else may have the name that a property had, in either program.
#[test]
fn former_names_and_ndd_names_are_unique() {
    let rows = || Catalog::of(System::Solaris).iter();
    let protocol = |row: &Tunable| row.name.rsplit_once('.').map(|(front, _)| front.to_owned());
    let former = rows().flat_map(|row| {
        let front = protocol(row).unwrap_or_default();
        row.former_names.iter().map(move |name| format!("{front}.{name}"))
    });
    let names: Vec<_> = rows().map(|row| row.name.clone()).chain(former).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:#?}");
    let ndd: Vec<_> = rows().filter_map(|row| row.ndd.as_deref()).collect();
    assert_eq!(ndd.iter().collect::<BTreeSet<_>>().len(), ndd.len(), "{ndd:#?}");
}

/// Returns what holds for each family whose kernels have a property.
fn present(row: &Tunable) -> Vec<Variant> {
    FAMILIES.iter().map(|family| row.of_family(family)).filter(|family| !family.absent).collect()
}

#[test]
fn families_lie_within_the_row() {
    let solaris = [System::Solaris];
    every_row(&solaris, "unknown families", |row| {
        row.variants.keys().all(|family| FAMILIES.contains(&family.as_str()))
    });
    every_row(&solaris, "a family does not take what all of them do", |row| {
        present(row).iter().all(|family| within(&row.accepted, &family.accepted))
    });
    every_row(&solaris, "what some families take is not all that they take together", |row| {
        let stated = if row.taken_by_some.is_empty() { &row.accepted } else { &row.taken_by_some };
        let ends = present(row).into_iter().flat_map(|family| family.accepted);
        let together = ends.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        together.as_slice() == stated
    });
    every_row(&solaris, "a default that its own kernel refuses", |row| {
        present(row).iter().all(|family| holds(&family.accepted, &family.default))
    });
    every_row(&solaris, "a variant that says what the row says", |row| {
        row.variants.values().all(|variant| {
            variant.default != row.default
                && variant.accepted != row.accepted
                && !(variant.absent && !(variant.default.is_empty() && variant.accepted.is_empty()))
        })
    });
}

#[test]
fn what_a_variant_leaves_out_is_that_of_the_row() {
    let row = |name: &str| Catalog::of(System::Solaris).get(name).unwrap_or_else(|| panic!("{name}"));
    let flush = row("ipadm.tcp._fin_wait_2_flush_interval");
    let known = |family: &str| flush.of_family(family);
    assert_eq!(
        (known("illumos").default, known("illumos").accepted),
        (vec![60_000], vec![(1000, 7_200_000)])
    );
    assert_eq!(known("solaris-11").default, [60_000]);
    assert_eq!(known("solaris-10").default, [675_000]);
    let gone = row("ipadm.tcp._reass_timeout").of_family("solaris-10");
    assert_eq!((gone.absent, gone.default, gone.accepted), (true, vec![], vec![]));
}

/// No table of Solaris 11 was ever read: that must show wherever somebody could take a number for its own.
#[test]
fn every_row_says_what_is_not_confirmed_about_solaris_11() {
    every_row(&[System::Solaris], "taken for sure", |row| {
        row.variants.get("solaris-11").is_some_and(|variant| variant.unconfirmed.is_some())
    });
    every_row(&[System::Solaris], "protocols without a table of Solaris 10", |row| {
        let said = row.variants.get("solaris-10").is_some_and(|variant| variant.unconfirmed.is_some());
        said != row.name.starts_with("ipadm.tcp.")
    });
}

/// What no profile may ask for without insisting: no time or probe count of 0, no port that needs privilege.
#[test]
fn what_is_never_meant_is_not_allowed() {
    const NO_WAIT_AT_ALL: &str = "ipadm.tcp._rexmit_interval_extra"; // an addition, of which 0 is the default
    every_row(&[System::Solaris], "zero", |row| {
        let counts = ["ms", "bytes", "connections"].contains(&row.unit.as_str());
        !counts || row.name == NO_WAIT_AT_ALL || row.allowed.iter().all(|(low, _)| *low >= 1)
    });
    every_row(&[System::Solaris], "privileged ports", |row| {
        row.unit != "port" || row.allowed.iter().all(|(low, high)| *low >= 1024 && *high <= 65535)
    });
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
