//! Requirements as they are on this host: bounds resolved, profiles joined.

use std::collections::BTreeSet;

use tune_host::{Backend, Host};
use tune_model::profile::{Origin, Profile, Requirement, Scale, Wanted};
use tune_model::reading::{Layer, Readings};
use tune_model::{Effective, Limits, Severity, Subject};

use crate::subject::{self, View};

/// One profile's requirement on one subject, on this host.
#[derive(Debug, Clone)]
pub struct Wish {
    /// What it is about.
    pub subject: Subject,
    /// The bounds in the running kernel.
    pub runtime: Limits,
    /// The bounds at the next boot: another value only for the vendor's default.
    pub boot: Limits,
    /// The vendor's default is wanted: no line of ours at boot.
    pub vendor_default: bool,
    /// Why the vendor's default cannot be told, if it cannot.
    pub unknown_default: Option<String>,
    /// The profile.
    pub profile: String,
    /// How much it matters.
    pub severity: Severity,
    /// Forgives a system that has nothing of the kind.
    pub optional: bool,
    /// The reason.
    pub why: Option<String>,
    /// Where the reason can be looked up.
    pub reference: Option<String>,
    /// Where it is written.
    pub origin: Origin,
}

impl Wish {
    /// Returns the bounds in a layer.
    #[must_use]
    pub const fn limits(&self, layer: Layer) -> &Limits {
        match layer {
            Layer::Runtime => &self.runtime,
            Layer::Boot => &self.boot,
        }
    }
}

/// Returns the tunables that have to be read for these profiles.
#[must_use]
pub fn tunables_of(backend: &dyn Backend, profiles: &[Profile]) -> BTreeSet<String> {
    let subjects =
        profiles.iter().flat_map(|profile| &profile.requirements).map(|required| &required.subject);
    subjects.flat_map(|wanted| subject::tunables(backend, wanted)).collect()
}

/// Resolves the requirements of `profiles` on a host whose tunables have been read.
#[must_use]
pub fn wishes(
    backend: &dyn Backend,
    host: &dyn Host,
    profiles: &[Profile],
    readings: &Readings,
    scale: Scale,
) -> Vec<Wish> {
    let resolve = |profile: &Profile, required: &Requirement| {
        let resolved = resolve(backend, host, required, readings, scale);
        Wish {
            subject: required.subject.clone(),
            runtime: resolved.runtime,
            boot: resolved.boot,
            vendor_default: required.wanted == Wanted::VendorDefault,
            unknown_default: resolved.unknown_default,
            profile: profile.name.clone(),
            severity: required.severity,
            optional: required.optional,
            why: required.why.clone(),
            reference: required.reference.clone(),
            origin: required.origin.clone(),
        }
    };
    profiles
        .iter()
        .flat_map(|profile| profile.requirements.iter().map(move |required| resolve(profile, required)))
        .collect()
}

struct Resolved {
    runtime: Limits,
    boot: Limits,
    unknown_default: Option<String>,
}

fn resolve(
    backend: &dyn Backend,
    host: &dyn Host,
    required: &Requirement,
    readings: &Readings,
    scale: Scale,
) -> Resolved {
    if let Some(limits) = required.wanted.limits(scale) {
        return Resolved { runtime: limits.clone(), boot: limits, unknown_default: None };
    }
    // What the files would make it without ours; where there is no boot layer, the kernel's own rule.
    let view = if backend.has_boot_layer(host) {
        View::boot_without_tune(readings)
    } else {
        View::default(readings)
    };
    match subject::assess(backend, &required.subject, &view).effective {
        Effective::Exact(value) => {
            let limits = Limits::exactly(value);
            Resolved { runtime: limits.clone(), boot: limits, unknown_default: None }
        }
        Effective::Between { low, high } => {
            let limits = Limits { at_least: Some(low), at_most: Some(high), ..Limits::default() };
            Resolved { runtime: limits.clone(), boot: limits, unknown_default: None }
        }
        other => {
            let reason = match other {
                Effective::Unknown(reason) => reason,
                shown => format!("its default is {shown}"),
            };
            Resolved { runtime: Limits::default(), boot: Limits::default(), unknown_default: Some(reason) }
        }
    }
}
