//! The history: what was done, by whom, and whether the record still holds together.

use serde::Serialize;
use tune_model::transaction::{Actor, Entry, TransactionState};

use crate::apply::show_changes;
use crate::audit::remarks;
use crate::page::Page;
use crate::plan::describe_conflict;
use crate::style::{BAD, GOOD, STRONG, WARN, of_state};
use crate::table::Table;
use crate::verdict::counted;
use crate::{Report, json};

/// The name of the documents' schema.
pub const SCHEMA: &str = "tune.history/1";

/// All transactions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HistoryReport {
    /// The transactions, oldest first.
    pub transactions: Vec<Entry>,
    /// What an administrator should know besides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Report for HistoryReport {
    fn human(&self, width: usize) -> String {
        let mut page = Page::new(width);
        remarks(&mut page, &self.notes, None);
        if self.transactions.is_empty() {
            page.text(0, "No transactions: tune has changed nothing on this host.");
            return page.finish();
        }
        let mut table = Table::new(&["id", "when", "who", "what", "state", "values"]);
        for entry in &self.transactions {
            let values = entry.changes.len().to_string();
            let (what, state) = (what(entry), entry.state.to_string());
            table.row(
                of_state(entry.state),
                [&entry.id.to_string(), &entry.started, &who(&entry.actor), &what, &state, &values],
            );
        }
        page.table(&table);
        page.blank();
        page.marked(0, STRONG, "next:", "tune history ID shows one of them; tune rollback ID takes it back");
        page.finish()
    }

    fn json(&self) -> String {
        json::document(SCHEMA, self)
    }
}

/// How many dropped connections are listed to people.
const LISTED: usize = 20;

/// One transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryReport {
    /// The transaction.
    pub entry: Entry,
    /// What an administrator should know besides.
    pub notes: Vec<String>,
}

impl Report for EntryReport {
    fn human(&self, width: usize) -> String {
        let mut page = Page::new(width);
        let entry = &self.entry;
        remarks(&mut page, &self.notes, None);
        page.heading(&format!("transaction {}: {}", entry.id, what(entry)));
        page.marked(0, of_state(entry.state), "state:", &format!("{}, since {}", entry.state, entry.changed));
        page.item(0, "begun:", &entry.started);
        page.item(
            0,
            "by:",
            &format!("{} (uid {}, process {})", who(&entry.actor), entry.actor.uid, entry.actor.pid),
        );
        if let Some(deadline) = &entry.deadline {
            page.item(0, "undone unless confirmed:", &format!("at {deadline}"));
        }
        if let Some(note) = &entry.note {
            page.marked(0, WARN, "note:", note);
        }
        page.blank();
        // Of connections there can be thousands.
        let most = if entry.action.is_final() { LISTED } else { usize::MAX };
        show_changes(&mut page, &entry.changes.iter().take(most).collect::<Vec<_>>());
        if entry.changes.len() > most {
            page.text(0, &format!("And {} more; --format json has all.", entry.changes.len() - most));
            page.blank();
        }
        for conflict in &entry.conflicts {
            page.marked(0, WARN, "conflict:", &describe_conflict(conflict));
        }
        self.next(&mut page);
        page.finish()
    }

    fn json(&self) -> String {
        let (transactions, notes) = (vec![self.entry.clone()], self.notes.clone());
        json::document(SCHEMA, &HistoryReport { transactions, notes })
    }
}

impl EntryReport {
    fn next(&self, page: &mut Page) {
        if self.entry.action.is_final() && self.entry.state != TransactionState::Open {
            page.text(0, "This cannot be undone.");
            return;
        }
        match self.entry.state {
            TransactionState::Applied
            | TransactionState::AwaitingReboot
            | TransactionState::PartlyRolledBack => {
                page.marked(0, STRONG, "undo:", &format!("tune rollback {}", self.entry.id));
            }
            TransactionState::AwaitingConfirmation => {
                page.marked(0, STRONG, "keep:", "tune confirm");
                page.marked(0, STRONG, "undo:", "tune rollback");
            }
            TransactionState::Open => page.marked(0, STRONG, "next:", "tune recover"),
            TransactionState::RolledBack | TransactionState::Failed => {}
        }
    }
}

/// Names what a transaction did, and where, unless on the host itself.
fn what(entry: &Entry) -> String {
    match entry.scope.as_str() {
        "host" => entry.action.to_string(),
        scope => format!("{} ({scope})", entry.action),
    }
}

fn who(actor: &Actor) -> String {
    actor.user.clone().unwrap_or_else(|| format!("uid {}", actor.uid))
}

/// Whether the record of the transactions holds together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// Nothing is missing, edited or out of order.
    pub intact: bool,
    /// How many transactions there are.
    pub transactions: usize,
    /// The digest at the end of the chain, to be compared with an outside copy.
    pub digest: Option<String>,
    /// What is wrong.
    pub problems: Vec<String>,
}

/// The result of `tune history --verify`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// The result.
    pub verify: Verification,
    /// What an administrator should know besides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl VerifyReport {
    /// Returns the exit status: 1 where something is wrong, else 0.
    #[must_use]
    pub const fn exit_status(&self) -> u8 {
        if self.verify.intact { 0 } else { 1 }
    }
}

impl Report for VerifyReport {
    fn human(&self, width: usize) -> String {
        let mut page = Page::new(width);
        remarks(&mut page, &self.notes, None);
        let Verification { intact, transactions, digest, problems } = &self.verify;
        let (style, word) = if *intact { (GOOD, "intact:") } else { (BAD, "not intact:") };
        let number = counted(*transactions, "transaction");
        match problems.len() {
            0 => page.marked(0, style, word, &format!("{number}, each follows from the one before")),
            found => page.marked(0, style, word, &format!("{number}, {}", counted(found, "problem"))),
        }
        for problem in problems {
            page.item(2, "-", problem);
        }
        if let Some(digest) = digest {
            page.item(0, "digest:", digest);
            page.text(0, "Compare it with a copy kept elsewhere: who can write the record can write it all.");
        }
        page.finish()
    }

    fn json(&self) -> String {
        json::document(SCHEMA, self)
    }
}

#[cfg(test)]
mod tests {
    use tune_model::plan::{Change, Conflict};
    use tune_model::reading::Layer;
    use tune_model::transaction::Action;

    use super::*;
    use crate::testing::{check, entry, plain};

    #[test]
    fn transactions_are_listed_oldest_first() {
        let mut foreign = entry(2, TransactionState::RolledBack);
        foreign.actor.user = Some("mal\x1b[2Jory".into());
        foreign.scope = "netns:blue".into();
        let mut rollback = entry(3, TransactionState::Applied);
        rollback.action = Action::Rollback { of: 2 };
        rollback.actor.user = None;
        let report = HistoryReport {
            transactions: vec![entry(1, TransactionState::Failed), foreign, rollback],
            notes: vec![],
        };
        assert_eq!(
            plain(&report),
            "\
id  when                  who            what                state        values
1   2026-11-22T03:04:05Z  alice          apply web-server    failed       2
2   2026-11-22T03:04:05Z  mal\\x1b[2Jory  apply web-server    rolled-back  2
                                         (netns:blue)
3   2026-11-22T03:04:05Z  uid 0          rollback 2          applied      2

next: tune history ID shows one of them; tune rollback ID takes it back
"
        );
        let document = check(&report, "history");
        assert_eq!(
            (&document["transactions"][2]["action"], &document["transactions"][2]["of"]),
            (&"rollback".into(), &2.into())
        );
        let none = HistoryReport { transactions: vec![], notes: vec![] };
        assert_eq!(plain(&none), "No transactions: tune has changed nothing on this host.\n");
        check(&none, "history");
    }

    #[test]
    fn one_transaction_is_shown_whole() {
        let mut entry = entry(1, TransactionState::PartlyRolledBack);
        entry.note = Some("interrupted after step 2".into());
        entry.conflicts.push(Conflict {
            target: "net.core.somaxconn".into(),
            layer: Layer::Runtime,
            expected: "4096".into(),
            found: "1024".into(),
            unreadable: false,
        });
        let report = EntryReport { entry, notes: vec![] };
        assert_eq!(
            plain(&report),
            "\
transaction 1: apply web-server
state: partly-rolled-back, since 2026-11-22T03:04:06Z
begun: 2026-11-22T03:04:05Z
by: alice (uid 0, process 4711)
note: interrupted after step 2

tunable                   before  after  where
net.ipv4.tcp_fin_timeout  60      30     running kernel
net.ipv4.tcp_fin_timeout  none    30     /etc/sysctl.d/zz-tune.conf

conflict: net.core.somaxconn is 1024, not 4096 as tune left it; somebody else
          changed it, and it stays
undo: tune rollback 1
"
        );
        check(&report, "history");
    }

    #[test]
    fn dropped_connections_are_listed_as_far_as_people_read() {
        let mut entry = entry(4, TransactionState::Applied);
        entry.action = Action::Drop { filter: "state=fin-wait-2 held".into() };
        let change = |number| Change {
            key: format!("tcp 10.0.0.1:80 192.0.2.7:{number}"),
            before: Some("FIN_WAIT_2, held by leaky (pid 12)".into()),
            after: None,
            scope: "runtime".into(),
        };
        entry.changes = (1..=LISTED + 5).map(change).collect();
        let report = EntryReport { entry, notes: vec![] };
        let text = plain(&report);
        assert!(text.starts_with("transaction 4: drop state=fin-wait-2 held\n"), "{text}");
        assert!(text.contains("192.0.2.7:20 ") && !text.contains("192.0.2.7:21 "), "{text}");
        assert!(text.ends_with("And 5 more; --format json has all.\n\nThis cannot be undone.\n"), "{text}");
        assert_eq!(
            check(&report, "history")["transactions"][0]["changes"].as_array().map(Vec::len),
            Some(25)
        );
    }

    #[test]
    fn a_broken_record_names_each_problem() {
        let digest = Some(format!("sha256:{}", "0f".repeat(32)));
        let mut report = VerifyReport {
            verify: Verification { intact: true, transactions: 3, digest, problems: vec![] },
            notes: vec![],
        };
        assert_eq!(
            plain(&report),
            "\
intact: 3 transactions, each follows from the one before
digest: sha256:0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f
Compare it with a copy kept elsewhere: who can write the record can write it
all.
"
        );
        check(&report, "history");
        report.verify.intact = false;
        report.verify.problems = vec!["transaction 2 was edited".into()];
        report.verify.digest = None;
        assert_eq!(
            plain(&report),
            "\
not intact: 3 transactions, 1 problem
  - transaction 2 was edited
"
        );
        check(&report, "history");
        assert_eq!(report.exit_status(), 1);
    }
}
