//! A site's own profiles: files in a directory, and files named on the command line.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::files::{FileError, RootedFiles, plain};
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
    files: RootedFiles,
    directory: PathBuf,
}

impl SiteLibrary {
    /// Looks profiles up in `directory`, then among the built-in ones.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self::inside("/", directory)
    }

    /// Looks profiles up in `directory` of the system below `root`, whose symbolic links lead inside of it.
    pub fn inside(root: impl Into<PathBuf>, directory: impl Into<PathBuf>) -> Self {
        Self { files: RootedFiles::new(root), directory: directory.into() }
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

    /// Returns where a path really is, or `None` where the way to it does not exist.
    fn locate(&self, path: &Path) -> Result<Option<PathBuf>, SiteError> {
        match self.files.locate(path) {
            Err(FileError::Missing(_)) => Ok(None),
            Err(error) => Err(SiteError::Unreadable { path: path.to_owned(), reason: error.to_string() }),
            Ok(real) => Ok(Some(real)),
        }
    }

    /// Reads the files that override single keys of a profile, in byte order of their names.
    fn dropins(&self, name: &str) -> Result<Vec<(PathBuf, String)>, SiteError> {
        let directory = self.directory.join(format!("{name}.d"));
        let Some(real) = self.locate(&directory)? else { return Ok(Vec::new()) };
        let mut paths: Vec<PathBuf> = match std::fs::read_dir(&real) {
            Ok(entries) => entries.flatten().map(|entry| directory.join(entry.file_name())).collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(SiteError::Unreadable { path: real, reason: plain(&error) }),
        };
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        paths.sort();
        paths.into_iter().map(|path| self.read(&path)).collect()
    }

    /// Reads a file of the directory, and says where it really is.
    fn read(&self, path: &Path) -> Result<(PathBuf, String), SiteError> {
        let missing = || SiteError::Unreadable { path: path.to_owned(), reason: "no such file".to_owned() };
        let real = self.locate(path)?.ok_or_else(missing)?;
        let text = read(&real)?;
        Ok((real, text))
    }
}

impl Library for SiteLibrary {
    fn find(&self, name: &str) -> Result<Option<ProfileText>, LibraryError> {
        let built_in = BuiltIn.find(name)?;
        if name.contains('/') || name.starts_with('.') {
            return Ok(built_in);
        }
        let located = self.locate(&self.path_of(name)).map_err(|error| library_error(name, error))?;
        let path = located.unwrap_or_default();
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
        let directory = self.locate(&self.directory).ok().flatten();
        let entries = directory.map(std::fs::read_dir).into_iter().flatten().flatten().flatten();
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
    // A pipe that nobody writes to must not be waited for.
    let unwaiting = nix::fcntl::OFlag::O_NONBLOCK.bits();
    let file = File::options().read(true).custom_flags(unwaiting).open(path).map_err(unreadable)?;
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

    #[test]
    fn profiles_of_an_image_come_from_inside_of_it() {
        const TEXT: &str = "name = \"web-server\"\nsummary = \"outside\"\n";
        let outside = tempfile::tempdir().unwrap();
        let root = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("web-server.toml"), TEXT).unwrap();
        let library = SiteLibrary::inside(root.path(), outside.path());
        assert!(
            !library.find("web-server").unwrap().unwrap().shadows_built_in,
            "the directory is the host's"
        );
        assert_eq!(library.names(), SiteLibrary::new("/none-such").names());

        let profiles = root.path().join("profiles");
        std::fs::create_dir_all(profiles.join("baseline.d")).unwrap();
        let target = outside.path().join("web-server.toml");
        for link in ["web-server.toml", "baseline.d/10-site.toml"] {
            std::os::unix::fs::symlink(&target, profiles.join(link)).unwrap();
        }
        let library = SiteLibrary::inside(root.path(), "/profiles");
        assert!(!library.find("web-server").unwrap().unwrap().shadows_built_in, "the link led outside");
        assert!(library.find("baseline").is_err(), "the link led outside");
        let moved = root.path().join(target.strip_prefix("/").unwrap());
        std::fs::create_dir_all(moved.parent().unwrap()).unwrap();
        std::fs::write(&moved, TEXT).unwrap();
        assert!(library.find("web-server").unwrap().unwrap().shadows_built_in);
        assert_eq!(library.find("baseline").unwrap().unwrap().dropins.len(), 1);
    }
}
