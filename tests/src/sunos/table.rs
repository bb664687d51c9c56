//! What the kernel knows of its properties: recorded rows, and rules for the few that have more than a range.

use std::collections::BTreeMap;

use super::proto::Proto;

/// What is asked of a number besides its range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Check {
    /// Nothing.
    None,
    /// It is raised to the next multiple.
    MultipleOf(u32),
    /// It is no more than what another property is now, whatever the row says.
    AtMost(String),
    /// It is not above another property.
    NotAbove(String),
    /// It is not below another property.
    NotBelow(String),
}

/// What kind of value a property has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A number.
    Number {
        /// The value after the start.
        default: u32,
        /// The lowest.
        min: u32,
        /// The highest.
        max: u32,
        /// What else is asked of it.
        check: Check,
    },
    /// 0 or 1.
    Switch(bool),
    /// The name of something that is loaded.
    Name {
        /// The one after the start.
        default: String,
        /// All that are loaded.
        loaded: Vec<String>,
    },
    /// Ports.
    Ports {
        /// Those after the start.
        default: Vec<u16>,
        /// The lowest.
        min: u32,
        /// The highest.
        max: u32,
    },
    /// Text that is never shown.
    Secret,
    /// Limits of listeners, to be looked at.
    Limits,
    /// Takes a limit of a listener.
    AddLimit,
    /// Takes a port whose limit is to go.
    DeleteLimit,
}

/// A property of the kernel.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) proto: Proto,
    pub(super) name: &'static str,
    pub(super) kind: Kind,
}

/// The properties of one kernel, in its own order.
#[derive(Debug)]
pub(super) struct Table(Vec<Row>);

impl Table {
    /// Reads rows as `ipadm show-prop -c` printed them on a fresh system, and rules.
    pub(super) fn parse(rows: &'static str, rules: &'static str) -> Self {
        let mut checks: BTreeMap<(Proto, &str), Check> = rules.lines().map(rule).collect();
        let mut row = |line: &'static str| {
            let mut columns = line.split(':');
            let mut next = || columns.next().unwrap_or_default();
            let (proto, name) = (next(), next());
            let (_, default, _, _, possible) = (next(), next(), next(), next(), next());
            let proto = Proto::named(proto).unwrap_or_else(|| panic!("{line}: no protocol"));
            let check = checks.remove(&(proto, name)).unwrap_or(Check::None);
            Row { proto, name, kind: kind(name, default, possible, check) }
        };
        let table = Self(rows.lines().map(&mut row).collect());
        assert!(checks.is_empty(), "rules for nothing: {checks:?}");
        table
    }

    /// Returns the property of that protocol and that name.
    pub(super) fn find(&self, proto: Proto, name: &str) -> Option<&Row> {
        self.0.iter().find(|row| row.proto == proto && row.name == name)
    }

    /// Returns the properties of a protocol.
    pub(super) fn of(&self, proto: Proto) -> impl Iterator<Item = &Row> {
        self.0.iter().filter(move |row| row.proto == proto)
    }
}

fn rule(line: &'static str) -> ((Proto, &'static str), Check) {
    let words: Vec<&str> = line.split(' ').collect();
    let [proto, name, verb, object] = words[..] else { panic!("{line}: no rule") };
    let check = match verb {
        "multiple-of" => Check::MultipleOf(object.parse().expect("a number")),
        "at-most" => Check::AtMost(object.to_owned()),
        "not-above" => Check::NotAbove(object.to_owned()),
        "not-below" => Check::NotBelow(object.to_owned()),
        other => panic!("no rule is called {other:?}"),
    };
    ((Proto::named(proto).expect("a protocol"), name), check)
}

/// What kind of value a row shows. Words stand for numbers, in the order that [`super::public`] has them.
fn kind(name: &str, default: &str, possible: &str, check: Check) -> Kind {
    let ports = |text: &str| text.split(',').map(|port| port.parse().expect("a port")).collect();
    match (name, possible) {
        ("_1948_phrase", _) => Kind::Secret,
        ("_listener_limit_conf", _) => Kind::Limits,
        ("_listener_limit_conf_add", _) => Kind::AddLimit,
        ("_listener_limit_conf_del", _) => Kind::DeleteLimit,
        ("congestion_control", _) => Kind::Name {
            default: default.to_owned(),
            loaded: possible.split(',').map(str::to_owned).collect(),
        },
        (_, "0,1") => Kind::Switch(default == "1"),
        (_, "on,off") => Kind::Switch(default == "on"),
        (_, "never,passive,active") => words(default, &["never", "passive", "active"]),
        (_, "strong,src-priority,weak") => words(default, &["weak", "src-priority", "strong"]),
        _ => {
            let (min, max) = possible.split_once('-').unwrap_or_else(|| panic!("{name}: {possible:?}"));
            let (min, max) = (min.parse().expect("a number"), max.parse().expect("a number"));
            match name {
                "extra_priv_ports" => Kind::Ports { default: ports(default), min, max },
                _ => Kind::Number { default: default.parse().expect("a number"), min, max, check },
            }
        }
    }
}

fn words(default: &str, words: &[&str]) -> Kind {
    let place = |word| words.iter().position(|known| *known == word).expect("a word of the list");
    let number = |place: usize| u32::try_from(place).expect("few");
    Kind::Number { default: number(place(default)), min: 0, max: number(words.len() - 1), check: Check::None }
}
