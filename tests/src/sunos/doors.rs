//! The whole command on a host in a directory: `tune` meets the programs that play the native ones, and files below the
//! host's root.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tune::Doors;
use tune_host::{
    FileError, Files, Host, Identity, Inquiry, Isolation, LiveHost, Machine as Changeable, NamespaceError, Output,
    ReadError, RunError, Runner, Scope, WriteError,
};
use tune_model::native::Command;
use tune_model::plan::{FileImage, Namespace};

use super::machine::Machine;

/// How long a program may take before `tune` gives it up.
const TIME_LIMIT: Duration = Duration::from_secs(3);

/// An illumos or Solaris host in a directory, as `tune` sees it from inside.
#[derive(Debug)]
pub struct SunHost {
    machine: Machine,
    files: LiveHost,
    runner: Runner,
}

impl SunHost {
    /// The host in a directory.
    pub fn at(root: &Path) -> Self {
        Self {
            machine: Machine::open(root),
            files: LiveHost::image(root, None),
            runner: Runner::new(root, TIME_LIMIT),
        }
    }
}

const BOOTS: &str = "stand-in/boots";

fn boots(root: &Path) -> u64 {
    fs::read_to_string(root.join(BOOTS)).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// Restarts a host, so that `tune` notices. A service of `tune`'s is not started: a test does that itself.
///
/// # Panics
///
/// When there is no host.
pub fn restart(machine: &Machine) -> Vec<String> {
    let logged = machine.reboot();
    let count = boots(machine.root()) + 1;
    fs::write(machine.root().join(BOOTS), count.to_string()).expect("the directory of the host can be written");
    logged
}

impl Host for SunHost {
    fn files(&self) -> &dyn Files {
        self.files.files()
    }

    fn identity(&self) -> Identity {
        let setup = self.machine.setup();
        Identity {
            kernel: Some("SunOS".to_owned()),
            release: Some(setup.release),
            version: Some(setup.version),
            host_name: Some("sun".to_owned()),
        }
    }

    fn boot_id(&self) -> String {
        format!("boot-{}", boots(self.machine.root()))
    }

    fn scope(&self) -> &Scope {
        &Scope::Own
    }

    fn root(&self) -> &Path {
        self.machine.root()
    }

    fn isolation(&self) -> Isolation {
        Isolation::None
    }

    fn namespace(&self) -> Option<Namespace> {
        None
    }

    fn page_size(&self) -> u64 {
        4096
    }

    fn stated_ram(&self) -> Option<u64> {
        None
    }

    fn memory(&self) -> Option<u64> {
        Some(8 << 30)
    }

    fn program(&self) -> Option<PathBuf> {
        Some("/usr/bin/tune".into())
    }

    fn read_tunables(&self, names: &[&str]) -> Vec<Result<String, ReadError>> {
        names.iter().map(|name| Err(ReadError::Missing((*name).to_owned()))).collect()
    }

    fn writable_tunables(&self, names: &[&str]) -> Vec<Result<(), WriteError>> {
        names.iter().map(|name| Err(WriteError::Missing((*name).to_owned()))).collect()
    }

    fn replaceable_files(&self, paths: &[&Path]) -> Result<(), FileError> {
        self.files.replaceable_files(paths)
    }

    fn inquire(&self, inquiry: &Inquiry) -> Result<Output, RunError> {
        self.runner.run(&inquiry.command())
    }

    fn file_image(&self, path: &Path) -> Result<Option<FileImage>, FileError> {
        self.files.file_image(path)
    }
}

impl Changeable for SunHost {
    fn read_in(&self, _namespace: Option<&Namespace>, name: &str) -> Result<String, ReadError> {
        Err(ReadError::Missing(name.to_owned()))
    }

    fn write_in(&self, _namespace: Option<&Namespace>, name: &str, _value: &str) -> Result<(), WriteError> {
        Err(WriteError::Missing(name.to_owned()))
    }

    fn run(&self, command: &Command) -> Result<Output, RunError> {
        self.runner.run(command)
    }

    fn replace_file(&self, path: &Path, image: Option<&FileImage>, tag: &str) -> Result<(), FileError> {
        self.files.replace_file(path, image, tag)
    }

    fn remove_leftover(&self, path: &Path, tag: &str) -> Result<(), FileError> {
        self.files.remove_leftover(path, tag)
    }

    fn set_directory(&self, path: &Path, present: bool) -> Result<(), FileError> {
        self.files.set_directory(path, present)
    }
}

/// The doors to a host in a directory.
#[derive(Debug, Clone)]
pub struct SunDoors(pub PathBuf);

impl Doors for SunDoors {
    fn own(&self) -> Box<dyn Changeable> {
        Box::new(SunHost::at(&self.0))
    }

    fn namespace(&self, _name: &str) -> Result<Box<dyn Changeable>, NamespaceError> {
        Err(NamespaceError::Unsupported)
    }

    fn again(&self, _namespace: Namespace) -> Result<Box<dyn Changeable>, NamespaceError> {
        Err(NamespaceError::Unsupported)
    }

    fn environment(&self) -> Vec<(std::ffi::OsString, std::ffi::OsString)> {
        vec![("TUNE_FAKE".into(), self.0.clone().into())]
    }
}
