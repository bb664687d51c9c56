//! A place to run the real `tune` in, where nothing it does reaches the machine.
//!
//! A fresh network namespace, and a mount namespace in which `/etc` and `/mnt` are directories in memory, the
//! settings directories under `/usr` and `/run` are empty, and `/proc/sys` is read-only but for `net`. All of it
//! ends with the thread that made it.

#![allow(clippy::unwrap_used)] // Whatever cannot be had here fails the test.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::mount::{MsFlags, mount, umount};
use nix::sched::{CloneFlags, unshare};
use serde_json::Value;

use crate::binary;

/// The command inside of the sandbox, where everybody may run it.
pub const TUNE: &str = "/mnt/bin/tune";
/// Where the sandbox keeps state.
pub const STATE: &str = "/mnt/state";
/// What `tune` writes for the next boot.
pub const BOOT_FILE: &str = "/etc/sysctl.d/zz-tune.conf";

/// A sandbox. It belongs to the thread that runs inside of it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Sandbox;

/// What a command ended with.
#[derive(Debug)]
#[non_exhaustive]
pub struct Ended {
    /// The command line, for messages.
    pub line: String,
    /// The exit code; −1 after a signal.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// What must stay as it is: live values, and files with content, mode, owner and time.
pub type Fingerprint = BTreeMap<PathBuf, String>;

/// Runs a test inside of a sandbox, where that is possible; see [`crate::needs_root`].
///
/// # Panics
///
/// When the test does, or the sandbox cannot be made.
pub fn inside(test: impl FnOnce(&Sandbox) + Send) {
    if !crate::needs_root() {
        return;
    }
    let binary = binary::tune();
    let enter = || {
        furnish(binary, &[]);
        test(&Sandbox);
    };
    let ended = std::thread::scope(|threads| threads.spawn(enter).join());
    if let Err(panic) = ended {
        std::panic::resume_unwind(panic);
    }
}

/// What of `/etc` programs need to run at all.
const NEEDED: &[&str] = &["passwd", "group", "nsswitch.conf", "ld.so.cache"];

/// Enters fresh network and mount namespaces with the calling thread, and makes a host of them: `binary` is [`TUNE`]
/// there, and of `/etc` there is what programs need, and `more`, where it is installed.
///
/// # Panics
///
/// When they cannot be had.
pub fn furnish(binary: &Path, more: &[&str]) {
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET).unwrap();
    flagged(Path::new("/"), MsFlags::MS_REC | MsFlags::MS_PRIVATE);
    in_memory("/mnt", "mode=755");
    for directory in ["/mnt/etc/sysctl.d", "/mnt/etc/init.d", "/mnt/bin"] {
        fs::create_dir_all(directory).unwrap();
    }
    for name in NEEDED {
        let _ = fs::copy(Path::new("/etc").join(name), Path::new("/mnt/etc").join(name));
    }
    for name in more {
        copy(&Path::new("/etc").join(name), Path::new("/mnt/etc"));
    }
    fs::write("/mnt/etc/sysctl.conf", "").unwrap();
    // So that this system is one whose settings sysctl --system applies at boot.
    fs::write("/mnt/etc/init.d/procps", "").unwrap();
    fs::write(TUNE, "").unwrap();
    bind(binary, TUNE);
    bind(Path::new("/mnt/etc"), "/etc");
    for directory in ["/run/sysctl.d", "/usr/lib/sysctl.d", "/usr/local/lib/sysctl.d"] {
        if Path::new(directory).exists() {
            in_memory(directory, "mode=755");
        }
    }
    bind(Path::new("/proc/sys"), "/proc/sys");
    bind(Path::new("/proc/sys/net"), "/proc/sys/net");
    read_only("/proc/sys");
}

/// Copies a file, or a directory with all that is in it, into a directory, where it exists.
///
/// # Panics
///
/// When it exists and cannot be copied.
pub fn copy(from: &Path, into: &Path) {
    if from.exists() {
        assert!(Command::new("cp").arg("-a").args([from, into]).status().unwrap().success());
    }
}

fn bind(from: &Path, to: &str) {
    mount(Some(from), to, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
}

fn flagged(path: &Path, flags: MsFlags) {
    mount(None::<&str>, path, None::<&str>, flags, None::<&str>).unwrap();
}

/// Mounts a file system in memory.
///
/// # Panics
///
/// When that fails.
pub fn in_memory(path: &str, options: &str) {
    mount(Some("tmpfs"), path, Some("tmpfs"), MsFlags::empty(), Some(options)).unwrap();
}

/// Makes what is mounted at `path` read-only.
///
/// # Panics
///
/// When nothing is mounted there.
pub fn read_only(path: &str) {
    flagged(Path::new(path), MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY);
}

/// Makes what is mounted at `path` writable again.
///
/// # Panics
///
/// When nothing is mounted there.
pub fn writable(path: &str) {
    flagged(Path::new(path), MsFlags::MS_BIND | MsFlags::MS_REMOUNT);
}

/// Mounts a directory over itself, so that it can be made read-only.
///
/// # Panics
///
/// When that fails.
pub fn own_mount(path: &str) {
    bind(Path::new(path), path);
}

/// Takes a mount away.
///
/// # Panics
///
/// When nothing is mounted there.
pub fn unmount(path: &str) {
    umount(path).unwrap();
}

impl Sandbox {
    /// Runs `tune` as root on the state of the sandbox.
    #[must_use]
    pub fn tune(&self, arguments: &[&str]) -> Ended {
        self.run(&[&[TUNE, "--state-dir", STATE], arguments].concat())
    }

    /// As [`Sandbox::tune`], as a user without any right.
    #[must_use]
    pub fn nobody(&self, arguments: &[&str]) -> Ended {
        let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
        self.run(&[&nobody, &[TUNE, "--state-dir", STATE][..], arguments].concat())
    }

    /// Runs any command, its standard input empty, its environment but `PATH` and a width of 80 columns.
    #[must_use]
    pub fn run(&self, line: &[&str]) -> Ended {
        self.with_input(line, b"")
    }

    /// As [`Sandbox::run`], with something on standard input.
    ///
    /// # Panics
    ///
    /// When the command cannot be started.
    #[must_use]
    pub fn with_input(&self, line: &[&str], input: &[u8]) -> Ended {
        let mut child = command(line)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{line:?}: {error}"));
        let mut stdin = child.stdin.take().unwrap();
        let (input, line) = (input.to_vec(), line.join(" "));
        // A command that does not read its input is no failure of the test.
        let feeding = std::thread::spawn(move || stdin.write_all(&input));
        let ended = child.wait_with_output().unwrap();
        let _ = feeding.join();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Ended {
            line,
            code: ended.status.code().unwrap_or(-1),
            out: text(&ended.stdout),
            err: text(&ended.stderr),
        }
    }

    /// Returns what must not have changed where a command did nothing: the kernel's settings of this namespace,
    /// all of `/etc`, and of the state all but what only coordinates.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let mut found = Fingerprint::new();
        live(Path::new("/proc/sys/net/ipv4"), &mut found);
        live(Path::new("/proc/sys/net/core"), &mut found);
        files(Path::new("/etc"), &mut found);
        files(Path::new(STATE), &mut found);
        found.retain(|path, text| path != &Path::new(STATE).join("lock") && text != "directory of state");
        found
    }
}

/// Makes a command with an environment of its own.
#[must_use]
pub fn command(line: &[&str]) -> Command {
    let mut command = Command::new(line[0]);
    let path = "/usr/sbin:/usr/bin:/sbin:/bin";
    command.args(&line[1..]).current_dir("/mnt").env_clear().env("PATH", path).env("COLUMNS", "80");
    command
}

fn live(directory: &Path, found: &mut Fingerprint) {
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        // What the kernel changes by itself is none of ours.
        if path.is_file()
            && let Ok(text) = fs::read_to_string(&path)
        {
            found.insert(path, text);
        }
    }
}

fn files(path: &Path, found: &mut Fingerprint) {
    let Ok(data) = fs::symlink_metadata(path) else { return };
    let (mode, owner) = (data.mode(), data.uid());
    if data.is_dir() {
        let state = path.starts_with(STATE);
        let text = format!("directory {mode:o} of {owner}");
        found.insert(path.to_owned(), if state { "directory of state".to_owned() } else { text });
        fs::read_dir(path).unwrap().flatten().for_each(|entry| files(&entry.path(), found));
        return;
    }
    let content = if data.is_file() { fs::read(path).unwrap() } else { Vec::new() };
    let text = String::from_utf8_lossy(&content).into_owned();
    let (seconds, nanoseconds) = (data.mtime(), data.mtime_nsec());
    found.insert(path.to_owned(), format!("{mode:o} {owner} {seconds}.{nanoseconds} {text}"));
}

impl Ended {
    /// Fails the test unless the command ended with this code.
    ///
    /// # Panics
    ///
    /// When it did not.
    #[must_use = "or call end"]
    pub fn code(self, wanted: i32) -> Self {
        assert_eq!(self.code, wanted, "{}\n{}{}", self.line, self.out, self.err);
        self.decent();
        self
    }

    /// Fails the test unless what was written holds every one of these words, however the lines are broken.
    ///
    /// # Panics
    ///
    /// When one is missing.
    pub fn says(&self, words: &[&str]) {
        let all = format!("{} {}", self.out, self.err);
        let flat = all.split_whitespace().collect::<Vec<_>>().join(" ");
        for word in words {
            assert!(flat.contains(word), "{}: nothing of {word:?} in\n{}{}", self.line, self.out, self.err);
        }
    }

    /// Fails the test when the words are those of a program for its author: a panic, a Debug print, an error number.
    ///
    /// # Panics
    ///
    /// When they are.
    pub fn decent(&self) {
        const BARE: &[&str] = &[
            "panicked",
            "RUST_BACKTRACE",
            "os error",
            "should not:",
            "Os {",
            "Some(",
            "Err(",
            "Error {",
            "ENOENT",
            "EACCES",
            "EINVAL",
            "EROFS",
            "PathBuf",
            "kind:",
        ];
        let all = format!("{}{}", self.out, self.err);
        for bare in BARE {
            assert!(!all.contains(bare), "{}: {bare:?} in\n{all}", self.line);
        }
        assert_ne!(self.code, -1, "{}: ended by a signal", self.line);
    }

    /// Returns standard output as the one JSON document it must be, held against its published schema.
    ///
    /// # Panics
    ///
    /// When it is anything else, or standard error has JSON on it.
    #[must_use]
    pub fn document(&self) -> Value {
        let context = || format!("{}\n{}{}", self.line, self.out, self.err);
        let document: Value = serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("no single JSON document: {error}: {}", context()));
        assert!(document.is_object(), "{}", context());
        assert!(!self.err.contains("{\""), "JSON on standard error: {}", context());
        let schema = document["schema"].as_str().unwrap_or_else(|| panic!("no schema: {}", context()));
        if let Err(error) = valid(&document, schema) {
            panic!("{error}\n{}", context());
        }
        assert!(document.get("rc").is_none(), "{}", context());
        document
    }
}

/// Holds a document against the schema that it names.
///
/// # Errors
///
/// Says where it differs from the schema.
///
/// # Panics
///
/// When there is no such schema.
pub fn valid(document: &Value, name: &str) -> Result<(), String> {
    let name = name.strip_prefix("tune.").and_then(|name| name.strip_suffix("/1"));
    let name = match name.ok_or("an unknown schema")? {
        "profile" => "profile-report",
        name => name,
    };
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schemas").canonicalize().unwrap();
    let file = directory.join(format!("{name}.schema.json"));
    let mut schemas = boon::Schemas::new();
    let mut compiler = boon::Compiler::new();
    compiler.enable_format_assertions();
    let index =
        compiler.compile(file.to_str().unwrap(), &mut schemas).map_err(|error| format!("{error:#}"))?;
    schemas.validate(document, index).map_err(|error| format!("{error:#}"))
}
