//! The whole command on a host in a directory: `tune` meets the programs that play the native ones, and files below the
//! host's root.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tune::Doors;
use tune_host::{
    FileError, Files, Host, Identity, Inquiry, Isolation, LiveHost, Machine as Changeable, NamespaceError,
    Output, ReadError, RunError, Runner, Scope, WriteError,
};
use tune_model::native::Command;
use tune_model::plan::{FileImage, Namespace};

use super::machine::Machine;
use super::program::said;
use super::said::Said;

/// How long a program may take before `tune` gives it up.
const TIME_LIMIT: Duration = Duration::from_secs(3);

/// An illumos or Solaris host in a directory, as `tune` sees it from inside.
#[derive(Debug)]
pub struct SunHost {
    machine: Machine,
    files: LiveHost,
    runner: Runner,
    /// Plays the programs in this process where none of them is to die or to hang.
    quick: bool,
    changes: Cell<u32>,
}

impl SunHost {
    /// The host in a directory.
    pub fn at(root: &Path) -> Self {
        Self {
            machine: Machine::open(root),
            files: LiveHost::image(root, None),
            runner: Runner::new(root, TIME_LIMIT),
            quick: std::env::var_os(QUICK).is_some(),
            changes: Cell::new(0),
        }
    }

    /// The host in a directory, for what is tried many hundred times: its programs are played in the calling process.
    pub fn quick(root: &Path) -> Self {
        Self { quick: true, ..Self::at(root) }
    }

    fn call(&self, command: &Command) -> Result<Output, RunError> {
        let path = self.machine.program(command.program.name());
        if !self.quick || !path.exists() || self.machine.is_deadly() {
            return self.runner.run(command);
        }
        let said = said(&path, command.arguments.iter().map(Into::into));
        let said = said.unwrap_or_else(|what| Said::unmodelled(&what));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Output { status: said.code.into(), stdout: text(&said.out), stderr: text(&said.err) })
    }
}

/// Names the environment variable that has the programs played in the process of `tune`.
pub(super) const QUICK: &str = "TUNE_FAKE_QUICK";

/// Names the environment variable that ends the process before or after one of its changes: `before:3`, `after:3`.
pub(super) const STOP: &str = "TUNE_FAKE_STOP";

/// Names the environment variable that says where the host is.
pub(super) const HOME: &str = "TUNE_FAKE";

impl SunHost {
    /// Does something that changes the host, and dies before or after it where it is to.
    fn change<T>(&self, act: impl FnOnce() -> T) -> T {
        self.changes.set(self.changes.get() + 1);
        let stop = std::env::var(STOP).unwrap_or_default();
        let here = |when: &str| stop == format!("{when}:{}", self.changes.get());
        if here("before") {
            std::process::abort();
        }
        let done = act();
        if here("after") {
            std::process::abort();
        }
        done
    }
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
        format!("boot-{}", self.machine.boots())
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
        self.call(&inquiry.command())
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
        self.change(|| self.call(command))
    }

    fn replace_file(&self, path: &Path, image: Option<&FileImage>, tag: &str) -> Result<(), FileError> {
        self.change(|| self.files.replace_file(path, image, tag))
    }

    fn remove_leftover(&self, path: &Path, tag: &str) -> Result<(), FileError> {
        self.files.remove_leftover(path, tag)
    }

    fn set_directory(&self, path: &Path, present: bool) -> Result<(), FileError> {
        self.change(|| self.files.set_directory(path, present))
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
        let quick = std::env::var_os(QUICK).map(|word| (QUICK.into(), word));
        [(HOME.into(), self.0.clone().into())].into_iter().chain(quick).collect()
    }
}
