//! What files are: bytes, mode, owner, extended attributes, and whether they were touched.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Result;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// One file, directory or link, without what a faithful copy may change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileState {
    /// Kind, permissions and set-id bits, as `stat` has them.
    pub mode: u32,
    /// The owner.
    pub owner: (u32, u32),
    /// The bytes of a file, or where a link leads; nothing for a directory.
    pub content: Vec<u8>,
    /// Extended attributes.
    pub attributes: BTreeMap<String, Vec<u8>>,
}

/// The files of a directory, by path.
pub type FileStates = BTreeMap<PathBuf, FileState>;

/// Takes down every file below a directory, the directory itself included.
///
/// # Panics
///
/// When one cannot be read.
#[must_use]
pub fn below(directory: &Path) -> FileStates {
    let mut found = FileStates::new();
    walk(directory, &mut |path| {
        let state = state(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        found.insert(path.to_owned(), state);
    });
    found
}

/// Takes down inode number and time of change of every file below a directory, to see whether any is touched.
///
/// # Panics
///
/// When one cannot be read.
#[must_use]
pub fn touches(directory: &Path) -> BTreeMap<PathBuf, (u64, i64, i64)> {
    let mut found = BTreeMap::new();
    walk(directory, &mut |path| {
        let found_there =
            fs::symlink_metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        found.insert(path.to_owned(), (found_there.ino(), found_there.mtime(), found_there.mtime_nsec()));
    });
    found
}

/// Names each difference between two takes.
#[must_use]
pub fn differences(before: &FileStates, after: &FileStates) -> Vec<String> {
    let paths: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let told = |path: &PathBuf| match (before.get(path), after.get(path)) {
        (Some(was), Some(is)) if was == is => None,
        (None, Some(is)) => Some(format!("{} is new: {is}", path.display())),
        (Some(_), None) => Some(format!("{} is gone", path.display())),
        (was, is) => Some(format!(
            "{} was {}, is {}",
            path.display(),
            was.map(ToString::to_string).unwrap_or_default(),
            is.map(ToString::to_string).unwrap_or_default()
        )),
    };
    paths.into_iter().filter_map(told).collect()
}

impl std::fmt::Display for FileState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { mode, owner: (user, group), content, attributes } = self;
        write!(
            f,
            "mode {mode:o}, owner {user}:{group}, attributes {attributes:?}, {}",
            content.escape_ascii()
        )
    }
}

fn state(path: &Path) -> Result<FileState> {
    let found = fs::symlink_metadata(path)?;
    let content = match (found.is_file(), found.is_symlink()) {
        (true, _) => fs::read(path)?,
        (_, true) => fs::read_link(path)?.into_os_string().into_encoded_bytes(),
        _ => Vec::new(),
    };
    let mut attributes = BTreeMap::new();
    for name in xattr::list(path).into_iter().flatten() {
        let value = xattr::get(path, &name)?.unwrap_or_default();
        attributes.insert(name.to_string_lossy().into_owned(), value);
    }
    Ok(FileState { mode: found.mode(), owner: (found.uid(), found.gid()), content, attributes })
}

fn walk(directory: &Path, visit: &mut dyn FnMut(&Path)) {
    visit(directory);
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(&path, visit);
        } else {
            visit(&path);
        }
    }
}
