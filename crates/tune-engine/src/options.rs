//! What the caller allows and wants of a plan.

use std::collections::BTreeSet;

use tune_model::claim::Claims;
use tune_model::{Layer, Subject};

/// What the caller allows and wants.
#[derive(Debug, Clone, Default)]
#[allow(clippy::struct_excessive_bools)] // one for each switch of the command
pub struct Options {
    /// Leave the boot files alone.
    pub runtime_only: bool,
    /// Leave the running kernel alone.
    pub boot_only: bool,
    /// Comment out lines of other files that would win at the next boot.
    pub take_over: bool,
    /// Go on although another line wins at the next boot.
    pub accept_override: bool,
    /// Replace what somebody else has changed since.
    pub overwrite_foreign: bool,
    /// Change nothing at all when somebody else has changed something.
    pub all_or_nothing: bool,
    /// Each setting was asked for by name: what cannot be changed here is refused, not left out.
    pub by_name: bool,
    /// Leave out what the system has nothing of.
    pub skip_unsupported: bool,
    /// Accept what cannot be undone before a reboot.
    pub accept_irreversible: bool,
    /// Subjects for which dangerous values are accepted.
    pub allow_unsafe: BTreeSet<Subject>,
    /// Only these subjects; all where it is empty.
    pub only: BTreeSet<Subject>,
    /// Not these subjects.
    pub except: BTreeSet<Subject>,
    /// The plan is for people to carry out: nothing keeps it from being written down.
    pub rendering: bool,
    /// Profiles whose claims give way.
    pub replace: BTreeSet<String>,
}

impl Options {
    /// Tells whether a subject is among those to be looked at.
    #[must_use]
    pub fn selects(&self, subject: &Subject) -> bool {
        (self.only.is_empty() || self.only.contains(subject)) && !self.except.contains(subject)
    }

    /// Tells whether a layer is to be changed.
    #[must_use]
    pub const fn changes(&self, layer: Layer) -> bool {
        match layer {
            Layer::Runtime => !self.boot_only,
            Layer::Boot => !self.runtime_only,
        }
    }
}

/// What `tune` holds so far, and the place of the next transaction.
#[derive(Debug, Clone, Copy)]
pub struct Held<'a> {
    /// All claims.
    pub claims: &'a Claims,
    /// The number that the transaction will have.
    pub transaction: u64,
    /// The present boot.
    pub boot_id: &'a str,
}
