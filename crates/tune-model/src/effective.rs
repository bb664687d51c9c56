//! What a setting amounts to on a system.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::quantity::Quantity;

/// What a setting amounts to, computed from one or more tunables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effective {
    /// Just that.
    Exact(Quantity),
    /// Somewhere from `low` to `high`: the system does not promise which.
    Between {
        /// The least it can be.
        low: Quantity,
        /// The most it can be.
        high: Quantity,
    },
    /// No bound at all: a timer that never runs out, a limit that is never reached.
    Unbounded,
    /// It cannot be known here, for this reason.
    Unknown(String),
}

impl Effective {
    /// Returns the exact value, if there is one.
    #[must_use]
    pub const fn exact(&self) -> Option<&Quantity> {
        match self {
            Self::Exact(value) => Some(value),
            _ => None,
        }
    }
}

impl std::fmt::Display for Effective {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exact(value) => f.pad(&value.to_string()),
            Self::Between { low, high } => f.pad(&format!("{low} to {high}")),
            Self::Unbounded => f.pad("never"),
            Self::Unknown(_) => f.pad("unknown"),
        }
    }
}

/// `{"value", "unit", "text"}`, `{"min", "max", "text"}`, `{"never": true, "text"}`, or
/// `{"value": null, "reason", "text"}`.
impl Serialize for Effective {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = match self {
            Self::Exact(value) => return value.serialize(serializer),
            _ => serializer.serialize_map(None)?,
        };
        match self {
            Self::Exact(_) => {}
            Self::Between { low, high } => {
                map.serialize_entry("min", low)?;
                map.serialize_entry("max", high)?;
            }
            Self::Unbounded => map.serialize_entry("never", &true)?,
            Self::Unknown(reason) => {
                map.serialize_entry("value", &())?;
                map.serialize_entry("reason", reason)?;
            }
        }
        map.serialize_entry("text", &self.to_string())?;
        map.end()
    }
}
