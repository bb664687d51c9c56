//! Where a fake host lives between runs: its kernel, its files, and what was written.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::kernel::{Caller, Jail, Kernel};
use super::table::Release;
use super::{loader, rc, tree};

/// What kind of machine it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// Its kernel.
    pub release: Release,
    /// The ticks of a second where the loader says nothing else: 100 on a virtual machine, 1000 elsewhere.
    pub hz: i128,
    /// Who asks, and from where.
    pub caller: Caller,
    /// The securelevel after the start.
    pub securelevel: i128,
}

impl Model {
    /// A virtual machine with this kernel, root of the host asking.
    pub const fn of(release: Release) -> Self {
        Self { release, hz: 100, caller: Caller::ROOT, securelevel: -1 }
    }

    /// The same, asked from a jail.
    #[must_use]
    pub const fn jailed(self, jail: Jail) -> Self {
        Self { caller: Caller { jail, ..self.caller }, ..self }
    }
}

/// What is kept between runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) model: Model,
    pub(super) boots: u64,
    pub(super) kernel: Kernel,
}

/// The directory of a fake host.
#[derive(Debug, Clone)]
pub struct Home(PathBuf);

impl Home {
    /// Installs a fake host in a directory, and starts it.
    ///
    /// # Panics
    ///
    /// When the directory cannot be filled.
    pub fn install(directory: &Path, model: Model) -> Self {
        let home = Self(directory.to_owned());
        tree::plant(&home.root(), model.release);
        let kernel = Kernel::start(model.release, model.hz, Default::default()).expect("it starts");
        home.save(&State { model, boots: 0, kernel });
        home.reboot().expect("a fresh system starts");
        home
    }

    /// Opens the directory of a fake host.
    pub fn open(directory: &Path) -> Self {
        Self(directory.to_owned())
    }

    /// Returns its directory.
    pub fn directory(&self) -> &Path {
        &self.0
    }

    /// Returns where its files are.
    pub fn root(&self) -> PathBuf {
        self.0.join("root")
    }

    /// Returns the running kernel.
    pub fn kernel(&self) -> Kernel {
        self.load().kernel
    }

    /// Lets root of the host do something to the running kernel, unseen by the log.
    pub fn on_the_host<T>(&self, act: impl FnOnce(&mut Kernel) -> T) -> T {
        let mut state = self.load();
        let caller = std::mem::replace(&mut state.kernel.caller, Caller::ROOT);
        let done = act(&mut state.kernel);
        state.kernel.caller = caller;
        self.save(&state);
        done
    }

    /// Lets somebody else ask from now on.
    pub fn entered_by(&self, caller: Caller) {
        let mut state = self.load();
        state.model.caller = caller;
        state.kernel.entered_by(caller);
        self.save(&state);
    }

    /// Restarts the host: loader, kernel, rc. A jail on it starts anew.
    ///
    /// # Errors
    ///
    /// Says what in the files the fake does not know the meaning of.
    pub fn reboot(&self) -> Result<(), String> {
        let State { model, boots, .. } = self.load();
        let environment = loader::environment(&self.root())?;
        let mut kernel = Kernel::start(model.release, model.hz, environment)?;
        // In a jail the files are the jail's, and the host's are as they were installed.
        if model.caller.jail == Jail::None {
            rc::run(&mut kernel, &self.root())?;
        } else if boots > 0 {
            return Err("the fake FreeBSD does not know how a jail starts".to_owned());
        }
        kernel.values.insert("kern.securelevel".to_owned(), model.securelevel);
        kernel.entered_by(model.caller);
        self.save(&State { model, boots: boots + 1, kernel });
        Ok(())
    }

    /// Returns what was written, a line each: tunables, files, directories.
    pub fn writes(&self) -> Vec<String> {
        let text = fs::read_to_string(self.0.join("writes.log")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Forgets what was written.
    pub fn forget_writes(&self) {
        let _ = fs::remove_file(self.0.join("writes.log"));
    }

    pub(super) fn log(&self, line: &str) {
        let path = self.0.join("writes.log");
        let opened = fs::File::options().create(true).append(true).open(&path);
        opened.and_then(|mut file| writeln!(file, "{line}")).unwrap_or_else(|error| panic!("{error}"));
    }

    pub(super) fn load(&self) -> State {
        let path = self.0.join("kernel.json");
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    pub(super) fn save(&self, state: &State) {
        let text = serde_json::to_string(state).expect("it is plain data");
        let (path, aside) = (self.0.join("kernel.json"), self.0.join("kernel.json.new"));
        let saved = fs::write(&aside, text).and_then(|()| fs::rename(&aside, &path));
        saved.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}
