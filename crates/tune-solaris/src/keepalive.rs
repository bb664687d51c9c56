//! Keepalive: these systems have one time for all of probing, and space the probes themselves.

use tune_model::profile::{Bound, Profile, Requirement, Wanted};
use tune_model::{Quantity, Setting, Subject};

const PARTS: [Setting; 2] = [Setting::KeepaliveInterval, Setting::KeepaliveProbes];

/// Puts the interval and the number of probes together into the time that a silent peer is given.
///
/// One of them alone says nothing about that time, and stays.
pub(crate) fn merge(profile: &Profile) -> (Profile, Vec<(Subject, String)>) {
    let whole = Subject::Setting(Setting::KeepaliveAbort);
    let of = |setting| find(profile, &Subject::Setting(setting));
    let unchanged = || (profile.clone(), Vec::new());
    let [interval, probes] = PARTS.map(of);
    if let Some(stated) = find(profile, &whole) {
        let parts: Vec<&Requirement> = [interval, probes].into_iter().flatten().collect();
        if parts.is_empty() {
            return unchanged();
        }
        let names: Vec<String> = parts.iter().map(|part| part.subject.to_string()).collect();
        let note = format!("stands for {} too: this system spaces its probes itself", names.join(" and "));
        let note = (stated.subject.clone(), note);
        return (without_parts(profile, None), vec![note]);
    }
    let Some((interval, probes)) = interval.zip(probes) else { return unchanged() };
    let Some(wanted) = product(&interval.wanted, &probes.wanted) else { return unchanged() };
    let note = format!(
        "{} times {}, of which this system knows the product only: it spaces its probes itself",
        interval.subject, probes.subject
    );
    let merged = Requirement {
        subject: whole.clone(),
        wanted,
        severity: interval.severity.max(probes.severity),
        optional: interval.optional && probes.optional,
        ..interval.clone()
    };
    (without_parts(profile, Some(merged)), vec![(whole, note)])
}

fn find<'p>(profile: &'p Profile, subject: &Subject) -> Option<&'p Requirement> {
    profile.requirements.iter().find(|required| required.subject == *subject)
}

fn without_parts(profile: &Profile, merged: Option<Requirement>) -> Profile {
    let mut merged = merged;
    let is_part = |subject: &Subject| PARTS.iter().any(|part| *subject == Subject::Setting(*part));
    let mut requirements = Vec::new();
    for required in &profile.requirements {
        if !is_part(&required.subject) {
            requirements.push(required.clone());
        } else if let Some(whole) = merged.take() {
            requirements.push(whole);
        }
    }
    Profile { requirements, ..profile.clone() }
}

/// Multiplies the bounds that both have.
fn product(interval: &Wanted, probes: &Wanted) -> Option<Wanted> {
    let (Wanted::Within { .. }, Wanted::Within { .. }) = (interval, probes) else { return None };
    let bound = |pick: fn(&Wanted) -> Option<&Bound>| times(pick(interval)?, pick(probes)?);
    let wanted = Wanted::Within {
        at_least: bound(|wanted| match wanted {
            Wanted::Within { at_least, .. } => at_least.as_ref(),
            Wanted::VendorDefault => None,
        }),
        at_most: bound(|wanted| match wanted {
            Wanted::Within { at_most, .. } => at_most.as_ref(),
            Wanted::VendorDefault => None,
        }),
        prefer: bound(|wanted| match wanted {
            Wanted::Within { prefer, .. } => prefer.as_ref(),
            Wanted::VendorDefault => None,
        }),
    };
    let bounded = matches!(&wanted, Wanted::Within { at_least, at_most, .. } if at_least.is_some() || at_most.is_some());
    bounded.then_some(wanted)
}

fn times(interval: &Bound, probes: &Bound) -> Option<Bound> {
    let (Bound::Fixed(interval), Bound::Fixed(probes)) = (interval, probes) else { return None };
    let product = interval.scalar()?.checked_mul(probes.scalar()?)?;
    Quantity::from_scalar(Setting::KeepaliveAbort.kind(), product).map(Bound::Fixed)
}
