//! The units of systemd: that systemd understands them, how much they can reach, and what they must be able to.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tune_tests::binary::{self, Ran};

/// The exposure that `systemd-analyze security` may find at most.
const LIMITS: &[(&str, f64)] = &[
    ("tune-recover.service", 2.2),
    ("tune-boot.service", 2.2),
    ("tune-late.service", 2.3),
    ("tune-audit.service", 1.3),
];
const TIMER: &str = "tune-audit.timer";
/// Where packages put the program.
const PROGRAM: &str = "/usr/sbin/tune";

/// What would make a change fail, or have it lost with a namespace of the service's own.
const IN_THE_WAY: &[&str] = &[
    "ProtectKernelTunables=",
    "PrivateNetwork=",
    "PrivateUsers=",
    "ProcSubset=",
    "DynamicUser=",
    "RootDirectory=",
];

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/systemd").join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(source(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn names() -> impl Iterator<Item = &'static str> {
    LIMITS.iter().map(|(name, _)| *name).chain([TIMER])
}

/// The units as they would be where this build is installed; nothing if systemd-analyze is missing.
fn installed() -> Option<tempfile::TempDir> {
    let found = Command::new("systemd-analyze").arg("--version").output();
    if !tune_tests::may_run(found.is_err().then(|| "needs systemd-analyze".to_owned())) {
        return None;
    }
    let place = tempfile::tempdir().unwrap();
    let program = binary::tune().to_str().unwrap();
    for name in names() {
        assert!(name == TIMER || text(name).contains(&format!("ExecStart={PROGRAM} ")), "{name}");
        fs::write(place.path().join(name), text(name).replace(PROGRAM, program)).unwrap();
    }
    Some(place)
}

fn analyze(place: &Path, words: &[&str]) -> Ran {
    let mut command = Command::new("systemd-analyze");
    Ran::of(command.args(words).current_dir(place).env("LC_ALL", "C.UTF-8"))
}

#[test]
fn systemd_has_nothing_to_say_against_them() {
    let Some(place) = installed() else { return };
    let names: Vec<_> = names().collect();
    let ran = analyze(place.path(), &[&["verify", "--man=no", "--recursive-errors=no"], &names[..]].concat());
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str(), ran.code), ("", "", 0));
    // It would say so.
    fs::write(place.path().join("wrong.service"), "[Service]\nExecStart=/nonexistent\nProtectHome=perhaps\n")
        .unwrap();
    let ran = analyze(place.path(), &["verify", "--man=no", "--recursive-errors=no", "wrong.service"]);
    assert!(ran.code != 0 && ran.stderr.contains("ProtectHome") || ran.stderr.contains("perhaps"), "{ran}");
}

#[test]
fn they_can_reach_no_more_than_stated() {
    let Some(place) = installed() else { return };
    for (name, limit) in LIMITS {
        let ran = analyze(place.path(), &["security", "--offline=true", "--no-pager", name]).exits(0);
        let line = ran.stdout.lines().last().unwrap();
        let number = line.split(&format!("for {name}: ")).nth(1).and_then(|rest| rest.split(' ').next());
        let exposure: f64 = number.unwrap_or_else(|| panic!("{line}")).parse().unwrap();
        assert!(exposure <= *limit, "{name}: {exposure} is more than {limit}\n{ran}");
    }
}

#[test]
fn what_changes_something_can_and_what_looks_cannot() {
    for (name, _) in LIMITS {
        let text = text(name);
        let has = |start: &str| text.lines().any(|line| line.starts_with(start));
        if *name == "tune-audit.service" {
            assert!(
                has("ProtectKernelTunables=yes") && has("DynamicUser=yes") && !has("ReadWritePaths="),
                "{name}"
            );
            continue;
        }
        for line in IN_THE_WAY {
            assert!(!has(line), "{name} has {line}");
        }
        assert!(has("ReadWritePaths=/etc -/var/lib/tune"), "{name}");
    }
}

/// Three units run the same program with the same rights.
#[test]
fn the_rights_of_all_that_change_something_are_the_same() {
    let rights = |name: &str| -> Vec<String> {
        let text = text(name);
        let lines = text.lines().skip_while(|line| !line.starts_with("CapabilityBoundingSet="));
        lines.take_while(|line| !line.is_empty()).map(str::to_owned).collect()
    };
    let first = rights("tune-boot.service");
    assert!(first.len() > 15, "{first:?}");
    assert_eq!(rights("tune-recover.service"), first);
    assert_eq!(rights("tune-late.service"), first);
}

#[test]
fn the_order_is_recovery_then_boot_settings_then_the_look() {
    let orders = |name: &str, key: &str| -> Vec<String> {
        let text = text(name);
        let lines = text.lines().filter_map(|line| line.strip_prefix(key));
        lines.flat_map(str::split_whitespace).map(str::to_owned).collect()
    };
    assert!(orders("tune-recover.service", "Before=").contains(&"systemd-sysctl.service".to_owned()));
    assert!(orders("tune-boot.service", "After=").contains(&"systemd-sysctl.service".to_owned()));
    assert!(orders("tune-boot.service", "Before=").contains(&"network-pre.target".to_owned()));
    assert!(orders("tune-late.service", "After=").contains(&"tune-boot.service".to_owned()));
    assert!(orders("tune-boot.service", "Also=").contains(&"tune-late.service".to_owned()));
    // What was started once may be started again.
    for (name, _) in LIMITS {
        assert!(orders(name, "RemainAfterExit=").is_empty(), "{name}");
    }
}

/// The unit and the rule have to name the same modules.
#[test]
fn the_rule_shows_every_module_that_is_waited_for() {
    let rule = text("90-tune.rules");
    let unit = text("tune-late.service");
    let wanted = unit.lines().find_map(|line| line.strip_prefix("WantedBy=")).unwrap();
    for device in wanted.split_whitespace() {
        let module =
            device.strip_prefix("sys-module-").and_then(|rest| rest.strip_suffix(".device")).unwrap();
        assert!(rule.contains(&format!("KERNEL==\"{module}\"")), "{module} is not in\n{rule}");
    }
}
