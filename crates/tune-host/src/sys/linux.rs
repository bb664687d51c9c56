//! Linux: `/proc/sys`, and network namespaces.
//!
//! `/proc/sys/net` shows the network namespace of the calling *thread*, at the moment the file is opened.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use nix::sys::statfs::{NSFS_MAGIC, fstatfs};
use nix::unistd::{AccessFlags, access};
use tune_model::plan::Namespace;

use crate::files::plain;
use crate::host::{Description, Isolation, ReadError, WriteError};
use crate::live::NamespaceError;

/// Room for every number and row of numbers. The kernel answers a second `read` of those with nothing, so the first
/// must have room for everything.
const ROOM: usize = 4 << 10;
/// Room for the longest list, such as reserved ports.
const MORE_ROOM: usize = 64 << 10;

pub(crate) fn read_tunable(name: &str) -> Result<String, ReadError> {
    let path = crate::sysctl_path(name).ok_or_else(|| ReadError::BadName(name.to_owned()))?;
    let mut buffer = [0; ROOM];
    let read = File::open(&path).and_then(|mut file| file.read(&mut buffer));
    let bytes = match read {
        Ok(ROOM) => read_long(&path).map_err(|error| read_error(name, &error))?,
        Ok(length) => buffer[..length].to_vec(),
        Err(error) => return Err(read_error(name, &error)),
    };
    Ok(String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned())
}

fn read_long(path: &Path) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; MORE_ROOM];
    let length = File::open(path)?.read(&mut buffer)?;
    buffer.truncate(length);
    Ok(buffer)
}

fn read_error(name: &str, error: &io::Error) -> ReadError {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOENT | Errno::ENOTDIR) => ReadError::Missing(name.to_owned()),
        Some(Errno::EACCES | Errno::EPERM) => ReadError::Denied(name.to_owned()),
        _ => ReadError::Failed { name: name.to_owned(), reason: plain(error) },
    }
}

/// Writes in one piece: the kernel ignores every `write` but the first, and answers that it took it.
pub(crate) fn write_tunable(name: &str, value: &str) -> Result<(), WriteError> {
    let path = crate::sysctl_path(name).ok_or_else(|| WriteError::BadName(name.to_owned()))?;
    let text = format!("{value}\n");
    let written = OpenOptions::new().write(true).open(&path).and_then(|mut file| file.write(text.as_bytes()));
    match written {
        Ok(taken) if taken == text.len() => Ok(()),
        Ok(taken) => Err(WriteError::Short {
            name: name.to_owned(),
            value: value.to_owned(),
            taken,
            length: text.len(),
        }),
        Err(error) => Err(write_error(name, value, error.raw_os_error().map(Errno::from_raw), &error)),
    }
}

fn write_error(name: &str, value: &str, errno: Option<Errno>, error: &io::Error) -> WriteError {
    let name = name.to_owned();
    match errno {
        Some(Errno::ENOENT | Errno::ENOTDIR) => WriteError::Missing(name),
        Some(Errno::EACCES | Errno::EPERM) => WriteError::Denied(name),
        Some(Errno::EROFS) => WriteError::ReadOnly(name),
        Some(Errno::EINVAL | Errno::ERANGE) => WriteError::Refused { name, value: value.to_owned() },
        _ => WriteError::Failed { name, reason: plain(error) },
    }
}

/// Asks `access(2)`, which tells the truth about mode bits and read-only mounts alike.
pub(crate) fn writable_tunable(name: &str) -> Result<(), WriteError> {
    let path = crate::sysctl_path(name).ok_or_else(|| WriteError::BadName(name.to_owned()))?;
    access(&path, AccessFlags::W_OK).map_err(|errno| write_error(name, "", Some(errno), &errno.into()))
}

/// Says nothing: the kernel has texts only.
pub(crate) const fn describe_tunable(_name: &str) -> Option<Description> {
    None
}

/// Runs `work` in a network namespace, on a thread of its own that ends with it.
pub(crate) fn within<T: Send>(
    namespace: Option<&Namespace>,
    work: impl FnOnce() -> T + Send,
) -> Result<T, NamespaceError> {
    let Some(namespace) = namespace else { return Ok(work()) };
    if is_at(Path::new(OWN), namespace) {
        return Ok(work());
    }
    let file = open_namespace(namespace)?;
    let enter = || {
        setns(&file, CloneFlags::CLONE_NEWNET).map_err(|errno| failed(&namespace.name, &errno.into()))?;
        Ok(work())
    };
    std::thread::scope(|threads| {
        threads.spawn(enter).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// The namespace of the calling thread; `/proc/self` would show that of the first one.
const OWN: &str = "/proc/thread-self/ns/net";

pub(crate) fn own_namespace() -> Option<Namespace> {
    let found = std::fs::metadata(OWN).ok()?;
    Some(Namespace { name: String::new(), device: found.dev(), inode: found.ino() })
}

fn is_at(path: &Path, wanted: &Namespace) -> bool {
    std::fs::metadata(path).is_ok_and(|found| (found.dev(), found.ino()) == (wanted.device, wanted.inode))
}

/// Opens the very namespace that was meant: a name or process id may stand for another one by now, and the namespace
/// may go on under another.
fn open_namespace(wanted: &Namespace) -> Result<File, NamespaceError> {
    let path = namespace_path(&wanted.name).into_iter().chain(everywhere()).find(|path| is_at(path, wanted));
    let path = path.ok_or_else(|| NamespaceError::Missing(wanted.name.clone()))?;
    File::open(path).map_err(|error| failed(&wanted.name, &error))
}

/// Returns where namespaces can be found: by their names, wherever they are mounted, and at the processes in them.
fn everywhere() -> impl Iterator<Item = PathBuf> {
    let named = entries("/run/netns").map(|entry| entry.path()).chain(super::linux_namespaces::mounted());
    let processes = || entries("/proc").map(|entry| entry.path());
    let threads = processes().flat_map(|process| entries(process.join("task"))).map(|entry| entry.path());
    named.chain(processes().chain(threads).map(|thread| thread.join("ns/net")))
}

fn entries(directory: impl AsRef<Path>) -> impl Iterator<Item = std::fs::DirEntry> {
    std::fs::read_dir(directory).into_iter().flatten().flatten()
}

pub(crate) fn find_namespace(name: &str) -> Result<Namespace, NamespaceError> {
    let path = namespace_path(name).ok_or_else(|| NamespaceError::Missing(name.to_owned()))?;
    let file = File::open(&path).map_err(|error| failed(name, &error))?;
    let kind = fstatfs(&file).map_err(|errno| failed(name, &errno.into()))?.filesystem_type();
    if kind != NSFS_MAGIC {
        return Err(NamespaceError::NotOne(name.to_owned()));
    }
    let found = file.metadata().map_err(|error| failed(name, &error))?;
    Ok(Namespace { name: name.to_owned(), device: found.dev(), inode: found.ino() })
}

fn namespace_path(name: &str) -> Option<PathBuf> {
    if let Some(inode) = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        let inode: u64 = inode.parse().ok()?;
        return everywhere().find(|path| std::fs::metadata(path).is_ok_and(|found| found.ino() == inode));
    }
    if name.is_empty() || name.contains('/') || name.starts_with('.') {
        return None;
    }
    let named = Path::new("/run/netns").join(name);
    if !named.exists() && name.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Path::new("/proc").join(name).join("ns/net"));
    }
    Some(named)
}

fn failed(name: &str, error: &io::Error) -> NamespaceError {
    let name = name.to_owned();
    match error.kind() {
        io::ErrorKind::NotFound => NamespaceError::Missing(name),
        io::ErrorKind::PermissionDenied => NamespaceError::Denied(name),
        _ => NamespaceError::Failed { name, reason: plain(error) },
    }
}

/// A key that only the initial network namespace has.
const INITIAL_ONLY: &str = "/proc/sys/net/ipv4/tcp_mem";

pub(crate) fn isolation() -> Isolation {
    if Path::new(INITIAL_ONLY).exists() {
        return Isolation::None;
    }
    let identity = |path: &str| std::fs::metadata(path).map(|found| (found.dev(), found.ino())).ok();
    let of_init = identity("/proc/1/ns/net");
    match (of_init.is_some() && of_init == identity(OWN), shares_boot_files()) {
        (true, _) => Isolation::None,
        (false, Some(false)) => Isolation::NetworkAndFiles,
        (false, Some(true)) if of_init.is_some() => Isolation::NetworkOnly,
        (false, _) => Isolation::Unknown,
    }
}

/// Tells whether the boot files are those of the first process. That there is another mount namespace does not tell:
/// `ip netns exec` makes one that still shows the host's /etc.
fn shares_boot_files() -> Option<bool> {
    let mounted = |process: &str| {
        let text = std::fs::read_to_string(format!("/proc/{process}/mountinfo")).ok()?;
        covering_mount(&text, "/etc/sysctl.d")
    };
    Some(mounted("thread-self")? == mounted("1")?)
}

/// Returns device and root of the mount that a path is on. Source: proc_pid_mountinfo(5).
fn covering_mount(mountinfo: &str, path: &str) -> Option<(String, String)> {
    let mounts = mountinfo.lines().filter_map(|line| {
        let words: Vec<_> = line.split(' ').collect();
        let (device, root, point) = (words.get(2)?, words.get(3)?, words.get(4)?);
        Path::new(path).starts_with(point).then(|| (point.len(), (*device).to_owned(), (*root).to_owned()))
    });
    // Of mounts over one another the last one shows.
    mounts.max_by_key(|(length, ..)| *length).map(|(_, device, root)| (device, root))
}

pub(crate) fn boot_id() -> String {
    let read = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    read.map(|id| id.trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MOUNTS: &str = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
        40 22 0:35 /x /etc rw - overlay overlay rw\n41 40 0:36 / /etc/sysctl.d rw - tmpfs tmpfs rw\n";

    #[test]
    fn the_nearest_mount_that_shows_covers_a_path() {
        let found = |path| covering_mount(MOUNTS, path);
        assert_eq!(found("/etc/sysctl.d"), Some(("0:36".to_owned(), "/".to_owned())));
        assert_eq!(found("/etc/sysctl.conf"), Some(("0:35".to_owned(), "/x".to_owned())));
        assert_eq!(found("/etcetera"), Some(("8:1".to_owned(), "/".to_owned())));
        assert_eq!(covering_mount("22 1 8:1", "/"), None);
    }

    proptest! {
        #[test]
        fn any_list_of_mounts_is_read(
            text in ".{0,60}",
            lines in proptest::collection::vec("[0-9: /a-z\\\\-]{0,40}", 0..6),
            cut in 0..MOUNTS.len(),
        ) {
            for text in [text, lines.join("\n"), MOUNTS[..cut].to_owned()] {
                if let Some((device, root)) = covering_mount(&text, "/etc/sysctl.d") {
                    prop_assert!(text.contains(&device) && text.contains(&root));
                }
            }
        }
    }
}
