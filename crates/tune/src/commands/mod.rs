//! One file per command.

mod active;
mod audit;
mod boot;
mod change;
mod completions;
mod confirm;
mod diagnose;
mod drop;
mod elsewhere;
mod explain;
mod facts;
mod history;
mod live;
mod man;
mod off;
mod plan;
mod profile;
mod prove;
mod recover;
mod render;
mod render_script;
mod rollback;
mod set;
mod status;
mod trial;
pub(crate) mod watch;

use crate::args::{Command, Global};
use crate::context::Context;
use crate::doors::Doors;
use crate::error::CliError;

/// Runs a command and returns its exit code.
pub(crate) fn run(command: Command, global: &Global, doors: &dyn Doors) -> Result<u8, CliError> {
    // These look at no machine, or have to say something also where there is none to look at.
    let command = match command {
        Command::Completions { shell } => return completions::run(shell),
        Command::Man { command } => return man::run(&command),
        Command::Facts => return facts::run(global, doors),
        Command::Render(wanted) => return render::run(&wanted, global, doors),
        Command::Explain { subject, elsewhere } if elsewhere.is_meant() => {
            return elsewhere::run(&subject, &elsewhere, global);
        }
        other => other,
    };
    let context = Context::new(global, doors)?;
    match command {
        Command::Status => status::run(&context),
        Command::Explain { subject, .. } => explain::run(&context, &subject),
        Command::Profile(command) => profile::run(&context, command),
        Command::Audit { active: true, only, .. } => audit::run_active(&context, only),
        Command::Audit { profiles, only, all_netns: true, .. } => {
            audit::run_everywhere(&context, doors, &profiles, only)
        }
        Command::Audit { profiles, only, all_netns: false, .. } => audit::run(&context, &profiles, only),
        Command::Plan(mut apply) => {
            apply.change.dry_run = true;
            plan::run(&context, &apply)
        }
        Command::Apply(apply) if apply.boot => boot::run(&context, &apply.change),
        Command::Apply(apply) => plan::run(&context, &apply),
        Command::Set { assignments, change } => set::run(&context, &assignments, &change),
        Command::Confirm => confirm::run(&context),
        Command::Active => active::run(&context),
        Command::Off { profiles, if_held, undo } => off::run(&context, &profiles, if_held, &undo),
        Command::Rollback { id, undo } => rollback::run(context, doors, id, &undo),
        Command::History { id, verify } => history::run(&context, id, verify),
        Command::Prove(wanted) => prove::run(&context, doors, &wanted),
        Command::Recover => recover::run(&context),
        Command::Diagnose(wanted) => diagnose::run(&context, doors, &wanted),
        Command::Drop(wanted) => drop::run(&context, &wanted),
        Command::Completions { .. } | Command::Man { .. } | Command::Facts | Command::Render(_) => {
            Ok(crate::exit::MET)
        }
    }
}
