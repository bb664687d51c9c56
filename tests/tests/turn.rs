//! The full turn: look, plan, apply, apply again, somebody else's change, audit, rollback, and everything as before.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tune_tests::binary::Ran;
use tune_tests::files::touches;
use tune_tests::namespace::{Boot, TestHost};

const FIN: &str = "net.ipv4.tcp_fin_timeout";
const OURS: &str = "/etc/sysctl.d/zz-tune.conf";

/// One way round.
struct Turn {
    /// What changes the host.
    change: &'static [&'static str],
    /// What sees whether it did.
    audit: &'static [&'static str],
    /// What somebody else changes in between.
    foreign: Foreign,
}

#[derive(Clone, Copy, PartialEq)]
enum Foreign {
    Live,
    BootFile,
}

impl Foreign {
    fn edit(self, host: &TestHost) {
        match self {
            Self::Live => host.write(FIN, "45"),
            Self::BootFile => {
                let text = fs::read_to_string(OURS).unwrap();
                fs::write(OURS, text.replace("tcp_fin_timeout = 30", "tcp_fin_timeout = 45")).unwrap();
            }
        }
    }

    /// Where the change shows, after the rollback that leaves it alone.
    fn stands(self, host: &TestHost) -> bool {
        match self {
            Self::Live => host.read(FIN) == "45",
            Self::BootFile => {
                fs::read_to_string(OURS).is_ok_and(|text| text.contains("tcp_fin_timeout = 45"))
            }
        }
    }

    const fn target(self) -> &'static str {
        match self {
            Self::Live => FIN,
            Self::BootFile => OURS,
        }
    }
}

/// State and boot files as they lie there, but for the lock.
fn touched(host: &TestHost) -> BTreeMap<PathBuf, (u64, i64, i64)> {
    let mut found = touches(host.state());
    found.extend(touches(Path::new("/etc")));
    found.remove(&host.state().join("lock"));
    found
}

fn tune(host: &TestHost, arguments: &[&str], more: &[&str]) -> Ran {
    host.tune(&[arguments, more].concat())
}

impl Turn {
    fn go(&self, boot: Boot) {
        TestHost::run(boot, |host| {
            host.site_profile("as-set", "settings.\"tcp.fin_wait_2_timeout\".at_most = \"30s\"\n");
            let before = host.everything();
            self.look(host);
            host.everything().same_as(&before, "after looking only");
            assert_eq!(touches(host.state()).len(), 1, "looking made state");
            self.apply(host);
            self.again(host);
            self.foreign.edit(host);
            self.notice(host);
            self.take_back(host);
            host.everything().same_as(&before, "after the rollback");
            let active = host.tune(&["active", "--format", "json"]).exits(0).json();
            assert!(!active.to_string().contains("tcp.fin_wait_2_timeout"), "{active}");
            host.tune(&["history", "--verify"]).exits(0);
            host.tune(&["rollback", "--yes"]).exits(1).says("no transaction to take back");
        });
    }

    fn look(&self, host: &TestHost) {
        let status = host.tune(&["status", "--format", "json"]).exits(0).json();
        assert_eq!(status["schema"], "tune.status/1");
        let dry = match self.change[0] {
            "apply" => tune(host, &[&["plan"], &self.change[1..]].concat(), &["--format", "json"]),
            _ => tune(host, self.change, &["--dry-run", "--format", "json"]),
        };
        let plan = dry.exits(2).json();
        assert_eq!(plan["changed"], true, "{plan}");
        tune(host, self.audit, &[]).exits(2);
    }

    fn apply(&self, host: &TestHost) {
        let applied = tune(host, self.change, &["--yes", "--format", "json"]).exits(0).json();
        assert_eq!(applied["changed"], true, "{applied}");
        tune(host, self.audit, &[]).exits(0);
        let expected = if self.change.contains(&"--boot-only") { "60" } else { "30" };
        assert_eq!(host.read(FIN), expected);
        assert_eq!(Path::new(OURS).exists(), !self.change.contains(&"--runtime-only"));
        let dry = tune(host, self.change, &["--dry-run", "--format", "json"]).exits(0).json();
        assert_eq!(dry["changed"], false, "{dry}");
    }

    /// P6: nothing is changed the second time, and no file is even touched.
    fn again(&self, host: &TestHost) {
        let (state, files) = (touched(host), host.everything());
        let again = tune(host, self.change, &["--yes", "--format", "json"]).exits(0).json();
        assert_eq!((&again["changed"], &again["changes"]), (&false.into(), &Value::Array(vec![])));
        host.everything().same_as(&files, "after applying again");
        assert_eq!(touched(host), state, "applying again touched files");
    }

    fn notice(&self, host: &TestHost) {
        let audit = tune(host, self.audit, &["--format", "json"]).exits(2).json();
        let found = audit["findings"].as_array().unwrap();
        let finding = found.iter().find(|found| found["setting"] == "tcp.fin_wait_2_timeout").unwrap();
        let layer = if self.foreign == Foreign::Live { "live" } else { "boot" };
        assert_eq!(finding[layer], "not-met", "{finding}");
        let expected = if self.foreign == Foreign::Live { "drifted" } else { "will-drift" };
        if !self.change.contains(&"--boot-only") {
            assert_eq!(finding["status"], expected, "{finding}");
        }
        assert_eq!(finding["tunables"][0][layer], "45");
    }

    fn take_back(&self, host: &TestHost) {
        let edited = host.everything();
        host.tune(&["rollback", "--dry-run"]).exits(2).says("somebody else changed it, and it stays");
        let all = host.tune(&["rollback", "--yes", "--all-or-nothing"]).exits(3);
        host.everything().same_as(&edited, &format!("after all or nothing: {all}"));
        let first = host.tune(&["rollback", "--yes", "--format", "json"]).exits(3).json();
        assert!(self.foreign.stands(host), "the change of somebody else was overwritten: {first}");
        let conflict = &first["conflicts"][0];
        assert_eq!(conflict["target"], self.foreign.target(), "{first}");
        assert!(conflict["found"].as_str().unwrap().contains("45"), "{first}");
        assert!(conflict["expected"].as_str().unwrap().contains("30"), "{first}");
        if self.foreign == Foreign::Live {
            assert!(!Path::new(OURS).exists(), "the rest was not put back");
        } else {
            assert_eq!(host.read(FIN), "60", "the rest was not put back");
        }
        host.tune(&["rollback", "--yes", "--overwrite-foreign"]).exits(0);
    }
}

const AUDIT: &[&str] = &["audit", "web-server"];
const AUDIT_SET: &[&str] = &["audit", "as-set"];
const SET: &[&str] = &["set", "tcp.fin_wait_2_timeout<=30s"];

#[test]
fn apply_under_systemd() {
    Turn { change: &["apply", "web-server"], audit: AUDIT, foreign: Foreign::Live }.go(Boot::Systemd);
}

#[test]
fn apply_under_procps() {
    Turn { change: &["apply", "web-server"], audit: AUDIT, foreign: Foreign::Live }.go(Boot::Procps);
}

#[test]
fn apply_with_an_edit_of_the_boot_file() {
    Turn { change: &["apply", "web-server"], audit: AUDIT, foreign: Foreign::BootFile }.go(Boot::Systemd);
}

#[test]
fn runtime_only() {
    Turn {
        change: &["apply", "web-server", "--runtime-only"],
        audit: &["audit", "web-server", "--only", "runtime"],
        foreign: Foreign::Live,
    }
    .go(Boot::Systemd);
}

#[test]
fn boot_only() {
    Turn {
        change: &["apply", "web-server", "--boot-only"],
        audit: &["audit", "web-server", "--only", "boot"],
        foreign: Foreign::BootFile,
    }
    .go(Boot::Systemd);
}

#[test]
fn set() {
    Turn { change: SET, audit: AUDIT_SET, foreign: Foreign::Live }.go(Boot::Systemd);
    Turn { change: SET, audit: AUDIT_SET, foreign: Foreign::BootFile }.go(Boot::Procps);
}
