//! What a change is about, taken down and put back.

use std::fs::{self, Permissions};
use std::io::Result;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown, symlink};
use std::path::Path;

use crate::files::{self, FileState, FileStates};
use crate::namespace::{Everything, TestHost};

const DIRECTORY: u32 = 0o040_000;
const LINK: u32 = 0o120_000;
const KIND: u32 = 0o170_000;

/// What must be wholly old or wholly new: live values, every file below `/etc`, and the list of active profiles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct World {
    /// Live values and files.
    pub everything: Everything,
    /// The list of active profiles; nothing is the same as an empty one.
    pub claims: String,
}

impl World {
    /// Takes the host down as it is.
    ///
    /// # Panics
    ///
    /// When something cannot be read.
    #[must_use]
    pub fn of(host: &TestHost) -> Self {
        let claims = fs::read_to_string(host.state().join("claims.json")).unwrap_or_default();
        let claims = if claims.contains("\"scopes\": {}") { String::new() } else { claims };
        Self { everything: host.everything(), claims }
    }

    /// Names each difference.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut found = self.everything.differences(&other.everything);
        if self.claims != other.claims {
            found.push("the list of active profiles is another".to_owned());
        }
        found
    }
}

impl World {
    /// The same without half-made files, which recovery removes.
    #[must_use]
    pub fn without_leftovers(mut self) -> Self {
        let hidden =
            |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        self.everything.files.retain(|path, _| !hidden(path));
        self
    }
}

/// A host as it was, with its state directory, to begin at again and again.
#[derive(Debug, Clone)]
pub struct Snapshot {
    everything: Everything,
    state: FileStates,
}

impl Snapshot {
    /// Takes the host down as it is.
    ///
    /// # Panics
    ///
    /// When something cannot be read.
    #[must_use]
    pub fn of(host: &TestHost) -> Self {
        let state = if host.state().exists() { files::below(host.state()) } else { FileStates::new() };
        Self { everything: host.everything(), state }
    }

    /// Returns every file of the host.
    pub fn files(&self) -> impl Iterator<Item = (&std::path::PathBuf, &FileState)> {
        self.everything.files.iter().chain(&self.state)
    }

    /// Returns the live values.
    #[must_use]
    pub const fn live(&self) -> &std::collections::BTreeMap<String, String> {
        &self.everything.live
    }

    /// Makes the host as it was.
    ///
    /// # Panics
    ///
    /// When it cannot be.
    pub fn restore(&self, host: &TestHost) {
        host.set_live(&self.everything.live);
        put_back(Path::new("/etc"), &self.everything.files).unwrap_or_else(|error| panic!("/etc: {error}"));
        put_back(host.state(), &self.state).unwrap_or_else(|error| panic!("the state directory: {error}"));
    }
}

/// Makes the files below a directory what they were; those that did not change are not touched.
///
/// # Errors
///
/// The system's own.
pub fn put_back(directory: &Path, wanted: &FileStates) -> Result<()> {
    let found = if directory.exists() { files::below(directory) } else { FileStates::new() };
    for path in found.keys().rev().filter(|path| found.get(*path) != wanted.get(*path)) {
        let keeps_its_kind = wanted.get(path).is_some_and(FileState::is_directory);
        match (found[path].is_directory(), keeps_its_kind) {
            (true, true) => {}
            (true, false) => fs::remove_dir_all(path)?,
            (false, _) => fs::remove_file(path)?,
        }
    }
    for (path, state) in wanted.iter().filter(|(path, state)| found.get(*path) != Some(*state)) {
        make(path, state).map_err(|error| std::io::Error::other(format!("{}: {error}", path.display())))?;
    }
    Ok(())
}

fn make(path: &Path, state: &FileState) -> Result<()> {
    match state.mode & KIND {
        DIRECTORY if path.is_dir() => {}
        DIRECTORY => fs::DirBuilder::new().mode(0o700).create(path)?,
        LINK => return symlink(std::ffi::OsStr::new(&*String::from_utf8_lossy(&state.content)), path),
        _ => fs::write(path, &state.content)?,
    }
    chown(path, Some(state.owner.0), Some(state.owner.1))?;
    fs::set_permissions(path, Permissions::from_mode(state.mode & 0o7777))?;
    for (name, value) in &state.attributes {
        xattr::set(path, name, value)?;
    }
    Ok(())
}

impl FileState {
    /// Tells whether it is a directory.
    #[must_use]
    pub const fn is_directory(&self) -> bool {
        self.mode & KIND == DIRECTORY
    }
}
