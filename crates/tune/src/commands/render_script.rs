//! `tune render --for SYSTEM` where `tune` only knows of the system: a script for people.

use std::collections::BTreeSet;

use tune_engine::Options;
use tune_engine::translate::{Asked, translate};
use tune_model::legacy::Named;
use tune_model::{Setting, Subject};
use tune_report::ScriptReport;

use super::elsewhere::show;
use super::render::typed;
use crate::args::{Global, Render};
use crate::context::{profile_ref, stated_ram};
use crate::error::CliError;
use crate::exit;
use crate::shelf::Shelf;

pub(super) fn run(
    wanted: &Render,
    global: &Global,
    named: Named<'static>,
    shelf: &Shelf,
) -> Result<u8, CliError> {
    let ram = stated_ram(global)?;
    // Tables of a system are about that system: here the portable requirements count alone.
    let profiles = shelf.load(&wanted.profiles, None, &wanted.allow_unsafe)?;
    let options =
        Options { only: settings(&wanted.only)?, except: settings(&wanted.except)?, ..Options::default() };
    let asked = Asked { options: &options, ram, unverified: wanted.unverified };
    let translation = translate(named, &profiles, &asked)
        .map_err(|refusals| CliError(ScriptReport::refusal(&refusals, &named.one().title)))?;
    let report = ScriptReport {
        command: typed(wanted, global),
        profiles: profiles.iter().map(|profile| (profile_ref(profile), profile.summary.clone())).collect(),
        ram,
        translation,
    };
    show(&report, global.format);
    Ok(exit::MET)
}

fn settings(names: &[String]) -> Result<BTreeSet<Subject>, CliError> {
    let setting = |name: &String| {
        let setting: Setting = name.parse().map_err(|error: tune_model::UnknownSetting| {
            CliError::usage(error.to_string())
                .hint("profiles are translated setting by setting: name a portable one")
        })?;
        Ok(Subject::Setting(setting))
    };
    names.iter().map(setting).collect()
}
