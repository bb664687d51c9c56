//! Requirements that a system cannot meet whatever the host is like.

use std::collections::BTreeMap;

use tune_host::{Backend, Unsolvable};
use tune_model::profile::{Origin, Profile, Scale, Subject};
use tune_model::reading::{Readings, Values};
use tune_model::{Reading, Unread};

use crate::subject::{self, View};

/// Returns the requirements of a profile that no value on this system satisfies: where, why, and what could be had.
#[must_use]
pub fn impossible(backend: &dyn Backend, profile: &Profile) -> Vec<(Origin, String, Option<String>)> {
    // A host of ordinary size: bounds that follow memory are possible on some host or on none.
    let scale = Scale { ram: 16 << 30, page: 4096 };
    let readings = defaults(backend, profile);
    let view = View::default(&readings);
    let mut found = Vec::new();
    for required in &profile.requirements {
        let Some(limits) = required.wanted.limits(scale) else { continue };
        let Subject::Setting(_) = required.subject else { continue };
        if view_is_empty(backend, &required.subject, &view) {
            continue;
        }
        if let Err(Unsolvable::NotStorable { message, neighbours }) =
            subject::solve(backend, &required.subject, &limits, &view)
        {
            let hint = (!neighbours.is_empty()).then(|| format!("possible: {}", neighbours.join(", ")));
            found.push((required.origin.clone(), format!("{}: {message}", required.subject), hint));
        }
    }
    found
}

fn view_is_empty(backend: &dyn Backend, subject: &Subject, view: &View<'_>) -> bool {
    let slots = subject::slots(backend, subject);
    slots.is_empty() || slots.iter().any(|slot| view.text(&slot.tunable).is_err())
}

/// The constants that the catalog knows, as if they had been read.
fn defaults(backend: &dyn Backend, profile: &Profile) -> Readings {
    let slots = profile.requirements.iter().flat_map(|required| subject::slots(backend, &required.subject));
    let mut readings = BTreeMap::new();
    for slot in slots {
        let Some(row) = backend.catalog().get(&slot.tunable) else { continue };
        let constant = row.default_since.last().map(|(_, values)| values).or(Some(&row.default));
        let text = constant.filter(|values| !values.is_empty()).map_or_else(
            || vec!["1"; row.width().max(1)].join("\t"),
            |values| values.iter().map(ToString::to_string).collect::<Vec<_>>().join("\t"),
        );
        readings.insert(slot.tunable, only_default(text));
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
        notes: Vec::new(),
    }
}
