//! The files that the next boot reads, with comments that say what each line is for.

use std::collections::BTreeSet;

use tune_model::plan::FileImage;
use tune_model::rendering::Assignment;
use tune_model::{Effect, Effective, Finding, Quantity, Subject};

use super::dialect::set_by;
use super::script::{FILE_WIDTH, Script};
use super::{RenderReport, reasons};
use crate::plan_document::text;

/// A file to be written, or to be added to.
#[derive(Debug)]
pub(super) struct NativeFile {
    pub path: String,
    pub shared: bool,
    pub note: &'static str,
    pub content: String,
}

impl RenderReport {
    /// Writes the files.
    pub(super) fn next_boot(&self, script: &mut Script) {
        self.files().iter().for_each(|file| write(script, file));
    }

    /// Returns the files, with comments that say what each line is for.
    pub(super) fn files(&self) -> Vec<NativeFile> {
        if self.keeper().is_some() {
            return self.start_script().into_iter().collect();
        }
        let written = self.rendering.plan.steps.iter().filter_map(|step| match &step.effect {
            Effect::ReplaceFile { path, after: Some(after), .. } => Some((path.display().to_string(), after)),
            _ => None,
        });
        written.map(|(path, after)| self.file(path, after)).collect()
    }

    fn file(&self, path: String, after: &FileImage) -> NativeFile {
        let known = self.dialect().file(&path);
        let mut script = Script::new(FILE_WIDTH);
        script.comment(&format!("Made by: {}", self.command));
        let mut told = BTreeSet::new();
        for line in text(after).lines() {
            let set = set_by(line).and_then(|tunable| {
                self.rendering.assignments.iter().find(|assignment| assignment.tunable == tunable)
            });
            if let Some(assignment) = set {
                script.blank();
                self.explain(&mut script, assignment, &mut told);
                script.code(line);
            }
        }
        let shared = known.is_some_and(|file| file.shared);
        if shared {
            script.blank();
            script.comment("End of what tune render made.");
        }
        NativeFile { shared, note: known.map_or("", |file| file.note), content: script.finish(), path }
    }

    /// Says what a line serves, why, and what its number means. What was said of a setting is not said again.
    pub(super) fn explain<'a>(
        &'a self,
        script: &mut Script,
        line: &'a Assignment,
        told: &mut BTreeSet<&'a Subject>,
    ) {
        let row = self.dialect().row(&line.tunable);
        for finding in self.serves(line) {
            if told.insert(&finding.subject) {
                script.comment(&format!("{}: {}{}", finding.subject, finding.wanted, shipped(finding)));
                reasons(script, finding);
                self.cautions(&finding.subject).iter().for_each(|caution| script.comment(caution));
            } else {
                script.comment(&format!("{}, too.", finding.subject));
            }
            if let Some(row) = row.filter(|_| self.is_shared(&finding.subject)) {
                script.comment(&row.meaning);
            }
            if let Some(meaning) = self.conversion(line, finding) {
                script.comment(&meaning);
            }
        }
        if let Some(presence) = self.dialect().presence(&line.tunable) {
            script.comment(&format!("{presence} Elsewhere the line does nothing."));
        }
        if let Some(default) = self.computed(line) {
            let rule = row.and_then(|row| row.default_text.as_deref());
            let rule = rule.map_or_else(|| " by itself.".to_owned(), |rule| format!(": {rule}"));
            script.comment(&format!(
                "The kernel computes it{rule} That makes {default} here. Where it makes more than {}, this line lowers \
                 it: sysctl -n {} shows it on a host without the line.",
                line.value, line.tunable
            ));
        }
    }

    fn cautions(&self, subject: &Subject) -> &[String] {
        self.rendering.amounts.get(subject).map_or(&[], |amount| &amount.cautions)
    }

    /// Returns the default that a line raises, where the kernel computes it from what the host has.
    pub(super) fn computed<'a>(&self, line: &'a Assignment) -> Option<&'a str> {
        self.dialect().row(&line.tunable)?.default_rule.as_ref()?;
        let number = |text: &str| text.parse::<i128>().ok();
        line.default.as_deref().filter(|default| number(default) < number(&line.value))
    }

    /// Says what a native number amounts to, where that is not plain: `900 s = 15min`.
    fn conversion(&self, line: &Assignment, finding: &Finding) -> Option<String> {
        let row = self.dialect().row(&line.tunable)?;
        let unit = &row.unit;
        let amount = self.rendering.amounts.get(&finding.subject)?.effective.exact()?;
        let native = line.value.parse::<i128>().ok()?.checked_mul(factor(unit, amount)?)?;
        let shown = amount.to_string();
        let meaning = if Some(native) == amount.scalar() { "=" } else { "makes" };
        let plain = shown == format!("{}{unit}", line.value);
        match (plain, row.ticks) {
            (true, false) => None,
            (true, true) => Some(format!("{} {unit}, {TICKS}", line.value)),
            (false, true) => Some(format!("{} {unit} {meaning} {shown}, {TICKS}", line.value)),
            (false, false) => Some(format!("{} {unit} {meaning} {shown}", line.value)),
        }
    }

    /// Tells whether a setting takes more than one tunable.
    fn is_shared(&self, subject: &Subject) -> bool {
        self.rendering.assignments.iter().filter(|line| line.serves.contains(subject)).count() > 1
    }
}

pub(super) fn write(script: &mut Script, file: &NativeFile) {
    script.part(&format!("the next boot: {}", file.path));
    script.comment(file.note);
    let (verb, undo) = if file.shared {
        (">>", format!("To undo: take these lines out of {} again.", file.path))
    } else {
        (">", format!("To undo: rm {}", file.path))
    };
    script.comment(&undo);
    script.blank();
    script.code(&format!("cat {verb} {} <<'EOF'", file.path));
    script.lines(&file.content);
    script.code("EOF");
}

/// How FreeBSD keeps times.
const TICKS: &str = "kept in whole ticks of 1000/kern.hz ms";

/// Returns what one of a native unit is in the unit of a quantity; nothing where they do not measure the same.
fn factor(unit: &str, amount: &Quantity) -> Option<i128> {
    match (amount, unit) {
        (Quantity::Duration(_), "ms") | (Quantity::Bytes(_), "bytes") => Some(1),
        (Quantity::Duration(_), "s") => Some(1000),
        (Quantity::Bytes(_), "KiB") => Some(1024),
        (Quantity::Bytes(_), "pages") => Some(4096),
        _ => None,
    }
}

/// Says what a setting is on a host as it ships.
fn shipped(finding: &Finding) -> String {
    match &finding.boot_effective {
        Effective::Unknown(_) => String::new(),
        shipped if shipped.to_string().is_empty() => "; empty as shipped".to_owned(),
        shipped => format!("; as shipped {shipped}"),
    }
}
