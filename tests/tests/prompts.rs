//! Asked at a terminal, and with nobody there to be asked.

#![allow(clippy::unwrap_used)]

use std::fs;

use tune_tests::namespace::{Boot, TestHost};
use tune_tests::terminal::Terminal;

const FIN: &str = "net.ipv4.tcp_fin_timeout";
const IDLE: &str = "net.ipv4.tcp_keepalive_time";
const OURS: &str = "/etc/sysctl.d/zz-tune.conf";

const ENTER: &str = "\r";
const DOWN: &str = "\x1b[B";
const UP: &str = "\x1b[A";

#[test]
fn a_setting_is_left_out_and_the_rest_applied() {
    TestHost::run(Boot::Systemd, |host| {
        let before = host.everything();
        let mut terminal = Terminal::start(host.tune_command(&["apply"]));
        terminal.wait_for("web-server").wait_for("HTTP server facing browsers");
        // From the top of the list to web-server, which is its last line.
        let known = host.tune(&["profile", "list"]).exits(0).stdout;
        assert!(known.contains("web-server"));
        terminal.press(UP).press(ENTER);
        terminal.wait_for("net.ipv4.tcp_keepalive_time 7200 -> 900").wait_for("Change this host");
        assert!(terminal.shown().contains("net.ipv4.tcp_fin_timeout 60 -> 30"), "{}", terminal.shown());
        terminal.press(DOWN).wait_for("choose what to leave out").press(ENTER);
        // The settings in order: the FIN_WAIT_2 timeout first, which is left out.
        terminal.wait_for("Space leaves one out").wait_for("tcp.fin_wait_2_timeout").press(" ").press(ENTER);
        terminal.wait_for("Change this host").press(UP).press(ENTER);
        let shown = terminal.exits(0);
        assert_eq!((host.read(FIN).as_str(), host.read(IDLE).as_str()), ("60", "900"), "{shown}");
        let text = fs::read_to_string(OURS).unwrap();
        assert!(!text.contains(FIN) && text.contains("net.ipv4.tcp_keepalive_time = 900"), "{text}");
        host.tune(&["rollback", "--yes"]).exits(0);
        host.everything().same_as(&before, "after the rollback");
    });
}

#[test]
fn no_is_no() {
    TestHost::run(Boot::Systemd, |host| {
        let before = host.everything();
        // The answer offered is no, and so are Escape and q.
        for keys in [ENTER, "\x1b", "q"] {
            let mut terminal = Terminal::start(host.tune_command(&["apply", "web-server"]));
            terminal.wait_for("Change this host").wait_for("no, change nothing").press(keys);
            let shown = terminal.exits(1);
            assert!(shown.contains("nothing was changed"), "{keys:?}: {shown}");
            host.everything().same_as(&before, &format!("after {keys:?}"));
        }
        let history = host.tune(&["history", "--format", "json"]).exits(0).json();
        assert_eq!(history["transactions"], serde_json::json!([]), "{history}");
    });
}

#[test]
fn yes_is_yes_and_a_rollback_asks_too() {
    TestHost::run(Boot::Procps, |host| {
        let before = host.everything();
        let mut terminal = Terminal::start(host.tune_command(&["apply", "web-server"]));
        terminal.wait_for("Change this host").press(UP).press(ENTER);
        terminal.exits(0);
        assert_eq!(host.read(FIN), "30");
        let mut terminal = Terminal::start(host.tune_command(&["rollback"]));
        terminal.wait_for("Change this host").press(ENTER);
        terminal.exits(1);
        assert_eq!(host.read(FIN), "30");
        let mut terminal = Terminal::start(host.tune_command(&["rollback"]));
        terminal.wait_for("Change this host").press(UP).press(ENTER);
        terminal.exits(0);
        host.everything().same_as(&before, "after the rollback");
    });
}

#[test]
fn what_changed_while_the_question_stood_is_not_done() {
    TestHost::run(Boot::Systemd, |host| {
        let mut terminal = Terminal::start(host.tune_command(&["apply", "web-server"]));
        terminal.wait_for("Change this host");
        host.write(FIN, "45");
        let before = host.everything();
        terminal.press(UP).press(ENTER);
        let shown = terminal.exits(1);
        assert!(shown.contains("the host changed while you were asked"), "{shown}");
        host.everything().same_as(&before, "after the refusal");
    });
}

#[test]
fn nobody_is_asked_where_nobody_is() {
    TestHost::run(Boot::Systemd, |host| {
        let before = host.everything();
        host.tune(&["apply", "web-server"]).exits(64).says("--yes");
        host.tune(&["apply"]).exits(64).says("web-server");
        host.tune(&["apply", "--yes"]).exits(64).says("name a profile");
        host.tune(&["set", "tcp.keepalive_probes=5"]).exits(64).says("--yes");
        let told = host.tune(&["apply", "web-server", "--format", "json"]).exits(64).json();
        assert_eq!((&told["schema"], &told["exit_code"]), (&"tune.error/1".into(), &64.into()));
        host.everything().same_as(&before, "after refusals");
        assert_eq!(fs::read_dir(host.state()).unwrap().count(), 0, "a refusal left state behind");
    });
}
