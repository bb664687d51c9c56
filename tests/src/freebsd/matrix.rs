//! Asks `tune` for a value, has it carried out on the fake host, and holds what the kernel then shows against what was
//! foretold: at once, and after a restart.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use tune_engine::{Engine, Held, Options};
use tune_host::{Backend, Host};
use tune_model::plan::Plan;
use tune_model::profile::Profile;
use tune_model::transaction::Action;
use tune_model::{Catalog, Claims, Effect, Layer, Mutability, Readings, Status, System, Verdict};
use tune_transaction::{Policy, Store, Surroundings};

use super::cases::exactly;
use super::home::{Home, Model, State};
use super::kernel::Kernel;
use super::machine::FakeFreeBsd;
use super::tool;
use crate::outcome_cases::Case;
use crate::outcome_matrix::{load, name, options, texts};

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Became {
    /// It was carried out; whether anything had to change.
    Accepted(bool),
    /// It was carried out in the boot files, and is in force after a restart.
    Pending,
    /// `tune` refused it, for this reason.
    Refused(String),
    /// It belongs to the host, and nothing was tried.
    OutOfScope,
    /// The fake does not know what the kernel would do.
    Unknown,
}

/// How many requests became what.
#[derive(Debug, Default)]
pub struct Tally {
    cases: usize,
    accepted: usize,
    /// Those for which something was written.
    pub changed: usize,
    /// Those that are in force after a restart.
    pub pending: usize,
    refused: BTreeMap<String, usize>,
    /// The host's.
    pub out_of_scope: usize,
    unknown: usize,
    /// Tunables of which the next boot was told and came so; and those of which it could not be told.
    pub foretold: [usize; 2],
    /// Numbers that the kernel keeps as they are, and that were refused although they were insisted on.
    pub strict: Vec<String>,
    /// Called fine by `tune`, and refused or changed by the kernel.
    pub mismatches: Vec<String>,
}

impl Tally {
    /// Counts what became of a request.
    pub fn count(&mut self, case: &Case, became: Result<Became, String>) {
        self.cases += 1;
        match became {
            Ok(Became::Accepted(changed)) => {
                self.accepted += 1;
                self.changed += usize::from(changed);
            }
            Ok(Became::Pending) => self.pending += 1,
            Ok(Became::Refused(kind)) => *self.refused.entry(kind).or_default() += 1,
            Ok(Became::OutOfScope) => self.out_of_scope += 1,
            Ok(Became::Unknown) => self.unknown += 1,
            Err(what) => self.mismatches.push(format!("{case}: {what}")),
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refused: usize = self.refused.values().sum();
        let kinds: Vec<_> = self.refused.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        write!(
            f,
            "{} cases: {} accepted ({} with a change), {} pending, {refused} refused by tune ({}), {} out of scope, \
             {} unknown to the fake, {} kept by the kernel and refused all the same, {} mismatches; next boot: {} \
             foretold, {} not",
            self.cases,
            self.accepted,
            self.changed,
            self.pending,
            kinds.join(", "),
            self.out_of_scope,
            self.unknown,
            self.strict.len(),
            self.mismatches.len(),
            self.foretold[0],
            self.foretold[1],
        )
    }
}

/// A fake host that is as new for every request.
#[derive(Debug)]
pub struct Matrix {
    home: Home,
    fresh: State,
    state: PathBuf,
}

struct Ours<'a>(&'a dyn Backend);

impl Policy for Ours<'_> {
    fn permits(&self, effect: &Effect) -> Result<(), String> {
        if self.0.may_do(effect) { Ok(()) } else { Err("no plan can contain it".to_owned()) }
    }
}

/// A plan that was carried out.
struct Done {
    profiles: Vec<Profile>,
    plan: Plan,
}

impl Matrix {
    /// Makes the host in an empty directory.
    pub fn new(directory: &Path, model: Model) -> Self {
        let home = Home::install(directory, model);
        let fresh = home.load();
        Self { home, fresh, state: directory.join("state") }
    }

    /// Returns the kernel as it is before every request.
    pub const fn kernel(&self) -> &Kernel {
        &self.fresh.kernel
    }

    /// Tries one request on the running kernel.
    pub fn live(&self, case: &Case, tally: &mut Tally) {
        let became = self.try_live(case);
        if let Ok(Became::Refused(kind)) = &became
            && case.insist
            && self.keeps(case)
        {
            tally.strict.push(format!("{case}: {kind}"));
        }
        tally.count(case, became);
    }

    /// Tries one request on the boot files, and restarts.
    pub fn boot(&self, case: &Case, tally: &mut Tally) {
        let became = self.try_boot(case, &mut tally.foretold);
        tally.count(case, became);
    }

    fn try_live(&self, case: &Case) -> Result<Became, String> {
        let machine = FakeFreeBsd::passing(self.home.clone(), self.fresh.clone());
        let done = match self.apply(&machine, case, false)? {
            Ok(done) => done,
            Err(became) => return Ok(became),
        };
        for (tunable, after) in texts(&done.plan, |_, after| after.to_owned()) {
            let found = shown(&machine, &tunable)?;
            if found != after {
                return Err(format!("{tunable} shows {found:?} where the plan says {after:?}"));
            }
        }
        let held_back = |finding: &&tune_model::Finding| finding.mutability != Some(Mutability::Live);
        let missed = audit(&machine, &done.profiles, Layer::Runtime)?;
        match missed.iter().find(|finding| !held_back(finding)) {
            Some(finding) => {
                return Err(format!("{} is then {}, {}", finding.subject, finding.status, finding.effective));
            }
            None if !missed.is_empty() => return Ok(Became::Pending),
            None => {}
        }
        match exactly(case).map(|number| (number, shown(&machine, &case.subject))) {
            Some((number, Ok(found))) if found != number.to_string() => {
                Err(format!("asked for {number}, there is {found:?}"))
            }
            _ => Ok(Became::Accepted(!done.plan.steps.is_empty())),
        }
    }

    fn try_boot(&self, case: &Case, foretold: &mut [usize; 2]) -> Result<Became, String> {
        let machine = self.renewed();
        let done = match self.apply(&machine, case, true)? {
            Ok(done) => done,
            Err(became) => return Ok(became),
        };
        let predicted = read_all(&machine);
        let met_before = audit(&machine, &done.profiles, Layer::Boot)?;
        if let Some(finding) = met_before.first() {
            // What is so now is not written to the files because the next boot cannot be told.
            if finding.boot == Verdict::Unknown && done.plan.steps.is_empty() {
                return Ok(Became::Accepted(false));
            }
            return Err(format!("{} is not met at the next boot: {}", finding.subject, finding.status));
        }
        match self.home.reboot() {
            Err(what) if what.contains("the fake FreeBSD does not know") => return Ok(Became::Unknown),
            other => other?,
        }
        let machine = FakeFreeBsd::at(self.home.clone());
        compare(&predicted, &machine, foretold)?;
        match audit(&machine, &done.profiles, Layer::Runtime)?.first() {
            Some(finding) => Err(format!(
                "{} is {} after the restart, {}",
                finding.subject, finding.status, finding.effective
            )),
            None => Ok(Became::Accepted(!done.plan.steps.is_empty())),
        }
    }

    /// Plans and carries out; or what became of it before that.
    fn apply(&self, machine: &FakeFreeBsd, case: &Case, boot: bool) -> Result<Result<Done, Became>, String> {
        let profiles = match load(case, System::FreeBsd) {
            Ok(profiles) => profiles,
            Err(kind) => return Ok(Err(Became::Refused(kind))),
        };
        let backend = backend(machine);
        let engine = Engine { backend: &*backend, host: machine };
        let claims = Claims::default();
        let boot_id = machine.boot_id();
        let held = Held { claims: &claims, transaction: 1, boot_id: &boot_id };
        let options = Options {
            runtime_only: !boot,
            boot_only: boot,
            accept_irreversible: true,
            ..options(case, &profiles)
        };
        let plan = engine.plan_apply(&profiles, held, &options)?;
        if let Some(refusal) = plan.refusals.first() {
            let unknown = refusal.message.contains("the fake FreeBSD does not know");
            let refused = if unknown { Became::Unknown } else { Became::Refused(name(refusal.kind)) };
            return Ok(Err(refused));
        }
        if plan.findings.iter().any(|finding| finding.status == Status::OutOfScope) {
            let quiet = plan.steps.is_empty().then_some(Err(Became::OutOfScope));
            return quiet.ok_or_else(|| "out of scope, and yet there are steps".to_owned());
        }
        match self.carry_out(machine, &*backend, &plan) {
            Err(what) if what.contains("the fake FreeBSD does not know") => Ok(Err(Became::Unknown)),
            Err(what) => Err(what),
            Ok(()) => Ok(Ok(Done { profiles, plan })),
        }
    }

    fn carry_out(&self, machine: &FakeFreeBsd, backend: &dyn Backend, plan: &Plan) -> Result<(), String> {
        let _ = std::fs::remove_dir_all(&self.state);
        let store = Store::open(&self.state).map_err(|error| error.to_string())?.logging_to(Vec::new());
        let boot_id = machine.boot_id();
        let permit = Ours(backend);
        let surroundings = Surroundings { machine, policy: &permit, boot_id: &boot_id };
        let mut locked = store.lock("outcome").map_err(|error| error.to_string())?;
        let action = Action::Apply { profiles: vec!["edge".to_owned()] };
        let outcome = locked
            .execute(&surroundings, plan, action, "test", &mut (), &|| false)
            .map_err(|error| error.to_string())?;
        outcome.failure.map_or(Ok(()), Err)
    }

    /// Tells whether the kernel keeps the number that is asked for, and could be asked to put it back.
    fn keeps(&self, case: &Case) -> bool {
        let Some(number) = exactly(case) else { return false };
        let mut kernel = self.fresh.kernel.clone();
        let Ok(oid) = kernel.oid(&case.subject) else { return false };
        let Some((low, high)) = range(oid.kind) else { return false };
        (low..=high).contains(&number)
            && kernel.set(&case.subject, &oid.kind.encode(number)).is_ok()
            && tool::text(&kernel, &case.subject) == number.to_string()
    }

    /// Makes the host as it was when it was new.
    fn renewed(&self) -> FakeFreeBsd {
        for written in ["etc/sysctl.conf.local", "boot/loader.conf.d/tune.conf", "boot/loader.conf.local"] {
            let _ = std::fs::remove_file(self.home.root().join(written));
        }
        super::tree::plant(&self.home.root(), self.fresh.model.release);
        self.home.save(&self.fresh);
        FakeFreeBsd::passing(self.home.clone(), self.fresh.clone())
    }
}

fn range(kind: super::table::Type) -> Option<(i128, i128)> {
    let bits = kind.size()? * 8;
    Some(match kind {
        super::table::Type::Signed(_) => (-(1 << (bits - 1)), (1 << (bits - 1)) - 1),
        _ => (0, (1 << bits) - 1),
    })
}

fn backend(machine: &FakeFreeBsd) -> Box<dyn Backend> {
    tune_engine::backend_for(machine).expect("FreeBSD is known")
}

fn shown(machine: &FakeFreeBsd, tunable: &str) -> Result<String, String> {
    let read = machine.read_tunables(&[tunable]).pop().expect("one was asked for");
    read.map_err(|error| error.to_string())
}

/// Returns the findings that count and are not met in a layer.
fn audit(
    machine: &FakeFreeBsd,
    profiles: &[Profile],
    layer: Layer,
) -> Result<Vec<tune_model::Finding>, String> {
    let backend = backend(machine);
    let engine = Engine { backend: &*backend, host: machine };
    let mut found = engine.audit(profiles, &Default::default(), Some(layer))?;
    found.retain(|finding| {
        let verdict = if layer == Layer::Boot { finding.boot } else { finding.live };
        verdict != Verdict::Met && finding.status != Status::Unsupported
    });
    Ok(found)
}

fn read_all(machine: &FakeFreeBsd) -> Readings {
    let names: BTreeSet<String> = Catalog::of(System::FreeBsd).iter().map(|row| row.name.clone()).collect();
    backend(machine).read(machine, &names, &Default::default())
}

/// Holds what was foretold of every row against the host after its restart; counts what was foretold and what was not.
///
/// # Errors
///
/// Names the first row that is something else than foretold.
pub fn compare(foretold: &Readings, machine: &FakeFreeBsd, counts: &mut [usize; 2]) -> Result<(), String> {
    for (tunable, reading) in foretold {
        let Ok(found) = shown(machine, tunable) else { continue };
        match &reading.boot {
            Ok(text) if *text == found => counts[0] += 1,
            Ok(text) => {
                return Err(format!("{tunable} was to be {text:?}, and is {found:?} after the restart"));
            }
            Err(_) => counts[1] += 1,
        }
    }
    Ok(())
}
