//! Where a transaction waits for a confirmation, and how it stands without an end.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tune_model::transaction::{Entry, TransactionState};

use crate::clock::Deadline;
use crate::journal::{Header, Story};

/// Where a transaction waits for a confirmation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pause {
    #[serde(flatten)]
    pub(crate) deadline: Deadline,
    pub(crate) changed: String,
}

/// How a transaction without an end stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is running, or was interrupted.
    Interrupted,
    /// It can still be confirmed, for this long.
    Waits(Duration),
    /// It was not confirmed in time.
    Overdue,
    /// It was not confirmed before the machine was restarted.
    Restarted,
}

impl Story {
    /// Tells how it stands without an end, in the boot `boot_id` when the machine has been running for `uptime`.
    pub(crate) fn standing(&self, boot_id: &str, uptime: Duration) -> Standing {
        let Some(pause) = &self.waits else { return Standing::Interrupted };
        match pause.deadline.left(uptime) {
            _ if self.intent.header.boot_id != boot_id => Standing::Restarted,
            Duration::ZERO => Standing::Overdue,
            left => Standing::Waits(left),
        }
    }

    /// Returns what the history shows while it waits: what was tried out, and until when.
    pub(crate) fn shown_waiting(&self) -> Option<Entry> {
        let Header { entry, boot_id, .. } = &self.intent.header;
        self.waits.as_ref().map(|pause| shown_waiting(entry, boot_id, pause))
    }
}

/// Returns the line of the history for a transaction that waits. What waits with it is not changed yet.
pub(crate) fn shown_waiting(open: &Entry, boot_id: &str, pause: &Pause) -> Entry {
    let mut entry = open.clone();
    entry.state = TransactionState::AwaitingConfirmation;
    entry.changed.clone_from(&pause.changed);
    entry.changes.retain(|change| change.scope == "runtime");
    entry.until_end_of = Some(boot_id.to_owned());
    entry.deadline = Some(pause.deadline.text.clone());
    entry.deadline_uptime_ms = Some(pause.deadline.uptime_ms);
    entry
}
