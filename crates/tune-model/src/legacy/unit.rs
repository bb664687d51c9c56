//! The units in which these systems count, and how exactly a value fits them.

use serde::{Deserialize, Serialize};

use crate::quantity::Quantity;
use crate::setting::Kind;
use crate::storable::Storable;

/// The unit of a native number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Unit {
    /// Milliseconds.
    Ms,
    /// Seconds.
    S,
    /// Half-seconds: 120 is a minute.
    HalfSecond,
    /// Ticks of the slow timer, two of them in a second; the system says so in a constant.
    SlowTick,
    /// Things.
    Count,
    /// 0 or 1.
    Flag,
    /// Clusters of 2 KiB.
    Clusters,
    /// Bytes.
    Bytes,
    /// Kilobytes of 1024 bytes.
    Kb,
    /// A port.
    Port,
}

impl Unit {
    /// Returns the unit in words, as it stands behind a number.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Ms => "ms",
            Self::S => "s",
            Self::HalfSecond => "half-seconds",
            Self::SlowTick => "slow ticks",
            Self::Count => "count",
            Self::Flag => "0 or 1",
            Self::Clusters => "clusters",
            Self::Bytes => "bytes",
            Self::Kb => "KB",
            Self::Port => "port",
        }
    }

    /// Returns what one of it is in the base unit of a kind; `None` where it does not measure that.
    #[must_use]
    pub const fn factor(self, kind: Kind) -> Option<i128> {
        match (kind, self) {
            (Kind::Duration, Self::Ms)
            | (Kind::Count, Self::Count | Self::Clusters)
            | (Kind::Switch, Self::Flag)
            | (Kind::Bytes, Self::Bytes) => Some(1),
            (Kind::Duration, Self::S) => Some(1000),
            (Kind::Duration, Self::HalfSecond | Self::SlowTick) => Some(500),
            (Kind::Bytes, Self::Kb) => Some(1024),
            _ => None,
        }
    }

    /// Returns what a native number is as a value of a kind.
    #[must_use]
    pub fn amount(self, kind: Kind, raw: i128) -> Option<Quantity> {
        Quantity::from_scalar(kind, raw.checked_mul(self.factor(kind)?)?)
    }

    /// Returns the values of a kind that native numbers of a range stand for, in the base unit of the kind.
    #[must_use]
    pub fn storable(self, kind: Kind, (low, high): (i128, i128)) -> Option<Storable> {
        let factor = self.factor(kind)?;
        Some(Storable::every(factor, low.checked_mul(factor)?, high.checked_mul(factor)?))
    }

    /// Turns a value into the native number that means exactly the same.
    ///
    /// # Errors
    ///
    /// [`Inexact`] where no number of this unit does, with the neighbours that some do.
    pub fn raw(self, value: &Quantity) -> Result<i128, Inexact> {
        let kind = value.kind();
        let wrong = || Inexact { value: value.clone(), unit: self, below: None, above: None };
        let (scalar, factor) = value.scalar().zip(self.factor(kind)).ok_or_else(wrong)?;
        if scalar % factor == 0 {
            return Ok(scalar / factor);
        }
        let neighbour = |raw: i128| (raw > 0).then(|| self.amount(kind, raw)).flatten();
        let below = scalar / factor;
        Err(Inexact { below: neighbour(below), above: neighbour(below + 1), ..wrong() })
    }
}

/// A value that a unit cannot express.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value} is no whole number of {}{}", .unit.words(), self.neighbours())]
pub struct Inexact {
    /// The value.
    pub value: Quantity,
    /// The unit.
    pub unit: Unit,
    /// The nearest smaller value that can be expressed.
    pub below: Option<Quantity>,
    /// The nearest larger one.
    pub above: Option<Quantity>,
}

impl Inexact {
    fn neighbours(&self) -> String {
        match (&self.below, &self.above) {
            (Some(below), Some(above)) => format!("; the nearest are {below} and {above}"),
            (None, Some(only)) | (Some(only), None) => format!("; the nearest is {only}"),
            (None, None) => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_minute_is_another_number_in_every_unit() {
        for (unit, raw) in [(Unit::Ms, 60_000), (Unit::S, 60), (Unit::HalfSecond, 120), (Unit::SlowTick, 120)]
        {
            let minute = Quantity::Duration(60_000);
            assert_eq!(unit.raw(&minute), Ok(raw), "{unit:?}");
            assert_eq!(unit.amount(Kind::Duration, raw), Some(minute), "{unit:?}");
        }
        assert_eq!(Unit::Kb.raw(&Quantity::Bytes(1 << 20)), Ok(1024));
        assert_eq!(Unit::Flag.raw(&Quantity::Switch(true)), Ok(1));
    }

    #[test]
    fn what_loses_precision_is_refused_with_its_neighbours() {
        for (unit, ms, said) in [
            (Unit::HalfSecond, 250, "250ms is no whole number of half-seconds; the nearest is 500ms"),
            (
                Unit::HalfSecond,
                30_250,
                "30s250ms is no whole number of half-seconds; the nearest are 30s and 30s500ms",
            ),
            (Unit::SlowTick, 700, "700ms is no whole number of slow ticks; the nearest are 500ms and 1s"),
            (Unit::S, 1500, "1s500ms is no whole number of s; the nearest are 1s and 2s"),
            (Unit::Clusters, 1000, "1s is no whole number of clusters"),
        ] {
            assert_eq!(unit.raw(&Quantity::Duration(ms)).unwrap_err().to_string(), said);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_number_changes_its_meaning_on_the_way(raw in 0i128..10_000_000_000) {
            for unit in [Unit::Ms, Unit::S, Unit::HalfSecond, Unit::SlowTick] {
                let amount = unit.amount(Kind::Duration, raw).unwrap();
                proptest::prop_assert_eq!(unit.raw(&amount), Ok(raw));
            }
        }
    }
}
