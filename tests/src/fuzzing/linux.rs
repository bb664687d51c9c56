//! The files that Linux starts with, and what its kernel says.

use std::path::Path;

use tune_host::{Around, Backend, Files, MemoryFiles, Scope};
use tune_linux::Linux;
use tune_linux::boot::{
    self, BootPlan, BootTool, Key, command_line_settings, decide, may_comment_out, module_of, writers,
};
use tune_model::claim::ScopeClaims;
use tune_model::{Catalog, Setting, Slot, System};

use super::host::{Memory, claims, there_and_back};

const TIMEOUT: &str = "net.ipv4.tcp_fin_timeout";
const FILE: &str = "/etc/sysctl.d/50-other.conf";
const TOOLS: [BootTool; 3] = [BootTool::SystemdSysctl, BootTool::Procps, BootTool::OpenrcBusybox];

/// Reads the same bytes as a file of settings in a tree, as each of the boot tools would.
pub fn sysctl_tree_linux(bytes: &[u8]) {
    let files = MemoryFiles::default()
        .with(FILE, bytes)
        .with("/etc/sysctl.conf", bytes)
        .with("/usr/lib/sysctl.d/10-vendor.conf", "net.ipv4.tcp_fin_timeout = 50\nnet.ipv4.*.x = 1\n");
    let key: Key = TIMEOUT.parse().unwrap();
    for tool in TOOLS {
        let plan = BootPlan::read(&files, tool);
        for assignment in &plan.assignments {
            is_inside(&files, &assignment.place);
            if let Some(key) = assignment.key() {
                assert!(!key.path().split('/').any(|part| part == ".."), "{}", assignment.name);
            }
            drop(assignment.value_text());
        }
        plan.problems.iter().for_each(|problem| is_inside(&files, &problem.place));
        let decision = decide(&key, &plan);
        if let Some(winner) = decision.winner {
            assert!(plan.assignments.contains(winner));
            drop(may_comment_out(&files, &winner.place));
        }
    }
}

fn is_inside(files: &MemoryFiles, place: &boot::Place) {
    let Ok(content) = files.read(&place.file) else { return };
    assert!(place.line <= super::lines(&content), "{place}");
}

/// Writes the boot file beside a file of somebody else, whose lines are taken over where they would win; then takes it
/// all back.
pub fn sysctl_line_taken_over(bytes: &[u8]) {
    const LATER: &str = "/etc/sysctl.d/zzz.conf";
    let tools: [&[&str]; 2] = [
        &["/usr/lib/systemd/systemd-sysctl", "/run/systemd/system/x"],
        &["/etc/init.d/procps", "/usr/sbin/sysctl"],
    ];
    for tool in tools {
        let files = MemoryFiles::default().with(LATER, bytes).with("/etc/sysctl.conf", bytes);
        let files = tool.iter().fold(files, |files, path| files.with(path, ""));
        let values = [(TIMEOUT, "60".to_owned())].into();
        let host = Memory { files, values, scope: None };
        let backend = Linux::on(&host);
        there_and_back(
            host,
            &backend,
            &claims(&[(TIMEOUT, "30")]),
            &[LATER, "/etc/sysctl.conf", boot_file()],
        );
    }
    for line in 0..=super::lines(bytes).min(8) {
        let silenced = boot::comment_out(bytes, line);
        if silenced != bytes {
            let original = bytes.split(|byte| *byte == b'\n').nth(line as usize - 1).unwrap();
            let restored = boot::restore(&silenced, original).unwrap();
            assert_eq!(restored.len(), bytes.len());
        }
    }
}

const fn boot_file() -> &'static str {
    tune_linux::BOOT_FILE
}

/// Reads a kernel command line.
pub fn kernel_command_line(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for setting in command_line_settings(&text) {
        assert_eq!(Key::parse(&setting.key.dotted()), Ok(setting.key.clone()));
        assert!(setting.value.len() <= text.len());
        if setting.value.contains(|c: char| c.is_whitespace() || c == '"') {
            continue;
        }
        let again = command_line_settings(&format!("sysctl.{}={}", setting.key.path(), setting.value));
        assert!(setting.key.path().contains(['.', '"']) || again == [setting], "{text:?}");
    }
}

/// Reads what loads modules, and the profiles of TuneD.
pub fn modules(bytes: &[u8]) {
    let files = MemoryFiles::default()
        .with("/etc/modules-load.d/x.conf", bytes)
        .with("/etc/modules", bytes)
        .with("/etc/tuned/active_profile", "x y\n")
        .with("/etc/tuned/x/tuned.conf", bytes)
        .with("/usr/lib/tuned/y/tuned.conf", bytes);
    let key: Key = "net.netfilter.nf_conntrack_max".parse().unwrap();
    let module = module_of(&files, &key).unwrap();
    if let Some(place) = module.loaded_by {
        assert!(place.line >= 1);
        is_inside(&files, &place);
    }
    for writer in writers(&files) {
        writer
            .settings
            .iter()
            .filter_map(|setting| setting.place.as_ref())
            .for_each(|place| is_inside(&files, place));
    }
    let named = MemoryFiles::default()
        .with("/etc/tuned/active_profile", bytes)
        .with("/etc/tuned/x/tuned.conf", bytes);
    drop(writers(&named));
}

/// The files of the kernel that are read.
const TEXTS: [&str; 6] = [
    "/proc/net/sockstat",
    "/proc/meminfo",
    "/proc/zoneinfo",
    "/proc/cmdline",
    "/proc/sys/net/netfilter/nf_conntrack_count",
    "/proc/sys/fs/file-nr",
];

/// Values that are held against what the kernel counts.
const JUDGED: [(&str, Option<usize>); 7] = [
    ("net.ipv4.tcp_mem", Some(2)),
    ("net.ipv4.udp_mem", Some(2)),
    ("net.ipv4.tcp_max_orphans", None),
    ("net.ipv4.tcp_max_tw_buckets", None),
    ("net.netfilter.nf_conntrack_max", None),
    ("fs.file-max", None),
    ("vm.min_free_kbytes", None),
];

/// Reads the same bytes as each text of the kernel, and as the value of each tunable.
pub fn proc_text(bytes: &[u8]) {
    let files = TEXTS.iter().fold(MemoryFiles::default(), |files, path| files.with(path, bytes));
    let text = String::from_utf8_lossy(bytes);
    let rows = || Catalog::of(System::Linux).iter();
    let values = rows().map(|row| (row.name.as_str(), text.trim_end().to_owned())).collect();
    let host = Memory { files, values, scope: None };
    let backend = Linux::on(&host);
    drop(backend.scale(&host));
    let names = rows().map(|row| row.name.clone()).collect();
    drop(backend.read(&host, &names, &ScopeClaims::default()));
    for (tunable, field) in JUDGED {
        let slot = Slot { tunable: tunable.to_owned(), field };
        let around = Around { present: Some(&text), after: &text, values: &host.values_of() };
        drop(backend.hazard(&host, &slot, "5", &around));
        drop(backend.hazard(&host, &slot, &text, &around));
        drop(backend.unstorable(&host, tunable, &text));
    }
    let values = host.values_of();
    for setting in Setting::ALL {
        drop(backend.assess(*setting, &values));
        drop(backend.storable(*setting, &values));
    }
    let image = Memory { scope: Some(Scope::Image(Path::new("/mnt").into())), ..host };
    drop(Linux::on(&image).boot_story(&image, TIMEOUT));
}
