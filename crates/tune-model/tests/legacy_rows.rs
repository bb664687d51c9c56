//! Every row about a system without a backend makes sense by itself, and keeps to its evidence.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use tune_model::legacy::{Mark, Part, Release, Row, Unit, Way};
use tune_model::{Kind, Legacy, LegacySystem, Quantity, Setting, System};

/// The systems that Apache's page and the notes beside it name, each with its generations.
const SYSTEMS: &[(&str, &[&str])] = &[
    ("hp-ux", &["10", "11"]),
    ("irix", &["5.3"]),
    ("mp-ras", &["2", "3"]),
    ("dynix-ptx", &["4.1"]),
    ("sunos-4", &["4"]),
    ("bsd-os", &["2.1"]),
    ("aix", &["4.2", "4.3"]),
    ("tru64", &["4"]),
    ("sco", &["1.2.1", "5"]),
    ("netbsd", &["1"]),
    ("openbsd", &["7.2", "7.3"]),
    ("dragonfly", &["1"]),
    ("macos", &["1"]),
    ("solaris", &["2", "11"]),
    ("freebsd", &["2"]),
    ("linux", &["1"]),
];

fn system(name: &str) -> &'static LegacySystem {
    Legacy::get().iter().find(|system| system.name == name).unwrap()
}

fn row(system: &'static LegacySystem, release: &str, setting: Setting) -> &'static Row {
    let release = system.releases.iter().find(|known| known.name == release).unwrap();
    system.row(release, setting).unwrap()
}

/// Holds each row, with its system and every release that it is about, against a rule.
fn every_row(what: &str, sound: impl Fn(&LegacySystem, &Release, &Row) -> bool) {
    let mut broken = BTreeSet::new();
    for system in Legacy::get().iter() {
        for release in &system.releases {
            let rows = system.rows.iter().filter(|row| row.is_about(release));
            broken.extend(rows.filter(|row| !sound(system, release, row)).map(|row| row.id.as_str()));
        }
    }
    assert!(broken.is_empty(), "{what}: {broken:#?}");
}

#[test]
fn every_system_that_is_named_is_there_and_says_how_fin_wait_2_is_bounded() {
    let found: Vec<_> = Legacy::get()
        .iter()
        .map(|system| {
            (system.name.as_str(), system.releases.iter().map(|release| release.name.as_str()).collect())
        })
        .collect::<Vec<(&str, Vec<&str>)>>();
    let wanted: Vec<_> = SYSTEMS.iter().map(|(name, releases)| (*name, releases.to_vec())).collect();
    assert_eq!(found, wanted);
    for system in Legacy::get().iter() {
        for release in &system.releases {
            let row = system.row(release, Setting::FinWait2Timeout);
            assert!(row.is_some(), "{}", release.title);
        }
    }
}

#[test]
fn names_are_stated_once_and_lead_somewhere() {
    let mut ids = BTreeSet::new();
    let mut names = BTreeSet::new();
    for system in Legacy::get().iter() {
        for row in &system.rows {
            assert!(ids.insert(&row.id), "{}", row.id);
            assert!(row.id.starts_with(&system.name), "{}", row.id);
            let known = |name: &String| system.releases.iter().any(|release| release.name == *name);
            assert!(row.releases.iter().all(known), "{}", row.id);
        }
        for name in system.aliases.iter().chain([&system.name]) {
            assert!(names.insert(name), "{name} is the name of two systems");
            assert_eq!(Legacy::get().named(name).unwrap().system.name, system.name);
        }
    }
    for live in System::ALL {
        assert_eq!(Legacy::get().named(live.name()).unwrap().system.live, Some(*live));
    }
}

#[test]
fn a_setting_has_one_chief_mechanism_on_a_release() {
    every_row("a second chief", |system, release, row| {
        let chief = system.rows_on(release, row.setting).filter(|row| !row.beside);
        chief.count() == 1
    });
}

#[test]
fn what_can_be_set_has_a_name_a_unit_and_a_tool() {
    every_row("incomplete", |system, release, row| {
        row.way != Way::Tunable
            || (row.tunable.is_some()
                && (row.unit.is_some() || row.mark == Mark::GeneralKnowledge)
                && (system.tool(release, row).is_some() || row.withheld.is_some()))
    });
    every_row("no word on what bounds it", |_, _, row| {
        row.way == Way::Tunable || row.bounded_by.is_some() || row.way == Way::Fixed
    });
    every_row("a unit that does not measure the setting", |_, _, row| {
        row.unit.is_none_or(|unit| unit == Unit::Port || unit.factor(row.setting.kind()).is_some())
    });
}

#[test]
fn defaults_lie_in_their_ranges() {
    every_row("default outside of its range", |_, _, row| match (row.default, row.range) {
        (Some(default), Some((low, high))) => low < high && (low..=high).contains(&default),
        _ => true,
    });
}

#[test]
fn evidence_is_named_and_nothing_is_made_of_general_knowledge() {
    every_row("no source", |_, _, row| {
        !row.sources.is_empty() && (row.sources == ["none"]) == (row.mark == Mark::GeneralKnowledge)
    });
    every_row("the page's claim without the page", |_, _, row| {
        row.mark != Mark::PageClaim || row.sources.iter().any(|source| source.contains("Apache"))
    });
    every_row("confirmed by nothing", |_, _, row| {
        !row.is_confirmed() || !matches!(row.mark, Mark::GeneralKnowledge | Mark::Analogy)
    });
    every_row("one claim is no conflict", |_, _, row| row.conflicts.len() != 1);
}

#[test]
fn every_contradiction_keeps_both_claims() {
    for (system_name, release, words) in [
        ("sunos-4", "4", ["there is no timeout", "675 seconds"]),
        ("solaris", "2", ["67500", "675 x 1000 ms = 675000"]),
        ("hp-ux", "11", ["it is called tcp_fin_wait_2", "tcp_fin_wait_2_timeout"]),
        ("aix", "4.2", ["cannot be set directly", "no -o tcp_finwait2"]),
        ("aix", "4.3", ["cannot be set directly", "no -o tcp_finwait2"]),
    ] {
        let row = row(system(system_name), release, Setting::FinWait2Timeout);
        for words in words {
            assert!(row.conflicts.iter().any(|claim| claim.claim.contains(words)), "{}: {words}", row.id);
        }
    }
    let keepalive = row(system("hp-ux"), "11", Setting::KeepaliveIdle);
    assert!(keepalive.conflicts.iter().any(|claim| claim.claim.contains("tcp_keepalives_kill")));
}

#[test]
fn sixty_seconds_are_written_as_each_system_counts_them() {
    let minute = Quantity::Duration(60_000);
    for (name, release, raw) in
        [("hp-ux", "11", 60_000), ("aix", "4.3", 120), ("solaris", "2", 60_000), ("macos", "1", 60_000)]
    {
        let unit = row(system(name), release, Setting::FinWait2Timeout).unit.unwrap();
        assert_eq!(unit.raw(&minute), Ok(raw), "{name}");
    }
    for (name, release, raw) in
        [("netbsd", "1", 120), ("openbsd", "7.2", 120), ("openbsd", "7.3", 60), ("dragonfly", "1", 60_000)]
    {
        let unit = row(system(name), release, Setting::KeepaliveInterval).unit.unwrap();
        assert_eq!(unit.raw(&minute), Ok(raw), "{name} {release}");
    }
}

#[test]
fn derived_defaults_are_the_products_of_their_parts() {
    let mut checked = 0;
    for system in Legacy::get().iter() {
        for release in &system.releases {
            let rows = system.rows.iter().filter(|row| row.is_about(release));
            for row in rows.filter(|row| row.product.is_some()) {
                let of = |setting| system.row(release, setting).unwrap();
                let interval = of(Setting::KeepaliveInterval).default_amount().unwrap().scalar().unwrap();
                let fixed = row.product.unwrap().probes.map(i128::from);
                let probes = fixed.or(of(Setting::KeepaliveProbes).default).unwrap();
                assert_eq!(row.default_amount().unwrap().scalar(), Some(interval * probes), "{}", row.id);
                assert_eq!((probes, interval), (8, 75_000), "{}", row.id);
                checked += 1;
            }
        }
    }
    assert!(checked >= 8, "{checked}");
}

#[test]
fn nothing_in_a_command_means_something_else_to_a_shell() {
    let harmless =
        |text: &str| !text.contains(['"', '\'', '$', '`', '\\', ';', '&', '|', '<', '>', '*', '?', '\n']);
    for system in Legacy::get().iter() {
        let titles = system.releases.iter().map(|release| &release.title).chain([&system.title]);
        for title in titles.chain(&system.uname) {
            assert!(harmless(title), "{title}");
        }
        for tool in &system.tools {
            let boot =
                tool.boot.iter().flat_map(|boot| boot.lines.iter().chain([&boot.path]).chain(&boot.reload));
            for template in [&tool.read, &tool.set].into_iter().chain(&tool.set_both).chain(boot) {
                assert!(harmless(template), "{template}");
            }
            assert!(tool.read.contains("{name}"), "{}", tool.read);
            assert!(tool.set.contains("{name}") && tool.set.contains("{value}"), "{}", tool.set);
        }
        let guards = system.releases.iter().filter_map(|release| release.guard.as_ref());
        for guard in guards {
            assert!(harmless(&guard.otherwise) && harmless(&guard.tunable), "{guard:?}");
        }
        let settable = system.rows.iter().filter(|row| row.way == Way::Tunable);
        for name in settable.filter_map(|row| row.tunable.as_ref()) {
            let plain = |c: char| c.is_ascii_alphanumeric() || "._".contains(c);
            assert!(name.chars().all(plain), "{name}");
        }
    }
}

#[test]
fn marks_of_parts_are_weaker_than_those_of_their_rows() {
    let aix = row(system("aix"), "4.3", Setting::FinWait2Timeout);
    assert_eq!(
        (aix.mark_of(Part::Name), aix.mark_of(Part::Default)),
        (Mark::Document, Mark::GeneralKnowledge)
    );
    every_row("general knowledge twice", |_, _, row| {
        row.mark != Mark::GeneralKnowledge || row.general.is_empty()
    });
}

#[test]
fn a_timer_that_is_off_has_no_length() {
    let hp = row(system("hp-ux"), "11", Setting::FinWait2Timeout);
    assert_eq!((hp.default, hp.default_amount()), (Some(0), None));
    assert_eq!(hp.unit.unwrap().amount(Kind::Duration, 0), Some(Quantity::Duration(0)));
}
