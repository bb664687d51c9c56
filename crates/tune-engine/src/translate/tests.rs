//! Requirements in, native numbers out; and what must not come out.
#![allow(clippy::unwrap_used)]

use tune_model::legacy::{Translation, Way};
use tune_model::plan::{Refusal, RefusalKind};
use tune_model::profile::{self, BuiltIn, Library};
use tune_model::{Catalog, Kind, Legacy, Limits, Profile, Setting, System, Verdict};

use super::{Asked, translate};
use crate::Options;

const GIB: u64 = 1 << 30;

fn shipped(name: &str) -> Profile {
    profile::resolve(&BuiltIn, Catalog::of, name, None).unwrap().profile
}

/// A profile of `SETTING=VALUE` arguments.
fn asking(arguments: &[&str]) -> Profile {
    let arguments: Vec<_> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    profile::one_off(&arguments, Catalog::of, System::Linux).unwrap().profile
}

fn on(system: &str, profiles: &[Profile], unverified: bool) -> Result<Translation, Vec<Refusal>> {
    let options = Options::default();
    let asked = Asked { options: &options, ram: Some(16 * GIB), unverified };
    translate(Legacy::get().named(system).unwrap(), profiles, &asked)
}

fn numbers(translation: &Translation) -> Vec<(&str, i128)> {
    let number = |set: &tune_model::legacy::Assignment| (set.row.tunable.as_deref().unwrap(), set.value);
    // The rows are those of the catalog, which stays.
    translation.assignments.iter().map(number).collect()
}

fn refused(system: &str, arguments: &[&str]) -> Refusal {
    let refusals = on(system, &[asking(arguments)], false).unwrap_err();
    assert_eq!(refusals.len(), 1, "{refusals:?}");
    refusals.into_iter().next().unwrap()
}

#[test]
fn a_length_of_time_is_written_as_each_system_counts_it() {
    const FIN: &str = "tcp.fin_wait_2_timeout";
    const IDLE: &str = "tcp.keepalive_idle";
    for (system, setting, time, tunable, number) in [
        ("hp-ux", FIN, "60s", "tcp_fin_wait_2_timeout", 60_000),
        ("hp-ux-11i", FIN, "250ms", "tcp_fin_wait_2_timeout", 250),
        ("aix", FIN, "60s", "tcp_finwait2", 120),
        ("aix-5.3", FIN, "500ms", "tcp_finwait2", 1),
        ("macos", FIN, "30s", "net.inet.tcp.fin_timeout", 30_000),
        ("hp-ux", IDLE, "10min", "tcp_keepalive_interval", 600_000),
        ("aix-4.1", IDLE, "10min", "tcp_keepidle", 1200),
        ("netbsd", IDLE, "10min", "net.inet.tcp.keepidle", 1200),
        ("openbsd-7.2", IDLE, "10min", "net.inet.tcp.keepidle", 1200),
        ("openbsd-7.3", IDLE, "10min", "net.inet.tcp.keepidle", 600),
        ("dragonfly", IDLE, "10min", "net.inet.tcp.keepidle", 600_000),
        ("macos", IDLE, "10min", "net.inet.tcp.keepidle", 600_000),
    ] {
        let found = on(system, &[asking(&[&format!("{setting}={time}")])], false).unwrap();
        assert_eq!(numbers(&found), [(tunable, number)], "{system}");
        assert_eq!(found.assignments[0].leave, Some((Some(number), Some(number))), "{system}");
    }
}

#[test]
fn what_the_unit_cannot_express_is_refused_with_its_neighbours() {
    for (system, asked, words) in [
        ("aix", "tcp.fin_wait_2_timeout=250ms", "no whole number of half-seconds; the nearest is 500ms"),
        ("aix", "tcp.fin_wait_2_timeout=30s250ms", "the nearest are 30s and 30s500ms"),
        ("netbsd", "tcp.keepalive_idle=61s100ms", "the nearest are 61s and 61s500ms"),
        ("openbsd", "tcp.keepalive_interval=7s500ms", "no whole number of s; the nearest are 7s and 8s"),
        ("openbsd", "tcp.keepalive_interval<=500ms", "no whole number of s lies in at most 500ms"),
    ] {
        let refusal = refused(system, &[asked]);
        assert_eq!(refusal.kind, RefusalKind::NotStorable, "{system} {asked}");
        assert!(refusal.message.contains(words), "{system} {asked}: {}", refusal.message);
        assert!(refusal.hints[0].contains("--except tcp."), "{:?}", refusal.hints);
    }
    let found = on("openbsd-7.2", &[asking(&["tcp.keepalive_interval=7s500ms"])], false).unwrap();
    assert_eq!(numbers(&found), [("net.inet.tcp.keepintvl", 15)]);
}

#[test]
fn what_the_system_does_not_take_is_refused_with_its_range() {
    for (system, asked, words) in [
        ("openbsd", "tcp.keepalive_interval=300s", "keepintvl: 1 to 225 s, 1s to 3min45s"),
        ("openbsd", "tcp.keepalive_interval>=226s", "1 to 225 s"),
        ("openbsd", "tcp.keepalive_idle=11h", "1 to 36000 s"),
        ("hp-ux", "tcp.keepalive_idle=5s", "10000 to 864000000 ms"),
    ] {
        let refusal = refused(system, &[asked]);
        assert_eq!(refusal.kind, RefusalKind::NotStorable);
        assert!(refusal.message.contains(words), "{system} {asked}: {}", refusal.message);
    }
    let most = on("openbsd", &[asking(&["tcp.keepalive_interval=225s"])], false).unwrap();
    assert_eq!(numbers(&most), [("net.inet.tcp.keepintvl", 225)]);
}

/// Where the wait in FIN_WAIT_2 follows from keepalive: what is set, and what the wait comes to.
#[test]
fn a_derived_wait_is_solved_together_with_keepalive() {
    let (interval, probes) = ("net.inet.tcp.keepintvl", "net.inet.tcp.keepcnt");
    for (system, asked, set, wait) in [
        // Nine intervals of at most a ninth of the bound.
        (
            "netbsd",
            &["tcp.fin_wait_2_timeout<=60s"][..],
            vec![(interval, 13), (probes, 8)],
            "52s to 58s500ms",
        ),
        ("openbsd", &["tcp.fin_wait_2_timeout<=60s"], vec![(interval, 6)], "48s to 54s"),
        ("openbsd-6.9", &["tcp.fin_wait_2_timeout<=60s"], vec![(interval, 13)], "52s to 58s500ms"),
        (
            "dragonfly",
            &["tcp.fin_wait_2_timeout<=60s"],
            vec![(interval, 6666), (probes, 8)],
            "53s328ms to 59s994ms",
        ),
        // The number of probes moves where the interval may not.
        (
            "netbsd",
            &["tcp.fin_wait_2_timeout<=30s", "tcp.keepalive_interval>=5s"],
            vec![(interval, 10), (probes, 5)],
            "25s to 30s",
        ),
        (
            "netbsd",
            &["tcp.fin_wait_2_timeout<=60s", "tcp.keepalive_probes=4"],
            vec![(interval, 24), (probes, 4)],
            "48s to 60s",
        ),
        (
            "netbsd",
            &["tcp.fin_wait_2_timeout>=700s"],
            vec![(interval, 175), (probes, 8)],
            "11min40s to 13min7s500ms",
        ),
        // Eight times, and no more, before AIX 4.3; exact.
        ("aix-4.2", &["tcp.fin_wait_2_timeout=120s"], vec![("tcp_keepintvl", 30)], "120s"),
    ] {
        let found = on(system, &[asking(asked)], false).unwrap();
        assert_eq!(numbers(&found), set, "{system} {asked:?}");
        let reached = found.reached.iter().find(|amount| amount.setting == Setting::FinWait2Timeout).unwrap();
        assert_eq!(reached.effective.to_string(), wait, "{system} {asked:?}");
        assert_eq!(reached.wanted.judge(&reached.effective), Verdict::Met);
        assert!(found.warnings.iter().any(|warning| warning.contains("keepalive are one thing")), "{system}");
    }
}

#[test]
fn keepalive_by_itself_is_told_to_move_the_wait() {
    let found = on("netbsd", &[asking(&["tcp.keepalive_interval=10s"])], false).unwrap();
    assert_eq!(numbers(&found), [("net.inet.tcp.keepintvl", 20)]);
    assert!(found.warnings[0].contains("a closed connection waits 80s to 90s"), "{:?}", found.warnings);
    let macos = on("macos", &[asking(&["tcp.keepalive_interval=10s"])], false).unwrap();
    assert_eq!(macos.warnings, Vec::<String>::new());
}

#[test]
fn requirements_that_exclude_each_other_there_name_what_to_leave_out() {
    let web = on("openbsd", &[shipped("web-server")], false).unwrap_err();
    assert_eq!((web.len(), web[0].kind), (1, RefusalKind::Contradiction), "{web:?}");
    for words in
        ["8 times keepintvl", "tcp.fin_wait_2_timeout 10s to 30s", "tcp.keepalive_interval 5s to 75s"]
    {
        assert!(web[0].message.contains(words), "{words} in {}", web[0].message);
    }
    let hints: Vec<_> = web[0].hints.iter().map(String::as_str).collect();
    assert_eq!(
        hints,
        ["leave one out: --except tcp.fin_wait_2_timeout", "leave one out: --except tcp.keepalive_interval"]
    );
    let options = Options {
        except: [tune_model::Subject::Setting(Setting::KeepaliveInterval)].into(),
        ..Options::default()
    };
    let asked = Asked { options: &options, ram: Some(GIB), unverified: false };
    let found = translate(Legacy::get().named("openbsd").unwrap(), &[shipped("web-server")], &asked).unwrap();
    assert!(numbers(&found).contains(&("net.inet.tcp.keepintvl", 3)), "{:?}", numbers(&found));
}

#[test]
fn an_exact_wait_cannot_be_had_where_it_lasts_up_to_an_interval_more() {
    for (system, near) in [
        ("netbsd", "60s to 67s500ms = 8 x 7s500ms"),
        ("openbsd", "56s to 63s = 8 x 7s and 64s to 72s = 8 x 8s"),
    ] {
        let refusal = refused(system, &["tcp.fin_wait_2_timeout=60s"]);
        assert!(refusal.message.contains("60s cannot be had"), "{}", refusal.message);
        assert!(refusal.message.contains(near), "{}", refusal.message);
        assert!(refusal.hints.iter().any(|hint| hint.contains("at_most")), "{:?}", refusal.hints);
    }
}

#[test]
fn a_wait_of_nothing_would_be_for_ever_and_is_refused() {
    for system in ["netbsd", "openbsd", "dragonfly", "hp-ux", "macos"] {
        let arguments = vec!["tcp.fin_wait_2_timeout=0s".to_owned()];
        let reckless = profile::one_off(&arguments, Catalog::of, System::Linux).unwrap();
        let profile = reckless.allowing(&["tcp.fin_wait_2_timeout".to_owned()]).unwrap();
        let refusals = on(system, &[profile], true).unwrap_err();
        let never = refusals[0].message.contains("never") || refusals[0].message.contains("outside of what");
        assert!(never, "{system}: {refusals:?}");
    }
}

#[test]
fn a_product_that_nobody_can_set_is_checked_all_the_same() {
    for (asked, words) in [
        ("tcp.fin_wait_2_timeout=10min", "10min = 8 x 75s"),
        ("tcp.fin_wait_2_timeout=120s", "120s = 8 x 15s"),
        ("tcp.fin_wait_2_timeout<=30s", "24s = 8 x 3s"),
    ] {
        let refusal = refused("mp-ras", &[asked]);
        assert_eq!(refusal.kind, RefusalKind::Unsupported);
        assert!(refusal.message.contains(words), "{}", refusal.message);
        assert!(refusal.message.contains("no source tells what sets"), "{}", refusal.message);
    }
    let prime = refused("mp-ras", &["tcp.fin_wait_2_timeout=601s"]);
    assert_eq!(prime.kind, RefusalKind::Contradiction);
    assert!(prime.message.contains("the nearest are 10min = 8 x 75s"), "{}", prime.message);
}

#[test]
fn a_default_that_is_known_and_satisfies_is_left_alone() {
    let found = on("hp-ux", &[asking(&["tcp.keepalive_idle<=2h"])], false).unwrap();
    assert_eq!(numbers(&found), []);
    assert_eq!(found.shipped[0].effective.to_string(), "2h");
    // The same default, but nobody confirmed it: it is set.
    let found = on("netbsd", &[asking(&["tcp.keepalive_idle<=2h"])], false).unwrap();
    assert_eq!(numbers(&found), [("net.inet.tcp.keepidle", 14_400)]);
    // No timer at all is not a long one.
    let found = on("hp-ux", &[asking(&["tcp.fin_wait_2_timeout<=10h"])], false).unwrap();
    assert_eq!(numbers(&found), [("tcp_fin_wait_2_timeout", 36_000_000)]);
    assert_eq!(found.assignments[0].leave, Some((Some(1), Some(36_000_000))));
}

#[test]
fn limits_that_can_only_be_raised_are_set_where_they_are_lower() {
    for (system, tunable) in [("netbsd", "kern.mbuf.nmbclusters"), ("openbsd", "kern.maxclusters")] {
        let found = on(system, &[asking(&["net.mbuf_clusters>=262144"])], false).unwrap();
        assert_eq!(numbers(&found), [(tunable, 262_144)]);
        assert_eq!(found.assignments[0].leave, Some((Some(262_144), None)));
    }
}

#[test]
fn the_memory_has_to_be_stated_only_where_it_counts() {
    let options = Options::default();
    let asked = Asked { options: &options, ram: None, unverified: false };
    let without = |system| translate(Legacy::get().named(system).unwrap(), &[shipped("web-server")], &asked);
    assert!(without("hp-ux").is_ok());
    let refusals = without("netbsd").unwrap_err();
    assert_eq!(refusals[0].hints, ["state it: --ram 16GiB"]);
}

#[test]
fn profiles_are_taken_together() {
    let both = [asking(&["tcp.keepalive_idle<=10min"]), asking(&["tcp.keepalive_idle>=5min"])];
    assert_eq!(numbers(&on("hp-ux", &both, false).unwrap()), [("tcp_keepalive_interval", 600_000)]);
    let apart = [asking(&["tcp.keepalive_idle<=10min"]), asking(&["tcp.keepalive_idle>=11min"])];
    let refusals = on("hp-ux", &apart, false).unwrap_err();
    assert_eq!(refusals[0].kind, RefusalKind::Contradiction);
}

/// Every system and release, by a name that stands for just that.
fn everywhere() -> Vec<String> {
    let without = Legacy::get().iter().filter(|system| system.live.is_none());
    without
        .flat_map(|system| system.releases.iter().map(|release| format!("{}-{}", system.name, release.name)))
        .collect()
}

/// One requirement for each row that can be met there, and each shipped profile.
fn wishes() -> Vec<Profile> {
    let one = |setting: &Setting| match setting.kind() {
        Kind::Duration => asking(&[&format!("{setting}=30s")]),
        Kind::Count => asking(&[&format!("{setting}=9")]),
        Kind::Bytes => asking(&[&format!("{setting}=64MiB")]),
        Kind::Switch => asking(&[&format!("{setting}=true")]),
        _ => asking(&[&format!("{setting}=10240-65000")]),
    };
    let shipped = BuiltIn.names().into_iter().map(|name| shipped(&name));
    Setting::ALL.iter().map(one).chain(shipped).collect()
}

#[test]
fn nothing_is_made_of_general_knowledge_unless_it_is_asked_for() {
    let (mut made, mut more) = (0, 0);
    for system in everywhere() {
        for profile in wishes() {
            let confirmed = on(&system, std::slice::from_ref(&profile), false);
            for set in confirmed.iter().flat_map(|found| &found.assignments) {
                assert!(set.verified && set.row.is_confirmed(), "{system}: {}", set.row.id);
                assert!(set.tool.mark.is_confirmed() && !set.tool.comment_only, "{system}: {}", set.row.id);
                assert!(set.row.withheld.is_none() && !set.row.beside, "{system}: {}", set.row.id);
                made += 1;
            }
            let all = on(&system, &[profile], true);
            for set in all.iter().flat_map(|found| &found.assignments) {
                let confirmed =
                    set.row.is_confirmed() && set.tool.mark.is_confirmed() && set.row.withheld.is_none();
                assert_eq!(set.verified, confirmed, "{system}: {}", set.row.id);
                assert_eq!(set.row.way, Way::Tunable);
                more += usize::from(!set.verified);
            }
        }
    }
    assert!(made > 80 && more > 50, "{made} confirmed, {more} unverified");
}

#[test]
fn every_number_that_is_set_satisfies_what_is_asked_and_lies_in_its_range() {
    for system in everywhere() {
        for profile in wishes() {
            let Ok(found) = on(&system, &[profile], true) else { continue };
            for set in &found.assignments {
                let wanted = found.wanted.iter().find(|reason| reason.setting == set.row.setting);
                let wanted = wanted.map_or_else(Limits::default, |reason| reason.wanted.clone());
                assert_eq!(wanted.judge(&set.amounts_to), Verdict::Met, "{system}: {}", set.row.id);
                let range = set.row.range.unwrap_or((0, i128::from(u32::MAX)));
                assert!((range.0..=range.1).contains(&set.value), "{system}: {}", set.row.id);
            }
            for amount in &found.reached {
                assert_eq!(amount.wanted.judge(&amount.effective), Verdict::Met, "{system}");
            }
        }
    }
}

#[test]
fn systems_that_nothing_can_be_written_for_say_why() {
    for (system, words) in [
        ("irix", "1654"),
        ("mp-ras-2", "a fixed timeout of 600 s, 10min; wanted: 10s to 30s"),
        ("dynix-ptx", "4.1 of mid-1994"),
        ("sunos-4", "kernel memory"),
        ("bsd-os", "K210-027"),
        ("sco-1.2.1", "lost"),
        ("tru64", "675 s after the process closed (general knowledge, unconfirmed)"),
        ("sco-5", "how inconfig is used was not confirmed"),
        ("tru64", "by analogy"),
        ("hp-ux-10", "nettune"),
    ] {
        let refusals = on(system, &[shipped("web-server")], false).unwrap_err();
        let all: Vec<_> = refusals.iter().map(|refusal| refusal.message.as_str()).collect();
        assert!(all.iter().any(|message| message.contains(words)), "{system}: {all:#?}");
    }
}
