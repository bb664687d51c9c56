//! A plan for a freshly installed host, as native files and commands to read and to paste.

use std::collections::BTreeSet;

use tune_model::finding::ProfileRef;
use tune_model::plan::{FileImage, Refusal};
use tune_model::rendering::{Assignment, Proviso};
use tune_model::{Effect, Finding, Mutability, Quantity, Rendering, Subject, Verdict};

use crate::dialect::{Dialect, set_by};
use crate::error::ErrorReport;
use crate::plan::refused;
use crate::plan_document::text;
use crate::render_document::RenderDocument;
use crate::script::Script;
use crate::{Report, json, words};

/// Columns of what is written into files, wherever it is shown.
const FILE_WIDTH: usize = 80;

/// A rendered plan.
#[derive(Debug, Clone, PartialEq)]
pub struct RenderReport {
    /// What was typed.
    pub command: String,
    /// The profiles, each with what it is for.
    pub profiles: Vec<(ProfileRef, String)>,
    /// The memory in bytes, where it was stated.
    pub ram: Option<u64>,
    /// The plan, and what it comes to natively.
    pub rendering: Rendering,
}

/// A file to be written, or to be added to.
#[derive(Debug)]
pub(crate) struct NativeFile {
    pub path: String,
    pub shared: bool,
    pub note: &'static str,
    pub content: String,
}

impl RenderReport {
    /// The name of the document's schema.
    pub const SCHEMA: &str = "tune.render/1";

    /// Returns the error of a plan that must not be carried out; `None` where nothing speaks against it.
    #[must_use]
    pub fn refusal(&self) -> Option<ErrorReport> {
        let refusals: &[Refusal] = &self.rendering.plan.refusals;
        refused(refusals, "refused; there is nothing to be shown")
    }

    pub(crate) fn dialect(&self) -> &'static Dialect {
        Dialect::of(self.rendering.system)
    }

    pub(crate) fn ram(&self) -> Option<Quantity> {
        self.ram.map(Quantity::Bytes)
    }

    pub(crate) fn finding(&self, subject: &Subject) -> Option<&Finding> {
        self.rendering.plan.findings.iter().find(|finding| finding.subject == *subject)
    }

    pub(crate) fn serves<'a>(&'a self, line: &'a Assignment) -> impl Iterator<Item = &'a Finding> {
        line.serves.iter().filter_map(|subject| self.finding(subject))
    }

    /// Returns the files, with comments that say what each line is for.
    pub(crate) fn files(&self) -> Vec<NativeFile> {
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
        for line in text(after).lines() {
            let set = set_by(line).and_then(|tunable| {
                self.rendering.assignments.iter().find(|assignment| assignment.tunable == tunable)
            });
            if let Some(assignment) = set {
                script.blank();
                self.explain(&mut script, assignment);
                script.code(line);
            }
        }
        NativeFile {
            shared: known.is_some_and(|file| file.shared),
            note: known.map_or("", |file| file.note),
            content: script.finish(),
            path,
        }
    }

    /// Says what a line serves, why, and what its number means.
    fn explain(&self, script: &mut Script, line: &Assignment) {
        for finding in self.serves(line) {
            let shipped = match &finding.boot_effective {
                tune_model::Effective::Unknown(_) => String::new(),
                shipped => format!("; as shipped {shipped}"),
            };
            script.comment(&format!("{}: {}{shipped}", finding.subject, finding.wanted));
            reasons(script, finding);
            if let Some(meaning) = self.conversion(line, finding) {
                script.comment(&meaning);
            }
            let amount = self.rendering.amounts.get(&finding.subject);
            amount.iter().flat_map(|amount| &amount.cautions).for_each(|caution| script.comment(caution));
        }
    }

    /// Says what a native number amounts to, where that is another number: `900 s = 15min`.
    fn conversion(&self, line: &Assignment, finding: &Finding) -> Option<String> {
        let row = self.dialect().row(&line.tunable)?;
        let amount = self.rendering.amounts.get(&finding.subject)?.effective.exact()?.to_string();
        let ticks = if row.ticks { ", kept in whole ticks of 1000/kern.hz ms" } else { "" };
        let native = matches!(finding.subject, Subject::Tunable(_));
        let several = line.value.contains(' ');
        let same = amount == line.value || amount == format!("{}{}", line.value, row.unit);
        match (native || several || same, ticks) {
            (true, "") => None,
            (true, ticks) => Some(format!("{} {}{ticks}", line.value, row.unit)),
            (false, ticks) => Some(format!("{} {} = {amount}{ticks}", line.value, row.unit)),
        }
    }
}

/// Why it is required, and where that can be looked up.
fn reasons(script: &mut Script, finding: &Finding) {
    if let Some(why) = &finding.why {
        script.comment(why);
    }
    if let Some(reference) = &finding.reference {
        script.hanging("see: ", reference);
    }
}

impl Report for RenderReport {
    fn human(&self, width: usize) -> String {
        let mut script = Script::new(width);
        self.head(&mut script);
        self.before(&mut script);
        for file in self.files() {
            write_file(&mut script, &file);
        }
        self.running(&mut script);
        self.left_to_the_kernel(&mut script);
        self.nothing_to_do(&mut script);
        self.not_here(&mut script);
        self.warnings(&mut script);
        script.finish()
    }

    fn json(&self) -> String {
        json::document(Self::SCHEMA, &RenderDocument::of(self))
    }
}

fn write_file(script: &mut Script, file: &NativeFile) {
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

impl RenderReport {
    fn head(&self, script: &mut Script) {
        let title = self.dialect().title;
        let memory = self.ram().map(|ram| format!(" with {ram} of memory")).unwrap_or_default();
        script.comment(&self.command);
        script.comment("");
        script.comment(&format!("What a freshly installed {title} host{memory} needs for:"));
        for (profile, summary) in &self.profiles {
            script.hanging("  ", &format!("{}: {summary}", words::profile(profile)));
        }
        script.comment(
            "No host was read: look at what is there before you paste. Each part can be used without the others. \
             The commands are for sh, as root.",
        );
        script.comment(
            "Where tune itself is used, do not paste: tune apply does the same from the values that it finds, and can \
             undo it.",
        );
    }

    /// Commands that only look: what the values are, and who else sets them.
    fn before(&self, script: &mut Script) {
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
        listed(script, "sysctl", &names);
        script.comment("Other lines that set them at boot; the last one read wins.");
        let patterns: Vec<_> = names.iter().map(|name| format!("-e {name}")).collect();
        let patterns: Vec<_> = patterns.iter().map(String::as_str).collect();
        let places = self.dialect().elsewhere;
        listed(script, "grep -rns", &[&patterns[..], places].concat());
    }

    fn running(&self, script: &mut Script) {
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
        let dialect = self.dialect();
        let row = dialect.row(&line.tunable);
        if let Some(row) = row {
            script.hanging("reaches: ", row.takes_hold.words());
        }
        if let Some(module) = row.and_then(|row| row.module.as_deref()) {
            script.comment(&format!("It is there only while the kernel module {module} is loaded."));
        }
        if let Some(reason) = &line.at_boot_only {
            script.comment(&format!("There is no command: {reason}. It comes with the next boot."));
            return;
        }
        match (&line.irreversible, &line.default) {
            (Some(reason), _) => script.comment(&cannot_be_undone(reason)),
            (None, Some(default)) => script.hanging("to undo: ", &dialect.command(&line.tunable, default)),
            (None, None) => {}
        }
        script.code(&dialect.command(&line.tunable, &line.value));
    }

    fn left_to_the_kernel(&self, script: &mut Script) {
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
        for proviso in provisos {
            script.blank();
            self.proviso(script, proviso);
        }
    }

    fn proviso(&self, script: &mut Script, proviso: &Proviso) {
        let Proviso { subject, slot, at_least, at_most, .. } = proviso;
        let dialect = self.dialect();
        if let Some(finding) = self.finding(subject) {
            script.comment(&format!("{subject}: {}", finding.wanted));
            reasons(script, finding);
        }
        let row = dialect.row(&slot.tunable);
        if let Some(default) = row.and_then(|row| row.default_text.as_deref()) {
            script.hanging("as shipped: ", default);
        }
        self.numbers(script, proviso);
        if at_most.is_some() {
            script.comment("Where it is above that, lower it by hand, with an eye on what is in use.");
        }
        let Some(least) = at_least else { return };
        if let Some(reason) = &proviso.at_boot_only {
            script.comment(&format!("It comes with the next boot: {reason}."));
        } else if let Some(reason) = &proviso.irreversible {
            script.comment(&cannot_be_undone(reason));
        }
        dialect.raise(slot, least, proviso.at_boot_only.is_none()).iter().for_each(|line| script.code(line));
    }

    /// Says what the bounds are as the system counts.
    fn numbers(&self, script: &mut Script, proviso: &Proviso) {
        let Proviso { subject, slot, at_least, at_most, .. } = proviso;
        let row = self.dialect().row(&slot.tunable);
        let field = slot.field.and_then(|field| row?.fields.get(field));
        let field = field.map(|field| format!(", the field {field},")).unwrap_or_default();
        let unit = row.map_or("", |row| row.unit.as_str());
        let wanted = self.finding(subject).map(|finding| &finding.wanted);
        let told = |native: &String, bound: Option<&Quantity>| match bound.map(ToString::to_string) {
            Some(bound) if bound != *native && bound != format!("{native}{unit}") => {
                format!("{native} {unit} = {bound}")
            }
            _ => native.clone(),
        };
        let low =
            at_least.as_ref().map(|native| told(native, wanted.and_then(|wanted| wanted.at_least.as_ref())));
        let high =
            at_most.as_ref().map(|native| told(native, wanted.and_then(|wanted| wanted.at_most.as_ref())));
        let bounds = match (low, high) {
            (Some(low), Some(high)) => format!("at least {low} and at most {high}"),
            (Some(low), None) => format!("at least {low}"),
            (None, Some(high)) => format!("at most {high}"),
            (None, None) => return,
        };
        // For a number that is the bound as it stands, that was said.
        if slot.field.is_some() || bounds.contains('=') {
            script.comment(&format!("{}{field} has to be {bounds}.", slot.tunable));
        }
    }

    fn nothing_to_do(&self, script: &mut Script) {
        let met: Vec<_> =
            self.rendering.plan.findings.iter().filter(|found| found.boot == Verdict::Met).collect();
        if met.is_empty() {
            return;
        }
        script.part("as shipped, and as wanted");
        for finding in met {
            let amount = self.rendering.amounts.get(&finding.subject);
            let amount = amount.map_or(&finding.boot_effective, |amount| &amount.effective);
            let fixed = if finding.mutability == Some(Mutability::Fixed) { ", always" } else { "" };
            script.comment(&format!("{}: {amount}{fixed}; wanted: {}", finding.subject, finding.wanted));
        }
    }

    fn not_here(&self, script: &mut Script) {
        let absent = |found: &&Finding| found.boot == Verdict::NotApplicable;
        let absent: Vec<_> = self.rendering.plan.findings.iter().filter(absent).collect();
        if absent.is_empty() {
            return;
        }
        script.part("left out");
        for finding in absent {
            let note = finding.notes.last().map_or("there is nothing of the kind", String::as_str);
            script.comment(&format!("{}: {note}", finding.subject));
        }
    }

    fn warnings(&self, script: &mut Script) {
        let warnings = &self.rendering.plan.warnings;
        if warnings.is_empty() {
            return;
        }
        script.part("beware");
        warnings.iter().for_each(|warning| script.comment(warning));
    }
}

fn cannot_be_undone(reason: &str) -> String {
    format!("Cannot be undone before a reboot: {reason}.")
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
