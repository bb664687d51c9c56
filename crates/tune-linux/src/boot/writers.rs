//! Other programs that write settings after the boot tool has run.

use std::path::{Path, PathBuf};

use tune_host::Files;

use super::keys::Key;
use super::plan::Place;

/// A program known to write settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum WriterKind {
    /// TuneD with an active profile.
    Tuned,
    /// The Docker daemon.
    Docker,
    /// A Kubernetes node: kubelet and kube-proxy.
    Kubernetes,
}

/// One key that a program is known to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriterSetting {
    /// The key.
    pub key: Key,
    /// The value, where a file says it; variables are left as they stand.
    pub value: Option<String>,
    /// The line that says it.
    pub place: Option<Place>,
}

/// A program found on the host that writes settings after boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writer {
    /// The program.
    pub kind: WriterKind,
    /// The file that shows it is in use.
    pub evidence: PathBuf,
    /// What it writes, as far as is known.
    pub settings: Vec<WriterSetting>,
}

const DOCKER: [&str; 4] =
    ["/etc/docker/daemon.json", "/run/docker.sock", "/usr/bin/dockerd", "/usr/sbin/dockerd"];
const DOCKER_KEYS: [&str; 3] =
    ["net/ipv4/ip_forward", "net/bridge/bridge-nf-call-iptables", "net/bridge/bridge-nf-call-ip6tables"];
const KUBERNETES: [&str; 2] = ["/var/lib/kubelet", "/etc/kubernetes"];
const KUBERNETES_KEYS: [&str; 4] = [
    "net/netfilter/nf_conntrack_max",
    "net/netfilter/nf_conntrack_tcp_timeout_established",
    "net/netfilter/nf_conntrack_tcp_timeout_close_wait",
    "net/ipv4/ip_forward",
];

/// Finds the programs on a host that are known to write settings after the boot tool.
#[must_use]
pub fn writers(files: &dyn Files) -> Vec<Writer> {
    let known = |kind, evidence: &[&str], keys: &[&str]| {
        let evidence = evidence.iter().map(Path::new).find(|path| files.kind(path).is_ok())?.to_owned();
        let setting = |path: &&str| WriterSetting { key: Key::from_path(*path), value: None, place: None };
        Some(Writer { kind, evidence, settings: keys.iter().map(setting).collect() })
    };
    let docker = known(WriterKind::Docker, &DOCKER, &DOCKER_KEYS);
    let kubernetes = known(WriterKind::Kubernetes, &KUBERNETES, &KUBERNETES_KEYS);
    [tuned(files), docker, kubernetes].into_iter().flatten().collect()
}

const ACTIVE_PROFILE: &str = "/etc/tuned/active_profile";
const PROFILE_DIRECTORIES: [&str; 4] =
    ["/etc/tuned/profiles", "/etc/tuned", "/usr/lib/tuned/profiles", "/usr/lib/tuned"];
/// Profiles that one profile may be built on, before it is called a loop.
const MAX_PROFILES: usize = 32;

/// TuneD names its profiles in one file, whether an administrator or TuneD itself chose them.
fn tuned(files: &dyn Files) -> Option<Writer> {
    let active = files.read(Path::new(ACTIVE_PROFILE)).ok()?;
    let active = String::from_utf8_lossy(&active);
    let mut pending: Vec<String> = active.split_whitespace().rev().map(str::to_owned).collect();
    if pending.is_empty() {
        return None;
    }
    let mut seen = Vec::new();
    let mut settings = Vec::new();
    while let Some(name) = pending.pop().filter(|_| seen.len() < MAX_PROFILES) {
        if seen.contains(&name) {
            continue;
        }
        if let Some((file, text)) = profile(files, &name) {
            let found = read_profile(&file, &text);
            settings.extend(found.settings);
            pending.extend(found.includes);
        }
        seen.push(name);
    }
    Some(Writer { kind: WriterKind::Tuned, evidence: ACTIVE_PROFILE.into(), settings })
}

fn profile(files: &dyn Files, name: &str) -> Option<(PathBuf, String)> {
    let plain = Path::new(name).components().count() == 1 && !name.starts_with(['/', '.']);
    let places = PROFILE_DIRECTORIES.iter().filter(|_| plain);
    let mut candidates = places.map(|directory| Path::new(directory).join(name).join("tuned.conf"));
    candidates.find_map(|file| {
        let text = files.read(&file).ok()?;
        Some((file, String::from_utf8_lossy(&text).into_owned()))
    })
}

#[derive(Default)]
struct ProfileFile {
    settings: Vec<WriterSetting>,
    includes: Vec<String>,
}

fn read_profile(file: &Path, text: &str) -> ProfileFile {
    let mut found = ProfileFile::default();
    let mut section = "";
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            section = name.trim();
        } else if let Some((name, value)) = line.split_once('=').filter(|_| !line.starts_with(['#', ';'])) {
            let (name, value) = (name.trim(), value.trim());
            match (section, name) {
                ("main", "include") => found.includes.extend(value.split([',', ';', ' ']).map(str::to_owned)),
                ("sysctl", _) => found.settings.extend(setting(file, number, name, value)),
                _ => {}
            }
        }
    }
    found.includes.retain(|name| !name.is_empty());
    found
}

fn setting(file: &Path, line: u32, name: &str, value: &str) -> Option<WriterSetting> {
    let key = Key::parse(name).ok()?;
    let place = Some(Place { file: file.to_owned(), line });
    Some(WriterSetting { key, value: Some(value.to_owned()), place })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tune_host::MemoryFiles;

    #[test]
    fn tuned_is_followed_through_its_includes() {
        let files = MemoryFiles::default()
            .with(ACTIVE_PROFILE, "web\n")
            .with("/etc/tuned/web/tuned.conf", "[main]\ninclude=throughput\n[sysctl]\nvm.swappiness=5\n")
            .with(
                "/usr/lib/tuned/profiles/throughput/tuned.conf",
                "[main]\ninclude = web\n[cpu]\na=1\n[sysctl]\n# c\nnet.core.somaxconn=>2048\n",
            );
        let found = writers(&files);
        assert_eq!(found.len(), 1);
        let shown: Vec<_> = found[0]
            .settings
            .iter()
            .map(|one| (one.key.dotted(), one.place.as_ref().map(ToString::to_string).unwrap_or_default()))
            .collect();
        assert_eq!(shown[0], ("vm.swappiness".into(), "/etc/tuned/web/tuned.conf:4".into()));
        assert_eq!(
            shown[1],
            ("net.core.somaxconn".into(), "/usr/lib/tuned/profiles/throughput/tuned.conf:7".into())
        );
    }

    #[test]
    fn containers_and_nodes_are_named() {
        let files = MemoryFiles::default().with("/usr/bin/dockerd", "").with_directory("/var/lib/kubelet");
        let kinds: Vec<_> = writers(&files).iter().map(|writer| writer.kind).collect();
        assert_eq!(kinds, [WriterKind::Docker, WriterKind::Kubernetes]);
        assert!(writers(&MemoryFiles::default()).is_empty());
    }

    proptest! {
        #[test]
        fn never_panics(text in r"(\[[a-z]*\]?|[a-z.]+ ?= ?[a-z]*|\n|.){0,20}") {
            let _ = read_profile(Path::new("/x"), &text);
        }
    }
}
