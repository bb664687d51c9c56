//! Systems that `tune` only knows of: what it tells of them, and the scripts that it writes for them.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::Command;

use tune_model::Legacy;
use tune_model::profile::{BuiltIn, Library};
use tune_tests::binary::{Ran, tune};
use tune_tests::native::{Native, SHELLS, is_there};

fn run(columns: &str, arguments: &[&str]) -> Ran {
    let mut command = Command::new(tune());
    command.args(arguments).env_clear().env("COLUMNS", columns);
    Ran::of(&mut command)
}

fn script(arguments: &[&str]) -> String {
    run("80", &[&["render"], arguments].concat()).exits(0).stdout
}

/// What is printed, word for word. `BLESS=1` writes what is printed now.
const PAGES: &[(&str, &str, &[&str])] = &[
    ("explain/hp-ux", "80", &["explain", "tcp.fin_wait_2_timeout", "--for", "hp-ux"]),
    ("explain/aix", "80", &["explain", "tcp.fin_wait_2_timeout", "--for", "aix"]),
    ("explain/sunos-4", "80", &["explain", "tcp.fin_wait_2_timeout", "--for", "sunos-4"]),
    ("explain/mp-ras", "80", &["explain", "tcp.fin_wait_2_timeout", "--for", "mp-ras"]),
    ("render/hp-ux", "80", &["render", "web-server", "--for", "hp-ux"]),
    ("render/aix", "80", &["render", "web-server", "--for", "aix"]),
    ("render/netbsd", "80", &["render", "web-server", "--for", "netbsd", "--ram", "16GiB"]),
    ("render/openbsd", "80", &["render", "baseline", "--for", "openbsd"]),
    ("render/hp-ux-10", "80", &["render", "baseline", "--for", "hp-ux-10", "--unverified"]),
];

#[test]
fn what_is_printed_is_as_expected() {
    for (name, columns, arguments) in PAGES {
        let printed = run(columns, arguments).exits(0).stdout;
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/legacy/{name}.txt"));
        if std::env::var_os("BLESS").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &printed).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(printed, expected, "{} is out of date: run once with BLESS=1", path.display());
    }
}

#[test]
fn systems_are_known_by_many_names_and_typos_are_answered() {
    let explain = |system: &str| run("80", &["explain", "tcp.fin_wait_2_timeout", "--for", system]);
    for name in Legacy::get().every_name() {
        explain(name).exits(0).says("tcp.fin_wait_2_timeout on");
    }
    explain("HP-UX").exits(0).says("tcp_keepalive_detached_interval");
    let eleven = explain("hpux-11i").exits(0);
    assert!(!eleven.stdout.contains("HP-UX 10.x"), "{eleven}");
    explain("hp-xu").exits(64).says("did you mean \"hp-ux\"?");
    explain("plan9").exits(64).says("dynix-ptx").says("linux, freebsd");
    run("80", &["render", "baseline", "--for", "netsbd"]).exits(64).says("did you mean \"netbsd\"?");
}

#[test]
fn what_cannot_be_asked_is_told() {
    let explain = |arguments: &[&str]| run("80", &[&["explain"], arguments].concat());
    explain(&["tcp_finwait2", "--for", "aix"])
        .exits(0)
        .says("half-seconds")
        .says("no -p -o tcp_finwait2=VALUE");
    explain(&["tcp_finwait", "--for", "aix"]).exits(64).says("did you mean \"tcp_finwait2\"?");
    explain(&["tcp.orphan_limit", "--for", "hp-ux"])
        .exits(0)
        .says("Nothing is known of it")
        .says("in its place");
    explain(&["net.ipv4.tcp_mem", "--all-systems"]).exits(64).says("compares settings");
    explain(&["tcp.orphan_limit", "--for", "hp-ux", "--all-systems"]).exits(64);
    explain(&["tcp.orphan_limit", "--for", "hp-ux", "--root", "/"]).exits(64).says("looks at no host");
    let render = |arguments: &[&str]| run("80", &[&["render", "baseline"], arguments].concat());
    render(&["--for", "hp-ux", "--root", "/"]).exits(64).says("reads no host");
    render(&["--for", "hp-ux", "--only", "tcp_fin_wait_2_timeout"]).exits(64).says("name a portable one");
    render(&["--for", "linux", "--unverified"])
        .exits(64)
        .says("nothing that is written for linux is unverified");
}

#[test]
fn systems_with_a_backend_are_told_from_their_catalogs_wherever_it_runs() {
    let explain = |system: &str, setting: &str| run("80", &["explain", setting, "--for", system]).exits(0);
    explain("linux", "tcp.fin_wait_2_timeout")
        .says("net.ipv4.tcp_fin_timeout")
        .says("default: 60")
        .says("unit: s");
    explain("linux", "net.mbuf_clusters").says("net.tcp_memory_limit");
    explain("linux", "tcp.time_wait_interval").says("60s");
    explain("linux", "net.ipv4.tcp_mem").says("unit: pages");
    let freebsd = explain("freebsd", "tcp.fin_wait_2_timeout");
    let freebsd = freebsd.says("net.inet.tcp.finwait2_timeout").says("fast_finwait2_recycle");
    assert!(freebsd.says("60000 (10min to 11min15s)").stdout.contains("host: none is looked at"));
    explain("illumos", "tcp.fin_wait_2_timeout").says("fin_wait_2_flush_interval").says("67500");
    let json =
        run("80", &["explain", "tcp.fin_wait_2_timeout", "--for", "freebsd", "--format", "json"]).json();
    assert_eq!(json["known"]["backend"], true);
    assert_eq!(json["known"]["mechanisms"][0]["evidence"], "catalog");
}

#[test]
fn the_comparison_has_every_system_at_80_and_at_120_columns() {
    for columns in ["80", "120"] {
        let printed = run(columns, &["explain", "tcp.fin_wait_2_timeout", "--all-systems"]).exits(0).stdout;
        for line in printed.lines() {
            assert!(line.chars().count() <= columns.parse().unwrap(), "{line:?}");
        }
        for name in [
            "net.ipv4.tcp_fin_timeout",
            "net.inet.tcp.finwait2_timeout",
            "tcp_fin_wait_2_flush_interval",
            "tcp_fin_wait_2_timeout",
            "tcp_finwait2",
            "net.inet.tcp.fin_timeout",
            "K210-027",
            "675",
        ] {
            assert!(printed.contains(name), "{name} in\n{printed}");
        }
    }
    let json = run("80", &["explain", "tcp.fin_wait_2_timeout", "--all-systems", "--format", "json"])
        .exits(0)
        .json();
    let systems = json["systems"].as_array().unwrap();
    let names: Vec<_> = systems.iter().map(|system| system["system"].as_str().unwrap()).collect();
    for system in Legacy::get().iter() {
        assert!(names.contains(&system.name.as_str()), "{} in {names:?}", system.name);
    }
}

#[test]
fn a_refusal_is_an_error_with_its_reasons() {
    for (system, words) in [
        ("irix", "patches 1654"),
        ("sunos-4", "writing kernel memory"),
        ("mp-ras", "30s = 6 x 5s"),
        ("bsd-os", "K210-027"),
        ("tru64", "--unverified"),
    ] {
        let refused = run("80", &["render", "web-server", "--for", system]).exits(1).says(words);
        assert_eq!(refused.stdout, "");
        let json = run("80", &["render", "web-server", "--for", system, "--format", "json"]).exits(1).json();
        assert_eq!((&json["schema"], &json["kind"]), (&"tune.error/1".into(), &"refused".into()));
        assert!(!json["causes"].as_array().unwrap().is_empty());
    }
    run("80", &["render", "baseline", "--for", "tru64", "--unverified"]).exits(0).says("UNVERIFIED");
}

/// Every script that can be had: system by system, profile by profile, with and without what is unverified.
fn every_script() -> Vec<(String, String)> {
    let mut scripts = Vec::new();
    for system in Legacy::get().iter().filter(|system| system.live.is_none()) {
        for release in &system.releases {
            let name = format!("{}-{}", system.name, release.name);
            for profile in BuiltIn.names() {
                for unverified in [&[][..], &["--unverified"]] {
                    let line = [&["render", &profile, "--for", &name, "--ram", "8GiB"], unverified].concat();
                    let ran = run("80", &line);
                    assert!(ran.code == 0 || ran.code == 1, "{ran}");
                    if ran.code == 0 {
                        scripts.push((line.join(" "), ran.stdout));
                    }
                }
            }
        }
    }
    scripts
}

#[test]
fn every_shell_understands_every_script() {
    let scripts = every_script();
    assert!(scripts.len() > 50, "{}", scripts.len());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("script");
    for (command, script) in scripts {
        fs::write(&path, &script).unwrap();
        for shell in SHELLS.iter().filter(|shell| is_there(shell)) {
            let checked = Ran::of(Command::new(shell[0]).args(&shell[1..]).arg("-n").arg(&path));
            assert_eq!((checked.code, checked.stderr.as_str()), (0, ""), "{command}: {checked}");
        }
        for line in script.lines() {
            assert!(line.chars().count() <= 80 && line.trim_end() == line, "{command}: {line:?}");
        }
        let marked = script.contains("UNVERIFIED");
        assert!(!marked || command.ends_with("--unverified"), "{command}\n{script}");
    }
}

const NDDCONF: &str = "etc/nddconf";

fn hp_ux() -> Native {
    Native::host("HP-UX", &[("tcp_fin_wait_2_timeout", 0), ("tcp_keepalive_interval", 7_200_000)])
}

/// The calls that change something.
fn changes(calls: &[String]) -> Vec<&str> {
    let changes = |call: &&str| call.contains("-set") || call.contains("-c") || call.contains('=');
    calls.iter().map(String::as_str).filter(changes).collect()
}

#[test]
fn a_script_changes_nothing_without_the_word_apply() {
    let script = script(&["web-server", "--for", "hp-ux"]);
    for shell in SHELLS.iter().filter(|shell| is_there(shell)) {
        let host = hp_ux();
        let shown =
            host.run(shell, &script, &[]).exits(0).says("tcp_fin_wait_2_timeout: now 0 to be 30000 ms (30s)");
        assert_eq!(changes(&host.calls()), Vec::<&str>::new(), "{shell:?}");
        assert_eq!((host.value("tcp_fin_wait_2_timeout"), host.text(NDDCONF).as_str()), (0, ""));
        let last: Vec<_> = shown.stdout.lines().rev().take_while(|line| *line != "to undo:").collect();
        assert!(last.contains(&"  ndd -set /dev/tcp tcp_fin_wait_2_timeout 0"), "{shown}");
        host.run(shell, &script, &["aply"]).exits(64).says("[apply]");
        assert_eq!(host.calls(), Vec::<String>::new());
    }
}

#[test]
fn applying_sets_reads_back_keeps_for_the_next_boot_and_can_be_undone() {
    let script = script(&["web-server", "--for", "hp-ux"]);
    for shell in SHELLS.iter().filter(|shell| is_there(shell)) {
        let host = hp_ux();
        host.file(
            NDDCONF,
            "# TRANSPORT_NAME[7]=tcp\nTRANSPORT_NAME[0]=ip\nNDD_NAME[0]=ip_forwarding\nNDD_VALUE[0]=0",
        );
        let applied = host.run(shell, &script, &["apply"]).exits(0);
        assert_eq!(
            changes(&host.calls()),
            [
                "ndd -set /dev/tcp tcp_fin_wait_2_timeout 30000",
                "ndd -set /dev/tcp tcp_keepalive_interval 900000",
                "ndd -c",
            ],
            "{shell:?}"
        );
        let kept = host.text(NDDCONF);
        assert!(kept.starts_with("# TRANSPORT_NAME[7]=tcp\nTRANSPORT_NAME[0]=ip\n"), "{kept}");
        for lines in [
            "\nTRANSPORT_NAME[1]=tcp\nNDD_NAME[1]=tcp_fin_wait_2_timeout\nNDD_VALUE[1]=30000\n",
            "\nTRANSPORT_NAME[2]=tcp\nNDD_NAME[2]=tcp_keepalive_interval\nNDD_VALUE[2]=900000\n",
        ] {
            assert!(kept.contains(lines), "{kept}");
        }
        // A second time nothing is left to do.
        let again = host.run(shell, &script, &["apply"]).exits(0).says("left alone");
        assert_eq!(changes(&host.calls()), Vec::<&str>::new());
        assert!(!again.stdout.contains("to undo"), "{again}");
        assert_eq!(host.text(NDDCONF), kept);
        host.undo(&applied.stdout).exits(0);
        assert_eq!(host.value("tcp_fin_wait_2_timeout"), 0);
        assert_eq!(host.value("tcp_keepalive_interval"), 7_200_000);
    }
}

#[test]
fn a_value_that_satisfies_is_left_alone_and_a_line_that_is_there_too() {
    let script = script(&["web-server", "--for", "hp-ux"]);
    let host = hp_ux();
    host.set("tcp_fin_wait_2_timeout", 20_000);
    host.set("tcp_keepalive_interval", 60_000);
    host.run(SHELLS[0], &script, &["apply"]).exits(0).says("tcp_fin_wait_2_timeout: 20000, left alone");
    assert_eq!(changes(&host.calls()), Vec::<&str>::new());
    host.set("tcp_fin_wait_2_timeout", 0);
    let before = "TRANSPORT_NAME[0]=tcp\nNDD_NAME[0]=tcp_fin_wait_2_timeout\nNDD_VALUE[0]=675000\n";
    host.file(NDDCONF, before);
    host.run(SHELLS[0], &script, &["apply"]).exits(0).says("already: make it 30000 there");
    assert_eq!(host.text(NDDCONF), before);
}

#[test]
fn on_another_system_or_where_nothing_can_be_read_it_stops_before_it_begins() {
    let script = script(&["web-server", "--for", "hp-ux"]);
    for shell in SHELLS.iter().filter(|shell| is_there(shell)) {
        let host = Native::host("Linux", &[("tcp_fin_wait_2_timeout", 0)]);
        host.run(shell, &script, &["apply"]).exits(1).says("this is not HP-UX: nothing was changed");
        assert_eq!(host.calls(), Vec::<String>::new());
        let host = Native::host("HP-UX", &[("tcp_keepalive_interval", 7_200_000)]);
        host.run(shell, &script, &["apply"]).exits(1).says("does not show a number nothing was changed");
        assert_eq!(changes(&host.calls()), Vec::<&str>::new());
    }
}

#[test]
fn what_is_refused_stops_it_and_shows_what_undoes_the_rest() {
    let script = script(&["web-server", "--for", "hp-ux"]);
    for shell in SHELLS.iter().filter(|shell| is_there(shell)) {
        let host = hp_ux();
        host.file("refuse", "");
        let stopped =
            host.run(shell, &script, &["apply"]).exits(1).says("tcp_fin_wait_2_timeout could not be set");
        assert!(stopped.stderr.contains("to undo:"), "{stopped}");
        assert_eq!(changes(&host.calls()), ["ndd -set /dev/tcp tcp_fin_wait_2_timeout 30000"]);
        assert_eq!(host.text(NDDCONF), "");
    }
}

#[test]
fn aix_is_set_with_p_where_it_knows_that_and_without_where_not() {
    let script = script(&["web-server", "--for", "aix"]);
    for shell in SHELLS.iter().filter(|shell| is_there(shell)) {
        let host = Native::host("AIX", &[("tcp_finwait2", 1200), ("tcp_keepidle", 14_400)]);
        let applied =
            host.run(shell, &script, &["apply"]).exits(0).says("/etc/rc.net: no -o tcp_finwait2=60");
        assert_eq!(changes(&host.calls()), ["no -p -o tcp_finwait2=60", "no -p -o tcp_keepidle=1800"]);
        assert_eq!(host.value("tcp_finwait2"), 60);
        assert!(applied.stdout.contains("  no -p -o tcp_finwait2=1200\n"), "{applied}");
        host.undo(&applied.stdout).exits(0);
        assert_eq!((host.value("tcp_finwait2"), host.value("tcp_keepidle")), (1200, 14_400));
        let old = Native::host("AIX", &[("tcp_finwait2", 1200), ("tcp_keepidle", 14_400)]);
        old.file("before-5.2", "");
        old.run(shell, &script, &["apply"]).exits(0);
        let calls = old.calls();
        assert_eq!(changes(&calls)[..2], ["no -p -o tcp_finwait2=60", "no -o tcp_finwait2=60"]);
        assert_eq!((old.value("tcp_finwait2"), old.value("tcp_keepidle")), (60, 1800));
    }
}

const KEEPALIVE: &[(&str, i128)] = &[
    ("net.inet.tcp.keepidle", 14_400),
    ("net.inet.tcp.keepintvl", 150),
    ("net.inet.tcp.keepcnt", 8),
    ("net.inet.tcp.slowhz", 2),
    ("kern.mbuf.nmbclusters", 524_288),
];

#[test]
fn netbsd_sets_both_parts_of_the_product_and_raises_clusters_only() {
    let script = script(&["web-server", "--for", "netbsd", "--ram", "16GiB"]);
    for shell in SHELLS.iter().filter(|shell| is_there(shell)) {
        let host = Native::host("NetBSD", KEEPALIVE);
        host.run(shell, &script, &["apply"]).exits(0).says("kern.mbuf.nmbclusters: 524288, left alone");
        assert_eq!(
            changes(&host.calls()),
            [
                "sysctl -w net.inet.tcp.keepidle=1800",
                "sysctl -w net.inet.tcp.keepintvl=10",
                "sysctl -w net.inet.tcp.keepcnt=5",
            ]
        );
        // (5 + 1) x 5 s, the most that 30 s allow.
        assert_eq!((host.value("net.inet.tcp.keepcnt") + 1) * host.value("net.inet.tcp.keepintvl") / 2, 30);
        let small = Native::host("NetBSD", KEEPALIVE);
        small.set("kern.mbuf.nmbclusters", 4096);
        let raised = small.run(shell, &script, &["apply"]).exits(0);
        assert_eq!(small.value("kern.mbuf.nmbclusters"), 262_144);
        let undo = raised.stdout.split("to undo:").nth(1).unwrap();
        assert!(undo.contains("kern.mbuf.nmbclusters stays until the next boot"), "{undo}");
        assert!(!undo.contains("nmbclusters="), "{undo}");
        let odd = Native::host("NetBSD", KEEPALIVE);
        odd.set("net.inet.tcp.slowhz", 10);
        odd.run(shell, &script, &["apply"]).exits(1).says("two slow ticks");
        assert_eq!(changes(&odd.calls()), Vec::<&str>::new());
    }
}

#[test]
fn openbsd_is_set_in_the_unit_that_it_counts_in_and_in_no_other() {
    let seconds = [("net.inet.tcp.keepidle", 7200), ("net.inet.tcp.keepintvl", 75)];
    let halves =
        [("net.inet.tcp.keepidle", 14_400), ("net.inet.tcp.keepintvl", 150), ("net.inet.tcp.slowhz", 2)];
    let newer = script(&["baseline", "--for", "openbsd"]);
    let older = script(&["baseline", "--for", "openbsd-7.2"]);
    for shell in SHELLS.iter().filter(|shell| is_there(shell)) {
        for (script, fit, other, value, kept) in [
            (&newer, &seconds[..], &halves[..], 6, "net.inet.tcp.keepintvl=6\n"),
            (&older, &halves, &seconds, 13, "net.inet.tcp.keepintvl=13\n"),
        ] {
            let host = Native::host("OpenBSD", fit);
            host.file("etc/sysctl.conf", "net.inet.ip.forwarding=1");
            let applied = host.run(shell, script, &["apply"]).exits(0);
            assert_eq!(host.value("net.inet.tcp.keepintvl"), value);
            let text = host.text("etc/sysctl.conf");
            assert!(text.starts_with("net.inet.ip.forwarding=1\n") && text.ends_with(kept), "{text}");
            host.undo(&applied.stdout).exits(0);
            assert_eq!(host.value("net.inet.tcp.keepintvl"), fit[1].1);
            let wrong = Native::host("OpenBSD", other);
            wrong.run(shell, script, &["apply"]).exits(1).says("this kernel counts");
            assert_eq!(changes(&wrong.calls()), Vec::<&str>::new());
        }
    }
}
