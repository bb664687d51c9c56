//! What each system must know about itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use tune_model::catalog::{Mutability, TakesHold};
use tune_model::claim::{ScopeClaims, TakenOver};
use tune_model::finding::Finding;
use tune_model::native::Property;
use tune_model::plan::Change;
use tune_model::profile::{Profile, Scale};
use tune_model::{
    Catalog, Effect, Effective, Limits, Place, Quantity, Readings, Setting, Slot, Storable, Subject, System,
    Values,
};

use crate::host::{Host, ReadError};

/// How a system provides a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Provision {
    /// From these slots, which can be changed.
    Slots(Vec<Slot>),
    /// From other settings' slots; it is judged by itself and changed through them.
    Derived(Vec<Slot>),
    /// It is always this.
    Fixed(Quantity),
    /// Not at all.
    None,
}

impl Provision {
    /// Returns the slots that the setting is read from.
    #[must_use]
    pub fn slots(&self) -> &[Slot] {
        match self {
            Self::Slots(slots) | Self::Derived(slots) => slots,
            Self::Fixed(_) | Self::None => &[],
        }
    }
}

/// What a setting amounts to, and what to beware of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessment {
    /// The effective value.
    pub effective: Effective,
    /// Cautions about this very value, a sentence each.
    pub cautions: Vec<String>,
}

/// New values of slots, as the system will show them.
pub type Targets = BTreeMap<Slot, String>;

/// Why no value can be found for a setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unsolvable {
    /// Nothing that the system can keep is inside the bounds.
    #[error("{message}")]
    NotStorable {
        /// What was asked for and why it cannot be had.
        message: String,
        /// The nearest values that can be had.
        neighbours: Vec<String>,
    },
    /// What it depends on cannot be read.
    #[error("{0}")]
    Unreadable(String),
}

/// A line that would win over ours at the next boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// The slot that would not have our value.
    pub slot: Slot,
    /// The value that it would have.
    pub value: Option<String>,
    /// The line that would win.
    pub place: Option<Place>,
    /// The line's text.
    pub text: Option<String>,
    /// Whether `--take-over` could comment it out.
    pub can_take_over: bool,
    /// Why it cannot be told which line wins, where it cannot.
    pub doubt: Option<String>,
}

/// What has to be done so that the next boot makes the wanted values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Persistence {
    /// The effects, in order.
    pub effects: Vec<Effect>,
    /// The values that change.
    pub changes: Vec<Change>,
    /// Lines that would still win.
    pub overrides: Vec<Override>,
    /// Lines that are commented out for it, by slot.
    pub taken_over: BTreeMap<Slot, Vec<TakenOver>>,
    /// What an administrator should know: other tools that would decide differently.
    pub warnings: Vec<String>,
    /// Files that `tune` wrote and somebody else has changed since: path, what was left there, what is there.
    pub edited: Vec<Edited>,
    /// The files of `tune`'s own as they will be.
    pub files: BTreeMap<PathBuf, String>,
    /// The directories that `tune` made for them.
    pub directories: BTreeSet<PathBuf>,
    /// What the system's own program kept before the first claim, by tunable.
    pub kept: BTreeMap<String, Option<String>>,
    /// What cannot be set for the next boot, and why.
    pub impossible: Vec<(Slot, String)>,
}

/// What `tune` wrote for the next boot, and somebody else has changed since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Altered {
    /// A file.
    File(PathBuf),
    /// What the system's own program keeps of a tunable.
    Tunable(String),
}

impl std::fmt::Display for Altered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => f.pad(&path.display().to_string()),
            Self::Tunable(name) => f.pad(name),
        }
    }
}

/// Something that `tune` wrote for the next boot and somebody else has changed since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    /// What it is.
    pub what: Altered,
    /// What `tune` had left there, or the line that it had commented out.
    pub expected: String,
    /// What is there; of what cannot be read, the reason.
    pub found: String,
    /// It cannot be read.
    pub unreadable: bool,
    /// The slots whose boot values depend on it.
    pub slots: Vec<Slot>,
}

/// What a plan for the next boot goes along with.
#[derive(Debug, Clone, Copy)]
pub struct Moving<'a> {
    /// The tunables of the running kernel that will have changed before, as they will be.
    pub live: &'a BTreeMap<String, String>,
    /// The slots whose boot values the plan may change.
    pub slots: &'a BTreeSet<Slot>,
}

/// How boot settings are to be persisted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PersistOptions {
    /// Comment out lines that would win.
    pub take_over: bool,
    /// Replace what somebody else has changed since.
    pub overwrite_foreign: bool,
    /// It is for people to carry out, on a host that is not there.
    pub rendering: bool,
    /// Leave what somebody else has changed since as it is: something is taken back, and not applied.
    pub leave_foreign: bool,
}

/// A line of a boot file that sets a tunable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootLine {
    /// The line.
    pub place: Place,
    /// The value that it sets.
    pub value: String,
    /// It is the one to change: the last that is written.
    pub wins: bool,
    /// Why it has no effect.
    pub note: Option<String>,
}

/// How the next boot comes to the value of one tunable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BootStory {
    /// The program that sets tunables at boot; `None` where none was found.
    pub tool: Option<String>,
    /// Every line that sets it, in the order in which they are read.
    pub lines: Vec<BootLine>,
    /// Files that are not read, and what takes their place.
    pub masked: Vec<(PathBuf, PathBuf)>,
    /// What is wrong with the boot files.
    pub problems: Vec<String>,
    /// What the other common tool would decide: its name, the value, the line.
    pub other: Option<(String, Option<String>, Option<Place>)>,
    /// Other programs that write it after boot.
    pub writers: Vec<String>,
}

/// A tunable, one of whose slots changes, and everything else as it will be.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// The live text now; `None` when it is not the live value that changes.
    pub present: Option<&'a str>,
    /// The text as it will be, every slot that changes taken together.
    pub after: &'a str,
    /// Every tunable that was read, as it will be.
    pub values: &'a dyn Values,
}

impl std::fmt::Debug for Around<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Around")
            .field("present", &self.present)
            .field("after", &self.after)
            .finish_non_exhaustive()
    }
}

/// A system: its catalog, its arithmetic, its boot files. It describes and never acts.
pub trait Backend {
    /// Returns the system.
    fn system(&self) -> System;

    /// Returns its catalog.
    fn catalog(&self) -> &'static Catalog {
        Catalog::of(self.system())
    }

    /// Returns how it provides a setting.
    fn provision(&self, setting: Setting) -> Provision;

    /// Returns the tunables that make a setting what it amounts to, given these values; others of its slots have no
    /// effect just now.
    fn decisive(&self, setting: Setting, values: &dyn Values) -> Vec<String> {
        let _ = values;
        self.provision(setting).slots().iter().map(|slot| slot.tunable.clone()).collect()
    }

    /// Returns the tunables of other settings that a setting can come from: those are solved before it.
    fn follows(&self, setting: Setting) -> Vec<String> {
        let _ = setting;
        Vec::new()
    }

    /// Returns the other tunables that a slot's effect depends on: those that have to be read with it.
    fn depends_on(&self, slot: &Slot) -> Vec<String> {
        let _ = slot;
        Vec::new()
    }

    /// Returns the slots that may have to change before `slot` can.
    fn beside(&self, slot: &Slot) -> Vec<Slot> {
        let _ = slot;
        Vec::new()
    }

    /// Adds to `targets` what has to change before the running kernel takes them: slots that [`Backend::beside`] names.
    ///
    /// # Errors
    ///
    /// [`Unsolvable`] where nothing makes the kernel take them.
    fn prepare(&self, targets: &mut Targets, values: &dyn Values) -> Result<(), Unsolvable> {
        let _ = (targets, values);
        Ok(())
    }

    /// Returns the place of a tunable's step among the others: what has to be changed first has the smaller number.
    /// Which that is can depend on the direction, from one value to another.
    fn rank(&self, tunable: &str, from: &str, to: &str) -> u32 {
        let _ = (tunable, from, to);
        0
    }

    /// Returns the effect that sets a tunable of the running kernel.
    fn live_effect(&self, host: &dyn Host, tunable: &str, before: &str, after: &str) -> Effect {
        Effect::SetTunable {
            tunable: tunable.to_owned(),
            namespace: host.namespace(),
            before: before.to_owned(),
            after: after.to_owned(),
        }
    }

    /// Returns the property behind a tunable, where the system's own program keeps it.
    fn native(&self, tunable: &str) -> Option<Property> {
        let _ = tunable;
        None
    }

    /// Says what remains to be done by hand once these tunables of the running kernel have changed, a sentence each.
    fn aftermath(&self, host: &dyn Host, tunables: &BTreeSet<&str>) -> Vec<String> {
        let _ = (host, tunables);
        Vec::new()
    }

    /// Returns what bounds the same thing where this system has no such setting.
    fn stands_in(&self, setting: Setting) -> String {
        setting.stands_in().to_owned()
    }

    /// Puts requirements that this system cannot tell apart into the one that it has, and says so of that one.
    fn merge(&self, profile: &Profile) -> (Profile, Vec<(Subject, String)>) {
        (profile.clone(), Vec::new())
    }

    /// Says what the findings of an audit do not prove on this system, a sentence each.
    fn reservations(&self, findings: &[Finding]) -> Vec<String> {
        let _ = findings;
        Vec::new()
    }

    /// Returns why the running kernel would not take a tunable from one value to another, where both are sound: it can
    /// only be raised, or is read at boot only.
    fn held_back(&self, tunable: &str, mutability: Mutability, from: &str, to: &str) -> Option<String> {
        let lower = || to.parse::<i128>().ok() < from.parse::<i128>().ok();
        match mutability {
            Mutability::Live => None,
            Mutability::RaiseOnly if lower() => {
                Some(format!("{tunable} can only be raised while the system runs"))
            }
            Mutability::RaiseOnly => None,
            _ => Some(format!("{tunable} is read when the system starts")),
        }
    }

    /// Returns what a setting amounts to, given the values of its tunables.
    fn assess(&self, setting: Setting, values: &dyn Values) -> Assessment;

    /// Returns the values that a setting can be given, in its base unit; `None` for kinds that are no numbers.
    fn storable(&self, setting: Setting, values: &dyn Values) -> Option<Storable>;

    /// Finds values for a setting's slots that satisfy the bounds, as near to the present ones as they allow.
    ///
    /// # Errors
    ///
    /// [`Unsolvable`] with the neighbours.
    fn solve(&self, setting: Setting, limits: &Limits, values: &dyn Values) -> Result<Targets, Unsolvable>;

    /// Returns memory and page size, which scaled bounds depend on.
    ///
    /// # Errors
    ///
    /// Says why they cannot be told.
    fn scale(&self, host: &dyn Host) -> Result<Scale, String>;

    /// Tells whether the running kernel has a tunable, also one that the catalog does not know.
    fn has(&self, host: &dyn Host, tunable: &str) -> bool {
        let read = host.read_tunables(&[tunable]);
        !matches!(read[..], [Err(ReadError::Missing(_) | ReadError::BadName(_))])
    }

    /// Returns the system's release as it is shown; `None` for an image.
    fn release(&self, host: &dyn Host) -> Option<String> {
        host.identity().release
    }

    /// Reads tunables: now, after the next boot, and by default.
    fn read(&self, host: &dyn Host, tunables: &BTreeSet<String>, claims: &ScopeClaims) -> Readings;

    /// Returns why a new value would be dangerous on this host as it is used now, if it would.
    fn hazard(&self, host: &dyn Host, slot: &Slot, value: &str, around: &Around<'_>) -> Option<String>;

    /// Returns the numbers that a native slot keeps as they are given.
    fn native_storable(&self, slot: &Slot) -> Storable {
        let row = self.catalog().get(&slot.tunable);
        let accepted = row.and_then(|row| row.accepted_in(slot.field));
        let (low, high) = accepted.unwrap_or((i128::from(i32::MIN), i128::from(i32::MAX)));
        Storable::every(1, low, high)
    }

    /// Returns why the system would not keep the whole new text of a tunable although each of its numbers is in range.
    fn unstorable(&self, host: &dyn Host, tunable: &str, text: &str) -> Option<String> {
        let _ = (host, tunable, text);
        None
    }

    /// Plans the next boot from the claims as they are to those as they are to be, whose boot layer says what is wanted.
    fn persist(
        &self,
        host: &dyn Host,
        claims: (&ScopeClaims, &ScopeClaims),
        readings: &Readings,
        moving: Moving<'_>,
        options: PersistOptions,
    ) -> Persistence;

    /// Tells whether an effect is one that this system's plans can contain; journals are not trusted.
    fn may_do(&self, effect: &Effect) -> bool;

    /// Returns the name of the jail that is looked at from inside: what is held there is not the host's.
    fn jail(&self, host: &dyn Host) -> Option<String> {
        let _ = host;
        None
    }

    /// Returns which part of the machine is looked at from inside, where the caller's is not all of it.
    fn whereabouts(&self) -> Option<String> {
        None
    }

    /// Returns why nothing can be told of the running system, if nothing can.
    fn obstacle(&self) -> Option<String> {
        None
    }

    /// Tells whether the system itself sets the boot values; otherwise a service runs `tune` at each boot.
    fn boots_by_itself(&self) -> bool {
        true
    }

    /// Tells whether tunables can come to be after the boot values were set, with a module that is loaded later.
    fn has_latecomers(&self) -> bool {
        false
    }

    /// Tells whether a live value is what its module gives a tunable when it is loaded, as far as that is known: more than
    /// the default of a reading, which must not depend on what the live value is.
    fn is_as_loaded(&self, host: &dyn Host, tunable: &str, live: &str) -> bool {
        let _ = (host, tunable, live);
        false
    }

    /// Returns by how much the kernel's timers may fire late that are set to this time.
    fn timer_slack(&self, time: Duration) -> Duration {
        let _ = time;
        Duration::ZERO
    }

    /// Returns the least time that a closed connection stays in FIN_WAIT_2, whatever the values are, given its
    /// retransmission timeout.
    fn fin_wait_2_floor(&self, retransmission_timeout: Duration) -> Duration {
        let _ = retransmission_timeout;
        Duration::ZERO
    }

    /// Tells whether the boot layer exists in the host's scope.
    fn has_boot_layer(&self, host: &dyn Host) -> bool;

    /// Says where the running kernel is not as the catalog has it, a sentence for each tunable. The kernel's word counts.
    fn differences(&self, host: &dyn Host) -> Vec<String> {
        let _ = host;
        Vec::new()
    }

    /// Tells how the next boot comes to the value of a tunable.
    fn boot_story(&self, host: &dyn Host, tunable: &str) -> BootStory;

    /// Returns when a tunable can be changed and whom that reaches.
    fn behaviour(&self, tunable: &str) -> (Mutability, TakesHold) {
        self.catalog()
            .get(tunable)
            .map_or((Mutability::Live, TakesHold::Host), |row| (row.mutability, row.takes_hold))
    }
}
