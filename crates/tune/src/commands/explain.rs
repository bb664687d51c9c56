//! `tune explain`: what a setting does, and every file that sets it.

use tune_engine::overview::Overview;
use tune_host::backend::BootStory;
use tune_model::finding::TunableState;
use tune_model::{Mutability, Subject, TakesHold};
use tune_report::ExplainReport;
use tune_report::explain::{MaskedFile, OtherTool, SettingLine, TunableExplained};

use super::change::subject;
use crate::context::Context;
use crate::error::CliError;
use crate::exit;

pub(crate) fn run(context: &Context, name: &str) -> Result<u8, CliError> {
    let subject = subject(context, name)?;
    let (claims, _) = context.claims_seen();
    let engine = context.engine();
    let found = engine.overview_of(&subject, &engine.claims_here(&claims));
    let (meaning, takes, stands_in) = match &subject {
        Subject::Setting(setting) => (
            Some(setting.meaning().to_owned()),
            Some(setting.kind().expected().to_owned()),
            found.tunables.is_empty().then(|| setting.stands_in().to_owned()),
        ),
        Subject::Tunable(_) => (None, None, None),
    };
    let Overview { now, next, default, tunables, mut notes, out_of_scope, .. } = found;
    notes.extend(out_of_scope);
    let report = ExplainReport {
        host: context.host_ref(),
        setting: subject,
        meaning,
        takes,
        effective: now,
        boot_effective: next,
        default,
        stands_in,
        tunables: tunables.into_iter().map(|state| explained(context, state)).collect(),
        notes,
    };
    context.show(&report);
    Ok(exit::MET)
}

fn explained(context: &Context, state: TunableState) -> TunableExplained {
    let story = context.backend.boot_story(context.host(), &state.name);
    let known = match context.backend.catalog().get(&state.name) {
        Some(row) => TunableExplained::new(row, state),
        None => uncatalogued(state),
    };
    let BootStory { lines, masked, other, writers, .. } = story;
    TunableExplained {
        lines: lines
            .into_iter()
            .map(|line| SettingLine {
                place: line.place,
                value: line.value,
                wins: line.wins,
                note: line.note,
            })
            .collect(),
        masked: masked
            .into_iter()
            .map(|(path, by)| MaskedFile { path: path.display().to_string(), by: by.display().to_string() })
            .collect(),
        other_tool: other.map(|(name, value, place)| OtherTool { name, value, place }),
        writers,
        ..known
    }
}

/// What can be said of a tunable that no catalog knows.
fn uncatalogued(state: TunableState) -> TunableExplained {
    let text = String::new;
    TunableExplained {
        meaning: format!(
            "{} is not in the catalog: tune knows where it is set, not what it does",
            state.name
        ),
        state,
        unit: text(),
        fields: Vec::new(),
        allowed: Vec::new(),
        accepted: Vec::new(),
        default_text: None,
        families: Vec::new(),
        former_names: Vec::new(),
        ndd: None,
        mutability: Mutability::Live,
        takes_hold: TakesHold::Host,
        scope: "unknown",
        since: None,
        netns_since: None,
        until: None,
        module: None,
        cautions: Vec::new(),
        unsafe_values: None,
        source: text(),
        lines: Vec::new(),
        masked: Vec::new(),
        other_tool: None,
        writers: Vec::new(),
    }
}
