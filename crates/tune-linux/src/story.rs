//! Every line that sets a tunable, and why the winner wins.

use tune_host::Host;
use tune_host::backend::{BootLine, BootStory};
use tune_model::{Catalog, System};

use crate::boot::{self, BootPlan, Decision, Key, Outcome, Reason, ToolChoice};
use crate::defaults::Ground;
use crate::next_boot::{Start, fields, place};
use crate::read::named;

pub(crate) fn tell(host: &dyn Host, tools: &ToolChoice, tunable: &str) -> BootStory {
    let mut story = BootStory { tool: tools.boot.map(|tool| tool.to_string()), ..BootStory::default() };
    let Ok(key) = tunable.parse::<Key>() else { return story };
    story.writers = boot::writers(host.files()).iter().filter_map(|writer| named(writer, &key)).collect();
    let Some(tool) = tools.boot else { return story };

    let row = Catalog::of(System::Linux).get(tunable);
    let live = host.read_tunables(&[tunable]).pop().and_then(Result::ok);
    let default = row.and_then(|row| Ground::of(host).default_of(row, live.as_deref()));
    let start = Start { name: tunable, row, default: default.as_deref(), live: live.as_deref() };
    let plan = BootPlan::read(host.files(), tool);
    let decision = boot::decide(&key, &plan);
    story.lines = lines(&plan, &decision, &start);
    story.masked = plan.masked.iter().map(|masked| (masked.file.clone(), masked.by.clone())).collect();
    story.problems = plan.problems.iter().map(ToString::to_string).collect();
    if let Some(other) = tools.by_hand {
        let plan = BootPlan::read(host.files(), other);
        let decision = boot::decide(&key, &plan);
        let value = shown(&decision, &start).or_else(|| default.clone());
        story.other = Some((other.to_string(), value, decision.winner.map(|line| place(&line.place))));
    }
    story
}

fn shown(decision: &Decision<'_>, start: &Start<'_>) -> Option<String> {
    let from = start.default.or(start.live)?;
    Some(decision.predict(from, &fields(start)?)?.shown)
}

/// Lists winner and losers in the order in which they are read.
fn lines(plan: &BootPlan, decision: &Decision<'_>, start: &Start<'_>) -> Vec<BootLine> {
    let refused = refused(decision, start);
    let line = |at: usize, assignment: &boot::Assignment| {
        let same = |other: &&boot::Assignment| std::ptr::eq(*other, assignment);
        let loser = decision.losers.iter().find(|loser| same(&loser.assignment));
        let written = decision.writes.iter().any(&same);
        (written || loser.is_some()).then(|| {
            let wins = decision.winner.as_ref().is_some_and(same);
            let refusal = refused
                .contains(&place(&assignment.place))
                .then(|| "the kernel refuses this value".to_owned());
            let note = refusal.or_else(|| loser.map(|loser| because(&loser.reason)));
            (at, BootLine { place: place(&assignment.place), value: assignment.value_text(), wins, note })
        })
    };
    let mut found: Vec<_> =
        plan.assignments.iter().enumerate().filter_map(|(at, assignment)| line(at, assignment)).collect();
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, line)| line).collect()
}

fn refused(decision: &Decision<'_>, start: &Start<'_>) -> Vec<tune_model::Place> {
    let outcomes = start
        .default
        .or(start.live)
        .and_then(|from| decision.predict(from, &fields(start)?))
        .map(|found| found.outcomes)
        .unwrap_or_default();
    let tried = decision.writes.iter().zip(outcomes);
    tried
        .filter(|(_, outcome)| matches!(outcome, Outcome::Refused { .. }))
        .map(|(line, _)| place(&line.place))
        .collect()
}

fn because(reason: &Reason<'_>) -> String {
    let line = &reason.line().place;
    match reason {
        Reason::Later(_) => format!("a later line sets it: {line}"),
        Reason::Repeated(_) => format!("a later line sets the same: {line}"),
        Reason::Named(_) => format!("a pattern; {line} names the key itself"),
        Reason::Excluded(_) => format!("a pattern; {line} excludes the key"),
    }
}
