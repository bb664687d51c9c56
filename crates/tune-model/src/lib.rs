//! Settings, values, the catalog, profiles and every result type of `tune`.
//!
//! Nothing here touches the machine: this crate reads no file, makes no system call and compiles the same on every
//! system.

#![forbid(unsafe_code)]

pub mod catalog;
pub mod claim;
pub mod effective;
pub mod finding;
pub mod legacy;
pub mod limits;
pub mod native;
pub mod plan;
pub mod profile;
pub mod proof;
pub mod quantity;
pub mod reading;
pub mod rendering;
pub mod setting;
pub mod storable;
pub mod system;
pub mod transaction;
pub mod tunable;

pub use catalog::{Catalog, Mutability, TakesHold, Tunable};
pub use claim::Claims;
pub use effective::Effective;
pub use finding::{Finding, Status};
pub use legacy::{Legacy, LegacySystem};
pub use limits::{Limits, Verdict};
pub use native::{Command, Keeper, Program, Property};
pub use plan::{Effect, Plan, Step};
pub use profile::{Profile, Requirement, Severity, Subject};
pub use quantity::{PortRange, Quantity, QuantityError};
pub use reading::{Layer, LayerValues, Reading, Readings, Text, Unread, Values};
pub use rendering::Rendering;
pub use setting::{Kind, Setting, UnknownSetting};
pub use storable::{Piece, Storable};
pub use system::{Place, System};
pub use tunable::Slot;

/// Gives a type that is shown and read as text the same form in JSON.
#[macro_export]
#[doc(hidden)]
macro_rules! serialize_as_text {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

/// Gives a type that is shown and read as text the same form in JSON, both ways.
#[macro_export]
#[doc(hidden)]
macro_rules! serde_as_text {
    ($type:ty) => {
        $crate::serialize_as_text!($type);

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

/// Writes a path to JSON whatever its bytes are: a result is shown even where a file's name is no text.
pub(crate) fn path_as_text<S: serde::Serializer>(
    path: &std::path::Path,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

/// Returns the candidate most like `name`, if one is like it at all.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    const LONGEST: usize = 200;
    candidates
        .into_iter()
        .filter(|_| name.len() <= LONGEST)
        .map(|candidate| (likeness(name, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate.to_owned())
}

/// Compares what two dotted names have after the parts that they share: `net.ipv4.` in common makes nothing alike.
fn likeness(name: &str, candidate: &str) -> f64 {
    let shared: usize = name
        .split_inclusive('.')
        .zip(candidate.split_inclusive('.'))
        .take_while(|(a, b)| a == b)
        .map(|(a, _)| a.len())
        .sum();
    match (&name[shared..], &candidate[shared..]) {
        ("", "") => 1.0,
        // Too different in length to be a misspelling of it, and not worth the comparison.
        (name, candidate) if name.len().max(candidate.len()) > 3 * name.len().min(candidate.len()) => 0.0,
        (name, candidate) => strsim::jaro_winkler(name, candidate),
    }
}

/// Returns `; did you mean "…"?` for a hint, and nothing without one.
#[must_use]
pub fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map(|nearest| format!("; did you mean {nearest:?}?")).unwrap_or_default()
}
