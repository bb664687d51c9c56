//! The running system, and offline images.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tune_model::plan::{FileImage, Namespace};

use crate::files::{FileError, Files, RootedFiles, file_error, write_error};
use crate::host::{Description, Host, Identity, Isolation, Machine, ReadError, Scope, WriteError};
use crate::sockets::{AbortError, ListRequest, NetworkNamespace, Receive, SocketHolders, SocketsError};
use crate::{replace, sys};

/// The running system, or an offline image of one.
///
/// Live values are those of the caller's own network namespace, or of the one chosen; an image has none.
#[derive(Debug)]
pub struct LiveHost {
    files: RootedFiles,
    scope: Scope,
    ram: Option<u64>,
    /// How the process's own network namespace relates to that of the first process.
    isolation: OnceLock<Isolation>,
}

/// Why a network namespace could not be entered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NamespaceError {
    /// There is none of that name, and no such process.
    #[error("there is no network namespace {0:?}")]
    Missing(String),
    /// The caller may not enter it.
    #[error("network namespace {0:?} may not be entered by this user")]
    Denied(String),
    /// The file is no network namespace.
    #[error("{0:?} is not a network namespace")]
    NotOne(String),
    /// This system has none.
    #[error("this system has no network namespaces")]
    Unsupported,
    /// Anything else the system said.
    #[error("network namespace {name:?} cannot be entered: {reason}")]
    Failed {
        /// The namespace.
        name: String,
        /// The system's own words.
        reason: String,
    },
}

impl LiveHost {
    /// The system that the process itself sees.
    #[must_use]
    pub fn own() -> Self {
        Self { files: RootedFiles::new("/"), scope: Scope::Own, ram: None, isolation: OnceLock::new() }
    }

    /// A network namespace of this host, by its name under `/run/netns` or by the id of a process in it.
    ///
    /// # Errors
    ///
    /// Any [`NamespaceError`].
    pub fn namespace(name: &str) -> Result<Self, NamespaceError> {
        let namespace = sys::find_namespace(name)?;
        Ok(Self {
            files: RootedFiles::new("/"),
            scope: Scope::Namespace(namespace),
            ram: None,
            isolation: OnceLock::new(),
        })
    }

    /// The very network namespace that was looked at before, whatever its name stands for by now.
    ///
    /// # Errors
    ///
    /// Any [`NamespaceError`]; [`NamespaceError::Missing`] when nothing holds it any more.
    pub fn again(namespace: Namespace) -> Result<Self, NamespaceError> {
        sys::within(Some(&namespace), || ())?;
        let scope = Scope::Namespace(namespace);
        Ok(Self { files: RootedFiles::new("/"), scope, ram: None, isolation: OnceLock::new() })
    }

    /// An offline image below `root`, of a machine with `ram` bytes of memory, where that is known.
    pub fn image(root: impl Into<PathBuf>, ram: Option<u64>) -> Self {
        let root = root.into();
        Self { files: RootedFiles::new(&root), scope: Scope::Image(root), ram, isolation: OnceLock::new() }
    }

    /// Returns where a path of this host really is: the same, or below the image's root.
    ///
    /// # Errors
    ///
    /// As [`RootedFiles::locate`].
    pub fn locate(&self, path: &Path) -> Result<PathBuf, FileError> {
        self.files.locate(path)
    }

    const fn chosen(&self) -> Option<&Namespace> {
        match &self.scope {
            Scope::Namespace(namespace) => Some(namespace),
            _ => None,
        }
    }

    fn is_running(&self) -> Result<(), SocketsError> {
        match self.scope {
            Scope::Image(_) => Err(SocketsError::Unsupported("an image has no connections".to_owned())),
            _ => Ok(()),
        }
    }
}

fn told(name: &str, read: Result<String, ReadError>) -> Result<String, ReadError> {
    match &read {
        Ok(value) => tracing::debug!("{name} reads {:?}", value.replace('\t', " ")),
        Err(error) => tracing::debug!("{error}"),
    }
    read
}

impl Host for LiveHost {
    fn files(&self) -> &dyn Files {
        &self.files
    }

    fn identity(&self) -> Identity {
        match self.scope {
            Scope::Image(_) => Identity { kernel: None, release: None, host_name: None },
            _ => sys::identity(),
        }
    }

    fn boot_id(&self) -> String {
        match self.scope {
            Scope::Image(_) => "image".to_owned(),
            _ => sys::boot_id(),
        }
    }

    fn scope(&self) -> &Scope {
        &self.scope
    }

    fn isolation(&self) -> Isolation {
        match self.scope {
            Scope::Own => *self.isolation.get_or_init(sys::isolation),
            Scope::Namespace(_) => Isolation::NetworkOnly,
            Scope::Image(_) => Isolation::None,
        }
    }

    fn namespace(&self) -> Option<Namespace> {
        match &self.scope {
            Scope::Namespace(namespace) => Some(namespace.clone()),
            Scope::Own if self.isolation() != Isolation::None => sys::own_namespace(),
            Scope::Own | Scope::Image(_) => None,
        }
    }

    fn page_size(&self) -> u64 {
        sys::page_size()
    }

    fn stated_ram(&self) -> Option<u64> {
        self.ram
    }

    fn read_tunables(&self, names: &[&str]) -> Vec<Result<String, ReadError>> {
        if matches!(self.scope, Scope::Image(_)) {
            return names.iter().map(|name| Err(ReadError::NotLive((*name).to_owned()))).collect();
        }
        let read = || names.iter().map(|name| told(name, sys::read_tunable(name))).collect();
        sys::within(self.chosen(), read).unwrap_or_else(|error| {
            let reason = error.to_string();
            names
                .iter()
                .map(|name| Err(ReadError::Failed { name: (*name).to_owned(), reason: reason.clone() }))
                .collect()
        })
    }

    fn describe_tunables(&self, names: &[&str]) -> Vec<Option<Description>> {
        match self.scope {
            Scope::Image(_) => vec![None; names.len()],
            _ => names.iter().map(|name| sys::describe_tunable(name)).collect(),
        }
    }

    fn writable_tunables(&self, names: &[&str]) -> Vec<Result<(), WriteError>> {
        if matches!(self.scope, Scope::Image(_)) {
            return names.iter().map(|name| Err(WriteError::NotLive((*name).to_owned()))).collect();
        }
        let check = || names.iter().map(|name| sys::writable_tunable(name)).collect();
        sys::within(self.chosen(), check).unwrap_or_else(|error| {
            let reason = error.to_string();
            names
                .iter()
                .map(|name| Err(WriteError::Failed { name: (*name).to_owned(), reason: reason.clone() }))
                .collect()
        })
    }

    fn replaceable_files(&self, paths: &[&Path]) -> Result<(), FileError> {
        paths.iter().try_for_each(|path| {
            // A directory that is not there yet is made first.
            let Ok(real) = self.locate(path) else { return Ok(()) };
            match replace::may_replace(&real) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
                Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                    Err(FileError::Denied((*path).to_owned()))
                }
                Err(error) => Err(write_error(path, &error)),
                Ok(()) => Ok(()),
            }
        })
    }

    fn file_image(&self, path: &Path) -> Result<Option<FileImage>, FileError> {
        match self.locate(path) {
            Err(FileError::Missing(_)) => Ok(None),
            Err(error) => Err(error),
            Ok(real) => replace::image(&real).map_err(|error| file_error(path, &error)),
        }
    }

    fn ask_for_sockets(&self, request: &[u8], receive: &mut Receive<'_>) -> Result<(), SocketsError> {
        self.is_running()?;
        sys::ask_for_sockets(self.chosen(), request, receive)
    }

    fn ask_for_lists(&self, requests: Vec<ListRequest<'_>>) -> Result<(), SocketsError> {
        self.is_running()?;
        sys::ask_for_lists(self.chosen(), requests)
    }

    fn read_network_file(&self, name: &str, receive: &mut Receive<'_>) -> Result<(), SocketsError> {
        self.is_running()?;
        sys::read_network_file(self.chosen(), name, receive)
    }

    fn read_structure(&self, name: &str) -> Result<Vec<u8>, ReadError> {
        match self.scope {
            Scope::Image(_) => Err(ReadError::NotLive(name.to_owned())),
            _ => sys::read_structure(name),
        }
    }

    fn socket_holders(&self, only: Option<&[i32]>, wanted: &(dyn Fn(u64) -> bool + Sync)) -> SocketHolders {
        if self.names_socket_holders() { sys::socket_holders(only, wanted) } else { SocketHolders::default() }
    }

    fn idle_processors(&self) -> usize {
        sys::idle_processors()
    }

    fn names_socket_holders(&self) -> bool {
        sys::NAMES_SOCKET_HOLDERS && !matches!(self.scope, Scope::Image(_))
    }

    fn ancestors(&self) -> Vec<i32> {
        sys::ancestors()
    }

    fn network_namespaces(&self) -> Vec<NetworkNamespace> {
        match self.scope {
            Scope::Image(_) => Vec::new(),
            _ => sys::network_namespaces(),
        }
    }
}

impl Machine for LiveHost {
    fn read_in(&self, namespace: Option<&Namespace>, name: &str) -> Result<String, ReadError> {
        match sys::within(namespace, || told(name, sys::read_tunable(name))) {
            Ok(read) => read,
            Err(NamespaceError::Missing(gone)) => Err(ReadError::NamespaceGone(gone)),
            Err(error) => Err(ReadError::Failed { name: name.to_owned(), reason: error.to_string() }),
        }
    }

    fn write_in(&self, namespace: Option<&Namespace>, name: &str, value: &str) -> Result<(), WriteError> {
        tracing::info!("writing {value:?} to {name}");
        match sys::within(namespace, || sys::write_tunable(name, value)) {
            Ok(written) => written,
            Err(NamespaceError::Missing(gone)) => Err(WriteError::NamespaceGone(gone)),
            Err(error) => Err(WriteError::Failed { name: name.to_owned(), reason: error.to_string() }),
        }
    }

    fn replace_file(&self, path: &Path, image: Option<&FileImage>, tag: &str) -> Result<(), FileError> {
        let verb = if image.is_some() { "writing" } else { "removing" };
        tracing::info!("{verb} {}", path.display());
        replace::replace(&self.locate(path)?, image, tag).map_err(|error| write_error(path, &error))
    }

    fn remove_leftover(&self, path: &Path, tag: &str) -> Result<(), FileError> {
        let left = replace::aside(&self.locate(path)?, tag);
        // Looked for first: a read-only file system refuses to remove even what is not there.
        match std::fs::symlink_metadata(&left).and_then(|_| replace::remove(&left)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(write_error(&left, &error)),
            _ => Ok(()),
        }
    }

    fn set_directory(&self, path: &Path, present: bool) -> Result<(), FileError> {
        let real = self.locate(path)?;
        let changed = if present { replace::make_directory(&real) } else { std::fs::remove_dir(&real) };
        changed.and_then(|()| replace::sync_parent(&real)).map_err(|error| write_error(path, &error))
    }

    fn abort_connection(&self, request: &[u8]) -> Result<(), AbortError> {
        match self.scope {
            Scope::Image(_) => Err(AbortError::Unsupported),
            _ => sys::abort_connection(self.chosen(), request),
        }
    }
}
