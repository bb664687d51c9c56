//! Profiles: which there are, and what they require.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use tune_model::profile::{Bound, Origin, Source, Wanted};
use tune_model::{Profile, Quantity, Requirement, Severity, Subject};

use crate::page::Page;
use crate::style::{BAD, PLAIN, STRONG, WARN};
use crate::table::Table;
use crate::{Report, json};

pub use crate::check::{CheckReport, EXIT_BAD_PROFILE, Mistake};

/// A profile in the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProfileLine {
    /// The name.
    pub name: String,
    /// What it is for; `None` where it cannot be read.
    pub summary: Option<String>,
    /// Where it comes from.
    pub source: Source,
    /// It hides a built-in profile of the same name.
    pub shadows_built_in: bool,
    /// Why it cannot be used.
    pub problem: Option<String>,
}

/// Every profile that there is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProfilesReport {
    /// The profiles, by name.
    pub profiles: Vec<ProfileLine>,
}

impl ProfilesReport {
    /// The name of the document's schema.
    pub const SCHEMA: &str = "tune.profiles/1";
}

impl Report for ProfilesReport {
    fn human(&self, width: usize) -> String {
        let mut page = Page::new(width);
        let mut table = Table::new(&["profile", "what for", "from"]);
        for profile in &self.profiles {
            let style = if profile.problem.is_some() { BAD } else { PLAIN };
            let shadows = if profile.shadows_built_in { ", hides the built-in one" } else { "" };
            let problem = profile.problem.as_deref().map(|problem| format!("cannot be used: {problem}"));
            let summary = problem.or_else(|| profile.summary.clone()).unwrap_or_default();
            table.row(style, [&profile.name, &summary, &format!("{}{shadows}", profile.source)]);
        }
        page.table(&table);
        page.blank();
        page.marked(
            0,
            STRONG,
            "next:",
            "tune audit PROFILE holds one against this host; tune profile show PROFILE",
        );
        page.finish()
    }

    fn json(&self) -> String {
        json::document(Self::SCHEMA, self)
    }
}

/// One profile as it stands for one system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileReport {
    /// The profile.
    pub profile: Profile,
    /// The system whose tables are worked in.
    pub system: String,
}

/// The name of the schema of documents about one profile.
pub const SCHEMA: &str = "tune.profile/1";

#[derive(Debug, Serialize)]
struct ProfileDocument<'a> {
    name: &'a str,
    summary: &'a str,
    source: &'a Source,
    digest: &'a str,
    shadows_built_in: bool,
    system: &'a str,
    requirements: Vec<RequirementDocument<'a>>,
}

#[derive(Debug, Serialize)]
struct RequirementDocument<'a> {
    setting: &'a Subject,
    wanted: WantedDocument<'a>,
    severity: Severity,
    optional: bool,
    uncatalogued: bool,
    why: Option<&'a str>,
    reference: Option<&'a str>,
    origin: Spot,
    keys: BTreeMap<&'static str, Spot>,
}

/// A spot in a profile's text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Spot {
    /// The profile's name.
    pub profile: String,
    /// The file, if it is one.
    pub file: Option<String>,
    /// The line, counted from 1.
    pub line: u32,
    /// The column, counted from 1 in characters.
    pub column: u32,
}

impl Spot {
    /// Shows an origin.
    #[must_use]
    pub fn of(origin: &Origin) -> Self {
        let file = origin.file.as_ref().map(|file| file.display().to_string());
        Self { profile: origin.profile.clone(), file, line: origin.line, column: origin.column }
    }
}

impl std::fmt::Display for Spot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match &self.file {
            Some(file) => file,
            None if self.profile.is_empty() => "standard input",
            None => &self.profile,
        };
        f.pad(&format!("{name}:{}:{}", self.line, self.column))
    }
}

/// `{"vendor_default": true, "text"}`, or `{"at_least", "at_most", "prefer", "text"}`.
#[derive(Debug)]
struct WantedDocument<'a>(&'a Wanted);

impl Serialize for WantedDocument<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self.0 {
            Wanted::VendorDefault => map.serialize_entry("vendor_default", &true)?,
            Wanted::Within { at_least, at_most, prefer } => {
                for (name, bound) in [("at_least", at_least), ("at_most", at_most), ("prefer", prefer)] {
                    if let Some(bound) = bound {
                        map.serialize_entry(name, &BoundDocument(bound))?;
                    }
                }
            }
        }
        map.serialize_entry("text", &wanted(self.0))?;
        map.end()
    }
}

/// A value, `{"per_gib_of_ram", "min", "max", "text"}`, or `{"pages_of", "text"}`.
#[derive(Debug)]
struct BoundDocument<'a>(&'a Bound);

impl Serialize for BoundDocument<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = match self.0 {
            Bound::Fixed(value) => return value.serialize(serializer),
            _ => serializer.serialize_map(None)?,
        };
        match self.0 {
            Bound::Fixed(_) => {}
            Bound::PerGibOfRam { each, min, max } => {
                map.serialize_entry("per_gib_of_ram", each)?;
                map.serialize_entry("min", min)?;
                map.serialize_entry("max", max)?;
            }
            Bound::PagesOf { bytes } => map.serialize_entry("pages_of", &Quantity::Bytes(*bytes))?,
        }
        map.serialize_entry("text", &bound(self.0))?;
        map.end()
    }
}

/// Shows what a requirement asks for.
fn wanted(wanted: &Wanted) -> String {
    let Wanted::Within { at_least, at_most, prefer } = wanted else { return "vendor default".to_owned() };
    let text = match (at_least, at_most) {
        (None, None) => "anything".to_owned(),
        (Some(low), Some(high)) if low == high => bound(low),
        (Some(low), Some(high)) => format!("{} to {}", bound(low), bound(high)),
        (Some(low), None) => format!("at least {}", bound(low)),
        (None, Some(high)) => format!("at most {}", bound(high)),
    };
    let prefer = prefer.as_ref().map(|value| format!(", rather {}", bound(value))).unwrap_or_default();
    format!("{text}{prefer}")
}

fn bound(bound: &Bound) -> String {
    match bound {
        Bound::Fixed(value) => value.to_string(),
        Bound::PagesOf { bytes } => format!("{} in pages", Quantity::Bytes(*bytes)),
        Bound::PerGibOfRam { each, min, max } => {
            let min = min.as_ref().map(|min| format!(", from {min}")).unwrap_or_default();
            let max = max.as_ref().map(|max| format!(", up to {max}")).unwrap_or_default();
            format!("{each} per GiB of RAM{min}{max}")
        }
    }
}

impl ProfileReport {
    fn document(&self) -> ProfileDocument<'_> {
        let Profile { name, summary, source, digest, shadows_built_in, requirements } = &self.profile;
        let requirements = requirements.iter().map(requirement).collect();
        let shadows_built_in = *shadows_built_in;
        ProfileDocument {
            name,
            summary,
            source,
            digest,
            shadows_built_in,
            system: &self.system,
            requirements,
        }
    }
}

fn requirement(requirement: &Requirement) -> RequirementDocument<'_> {
    RequirementDocument {
        setting: &requirement.subject,
        wanted: WantedDocument(&requirement.wanted),
        severity: requirement.severity,
        optional: requirement.optional,
        uncatalogued: requirement.uncatalogued,
        why: requirement.why.as_deref(),
        reference: requirement.reference.as_deref(),
        origin: Spot::of(&requirement.origin),
        keys: requirement.keys.iter().map(|(key, origin)| (key.name(), Spot::of(origin))).collect(),
    }
}

impl Report for ProfileReport {
    fn human(&self, width: usize) -> String {
        let mut page = Page::new(width);
        let profile = &self.profile;
        page.heading(&format!("{}: {}", profile.name, profile.summary));
        page.item(0, "from:", &profile.source.to_string());
        page.item(0, "system:", &self.system);
        page.item(0, "digest:", &profile.digest);
        if profile.shadows_built_in {
            page.marked(0, WARN, "note:", "it hides the built-in profile of that name");
        }
        page.blank();
        let mut table = Table::new(&["setting", "wanted", "severity", "origin"]);
        for found in &profile.requirements {
            table.row(PLAIN, cells(found));
        }
        let layout = table.layout(page.width());
        page.lines(&layout.head);
        for (row, found) in layout.rows.iter().zip(&profile.requirements) {
            page.lines(row);
            reasons(&mut page, found);
        }
        page.finish()
    }

    fn json(&self) -> String {
        json::document(SCHEMA, &self.document())
    }
}

fn cells(found: &Requirement) -> [String; 4] {
    let severity = match found.severity {
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
    };
    let optional = if found.optional { ", optional" } else { "" };
    [
        found.subject.to_string(),
        wanted(&found.wanted),
        format!("{severity}{optional}"),
        Spot::of(&found.origin).to_string(),
    ]
}

/// Tells whether two spots are in the same profile's text, so that naming the second adds nothing.
fn same_text(a: &Origin, b: &Origin) -> bool {
    (&a.profile, &a.file) == (&b.profile, &b.file)
}

/// Says below a requirement why it is there, and which of its keys come from elsewhere.
fn reasons(page: &mut Page, found: &Requirement) {
    if let Some(why) = &found.why {
        page.item(4, "why:", why);
    }
    if let Some(reference) = &found.reference {
        page.item(4, "see:", reference);
    }
    for (key, origin) in found.keys.iter().filter(|(_, origin)| !same_text(origin, &found.origin)) {
        page.item(4, &format!("{}:", key.name()), &format!("from {}", Spot::of(origin)));
    }
    if found.uncatalogued {
        page.item(4, "note:", "not in the catalog; the profile answers for it");
    }
}

#[cfg(test)]
mod tests {
    use tune_model::profile::Key;
    use tune_model::{Setting, Slot};

    use super::*;
    use crate::testing::{check, plain, seconds};

    #[test]
    fn profiles_are_listed_with_what_they_are_for() {
        let line = |name: &str, source, shadows_built_in, problem: Option<&str>| ProfileLine {
            name: name.into(),
            summary: problem.is_none().then(|| "HTTP server facing browsers and mobile clients".into()),
            source,
            shadows_built_in,
            problem: problem.map(ToOwned::to_owned),
        };
        let site = |name: &str| Source::File(format!("/etc/tune/profiles/{name}.toml").into());
        let report = ProfilesReport {
            profiles: vec![
                line("broken", site("broken"), false, Some("2 errors; see tune profile check broken")),
                line("reverse-proxy", Source::BuiltIn, false, None),
                line("web-server", site("web-server"), true, None),
            ],
        };
        assert_eq!(
            plain(&report),
            "\
profile        what for                          from
broken         cannot be used: 2 errors; see     /etc/tune/profiles/broken.toml
               tune profile check broken
reverse-proxy  HTTP server facing browsers and   built-in
               mobile clients
web-server     HTTP server facing browsers and   /etc/tune/profiles/
               mobile clients                    web-server.toml, hides the
                                                 built-in one

next: tune audit PROFILE holds one against this host; tune profile show PROFILE
"
        );
        check(&report, "profiles");
    }

    fn report() -> ProfileReport {
        let requirement = |subject, wanted, line| Requirement {
            subject,
            wanted,
            severity: Severity::High,
            why: Some("Orphaned FIN_WAIT_2 sockets hold kernel memory.".into()),
            reference: Some("Apache httpd, Connections in FIN_WAIT_2".into()),
            optional: false,
            uncatalogued: false,
            origin: Origin { profile: "web-server".into(), file: None, line, column: 1 },
            keys: vec![],
        };
        let within = |at_least, at_most| Wanted::Within { at_least, at_most, prefer: None };
        let count = |count| Quantity::Count(count);
        let scaled = Bound::PerGibOfRam { each: count(16384), min: Some(count(65536)), max: None };
        let native = Subject::Tunable(Slot::field("net.ipv4.tcp_mem", 2));
        let mut default = requirement(native.clone(), Wanted::VendorDefault, 14);
        (default.uncatalogued, default.optional, default.why, default.reference) = (true, true, None, None);
        default.origin.file = Some("/etc/tune/profiles/web-server.d/10-site.toml".into());
        let overridden = Origin { line: 2, column: 1, ..default.origin.clone() };
        let mut probes = requirement(
            Subject::Setting(Setting::KeepaliveProbes),
            within(Some(Bound::Fixed(count(3))), Some(Bound::Fixed(count(9)))),
            16,
        );
        probes.keys = vec![(Key::AtMost, overridden), (Key::AtLeast, probes.origin.clone())];
        ProfileReport {
            system: "linux".into(),
            profile: Profile {
                name: "web-server".into(),
                summary: "HTTP server facing browsers and mobile clients".into(),
                source: Source::BuiltIn,
                digest: format!("sha256:{}", "0f".repeat(32)),
                shadows_built_in: false,
                requirements: vec![
                    requirement(
                        Subject::Setting(Setting::FinWait2Timeout),
                        within(None, Some(Bound::Fixed(seconds(30)))),
                        6,
                    ),
                    requirement(Subject::Setting(Setting::MbufClusters), within(Some(scaled), None), 9),
                    requirement(native, within(Some(Bound::PagesOf { bytes: 512 << 20 }), None), 12),
                    default,
                    probes,
                ],
            },
        }
    }

    #[test]
    fn a_profile_is_shown_with_the_origin_of_each_key() {
        assert_eq!(
            plain(&report()),
            "\
web-server: HTTP server facing browsers and mobile clients
from: built-in
system: linux
digest: sha256:0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f

setting                 wanted              severity        origin
tcp.fin_wait_2_timeout  at most 30s         high            web-server:6:1
    why: Orphaned FIN_WAIT_2 sockets hold kernel memory.
    see: Apache httpd, Connections in FIN_WAIT_2
net.mbuf_clusters       at least 16384 per  high            web-server:9:1
                        GiB of RAM, from
                        65536
    why: Orphaned FIN_WAIT_2 sockets hold kernel memory.
    see: Apache httpd, Connections in FIN_WAIT_2
net.ipv4.tcp_mem[2]     at least 512MiB in  high            web-server:12:1
                        pages
    why: Orphaned FIN_WAIT_2 sockets hold kernel memory.
    see: Apache httpd, Connections in FIN_WAIT_2
net.ipv4.tcp_mem[2]     vendor default      high, optional  /etc/tune/
                                                            profiles/
                                                            web-server.d/
                                                            10-site.toml:14:1
    note: not in the catalog; the profile answers for it
tcp.keepalive_probes    3 to 9              high            web-server:16:1
    why: Orphaned FIN_WAIT_2 sockets hold kernel memory.
    see: Apache httpd, Connections in FIN_WAIT_2
    at_most: from /etc/tune/profiles/web-server.d/10-site.toml:2:1
"
        );
        let document = check(&report(), "profile-report");
        assert_eq!(document["requirements"][0]["origin"]["line"], 6);
    }
}
