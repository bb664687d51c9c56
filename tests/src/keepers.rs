//! Real half-closed connections for a test, in the network namespace of its thread or in another one.

#![allow(clippy::unwrap_used)] // Whatever cannot be had here fails the test.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A process that keeps connections, until this is dropped. It ends with its standard input.
#[derive(Debug)]
pub struct Keeper {
    child: Child,
    /// What it said before it was ready.
    pub said: Vec<String>,
}

impl Keeper {
    /// Starts a command and waits until it is ready.
    ///
    /// # Panics
    ///
    /// When it does not start, or ends before it is ready.
    #[must_use]
    pub fn start(words: &[&str]) -> Self {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{words:?}: {error}"));
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let said: Vec<_> = lines.by_ref().take_while(|line| line != "ready").collect();
        assert!(child.try_wait().unwrap().is_none(), "{words:?} ended: {said:?}");
        Self { child, said }
    }

    /// Returns its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has accepted so many connections.
    fn has_accepted(&self, many: usize) {
        let patience = Instant::now() + Duration::from_secs(20);
        let descriptors = || std::fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap();
        let is_socket = |link: PathBuf| link.to_string_lossy().starts_with("socket:");
        let sockets = || {
            descriptors()
                .filter(|fd| std::fs::read_link(fd.as_ref().unwrap().path()).is_ok_and(is_socket))
                .count()
        };
        while sockets() < many + self.addresses().len() {
            assert!(Instant::now() < patience, "{} of {many} connections are accepted", sockets());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Returns the addresses that it listens on, IPv4 and IPv6.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        let ports = self.said.iter().filter_map(|line| line.strip_prefix("port "));
        ports.flat_map(|port| [format!("127.0.0.1:{port}"), format!("[::1]:{port}")]).collect()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Connections within the network namespace of the calling thread: of `held` one direction is closed and of `orphaned`
/// both, by the second process; the first keeps its ends open.
///
/// # Panics
///
/// When they cannot be made.
#[must_use]
pub fn within(program: &str, held: usize, orphaned: usize) -> [Keeper; 2] {
    let up = Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap();
    assert!(up.success(), "lo does not come up");
    let peer = Keeper::start(&[program, "peer", "1"]);
    let closer = closing(&peer, &[program], [held, orphaned]);
    [peer, closer]
}

/// The same in a network namespace of their own.
///
/// # Panics
///
/// When they cannot be made.
#[must_use]
pub fn elsewhere(program: &str, held: usize, orphaned: usize) -> [Keeper; 2] {
    let script = "ip link set lo up && exec \"$0\" peer 1";
    let peer = Keeper::start(&["unshare", "--net", "sh", "-c", script, program]);
    let pid = peer.pid().to_string();
    let closer = closing(&peer, &["nsenter", "--net", "-t", &pid, program], [held, orphaned]);
    [peer, closer]
}

/// Starts what connects to a peer and closes, and waits until both sides have what they keep.
fn closing(peer: &Keeper, command: &[&str], [held, orphaned]: [usize; 2]) -> Keeper {
    let (first, second) = (held.to_string(), orphaned.to_string());
    let addresses = peer.addresses();
    let mut words = [command, &["close", &first, &second, "0"]].concat();
    words.extend(addresses.iter().map(String::as_str));
    let closer = Keeper::start(&words);
    peer.has_accepted(held + orphaned);
    closer
}
