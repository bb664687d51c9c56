//! A host in memory: files and tunables, and nothing else.

use std::collections::BTreeMap;
use std::path::Path;

use tune_host::backend::Moving;
use tune_host::{
    FileError, Files, Host, Identity, Isolation, MemoryFiles, Override, PersistOptions, Persistence,
    ReadError, Scope, WriteError,
};
use tune_model::claim::{Claim, Holding, ScopeClaims};
use tune_model::plan::{Bytes, FileImage, Namespace};
use tune_model::{Effect, Layer, Limits, Slot, Subject};

/// A host that can be looked at, cheap to make.
#[derive(Default)]
pub struct Memory {
    pub files: MemoryFiles,
    pub values: BTreeMap<&'static str, String>,
    pub scope: Option<Scope>,
}

const RUNNING: &Scope = &Scope::Own;

impl Host for Memory {
    fn files(&self) -> &dyn Files {
        &self.files
    }

    fn identity(&self) -> Identity {
        Identity {
            kernel: Some("fake".to_owned()),
            release: Some("6.12.0".to_owned()),
            ..Identity::default()
        }
    }

    fn boot_id(&self) -> String {
        "boot".to_owned()
    }

    fn scope(&self) -> &Scope {
        self.scope.as_ref().unwrap_or(RUNNING)
    }

    fn isolation(&self) -> Isolation {
        Isolation::None
    }

    fn namespace(&self) -> Option<Namespace> {
        None
    }

    fn page_size(&self) -> u64 {
        4096
    }

    fn stated_ram(&self) -> Option<u64> {
        None
    }

    fn read_tunables(&self, names: &[&str]) -> Vec<Result<String, ReadError>> {
        let read =
            |name: &&str| self.values.get(name).cloned().ok_or_else(|| ReadError::Missing((*name).into()));
        names.iter().map(read).collect()
    }

    fn writable_tunables(&self, names: &[&str]) -> Vec<Result<(), WriteError>> {
        names.iter().map(|_| Ok(())).collect()
    }

    fn file_image(&self, path: &Path) -> Result<Option<FileImage>, FileError> {
        match self.files.read(path) {
            Ok(content) => Ok(Some(image(content))),
            Err(FileError::Missing(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

pub fn image(content: Vec<u8>) -> FileImage {
    FileImage { content: Bytes(content), mode: 0o644, uid: 0, gid: 0, attributes: BTreeMap::new() }
}

/// The claims of one profile on values of the next boot.
pub fn claims(held: &[(&str, &str)]) -> ScopeClaims {
    let holding = |(name, value): &(&str, &str)| {
        let subject = Subject::Tunable(Slot::whole(*name));
        let claim = Claim { transaction: 1, profile: "web".to_owned(), subject, wanted: Limits::default() };
        let holding = Holding {
            original: None,
            boot_id: String::new(),
            held: Some((*value).to_owned()),
            claims: vec![claim],
            taken_over: Vec::new(),
        };
        (Slot::whole(*name), holding)
    };
    ScopeClaims { boot: held.iter().map(holding).collect(), ..ScopeClaims::default() }
}

/// Applies a system's boot files for claims to the host, takes them back, and compares every file: what others wrote
/// comes back byte for byte, and no effect on the way is one that the system's plans may not contain.
pub fn there_and_back(host: Memory, backend: &dyn tune_host::Backend, wanted: &ScopeClaims, paths: &[&str]) {
    let names = wanted.boot.keys().map(|slot| slot.tunable.clone()).collect();
    let nothing = ScopeClaims::default();
    let options =
        PersistOptions { take_over: true, overwrite_foreign: true, leave_foreign: false, rendering: false };
    let contents =
        |host: &Memory| paths.iter().map(|path| host.files.read(path.as_ref()).ok()).collect::<Vec<_>>();
    let before = contents(&host);

    let readings = backend.read(&host, &names, &nothing);
    let (live, slots) = Default::default();
    let moving = Moving { live: &live, slots: &slots };
    let planned = backend.persist(&host, (&nothing, wanted), &readings, moving, options);
    let mut applied = wanted.clone();
    remember(&mut applied, &planned);
    let host = carry_out(host, backend, &planned);
    if planned.effects.is_empty() {
        return;
    }
    kept(backend, &host, &applied, &planned.overrides);

    let readings = backend.read(&host, &names, &applied);
    let back = backend.persist(&host, (&applied, &nothing), &readings, moving, options);
    let host = carry_out(host, backend, &back);
    assert_eq!(contents(&host), before, "what others wrote is not what it was");
}

fn remember(claims: &mut ScopeClaims, planned: &Persistence) {
    claims.files.clone_from(&planned.files);
    claims.directories.clone_from(&planned.directories);
    for (slot, lines) in &planned.taken_over {
        if let Some(holding) = claims.boot.get_mut(slot) {
            holding.taken_over.clone_from(lines);
        }
    }
}

/// What was rendered is what the next boot will make, but for what was said to win over it.
fn kept(backend: &dyn tune_host::Backend, host: &Memory, claims: &ScopeClaims, lost: &[Override]) {
    let names = claims.boot.keys().map(|slot| slot.tunable.clone()).collect();
    let readings = backend.read(host, &names, claims);
    for (slot, holding) in &claims.boot {
        if lost.iter().any(|lost| lost.slot == *slot) {
            continue;
        }
        let found = readings[&slot.tunable].text(Layer::Boot).clone();
        assert_eq!(found.ok().as_deref(), holding.held.as_deref(), "{slot} at the next boot");
    }
}

fn carry_out(mut host: Memory, backend: &dyn tune_host::Backend, planned: &Persistence) -> Memory {
    for effect in &planned.effects {
        assert!(backend.may_do(effect), "a plan holds what it may not: {effect:?}");
        assert!(backend.may_do(&effect.undo()), "what takes it back is not permitted: {effect:?}");
        if let Effect::ReplaceFile { path, before, after } = effect {
            let found = host.file_image(path).unwrap();
            assert_eq!(&found, before, "the plan has not seen {}", path.display());
            host.files.set(path, after.as_ref().map(|image| image.content.0.clone()));
        }
    }
    host
}

impl Memory {
    /// The tunables, as the backends take them.
    pub fn values_of(&self) -> BTreeMap<String, String> {
        self.values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }
}
