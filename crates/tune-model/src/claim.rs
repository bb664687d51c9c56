//! Which profiles hold which values, and what was there before them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::limits::Limits;
use crate::profile::Subject;
use crate::reading::Layer;
use crate::tunable::Slot;

/// What one profile holds on one tunable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// The transaction that made it.
    pub transaction: u64,
    /// The profile.
    pub profile: String,
    /// What the profile required.
    pub subject: Subject,
    /// The bounds, as they were on this host.
    pub wanted: Limits,
}

/// A line of somebody else's file that was commented out, because it would have won at the next boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TakenOver {
    /// The file, symbolic links resolved.
    pub path: PathBuf,
    /// The line as it was, without its line end.
    pub line: String,
}

/// All claims on one slot in one layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holding {
    /// The value before the first claim; `None` where it could not be known or there was none.
    pub original: Option<String>,
    /// The boot during which `original` was read.
    pub boot_id: String,
    /// The value that `tune` left there; for the boot layer `None` when no line of ours is needed.
    pub held: Option<String>,
    /// The claims, oldest first.
    pub claims: Vec<Claim>,
    /// Lines that were commented out for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taken_over: Vec<TakenOver>,
}

/// The claims in one scope: the host, or one network namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScopeClaims {
    /// On values of the running kernel.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub runtime: BTreeMap<Slot, Holding>,
    /// On values of the next boot.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub boot: BTreeMap<Slot, Holding>,
    /// The files that `tune` wrote, as it left them: what differs was changed by somebody else.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<PathBuf, String>,
    /// Directories that `tune` made for its files.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub directories: BTreeSet<PathBuf>,
    /// What the system's own program kept of a tunable for the next boot before the first claim, as it was typed;
    /// `None` for nothing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kept: BTreeMap<String, Option<String>>,
}

impl ScopeClaims {
    /// Returns the claims in a layer.
    #[must_use]
    pub const fn layer(&self, layer: Layer) -> &BTreeMap<Slot, Holding> {
        match layer {
            Layer::Runtime => &self.runtime,
            Layer::Boot => &self.boot,
        }
    }

    /// Returns the claims in a layer, to be changed.
    pub const fn layer_mut(&mut self, layer: Layer) -> &mut BTreeMap<Slot, Holding> {
        match layer {
            Layer::Runtime => &mut self.runtime,
            Layer::Boot => &mut self.boot,
        }
    }
}

/// The format of the active list on disk.
pub const CLAIMS_FORMAT: &str = "tune.claims/1";

/// Every claim that is held, scope by scope. The scope's name is `host`, or a network namespace's identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// Names the format and its version.
    pub format: String,
    /// The claims by scope.
    pub scopes: BTreeMap<String, ScopeClaims>,
}

impl Default for Claims {
    fn default() -> Self {
        Self { format: CLAIMS_FORMAT.to_owned(), scopes: BTreeMap::new() }
    }
}

impl Claims {
    /// Returns the claims in a scope; none where there are none.
    #[must_use]
    pub fn scope(&self, name: &str) -> ScopeClaims {
        self.scopes.get(name).cloned().unwrap_or_default()
    }

    /// Replaces the claims in a scope; a scope without claims is dropped.
    pub fn set_scope(&mut self, name: &str, claims: ScopeClaims) {
        if claims == ScopeClaims::default() {
            self.scopes.remove(name);
        } else {
            self.scopes.insert(name.to_owned(), claims);
        }
    }
}
