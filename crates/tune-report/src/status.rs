//! The state of a host: its settings now and at the next boot, who decides them, and what is not finished.

use std::time::Duration;

use serde::Serialize;
use tune_model::finding::{HostRef, TunableState};
use tune_model::system::Place;
use tune_model::transaction::{Entry, TransactionState};
use tune_model::{Effective, Mutability, Quantity, Subject};

use crate::page::Page;
use crate::style::{BAD, DIM, PLAIN, STRONG, WARN};
use crate::table::Table;
use crate::{Report, json, verdict, words};

/// Who decides what a value is after the next boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum DecidedBy {
    /// A line of a file.
    File(Place),
    /// The kernel's own default.
    KernelDefault,
    /// A program that runs at boot.
    Tool {
        /// Its name.
        name: String,
    },
    /// The question does not arise: there is no next boot in a namespace.
    NotApplicable,
    /// It cannot be told.
    Unknown {
        /// Why not.
        reason: String,
    },
}

impl std::fmt::Display for DecidedBy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(place) => place.fmt(f),
            Self::KernelDefault => f.pad("kernel"),
            Self::Tool { name } => f.pad(name),
            Self::NotApplicable => f.pad("-"),
            Self::Unknown { .. } => f.pad("unknown"),
        }
    }
}

/// One setting of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SettingState {
    /// The setting, or a native tunable.
    pub setting: Subject,
    /// What it amounts to in the running kernel; `None` where there is none to look at.
    pub effective: Option<Effective>,
    /// What it will amount to after the next boot; `None` where the question does not arise.
    pub boot_effective: Option<Effective>,
    /// What it amounts to with the kernel's defaults, where known.
    pub default: Option<Effective>,
    /// Who decides the value after the next boot.
    pub decided_by: DecidedBy,
    /// The tunables behind it.
    pub tunables: Vec<TunableState>,
    /// When it can be changed; `None` where there is nothing to change.
    pub mutability: Option<Mutability>,
    /// Why it belongs to a wider scope than the one looked at, if it does.
    pub out_of_scope: Option<String>,
    /// What an administrator should know besides.
    pub notes: Vec<String>,
}

/// A transaction that is not finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// The transaction.
    #[serde(flatten)]
    pub entry: Entry,
    /// When it is undone unless confirmed: RFC 3339, UTC.
    pub deadline: Option<String>,
    /// How long that is from now, in milliseconds.
    pub left_ms: Option<u64>,
    /// That time has passed, and nobody has undone it.
    pub overdue: bool,
}

impl Waiting {
    /// Tells how a transaction stands when the machine has been running for `uptime`.
    #[must_use]
    pub fn new(mut entry: Entry, uptime: Duration) -> Self {
        let left = entry.time_left(uptime);
        let deadline = entry.deadline.take();
        let left_ms = left.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
        Self { entry, deadline, left_ms, overdue: left.is_some_and(|left| left.is_zero()) }
    }

    /// Says how the transaction stands and what to do about it.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Entry { id, action, .. } = &self.entry;
        match (self.entry.state, self.overdue, self.deadline.as_deref()) {
            (TransactionState::AwaitingConfirmation, true, _) => {
                format!("transaction {id} ({action}) is overdue for confirmation: undo it with tune recover")
            }
            (TransactionState::AwaitingConfirmation, false, deadline) => {
                let at = deadline.map(|deadline| format!("at {deadline}"));
                let left = self.left_ms.map(|left| format!("in {}", whole_seconds(left)));
                let when: Vec<_> = left.into_iter().chain(at).collect();
                let when = when.join(", ");
                format!("transaction {id} ({action}) is undone {when} unless tune confirm keeps it")
            }
            (TransactionState::AwaitingReboot, ..) => {
                format!("what taking transaction {id} ({action}) back left is gone after the next reboot")
            }
            (TransactionState::Open, ..) => {
                format!("transaction {id} ({action}) is running, or was interrupted: see tune recover")
            }
            (state, ..) => format!("transaction {id} ({action}) is {state}"),
        }
    }
}

/// Rounds up: what is left is not nothing.
fn whole_seconds(milliseconds: u64) -> Quantity {
    Quantity::Duration(milliseconds.div_ceil(1000).saturating_mul(1000))
}

/// The state of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StatusReport {
    /// The host.
    pub host: HostRef,
    /// Its settings, in the order in which they are shown.
    pub settings: Vec<SettingState>,
    /// The program that sets tunables at boot, where known.
    pub boot_tool: Option<String>,
    /// The profiles that hold claims.
    pub active: Vec<String>,
    /// The transactions that are not finished.
    pub transactions: Vec<Waiting>,
    /// What an administrator should know besides.
    pub notes: Vec<String>,
}

impl StatusReport {
    /// The name of the document's schema.
    pub const SCHEMA: &str = "tune.status/1";
}

impl Report for StatusReport {
    fn human(&self, width: usize) -> String {
        let mut page = Page::new(width);
        self.head(&mut page);
        page.blank();
        self.settings(&mut page);
        page.blank();
        self.summary(&mut page);
        page.finish()
    }

    fn json(&self) -> String {
        json::document(Self::SCHEMA, self)
    }
}

impl StatusReport {
    fn head(&self, page: &mut Page) {
        page.item(0, "host:", &words::host(&self.host));
        if let Some(tool) = &self.boot_tool {
            page.item(0, "at boot:", &format!("settings are read by {tool}"));
        }
        let active = if self.active.is_empty() { "none".to_owned() } else { self.active.join(", ") };
        page.item(0, "active profiles:", &active);
        for waiting in &self.transactions {
            let style = if waiting.overdue { BAD } else { WARN };
            page.marked(0, style, "open:", &waiting.sentence());
        }
        for note in &self.notes {
            page.item(0, "note:", note);
        }
    }

    fn settings(&self, page: &mut Page) {
        let mut table = Table::new(&["setting", "now", "next boot", "default", "decided by"]);
        for state in &self.settings {
            let style = if state.out_of_scope.is_some() { DIM } else { PLAIN };
            table.row(style, cells(state));
        }
        let layout = table.layout(page.width());
        page.lines(&layout.head);
        for (row, state) in layout.rows.iter().zip(&self.settings) {
            page.lines(row);
            remarks(page, state);
        }
    }

    fn summary(&self, page: &mut Page) {
        let moving = self.settings.iter().filter(|state| changes_at_boot(state)).count();
        let rest = match moving {
            0 => "none changes at the next boot.".to_owned(),
            1 => "1 changes at the next boot.".to_owned(),
            _ => format!("{moving} change at the next boot."),
        };
        page.heading(&format!("{}; {rest}", verdict::settings(self.settings.len())));
        page.marked(
            0,
            STRONG,
            "next:",
            "tune audit PROFILE compares them with a profile; tune profile list shows which",
        );
    }
}

fn cells(state: &SettingState) -> [String; 5] {
    let shown =
        |value: &Option<Effective>| value.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
    [
        state.setting.to_string(),
        shown(&state.effective),
        shown(&state.boot_effective),
        shown(&state.default),
        state.decided_by.to_string(),
    ]
}

fn changes_at_boot(state: &SettingState) -> bool {
    let known =
        |value: &Option<Effective>| value.clone().filter(|value| !matches!(value, Effective::Unknown(_)));
    match (known(&state.effective), known(&state.boot_effective)) {
        (Some(now), Some(boot)) => now != boot,
        _ => false,
    }
}

/// Says below a setting what its row cannot.
fn remarks(page: &mut Page, state: &SettingState) {
    if let Some(reason) = &state.out_of_scope {
        page.item(4, "out of scope:", reason);
    } else if let Some(Effective::Unknown(reason)) = &state.effective {
        page.item(4, "unknown:", reason);
    }
    let said =
        |note: &&String| matches!(&state.effective, Some(Effective::Unknown(reason)) if reason == *note);
    for note in state.notes.iter().filter(|note| !said(note)) {
        page.item(4, "note:", note);
    }
}

#[cfg(test)]
mod tests {
    use tune_model::{PortRange, Quantity, Setting};

    use super::*;
    use crate::testing::{check, entry, host, place, plain, seconds, state};

    fn setting(setting: Setting, now: Effective, boot: Effective, decided_by: DecidedBy) -> SettingState {
        SettingState {
            setting: Subject::Setting(setting),
            default: Some(now.clone()),
            effective: Some(now),
            boot_effective: Some(boot),
            decided_by,
            tunables: vec![state("net.ipv4.tcp_fin_timeout", "60")],
            mutability: Some(Mutability::Live),
            out_of_scope: None,
            notes: vec![],
        }
    }

    fn report() -> StatusReport {
        let exact = |value| Effective::Exact(seconds(value));
        let ports = Effective::Exact(Quantity::Ports(PortRange { low: 32768, high: 60999 }));
        let mut memory = setting(
            Setting::TcpMemoryLimit,
            Effective::Unknown("permission denied".into()),
            Effective::Unbounded,
            DecidedBy::Unknown { reason: "the unit is not known".into() },
        );
        memory.default = None;
        let mut wider = setting(Setting::TimeWaitInterval, exact(60), exact(60), DecidedBy::NotApplicable);
        wider.out_of_scope = Some("it belongs to the host".into());
        let file = DecidedBy::File(place("/etc/sysctl.d/99-site-network.conf", 3));
        StatusReport {
            host: host(),
            settings: vec![
                setting(Setting::FinWait2Timeout, exact(60), exact(30), file),
                setting(Setting::EphemeralPorts, ports.clone(), ports, DecidedBy::KernelDefault),
                setting(
                    Setting::KeepaliveIdle,
                    exact(7200),
                    exact(600),
                    DecidedBy::Tool { name: "tuned".into() },
                ),
                memory,
                wider,
            ],
            boot_tool: Some("systemd-sysctl".into()),
            active: vec!["web-server".into()],
            transactions: vec![
                Waiting::new(awaiting(), Duration::from_secs(1000)),
                Waiting::new(entry(2, TransactionState::AwaitingReboot), Duration::from_secs(1000)),
            ],
            notes: vec![],
        }
    }

    #[test]
    fn a_host_is_shown_setting_by_setting() {
        assert_eq!(
            plain(&report()),
            "\
host: linux 6.18.44
at boot: settings are read by systemd-sysctl
active profiles: web-server
open: transaction 3 (apply web-server) is overdue for confirmation: undo it with
      tune recover
open: what taking transaction 2 (apply web-server) back left is gone after the
      next reboot

setting                 now          next boot    default      decided by
tcp.fin_wait_2_timeout  60s          30s          60s          /etc/sysctl.d/
                                                               99-site-network.c
                                                               onf:3
tcp.ephemeral_ports     32768-60999  32768-60999  32768-60999  kernel
tcp.keepalive_idle      2h           10min        2h           tuned
net.tcp_memory_limit    unknown      never        -            unknown
    unknown: permission denied
tcp.time_wait_interval  60s          60s          60s          -
    out of scope: it belongs to the host

5 settings; 2 change at the next boot.
next: tune audit PROFILE compares them with a profile; tune profile list shows
      which
"
        );
        let document = check(&report(), "status");
        assert_eq!(document["settings"][0]["decided_by"]["line"], 3);
        assert_eq!(document["settings"][3]["effective"]["reason"], "permission denied");
    }

    #[test]
    fn a_waiting_transaction_says_until_when() {
        let mut waiting = Waiting::new(awaiting(), Duration::from_millis(909_100));
        assert_eq!(
            waiting.sentence(),
            "transaction 3 (apply web-server) is undone in 91s, at 2026-11-22T03:06:05Z unless tune confirm keeps it"
        );
        assert!(!waiting.overdue);
        waiting.left_ms = None;
        assert_eq!(
            waiting.sentence(),
            "transaction 3 (apply web-server) is undone at 2026-11-22T03:06:05Z unless tune confirm keeps it"
        );
    }

    fn awaiting() -> Entry {
        let deadline = Some("2026-11-22T03:06:05Z".to_owned());
        let waiting = entry(3, TransactionState::AwaitingConfirmation);
        Entry { deadline, deadline_uptime_ms: Some(1_000_000), ..waiting }
    }
}
