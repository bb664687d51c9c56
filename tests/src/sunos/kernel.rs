//! The kernel's side of properties: what a request to show or to set one makes of it.

use super::errno::Errno;
use super::live::{self, Live, Value};
use super::number::{signed, whole};
use super::proto::Proto;
use super::table::{Check, Kind, Row, Table};

/// The longest value, with the byte that ends it.
pub(super) const VALUE_SIZE: usize = 512;

/// What is asked of a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// The value now.
    Current,
    /// The value after the start.
    Default,
    /// What may be done, as a number: 1 to read, 2 to write.
    Permission,
    /// The values that are taken.
    Possible,
}

/// What is to become of a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change<'a> {
    /// The default.
    Default,
    /// This value.
    To(&'a str),
    /// This value too, where there can be several.
    Add(&'a str),
    /// All but this value, where there can be several.
    Remove(&'a str),
}

impl<'a> Change<'a> {
    /// Returns the value, if there is one.
    pub(super) const fn value(self) -> Option<&'a str> {
        match self {
            Self::Default => None,
            Self::To(value) | Self::Add(value) | Self::Remove(value) => Some(value),
        }
    }

    /// The same with another value.
    pub(super) const fn with(self, value: &'a str) -> Self {
        match self {
            Self::Default => Self::Default,
            Self::To(_) => Self::To(value),
            Self::Add(_) => Self::Add(value),
            Self::Remove(_) => Self::Remove(value),
        }
    }
}

fn find<'a>(table: &'a Table, proto: Proto, name: &str) -> Result<&'a Row, Errno> {
    let unmodelled = |what: &str| Err(Errno::Unmodelled(format!("{what} {name:?} of {}", proto.word())));
    match table.find(proto, name) {
        Some(row) => Ok(row),
        // The kernel has many of these, and none was recorded.
        None if proto.is_ip() && name.starts_with('_') => unmodelled("private property"),
        None if name == "?" => unmodelled("list"),
        None => Err(Errno::Enoent),
    }
}

/// Returns what is asked of a property.
pub(super) fn get(table: &Table, live: &Live, proto: Proto, name: &str, what: What) -> Result<String, Errno> {
    let row = find(table, proto, name)?;
    match (&row.kind, what) {
        (Kind::Secret | Kind::AddLimit | Kind::DeleteLimit, _) => Err(Errno::Eperm),
        (Kind::Limits, What::Current) => {
            Some(limits(live, row)).filter(|shown| shown.len() < VALUE_SIZE).ok_or(Errno::Enobufs)
        }
        (Kind::Limits, _) => Ok(String::new()),
        (_, What::Permission) => Ok("3".to_owned()),
        (Kind::Switch(_), What::Possible) => Ok("0,1".to_owned()),
        (Kind::Switch(default), What::Default) => Ok(u32::from(*default).to_string()),
        (Kind::Name { loaded, .. }, What::Possible) => Ok(loaded.join(",")),
        (Kind::Name { default, .. }, What::Default) => Ok(default.clone()),
        (Kind::Ports { min, max, .. }, What::Possible) => Ok(format!("{min}-{max}")),
        (Kind::Ports { default, .. }, What::Default) => Ok(list(default)),
        (Kind::Number { min, max, check, .. }, What::Possible) => {
            Ok(format!("{min}-{}", limit(table, live, proto, check).unwrap_or(*max)))
        }
        (Kind::Number { default, .. }, What::Default) => Ok(default.to_string()),
        (_, What::Current) => Ok(current(live, row)),
    }
}

fn current(live: &Live, row: &Row) -> String {
    match live.get(row.proto.word(), row.name) {
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Word(word)) => word.clone(),
        Some(Value::Ports(ports)) => list(ports),
        Some(Value::Limits(_)) | None => match &row.kind {
            Kind::Number { default, .. } => default.to_string(),
            Kind::Switch(default) => u32::from(*default).to_string(),
            Kind::Name { default, .. } => default.clone(),
            Kind::Ports { default, .. } => list(default),
            _ => String::new(),
        },
    }
}

/// Ports as they are shown: those places that are not free.
fn list(ports: &[u16]) -> String {
    let taken = ports.iter().filter(|port| **port != 0);
    taken.map(u16::to_string).collect::<Vec<_>>().join(",")
}

/// Limits are kept under the name of the property that shows them.
const LIMITS: &str = "_listener_limit_conf";

fn limits(live: &Live, row: &Row) -> String {
    let Some(Value::Limits(limits)) = live.get(row.proto.word(), LIMITS) else { return String::new() };
    limits.iter().map(|(port, ratio)| format!("{port}:{ratio}")).collect::<Vec<_>>().join(",")
}

fn number(table: &Table, live: &Live, proto: Proto, name: &str) -> u32 {
    live.number(proto.word(), name).unwrap_or_else(|| match table.find(proto, name).map(|row| &row.kind) {
        Some(Kind::Number { default, .. }) => *default,
        _ => panic!("{name}: rules are about numbers"),
    })
}

/// The highest value now, where another property says it.
fn limit(table: &Table, live: &Live, proto: Proto, check: &Check) -> Option<u32> {
    match check {
        Check::AtMost(other) => Some(number(table, live, proto, other)),
        _ => None,
    }
}

/// Changes a property.
pub(super) fn set(
    table: &Table,
    live: &mut Live,
    privileged: bool,
    proto: Proto,
    name: &str,
    change: Change<'_>,
) -> Result<(), Errno> {
    if !privileged {
        return Err(Errno::Eperm);
    }
    let row = find(table, proto, name)?;
    let word = proto.word();
    match &row.kind {
        Kind::Number { default, min, max, check } => {
            let max = limit(table, live, proto, check).unwrap_or(*max);
            let number = made(table, live, row, change, (*default, *min, max), check)?;
            live.put(word, row.name, Value::Number(number));
        }
        Kind::Switch(default) => {
            let number = change.value().map_or(Some(u64::from(*default)), whole).ok_or(Errno::Einval)?;
            let number = u32::try_from(number).ok().filter(|number| *number <= 1).ok_or(Errno::Einval)?;
            live.put(word, row.name, Value::Number(number));
        }
        Kind::Name { default, loaded } => {
            let name = change.value().unwrap_or(default).to_owned();
            if !loaded.contains(&name) {
                return Err(Errno::Einval);
            }
            live.put(word, row.name, Value::Word(name));
        }
        Kind::Ports { default, min, max } => {
            let ports = ports(live, row, change, default, (*min, *max))?;
            live.put(word, row.name, Value::Ports(ports));
        }
        Kind::Limits => return Err(Errno::Eperm),
        Kind::Secret => {
            change.value().ok_or(Errno::Enotsup)?;
        }
        Kind::AddLimit => add_limit(live, word, change.value().ok_or(Errno::Enotsup)?)?,
        Kind::DeleteLimit => delete_limit(live, word, change.value().ok_or(Errno::Enotsup)?)?,
    }
    Ok(())
}

/// The number that a change makes, in a range.
fn made(
    table: &Table,
    live: &Live,
    row: &Row,
    change: Change<'_>,
    (default, min, max): (u32, u32, u32),
    check: &Check,
) -> Result<u32, Errno> {
    let made = match change.value() {
        None => default,
        Some(text) => {
            let number = whole(text).ok_or(Errno::Einval)?;
            let number = u32::try_from(number).map_err(|_| Errno::Erange)?;
            if number < min || number > max {
                return Err(Errno::Erange);
            }
            number
        }
    };
    let other = |name: &str| number(table, live, row.proto, name);
    match check {
        Check::MultipleOf(unit) => Ok(made.next_multiple_of(*unit)),
        Check::NotAbove(name) if made > other(name) => Err(Errno::Erange),
        Check::NotBelow(name) if made < other(name) => Err(Errno::Erange),
        _ => Ok(made),
    }
}

fn ports(
    live: &Live,
    row: &Row,
    change: Change<'_>,
    default: &[u16],
    (min, max): (u32, u32),
) -> Result<Vec<u16>, Errno> {
    let mut ports = match live.get(row.proto.word(), row.name) {
        Some(Value::Ports(ports)) => ports.clone(),
        _ => default.to_vec(),
    };
    let Some(text) = change.value() else { return Ok(default.to_vec()) };
    let number = whole(text).ok_or(Errno::Einval)?;
    if number < u64::from(min) || number > u64::from(max) {
        return Err(Errno::Erange);
    }
    let port = u16::try_from(number).map_err(|_| Errno::Erange)?;
    match change {
        Change::Add(_) => live::add_port(&mut ports, port)?,
        Change::Remove(_) => live::remove_port(&mut ports, port)?,
        _ => ports = vec![port],
    }
    Ok(ports)
}

fn all_limits(live: &Live, word: &str) -> Vec<(u16, i32)> {
    match live.get(word, LIMITS) {
        Some(Value::Limits(limits)) => limits.clone(),
        _ => Vec::new(),
    }
}

fn port(number: i64) -> Result<u16, Errno> {
    u16::try_from(number).ok().filter(|port| *port > 0).ok_or(Errno::Einval)
}

/// Takes `PORT:RATIO`; what follows the ratio is not looked at.
fn add_limit(live: &mut Live, word: &str, text: &str) -> Result<(), Errno> {
    let (number, rest) = signed(text).ok_or(Errno::Einval)?;
    let port = port(number)?;
    let (ratio, _) = rest.strip_prefix(':').and_then(signed).ok_or(Errno::Einval)?;
    if ratio <= 0 {
        return Err(Errno::Einval);
    }
    let ratio = i32::try_from(ratio).map_err(|_| Errno::Unmodelled(format!("a ratio of {ratio}")))?;
    let mut limits = all_limits(live, word);
    match limits.iter_mut().find(|limit| limit.0 == port) {
        Some(limit) => limit.1 = ratio,
        None => limits.push((port, ratio)),
    }
    live.put(word, LIMITS, Value::Limits(limits));
    Ok(())
}

/// Takes `PORT`; what follows it is not looked at.
fn delete_limit(live: &mut Live, word: &str, text: &str) -> Result<(), Errno> {
    let (number, _) = signed(text).ok_or(Errno::Einval)?;
    let port = port(number)?;
    let mut limits = all_limits(live, word);
    let place = limits.iter().position(|limit| limit.0 == port).ok_or(Errno::Esrch)?;
    limits.remove(place);
    live.put(word, LIMITS, Value::Limits(limits));
    Ok(())
}
