//! What a plan for FreeBSD may contain at all. Journals are read back as untrusted input and held against this.

use std::path::Path;

use tune_model::plan::FileImage;
use tune_model::{Catalog, Effect, Mutability, System, Tunable};

use crate::boot::{self, TAKEN_OVER};

/// The file in which `tune` has a block of lines: the last one that sysctl(8) is given.
pub(crate) const BLOCK_FILE: &str = "/etc/sysctl.conf.local";
/// The file that `tune` writes for the loader.
pub(crate) const LOADER_FILE: &str = "/boot/loader.conf.d/tune.conf";
pub(crate) const LOADER_DIRECTORY: &str = "/boot/loader.conf.d";

/// Where native tunables outside of the catalog may be.
const NAMESPACES: [&str; 3] = ["net.inet.", "net.inet6.", "kern.ipc."];

/// Tells whether an effect is one that a plan for FreeBSD can contain.
pub(crate) fn may_do(effect: &Effect) -> bool {
    match effect {
        Effect::SetTunable { tunable, namespace: None, before, after } => {
            is_settable(tunable) && [before, after].iter().all(|text| is_integer(text))
        }
        Effect::ReplaceFile { path, before, after } => may_replace(path, before.as_ref(), after.as_ref()),
        Effect::Directory { path, .. } => path == Path::new(LOADER_DIRECTORY),
        _ => false,
    }
}

/// Tells whether a name is that of a tunable outside of the catalog that a profile may touch all the same.
pub(crate) fn is_native(name: &str) -> bool {
    let sound = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
    };
    NAMESPACES.iter().any(|prefix| name.starts_with(prefix)) && name.split('.').all(sound)
}

/// Tells whether a tunable can be set while the system runs, and by its files.
fn is_settable(name: &str) -> bool {
    match Catalog::of(System::FreeBsd).get(name) {
        Some(row) => matches!(row.mutability, Mutability::Live | Mutability::RaiseOnly),
        None => is_native(name),
    }
}

/// Tells whether a tunable is given to the loader: it is read when the system starts, or can only be raised later.
pub(crate) fn is_for_loader(row: &Tunable) -> bool {
    row.loader && matches!(row.mutability, Mutability::Boot | Mutability::RaiseOnly)
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    (1..=20).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn may_replace(path: &Path, before: Option<&FileImage>, after: Option<&FileImage>) -> bool {
    let allowed = |content: fn(&[u8]) -> bool| {
        [before, after].into_iter().flatten().all(|image| content(&image.content.0))
    };
    if path == Path::new(LOADER_FILE) {
        return same_owner(before, after) && allowed(is_plain_loader);
    }
    if path == Path::new(BLOCK_FILE) {
        return same_owner(before, after) && only_block_differs(before, after);
    }
    match (before, after) {
        (Some(before), Some(after)) if path == Path::new("/etc/sysctl.conf") => {
            same_owner(Some(before), Some(after))
                && only_settings_differ(&before.content.0, &after.content.0, sets_ours)
        }
        (Some(before), Some(after)) => {
            is_boot_file(path)
                && same_owner(Some(before), Some(after))
                && only_settings_differ(&before.content.0, &after.content.0, loads_ours)
        }
        _ => false,
    }
}

/// A file keeps its owner, mode and attributes; one that is made, or goes, is root's and can be written by root only.
fn same_owner(before: Option<&FileImage>, after: Option<&FileImage>) -> bool {
    match (before, after) {
        (Some(before), Some(after)) => {
            (before.mode, before.uid, before.gid, &before.attributes)
                == (after.mode, after.uid, after.gid, &after.attributes)
        }
        (Some(image), None) | (None, Some(image)) => image.mode & 0o7022 == 0 && image.uid == 0,
        (None, None) => true,
    }
}

/// Tells whether a path is a file of settings that an administrator owns, and that lines may be taken over in.
pub(crate) fn is_boot_file(path: &Path) -> bool {
    const FILES: [&str; 4] =
        ["/etc/sysctl.conf", "/etc/sysctl.conf.local", "/boot/loader.conf", "/boot/loader.conf.local"];
    let below = path.parent() == Some(Path::new(LOADER_DIRECTORY))
        && path.extension().is_some_and(|extension| extension == "conf")
        && path != Path::new(LOADER_FILE);
    below || FILES.iter().any(|file| path == Path::new(file))
}

/// Tells whether two files are the same outside of their blocks, and hold nothing in these but what a plan may set.
fn only_block_differs(before: Option<&FileImage>, after: Option<&FileImage>) -> bool {
    let Some((before, after)) = outside(before).zip(outside(after)) else { return false };
    only_settings_differ(&before, &after, sets_ours)
}

/// Returns a file without its block, or without marks that make none; `None` where the block holds what it may not.
fn outside(image: Option<&FileImage>) -> Option<Vec<u8>> {
    let Some(image) = image else { return Some(Vec::new()) };
    let content = &image.content.0;
    match boot::find(content) {
        Ok(Some(found)) if !is_plain_sysctl(&content[found.range.clone()]) => return None,
        Err(_) => return Some(boot::unmarked(content)),
        Ok(_) => {}
    }
    Some(boot::without(content).ok()?.unwrap_or_default())
}

/// Tells whether two files are the same but for lines that set what a plan may set, in force or taken over.
fn only_settings_differ(before: &[u8], after: &[u8], ours: fn(&[u8]) -> bool) -> bool {
    let others = |content: &[u8]| {
        let bare = |line: &[u8]| ours(line.strip_prefix(TAKEN_OVER.as_bytes()).unwrap_or(line));
        let others = content.split(|byte| *byte == b'\n').filter(|line| !bare(line));
        others.map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    others(before) == others(after)
}

fn is_plain(content: &[u8], ours: fn(&[u8]) -> bool) -> bool {
    let silent = |line: &[u8]| line.is_empty() || line.starts_with(b"#");
    content.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).all(|line| silent(line) || ours(line))
}

/// Tells whether lines for sysctl(8) are comments, or set what a plan may set.
pub(crate) fn is_plain_sysctl(content: &[u8]) -> bool {
    is_plain(content, sets_ours)
}

/// Tells whether lines for the loader are comments, or set what a plan may give to it.
pub(crate) fn is_plain_loader(content: &[u8]) -> bool {
    is_plain(content, loads_ours)
}

fn sets_ours(line: &[u8]) -> bool {
    // A line that sysctl(8) takes for several could set anything.
    const LONGEST: usize = 1023;
    let sets = boot::statement(line).filter(|_| line.len() < LONGEST && !line.contains(&0));
    sets.is_some_and(|(name, value)| value.is_some() && is_settable(&name))
}

fn loads_ours(line: &[u8]) -> bool {
    let name = std::str::from_utf8(line).ok().and_then(boot::loader_variable);
    name.is_some_and(|name| Catalog::of(System::FreeBsd).get(name).is_some_and(is_for_loader))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tune_model::plan::Bytes;

    const LINE: &str = "net.inet.tcp.finwait2_timeout=30000\n";
    const FOREIGN: &str = "security.bsd.see_other_uids=0\n";

    fn image(text: &str) -> FileImage {
        FileImage {
            content: Bytes(text.as_bytes().to_vec()),
            mode: 0o644,
            uid: 0,
            gid: 0,
            attributes: Default::default(),
        }
    }

    fn replace(path: &str, before: &str, after: &str) -> bool {
        may_do(&Effect::ReplaceFile {
            path: path.into(),
            before: Some(image(before)),
            after: Some(image(after)),
        })
    }

    fn make(path: &str, after: FileImage) -> bool {
        may_do(&Effect::ReplaceFile { path: path.into(), before: None, after: Some(after) })
    }

    fn block(lines: &str) -> String {
        boot::mark(boot::BlockKind::Plain, lines)
    }

    #[test]
    fn only_tunables_that_a_plan_sets() {
        let set = |tunable: &str, after: &str| {
            let (before, after) = ("60000".to_owned(), after.to_owned());
            may_do(&Effect::SetTunable { tunable: tunable.to_owned(), namespace: None, before, after })
        };
        for allowed in [
            "net.inet.tcp.finwait2_timeout",
            "kern.ipc.nmbclusters",
            "kern.maxfiles",
            "net.inet.udp.maxdgram",
            "kern.ipc.somaxconn",
        ] {
            assert!(set(allowed, "30000"), "{allowed}");
        }
        for planted in [
            "kern.securelevel",
            "kern.ipc.maxmbufmem",
            "net.inet.tcp.tcbhashsize",
            "kern.maxusers",
            "security.bsd.see_other_uids",
            "net.inet.",
            "net.inet.a b",
            "net.inet.tcp..x",
            "net.inet.tcp.x=1",
            "net.inet.tcp.x\nkern.securelevel",
            "NET.INET.tcp.x",
        ] {
            assert!(!set(planted, "30000"), "{planted}");
        }
        for odd in ["", "-", "30s", "1 2", "30000\n", "0x10"] {
            assert!(!set("net.inet.tcp.finwait2_timeout", odd), "{odd:?}");
        }
        assert!(set("net.inet.tcp.always_keepalive", "-1"));
        let elsewhere = Effect::SetTunable {
            tunable: "net.inet.tcp.msl".to_owned(),
            namespace: Some(tune_model::plan::Namespace { name: String::new(), device: 1, inode: 1 }),
            before: "1000".to_owned(),
            after: "2000".to_owned(),
        };
        assert!(!may_do(&elsewhere));
    }

    #[test]
    fn the_block_changes_and_nothing_around_it() {
        let mine = "a.b=1\n";
        assert!(make(BLOCK_FILE, image(&block(LINE))));
        assert!(replace(BLOCK_FILE, mine, &format!("{mine}{}", block(LINE))));
        assert!(replace(BLOCK_FILE, &format!("{mine}{}", block(LINE)), mine));
        // Marks that somebody has broken are mended, and put back as they were.
        let broken = format!("{mine}# tune: begin\n{LINE}");
        assert!(replace(BLOCK_FILE, &broken, &format!("{mine}{}", block(LINE))));
        assert!(!replace(BLOCK_FILE, &broken, &format!("{mine}{FOREIGN}")));
        let taken = format!("{}{TAKEN_OVER}{LINE}", block(LINE));
        assert!(replace(BLOCK_FILE, &format!("{}{LINE}", block(LINE)), &taken));
        for (before, after) in [
            (mine.to_owned(), block(LINE)),
            (mine.to_owned(), format!("a.b=2\n{}", block(LINE))),
            (mine.to_owned(), format!("{mine}{FOREIGN}")),
            (mine.to_owned(), format!("{mine}{}", block(FOREIGN))),
            (format!("{mine}{}", block(FOREIGN)), mine.to_owned()),
            (mine.to_owned(), format!("{mine}{}", block("net.inet.tcp.finwait2_timeout\n"))),
            (mine.to_owned(), format!("{mine}{TAKEN_OVER}{FOREIGN}")),
            (format!("{mine}{TAKEN_OVER}{FOREIGN}"), format!("{mine}{FOREIGN}")),
            (mine.to_owned(), format!("{mine}net.inet.tcp.msl=1{}{FOREIGN}", " ".repeat(1023))),
        ] {
            assert!(!replace(BLOCK_FILE, &before, &after), "{before:?} {after:?}");
        }
        assert!(!make(BLOCK_FILE, image(FOREIGN)));
    }

    #[test]
    fn the_loader_is_given_what_it_is_asked_for_only() {
        let line = "kern.ipc.nmbclusters=\"65536\"\n";
        assert!(make(LOADER_FILE, image(&format!("# web\n{line}"))));
        assert!(replace(LOADER_FILE, line, "net.inet.tcp.tcbhashsize=\"2048\"\n"));
        for planted in [
            "exec=\"set boot_single=1\"\n",
            "init_path=\"/tmp/x\"\n",
            "evil_load=\"YES\"\n",
            "loader_conf_files=\"/tmp/x\"\n",
            "net.inet.tcp.finwait2_timeout=\"1\"\n",
            "kern.ipc.nmbclusters\n",
        ] {
            assert!(!make(LOADER_FILE, image(planted)), "{planted}");
            assert!(!replace(LOADER_FILE, planted, line), "{planted}");
            assert!(!replace("/boot/loader.conf", line, planted), "{planted}");
        }
        assert!(replace("/boot/loader.conf", line, &format!("{TAKEN_OVER}{line}")));
        assert!(replace(
            "/boot/loader.conf.d/site.conf",
            &format!("a=\"1\"\n{TAKEN_OVER}{line}"),
            &format!("a=\"1\"\n{line}")
        ));
    }

    #[test]
    fn no_other_file_is_touched_and_none_changes_hands() {
        let taken = format!("{TAKEN_OVER}{LINE}");
        assert!(replace("/etc/sysctl.conf", LINE, &taken) && replace("/etc/sysctl.conf", &taken, LINE));
        for planted in [
            "/etc/master.passwd",
            "/etc/rc.conf",
            "/boot/defaults/loader.conf",
            "/boot/device.hints",
            "/boot/nextboot.conf",
            "/boot/loader.conf.d/../loader.conf",
            "/boot/loader.conf.d/sub/x.conf",
            "/etc/../etc/sysctl.conf.d",
            "/etc/sysctl.kld.d/x.conf",
        ] {
            assert!(!replace(planted, LINE, &taken), "{planted}");
        }
        let whole = |before: Option<FileImage>, after: Option<FileImage>| {
            may_do(&Effect::ReplaceFile { path: "/etc/sysctl.conf".into(), before, after })
        };
        assert!(!whole(None, Some(image(LINE))) && !whole(Some(image(LINE)), None));
        assert!(!whole(Some(image(LINE)), Some(FileImage { mode: 0o666, ..image(&taken) })));
        assert!(!whole(Some(image(LINE)), Some(FileImage { uid: 1001, ..image(&taken) })));
        let attributes = [("user.x".to_owned(), Bytes(Vec::new()))].into();
        assert!(!whole(Some(image(LINE)), Some(FileImage { attributes, ..image(&taken) })));
        for mode in [0o4755, 0o666, 0o664] {
            assert!(!make(LOADER_FILE, FileImage { mode, ..image("# x\n") }), "{mode:o}");
        }
        assert!(!make(LOADER_FILE, FileImage { uid: 1001, ..image("# x\n") }));
        let directory =
            |path: &str| may_do(&Effect::Directory { path: path.into(), before: false, after: true });
        assert!(directory(LOADER_DIRECTORY) && !directory("/etc/x") && !directory("/boot/loader.conf.d/x"));
    }
}
