//! The engine on a host whose programs are played in this process: plans that are carried out and held against what the
//! host then shows, at once and after a restart.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use tempfile::TempDir;
use tune_engine::{Engine, Held, Options};
use tune_host::{Backend, Host};
use tune_model::plan::Plan;
use tune_model::profile::Profile;
use tune_model::transaction::Action;
use tune_model::{Catalog, Claims, Effect, Readings, System};
use tune_transaction::{Policy, Store, Surroundings};

use super::doors::SunHost;
use super::machine::Machine;
use super::model::Setup;
use crate::outcome_cases::{Case, Form};
use crate::outcome_matrix::load;

/// A host, and the state of `tune` on it.
#[derive(Debug)]
pub struct Lab {
    _directory: TempDir,
    /// The host.
    pub machine: Machine,
    state: PathBuf,
}

struct Ours<'a>(&'a dyn Backend);

impl Policy for Ours<'_> {
    fn permits(&self, effect: &Effect) -> Result<(), String> {
        if self.0.may_do(effect) { Ok(()) } else { Err("no plan can contain it".to_owned()) }
    }
}

/// Why nothing was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// It was refused before anything was changed, for this reason.
    Refused(String),
    /// It was begun and failed.
    Failed(String),
}

impl Lab {
    /// Installs a host.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    pub fn of(setup: &Setup) -> Self {
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let directory = directory.expect("a directory can be made");
        let machine = Machine::install_with(&directory.path().join("host"), setup);
        let state = directory.path().join("state");
        Self { _directory: directory, machine, state }
    }

    /// Returns the host as `tune` sees it.
    pub fn host(&self) -> SunHost {
        SunHost::quick(self.machine.root())
    }

    /// Returns what is held so far.
    ///
    /// # Panics
    ///
    /// When the state cannot be read.
    pub fn claims(&self) -> Claims {
        if !self.state.exists() {
            return Claims::default();
        }
        Store::open(&self.state).expect("it was made").claims().expect("it was written")
    }

    /// Reads every tunable of the catalog, live and as the next boot makes it.
    pub fn read_all(&self) -> Readings {
        let names: BTreeSet<String> =
            Catalog::of(System::Solaris).iter().map(|row| row.name.clone()).collect();
        let host = self.host();
        let claims = self.claims();
        let backend = backend(&host);
        let here = Engine { backend: &*backend, host: &host }.claims_here(&claims);
        backend.read(&host, &names, &here)
    }

    /// Plans what a request asks for, and carries it out.
    ///
    /// # Errors
    ///
    /// A [`Stop`].
    pub fn ask(&self, case: &Case, options: &Options) -> Result<Plan, Stop> {
        let profiles = load(case, System::Solaris).map_err(Stop::Refused)?;
        let allow_unsafe = crate::outcome_matrix::options(case, &profiles).allow_unsafe;
        self.apply(&profiles, &Options { allow_unsafe, ..options.clone() })
    }

    /// Plans to apply profiles, and does it.
    ///
    /// # Errors
    ///
    /// A [`Stop`].
    pub fn apply(&self, profiles: &[Profile], options: &Options) -> Result<Plan, Stop> {
        let host = self.host();
        let backend = backend(&host);
        let engine = Engine { backend: &*backend, host: &host };
        let failed = |what: String| Stop::Failed(what);
        let store = Store::open(&self.state).map_err(|error| failed(error.to_string()))?;
        let mut store = store.logging_to(Vec::new());
        let claims = store.claims().map_err(|error| failed(error.to_string()))?;
        let boot_id = host.boot_id();
        let transaction = store.next_id().map_err(|error| failed(error.to_string()))?;
        let held = Held { claims: &claims, transaction, boot_id: &boot_id };
        let plan = engine.plan_apply(profiles, held, options).map_err(Stop::Refused)?;
        if let Some(refusal) = plan.refusals.first() {
            return Err(Stop::Refused(format!("{:?}: {}", refusal.kind, refusal.message)));
        }
        let surroundings = Surroundings { machine: &host, policy: &Ours(&*backend), boot_id: &boot_id };
        let names = profiles.iter().map(|profile| profile.name.clone()).collect();
        let store = &mut store;
        let mut locked = store.lock("lab").map_err(|error| failed(error.to_string()))?;
        let action = Action::Apply { profiles: names };
        let outcome = locked.execute(&surroundings, &plan, action, "host", &mut (), &|| false);
        match outcome.map_err(|error| failed(error.to_string()))?.failure {
            None => Ok(plan),
            Some(reason) => Err(Stop::Failed(reason)),
        }
    }

    /// Returns what a tunable is in the running kernel, by whatever name it goes there.
    pub fn live(&self, tunable: &str) -> Option<String> {
        let row = Catalog::of(System::Solaris).get(tunable)?;
        let (protocol, name) = tunable.strip_prefix("ipadm.")?.split_once('.')?;
        if !self.machine.setup().model.has_ipadm() {
            return self.machine.live(protocol, row.ndd.as_deref()?);
        }
        let names = std::iter::once(name).chain(row.former_names.iter().map(String::as_str));
        names.into_iter().find_map(|name| self.machine.live(protocol, name))
    }

    /// Returns every tunable of the catalog that the host has, with its value.
    pub fn all_live(&self) -> BTreeMap<String, String> {
        let rows = Catalog::of(System::Solaris).iter();
        rows.filter_map(|row| Some((row.name.clone(), self.live(&row.name)?))).collect()
    }

    /// Returns the range of a tunable in the running kernel, where it shows one.
    pub fn range(&self, tunable: &str) -> Option<(i128, i128)> {
        let row = Catalog::of(System::Solaris).get(tunable)?;
        let (protocol, name) = tunable.strip_prefix("ipadm.")?.split_once('.')?;
        let names = std::iter::once(name).chain(row.former_names.iter().map(String::as_str));
        names.into_iter().find_map(|name| {
            let shown =
                self.machine.run(&["ipadm", "show-prop", "-c", "-o", "possible", "-p", name, protocol]);
            let (low, high) = shown.stdout.trim().split_once('-')?;
            Some((low.parse().ok()?, high.parse().ok()?))
        })
    }

    /// Forgets what was done, and makes the host as it was installed.
    pub fn renew(&self) {
        let _ = std::fs::remove_dir_all(&self.state);
        for manifest in super::MANIFESTS {
            let _ = std::fs::remove_file(self.machine.root().join(manifest.trim_start_matches('/')));
        }
        if self.machine.setup().model.has_ipadm() {
            self.machine.write_conf("_ifname=net0;_family=2;\n");
        }
        self.machine.reboot();
    }
}

/// Returns the backend of a host.
///
/// # Panics
///
/// When it is none of these systems.
pub fn backend(host: &SunHost) -> Box<dyn Backend> {
    tune_engine::backend_for(host).expect("it calls itself SunOS")
}

/// A request for a tunable of the catalog: `exactly = 5`.
pub fn line(tunable: &str, line: &str) -> Case {
    let mut parts = tunable.splitn(3, '.');
    let table: Vec<String> = parts.by_ref().map(|part| format!("{part:?}")).collect();
    Case {
        subject: tunable.to_owned(),
        form: Form::Profile(format!("[solaris.{}]", table.join(".")), line.to_owned()),
        insist: true,
    }
}
