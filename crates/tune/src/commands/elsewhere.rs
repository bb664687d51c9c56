//! `tune explain --for SYSTEM` and `--all-systems`: what is known of systems without looking at one.

use tune_engine::{Engine, Fresh};
use tune_host::Provision;
use tune_model::claim::ScopeClaims;
use tune_model::legacy::{Named, Release, Row, Way};
use tune_model::{Catalog, Effective, Legacy, LegacySystem, Setting, Subject, System};
use tune_report::legacy::{Known, Mechanism, tell};
use tune_report::{ComparisonReport, Report, SystemReport};

use crate::args::{Elsewhere, Format, Global};
use crate::context::width;
use crate::error::CliError;
use crate::{exit, output};

impl Elsewhere {
    /// Tells whether another system than the host's own is asked about.
    pub(crate) const fn is_meant(&self) -> bool {
        self.system.is_some() || self.all_systems
    }
}

pub(super) fn run(name: &str, elsewhere: &Elsewhere, global: &Global) -> Result<u8, CliError> {
    let option = if elsewhere.all_systems { "--all-systems" } else { "--for" };
    if global.netns.is_some() || global.root.is_some() {
        return Err(CliError::usage(format!("{option} looks at no host: leave --netns and --root out")));
    }
    match &elsewhere.system {
        Some(system) => show(&explain(name, &Target::named(system)?)?, global.format),
        None => show(&compare(name)?, global.format),
    }
    Ok(exit::MET)
}

pub(super) fn show(report: &dyn Report, format: Format) {
    match format {
        Format::Human => output::print(&report.human(width())),
        Format::Json | Format::Openmetrics => output::print(&report.json()),
    }
}

/// A system to write for.
pub(super) enum Meant {
    /// One that `tune` has a backend for, or is to have.
    Live(System),
    /// One that it only knows of.
    Known(Named<'static>),
}

/// Returns the system that goes by a name.
pub(super) fn meant(name: &str) -> Result<Meant, CliError> {
    if let Ok(system) = name.parse() {
        return Ok(Meant::Live(system));
    }
    let named = Legacy::get().named(name).map_err(|unknown| unknown_system(&unknown))?;
    Ok(named.system.live.map_or(Meant::Known(named), Meant::Live))
}

/// A system that is asked about.
struct Target {
    /// The system with a backend, or to have one.
    live: Option<System>,
    /// What is known of it besides.
    history: Option<Named<'static>>,
}

impl Target {
    fn named(name: &str) -> Result<Self, CliError> {
        match Legacy::get().named(name) {
            Ok(named) => Ok(Self { live: named.system.live, history: Some(named) }),
            Err(unknown) => match name.parse::<System>() {
                Ok(live) => Ok(Self { live: Some(live), history: None }),
                Err(_) => Err(unknown_system(&unknown)),
            },
        }
    }

    fn title(&self) -> String {
        match (self.live, self.history) {
            (_, Some(Named { release: Some(release), .. })) => release.title.clone(),
            (Some(live), _) => live.title().to_owned(),
            (None, Some(named)) => named.system.title.clone(),
            (None, None) => String::new(),
        }
    }

    fn name(&self) -> String {
        let history = self.history.map(|named| named.system.name.clone());
        self.live.map(|live| live.name().to_owned()).or(history).unwrap_or_default()
    }

    /// Returns the releases whose rows are told: where a backend is at hand, those that it knows nothing of.
    fn releases(&self, backend: bool) -> Vec<(&'static LegacySystem, &'static Release)> {
        let Some(named) = self.history else { return Vec::new() };
        let told = |release: &&Release| !(backend && release.catalogued);
        named.releases().filter(told).map(|release| (named.system, release)).collect()
    }

    /// Returns what is known of a setting there.
    fn known(&self, subject: &Subject) -> Known {
        let live = self.live.filter(|_| self.wants_live()).and_then(|system| live(system, subject));
        let backend = live.is_some();
        let mut mechanisms = live.unwrap_or_default();
        for (system, release) in self.releases(backend) {
            let rows: Vec<_> = match subject {
                Subject::Setting(setting) => system.rows_on(release, *setting).collect(),
                Subject::Tunable(slot) => {
                    let named = |row: &&Row| row.tunable.as_ref() == Some(&slot.tunable);
                    system.rows.iter().filter(|row| row.is_about(release)).filter(named).collect()
                }
            };
            rows.into_iter().for_each(|row| tell(&mut mechanisms, system, release, row));
        }
        let notes = self.history.map(|named| named.system.notes.clone()).unwrap_or_default();
        Known { system: self.name(), title: self.title(), backend, mechanisms, notes }
    }

    /// Tells whether the system of today is meant: no release was named, or one that its catalog covers.
    fn wants_live(&self) -> bool {
        self.history.is_none_or(|named| named.release.is_none_or(|release| release.catalogued))
    }

    fn tunables(&self) -> Vec<String> {
        let live = self.live.into_iter().flat_map(|system| Catalog::of(system).iter());
        let rows = self.history.into_iter().flat_map(|named| &named.system.rows);
        let known = rows.filter_map(|row| row.tunable.clone());
        live.map(|row| row.name.clone()).chain(known).collect()
    }
}

fn unknown_system(unknown: &tune_model::legacy::UnknownSystem) -> CliError {
    let known: Vec<_> = System::ALL.iter().map(|system| system.name()).collect();
    let systems = Legacy::get().iter().filter(|system| system.live.is_none());
    let others: Vec<_> = systems.map(|system| system.name.as_str()).collect();
    CliError::usage(unknown.to_string())
        .hint(format!("known systems: {}", known.join(", ")))
        .hint(format!("known of, without a backend: {}", others.join(", ")))
}

fn explain(name: &str, target: &Target) -> Result<SystemReport, CliError> {
    let subject: Subject = name.parse().map_err(CliError::usage)?;
    let known = target.known(&subject);
    match &subject {
        Subject::Setting(setting) => Ok(SystemReport {
            meaning: Some(setting.meaning().to_owned()),
            takes: Some(setting.kind().expected().to_owned()),
            stands_in: known.mechanisms.is_empty().then(|| setting.stands_in().to_owned()),
            setting: subject,
            known,
        }),
        Subject::Tunable(_) if known.mechanisms.is_empty() => {
            let tunables = target.tunables();
            let settings = Setting::ALL.iter().map(|setting| setting.name());
            let nearest = tune_model::nearest(name, settings.chain(tunables.iter().map(String::as_str)));
            let hint = tune_model::did_you_mean(nearest.as_deref());
            let title = target.title();
            Err(CliError::usage(format!(
                "{name:?} is no setting, and no tunable that is known of {title}{hint}"
            ))
            .hint("see the settings: tune explain tcp.fin_wait_2_timeout --all-systems"))
        }
        Subject::Tunable(_) => {
            Ok(SystemReport { meaning: None, takes: None, stands_in: None, setting: subject, known })
        }
    }
}

fn compare(name: &str) -> Result<ComparisonReport, CliError> {
    let setting: Setting = name.parse().map_err(|error: tune_model::UnknownSetting| {
        CliError::usage(error.to_string()).hint("--all-systems compares settings, not tunables of one system")
    })?;
    let history = |system: System| {
        let mut all = Legacy::get().iter();
        all.find(|known| known.live == Some(system)).map(|system| Named { system, release: None })
    };
    let live = System::ALL.iter().map(|system| Target { live: Some(*system), history: history(*system) });
    let without = Legacy::get().iter().filter(|system| system.live.is_none());
    let without = without.map(|system| Target { live: None, history: Some(Named { system, release: None }) });
    let known = live.chain(without).map(|target| target.known(&Subject::Setting(setting)));
    Ok(ComparisonReport {
        setting,
        meaning: setting.meaning(),
        takes: setting.kind().expected(),
        systems: known.filter(|known| !known.mechanisms.is_empty()).collect(),
    })
}

/// Returns what the backend of a system and its catalog tell; `None` where there is no backend.
fn live(system: System, subject: &Subject) -> Option<Vec<Mechanism>> {
    let fresh = Fresh::ALL.iter().find(|fresh| fresh.system() == system)?;
    let (host, backend) = fresh.host(None);
    let engine = Engine { backend: &*backend, host: &host };
    let catalog = Catalog::of(system);
    let setting = match subject {
        Subject::Tunable(slot) => {
            let row = catalog.get(&slot.tunable);
            return Some(row.map(|row| Mechanism::of_tunable(system, row)).into_iter().collect());
        }
        Subject::Setting(setting) => *setting,
    };
    let default = engine.overview_of(subject, &ScopeClaims::default()).default;
    let none = |way, bound: String, amount| vec![Mechanism::without_knob(system, way, bound, amount)];
    Some(match backend.provision(setting) {
        Provision::None => none(Way::None, backend.stands_in(setting), None),
        Provision::Fixed(value) => none(Way::Fixed, "a constant".to_owned(), Some(Effective::Exact(value))),
        Provision::Derived(parts) => {
            let names: Vec<_> = parts.iter().map(ToString::to_string).collect();
            none(Way::Derived, names.join(" and "), default)
        }
        Provision::Slots(slots) => {
            let rows = slots.iter().filter_map(|slot| catalog.get(&slot.tunable));
            let mut told: Vec<_> = rows.map(|row| Mechanism::of_tunable(system, row)).collect();
            told.dedup();
            if let Some(first) = told.first_mut() {
                first.amounts_to = default;
            }
            told
        }
    })
}
