//! Asks `tune` for a value, has it carried out, and holds what the kernel shows against what was foretold.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use tune_engine::{Engine, Held, Options};
use tune_host::{Backend, Host, LiveHost, Machine};
use tune_linux::Linux;
use tune_model::catalog::Reach;
use tune_model::plan::{Plan, RefusalKind};
use tune_model::profile::{self, Profile, ProfileText, Source};
use tune_model::transaction::Action;
use tune_model::{Catalog, Claims, Effect, Layer, Status, System, Verdict};
use tune_transaction::{Policy, Store, Surroundings};

use crate::outcome_cases::{Case, Form};

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Became {
    /// It was carried out; whether anything had to change.
    Accepted(bool),
    /// `tune` refused it, for this reason.
    Refused(String),
    /// It belongs to the host, and nothing was tried.
    OutOfScope,
    /// It was called fine, and the kernel did otherwise.
    Mismatch(String),
}

/// How many requests became what.
#[derive(Debug, Default)]
pub struct Tally {
    /// Requests.
    pub cases: usize,
    /// Carried out, or in force already.
    pub accepted: usize,
    /// Of those, the ones for which something was written.
    pub changed: usize,
    /// Refused by `tune`, by the sort of reason.
    pub refused: BTreeMap<String, usize>,
    /// The host's.
    pub out_of_scope: usize,
    /// Numbers that every kernel is said to take, and that were refused although they were insisted on.
    pub strict: Vec<String>,
    /// Called fine by `tune`, and refused or changed by the kernel.
    pub mismatches: Vec<String>,
}

impl Tally {
    /// Counts what became of a request.
    pub fn count(&mut self, case: &Case, became: Became) {
        self.cases += 1;
        match became {
            Became::Accepted(changed) => {
                self.accepted += 1;
                self.changed += usize::from(changed);
            }
            Became::Refused(kind) => {
                if case.insist && case.is_taken() {
                    self.strict.push(format!("{case}: {kind}"));
                }
                *self.refused.entry(kind).or_default() += 1;
            }
            Became::OutOfScope => self.out_of_scope += 1,
            Became::Mismatch(what) => self.mismatches.push(format!("{case}: {what}")),
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refused: usize = self.refused.values().sum();
        let kinds: Vec<_> = self.refused.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        write!(
            f,
            "{} cases: {} accepted ({} with a change), {refused} refused by tune ({}), {} out of scope, \
             {} in range and refused all the same, {} mismatches",
            self.cases,
            self.accepted,
            self.changed,
            kinds.join(", "),
            self.out_of_scope,
            self.strict.len(),
            self.mismatches.len()
        )
    }
}

/// The engine on the kernel at hand.
pub struct Matrix {
    host: LiveHost,
    backend: Linux,
    state: PathBuf,
    boot_id: String,
    /// The whole machine is ours: keys of the host may be written too.
    whole_machine: bool,
}

impl fmt::Debug for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Matrix").field("state", &self.state).finish_non_exhaustive()
    }
}

struct Ours;

impl Policy for Ours {
    fn permits(&self, effect: &Effect) -> Result<(), String> {
        let backend = Linux::on(&LiveHost::own());
        if backend.may_do(effect) { Ok(()) } else { Err("no plan can contain it".to_owned()) }
    }
}

impl Matrix {
    /// Works on the network namespace of the calling thread; `state` is an empty directory.
    #[must_use]
    pub fn new(state: &Path, whole_machine: bool) -> Self {
        let host = LiveHost::own();
        let (backend, boot_id) = (Linux::on(&host), host.boot_id());
        Self { host, backend, state: state.to_owned(), boot_id, whole_machine }
    }

    /// The engine.
    #[must_use]
    pub const fn engine(&self) -> Engine<'_> {
        Engine { backend: &self.backend, host: &self.host }
    }

    /// Tries one request and puts back what it changed.
    #[must_use]
    pub fn run(&self, case: &Case) -> Became {
        match self.attempt(case) {
            Ok(became) => became,
            Err(what) => Became::Mismatch(what),
        }
    }

    fn attempt(&self, case: &Case) -> Result<Became, String> {
        let profiles = match load(case, System::Linux) {
            Ok(profiles) => profiles,
            Err(kind) => return Ok(Became::Refused(kind)),
        };
        let claims = Claims::default();
        let held = Held { claims: &claims, transaction: 1, boot_id: &self.boot_id };
        let plan = self.engine().plan_apply(&profiles, held, &options(case, &profiles))?;
        if let Some(refusal) = plan.refusals.first() {
            return Ok(Became::Refused(name(refusal.kind)));
        }
        if plan.findings.iter().any(|finding| finding.status == Status::OutOfScope) {
            return if plan.steps.is_empty() {
                Ok(Became::OutOfScope)
            } else {
                Err("out of scope, and yet there are steps".to_owned())
            };
        }
        self.only_ours(&plan)?;
        let before = texts(&plan, |before, _| before.to_owned());
        let done = self.carry_out(&plan).and_then(|()| self.holds(case, &profiles, &plan));
        let restored = self.restore(&before);
        done.and(restored)?;
        Ok(Became::Accepted(!plan.steps.is_empty()))
    }

    /// A safeguard: in a namespace nothing is ever written that the catalog calls the host's.
    fn only_ours(&self, plan: &Plan) -> Result<(), String> {
        let catalog = Catalog::of(System::Linux);
        let private = |tunable: &str| catalog.get(tunable).is_some_and(|row| row.scope == Reach::Netns);
        let others: Vec<_> = texts(plan, |_, after| after.to_owned())
            .into_keys()
            .filter(|tunable| !self.whole_machine && !private(tunable))
            .collect();
        if others.is_empty() { Ok(()) } else { Err(format!("would write {}", others.join(", "))) }
    }

    fn carry_out(&self, plan: &Plan) -> Result<(), String> {
        let _ = std::fs::remove_dir_all(&self.state);
        let store = Store::open(&self.state).map_err(|error| error.to_string())?.logging_to(Vec::new());
        let surroundings = Surroundings { machine: &self.host, policy: &Ours, boot_id: &self.boot_id };
        let mut locked = store.lock("outcome").map_err(|error| error.to_string())?;
        let action = Action::Apply { profiles: vec!["edge".to_owned()] };
        let outcome = locked
            .execute(&surroundings, plan, action, "test", &mut (), &|| false)
            .map_err(|error| error.to_string())?;
        outcome.failure.map_or(Ok(()), Err)
    }

    /// What the kernel shows is what the plan says, and satisfies what was asked for.
    fn holds(&self, case: &Case, profiles: &[Profile], plan: &Plan) -> Result<(), String> {
        for (tunable, after) in texts(plan, |_, after| after.to_owned()) {
            let found = self.read(&tunable)?;
            if found != after {
                return Err(format!("{tunable} shows {found:?} where the plan says {after:?}"));
            }
        }
        let found = self
            .engine()
            .audit(profiles, &Default::default(), Some(Layer::Runtime))?
            .into_iter()
            .find(|finding| finding.live != Verdict::Met && finding.status != Status::Unsupported);
        if let Some(finding) = found {
            return Err(format!("{} is then {}, {}", finding.subject, finding.status, finding.effective));
        }
        self.is_the_number(case)
    }

    /// A plain decimal number that was asked for exactly is what the kernel shows, whatever anybody computed.
    fn is_the_number(&self, case: &Case) -> Result<(), String> {
        let Some((slot, number)) = case.number() else { return Ok(()) };
        let text = self.read(&slot.tunable)?;
        let found = slot.part(&text).and_then(|part| part.parse::<i128>().ok());
        if found == Some(number) { Ok(()) } else { Err(format!("asked for {number}, there is {text:?}")) }
    }

    fn read(&self, tunable: &str) -> Result<String, String> {
        self.host.read_in(None, tunable).map_err(|error| error.to_string())
    }

    fn restore(&self, before: &BTreeMap<String, String>) -> Result<(), String> {
        for (tunable, text) in before {
            if self.read(tunable)? == *text {
                continue;
            }
            self.host.write_in(None, tunable, text).map_err(|error| error.to_string())?;
            let found = self.read(tunable)?;
            if found != *text {
                return Err(format!("{tunable} was {text:?}, and {found:?} after it was put back"));
            }
        }
        Ok(())
    }
}

/// One text for each tunable that a plan sets, made of those before and after.
pub(crate) fn texts(plan: &Plan, pick: impl Fn(&str, &str) -> String) -> BTreeMap<String, String> {
    let of = |effect: &Effect| match effect {
        Effect::SetTunable { tunable, before, after, .. } => Some((tunable.clone(), pick(before, after))),
        _ => None,
    };
    plan.steps.iter().filter_map(|step| of(&step.effect)).collect()
}

pub(crate) fn options(case: &Case, profiles: &[Profile]) -> Options {
    let mut allow_unsafe = BTreeSet::new();
    if case.insist {
        let required = profiles.iter().flat_map(|profile| &profile.requirements);
        allow_unsafe.extend(required.map(|required| required.subject.clone()));
    }
    Options { runtime_only: true, allow_unsafe, ..Options::default() }
}

/// Makes profiles of a request as the command does, or says at which stage it was refused.
pub(crate) fn load(case: &Case, system: System) -> Result<Vec<Profile>, String> {
    let resolved = match (&case.form, case.profile_text()) {
        (_, Some(text)) => {
            let text = ProfileText {
                name: "edge".to_owned(),
                source: Source::File("/etc/tune/profiles/edge.toml".into()),
                text,
                dropins: Vec::new(),
                shadows_built_in: false,
            };
            let found = profile::resolve_text(&profile::BuiltIn, Catalog::of, text, system);
            found.map_err(|_| "invalid".to_owned())?
        }
        (Form::Set(argument), _) | (Form::Profile(_, argument), None) => {
            let found = profile::one_off(std::slice::from_ref(argument), Catalog::of, system);
            found.map_err(|_| "invalid".to_owned())?
        }
    };
    let subjects: Vec<String> =
        resolved.profile.requirements.iter().map(|required| required.subject.to_string()).collect();
    let allowed = if case.insist { subjects } else { Vec::new() };
    Ok(vec![resolved.allowing(&allowed).map_err(|_| "unsafe".to_owned())?])
}

pub(crate) fn name(kind: RefusalKind) -> String {
    match kind {
        RefusalKind::NotStorable => "not storable",
        RefusalKind::Unsafe => "unsafe",
        RefusalKind::Unsupported => "unsupported",
        RefusalKind::Unreadable => "unreadable",
        RefusalKind::Irreversible => "irreversible",
        _ => "other",
    }
    .to_owned()
}
