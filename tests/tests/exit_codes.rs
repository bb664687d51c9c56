//! Every exit code, each with a command that ends with it.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;

use tune_tests::sandbox::{BOOT_FILE, STATE, Sandbox, inside};

const FIN_TIMEOUT: &str = "/proc/sys/net/ipv4/tcp_fin_timeout";

/// What is done before the command, the command, and its exit code.
type Row = (fn(&Sandbox), &'static [&'static str], i32);

const NOTHING: fn(&Sandbox) = |_| {};
const APPLIED: fn(&Sandbox) = |sandbox| drop(sandbox.tune(&["apply", "web-server", "--yes"]).code(0));
const DRIFTED: fn(&Sandbox) = |sandbox| {
    APPLIED(sandbox);
    fs::write(FIN_TIMEOUT, "45\n").unwrap();
};
/// All values are as wanted, and somebody else has written into the file that holds them.
const EDITED: fn(&Sandbox) = |sandbox| {
    APPLIED(sandbox);
    let text = fs::read_to_string(BOOT_FILE).unwrap();
    fs::write(BOOT_FILE, format!("{text}# mine\n")).unwrap();
};
/// Nothing of a closed connection is kept there.
const KEEPS_NOTHING: fn(&Sandbox) = |sandbox| {
    let _ = sandbox.run(&["ip", "link", "set", "lo", "up"]).code(0);
    fs::write("/proc/sys/net/ipv4/tcp_max_tw_buckets", "0\n").unwrap();
};
const STATE_IS_A_FILE: fn(&Sandbox) = |_| fs::write(STATE, "").unwrap();

const ROWS: &[Row] = &[
    (NOTHING, &["status"], 0),
    (NOTHING, &["--help"], 0),
    (NOTHING, &["--version"], 0),
    (NOTHING, &["apply", "web-server", "--yes"], 0),
    (NOTHING, &["render", "web-server", "--for", "linux", "--ram", "16GiB"], 0),
    (APPLIED, &["apply", "web-server", "--yes", "--detailed-exitcodes"], 0),
    (APPLIED, &["audit", "web-server", "--only", "runtime"], 0),
    (APPLIED, &["rollback", "--yes"], 0),
    (NOTHING, &["prove", "--timeout", "10s"], 1),
    (NOTHING, &["rollback", "--yes"], 1),
    (NOTHING, &["confirm"], 1),
    (STATE_IS_A_FILE, &["apply", "web-server", "--yes"], 1),
    (NOTHING, &["set", "tcp.fin_wait_2_timeout=90s", "--yes"], 1),
    (NOTHING, &["render", "web-server", "--for", "linux"], 1),
    (NOTHING, &["render", "web-server", "--for", "illumos", "--ram", "16GiB"], 0),
    (EDITED, &["audit", "web-server"], 0),
    (EDITED, &["apply", "web-server", "--check"], 1),
    (EDITED, &["apply", "web-server", "--yes"], 1),
    (NOTHING, &["audit", "web-server"], 2),
    (KEEPS_NOTHING, &["prove", "--here"], 2),
    (NOTHING, &["plan", "web-server"], 2),
    (NOTHING, &["apply", "web-server", "--dry-run"], 2),
    (NOTHING, &["apply", "web-server", "--yes", "--detailed-exitcodes"], 2),
    (APPLIED, &["rollback", "--yes", "--detailed-exitcodes"], 2),
    (DRIFTED, &["rollback", "--yes"], 3),
    (NOTHING, &["diagnose"], 0),
    (NOTHING, &["diagnose", "--format", "openmetrics"], 0),
    (NOTHING, &["--root", "/mnt", "--ram", "1GiB", "diagnose"], 1),
    (NOTHING, &["status", "--format", "openmetrics"], 64),
    (NOTHING, &["drop", "--state", "fin-wait-2", "--dry-run"], 0),
    (NOTHING, &["drop", "--state", "fin-wait-2", "--yes"], 0),
    (NOTHING, &["diagnose", "--watch", "--format", "json"], 64),
    (NOTHING, &["diagnose", "--all-netns", "--netns", "1"], 64),
    (NOTHING, &["drop", "--yes"], 64),
    (NOTHING, &["drop", "--state", "listen", "--yes"], 64),
    (NOTHING, &["drop", "--held", "--orphaned", "--yes"], 64),
    (NOTHING, &["diagnose", "--sample", "1ms"], 64),
    (NOTHING, &["frobnicate"], 64),
    (NOTHING, &["apply", "--no-such-option"], 64),
    (NOTHING, &["--format", "yaml", "status"], 64),
    (NOTHING, &["apply", "web-server"], 64),
    (NOTHING, &["apply", "web-server", "--yes", "--confirm-within", "2d"], 64),
    (NOTHING, &["set", "tcp.fin_wait_2_timeout=soon", "--yes"], 64),
    (NOTHING, &["prove", "--timeout", "soon"], 64),
    (NOTHING, &["render", "web-server"], 64),
    (NOTHING, &["render", "web-server", "--for", "beos"], 64),
    (NOTHING, &["apply", "no-such-profile", "--yes"], 65),
    (NOTHING, &["render", "no-such-profile", "--for", "linux"], 65),
    (NOTHING, &["profile", "check", "/mnt/no-such-file.toml"], 65),
];

fn check(&(prepare, command, code): &Row) {
    inside(|sandbox| {
        prepare(sandbox);
        let _ = sandbox.tune(command).code(code);
    });
}

#[test]
fn every_command_of_the_table_ends_with_its_code() {
    ROWS.iter().for_each(check);
}

#[test]
fn a_second_changer_ends_with_75_and_is_told_who_is_at_work() {
    inside(|sandbox| {
        APPLIED(sandbox);
        let lock = File::options().write(true).open(Path::new(STATE).join("lock")).unwrap();
        lock.lock().unwrap();
        fs::write(
            Path::new(STATE).join("lock"),
            r#"{"pid":4711,"command":"tune apply baseline","since":"2026-01-01T00:00:00Z"}"#,
        )
        .unwrap();
        for command in [&["apply", "baseline", "--yes"][..], &["rollback", "--yes"], &["off", "--yes"]] {
            sandbox.tune(command).code(75).says(&["process 4711", "tune apply baseline", "2026-01-01"]);
        }
        // Who only looks does not wait.
        let _ = sandbox.tune(&["status"]).code(0);
        let _ = sandbox.tune(&["apply", "web-server", "--dry-run"]).code(0);
    });
}

#[test]
fn who_may_not_change_anything_ends_with_77() {
    inside(|sandbox| {
        let before = sandbox.fingerprint();
        for command in
            [&["apply", "web-server", "--yes"][..], &["set", "tcp.fin_wait_2_timeout=30s", "--yes"]]
        {
            sandbox.nobody(command).code(77).says(&["root"]);
        }
        sandbox.nobody(&["prove"]).code(77).says(&["root", "--here"]);
        assert_eq!(sandbox.fingerprint(), before);
        APPLIED(sandbox);
        for command in [
            &["apply", "baseline", "--yes"][..],
            &["rollback", "--yes"],
            &["off", "--yes"],
            &["recover"],
            &["confirm"],
        ] {
            sandbox.nobody(command).code(77).says(&["root"]);
        }
    });
}

/// Numbers that begin a row of a table in Markdown.
fn documented() -> BTreeSet<u8> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/exit-codes.md");
    let text = fs::read_to_string(page).unwrap();
    text.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next()?.trim().parse().ok()).collect()
}

/// Numbers of the constants.
fn constants() -> BTreeSet<u8> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/tune/src/exit.rs");
    let text = fs::read_to_string(source).unwrap();
    let values = text.lines().filter_map(|line| line.strip_prefix("pub const ")?.split_once(": u8 = "));
    values.map(|(_, value)| value.trim_end_matches(';').parse().unwrap()).collect()
}

#[test]
fn every_code_is_a_constant_is_documented_and_is_tried_here() {
    let tried: BTreeSet<u8> = ROWS.iter().map(|row| u8::try_from(row.2).unwrap()).chain([75, 77]).collect();
    assert_eq!(constants(), tried);
    assert_eq!(documented(), tried);
}
