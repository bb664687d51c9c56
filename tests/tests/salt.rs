//! The Salt states, module and grain with the real Salt and the real `tune`, on hosts of their own.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use serde_json::{Value, json};
use tune_tests::binary::{self, Ran};
use tune_tests::namespace::{Boot, TestHost, write_file};
use tune_tests::sandbox::BOOT_FILE;
use tune_tests::tool::SITE;
use tune_tests::trial::FIN;
use tune_tests::{may_run, needs_root, tool};

const MINION: &str = "root_dir: /mnt/salt/root
file_client: local
file_roots: {base: [/mnt/srv]}
id: host
log_level: error
log_level_logfile: quiet
enable_fqdns_grains: false
";
const ONE: &str = "site:\n  tune.applied:\n    - state_dir: /mnt/state\n";
const ABSENT: &str = "site:\n  tune.absent:\n    - state_dir: /mnt/state\n";
/// Options of Salt's.
const TEST: &[&str] = &["test=True"];
const REAL: &[&str] = &[];

/// A host with Salt and the states on it.
struct Site<'host> {
    host: &'host TestHost,
    python: PathBuf,
}

impl Site<'_> {
    /// Runs a test on one, or says why it cannot.
    fn run(test: impl FnOnce(&Site<'_>) + Send) {
        let python = tool::find("TUNE_SALT_PYTHON", "the python of an environment with salt in it");
        if !needs_root() || !may_run(python.as_ref().err().cloned()) {
            return;
        }
        let python = python.unwrap();
        TestHost::run(Boot::Procps, |host| {
            write_file("/mnt/salt/minion", MINION);
            let served = host.directory("srv");
            for part in ["_modules", "_states", "_grains"] {
                host.does(&[
                    "cp",
                    "-r",
                    tool::packaging("salt").join(part).to_str().unwrap(),
                    served.to_str().unwrap(),
                ]);
            }
            symlink(binary::tune(), host.directory("bin").join("tune")).unwrap();
            host.site_profile("site", SITE);
            let site = Site { host, python };
            drop(
                site.call(&["saltutil.sync_all"])
                    .exits(0)
                    .says("states.tune")
                    .says("modules.tune")
                    .says("grains.tune"),
            );
            test(&site);
        });
    }

    fn call(&self, words: &[&str]) -> Ran {
        let mut command = self.host.command(&self.python);
        command.arg(self.python.with_file_name("salt-call"));
        command.env("PATH", "/mnt/bin:/usr/sbin:/usr/bin:/sbin:/bin").env("PYTHONDONTWRITEBYTECODE", "1");
        command
            .args(["--local", "--config-dir", "/mnt/salt", "--retcode-passthrough", "--out", "json"])
            .args(words);
        Ran::of(&mut command)
    }

    /// Applies a file of states, demands this exit code and returns what came of each, in their order.
    #[track_caller]
    fn states(&self, sls: &str, options: &[&str], code: i32) -> Vec<Value> {
        write_file("/mnt/srv/site.sls", sls);
        let ran = self.call(&[&["state.apply", "site"], options].concat()).exits(code);
        let mut told: Vec<_> = ran.json()["local"].as_object().unwrap().values().cloned().collect();
        told.sort_by_key(|one| one["__run_num__"].as_u64());
        told
    }

    /// As [`Site::states`], where there is one.
    #[track_caller]
    fn state(&self, sls: &str, options: &[&str], code: i32) -> Value {
        let mut told = self.states(sls, options, code);
        assert_eq!(told.len(), 1, "{told:?}");
        told.remove(0)
    }

    /// Returns the names of what was saved: claims, history and journals. Who tried leaves a lock and nothing in it.
    fn saved(&self) -> Vec<String> {
        let names = |directory: PathBuf| fs::read_dir(directory).into_iter().flatten();
        let all = names(self.host.state().to_owned()).chain(names(self.host.state().join("journal")));
        let all = all.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        all.filter(|name| name != "lock" && name != "journal").collect()
    }
}

/// Demands words in a comment.
#[track_caller]
fn says(told: &Value, words: &str) {
    assert!(told["comment"].as_str().unwrap().contains(words), "{words:?} is not said\n{told:#}");
}

/// Demands a result and changes.
#[track_caller]
fn came_to(told: &Value, result: &Value, changes: &Value) {
    assert_eq!((&told["result"], &told["changes"]), (result, changes), "{told:#}");
}

#[test]
#[ignore = "needs Salt; .ci/full.d/82-salt.sh runs it"]
fn test_mode_tells_what_would_change_and_changes_nothing() {
    Site::run(|site| {
        let before = site.host.everything();
        let told = site.state(ONE, TEST, 0);
        let changes = json!({
            FIN: { "old": "60", "new": "30" },
            "net.ipv4.tcp_keepalive_time": { "old": "7200", "new": "600" },
        });
        came_to(&told, &Value::Null, &changes);
        says(&told, "4 values would change");
        site.host.everything().same_as(&before, "after test=True");
        assert_eq!(site.saved(), [""; 0]);
    });
}

#[test]
#[ignore = "needs Salt; .ci/full.d/82-salt.sh runs it"]
fn a_profile_is_applied_once_and_drift_is_repaired() {
    Site::run(|site| {
        let told = site.state(ONE, REAL, 0);
        assert_eq!(
            (&told["result"], &told["changes"][FIN]),
            (&json!(true), &json!({ "old": "60", "new": "30" }))
        );
        assert_eq!(site.host.read(FIN), "30");
        assert!(fs::read_to_string(BOOT_FILE).unwrap().contains("net.ipv4.tcp_fin_timeout = 30\n"));

        let before = site.host.everything();
        came_to(&site.state(ONE, REAL, 0), &json!(true), &json!({}));
        came_to(&site.state(ONE, TEST, 0), &json!(true), &json!({}));
        site.host.everything().same_as(&before, "after a second run");

        site.host.write(FIN, "45");
        let changes =
            json!({ "net.ipv4.tcp_fin_timeout (running kernel only)": { "old": "45", "new": "30" } });
        came_to(&site.state(ONE, TEST, 0), &Value::Null, &changes);
        assert_eq!(site.host.read(FIN), "45");
        let told = site.state(ONE, REAL, 0);
        came_to(&told, &json!(true), &changes);
        assert!(told["warnings"].to_string().contains("changed to 45 by somebody else"), "{told:#}");
        site.host.everything().same_as(&before, "after the drift was repaired");
    });
}

#[test]
#[ignore = "needs Salt; .ci/full.d/82-salt.sh runs it"]
fn what_is_refused_fails_and_saves_nothing() {
    Site::run(|site| {
        site.host.site_profile("never", "[settings]\n\"tcp.fin_wait_2_timeout\" = \"0s\"\n");
        let before = site.host.everything();
        for options in [REAL, TEST] {
            let told = site.state(&ONE.replace("site", "never"), options, 2);
            came_to(&told, &json!(false), &json!({}));
            says(&told, "0s for tcp.fin_wait_2_timeout would not mean what it says");
            says(&told, "hint: --allow-unsafe tcp.fin_wait_2_timeout");
        }
        says(&site.state(&ONE.replace("site", "none"), REAL, 2), "unknown profile \"none\"");
        site.host.everything().same_as(&before, "after a profile that is refused");

        write_file("/etc/sysctl.d/zzz.conf", "net.ipv4.tcp_fin_timeout = 120\n");
        let before = site.host.everything();
        for options in [REAL, TEST] {
            let told = site.state(ONE, options, 2);
            came_to(&told, &json!(false), &json!({}));
            says(
                &told,
                "/etc/sysctl.d/zzz.conf:1 (net.ipv4.tcp_fin_timeout = 120) would win over tune's file",
            );
        }
        site.host.everything().same_as(&before, "after a line that wins");
        assert_eq!(site.saved(), [""; 0]);
        site.state(&format!("{ONE}    - take_over: true\n"), REAL, 0);
        assert_eq!(site.host.read(FIN), "30");
    });
}

#[test]
#[ignore = "needs Salt; .ci/full.d/82-salt.sh runs it"]
fn absent_gives_up_what_the_profile_holds() {
    Site::run(|site| {
        let before = site.host.everything();
        came_to(&site.state(ABSENT, REAL, 0), &json!(true), &json!({}));
        site.state(ONE, REAL, 0);
        let applied = site.host.everything();
        let told = site.state(ABSENT, TEST, 0);
        assert_eq!(
            (&told["result"], &told["changes"][FIN]),
            (&Value::Null, &json!({ "old": "30", "new": "60" }))
        );
        site.host.everything().same_as(&applied, "after test=True");
        let told = site.state(ABSENT, REAL, 0);
        assert_eq!(
            (&told["result"], &told["changes"][FIN]),
            (&json!(true), &json!({ "old": "30", "new": "60" }))
        );
        site.host.everything().same_as(&before, "after absent");
        came_to(&site.state(ABSENT, REAL, 0), &json!(true), &json!({}));

        site.state(ONE, REAL, 0);
        site.host.write(FIN, "45");
        let told = site.state(ABSENT, REAL, 2);
        assert_eq!(told["result"], false);
        says(
            &told,
            "net.ipv4.tcp_fin_timeout is 45, not 30 as tune left it; somebody else changed it, and it stays",
        );
        assert_eq!(site.host.read(FIN), "45");
        site.state(&format!("{ABSENT}    - overwrite_foreign: true\n"), REAL, 0);
        assert_eq!(site.host.read(FIN), "60");
    });
}

#[test]
#[ignore = "needs Salt; .ci/full.d/82-salt.sh runs it"]
fn two_profiles_are_two_states() {
    Site::run(|site| {
        let sls = r#"
            /etc/tune/profiles/backlog.toml:
              file.managed:
                - contents: |
                    name = "backlog"
                    summary = "For a test"
                    [settings]
                    "tcp.listen_backlog" = 5000
            backlog:
              tune.applied:
                - state_dir: /mnt/state
                - require: [file: /etc/tune/profiles/backlog.toml]
            site:
              tune.applied:
                - state_dir: /mnt/state
            "#;
        let told = site.states(sls, REAL, 0);
        assert_eq!(told[1]["changes"]["net.core.somaxconn"], json!({ "old": "4096", "new": "5000" }));
        assert_eq!(
            (site.host.read(FIN).as_str(), site.host.read("net.core.somaxconn").as_str()),
            ("30", "5000")
        );
        assert!(site.states(sls, REAL, 0).iter().all(|one| one["changes"] == json!({})));

        site.host.site_profile("other", "[settings]\n\"tcp.fin_wait_2_timeout\" = \"20s\"\n");
        let told = site.state(&ONE.replace("site", "other"), REAL, 2);
        says(&told, "site");
        says(&told, "--replace");
        assert_eq!(site.host.read(FIN), "30");
    });
}

/// An option that `tune` knew nothing of would be a usage error, and a list that is cut short would change more.
#[test]
#[ignore = "needs Salt; .ci/full.d/82-salt.sh runs it"]
fn every_option_is_an_option_of_tune() {
    Site::run(|site| {
        let options = "
    - runtime_only: true
    - take_over: true
    - accept_override: false
    - overwrite_foreign: true
    - skip_unsupported: true
    - accept_irreversible: true
    - only: [tcp.fin_wait_2_timeout, tcp.keepalive_idle]
    - except: tcp.keepalive_idle
    - allow_unsafe: [tcp.fin_wait_2_timeout]
    - replace: [web-server]
";
        let told = site.state(&format!("{ONE}{options}"), REAL, 0);
        let changes =
            json!({ "net.ipv4.tcp_fin_timeout (running kernel only)": { "old": "60", "new": "30" } });
        came_to(&told, &json!(true), &changes);
        let told = site.state(&format!("{ONE}    - boot_only: true\n    - accept_override: true\n"), REAL, 0);
        assert!(
            told["changes"].as_object().unwrap().keys().all(|key| key.ends_with(" (next boot only)")),
            "{told:#}"
        );
        let told = site.state(&format!("{ONE}    - colour: red\n"), REAL, 2);
        says(&told, "tune apply has no option colour; it has runtime_only, boot_only");
        site.state(&format!("{ABSENT}    - all_or_nothing: true\n"), REAL, 0);
        assert_eq!(site.host.read(FIN), "60");
    });
}

#[test]
#[ignore = "needs Salt; .ci/full.d/82-salt.sh runs it"]
fn a_program_that_is_missing_is_named() {
    Site::run(|site| {
        let elsewhere = format!("{ONE}    - executable: /opt/tune\n");
        let told = site.state(&elsewhere, REAL, 2);
        says(
            &told,
            "tune is not installed: there is no executable /opt/tune; install it first, or give its path",
        );
        let told = site.state(&elsewhere, TEST, 0);
        came_to(&told, &Value::Null, &json!({}));
        says(&told, "it is not known what would be changed");
        let told = site.state(&format!("{ONE}    - executable: /bin/true\n"), REAL, 2);
        says(
            &told,
            "/bin/true apply site --yes --state-dir /mnt/state: exit code 0, and not the JSON object",
        );
    });
}

#[test]
#[ignore = "needs Salt; .ci/full.d/82-salt.sh runs it"]
fn the_grain_and_the_module_tell_what_tune_tells() {
    Site::run(|site| {
        let told = site.call(&["grains.get", "tune"]).exits(0).json();
        assert_eq!(
            (&told["local"]["host"]["system"], &told["local"]["active"]),
            (&json!("linux"), &json!([]))
        );
        site.state(ONE, REAL, 0);
        for (call, field) in [("tune.facts", "active"), ("tune.active", "profiles")] {
            assert_eq!(
                site.call(&[call, "state_dir=/mnt/state"]).exits(0).json()["local"][field],
                json!(["site"])
            );
        }
        assert_eq!(site.call(&["tune.audit", "site"]).exits(0).json()["local"]["met"], true);
        fs::remove_file("/mnt/bin/tune").unwrap();
        assert_eq!(site.call(&["grains.get", "tune"]).exits(0).json()["local"], "");
    });
}

/// The form of the documents for hosts without these states.
#[test]
#[ignore = "needs Salt; .ci/full.d/82-salt.sh runs it"]
fn a_command_can_be_a_state() {
    Site::run(|site| {
        let text = fs::read_to_string(tool::packaging("..").join("docs/fleets.md")).unwrap();
        let sls = text.split("```yaml\n").map(|rest| rest.split("```").next().unwrap());
        let sls = sls.filter(|block| block.contains("stateful:")).collect::<Vec<_>>().concat();
        assert_eq!(sls.matches("tune apply web-server").count(), 2, "{sls}");
        let sls = sls.replace("tune apply web-server", "tune --state-dir /mnt/state apply site");

        let before = site.host.everything();
        let told = site.state(&sls, TEST, 0);
        assert_eq!(told["result"], Value::Null, "{told:#}");
        says(&told, "4 values would change");
        site.host.everything().same_as(&before, "after test=True");
        let told = site.state(&sls, REAL, 0);
        assert_eq!((&told["result"], told["changes"] != json!({})), (&json!(true), true), "{told:#}");
        says(&told, "4 values changed");
        assert_eq!(site.host.read(FIN), "30");
        came_to(&site.state(&sls, REAL, 0), &json!(true), &json!({}));
        came_to(&site.state(&sls, TEST, 0), &json!(true), &json!({}));
        write_file("/etc/sysctl.d/zzz.conf", "net.ipv4.tcp_fin_timeout = 120\n");
        says(&site.state(&sls, TEST, 0), "refused: net.ipv4.tcp_fin_timeout: /etc/sysctl.d/zzz.conf:1");
        assert_eq!(site.state(&sls, REAL, 2)["result"], false);
        let unknown = sls.replace("apply site", "apply none");
        assert_eq!(site.state(&unknown, TEST, 2)["result"], false);
    });
}
