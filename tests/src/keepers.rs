//! Real half-closed connections for a test, in the network namespace of its thread or in another one.

#![allow(clippy::unwrap_used)] // Whatever cannot be had here fails the test.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

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
    let (held, orphaned) = (held.to_string(), orphaned.to_string());
    let addresses = peer.addresses();
    let mut words = vec![program, "close", &held, &orphaned, "0"];
    words.extend(addresses.iter().map(String::as_str));
    let closer = Keeper::start(&words);
    until_confirmed();
    [peer, closer]
}

/// Waits until the other ends have confirmed what was closed, which takes them some ten milliseconds: until then it is in
/// FIN_WAIT_1.
fn until_confirmed() {
    for _ in 0..500 {
        if !["tcp", "tcp6"].into_iter().any(has_unconfirmed) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("some connections stay in FIN_WAIT_1");
}

/// Source: proc_pid_net(5): the fourth field is the state, and FIN_WAIT_1 is 4.
fn has_unconfirmed(list: &str) -> bool {
    let text = std::fs::read_to_string(format!("/proc/thread-self/net/{list}")).unwrap_or_default();
    text.lines().any(|line| line.split_whitespace().nth(3) == Some("04"))
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
    let (pid, held, orphaned) = (peer.pid().to_string(), held.to_string(), orphaned.to_string());
    let addresses = peer.addresses();
    let mut words = vec!["nsenter", "--net", "-t", &pid, program, "close", &held, &orphaned, "0"];
    words.extend(addresses.iter().map(String::as_str));
    let closer = Keeper::start(&words);
    [peer, closer]
}
