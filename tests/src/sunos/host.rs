//! A host between two calls: where its files are, and what is kept there.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::fault::{Fault, Switch};
use super::live::Live;
use super::model::{Knowledge, Setup};

/// Where things are below the root of a host.
#[derive(Debug, Clone)]
pub(super) struct Paths(PathBuf);

impl Paths {
    pub(super) fn below(root: &Path) -> Self {
        Self(root.to_owned())
    }

    pub(super) fn root(&self) -> &Path {
        &self.0
    }

    pub(super) fn conf(&self) -> PathBuf {
        self.0.join("etc/ipadm/ipadm.conf")
    }

    /// The directory of what is the stand-in's own.
    pub(super) fn own(&self) -> PathBuf {
        self.0.join("stand-in")
    }

    pub(super) fn own_file(&self, name: &str) -> PathBuf {
        self.own().join(name)
    }

    pub(super) fn load<T: DeserializeOwned>(&self, name: &str) -> Result<T, String> {
        let path = self.own_file(name);
        let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
    }

    pub(super) fn save<T: Serialize>(&self, name: &str, value: &T) {
        let (path, aside) = (self.own_file(name), self.own_file(&format!("{name}.new")));
        let text = serde_json::to_string_pretty(value).expect("it is plain data");
        let saved = fs::write(&aside, text).and_then(|()| fs::rename(&aside, &path));
        saved.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// Waits until no other call uses the host, and keeps others waiting while the result lives.
    pub(super) fn lock(&self) -> Result<File, String> {
        let path = self.own_file("lock");
        let opened = File::options().create(true).truncate(false).write(true).open(&path);
        let locked = opened.and_then(|file| file.lock().map(|()| file));
        locked.map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Adds a line to a file, whole even when others do the same.
    pub(super) fn append(&self, name: &str, line: &str) -> Result<(), String> {
        let path = self.own_file(name);
        let opened = File::options().create(true).append(true).open(&path);
        let written = opened.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
        written.map_err(|error| format!("{}: {error}", path.display()))
    }
}

/// The files of the stand-in's own.
pub(super) mod file {
    pub(crate) const SETUP: &str = "machine.json";
    pub(crate) const LIVE: &str = "live.json";
    pub(crate) const FAULTS: &str = "faults.json";
    pub(crate) const CALLS: &str = "calls.jsonl";
    pub(crate) const LOG: &str = "log.txt";
    pub(crate) const BOOTS: &str = "boots.json";
    pub(crate) const PRISTINE: &str = "pristine-ipadm.conf";
}

/// A host as one call meets it.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) paths: Paths,
    pub(super) setup: Setup,
    pub(super) live: Live,
    met: BTreeSet<Fault>,
}

impl Host {
    /// Loads a host as nobody meets it: without faults.
    pub(super) fn load(paths: &Paths) -> Result<Self, String> {
        let (setup, live) = (paths.load(file::SETUP)?, paths.load(file::LIVE)?);
        Ok(Self { paths: paths.clone(), setup, live, met: BTreeSet::new() })
    }

    /// Loads a host as a call meets it, with the faults that this call is to meet.
    pub(super) fn load_for(paths: &Paths, call: &[String]) -> Result<Self, String> {
        let mut switches: Vec<Switch> = paths.load(file::FAULTS)?;
        let met: BTreeSet<Fault> =
            switches.iter_mut().filter_map(|switch| switch.meets(call).then_some(switch.fault)).collect();
        if !switches.is_empty() {
            paths.save(file::FAULTS, &switches);
        }
        if met.contains(&Fault::NoConf) {
            let _ = fs::remove_file(paths.conf());
        }
        Ok(Self { met, ..Self::load(paths)? })
    }

    pub(super) fn meets(&self, fault: Fault) -> bool {
        self.met.contains(&fault)
    }

    /// Returns what its ipadm and its kernel know.
    ///
    /// # Panics
    ///
    /// When it has no ipadm.
    pub(super) fn knowledge(&self) -> &'static Knowledge {
        self.setup.model.knowledge().expect("it has ipadm")
    }

    pub(super) fn save(&self) {
        self.paths.save(file::LIVE, &self.live);
    }

    /// Dies here and now, with what has changed so far.
    pub(super) fn die(&self) -> ! {
        use nix::sys::signal::{Signal, raise};
        self.save();
        let killed = raise(Signal::SIGKILL);
        unreachable!("killed: {killed:?}")
    }
}
