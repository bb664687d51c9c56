//! A host of its own for each test: fresh network and mount namespaces, in which the real `tune` meets the real
//! kernel.
//!
//! Nothing of the machine is reached: `/etc`, `/run` and the directories of settings files are directories in
//! memory, `/proc/sys` is read-only but for `net`, and the network namespace is fresh. The test runs on a thread of
//! its own that has entered the namespaces, so it may use `std::fs` on the paths that `tune` sees. All of it ends
//! with that thread.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Error, Read, Result, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};

use crate::binary::{self, Ran};
use crate::files::{self, FileStates};

/// What applies settings at boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boot {
    /// `systemd-sysctl`: systemd is the service manager.
    Systemd,
    /// `sysctl --system` of procps, from an init script.
    Procps,
}

/// A host of its own. It belongs to the thread that [`TestHost::run`] made.
#[derive(Debug)]
pub struct TestHost {
    boot: Boot,
    /// Another network namespace, for what comes after a boot.
    rebooted: OnceLock<Rebooted>,
}

/// A network namespace with its keys as the kernel made them.
#[derive(Debug)]
struct Rebooted {
    namespace: fs::File,
    fresh: BTreeMap<String, String>,
}

/// Everything that a turn of changes and back must leave as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Everything {
    /// Every key of the network namespace that can be read, by its path below `/proc/sys`.
    pub live: BTreeMap<String, String>,
    /// Every file below `/etc`.
    pub files: FileStates,
}

const MEMORY: &str = "/mnt";
const STATE: &str = "/mnt/state";
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Directories of settings files that packages own.
const OF_PACKAGES: [&str; 3] = ["/usr/lib/sysctl.d", "/usr/local/lib/sysctl.d", "/lib/sysctl.d"];

/// What programs cannot do without in `/etc`.
const OF_ETC: [&str; 4] = ["passwd", "group", "nsswitch.conf", "ld.so.cache"];

impl TestHost {
    /// Runs a test on a host of its own, or says why it cannot.
    ///
    /// # Panics
    ///
    /// When the test does, and when the namespaces cannot be furnished.
    pub fn run(boot: Boot, test: impl FnOnce(&Self) + Send) {
        if !crate::needs_root() {
            return;
        }
        let _ = binary::tune();
        elsewhere(|| {
            let host = Self::enter(boot).unwrap_or_else(|error| panic!("the namespaces: {error}"));
            test(&host);
        });
    }

    fn enter(boot: Boot) -> Result<Self> {
        let outside = namespaces()?;
        unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET)?;
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, private, None::<&str>)?;
        let inside = namespaces()?;
        assert!(outside[0] != inside[0] && outside[1] != inside[1], "still in the namespaces of the machine");
        mount(Some("tmpfs"), MEMORY, Some("tmpfs"), MsFlags::empty(), Some("mode=755"))?;
        furnish_etc(boot)?;
        furnish_run(boot)?;
        for (at, path) in OF_PACKAGES.iter().enumerate().filter(|(_, path)| Path::new(path).is_dir()) {
            cover(&format!("packages-{at}"), path)?;
        }
        furnish_proc()?;
        fs::create_dir(STATE)?;
        Ok(Self { boot, rebooted: OnceLock::new() })
    }

    /// Returns what applies settings at boot here.
    #[must_use]
    pub const fn boot(&self) -> Boot {
        self.boot
    }

    /// Returns the state directory.
    #[must_use]
    pub fn state(&self) -> &'static Path {
        Path::new(STATE)
    }

    /// Empties the state directory: nothing was ever changed.
    ///
    /// # Panics
    ///
    /// When that fails.
    pub fn forget(&self) {
        let emptied = fs::remove_dir_all(STATE).and_then(|()| fs::create_dir(STATE));
        emptied.unwrap_or_else(|error| panic!("{STATE}: {error}"));
    }

    /// Gives the machine another identity of its boot, as `tune` sees it.
    ///
    /// # Panics
    ///
    /// When that fails.
    pub fn boots_as(&self, id: &str) {
        let file = Path::new(MEMORY).join("boot-id");
        let covered = file.exists();
        fs::write(&file, format!("{id}\n")).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        if !covered {
            bind(&file, BOOT_ID).unwrap_or_else(|error| panic!("{BOOT_ID}: {error}"));
        }
    }

    /// Returns an empty directory in memory for whatever the test needs.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    #[must_use]
    pub fn directory(&self, name: &str) -> PathBuf {
        let path = Path::new(MEMORY).join(name);
        fs::create_dir_all(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path
    }

    /// Prepares a program to run with nothing of the caller's environment.
    #[must_use]
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("LC_ALL", "C").env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("COLUMNS", "80").current_dir("/").stdin(Stdio::null());
        command
    }

    /// Prepares `tune` with this host's state directory; the state of an image is the image's.
    #[must_use]
    pub fn tune_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(binary::tune());
        self.complete(&mut command, arguments);
        command
    }

    /// Prepares `tune` under `strace` with options of strace's.
    #[must_use]
    pub fn traced(&self, strace: &[&str], arguments: &[&str]) -> Command {
        let mut command = self.command("strace");
        command.args(["-f", "-qq"]).args(strace).arg(binary::tune());
        self.complete(&mut command, arguments);
        command
    }

    fn complete(&self, command: &mut Command, arguments: &[&str]) {
        command.args(arguments);
        if !arguments.contains(&"--root") && !arguments.contains(&"--state-dir") {
            command.args(["--state-dir", STATE]);
        }
    }

    /// Runs `tune` to its end, with nobody at a terminal.
    pub fn tune(&self, arguments: &[&str]) -> Ran {
        Ran::of(&mut self.tune_command(arguments))
    }

    /// Runs another program to its end and demands that it succeeds.
    ///
    /// # Panics
    ///
    /// When it fails.
    #[track_caller]
    pub fn does(&self, words: &[&str]) -> String {
        Ran::of(self.command(words[0]).args(&words[1..])).exits(0).stdout
    }

    /// Writes a profile of the site.
    ///
    /// # Panics
    ///
    /// When it cannot be written.
    pub fn site_profile(&self, name: &str, body: &str) {
        let text = format!("name = {name:?}\nsummary = \"For a test\"\n{body}");
        write_file(&format!("/etc/tune/profiles/{name}.toml"), &text);
    }

    /// Reads a key of the network namespace, its fields apart by single spaces.
    ///
    /// # Panics
    ///
    /// When it cannot be read.
    #[track_caller]
    #[must_use]
    pub fn read(&self, key: &str) -> String {
        let text = read_key(&key_path(key)).unwrap_or_else(|error| panic!("{key}: {error}"));
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Writes a key of the network namespace, as somebody else would.
    ///
    /// # Panics
    ///
    /// When the kernel does not take it.
    #[track_caller]
    pub fn write(&self, key: &str, value: &str) {
        let written = fs::OpenOptions::new().write(true).open(key_path(key));
        let written = written.and_then(|mut file| file.write(format!("{value}\n").as_bytes()));
        written.unwrap_or_else(|error| panic!("{key} = {value:?}: {error}"));
    }

    /// Makes every key of the network namespace what it was; those that did not change are not written.
    ///
    /// # Panics
    ///
    /// When the kernel does not take one.
    pub fn set_live(&self, wanted: &BTreeMap<String, String>) {
        make_live(wanted);
    }

    /// Takes down everything that must be as it was in the end.
    ///
    /// # Panics
    ///
    /// When something cannot be read.
    #[must_use]
    pub fn everything(&self) -> Everything {
        let live = all_keys();
        Everything { live, files: files::below(Path::new("/etc")) }
    }

    /// Runs the real boot tool over the same files in another network namespace, whose keys are as the kernel makes
    /// them, and returns what [`TestHost::read`] finds there afterwards.
    ///
    /// # Panics
    ///
    /// When the namespace is not to be had or the tool does not start.
    #[must_use]
    pub fn after_boot(&self, keys: &[&str]) -> BTreeMap<String, String> {
        let rebooted = self.rebooted.get_or_init(|| elsewhere(Rebooted::new));
        elsewhere(|| {
            rebooted.enter();
            let mut tool = match self.boot {
                Boot::Systemd => self.command(systemd_sysctl()),
                Boot::Procps => self.command("sysctl"),
            };
            let _ = Ran::of(tool.args((self.boot == Boot::Procps).then_some("--system")));
            keys.iter().map(|key| ((*key).to_owned(), self.read(key))).collect()
        })
    }
}

impl Rebooted {
    fn new() -> Self {
        unshare(CloneFlags::CLONE_NEWNET).unwrap_or_else(|error| panic!("a network namespace: {error}"));
        let namespace = fs::File::open("/proc/thread-self/ns/net");
        Self {
            namespace: namespace.unwrap_or_else(|error| panic!("a network namespace: {error}")),
            fresh: all_keys(),
        }
    }

    /// Enters the namespace, and makes it as fresh as it was: a new one each time takes the kernel far longer.
    fn enter(&self) {
        setns(&self.namespace, CloneFlags::CLONE_NEWNET).unwrap_or_else(|error| panic!("setns: {error}"));
        make_live(&self.fresh);
    }
}

fn make_live(wanted: &BTreeMap<String, String>) {
    for (path, value) in all_keys().iter().filter(|(path, value)| wanted.get(*path) != Some(*value)) {
        let wanted = &wanted[path];
        let written = fs::OpenOptions::new().write(true).open(path);
        let written = written.and_then(|mut file| file.write(format!("{wanted}\n").as_bytes()));
        written.unwrap_or_else(|error| panic!("{path} from {value:?} to {wanted:?}: {error}"));
    }
}

/// Does something on a thread of its own, which may go to another network namespace and ends with it.
fn elsewhere<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let ended = std::thread::scope(|threads| threads.spawn(work).join());
    ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

impl Everything {
    /// Demands that everything is as it was.
    ///
    /// # Panics
    ///
    /// Naming each difference.
    #[track_caller]
    pub fn same_as(&self, before: &Self, when: &str) {
        let differences = before.differences(self);
        assert!(differences.is_empty(), "{when}, not everything is as it was:\n{}", differences.join("\n"));
    }

    /// Names each difference from this to what was found later.
    #[must_use]
    pub fn differences(&self, later: &Self) -> Vec<String> {
        let (before, after) = (self, later);
        let mut differences = files::differences(&before.files, &after.files);
        let keys: std::collections::BTreeSet<_> = before.live.keys().chain(after.live.keys()).collect();
        for key in keys {
            let (was, is) = (before.live.get(key), after.live.get(key));
            if was != is {
                differences.push(format!("{key}: {was:?} is now {is:?}"));
            }
        }
        differences
    }
}

/// Writes a file and the directories above it.
///
/// # Panics
///
/// When it cannot be written.
#[track_caller]
pub fn write_file(path: &str, text: &str) {
    let path = Path::new(path);
    let above = path.parent().map_or(Ok(()), fs::create_dir_all);
    above.and_then(|()| fs::write(path, text)).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

fn key_path(key: &str) -> PathBuf {
    Path::new("/proc/sys").join(key.replace('.', "/"))
}

/// The kernel answers a second `read` with nothing, so the first must have room for everything.
fn read_key(path: &Path) -> Result<String> {
    let mut buffer = vec![0; 64 << 10];
    let length = fs::File::open(path)?.read(&mut buffer)?;
    Ok(String::from_utf8_lossy(&buffer[..length]).trim_end().to_owned())
}

fn all_keys() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for directory in ["/proc/sys/net/ipv4", "/proc/sys/net/core"] {
        gather(Path::new(directory), &mut found);
    }
    found
}

fn gather(directory: &Path, into: &mut BTreeMap<String, String>) {
    let entries = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            gather(&path, into);
        } else if let Ok(value) = read_key(&path) {
            into.insert(path.display().to_string(), value);
        }
    }
}

fn namespaces() -> Result<[u64; 2]> {
    let inode = |kind: &str| Ok::<_, Error>(fs::metadata(format!("/proc/thread-self/ns/{kind}"))?.ino());
    Ok([inode("net")?, inode("mnt")?])
}

fn cover(name: &str, path: &str) -> Result<()> {
    let ours = Path::new(MEMORY).join(name);
    fs::create_dir_all(&ours)?;
    bind(&ours, path)
}

fn bind(from: &Path, onto: &str) -> Result<()> {
    Ok(mount(Some(from), onto, None::<&str>, MsFlags::MS_BIND, None::<&str>)?)
}

fn furnish_etc(boot: Boot) -> Result<()> {
    let etc = Path::new(MEMORY).join("etc");
    for directory in ["sysctl.d", "tune/profiles", "init.d"] {
        fs::create_dir_all(etc.join(directory))?;
    }
    for name in OF_ETC.iter().filter(|name| Path::new("/etc").join(name).exists()) {
        fs::copy(Path::new("/etc").join(name), etc.join(name))?;
    }
    fs::write(etc.join("sysctl.conf"), "# Nothing is set here.\n")?;
    if boot == Boot::Procps {
        fs::write(etc.join("init.d/procps"), "#!/bin/sh\nsysctl --system\n")?;
    }
    bind(&etc, "/etc")
}

fn furnish_run(boot: Boot) -> Result<()> {
    cover("run", "/run")?;
    if boot == Boot::Systemd {
        fs::create_dir_all("/run/systemd/system")?;
    }
    // The system's log is not told.
    if fs::symlink_metadata("/dev/log").is_ok_and(|log| !log.is_symlink()) {
        bind(Path::new("/dev/null"), "/dev/log")?;
    }
    Ok(())
}

/// Only the keys of the network namespace may be written.
fn furnish_proc() -> Result<()> {
    for path in ["/proc/sys", "/proc/sys/net"] {
        bind(Path::new(path), path)?;
    }
    let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    Ok(mount(None::<&str>, "/proc/sys", None::<&str>, flags, None::<&str>)?)
}

/// Returns where `systemd-sysctl` is.
#[must_use]
pub fn systemd_sysctl() -> &'static str {
    let known = ["/usr/lib/systemd/systemd-sysctl", "/lib/systemd/systemd-sysctl"];
    known.into_iter().find(|path| Path::new(path).exists()).unwrap_or(known[0])
}
