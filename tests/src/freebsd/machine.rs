//! The fake host as `tune` sees it.

use std::cell::{Cell, RefCell};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use tune::Doors;
use tune_host::{
    Description, FileError, Files, Host, Identity, Isolation, LiveHost, Machine, NamespaceError, ReadError,
    Scope, WriteError,
};
use tune_model::catalog::KernelType;
use tune_model::plan::{FileImage, Namespace};

use super::home::{Home, State};
use super::kernel::{Cause, Jail, Refusal};
use super::tool::as_text;

/// Where the process ends, if it is to end early: the environment's word for it.
pub const STOP: &str = "TUNE_FAKE_STOP";

/// Where the fake host is: the environment's word for it.
pub const HOME: &str = "TUNE_FAKE";

/// The fake host.
#[derive(Debug)]
pub struct FakeFreeBsd {
    home: Home,
    root: PathBuf,
    files: LiveHost,
    state: RefCell<State>,
    effects: Cell<u32>,
    /// What is written is kept in the directory.
    kept: bool,
}

impl FakeFreeBsd {
    /// The host in a directory.
    pub fn at(home: Home) -> Self {
        let state = home.load();
        Self::with(home, state)
    }

    /// The same, starting from a state and forgetting everything but the files in the end.
    pub(super) fn passing(home: Home, state: State) -> Self {
        Self { kept: false, ..Self::with(home, state) }
    }

    fn with(home: Home, state: State) -> Self {
        let root = home.root();
        let files = LiveHost::image(&root, None);
        Self { home, root, files, state: RefCell::new(state), effects: Cell::new(0), kept: true }
    }

    /// Does something that changes the host, and ends the process before or after it where [`STOP`] says so:
    /// `before:3`, `after:3`.
    fn effect<T>(&self, what: &str, act: impl FnOnce() -> T) -> T {
        self.effects.set(self.effects.get() + 1);
        let stop = std::env::var(STOP).unwrap_or_default();
        let here = |when: &str| stop == format!("{when}:{}", self.effects.get());
        if here("before") {
            std::process::abort();
        }
        let done = act();
        if self.kept {
            self.home.log(what);
        }
        if here("after") {
            std::process::abort();
        }
        done
    }

    /// Looks at the kernel as it is by now: another process may have written to it.
    fn refresh(&self) {
        if self.kept {
            *self.state.borrow_mut() = self.home.load();
        }
    }

    fn read(&self, name: &str) -> Result<String, ReadError> {
        let kernel = &self.state.borrow().kernel;
        let read = kernel.get(name).and_then(|bytes| Ok(as_text(kernel.oid(name)?, &bytes)));
        read.map_err(|refusal| match refusal {
            Refusal::Missing => ReadError::Missing(name.to_owned()),
            Refusal::Directory => ReadError::BadName(name.to_owned()),
            Refusal::Unmodelled(reason) => ReadError::Failed { name: name.to_owned(), reason },
            other => ReadError::Failed { name: name.to_owned(), reason: other.errno().1.to_owned() },
        })
    }

    /// Writes a number as the real door does: text that is none, or that the type cannot hold, never gets to the
    /// kernel.
    fn write(&self, name: &str, text: &str) -> Result<(), WriteError> {
        self.refresh();
        let mut state = self.state.borrow_mut();
        let refused = || WriteError::Refused { name: name.to_owned(), value: text.to_owned() };
        let kind = state.kernel.oid(name).map_err(|refusal| write_error(name, text, refusal))?.kind;
        if kind.size().is_none() {
            let refusal = state.kernel.set(name, text.as_bytes()).err();
            return refusal.map_or(Ok(()), |refusal| Err(write_error(name, text, refusal)));
        }
        let number: i128 = text.parse().map_err(|_| refused())?;
        let bytes = kind.encode(number);
        if kind.decode(&bytes) != Some(number) {
            return Err(refused());
        }
        state.kernel.set(name, &bytes).map_err(|refusal| write_error(name, text, refusal))?;
        if self.kept {
            self.home.save(&state);
        }
        Ok(())
    }

    fn describe(&self, name: &str) -> Option<Description> {
        let oid = self.state.borrow().kernel.oid(name).ok()?;
        Some(Description {
            value: kernel_type(oid.word),
            writable: oid.writable,
            loader: oid.tunable,
            vnet: oid.vnet,
            prison: oid.prison,
            secure_above: oid.secure.then_some(0),
        })
    }
}

fn kernel_type(word: &str) -> Option<KernelType> {
    Some(match word {
        "int" => KernelType::Int,
        "uint" => KernelType::Uint,
        "long" => KernelType::Long,
        "ulong" => KernelType::Ulong,
        "u8" => KernelType::U8,
        "u32" => KernelType::U32,
        "s64" => KernelType::S64,
        "u64" => KernelType::U64,
        _ => return None,
    })
}

fn write_error(name: &str, value: &str, refusal: Refusal) -> WriteError {
    let name = name.to_owned();
    let reason = |cause| match cause {
        Cause::ReadOnly => "it is read when the system starts",
        Cause::NotRoot => "the caller is not root",
        Cause::Jailed => "it belongs to the host of this jail",
        Cause::Securelevel => "the securelevel is above 0",
        Cause::Lowered => "the securelevel cannot be lowered",
    };
    match refusal {
        Refusal::Missing => WriteError::Missing(name),
        Refusal::Invalid => WriteError::Refused { name, value: value.to_owned() },
        Refusal::NotPermitted(Cause::NotRoot) => WriteError::Denied(name),
        Refusal::NotPermitted(cause) => WriteError::NotPermitted { name, reason: reason(cause).to_owned() },
        Refusal::Directory => WriteError::BadName(name),
        Refusal::Unmodelled(reason) => WriteError::Failed { name, reason },
        other @ Refusal::TooSmall(_) => WriteError::Failed { name, reason: other.errno().1.to_owned() },
    }
}

/// Reads pairs of hexadecimal digits, whatever stands between them.
fn bytes(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().filter_map(|char| char.to_digit(16)).collect();
    digits.chunks_exact(2).filter_map(|pair| u8::try_from(pair[0] << 4 | pair[1]).ok()).collect()
}

impl Host for FakeFreeBsd {
    fn files(&self) -> &dyn Files {
        self.files.files()
    }

    fn identity(&self) -> Identity {
        Identity {
            kernel: self.read("kern.ostype").ok(),
            release: self.read("kern.osrelease").ok(),
            host_name: Some("fbsd".to_owned()),
        }
    }

    fn boot_id(&self) -> String {
        self.refresh();
        format!("boot-{}", self.state.borrow().boots)
    }

    fn scope(&self) -> &Scope {
        &Scope::Own
    }

    fn root(&self) -> &Path {
        &self.root
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

    fn read_tunables(&self, names: &[&str]) -> Vec<Result<String, ReadError>> {
        self.refresh();
        names.iter().map(|name| self.read(name)).collect()
    }

    fn read_structure(&self, name: &str) -> Result<Vec<u8>, ReadError> {
        // What a kernel of 15.0 answered while a test had connections open.
        const PCBLIST: &str =
            include_str!("../../../crates/tune-sockets/tests/fixtures/freebsd-15/pcblist.hex");
        match name {
            "net.inet.tcp.pcblist" => Ok(bytes(PCBLIST)),
            _ => Err(ReadError::Missing(name.to_owned())),
        }
    }

    fn describe_tunables(&self, names: &[&str]) -> Vec<Option<Description>> {
        names.iter().map(|name| self.describe(name)).collect()
    }

    fn writable_tunables(&self, names: &[&str]) -> Vec<Result<(), WriteError>> {
        let may = |name: &str| {
            let may = self.state.borrow().kernel.may_set(name);
            may.map_err(|refusal| write_error(name, "", refusal))
        };
        names.iter().map(|name| may(name)).collect()
    }

    fn file_image(&self, path: &Path) -> Result<Option<FileImage>, FileError> {
        self.files.file_image(path)
    }
}

impl Machine for FakeFreeBsd {
    fn read_in(&self, namespace: Option<&Namespace>, name: &str) -> Result<String, ReadError> {
        match namespace {
            None => {
                self.refresh();
                self.read(name)
            }
            Some(gone) => Err(ReadError::NamespaceGone(gone.name.clone())),
        }
    }

    fn write_in(&self, namespace: Option<&Namespace>, name: &str, value: &str) -> Result<(), WriteError> {
        match namespace {
            None => self.effect(&format!("tunable {name} {value}"), || self.write(name, value)),
            Some(gone) => Err(WriteError::NamespaceGone(gone.name.clone())),
        }
    }

    fn replace_file(&self, path: &Path, image: Option<&FileImage>, tag: &str) -> Result<(), FileError> {
        let verb = if image.is_some() { "file" } else { "no file" };
        self.effect(&format!("{verb} {}", path.display()), || self.files.replace_file(path, image, tag))
    }

    fn remove_leftover(&self, path: &Path, tag: &str) -> Result<(), FileError> {
        self.files.remove_leftover(path, tag)
    }

    fn set_directory(&self, path: &Path, present: bool) -> Result<(), FileError> {
        let verb = if present { "directory" } else { "no directory" };
        self.effect(&format!("{verb} {}", path.display()), || self.files.set_directory(path, present))
    }
}

/// The doors to a fake host.
#[derive(Debug)]
pub struct FakeDoors(pub Home);

impl Doors for FakeDoors {
    fn own(&self) -> Box<dyn Machine> {
        Box::new(FakeFreeBsd::at(self.0.clone()))
    }

    fn environment(&self) -> Vec<(OsString, OsString)> {
        vec![(HOME.into(), self.0.directory().into())]
    }

    fn namespace(&self, _name: &str) -> Result<Box<dyn Machine>, NamespaceError> {
        Err(NamespaceError::Unsupported)
    }

    fn again(&self, _namespace: Namespace) -> Result<Box<dyn Machine>, NamespaceError> {
        Err(NamespaceError::Unsupported)
    }
}

/// Tells what a jail is called where one is chosen by name.
impl std::str::FromStr for Jail {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "none" => Ok(Self::None),
            "shared" => Ok(Self::Shared),
            "vnet" => Ok(Self::Vnet),
            other => Err(format!("no jail is called {other:?}")),
        }
    }
}
