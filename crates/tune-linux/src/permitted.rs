//! What a plan for Linux may contain at all. Journals are read back as untrusted input and held against this.

use std::path::Path;

use tune_host::sysctl_path;
use tune_model::plan::FileImage;
use tune_model::{Catalog, Effect, Mutability, System};

use crate::boot::{Key, TAKEN_OVER};

/// The file that `tune` writes: it sorts behind every name that an administrator is likely to choose.
pub const BOOT_FILE: &str = "/etc/sysctl.d/zz-tune.conf";
pub(crate) const BOOT_DIRECTORY: &str = "/etc/sysctl.d";

/// Where native tunables outside the catalog may be.
const NAMESPACES: &[&str] = &["net.ipv4.", "net.ipv6.", "net.core.", "net.netfilter."];

pub(crate) fn may_do(effect: &Effect) -> bool {
    match effect {
        Effect::SetTunable { tunable, before, after, .. } => {
            tunable_is_ours(tunable) && [before, after].iter().all(|text| !text.contains('\n'))
        }
        Effect::ReplaceFile { path, before, after } => may_replace(path, before.as_ref(), after.as_ref()),
        Effect::Directory { path, .. } => path == Path::new(BOOT_DIRECTORY),
        _ => false,
    }
}

fn tunable_is_ours(name: &str) -> bool {
    let known = match Catalog::of(System::Linux).get(name) {
        Some(row) => row.mutability == Mutability::Live,
        None => NAMESPACES.iter().any(|prefix| name.starts_with(prefix)),
    };
    known && sysctl_path(name).is_some()
}

fn may_replace(path: &Path, before: Option<&FileImage>, after: Option<&FileImage>) -> bool {
    if path == Path::new(BOOT_FILE) {
        let images = [before, after].into_iter().flatten();
        return images.into_iter().all(|image| image.mode & 0o7000 == 0 && is_plain(&image.content.0));
    }
    match (before, after) {
        (Some(before), Some(after)) => {
            is_boot_file(path)
                && (before.mode, before.uid, before.gid) == (after.mode, after.uid, after.gid)
                && before.attributes == after.attributes
                && only_settings_differ(&before.content.0, &after.content.0)
        }
        _ => false,
    }
}

/// Tells whether a path is a file of settings that an administrator owns.
pub(crate) fn is_boot_file(path: &Path) -> bool {
    let below = path.parent() == Some(Path::new(BOOT_DIRECTORY))
        && path.extension().is_some_and(|extension| extension == "conf");
    below || path == Path::new("/etc/sysctl.conf")
}

/// Tells whether two files are the same but for lines taken over or given back, and lines that set what a plan may
/// set anyway.
fn only_settings_differ(before: &[u8], after: &[u8]) -> bool {
    fn others(content: &[u8]) -> Vec<&[u8]> {
        let lines = content.split(|byte| *byte == b'\n');
        let bare = lines.map(|line| line.strip_prefix(TAKEN_OVER.as_bytes()).unwrap_or(line));
        bare.filter(|line| !sets_ours(line)).collect()
    }
    others(before) == others(after)
}

/// Tells whether a file holds nothing but comments and lines that set what a plan may set.
pub(crate) fn is_plain(content: &[u8]) -> bool {
    let silent = |line: &[u8]| line.is_empty() || line.starts_with(b"#") || line.starts_with(b";");
    content.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).all(|line| silent(line) || sets_ours(line))
}

fn sets_ours(line: &[u8]) -> bool {
    let name =
        std::str::from_utf8(line).ok().and_then(|text| text.split_once('=')).map(|(name, _)| name.trim());
    let key = name.and_then(|name| name.trim_start_matches('-').parse::<Key>().ok());
    key.is_some_and(|key| tunable_is_ours(&key.path().replace('/', ".")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tune_model::plan::Bytes;

    fn set(tunable: &str) -> Effect {
        let (before, after) = ("60".to_owned(), "30".to_owned());
        Effect::SetTunable { tunable: tunable.to_owned(), namespace: None, before, after }
    }

    fn replace(path: &str, before: &str, after: &str) -> Effect {
        let image = |text: &str| FileImage {
            content: Bytes(text.as_bytes().to_vec()),
            mode: 0o644,
            uid: 0,
            gid: 0,
            attributes: Default::default(),
        };
        Effect::ReplaceFile { path: path.into(), before: Some(image(before)), after: Some(image(after)) }
    }

    #[test]
    fn a_journal_cannot_reach_what_a_plan_could_not() {
        assert!(may_do(&set("net.ipv4.tcp_fin_timeout")));
        for planted in
            ["kernel.core_pattern", "kernel/core_pattern", "net.ipv4.../../kernel/x", "vm.overcommit_memory"]
        {
            assert!(!may_do(&set(planted)), "{planted}");
        }
        let line = "net.ipv4.tcp_fin_timeout = 20\n";
        let taken = format!("{TAKEN_OVER}{line}");
        assert!(may_do(&replace("/etc/sysctl.d/99-site.conf", line, &taken)));
        assert!(may_do(&replace("/etc/sysctl.conf", &taken, line)));
        assert!(may_do(&replace("/etc/sysctl.conf", "net.ipv4.tcp_fin_timeout=9\n", line)));
        assert!(!may_do(&replace("/etc/sysctl.conf", "kernel.kptr_restrict = 2\n", line)));
        for planted in ["/etc/shadow", "/etc/sysctl.d/../shadow", "/usr/lib/sysctl.d/50-default.conf"] {
            assert!(!may_do(&replace(planted, line, &taken)), "{planted}");
        }
        assert!(may_do(&replace(BOOT_FILE, line, "# nothing\n\n")));
        for planted in
            ["kernel.core_pattern = |/tmp/x\n", "kernel/core_pattern=x\n", "-vm.swappiness = 1\n", "x\n"]
        {
            assert!(!may_do(&replace(BOOT_FILE, line, planted)), "{planted}");
            assert!(!may_do(&replace(BOOT_FILE, planted, line)), "{planted}");
        }
        assert!(!may_do(&replace("/etc/sysctl.d/99-site.conf", line, "kernel.core_pattern = |/tmp/x\n")));
    }
}
