//! What was done, by whom, and how it stands.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::plan::{Change, Conflict};

/// How a transaction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransactionState {
    /// Begun and not ended: running, or interrupted by a crash.
    Open,
    /// Carried out.
    Applied,
    /// Carried out for now; undone unless confirmed.
    AwaitingConfirmation,
    /// Done or undone but for what only a reboot can do.
    AwaitingReboot,
    /// Taken back.
    RolledBack,
    /// Taken back but for what somebody else has changed since.
    PartlyRolledBack,
    /// Could not be carried out; what was done has been put back.
    Failed,
}

impl TransactionState {
    /// Returns the name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Applied => "applied",
            Self::AwaitingConfirmation => "awaiting-confirmation",
            Self::AwaitingReboot => "awaiting-reboot",
            Self::RolledBack => "rolled-back",
            Self::PartlyRolledBack => "partly-rolled-back",
            Self::Failed => "failed",
        }
    }
}

impl std::fmt::Display for TransactionState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// Who ran a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The real user id.
    pub uid: u32,
    /// The login name behind `sudo` or `doas`, or of the user id, where known.
    pub user: Option<String>,
    /// The process id.
    pub pid: u32,
}

/// What a transaction is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Action {
    /// Profiles were applied.
    Apply {
        /// Their names.
        profiles: Vec<String>,
    },
    /// Profiles were turned off.
    Off {
        /// Their names.
        profiles: Vec<String>,
    },
    /// A transaction was taken back.
    Rollback {
        /// Its number.
        of: u64,
    },
    /// Connections were dropped, which cannot be undone.
    Drop {
        /// Which.
        filter: String,
    },
}

impl Action {
    /// Tells whether nothing can take back what was done.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Drop { .. })
    }
}

impl std::fmt::Display for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Apply { profiles } => f.pad(&format!("apply {}", profiles.join(" "))),
            Self::Off { profiles } => f.pad(&format!("off {}", profiles.join(" "))),
            Self::Rollback { of } => f.pad(&format!("rollback {of}")),
            Self::Drop { filter } => f.pad(&format!("drop {filter}")),
        }
    }
}

/// A transaction as the history shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The number, counted from 1.
    pub id: u64,
    /// What it is for.
    #[serde(flatten)]
    pub action: Action,
    /// How it stands.
    pub state: TransactionState,
    /// When it began: RFC 3339, UTC.
    pub started: String,
    /// When it reached this state.
    pub changed: String,
    /// Who began it.
    pub actor: Actor,
    /// What was looked at: `host`, `netns:NAME`.
    pub scope: String,
    /// The values that it changed.
    pub changes: Vec<Change>,
    /// What somebody else had changed and was left alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<Conflict>,
    /// Why it failed, or what was found after a crash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The boot whose end completes it, while it awaits a reboot or a confirmation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_end_of: Option<String>,
    /// When it is undone unless confirmed, while it awaits that: RFC 3339, UTC, for people. The wall clock may be set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<String>,
    /// The same for programs: milliseconds since the machine was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_uptime_ms: Option<u64>,
}

impl Entry {
    /// Returns the entry as it stands in the present boot: what awaited the end of an earlier one is complete.
    #[must_use]
    pub fn in_boot(self, boot_id: &str) -> Self {
        use TransactionState::{AwaitingConfirmation, AwaitingReboot, RolledBack};
        let waits = matches!(self.state, AwaitingReboot | AwaitingConfirmation);
        let complete = waits && self.until_end_of.as_deref().is_some_and(|awaited| awaited != boot_id);
        match complete {
            true => {
                let (until_end_of, deadline, deadline_uptime_ms) = (None, None, None);
                Self { state: RolledBack, until_end_of, deadline, deadline_uptime_ms, ..self }
            }
            false => self,
        }
    }

    /// Tells whether it has not ended: it is running, was interrupted, or waits for a confirmation.
    #[must_use]
    pub const fn is_unfinished(&self) -> bool {
        matches!(self.state, TransactionState::Open | TransactionState::AwaitingConfirmation)
    }

    /// Returns how much of the time for a confirmation is left when the machine has been running for `uptime`: nothing
    /// once it is over, `None` where no confirmation is awaited.
    #[must_use]
    pub fn time_left(&self, uptime: Duration) -> Option<Duration> {
        let due = self.deadline_uptime_ms.filter(|_| self.state == TransactionState::AwaitingConfirmation)?;
        Some(Duration::from_millis(due).saturating_sub(uptime))
    }
}

/// What became of one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum StepResult {
    /// Done, and read back.
    Done,
    /// Not reached.
    NotReached,
    /// It failed; the host shows the value before.
    Failed {
        /// What went wrong.
        reason: String,
    },
    /// It was done and has been put back.
    Undone,
    /// It was done and could not be put back.
    Stuck {
        /// What went wrong.
        reason: String,
    },
}

/// What became of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// The transaction, or `None` when nothing had to be done.
    pub transaction: Option<u64>,
    /// How it stands.
    pub state: TransactionState,
    /// One result for each step, in the plan's order.
    pub steps: Vec<StepResult>,
    /// Why it was broken off.
    pub failure: Option<String>,
}
