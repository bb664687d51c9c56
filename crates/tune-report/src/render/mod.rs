//! A plan for a freshly installed host, as native files and commands to read and to paste.

mod commands;
mod dialect;
mod document;
mod files;
mod properties;
pub(crate) mod script;

use tune_model::finding::ProfileRef;
use tune_model::plan::Refusal;
use tune_model::rendering::Assignment;
use tune_model::{Effective, Finding, Mutability, Quantity, Rendering, Subject, Verdict};

use crate::error::ErrorReport;
use crate::plan::refused;
use crate::{Report, json, words};
use dialect::Dialect;
use document::RenderDocument;
use script::Script;

/// A rendered plan.
#[derive(Debug, Clone, PartialEq)]
pub struct RenderReport {
    /// What was typed.
    pub command: String,
    /// The system's name on the command line, and in a sentence.
    pub target: (&'static str, &'static str),
    /// The profiles, each with what it is for.
    pub profiles: Vec<(ProfileRef, String)>,
    /// The memory in bytes, where it was stated.
    pub ram: Option<u64>,
    /// The plan, and what it comes to natively.
    pub rendering: Rendering,
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

    fn dialect(&self) -> &'static Dialect {
        Dialect::of(self.rendering.system)
    }

    fn ram(&self) -> Option<Quantity> {
        self.ram.map(Quantity::Bytes)
    }

    fn finding(&self, subject: &Subject) -> Option<&Finding> {
        self.rendering.plan.findings.iter().find(|finding| finding.subject == *subject)
    }

    fn serves<'a>(&'a self, line: &'a Assignment) -> impl Iterator<Item = &'a Finding> {
        line.serves.iter().filter_map(|subject| self.finding(subject))
    }
}

impl Report for RenderReport {
    fn human(&self, width: usize) -> String {
        let mut script = Script::new(width);
        self.head(&mut script);
        match self.keeper() {
            Some(keeper) => self.properties(&mut script, keeper),
            None => {
                self.before(&mut script);
                self.next_boot(&mut script);
                self.running(&mut script);
            }
        }
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

impl RenderReport {
    fn head(&self, script: &mut Script) {
        let title = self.target.1;
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

    fn nothing_to_do(&self, script: &mut Script) {
        let met: Vec<_> =
            self.rendering.plan.findings.iter().filter(|finding| self.is_met(finding)).collect();
        if met.is_empty() {
            return;
        }
        script.part("as shipped, and as wanted");
        for finding in met {
            let fixed = if finding.mutability == Some(Mutability::Fixed) { ", always" } else { "" };
            let amount = self.amount(finding);
            let fixed = if finding.boot == Verdict::Unknown { ", by release" } else { fixed };
            script.comment(&format!("{}: {amount}{fixed}; wanted: {}", finding.subject, finding.wanted));
        }
    }

    fn amount<'a>(&'a self, finding: &'a Finding) -> &'a Effective {
        let amount = self.rendering.amounts.get(&finding.subject);
        amount.map_or(&finding.boot_effective, |amount| &amount.effective)
    }

    /// Tells whether nothing has to be set: the default is known and satisfies, or those of all releases do.
    fn is_met(&self, finding: &Finding) -> bool {
        match finding.boot {
            Verdict::Met => true,
            Verdict::Unknown => finding.wanted.judge(self.amount(finding)) == Verdict::Met,
            _ => false,
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

/// Why it is required, and where that can be looked up.
fn reasons(script: &mut Script, finding: &Finding) {
    if let Some(why) = &finding.why {
        script.comment(why);
    }
    if let Some(reference) = &finding.reference {
        script.hanging("see: ", reference);
    }
}
