//! A root directory of its own, with mount and network namespaces, where the real boot tools apply a tree of
//! settings files to the real kernel.
//!
//! Nothing of the host is reached: `/etc`, `/run`, `/usr/lib/sysctl.d` and so on are directories in memory,
//! `/proc/sys` is read-only but for `net`, and the network namespace is fresh. All of it ends with the thread
//! that made it.

use std::fs;
use std::io::{Error, Read, Result, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use tune_linux::boot::{BootTool, Doubt};

use crate::sysctl_trees::{Node, Tree, Tunable};

/// The laboratory. It belongs to the thread that made it: the thread's root directory is changed.
#[derive(Debug)]
pub struct BootLab {
    systemd: PathBuf,
    procps: PathBuf,
    procps_version: [u32; 3],
}

/// A network interface with a dot in its name, where the kernel can make one.
pub const DOTTED_INTERFACE: &str = "d0.100";

/// Directories that belong to one tree and are emptied before the next.
const OF_THE_TREE: [&str; 6] =
    ["/etc", "/run", "/srv", "/usr/local/lib", "/usr/lib/sysctl.d", "/.split/sysctl.d"];

const BUSYBOX: &str = "/usr/bin/busybox";

/// What OpenRC does where `sysctl` is busybox, in as many words as it takes here.
const OPENRC_LOOP: &str = r#"
test -e /etc/sysctl.conf || exit 0
for file in /etc/sysctl.conf /etc/sysctl.d/*.conf; do
    test -r "$file" || continue
    busybox sed 's/ = /=/' "$file" | while read word rest; do
        case "$word" in ''|'#'*) ;; *) busybox sysctl -w "$word" ;; esac
    done
done
"#;

impl BootLab {
    /// Moves the calling thread into a laboratory. The thread must end with it.
    ///
    /// # Errors
    ///
    /// What the system says when a namespace, a mount or one of the tools is not to be had.
    pub fn enter() -> Result<Self> {
        unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET)?;
        let all_private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, all_private, None::<&str>)?;
        add_interface(DOTTED_INTERFACE);
        let root = Path::new("/mnt");
        mount(Some("tmpfs"), root, Some("tmpfs"), MsFlags::empty(), Some("mode=755"))?;
        furnish(root)?;
        nix::unistd::chroot(root)?;
        nix::unistd::chdir("/")?;
        let systemd = found(&["/usr/lib/systemd/systemd-sysctl", "/lib/systemd/systemd-sysctl"])?;
        let procps = found(&["/usr/sbin/sysctl", "/usr/bin/sysctl"])?;
        let procps_version = version(&Command::new(&procps).arg("--version").output()?.stdout);
        Ok(Self { systemd, procps, procps_version })
    }

    /// Tells whether a tool is installed here; only busybox may be missing.
    #[must_use]
    pub fn has(&self, tool: BootTool) -> bool {
        tool != BootTool::OpenrcBusybox || Path::new(BUSYBOX).exists()
    }

    /// Replaces the settings files by those of a tree.
    ///
    /// # Errors
    ///
    /// What the system says when a file cannot be made.
    pub fn plant(&self, tree: &Tree) -> Result<()> {
        for directory in OF_THE_TREE {
            if Path::new(directory).exists() {
                fs::remove_dir_all(directory)?;
            }
        }
        for directory in ["/etc", "/run", "/srv", "/usr/local/lib"] {
            fs::create_dir_all(directory)?;
        }
        fs::remove_file("/lib")?;
        symlink(tree.lib(), "/lib")?;
        tree.nodes.iter().try_for_each(|(path, node)| make(Path::new(path), node))
    }

    /// Runs a boot tool on the files planted last. Its exit status says little and is not looked at.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn run(&self, tool: BootTool) -> Result<()> {
        let mut command = match tool {
            BootTool::SystemdSysctl => Command::new(&self.systemd),
            BootTool::Procps => Command::new(&self.procps),
            BootTool::OpenrcBusybox => Command::new(BUSYBOX),
        };
        match tool {
            BootTool::SystemdSysctl => &mut command,
            BootTool::Procps => command.arg("--system"),
            BootTool::OpenrcBusybox => command.args(["sh", "-c", OPENRC_LOOP]),
        };
        command.env_clear().env("LC_ALL", "C").env("PATH", "/usr/sbin:/usr/bin");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
        Ok(())
    }

    /// Tells whether the installed version of procps settles a doubt the way it was decided: before 4.0.5 an
    /// exclusion by pattern has no effect.
    #[must_use]
    pub fn settles(&self, doubt: &Doubt<'_>) -> bool {
        matches!(doubt, Doubt::ExcludedByPattern(_)) && self.procps_version < [4, 0, 5]
    }

    /// Reads a key as the kernel shows it, without the newline.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn read(&self, path: &str) -> Result<String> {
        let mut buffer = [0; 4096];
        let length = fs::File::open(below_proc(path))?.read(&mut buffer)?;
        Ok(String::from_utf8_lossy(&buffer[..length]).trim_end().to_owned())
    }

    /// Brings a key back to where every run starts.
    ///
    /// # Errors
    ///
    /// What the system says, or that the kernel shows something else afterwards.
    pub fn reset(&self, tunable: &Tunable) -> Result<()> {
        if self.read(tunable.path)? == tunable.start {
            return Ok(());
        }
        self.write(tunable.path, tunable.start)?;
        if self.read(tunable.path)? == tunable.start {
            return Ok(());
        }
        Err(Error::other(format!("{} does not go back to {:?}", tunable.path, tunable.start)))
    }

    /// Writes a key, in one piece.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn write(&self, path: &str, value: &str) -> Result<()> {
        let mut file = fs::OpenOptions::new().write(true).open(below_proc(path))?;
        let named = |error: Error| Error::new(error.kind(), format!("{path} = {value:?}: {error}"));
        file.write(format!("{value}\n").as_bytes()).map(|_| ()).map_err(named)
    }
}

/// Makes an interface of whichever kind the kernel has. Without one, the trees go without its keys.
fn add_interface(name: &str) {
    let ways: [&[&str]; 2] =
        [&["link", "add", name, "type", "dummy"], &["tuntap", "add", "mode", "tap", "name", name]];
    let made = |arguments: &&[&str]| {
        Command::new("ip").args(*arguments).output().is_ok_and(|output| output.status.success())
    };
    let _ = ways.iter().find(|way| made(way));
}

fn below_proc(path: &str) -> PathBuf {
    Path::new("/proc/sys").join(path)
}

fn found(candidates: &[&str]) -> Result<PathBuf> {
    let program = candidates.iter().map(Path::new).find(|path| path.exists());
    program.map(Path::to_owned).ok_or_else(|| Error::other(format!("none of {candidates:?} is installed")))
}

/// The last word of `sysctl from procps-ng 4.0.2`.
fn version(text: &[u8]) -> [u32; 3] {
    let text = String::from_utf8_lossy(text);
    let number = text.split_whitespace().last().unwrap_or_default();
    let mut parts = number.split('.').map(|part| part.parse().unwrap_or(0));
    [(); 3].map(|()| parts.next().unwrap_or(0))
}

fn make(path: &Path, node: &Node) -> Result<()> {
    if let Some(above) = path.parent() {
        fs::create_dir_all(above)?;
    }
    match node {
        Node::File(content) => fs::write(path, content),
        Node::Directory => fs::create_dir_all(path),
        Node::Link(target) => symlink(target, path),
    }
}

/// Programs and libraries are the host's, by links into a read-only view of its `/usr`; `/usr/lib` and `/lib`
/// themselves are ours, so that their `sysctl.d` can be too.
fn furnish(root: &Path) -> Result<()> {
    let inside = |path: &str| root.join(path);
    for directory in [".usr", ".split", "usr/lib", "usr/local", "proc", "dev"] {
        fs::create_dir_all(inside(directory))?;
    }
    bind(Path::new("/usr"), &inside(".usr"))?;
    read_only(&inside(".usr"))?;
    for name in ["bin", "sbin", "lib64"] {
        symlink(format!("/.usr/{name}"), inside("usr").join(name))?;
        symlink(format!("usr/{name}"), inside(name))?;
    }
    symlink("usr/lib", inside("lib"))?;
    for entry in fs::read_dir("/usr/lib")? {
        let name = entry?.file_name();
        if name != "sysctl.d" {
            symlink(Path::new("/.usr/lib").join(&name), inside("usr/lib").join(&name))?;
            symlink(Path::new("/.usr/lib").join(&name), inside(".split").join(&name))?;
        }
    }
    fs::write(inside("dev/null"), "")?;
    bind(Path::new("/dev/null"), &inside("dev/null"))?;
    furnish_proc(&inside("proc"))
}

/// Only the keys of the network namespace may be written.
fn furnish_proc(proc: &Path) -> Result<()> {
    bind(Path::new("/proc"), proc)?;
    let (all, net) = (proc.join("sys"), proc.join("sys/net"));
    bind(&all, &all)?;
    bind(&net, &net)?;
    read_only(&all)
}

fn bind(from: &Path, to: &Path) -> Result<()> {
    Ok(mount(Some(from), to, None::<&str>, MsFlags::MS_BIND, None::<&str>)?)
}

fn read_only(path: &Path) -> Result<()> {
    let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    Ok(mount(None::<&str>, path, None::<&str>, flags, None::<&str>)?)
}
