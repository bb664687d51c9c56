//! What every command works with: the host, the backend, the state directory, the profiles.

use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use tune_engine::Engine;
use tune_host::{Backend, Host, Machine, RootedFiles, Scope};
use tune_model::finding::{HostRef, ProfileRef};
use tune_model::transaction::Entry;
use tune_model::{Claims, Kind, Profile, Quantity, System};
use tune_report::Report;
use tune_report::status::Waiting;
use tune_transaction::{StateError, Store};

use crate::args::{Format, Global};
use crate::doors::Doors;
use crate::error::CliError;
use crate::exit;
use crate::shelf::Shelf;

/// What every command works with.
pub(crate) struct Context {
    pub(crate) format: Format,
    pub(crate) quiet: bool,
    pub(crate) verbose: bool,
    machine: Box<dyn Machine>,
    pub(crate) backend: Box<dyn Backend>,
    pub(crate) shelf: Shelf,
    state: PathBuf,
    /// Another state directory than the usual one was named.
    state_is_named: bool,
    scope: String,
    environment: Vec<(OsString, OsString)>,
}

impl Context {
    pub(crate) fn new(global: &Global, doors: &dyn Doors) -> Result<Self, CliError> {
        let machine = machine(global, doors)?;
        let host: &dyn Host = &*machine;
        let backend = tune_engine::backend_for(host).ok_or_else(unknown_system)?;
        if let Some(obstacle) = backend.obstacle() {
            return Err(CliError::failed(format!("this system cannot be read: {obstacle}")));
        }
        let state = match &global.state_dir {
            Some(named) => std::path::absolute(named)
                .map_err(|error| CliError::usage(format!("--state-dir {}: {error}", named.display())))?,
            None => state_directory(host, backend.system()),
        };
        let shelf = Shelf::of(host, backend.system());
        let scope = match (&global.netns, &global.root) {
            (Some(name), _) => format!("netns:{name}"),
            (None, Some(root)) => format!("root:{}", root.display()),
            (None, None) => own_scope(host, &*backend),
        };
        Ok(Self {
            format: global.format,
            quiet: global.quiet,
            verbose: global.verbose > 0,
            machine,
            backend,
            shelf,
            state,
            state_is_named: global.state_dir.is_some(),
            scope,
            environment: doors.environment(),
        })
    }

    /// The same, looking at another network namespace.
    pub(crate) fn on(self, machine: Box<dyn Machine>, scope: &str) -> Self {
        Self { machine, scope: scope.to_owned(), ..self }
    }

    /// Returns the state directory where it has to be named again.
    pub(crate) fn state_dir_named(&self) -> Option<String> {
        self.state_is_named.then(|| self.state.display().to_string())
    }

    pub(crate) fn state(&self) -> &Path {
        &self.state
    }

    /// Returns what the environment of this program has to have when it is started again.
    pub(crate) fn environment(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.environment.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// Tells whether a scope is that of the process itself.
    pub(crate) fn is_own(&self, scope: &str) -> bool {
        *self.host().scope() == Scope::Own && self.scope == scope
    }

    pub(crate) fn engine(&self) -> Engine<'_> {
        Engine { backend: &*self.backend, host: self.host() }
    }

    pub(crate) fn host(&self) -> &dyn Host {
        &*self.machine
    }

    pub(crate) fn machine(&self) -> &dyn Machine {
        &*self.machine
    }

    pub(crate) fn scope(&self) -> &str {
        &self.scope
    }

    pub(crate) fn host_ref(&self) -> HostRef {
        HostRef {
            system: self.backend.system().to_string(),
            release: self.backend.release(self.host()),
            scope: self.scope.clone(),
        }
    }

    /// Opens the state to be changed.
    pub(crate) fn open_store(&self) -> Result<Store, CliError> {
        if let Some(parent) = self.state.parent().filter(|parent| !parent.exists()) {
            let error = format!("{} does not exist, so no state can be kept in it", parent.display());
            return Err(
                CliError::new("state", exit::FAILED, error).hint("make it, or name another: --state-dir DIR")
            );
        }
        Ok(Store::open(&self.state)?)
    }

    /// Returns every transaction as it stands in the present boot.
    pub(crate) fn history(&self, store: &Store) -> Result<Vec<Entry>, StateError> {
        let boot_id = self.host().boot_id();
        Ok(store.history()?.into_iter().map(|entry| entry.in_boot(&boot_id)).collect())
    }

    /// Looks at the state without touching it; `None` where there is none yet.
    pub(crate) fn look_at_store(&self) -> Result<Option<Store>, CliError> {
        Ok(Store::look(&self.state)?)
    }

    /// Returns the number that the next transaction would have, as far as the caller may see.
    pub(crate) fn next_id_seen(&self) -> u64 {
        self.look_at_store().ok().flatten().and_then(|store| store.next_id().ok()).unwrap_or(1)
    }

    /// Returns the claims that are held, as far as the caller may see them, and what keeps them from being seen or
    /// understood.
    pub(crate) fn claims_seen(&self) -> (Claims, Option<String>) {
        let claims = |store: Store| Ok((store.claims()?, store.of_newer().ok().flatten()));
        match Store::look(&self.state).and_then(|store| store.map(claims).transpose()) {
            Ok(None) => Default::default(),
            Ok(Some((claims, of_newer))) => (claims, of_newer.map(|found| found.to_string())),
            Err(error) => (Claims::default(), Some(format!("what tune holds is not known: {error}"))),
        }
    }

    /// Says in words that a transaction is not finished, if one is.
    pub(crate) fn open_transaction(&self) -> Option<String> {
        let entry = self.unfinished().ok().flatten()?;
        Some(self.waiting(entry).sentence())
    }

    /// Returns the transaction that is running, was interrupted, or waits for a confirmation in the present boot.
    pub(crate) fn unfinished(&self) -> Result<Option<Entry>, CliError> {
        let found = self.look_at_store()?.map(|store| store.open_transaction()).transpose()?.flatten();
        let boot_id = self.host().boot_id();
        Ok(found.map(|entry| entry.in_boot(&boot_id)).filter(Entry::is_unfinished))
    }

    /// Tells how a transaction stands now.
    pub(crate) fn waiting(&self, entry: Entry) -> Waiting {
        Waiting::new(entry, self.host().uptime())
    }

    /// Loads profiles for this host's system; unsafe values only for the subjects allowed.
    pub(crate) fn load(&self, arguments: &[String], allowed: &[String]) -> Result<Vec<Profile>, CliError> {
        self.shelf.load(arguments, self.backend.system(), allowed)
    }

    /// Prints a result on standard output.
    pub(crate) fn show(&self, report: &dyn Report) {
        match self.format {
            Format::Human => crate::output::print(&report.human(width())),
            // What has no other form is refused before.
            Format::Json | Format::Openmetrics => crate::output::print(&report.json()),
        }
    }

    /// Tells whether somebody is there to be asked.
    pub(crate) fn can_ask(&self) -> bool {
        self.format == Format::Human && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }
}

pub(crate) fn profile_ref(profile: &Profile) -> ProfileRef {
    ProfileRef {
        name: profile.name.clone(),
        source: profile.source.clone(),
        digest: profile.digest.clone(),
        shadows_built_in: profile.shadows_built_in,
    }
}

/// Global arguments may stand before and after the command, and clap holds only those of one side together.
fn consistent(global: &Global) -> Result<(), CliError> {
    let wrong = match (&global.netns, &global.root, &global.ram) {
        (Some(_), Some(_), _) => "--netns and --root cannot be used together",
        (_, None, Some(_)) => {
            "--ram says how much memory the machine of an image has; name the image: --root DIR"
        }
        _ => return Ok(()),
    };
    Err(CliError::usage(wrong))
}

fn machine(global: &Global, doors: &dyn Doors) -> Result<Box<dyn Machine>, CliError> {
    consistent(global)?;
    if let Some(name) = &global.netns {
        return Ok(doors.namespace(name)?);
    }
    let own = doors.own();
    let Some(root) = &global.root else { return Ok(own) };
    if !root.is_dir() {
        return Err(CliError::usage(format!("--root {}: there is no such directory", root.display())));
    }
    if is_same(root, own.root()) {
        // Its live values would be taken for those of an earlier boot, and given up.
        return Err(CliError::usage(format!(
            "--root {}: this is the running system, no image",
            root.display()
        ))
        .hint("leave --root out; to change the boot files only: --boot-only"));
    }
    let root = std::path::absolute(root).map_err(|error| CliError::usage(error.to_string()))?;
    Ok(doors.image(root, stated_ram(global)?))
}

/// Returns the memory that was stated, in bytes.
pub(crate) fn stated_ram(global: &Global) -> Result<Option<u64>, CliError> {
    let Some(text) = &global.ram else { return Ok(None) };
    match Quantity::parse(Kind::Bytes, text) {
        Ok(Quantity::Bytes(bytes)) => Ok(Some(bytes)),
        Ok(_) => Ok(None),
        Err(error) => Err(CliError::usage(format!("--ram: {error}"))),
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |path: &Path| std::fs::metadata(path).map(|found| (found.dev(), found.ino())).ok();
    identity(one) == identity(other)
}

fn unknown_system() -> CliError {
    let known: Vec<_> = tune_engine::SYSTEMS.iter().map(|system| system.title()).collect();
    CliError::failed("tune does not know this system")
        .hint(format!("it knows {}; see tune --help", known.join(" and ")))
}

fn own_scope(host: &dyn Host, backend: &dyn Backend) -> String {
    match (host.namespace(), backend.jail(host)) {
        (Some(namespace), _) => format!("netns:[{}]", namespace.inode),
        (None, Some(jail)) => format!("jail:{jail}"),
        (None, None) => backend.whereabouts().unwrap_or_else(|| "host".to_owned()),
    }
}

fn state_directory(host: &dyn Host, system: System) -> PathBuf {
    let usual = Path::new(system.state_directory());
    let inside = RootedFiles::new(host.root()).locate(usual);
    // Where its parent does not exist in the image the path says so when it is needed.
    inside.unwrap_or_else(|_| host.root().join(usual.strip_prefix("/").unwrap_or(usual)))
}

/// Returns the width of the terminal, where there is one.
pub(crate) fn width() -> usize {
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    columns.or_else(crate::output::terminal_width).unwrap_or(80).clamp(80, 120)
}
