//! `tune profile`: work with profiles.

use tune_model::profile::{Library, Source, schema, starter};
use tune_model::{Catalog, System};
use tune_report::profiles::{Mistake, ProfileLine, Spot};
use tune_report::{CheckReport, ProfileReport, ProfilesReport};

use crate::args::ProfileCommand;
use crate::context::Context;
use crate::error::CliError;
use crate::shelf::digested;
use crate::{exit, output};

pub(crate) fn run(context: &Context, command: ProfileCommand) -> Result<u8, CliError> {
    match command {
        ProfileCommand::List => Ok(list(context)),
        ProfileCommand::Show { profile, system } => show(context, &profile, system.as_deref()),
        ProfileCommand::Check { profiles } => check(context, &profiles),
        ProfileCommand::Schema => {
            output::print(&format!("{:#}\n", schema(Catalog::of)));
            Ok(exit::MET)
        }
        ProfileCommand::New { name } => new(&name),
    }
}

fn list(context: &Context) -> u8 {
    let profiles = context.shelf.library.names().into_iter().map(|name| line(context, name)).collect();
    context.show(&ProfilesReport { profiles });
    exit::MET
}

fn line(context: &Context, name: String) -> ProfileLine {
    match context.shelf.resolve(&name, context.backend.system()) {
        Ok(found) => ProfileLine {
            name,
            summary: Some(found.profile.summary),
            source: found.profile.source,
            shadows_built_in: found.profile.shadows_built_in,
            problem: None,
        },
        Err(error) => {
            let text = context.shelf.library.find(&name).ok().flatten();
            let (source, shadows_built_in) =
                text.map_or((Source::BuiltIn, false), |text| (text.source, text.shadows_built_in));
            let problem = error.0.msg.lines().next().map(str::to_owned);
            ProfileLine { name, summary: None, source, shadows_built_in, problem }
        }
    }
}

fn show(context: &Context, name: &str, system: Option<&str>) -> Result<u8, CliError> {
    let system = match system {
        None => context.backend.system(),
        Some(name) => system_named(name)?,
    };
    let resolved = context.shelf.resolve(name, system)?;
    // What is only refused without --allow-unsafe is shown all the same.
    let refused: Vec<String> =
        resolved.profile.requirements.iter().map(|required| required.subject.to_string()).collect();
    let profile = digested(resolved, &refused)?;
    context.show(&ProfileReport { profile, system: system.to_string() });
    Ok(exit::MET)
}

/// Returns the system that goes by a name.
pub(super) fn system_named(name: &str) -> Result<System, CliError> {
    // What is one system to a profile can have several names.
    let by_family = |_| name.parse::<tune_engine::Fresh>().map(tune_engine::Fresh::system);
    name.parse::<System>().or_else(by_family).map_err(|error| {
        let known: Vec<_> = System::ALL.iter().map(|system| system.name()).collect();
        CliError::usage(error).hint(format!("known systems: {}", known.join(", ")))
    })
}

/// Checks each profile; every one is shown, and the worst decides the exit code.
fn check(context: &Context, names: &[String]) -> Result<u8, CliError> {
    if crate::is_json(context.format) && names.len() > 1 {
        return Err(CliError::usage("--format json takes one profile: a result is one object"));
    }
    let mut code = exit::MET;
    for name in names {
        let mistakes = context.shelf.check(name)?;
        let mut errors: Vec<Mistake> = mistakes.iter().map(crate::error::mistake).collect();
        if errors.is_empty() {
            errors.extend(impossible(context, name)?);
        }
        let report =
            CheckReport { name: name.clone(), valid: errors.is_empty(), errors, warnings: Vec::new() };
        context.show(&report);
        code = code.max(report.exit_status());
    }
    Ok(code)
}

/// Finds requirements that this system cannot meet whatever the host is like.
fn impossible(context: &Context, name: &str) -> Result<Vec<Mistake>, CliError> {
    let profile = context.shelf.resolve(name, context.backend.system())?.profile;
    let found = tune_engine::impossible(&*context.backend, &profile);
    Ok(found
        .into_iter()
        .map(|(origin, message, hint)| Mistake {
            origin: Spot::of(&origin),
            message,
            hint,
            excerpt: None,
            width: 0,
        })
        .collect())
}

fn new(name: &str) -> Result<u8, CliError> {
    if !tune_model::profile::is_name(name) {
        return Err(CliError::usage(format!("{name:?} cannot be a profile's name"))
            .hint("letters, digits, - and _ make a name"));
    }
    output::print(&starter(name));
    Ok(exit::MET)
}
