//! A host that does not exist: freshly installed, never started.

use std::path::{Path, PathBuf};

use tune_model::plan::{Bytes, FileImage, Namespace};

use crate::files::{FileError, FileKind, Files, MemoryFiles};
use crate::host::{Host, Identity, Isolation, ReadError, Scope, WriteError};

/// A freshly installed host, as far as its files tell: an image without a disk. It can only be looked at.
#[derive(Debug, Clone)]
pub struct FreshHost {
    files: MemoryFiles,
    ram: Option<u64>,
    scope: Scope,
}

impl FreshHost {
    /// A host with these files and `ram` bytes of memory, where that is known.
    #[must_use]
    pub fn new(files: MemoryFiles, ram: Option<u64>) -> Self {
        Self { files, ram, scope: Scope::Image(PathBuf::from("/")) }
    }
}

impl Host for FreshHost {
    fn files(&self) -> &dyn Files {
        &self.files
    }

    fn identity(&self) -> Identity {
        Identity::default()
    }

    fn boot_id(&self) -> String {
        "image".to_owned()
    }

    fn scope(&self) -> &Scope {
        &self.scope
    }

    fn isolation(&self) -> Isolation {
        Isolation::None
    }

    fn namespace(&self) -> Option<Namespace> {
        None
    }

    /// What nearly every machine has, so that the plan does not depend on where it is made.
    fn page_size(&self) -> u64 {
        4096
    }

    fn stated_ram(&self) -> Option<u64> {
        self.ram
    }

    fn read_tunables(&self, names: &[&str]) -> Vec<Result<String, ReadError>> {
        names.iter().map(|name| Err(ReadError::NotLive((*name).to_owned()))).collect()
    }

    fn writable_tunables(&self, names: &[&str]) -> Vec<Result<(), WriteError>> {
        names.iter().map(|name| Err(WriteError::NotLive((*name).to_owned()))).collect()
    }

    fn file_image(&self, path: &Path) -> Result<Option<FileImage>, FileError> {
        match self.files.kind(path) {
            Err(FileError::Missing(_)) => Ok(None),
            Ok(FileKind::Regular) => {
                let content = Bytes(self.files.read(path)?);
                Ok(Some(FileImage { content, mode: 0o644, uid: 0, gid: 0, attributes: Default::default() }))
            }
            Ok(_) => Err(FileError::WrongKind(path.to_owned())),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn it_has_files_and_nothing_that_runs() {
        let host = FreshHost::new(MemoryFiles::default().with("/etc/sysctl.conf", "a = 1\n"), Some(1 << 30));
        assert_eq!(host.read_tunables(&["a"]), [Err(ReadError::NotLive("a".to_owned()))]);
        assert!(host.writable_tunables(&["a"])[0].is_err());
        assert_eq!(host.file_image(Path::new("/etc/none")).unwrap(), None);
        let image = host.file_image(Path::new("/etc/sysctl.conf")).unwrap().unwrap();
        assert_eq!(image.content.0, b"a = 1\n");
        assert!(host.file_image(Path::new("/etc")).is_err());
    }
}
