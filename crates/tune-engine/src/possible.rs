//! Requirements that a system cannot meet whatever the host is like.

use std::collections::BTreeMap;

use tune_host::{Backend, Unsolvable};
use tune_model::profile::{Origin, Profile, Requirement, Scale, Subject};
use tune_model::reading::{Readings, Values};
use tune_model::{Reading, Slot, Unread, Verdict};

use crate::subject::{self, View};

/// A value that a native requirement leaves no choice about.
struct Pin {
    value: String,
    origin: Origin,
}

/// Returns the requirements of a profile that no value on this system satisfies: where, why, and what could be had.
#[must_use]
pub fn impossible(backend: &dyn Backend, profile: &Profile) -> Vec<(Origin, String, Option<String>)> {
    let readings = defaults(backend, profile);
    let mut view = View::default(&readings);
    let pins = pins(profile);
    for (slot, pin) in &pins {
        view.plan(slot, &pin.value);
    }
    let settings =
        profile.requirements.iter().filter(|required| matches!(required.subject, Subject::Setting(_)));
    settings
        .filter(|required| !view_is_empty(backend, &required.subject, &view))
        .filter_map(|required| {
            let (message, hint) = unsolved(backend, required, &view, &pins)?;
            Some((required.origin.clone(), format!("{}: {message}", required.subject), hint))
        })
        .collect()
}

/// A host of ordinary size: bounds that follow memory are possible on some host or on none.
const ORDINARY: Scale = Scale { ram: 16 << 30, page: 4096 };

fn pins(profile: &Profile) -> BTreeMap<Slot, Pin> {
    let pin = |required: &Requirement| {
        let Subject::Tunable(slot) = &required.subject else { return None };
        let value = required.wanted.limits(ORDINARY)?.exact()?.to_string();
        Some((slot.clone(), Pin { value, origin: required.origin.clone() }))
    };
    profile.requirements.iter().filter_map(pin).collect()
}

fn unsolved(
    backend: &dyn Backend,
    required: &Requirement,
    view: &View<'_>,
    pins: &BTreeMap<Slot, Pin>,
) -> Option<(String, Option<String>)> {
    let limits = required.wanted.limits(ORDINARY)?;
    if limits.judge(&subject::assess(backend, &required.subject, view).effective) == Verdict::Met {
        return None;
    }
    match subject::solve(backend, &required.subject, &limits, view) {
        Err(Unsolvable::NotStorable { message, neighbours }) => {
            Some((message, (!neighbours.is_empty()).then(|| format!("possible: {}", neighbours.join(", ")))))
        }
        Err(_) => None,
        Ok(targets) => targets.iter().find_map(|(slot, value)| {
            let pin = pins.get(slot).filter(|pin| pin.value != *value)?;
            let message =
                format!("{limits} needs another {slot} than the {} that {} requires", pin.value, pin.origin);
            Some((message, Some("drop one of the two requirements, or make them agree".to_owned())))
        }),
    }
}

fn view_is_empty(backend: &dyn Backend, subject: &Subject, view: &View<'_>) -> bool {
    let slots = subject::slots(backend, subject);
    slots.is_empty() || slots.iter().any(|slot| view.text(&slot.tunable).is_err())
}

/// The constants that the catalog knows, as if they had been read.
fn defaults(backend: &dyn Backend, profile: &Profile) -> Readings {
    let names =
        profile.requirements.iter().flat_map(|required| subject::tunables(backend, &required.subject));
    let mut readings = BTreeMap::new();
    for name in names {
        let Some(row) = backend.catalog().get(&name) else { continue };
        let constant = row.default_since.last().map(|(_, values)| values).or(Some(&row.default));
        let text = constant.filter(|values| !values.is_empty()).map_or_else(
            || vec!["1"; row.width().max(1)].join("\t"),
            |values| values.iter().map(ToString::to_string).collect::<Vec<_>>().join("\t"),
        );
        readings.insert(name, only_default(text));
    }
    readings
}

fn only_default(text: String) -> Reading {
    let none = || Err(Unread::NotApplicable("no host was looked at".to_owned()));
    Reading {
        live: none(),
        boot: none(),
        boot_source: None,
        boot_without_tune: none(),
        boot_without_tune_source: None,
        default: Some(text),
        out_of_scope: None,
        mutability: None,
        notes: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tune_host::FakeHost;
    use tune_model::profile::{InMemory, resolve};
    use tune_model::{Catalog, System};

    fn found(text: &str) -> Vec<String> {
        let library = InMemory::default().with("p", text);
        let profile = resolve(&library, Catalog::of, "p", System::Linux).unwrap().profile;
        let backend = tune_linux::Linux::on(&FakeHost::default());
        impossible(&backend, &profile)
            .into_iter()
            .map(|(origin, message, _)| format!("{origin} {message}"))
            .collect()
    }

    #[test]
    fn a_pin_and_a_setting_that_exclude_each_other_are_named_both() {
        let text = "name = \"p\"\n[settings.\"tcp.fin_wait_2_timeout\"]\nat_most = \"30s\"\n\
                    [linux.sysctl.\"net.ipv4.tcp_fin_timeout\"]\nexactly = 45\n";
        let found = found(text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("net.ipv4.tcp_fin_timeout than the 45 that p.toml:4:"), "{found:?}");
    }

    #[test]
    fn a_pin_that_satisfies_and_a_value_that_cannot_be_had() {
        let agreeing = "name = \"p\"\n[settings.\"tcp.fin_wait_2_timeout\"]\nat_most = \"30s\"\n\
                        [linux.sysctl.\"net.ipv4.tcp_fin_timeout\"]\nexactly = 20\n";
        assert_eq!(found(agreeing), Vec::<String>::new());
        let gap = "name = \"p\"\n[settings]\n\"tcp.fin_wait_2_timeout\" = \"90s\"\n";
        assert!(found(gap)[0].contains("cannot be had"), "{:?}", found(gap));
    }
}
