//! What starts `tune` at boot where there is no systemd: the scripts of FreeBSD and OpenRC, and the manifest of SMF.
//!
//! The scripts are run by the shell of this system under stand-ins for what the init systems bring (tests/fixtures/init).
//! That shows what they call and what becomes of exit codes; it does not show that the init systems take them as they are.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tune_tests::binary::Ran;
use tune_tests::sandbox::{self, Ended, Sandbox};

fn of_the_project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(path)
        .canonicalize()
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn text(path: &str) -> String {
    fs::read_to_string(of_the_project(path)).unwrap()
}

/// Puts a script in place, with a `tune` beside it that says what it was called with and ends with a code.
fn installed(script: &str, code: i32) -> String {
    fs::create_dir_all("/mnt/prefix/sbin").unwrap();
    fs::write(
        "/mnt/script",
        script.replace("%%PREFIX%%", "/mnt/prefix").replace("/usr/sbin/tune", "/mnt/prefix/sbin/tune"),
    )
    .unwrap();
    let tune = "/mnt/prefix/sbin/tune";
    fs::write(tune, format!("#!/bin/sh\necho tune \"$@\"\nexit {code}\n")).unwrap();
    fs::set_permissions(tune, fs::Permissions::from_mode(0o755)).unwrap();
    "/mnt/script".to_owned()
}

fn service(sandbox: &Sandbox, rc_conf: &str, code: i32, word: &str) -> Ended {
    let script = installed(&text("packaging/freebsd/tune.in"), code);
    fs::write("/etc/rc.conf", rc_conf).unwrap();
    fs::copy(of_the_project("tests/fixtures/init/rc.subr"), "/etc/rc.subr").unwrap();
    sandbox.run(&["sh", &script, word])
}

#[test]
fn on_freebsd_nothing_runs_unless_it_is_asked_for() {
    sandbox::inside(|sandbox| {
        service(sandbox, "", 0, "start").code(1).says(&["Set tune_enable to YES"]);
        let ran = service(sandbox, "tune_enable=YES\n", 0, "start").code(0);
        assert_eq!(ran.out, "tune apply --boot\n");
        assert_eq!(service(sandbox, "tune_enable=YES\n", 0, "stop").code(0).out, "");
        assert_eq!(service(sandbox, "", 2, "oneaudit").code(2).out, "tune audit --active\n");
        let _ = service(sandbox, "tune_enable=YES\n", 75, "start").code(75);
        service(sandbox, "tune_enable=YES\n", 0, "reload").code(1).says(&["unknown directive"]);
    });
}

#[test]
fn on_freebsd_it_comes_behind_the_boot_settings_and_before_the_network() {
    let script = text("packaging/freebsd/tune.in");
    let keyword = |name: &str| -> Vec<&str> {
        let line = script.lines().find_map(|line| line.strip_prefix(&format!("# {name}: ")));
        line.unwrap_or_else(|| panic!("{name}")).split(' ').collect()
    };
    assert_eq!(keyword("PROVIDE"), ["tune"]);
    assert_eq!(keyword("REQUIRE"), ["FILESYSTEMS", "sysctl"]);
    assert_eq!(keyword("BEFORE"), ["NETWORKING"]);
    assert_eq!(keyword("KEYWORD"), ["nojail"]);
}

#[test]
fn openrc_recovers_before_the_boot_settings_and_looks_after_them_behind() {
    sandbox::inside(|sandbox| {
        let run = of_the_project("tests/fixtures/init/openrc-run");
        for (name, call, order) in [
            ("tune-recover", "tune recover\n", "before sysctl\n"),
            ("tune", "tune apply --boot\n", "after modules sysctl tune-recover\n"),
        ] {
            for code in [0, 1] {
                let script = installed(&text(&format!("packaging/openrc/{name}")), code);
                let ran = sandbox.run(&["sh", run.to_str().unwrap(), &script, "start"]).code(code);
                assert!(ran.out.ends_with(call), "{}", ran.out);
                let depend = sandbox.run(&["sh", run.to_str().unwrap(), &script, "depend"]).code(0);
                assert!(
                    depend.out.contains(order) && depend.out.contains("need localmount\n"),
                    "{}",
                    depend.out
                );
            }
        }
        let script = installed(&text("packaging/openrc/tune"), 2);
        let audit = sandbox.run(&["sh", run.to_str().unwrap(), &script, "audit"]).code(2);
        assert_eq!(audit.out, "tune audit --active\n");
    });
}

#[test]
fn every_script_is_one_to_a_shell() {
    for path in ["packaging/freebsd/tune.in", "packaging/openrc/tune", "packaging/openrc/tune-recover"] {
        Ran::of(Command::new("sh").arg("-n").arg(of_the_project(path))).exits(0);
        let mode = fs::metadata(of_the_project(path)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755, "{path}");
    }
}

fn xmllint(document: &Path) -> Ran {
    let dtd = of_the_project("tests/fixtures/smf/service_bundle.subset.dtd");
    let mut command = Command::new("xmllint");
    Ran::of(command.args(["--nonet", "--noout", "--dtdvalid"]).arg(dtd).arg(document))
}

/// What `tune` writes is made from this very file (crates/tune-solaris/src/service.rs).
#[test]
fn the_manifest_is_valid_by_the_part_of_the_dtd_that_it_uses() {
    let missing = Command::new("xmllint").arg("--version").output().err();
    if !tune_tests::may_run(missing.map(|_| "needs xmllint (libxml2-utils)".to_owned())) {
        return;
    }
    xmllint(&of_the_project("packaging/smf/tune.xml")).exits(0);
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = ("    <create_default_instance enabled=\"true\"/>\n", "    <single_instance/>\n");
    let manifest = text("packaging/smf/tune.xml");
    for wrong in [
        manifest.replace(&format!("{first}{second}"), &format!("{second}{first}")),
        manifest.replace("grouping=\"optional_all\"", "grouping=\"some\""),
        manifest.replace("timeout_seconds=\"60\"", ""),
    ] {
        assert_ne!(wrong, manifest);
        let path = directory.path().join("wrong.xml");
        fs::write(&path, wrong).unwrap();
        assert_ne!(xmllint(&path).code, 0, "it would take anything");
    }
}
