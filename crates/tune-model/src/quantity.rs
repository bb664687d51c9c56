//! Values of settings, in the units that people use.

use std::fmt;

use serde::de::Error as _;
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Deserializer, Serialize};

use crate::setting::Kind;

/// A range of TCP ports, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PortRange {
    /// The lowest port.
    pub low: u16,
    /// The highest port.
    pub high: u16,
}

impl PortRange {
    /// Tells whether every port of `other` is in this range.
    #[must_use]
    pub const fn covers(self, other: Self) -> bool {
        self.low <= other.low && other.high <= self.high
    }
}

/// One value of a setting, in the base unit of its [`Kind`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Quantity {
    /// Milliseconds.
    Duration(u64),
    /// Things.
    Count(u64),
    /// Bytes.
    Bytes(u64),
    /// On or off.
    Switch(bool),
    /// Ports.
    Ports(PortRange),
    /// A native integer, in the tunable's own unit.
    Native(i128),
    /// A native text that is no number, such as a list of ports.
    Text(String),
}

/// Why a text is no value of a setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is not {}", .kind.expected())]
pub struct QuantityError {
    /// What was found.
    pub found: String,
    /// What the setting takes.
    pub kind: Kind,
}

impl Quantity {
    /// Reads a value as a profile or the command line writes it.
    ///
    /// # Errors
    ///
    /// [`QuantityError`] when the text is not of that kind, or too large to be counted.
    pub fn parse(kind: Kind, text: &str) -> Result<Self, QuantityError> {
        let trimmed = text.trim();
        let parsed = match kind {
            Kind::Duration => parse_duration(trimmed).map(Self::Duration),
            Kind::Count => parse_count(trimmed).map(Self::Count),
            Kind::Bytes => parse_bytes(trimmed).map(Self::Bytes),
            Kind::Switch => parse_switch(trimmed).map(Self::Switch),
            Kind::Ports => parse_ports(trimmed).map(Self::Ports),
            Kind::Native => trimmed.parse().ok().filter(|_| !trimmed.starts_with('+')).map(Self::Native),
            Kind::Text => Some(Self::Text(trimmed.to_owned())),
        };
        parsed.ok_or_else(|| QuantityError { found: text.to_owned(), kind })
    }

    /// Makes a value of a scalar kind from its base unit; ports and texts have none, and nothing portable is negative.
    #[must_use]
    pub fn from_scalar(kind: Kind, value: i128) -> Option<Self> {
        let unsigned = u64::try_from(value).ok();
        match kind {
            Kind::Duration => unsigned.map(Self::Duration),
            Kind::Count => unsigned.map(Self::Count),
            Kind::Bytes => unsigned.map(Self::Bytes),
            Kind::Switch => unsigned.map(|value| Self::Switch(value != 0)),
            Kind::Native => Some(Self::Native(value)),
            Kind::Ports | Kind::Text => None,
        }
    }

    /// Returns the value in its base unit; `None` for ports and texts.
    #[must_use]
    pub fn scalar(&self) -> Option<i128> {
        match self {
            Self::Duration(value) | Self::Count(value) | Self::Bytes(value) => Some(i128::from(*value)),
            Self::Switch(value) => Some(i128::from(*value)),
            Self::Native(value) => Some(*value),
            Self::Ports(_) | Self::Text(_) => None,
        }
    }

    /// Returns the kind of value this is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Duration(_) => Kind::Duration,
            Self::Count(_) => Kind::Count,
            Self::Bytes(_) => Kind::Bytes,
            Self::Switch(_) => Kind::Switch,
            Self::Ports(_) => Kind::Ports,
            Self::Native(_) => Kind::Native,
            Self::Text(_) => Kind::Text,
        }
    }

    const fn unit(&self) -> &'static str {
        match self {
            Self::Duration(_) => "ms",
            Self::Count(_) => "count",
            Self::Bytes(_) => "bytes",
            Self::Switch(_) => "switch",
            Self::Ports(_) => "ports",
            Self::Native(_) => "native",
            Self::Text(_) => "text",
        }
    }

    /// Tells whether this is at most `other`: not more for numbers, not outside it for port ranges.
    ///
    /// Values of different kinds, and different texts, are never ordered.
    #[must_use]
    pub fn at_most(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Ports(a), Self::Ports(b)) => b.covers(*a),
            (Self::Text(a), Self::Text(b)) => a == b,
            (a, b) if a.kind() == b.kind() => a.scalar() <= b.scalar(),
            _ => false,
        }
    }

    /// Returns the least value that is at least both: the larger number, the range around both ranges.
    #[must_use]
    pub fn join(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Ports(a), Self::Ports(b)) => {
                Some(Self::Ports(PortRange { low: a.low.min(b.low), high: a.high.max(b.high) }))
            }
            (a, b) if a.at_most(b) => Some(b.clone()),
            (a, b) if b.at_most(a) => Some(a.clone()),
            _ => None,
        }
    }

    /// Returns the greatest value that is at most both: the smaller number, the part that two ranges share.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Ports(a), Self::Ports(b)) => {
                let (low, high) = (a.low.max(b.low), a.high.min(b.high));
                (low <= high).then_some(Self::Ports(PortRange { low, high }))
            }
            (a, b) if a.at_most(b) => Some(a.clone()),
            (a, b) if b.at_most(a) => Some(b.clone()),
            _ => None,
        }
    }
}

const DURATION_UNITS: &[(&str, u64)] =
    &[("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
const BYTE_UNITS: &[(&str, u64)] = &[
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1000),
    ("KB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

/// Reads one or more numbers with units, largest first or not: `1h30min`, `1h 30min`, `512MiB`.
fn parse_with_units(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let mut rest = text;
    let mut total: u64 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number: u64 = rest.get(..digits)?.parse().ok()?;
        rest = rest[digits..].trim_start();
        let letters = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let (_, factor) = units.iter().find(|(unit, _)| *unit == &rest[..letters])?;
        total = total.checked_add(number.checked_mul(*factor)?)?;
        rest = rest[letters..].trim_start();
    }
    Some(total)
}

fn parse_duration(text: &str) -> Option<u64> {
    parse_with_units(text, DURATION_UNITS)
}

fn parse_bytes(text: &str) -> Option<u64> {
    parse_with_units(text, BYTE_UNITS)
}

fn parse_count(text: &str) -> Option<u64> {
    text.chars().all(|c| c.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn parse_switch(text: &str) -> Option<bool> {
    match text {
        "true" | "on" => Some(true),
        "false" | "off" => Some(false),
        _ => None,
    }
}

fn parse_ports(text: &str) -> Option<PortRange> {
    let (low, high) = text.split_once('-')?;
    let port = |text: &str| u16::try_from(parse_count(text.trim())?).ok();
    let (low, high) = (port(low)?, port(high)?);
    (low <= high).then_some(PortRange { low, high })
}

/// Writes `total` in the largest units that divide it, at most two of them.
fn in_units(f: &mut fmt::Formatter<'_>, total: u64, units: &[(&str, u64)], smallest: &str) -> fmt::Result {
    let Some((unit, factor)) = units.iter().find(|(_, factor)| total >= *factor) else {
        return write!(f, "{total}{smallest}");
    };
    write!(f, "{}{unit}", total / factor)?;
    match total % factor {
        0 => Ok(()),
        rest => in_units(f, rest, units, smallest),
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            &Self::Duration(ms) => {
                const SHOWN: &[(&str, u64)] = &[("h", 3_600_000), ("min", 60_000), ("s", 1000), ("ms", 1)];
                // Up to two minutes seconds read better: 90s, 120s.
                let shown = if ms <= 120_000 { &SHOWN[2..] } else { SHOWN };
                in_units(f, ms, shown, "s")
            }
            Self::Count(count) => write!(f, "{count}"),
            &Self::Bytes(bytes) => show_bytes(f, bytes),
            Self::Switch(on) => f.write_str(if *on { "on" } else { "off" }),
            Self::Ports(PortRange { low, high }) => write!(f, "{low}-{high}"),
            Self::Native(value) => write!(f, "{value}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// Writes a size in the largest binary unit that divides it, so that reading it back gives the same number.
fn show_bytes(f: &mut fmt::Formatter<'_>, bytes: u64) -> fmt::Result {
    const SHOWN: &[(&str, u64)] = &[("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match SHOWN.iter().find(|(_, factor)| bytes > 0 && bytes.is_multiple_of(*factor)) {
        Some((unit, factor)) => write!(f, "{}{unit}", bytes / factor),
        None => write!(f, "{bytes}B"),
    }
}

/// `{"value", "unit", "text"}`; a port range has `min` and `max` instead of `value`.
impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::Ports(PortRange { low, high }) => {
                map.serialize_entry("min", low)?;
                map.serialize_entry("max", high)?;
            }
            Self::Switch(on) => map.serialize_entry("value", on)?,
            Self::Text(text) => map.serialize_entry("value", text)?,
            _ => map.serialize_entry("value", &self.scalar())?,
        }
        map.serialize_entry("unit", self.unit())?;
        map.serialize_entry("text", &self.to_string())?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Shown {
            unit: String,
            text: String,
        }
        let shown = Shown::deserialize(deserializer)?;
        let kind = match shown.unit.as_str() {
            "ms" => Kind::Duration,
            "count" => Kind::Count,
            "bytes" => Kind::Bytes,
            "switch" => Kind::Switch,
            "ports" => Kind::Ports,
            "native" => Kind::Native,
            "text" => Kind::Text,
            other => return Err(D::Error::custom(format!("unknown unit {other:?}"))),
        };
        Self::parse(kind, &shown.text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn durations_are_read_and_shown_in_the_units_people_use() {
        for (text, ms, shown) in [
            ("30s", 30_000, "30s"),
            ("90s", 90_000, "90s"),
            ("2min", 120_000, "120s"),
            ("10 min", 600_000, "10min"),
            ("1h30min", 5_400_000, "1h30min"),
            ("2h", 7_200_000, "2h"),
            ("700ms", 700, "700ms"),
            ("0s", 0, "0s"),
        ] {
            let parsed = Quantity::parse(Kind::Duration, text).unwrap();
            assert_eq!(parsed, Quantity::Duration(ms), "{text}");
            assert_eq!(parsed.to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_value_is_refused() {
        for (kind, text) in [
            (Kind::Duration, "30"),
            (Kind::Duration, ""),
            (Kind::Duration, "-5s"),
            (Kind::Duration, "5 parsecs"),
            (Kind::Duration, "99999999999999999999s"),
            (Kind::Count, "+5"),
            (Kind::Count, "0x10"),
            (Kind::Count, ""),
            (Kind::Bytes, "4096"),
            (Kind::Ports, "60999-32768"),
            (Kind::Ports, "1-65536"),
        ] {
            assert!(Quantity::parse(kind, text).is_err(), "{text:?} was taken");
        }
    }

    proptest::proptest! {
        #[test]
        fn shown_values_read_back(value in 0u64..=u64::MAX / 2, low: u16, more: u16) {
            let ports = PortRange { low, high: low.saturating_add(more) };
            for quantity in
                [Quantity::Duration(value), Quantity::Count(value), Quantity::Bytes(value), Quantity::Ports(ports)]
            {
                let json = serde_json::to_string(&quantity).unwrap();
                proptest::prop_assert_eq!(&serde_json::from_str::<Quantity>(&json).unwrap(), &quantity);
                proptest::prop_assert_eq!(Quantity::parse(quantity.kind(), &quantity.to_string()), Ok(quantity));
            }
        }
    }
}
