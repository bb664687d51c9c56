//! The machine as `tune` sees it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tune_model::catalog::KernelType;
use tune_model::plan::{FileImage, Namespace};

use crate::files::{FileError, Files};
use crate::sockets::{AbortError, ListRequest, NetworkNamespace, Receive, SocketHolders, SocketsError};
use crate::sys;

/// Why a tunable could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// There is no such tunable here.
    #[error("{0} does not exist here")]
    Missing(String),
    /// The caller may not read it.
    #[error("{0} may not be read by this user")]
    Denied(String),
    /// The name cannot be a tunable's.
    #[error("{0:?} is not the name of a tunable")]
    BadName(String),
    /// There is no running system to ask.
    #[error("{0} has no live value in an image")]
    NotLive(String),
    /// The namespace it was to be read in is gone.
    #[error("the network namespace {0} no longer exists")]
    NamespaceGone(String),
    /// Anything else the system said.
    #[error("{name} cannot be read: {reason}")]
    Failed {
        /// The tunable.
        name: String,
        /// The system's own words.
        reason: String,
    },
}

/// Why a tunable could not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// There is no such tunable here.
    #[error("{0} does not exist here")]
    Missing(String),
    /// The caller may not write it.
    #[error("{0} may not be written by this user")]
    Denied(String),
    /// The system does not let this process write it, for this reason.
    #[error("{name} may not be written here: {reason}")]
    NotPermitted {
        /// The tunable.
        name: String,
        /// What stands in the way.
        reason: String,
    },
    /// The kernel's settings are mounted read-only, as in most containers.
    #[error("{0} is on a read-only mount")]
    ReadOnly(String),
    /// The kernel refused the value.
    #[error("the kernel refused {value:?} for {name}")]
    Refused {
        /// The tunable.
        name: String,
        /// The value.
        value: String,
    },
    /// The kernel took only the beginning of the text.
    #[error("the kernel took only {taken} of {length} bytes of {value:?} for {name}")]
    Short {
        /// The tunable.
        name: String,
        /// The value.
        value: String,
        /// How many bytes it took.
        taken: usize,
        /// How many there were.
        length: usize,
    },
    /// The name cannot be a tunable's.
    #[error("{0:?} is not the name of a tunable")]
    BadName(String),
    /// There is no running system to write to.
    #[error("{0} has no live value in an image")]
    NotLive(String),
    /// The namespace it was to be written in is gone.
    #[error("the network namespace {0} no longer exists")]
    NamespaceGone(String),
    /// Anything else the system said.
    #[error("{name} cannot be written: {reason}")]
    Failed {
        /// The tunable.
        name: String,
        /// The system's own words.
        reason: String,
    },
}

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// What the process itself sees: the host, or the container it runs in.
    Own,
    /// A network namespace chosen by `--netns`: the running kernel only.
    Namespace(Namespace),
    /// An offline image: files only.
    Image(PathBuf),
}

/// How the caller's network namespace relates to that of the first process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// The same: the host itself, or a container as a whole.
    None,
    /// A network namespace of its own over the host's files.
    NetworkOnly,
    /// A network namespace of its own, and files of its own.
    NetworkAndFiles,
    /// The caller may not look.
    Unknown,
}

/// What kind of system it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The kernel's name, as `uname -s` prints it; `None` for an image.
    pub kernel: Option<String>,
    /// The kernel's release, as `uname -r` prints it; `None` for an image.
    pub release: Option<String>,
    /// The host's name; `None` for an image.
    pub host_name: Option<String>,
}

/// What the running kernel says of a tunable besides its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Description {
    /// The type of its value; `None` for what is no number.
    pub value: Option<KernelType>,
    /// It can be written while the system runs.
    pub writable: bool,
    /// The boot loader's environment is asked for it.
    pub loader: bool,
    /// Each network stack has its own.
    pub vnet: bool,
    /// Root of a jail may write it.
    pub prison: bool,
    /// It cannot be written above this securelevel.
    pub secure_above: Option<i32>,
}

/// A machine that can be looked at. Nothing here changes anything.
pub trait Host {
    /// Returns the files.
    fn files(&self) -> &dyn Files;

    /// Returns what kind of system it is.
    fn identity(&self) -> Identity;

    /// Returns what tells the present boot from every other; empty where that cannot be told.
    fn boot_id(&self) -> String;

    /// Returns how long the machine has been running: a clock that setting the wall clock does not move, and that goes on
    /// while the machine is suspended, where the system has such a one.
    fn uptime(&self) -> Duration {
        sys::uptime()
    }

    /// Returns what is looked at.
    fn scope(&self) -> &Scope;

    /// Returns the directory of the running system that the host's files are below.
    fn root(&self) -> &Path {
        match self.scope() {
            Scope::Image(root) => root,
            Scope::Own | Scope::Namespace(_) => Path::new("/"),
        }
    }

    /// Returns how the network namespace relates to that of the first process.
    fn isolation(&self) -> Isolation;

    /// Returns the network namespace that live values are in, where it is not that of the first process.
    fn namespace(&self) -> Option<Namespace>;

    /// Returns the size of a page in bytes.
    fn page_size(&self) -> u64;

    /// Returns physical memory in bytes where the caller has stated it, as `--root` requires.
    fn stated_ram(&self) -> Option<u64>;

    /// Returns the kernel's text of each tunable, in the scope looked at, in the order asked for.
    fn read_tunables(&self, names: &[&str]) -> Vec<Result<String, ReadError>>;

    /// Returns what the running kernel says of each tunable besides its value; nothing where it says nothing, or where
    /// there is no such tunable.
    fn describe_tunables(&self, names: &[&str]) -> Vec<Option<Description>> {
        vec![None; names.len()]
    }

    /// Tells for each tunable whether the caller could write it, without writing.
    fn writable_tunables(&self, names: &[&str]) -> Vec<Result<(), WriteError>>;

    /// Tells for each file whether the caller could replace it, as far as can be told without writing.
    ///
    /// # Errors
    ///
    /// Any [`FileError`]; the first.
    fn replaceable_files(&self, paths: &[&Path]) -> Result<(), FileError> {
        let _ = paths;
        Ok(())
    }

    /// Returns a regular file with mode, owner and extended attributes, or `None` where there is nothing.
    ///
    /// # Errors
    ///
    /// [`FileError::WrongKind`] for anything but a regular file.
    fn file_image(&self, path: &Path) -> Result<Option<FileImage>, FileError>;

    /// Sends a request for sockets to the kernel, in the scope looked at, and hands on each datagram that it answers
    /// with until `receive` breaks.
    ///
    /// Linux: a message of `NETLINK_SOCK_DIAG` that asks; others are refused.
    ///
    /// # Errors
    ///
    /// Any [`SocketsError`]; what the kernel says inside of its datagrams is none.
    fn ask_for_sockets(&self, request: &[u8], receive: &mut Receive<'_>) -> Result<(), SocketsError> {
        let _ = (request, receive);
        Err(SocketsError::Unsupported(NO_NETLINK.to_owned()))
    }

    /// As [`Host::ask_for_sockets`] with several requests for lists. They may be answered at the same time, each on a
    /// thread of its own: a kernel spends its time on a list in whoever reads it.
    ///
    /// # Errors
    ///
    /// Any [`SocketsError`]; the first.
    fn ask_for_lists(&self, requests: Vec<ListRequest<'_>>) -> Result<(), SocketsError> {
        requests.into_iter().try_for_each(|(request, mut receive)| {
            self.ask_for_sockets(&request, &mut |datagram| receive(datagram))
        })
    }

    /// Reads a file below `/proc/net`, in the scope looked at, and hands on its pieces until `receive` breaks.
    ///
    /// # Errors
    ///
    /// Any [`SocketsError`].
    fn read_network_file(&self, name: &str, receive: &mut Receive<'_>) -> Result<(), SocketsError> {
        let _ = receive;
        Err(SocketsError::Unsupported(format!("there is no /proc/net/{name}")))
    }

    /// Returns the bytes of a tunable that is a structure.
    ///
    /// # Errors
    ///
    /// Any [`ReadError`].
    fn read_structure(&self, name: &str) -> Result<Vec<u8>, ReadError> {
        Err(ReadError::Missing(name.to_owned()))
    }

    /// Finds which processes have sockets whose inodes are wanted: all processes that can be seen, or only some.
    /// `wanted` is asked for every socket of every process.
    fn socket_holders(&self, only: Option<&[i32]>, wanted: &(dyn Fn(u64) -> bool + Sync)) -> SocketHolders {
        let _ = (only, wanted);
        SocketHolders::default()
    }

    /// Returns how many processors have nothing to do at this moment, as far as can be told: what is done on several
    /// threads only takes longer where there is none.
    fn idle_processors(&self) -> usize {
        0
    }

    /// Tells whether [`Host::socket_holders`] can find anything here.
    fn names_socket_holders(&self) -> bool {
        false
    }

    /// Returns the ids of this process and of those it was started from, the nearest first.
    fn ancestors(&self) -> Vec<i32> {
        Vec::new()
    }

    /// Returns the network namespaces of the host that the caller can see, the first process's first.
    fn network_namespaces(&self) -> Vec<NetworkNamespace> {
        Vec::new()
    }
}

const NO_NETLINK: &str = "it has no NETLINK_SOCK_DIAG";

/// A machine that can be changed. Only the execution of a journaled plan is given one.
pub trait Machine: Host {
    /// Returns a tunable's text in a namespace, or in the caller's own.
    ///
    /// # Errors
    ///
    /// Any [`ReadError`].
    fn read_in(&self, namespace: Option<&Namespace>, name: &str) -> Result<String, ReadError>;

    /// Writes a tunable's text in one piece. It says nothing about what the kernel made of it: read it back.
    ///
    /// # Errors
    ///
    /// Any [`WriteError`]; of a tunable with several fields some may have changed even so.
    fn write_in(&self, namespace: Option<&Namespace>, name: &str, value: &str) -> Result<(), WriteError>;

    /// Replaces, makes or removes a regular file, all or nothing, durable when it returns.
    ///
    /// The new file is made beside it under a hidden name that ends in `tag`, which nothing that reads boot settings
    /// takes for one of its own.
    ///
    /// # Errors
    ///
    /// Any [`FileError`]; the file is then as it was, and nothing is left beside it.
    fn replace_file(&self, path: &Path, image: Option<&FileImage>, tag: &str) -> Result<(), FileError>;

    /// Removes what an interrupted [`Machine::replace_file`] with this tag left beside the file; durable when it returns.
    ///
    /// # Errors
    ///
    /// Any [`FileError`] but [`FileError::Missing`].
    fn remove_leftover(&self, path: &Path, tag: &str) -> Result<(), FileError>;

    /// Makes a directory, or removes it when it is empty; durable when it returns.
    ///
    /// # Errors
    ///
    /// Any [`FileError`].
    fn set_directory(&self, path: &Path, present: bool) -> Result<(), FileError>;

    /// Aborts one connection, in the scope looked at. It cannot be undone.
    ///
    /// The request has the form of the system. Linux: a message of `NETLINK_SOCK_DIAG` that destroys one socket.
    /// FreeBSD: the addresses that `net.inet.tcp.drop` takes.
    ///
    /// # Errors
    ///
    /// Any [`AbortError`]; the connection is then as it was.
    fn abort_connection(&self, request: &[u8]) -> Result<(), AbortError> {
        let _ = request;
        Err(AbortError::Unsupported)
    }
}
