//! OpenRC with busybox: a shell loop over `/etc/sysctl.conf` and `/etc/sysctl.d/*.conf`.
//!
//! Source: OpenRC `init.d/sysctl`, and busybox `sysctl`.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use tune_host::{FileError, Files};

use super::decide::{Decision, Loser, Reason};
use super::keys::{Key, resolve, simplify, swap_separators};
use super::plan::{Assignment, BootPlan, Effect, Place, Trouble};
use super::tree::{self, Content};

const FIRST: &str = "/etc/sysctl.conf";
const DIRECTORY: &str = "/etc/sysctl.d";

pub(crate) fn read(files: &dyn Files, plan: &mut BootPlan) {
    match files.kind(Path::new(FIRST)) {
        Err(FileError::Missing(_)) => return plan.trouble(Path::new(FIRST), 0, Trouble::NeededFirst),
        Err(error) => return plan.trouble(Path::new(FIRST), 0, Trouble::Unreadable(error)),
        Ok(_) => {}
    }
    let more = more_files(files, plan);
    for file in std::iter::once(PathBuf::from(FIRST)).chain(more) {
        match tree::content(files, &file) {
            Content::Bytes(content) => read_lines(&content, &file, plan),
            Content::Nothing(Some(trouble)) => plan.trouble(&file, 0, trouble),
            Content::Nothing(None) => {}
        }
        plan.files.push(file);
    }
}

fn more_files(files: &dyn Files, plan: &mut BootPlan) -> Vec<PathBuf> {
    let directory = Path::new(DIRECTORY);
    let names = files.names(directory).unwrap_or_else(|error| {
        if !matches!(error, FileError::Missing(_) | FileError::WrongKind(_)) {
            plan.trouble(directory, 0, Trouble::Unreadable(error));
        }
        Vec::new()
    });
    let shown = |name: &[u8]| name.ends_with(b".conf") && !name.starts_with(b".");
    names.iter().filter(|name| shown(name.as_bytes())).map(|name| directory.join(name)).collect()
}

/// Of each line only the first word counts, once one ` = ` has been closed up.
fn read_lines(content: &[u8], file: &Path, plan: &mut BootPlan) {
    for (number, line) in shell_lines(content) {
        let spaces = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n');
        let word = line.split(spaces).find(|word| !word.is_empty()).unwrap_or_default();
        if matches!(word, [] | [b'#', ..]) {
            continue;
        }
        match word.iter().position(|byte| *byte == b'=') {
            Some(equals) if equals > 0 && equals + 1 < word.len() && word[0] != b'-' => {
                if word[..equals].split(|byte| *byte == b'/').any(|part| part == b"..") {
                    let name = String::from_utf8_lossy(&word[..equals]).into_owned();
                    plan.trouble(file, number, Trouble::Ambiguous(name));
                    continue;
                }
                plan.assignments.push(Assignment {
                    place: Place { file: file.to_owned(), line: number },
                    name: String::from_utf8_lossy(&word[..equals]).into_owned(),
                    effect: Effect::Set(word[equals + 1..].to_vec()),
                    ignore_errors: false,
                });
            }
            _ => {
                let word = String::from_utf8_lossy(word).into_owned();
                plan.trouble(file, number, Trouble::NotUnderstood(word));
            }
        }
    }
}

/// Cuts a file as `sed` and then the shell's `read` do: a last line without newline is lost, a backslash takes
/// the next character as it is, and at the end of a line it joins the next.
fn shell_lines(content: &[u8]) -> Vec<(u32, Vec<u8>)> {
    let mut lines = Vec::new();
    let mut line: Option<(u32, Vec<u8>)> = None;
    let complete = content.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
    for (number, text) in (1..).zip(complete) {
        let (_, joined) = line.get_or_insert((number, Vec::new()));
        let mut bytes = closed_up(&text[..text.len() - 1]).into_iter();
        let mut continues = false;
        while let Some(byte) = bytes.next() {
            match byte {
                b'\\' => match bytes.next() {
                    Some(escaped) => joined.push(escaped),
                    None => continues = true,
                },
                0 => {}
                other => joined.push(other),
            }
        }
        if !continues {
            lines.extend(line.take());
        }
    }
    lines
}

/// Takes the white space out of the first ` = `.
fn closed_up(line: &[u8]) -> Vec<u8> {
    match line.windows(3).position(|three| three == b" = ") {
        Some(at) => [&line[..at], b"=", &line[at + 3..]].concat(),
        None => line.to_vec(),
    }
}

/// Tells whether a name means a key. With a dot before its first slash the two are swapped, as elsewhere (busybox
/// 1.32 and later). Otherwise dots are turned into slashes one by one for as long as that leads somewhere, so that
/// interface names keep theirs. Patterns are not expanded.
fn names_key(name: &str, key: &Key) -> bool {
    if name.starts_with(['/', '.']) || name.ends_with(['/', '.']) {
        return false;
    }
    let swapped = name.contains('/') && swap_separators(name) != name;
    let path = if swapped { swap_separators(name) } else { name.to_owned() };
    let slashes = |path: &str| simplify(&path.replace('.', "/"));
    resolve(&path).as_deref() == Some(key.path()) || (!swapped && slashes(&path) == slashes(key.path()))
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
