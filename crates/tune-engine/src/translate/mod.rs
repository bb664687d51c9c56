//! Translating profiles for systems without a backend: portable requirements to native numbers, as far as what is known
//! of a system is confirmed.

mod joint;
mod single;
#[cfg(test)]
mod tests;
mod wishes;

use std::collections::BTreeSet;

use tune_model::legacy::{LeftOut, Mark, Named, Part, Product, Reason, Release, Row, Tool, Translation, Way};
use tune_model::plan::{Refusal, RefusalKind};
use tune_model::{Effective, LegacySystem, Profile, Setting, Subject};

use crate::Options;
use wishes::{Wish, wishes};

/// What is asked for besides profiles.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Which settings; nothing else of it counts here.
    pub options: &'a Options,
    /// The memory of the machine in bytes, where it was stated.
    pub ram: Option<u64>,
    /// Make commands of what is not confirmed, too.
    pub unverified: bool,
}

/// Returns what profiles come to on a system without a backend: on the release that was named, or the newest.
///
/// # Errors
///
/// Why nothing may be written: a value that the system cannot keep, requirements that exclude each other there, or
/// nothing confirmed that could be written at all.
pub fn translate(
    named: Named<'static>,
    profiles: &[Profile],
    asked: &Asked<'_>,
) -> Result<Translation, Vec<Refusal>> {
    let wishes = wishes(profiles, asked.options)?;
    let on = On { system: named.system, release: named.one(), asked: *asked };
    let mut draft = Draft::new(named, on.release);
    draft.out.wanted = wishes.iter().filter_map(|wish| reason(wish, asked.ram)).collect();
    let together = on.coupled(&wishes);
    let (joint, single): (Vec<_>, Vec<_>) =
        wishes.iter().partition(|wish| together.contains(&wish.setting) && !wish.is_default());
    single.into_iter().for_each(|wish| on.single(wish, &mut draft));
    if !joint.is_empty() {
        on.joint(&joint, &mut draft);
    }
    on.warn(&mut draft);
    draft.finish()
}

fn reason(wish: &Wish, ram: Option<u64>) -> Option<Reason> {
    Some(Reason { setting: wish.setting, wanted: wish.limits(ram).ok()??, why: wish.why.clone() })
}

/// A translation in the making.
struct Draft {
    out: Translation,
    refusals: Vec<Refusal>,
}

impl Draft {
    fn new(named: Named<'static>, release: &'static Release) -> Self {
        let out = Translation {
            named,
            release,
            wanted: Vec::new(),
            assignments: Vec::new(),
            reached: Vec::new(),
            shipped: Vec::new(),
            left_out: Vec::new(),
            warnings: Vec::new(),
        };
        Self { out, refusals: Vec::new() }
    }

    fn refuse(&mut self, kind: RefusalKind, setting: Setting, message: String, hints: &[&str]) {
        let hints = hints.iter().map(|hint| (*hint).to_owned()).collect();
        self.refusals.push(Refusal { kind, subject: Some(Subject::Setting(setting)), message, hints });
    }

    fn leave_out(&mut self, setting: Setting, why: Why) {
        let stands_in = why.stands_in.unwrap_or_else(|| setting.stands_in().to_owned());
        self.out.left_out.push(LeftOut {
            setting,
            reason: why.reason,
            stands_in,
            unverified: why.unverified,
        });
    }

    fn finish(mut self) -> Result<Translation, Vec<Refusal>> {
        self.out.assignments.sort_by_key(|set| set.row.setting);
        self.out.left_out.sort_by_key(|left| left.setting);
        if !self.refusals.is_empty() {
            return Err(self.refusals);
        }
        let nothing = self.out.assignments.is_empty() && self.out.shipped.is_empty();
        if nothing && !self.out.left_out.is_empty() {
            return Err(self.nothing_at_all());
        }
        Ok(self.out)
    }

    /// Says why nothing can be written; what nothing is known of in one sentence.
    fn nothing_at_all(&self) -> Vec<Refusal> {
        let (unknown, known): (Vec<_>, Vec<_>) = self
            .out
            .left_out
            .iter()
            .partition(|left| self.out.named.system.row(self.out.release, left.setting).is_none());
        let names: Vec<_> = unknown.iter().map(|left| left.setting.name()).collect();
        let unknown = (!names.is_empty()).then(|| Refusal {
            kind: RefusalKind::Unsupported,
            subject: None,
            message: format!("nothing is known of {}", names.join(", ")),
            hints: Vec::new(),
        });
        known.into_iter().map(nothing_of).chain(unknown).collect()
    }
}

/// Why nothing can be written for a setting where nothing at all can be written.
fn nothing_of(left: &LeftOut) -> Refusal {
    let hint = "--unverified shows commands that rest on general knowledge, marked as such";
    Refusal {
        kind: RefusalKind::Unsupported,
        subject: Some(Subject::Setting(left.setting)),
        message: left.reason.clone(),
        hints: left.unverified.then(|| hint.to_owned()).into_iter().collect(),
    }
}

/// Why a setting is left out, and what stands in for it.
struct Why {
    reason: String,
    stands_in: Option<String>,
    unverified: bool,
}

/// One release of a system, and what is asked for.
#[derive(Clone, Copy)]
struct On<'a> {
    system: &'static LegacySystem,
    release: &'static Release,
    asked: Asked<'a>,
}

/// What sets a number, and whether all of that is confirmed.
struct Means {
    tool: &'static Tool,
    verified: bool,
}

impl On<'_> {
    fn row(&self, setting: Setting) -> Option<&'static Row> {
        self.system.row(self.release, setting)
    }

    /// Returns the rule by which a setting follows from keepalive, if it does.
    fn product(&self, setting: Setting) -> Option<Product> {
        let row = self.row(setting)?;
        row.product.filter(|_| row.way == Way::Derived)
    }

    /// Returns the settings that have to be solved together: those that follow from keepalive and are wished for, and
    /// what they follow from.
    fn coupled(&self, wishes: &[Wish]) -> BTreeSet<Setting> {
        let derived = |setting: &Setting| self.product(*setting).is_some();
        let wished: Vec<_> = wishes
            .iter()
            .filter(|wish| !wish.is_default())
            .map(|wish| wish.setting)
            .filter(derived)
            .collect();
        let parts = [Setting::KeepaliveInterval, Setting::KeepaliveProbes];
        if wished.is_empty() { BTreeSet::new() } else { wished.into_iter().chain(parts).collect() }
    }

    /// Returns what sets a row's number, or why nothing may.
    fn means(&self, row: &'static Row) -> Result<Means, Why> {
        let bounded = || row.bounded_by.clone();
        let unverified = self.asked.unverified;
        let tool = self.system.tool(self.release, row);
        let (Way::Tunable, Some(tool), Some(name)) = (row.way, tool, row.tunable.as_deref()) else {
            return Err(Why { reason: self.no_knob(row), stands_in: bounded(), unverified: false });
        };
        match doubt(row, tool) {
            Some(doubt) if !unverified => Err(Why {
                reason: format!("not confirmed, so no command is made of {name}: {doubt}"),
                stands_in: bounded(),
                unverified: true,
            }),
            doubt => Ok(Means { tool, verified: doubt.is_none() }),
        }
    }

    fn no_knob(&self, row: &Row) -> String {
        let title = &self.release.title;
        let sure = row.mark_of(Part::Bound).is_confirmed();
        let doubt = if sure { String::new() } else { format!(" ({})", Mark::GeneralKnowledge.words()) };
        let bound = row.bounded_by.as_deref().unwrap_or("nothing is known").to_owned() + &doubt;
        match (&row.withheld, row.way) {
            (Some(withheld), _) => format!("no script can be made of it: {withheld}"),
            (None, Way::None) => format!("{title} has no knob for it; it is bounded by {bound}"),
            (None, Way::Patch) => format!("{title} needs {bound}"),
            (None, Way::Fixed) => format!("{title} has it fixed: {bound}"),
            (None, _) => format!("no source tells what sets it on {title}: {bound}"),
        }
    }

    /// Says what follows from what is set, and was not asked for.
    fn warn(&self, draft: &mut Draft) {
        let Some(row) = self.row(Setting::FinWait2Timeout) else { return };
        let parts = [Setting::KeepaliveInterval, Setting::KeepaliveProbes];
        let touched = draft.out.assignments.iter().any(|set| parts.contains(&set.row.setting));
        if let Some(product) = row.product.filter(|_| touched) {
            let bound = row.bounded_by.as_deref().unwrap_or_default();
            let pair = self.pair_of(&draft.out.assignments, product);
            draft.out.warnings.push(format!(
                "On {} the wait in FIN_WAIT_2 and keepalive are one thing: {bound}. With these numbers a closed \
                 connection waits {}, and keepalive gives up a peer that has fallen silent after {}.",
                self.system.title,
                pair.effective(product),
                pair.effective(Product { again: false, ..product })
            ));
        }
    }
}

/// Returns what of a row or of its tool is not confirmed.
fn doubt(row: &Row, tool: &Tool) -> Option<String> {
    match () {
        () if !row.is_confirmed() => Some(format!("its name and unit are {}", row.mark.words())),
        () if row.withheld.is_some() => row.withheld.clone(),
        () if !tool.mark.is_confirmed() => {
            Some(format!("how {} is used is {}", tool.name, tool.mark.words()))
        }
        () => None,
    }
}

/// Returns a value as an effective one.
fn exactly(amount: Option<tune_model::Quantity>) -> Effective {
    amount.map_or_else(|| Effective::Unknown("in another unit".to_owned()), Effective::Exact)
}
