//! The commands for the running system: those that look, those that set, and those that raise what is too low.

use std::collections::BTreeSet;

use tune_model::rendering::{Assignment, Proviso};
use tune_model::{Limits, Quantity, Rendering, Slot, Subject};

use super::script::{FILE_WIDTH, Script};
use super::{RenderReport, properties, reasons};

impl RenderReport {
    /// Commands that only look: what the values are, and who else sets them.
    pub(super) fn before(&self, script: &mut Script) {
        let Rendering { assignments, provisos, .. } = &self.rendering;
        let mut names: Vec<&str> = assignments.iter().map(|line| line.tunable.as_str()).collect();
        names.extend(provisos.iter().map(|proviso| proviso.slot.tunable.as_str()));
        let mut seen = BTreeSet::new();
        names.retain(|name| seen.insert(*name));
        if names.is_empty() {
            script.part("nothing has to be set");
            return;
        }
        script.part("first look: this changes nothing");
        script.comment("The values now; keep what it prints, to undo.");
        listed(script, self.dialect().look, &names);
        script.comment("Other lines that set them at boot; the last one read wins.");
        let patterns: Vec<_> = names.iter().map(|name| format!("-e {name}")).collect();
        let patterns: Vec<_> = patterns.iter().map(String::as_str).collect();
        let places = self.dialect().elsewhere;
        listed(script, "grep -rns", &[&patterns[..], places].concat());
    }

    pub(super) fn running(&self, script: &mut Script) {
        let lines = &self.rendering.assignments;
        if lines.is_empty() {
            return;
        }
        script.part("the running kernel");
        for line in lines {
            script.blank();
            let serves: Vec<_> = line.serves.iter().map(ToString::to_string).collect();
            script.comment(&format!("For {}.", serves.join(", ")));
            self.set_now(script, line);
        }
    }

    fn set_now(&self, script: &mut Script, line: &Assignment) {
        if let Some(reason) = &line.at_boot_only {
            script.comment(&format!("There is no command: {reason}. It comes with the next boot."));
            return;
        }
        if let Some(takes_hold) = line.takes_hold {
            script.hanging("reaches: ", takes_hold.words());
        }
        if let Some(presence) = self.dialect().presence(&line.tunable) {
            script.comment(&presence);
        }
        match (&line.irreversible, &line.default) {
            (Some(reason), _) => self.cannot_be_undone(script, &line.tunable, reason),
            (None, Some(default)) => {
                script.hanging("to undo: ", &self.dialect().command(&line.tunable, default));
            }
            (None, None) => {}
        }
        self.command(line).iter().for_each(|command| script.code(command));
    }

    /// Returns the command for the running kernel. What the kernel has computed larger is not lowered.
    pub(super) fn command(&self, line: &Assignment) -> Vec<String> {
        if let Some(command) = properties::set(line) {
            return vec![command.to_string()];
        }
        match self.computed(line) {
            Some(_) => self.dialect().raise_now(&Slot::whole(&line.tunable), &line.value),
            None => vec![self.dialect().command(&line.tunable, &line.value)],
        }
    }

    fn cannot_be_undone(&self, script: &mut Script, tunable: &str, reason: &str) {
        script.comment(&format!("Cannot be undone before a reboot: {reason}."));
        let cautions = self.dialect().row(tunable).map_or(&[][..], |row| &row.cautions);
        cautions.iter().for_each(|caution| script.hanging("- ", caution));
    }

    pub(super) fn left_to_the_kernel(&self, script: &mut Script) {
        let provisos = &self.rendering.provisos;
        if provisos.is_empty() {
            return;
        }
        script.part("where the kernel's own choice is too low");
        script.comment(
            "These defaults are not known without the host, and most are enough as they are. A limit is raised, now and \
             for the next boot, only where it is found lower than wanted. Not for images: on a larger host, or under a \
             newer kernel, such a line would lower the limit.",
        );
        let mut told = BTreeSet::new();
        for proviso in provisos {
            script.blank();
            self.proviso(script, proviso, &mut told);
        }
    }

    fn proviso<'a>(&'a self, script: &mut Script, proviso: &'a Proviso, told: &mut BTreeSet<&'a Subject>) {
        let Proviso { serves, slot, at_least, at_most, .. } = proviso;
        let dialect = self.dialect();
        for finding in serves.iter().filter_map(|subject| self.finding(subject)) {
            script.comment(&format!("{}: {}", finding.subject, finding.wanted));
            if told.insert(&finding.subject) {
                reasons(script, finding);
            }
        }
        let row = dialect.row(&slot.tunable);
        if let Some(default) = row.and_then(|row| row.default_text.as_deref()) {
            script.hanging("as shipped: ", default);
        }
        if let Some(presence) = dialect.presence(&slot.tunable) {
            script.comment(&presence);
        }
        self.numbers(script, proviso);
        if at_most.is_some() {
            script.comment("Where it is above that, lower it by hand, with an eye on what is in use.");
        }
        let Some(least) = at_least else { return };
        if let Some(reason) = &proviso.at_boot_only {
            script.comment(&format!("It comes with the next boot: {reason}."));
        } else if let Some(reason) = &proviso.irreversible {
            self.cannot_be_undone(script, &slot.tunable, reason);
        }
        dialect.raise(slot, least, proviso.at_boot_only.is_none()).iter().for_each(|line| script.code(line));
    }

    /// Says what the bounds are as the system counts.
    fn numbers(&self, script: &mut Script, proviso: &Proviso) {
        let Proviso { slot, at_least, at_most, .. } = proviso;
        let row = self.dialect().row(&slot.tunable);
        let field = slot.field.and_then(|field| row?.fields.get(field));
        let field = field.map(|field| format!(", the field {field},")).unwrap_or_default();
        let unit = row.map_or("", |row| row.unit.as_str());
        let amounts = self.bounds(proviso);
        let told = |native: &String, bound: &Option<Quantity>| match bound.as_ref().map(ToString::to_string) {
            Some(bound) if bound != *native && bound != format!("{native}{unit}") => {
                format!("{native} {unit} = {bound}")
            }
            _ => native.clone(),
        };
        let low = at_least.as_ref().map(|native| format!("at least {}", told(native, &amounts.at_least)));
        let high = at_most.as_ref().map(|native| format!("at most {}", told(native, &amounts.at_most)));
        let bounds = [low, high].into_iter().flatten().collect::<Vec<_>>().join(" and ");
        // For a number that is the bound as it stands, that was said.
        if slot.field.is_some() || bounds.contains('=') || proviso.serves.len() > 1 {
            script.comment(&format!("{}{field} has to be {bounds}.", slot.tunable));
        }
    }

    /// Returns the bounds as the one setting that is served states them.
    fn bounds(&self, proviso: &Proviso) -> Limits {
        match &proviso.serves[..] {
            [subject] => self.finding(subject).map(|finding| finding.wanted.clone()).unwrap_or_default(),
            _ => Limits::default(),
        }
    }
}

/// Adds a command with many words, a word or two on a line.
fn listed(script: &mut Script, command: &str, words: &[&str]) {
    let mut line = command.to_owned();
    for word in words {
        if line.chars().count() + word.chars().count() > FILE_WIDTH - 4 {
            script.code(&format!("{line} \\"));
            line = format!("  {word}");
        } else {
            line = format!("{line} {word}");
        }
    }
    script.code(&line);
}
