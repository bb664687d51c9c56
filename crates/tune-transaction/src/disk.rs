//! Directories held by descriptor, and the few things done to files in them.
//!
//! A name is looked up once, relative to a directory that has been checked, and never through a symbolic link. Every
//! change passes a failpoint first.

use std::ffi::OsStr;
use std::fs::{File, Permissions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, renameat};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{UnlinkatFlags, geteuid, unlinkat};

use crate::error::StateError;
use crate::failpoint;

/// The mode of files that everybody may read.
pub(crate) const PUBLIC: u32 = 0o644;
/// The mode of files that hold other files' content.
pub(crate) const PRIVATE: u32 = 0o600;

/// The largest file that is read: the history of a hundred thousand transactions.
const MAX_FILE: u64 = 256 << 20;

/// A directory that only root and the caller can change.
#[derive(Debug)]
pub(crate) struct Directory {
    file: File,
    path: PathBuf,
}

impl Directory {
    /// Opens a directory, checking it and every one above it; `None` where there is none.
    pub(crate) fn find(path: &Path) -> Result<Option<Self>, StateError> {
        Self::walk(path, None)
    }

    /// Opens a directory like [`Directory::find`], making what is missing.
    pub(crate) fn make(path: &Path) -> Result<Self, StateError> {
        let made = Self::walk(path, Some(0o755))?;
        made.ok_or_else(|| StateError::new("make", path, &io::ErrorKind::NotFound.into()))
    }

    fn walk(path: &Path, make: Option<u32>) -> Result<Option<Self>, StateError> {
        let path = std::path::absolute(path).map_err(|error| StateError::new("find", path, &error))?;
        let root = File::open("/").map_err(|error| StateError::new("open", "/", &error))?;
        let mut here = Self { file: root, path: PathBuf::from("/") };
        let mut parts = path.components().filter(|part| !matches!(part, Component::RootDir)).peekable();
        here.check(parts.peek().is_some())?;
        while let Some(part) = parts.next() {
            let next = here.step(part.as_os_str(), make)?;
            let Some(next) = next else { return Ok(None) };
            next.check(parts.peek().is_some())?;
            here = next;
        }
        Ok(Some(here))
    }

    fn step(&self, name: &OsStr, make: Option<u32>) -> Result<Option<Self>, StateError> {
        if let Some(found) = self.enter(name)? {
            return Ok(Some(found));
        }
        let Some(mode) = make else { return Ok(None) };
        self.mkdir(name, mode).map_err(|error| StateError::new("make", self.path.join(name), &error))?;
        let made = self.enter(name)?;
        if let Some(made) = &made {
            // Whatever the caller's umask is.
            made.allow(mode).map_err(|error| StateError::new("make", &made.path, &error))?;
        }
        Ok(made)
    }

    /// Makes a directory that nobody can ever enter whom its mode does not let in.
    fn mkdir(&self, name: &OsStr, mode: u32) -> io::Result<()> {
        failpoint::pass("mkdir")?;
        match retried(|| mkdirat(&self.file, name, bits(mode))) {
            Ok(()) => self.sync(),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn allow(&self, mode: u32) -> io::Result<()> {
        failpoint::pass("chmod")?;
        self.file.set_permissions(Permissions::from_mode(mode))
    }

    fn enter(&self, name: &OsStr) -> Result<Option<Self>, StateError> {
        let path = self.path.join(name);
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        match retried(|| openat(&self.file, name, flags, Mode::empty())) {
            Ok(found) => Ok(Some(Self { file: found.into(), path })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) if is_no_directory(&error) => {
                let why = "it is a symbolic link or no directory; name the real directory".to_owned();
                Err(StateError::Unsafe { path, why })
            }
            Err(error) => Err(StateError::new("open", path, &error)),
        }
    }

    /// Refuses a directory that somebody else could change. One above it may be writable by all if it is sticky.
    fn check(&self, above: bool) -> Result<(), StateError> {
        let sticky_will_do = above;
        refuse_unsafe(&self.file, &self.path, sticky_will_do)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a directory in this one; `None` where there is none.
    pub(crate) fn inner(&self, name: &str) -> Result<Option<Self>, StateError> {
        let found = self.enter(OsStr::new(name))?;
        found.map(|found| found.check(false).map(|()| found)).transpose()
    }

    /// Opens a directory in this one, making it where there is none.
    pub(crate) fn make_inner(&self, name: &str, mode: u32) -> Result<Self, StateError> {
        let made = self.step(OsStr::new(name), Some(mode))?;
        let path = self.path.join(name);
        let made = made.ok_or_else(|| StateError::new("make", path, &io::ErrorKind::NotFound.into()))?;
        made.check(false).map(|()| made)
    }

    fn open(&self, name: &str, flags: OFlag, mode: u32) -> io::Result<File> {
        let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        Ok(retried(|| openat(&self.file, name, flags, bits(mode)))?.into())
    }

    /// Returns a file's content, or `None` where there is none.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StateError> {
        let path = self.path.join(name);
        let fail = |error: io::Error| StateError::new("read", &path, &error);
        let file = match self.open(name, OFlag::O_RDONLY, 0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if is_no_directory(&error) => return Err(linked(&path)),
            other => other.map_err(fail)?,
        };
        refuse_unsafe(&file, &path, false)?;
        if !file.metadata().map_err(fail)?.is_file() {
            let why = "it is no regular file; move it away".to_owned();
            return Err(StateError::Unsafe { path, why });
        }
        let mut content = Vec::new();
        file.take(MAX_FILE + 1).read_to_end(&mut content).map_err(fail)?;
        if content.len() as u64 > MAX_FILE {
            return Err(StateError::corrupt(path, 1, "it is larger than 256 MiB"));
        }
        Ok(Some(content))
    }

    /// Opens a file to be written, making it where there is none.
    pub(crate) fn edit(&self, name: &str, mode: u32) -> Result<File, StateError> {
        let path = self.path.join(name);
        let fail = |error: io::Error| match is_no_directory(&error) {
            true => linked(&path),
            false => StateError::new("write", &path, &error),
        };
        failpoint::pass_open(&self.path, name).map_err(fail)?;
        let file = self.open(name, OFlag::O_RDWR | OFlag::O_CREAT, mode).map_err(fail)?;
        refuse_unsafe(&file, &path, false)?;
        if file.metadata().map_err(fail)?.mode() & 0o7777 != mode {
            failpoint::pass("chmod").map_err(fail)?;
            file.set_permissions(Permissions::from_mode(mode)).map_err(fail)?;
        }
        Ok(file)
    }

    /// Puts `content` at `name`, all or nothing, durable when it returns.
    pub(crate) fn replace(&self, name: &str, content: &[u8], mode: u32) -> Result<(), StateError> {
        let new = aside(name);
        let fail = |error: io::Error| StateError::new("write", self.path.join(name), &error);
        let written = self.edit(&new, mode).and_then(|file| {
            truncate(&file, 0)
                .and_then(|()| write_at(&file, content, 0))
                .and_then(|()| sync(&file))
                .and_then(|()| self.rename(&new, name))
                .map_err(fail)
        });
        if written.is_err() {
            let _ = self.unlink(&new);
        }
        written.and_then(|()| self.sync().map_err(fail))
    }

    /// Removes a file, durably; it is no error when there is none.
    pub(crate) fn remove(&self, name: &str) -> Result<(), StateError> {
        let gone = match self.unlink(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(()) => self.sync(),
        };
        gone.map_err(|error| StateError::new("remove", self.path.join(name), &error))
    }

    /// Removes what an interrupted [`Directory::replace`] left.
    pub(crate) fn tidy(&self, name: &str) -> Result<(), StateError> {
        self.remove(&aside(name))
    }

    /// Tells whether an interrupted [`Directory::replace`] left something.
    pub(crate) fn has_leftover(&self, name: &str) -> Result<bool, StateError> {
        Ok(self.names()?.contains(&aside(name)))
    }

    /// Makes the names in the directory durable.
    pub(crate) fn sync_names(&self) -> Result<(), StateError> {
        self.sync().map_err(|error| StateError::new("write", &self.path, &error))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        failpoint::pass_rename(&self.path, to)?;
        retried(|| renameat(&self.file, from, &self.file, to))
    }

    fn unlink(&self, name: &str) -> io::Result<()> {
        failpoint::pass("unlink")?;
        retried(|| unlinkat(&self.file, name, UnlinkatFlags::NoRemoveDir))
    }

    fn sync(&self) -> io::Result<()> {
        failpoint::pass_sync_directory(&self.path)?;
        self.file.sync_all()
    }

    /// Returns the names in the directory, in no order.
    pub(crate) fn names(&self) -> Result<Vec<String>, StateError> {
        let list = || -> nix::Result<Vec<String>> {
            let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
            let mut listing = nix::dir::Dir::openat(&self.file, ".", flags, Mode::empty())?;
            let names = listing.iter().map(|entry| {
                let name = OsStr::from_bytes(entry?.file_name().to_bytes()).to_owned();
                Ok(name.to_string_lossy().into_owned())
            });
            names.collect()
        };
        retried(list).map_err(|error| StateError::new("list", &self.path, &error))
    }
}

#[allow(clippy::cast_possible_truncation)] // the system's type has room for every permission
const fn bits(mode: u32) -> Mode {
    Mode::from_bits_truncate(mode as nix::libc::mode_t)
}

fn aside(name: &str) -> String {
    format!(".{name}.new")
}

fn linked(path: &Path) -> StateError {
    let why = "it is a symbolic link; move it away".to_owned();
    StateError::Unsafe { path: path.to_owned(), why }
}

/// Tells a symbolic link, or a file where a directory was wanted; BSD says EMLINK or EFTYPE of links.
fn is_no_directory(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    matches!(errno, Some(Errno::ELOOP | Errno::ENOTDIR | Errno::EMLINK))
}

fn refuse_unsafe(file: &File, path: &Path, sticky_will_do: bool) -> Result<(), StateError> {
    let found = file.metadata().map_err(|error| StateError::new("look at", path, &error))?;
    let sticky = sticky_will_do && found.mode() & 0o1000 != 0;
    let why = if found.uid() != 0 && found.uid() != geteuid().as_raw() {
        format!("it belongs to user {}; give it to root", found.uid())
    } else if found.mode() & 0o022 != 0 && !sticky {
        format!("others may write it (mode {:04o}); take that right away", found.mode() & 0o7777)
    } else {
        return Ok(());
    };
    Err(StateError::Unsafe { path: path.to_owned(), why })
}

fn retried<T>(mut call: impl FnMut() -> nix::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            other => return other.map_err(io::Error::from),
        }
    }
}

/// Writes all of `bytes` at `offset`.
pub(crate) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    failpoint::pass_write(file, bytes, offset)?;
    file.write_all_at(bytes, offset)
}

/// Makes a file's content and length durable.
pub(crate) fn sync(file: &File) -> io::Result<()> {
    failpoint::pass_sync(file)?;
    file.sync_data()
}

/// Cuts a file off.
pub(crate) fn truncate(file: &File, length: u64) -> io::Result<()> {
    failpoint::pass("truncate")?;
    file.set_len(length)
}

/// Appends whole lines at `length`; when that fails the file is cut back to `length`.
pub(crate) fn append(file: &File, length: u64, bytes: &[u8], durable: bool) -> io::Result<()> {
    let written = write_at(file, bytes, length).and_then(|()| if durable { sync(file) } else { Ok(()) });
    written.inspect_err(|_| {
        let _ = truncate(file, length);
    })
}
