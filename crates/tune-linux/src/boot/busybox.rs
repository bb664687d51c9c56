//! OpenRC with busybox: a shell loop over `/etc/sysctl.conf` and `/etc/sysctl.d/*.conf`.
//!
//! Source: OpenRC `init.d/sysctl`, and busybox `sysctl`.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use tune_host::Files;

use super::decide::{Decision, Loser, Reason};
use super::keys::Key;
use super::plan::{Assignment, BootPlan, Effect, Place, Trouble};
use super::tree::{self, Content};

const FIRST: &str = "/etc/sysctl.conf";
const DIRECTORY: &str = "/etc/sysctl.d";

pub(crate) fn read(files: &dyn Files, plan: &mut BootPlan) {
    if files.kind(Path::new(FIRST)).is_err() {
        plan.trouble(Path::new(FIRST), 0, Trouble::NeededFirst);
        return;
    }
    let names = files.names(Path::new(DIRECTORY)).unwrap_or_default();
    let names = names.into_iter().filter(|name| {
        let name = name.as_bytes();
        name.ends_with(b".conf") && !name.starts_with(b".")
    });
    let more: Vec<PathBuf> = names.map(|name| Path::new(DIRECTORY).join(name)).collect();
    for file in std::iter::once(PathBuf::from(FIRST)).chain(more) {
        match tree::content(files, &file) {
            Content::Bytes(content) => read_lines(&content, &file, plan),
            Content::Nothing(Some(trouble)) => plan.trouble(&file, 0, trouble),
            Content::Nothing(None) => {}
        }
        plan.files.push(file);
    }
}

/// Only complete lines count, and of each only the first word, once one ` = ` has been closed up.
fn read_lines(content: &[u8], file: &Path, plan: &mut BootPlan) {
    let complete = content.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
    for (number, line) in (1..).zip(complete) {
        let text = String::from_utf8_lossy(line).replacen(" = ", "=", 1);
        let word = text.split([' ', '\t', '\n']).find(|word| !word.is_empty()).unwrap_or_default();
        if word.is_empty() || word.starts_with('#') {
            continue;
        }
        match word.split_once('=') {
            Some((name, value)) if !word.starts_with('-') => {
                plan.assignments.push(Assignment {
                    place: Place { file: file.to_owned(), line: number },
                    name: name.to_owned(),
                    effect: Effect::Set(value.into()),
                    ignore_errors: false,
                });
            }
            _ => plan.trouble(file, number, Trouble::NotUnderstood(word.to_owned())),
        }
    }
}

/// Any dot may stand for a slash: the tool tries until a path exists. Patterns are not expanded.
fn names_key(name: &str, key: &Key) -> bool {
    name.replace('.', "/") == key.path().replace('.', "/")
}

pub(crate) fn decide<'p>(key: &Key, plan: &'p BootPlan) -> Decision<'p> {
    let writes: Vec<_> = plan.assignments.iter().filter(|line| names_key(&line.name, key)).collect();
    let mut losers = Vec::new();
    if let Some((winner, overwritten)) = writes.split_last() {
        let reason = Reason::Later(winner);
        losers.extend(overwritten.iter().map(|line| Loser { assignment: line, reason }));
    }
    Decision::new(key, plan, writes, losers)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::BootTool;
    use super::*;
    use tune_host::MemoryFiles;

    fn value(files: &MemoryFiles, key: &str) -> Option<String> {
        let plan = BootPlan::read(files, BootTool::OpenrcBusybox);
        let winner = decide(&Key::parse(key).unwrap(), &plan).winner?;
        Some(winner.value_text())
    }

    #[test]
    fn the_directory_comes_second_and_triples_lose_their_tail() {
        let files = MemoryFiles::default()
            .with("/etc/sysctl.conf", "net.ipv4.tcp_fin_timeout = 30\n")
            .with("/etc/sysctl.d/a.conf", "net.ipv4.tcp_fin_timeout = 20\nnet.ipv4.tcp_rmem = 1 2 3\n")
            .with("/etc/sysctl.d/b.conf", "net.ipv4.tcp_fin_timeout = 10")
            .with("/usr/lib/sysctl.d/c.conf", "net.ipv4.tcp_fin_timeout = 5\n");
        assert_eq!(value(&files, "net.ipv4.tcp_fin_timeout").as_deref(), Some("20"));
        assert_eq!(value(&files, "net.ipv4.tcp_rmem").as_deref(), Some("1"));
    }

    #[test]
    fn nothing_is_read_without_the_first_file() {
        let files = MemoryFiles::default().with("/etc/sysctl.d/a.conf", "net.core.somaxconn=1\n");
        assert_eq!(value(&files, "net.core.somaxconn"), None);
        let plan = BootPlan::read(&files, BootTool::OpenrcBusybox);
        assert_eq!(plan.problems[0].trouble, Trouble::NeededFirst);
    }

    #[test]
    fn marks_and_semicolons_are_not_understood() {
        let files = MemoryFiles::default()
            .with("/etc/sysctl.conf", "-net.core.somaxconn = 1\n; net.core.somaxconn=2\n# c\n\nx =1\n");
        let plan = BootPlan::read(&files, BootTool::OpenrcBusybox);
        assert_eq!(plan.problems.len(), 3);
        assert!(plan.assignments.is_empty());
    }
}
