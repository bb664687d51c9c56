//! What is required of a value, and whether a value satisfies it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::effective::Effective;
use crate::quantity::Quantity;

/// Bounds on a value. Both bounds equal means exactly that value; no bound at all accepts everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// The value must be at least this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<Quantity>,
    /// The value must be at most this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<Quantity>,
    /// The value to choose when the present one has to change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefer: Option<Quantity>,
}

/// Whether a value satisfies what is required of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It does.
    Met,
    /// It does not.
    NotMet,
    /// It cannot be told.
    Unknown,
    /// The question does not arise: no live value in an image, no boot value in a namespace.
    NotApplicable,
}

impl Limits {
    /// Requires exactly `value`.
    #[must_use]
    pub fn exactly(value: Quantity) -> Self {
        Self { at_least: Some(value.clone()), at_most: Some(value), prefer: None }
    }

    /// Returns the one value allowed, where both bounds are the same.
    #[must_use]
    pub fn exact(&self) -> Option<&Quantity> {
        match (&self.at_least, &self.at_most) {
            (Some(low), Some(high)) if low == high => Some(low),
            _ => None,
        }
    }

    /// Tells whether `value` is inside the bounds.
    #[must_use]
    pub fn admit(&self, value: &Quantity) -> bool {
        self.at_least.as_ref().is_none_or(|low| low.at_most(value))
            && self.at_most.as_ref().is_none_or(|high| value.at_most(high))
    }

    /// Holds an effective value against the bounds: `at_most` judges the most it can be, `at_least` the least.
    #[must_use]
    pub fn judge(&self, effective: &Effective) -> Verdict {
        let met = match effective {
            Effective::Exact(value) => self.admit(value),
            Effective::Between { low, high } => {
                self.at_least.as_ref().is_none_or(|bound| bound.at_most(low))
                    && self.at_most.as_ref().is_none_or(|bound| high.at_most(bound))
            }
            Effective::Unbounded => self.at_most.is_none(),
            Effective::Unknown(_) => return Verdict::Unknown,
        };
        if met { Verdict::Met } else { Verdict::NotMet }
    }

    /// Returns the bounds that satisfy both, or `None` when nothing does. The preference of `self` wins.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Option<Self> {
        let at_least = both(&self.at_least, &other.at_least, Quantity::join)?;
        let at_most = both(&self.at_most, &other.at_most, Quantity::meet)?;
        if let (Some(low), Some(high)) = (&at_least, &at_most)
            && !low.at_most(high)
        {
            return None;
        }
        Some(Self { at_least, at_most, prefer: self.prefer.clone().or_else(|| other.prefer.clone()) })
    }
}

/// Combines two optional bounds; the outer `None` says that they exclude each other.
#[allow(clippy::option_option)]
fn both(
    a: &Option<Quantity>,
    b: &Option<Quantity>,
    combine: impl Fn(&Quantity, &Quantity) -> Option<Quantity>,
) -> Option<Option<Quantity>> {
    match (a, b) {
        (Some(a), Some(b)) => combine(a, b).map(Some),
        (a, b) => Some(a.clone().or_else(|| b.clone())),
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match (&self.at_least, &self.at_most) {
            (None, None) => "anything".to_owned(),
            (Some(low), Some(high)) if low == high => low.to_string(),
            (Some(low), Some(high)) => format!("{low} to {high}"),
            (Some(low), None) => format!("at least {low}"),
            (None, Some(high)) => format!("at most {high}"),
        };
        f.pad(&text)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Met => "met",
            Self::NotMet => "not met",
            Self::Unknown => "unknown",
            Self::NotApplicable => "not applicable",
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::quantity::PortRange;

    fn seconds(value: u64) -> Quantity {
        Quantity::Duration(value * 1000)
    }

    fn between(low: Option<u64>, high: Option<u64>) -> Limits {
        Limits { at_least: low.map(seconds), at_most: high.map(seconds), prefer: None }
    }

    #[test]
    fn a_timer_that_never_runs_out_fails_every_upper_bound_only() {
        assert_eq!(between(None, Some(600)).judge(&Effective::Unbounded), Verdict::NotMet);
        assert_eq!(between(Some(600), None).judge(&Effective::Unbounded), Verdict::Met);
        assert_eq!(Limits::exactly(seconds(60)).judge(&Effective::Unbounded), Verdict::NotMet);
    }

    #[test]
    fn a_range_is_judged_at_its_bad_end() {
        let range = Effective::Between { low: seconds(600), high: seconds(675) };
        assert_eq!(between(None, Some(650)).judge(&range), Verdict::NotMet);
        assert_eq!(between(None, Some(675)).judge(&range), Verdict::Met);
        assert_eq!(between(Some(601), None).judge(&range), Verdict::NotMet);
    }

    #[test]
    fn bounds_intersect_or_exclude_each_other() {
        let both = between(Some(5), Some(60)).intersect(&between(None, Some(30))).unwrap();
        assert_eq!(both, between(Some(5), Some(30)));
        assert_eq!(between(Some(40), None).intersect(&between(None, Some(30))), None);
    }

    #[test]
    fn port_ranges_are_compared_by_what_they_cover() {
        let ports = |low, high| Quantity::Ports(PortRange { low, high });
        let wide = Limits { at_least: Some(ports(16384, 60999)), ..Limits::default() };
        assert!(wide.admit(&ports(10240, 65535)));
        assert!(!wide.admit(&ports(32768, 60999)));
        let inside = Limits { at_most: Some(ports(1024, 49151)), ..Limits::default() };
        assert_eq!(wide.intersect(&inside), None);
    }
}
