//! Linux: where the network namespaces of the host are.
//!
//! A namespace lives as long as a thread is in it, a file system shows it, or a descriptor or socket of it is open.
//! The last are not looked for: it would take a look at every descriptor of every process.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tune_model::plan::Namespace;

use super::linux::own_namespace;
use super::linux_processes::{command, each_process};
use crate::sockets::NetworkNamespace;

/// Where tools give namespaces names: iproute2, and Docker.
const NAMED: [&str; 2] = ["/run/netns", "/run/docker/netns"];

#[derive(Default)]
struct Found {
    name: Option<PathBuf>,
    /// The processes whose first thread is in it.
    processes: Vec<i32>,
    /// Those that only have other threads in it.
    visitors: Vec<i32>,
}

pub(crate) fn network_namespaces() -> Vec<NetworkNamespace> {
    let mut found: BTreeMap<(u64, u64), Found> = BTreeMap::new();
    for path in mounted() {
        if let Some(identity) = identity(&path) {
            found.entry(identity).or_default().name.get_or_insert(path);
        }
    }
    each_process(&mut |pid| {
        let first = identity(&PathBuf::from(format!("/proc/{pid}/ns/net")));
        for identity in of_threads(pid) {
            let found = found.entry(identity).or_default();
            if Some(identity) == first { &mut found.processes } else { &mut found.visitors }.push(pid);
        }
    });
    let own = own_namespace().map(|own| (own.device, own.inode));
    let first = identity(Path::new("/proc/1/ns/net"));
    let mut list: Vec<_> = found.iter().map(|(identity, found)| described(*identity, found, own)).collect();
    list.sort_by_key(|namespace| {
        let identity = (namespace.namespace.device, namespace.namespace.inode);
        (Some(identity) != first, namespace.process.as_ref().map_or(i32::MAX, |(pid, _)| *pid))
    });
    list
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

/// Returns the namespaces that the threads of a process are in; mostly it is one.
fn of_threads(pid: i32) -> Vec<(u64, u64)> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let mut found: Vec<_> = tasks.filter_map(|task| identity(&task.path().join("ns/net"))).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Returns where namespaces are mounted: below the directories for that, and wherever else mounts show them.
pub(super) fn mounted() -> Vec<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/thread-self/mountinfo").unwrap_or_default();
    let mut paths: Vec<_> = mount_points(&mounts).collect();
    paths.sort_by_key(|path| NAMED.iter().position(|named| path.starts_with(named)).unwrap_or(NAMED.len()));
    paths
}

/// Returns the mount points of network namespaces. Source: proc_pid_mountinfo(5): the fourth field is `net:[N]`.
fn mount_points(mountinfo: &str) -> impl Iterator<Item = PathBuf> {
    mountinfo.lines().filter_map(|line| {
        let words: Vec<_> = line.split(' ').collect();
        let (root, point) = (words.get(3)?, words.get(4)?);
        root.starts_with("net:[").then(|| PathBuf::from(unescaped(point)))
    })
}

/// The kernel writes blanks and backslashes as three octal digits.
fn unescaped(text: &str) -> String {
    let escapes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    escapes.iter().fold(text.to_owned(), |text, (escape, character)| text.replace(escape, character))
}

fn described(identity: (u64, u64), found: &Found, own: Option<(u64, u64)>) -> NetworkNamespace {
    let file_name = |path: &PathBuf| Some(path.file_name()?.to_string_lossy().into_owned());
    let in_netns = found.name.as_ref().filter(|path| path.starts_with(NAMED[0])).and_then(file_name);
    let inside = found.processes.iter().min().copied();
    let lowest = inside.or_else(|| found.visitors.iter().min().copied());
    let container = lowest.and_then(|pid| {
        container(&std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default())
    });
    let chosen = in_netns.clone().or_else(|| inside.map(|pid| pid.to_string()));
    NetworkNamespace {
        namespace: Namespace {
            name: chosen.unwrap_or_else(|| format!("[{}]", identity.1)),
            device: identity.0,
            inode: identity.1,
        },
        label: in_netns.or(container).or_else(|| found.name.as_ref().and_then(file_name)),
        process: lowest.map(|pid| (pid, command(pid))),
        processes: found.processes.len() + found.visitors.len(),
        own: own == Some(identity),
    }
}

/// How those that run containers name their control groups: what stands before the container's id or name.
const CONTAINERS: [&str; 8] = [
    "docker-",
    "libpod-payload-",
    "libpod-",
    "cri-containerd-",
    "crio-",
    "lxc.payload.",
    "machine-",
    "systemd-nspawn@",
];

/// Returns the name, or the short id, of the container whose control group this is. Source: proc_pid_cgroup(5); the
/// names are those that Docker, Podman, containerd, CRI-O, LXC and systemd-nspawn give.
fn container(cgroup: &str) -> Option<String> {
    let parts = cgroup.lines().filter_map(|line| line.splitn(3, ':').nth(2)).flat_map(|path| path.split('/'));
    let named = |part: &str| {
        let stem = part.strip_suffix(".scope").or_else(|| part.strip_suffix(".service")).unwrap_or(part);
        let name = CONTAINERS.iter().find_map(|prefix| stem.strip_prefix(prefix));
        name.or_else(|| is_id(stem).then_some(stem)).map(short)
    };
    parts.filter_map(named).next_back()
}

fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Ids are shown with twelve digits, as `docker ps` does.
fn short(name: &str) -> String {
    if is_id(name) { name[..12].to_owned() } else { name.replace("\\x2d", "-") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn containers_are_named_by_their_control_groups() {
        let cases = [
            (format!("0::/system.slice/docker-{ID}.scope\n"), Some("0123456789ab")),
            (format!("12:pids:/docker/{ID}\n0::/docker/{ID}\n"), Some("0123456789ab")),
            (
                format!("0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-{ID}.scope\n"),
                Some("0123456789ab"),
            ),
            (format!("0::/machine.slice/libpod-{ID}.scope/container\n"), Some("0123456789ab")),
            ("0::/lxc.payload.web/system.slice/nginx.service\n".to_owned(), Some("web")),
            ("0::/machine.slice/machine-my\\x2dvm.scope\n".to_owned(), Some("my-vm")),
            ("0::/system.slice/nginx.service\n".to_owned(), None),
            ("0::/\n".to_owned(), None),
        ];
        for (cgroup, name) in cases {
            assert_eq!(container(&cgroup).as_deref(), name, "{cgroup}");
        }
    }

    #[test]
    fn mounts_of_namespaces_are_found() {
        let mounts = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
            50 22 0:4 net:[4026532001] /run/netns/blue rw - nsfs nsfs rw\n\
            51 22 0:4 mnt:[4026532002] /run/snapd/ns/x.mnt rw - nsfs nsfs rw\n\
            52 22 0:4 net:[4026532003] /srv/a\\040b rw - nsfs nsfs rw\n";
        let found: Vec<_> = mount_points(mounts).collect();
        assert_eq!(found, [Path::new("/run/netns/blue"), Path::new("/srv/a b")]);
    }

    #[test]
    fn the_own_namespace_is_found() {
        let found = network_namespaces();
        assert_eq!(found.iter().filter(|namespace| namespace.own).count(), 1);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "[0-9:/a-z.\\\\\\-\n ]{0,80}") {
            let _ = container(&text);
            prop_assert!(mount_points(&text).count() <= text.lines().count());
        }
    }
}
