//! `sysctl --system` of procps: every line written in order, `/etc/sysctl.conf` last.
//!
//! Source: sysctl(8); every rule here is compared with procps 4.0.2 by the generated trees of the test suite.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use tune_host::{FileError, FileKind, Files};

use super::decide::{Decision, Doubt, Loser, Reason};
use super::glob;
use super::keys::{Key, resolve, swap_separators};
use super::lines::{Statement, procps_lines, procps_statement};
use super::plan::{Assignment, BootPlan, Effect, Place, Trouble};
use super::tree::{self, Content};

/// Read after all others, and only where it is a regular file.
const LAST: &str = "/etc/sysctl.conf";

pub(crate) fn read(files: &dyn Files, plan: &mut BootPlan) {
    let listing = tree::list(files, "sysctl.d", true);
    plan.masked = listing.masked;
    plan.problems = listing.problems;
    for file in listing.files.iter().flat_map(|file| opened(files, file)) {
        read_file(files, file, plan);
    }
    match files.kind(Path::new(LAST)) {
        Ok(FileKind::Regular) => read_file(files, LAST.into(), plan),
        Ok(_) | Err(FileError::Missing(_)) => {}
        Err(error) => plan.trouble(Path::new(LAST), 0, Trouble::Unreadable(error)),
    }
}

/// The files that are opened for a name: the tool takes the names it found for patterns once more.
fn opened(files: &dyn Files, file: &Path) -> Vec<PathBuf> {
    let (Some(directory), Some(name)) = (file.parent(), file.file_name()) else { return vec![file.into()] };
    if !name.as_bytes().iter().any(|byte| b"*?[{\\".contains(byte)) {
        return vec![file.into()];
    }
    let names = files.names(directory).unwrap_or_default();
    let matching: Vec<_> = alternatives(name)
        .iter()
        .flat_map(|one| names_like(one, &names))
        .map(|name| directory.join(name))
        .collect();
    if matching.is_empty() {
        return vec![file.into()];
    }
    // One that cannot be opened ends the reading of all that the pattern gave.
    let until = matching.iter().position(|file| files.kind(file).is_err());
    matching.into_iter().take(until.map_or(usize::MAX, |at| at + 1)).collect()
}

fn alternatives(name: &OsStr) -> Vec<OsString> {
    match name.to_str() {
        Some(text) => glob::expand_braces(text).into_iter().map(Into::into).collect(),
        None => vec![OsString::from_vec(name.as_bytes().to_vec())],
    }
}

fn names_like(pattern: &OsStr, names: &[OsString]) -> Vec<OsString> {
    let like = |name: &&OsString| glob::component_matches(pattern.as_bytes(), name.as_bytes());
    names.iter().filter(like).cloned().collect()
}

fn read_file(files: &dyn Files, file: PathBuf, plan: &mut BootPlan) {
    match tree::content(files, &file) {
        Content::Bytes(content) => read_lines(&content, &file, plan),
        Content::Nothing(Some(trouble)) => plan.trouble(&file, 0, trouble),
        Content::Nothing(None) => {}
    }
    plan.files.push(file);
}

fn read_lines(content: &[u8], file: &Path, plan: &mut BootPlan) {
    for line in procps_lines(content) {
        let (name, effect, ignore_errors) = match procps_statement(line.text) {
            Statement::Nothing => continue,
            Statement::NotAnAssignment => {
                plan.trouble(file, line.number, Trouble::NotAnAssignment);
                continue;
            }
            Statement::Assign { name, value, ignore_errors } => {
                (name, Effect::Set(value.to_vec()), ignore_errors)
            }
            Statement::Exclude { name } => (name, Effect::Exclude, false),
        };
        let written = String::from_utf8_lossy(name);
        let name = swap_separators(&written);
        if !can_exist(&name) {
            plan.trouble(file, line.number, Trouble::NotAKey(written.into_owned()));
        }
        let place = Place { file: file.to_owned(), line: line.number };
        plan.assignments.push(Assignment { place, name, effect, ignore_errors });
    }
}

fn can_exist(name: &str) -> bool {
    let odd = name.contains([' ', '\u{feff}']);
    !odd && (glob::is_pattern(name) || resolve(name).is_some())
}

/// The path that a line's pattern gives for a key, spelled as the pattern spells it; that spelling is what the
/// tool compares with other lines.
fn hit(line: &Assignment, key: &Key) -> Option<String> {
    let pattern = &line.name;
    if pattern.ends_with('/') || !glob::path_matches(pattern, key.path()) {
        return None;
    }
    let mut parts = key.path().split('/');
    let spelled = pattern.split('/').map(|part| match part {
        "" | "." => part,
        _ => parts.next().unwrap_or_default(),
    });
    Some(spelled.collect::<Vec<_>>().join("/"))
}

/// Finds a line that keeps patterns from setting a path: any that names it, wherever it stands.
fn shield<'p>(path: &str, plan: &'p BootPlan) -> Option<&'p Assignment> {
    plan.assignments.iter().rfind(|line| line.name == path)
}

/// Finds an exclusion by pattern, which procps honours from 4.0.5 on and earlier ones do not.
fn pattern_shield<'p>(path: &str, plan: &'p BootPlan) -> Option<&'p Assignment> {
    let excludes = |line: &&Assignment| line.effect == Effect::Exclude && line.glob();
    plan.assignments
        .iter()
        .filter(excludes)
        .rfind(|line| glob::matches(line.name.as_bytes(), path.as_bytes()))
}

pub(crate) fn decide<'p>(key: &Key, plan: &'p BootPlan) -> Decision<'p> {
    let mut writes = Vec::new();
    let mut losers = Vec::new();
    let mut doubts = Vec::new();
    for line in plan.assignments.iter().filter(|line| line.value().is_some()) {
        if !line.glob() {
            writes.extend((resolve(&line.name).as_deref() == Some(key.path())).then_some(line));
            continue;
        }
        let Some(path) = hit(line, key) else { continue };
        match shield(&path, plan) {
            Some(by) => losers.push(Loser { assignment: line, reason: Reason::against(by) }),
            None => {
                writes.push(line);
                doubts.extend(pattern_shield(&path, plan).map(Doubt::ExcludedByPattern));
            }
        }
    }
    if let Some((winner, overwritten)) = writes.split_last() {
        let reason = Reason::Later(winner);
        losers.extend(overwritten.iter().map(|line| Loser { assignment: line, reason }));
    }
    let mut decision = Decision::new(key, plan, writes, losers);
    decision.doubts.extend(doubts);
    decision
}

#[cfg(test)]
mod tests {
    use super::super::BootTool;
    use super::*;
    use tune_host::MemoryFiles;

    fn opened_files(files: &MemoryFiles) -> Vec<String> {
        let plan = BootPlan::read(files, BootTool::Procps);
        plan.files.iter().map(|file| file.display().to_string()).collect()
    }

    #[test]
    fn sysctl_conf_comes_last_and_twice_through_its_link() {
        let files = MemoryFiles::default()
            .with("/etc/sysctl.conf", "")
            .with_link("/etc/sysctl.d/99-sysctl.conf", "../sysctl.conf")
            .with("/etc/sysctl.d/zz.conf", "");
        let opened = opened_files(&files);
        assert_eq!(opened, ["/etc/sysctl.d/99-sysctl.conf", "/etc/sysctl.d/zz.conf", "/etc/sysctl.conf"]);
    }

    #[test]
    fn file_names_are_patterns_once_more() {
        let files = MemoryFiles::default()
            .with("/etc/sysctl.d/50-a.conf", "")
            .with("/run/sysctl.d/5*.conf", "")
            .with("/run/sysctl.d/50-a.conf", "");
        let opened = opened_files(&files);
        assert_eq!(opened, ["/run/sysctl.d/5*.conf", "/run/sysctl.d/50-a.conf", "/etc/sysctl.d/50-a.conf"]);
    }

    #[test]
    fn a_file_that_may_not_be_read_is_said() {
        let files = MemoryFiles::default().with_denied("/etc/sysctl.conf");
        assert_eq!(BootPlan::read(&files, BootTool::Procps).unseen().count(), 1);
    }
}
