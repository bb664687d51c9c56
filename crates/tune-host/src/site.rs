//! A site's own profiles: files in a directory, and files named on the command line.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tune_model::profile::{BuiltIn, Library, LibraryError, ProfileText, Source};

/// The most that is read of a profile.
const MAX_PROFILE: u64 = 1 << 20;

/// Why a profile's file is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SiteError {
    /// It cannot be read.
    #[error("{} cannot be read: {reason}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's own words.
        reason: String,
    },
    /// It belongs to somebody who must not decide what root does.
    #[error("{} belongs to user {uid}; a profile that root applies must belong to root{}", .path.display(), sudo())]
    ForeignOwner {
        /// The file.
        path: PathBuf,
        /// Its owner.
        uid: u32,
    },
    /// Others may write it.
    #[error("{} can be written by {who}; a profile that root applies must not be (chmod go-w)", .path.display())]
    WritableByOthers {
        /// The file.
        path: PathBuf,
        /// Who.
        who: &'static str,
    },
    /// It is too large to be one.
    #[error("{} is larger than 1 MiB, which no profile is", .0.display())]
    TooLarge(PathBuf),
    /// It is no text.
    #[error("{} is not UTF-8 text", .0.display())]
    NotText(PathBuf),
}

fn sudo() -> &'static str {
    if std::env::var_os("SUDO_UID").is_some() { " or to the user behind sudo" } else { "" }
}

/// Profiles of a site's directory, which go before the built-in ones.
#[derive(Debug, Clone)]
pub struct SiteLibrary {
    directory: PathBuf,
}

impl SiteLibrary {
    /// Looks profiles up in `directory`, then among the built-in ones.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    /// Reads a profile from a file named on the command line.
    ///
    /// # Errors
    ///
    /// [`LibraryError`] with a [`SiteError`].
    pub fn file(path: &Path) -> Result<ProfileText, LibraryError> {
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let text = read(path).map_err(|error| library_error(&name, error))?;
        let source = Source::File(path.to_owned());
        Ok(ProfileText { name, source, text, dropins: Vec::new(), shadows_built_in: false })
    }

    /// Reads a profile from standard input.
    ///
    /// # Errors
    ///
    /// [`LibraryError`] when it cannot be read, is no text or is too large.
    pub fn standard_input() -> Result<ProfileText, LibraryError> {
        let path = PathBuf::from("standard input");
        let text = bounded(io::stdin().lock(), &path).map_err(|error| library_error("-", error))?;
        Ok(ProfileText {
            name: String::new(),
            source: Source::StandardInput,
            text,
            dropins: Vec::new(),
            shadows_built_in: false,
        })
    }

    fn path_of(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.toml"))
    }

    /// Reads the files that override single keys of a profile, in byte order of their names.
    fn dropins(&self, name: &str) -> Result<Vec<(PathBuf, String)>, SiteError> {
        let directory = self.directory.join(format!("{name}.d"));
        let mut paths: Vec<PathBuf> = match std::fs::read_dir(&directory) {
            Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(SiteError::Unreadable { path: directory, reason: error.to_string() }),
        };
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        paths.sort();
        paths.into_iter().map(|path| Ok((path.clone(), read(&path)?))).collect()
    }
}

impl Library for SiteLibrary {
    fn find(&self, name: &str) -> Result<Option<ProfileText>, LibraryError> {
        let built_in = BuiltIn.find(name)?;
        if name.contains('/') || name.starts_with('.') {
            return Ok(built_in);
        }
        let path = self.path_of(name);
        let own = match read(&path) {
            Ok(text) => Some(ProfileText {
                name: name.to_owned(),
                source: Source::File(path),
                text,
                dropins: Vec::new(),
                shadows_built_in: built_in.is_some(),
            }),
            // What may not be looked at may shadow the built-in one: that it is not there must be known.
            Err(SiteError::Unreadable { .. }) if matches!(path.try_exists(), Ok(false)) => built_in,
            Err(error) => return Err(library_error(name, error)),
        };
        let Some(mut found) = own else { return Ok(None) };
        found.dropins = self.dropins(name).map_err(|error| library_error(name, error))?;
        Ok(Some(found))
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.directory).into_iter().flatten().flatten();
        let own =
            entries.filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".toml")?.to_owned()));
        let mut names: Vec<_> = own.filter(|name| !name.starts_with('.')).chain(BuiltIn.names()).collect();
        names.sort();
        names.dedup();
        names
    }
}

fn library_error(name: &str, error: SiteError) -> LibraryError {
    LibraryError { name: name.to_owned(), cause: Box::new(error) }
}

/// Opens once, and judges and reads what was opened.
fn read(path: &Path) -> Result<String, SiteError> {
    let unreadable =
        |error: io::Error| SiteError::Unreadable { path: path.to_owned(), reason: plain(&error) };
    let file = File::open(path).map_err(unreadable)?;
    let found = file.metadata().map_err(unreadable)?;
    if !found.is_file() {
        let reason = "it is not a file".to_owned();
        return Err(SiteError::Unreadable { path: path.to_owned(), reason });
    }
    trusted(path, found.uid(), found.mode())?;
    bounded(file, path)
}

/// What root applies must not be somebody else's to change.
fn trusted(path: &Path, owner: u32, mode: u32) -> Result<(), SiteError> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    let behind_sudo = std::env::var("SUDO_UID").ok().and_then(|uid| uid.parse().ok());
    if owner != 0 && Some(owner) != behind_sudo {
        return Err(SiteError::ForeignOwner { path: path.to_owned(), uid: owner });
    }
    match mode & 0o022 {
        0 => Ok(()),
        bits => {
            let who = if bits & 0o002 != 0 { "everybody" } else { "its group" };
            Err(SiteError::WritableByOthers { path: path.to_owned(), who })
        }
    }
}

fn bounded(from: impl Read, path: &Path) -> Result<String, SiteError> {
    let mut bytes = Vec::new();
    let read = from.take(MAX_PROFILE + 1).read_to_end(&mut bytes);
    read.map_err(|error| SiteError::Unreadable { path: path.to_owned(), reason: plain(&error) })?;
    if bytes.len() as u64 > MAX_PROFILE {
        return Err(SiteError::TooLarge(path.to_owned()));
    }
    String::from_utf8(bytes).map_err(|_| SiteError::NotText(path.to_owned()))
}

/// Returns the system's words without the error number.
fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_directory_that_cannot_be_looked_into_does_not_make_way_for_the_built_in_profile() {
        let directory = tempfile::tempdir().unwrap();
        let missing = SiteLibrary::new(directory.path().join("profiles"));
        assert!(missing.find("web-server").unwrap().is_some());
        let round = directory.path().join("round");
        std::os::unix::fs::symlink("round", &round).unwrap();
        assert!(SiteLibrary::new(round).find("web-server").is_err());
    }
}
