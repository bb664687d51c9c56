//! Which files a boot tool reads, and in which order.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use tune_host::{FileError, FileKind, Files};

use super::plan::{Place, Problem, Trouble};

/// Directories of settings files, the strongest first.
const PARENTS: [&str; 5] = ["/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"];

/// A file that is not read, because one of the same name in a stronger directory stands for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Masked {
    /// The file that is not read.
    pub file: PathBuf,
    /// The one that is read in its place, or that is empty or a link to `/dev/null`.
    pub by: PathBuf,
}

/// The files of one kind of `*.d` directories.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// In the order they are read: by name, in byte order.
    pub files: Vec<PathBuf>,
    pub masked: Vec<Masked>,
    pub problems: Vec<Problem>,
}

/// Lists the `*.conf` files below `NAME` in the five usual places. `hidden` takes names with a leading dot too.
pub(crate) fn list(files: &dyn Files, name: &str, hidden: bool) -> Listing {
    let mut chosen: BTreeMap<OsString, PathBuf> = BTreeMap::new();
    let mut listing = Listing::default();
    for directory in directories(files, name) {
        let names = match files.names(&directory) {
            Ok(names) => names,
            Err(FileError::Missing(_)) => continue,
            Err(error) => {
                listing.problems.push(Problem { place: Place::whole(&directory), trouble: unlisted(error) });
                continue;
            }
        };
        for name in names.into_iter().filter(|name| is_settings_file(name, hidden)) {
            let file = directory.join(&name);
            match chosen.get(&name) {
                Some(by) => listing.masked.push(Masked { file, by: by.clone() }),
                None => {
                    chosen.insert(name, file);
                }
            }
        }
    }
    listing.files = chosen.into_values().collect();
    listing
}

/// The directories to look in, each real one once: where `/lib` is a link to `/usr/lib` it is the same files.
fn directories(files: &dyn Files, name: &str) -> Vec<PathBuf> {
    let mut seen: Vec<PathBuf> = Vec::new();
    let mut directories = Vec::new();
    for parent in PARENTS {
        let directory = Path::new(parent).join(name);
        let real = files.real_path(&directory).unwrap_or_else(|_| directory.clone());
        if !seen.contains(&real) {
            seen.push(real);
            directories.push(directory);
        }
    }
    directories
}

fn is_settings_file(name: &OsStr, hidden: bool) -> bool {
    name.as_bytes().ends_with(b".conf") && (hidden || !name.as_bytes().starts_with(b"."))
}

/// A directory that is no directory is passed over by the tools; one that may not be read hides settings.
fn unlisted(error: FileError) -> Trouble {
    match error {
        FileError::WrongKind(_) => Trouble::NotADirectory,
        error => Trouble::Unreadable(error),
    }
}

/// What reading one of the files gives.
pub(crate) enum Content {
    Bytes(Vec<u8>),
    /// Not there, empty for the tool, or not a file: nothing to apply, and perhaps something to say.
    Nothing(Option<Trouble>),
}

/// Reads a file as a tool that runs as root would.
pub(crate) fn content(files: &dyn Files, path: &Path) -> Content {
    match files.kind(path) {
        Ok(FileKind::Directory) => return Content::Nothing(Some(Trouble::IsADirectory)),
        Ok(FileKind::Other) => return Content::Nothing(special(files, path)),
        _ => {}
    }
    match files.read(path) {
        Ok(bytes) => Content::Bytes(bytes),
        Err(FileError::Missing(_)) => Content::Nothing(Some(Trouble::LeadsNowhere)),
        Err(error) => Content::Nothing(Some(Trouble::Unreadable(error))),
    }
}

/// A link to `/dev/null` is the usual mask; any other device or pipe could say anything.
fn special(files: &dyn Files, path: &Path) -> Option<Trouble> {
    match files.real_path(path) {
        Ok(real) if real == Path::new("/dev/null") => None,
        _ => Some(Trouble::Unreadable(FileError::WrongKind(path.to_owned()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tune_host::MemoryFiles;

    fn names(listing: &Listing) -> Vec<&str> {
        listing.files.iter().filter_map(|file| file.to_str()).collect()
    }

    #[test]
    fn one_file_per_name_in_byte_order() {
        let files = MemoryFiles::default()
            .with("/usr/lib/sysctl.d/50-a.conf", "x")
            .with("/etc/sysctl.d/50-a.conf", "y")
            .with("/run/sysctl.d/9-b.conf", "")
            .with("/etc/sysctl.d/100-c.conf", "")
            .with("/etc/sysctl.d/.h.conf", "")
            .with("/etc/sysctl.d/readme", "")
            .with_link("/lib", "usr/lib");
        let listing = list(&files, "sysctl.d", false);
        assert_eq!(
            names(&listing),
            ["/etc/sysctl.d/100-c.conf", "/etc/sysctl.d/50-a.conf", "/run/sysctl.d/9-b.conf"]
        );
        assert_eq!(listing.masked.len(), 1);
        assert_eq!(listing.masked[0].by, Path::new("/etc/sysctl.d/50-a.conf"));
        assert_eq!(names(&list(&files, "sysctl.d", true))[0], "/etc/sysctl.d/.h.conf");
    }

    #[test]
    fn a_separate_lib_is_looked_at_last() {
        let files =
            MemoryFiles::default().with("/lib/sysctl.d/a.conf", "").with("/usr/lib/sysctl.d/a.conf", "");
        assert_eq!(names(&list(&files, "sysctl.d", false)), ["/usr/lib/sysctl.d/a.conf"]);
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let files = MemoryFiles::default()
            .with_denied("/etc/sysctl.d")
            .with_device("/dev/null")
            .with_link("/run/null.conf", "/dev/null")
            .with_link("/run/dangling.conf", "nowhere")
            .with_denied("/run/secret.conf");
        assert!(matches!(list(&files, "sysctl.d", false).problems[0].trouble, Trouble::NotADirectory));
        let trouble = |path: &str| match content(&files, Path::new(path)) {
            Content::Bytes(_) => None,
            Content::Nothing(trouble) => trouble,
        };
        assert_eq!(trouble("/run/null.conf"), None);
        assert_eq!(trouble("/run/dangling.conf"), Some(Trouble::LeadsNowhere));
        assert!(trouble("/run/secret.conf").is_some_and(|trouble| trouble.hides_settings()));
    }
}
