//! Audits: what is required, held against the host.

use serde::Serialize;
use tune_model::finding::{HostRef, ProfileRef, TunableState};
use tune_model::{Effective, Finding, Status, Verdict};

use crate::page::Page;
use crate::style::{self, STRONG, WARN};
use crate::table::Table;
use crate::{Report, json, verdict, words};

/// The findings of an audit.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditReport {
    /// The host that was looked at.
    pub host: HostRef,
    /// The profiles it was held against.
    pub profiles: Vec<ProfileRef>,
    /// One finding for each requirement.
    pub findings: Vec<Finding>,
    /// What an administrator should know besides.
    pub notes: Vec<String>,
    /// A transaction that is not finished, in words, if there is one.
    pub open_transaction: Option<String>,
}

/// The audit as every document that judges a host begins.
#[derive(Debug, Serialize)]
pub(crate) struct AuditDocument<'a> {
    host: &'a HostRef,
    profiles: &'a [ProfileRef],
    met: bool,
    pub(crate) reboot_required: bool,
    findings: &'a [Finding],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    notes: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) open_transaction: Option<&'a str>,
}

impl AuditReport {
    /// The name of the document's schema.
    pub const SCHEMA: &str = "tune.audit/1";

    /// Returns the exit status: 2 where the host differs, else 1 where something could not be read, else 0.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        verdict::exit_status(&self.findings)
    }

    fn document(&self) -> AuditDocument<'_> {
        let document = AuditDocument::of(&self.host, &self.profiles, &self.findings);
        AuditDocument { notes: &self.notes, open_transaction: self.open_transaction.as_deref(), ..document }
    }
}

impl<'a> AuditDocument<'a> {
    pub(crate) fn of(host: &'a HostRef, profiles: &'a [ProfileRef], findings: &'a [Finding]) -> Self {
        Self {
            host,
            profiles,
            met: verdict::exit_status(findings) == verdict::EXIT_MET,
            reboot_required: verdict::reboot_required(findings),
            findings,
            notes: &[],
            open_transaction: None,
        }
    }
}

impl Report for AuditReport {
    fn human(&self, width: usize) -> String {
        let mut page = Page::new(width);
        head(&mut page, &self.host, &self.profiles);
        remarks(&mut page, &self.notes, self.open_transaction.as_deref());
        page.blank();
        findings(&mut page, &self.findings);
        page.blank();
        page.heading(&verdict::sentence(&self.findings));
        self.next(&mut page);
        page.finish()
    }

    fn json(&self) -> String {
        json::document(Self::SCHEMA, &self.document())
    }
}

impl AuditReport {
    /// Says what to do next.
    fn next(&self, page: &mut Page) {
        let has = |status| self.findings.iter().any(|found| verdict::counts(found) && found.status == status);
        let curable = has(Status::Drifted) || has(Status::WillDrift);
        let command = match self.profiles.as_slice() {
            // What is held was looked at: whether it is to be held again, or somebody's change kept, is to be decided.
            [] => Some(
                "tune active shows who holds it; apply that profile again, or give it up with tune off"
                    .to_owned(),
            ),
            profiles => verdict::command("apply", profiles, &self.host.scope),
        };
        if let (true, Some(command)) = (curable, command) {
            page.marked(0, STRONG, "next:", &command);
        }
        if has(Status::PendingReboot) {
            page.marked(0, STRONG, "next:", "reboot this host when it suits; the boot files are as wanted");
        }
    }
}

/// Says what was looked at, and against what.
pub(crate) fn head(page: &mut Page, host: &HostRef, profiles: &[ProfileRef]) {
    page.item(0, "host:", &words::host(host));
    match profiles {
        [] => {}
        [one] => page.item(0, "profile:", &words::profile(one)),
        many => page.item(0, "profiles:", &words::profiles(many)),
    }
}

/// Says what an administrator should know besides.
pub(crate) fn remarks(page: &mut Page, notes: &[String], open: Option<&str>) {
    if let Some(open) = open {
        page.marked(0, WARN, "open:", open);
    }
    for note in notes {
        page.item(0, "note:", note);
    }
}

/// Shows the findings as a table, with what is to be known below each that is not met.
fn findings(page: &mut Page, findings: &[Finding]) {
    let mut table = Table::new(&["status", "setting", "now", "next boot", "wanted"]);
    for found in findings {
        let (mark, style) = style::of_status(found.status);
        let now = words::effective(&found.effective, found.live);
        let boot = words::effective(&found.boot_effective, found.boot);
        table.row(style, [mark, &found.subject.to_string(), &now, &boot, &found.wanted.to_string()]);
    }
    let layout = table.layout(page.width());
    page.lines(&layout.head);
    for (row, found) in layout.rows.iter().zip(findings) {
        page.lines(row);
        if found.status != Status::Met || !found.notes.is_empty() {
            details(page, found);
        }
    }
}

const INDENT: usize = 4;

/// Says what is behind a finding.
fn details(page: &mut Page, found: &Finding) {
    if found.status != Status::Met {
        reason(page, found);
        for state in &found.tunables {
            tunable(page, state, found);
        }
        if let Some(takes_hold) = found.takes_hold.filter(|_| found.live == Verdict::NotMet) {
            page.item(INDENT, "a change reaches:", takes_hold.words());
        }
    }
    for note in &found.notes {
        page.item(INDENT, "note:", note);
    }
}

fn reason(page: &mut Page, found: &Finding) {
    if found.optional {
        page.item(INDENT, "optional:", "not counted");
    }
    if let Some(why) = &found.why {
        page.item(INDENT, "why:", why);
    }
    let values = [(&found.effective, found.live), (&found.boot_effective, found.boot)];
    let unknown = values.into_iter().find_map(|(value, verdict)| match value {
        Effective::Unknown(reason) if verdict == Verdict::Unknown || found.status == Status::Unsupported => {
            Some(reason)
        }
        _ => None,
    });
    let said = |reason: &&String| !found.notes.contains(reason);
    let unsaid = unknown.filter(|_| found.tunables.iter().all(|state| state.reason.is_none()));
    if let Some(reason) = unsaid.filter(said) {
        page.item(INDENT, "unknown:", reason);
    }
}

fn tunable(page: &mut Page, state: &TunableState, found: &Finding) {
    if state.live.is_none() && found.live == Verdict::NotApplicable {
        page.item(INDENT, "boot:", &format!("{} = {}", state.name, words::boot_line(state)));
        return;
    }
    page.text(INDENT, &words::live_line(state));
    if found.boot != Verdict::NotApplicable {
        page.item(INDENT, "boot:", &words::boot_line(state));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tune_model::{Setting, Slot, Subject};

    use super::*;
    use crate::testing::{backlog, check, finding, host, place, plain, profile, state};

    fn report(findings: Vec<Finding>) -> AuditReport {
        let profiles = vec![profile("web-server")];
        AuditReport { host: host(), profiles, findings, notes: vec![], open_transaction: None }
    }

    #[test]
    fn what_is_not_met_is_explained_and_the_next_step_named() {
        let ports = Finding {
            subject: Subject::Setting(Setting::EphemeralPorts),
            optional: true,
            tunables: vec![],
            ..finding(Status::Unsupported)
        };
        let report = report(vec![finding(Status::Drifted), backlog(), ports, finding(Status::Met)]);
        assert_eq!(
            plain(&report),
            "\
host: linux 6.18.44
profile: web-server (built-in)

status         setting                 now   next boot  wanted
! drifted      tcp.fin_wait_2_timeout  60s   60s        at most 30s
    why: Orphaned FIN_WAIT_2 sockets hold kernel memory until this runs out.
    net.ipv4.tcp_fin_timeout = 60 (kernel default)
    boot: 60, no file sets it
    a change reaches: connections closed from then on; running timers keep their
                      time
~ will drift   tcp.listen_backlog      8192  128        at least 4096
    net.core.somaxconn = 8192 (default 4096)
    boot: 128, from /etc/sysctl.d/99-x.conf:3
! unsupported  tcp.ephemeral_ports     -     -          at most 30s
    optional: not counted
    why: Orphaned FIN_WAIT_2 sockets hold kernel memory until this runs out.
    unknown: permission denied
+ met          tcp.fin_wait_2_timeout  30s   30s        at most 30s

2 of 3 settings differ: 1 drifted, 1 will drift at the next boot; 1 not counted
(optional or out of scope).
next: tune apply web-server
"
        );
        let document = check(&report, "audit");
        assert_eq!((&document["met"], &document["reboot_required"]), (&false.into(), &false.into()));
        assert_eq!(document["findings"][0]["wanted"]["at_most"]["value"], 30_000);
        let fields: Vec<_> = document.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(fields.len(), 6, "{fields:?}");
        assert!(report.json().starts_with("{\"schema\":\"tune.audit/1\",\"host\":{\"system\":\"linux\","));
    }

    #[test]
    fn foreign_text_is_escaped_and_long_text_wrapped() {
        let mut found = finding(Status::Unreadable);
        found.subject = Subject::Tunable(Slot::whole("net.netfilter.nf_conntrack_tcp_timeout_time_wait"));
        found.why = Some("evil\x1b[31m \u{202e}text ".repeat(9));
        found.tunables = vec![TunableState {
            live: None,
            reason: Some("permission denied".into()),
            boot: Some("1\t2\t3".into()),
            boot_source: Some(place(&format!("/etc/sysctl.d/{}\n.conf", "long-name-".repeat(12)), 3)),
            ..state("net.ipv4.tcp_mem", "1")
        }];
        found.notes = vec!["systemd-sysctl and procps disagree".into()];
        let mut report = report(vec![found]);
        report.notes = vec!["this release was not tried".into()];
        report.open_transaction =
            Some("transaction 3 (apply web-server) is running, or was interrupted".into());
        assert_eq!(
            plain(&report),
            "\
host: linux 6.18.44
profile: web-server (built-in)
open: transaction 3 (apply web-server) is running, or was interrupted
note: this release was not tried

status        setting                            now      next boot  wanted
? unreadable  net.netfilter.nf_conntrack_tcp_ti  unknown  unknown    at most 30s
              meout_time_wait
    why: evil\\x1b[31m \\u{202e}text evil\\x1b[31m \\u{202e}text evil\\x1b[31m
         \\u{202e}text evil\\x1b[31m \\u{202e}text evil\\x1b[31m \\u{202e}text
         evil\\x1b[31m \\u{202e}text evil\\x1b[31m \\u{202e}text evil\\x1b[31m
         \\u{202e}text evil\\x1b[31m \\u{202e}text
    net.ipv4.tcp_mem: permission denied
    boot: 1 2 3, from
          /etc/sysctl.d/long-name-long-name-long-name-long-name-long-name-long-n
          ame-long-name-long-name-long-name-long-name-long-name-long-name-\\n.con
          f:3
    note: systemd-sysctl and procps disagree

0 of 1 setting met; 1 cannot be read.
"
        );
        check(&report, "audit");
    }

    #[test]
    fn an_image_has_no_live_values_and_a_met_host_needs_nothing() {
        let mut found = finding(Status::Drifted);
        found.live = Verdict::NotApplicable;
        found.effective = Effective::Unknown("an image has no running kernel".into());
        found.tunables[0].live = None;
        let mut image = report(vec![found]);
        image.host = HostRef { release: None, scope: "root:/mnt/image".into(), ..host() };
        assert_eq!(
            plain(&image),
            "\
host: linux, root:/mnt/image
profile: web-server (built-in)

status     setting                 now  next boot  wanted
! drifted  tcp.fin_wait_2_timeout  -    60s        at most 30s
    why: Orphaned FIN_WAIT_2 sockets hold kernel memory until this runs out.
    boot: net.ipv4.tcp_fin_timeout = 60, no file sets it

1 of 1 setting differs: 1 drifted.
next: tune apply web-server --root /mnt/image
"
        );
        check(&image, "audit");
        let met = report(vec![finding(Status::Met), finding(Status::PendingReboot)]);
        assert_eq!(
            plain(&met),
            "\
host: linux 6.18.44
profile: web-server (built-in)

status            setting                 now  next boot  wanted
+ met             tcp.fin_wait_2_timeout  30s  30s        at most 30s
~ pending reboot  tcp.fin_wait_2_timeout  60s  30s        at most 30s
    why: Orphaned FIN_WAIT_2 sockets hold kernel memory until this runs out.
    net.ipv4.tcp_fin_timeout = 60 (kernel default)
    boot: 60, no file sets it
    a change reaches: connections closed from then on; running timers keep their
                      time

1 of 2 settings differs: 1 pending a reboot.
next: reboot this host when it suits; the boot files are as wanted
"
        );
        assert_eq!(check(&met, "audit")["reboot_required"], true);
    }

    #[test]
    fn a_file_whose_name_is_no_text_is_shown_lossily() {
        use std::os::unix::ffi::OsStrExt as _;
        let mut found = backlog();
        let name = std::ffi::OsStr::from_bytes(b"/etc/sysctl.d/\xff.conf");
        found.tunables[0].boot_source = Some(tune_model::system::Place { file: name.into(), line: 1 });
        let document = check(&report(vec![found]), "audit");
        let file = &document["findings"][0]["tunables"][0]["boot_source"]["file"];
        assert_eq!(file, "/etc/sysctl.d/\u{fffd}.conf");
    }
}
