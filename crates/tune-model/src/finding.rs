//! A requirement held against a host.

use serde::Serialize;

use crate::catalog::{Mutability, TakesHold};
use crate::effective::Effective;
use crate::limits::{Limits, Verdict};
use crate::profile::{Severity, Source, Subject};
use crate::system::Place;

/// How a requirement stands, live and at the next boot taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Status {
    /// It holds, now and after the next boot.
    Met,
    /// It holds now and will not after the next boot.
    WillDrift,
    /// It will hold after the next boot only.
    PendingReboot,
    /// It does not hold.
    Drifted,
    /// It cannot be told.
    Unreadable,
    /// The system has nothing of the kind.
    Unsupported,
    /// It belongs to a wider scope than the one looked at.
    OutOfScope,
}

impl Status {
    /// Returns the status for a pair of verdicts.
    #[must_use]
    pub fn of(live: Verdict, boot: Verdict, mutability: Mutability) -> Self {
        use Verdict::{Met, NotApplicable, NotMet, Unknown};
        match (live, boot) {
            // Nothing was looked at, so nothing is known to hold.
            (NotApplicable, NotApplicable) => Self::Unreadable,
            (Met | NotApplicable, Met | NotApplicable) => Self::Met,
            (Met, NotMet) => Self::WillDrift,
            (NotMet, Met) if mutability != Mutability::Live => Self::PendingReboot,
            (NotMet, _) | (_, NotMet) => Self::Drifted,
            (Unknown, _) | (_, Unknown) => Self::Unreadable,
        }
    }

    /// Returns the name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::WillDrift => "will-drift",
            Self::PendingReboot => "pending-reboot",
            Self::Drifted => "drifted",
            Self::Unreadable => "unreadable",
            Self::Unsupported => "unsupported",
            Self::OutOfScope => "out-of-scope",
        }
    }

    /// Tells whether the host differs from what is wanted.
    #[must_use]
    pub const fn differs(self) -> bool {
        matches!(self, Self::WillDrift | Self::PendingReboot | Self::Drifted | Self::Unsupported)
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// A tunable behind a finding, as the system shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TunableState {
    /// The tunable's name.
    pub name: String,
    /// Its text in the running kernel.
    pub live: Option<String>,
    /// Its text after the next boot.
    pub boot: Option<String>,
    /// The line that decides the latter; `None` for the kernel's default.
    pub boot_source: Option<Place>,
    /// The kernel's default, where known.
    pub default: Option<String>,
    /// Why one of the texts is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A requirement held against a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What the requirement is about.
    #[serde(rename = "setting")]
    pub subject: Subject,
    /// How it stands.
    pub status: Status,
    /// Whether it holds in the running kernel.
    pub live: Verdict,
    /// Whether it will hold after the next boot.
    pub boot: Verdict,
    /// How much it matters.
    pub severity: Severity,
    /// Forgives a system that has nothing of the kind.
    pub optional: bool,
    /// What is required.
    pub wanted: Limits,
    /// What it amounts to in the running kernel.
    pub effective: Effective,
    /// What it will amount to after the next boot.
    pub boot_effective: Effective,
    /// The tunables behind it.
    pub tunables: Vec<TunableState>,
    /// When it can be changed; `None` where there is nothing to change.
    pub mutability: Option<Mutability>,
    /// Whom a change reaches.
    pub takes_hold: Option<TakesHold>,
    /// Why the profile requires it.
    pub why: Option<String>,
    /// Where the reason can be looked up.
    pub reference: Option<String>,
    /// The profiles that require it.
    pub profiles: Vec<String>,
    /// What an administrator should know besides.
    pub notes: Vec<String>,
}

/// A profile as a result names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProfileRef {
    /// The name.
    pub name: String,
    /// Where it comes from.
    pub source: Source,
    /// The digest of all text that went into it.
    pub digest: String,
    /// It hides a built-in profile of the same name.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub shadows_built_in: bool,
}

/// The host that a result is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostRef {
    /// The system.
    pub system: String,
    /// Its release; `null` for an image.
    pub release: Option<String>,
    /// What was looked at: `host`, `netns:NAME`, `root:DIR`.
    pub scope: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_verdicts_has_its_status() {
        use Verdict::{Met, NotApplicable, NotMet, Unknown};
        for (live, boot, mutability, expected) in [
            (Met, Met, Mutability::Live, Status::Met),
            (Met, NotApplicable, Mutability::Live, Status::Met),
            (NotApplicable, Met, Mutability::Live, Status::Met),
            (Met, NotMet, Mutability::Live, Status::WillDrift),
            (NotMet, Met, Mutability::Live, Status::Drifted),
            (NotMet, Met, Mutability::RaiseOnly, Status::PendingReboot),
            (NotMet, Met, Mutability::Boot, Status::PendingReboot),
            (NotMet, NotMet, Mutability::Boot, Status::Drifted),
            (NotMet, Unknown, Mutability::Live, Status::Drifted),
            (Unknown, NotMet, Mutability::Live, Status::Drifted),
            (NotApplicable, NotApplicable, Mutability::Live, Status::Unreadable),
            (Unknown, Met, Mutability::Live, Status::Unreadable),
            (Met, Unknown, Mutability::Live, Status::Unreadable),
            (NotApplicable, NotMet, Mutability::Live, Status::Drifted),
            (NotMet, NotApplicable, Mutability::Live, Status::Drifted),
        ] {
            assert_eq!(Status::of(live, boot, mutability), expected, "{live:?}/{boot:?} {mutability:?}");
        }
    }
}
