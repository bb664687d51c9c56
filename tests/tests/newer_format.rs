//! State that a newer version wrote: read as far as it is understood, never written over.

#![allow(clippy::unwrap_used)]

use std::fs;

use serde_json::Value;
use tune_tests::faults::sealed;
use tune_tests::files;
use tune_tests::namespace::{Boot, TestHost};

/// What a newer version leaves in one file of the state directory.
type Writing = (&'static str, fn(&str) -> String);

const HISTORY: &str = "history.jsonl";
const CLAIMS: &str = "claims.json";
const HEAD: &str = "head";
const JOURNAL: &str = "journal/000002.jsonl";

/// Formats with more in them than this version knows.
const MORE: [Writing; 4] = [
    (HISTORY, |text| newer(text, "tune.history/1", "tune.history/1.1")),
    (HEAD, |text| text.replace("tune.head/1\"", "tune.head/1.3\",\"keyed\":true")),
    (CLAIMS, |text| {
        let text = text.replace("tune.claims/1\"", "tune.claims/1.1\", \"colours\": [1, 2]");
        text.replace("\"boot_id\"", "\"since\": 7, \"boot_id\"")
    }),
    (JOURNAL, |text| {
        let text = text.replace("tune.journal/1\"", "tune.journal/1.2\",\"region\":\"x\"");
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.insert(lines.len() - 1, "{\"record\":\"weighed\",\"grams\":3,\"check\":\"\"}".to_owned());
        sealed(&lines)
    }),
];

/// Formats that may mean anything.
const OTHER: [Writing; 4] = [
    (HISTORY, |text| newer(text, "tune.history/1", "tune.history/2")),
    (HEAD, |text| text.replace("tune.head/1", "tune.head/2")),
    (CLAIMS, |text| text.replace("tune.claims/1", "tune.claims/2")),
    (JOURNAL, |text| {
        let text = text.replace("tune.journal/1", "tune.journal/2");
        sealed(&text.lines().map(str::to_owned).collect::<Vec<_>>())
    }),
];

const CHANGING: [&[&str]; 6] = [
    &["apply", "baseline", "--yes"],
    &["set", "tcp.keepalive_probes=4", "--yes"],
    &["rollback", "--yes"],
    &["off", "--yes"],
    &["recover"],
    &["apply", "baseline", "--confirm-within", "1h", "--yes"],
];

/// Rewrites a history: another format, a member more in each line, and a last line whose state nobody has heard of.
fn newer(text: &str, ours: &str, theirs: &str) -> String {
    let mut lines = text.lines();
    let first = lines.next().unwrap().replace(&format!("{ours}\""), &format!("{theirs}\",\"by\":\"tune 9\""));
    let mut previous = tune_transaction::digest([first.as_bytes()]);
    let mut written = first + "\n";
    for line in lines {
        let mut line: Value = serde_json::from_str(line).unwrap();
        line["previous"] = previous.into();
        line["weight"] = 3.into();
        if line["number"] == 4 {
            line["state"] = "frozen".into();
        }
        let line = line.to_string();
        previous = tune_transaction::digest([line.as_bytes()]);
        written += &format!("{line}\n");
    }
    written
}

/// Returns the head of a history.
fn head_of(history: &str) -> String {
    let (count, last) = (history.lines().count() - 1, history.lines().last().unwrap());
    let digest = tune_transaction::digest([last.as_bytes()]);
    format!("{{\"format\":\"tune.head/1\",\"count\":{count},\"digest\":\"{digest}\"}}\n")
}

/// Runs a test for each file that a newer version has rewritten, and for all of them.
fn with_each(writings: &[Writing; 4], test: impl Fn(&TestHost, &[Writing]) + Send + Sync) {
    TestHost::run(Boot::Systemd, |host| {
        host.tune(&["set", "tcp.keepalive_probes=5", "--yes"]).exits(0);
        host.tune(&["set", "tcp.keepalive_idle=10min", "--yes"]).exits(0);
        let read = |name: &str| fs::read_to_string(host.state().join(name)).unwrap();
        let honest: Vec<_> = writings.iter().map(|(name, _)| (*name, read(name))).collect();
        let mut chosen: Vec<Vec<Writing>> = writings.iter().map(|one| vec![*one]).collect();
        chosen.push(writings.to_vec());
        for chosen in chosen {
            for (name, rewrite) in &chosen {
                fs::write(host.state().join(name), rewrite(&read(name))).unwrap();
                if *name == HISTORY {
                    fs::write(host.state().join(HEAD), head_of(&read(HISTORY))).unwrap();
                }
            }
            test(host, &chosen);
            honest.iter().for_each(|(name, text)| fs::write(host.state().join(name), text).unwrap());
        }
        host.tune(&["history", "--verify"]).exits(0);
        host.tune(&["off", "--yes"]).exits(0);
    });
}

fn nothing_is_changed(host: &TestHost, chosen: &[Writing]) {
    let (before, state) = (host.everything(), files::below(host.state()));
    let touches = files::touches(host.state());
    for command in CHANGING {
        let ran = host.tune(command).exits(1).says("of a newer tune").says("use that version");
        assert!(!ran.stderr.contains("damaged"), "{ran}");
        let told = host.tune(&[command, &["--format", "json"]].concat()).exits(1).json();
        assert_eq!((&told["schema"], &told["exit_code"]), (&"tune.error/1".into(), &1.into()), "{told}");
        host.everything().same_as(&before, &format!("{command:?}"));
        let name = chosen[0].0;
        let found = files::differences(&state, &files::below(host.state()));
        assert!(found.is_empty(), "{name}, {command:?}: {found:?}");
        assert_eq!(touches, files::touches(host.state()), "{name}, {command:?}");
    }
}

#[test]
fn what_a_newer_version_added_to_is_not_written_over() {
    with_each(&MORE, nothing_is_changed);
}

#[test]
fn what_cannot_be_read_is_not_written_over_either() {
    with_each(&OTHER, nothing_is_changed);
}

#[test]
fn what_a_newer_version_added_to_is_shown_as_far_as_it_is_understood() {
    with_each(&MORE, |host, chosen| {
        let names: Vec<_> = chosen.iter().map(|(name, _)| *name).collect();
        let shown = |command: &[&str], code: i32, where_it_is_said: &str| {
            host.tune(command).exits(code);
            let told = host.tune(&[command, &["--format", "json"]].concat()).exits(code).json();
            let said = told[where_it_is_said].to_string().contains("of a newer tune");
            assert!(said, "{names:?}, {command:?} does not say in {where_it_is_said:?}: {told}");
            told
        };
        let verified = shown(&["history", "--verify"], 0, "notes");
        assert_eq!(verified["verify"]["intact"], true, "{names:?}: {verified}");
        let history = shown(&["history"], 0, "notes");
        let entries = history["transactions"].as_array().unwrap();
        assert_eq!(entries.len(), 2, "{names:?}: {history}");
        // The last state of the second one has a word that is not understood: what is shown is how it was before.
        let state = if names.contains(&HISTORY) { "open" } else { "applied" };
        assert_eq!((&entries[0]["state"], &entries[1]["state"]), (&"applied".into(), &state.into()));
        shown(&["history", "1"], 0, "notes");
        let active = shown(&["active"], 0, "notes");
        assert_eq!(active["claims"].as_array().unwrap().len(), 4, "{names:?}: {active}");
        let status = shown(&["status"], 0, "notes");
        assert_eq!(status["active"].as_array().unwrap().len(), 2, "{names:?}: {status}");
        shown(&["audit", "baseline"], 0, "notes");
        let plan = host.tune(&["plan", "baseline", "--format", "json"]);
        assert!(plan.json()["warnings"].to_string().contains("of a newer tune"), "{names:?}: {plan}");
    });
}
