//! Input from somebody who means harm, against the real binary as root: journals, links, profiles.

#![allow(clippy::unwrap_used)]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use tune_tests::binary::Ran;
use tune_tests::faults::{can_inject, sealed};
use tune_tests::namespace::{Boot, TestHost, write_file};

const APPLY: &[&str] = &["apply", "web-server", "--yes", "--take-over"];
const OURS: &str = "/etc/sysctl.d/zz-tune.conf";

fn on_a_host(test: impl FnOnce(&TestHost) + Send) {
    if !can_inject() {
        return;
    }
    TestHost::run(Boot::Systemd, |host| {
        write_file("/etc/sysctl.d/zzz.conf", "net.ipv4.tcp_fin_timeout = 50\n");
        test(host);
    });
}

/// Leaves an apply that died when every step was done, before its end.
fn interrupted(host: &TestHost) -> String {
    let strace = ["-o", "/mnt/strace", "-e", "trace=renameat", "-e", "inject=renameat:signal=KILL:when=2"];
    Ran::of(&mut host.traced(&strace, APPLY)).exits(137);
    fs::read_to_string(host.state().join("journal/000001.jsonl")).unwrap()
}

/// Replaces the first step of a journal.
fn planted(journal: &str, step: &str) -> String {
    let mut lines: Vec<String> = journal.lines().map(str::to_owned).collect();
    assert_eq!(sealed(&lines), journal, "the checks of an honest journal");
    lines[1] = format!("{{\"record\":\"step\",\"serves\":[],{step},\"takes_hold\":\"host\"}}")
        .trim_end_matches('}')
        .to_owned();
    sealed(&lines)
}

const IMAGE: &str = r#"{"content":{"text":"x\n"},"mode":420,"uid":0,"gid":0}"#;

fn replace(path: &str, before: &str, after: &str) -> String {
    format!(r#""kind":"replace-file","path":"{path}","before":{before},"after":{after}"#)
}

fn set(tunable: &str, before: &str) -> String {
    format!(r#""kind":"set-tunable","tunable":"{tunable}","before":"{before}","after":"60""#)
}

/// Steps that no plan could hold.
fn steps() -> Vec<String> {
    let theirs = r#"{"content":{"text":"net.ipv4.tcp_fin_timeout = 50\n"},"mode":420,"uid":0,"gid":0}"#;
    let owned = theirs.replace("\"uid\":0", "\"uid\":1000");
    let root_set_id = theirs.replace("\"mode\":420", "\"mode\":2541");
    let shell = r#"{"content":{"text":"kernel.core_pattern = |/tmp/x\n"},"mode":420,"uid":0,"gid":0}"#;
    let labelled = theirs.replace("\"gid\":0", r#""gid":0,"attributes":{"trusted.x":{"text":"y"}}"#);
    vec![
        replace("/etc/shadow", IMAGE, "null"),
        replace("/etc/cron.d/x", IMAGE, "null"),
        replace("/etc/sysctl.d/../shadow", IMAGE, "null"),
        replace("/etc/sysctl.d/x.conf", IMAGE, "null"),
        replace("etc/sysctl.d/zz-tune.conf", IMAGE, "null"),
        replace("/etc/sysctl.d/zz-tune.conf", shell, "null"),
        replace("/etc/sysctl.d/zz-tune.conf", &root_set_id, "null"),
        replace("/etc/sysctl.d/zzz.conf", shell, theirs),
        replace("/etc/sysctl.d/zzz.conf", &owned, theirs),
        replace("/etc/sysctl.d/zzz.conf", &labelled, theirs),
        set("kernel.core_pattern", "|/tmp/x"),
        set("net.ipv4.../../kernel/core_pattern", "|/tmp/x"),
        set("kernel/core_pattern", "|/tmp/x"),
        set("net.ipv4.tcp_fin_timeout", "60\\n61"),
        r#""kind":"directory","path":"/etc/cron.d","before":true,"after":false"#.to_owned(),
        r#""kind":"directory","path":"/etc/sysctl.d/../x","before":true,"after":false"#.to_owned(),
    ]
}

#[test]
fn a_planted_journal_reaches_nothing_that_a_plan_could_not() {
    on_a_host(|host| {
        let honest = interrupted(host);
        let path = host.state().join("journal/000001.jsonl");
        let before = host.everything();
        for step in steps() {
            fs::write(&path, planted(&honest, &step)).unwrap();
            for command in [&["recover"][..], APPLY, &["rollback", "--yes"]] {
                let ran = host.tune(&[command, &["--format", "json"]].concat());
                assert!([1, 3].contains(&ran.code), "{step}: {ran}");
                let recover = command[0] == "recover";
                assert!(!recover || ran.stdout.contains("is not permitted"), "{step}: {ran}");
                host.everything().same_as(&before, &format!("{step}, {command:?}"));
            }
            assert_eq!(
                fs::read_to_string(&path).unwrap(),
                planted(&honest, &step),
                "the journal was touched"
            );
        }
        fs::write(&path, honest).unwrap();
        host.tune(&["recover"]).exits(0);
    });
}

#[test]
fn a_journal_with_a_step_of_an_unknown_kind_is_damaged() {
    on_a_host(|host| {
        let honest = interrupted(host);
        let path = host.state().join("journal/000001.jsonl");
        let before = host.everything();
        for step in [r#""kind":"run","command":"/bin/sh""#, r#""kind":7"#] {
            fs::write(&path, planted(&honest, step)).unwrap();
            host.tune(&["recover"]).exits(1).says("line 2 is damaged");
            host.everything().same_as(&before, step);
        }
    });
}

#[test]
fn a_journal_moved_under_another_number_is_refused() {
    on_a_host(|host| {
        let _ = interrupted(host);
        let journal = host.state().join("journal");
        fs::rename(journal.join("000001.jsonl"), journal.join("000007.jsonl")).unwrap();
        let before = host.everything();
        host.tune(&["recover"]).exits(1).says("it is of transaction 1");
        host.everything().same_as(&before, "after a refusal");
    });
}

#[test]
fn what_lies_among_the_journals_and_is_none_is_neither_followed_nor_waited_for() {
    on_a_host(|host| {
        host.tune(&["set", "tcp.keepalive_probes=5", "--yes"]).exits(0);
        let journal = host.state().join("journal");
        let before = host.everything();
        let odd: [&[u8]; 11] = [
            b"0000002.jsonl",
            b"2.jsonl",
            b"000000.jsonl",
            b"-00002.jsonl",
            b"000002.jsonl.bak",
            b"000002.JSONL",
            b"..000002.jsonl",
            b"99999999999999999999999999.jsonl",
            b"18446744073709551615.jsonl",
            b"00000\n.jsonl",
            b"\xff\xfe.jsonl",
        ];
        for name in odd {
            fs::write(journal.join(OsStr::from_bytes(name)), "{\"format\":\"tune.journal/1\"}\n").unwrap();
        }
        host.tune(&["recover"]).exits(0).says("Nothing to recover");
        host.tune(APPLY).exits(0);
        let history = host.tune(&["history", "--format", "json"]).exits(0).json();
        assert_eq!(history["transactions"][1]["id"], 2, "{history}");
        host.tune(&["rollback", "--yes"]).exits(0);
        host.everything().same_as(&before, "after the rollback");
        // What has the name of a journal, and is none: a directory, a pipe that nobody writes to.
        let next = journal.join("000004.jsonl");
        fs::create_dir(&next).unwrap();
        host.tune(APPLY).exits(1).says("000004.jsonl");
        host.everything().same_as(&before, "a directory");
        fs::remove_dir(&next).unwrap();
        nix::unistd::mkfifo(&next, nix::sys::stat::Mode::S_IRUSR | nix::sys::stat::Mode::S_IWUSR).unwrap();
        for command in [&["recover"][..], APPLY] {
            host.tune(command).exits(1).says("000004.jsonl");
        }
        host.tune(&["status"]).exits(0);
        host.everything().same_as(&before, "a pipe");
    });
}

#[test]
fn names_of_profiles_lead_to_no_other_file() {
    on_a_host(|host| {
        host.site_profile("inside", "[settings]\n\"tcp.keepalive_probes\" = 5\n");
        write_file("/etc/tune/elsewhere.toml", "name = \"elsewhere\"\nsummary = \"s\"\n");
        write_file("/etc/tune/inside.toml", "name = \"inside\"\nsummary = \"s\"\n");
        let before = host.everything();
        for name in ["..", ".", "...", ".hidden", "..elsewhere", "in\nside", "inside\u{202e}", "", " inside"]
        {
            let ran = host.tune(&["apply", name, "--yes"]);
            assert!([64, 65].contains(&ran.code), "{name:?}: {ran}");
        }
        let quoted = |name: &str| format!("name = \"x\"\nsummary = \"s\"\nextends = [{name:?}]\n");
        let parents =
            ["../elsewhere", "/etc/tune/elsewhere", "./inside", "inside/../inside", "..", "x/y", "-"];
        for name in parents {
            fs::write("/mnt/x.toml", quoted(name)).unwrap();
            let ran = host.tune(&["apply", "/mnt/x.toml", "--yes"]);
            assert_eq!(ran.code, 65, "{name:?}: {ran}");
        }
        // The name in the file decides nothing: it must be that of the file, and no path.
        fs::write("/mnt/x.toml", "name = \"../../sysctl.d/x\"\nsummary = \"s\"\n").unwrap();
        host.tune(&["apply", "/mnt/x.toml", "--yes"]).exits(65);
        host.everything().same_as(&before, "after names that lead elsewhere");
        assert!(!host.state().join("history.jsonl").exists());
    });
}

#[test]
fn links_in_the_state_directory_are_not_followed() {
    on_a_host(|host| {
        host.tune(&["set", "tcp.keepalive_probes=5", "--yes"]).exits(0);
        write_file("/etc/victim", "as it was\n");
        for name in ["lock", ".head.new", ".claims.json.new", "journal/.000002.jsonl.new", "history.jsonl"] {
            let path = host.state().join(name);
            let whole = fs::read(&path).ok();
            let _ = fs::remove_file(&path);
            symlink("/etc/victim", &path).unwrap();
            let before = host.everything();
            let ran = host.tune(APPLY);
            assert!([0, 1].contains(&ran.code), "{name}: {ran}");
            assert_eq!(fs::read_to_string("/etc/victim").unwrap(), "as it was\n", "{name}: {ran}");
            if ran.code == 1 {
                host.everything().same_as(&before, name);
            }
            let _ = fs::remove_file(&path);
            whole.into_iter().for_each(|whole| fs::write(&path, whole).unwrap());
            host.tune(&["recover"]).exits(0);
        }
        let journal = host.state().join("journal");
        fs::rename(&journal, "/mnt/elsewhere").unwrap();
        symlink("/mnt/elsewhere", &journal).unwrap();
        host.tune(APPLY).exits(1).says("symbolic link");
    });
}

#[test]
fn links_among_the_boot_files_are_not_written_through() {
    on_a_host(|host| {
        write_file("/etc/victim", "net.ipv4.tcp_fin_timeout = 40\n");
        // Ours is a link.
        symlink("/etc/victim", OURS).unwrap();
        let before = host.everything();
        let ran = host.tune(APPLY);
        assert_ne!(ran.code, 0, "{ran}");
        host.everything().same_as(&before, "ours is a link");
        fs::remove_file(OURS).unwrap();
        // Somebody else's leads out of the directories of settings.
        fs::remove_file("/etc/sysctl.d/zzz.conf").unwrap();
        symlink("/etc/victim", "/etc/sysctl.d/zzz.conf").unwrap();
        let before = host.everything();
        let ran = host.tune(APPLY);
        assert_ne!(ran.code, 0, "{ran}");
        host.everything().same_as(&before, "theirs is a link");
        fs::remove_file("/etc/sysctl.d/zzz.conf").unwrap();
        // What tune makes beside its file is there already, as a link.
        for step in 1..9 {
            symlink("/etc/victim", format!("/etc/sysctl.d/.zz-tune.conf.tune-1-{step}")).unwrap();
        }
        let ran = host.tune(&["apply", "web-server", "--yes", "--format", "json"]);
        assert_eq!(fs::read_to_string("/etc/victim").unwrap(), "net.ipv4.tcp_fin_timeout = 40\n", "{ran}");
        assert!(ran.code == 1 && host.read("net.ipv4.tcp_fin_timeout") == "60", "{ran}");
    });
}

#[test]
fn numbers_of_transactions_are_numbers() {
    on_a_host(|host| {
        host.tune(APPLY).exits(0);
        let before = host.everything();
        for id in
            ["../1", "1/../../x", "000001.jsonl", "1\n2", "٣", "-1", "18446744073709551616", "1;2", "0x1"]
        {
            for command in ["rollback", "history"] {
                let ran = host.tune(&[command, id]);
                assert_eq!(ran.code, 64, "{ran}");
            }
        }
        host.tune(&["rollback", "18446744073709551615", "--yes"]).exits(1);
        host.everything().same_as(&before, "after nonsense");
    });
}

#[test]
fn a_profile_of_100_megabytes_costs_no_more_than_a_small_one() {
    on_a_host(|host| {
        let path = "/mnt/large.toml";
        fs::write(path, "name = \"large\"\nsummary = \"s\"\n").unwrap();
        fs::OpenOptions::new().write(true).open(path).unwrap().set_len(100 << 20).unwrap();
        let start = Instant::now();
        host.tune(&["apply", path, "--yes"]).exits(65).says("larger than 1 MiB");
        let mut piped = host.tune_command(&["apply", "-", "--yes"]);
        piped.stdin(fs::File::open("/dev/zero").unwrap());
        Ran::of(&mut piped).exits(65).says("larger than 1 MiB");
        assert!(start.elapsed() < Duration::from_secs(10));
        assert!(!host.state().join("history.jsonl").exists());
    });
}

#[test]
fn nesting_as_deep_as_a_profile_can_hold_is_no_crash() {
    on_a_host(|host| {
        let half = 500_000;
        for body in [
            format!("x = {}{}\n", "[".repeat(half), "]".repeat(half)),
            format!("x = {}1{}\n", "{a=".repeat(half / 2), "}".repeat(half / 2)),
            format!("[{}]\n", vec!["a"; half].join(".")),
        ] {
            fs::write("/mnt/deep.toml", format!("name = \"deep\"\nsummary = \"s\"\n{body}")).unwrap();
            let ran = host.tune(&["apply", "/mnt/deep.toml", "--yes"]);
            assert_eq!(ran.code, 65, "{}", ran.stderr.chars().take(300).collect::<String>());
        }
    });
}

#[test]
fn a_history_that_nests_deeply_or_holds_nul_bytes_is_damaged() {
    on_a_host(|host| {
        host.tune(APPLY).exits(0);
        let (before, path) = (host.everything(), host.state().join("history.jsonl"));
        let whole = fs::read_to_string(&path).unwrap();
        for bad in ["[".repeat(100_000), "\0".repeat(1000), format!("{{\"number\":{}", "9".repeat(10_000))] {
            let (first, rest) = whole.split_once('\n').unwrap();
            fs::write(&path, format!("{first}\n{bad}\n{rest}")).unwrap();
            let verified = host.tune(&["history", "--verify", "--format", "json"]);
            let told: Value = serde_json::from_str(&verified.stdout).unwrap();
            assert!(verified.code != 0 && told.is_object(), "{verified}");
            let ran = host.tune(&["status"]);
            assert!([0, 1].contains(&ran.code), "{ran}");
            host.everything().same_as(&before, "after looking");
        }
        fs::write(&path, whole).unwrap();
        host.tune(&["rollback", "--yes"]).exits(0);
        assert!(!Path::new(OURS).exists());
    });
}
