//! The JSON form of a script.

use serde::Serialize;
use tune_model::finding::ProfileRef;
use tune_model::legacy::{Assignment, Tool, Unit};
use tune_model::{Effective, Limits, Quantity, Setting};

use super::script::ScriptReport;
use super::{Kept, evidence, kept};

/// A script as its document shows it.
#[derive(Debug, Serialize)]
pub(super) struct ScriptDocument<'a> {
    system: &'a str,
    release: &'a str,
    ram: Option<Quantity>,
    profiles: Vec<&'a ProfileRef>,
    verified: bool,
    assignments: Vec<AssignmentDocument<'a>>,
    reached: Vec<AmountDocument<'a>>,
    shipped: Vec<AmountDocument<'a>>,
    left_out: Vec<LeftOutDocument<'a>>,
    warnings: Vec<&'a String>,
    script: String,
}

#[derive(Debug, Serialize)]
struct AssignmentDocument<'a> {
    id: &'a str,
    tunable: &'a str,
    tool: &'a str,
    value: String,
    unit: &'static str,
    amounts_to: &'a Effective,
    /// With numbers from the one to the other a host is left alone.
    leave: Option<Leave>,
    command: String,
    command_both: Option<String>,
    boot: Option<Kept>,
    serves: &'a [Setting],
    evidence: &'static str,
    verified: bool,
    by_hand: bool,
    cautions: &'a [String],
}

#[derive(Debug, Serialize)]
struct Leave {
    min: Option<i128>,
    max: Option<i128>,
}

#[derive(Debug, Serialize)]
struct AmountDocument<'a> {
    setting: Setting,
    wanted: &'a Limits,
    amounts_to: &'a Effective,
    by: &'a str,
}

#[derive(Debug, Serialize)]
struct LeftOutDocument<'a> {
    setting: Setting,
    reason: &'a str,
    stands_in: &'a str,
    unverified: bool,
}

impl<'a> ScriptDocument<'a> {
    pub(super) fn of(report: &'a ScriptReport) -> Self {
        let translation = &report.translation;
        let amount = |amount: &'a tune_model::legacy::Amount| AmountDocument {
            setting: amount.setting,
            wanted: &amount.wanted,
            amounts_to: &amount.effective,
            by: &amount.by,
        };
        let left_out = translation.left_out.iter().map(|left| LeftOutDocument {
            setting: left.setting,
            reason: &left.reason,
            stands_in: &left.stands_in,
            unverified: left.unverified,
        });
        Self {
            system: &translation.named.system.name,
            release: &translation.release.title,
            ram: report.ram(),
            profiles: report.profiles.iter().map(|(profile, _)| profile).collect(),
            verified: translation.assignments.iter().all(|set| set.verified),
            assignments: translation.assignments.iter().map(assignment).collect(),
            reached: translation.reached.iter().map(amount).collect(),
            shipped: translation.shipped.iter().map(amount).collect(),
            left_out: left_out.collect(),
            warnings: translation.warnings.iter().chain(&translation.named.system.notes).collect(),
            script: report.script(),
        }
    }
}

fn assignment(set: &Assignment) -> AssignmentDocument<'_> {
    let name = set.row.tunable.as_deref().unwrap_or_default();
    let value = set.value.to_string();
    AssignmentDocument {
        id: &set.row.id,
        tunable: name,
        tool: &set.tool.name,
        unit: set.row.unit.map(Unit::words).unwrap_or_default(),
        amounts_to: &set.amounts_to,
        leave: set.leave.map(|(min, max)| Leave { min, max }),
        command: Tool::filled(&set.tool.set, name, &value),
        command_both: set.tool.set_both.as_ref().map(|both| Tool::filled(both, name, &value)),
        boot: set.tool.boot.as_ref().map(|boot| kept(boot, set.row, &value)),
        serves: &set.serves,
        evidence: evidence(set.row.mark),
        verified: set.verified,
        by_hand: set.tool.comment_only,
        cautions: &set.row.cautions,
        value,
    }
}
