//! Planning for a host that is not there: the same plan, with what it comes to natively.

use std::collections::{BTreeMap, BTreeSet};

use tune_host::Targets;
use tune_model::catalog::TakesHold;
use tune_model::claim::{Claims, Holding, ScopeClaims};
use tune_model::plan::Plan;
use tune_model::profile::Profile;
use tune_model::reading::{Layer, Readings};
use tune_model::rendering::{Amount, Assignment, Proviso};
use tune_model::{Effective, Finding, Limits, Quantity, Rendering, Slot, Status, Subject, Values, Verdict};

use crate::apply::left_to_the_kernel;
use crate::options::{Held, Options};
use crate::steps::{self, Move};
use crate::subject::{self, View};
use crate::{Engine, HOST, wish};

impl Engine<'_> {
    /// Plans to apply `profiles` to a freshly installed host, for people to carry out.
    ///
    /// # Errors
    ///
    /// Says what about the host has to be stated because the profiles depend on it.
    pub fn render(&self, profiles: &[Profile], options: &Options) -> Result<Rendering, String> {
        let claims = Claims::default();
        let held = Held { claims: &claims, transaction: 1, boot_id: &self.host.boot_id() };
        let options = Options { boot_only: true, rendering: true, ..options.clone() };
        let profiles = selected(profiles, &options);
        let mut plan = self.plan_apply(&profiles, held, &options)?;
        let names = wish::tunables_of(self.backend, &profiles);
        let readings = self.backend.read(self.host, &names, &ScopeClaims::default());
        let holdings = plan.claims.as_ref().map(|claims| claims.scope(HOST).boot).unwrap_or_default();
        let draft = Draft { engine: self, readings: &readings, holdings: &holdings, plan: &plan };
        let provisos = draft.provisos();
        let assignments = draft.assignments();
        let amounts = draft.amounts();
        let refusals = draft.dangers(&provisos, &options);
        let told: Vec<_> = draft.told(&provisos).map(left_to_the_kernel).collect();
        plan.refusals.extend(refusals);
        plan.warnings.retain(|warning| !told.contains(warning));
        let system = self.backend.system();
        Ok(Rendering { system, plan, assignments, provisos, amounts })
    }
}

/// Leaves out what is not asked for, so that nothing has to be stated for its sake.
fn selected(profiles: &[Profile], options: &Options) -> Vec<Profile> {
    let mut profiles = profiles.to_vec();
    for profile in &mut profiles {
        profile.requirements.retain(|required| options.selects(&required.subject));
    }
    profiles
}

/// Returns a tunable's text with single spaces between its fields.
fn spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Makes one proviso of two on the same slot.
fn join(one: &mut Proviso, other: Proviso) {
    let number = |text: &String| text.parse::<i128>().ok();
    one.serves.extend(other.serves);
    one.at_least = one.at_least.take().into_iter().chain(other.at_least).max_by_key(number);
    one.at_most = one.at_most.take().into_iter().chain(other.at_most).min_by_key(number);
}

struct Draft<'a> {
    engine: &'a Engine<'a>,
    readings: &'a Readings,
    holdings: &'a BTreeMap<Slot, Holding>,
    plan: &'a Plan,
}

impl<'a> Draft<'a> {
    fn before(&self) -> View<'a> {
        View::boot_without_tune(self.readings)
    }

    fn after(&self) -> View<'a> {
        let mut view = self.before();
        for (slot, holding) in self.holdings {
            if let Some(value) = &holding.held {
                view.plan(slot, value);
            }
        }
        view
    }

    fn assignments(&self) -> Vec<Assignment> {
        let mut serves: BTreeMap<&str, BTreeSet<Subject>> = BTreeMap::new();
        for (slot, holding) in self.holdings.iter().filter(|(_, holding)| holding.held.is_some()) {
            let subjects = holding.claims.iter().map(|claim| claim.subject.clone());
            serves.entry(&slot.tunable).or_default().extend(subjects);
        }
        let (before, after) = (self.before(), self.after());
        let assignment = |(tunable, serves): (&str, BTreeSet<Subject>)| {
            let value = after.text(tunable).map(|text| spaced(&text)).unwrap_or_default();
            let default = before.text(tunable).map(|text| spaced(&text)).ok();
            let way = |from: &Option<String>, to: &str| self.held_back(tunable, from.as_deref()?, to);
            Assignment {
                property: self.engine.backend.native(tunable),
                takes_hold: self.takes_hold(tunable),
                tunable: tunable.to_owned(),
                serves: serves.into_iter().collect(),
                irreversible: default.as_ref().and_then(|default| self.held_back(tunable, &value, default)),
                at_boot_only: way(&default, &value),
                value,
                default,
            }
        };
        let mut found: Vec<_> = serves.into_iter().map(assignment).collect();
        let rank = |line: &Assignment| {
            let from = line.default.as_deref().unwrap_or_default();
            self.engine.backend.rank(&line.tunable, from, &line.value)
        };
        found.sort_by_key(|line| (line.at_boot_only.is_some(), line.irreversible.is_some(), rank(line)));
        found
    }

    /// Whom a change of what is not in the catalog reaches nobody has written down.
    fn takes_hold(&self, tunable: &str) -> Option<TakesHold> {
        let backend = self.engine.backend;
        backend.catalog().get(tunable).map(|_| backend.behaviour(tunable).1)
    }

    /// Returns why a running system would not take a tunable from one value to another.
    fn held_back(&self, tunable: &str, from: &str, to: &str) -> Option<String> {
        let mutability = subject::mutability(self.engine.backend, self.readings, tunable);
        self.engine.backend.held_back(tunable, mutability, from, to)
    }

    fn amounts(&self) -> BTreeMap<Subject, Amount> {
        let after = self.after();
        self.plan
            .findings
            .iter()
            .map(|finding| (finding.subject.clone(), self.amount(finding, &after)))
            .collect()
    }

    fn amount(&self, finding: &Finding, after: &View<'a>) -> Amount {
        let found = subject::assess(self.engine.backend, &finding.subject, after);
        let read = finding.tunables.iter().filter_map(|state| self.readings.get(&state.name));
        let notes = read.flat_map(|reading| reading.notes.iter().cloned());
        let effective = match found.effective {
            Effective::Unknown(reason) => {
                self.by_release(&finding.subject, after).unwrap_or(Effective::Unknown(reason))
            }
            known => known,
        };
        Amount { effective, cautions: found.cautions.into_iter().chain(notes).collect() }
    }

    /// Returns what a setting comes to by the defaults of all releases, where those are known.
    fn by_release(&self, wanted: &Subject, view: &View<'a>) -> Option<Effective> {
        let assess =
            |pick| subject::assess(self.engine.backend, wanted, &self.supposing(view, pick)).effective;
        match (assess(i128::min), assess(i128::max)) {
            (Effective::Exact(low), Effective::Exact(high)) if low == high => Some(Effective::Exact(low)),
            (Effective::Exact(low), Effective::Exact(high)) => Some(Effective::Between { low, high }),
            _ => None,
        }
    }

    /// Supposes defaults that changed from release to release to be the least, or the largest, that any has.
    fn supposing(&self, view: &View<'a>, pick: fn(i128, i128) -> i128) -> View<'a> {
        let mut supposed = view.clone();
        for name in self.readings.keys().filter(|name| view.text(name).is_err()) {
            let row = self.engine.backend.catalog().get(name);
            let values = row.into_iter().flat_map(|row| &row.default_since).map(|(_, values)| values.clone());
            let picked = values.reduce(|a, b| a.into_iter().zip(b).map(|(a, b)| pick(a, b)).collect());
            if let Some(picked) = picked {
                let text = picked.iter().map(ToString::to_string).collect::<Vec<_>>().join("\t");
                supposed.plan(&Slot::whole(name), &text);
            }
        }
        supposed
    }

    /// Returns the findings about what only the host can tell: with no release's default it is known to be met.
    fn open(&self) -> impl Iterator<Item = &'a Finding> {
        let claimed = |finding: &Finding| {
            let mut claims = self.holdings.values().flat_map(|holding| &holding.claims);
            claims.any(|claim| claim.subject == finding.subject)
        };
        self.plan.findings.iter().filter(move |finding| {
            (finding.status, finding.boot) == (Status::Unreadable, Verdict::Unknown) && !claimed(finding)
        })
    }

    /// Returns the findings that are told in another way than by a warning.
    fn told(&self, provisos: &[Proviso]) -> impl Iterator<Item = &'a Finding> {
        let served: BTreeSet<Subject> = provisos.iter().flat_map(|proviso| proviso.serves.clone()).collect();
        self.open().filter(move |finding| served.contains(&finding.subject) || self.is_met_anyway(finding))
    }

    fn is_met_anyway(&self, finding: &Finding) -> bool {
        finding.wanted.judge(&self.amount(finding, &self.after()).effective) == Verdict::Met
    }

    /// Returns the bounds on what only the kernel itself knows, one for each slot.
    fn provisos(&self) -> Vec<Proviso> {
        let mut joined: BTreeMap<Slot, Proviso> = BTreeMap::new();
        for finding in self.open().filter(|finding| !self.is_met_anyway(finding)) {
            for proviso in self.provisos_of(finding) {
                match joined.get_mut(&proviso.slot) {
                    Some(other) => join(other, proviso),
                    None => drop(joined.insert(proviso.slot.clone(), proviso)),
                }
            }
        }
        let mut provisos: Vec<_> = joined.into_values().map(|proviso| self.restrained(proviso)).collect();
        provisos.sort_by_key(|proviso| self.engine.backend.rank(&proviso.slot.tunable, "", ""));
        provisos
    }

    fn provisos_of(&self, finding: &Finding) -> Vec<Proviso> {
        let Limits { at_least, at_most, .. } = &finding.wanted;
        let native = |limits| self.native(&finding.subject, &limits);
        let lower = |bound: &Quantity| Limits { at_least: Some(bound.clone()), ..Limits::default() };
        let upper = |bound: &Quantity| Limits { at_most: Some(bound.clone()), ..Limits::default() };
        let low = at_least.as_ref().map(lower).map(native).unwrap_or_default();
        let high = at_most.as_ref().map(upper).map(native).unwrap_or_default();
        let slots: BTreeSet<&Slot> = low.keys().chain(high.keys()).collect();
        let proviso = |slot: &Slot| Proviso {
            serves: vec![finding.subject.clone()],
            slot: slot.clone(),
            at_least: low.get(slot).cloned(),
            at_most: high.get(slot).cloned(),
            irreversible: None,
            at_boot_only: None,
        };
        slots.into_iter().map(proviso).collect()
    }

    /// Says what the running system does not take.
    fn restrained(&self, proviso: Proviso) -> Proviso {
        let low = proviso.at_least.clone();
        let below = low.as_ref().and_then(|low| low.parse::<i128>().ok()).map(|low| (low - 1).to_string());
        let Some((low, below)) = low.zip(below) else { return proviso };
        let tunable = &proviso.slot.tunable;
        Proviso {
            irreversible: self.held_back(tunable, &low, &below),
            at_boot_only: self.held_back(tunable, &below, &low),
            ..proviso
        }
    }

    /// Returns a bound in the tunable's own unit; nothing where it has none there.
    fn native(&self, wanted: &Subject, limits: &Limits) -> Targets {
        let view = self.supposing(&self.before(), i128::min);
        subject::solve(self.engine.backend, wanted, limits, &view).unwrap_or_default()
    }

    /// What would be refused if it had to be set.
    fn dangers(&self, provisos: &[Proviso], options: &Options) -> Vec<tune_model::plan::Refusal> {
        let moves: Vec<Move> = provisos
            .iter()
            .filter_map(|proviso| {
                let (slot, serves) = (proviso.slot.clone(), proviso.serves.clone());
                Some(Move { slot, value: proviso.at_least.clone()?, serves })
            })
            .collect();
        let views = (&self.before(), &self.after());
        let Engine { backend, host } = *self.engine;
        steps::dangers(backend, host, &moves, views, Layer::Boot, options)
    }
}
