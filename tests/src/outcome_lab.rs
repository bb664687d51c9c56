//! A network namespace and files of its own, in which the real kernel is asked what it makes of a value.

use std::fs;
use std::io::{Error, Result};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// The laboratory. It belongs to the thread that made it, and ends with it.
#[derive(Debug)]
pub struct OutcomeLab {
    /// A directory in memory.
    pub scratch: PathBuf,
}

/// Directories of settings files, which are empty in the laboratory.
const SETTINGS: [&str; 5] =
    ["/etc/sysctl.d", "/usr/lib/sysctl.d", "/usr/local/lib/sysctl.d", "/lib/sysctl.d", "/etc/tune"];

impl OutcomeLab {
    /// Moves the calling thread into a laboratory; `scratch` is an empty directory that is covered there.
    ///
    /// # Errors
    ///
    /// What the system says when a namespace or a mount is not to be had.
    pub fn enter(scratch: &Path) -> Result<Self> {
        let before = namespace()?;
        unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET)?;
        if namespace()? == before {
            return Err(Error::other("still in the network namespace of the host"));
        }
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
        mount(Some("tmpfs"), scratch, Some("tmpfs"), MsFlags::empty(), Some("mode=700"))?;
        for (at, path) in SETTINGS.iter().enumerate().filter(|(_, path)| Path::new(path).is_dir()) {
            let empty = scratch.join(format!("empty{at}"));
            fs::create_dir(&empty)?;
            bind(&empty, Path::new(path))?;
        }
        if Path::new("/etc/sysctl.conf").exists() {
            let empty = scratch.join("sysctl.conf");
            fs::write(&empty, "")?;
            bind(&empty, Path::new("/etc/sysctl.conf"))?;
        }
        // A service manager that applies settings at boot, so that there is a next boot to plan for.
        mount(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::empty(), Some("mode=755"))?;
        fs::create_dir_all("/run/systemd/system")?;
        Ok(Self { scratch: scratch.to_owned() })
    }

    /// Runs the real binary on this namespace with a state directory of its own.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn tune(&self, binary: &Path, arguments: &[&str]) -> Result<Output> {
        let mut command = Command::new(binary);
        command.env_clear().arg("--state-dir").arg(self.scratch.join("binary-state"));
        command.args(["--format", "json"]).args(arguments).output()
    }
}

fn namespace() -> Result<(u64, u64)> {
    let found = fs::metadata("/proc/thread-self/ns/net")?;
    Ok((found.dev(), found.ino()))
}

fn bind(from: &Path, to: &Path) -> Result<()> {
    Ok(mount(Some(from), to, None::<&str>, MsFlags::MS_BIND, None::<&str>)?)
}
