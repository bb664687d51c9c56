//! An audit of every network namespace of a host, in one table.

use serde::Serialize;
use tune_model::Finding;
use tune_model::finding::{HostRef, ProfileRef};

use crate::audit::head;
use crate::page::Page;
use crate::style::{BAD, GOOD, STRONG, WARN};
use crate::table::Table;
use crate::verdict::{self, counted, quoted};
use crate::{Report, json};

/// What an audit found in one network namespace.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NetworkAudit {
    /// What it is chosen by, for `--netns`.
    pub name: String,
    /// The container or name it goes by, and a process in it.
    pub title: String,
    /// It is the one of the caller.
    pub own: bool,
    /// All that counts is met.
    pub met: bool,
    /// One finding for each requirement.
    pub findings: Vec<Finding>,
}

impl NetworkAudit {
    /// Takes findings together.
    #[must_use]
    pub fn new(name: String, title: String, own: bool, findings: Vec<Finding>) -> Self {
        let met = verdict::exit_status(&findings) == verdict::EXIT_MET;
        Self { name, title, own, met, findings }
    }

    /// Returns what differs, or else cannot be read.
    fn differing(&self) -> String {
        let differs = |found: &&Finding| verdict::counts(found) && found.status.differs();
        let names: Vec<_> = self
            .findings
            .iter()
            .filter(differs)
            .map(|found| format!("{} {}", found.subject, found.effective))
            .collect();
        if names.is_empty() { "-".to_owned() } else { names.join(", ") }
    }
}

/// The audits of all network namespaces.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworksAuditReport {
    /// The host.
    pub host: HostRef,
    /// The profiles it was held against.
    pub profiles: Vec<ProfileRef>,
    /// What was found, the host's own network first.
    pub networks: Vec<NetworkAudit>,
    /// Namespaces that could not be looked into, and why: the first reason.
    pub unseen: (usize, Option<String>),
    /// What an administrator should know besides.
    pub notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    host: &'a HostRef,
    profiles: &'a [ProfileRef],
    met: bool,
    networks: &'a [NetworkAudit],
    networks_not_looked_into: usize,
    notes: &'a [String],
}

impl NetworksAuditReport {
    /// The name of the document's schema.
    pub const SCHEMA: &str = "tune.audit-netns/1";

    /// Returns the exit status: 2 where one differs, else 1 where something could not be read or looked into, else 0.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        let all = self.networks.iter().map(|network| verdict::exit_status(&network.findings));
        let unseen = if self.unseen.0 > 0 { verdict::EXIT_UNKNOWN } else { verdict::EXIT_MET };
        all.chain([unseen]).max().unwrap_or(verdict::EXIT_MET)
    }
}

impl Report for NetworksAuditReport {
    fn human(&self, width: usize) -> String {
        let mut page = Page::new(width);
        head(&mut page, &self.host, &self.profiles);
        page.blank();
        let mut table = Table::new(&["network of", "result", "differs"]);
        for network in &self.networks {
            let (style, word) = match verdict::exit_status(&network.findings) {
                verdict::EXIT_MET => (GOOD, "met"),
                verdict::EXIT_UNKNOWN => (WARN, "unreadable"),
                _ => (BAD, "differs"),
            };
            let here = if network.own { " (this one)" } else { "" };
            table.row(style, [format!("{}{here}", network.title), word.to_owned(), network.differing()]);
        }
        page.table(&table);
        page.blank();
        let differing = self.networks.iter().filter(|network| !network.met).count();
        let all = counted(self.networks.len(), "network namespace");
        page.heading(&match differing {
            0 => format!("{all}, all as wanted."),
            number => format!("{number} of {all} not as wanted."),
        });
        if let (number @ 1.., reason) = &self.unseen {
            let reason = reason.as_deref().unwrap_or("this user may not");
            page.marked(0, WARN, "not looked into:", &format!("{number}: {reason}"));
        }
        for note in &self.notes {
            page.item(0, "note:", note);
        }
        let other = self.networks.iter().find(|network| !network.met && !network.own);
        if let (Some(network), Some(command)) = (other, verdict::command("apply", &self.profiles, "host")) {
            page.marked(0, STRONG, "next:", &format!("{command} --netns {}", quoted(&network.name)));
        }
        page.finish()
    }

    fn json(&self) -> String {
        let document = Document {
            host: &self.host,
            profiles: &self.profiles,
            met: self.exit_status() == verdict::EXIT_MET,
            networks: &self.networks,
            networks_not_looked_into: self.unseen.0,
            notes: &self.notes,
        };
        json::document(Self::SCHEMA, &document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{check, finding, host, plain, profile};
    use tune_model::Status;

    fn report() -> NetworksAuditReport {
        let network = |name: &str, title: &str, own, status| {
            NetworkAudit::new(name.to_owned(), title.to_owned(), own, vec![finding(status)])
        };
        NetworksAuditReport {
            host: host(),
            profiles: vec![profile("web-server")],
            networks: vec![
                network("1", "systemd, pid 1", true, Status::Met),
                network("4711", "web\x1b (nginx, pid 4711)", false, Status::Drifted),
                network("4712", "db", false, Status::Unreadable),
            ],
            unseen: (0, None),
            notes: vec![],
        }
    }

    #[test]
    fn namespaces_are_in_one_table() {
        assert_eq!(
            plain(&report()),
            "\
host: linux 6.18.44
profile: web-server (built-in)

network of                 result      differs
systemd, pid 1 (this one)  met         -
web\\x1b (nginx, pid 4711)  differs     tcp.fin_wait_2_timeout 60s
db                         unreadable  -

2 of 3 network namespaces not as wanted.
next: tune apply web-server --netns 4711
"
        );
        let document = check(&report(), "audit-netns");
        assert_eq!((&document["met"], &document["networks"][0]["met"]), (&false.into(), &true.into()));
    }

    #[test]
    fn the_worst_decides() {
        let mut report = report();
        assert_eq!(report.exit_status(), 2);
        report.networks.remove(1);
        assert_eq!(report.exit_status(), 1);
        report.networks.pop();
        assert_eq!(report.exit_status(), 0);
        report.unseen = (2, Some("this user may not".to_owned()));
        assert_eq!(report.exit_status(), 1);
        assert!(plain(&report).contains("not looked into: 2"));
        check(&report, "audit-netns");
    }
}
