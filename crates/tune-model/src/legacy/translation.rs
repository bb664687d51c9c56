//! What profiles come to on a system without a backend.

use super::{Named, Release, Row, Tool};
use crate::effective::Effective;
use crate::limits::Limits;
use crate::setting::Setting;

/// A number that is to be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// What is known of it.
    pub row: &'static Row,
    /// What sets it.
    pub tool: &'static Tool,
    /// The number, in the system's own unit.
    pub value: i128,
    /// What it amounts to.
    pub amounts_to: Effective,
    /// What it is set for.
    pub serves: Vec<Setting>,
    /// The numbers with which the present one is left alone; where there is none, only the very same.
    pub leave: Option<(Option<i128>, Option<i128>)>,
    /// Name, unit and tool are confirmed.
    pub verified: bool,
}

/// A setting that comes to something without a number of its own: it follows from others, or is as the system ships it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amount {
    /// The setting.
    pub setting: Setting,
    /// What is required of it.
    pub wanted: Limits,
    /// What it comes to.
    pub effective: Effective,
    /// How it comes to that.
    pub by: String,
}

/// A setting that nothing is written for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The setting.
    pub setting: Setting,
    /// Why.
    pub reason: String,
    /// What bounds the same thing.
    pub stands_in: String,
    /// Unverified commands were to be had.
    pub unverified: bool,
}

/// What profiles come to on one release of a system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translation {
    /// The system.
    pub named: Named<'static>,
    /// The release that is written for.
    pub release: &'static Release,
    /// What is required of each setting, and why.
    pub wanted: Vec<Reason>,
    /// What is set, in the order of the settings.
    pub assignments: Vec<Assignment>,
    /// What follows from that.
    pub reached: Vec<Amount>,
    /// What needs nothing.
    pub shipped: Vec<Amount>,
    /// What nothing is written for.
    pub left_out: Vec<LeftOut>,
    /// What to beware of.
    pub warnings: Vec<String>,
}

/// What is required of a setting, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The setting.
    pub setting: Setting,
    /// What is required.
    pub wanted: Limits,
    /// The reason, in a sentence or two.
    pub why: Option<String>,
}
