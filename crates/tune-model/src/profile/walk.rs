//! From the TOML of one text to a document, noting every mistake on the way.

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::Catalogs;
use super::diagnostic::escaped;
use super::document::Document;
use super::log::{Complaint, Log, Spot};
use super::native;
use super::table::Target;
use super::value::Given;
use crate::setting::Setting;
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
    let (root, errors) = DeTable::parse_recoverable(&text);
    for error in &errors {
        let complaint = Complaint::new(lower_first(&escaped(error.message())));
        let complaint =
            if error.message() == "duplicate key" { complaint.help("state it once") } else { complaint };
        log.broken(Spot::new(source, &error.span().unwrap_or(0..0)), complaint);
    }
    let mut walker = Walker { log, source, catalogs, document: Document::default() };
    walker.top(root.get_ref(), role);
    if errors.is_empty() && !root.get_ref().contains_key("name") {
        walker.missing_name(role);
    }
    walker.document
}

fn lower_first(message: &str) -> String {
    let mut rest = message.chars();
    rest.next().map(|first| first.to_lowercase().chain(rest).collect()).unwrap_or_default()
}

pub(super) type Name<'t> = Spanned<DeString<'t>>;
pub(super) type Value<'t> = Spanned<DeValue<'t>>;

pub(super) struct Walker<'l> {
    pub(super) log: &'l mut Log,
    source: usize,
    catalogs: Catalogs,
    pub(super) document: Document,
}

impl Walker<'_> {
    pub(super) fn spot<T>(&self, spanned: &Spanned<T>) -> Spot {
        Spot::new(self.source, &spanned.span())
    }

    pub(super) fn error<T>(&mut self, at: &Spanned<T>, complaint: Complaint) {
        self.log.error(self.spot(at), complaint);
    }

    pub(super) fn wrong_type(&mut self, value: &Value<'_>, what: &str, expected: &str) {
        let found = Given::of(value.get_ref());
        self.error(value, Complaint::new(format!("{what} takes {expected}, found {found}")));
    }

    pub(super) fn unknown_key(&mut self, key: &Name<'_>, valid: &[&str]) {
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

    pub(super) fn text(&mut self, value: &Value<'_>, what: &str) -> Option<String> {
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
    }

    fn missing_name(&mut self, role: Role<'_>) {
        let name = match role {
            Role::Profile(name) => name.unwrap_or("my-profile"),
            Role::Override(_) => return,
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
            return self.wrong_type(value, "extends", "a list of profile names, such as [\"baseline\"]");
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
