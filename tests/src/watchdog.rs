//! The processes that wait to undo what is not confirmed, as a test finds and ends them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The word by which they are told from other processes.
const WORD: &str = "watch-unconfirmed";

/// A process that waits. Zombies are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watchdog(i32);

impl Watchdog {
    /// Returns those that belong to the calling test's host.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        numbers.map(Self).filter(|found| found.is_ours() && found.is_alive()).collect()
    }

    /// Returns the only one.
    ///
    /// # Panics
    ///
    /// When there is none, or more than one.
    #[track_caller]
    #[must_use]
    pub fn only() -> Self {
        let found = Self::all();
        assert!(found.len() == 1, "not one process that waits, but {found:?}");
        found[0].clone()
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::new("/proc").join(self.0.to_string()).join(name)
    }

    fn is_ours(&self) -> bool {
        let line = fs::read(self.path("cmdline")).unwrap_or_default();
        let words: Vec<_> = line.split(|byte| *byte == 0).collect();
        let mounts = |path: &Path| fs::read_link(path).ok();
        words.get(1) == Some(&WORD.as_bytes())
            && mounts(&self.path("ns/mnt")) == mounts(Path::new("/proc/thread-self/ns/mnt"))
    }

    /// Tells whether it is still there.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        let state = |text: String| text.rsplit(") ").next()?.chars().next();
        fs::read_to_string(self.path("stat")).ok().and_then(state).is_some_and(|state| state != 'Z')
    }

    /// Sends it a signal.
    ///
    /// # Panics
    ///
    /// When it is gone.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.0), signal).unwrap_or_else(|error| panic!("process {}: {error}", self.0));
    }

    /// Ends it as nothing can prevent.
    ///
    /// # Panics
    ///
    /// When it is gone already.
    #[track_caller]
    pub fn kill(&self) {
        self.signal(Signal::SIGKILL);
        eventually("the process is killed", || !self.is_alive());
    }

    /// Returns what its descriptors are open on.
    #[must_use]
    pub fn descriptors(&self) -> Vec<(String, PathBuf)> {
        let entries = fs::read_dir(self.path("fd")).into_iter().flatten().flatten();
        let name = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        let mut found: Vec<_> =
            entries.filter_map(|entry| Some((name(&entry), fs::read_link(entry.path()).ok()?))).collect();
        found.sort();
        found
    }

    /// Returns its environment, as one text.
    #[must_use]
    pub fn environment(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.path("environ")).unwrap_or_default()).into_owned()
    }

    /// Returns its directory.
    #[must_use]
    pub fn directory(&self) -> Option<PathBuf> {
        fs::read_link(self.path("cwd")).ok()
    }

    /// Tells whether it leads a session of its own.
    #[must_use]
    pub fn leads_a_session(&self) -> bool {
        let stat = fs::read_to_string(self.path("stat")).unwrap_or_default();
        let session = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(3)?.parse().ok());
        session == Some(self.0)
    }
}

/// Ends what a failed test leaves.
#[derive(Debug)]
pub struct NoneLeft;

impl Drop for NoneLeft {
    fn drop(&mut self) {
        for left in Watchdog::all() {
            let _ = kill(Pid::from_raw(left.0), Signal::SIGKILL);
        }
    }
}

/// Waits for something.
///
/// # Panics
///
/// When it does not come in twenty seconds.
#[track_caller]
pub fn eventually(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}: not in twenty seconds");
        std::thread::sleep(Duration::from_millis(20));
    }
}
