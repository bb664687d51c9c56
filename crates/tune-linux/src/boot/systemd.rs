//! `systemd-sysctl`: all files into one table, each key written once.
//!
//! Source: sysctl.d(5) and systemd-sysctl.service(8); every rule here is compared with systemd 252 by the
//! generated trees of the test suite.

use std::path::Path;

use tune_host::Files;

use super::decide::{Decision, Loser, Reason};
use super::glob;
use super::keys::{Key, simplify, swap_separators};
use super::lines::{Statement, systemd_lines, systemd_statement};
use super::plan::{Assignment, BootPlan, Effect, Place, Trouble};
use super::tree::{self, Content};

pub(crate) fn read(files: &dyn Files, plan: &mut BootPlan) {
    let listing = tree::list(files, "sysctl.d", false);
    plan.masked = listing.masked;
    plan.problems = listing.problems;
    for file in listing.files {
        match tree::content(files, &file) {
            Content::Bytes(content) => read_lines(&content, &file, plan),
            Content::Nothing(Some(trouble)) => plan.trouble(&file, 0, trouble),
            Content::Nothing(None) => {}
        }
        plan.files.push(file);
    }
}

fn read_lines(content: &[u8], file: &Path, plan: &mut BootPlan) {
    let (lines, too_long) = systemd_lines(content);
    for line in lines {
        let (name, effect, ignore_errors) = match systemd_statement(line.text) {
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
        let name = simplify(&swap_separators(&written));
        if !can_exist(&name) {
            plan.trouble(file, line.number, Trouble::NotAKey(written.into_owned()));
        }
        let place = Place { file: file.to_owned(), line: line.number };
        plan.assignments.push(Assignment { place, name, effect, ignore_errors });
    }
    if let Some(line) = too_long {
        plan.trouble(file, line, Trouble::TooLong);
    }
}

/// The tool refuses to write through `..`.
fn can_exist(name: &str) -> bool {
    !name.is_empty() && !name.split('/').any(|part| part == "..") && !name.contains([' ', '\u{feff}'])
}

/// One row of the tool's table: the lines that agree on a value, the last of which is named as the winner.
struct Row<'p> {
    lines: Vec<&'p Assignment>,
}

impl<'p> Row<'p> {
    fn last(&self) -> &'p Assignment {
        self.lines[self.lines.len() - 1]
    }
}

/// Builds the table, as far as it concerns a key. A line that repeats the value keeps the row's place; a line
/// with another value moves the row to the end. An exclusion is a row without a value, and so replaces one.
fn table<'p>(key: &Key, plan: &'p BootPlan, losers: &mut Vec<Loser<'p>>) -> Vec<Row<'p>> {
    let mut rows: Vec<Row<'p>> = Vec::new();
    for line in plan.assignments.iter().filter(|line| concerns(line, key)) {
        match rows.iter().position(|row| row.last().name == line.name) {
            Some(at) if rows[at].last().effect == line.effect => rows[at].lines.push(line),
            Some(at) => {
                let reason = match line.effect {
                    Effect::Set(_) => Reason::Later(line),
                    Effect::Exclude => Reason::Excluded(line),
                };
                lose(losers, &rows.remove(at).lines, reason);
                rows.push(Row { lines: vec![line] });
            }
            None => rows.push(Row { lines: vec![line] }),
        }
    }
    rows
}

fn lose<'p>(losers: &mut Vec<Loser<'p>>, lines: &[&'p Assignment], reason: Reason<'p>) {
    let set = lines.iter().filter(|line| line.value().is_some());
    losers.extend(set.map(|line| Loser { assignment: line, reason }));
}

fn concerns(line: &Assignment, key: &Key) -> bool {
    if line.glob() { pattern_hits(&line.name, key) } else { line.name == key.path() }
}

/// Braces count only in a name that is a pattern already; `..` is refused when it comes to writing.
fn pattern_hits(pattern: &str, key: &Key) -> bool {
    glob::expand_braces(pattern).iter().any(|one| glob::path_matches(one, key.path()))
}

pub(crate) fn decide<'p>(key: &Key, plan: &'p BootPlan) -> Decision<'p> {
    let mut losers = Vec::new();
    let rows = table(key, plan, &mut losers);
    let explicit = rows.iter().find(|row| !row.last().glob()).map(Row::last);
    let mut writes: Vec<&Row<'p>> = Vec::new();
    for row in rows.iter().filter(|row| row.last().value().is_some()) {
        match explicit {
            Some(line) if row.last().glob() => lose(&mut losers, &row.lines, Reason::against(line)),
            _ => writes.push(row),
        }
    }
    if let Some((winner, overwritten)) = writes.split_last() {
        for row in overwritten {
            lose(&mut losers, &row.lines, Reason::Later(winner.last()));
        }
        let repeated = &winner.lines[..winner.lines.len() - 1];
        lose(&mut losers, repeated, Reason::Repeated(winner.last()));
    }
    let writes: Vec<_> = writes.into_iter().map(Row::last).collect();
    Decision::new(key, plan, writes, losers)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::BootTool;
    use super::*;
    use proptest::prelude::*;
    use tune_host::MemoryFiles;

    fn decided(content: &[u8], key: &str, tool: BootTool) -> Option<u32> {
        let files = MemoryFiles::default().with("/etc/sysctl.d/a.conf", content);
        let plan = BootPlan::read(&files, tool);
        let decision = super::super::decide(&Key::parse(key).unwrap(), &plan);
        decision.winner.map(|line| line.place.line)
    }

    fn line(content: &str, key: &str) -> Option<u32> {
        decided(content.as_bytes(), key, BootTool::SystemdSysctl)
    }

    #[test]
    fn names_are_cleaned_first() {
        let key = "net.ipv4.tcp_fin_timeout";
        for name in ["net/ipv4//tcp_fin_timeout", ".net.ipv4.tcp_fin_timeout", "/net/./ipv4/tcp_fin_timeout/"]
        {
            assert_eq!(line(&format!("{name} = 1\n"), key), Some(1), "{name}");
        }
        assert_eq!(line("net/core/../ipv4/tcp_fin_timeout = 1\n", key), None);
    }

    #[test]
    fn braces_count_only_in_patterns() {
        let key = "net.ipv4.tcp_fin_timeout";
        assert_eq!(line("net/ipv4/{tcp_fin_timeout,x*} = 1\n", key), Some(1));
        assert_eq!(line("net/ipv4/{tcp_fin_timeout,x} = 1\n", key), None);
    }

    #[test]
    fn the_line_named_is_the_last_that_says_so() {
        assert_eq!(line("vm.a = 1\nvm.a = 2\nvm.a = 2\n", "vm.a"), Some(3));
    }

    proptest! {
        #[test]
        fn no_tool_panics(content in proptest::collection::vec(any::<u8>(), 0..120), pattern in "[-n./*?{},\\[\\]=1 \n]{0,60}") {
            for tool in [BootTool::SystemdSysctl, BootTool::Procps, BootTool::OpenrcBusybox] {
                let _ = decided(&content, "net.n", tool);
                let _ = decided(pattern.as_bytes(), "net.n", tool);
            }
        }
    }
}
