//! `tune render`: the same plan as native files and commands.

use std::collections::BTreeSet;

use tune_engine::{Engine, Fresh, Options};
use tune_model::legacy::Named;
use tune_model::{Profile, Subject, System};
use tune_report::verdict::quoted;
use tune_report::{RenderReport, Report};

use super::change::{subject_on, unknown};
use super::elsewhere::{self, Meant};
use super::render_script;
use crate::args::{Format, Global, Render};
use crate::context::{profile_ref, stated_ram, width};
use crate::doors::Doors;
use crate::error::CliError;
use crate::shelf::Shelf;
use crate::{exit, output};

pub(crate) fn run(wanted: &Render, global: &Global, doors: &dyn Doors) -> Result<u8, CliError> {
    reads_no_host(global)?;
    let target = match target(&wanted.system)? {
        Target::Known(named) => return render_script::run(wanted, global, named, &shelf(doors)),
        Target::Fresh(target) => target,
    };
    if wanted.unverified {
        let name = target.name();
        return Err(CliError::usage(format!(
            "--unverified: nothing that is written for {name} is unverified"
        )));
    }
    let ram = stated_ram(global)?;
    let (host, backend) = target.host(ram);
    let engine = Engine { backend: &*backend, host: &host };
    let profiles = shelf(doors).load(&wanted.profiles, target.system(), &wanted.allow_unsafe)?;
    let rendering =
        engine.render(&profiles, &options(engine, wanted, &profiles)?).map_err(CliError::failed)?;
    let report = RenderReport {
        command: typed(wanted, global),
        target: (target.name(), target.title()),
        profiles: profiles.iter().map(|profile| (profile_ref(profile), profile.summary.clone())).collect(),
        ram,
        rendering,
    };
    if let Some(refusal) = report.refusal() {
        return Err(CliError(refusal));
    }
    match global.format {
        Format::Human => output::print(&report.human(width())),
        Format::Json | Format::Openmetrics => output::print(&report.json()),
    }
    Ok(exit::MET)
}

/// The site's profiles are those of the system that the command runs on, whatever it writes for.
fn shelf(doors: &dyn Doors) -> Shelf {
    let own = doors.own();
    let system = tune_engine::backend_for(&*own).map_or(System::Linux, |backend| backend.system());
    Shelf::of(&*own, system)
}

fn reads_no_host(global: &Global) -> Result<(), CliError> {
    let option = match (&global.netns, &global.root) {
        (Some(_), _) => "--netns",
        (_, Some(_)) => "--root",
        _ => return Ok(()),
    };
    Err(CliError::usage(format!("render reads no host, so there is nothing to use {option} for"))
        .hint("see what a host or an image needs: tune plan"))
}

/// What is written for.
enum Target {
    /// A system with a backend.
    Fresh(Fresh),
    /// One that is only known of.
    Known(Named<'static>),
}

/// Returns the system that goes by a name. What is one to profiles can be several here, which are told things in different
/// ways.
fn target(name: &str) -> Result<Target, CliError> {
    if let Ok(fresh) = name.parse() {
        return Ok(Target::Fresh(fresh));
    }
    match elsewhere::meant(name)? {
        Meant::Known(named) => Ok(Target::Known(named)),
        Meant::Live(system) => {
            let several = Fresh::ALL.iter().filter(|fresh| fresh.system() == system);
            let names: Vec<_> = several.map(|fresh| fresh.name()).collect();
            let message = format!("which {} it is makes a difference: {}", system.title(), names.join(", "));
            Err(CliError::usage(message).hint(format!("name one: --for {}", names[0])))
        }
    }
}

fn options(engine: Engine<'_>, wanted: &Render, profiles: &[Profile]) -> Result<Options, CliError> {
    let subjects = |names: &[String]| -> Result<BTreeSet<Subject>, CliError> {
        names.iter().map(|name| subject(engine, profiles, name)).collect()
    };
    Ok(Options {
        skip_unsupported: wanted.skip_unsupported,
        allow_unsafe: subjects(&wanted.allow_unsafe)?,
        only: subjects(&wanted.only)?,
        except: subjects(&wanted.except)?,
        ..Options::default()
    })
}

/// Returns the setting or tunable of a name. No kernel can be asked: what no catalog knows a profile must require.
fn subject(engine: Engine<'_>, profiles: &[Profile], name: &str) -> Result<Subject, CliError> {
    let subject = subject_on(engine, name)?;
    let mut required = profiles.iter().flat_map(|profile| &profile.requirements);
    match &subject {
        Subject::Tunable(slot)
            if engine.backend.catalog().get(&slot.tunable).is_none()
                && !required.any(|required| required.subject == subject) =>
        {
            Err(unknown(engine, name))
        }
        _ => Ok(subject),
    }
}

/// Returns the command that makes this again.
pub(super) fn typed(wanted: &Render, global: &Global) -> String {
    let mut words: Vec<&str> = vec!["tune", "render"];
    words.extend(wanted.profiles.iter().map(String::as_str));
    words.extend(["--for", &wanted.system]);
    if let Some(ram) = &global.ram {
        words.extend(["--ram", ram]);
    }
    for (option, names) in
        [("--only", &wanted.only), ("--except", &wanted.except), ("--allow-unsafe", &wanted.allow_unsafe)]
    {
        words.extend(names.iter().flat_map(|name| [option, name.as_str()]));
    }
    for (option, given) in
        [("--skip-unsupported", wanted.skip_unsupported), ("--unverified", wanted.unverified)]
    {
        words.extend(given.then_some(option));
    }
    words.into_iter().map(quoted).collect::<Vec<_>>().join(" ")
}
