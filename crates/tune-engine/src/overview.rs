//! What a host is, without a profile: every setting now, at the next boot and by default.

use std::collections::BTreeSet;

use tune_host::{Provision, Scope};
use tune_model::claim::ScopeClaims;
use tune_model::finding::TunableState;
use tune_model::reading::{Layer, Readings, Unread};
use tune_model::{Effective, Mutability, Place, Setting, Subject};

use crate::Engine;
use crate::findings::state;
use crate::subject::{self, View};

/// Who decides a value at the next boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decided {
    /// A line of a file.
    Line(Place),
    /// The kernel.
    Kernel,
    /// Nobody: there is no next boot here, or nothing to decide.
    Nothing,
    /// It cannot be told, for this reason.
    Unknown(String),
}

/// A setting of a host, or a native tunable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    /// What it is.
    pub subject: Subject,
    /// What it amounts to now; `None` where there is nothing to look at.
    pub now: Option<Effective>,
    /// What it will amount to after the next boot.
    pub next: Option<Effective>,
    /// What it amounts to by default, where that is known.
    pub default: Option<Effective>,
    /// Who decides at the next boot.
    pub decided: Decided,
    /// The tunables behind it.
    pub tunables: Vec<TunableState>,
    /// When it can be changed.
    pub mutability: Option<Mutability>,
    /// Why it belongs to a wider scope, if it does.
    pub out_of_scope: Option<String>,
    /// What an administrator should know besides.
    pub notes: Vec<String>,
}

impl Engine<'_> {
    /// Looks at every setting that the system provides.
    #[must_use]
    pub fn overview(&self, claims: &ScopeClaims) -> Vec<Overview> {
        let subjects: Vec<_> = Setting::ALL
            .iter()
            .filter(|setting| self.backend.provision(**setting) != Provision::None)
            .map(|setting| Subject::Setting(*setting))
            .collect();
        self.look(&subjects, claims)
    }

    /// Looks at one setting or tunable.
    #[must_use]
    pub fn overview_of(&self, subject: &Subject, claims: &ScopeClaims) -> Overview {
        let found = self.look(std::slice::from_ref(subject), claims).pop();
        found.unwrap_or_else(|| self.one(subject, &Readings::new()))
    }

    fn look(&self, subjects: &[Subject], claims: &ScopeClaims) -> Vec<Overview> {
        let names: BTreeSet<String> =
            subjects.iter().flat_map(|wanted| subject::tunables(self.backend, wanted)).collect();
        let readings = self.backend.read(self.host, &names, claims);
        subjects.iter().map(|wanted| self.one(wanted, &readings)).collect()
    }

    fn one(&self, subject: &Subject, readings: &Readings) -> Overview {
        let provision = subject::provision(self.backend, subject);
        if let Provision::Fixed(value) = provision {
            return fixed(subject, &Effective::Exact(value));
        }
        let slots = subject::slots(self.backend, subject);
        let next = View::layer(readings, Layer::Boot);
        let decisive = subject::decisive(self.backend, subject, &next);
        let mut names: Vec<&str> = slots.iter().map(|slot| slot.tunable.as_str()).collect();
        names.extend(decisive.iter().map(String::as_str));
        let mut seen = BTreeSet::new();
        names.retain(|name| seen.insert(*name));
        let found: Vec<_> = names.iter().filter_map(|name| Some((*name, readings.get(*name)?))).collect();
        let live = subject::assess(self.backend, subject, &View::layer(readings, Layer::Runtime));
        let boot = subject::assess(self.backend, subject, &next);
        let deciding: Vec<_> =
            found.iter().filter(|(name, _)| decisive.iter().any(|one| one == name)).copied().collect();
        let default = subject::assess(self.backend, subject, &View::default(readings)).effective;
        let image = matches!(self.host.scope(), Scope::Image(_));
        let has_boot = self.backend.has_boot_layer(self.host);
        let mut notes = if image { boot.cautions } else { live.cautions };
        notes.extend(found.iter().flat_map(|(_, reading)| reading.notes.clone()));
        notes.extend(found.iter().find_map(|(_, reading)| missing(reading)));
        Overview {
            subject: subject.clone(),
            now: (!image && !slots.is_empty()).then_some(live.effective),
            next: (has_boot && !slots.is_empty()).then_some(boot.effective),
            default: Some(default).filter(|value| !matches!(value, Effective::Unknown(_))),
            decided: if has_boot { decided(&deciding) } else { Decided::Nothing },
            tunables: found.iter().map(|(name, reading)| state(name, reading)).collect(),
            mutability: slots.first().map(|slot| subject::mutability(self.backend, readings, &slot.tunable)),
            out_of_scope: found.iter().find_map(|(_, reading)| reading.out_of_scope.clone()),
            notes,
        }
    }
}

fn missing(reading: &tune_model::Reading) -> Option<String> {
    match &reading.live {
        Err(Unread::Missing(reason)) if reading.out_of_scope.is_none() => Some(reason.clone()),
        _ => None,
    }
}

fn fixed(subject: &Subject, value: &Effective) -> Overview {
    Overview {
        subject: subject.clone(),
        now: Some(value.clone()),
        next: Some(value.clone()),
        default: Some(value.clone()),
        decided: Decided::Kernel,
        tunables: Vec::new(),
        mutability: Some(Mutability::Fixed),
        out_of_scope: None,
        notes: vec!["a constant of this system".to_owned()],
    }
}

fn decided(found: &[(&str, &tune_model::Reading)]) -> Decided {
    let line = found.iter().find_map(|(_, reading)| reading.boot_source.clone());
    if let Some(place) = line {
        return Decided::Line(place);
    }
    match found.iter().find_map(|(_, reading)| reading.boot.as_ref().err()) {
        Some(Unread::NotApplicable(_)) => Decided::Nothing,
        Some(unread) => Decided::Unknown(unread.to_string()),
        None if found.is_empty() => Decided::Nothing,
        None => Decided::Kernel,
    }
}
