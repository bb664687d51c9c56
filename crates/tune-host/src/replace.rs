//! Replacing a file all or nothing.
//!
//! A crash leaves the old file or the new one, and at most a hidden file beside it whose name is known beforehand.
//! What cannot be kept: the inode number, hard links to the old file, and times.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};
use tune_model::plan::{Bytes, FileImage};

use crate::sys;

/// Returns the hidden name under which a new file is made; it ends neither in `.conf` nor in anything else that is
/// read at boot.
pub(crate) fn aside(path: &Path, tag: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.tune-{tag}"))
}

/// Puts `image` at `path`, or removes what is there.
pub(crate) fn replace(path: &Path, image: Option<&FileImage>, tag: &str) -> io::Result<()> {
    match image {
        None => remove(path),
        Some(image) => {
            let new = aside(path, tag);
            let written = write_new(&new, image).and_then(|()| read_back(&new, image));
            written.and_then(|()| fs::rename(&new, path)).inspect_err(|_| {
                let _ = remove(&new);
            })?;
            sync_parent(path)
        }
    }
}

/// Removes a file, so that no power cut brings it back.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path)?;
    sync_parent(path)
}

fn write_new(path: &Path, image: &FileImage) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(&image.content.0)?;
    fchown(&file, Some(image.uid), Some(image.gid))?;
    // After the owner, because a change of owner clears the set-id bits.
    file.set_permissions(Permissions::from_mode(image.mode))?;
    for (name, value) in &image.attributes {
        xattr::set(path, name, &value.0)?;
    }
    file.sync_all()
}

/// Checks a file before it gets its name: what is found wrong later might be somebody else's doing.
fn read_back(path: &Path, wanted: &FileImage) -> io::Result<()> {
    let found = image(path)?.ok_or(io::ErrorKind::NotFound)?;
    let FileImage { content, mode, uid, gid, attributes } = wanted;
    let same = (&found.content, found.mode, found.uid, found.gid) == (content, *mode, *uid, *gid);
    if same && attributes.iter().all(|(name, value)| found.attributes.get(name) == Some(value)) {
        return Ok(());
    }
    Err(io::Error::other("it does not read as it was written"))
}

/// Makes a directory that all may read and its owner alone may write, whatever the umask is.
pub(crate) fn make_directory(path: &Path) -> io::Result<()> {
    const MODE: u32 = 0o755;
    fs::DirBuilder::new().mode(MODE).create(path)?;
    fs::set_permissions(path, Permissions::from_mode(MODE)).inspect_err(|_| {
        let _ = fs::remove_dir(path);
    })
}

/// Asks whether the directory of `path` can be written, which is what replacing takes.
pub(crate) fn may_replace(path: &Path) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    Ok(access(directory, AccessFlags::W_OK | AccessFlags::X_OK)?)
}

/// Makes the directory entry of `path` durable.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

/// Reads a regular file with everything that [`replace`] puts back.
pub(crate) fn image(path: &Path) -> io::Result<Option<FileImage>> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    if !found.is_file() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let attributes = if xattr::SUPPORTED_PLATFORM { attributes(path)? } else { Default::default() };
    let content = Bytes(fs::read(path)?);
    Ok(Some(FileImage {
        content,
        mode: found.mode() & 0o7777,
        uid: found.uid(),
        gid: found.gid(),
        attributes,
    }))
}

fn attributes(path: &Path) -> io::Result<BTreeMap<String, Bytes>> {
    let names = match xattr::list(path) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => return Ok(BTreeMap::new()),
        other => other?,
    };
    let mut found = BTreeMap::new();
    for name in names.filter_map(|name| name.into_string().ok()) {
        if let Some(other) = namesake(&name)
            && let Some(value) = privileged(xattr::get(path, &other))?
        {
            found.insert(other, Bytes(value));
        }
        if let Some(value) = xattr::get(path, &name)? {
            found.insert(name, Bytes(value));
        }
    }
    Ok(found)
}

/// Returns what else an attribute may be called: of the `system` namespace the `xattr` crate (1.7.0) lists the last one
/// as one of `user`.
fn namesake(name: &str) -> Option<String> {
    let rest = name.strip_prefix("user.").filter(|_| sys::HAS_SYSTEM_ATTRIBUTES)?;
    Some(format!("system.{rest}"))
}

/// Takes what only a privilege lets see for absent.
fn privileged(got: io::Result<Option<Vec<u8>>>) -> io::Result<Option<Vec<u8>>> {
    match got {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(None),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_file_is_replaced_and_put_back_with_mode_and_attributes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("99-site.conf");
        fs::write(&path, "net.ipv4.tcp_fin_timeout = 30\n").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let with_attribute = xattr::set(&path, "user.origin", b"site").is_ok();
        let before = image(&path).unwrap();

        let changed = FileImage { content: Bytes(b"# nothing\n".to_vec()), ..before.clone().unwrap() };
        replace(&path, Some(&changed), "7-1").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"# nothing\n");
        replace(&path, before.as_ref(), "7-2").unwrap();
        assert_eq!(image(&path).unwrap(), before);
        assert_eq!(before.unwrap().attributes.len(), usize::from(with_attribute));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "something was left beside the file");
    }
}
