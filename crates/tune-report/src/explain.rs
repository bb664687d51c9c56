//! Explanations: what a setting means here, what it may be, and who decides it.

use serde::Serialize;
use tune_model::catalog::{FAMILIES, Reach, Tunable};
use tune_model::finding::{HostRef, TunableState};
use tune_model::system::Place;
use tune_model::{Effective, Mutability, Subject, TakesHold};

use crate::escape::fields;
use crate::page::Page;
use crate::style::{GOOD, PLAIN, WARN};
use crate::table::Table;
use crate::{Report, json, words};

/// A range of integers, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Range {
    /// The smallest.
    pub min: i128,
    /// The largest.
    pub max: i128,
}

/// A line of a file that sets a tunable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SettingLine {
    /// The line.
    pub place: Place,
    /// The value that it sets.
    pub value: String,
    /// It decides the value after the next boot.
    pub wins: bool,
    /// Why it has no effect, or what is odd about it.
    pub note: Option<String>,
}

/// A file that is not read because another takes its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MaskedFile {
    /// The file.
    pub path: String,
    /// What takes its place.
    pub by: String,
}

/// What the boot tool that this host does not use would decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OtherTool {
    /// Its name.
    pub name: String,
    /// The value; `None` for the kernel's default.
    pub value: Option<String>,
    /// The line that would decide.
    pub place: Option<Place>,
}

/// What a tunable is in one family of releases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FamilyExplained {
    /// The name of the family.
    pub name: &'static str,
    /// Its kernels have the tunable.
    pub present: bool,
    /// The default, one number for each field.
    pub default: Vec<i128>,
    /// What its kernels take, per field.
    pub accepted: Vec<Range>,
    /// What nobody could confirm about it, in words.
    pub unconfirmed: Option<String>,
}

/// Everything that is known of a tunable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TunableExplained {
    /// What it is now and after the next boot.
    #[serde(flatten)]
    pub state: TunableState,
    /// What it does.
    pub meaning: String,
    /// The unit in which the system shows it.
    pub unit: String,
    /// The names of its fields, where it holds several.
    pub fields: Vec<String>,
    /// What a profile may ask for, per field.
    pub allowed: Vec<Range>,
    /// What the kernel takes, per field.
    pub accepted: Vec<Range>,
    /// The default, or its rule, in words.
    pub default_text: Option<String>,
    /// The families of releases, where they are told apart.
    pub families: Vec<FamilyExplained>,
    /// The names that earlier releases had for it, newest first.
    pub former_names: Vec<String>,
    /// Its name for `ndd`, where the system has that program.
    pub ndd: Option<String>,
    /// When it can be changed.
    pub mutability: Mutability,
    /// Whom a change reaches.
    pub takes_hold: TakesHold,
    /// What one write reaches.
    pub scope: &'static str,
    /// The first release that has it, where known.
    pub since: Option<String>,
    /// The first release that has it per network namespace, where known.
    pub netns_since: Option<String>,
    /// The last release that has it.
    pub until: Option<String>,
    /// The kernel module it comes with.
    pub module: Option<String>,
    /// What can go wrong.
    pub cautions: Vec<String>,
    /// Why values that the kernel takes and a profile may not ask for are refused.
    pub unsafe_values: Option<String>,
    /// The primary source.
    pub source: String,
    /// Every line that sets it, in the order in which they are read.
    pub lines: Vec<SettingLine>,
    /// Files that are not read.
    pub masked: Vec<MaskedFile>,
    /// What the other common boot tool would decide.
    pub other_tool: Option<OtherTool>,
    /// Other programs that write it.
    pub writers: Vec<String>,
}

impl TunableExplained {
    /// Tells what the catalog knows of a tunable, and what it is on this host; files and writers are to be added.
    #[must_use]
    pub fn new(row: &Tunable, state: TunableState) -> Self {
        Self {
            state,
            meaning: row.meaning.clone(),
            unit: row.unit.clone(),
            fields: row.fields.clone(),
            allowed: spans(&row.allowed),
            accepted: spans(&row.accepted),
            default_text: row.default_text.clone(),
            families: families(row),
            former_names: row.former_names.clone(),
            ndd: row.ndd.clone(),
            mutability: row.mutability,
            takes_hold: row.takes_hold,
            scope: match row.scope {
                Reach::Host => "host",
                Reach::Netns => "network-namespace",
                Reach::Vnet => "vnet",
                Reach::Stack => "stack",
            },
            since: row.since.clone(),
            netns_since: row.netns_since.clone(),
            until: row.until.clone(),
            module: row.module.clone(),
            cautions: row.cautions.clone(),
            unsafe_values: row.unsafe_values.clone(),
            source: row.source.clone(),
            lines: Vec::new(),
            masked: Vec::new(),
            other_tool: None,
            writers: Vec::new(),
        }
    }
}

fn spans(pairs: &[(i128, i128)]) -> Vec<Range> {
    pairs.iter().map(|&(min, max)| Range { min, max }).collect()
}

fn families(row: &Tunable) -> Vec<FamilyExplained> {
    let family = |name: &&'static str| {
        let known = row.of_family(name);
        FamilyExplained {
            name,
            present: !known.absent,
            default: known.default,
            accepted: spans(&known.accepted),
            unconfirmed: known.unconfirmed,
        }
    };
    // Where no family differs from another, there is nothing to tell apart.
    if row.variants.is_empty() { Vec::new() } else { FAMILIES.iter().map(family).collect() }
}

/// The explanation of a setting or of a tunable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExplainReport {
    /// The host.
    pub host: HostRef,
    /// The setting or the tunable.
    pub setting: Subject,
    /// What a setting means; `None` for a tunable, which says so itself.
    pub meaning: Option<String>,
    /// How a profile writes its values.
    pub takes: Option<String>,
    /// What a setting amounts to in the running kernel.
    pub effective: Option<Effective>,
    /// What it will amount to after the next boot.
    pub boot_effective: Option<Effective>,
    /// What it amounts to with the kernel's defaults, where known.
    pub default: Option<Effective>,
    /// What bounds the same thing where this system has no such setting.
    pub stands_in: Option<String>,
    /// The tunables behind it.
    pub tunables: Vec<TunableExplained>,
    /// What an administrator should know besides.
    pub notes: Vec<String>,
}

impl ExplainReport {
    /// The name of the document's schema.
    pub const SCHEMA: &str = "tune.explain/1";
}

impl Report for ExplainReport {
    fn human(&self, width: usize) -> String {
        let mut page = Page::new(width);
        page.heading(&self.setting.to_string());
        if let Some(meaning) = &self.meaning {
            page.text(0, meaning);
        }
        page.blank();
        self.values(&mut page);
        for tunable in &self.tunables {
            page.blank();
            explain(&mut page, tunable);
        }
        page.finish()
    }

    fn json(&self) -> String {
        json::document(Self::SCHEMA, self)
    }
}

impl ExplainReport {
    fn values(&self, page: &mut Page) {
        page.item(0, "host:", &words::host(&self.host));
        let values =
            [("now:", &self.effective), ("next boot:", &self.boot_effective), ("default:", &self.default)];
        for (label, value) in values {
            match value {
                Some(Effective::Unknown(reason)) => page.item(0, label, &format!("unknown: {reason}")),
                Some(value) => page.item(0, label, &value.to_string()),
                None => {}
            }
        }
        if let Some(takes) = &self.takes {
            page.item(0, "takes:", takes);
        }
        if let Some(stands_in) = &self.stands_in {
            page.styled(0, WARN, &format!("This system has none. In its place: {stands_in}."));
        }
        for note in &self.notes {
            page.item(0, "note:", note);
        }
    }
}

const INDENT: usize = 2;

fn explain(page: &mut Page, tunable: &TunableExplained) {
    page.heading(&tunable.state.name);
    page.text(INDENT, &tunable.meaning);
    if !tunable.former_names.is_empty() {
        page.item(INDENT, "before:", &tunable.former_names.join(", "));
    }
    if let Some(ndd) = &tunable.ndd {
        page.item(INDENT, "for ndd:", ndd);
    }
    values(page, tunable);
    facts(page, tunable);
    for caution in &tunable.cautions {
        page.marked(INDENT, WARN, "caution:", caution);
    }
    if !tunable.source.is_empty() {
        page.item(INDENT, "source:", &tunable.source);
    }
    files(page, tunable);
}

fn values(page: &mut Page, tunable: &TunableExplained) {
    let state = &tunable.state;
    let missing = state.reason.as_deref().unwrap_or("no value");
    page.item(INDENT, "now:", &words::native(state.live.as_deref(), missing));
    page.item(INDENT, "next boot:", &words::boot_line(state));
    let default = match (&state.default, &tunable.default_text) {
        (Some(default), Some(text)) => format!("{} ({text})", fields(default)),
        (Some(default), None) => fields(default),
        (None, Some(text)) => text.clone(),
        (None, None) if !tunable.families.is_empty() => "by family of releases".to_owned(),
        (None, None) => "unknown".to_owned(),
    };
    page.item(INDENT, "default:", &default);
    let unit =
        if tunable.fields.is_empty() { String::new() } else { format!("; {}", tunable.fields.join(", ")) };
    if !tunable.unit.is_empty() {
        page.item(INDENT, "unit:", &format!("{}{unit}", tunable.unit));
    }
    ranges(page, "allowed:", &tunable.allowed, &tunable.fields);
    ranges(page, "kernel takes:", &tunable.accepted, &tunable.fields);
    by_family(page, &tunable.families, &tunable.fields);
    if let Some(reason) = &tunable.unsafe_values {
        page.marked(INDENT, WARN, "outside allowed:", reason);
    }
}

fn ranges(page: &mut Page, label: &str, ranges: &[Range], fields: &[String]) {
    if !ranges.is_empty() {
        page.item(INDENT, label, &in_words(ranges, fields));
    }
}

fn in_words(ranges: &[Range], fields: &[String]) -> String {
    let named = |(at, Range { min, max }): (usize, &Range)| match fields.get(at) {
        Some(field) => format!("{field} {min} to {max}"),
        None => format!("{min} to {max}"),
    };
    ranges.iter().enumerate().map(named).collect::<Vec<_>>().join(", ")
}

/// Shows what each family of releases has, and what of it nobody could confirm.
fn by_family(page: &mut Page, families: &[FamilyExplained], fields: &[String]) {
    if families.is_empty() {
        return;
    }
    let mut table = Table::new(&["    family", "default", "kernel takes", ""]);
    for family in families {
        let default: Vec<_> = family.default.iter().map(ToString::to_string).collect();
        let takes = in_words(&family.accepted, fields);
        let (default, takes) = if family.present { (default.join(" "), takes) } else { absent() };
        let sure = if family.unconfirmed.is_some() { "unconfirmed" } else { "" };
        table.row(PLAIN, [format!("    {}", family.name), default, takes, sure.to_owned()]);
    }
    page.table(&table);
    for family in families {
        if let Some(reason) = &family.unconfirmed {
            page.marked(INDENT, WARN, &format!("unconfirmed, {}:", family.name), reason);
        }
    }
}

fn absent() -> (String, String) {
    ("none".to_owned(), "has no such tunable".to_owned())
}

fn facts(page: &mut Page, tunable: &TunableExplained) {
    // Nothing is known of what is not in the catalog.
    if tunable.scope == "unknown" {
        return;
    }
    page.item(INDENT, "can be changed:", words::mutability(tunable.mutability));
    page.item(INDENT, "a change reaches:", tunable.takes_hold.words());
    let scope = match (tunable.scope, &tunable.netns_since) {
        ("host", _) => "the whole host".to_owned(),
        ("vnet", _) => "each network stack by itself: the host's, and that of each VNET jail".to_owned(),
        ("stack", _) => "each zone with an IP stack of its own by itself".to_owned(),
        (_, Some(since)) => format!("each network namespace by itself, since {since}"),
        (_, None) => "each network namespace by itself".to_owned(),
    };
    page.item(INDENT, "scope:", &scope);
    let facts = [("since:", &tunable.since), ("until:", &tunable.until), ("module:", &tunable.module)];
    for (label, fact) in facts {
        if let Some(fact) = fact {
            page.item(INDENT, label, fact);
        }
    }
}

/// Shows who sets a tunable, in the order in which it happens.
fn files(page: &mut Page, tunable: &TunableExplained) {
    if tunable.lines.is_empty() {
        page.item(INDENT, "files:", "none sets it");
    } else {
        page.item(INDENT, "files:", "in the order in which they are read");
        page.table(&lines(&tunable.lines));
    }
    for masked in &tunable.masked {
        page.item(INDENT, "not read:", &format!("{}, masked by {}", masked.path, masked.by));
    }
    if let Some(other) = &tunable.other_tool {
        let value = words::native(other.value.as_deref(), "nothing");
        let place = other.place.as_ref().map(|place| format!(", from {place}")).unwrap_or_default();
        page.marked(INDENT, WARN, &format!("{} would set:", other.name), &format!("{value}{place}"));
    }
    for writer in &tunable.writers {
        page.marked(INDENT, WARN, "also written by:", writer);
    }
}

fn lines(lines: &[SettingLine]) -> Table {
    let mut table = Table::new(&["    line", "value", ""]);
    for line in lines {
        let (style, said) = if line.wins { (GOOD, "wins") } else { (PLAIN, "") };
        let said = match (&line.note, line.wins) {
            (Some(note), true) => format!("wins; {note}"),
            (Some(note), false) => note.clone(),
            (None, _) => said.to_owned(),
        };
        table.row(style, [format!("    {}", line.place), fields(&line.value), said]);
    }
    table
}

#[cfg(test)]
mod tests {
    use tune_model::{Catalog, Setting, System};

    use super::*;
    use crate::testing::{check, host, place, plain, seconds, state};

    fn tunable() -> TunableExplained {
        let line = |file, line, value: &str, wins, note: Option<&str>| SettingLine {
            place: place(file, line),
            value: value.into(),
            wins,
            note: note.map(ToOwned::to_owned),
        };
        TunableExplained {
            state: TunableState {
                boot: Some("30".into()),
                boot_source: Some(place("/etc/sysctl.d/99-x.conf", 3)),
                ..state("net.ipv4.tcp_fin_timeout", "60")
            },
            meaning: "How long a closed connection may wait in FIN_WAIT_2 for the peer to close too.".into(),
            unit: "s".into(),
            fields: vec![],
            allowed: vec![Range { min: 5, max: 3600 }],
            accepted: vec![Range { min: -2_147_483, max: 2_147_483 }],
            default_text: None,
            families: vec![],
            former_names: vec![],
            ndd: None,
            mutability: Mutability::Live,
            takes_hold: TakesHold::NewCloses,
            scope: "network-namespace",
            since: Some("2.2".into()),
            netns_since: Some("4.6".into()),
            until: None,
            module: None,
            cautions: vec!["61 to 119 give a shorter life than asked for: 2 * (T - 60) seconds.".into()],
            unsafe_values: Some("0 and negative numbers mean the shortest possible life.".into()),
            source: "Linux net/ipv4/tcp.c, __tcp_close".into(),
            lines: vec![
                line("/usr/lib/sysctl.d/50-default.conf", 9, "45", false, None),
                line("/etc/sysctl.d/99-x.conf", 3, "30", true, None),
                line("/etc/sysctl.conf", 1, "20", false, Some("systemd-sysctl does not read it")),
            ],
            masked: vec![MaskedFile {
                path: "/usr/lib/sysctl.d/99-x.conf".into(),
                by: "/etc/sysctl.d/99-x.conf".into(),
            }],
            other_tool: Some(OtherTool {
                name: "procps".into(),
                value: Some("20".into()),
                place: Some(place("/etc/sysctl.conf", 1)),
            }),
            writers: vec!["tuned, profile throughput-performance".into()],
        }
    }

    fn report() -> ExplainReport {
        let setting = Setting::FinWait2Timeout;
        ExplainReport {
            host: host(),
            setting: Subject::Setting(setting),
            meaning: Some(setting.meaning().into()),
            takes: Some(setting.kind().expected().into()),
            effective: Some(Effective::Exact(seconds(60))),
            boot_effective: Some(Effective::Exact(seconds(30))),
            default: Some(Effective::Exact(seconds(60))),
            stands_in: None,
            tunables: vec![tunable()],
            notes: vec![],
        }
    }

    #[test]
    fn a_setting_is_explained_down_to_the_line_that_wins() {
        assert_eq!(
            plain(&report()),
            "\
tcp.fin_wait_2_timeout
How long a connection that the application has closed may wait in FIN_WAIT_2 for
the peer to close.

host: linux 6.18.44
now: 60s
next boot: 30s
default: 60s
takes: a duration such as \"30s\" or \"10min\"

net.ipv4.tcp_fin_timeout
  How long a closed connection may wait in FIN_WAIT_2 for the peer to close too.
  now: 60
  next boot: 30, from /etc/sysctl.d/99-x.conf:3
  default: 60
  unit: s
  allowed: 5 to 3600
  kernel takes: -2147483 to 2147483
  outside allowed: 0 and negative numbers mean the shortest possible life.
  can be changed: at run time
  a change reaches: connections closed from then on; running timers keep their
                    time
  scope: each network namespace by itself, since 4.6
  since: 2.2
  caution: 61 to 119 give a shorter life than asked for: 2 * (T - 60) seconds.
  source: Linux net/ipv4/tcp.c, __tcp_close
  files: in the order in which they are read
    line                                 value
    /usr/lib/sysctl.d/50-default.conf:9  45
    /etc/sysctl.d/99-x.conf:3            30     wins
    /etc/sysctl.conf:1                   20     systemd-sysctl does not read it
  not read: /usr/lib/sysctl.d/99-x.conf, masked by /etc/sysctl.d/99-x.conf
  procps would set: 20, from /etc/sysctl.conf:1
  also written by: tuned, profile throughput-performance
"
        );
        check(&report(), "explain");
    }

    #[test]
    fn a_setting_that_this_system_lacks_names_what_stands_in() {
        let setting = Setting::MbufClusters;
        let report = ExplainReport {
            setting: Subject::Setting(setting),
            meaning: Some(setting.meaning().into()),
            takes: None,
            effective: None,
            boot_effective: None,
            default: None,
            stands_in: Some(setting.stands_in().into()),
            tunables: vec![],
            ..report()
        };
        assert_eq!(
            plain(&report),
            "\
net.mbuf_clusters
How many 2 KiB mbuf clusters (NMBCLUSTERS) the network stack may use.

host: linux 6.18.44
This system has none. In its place: net.tcp_memory_limit, where packet buffers
come from general kernel memory.
"
        );
        check(&report, "explain");
    }

    /// A row as it is told where no host was looked at.
    fn told(name: &str) -> ExplainReport {
        let row = Catalog::of(System::Solaris).get(name).expect("a row");
        let state = TunableState {
            live: None,
            boot: None,
            default: None,
            reason: Some("no host was looked at".into()),
            ..state(name, "")
        };
        ExplainReport {
            setting: Subject::Tunable(tune_model::Slot::whole(name)),
            meaning: None,
            takes: None,
            effective: None,
            boot_effective: None,
            default: None,
            tunables: vec![TunableExplained::new(row, state)],
            ..report()
        }
    }

    #[test]
    fn families_are_told_apart_with_what_is_not_confirmed() {
        let report = told("ipadm.tcp._reass_timeout");
        let shown = plain(&report);
        let (_, table) = shown.split_once("kernel takes: 0 to 4294967295\n").expect("the ranges");
        let (table, after) = table.split_once("  outside allowed:").expect("what follows");
        assert_eq!(
            table,
            "    family            default  kernel takes
    illumos           100000   0 to 4294967295
    opensolaris-2010  100000   0 to 4294967295
    solaris-11        100000   0 to 4294967295      unconfirmed
    solaris-10        none     has no such tunable
  unconfirmed, solaris-11: Taken from OpenSolaris of 2010-08, which it grew
                           from; not read on Solaris 11.
"
        );
        assert!(after.contains("scope: each zone with an IP stack of its own by itself\n"), "{after}");
        check(&report, "explain");
    }

    #[test]
    fn a_renamed_property_is_told_with_its_names() {
        let report = told("ipadm.tcp.recv_buf");
        let shown = plain(&report);
        assert!(shown.contains("\n  before: recv_maxbuf\n  for ndd: tcp_recv_hiwat\n"), "{shown}");
        assert!(shown.contains("\n    solaris-10        49152    2048 to 1073741824\n"), "{shown}");
        let tunable =
            &serde_json::from_str::<serde_json::Value>(&report.json()).expect("JSON")["tunables"][0];
        assert_eq!(tunable["former_names"], serde_json::json!(["recv_maxbuf"]));
        assert_eq!((&tunable["ndd"], &tunable["scope"]), (&"tcp_recv_hiwat".into(), &"stack".into()));
        let solaris_10 = serde_json::json!({
            "name": "solaris-10",
            "present": true,
            "default": [49152],
            "accepted": [{"min": 2048, "max": 1_073_741_824}],
            "unconfirmed": null,
        });
        assert_eq!(tunable["families"][3], solaris_10);
        check(&report, "explain");
    }

    #[test]
    fn every_row_of_the_catalogs_can_be_explained() {
        for system in System::ALL {
            let rows = Catalog::of(*system).iter();
            let mut report = report();
            report.tunables = rows.map(|row| TunableExplained::new(row, state(&row.name, "1"))).collect();
            plain(&report);
            check(&report, "explain");
        }
    }
}
