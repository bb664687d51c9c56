//! Profiles on standard input and in a site's directory, as the command takes them.
#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const PROFILE: &str = "name = \"piped\"\n[settings]\n\"tcp.keepalive_idle\" = \"10min\"\n";

fn tune(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tune"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn shown(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

#[test]
fn a_profile_on_standard_input_is_checked_whole() {
    let good = tune(&["profile", "check", "-"], PROFILE);
    assert_eq!((good.status.code(), shown(&good).as_str()), (Some(0), "-: can be used\n"));
    let bad = tune(&["profile", "check", "-"], &PROFILE.replace("10min", "soon"));
    assert_eq!(bad.status.code(), Some(65), "{}", shown(&bad));
}

#[test]
fn a_broken_profile_of_the_site_is_listed_with_its_file_and_one_line_of_what_is_wrong() {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("broken-profile");
    let profiles = root.join("etc/tune/profiles");
    std::fs::create_dir_all(&profiles).unwrap();
    std::fs::create_dir_all(root.join("usr/lib/systemd")).unwrap();
    std::fs::create_dir_all(root.join("etc/sysctl.d")).unwrap();
    std::fs::write(root.join("usr/lib/systemd/systemd-sysctl"), "").unwrap();
    std::fs::write(profiles.join("mine.toml"), PROFILE).unwrap();
    let listed = tune(&["--format", "json", "--root", root.to_str().unwrap(), "profile", "list"], "");
    let text = shown(&listed);
    assert!(text.contains("mine.toml:1:8: the name"), "{text}");
    assert!(!text.contains("name = write") && !text.contains("^^^^"), "{text}");
    assert_eq!(text.matches("mine.toml\"").count(), 1, "its file is named as the source: {text}");
}
