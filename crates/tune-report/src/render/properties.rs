//! Commands for systems whose own program keeps the values: ipadm, which keeps them for the next boot too, or ndd, which
//! does not and needs a start script.

use std::collections::BTreeSet;

use tune_model::native::{Command, Keeper, Program, Property};
use tune_model::rendering::Assignment;

use super::RenderReport;
use super::files::{NativeFile, write};
use super::script::{FILE_WIDTH, Script};

/// The start script for what ndd does not keep: after the network, before most services.
const START_SCRIPT: &str = "/etc/rc2.d/S70tune-ndd";

/// Says that a service keeps what it found.
const LISTENERS: &str = "What listens already keeps the old values, and so does what it accepts: restart it, or set \
                         these before it starts.";

impl RenderReport {
    /// Tells which program keeps the values, where it is one of the system's own.
    pub(super) fn keeper(&self) -> Option<Keeper> {
        self.rendering.assignments.iter().find_map(|line| Some(line.property.as_ref()?.keeper))
    }

    /// Commands that look, commands that set, and what the next boot needs.
    pub(super) fn properties(&self, script: &mut Script, keeper: Keeper) {
        self.look(script, keeper);
        let title = match keeper {
            Keeper::Ipadm => "now, and at the next boot",
            _ => "the running kernel",
        };
        script.part(title);
        if keeper == Keeper::Ipadm {
            script.comment("ipadm keeps what it sets, in this order. To set the running kernel only, add -t after set-prop.");
        }
        script.comment(LISTENERS);
        let mut told = BTreeSet::new();
        for line in &self.rendering.assignments {
            script.blank();
            self.explain(script, line, &mut told);
            self.names(script, line);
            if let Some(undo) = undo(line) {
                script.hanging("to undo: ", &undo.to_string());
            }
            if let Some(command) = set(line) {
                script.code(&command.to_string());
            }
        }
        if let Some(file) = self.start_script() {
            write(script, &file);
            script.code(&format!("chmod 744 {}", file.path));
        }
    }

    fn look(&self, script: &mut Script, keeper: Keeper) {
        script.part("first look: this changes nothing");
        script.comment("The values now; keep what it prints, to undo.");
        for property in self.rendering.assignments.iter().filter_map(|line| line.property.as_ref()) {
            let Property { protocol, name, .. } = property;
            let look = match keeper {
                Keeper::Ipadm => Command::new(Program::Ipadm, &["show-prop", "-p", name, protocol]),
                _ => Command::new(Program::Ndd, &["-get", &property.device(), name]),
            };
            script.code(&look.to_string());
        }
        script.comment("Start scripts that set the same later win.");
        script.code("grep -n 'ndd.*-set' /etc/rcS.d/S* /etc/rc2.d/S* /etc/rc3.d/S*");
    }

    fn names(&self, script: &mut Script, line: &Assignment) {
        if let Some(takes_hold) = line.takes_hold {
            script.hanging("reaches: ", takes_hold.words());
        }
        let Some(row) = self.dialect().row(&line.tunable) else { return };
        if !row.former_names.is_empty() && self.keeper() == Some(Keeper::Ipadm) {
            script.comment(&format!("Earlier releases call it {}.", row.former_names.join(", ")));
        }
    }

    /// Returns the script that sets at boot what nothing else keeps.
    pub(super) fn start_script(&self) -> Option<NativeFile> {
        let lines = &self.rendering.assignments;
        if self.keeper() != Some(Keeper::Ndd) {
            return None;
        }
        let mut script = Script::new(FILE_WIDTH);
        script.code("#!/sbin/sh");
        script.comment(&format!("Made by: {}", self.command));
        for command in lines.iter().filter_map(set) {
            script.code(&format!("/usr/sbin/{command}"));
        }
        Some(NativeFile {
            path: START_SCRIPT.to_owned(),
            shared: false,
            note: "ndd keeps nothing beyond the running kernel. Services that the service manager starts earlier keep \
                   what they found.",
            content: script.finish(),
        })
    }
}

/// Returns the command that sets an assignment's property, for good where that can be had.
pub(super) fn set(line: &Assignment) -> Option<Command> {
    line.property.as_ref().map(|property| to(property, &line.value))
}

/// Returns the command that takes it back.
pub(super) fn undo(line: &Assignment) -> Option<Command> {
    let property = line.property.as_ref()?;
    match property.keeper {
        Keeper::Ipadm => Some(property.persist(None)),
        _ => line.default.as_deref().map(|default| to(property, default)),
    }
}

fn to(property: &Property, value: &str) -> Command {
    match property.keeper {
        Keeper::Ipadm => property.persist(Some(value)),
        _ => property.set_live(value),
    }
}
