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
        contradiction(&self.subject, &wants.join(", "), claims.last().map_or("", |claim| &claim.profile))
    }
}

/// How often all subjects are gone through: what one of them moves may be what another one needs elsewhere.
const ROUNDS: usize = 3;

/// What is sought: the claims on one subject and the bounds they come to.
type Sought<'a> = (Joined<'a>, Limits);

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
    let mut sought: Vec<Sought<'_>> = Vec::new();
    for joined in by_subject(holdings).into_iter().filter(|joined| touched.contains(&joined.subject)) {
        match joined.limits() {
            Ok(limits) => sought.push((joined, limits)),
            Err(refusal) => refusals.push(refusal),
        }
    }
    for _ in 0..ROUNDS {
        let solved = sought.iter().filter_map(|one| solve_one(backend, one, view, keep).err());
        let unsolved: Vec<_> = solved.collect();
        if !unsolved.is_empty() {
            refusals.extend(unsolved);
            return refusals;
        }
    }
    let missed =
        sought.iter().find(|(joined, limits)| verdict(backend, joined, limits, view) == Verdict::NotMet);
    refusals.extend(missed.map(|(joined, _)| clash(backend, joined, &sought)));
    refusals
}

fn verdict(backend: &dyn Backend, joined: &Joined<'_>, limits: &Limits, view: &View<'_>) -> Verdict {
    limits.judge(&subject::assess(backend, &joined.subject, view).effective)
}

fn solve_one(
    backend: &dyn Backend,
    (joined, limits): &Sought<'_>,
    view: &mut View<'_>,
    keep: &BTreeMap<Slot, String>,
) -> Result<(), Refusal> {
    let met = |view: &View<'_>| verdict(backend, joined, limits, view) == Verdict::Met;
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
    let targets = subject::solve(backend, &joined.subject, limits, view)
        .map_err(|unsolvable| unsolved(&joined.subject, &unsolvable))?;
    for (slot, value) in targets {
        view.plan(&slot, &value);
    }
    Ok(())
}

/// Says which claims on the same tunables rule each other out.
fn clash(backend: &dyn Backend, missed: &Joined<'_>, sought: &[Sought<'_>]) -> Refusal {
    let slots = subject::slots(backend, &missed.subject);
    let shares = |joined: &Joined<'_>| {
        subject::slots(backend, &joined.subject).iter().any(|slot| slots.contains(slot))
    };
    let entangled = sought.iter().map(|(joined, _)| joined).filter(|joined| shares(joined));
    let mut claims: Vec<&Claim> = entangled.flat_map(|joined| joined.claims.iter().copied()).collect();
    claims.sort_by_key(|claim| std::cmp::Reverse(claim.transaction));
    let wants =
        claims.iter().map(|claim| format!("{} wants {} {}", claim.profile, claim.subject, claim.wanted));
    let wants = wants.collect::<Vec<_>>().join(", ");
    contradiction(&missed.subject, &wants, claims.last().map_or("", |claim| &claim.profile))
}

fn contradiction(subject: &Subject, wants: &str, oldest: &str) -> Refusal {
    Refusal {
        kind: RefusalKind::Contradiction,
        subject: Some(subject.clone()),
        message: format!("{subject}: no value satisfies every profile: {wants}"),
        hints: vec![
            format!("turn the other profile off: tune off {oldest}"),
            format!("or let it give way: --replace {oldest}"),
        ],
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
