//! Reading files of the host, or of an offline image of one.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::ops::Bound;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What a path leads to, after following symbolic links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A device, socket or pipe. `/dev/null` is one; systemd takes a link to it as a mask.
    Other,
}

/// Why a file could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// There is nothing at that path, or a symbolic link leads nowhere.
    #[error("{} does not exist", .0.display())]
    Missing(PathBuf),
    /// The caller may not read it.
    #[error("{} may not be read by this user", .0.display())]
    Denied(PathBuf),
    /// It is a directory where a file was wanted, or the other way round.
    #[error("{} is not the kind of file expected there", .0.display())]
    WrongKind(PathBuf),
    /// It is larger than anything that is read there.
    #[error("{} is larger than {limit} bytes", .path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most that is read.
        limit: u64,
    },
    /// Anything else the system said.
    #[error("{} cannot be read: {reason}", .path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// The system's own words.
        reason: String,
    },
    /// It could not be written, and is as it was.
    #[error("{} cannot be written: {reason}", .path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// The system's own words.
        reason: String,
    },
}

/// A read-only tree of files. Paths are absolute, as the host itself sees them; an offline image maps them
/// below its root, symbolic links included.
pub trait Files {
    /// Returns the whole content of a regular file.
    ///
    /// # Errors
    ///
    /// Any [`FileError`]; nothing is ever returned in part.
    fn read(&self, path: &Path) -> Result<Vec<u8>, FileError>;

    /// Returns the names in a directory in byte order, without `.` and `..`, hidden ones included.
    ///
    /// # Errors
    ///
    /// [`FileError::Missing`] where there is no such directory, [`FileError::WrongKind`] where it is a file.
    fn names(&self, directory: &Path) -> Result<Vec<OsString>, FileError>;

    /// Returns what `path` leads to, symbolic links followed.
    ///
    /// # Errors
    ///
    /// [`FileError::Missing`] also for a link that leads nowhere.
    fn kind(&self, path: &Path) -> Result<FileKind, FileError>;

    /// Returns the path with every symbolic link resolved, as the host itself would name it.
    ///
    /// # Errors
    ///
    /// [`FileError::Missing`] where the path leads nowhere.
    fn real_path(&self, path: &Path) -> Result<PathBuf, FileError>;
}

/// A tree of files with some contents replaced or taken away: what the tree *would* be.
///
/// Only regular files can be replaced, added or removed. The plan uses it to ask what the next boot would do
/// after its own changes.
pub struct Overlay<'a> {
    base: &'a dyn Files,
    changed: BTreeMap<PathBuf, Option<Vec<u8>>>,
}

impl<'a> Overlay<'a> {
    /// Starts from `base`, with nothing changed yet.
    #[must_use]
    pub fn new(base: &'a dyn Files) -> Self {
        Self { base, changed: BTreeMap::new() }
    }

    /// Puts `content` at `path`, or takes the file away when it is `None`.
    pub fn set(&mut self, path: impl Into<PathBuf>, content: Option<Vec<u8>>) {
        self.changed.insert(path.into(), content);
    }

    fn change(&self, path: &Path) -> Option<&Option<Vec<u8>>> {
        self.changed.get(path).or_else(|| self.changed.get(&self.base.real_path(path).ok()?))
    }
}

impl std::fmt::Debug for Overlay<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Overlay").field("changed", &self.changed.keys()).finish_non_exhaustive()
    }
}

impl Files for Overlay<'_> {
    fn read(&self, path: &Path) -> Result<Vec<u8>, FileError> {
        match self.change(path) {
            Some(Some(content)) => Ok(content.clone()),
            Some(None) => Err(FileError::Missing(path.to_owned())),
            None => self.base.read(path),
        }
    }

    fn names(&self, directory: &Path) -> Result<Vec<OsString>, FileError> {
        let ours: Vec<_> = self.changed.iter().filter(|(path, _)| path.parent() == Some(directory)).collect();
        let mut names = match self.base.names(directory) {
            Err(FileError::Missing(_)) if ours.iter().any(|(_, content)| content.is_some()) => Vec::new(),
            other => other?,
        };
        for (path, content) in ours {
            let name = path.file_name().unwrap_or_default();
            names.retain(|existing| existing != name);
            if content.is_some() {
                names.push(name.to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    fn kind(&self, path: &Path) -> Result<FileKind, FileError> {
        match self.change(path) {
            Some(Some(_)) => Ok(FileKind::Regular),
            Some(None) => Err(FileError::Missing(path.to_owned())),
            None => self.base.kind(path),
        }
    }

    fn real_path(&self, path: &Path) -> Result<PathBuf, FileError> {
        match self.changed.get(path) {
            Some(Some(_)) => self.base.real_path(path).or_else(|_| Ok(path.to_owned())),
            Some(None) => Err(FileError::Missing(path.to_owned())),
            None => self.base.real_path(path),
        }
    }
}

/// The files below a directory, which stands for `/`: the running system itself, or an offline image.
///
/// Every path is resolved inside the root, absolute symbolic links and `..` too, as `chroot(2)` would.
#[derive(Debug, Clone)]
pub struct RootedFiles {
    root: PathBuf,
}

/// Symbolic links followed in one resolution before it is called a loop; Linux's own limit.
const MAX_LINKS: usize = 40;
/// The largest file that is read: boot files are a few KiB.
const MAX_FILE: u64 = 16 << 20;

impl RootedFiles {
    /// The files below `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Returns the directory that stands for `/`.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns where `path` really is, every link resolved inside the root; the last part need not exist.
    ///
    /// # Errors
    ///
    /// [`FileError::Missing`] when a directory on the way does not exist, [`FileError::Other`] on a link loop.
    pub fn locate(&self, path: &Path) -> Result<PathBuf, FileError> {
        if self.root == Path::new("/") {
            return Ok(path.to_owned());
        }
        Ok(self.outside(&self.resolve(path)?))
    }

    fn outside(&self, inside: &Path) -> PathBuf {
        self.root.join(inside.strip_prefix("/").unwrap_or(inside))
    }

    fn resolve(&self, path: &Path) -> Result<PathBuf, FileError> {
        let mut pending: Vec<OsString> = parts(path);
        let mut inside = PathBuf::from("/");
        let mut links = 0;
        while let Some(part) = pending.pop() {
            if part == ".." {
                inside.pop();
                continue;
            }
            let next = inside.join(&part);
            match std::fs::symlink_metadata(self.outside(&next)) {
                Ok(found) if found.file_type().is_symlink() => {
                    links += 1;
                    if links > MAX_LINKS {
                        let reason = "too many symbolic links".to_owned();
                        return Err(FileError::Other { path: path.to_owned(), reason });
                    }
                    let target =
                        std::fs::read_link(self.outside(&next)).map_err(|error| file_error(path, &error))?;
                    if target.is_absolute() {
                        inside = PathBuf::from("/");
                    }
                    pending.extend(parts(&target));
                }
                Ok(_) => inside = next,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound && pending.is_empty() => {
                    inside = next;
                }
                Err(error) => return Err(file_error(path, &error)),
            }
        }
        Ok(inside)
    }
}

/// The parts of a path, last first, without `/` and `.`.
fn parts(path: &Path) -> Vec<OsString> {
    use std::path::Component;
    path.components()
        .rev()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            _ => None,
        })
        .collect()
}

/// Returns a file's content, or `None` where there is none.
///
/// # Errors
///
/// [`FileError`] where there is something that cannot be read.
pub fn content_of(files: &dyn Files, path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    match files.read(path) {
        Ok(content) => Ok(Some(content)),
        Err(FileError::Missing(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Sorts the system's answer into the kinds that callers tell apart.
pub(crate) fn file_error(path: &Path, error: &std::io::Error) -> FileError {
    use std::io::ErrorKind;
    let path = path.to_owned();
    match error.kind() {
        ErrorKind::NotFound => FileError::Missing(path),
        ErrorKind::PermissionDenied => FileError::Denied(path),
        ErrorKind::IsADirectory | ErrorKind::NotADirectory => FileError::WrongKind(path),
        _ => FileError::Other { path, reason: plain(error) },
    }
}

/// As [`file_error`], where something was to be written.
pub(crate) fn write_error(path: &Path, error: &std::io::Error) -> FileError {
    match file_error(path, error) {
        FileError::Other { path, reason } => FileError::Unwritable { path, reason },
        FileError::Denied(path) => FileError::Unwritable { path, reason: denial(error).to_owned() },
        other => other,
    }
}

/// Tells a lack of privilege from a flag, such as `schg` on FreeBSD and `i` on Linux, that stops root too.
fn denial(error: &std::io::Error) -> &'static str {
    let stops_root = error.raw_os_error() == Some(nix::errno::Errno::EPERM as i32);
    if stops_root && nix::unistd::geteuid().is_root() {
        "a flag of the file or of its directory forbids it"
    } else {
        "this user may not write it"
    }
}

/// Returns the system's words without the error's number.
pub(crate) fn plain(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound => "no such file".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "no space is left".to_owned(),
        ErrorKind::ReadOnlyFilesystem => "its file system is read-only".to_owned(),
        _ => {
            let text = error.to_string();
            text.split(" (os error ").next().unwrap_or_default().to_owned()
        }
    }
}

impl Files for RootedFiles {
    fn read(&self, path: &Path) -> Result<Vec<u8>, FileError> {
        use std::io::Read;
        let fail = |error: std::io::Error| file_error(path, &error);
        if self.kind(path)? != FileKind::Regular {
            return Err(FileError::WrongKind(path.to_owned()));
        }
        tracing::debug!("reading {}", path.display());
        let file = std::fs::File::open(self.locate(path)?).map_err(fail)?;
        // Room at once: files of the kernel may answer a second read with nothing.
        let mut content = Vec::with_capacity(4096);
        file.take(MAX_FILE + 1).read_to_end(&mut content).map_err(fail)?;
        if content.len() as u64 > MAX_FILE {
            return Err(FileError::TooLarge { path: path.to_owned(), limit: MAX_FILE });
        }
        Ok(content)
    }

    fn names(&self, directory: &Path) -> Result<Vec<OsString>, FileError> {
        let fail = |error: std::io::Error| file_error(directory, &error);
        let mut names = std::fs::read_dir(self.locate(directory)?)
            .map_err(fail)?
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(fail)?;
        names.sort();
        Ok(names)
    }

    fn kind(&self, path: &Path) -> Result<FileKind, FileError> {
        let found = std::fs::metadata(self.locate(path)?).map_err(|error| file_error(path, &error))?;
        Ok(match found.file_type() {
            kind if kind.is_dir() => FileKind::Directory,
            kind if kind.is_file() => FileKind::Regular,
            _ => FileKind::Other,
        })
    }

    fn real_path(&self, path: &Path) -> Result<PathBuf, FileError> {
        let inside = self.resolve(path)?;
        std::fs::symlink_metadata(self.outside(&inside)).map_err(|error| file_error(path, &error))?;
        Ok(inside)
    }
}

/// A tree of files in memory, for tests and recorded hosts.
#[derive(Debug, Clone, Default)]
pub struct MemoryFiles {
    /// By path, as bytes: to compare those is much cheaper than to compare paths part by part.
    nodes: BTreeMap<OsString, Node>,
}

#[derive(Debug, Clone)]
enum Node {
    Regular(Vec<u8>),
    Directory,
    Link(PathBuf),
    Device,
    Denied,
}

impl MemoryFiles {
    /// Adds a regular file and the directories above it.
    #[must_use]
    pub fn with(mut self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.put(path, Node::Regular(content.as_ref().to_vec()));
        self
    }

    /// Adds an empty directory.
    #[must_use]
    pub fn with_directory(mut self, path: &str) -> Self {
        self.put(path, Node::Directory);
        self
    }

    /// Adds a symbolic link.
    #[must_use]
    pub fn with_link(mut self, path: &str, target: &str) -> Self {
        self.put(path, Node::Link(target.into()));
        self
    }

    /// Adds a character device, such as `/dev/null`.
    #[must_use]
    pub fn with_device(mut self, path: &str) -> Self {
        self.put(path, Node::Device);
        self
    }

    /// Adds a file that exists and may not be read.
    #[must_use]
    pub fn with_denied(mut self, path: &str) -> Self {
        self.put(path, Node::Denied);
        self
    }

    /// Replaces, adds or removes a regular file.
    pub fn set(&mut self, path: &Path, content: Option<Vec<u8>>) {
        match content {
            Some(content) => self.put(path, Node::Regular(content)),
            None => {
                self.nodes.remove(plainly_spelt(path).as_os_str());
            }
        }
    }

    fn put(&mut self, path: impl AsRef<Path>, node: Node) {
        let path = plainly_spelt(path.as_ref());
        for above in path.ancestors().skip(1) {
            if !self.nodes.contains_key(above.as_os_str()) {
                self.nodes.insert(above.into(), Node::Directory);
            }
        }
        self.nodes.insert(path.into(), node);
    }

    fn get(&self, path: &Path) -> Option<&Node> {
        self.nodes.get(path.as_os_str())
    }

    fn find(&self, path: &Path) -> Result<(PathBuf, &Node), FileError> {
        let mut pending = parts(path);
        let mut inside = PathBuf::from("/");
        let mut links = 0;
        while let Some(part) = pending.pop() {
            if part == ".." {
                inside.pop();
                continue;
            }
            inside.push(part);
            if let Some(Node::Link(target)) = self.get(&inside) {
                links += 1;
                if links > MAX_LINKS {
                    return Err(FileError::Missing(path.to_owned()));
                }
                inside = if target.is_absolute() {
                    "/".into()
                } else {
                    inside.parent().unwrap_or(Path::new("/")).into()
                };
                pending.extend(parts(target));
            }
        }
        match self.get(&inside) {
            Some(node) => Ok((inside, node)),
            None => Err(FileError::Missing(path.to_owned())),
        }
    }
}

/// Returns a path without doubled and trailing slashes.
fn plainly_spelt(path: &Path) -> PathBuf {
    path.components().collect()
}

impl Files for MemoryFiles {
    fn read(&self, path: &Path) -> Result<Vec<u8>, FileError> {
        match self.find(path)?.1 {
            Node::Regular(content) => Ok(content.clone()),
            Node::Denied => Err(FileError::Denied(path.to_owned())),
            _ => Err(FileError::WrongKind(path.to_owned())),
        }
    }

    fn names(&self, directory: &Path) -> Result<Vec<OsString>, FileError> {
        let (inside, node) = self.find(directory)?;
        if !matches!(node, Node::Directory) {
            return Err(FileError::WrongKind(directory.to_owned()));
        }
        let mut below = inside.into_os_string();
        if below != "/" {
            below.push("/");
        }
        let after = self.nodes.range::<OsStr, _>((Bound::Excluded(below.as_os_str()), Bound::Unbounded));
        let names = after.map_while(|(path, _)| path.as_bytes().strip_prefix(below.as_bytes()));
        Ok(names.filter(|name| !name.contains(&b'/')).map(|name| OsStr::from_bytes(name).into()).collect())
    }

    fn kind(&self, path: &Path) -> Result<FileKind, FileError> {
        Ok(match self.find(path)?.1 {
            Node::Regular(_) | Node::Denied => FileKind::Regular,
            Node::Directory => FileKind::Directory,
            Node::Device | Node::Link(_) => FileKind::Other,
        })
    }

    fn real_path(&self, path: &Path) -> Result<PathBuf, FileError> {
        Ok(self.find(path)?.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_tree_in_memory_lists_what_lies_in_a_directory_and_no_deeper() {
        let files = MemoryFiles::default()
            .with("/etc/sysctl.d/b.conf", "")
            .with("/etc//sysctl.d/a.conf", "")
            .with("/etc/sysctl.d.old/c.conf", "")
            .with("/etc/sysctl.conf", "")
            .with_directory("/etc/sysctl.d/sub/");
        let names = |path: &str| files.names(Path::new(path)).unwrap();
        assert_eq!(names("/"), ["etc"]);
        assert_eq!(names("/etc"), ["sysctl.conf", "sysctl.d", "sysctl.d.old"]);
        assert_eq!(names("/etc/sysctl.d/"), ["a.conf", "b.conf", "sub"]);
        assert_eq!(names("/etc/sysctl.d/sub"), [""; 0]);
        assert!(matches!(files.names(Path::new("/etc/sysctl.conf")), Err(FileError::WrongKind(_))));
    }

    #[test]
    fn links_are_followed_inside_the_root_and_on_the_running_system() {
        let directory = tempfile::tempdir().unwrap();
        let image = directory.path();
        std::fs::create_dir_all(image.join("etc/sysctl.d")).unwrap();
        std::fs::write(image.join("etc/sysctl.conf"), "a.b = 1\n").unwrap();
        std::os::unix::fs::symlink("/etc/sysctl.conf", image.join("etc/sysctl.d/absolute.conf")).unwrap();
        std::os::unix::fs::symlink("../../../../etc/sysctl.conf", image.join("etc/sysctl.d/up.conf"))
            .unwrap();
        std::os::unix::fs::symlink("loop.conf", image.join("etc/sysctl.d/loop.conf")).unwrap();
        let inside = RootedFiles::new(image);
        for name in ["absolute.conf", "up.conf"] {
            let path = Path::new("/etc/sysctl.d").join(name);
            assert_eq!(inside.read(&path).unwrap(), b"a.b = 1\n");
            assert_eq!(inside.kind(&path).unwrap(), FileKind::Regular);
            assert_eq!(inside.real_path(&path).unwrap(), Path::new("/etc/sysctl.conf"));
        }
        assert!(matches!(inside.read(Path::new("/etc/sysctl.d/loop.conf")), Err(FileError::Other { .. })));

        let link = image.join("relative.conf");
        std::os::unix::fs::symlink("etc/sysctl.conf", &link).unwrap();
        assert_eq!(RootedFiles::new("/").read(&link).unwrap(), b"a.b = 1\n");
    }
}
