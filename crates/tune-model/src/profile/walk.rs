//! From the TOML of one text to a document, noting every mistake on the way.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Place;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::document::{Content, Document, Entry, Key, Table};
use super::log::{Complaint, Log, Spot};
use super::native::{self, Native};
use super::value::{self, Given, Shape};
use super::{Bound, Catalogs, Severity, Subject};
use crate::catalog::Tunable;
use crate::setting::{Kind, Setting};
use crate::system::System;

/// What a text is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Role<'n> {
    /// A profile, which must have this name if one is given.
    Profile(Option<&'n str>),
    /// Changes to single keys of the profile of this name.
    Override(&'n str),
}

/// Takes a text apart; what is wrong with it goes to the log, what is right is returned.
pub(super) fn read(log: &mut Log, source: usize, role: Role<'_>, catalogs: Catalogs) -> Document {
    let text = log.text(source);
    let before = log.len();
    let (root, errors) = DeTable::parse_recoverable(&text);
    for error in &errors {
        let span = error.span().unwrap_or(0..0);
        log.error(Spot::new(source, &span), Complaint::new(lower_first(error.message())));
    }
    let syntax_errors = log.len();
    let mut walker = Walker { log, source, catalogs, document: Document::default() };
    walker.top(root.get_ref(), role);
    let document = walker.document;
    if syntax_errors > before {
        log.keep_one_per_line(syntax_errors);
    }
    document
}

fn lower_first(message: &str) -> String {
    let mut rest = message.chars();
    rest.next().map(|first| first.to_lowercase().chain(rest).collect()).unwrap_or_default()
}

type Name<'t> = Spanned<DeString<'t>>;
type Value<'t> = Spanned<DeValue<'t>>;

struct Walker<'l> {
    log: &'l mut Log,
    source: usize,
    catalogs: Catalogs,
    document: Document,
}

/// What a table is about: one subject, or several fields of one tunable.
struct Target {
    system: Option<System>,
    subjects: Vec<Subject>,
    shape: Shape,
    row: Option<&'static Tunable>,
    unknown: Option<String>,
}

impl Walker<'_> {
    fn spot<T>(&self, spanned: &Spanned<T>) -> Spot {
        Spot::new(self.source, &spanned.span())
    }

    fn error<T>(&mut self, at: &Spanned<T>, complaint: Complaint) {
        self.log.error(self.spot(at), complaint);
    }

    fn wrong_type(&mut self, value: &Value<'_>, what: &str, expected: &str) {
        let found = Given::of(value.get_ref());
        self.error(value, Complaint::new(format!("{what} takes {expected}, found {found}")));
    }

    fn unknown_key(&mut self, key: &Name<'_>, valid: &[&str]) {
        let name = key.get_ref();
        self.error(key, Complaint::new(format!("unknown key {name:?}")).nearest(name, valid));
    }

    fn table<'v, 't>(&mut self, value: &'v Value<'t>, what: &str) -> Option<&'v DeTable<'t>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.wrong_type(value, what, "a table");
        }
        table
    }

    fn text(&mut self, value: &Value<'_>, what: &str) -> Option<String> {
        let text = value.get_ref().as_str().map(str::to_owned);
        if text.is_none() {
            self.wrong_type(value, what, "a text");
        }
        text
    }

    fn top(&mut self, root: &DeTable<'_>, role: Role<'_>) {
        const KEYS: &[&str] = &["name", "summary", "extends", "settings", "linux", "freebsd", "solaris"];
        for (key, value) in root {
            match key.get_ref().as_ref() {
                "name" => self.name(value, role),
                "summary" => self.document.summary = self.text(value, "summary"),
                "extends" => self.extends(value),
                "settings" => self.settings(None, value),
                name => match name.parse() {
                    Ok(system) => self.system(system, value),
                    Err(_) => self.unknown_key(key, KEYS),
                },
            }
        }
        if matches!(role, Role::Profile(_)) && !root.contains_key("name") {
            self.missing_name(role);
        }
    }

    fn missing_name(&mut self, role: Role<'_>) {
        let name = match role {
            Role::Profile(Some(name)) => name,
            _ => "my-profile",
        };
        let complaint = Complaint::new("the profile has no name").help(format!("add: name = {name:?}"));
        self.log.error(Spot::new(self.source, &(0..0)), complaint);
    }

    fn name(&mut self, value: &Value<'_>, role: Role<'_>) {
        let Some(name) = self.text(value, "name") else { return };
        let (expected, whose) = match role {
            Role::Profile(expected) => (expected, "file"),
            Role::Override(of) => (Some(of), "profile that it overrides"),
        };
        if !is_name(&name) {
            let complaint = Complaint::new(format!("{name:?} cannot be the name of a profile"));
            self.error(
                value,
                complaint.help("use letters, digits, '.', '_' and '-', first a letter or digit"),
            );
        } else if let Some(expected) = expected.filter(|expected| *expected != name) {
            let message = format!("the name {name:?} differs from that of the {whose}, {expected:?}");
            let complaint = Complaint::new(message);
            self.error(value, complaint.help(format!("write name = {expected:?}, or rename the file")));
        } else {
            self.document.name = Some(name);
        }
    }

    fn extends(&mut self, value: &Value<'_>) {
        let Some(items) = value.get_ref().as_array() else {
            return self.wrong_type(value, "extends", "a list of profile names");
        };
        let mut parents: Vec<(String, Spot)> = Vec::new();
        for item in items {
            let Some(name) = self.text(item, "extends") else { continue };
            if parents.iter().any(|(earlier, _)| *earlier == name) {
                self.error(item, Complaint::new(format!("{name:?} is extended twice")));
            } else {
                parents.push((name, self.spot(item)));
            }
        }
        self.document.extends = Some(parents);
    }

    fn system(&mut self, system: System, value: &Value<'_>) {
        let Some(table) = self.table(value, system.name()) else { return };
        let native = if system == System::Solaris { "ipadm" } else { "sysctl" };
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "settings" => self.settings(Some(system), value),
                "ipadm" if system == System::Solaris => self.protocols(value),
                "sysctl" if system != System::Solaris => self.natives(system, "", value),
                _ => self.unknown_key(key, &["settings", native]),
            }
        }
    }

    fn protocols(&mut self, value: &Value<'_>) {
        let Some(table) = self.table(value, "ipadm") else { return };
        for (key, value) in table {
            let protocol = key.get_ref().as_ref();
            if native::IPADM_PROTOCOLS.contains(&protocol) {
                self.natives(System::Solaris, &format!("ipadm.{protocol}."), value);
            } else {
                let complaint = Complaint::new(format!("unknown protocol {protocol:?}"));
                self.error(key, complaint.nearest(protocol, native::IPADM_PROTOCOLS));
            }
        }
    }

    fn settings(&mut self, system: Option<System>, value: &Value<'_>) {
        let Some(table) = self.table(value, "settings") else { return };
        for (key, value) in table {
            match Setting::named(key.get_ref()) {
                Some(setting) => self.requirement(key, value, &Target::portable(system, setting)),
                None => self.unknown_setting(key, value),
            }
        }
    }

    fn unknown_setting(&mut self, key: &Name<'_>, value: &Value<'_>) {
        let name = key.get_ref();
        let complaint = Complaint::new(format!("unknown setting {name:?}"));
        let complaint = if let Some(inner) = unquoted(name, value.get_ref()) {
            complaint.help(format!("the name has a dot and needs quotes: [settings.\"{inner}\"]"))
        } else if let Some(system) = native::home(self.catalogs, name) {
            complaint
                .help(format!("native tunables stand in a table of their own: [{system}.sysctl.{name:?}]"))
        } else {
            match crate::nearest(name, Setting::ALL.iter().map(|setting| setting.name())) {
                Some(nearest) => complaint.help(format!("did you mean {nearest:?}?")),
                None => complaint.help("tune status lists the settings"),
            }
        };
        self.error(key, complaint);
    }

    fn natives(&mut self, system: System, prefix: &str, value: &Value<'_>) {
        let Some(table) = self.table(value, if prefix.is_empty() { "sysctl" } else { "the protocol" }) else {
            return;
        };
        for (key, value) in table {
            let name = format!("{prefix}{}", key.get_ref());
            match native::find((self.catalogs)(system), system, &name) {
                Ok(native) => self.requirement(key, value, &Target::native(system, native)),
                Err(complaint) if Setting::named(key.get_ref()).is_some() => {
                    let help = format!(
                        "settings stand in [settings.{0:?}] or [{system}.settings.{0:?}]",
                        key.get_ref()
                    );
                    self.error(key, complaint.help(help));
                }
                Err(complaint) => self.error(key, complaint),
            }
        }
    }

    /// Reads a requirement: a table of keys, or a value alone.
    fn requirement(&mut self, name: &Name<'_>, value: &Value<'_>, target: &Target) {
        let mut fields: Vec<BTreeMap<Key, Entry>> = vec![BTreeMap::new(); target.subjects.len()];
        let mut add = |walker: &mut Self, key: Key, value: &Value<'_>| {
            let Some(contents) = walker.entry(key, value, target) else { return false };
            let spot = walker.spot(value);
            for (entries, content) in fields.iter_mut().zip(contents) {
                entries.insert(key, Entry { spot, content });
            }
            true
        };
        let mut whole = true;
        match value.get_ref().as_table() {
            None => whole = add(self, Key::Exactly, value),
            Some(table) => {
                for (key, value) in table {
                    match Key::named(key.get_ref()) {
                        Some(known) => whole &= add(self, known, value),
                        None => {
                            self.unknown_requirement_key(key);
                            whole = false;
                        }
                    }
                }
            }
        }
        for (subject, entries) in target.subjects.iter().zip(fields) {
            self.insert(name, subject, target, entries, whole);
        }
    }

    fn insert(
        &mut self,
        name: &Name<'_>,
        subject: &Subject,
        target: &Target,
        entries: BTreeMap<Key, Entry>,
        whole: bool,
    ) {
        let Target { system, row, unknown, .. } = target;
        let table = Table { spot: self.spot(name), row: *row, unknown: unknown.clone(), entries, whole };
        match self.document.tables.entry((*system, subject.clone())) {
            Place::Vacant(place) => {
                place.insert(table);
            }
            Place::Occupied(earlier) => {
                let place = self.log.place(earlier.get().spot, table.spot);
                let complaint = Complaint::new(format!("{subject} is already stated in {place}"));
                self.log.error(table.spot, complaint.help("state each field once"));
            }
        }
    }

    fn unknown_requirement_key(&mut self, key: &Name<'_>) {
        if key.get_ref() == "per_gib_of_ram" {
            let complaint = Complaint::new("per_gib_of_ram is no requirement by itself");
            let help = "scaled amounts are bounds: at_least = { per_gib_of_ram = …, min = …, max = … }";
            return self.error(key, complaint.help(help));
        }
        self.unknown_key(key, Key::NAMES);
    }

    /// Reads what a key is set to, one content for each field.
    fn entry(&mut self, key: Key, value: &Value<'_>, target: &Target) -> Option<Vec<Content>> {
        let content = match key {
            Key::Exactly | Key::AtLeast | Key::AtMost | Key::Prefer => {
                return self.values(key, value, target);
            }
            Key::Optional | Key::Remove | Key::Uncatalogued => Content::Flag(self.flag(key, value, target)?),
            Key::Severity => Content::Severity(self.severity(value)?),
            Key::Why | Key::Reference => Content::Text(self.text(value, key.name())?),
        };
        Some(vec![content; target.subjects.len()])
    }

    fn flag(&mut self, key: Key, value: &Value<'_>, target: &Target) -> Option<bool> {
        let Some(on) = value.get_ref().as_bool() else {
            self.wrong_type(value, key.name(), "true or false");
            return None;
        };
        if key == Key::Remove && !on {
            self.error(
                value,
                Complaint::new("remove takes only true").help("leave it out to keep the requirement"),
            );
            return None;
        }
        if key == Key::Uncatalogued && matches!(target.shape, Shape::Portable(_)) {
            let complaint = Complaint::new("uncatalogued is for native tunables");
            self.error(value, complaint.help("leave it out"));
            return None;
        }
        Some(on)
    }

    fn severity(&mut self, value: &Value<'_>) -> Option<Severity> {
        let name = self.text(value, "severity")?;
        let found = Severity::ALL.iter().copied().find(|severity| severity.name() == name);
        if found.is_none() {
            let names = Severity::ALL.map(Severity::name);
            let complaint = Complaint::new(format!("unknown severity {name:?}"));
            self.error(value, complaint.nearest(&name, &names));
        }
        found
    }

    fn values(&mut self, key: Key, value: &Value<'_>, target: &Target) -> Option<Vec<Content>> {
        if let Some(table) = value.get_ref().as_table() {
            let bound = self.scaled(key, value, table, target)?;
            return Some(vec![Content::Bound(bound)]);
        }
        let given = Given::of(value.get_ref());
        match value::contents(&given, key, target.shape, target.subjects.len()) {
            Ok(contents) => Some(contents),
            Err(complaint) => {
                self.error(value, complaint);
                None
            }
        }
    }

    /// Reads `{ per_gib_of_ram, min, max }`.
    fn scaled(&mut self, key: Key, at: &Value<'_>, table: &DeTable<'_>, target: &Target) -> Option<Bound> {
        if let Some(complaint) = cannot_scale(key, target) {
            self.error(at, complaint);
            return None;
        }
        let mut amounts = BTreeMap::new();
        let mut whole = true;
        for (name, value) in table {
            match name.get_ref().as_ref() {
                "per_gib_of_ram" | "min" | "max" => match self.amount(value, target.shape) {
                    Some(amount) => drop(amounts.insert(name.get_ref().as_ref(), (amount, self.spot(value)))),
                    None => whole = false,
                },
                _ => {
                    self.unknown_key(name, &["per_gib_of_ram", "min", "max"]);
                    whole = false;
                }
            }
        }
        if whole && !amounts.contains_key("per_gib_of_ram") {
            self.error(at, Complaint::new(format!("{key} scales with nothing")).help("add per_gib_of_ram"));
            return None;
        }
        if !whole {
            return None;
        }
        let (each, _) = amounts.remove("per_gib_of_ram")?;
        let (min, max) = (amounts.remove("min"), amounts.remove("max"));
        if let (Some((min, _)), Some((max, spot))) = (&min, &max)
            && !min.at_most(max)
        {
            self.log.error(*spot, Complaint::new(format!("max {max} is below min {min}")));
            return None;
        }
        Some(Bound::PerGibOfRam { each, min: min.map(|(min, _)| min), max: max.map(|(max, _)| max) })
    }

    fn amount(&mut self, value: &Value<'_>, shape: Shape) -> Option<crate::Quantity> {
        let complaint = match value::scalar(&Given::of(value.get_ref()), shape) {
            Ok(Bound::Fixed(amount)) if amount.scalar().is_some_and(|amount| amount > 0) => {
                return Some(amount);
            }
            Ok(Bound::Fixed(amount)) => Complaint::new(format!("{amount} is no amount to scale with")),
            Ok(_) => Complaint::new("a bound on pages scales in pages only, such as \"4096 pages\"")
                .help("net.tcp_memory_limit scales in bytes"),
            Err(complaint) => complaint,
        };
        self.error(value, complaint);
        None
    }
}

impl Target {
    fn portable(system: Option<System>, setting: Setting) -> Self {
        let shape = Shape::Portable(setting.kind());
        Self { system, subjects: vec![Subject::Setting(setting)], shape, row: None, unknown: None }
    }

    fn native(system: System, native: Native) -> Self {
        let Native { slots, shape, row, unknown } = native;
        let subjects = slots.into_iter().map(Subject::Tunable).collect();
        Self { system: Some(system), subjects, shape, row, unknown }
    }
}

fn cannot_scale(key: Key, target: &Target) -> Option<Complaint> {
    if !matches!(key, Key::AtLeast | Key::AtMost) {
        return Some(
            Complaint::new(format!("{key} cannot scale with memory")).help("at_least and at_most can"),
        );
    }
    if target.subjects.len() > 1 {
        let complaint = Complaint::new("a scaled bound is for one field");
        return Some(complaint.help(format!("name it, such as \"{}\"", target.subjects[0])));
    }
    match target.shape {
        Shape::Portable(Kind::Count | Kind::Bytes) | Shape::Integer | Shape::Pages => None,
        shape => Some(Complaint::new(format!("{} cannot scale with memory", shape.expected()))),
    }
}

/// Returns the setting meant by `settings.tcp.keepalive_idle` without quotes.
fn unquoted(name: &str, value: &DeValue<'_>) -> Option<String> {
    let inner = value.as_table()?.keys().map(|key| format!("{name}.{}", key.get_ref()));
    inner.into_iter().find(|name| Setting::named(name).is_some())
}

/// Tells whether a text can name a profile, and so a file.
#[must_use]
pub fn is_name(name: &str) -> bool {
    name.len() <= 100
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::testing::{catalogs, mistake, mistakes, only, profile};
    use super::super::{InMemory, Wanted, check};
    use super::*;
    use crate::quantity::Quantity;

    const TEN: &str = r#"name = "q"
sumary = "misspelt"

[settings."tcp.fin_wait2_timeout"]
exactly = "30s"

[settings."tcp.keepalive_idle"]
at_least = "10 parsecs"
severity = "urgent"

[settings."tcp.listen_backlog"]
exactly = 100
at_most = 200

[settings."tcp.syn_backlog"]
at_least = 300
at_most = 200

[linux.sysctl]
"net.ipv4.tcp_tw_recycle" = 1
"net.ipv4.tcp_mem" = 4096
"kernel.panic" = { exactly = 1, uncatalogued = true }
"#;

    #[test]
    fn ten_mistakes_are_all_reported_where_they_are() {
        let found = check(&InMemory::default().with("p", TEN), catalogs, "p").unwrap();
        let shown: Vec<_> = found
            .iter()
            .map(|found| format!("{}:{}: {}", found.origin.line, found.origin.column, found.message))
            .collect();
        assert_eq!(
            shown,
            [
                "1:8: the name \"q\" differs from that of the file, \"p\"",
                "2:1: unknown key \"sumary\"",
                "4:11: unknown setting \"tcp.fin_wait2_timeout\"",
                "8:12: the text \"10 parsecs\" is not a duration such as \"30s\" or \"10min\"",
                "9:12: unknown severity \"urgent\"",
                "12:11: exactly stands together with at_most (line 13)",
                "16:12: no tcp.syn_backlog satisfies both bounds: at_least 300, at_most 200 (line 17)",
                "20:1: net.ipv4.tcp_tw_recycle was removed in Linux 4.12, as it broke clients behind address \
                 translation",
                "21:22: expected 3 values, a list or a text such as \"1GiB 2GiB 3GiB\", found the number 4096",
                "22:1: unknown tunable \"kernel.panic\" on linux",
            ]
        );
    }

    #[test]
    fn mistakes_are_shown_with_their_line_and_the_nearest_name() {
        let shown = mistakes("[settings.\"tcp.fin_wait2_timeout\"]\nexactly = \"30s\"").to_string();
        let expected = "\
p.toml:2:11: unknown setting \"tcp.fin_wait2_timeout\"
  |
2 | [settings.\"tcp.fin_wait2_timeout\"]
  |           ^^^^^^^^^^^^^^^^^^^^^^^
  = help: did you mean \"tcp.fin_wait_2_timeout\"?";
        assert_eq!(shown, expected);
    }

    #[test]
    fn broken_toml_is_reported_together_with_the_rest() {
        let found =
            mistakes("summary = \n[settings.\"tcp.listen_backlog\"]\nat_mots = 5\nat_most = 9\n[oops\n");
        let lines: Vec<_> = found.iter().map(|found| found.origin.line).collect();
        assert_eq!(lines, [2, 4, 6], "{found}");
    }

    #[test]
    fn each_mistake_has_its_message() {
        let mut wrong = Vec::new();
        for (body, line, column, message, help) in [
            (
                "[settings.tcp]\nkeepalive_idle = \"1h\"",
                2,
                11,
                "unknown setting \"tcp\"",
                "needs quotes: [settings.\"tcp.keepalive_idle\"]",
            ),
            (
                "settings.\"net.ipv4.tcp_fin_timeout\" = 5",
                2,
                10,
                "unknown setting",
                "[linux.sysctl.\"net.ipv4.tcp_fin_timeout\"]",
            ),
            (
                "settings.\"tcp.keepalive_idle\" = 600",
                2,
                33,
                "expected a duration such as \"30s\" or \"10min\", found the number 600",
                "\"600s\"",
            ),
            ("settings.\"net.tcp_memory_limit\" = 600", 2, 35, "expected a size", "\"600B\""),
            (
                "settings.\"tcp.listen_backlog\" = \"600\"",
                2,
                33,
                "expected a whole number",
                "without quotes: 600",
            ),
            ("settings.\"tcp.listen_backlog\" = -1", 2, 33, "the number -1 is not", ""),
            ("settings.\"tcp.listen_backlog\" = 1.5", 2, 33, "found a fraction", ""),
            ("settings.\"tcp.listen_backlog\" = 99999999999999999999", 2, 33, "is not a whole number", ""),
            (
                "settings.\"tcp.keepalive_default_on\" = \"on\"",
                2,
                39,
                "expected true or false",
                "without quotes",
            ),
            (
                "settings.\"tcp.keepalive_default_on\" = { at_least = true }",
                2,
                52,
                "at_least asks for more or less",
                "use exactly",
            ),
            ("settings.\"tcp.ephemeral_ports\" = \"9-5\"", 2, 34, "is not a port range", ""),
            (
                "settings.\"tcp.listen_backlog\" = { exactly = { per_gib_of_ram = 5 } }",
                2,
                45,
                "exactly cannot scale",
                "at_least and at_most",
            ),
            (
                "settings.\"tcp.listen_backlog\" = { at_least = { per_gib_of_ram = 0 } }",
                2,
                65,
                "0 is no amount to scale with",
                "",
            ),
            (
                "settings.\"tcp.listen_backlog\" = { at_least = { min = 5 } }",
                2,
                46,
                "at_least scales with nothing",
                "add per_gib_of_ram",
            ),
            (
                "settings.\"tcp.listen_backlog\" = { at_least = { per_gib_of_ram = 5, min = 9, max = 8 } }",
                2,
                83,
                "max 8 is below min 9",
                "",
            ),
            (
                "settings.\"tcp.listen_backlog\" = { at_least = { per_gib_of_ram = 5, most = 9 } }",
                2,
                68,
                "unknown key \"most\"",
                "per_gib_of_ram, min, max",
            ),
            (
                "settings.\"tcp.listen_backlog\" = { per_gib_of_ram = 5 }",
                2,
                35,
                "no requirement by itself",
                "at_least =",
            ),
            (
                "settings.\"tcp.listen_backlog\" = { at_most = \"vendor-default\" }",
                2,
                45,
                "does not take \"vendor-default\"",
                "only exactly",
            ),
            (
                "settings.\"tcp.listen_backlog\" = { remove = true, why = \"x\" }",
                2,
                44,
                "remove stands together",
                "alone",
            ),
            ("settings.\"tcp.listen_backlog\" = { remove = false }", 2, 44, "remove takes only true", ""),
            (
                "settings.\"tcp.listen_backlog\" = { exactly = 5, optional = 1 }",
                2,
                59,
                "optional takes true or false, found the number 1",
                "",
            ),
            (
                "settings.\"tcp.listen_backlog\" = { exactly = 5, uncatalogued = true }",
                2,
                63,
                "for native tunables",
                "",
            ),
            ("settings.\"tcp.listen_backlog\" = { why = \"x\" }", 2, 10, "asks for nothing", "add exactly"),
            (
                "settings.\"tcp.listen_backlog\" = { at_most = 5, prefer = 6 }",
                2,
                57,
                "prefer is outside the bounds, at most 5",
                "",
            ),
            (
                "settings.\"tcp.listen_backlog\" = 0",
                2,
                33,
                "0 for tcp.listen_backlog",
                "--allow-unsafe tcp.listen_backlog",
            ),
            ("settings.\"tcp.ephemeral_ports\" = \"1000-2000\"", 2, 34, "ports below 1024", "--allow-unsafe"),
            ("settings.\"tcp.ephemeral_ports\" = \"0-2000\"", 2, 34, "no port 0", ""),
            ("extends = \"baseline\"", 2, 11, "extends takes a list of profile names, found the text", ""),
            ("summary = 5", 2, 11, "summary takes a text, found the number 5", ""),
            ("linux = 5", 2, 9, "linux takes a table", ""),
            ("linux.ipadm.tcp.x = 5", 2, 7, "unknown key \"ipadm\"", "settings, sysctl"),
            ("solaris.ipadm.tpc.x = 5", 2, 15, "unknown protocol \"tpc\"", "expected one of: tcp, udp"),
            (
                "linux.sysctl.\"net.ipv4.tcp_fin_timeuot\" = 5",
                2,
                14,
                "net.ipv4.tcp_fin_timeuot is not in the catalog",
                "did you mean \"net.ipv4.tcp_fin_timeout\"?",
            ),
            ("linux.sysctl.\"net.ipv4.../x\" = 5", 2, 14, "unknown tunable", ""),
            (
                "linux.sysctl.\"tcp.listen_backlog\" = 5",
                2,
                14,
                "unknown tunable",
                "[linux.settings.\"tcp.listen_backlog\"]",
            ),
            ("linux.sysctl.\"net.ipv4.tcp_rmem[max\" = 5", 2, 14, "unknown tunable", ""),
            (
                "linux.sysctl.\"net.ipv4.tcp_rmem[3]\" = 5",
                2,
                14,
                "no field \"3\"",
                "0 to 2: min, default, max",
            ),
            (
                "linux.sysctl.\"net.ipv4.tcp_fin_timeout[0]\" = 5",
                2,
                14,
                "no field \"0\"",
                "leave the brackets out",
            ),
            ("linux.sysctl.\"net.ipv4.tcp_rmem\" = \"4096 5000\"", 2, 36, "expected 3 values", "tcp_rmem[2]"),
            (
                "linux.sysctl.\"net.ipv4.tcp_rmem\" = { at_least = { per_gib_of_ram = 5 } }",
                2,
                49,
                "is for one field",
                "net.ipv4.tcp_rmem[0]",
            ),
            (
                "linux.sysctl.\"net.ipv4.tcp_mem[2]\" = 5",
                2,
                38,
                "expected an amount of memory",
                "\"5 pages\"",
            ),
            (
                "linux.sysctl.\"net.ipv4.tcp_mem[2]\" = \"5\"",
                2,
                38,
                "is not an amount of memory",
                "\"5 pages\"",
            ),
            (
                "linux.sysctl.\"net.ipv4.tcp_mem[2]\" = \"64000001B\"",
                2,
                38,
                "no whole number of pages",
                "the nearest are",
            ),
            (
                "linux.sysctl.\"net.ipv4.tcp_mem[2]\" = \"1MiB\"",
                2,
                38,
                "1MiB is outside of what a profile may ask",
                "",
            ),
            (
                "linux.sysctl.\"net.ipv4.tcp_fin_timeout\" = 0",
                2,
                43,
                "outside of what a profile may ask of net.ipv4.tcp_fin_timeout: 1 to 3600",
                "never runs out; --allow-unsafe",
            ),
            (
                "linux.sysctl.\"net.ipv4.tcp_fin_timeout\" = 4001",
                2,
                43,
                "outside of what the kernel takes",
                "",
            ),
            ("linux.sysctl.\"net.ipv4.ip_local_reserved_ports\" = 80", 2, 51, "expected a text", ""),
            (
                "linux.sysctl.\"net.ipv4.ip_local_reserved_ports\" = \"80\\nx=1\"",
                2,
                51,
                "printable ASCII",
                "",
            ),
            (
                "linux.sysctl.\"net.ipv4.ip_local_reserved_ports\" = { at_most = \"80\" }",
                2,
                63,
                "neither",
                "use exactly",
            ),
        ] {
            let (at, from, found, hint) = mistake(body);
            assert!(found.contains(message) && hint.contains(help), "{body}\n{found}\n{hint}");
            wrong.extend(((at, from) != (line, column)).then(|| format!("{at}:{from}: {body}")));
        }
        assert_eq!(wrong, [""; 0]);
    }

    #[test]
    fn names_must_name_a_file() {
        for name in ["", "-", "../x", "a/b", ".x", "x\\u001b", "a b"] {
            let found =
                check(&InMemory::default().with("p", &format!("name = \"{name}\"")), catalogs, "p").unwrap();
            assert!(found.0[0].message.contains("cannot be the name"), "{found}");
        }
        let found = check(&InMemory::default().with("p", "summary = \"x\""), catalogs, "p").unwrap();
        assert_eq!(found.0[0].message, "the profile has no name");
        assert_eq!(found.0[0].help.as_deref(), Some("add: name = \"p\""));
    }

    #[test]
    fn a_field_stated_twice_is_a_mistake() {
        let body = "[linux.sysctl]\n\"net.ipv4.tcp_rmem[2]\" = 8192\n\"net.ipv4.tcp_rmem[max]\" = 8192";
        let (line, _, message, _) = mistake(body);
        assert_eq!((line, message.as_str()), (4, "net.ipv4.tcp_rmem[2] is already stated in line 3"));
        let (_, _, message, _) =
            mistake("settings.\"tcp.syn_backlog\" = 5\nsettings.\"tcp.syn_backlog\" = 6");
        assert_eq!(message, "duplicate key");
    }

    #[test]
    fn values_are_read_in_every_form() {
        let fixed = |value| Some(Bound::Fixed(value));
        for (body, at_least) in [
            ("settings.\"tcp.keepalive_idle\" = \"10min\"", fixed(Quantity::Duration(600_000))),
            ("settings.\"tcp.keepalive_default_on\" = true", fixed(Quantity::Switch(true))),
            ("settings.\"net.max_sockets\".at_least = 65_536", fixed(Quantity::Count(65_536))),
            ("settings.\"net.tcp_memory_limit\".at_least = \"1GiB\"", fixed(Quantity::Bytes(1 << 30))),
            ("linux.sysctl.\"net.ipv4.tcp_fin_timeout\" = 30", fixed(Quantity::Native(30))),
            ("linux.sysctl.\"net.ipv4.tcp_rmem[max]\" = 8192", fixed(Quantity::Native(8192))),
            ("linux.sysctl.\"net.ipv4.tcp_mem[2]\" = \"131072 pages\"", fixed(Quantity::Native(131_072))),
            ("linux.sysctl.\"net.ipv4.tcp_mem[2]\" = \"512MiB\"", Some(Bound::PagesOf { bytes: 512 << 20 })),
            (
                "linux.sysctl.\"net.ipv4.ip_local_reserved_ports\" = \"80,90-99\"",
                fixed(Quantity::Text("80,90-99".into())),
            ),
            (
                "linux.sysctl.\"net.ipv4.foo\" = { exactly = -1, uncatalogued = true }",
                fixed(Quantity::Native(-1)),
            ),
        ] {
            let Wanted::Within { at_least: found, .. } = only(body).wanted else { panic!("{body}") };
            assert_eq!(found, at_least, "{body}");
        }
        assert_eq!(
            only("settings.\"tcp.keepalive_idle\" = \"vendor-default\"").wanted,
            Wanted::VendorDefault
        );
    }

    #[test]
    fn the_bare_name_of_a_triple_states_every_field() {
        for value in ["\"4096 131072 6291456\"", "[4096, 131_072, 6291456]"] {
            let requirements = profile(&format!("linux.sysctl.\"net.ipv4.tcp_rmem\" = {value}")).requirements;
            let shown: Vec<_> = requirements.iter().map(|found| found.subject.to_string()).collect();
            assert_eq!(shown, ["net.ipv4.tcp_rmem[0]", "net.ipv4.tcp_rmem[1]", "net.ipv4.tcp_rmem[2]"]);
        }
        for value in
            ["\"1GiB 2GiB 3GiB\"", "\"4096 8192 9000 pages\"", "[\"1GiB\", \"2GiB\", \"900000 pages\"]"]
        {
            assert_eq!(
                profile(&format!("linux.sysctl.\"net.ipv4.tcp_mem\" = {value}")).requirements.len(),
                3
            );
        }
    }

    #[test]
    fn a_system_without_a_catalog_takes_integers_below_its_prefixes() {
        assert!(mistakes("freebsd.sysctl.\"net.inet.tcp.msl\" = 15000").is_empty());
        assert!(mistakes("solaris.ipadm.tcp.\"_rexmit_interval_min\".at_least = 400").is_empty());
        assert_eq!(mistakes("freebsd.sysctl.\"kern.maxproc\" = 15000").0.len(), 1);
    }

    const VALID: &str = r#"name = "p"
extends = []
[settings."tcp.fin_wait_2_timeout"]
at_most = "30s"
why = "é"
[settings."net.mbuf_clusters"]
at_least = { per_gib_of_ram = 16384, min = 65536 }
optional = true
[linux.sysctl]
"net.ipv4.tcp_rmem" = "4096 5000 6000"
"#;

    fn never_panics(text: &str) {
        if let Ok(found) = check(&InMemory::default().with("p", text), catalogs, "p") {
            assert!(!found.to_string().contains('\u{1b}'));
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC*|[a-z\\[\\]=\"{}.\n\r\t\u{1b}#'0-9 ]*") {
            never_panics(&text);
        }

        #[test]
        fn a_damaged_profile_is_read_or_refused(
            at in 0..VALID.len(), cut in 0usize..40, paste in "[\\[\\]=\"{}.,\n0-9a-z\u{1b}é]{0,8}",
        ) {
            let from = VALID.floor_char_boundary(at);
            let to = VALID.floor_char_boundary((at + cut).min(VALID.len()));
            never_panics(&format!("{}{paste}{}", &VALID[..from], &VALID[to..]));
        }
    }
}
