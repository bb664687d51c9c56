//! The whole command on a fake host: runs of the program, what they said, and what became of the host.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::home::{Home, Model};
use super::machine::{HOME, STOP};
use super::tool;
use super::tree;
use crate::binary::Ran;
use crate::files::{self, FileStates};

/// A fake host, and the program that looks at it.
#[derive(Debug)]
pub struct Guest {
    directory: TempDir,
    program: &'static str,
    /// The host.
    pub home: Home,
}

/// The numbers of a host and its files, without what `tune` keeps for itself.
#[derive(Debug, PartialEq, Eq)]
pub struct Everything {
    values: BTreeMap<String, String>,
    files: FileStates,
}

impl Everything {
    /// Demands that nothing is different.
    ///
    /// # Panics
    ///
    /// With every difference.
    #[track_caller]
    pub fn same_as(&self, before: &Self, when: &str) {
        let mut found = files::differences(&before.files, &self.files);
        let changed = self.values.iter().filter(|(name, value)| before.values.get(*name) != Some(value));
        found
            .extend(changed.map(|(name, value)| format!("{name}: {:?} is {value}", before.values.get(name))));
        assert!(found.is_empty(), "{when}, not everything is as it was:\n{}", found.join("\n"));
    }
}

impl Guest {
    /// Installs a host for a program, which is `tune-on-freebsd`.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    pub fn of(program: &'static str, model: Model) -> Self {
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let directory = directory.expect("a directory can be made");
        let home = Home::install(directory.path(), model);
        Self { directory, program, home }
    }

    /// Runs the command to its end.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub fn tune(&self, words: &[&str]) -> Ran {
        Ran::of(&mut self.command(words))
    }

    /// Runs the command, and ends it at an effect: `before:3`, `after:3`.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub fn killed(&self, at: &str, words: &[&str]) -> Ran {
        Ran::of(self.command(words).env(STOP, at))
    }

    /// Returns the command, ready to run.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(self.program);
        command.env_clear().env(HOME, self.directory.path()).args(words);
        command
    }

    /// Returns the number of a name as the system shows it to root of the host.
    pub fn value(&self, name: &str) -> String {
        self.home.on_the_host(|kernel| tool::text(kernel, name))
    }

    /// Has root of the host write a number.
    ///
    /// # Panics
    ///
    /// When the kernel refuses it.
    pub fn write(&self, assignment: &str) {
        let (said, code) = self.home.on_the_host(|kernel| tool::sysctl(kernel, &[assignment]));
        assert_eq!(code, 0, "{said}");
    }

    /// Writes a file of the host.
    pub fn put(&self, name: &str, text: &str) {
        tree::put(&self.home.root(), name, text);
    }

    /// Returns the text of a file of the host; nothing where there is none.
    pub fn text(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.home.root().join(name.trim_start_matches('/'))).ok()
    }

    /// Restarts the host.
    ///
    /// # Panics
    ///
    /// When its files say something that the fake does not know.
    pub fn reboot(&self) {
        self.home.reboot().unwrap_or_else(|error| panic!("{error}"));
    }

    /// Takes down every number and every file.
    pub fn everything(&self) -> Everything {
        let kernel = self.home.kernel();
        let numbers = kernel.release.table().iter().filter(|(_, oid)| oid.kind.size().is_some());
        let values = numbers
            .filter_map(|(name, oid)| Some((name.to_owned(), tool::as_text(oid, &kernel.get(name).ok()?))));
        let own = self.home.root().join("var/db/tune");
        let mut files = files::below(&self.home.root());
        files.retain(|path, _| !path.starts_with(&own));
        Everything { values: values.collect(), files }
    }

    /// Returns where the host is.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}
