//! Staged situations: a host of its own with real servers, real clients on another one, and the real `tune` at a
//! terminal.
//!
//! The host has fresh network, mount and process namespaces, so that `tune` there takes it for a whole one; `/etc`,
//! `/run` and what servers write below `/var` are in memory. The test is on a thread of its own, which is the clients'
//! machine: it has another network namespace, and a cable to the host. All processes of the host end when its first
//! one does, and that ends when the test drops the host or dies.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc)] // Whatever cannot be had fails the test.

mod clients;
mod debian;
mod diagnosis;

use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub use clients::{Clients, Load};
pub use debian::{are_installed, httpd, nginx, site};
pub use diagnosis::{Diagnosis, Finding, Remedy};

use crate::binary::{self, Ran};
use crate::half_closed::in_a_namespace;
use crate::sandbox;
use crate::terminal::Terminal;

/// The address of the host, as its clients know it.
pub const HOST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// The address of a container on it, as its clients know it.
pub const CONTAINER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
/// The address of the container, as the host itself knows it.
pub const CONTAINER_INSIDE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);

/// The keys that answer yes where no is offered.
const YES: [&str; 2] = ["\x1b[A", "\r"];

/// A host of its own. The calling thread is the machine of its clients.
#[derive(Debug)]
pub struct Stage {
    program: PathBuf,
    /// `unshare`, which waits for the host's first process.
    outer: Child,
    /// The host's first process, as the machine sees it.
    first: u32,
}

/// A program of this package, running on a host.
#[derive(Debug)]
pub struct Server {
    outer: Child,
    /// Its id, as the machine sees it.
    pid: u32,
}

/// Runs a situation on a host of its own. `program` is `tune-staged` of this package.
pub fn on_stage<T: Send>(program: &Path, situation: impl FnOnce(&Stage) -> T + Send) -> T {
    in_a_namespace(|| {
        let stage = Stage::new(program);
        lay_cable(None, stage.first, HOST);
        situation(&stage)
    })
}

/// Waits until something is so, or fails the test.
#[track_caller]
pub fn until(what: &str, most: Duration, mut is_so: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < most, "not within {most:?}: {what}");
        std::thread::sleep(Duration::from_millis(200));
    }
    begun.elapsed()
}

impl Stage {
    fn new(program: &Path) -> Self {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]).arg(program);
        let mut outer = started(command.arg("host").arg(binary::tune()));
        let first = child_of(&mut outer);
        Self { program: program.to_owned(), outer, first }
    }

    /// Returns where a file of the host is, as the calling thread sees it.
    #[must_use]
    pub fn file(&self, path: &str) -> PathBuf {
        Path::new("/proc").join(self.first.to_string()).join("root").join(path.trim_start_matches('/'))
    }

    /// Prepares a command to run on the host.
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.first.to_string(), "-m", "-n", "-p", "--"]).args(words);
        command.env_clear().env("LC_ALL", "C").env("COLUMNS", "80");
        command.env("PATH", "/mnt/bin:/usr/sbin:/usr/bin:/sbin:/bin").stdin(Stdio::null());
        command
    }

    /// Runs a command on the host to its end.
    pub fn run(&self, words: &[&str]) -> Ran {
        Ran::of(&mut self.command(words))
    }

    /// Types a line at a shell of the host, and demands that it succeeds.
    pub fn types(&self, line: &str) {
        self.run(&["sh", "-c", line]).exits(0);
    }

    /// Types a line of `tune` at a terminal of the host, says yes when asked, and waits for `said`.
    pub fn types_and_agrees(&self, line: &str, said: &str) {
        let mut terminal = Terminal::start(self.command(&["sh", "-c", line]));
        terminal.wait_for("no, change nothing");
        for key in YES {
            terminal.press(key);
        }
        terminal.wait_for(said);
        terminal.exits(0);
    }

    /// Diagnoses the host, as JSON and for people; `more` are further words of the command.
    #[must_use]
    pub fn diagnose(&self, more: &[&str]) -> Diagnosis {
        let words = [&["tune", "diagnose"], more].concat();
        let document = self.run(&[&words[..], &["--format", "json"]].concat()).exits(0).json();
        sandbox::valid(&document, "tune.diagnose/1").unwrap();
        Diagnosis::new(document, self.run(&words).exits(0).stdout)
    }

    /// Starts a server on the host.
    #[must_use]
    pub fn serve(&self, what: &str, port: u16) -> Server {
        self.start(&[self.program.to_str().unwrap(), "serve", what, &port.to_string()])
    }

    /// Starts a server in a network of its own, as in a container, with the addresses [`CONTAINER`] and
    /// [`CONTAINER_INSIDE`].
    #[must_use]
    pub fn serve_in_a_container(&self, what: &str, port: u16) -> Server {
        let program = self.program.to_str().unwrap();
        let server = self.start(&["unshare", "--net", program, "serve", what, &port.to_string()]);
        lay_cable(None, server.pid, CONTAINER);
        lay_cable(Some(self.first), server.pid, CONTAINER_INSIDE);
        server
    }

    /// Starts a program on the host that asks so many times, and keeps what the server has closed.
    #[must_use]
    pub fn asks(&self, address: Ipv4Addr, port: u16, many: usize) -> Server {
        let numbers = [address.to_string(), port.to_string(), many.to_string()];
        let [address, port, many] = numbers.each_ref();
        self.start(&[self.program.to_str().unwrap(), "ask", address, port, many])
    }

    fn start(&self, words: &[&str]) -> Server {
        let mut outer = started(&mut self.command(words));
        let pid = child_of(&mut outer);
        Server { outer, pid }
    }
}

impl Server {
    /// Returns its id, as the host sees it.
    #[must_use]
    pub fn pid(&self) -> String {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap();
        line.split_whitespace().last().unwrap().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(self.pid.try_into().unwrap());
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        let _ = self.outer.wait();
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        drop(self.outer.stdin.take());
        for _ in 0..500 {
            if let Ok(Some(_)) = self.outer.try_wait() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        // It takes the first process with it.
        let _ = self.outer.kill();
        let _ = self.outer.wait();
    }
}

/// Lays a cable from the network of a process, or the calling thread's, to that of another one; the far end has the
/// address, the near one the next.
fn lay_cable(near: Option<u32>, far: u32, address: Ipv4Addr) {
    let ip = |process: Option<u32>, words: &str| {
        let mut command = Command::new(if process.is_some() { "nsenter" } else { "ip" });
        if let Some(pid) = process {
            command.args(["-t", &pid.to_string(), "-n", "ip"]);
        }
        let ran = Ran::of(command.args(words.split(' ')));
        assert_eq!(ran.code, 0, "{ran}");
    };
    let [a, b, c, d] = address.octets();
    ip(near, &format!("link add cable{c} type veth peer name eth{c} netns {far}"));
    ip(near, &format!("addr add {a}.{b}.{c}.{}/24 dev cable{c}", d + 1));
    ip(near, &format!("link set cable{c} up"));
    ip(Some(far), &format!("addr add {address}/24 dev eth{c}"));
    ip(Some(far), &format!("link set eth{c} up"));
}

/// Starts a command of this package's and waits until it is ready.
fn started(command: &mut Command) -> Child {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n", "{command:?}");
    child
}

/// Returns the one child of a process that has entered namespaces.
fn child_of(outer: &mut Child) -> u32 {
    let pid = outer.id();
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    children.trim().parse().unwrap_or_else(|error| panic!("{children:?}: {error}"))
}
