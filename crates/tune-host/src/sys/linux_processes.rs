//! Linux: which processes have which sockets open, from `/proc/PID/fd`.
//!
//! A process with many connections has a descriptor for each, and the kernel is asked for every one: what is done for
//! one is a single call into a buffer on the stack, and nothing is allocated.

use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::{CWD, Mode, OFlags, RawDir, openat, readlinkat_raw};
use rustix::io::Errno;

use crate::sockets::{SocketHolder, SocketHolders};

/// Room for the names of about a thousand descriptors.
const NAMES: usize = 32 << 10;
/// Room for the longest link of interest; others are cut off and are not of interest.
const LINK: usize = 32;
/// How links to sockets begin.
const SOCKET: &[u8] = b"socket:[";

/// How many threads look at processes.
const MOST_THREADS: usize = 4;

pub(crate) fn socket_holders(only: Option<&[i32]>, wanted: &(dyn Fn(u64) -> bool + Sync)) -> SocketHolders {
    let pids = only.map_or_else(all_processes, <[i32]>::to_vec);
    let threads = (1 + idle_processors()).min(MOST_THREADS);
    let next = AtomicUsize::new(0);
    let look = || {
        let mut found = SocketHolders::default();
        while let Some(pid) = pids.get(next.fetch_add(1, Ordering::Relaxed)) {
            look_into(*pid, wanted, &mut found);
        }
        found
    };
    let mut found = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(pids.len())).map(|_| scope.spawn(look)).collect();
        let joined = |thread: std::thread::ScopedJoinHandle<'_, _>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        others.into_iter().map(joined).fold(look(), together)
    });
    found.holders.sort_unstable_by_key(|holder| holder.pid);
    found
}

pub(crate) fn idle_processors() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let running = std::fs::read_to_string("/proc/loadavg").ok().and_then(|text| running(&text));
    processors.saturating_sub(running.unwrap_or(1).max(1))
}

/// Returns how many threads run or could run, this one included. Source: proc_loadavg(5): the number before the slash.
fn running(loadavg: &str) -> Option<usize> {
    loadavg.split(' ').nth(3)?.split_once('/')?.0.parse().ok()
}

fn together(mut one: SocketHolders, other: SocketHolders) -> SocketHolders {
    one.holders.extend(other.holders);
    one.unreadable += other.unreadable;
    one
}

fn look_into(pid: i32, wanted: &(dyn Fn(u64) -> bool + Sync), found: &mut SocketHolders) {
    match sockets_of(pid, wanted) {
        Ok(sockets) if sockets.is_empty() => {}
        Ok(sockets) => found.holders.push(described(pid, sockets)),
        Err(Errno::ACCESS | Errno::PERM) => found.unreadable += 1,
        // It has ended meanwhile.
        Err(_) => {}
    }
}

fn all_processes() -> Vec<i32> {
    let mut pids = Vec::new();
    each_process(&mut |pid| pids.push(pid));
    pids
}

/// Calls for each process. Its threads share its descriptors.
pub(super) fn each_process(look: &mut dyn FnMut(i32)) {
    let _ = each_number(Path::new("/proc"), &mut |_, name| {
        if let Some(pid) = number(name).and_then(|pid| i32::try_from(pid).ok()) {
            look(pid);
        }
    });
}

/// Calls for each name in a directory, with the directory.
fn each_number(directory: &Path, each: &mut dyn FnMut(BorrowedFd<'_>, &std::ffi::CStr)) -> Result<(), Errno> {
    use std::os::fd::AsFd;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory: OwnedFd = openat(CWD, directory, flags, Mode::empty())?;
    let mut room = vec![MaybeUninit::uninit(); NAMES];
    let mut entries = RawDir::new(&directory, &mut room);
    while let Some(entry) = entries.next() {
        each(directory.as_fd(), entry?.file_name());
    }
    Ok(())
}

fn number(name: &std::ffi::CStr) -> Option<u64> {
    digits(name.to_bytes())
}

fn digits(bytes: &[u8]) -> Option<u64> {
    let add = |sum: u64, digit: &u8| {
        digit.is_ascii_digit().then(|| sum.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')))
    };
    if bytes.is_empty() || bytes.len() > 19 { None } else { bytes.iter().try_fold(0, add) }
}

fn sockets_of(pid: i32, wanted: &(dyn Fn(u64) -> bool + Sync)) -> Result<Vec<u64>, Errno> {
    let mut sockets = Vec::new();
    let path = format!("/proc/{pid}/fd");
    each_number(Path::new(&path), &mut |directory, name| {
        let mut room = [MaybeUninit::uninit(); LINK];
        if let Ok((link, _)) = readlinkat_raw(directory, name, &mut room)
            && let Some(inode) = inode_of(link)
            && wanted(inode)
        {
            sockets.push(inode);
        }
    })?;
    Ok(sockets)
}

/// Returns the inode of the socket that a link of a descriptor names.
fn inode_of(link: &[u8]) -> Option<u64> {
    digits(link.strip_prefix(SOCKET)?.strip_suffix(b"]")?)
}

fn described(pid: i32, sockets: Vec<u64>) -> SocketHolder {
    SocketHolder { pid, command: command(pid), uid: effective_user(pid), sockets }
}

/// Returns the name of a process's program; empty when it has ended.
pub(super) fn command(pid: i32) -> String {
    let read = std::fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    String::from_utf8_lossy(read.strip_suffix(b"\n").unwrap_or(&read)).into_owned()
}

/// Source: proc_pid_status(5): real, effective, saved, of the file system.
fn effective_user(pid: i32) -> Option<u32> {
    field(pid, "Uid:")?.split_whitespace().nth(1)?.parse().ok()
}

fn field(pid: i32, name: &str) -> Option<String> {
    let status = std::fs::read(format!("/proc/{pid}/status")).ok()?;
    let status = String::from_utf8_lossy(&status);
    status.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
}

/// No chain of processes is longer; one that seems so was read while processes ended.
const GENERATIONS: usize = 256;

pub(crate) fn ancestors() -> Vec<i32> {
    let own = i32::try_from(std::process::id()).ok();
    let parent = |pid: &i32| field(*pid, "PPid:")?.parse::<i32>().ok().filter(|parent| *parent > 0);
    std::iter::successors(own, parent).take(GENERATIONS).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn links_of_sockets_have_a_number() {
        let cases: [(&[u8], _); 6] = [
            (b"socket:[280104]", Some(280_104)),
            (b"socket:[]", None),
            (b"socket:[12", None),
            (b"pipe:[12]", None),
            (b"/tmp/socket:[12]", None),
            (b"socket:[12x]", None),
        ];
        for (link, inode) in cases {
            assert_eq!(inode_of(link), inode);
        }
    }

    #[test]
    fn this_process_holds_its_own_sockets() {
        let (ours, copy) = std::os::unix::net::UnixStream::pair().unwrap();
        let again = ours.try_clone().unwrap();
        let inode = std::fs::metadata(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&ours)));
        let inode = inode.unwrap().ino();
        let pid = i32::try_from(std::process::id()).unwrap();
        for only in [None, Some(&[pid][..])] {
            let found = socket_holders(only, &|wanted| wanted == inode);
            let mine = found.holders.iter().find(|holder| holder.pid == pid).unwrap();
            assert_eq!(mine.sockets, [inode, inode]);
            assert_eq!(mine.uid, Some(nix::unistd::geteuid().as_raw()));
            assert!(!mine.command.is_empty());
        }
        assert!(socket_holders(Some(&[]), &|_| true).holders.is_empty());
        drop((again, copy));
    }

    #[test]
    fn the_number_of_running_threads_is_read() {
        assert_eq!(running("0.20 0.18 0.12 3/80 11206\n"), Some(3));
        assert_eq!(running("0.20 0.18"), None);
        assert!(idle_processors() < std::thread::available_parallelism().unwrap().get());
    }

    #[test]
    fn ancestors_begin_with_this_process_and_its_parent() {
        let found = ancestors();
        assert_eq!(found[0], i32::try_from(std::process::id()).unwrap());
        assert_eq!(found[1], nix::unistd::getppid().as_raw());
    }
}
