//! Half-closed connections of other processes, in network namespaces of their own, and what is known of each.
//!
//! The processes are the program `tune-half-close` of this package, and end with the values here.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc)] // Whatever cannot be had fails the test.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, getrlimit};

/// Runs a test on a thread of its own in a fresh network namespace, whose loopback interface is up.
pub fn in_a_namespace<T: Send>(test: impl FnOnce() -> T + Send) -> T {
    let enter = || {
        let own = || std::fs::read_link("/proc/thread-self/ns/net").unwrap();
        let outside = own();
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        assert_ne!(outside, own(), "still in the network namespace of the machine");
        assert!(Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap().success());
        test()
    };
    let ended = std::thread::scope(|threads| threads.spawn(enter).join());
    ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Sets the FIN_WAIT_2 timeout of the namespace that the calling thread is in, in seconds.
pub fn set_fin_timeout(seconds: u32) {
    std::fs::write("/proc/sys/net/ipv4/tcp_fin_timeout", format!("{seconds}\n")).unwrap();
}

/// Returns how many descriptors a process may have.
#[must_use]
pub fn most_descriptors() -> usize {
    getrlimit(Resource::RLIMIT_NOFILE).unwrap().1.try_into().unwrap()
}

/// A running `tune-half-close`.
#[derive(Debug)]
struct Running {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Running {
    fn start(program: &Path, user: u32, words: &[String]) -> Self {
        let mut command = Command::new(program);
        command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped());
        if user != 0 {
            command.uid(user).gid(user);
        }
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output }
    }

    fn pid(&self) -> i32 {
        self.child.id().try_into().unwrap()
    }

    /// Returns what it prints until it is ready.
    fn until_ready(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "it ended after {lines:?}");
            match line.trim_end() {
                "ready" => return lines,
                line => lines.push(line.to_owned()),
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processes that keep the other side of connections open.
#[derive(Debug)]
pub struct Peers {
    running: Vec<Running>,
    /// Where connections can be made to, IPv4 and IPv6 in turn.
    pub addresses: Vec<SocketAddr>,
}

impl Peers {
    /// Starts as many processes as it takes to keep so many connections.
    #[must_use]
    pub fn for_connections(program: &Path, many: usize) -> Self {
        // Connections are made to all addresses in turn, so that each process gets the same.
        let processes = many / (most_descriptors() - 100) + 1;
        let mut peers = Self { running: Vec::new(), addresses: Vec::new() };
        for _ in 0..processes {
            let mut running = Running::start(program, 0, &["peer".to_owned(), "2".to_owned()]);
            for line in running.until_ready() {
                let port: u16 = line.strip_prefix("port ").unwrap().parse().unwrap();
                peers.addresses.extend(
                    [("127.0.0.1", port), ("::1", port)]
                        .map(|(address, port)| SocketAddr::new(address.parse().unwrap(), port)),
                );
            }
            peers.running.push(running);
        }
        peers
    }

    /// Returns the ids of the processes.
    #[must_use]
    pub fn pids(&self) -> Vec<i32> {
        self.running.iter().map(Running::pid).collect()
    }
}

/// A connection that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The address of the side that closed.
    pub local: SocketAddr,
    /// The address of the side that did not.
    pub remote: SocketAddr,
    /// The number of the socket, where a process still has it.
    pub inode: Option<u64>,
}

/// A process that closed connections.
#[derive(Debug)]
pub struct Closer {
    running: Running,
    user: u32,
    /// The connections that it made.
    pub made: Vec<Made>,
}

/// What a [`Closer`] is to do.
#[derive(Debug, Clone, Copy, Default)]
pub struct Work {
    /// How many connections it closes in one direction, and holds.
    pub held: usize,
    /// How many it closes altogether.
    pub orphaned: usize,
    /// How many further descriptors of each held one it keeps.
    pub copies: usize,
    /// Which user it is.
    pub user: u32,
}

impl Closer {
    /// Starts several at once, and waits until their connections are made.
    #[must_use]
    pub fn all(program: &Path, peers: &Peers, work: &[Work]) -> Vec<Self> {
        let start = |work: &Work| {
            let numbers = [work.held, work.orphaned, work.copies].map(|number| number.to_string());
            let addresses = peers.addresses.iter().map(ToString::to_string);
            let words: Vec<_> = ["close".to_owned()].into_iter().chain(numbers).chain(addresses).collect();
            (Running::start(program, work.user, &words), work.user)
        };
        let started: Vec<_> = work.iter().map(start).collect();
        let ready = |(mut running, user): (Running, u32)| {
            let made = running.until_ready().iter().map(|line| made(line)).collect();
            Self { running, user, made }
        };
        started.into_iter().map(ready).collect()
    }

    /// Returns its id.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.running.pid()
    }

    /// Returns the user that it runs as.
    #[must_use]
    pub const fn user(&self) -> u32 {
        self.user
    }

    /// Returns the connections that it holds.
    pub fn held(&self) -> impl Iterator<Item = &Made> {
        self.made.iter().filter(|made| made.inode.is_some())
    }

    /// Lets it look at the connections that it holds and end; returns those that it found aborted.
    #[must_use]
    pub fn found_aborted(mut self) -> Vec<SocketAddr> {
        drop(self.running.child.stdin.take());
        let mut said = String::new();
        self.running.output.read_to_string(&mut said).unwrap();
        assert!(self.running.child.wait().unwrap().success(), "{said}");
        let aborted = said.lines().filter_map(|line| line.strip_prefix("aborted "));
        aborted.map(|local| local.parse().unwrap()).collect()
    }
}

fn made(line: &str) -> Made {
    let words: Vec<_> = line.split(' ').collect();
    let (local, remote) = (words[1].parse().unwrap(), words[2].parse().unwrap());
    let inode = (words[0] == "held").then(|| words[3].parse().unwrap());
    Made { local, remote, inode }
}

/// Copies a program to where every user may run it, for as long as the directory lives.
#[must_use]
pub fn for_every_user(program: &Path) -> (tempfile::TempDir, PathBuf) {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let copy = directory.path().join(program.file_name().unwrap());
    std::fs::copy(program, &copy).unwrap();
    (directory, copy)
}
