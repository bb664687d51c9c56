//! What was finished after a crash, or taken back for want of a confirmation.

use serde::Serialize;
use tune_model::plan::{Change, Conflict};
use tune_model::transaction::{Entry, TransactionState};

use crate::apply::{EXIT_OPERATOR_NEEDED, show_changes};
use crate::page::Page;
use crate::plan::{describe_conflict, sentence};
use crate::style::{BAD, WARN, of_state};
use crate::verdict::counted;
use crate::{Report, json};

/// What became of the transactions that were not finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoverReport {
    /// The transactions, as they stand now.
    pub recovered: Vec<Entry>,
    /// The values that recovery itself changed.
    pub changes: Vec<Change>,
    /// What could not be put back, a fragment each.
    pub stuck: Vec<String>,
}

#[derive(Debug, Serialize)]
struct RecoverDocument<'a> {
    failed: bool,
    changed: bool,
    comment: String,
    msg: String,
    changes: &'a [Change],
    transactions: &'a [Entry],
    stuck: &'a [String],
}

impl RecoverReport {
    /// The name of the document's schema.
    pub const SCHEMA: &str = "tune.recover/1";

    /// Returns the exit status: 3 where not all could be put back, else 0.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        let partly = |entry: &Entry| entry.state == TransactionState::PartlyRolledBack;
        if self.stuck.is_empty() && !self.recovered.iter().any(partly) { 0 } else { EXIT_OPERATOR_NEEDED }
    }

    /// Says in a sentence what was done.
    #[must_use]
    pub fn message(&self) -> String {
        match (self.recovered.len(), self.exit_status()) {
            (0, 0) => "nothing to recover".to_owned(),
            (number, 0) => format!("{} recovered", counted(number, "unfinished transaction")),
            (number, _) => {
                format!(
                    "{} recovered, but not all could be put back",
                    counted(number, "unfinished transaction")
                )
            }
        }
    }

    fn conflicts(&self) -> impl Iterator<Item = &Conflict> {
        self.recovered.iter().flat_map(|entry| &entry.conflicts)
    }
}

impl Report for RecoverReport {
    fn human(&self, width: usize) -> String {
        let mut page = Page::new(width);
        for entry in &self.recovered {
            let label = format!("transaction {}:", entry.id);
            let note = entry.note.as_deref().map(|note| format!("; {note}")).unwrap_or_default();
            page.marked(
                0,
                of_state(entry.state),
                &label,
                &format!("{}, now {}{note}", entry.action, entry.state),
            );
        }
        page.blank();
        show_changes(&mut page, &self.changes.iter().collect::<Vec<_>>());
        for conflict in self.conflicts() {
            page.marked(0, WARN, "conflict:", &describe_conflict(conflict));
        }
        for stuck in &self.stuck {
            page.marked(0, BAD, "not put back:", stuck);
        }
        page.heading(&sentence(&self.message()));
        page.finish()
    }

    fn json(&self) -> String {
        let msg = self.message();
        let document = RecoverDocument {
            failed: self.exit_status() != 0,
            changed: !self.changes.is_empty(),
            comment: msg.clone(),
            msg,
            changes: &self.changes,
            transactions: &self.recovered,
            stuck: &self.stuck,
        };
        json::document(Self::SCHEMA, &document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{check, entry, plain, plan};

    #[test]
    fn recovery_tells_what_it_found_and_what_it_did() {
        let mut report = RecoverReport { recovered: vec![], changes: vec![], stuck: vec![] };
        assert_eq!(plain(&report), "Nothing to recover.\n");
        check(&report, "recover");
        let mut interrupted = entry(3, TransactionState::RolledBack);
        interrupted.note = Some("interrupted after step 1".into());
        report.recovered.push(interrupted);
        report.changes = plan().changes;
        assert_eq!(
            plain(&report),
            "\
transaction 3: apply web-server, now rolled-back; interrupted after step 1

tunable                   before  after  where
net.ipv4.tcp_fin_timeout  60      30     running kernel
net.ipv4.tcp_fin_timeout  none    30     /etc/sysctl.d/zz-tune.conf

1 unfinished transaction recovered.
"
        );
        assert_eq!(check(&report, "recover")["changed"], true);
        report.stuck.push("net.ipv4.tcp_fin_timeout: permission denied".into());
        report.changes.clear();
        assert_eq!(
            plain(&report),
            "\
transaction 3: apply web-server, now rolled-back; interrupted after step 1

not put back: net.ipv4.tcp_fin_timeout: permission denied
1 unfinished transaction recovered, but not all could be put back.
"
        );
        check(&report, "recover");
        assert_eq!(report.exit_status(), 3);
    }
}
