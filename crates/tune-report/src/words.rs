//! Phrases that several results share.

use tune_model::finding::{HostRef, ProfileRef, TunableState};
use tune_model::{Effective, Mutability, Verdict};

use crate::escape::fields;

/// Shows the host that a result is about: `linux 6.18.44`, and the scope where it is not the host itself.
pub fn host(host: &HostRef) -> String {
    let release = host.release.as_deref().map(|release| format!(" {release}")).unwrap_or_default();
    let scope = if host.scope == "host" { String::new() } else { format!(", {}", host.scope) };
    format!("{}{release}{scope}", host.system)
}

/// Names a profile with its source where that is worth saying.
pub fn profile(profile: &ProfileRef) -> String {
    let shadows = if profile.shadows_built_in { ", hides the built-in profile of that name" } else { "" };
    format!("{} ({}{shadows})", profile.name, profile.source)
}

/// Names profiles in a row.
pub fn profiles(list: &[ProfileRef]) -> String {
    list.iter().map(profile).collect::<Vec<_>>().join(", ")
}

/// Shows an effective value; a dash where the question does not arise.
pub fn effective(value: &Effective, verdict: Verdict) -> String {
    match (verdict, value) {
        (Verdict::NotApplicable, Effective::Unknown(_)) => "-".to_owned(),
        _ => value.to_string(),
    }
}

/// Shows a native value; what stands for a missing one.
pub fn native(value: Option<&str>, missing: &str) -> String {
    value.map_or_else(|| missing.to_owned(), fields)
}

/// Shows a tunable in the running kernel: `net.ipv4.tcp_fin_timeout = 60 (kernel default)`.
pub fn live_line(tunable: &TunableState) -> String {
    let name = &tunable.name;
    match (&tunable.live, &tunable.default) {
        (Some(live), Some(default)) if fields(live) == fields(default) => {
            format!("{name} = {} (kernel default)", fields(live))
        }
        (Some(live), Some(default)) => format!("{name} = {} (default {})", fields(live), fields(default)),
        (Some(live), None) => format!("{name} = {}", fields(live)),
        (None, _) => format!("{name}: {}", tunable.reason.as_deref().unwrap_or("no value")),
    }
}

/// Shows what the next boot makes of a tunable: `60, from /etc/sysctl.d/99-x.conf:3`.
pub fn boot_line(tunable: &TunableState) -> String {
    let value = native(tunable.boot.as_deref(), "unknown");
    match (&tunable.boot_source, &tunable.reason) {
        (Some(place), _) => format!("{value}, from {place}"),
        // What is known live has a reason only for the next boot.
        (None, Some(reason)) if tunable.boot.is_none() && tunable.live.is_some() => {
            format!("{value}: {reason}")
        }
        _ => format!("{value}, no file sets it"),
    }
}

/// Returns when a tunable can be changed, in words.
pub const fn mutability(mutability: Mutability) -> &'static str {
    match mutability {
        Mutability::Live => "at run time",
        Mutability::RaiseOnly => "at run time upwards only; lowering needs a reboot",
        Mutability::Boot => "at boot only",
        Mutability::Fixed => "never: it is fixed in the kernel",
        _ => "unknown",
    }
}
