//! What a tunable is now, and what the next boot will make it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::catalog::Mutability;
use crate::system::Place;
use crate::tunable;

/// The running kernel, or the files that the next boot reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layer {
    /// The running kernel.
    Runtime,
    /// The next boot.
    Boot,
}

/// Why there is no value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unread {
    /// The system has no such tunable, for this reason.
    Missing(String),
    /// The caller may not read it.
    Denied(String),
    /// It belongs to a wider scope than the one looked at.
    OutOfScope(String),
    /// The question does not arise here.
    NotApplicable(String),
    /// The kernel computes it when it starts, from what there is then.
    Computed(String),
    /// It cannot be told, for this reason.
    Unclear(String),
}

impl Unread {
    /// Returns the reason.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::Missing(reason)
            | Self::Denied(reason)
            | Self::OutOfScope(reason)
            | Self::NotApplicable(reason)
            | Self::Computed(reason)
            | Self::Unclear(reason) => reason,
        }
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.reason())
    }
}

/// A tunable's text as the system shows it, or why there is none.
pub type Text = Result<String, Unread>;

/// What one tunable is, and will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The value in the running kernel; for a key of a wider scope that can be read, the value comes with
    /// [`Reading::out_of_scope`].
    pub live: Text,
    /// The value after the next boot.
    pub boot: Text,
    /// The line that decides the value after the next boot; `None` for the kernel's own default.
    pub boot_source: Option<Place>,
    /// The value after the next boot if nothing that `tune` wrote were there.
    pub boot_without_tune: Text,
    /// The line that would decide then.
    pub boot_without_tune_source: Option<Place>,
    /// The kernel's default, where its rule is known.
    pub default: Option<String>,
    /// Why it belongs to a wider scope than the one looked at, if it does.
    pub out_of_scope: Option<String>,
    /// When the running kernel lets it be changed, where the kernel says so itself; the catalog's word otherwise.
    pub mutability: Option<Mutability>,
    /// What an administrator should know about this value: disagreeing tools, other writers, missing modules.
    pub notes: Vec<String>,
}

impl Reading {
    /// Returns the value in a layer.
    pub const fn text(&self, layer: Layer) -> &Text {
        match layer {
            Layer::Runtime => &self.live,
            Layer::Boot => &self.boot,
        }
    }
}

/// Readings by the tunable's name.
pub type Readings = BTreeMap<String, Reading>;

/// Looks up the values that an effective value is computed from.
pub trait Values {
    /// Returns a tunable's text as the system shows it.
    ///
    /// # Errors
    ///
    /// [`Unread`] with the reason.
    fn text(&self, tunable: &str) -> Text;

    /// Returns a tunable's integers.
    ///
    /// # Errors
    ///
    /// [`Unread`] also when the text holds something else.
    fn integers(&self, name: &str) -> Result<Vec<i128>, Unread> {
        let text = self.text(name)?;
        tunable::integers(&text)
            .ok_or_else(|| Unread::Unclear(format!("{name} reads {:?}, which is no number", text.trim())))
    }

    /// Returns one of a tunable's integers.
    ///
    /// # Errors
    ///
    /// [`Unread`] also when there are fewer.
    fn integer(&self, name: &str, field: usize) -> Result<i128, Unread> {
        let found = self.integers(name)?;
        let missing = || Unread::Unclear(format!("{name} has {} values, not {}", found.len(), field + 1));
        found.get(field).copied().ok_or_else(missing)
    }
}

/// The values of one layer.
#[derive(Debug, Clone, Copy)]
pub struct LayerValues<'a> {
    readings: &'a Readings,
    layer: Layer,
}

impl<'a> LayerValues<'a> {
    /// Looks at one layer of `readings`.
    #[must_use]
    pub const fn new(readings: &'a Readings, layer: Layer) -> Self {
        Self { readings, layer }
    }
}

impl Values for LayerValues<'_> {
    fn text(&self, tunable: &str) -> Text {
        match self.readings.get(tunable) {
            Some(reading) => reading.text(self.layer).clone(),
            None => Err(Unread::Unclear(format!("{tunable} was not read"))),
        }
    }
}

/// Plain values by name, for planning what would be.
impl Values for BTreeMap<String, String> {
    fn text(&self, tunable: &str) -> Text {
        self.get(tunable).cloned().ok_or_else(|| Unread::Unclear(format!("{tunable} was not read")))
    }
}
