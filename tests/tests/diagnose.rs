//! `tune diagnose` and `tune drop` on real half-closed connections.

#![allow(clippy::unwrap_used)]

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;
use tune_tests::keepers::{Keeper, elsewhere, within};
use tune_tests::namespace::{Boot, TestHost};
use tune_tests::sandbox::{STATE, Sandbox, TUNE, command, inside};
use tune_tests::terminal::Terminal;

const HALF_CLOSE: &str = env!("CARGO_BIN_EXE_tune-half-close");
const TIMEOUT: &str = "/proc/sys/net/ipv4/tcp_fin_timeout";

fn diagnosed(sandbox: &Sandbox, more: &[&str]) -> Value {
    sandbox.tune(&[&["diagnose", "--format", "json"], more].concat()).code(0).document()
}

fn program(document: &Value, keeper: &Keeper) -> Value {
    let programs = document["programs"].as_array().unwrap();
    let of = |program: &&Value| program["pids"].as_array().unwrap().contains(&keeper.pid().into());
    programs.iter().find(of).unwrap_or_else(|| panic!("no {} in {document}", keeper.pid())).clone()
}

fn first_cause(document: &Value) -> &str {
    document["findings"][0]["cause"].as_str().unwrap()
}

#[test]
fn connections_are_counted_and_their_holders_named() {
    inside(|sandbox| {
        assert_eq!(diagnosed(sandbox, &[])["findings"], serde_json::json!([]));
        let [peer, closer] = within(HALF_CLOSE, 12, 8);
        let document = diagnosed(sandbox, &["--sample", "100ms"]);
        let found = &document["fin_wait_2"];
        let of = |name: &str| found[name].as_u64().unwrap();
        assert_eq!((of("total"), of("orphaned"), of("held"), of("minisocks")), (20, 8, 12, 8));
        assert_eq!(document["close_wait"]["held"], 20);
        assert_eq!(program(&document, &closer)["fin_wait_2"], 12);
        assert_eq!(program(&document, &peer)["close_wait"], 20);
        assert_eq!(document["unnamed"], 0);
        assert!(document["sample_ms"].as_u64().unwrap() >= 100);
        let families = |state: &str| {
            let states = document["states"].as_array().unwrap();
            let found = states.iter().find(|found| found["state"] == state).unwrap();
            (found["ipv4"].as_u64().unwrap(), found["ipv6"].as_u64().unwrap())
        };
        assert_eq!(families("FIN_WAIT_2"), (10, 10));
        // The one that listens does not close: that is the cause of both.
        assert_eq!(first_cause(&document), "close-wait-leak");
        sandbox.tune(&["diagnose"]).code(0).says(&[
            "FIN_WAIT_2: 20, timeout 60s",
            "8 that no process has",
            "12 that a process",
        ]);
    });
}

#[test]
fn who_may_not_see_the_holders_is_told_so() {
    inside(|sandbox| {
        let [_peer, _closer] = within(HALF_CLOSE, 12, 0);
        let nobody = sandbox.nobody(&["diagnose", "--format", "json"]).code(0);
        let document = nobody.document();
        assert_eq!(document["fin_wait_2"]["held"], 12);
        assert_eq!(document["unnamed"], 24);
        assert!(document["unreadable_processes"].as_u64().unwrap() > 0);
        sandbox.nobody(&["diagnose"]).code(0).says(&["may not be looked into", "as root"]);
    });
}

#[test]
fn a_long_timeout_is_the_cause_of_orphans_under_it() {
    inside(|sandbox| {
        std::fs::write(TIMEOUT, "360\n").unwrap();
        let [_peer, _closer] = within(HALF_CLOSE, 0, 40);
        let document = diagnosed(sandbox, &[]);
        assert_eq!(document["fin_wait_2"]["full_sockets"], 40);
        let causes: Vec<_> = document["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|finding| finding["cause"].as_str().unwrap())
            .collect();
        assert!(causes.contains(&"unclosing-peers") && causes.contains(&"first-phase"), "{causes:?}");
        let unclosing =
            document["findings"].as_array().unwrap().iter().find(|found| found["cause"] == "unclosing-peers");
        let command = unclosing.unwrap()["remedies"][0]["command"].as_str().unwrap().to_owned();
        let words: Vec<_> = command.strip_prefix("tune ").unwrap().split(' ').collect();
        let _ = sandbox.tune(&[&words[..], &["--yes", "--runtime-only"]].concat()).code(0);
        assert_eq!(std::fs::read_to_string(TIMEOUT).unwrap(), "30\n");
        // Those of before keep their timers, and that is said.
        assert_eq!(diagnosed(sandbox, &[])["fin_wait_2"]["longer_than_timeout"], 40);
    });
}

#[test]
fn held_ones_are_dropped_by_the_command_that_is_proposed() {
    inside(|sandbox| {
        let [peer, closer] = within(HALF_CLOSE, 6, 3);
        let document = diagnosed(sandbox, &[]);
        let pid = closer.pid().to_string();
        let drops: Vec<_> = document["findings"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|finding| finding["remedies"].as_array().unwrap())
            .filter_map(|remedy| remedy["command"].as_str())
            .filter(|command| command.contains(&format!("--pid {pid}")))
            .collect();
        let words: Vec<_> = drops[0].strip_prefix("tune ").unwrap().split(' ').collect();
        let dry = sandbox.tune(&[&words[..], &["--dry-run", "--format", "json"]].concat()).code(0).document();
        assert_eq!((&dry["changed"], dry["connections"].as_array().unwrap().len()), (&true.into(), 6));
        assert_eq!(diagnosed(sandbox, &[])["fin_wait_2"]["held"], 6);
        sandbox.tune(&words).code(64).says(&["nobody is there to be asked", "--yes"]);
        let ran = sandbox.tune(&[&words[..], &["--yes", "--format", "json"]].concat()).code(0).document();
        assert_eq!((&ran["totals"]["aborted"], &ran["transaction"]), (&6.into(), &1.into()));
        for connection in ran["connections"].as_array().unwrap() {
            assert_eq!(
                (&connection["outcome"], &connection["state"]),
                (&"aborted".into(), &"FIN_WAIT_2".into())
            );
            assert_eq!(connection["holders"][0]["pid"], closer.pid());
        }
        let after = diagnosed(sandbox, &[]);
        // Only those: the orphans are there, and their peers; those of the others got a reset.
        assert_eq!((&after["fin_wait_2"]["held"], &after["fin_wait_2"]["orphaned"]), (&0.into(), &3.into()));
        assert_eq!(program(&after, &peer)["close_wait"], 3);
        recorded(sandbox, &ran);
        let again = sandbox.tune(&[&words[..], &["--yes", "--format", "json"]].concat()).code(0).document();
        assert_eq!((&again["changed"], &again["msg"]), (&false.into(), &"no connection is meant".into()));
    });
}

/// Holds the history against what was dropped.
fn recorded(sandbox: &Sandbox, ran: &Value) {
    let history = sandbox.tune(&["history", "1", "--format", "json"]).code(0).document();
    let entry = &history["transactions"][0];
    assert_eq!((&entry["action"], &entry["state"]), (&"drop".into(), &"applied".into()));
    assert_eq!(entry["changes"], ran["changes"]);
    sandbox.tune(&["history", "1"]).code(0).says(&["drop state=fin-wait-2 held", "cannot be undone"]);
    sandbox.tune(&["rollback", "1", "--yes"]).code(1).says(&["cannot be undone"]);
    sandbox.tune(&["rollback", "--yes"]).code(1).says(&["no transaction to take back"]);
    let _ = sandbox.tune(&["history", "--verify"]).code(0);
    sandbox.tune(&["recover"]).code(0).says(&["Nothing to recover"]);
}

#[test]
fn no_more_are_dropped_than_were_chosen() {
    inside(|sandbox| {
        let [_peer, _closer] = within(HALF_CLOSE, 6, 3);
        let limited = sandbox.tune(&[
            "drop",
            "--held",
            "--state",
            "fin-wait-2",
            "--max",
            "2",
            "--yes",
            "--format=json",
        ]);
        let document = limited.code(0).document();
        assert_eq!((&document["totals"]["aborted"], &document["beyond"]), (&2.into(), &4.into()));
        let old = sandbox.tune(&["drop", "--state", "fin-wait-2", "--older-than", "1h", "--yes"]).code(0);
        old.says(&["No connection is meant"]);
        assert_eq!(diagnosed(sandbox, &[])["fin_wait_2"]["total"], 7);
        // Who may not is told so, and nothing is done.
        sandbox.nobody(&["drop", "--state", "fin-wait-2", "--orphaned", "--yes"]).code(77).says(&["root"]);
        assert_eq!(diagnosed(sandbox, &[])["fin_wait_2"]["total"], 7);
        let orphans = sandbox.tune(&["drop", "--orphaned", "--yes", "--detailed-exitcodes"]).code(2);
        orphans.says(&["3 connections dropped"]);
    });
}

#[test]
fn connections_in_another_network_are_found_from_the_host() {
    inside(|sandbox| {
        std::fs::write(TIMEOUT, "15\n").unwrap();
        let [peer, _closer] = elsewhere(HALF_CLOSE, 0, 300);
        let name = peer.pid().to_string();
        let document = diagnosed(sandbox, &["--all-netns"]);
        let networks = document["networks"].as_array().unwrap();
        let there = networks.iter().find(|network| network["name"] == *name).unwrap();
        assert_eq!((&there["orphaned"], &there["timeout"]["text"]), (&300.into(), &"60s".into()));
        assert!(there["title"].as_str().unwrap().contains("tune-half-close"), "{there}");
        assert_eq!(networks.iter().filter(|network| network["own"] == true).count(), 1);
        // From outside it is the namespace's own timeout, and the remedy cures it.
        let inside_of = sandbox.tune(&["diagnose", "--netns", &name, "--format", "json"]).code(0).document();
        let finding = inside_of["findings"]
            .as_array()
            .unwrap()
            .iter()
            .find(|finding| finding["cause"] == "other-network")
            .unwrap_or_else(|| panic!("{inside_of}"));
        let command = finding["remedies"][0]["command"].as_str().unwrap();
        assert_eq!(command, format!("tune --netns {name} set tcp.fin_wait_2_timeout=15s"));
        let words: Vec<_> = command.strip_prefix("tune ").unwrap().split(' ').collect();
        let _ = sandbox.tune(&[&words[..], &["--yes"]].concat()).code(0);
        let audit = sandbox.tune(&["audit", "web-server", "--all-netns", "--format", "json"]);
        let document = audit.document();
        let there =
            document["networks"].as_array().unwrap().iter().find(|network| network["name"] == *name).unwrap();
        let timeout = there["findings"]
            .as_array()
            .unwrap()
            .iter()
            .find(|finding| finding["setting"] == "tcp.fin_wait_2_timeout")
            .unwrap();
        assert_eq!((&timeout["status"], &timeout["boot"]), (&"met".into(), &"not-applicable".into()));
        let wider =
            there["findings"].as_array().unwrap().iter().find(|finding| finding["status"] == "out-of-scope");
        assert!(wider.is_some(), "{there}");
    });
}

/// Runs `tune diagnose --watch` at a terminal, and lets the shell tell how it left the terminal.
fn watched(host: &TestHost, before: &str) -> Terminal {
    let script = "\"$0\" diagnose --watch --sample 200ms --state-dir /mnt/state; code=$?; echo \"ended $code\"; stty -a";
    let mut command = host.command("sh");
    command.args(["-c", &format!("{before} {script}")]).arg(tune_tests::binary::tune());
    Terminal::start(command)
}

#[test]
fn watching_refreshes_in_place_and_leaves_the_terminal_as_it_was() {
    TestHost::run(Boot::Systemd, |host| {
        // A key, and the signal that Ctrl-C sends.
        for (before, keys) in [("", "q"), ("timeout --foreground --preserve-status -s INT 2", "")] {
            let mut terminal = watched(host, before);
            terminal.wait_for("every 200ms; q quits").wait_for("FIN_WAIT_2: 0 held");
            // Once more, without a key.
            terminal.wait_for("q quits");
            terminal.press(keys).wait_for("ended 0");
            let shown = terminal.exits(0);
            let settings = shown.split("ended 0").nth(1).unwrap();
            let words: Vec<_> = settings.split([' ', '\n', ';']).collect();
            assert!(words.contains(&"icanon") && words.contains(&"echo"), "{settings}");
        }
    });
}

#[test]
fn watching_writes_lines_where_there_is_no_terminal() {
    inside(|_| {
        let start = |more: &[&str]| {
            let words =
                [&[TUNE, "--state-dir", STATE, "diagnose", "--watch", "--sample", "100ms"], more].concat();
            command(&words).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap()
        };
        let mut child = start(&[]);
        let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
        for _ in 0..2 {
            let line = lines.next().unwrap().unwrap();
            assert!(line.contains(" fin_wait_2=0 orphaned=0 held=0 ") && !line.contains('\x1b'), "{line:?}");
        }
        nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap()),
            nix::sys::signal::Signal::SIGTERM,
        )
        .unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0));
        // A reader that goes away ends it.
        let mut child = start(&[]);
        drop(child.stdout.take());
        let begun = Instant::now();
        while child.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < Duration::from_secs(20), "it goes on for nobody");
            std::thread::sleep(Duration::from_millis(20));
        }
    });
}

/// What reads OpenMetrics for real, where it is installed: see `.ci/run`.
#[test]
fn metrics_are_read_by_a_real_parser() {
    let python = std::env::var("TUNE_OPENMETRICS_PYTHON").ok();
    let missing = python
        .is_none()
        .then(|| "needs prometheus_client: TUNE_OPENMETRICS_PYTHON names the python".to_owned());
    if !tune_tests::may_run(missing) {
        return;
    }
    let Some(python) = python else { return };
    inside(|sandbox| {
        let [_peer, _closer] = within(HALF_CLOSE, 4, 2);
        let text = sandbox.tune(&["diagnose", "--all-netns", "--format", "openmetrics"]).code(0).out;
        let script = "import sys\n\
            from prometheus_client.openmetrics.parser import text_string_to_metric_families as modern\n\
            from prometheus_client.parser import text_string_to_metric_families as older\n\
            text = sys.stdin.read()\n\
            found = {f.name: f for f in modern(text)}\n\
            samples = [s for f in found.values() for s in f.samples]\n\
            held = [s.value for s in samples if s.name == 'tune_tcp_half_closed'\n\
            \x20   and s.labels == {'state': 'FIN_WAIT_2', 'kind': 'held_without_timer'}]\n\
            assert held == [4.0], held\n\
            assert len(samples) == len([s for f in older(text) for s in f.samples])\n\
            print(len(samples))\n";
        let ended = sandbox.with_input(&[&python, "-c", script], text.as_bytes());
        assert_eq!(ended.code, 0, "{}{}\n{text}", ended.out, ended.err);
        assert!(ended.out.trim().parse::<u32>().unwrap() > 40, "{}", ended.out);
    });
}

/// What is the first process of its own system, with a short timeout, and beside it a network with the defaults, in which
/// connections wait.
const HOST_AND_CONTAINER: &str = r#"
echo 15 > /proc/sys/net/ipv4/tcp_fin_timeout
mkfifo /mnt/hold && exec 9<>/mnt/hold
ready() { until grep -q ready "$1"; do sleep 0.05; done; }
: > /mnt/peer; : > /mnt/closer
unshare --net sh -c 'ip link set lo up && exec "$0" peer 1' "$0" < /mnt/hold > /mnt/peer &
container=$!
ready /mnt/peer
port=$(sed -n 's/^port //p' /mnt/peer)
nsenter --net --target $container "$0" close 0 200 0 127.0.0.1:$port < /mnt/hold > /mnt/closer &
ready /mnt/closer
"$@"
"#;

#[test]
fn a_container_with_the_defaults_is_the_first_finding_on_the_host() {
    inside(|sandbox| {
        let host = ["unshare", "--net", "--pid", "--fork", "--mount-proc", "--kill-child"];
        let shell = ["sh", "-c", HOST_AND_CONTAINER, HALF_CLOSE];
        let tune = [TUNE, "--state-dir", STATE, "diagnose", "--format", "json"];
        let document = sandbox.run(&[&host[..], &shell, &tune].concat()).code(0).document();
        assert_eq!(first_cause(&document), "other-network", "{document:#}");
        let finding = &document["findings"][0];
        assert!(finding["title"].as_str().unwrap().contains("tune-half-close, pid "), "{finding:#}");
        let command = finding["remedies"][0]["command"].as_str().unwrap();
        assert!(
            command.starts_with("tune --netns ") && command.ends_with("tcp.fin_wait_2_timeout=15s"),
            "{command}"
        );
        assert_eq!(document["networks"].as_array().unwrap().len(), 1, "{document:#}");
    });
}

#[test]
fn dropping_asks_at_a_terminal_and_no_is_no() {
    TestHost::run(Boot::Systemd, |host| {
        let [_peer, _closer] = within(HALF_CLOSE, 3, 0);
        let held =
            || host.tune(&["diagnose", "--format", "json"]).exits(0).json()["fin_wait_2"]["held"].as_u64();
        // The answer offered is no.
        for (keys, code, left) in [("\r", 1, 3), ("\x1b[A\r", 0, 0)] {
            let drop = host.tune_command(&["drop", "--state", "fin-wait-2", "--held"]);
            let mut terminal = Terminal::start(drop);
            terminal.wait_for("3 connections would be dropped").wait_for("cannot be undone");
            terminal.wait_for("Drop these connections").press(keys);
            let shown = terminal.exits(code);
            assert_eq!(held(), Some(left), "{shown}");
        }
        let history = host.tune(&["history", "--format", "json"]).exits(0).json();
        assert_eq!(history["transactions"].as_array().map(Vec::len), Some(1), "{history}");
    });
}
