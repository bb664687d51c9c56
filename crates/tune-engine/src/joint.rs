//! All claims of a layer solved together.

use std::collections::{BTreeMap, BTreeSet};

use tune_host::{Backend, Unsolvable};
use tune_model::claim::{Claim, Holding};
use tune_model::plan::{Refusal, RefusalKind};
use tune_model::{Limits, Slot, Subject, Verdict};

use crate::subject::{self, View};

/// All claims on one subject in one layer.
pub(crate) struct Joined<'a> {
    pub(crate) subject: Subject,
    pub(crate) claims: Vec<&'a Claim>,
}

/// Gathers the claims of a layer by subject, each claim once, native ones first: they pin their slots.
pub(crate) fn by_subject(holdings: &BTreeMap<Slot, Holding>) -> Vec<Joined<'_>> {
    let mut joined: Vec<Joined<'_>> = Vec::new();
    for claim in holdings.values().flat_map(|holding| &holding.claims) {
        match joined.iter_mut().find(|entry| entry.subject == claim.subject) {
            Some(entry) if entry.claims.iter().any(|known| known.profile == claim.profile) => {}
            Some(entry) => entry.claims.push(claim),
            None => joined.push(Joined { subject: claim.subject.clone(), claims: vec![claim] }),
        }
    }
    joined.sort_by_key(|entry| (matches!(entry.subject, Subject::Setting(_)), entry.subject.clone()));
    joined
}

impl Joined<'_> {
    /// Returns the bounds that satisfy every claim; the preference of the newest wins.
    fn limits(&self) -> Result<Limits, Refusal> {
        let mut claims = self.claims.clone();
        claims.sort_by_key(|claim| std::cmp::Reverse(claim.transaction));
        let mut limits = Limits::default();
        for (at, claim) in claims.iter().enumerate() {
            limits = limits.intersect(&claim.wanted).ok_or_else(|| self.contradiction(&claims[..=at]))?;
        }
        Ok(limits)
    }

    fn judge(&self, backend: &dyn Backend, limits: &Limits, view: &View<'_>) -> Verdict {
        limits.judge(&subject::assess(backend, &self.subject, view).effective)
    }

    /// Says who wants what, for a refusal that is about several subjects.
    fn wants(&self) -> impl Iterator<Item = String> {
        let want = |claim: &&Claim| format!("{} wants {} {}", claim.profile, self.subject, claim.wanted);
        self.claims.iter().map(want)
    }

    fn contradiction(&self, claims: &[&Claim]) -> Refusal {
        let wants: Vec<_> =
            claims.iter().map(|claim| format!("{} wants {}", claim.profile, claim.wanted)).collect();
        Refusal {
            kind: RefusalKind::Contradiction,
            subject: Some(self.subject.clone()),
            message: format!("{}: no value satisfies every profile: {}", self.subject, wants.join(", ")),
            hints: ways_out(claims),
        }
    }
}

/// Returns `touched` and every claimed subject that depends on the same tunables, however far that goes.
pub(crate) fn entangled(
    backend: &dyn Backend,
    holdings: &BTreeMap<Slot, Holding>,
    touched: &BTreeSet<Subject>,
) -> BTreeSet<Subject> {
    let mut found = touched.clone();
    loop {
        let names: BTreeSet<String> =
            found.iter().flat_map(|subject| subject::tunables(backend, subject)).collect();
        let claims = holdings.values().flat_map(|holding| &holding.claims);
        let subjects: BTreeSet<&Subject> = claims.map(|claim| &claim.subject).collect();
        let depends =
            |subject: &&&Subject| subject::tunables(backend, subject).iter().any(|name| names.contains(name));
        let more: Vec<Subject> = subjects.iter().filter(depends).map(|subject| (*subject).clone()).collect();
        let before = found.len();
        found.extend(more);
        if found.len() == before {
            return found;
        }
    }
}

/// Solves the claims of a layer for the subjects that are touched and lays the values over `view`; `keep` are values
/// that stay where they satisfy the bounds and what is there does not.
///
/// Native claims come first and settings are solved around them. Solving one can put another out of its bounds, so it is
/// gone through again; that all of them hold is judged at the end.
pub(crate) fn solve(
    backend: &dyn Backend,
    holdings: &BTreeMap<Slot, Holding>,
    touched: &BTreeSet<Subject>,
    view: &mut View<'_>,
    keep: &BTreeMap<Slot, String>,
) -> Vec<Refusal> {
    let mut joined = by_subject(holdings);
    joined.retain(|joined| touched.contains(&joined.subject));
    joined.sort_by_key(|joined| follows(backend, &joined.subject));
    let mut refusals = Vec::new();
    for _ in 0..ROUNDS {
        let solved = joined.iter().map(|joined| solve_one(backend, joined, view, keep));
        refusals = solved.filter_map(Result::err).collect();
        if !refusals.is_empty() || disturbed(backend, &joined, view).is_empty() {
            return refusals;
        }
    }
    refusals.extend(disturbed(backend, &joined, view));
    refusals
}

/// How often the claims are gone through: each time one more is solved for good.
const ROUNDS: usize = 3;

/// Tells whether a subject can come from what others are made of.
fn follows(backend: &dyn Backend, subject: &Subject) -> bool {
    matches!(subject, Subject::Setting(setting) if !backend.follows(*setting).is_empty())
}

fn solve_one(
    backend: &dyn Backend,
    joined: &Joined<'_>,
    view: &mut View<'_>,
    keep: &BTreeMap<Slot, String>,
) -> Result<(), Refusal> {
    let limits = joined.limits()?;
    let met = |view: &View<'_>| joined.judge(backend, &limits, view) == Verdict::Met;
    if met(view) {
        return Ok(());
    }
    let mut kept = view.clone();
    for slot in subject::slots(backend, &joined.subject) {
        if let Some(value) = keep.get(&slot) {
            kept.plan(&slot, value);
        }
    }
    if met(&kept) {
        *view = kept;
        return Ok(());
    }
    let targets = subject::solve(backend, &joined.subject, &limits, view)
        .map_err(|unsolvable| unsolved(&joined.subject, &unsolvable))?;
    for (slot, value) in targets {
        view.plan(&slot, &value);
    }
    Ok(())
}

/// Returns the subjects that one made of the same slots has put out of their bounds again.
fn disturbed(backend: &dyn Backend, joined: &[Joined<'_>], view: &View<'_>) -> Vec<Refusal> {
    let holds = |joined: &&Joined<'_>| {
        joined.limits().is_ok_and(|limits| joined.judge(backend, &limits, view) != Verdict::NotMet)
    };
    let shares = |one: &Joined<'_>, other: &Joined<'_>| {
        let names = subject::tunables(backend, &one.subject);
        one.subject != other.subject
            && subject::tunables(backend, &other.subject).iter().any(|name| names.contains(name))
    };
    let found = joined.iter().filter(|joined| !holds(joined)).map(|joined_one| {
        let others: Vec<_> = joined.iter().filter(|other| shares(joined_one, other)).collect();
        entangled_refusal(joined_one, &others)
    });
    found.collect()
}

fn entangled_refusal(disturbed: &Joined<'_>, others: &[&Joined<'_>]) -> Refusal {
    let all = || std::iter::once(&disturbed).chain(others);
    let wants: Vec<_> = all().flat_map(|joined| joined.wants()).collect();
    let all_claims: Vec<_> = all().flat_map(|joined| joined.claims.iter().copied()).collect();
    Refusal {
        kind: RefusalKind::Contradiction,
        subject: Some(disturbed.subject.clone()),
        message: format!("{}: no value satisfies every requirement: {}", disturbed.subject, wants.join(", ")),
        hints: ways_out(&all_claims),
    }
}

/// A profile that is applied already can give way; of those being applied now one has to change.
fn ways_out(claims: &[&Claim]) -> Vec<String> {
    let newest = claims.iter().map(|claim| claim.transaction).max();
    let applied = claims.iter().filter(|claim| Some(claim.transaction) < newest);
    match applied.min_by_key(|claim| claim.transaction) {
        Some(Claim { profile, .. }) => vec![
            format!("turn the other profile off: tune off {profile}"),
            format!("or let it give way: --replace {profile}"),
        ],
        None => vec!["drop one of the requirements, or make them agree".to_owned()],
    }
}

fn unsolved(subject: &Subject, unsolvable: &Unsolvable) -> Refusal {
    let (kind, hints) = match unsolvable {
        Unsolvable::NotStorable { neighbours, .. } => {
            (RefusalKind::NotStorable, neighbours.iter().map(|value| format!("possible: {value}")).collect())
        }
        _ => (RefusalKind::Unreadable, Vec::new()),
    };
    Refusal { kind, subject: Some(subject.clone()), message: format!("{subject}: {unsolvable}"), hints }
}
