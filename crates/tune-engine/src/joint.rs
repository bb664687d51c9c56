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

    fn contradiction(&self, claims: &[&Claim]) -> Refusal {
        let wants: Vec<_> =
            claims.iter().map(|claim| format!("{} wants {}", claim.profile, claim.wanted)).collect();
        let oldest = claims.last().map_or("", |claim| &claim.profile);
        Refusal {
            kind: RefusalKind::Contradiction,
            subject: Some(self.subject.clone()),
            message: format!("{}: no value satisfies every profile: {}", self.subject, wants.join(", ")),
            hints: vec![
                format!("turn the other profile off: tune off {oldest}"),
                format!("or let it give way: --replace {oldest}"),
            ],
        }
    }
}

/// Solves the claims of a layer for the subjects that are touched and lays the values over `view`; `keep` are values
/// that stay where they satisfy the bounds and what is there does not.
pub(crate) fn solve(
    backend: &dyn Backend,
    holdings: &BTreeMap<Slot, Holding>,
    touched: &BTreeSet<Subject>,
    view: &mut View<'_>,
    keep: &BTreeMap<Slot, String>,
) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    let mut pinned: BTreeMap<Slot, Subject> = BTreeMap::new();
    for joined in by_subject(holdings) {
        if touched.contains(&joined.subject)
            && let Err(refusal) = solve_one(backend, &joined, view, keep, &pinned)
        {
            refusals.push(refusal);
        }
        if let Subject::Tunable(slot) = &joined.subject {
            pinned.insert(slot.clone(), joined.subject.clone());
        }
    }
    refusals
}

fn solve_one(
    backend: &dyn Backend,
    joined: &Joined<'_>,
    view: &mut View<'_>,
    keep: &BTreeMap<Slot, String>,
    pinned: &BTreeMap<Slot, Subject>,
) -> Result<(), Refusal> {
    let limits = joined.limits()?;
    let met = |view: &View<'_>| {
        limits.judge(&subject::assess(backend, &joined.subject, view).effective) == Verdict::Met
    };
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
        if let Some(pin) = pinned.get(&slot)
            && view.part(&slot).as_deref() != Ok(value.as_str())
        {
            return Err(pinned_elsewhere(&joined.subject, &slot, pin, &value));
        }
        view.plan(&slot, &value);
    }
    Ok(())
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

fn pinned_elsewhere(subject: &Subject, slot: &Slot, pin: &Subject, value: &str) -> Refusal {
    Refusal {
        kind: RefusalKind::Contradiction,
        subject: Some(subject.clone()),
        message: format!("{subject} needs {slot} = {value}, which a requirement on {pin} rules out"),
        hints: vec!["drop one of the two requirements, or make them agree".to_owned()],
    }
}
