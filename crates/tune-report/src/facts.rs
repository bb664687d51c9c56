//! What a configuration management collects from a host before it decides: one JSON object, whatever happens.

use std::collections::BTreeMap;

use serde::Serialize;
use tune_model::Effective;
use tune_model::finding::HostRef;
use tune_model::transaction::TransactionState;

use crate::error::ErrorReport;
use crate::status::{StatusReport, Waiting};
use crate::{Report, json};

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Fact {
    /// What it amounts to in the running kernel; `None` where there is none to look at.
    now: Option<Effective>,
    /// What it will amount to after the next boot; `None` where the question does not arise.
    next_boot: Option<Effective>,
}

/// A transaction that is not finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Pending {
    id: u64,
    state: TransactionState,
    /// How it stands and what to do about it.
    msg: String,
}

impl Pending {
    fn new(waiting: &Waiting) -> Self {
        Self { id: waiting.entry.id, state: waiting.entry.state, msg: waiting.sentence() }
    }
}

/// What is known of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Known {
    host: HostRef,
    boot_tool: Option<String>,
    /// The profiles that hold values; `None` where that cannot be told.
    active: Option<Vec<String>>,
    pending: Vec<Pending>,
    settings: BTreeMap<String, Fact>,
    /// What else an administrator should know, such as what cannot be told.
    notes: Vec<String>,
}

/// Why nothing is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Unknown {
    error: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
enum Found {
    Known(Box<Known>),
    Unknown(Unknown),
}

/// The facts of a host, or why there are none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FactsReport {
    version: &'static str,
    #[serde(flatten)]
    found: Found,
}

impl FactsReport {
    /// The name of the document's schema.
    pub const SCHEMA: &str = "tune.facts/1";

    /// Takes from a status what a program asks for; `version` is that of `tune`, and which profiles are active may be
    /// unknown.
    #[must_use]
    pub fn new(version: &'static str, status: StatusReport, active_is_known: bool) -> Self {
        let fact = |state: crate::status::SettingState| {
            (state.setting.to_string(), Fact { now: state.effective, next_boot: state.boot_effective })
        };
        let known = Known {
            host: status.host,
            boot_tool: status.boot_tool,
            active: active_is_known.then_some(status.active),
            pending: status.transactions.iter().map(Pending::new).collect(),
            settings: status.settings.into_iter().map(fact).collect(),
            notes: status.notes,
        };
        Self { version, found: Found::Known(Box::new(known)) }
    }

    /// Says why nothing is known.
    #[must_use]
    pub fn failed(version: &'static str, error: &ErrorReport) -> Self {
        let words: Vec<_> = std::iter::once(&error.msg).chain(&error.causes).map(String::as_str).collect();
        Self { version, found: Found::Unknown(Unknown { error: words.join(": ") }) }
    }
}

impl Report for FactsReport {
    /// The same document: it is for programs.
    fn human(&self, _width: usize) -> String {
        self.json()
    }

    fn json(&self) -> String {
        json::document(Self::SCHEMA, self)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tune_model::{Mutability, Setting, Subject};

    use super::*;
    use crate::status::{DecidedBy, SettingState};
    use crate::testing::{check, entry, host, seconds};

    #[test]
    fn a_setting_is_found_by_its_name() {
        let value = |value| Some(Effective::Exact(seconds(value)));
        let state = SettingState {
            setting: Subject::Setting(Setting::FinWait2Timeout),
            effective: value(60),
            boot_effective: value(30),
            default: value(60),
            decided_by: DecidedBy::KernelDefault,
            tunables: vec![],
            mutability: Some(Mutability::Live),
            out_of_scope: None,
            notes: vec![],
        };
        let waiting = Waiting::new(entry(2, TransactionState::AwaitingReboot), Duration::from_secs(1000));
        let status = StatusReport {
            host: host(),
            settings: vec![state],
            boot_tool: Some("systemd-sysctl".into()),
            active: vec!["web-server".into()],
            transactions: vec![waiting],
            notes: vec![],
        };
        let document = check(&FactsReport::new("1.2.3", status.clone(), true), "facts");
        let unknown = check(&FactsReport::new("1.2.3", status, false), "facts");
        assert_eq!(
            (&document["active"][0], &unknown["active"]),
            (&"web-server".into(), &serde_json::Value::Null)
        );
        let fact = &document["settings"]["tcp.fin_wait_2_timeout"];
        assert_eq!((&fact["now"]["value"], &fact["next_boot"]["text"]), (&60_000.into(), &"30s".into()));
        assert_eq!(
            (&document["version"], &document["pending"][0]["state"]),
            (&"1.2.3".into(), &"awaiting-reboot".into())
        );
    }

    #[test]
    fn what_keeps_facts_from_being_known_is_one_itself() {
        let mut error = ErrorReport::new("state", 1, "/proc/sys cannot be read");
        error.causes.push("permission denied".into());
        let document = check(&FactsReport::failed("1.2.3", &error), "facts");
        assert_eq!(document["error"], "/proc/sys cannot be read: permission denied");
    }
}
