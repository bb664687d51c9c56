//! A plan for a freshly installed host, tunable by tunable, as it is written down for people to carry out.

use std::collections::BTreeMap;

use crate::catalog::TakesHold;
use crate::effective::Effective;
use crate::native::Property;
use crate::plan::Plan;
use crate::profile::Subject;
use crate::system::System;
use crate::tunable::Slot;

/// A tunable that is to have another value than its default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The tunable.
    pub tunable: String,
    /// The property behind it, where the system's own program keeps it.
    pub property: Option<Property>,
    /// Its text, fields separated by single spaces.
    pub value: String,
    /// Its text as the system ships it, where that is known.
    pub default: Option<String>,
    /// What it is set for.
    pub serves: Vec<Subject>,
    /// Whom it reaches, where that is known.
    pub takes_hold: Option<TakesHold>,
    /// Why it cannot be set back before a reboot, if it cannot.
    pub irreversible: Option<String>,
    /// Why the running kernel does not take it, if it does not: it comes with the next boot.
    pub at_boot_only: Option<String>,
}

/// A bound on what the kernel decides by itself: whether anything has to be set is seen on the host only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proviso {
    /// What is bounded.
    pub serves: Vec<Subject>,
    /// Where it is to be looked at.
    pub slot: Slot,
    /// The least number that satisfies.
    pub at_least: Option<String>,
    /// The largest number that satisfies.
    pub at_most: Option<String>,
    /// Why it cannot be set back before a reboot once it is raised, if it cannot.
    pub irreversible: Option<String>,
    /// Why the running kernel cannot raise it, if it cannot.
    pub at_boot_only: Option<String>,
}

/// What a setting amounts to once everything is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amount {
    /// The value.
    pub effective: Effective,
    /// What to beware of, a sentence each.
    pub cautions: Vec<String>,
}

/// A plan for a freshly installed host, and what it comes to natively.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendering {
    /// The system.
    pub system: System,
    /// The plan: findings, boot files, refusals, warnings.
    pub plan: Plan,
    /// What is set, in the order in which a running system takes it.
    pub assignments: Vec<Assignment>,
    /// What the kernel may have chosen well by itself.
    pub provisos: Vec<Proviso>,
    /// What each setting amounts to once this is done.
    pub amounts: BTreeMap<Subject, Amount>,
}
