//! The whole command on a host in a directory: runs of the program, what they said, and what became of the host.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use tune_model::{Catalog, System};

use super::doors::{HOME, QUICK, STOP};
use super::machine::Machine;
use super::model::{Model, Setup};
use crate::binary::Ran;
use crate::files::{self, FileStates};
use crate::sandbox::valid;

/// Where the service of `tune`'s may be.
pub const MANIFESTS: [&str; 2] = ["/var/svc/manifest/site/tune.xml", "/opt/custom/smf/tune.xml"];

/// A host, and the program that looks at it.
#[derive(Debug)]
pub struct Guest {
    _directory: TempDir,
    program: &'static str,
    quick: bool,
    /// A process may wait to undo what was tried out.
    tried_out: Cell<bool>,
    /// The host.
    pub machine: Machine,
}

/// The properties of a host in the running kernel and as ipadm keeps them, and its files without what `tune` keeps for
/// itself.
#[derive(Debug, PartialEq, Eq)]
pub struct Everything {
    live: BTreeMap<String, Option<String>>,
    kept: BTreeMap<String, Option<String>>,
    files: FileStates,
}

impl Everything {
    /// Returns a property of the running kernel.
    pub fn live(&self, name: &str) -> Option<&str> {
        self.live.get(name)?.as_deref()
    }

    /// Returns what ipadm keeps of a property.
    pub fn kept(&self, name: &str) -> Option<&str> {
        self.kept.get(name)?.as_deref()
    }

    /// Returns every difference. In which order ipadm keeps its lines is left open.
    pub fn differences(&self, before: &Self) -> Vec<String> {
        let mut found = files::differences(&before.files, &self.files);
        for (what, now, was) in [("live", &self.live, &before.live), ("kept", &self.kept, &before.kept)] {
            let changed = now.iter().filter(|(name, value)| was.get(*name) != Some(value));
            found.extend(
                changed.map(|(name, value)| format!("{what} {name}: {:?} is {value:?}", was.get(name))),
            );
        }
        found
    }

    /// Tells whether every value is that of one or of the other.
    pub fn is_between(&self, one: &Self, other: &Self) -> bool {
        let each = [(&self.live, &one.live, &other.live), (&self.kept, &one.kept, &other.kept)];
        each.into_iter().all(|(now, one, other)| {
            now.iter().all(|(name, value)| [one, other].iter().any(|side| side.get(name) == Some(value)))
        })
    }

    /// Demands that nothing is different. In which order ipadm keeps its lines is left open.
    ///
    /// # Panics
    ///
    /// With every difference.
    #[track_caller]
    pub fn same_as(&self, before: &Self, when: &str) {
        let found = self.differences(before);
        assert!(found.is_empty(), "{when}, not everything is as it was:\n{}", found.join("\n"));
    }
}

/// Ends the processes that wait to undo something on the host, which is about to be gone.
impl Drop for Guest {
    fn drop(&mut self) {
        use nix::sys::signal::{Signal, kill};
        if self.tried_out.get() {
            for process in self.watchers() {
                // It may have ended meanwhile.
                let _ = kill(nix::unistd::Pid::from_raw(process), Signal::SIGKILL);
            }
        }
    }
}

impl Guest {
    /// Installs a system for a program, which is `tune-on-sunos`.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    pub fn of(program: &'static str, model: Model) -> Self {
        Self::with(program, &Setup::of(model))
    }

    /// Runs a test on every kind of host whose values are its own.
    pub fn on_each(program: &'static str, test: impl Fn(&str, &Self)) {
        for (name, setup) in Setup::every() {
            test(&name, &Self::with(program, &setup));
        }
    }

    /// Installs a host of a certain kind.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    pub fn with(program: &'static str, setup: &Setup) -> Self {
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let directory = directory.expect("a directory can be made");
        let machine = Machine::install_with(directory.path(), setup);
        Self { _directory: directory, program, quick: false, tried_out: Cell::new(false), machine }
    }

    /// The same host, whose programs are played in the process of `tune`, which is quicker; each is started still where
    /// one is to die or to hang.
    #[must_use]
    pub fn quick(self) -> Self {
        let mut quick = self;
        quick.quick = true;
        quick
    }

    /// Runs the command to its end.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub fn tune(&self, words: &[&str]) -> Ran {
        Ran::of(&mut self.command(words))
    }

    /// Runs the command for its document, which has to be as its schema says.
    ///
    /// # Panics
    ///
    /// When it is anything else, or the exit code is not the one that it names.
    #[track_caller]
    pub fn document(&self, words: &[&str]) -> (i32, Value) {
        let ran = self.tune(&[&["--format", "json"], words].concat());
        let document = ran.json();
        let schema = document["schema"].as_str().unwrap_or_default();
        valid(&document, schema).unwrap_or_else(|error| panic!("{error}\n{ran}"));
        let told = document.get("exit_code").and_then(Value::as_i64);
        assert!(told.is_none_or(|told| told == i64::from(ran.code)), "{ran}");
        (ran.code, document)
    }

    /// Restarts the host; where a service of `tune`'s is installed, it runs.
    ///
    /// # Panics
    ///
    /// When the service fails.
    #[track_caller]
    pub fn restart(&self) {
        self.machine.reboot();
        if MANIFESTS.iter().any(|path| self.text(path).is_some()) {
            self.tune(&["apply", "--boot"]).exits(0);
        }
    }

    /// Runs the command, and ends it at a change: `before:3`, `after:3`.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub fn killed(&self, at: &str, words: &[&str]) -> Ran {
        Ran::of(self.command(words).env(STOP, at))
    }

    /// Returns the command, ready to run.
    pub fn command(&self, words: &[&str]) -> Command {
        if words.contains(&"--confirm-within") {
            self.tried_out.set(true);
        }
        let mut command = Command::new(self.program);
        command.env_clear().env(HOME, self.machine.root()).args(words);
        if self.quick {
            command.env(QUICK, "1");
        }
        command
    }

    /// Returns the processes that wait to undo something on the host.
    pub fn watchers(&self) -> Vec<i32> {
        let own = self.machine.root().display().to_string();
        let is_own = |process: &i32| {
            let line = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).into_owned();
            line.contains("watch-unconfirmed") && line.contains(&own)
        };
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let processes = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        processes.filter(is_own).collect()
    }

    /// Returns the calls of ipadm and ndd that change something, as a person would type them.
    pub fn changes(&self) -> Vec<String> {
        let changes = |call: &Vec<String>| {
            call.iter().any(|word| ["set-prop", "reset-prop", "-set"].contains(&word.as_str()))
        };
        self.calls().into_iter().filter(changes).map(|call| call.join(" ")).collect()
    }

    /// Returns every call of ipadm and ndd.
    pub fn calls(&self) -> Vec<Vec<String>> {
        let keepers =
            |call: &Vec<String>| call.first().is_some_and(|name| ["ipadm", "ndd"].contains(&name.as_str()));
        self.machine.calls().into_iter().filter(keepers).collect()
    }

    /// Writes a file of the host.
    ///
    /// # Panics
    ///
    /// When it cannot be written.
    pub fn put(&self, name: &str, text: &str) {
        let path = self.machine.root().join(name.trim_start_matches('/'));
        fs::create_dir_all(path.parent().expect("it is below the root")).expect("directories can be made");
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// Returns the text of a file of the host; nothing where there is none.
    pub fn text(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.machine.root().join(name.trim_start_matches('/'))).ok()
    }

    /// Takes down every property that `tune` knows, and every file.
    pub fn everything(&self) -> Everything {
        let (mut live, mut kept) = (BTreeMap::new(), BTreeMap::new());
        let has_ipadm = self.machine.setup().model.has_ipadm();
        for row in Catalog::of(System::Solaris).iter() {
            let Some((protocol, name)) =
                row.name.strip_prefix("ipadm.").and_then(|rest| rest.split_once('.'))
            else {
                continue;
            };
            let native = if has_ipadm { name } else { row.ndd.as_deref().unwrap_or(name) };
            for name in std::iter::once(native).chain(row.former_names.iter().map(String::as_str)) {
                live.insert(format!("{protocol} {name}"), self.machine.live(protocol, name));
                if has_ipadm {
                    kept.insert(format!("{protocol} {name}"), self.machine.persistent(protocol, name));
                }
            }
        }
        let mut files = files::below(self.machine.root());
        let own =
            ["var/lib/tune", "stand-in", "etc/ipadm/ipadm.conf"].map(|path| self.machine.root().join(path));
        files.retain(|path, _| !own.iter().any(|own| path.starts_with(own)));
        let inside = |path: &Path| path.strip_prefix(self.machine.root()).map_or(path.into(), Into::into);
        let files = files.into_iter().map(|(path, state)| (inside(&path), state)).collect();
        Everything { live, kept, files }
    }
}
