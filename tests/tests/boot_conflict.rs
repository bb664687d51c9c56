//! Replays a recorded tree of conflicting settings files, with what each tool left behind.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use tune_host::RootedFiles;
use tune_linux::boot::{BootPlan, BootTool, Fields, Key, Trouble, decide, disagreement};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/linux/sysctl.d-conflict").join(name)
}

fn plan(tool: BootTool) -> BootPlan {
    BootPlan::read(&RootedFiles::new(fixture("tree")), tool)
}

/// The values of one part of a recording.
fn part(recording: &str, title: &str) -> Vec<(Key, String)> {
    let lines = recording.lines().skip_while(|line| *line != format!("### {title}")).skip(1);
    let values = lines.take_while(|line| !line.starts_with("###"));
    values
        .filter_map(|line| line.split_once(" = "))
        .map(|(key, value)| (key.parse().unwrap(), value.to_owned()))
        .collect()
}

fn fields(key: &Key, start: &str) -> Fields {
    match key.path() {
        "net/ipv4/tcp_tw_reuse" => Fields::unsigned(1, 0..=2),
        "net/ipv4/tcp_syncookies" => Fields::unsigned(1, 0..=255),
        "net/ipv4/tcp_notsent_lowat" => Fields::unsigned(1, 0..=i128::from(u32::MAX)),
        _ => Fields::signed(start.split('\t').count(), i128::from(i32::MIN)..=i128::from(i32::MAX)),
    }
}

fn replay(tool: BootTool, recording: &str) {
    let recording = std::fs::read_to_string(fixture(recording)).unwrap();
    let plan = plan(tool);
    let (before, after) = (part(&recording, "before"), part(&recording, "after"));
    assert_eq!((before.len(), after.len()), (29, 29));
    for ((key, start), (_, end)) in before.iter().zip(&after) {
        let predicted = decide(key, &plan).predict(start, &fields(key, start)).unwrap();
        assert_eq!(&predicted.shown, end, "{tool}: {key}");
    }
}

#[test]
fn systemd_leaves_what_was_recorded() {
    replay(BootTool::SystemdSysctl, "outcome-systemd-252.txt");
}

#[test]
fn procps_leaves_what_was_recorded() {
    replay(BootTool::Procps, "outcome-procps-4.0.2.txt");
}

#[test]
fn winners_masks_and_problems_are_named() {
    let plan = plan(BootTool::SystemdSysctl);
    let winner = |key: &str| decide(&key.parse().unwrap(), &plan).winner.map(|line| line.place.to_string());
    assert_eq!(winner("net.ipv4.tcp_max_syn_backlog").as_deref(), Some("/etc/sysctl.d/99-zz.conf:1"));
    assert_eq!(winner("net.ipv4.tcp_wmem").as_deref(), Some("/run/sysctl.d/55-run.conf:1"));
    assert_eq!(winner("net.ipv4.tcp_keepalive_probes"), None);
    assert_eq!(winner("net.ipv4.conf.all.rp_filter"), None);
    let masked: Vec<_> = plan.masked.iter().map(|masked| masked.file.display().to_string()).collect();
    assert_eq!(
        masked,
        ["/usr/local/lib/sysctl.d/55-run.conf", "/usr/lib/sysctl.d/60-b.conf", "/usr/lib/sysctl.d/70-c.conf"]
    );
    let problems: Vec<_> = plan.problems.iter().map(ToString::to_string).collect();
    assert!(
        problems.contains(&"/etc/sysctl.d/81-syntax.conf:11 is not an assignment".to_owned()),
        "{problems:?}"
    );
    assert!(plan.problems.iter().any(|problem| problem.trouble == Trouble::IsADirectory));
}

#[test]
fn the_tools_disagree_where_it_was_recorded() {
    let (systemd, procps) = (plan(BootTool::SystemdSysctl), plan(BootTool::Procps));
    let differs = |key: &str| disagreement(&key.parse().unwrap(), &systemd, &procps).is_some();
    assert!(differs("net.ipv4.tcp_max_syn_backlog"));
    assert!(differs("net.ipv4.tcp_retries1"));
    assert!(!differs("net.ipv4.tcp_fin_timeout"));
}
