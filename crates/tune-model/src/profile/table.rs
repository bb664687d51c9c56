//! From the TOML of one requirement to its keys, noting every mistake on the way.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Place;

use toml::de::DeTable;

use super::document::{Content, Entry, Key, Table};
use super::log::{Complaint, Spot};
use super::native::Native;
use super::value::{self, Given, Shape};
use super::walk::{Name, Value, Walker};
use super::{Bound, Severity, Subject};
use crate::catalog::Tunable;
use crate::quantity::Quantity;
use crate::setting::{Kind, Setting};
use crate::system::System;

/// What a table is about: one subject, or several fields of one tunable.
pub(super) struct Target {
    system: Option<System>,
    subjects: Vec<Subject>,
    shape: Shape,
    row: Option<&'static Tunable>,
    unknown: Option<String>,
}

impl Walker<'_> {
    /// Reads a requirement: a table of keys, or a value alone.
    pub(super) fn requirement(&mut self, name: &Name<'_>, value: &Value<'_>, target: &Target) {
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
        let mut amounts = self.amounts(table, target.shape)?;
        let Some((each, _)) = amounts.remove("per_gib_of_ram") else {
            self.error(at, Complaint::new(format!("{key} scales with nothing")).help("add per_gib_of_ram"));
            return None;
        };
        let (min, max) = (amounts.remove("min"), amounts.remove("max"));
        if let (Some((min, _)), Some((max, spot))) = (&min, &max)
            && !min.at_most(max)
        {
            self.log.error(*spot, Complaint::new(format!("max {max} is below min {min}")));
            return None;
        }
        Some(Bound::PerGibOfRam { each, min: min.map(|(min, _)| min), max: max.map(|(max, _)| max) })
    }

    /// Reads the keys of a scaled bound; `None` when one of them is wrong.
    fn amounts(
        &mut self,
        table: &DeTable<'_>,
        shape: Shape,
    ) -> Option<BTreeMap<&'static str, (Quantity, Spot)>> {
        const KEYS: &[&str] = &["per_gib_of_ram", "min", "max"];
        let mut amounts = BTreeMap::new();
        let mut whole = true;
        for (name, value) in table {
            let amount = match KEYS.iter().find(|key| **key == name.get_ref().as_ref()) {
                Some(key) => self.amount(value, shape).map(|amount| (*key, (amount, self.spot(value)))),
                None => {
                    self.unknown_key(name, KEYS);
                    None
                }
            };
            whole &= amount.is_some();
            amounts.extend(amount);
        }
        whole.then_some(amounts)
    }

    fn amount(&mut self, value: &Value<'_>, shape: Shape) -> Option<Quantity> {
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
    pub(super) fn portable(system: Option<System>, setting: Setting) -> Self {
        let shape = Shape::Portable(setting.kind());
        Self { system, subjects: vec![Subject::Setting(setting)], shape, row: None, unknown: None }
    }

    pub(super) fn native(system: System, native: Native) -> Self {
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
