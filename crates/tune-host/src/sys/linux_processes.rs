//! Linux: which processes have which sockets open, from `/proc/PID/fd`.
//!
//! A process with many connections has a descriptor for each, and the kernel is asked for every one: what is done for
//! one is a single call into a buffer on the stack, and nothing is allocated. Names that follow from the one before are
//! not asked for.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::{CWD, Mode, OFlags, RawDir, SeekFrom, openat, readlinkat_raw, seek};
use rustix::io::Errno;
use rustix::path::{Arg, DecInt};

use crate::sockets::{SocketHolder, SocketHolders};

/// Room for the names of about a thousand processes.
const PROCESSES: usize = 32 << 10;
/// Room for the names of about eighty descriptors.
const DESCRIPTORS: usize = 2 << 10;
/// Room for the longest link of interest; others are cut off and are not of interest.
const LINK: usize = 32;
/// Where the kernel has the processes.
const PROC: &str = "/proc";
/// How links to sockets begin.
const SOCKET: &[u8] = b"socket:[";

/// How many threads look at processes.
const MOST_THREADS: usize = 4;

pub(crate) fn socket_holders(only: Option<&[i32]>, wanted: &(dyn Fn(u64) -> bool + Sync)) -> SocketHolders {
    let Ok(processes) = open_directory(CWD, PROC) else { return SocketHolders::default() };
    let pids = only.map_or_else(|| all_in(&processes), <[i32]>::to_vec);
    let threads = (1 + idle_processors()).min(MOST_THREADS);
    let next = AtomicUsize::new(0);
    let look = || {
        let mut found = SocketHolders::default();
        while let Some(pid) = pids.get(next.fetch_add(1, Ordering::Relaxed)) {
            look_into(&processes, *pid, wanted, &mut found);
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

fn look_into(
    processes: &OwnedFd,
    pid: i32,
    wanted: &(dyn Fn(u64) -> bool + Sync),
    found: &mut SocketHolders,
) {
    match sockets_of(processes, pid, wanted) {
        Ok(sockets) if sockets.is_empty() => {}
        Ok(sockets) => found.holders.push(described(pid, sockets)),
        Err(Errno::ACCESS | Errno::PERM) => found.unreadable += 1,
        // It has ended meanwhile.
        Err(_) => {}
    }
}

fn open_directory(within: impl AsFd, path: impl Arg) -> Result<OwnedFd, Errno> {
    openat(within, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// Calls for each process. Its threads share its descriptors.
pub(super) fn each_process(look: &mut dyn FnMut(i32)) {
    if let Ok(processes) = open_directory(CWD, PROC) {
        all_in(&processes).into_iter().for_each(look);
    }
}

fn all_in(processes: &OwnedFd) -> Vec<i32> {
    let mut pids = Vec::new();
    let mut room = vec![MaybeUninit::uninit(); PROCESSES];
    let mut names = RawDir::new(processes, &mut room);
    while let Some(Ok(entry)) = names.next() {
        pids.extend(number(entry.file_name()).and_then(|pid| i32::try_from(pid).ok()));
    }
    pids
}

fn number(name: &CStr) -> Option<u64> {
    digits(name.to_bytes())
}

fn digits(bytes: &[u8]) -> Option<u64> {
    let add = |sum: u64, digit: &u8| {
        digit.is_ascii_digit().then(|| sum.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')))
    };
    if bytes.is_empty() || bytes.len() > 19 { None } else { bytes.iter().try_fold(0, add) }
}

/// Returns where the kernel is in its list of descriptors when it comes to one: two names are before the first. Source:
/// fs/proc/fd.c `proc_readfd_common`.
const fn place_of(descriptor: u64) -> u64 {
    descriptor + 2
}

/// Returns the sockets that are wanted of a process, as often as it has descriptors for them.
fn sockets_of(
    processes: &OwnedFd,
    pid: i32,
    wanted: &(dyn Fn(u64) -> bool + Sync),
) -> Result<Vec<u64>, Errno> {
    let mut sockets = Vec::new();
    let directory = open_directory(processes, format!("{pid}/fd"))?;
    let mut room = [MaybeUninit::uninit(); DESCRIPTORS];
    let mut names = RawDir::new(&directory, &mut room);
    while let Some(entry) = names.next() {
        let entry = entry?;
        let Some(descriptor) = number(entry.file_name()) else { continue };
        match socket_at(&directory, entry.file_name()) {
            Ok(socket) => sockets.extend(socket.filter(|inode| wanted(*inode))),
            // None of this process may be looked at: that is decided for all of its descriptors alike.
            Err(Errno::ACCESS | Errno::PERM) => break,
            // It was closed meanwhile.
            Err(_) => {}
        }
        // The list would go on with the next number.
        let follows = entry.next_entry_cookie() == place_of(descriptor + 1);
        if follows && names.is_buffer_empty() {
            let end = each_in_sequence(&directory, descriptor + 1, &mut |socket| {
                sockets.extend(socket.filter(|inode| wanted(*inode)));
            });
            seek(&directory, SeekFrom::Start(place_of(end)))?;
        }
    }
    Ok(sockets)
}

/// Calls for each descriptor from a number on, with the socket that it is for, and returns the first number that there is
/// none with. To try them takes less time than to have them listed: the kernel looks each up for its name, too.
fn each_in_sequence(directory: &OwnedFd, from: u64, look: &mut dyn FnMut(Option<u64>)) -> u64 {
    let mut descriptor = from;
    while let Ok(socket) = socket_at(directory, DecInt::new(descriptor)) {
        look(socket);
        descriptor += 1;
    }
    descriptor
}

/// Returns the inode of the socket that a descriptor is for, where it is for one.
fn socket_at(directory: &OwnedFd, name: impl Arg) -> Result<Option<u64>, Errno> {
    let mut room = [MaybeUninit::uninit(); LINK];
    let (link, _) = readlinkat_raw(directory, name, &mut room)?;
    Ok(inode_of(link))
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
    fn no_descriptor_is_missed_or_found_twice() {
        let (ours, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        let stat = rustix::fs::fstat(&ours).unwrap();
        let pid = i32::try_from(std::process::id()).unwrap();
        let held = || {
            let found = socket_holders(Some(&[pid]), &|wanted| wanted == stat.st_ino);
            found.holders[0].sockets.len()
        };
        // From places far behind each other, more than are listed at once, then with holes.
        let copy_at = |at| rustix::io::fcntl_dupfd_cloexec(&ours, at).unwrap();
        let mut copies: Vec<_> = [0, 300, 301, 700].into_iter().map(copy_at).collect();
        copies.extend((0..250).map(|_| copy_at(0)));
        assert_eq!(held(), 255);
        let mut number = 0;
        copies.retain(|_| {
            number += 1;
            number % 100 != 0
        });
        assert_eq!((copies.len(), held()), (252, 253));
        copies.truncate(4);
        assert_eq!(held(), 5);
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
