//! What is to be done, step by step, each with its undo.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::catalog::TakesHold;
use crate::claim::Claims;
use crate::finding::Finding;
use crate::native::{self, Command, Property};
use crate::profile::Subject;
use crate::reading::Layer;

/// The network namespace that a live step acts on, so that another can never be taken for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Namespace {
    /// The name or process id by which it was chosen; empty for the caller's own.
    pub name: String,
    /// The device of its nsfs file.
    pub device: u64,
    /// The inode of its nsfs file.
    pub inode: u64,
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("netns:{}", self.name))
    }
}

/// Bytes of a file or of an extended attribute; text in JSON where they are text, hexadecimal elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Bytes(pub Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => BTreeMap::from([("text", text)]).serialize(serializer),
            Err(_) => {
                let hex: String = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
                BTreeMap::from([("hex", hex)]).serialize(serializer)
            }
        }
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Form {
            Text(String),
            Hex(String),
        }
        match Form::deserialize(deserializer)? {
            Form::Text(text) => Ok(Self(text.into_bytes())),
            Form::Hex(hex) => {
                from_hex(&hex).map(Self).ok_or_else(|| D::Error::custom("bytes are not hexadecimal"))
            }
        }
    }
}

fn from_hex(hex: &str) -> Option<Vec<u8>> {
    let pairs = hex.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// A regular file as it was, or is to be: everything that is put back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileImage {
    /// The content.
    pub content: Bytes,
    /// The permission bits.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The extended attributes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Bytes>,
}

/// One change of the host. Swapping `before` and `after` is its undo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Effect {
    /// Write a tunable of the running kernel, whole.
    SetTunable {
        /// The tunable's name.
        tunable: String,
        /// The network namespace, when it is not the caller's own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        namespace: Option<Namespace>,
        /// The text that the kernel shows before.
        before: String,
        /// The text that the kernel will show after.
        after: String,
    },
    /// Set a property of the running kernel, by the program that keeps it.
    SetProperty {
        /// The tunable's name.
        tunable: String,
        /// The property behind it.
        property: Property,
        /// The value before.
        before: String,
        /// The value after.
        after: String,
    },
    /// Set what the next boot makes a property, and leave the running kernel as it is.
    PersistProperty {
        /// The tunable's name.
        tunable: String,
        /// The property behind it.
        property: Property,
        /// What was kept before, as it was typed; `None` for nothing.
        before: Option<String>,
        /// What is kept after.
        after: Option<String>,
        /// The value of the running kernel, which the program changes on the way; `None` where that is to stay what
        /// the program makes it.
        live: Option<String>,
        /// The kernel's default, which dropping what is kept sets in the running kernel.
        default: String,
    },
    /// Replace, make or remove a regular file; `None` means that there is none.
    ReplaceFile {
        /// The file, symbolic links resolved.
        path: PathBuf,
        /// The file before.
        before: Option<FileImage>,
        /// The file after.
        after: Option<FileImage>,
    },
    /// Make a directory, or remove it when it is empty.
    Directory {
        /// The directory, symbolic links resolved.
        path: PathBuf,
        /// It is there before.
        before: bool,
        /// It is there after.
        after: bool,
    },
}

impl Effect {
    /// Returns the effect that takes this one back.
    #[must_use]
    pub fn undo(&self) -> Self {
        let mut undo = self.clone();
        match &mut undo {
            Self::SetTunable { before, after, .. } | Self::SetProperty { before, after, .. } => {
                std::mem::swap(before, after);
            }
            Self::PersistProperty { before, after, .. } => std::mem::swap(before, after),
            Self::ReplaceFile { before, after, .. } => std::mem::swap(before, after),
            Self::Directory { before, after, .. } => std::mem::swap(before, after),
        }
        undo
    }

    /// Drops what it says of the running kernel, which was another: the machine has been restarted since.
    pub fn forget_live(&mut self) {
        if let Self::PersistProperty { live, .. } = self {
            *live = None;
        }
    }

    /// Returns the layer that it changes.
    #[must_use]
    pub const fn layer(&self) -> Layer {
        match self {
            Self::SetTunable { .. } | Self::SetProperty { .. } => Layer::Runtime,
            Self::PersistProperty { .. } | Self::ReplaceFile { .. } | Self::Directory { .. } => Layer::Boot,
        }
    }

    /// Returns the tunable of the running kernel that it sets, with its text before and after.
    #[must_use]
    pub fn live(&self) -> Option<(&str, &str, &str)> {
        match self {
            Self::SetTunable { tunable, before, after, .. }
            | Self::SetProperty { tunable, before, after, .. } => Some((tunable, before, after)),
            _ => None,
        }
    }

    /// Returns the calls of the system's own programs that it consists of; none where it needs none.
    #[must_use]
    pub fn commands(&self) -> Vec<Command> {
        match self {
            Self::SetProperty { property, after, .. } => vec![property.set_live(after)],
            Self::PersistProperty { property, after, live, default, .. } => {
                // The program sets the running kernel too.
                let made = after.as_deref().unwrap_or(default);
                let restored = live.as_deref().filter(|live| !native::same_number(live, made));
                let persist = property.persist(after.as_deref());
                std::iter::once(persist).chain(restored.map(|live| property.set_live(live))).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Returns what it acts on: a tunable's name, or a path.
    #[must_use]
    pub fn target(&self) -> String {
        match self {
            Self::SetTunable { tunable, .. }
            | Self::SetProperty { tunable, .. }
            | Self::PersistProperty { tunable, .. } => tunable.clone(),
            Self::ReplaceFile { path, .. } | Self::Directory { path, .. } => path.display().to_string(),
        }
    }
}

/// A step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What it is done for.
    pub serves: Vec<Subject>,
    /// What it does.
    #[serde(flatten)]
    pub effect: Effect,
    /// Why it cannot be taken back before a reboot; `None` where it can be at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub irreversible: Option<String>,
    /// Whom it reaches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub takes_hold: Option<TakesHold>,
}

/// Why a plan must not be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RefusalKind {
    /// No value that the system can keep is inside the bounds.
    NotStorable,
    /// The value is dangerous; `--allow-unsafe` lifts this.
    Unsafe,
    /// The system has nothing of the kind; `--skip-unsupported` lifts this.
    Unsupported,
    /// It cannot be read, so it cannot be put back.
    Unreadable,
    /// Two profiles exclude each other; `--replace` lifts this.
    Contradiction,
    /// Another line would win at the next boot.
    Overridden,
    /// Somebody else changed what `tune` had written.
    ForeignEdit,
    /// The namespace is private but the files are the host's.
    WouldLeak,
    /// It cannot be undone at run time; `--accept-irreversible` lifts this.
    Irreversible,
}

/// A reason not to carry out a plan, and what would help.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// The sort of reason.
    pub kind: RefusalKind,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    /// The reason.
    pub message: String,
    /// What to do about it.
    pub hints: Vec<String>,
}

/// A value that is left alone: somebody else has changed it since `tune` wrote it, or it cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// The tunable, or the path of the file.
    pub target: String,
    /// The layer.
    pub layer: Layer,
    /// What `tune` had left there.
    pub expected: String,
    /// What is there; of what cannot be read, the reason.
    pub found: String,
    /// What is there cannot be read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unreadable: bool,
}

impl Conflict {
    /// Somebody else's change.
    #[must_use]
    pub const fn new(target: String, layer: Layer, expected: String, found: String) -> Self {
        Self { target, layer, expected, found, unreadable: false }
    }
}

/// Everything that is to be done, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The requirements held against the host as it is.
    pub findings: Vec<Finding>,
    /// The steps, in the order in which they are carried out.
    pub steps: Vec<Step>,
    /// The claims as they will be; `None` when they stay as they are.
    pub claims: Option<Claims>,
    /// Why it must not be carried out; empty when it may.
    pub refusals: Vec<Refusal>,
    /// What was changed by somebody else, or cannot be read, and stays so.
    pub conflicts: Vec<Conflict>,
    /// What an administrator should know before saying yes.
    pub warnings: Vec<String>,
    /// The value changes, one for each tunable and layer.
    pub changes: Vec<Change>,
    /// Something takes effect at the next boot only.
    pub reboot_required: bool,
}

impl Plan {
    /// Tells whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.claims.is_none()
    }
}

/// A value that changes, as configuration management shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The tunable.
    pub key: String,
    /// Its value before; `null` where there was none.
    pub before: Option<String>,
    /// Its value after; `null` where there is none any more.
    pub after: Option<String>,
    /// `runtime`, or `boot:PATH`.
    pub scope: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::Keeper;

    fn persist(before: Option<&str>, after: Option<&str>, live: Option<&str>) -> Effect {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Effect::PersistProperty {
            tunable: "ipadm.tcp.recv_buf".to_owned(),
            property: Property {
                keeper: Keeper::Ipadm,
                protocol: "tcp".to_owned(),
                name: "recv_buf".to_owned(),
            },
            before: owned(before),
            after: owned(after),
            live: owned(live),
            default: "128000".to_owned(),
        }
    }

    fn commands(effect: &Effect) -> Vec<String> {
        effect.commands().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_running_kernel_is_given_back_what_the_program_changes_on_the_way() {
        const SET: &str = "ipadm set-prop -p recv_buf=65536 tcp";
        const RESET: &str = "ipadm reset-prop -p recv_buf tcp";
        for (after, live, expected) in [
            (Some("65536"), Some("65536"), vec![SET]),
            (Some("65536"), Some("9000"), vec![SET, "ipadm set-prop -t -p recv_buf=9000 tcp"]),
            (Some("65536"), None, vec![SET]),
            (None, Some("128000"), vec![RESET]),
            (None, Some("9000"), vec![RESET, "ipadm set-prop -t -p recv_buf=9000 tcp"]),
            (None, None, vec![RESET]),
        ] {
            assert_eq!(commands(&persist(None, after, live)), expected, "{after:?} {live:?}");
        }
    }

    #[test]
    fn the_undo_keeps_the_text_as_it_was_typed() {
        let effect = persist(Some("+0128000"), Some("65536"), Some("128000"));
        assert_eq!(commands(&effect.undo()), ["ipadm set-prop -p recv_buf=+0128000 tcp"]);
    }
}
