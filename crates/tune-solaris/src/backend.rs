//! illumos and Solaris behind the trait that every system implements.

use std::cell::RefCell;
use std::collections::BTreeSet;

use tune_host::backend::{BootStory, Moving};
use tune_host::property::Shown;
use tune_host::{
    Around, Assessment, Backend, Host, PersistOptions, Persistence, Provision, Targets, Unsolvable,
};
use tune_model::catalog::TakesHold;
use tune_model::claim::ScopeClaims;
use tune_model::finding::Finding;
use tune_model::native::Property;
use tune_model::profile::{Profile, Scale};
use tune_model::{Effect, Limits, Mutability, Readings, Setting, Slot, Storable, Subject, System, Values};

use crate::fresh::Family;
use crate::ground::{self, Ground, Persists, Zone};
use crate::persist::{self, Task, rank, related};
use crate::read::Found;
use crate::{buffers, hazard, keepalive, listeners, names, permitted, read, settings, story};

/// illumos or Solaris, with the program, the release and the zone of a host.
#[derive(Debug)]
pub struct Solaris {
    ground: Ground,
    /// What was read last. Names and ranges stay; values are never taken from here.
    known: RefCell<Found>,
}

impl Solaris {
    /// The backend for a host.
    #[must_use]
    pub fn on(host: &dyn Host) -> Self {
        Self { ground: ground::of(host), known: RefCell::default() }
    }

    /// The backend for a freshly installed system of a family, which is there on paper only.
    #[must_use]
    pub fn as_shipped(family: Family) -> Self {
        Self { ground: ground::as_shipped(family), known: RefCell::default() }
    }

    /// Returns a tunable's property and what is known of it besides its value.
    fn known(&self, host: &dyn Host, tunable: &str) -> Option<(Property, Shown)> {
        if self.ground.image {
            return None;
        }
        let known = self.known.borrow().get(tunable).cloned();
        known.or_else(|| read::ask(host, &self.ground, std::iter::once(tunable)).get(tunable).cloned())
    }
}

impl Backend for Solaris {
    fn system(&self) -> System {
        System::Solaris
    }

    fn provision(&self, setting: Setting) -> Provision {
        settings::provision(setting)
    }

    fn stands_in(&self, setting: Setting) -> String {
        settings::stands_in(setting)
    }

    fn merge(&self, profile: &Profile) -> (Profile, Vec<(Subject, String)>) {
        keepalive::merge(profile)
    }

    fn depends_on(&self, slot: &Slot) -> Vec<String> {
        related(&slot.tunable)
    }

    fn beside(&self, slot: &Slot) -> Vec<Slot> {
        buffers::limit_of(&slot.tunable).map(Slot::whole).into_iter().collect()
    }

    fn prepare(&self, targets: &mut Targets, values: &dyn Values) -> Result<(), Unsolvable> {
        buffers::prepare(targets, values);
        Ok(())
    }

    fn rank(&self, tunable: &str, from: &str, to: &str) -> u32 {
        rank(tunable, from, to)
    }

    fn live_effect(&self, host: &dyn Host, tunable: &str, before: &str, after: &str) -> Effect {
        let (tunable, before, after) = (tunable.to_owned(), before.to_owned(), after.to_owned());
        match self.known(host, &tunable) {
            Some((property, _)) => Effect::SetProperty { tunable, property, before, after },
            None => Effect::SetTunable { tunable, namespace: None, before, after },
        }
    }

    fn native(&self, tunable: &str) -> Option<Property> {
        names::candidates(self.ground.keeper.clone().ok()?, tunable).into_iter().next()
    }

    fn aftermath(&self, host: &dyn Host, tunables: &BTreeSet<&str>) -> Vec<String> {
        listeners::aftermath(host, tunables, self.ground.family)
    }

    fn reservations(&self, findings: &[Finding]) -> Vec<String> {
        let copied = |finding: &&Finding| {
            matches!(finding.takes_hold, Some(TakesHold::NewSockets | TakesHold::NewListeners))
        };
        let names: Vec<String> =
            findings.iter().filter(copied).map(|finding| finding.subject.to_string()).collect();
        if names.is_empty() || self.ground.image {
            return Vec::new();
        }
        vec![format!(
            "a service keeps the values that it found when it began to listen, so this does not prove what those use \
             that were started before the last change: {}",
            names.join(", ")
        )]
    }

    fn assess(&self, setting: Setting, values: &dyn Values) -> Assessment {
        settings::assess(setting, values)
    }

    fn storable(&self, setting: Setting, _values: &dyn Values) -> Option<Storable> {
        settings::storable(setting, self.ground.family)
    }

    fn solve(&self, setting: Setting, limits: &Limits, values: &dyn Values) -> Result<Targets, Unsolvable> {
        settings::solve(setting, limits, values, self.ground.family)
    }

    fn scale(&self, host: &dyn Host) -> Result<Scale, String> {
        let ram = host.stated_ram().or_else(|| host.memory());
        ram.map(|ram| Scale { ram, page: host.page_size() }).ok_or_else(|| {
            "the amount of memory is not known; state it with --ram, such as --ram 16GiB".to_owned()
        })
    }

    fn has(&self, host: &dyn Host, tunable: &str) -> bool {
        self.known(host, tunable).is_some()
    }

    fn release(&self, host: &dyn Host) -> Option<String> {
        let identity = host.identity();
        let version = identity.version.map(|version| format!(" {version}")).unwrap_or_default();
        identity.release.map(|release| format!("{release}{version}"))
    }

    fn read(&self, host: &dyn Host, tunables: &BTreeSet<String>, claims: &ScopeClaims) -> Readings {
        let (readings, found) = read::read(host, &self.ground, tunables, claims);
        *self.known.borrow_mut() = found;
        readings
    }

    fn hazard(&self, _host: &dyn Host, slot: &Slot, value: &str, around: &Around<'_>) -> Option<String> {
        hazard::hazard(slot, value, around)
    }

    fn native_storable(&self, slot: &Slot) -> Storable {
        let (low, high) = settings::accepted(&slot.tunable, self.ground.family);
        Storable::every(1, low, high)
    }

    fn unstorable(&self, host: &dyn Host, tunable: &str, text: &str) -> Option<String> {
        let (property, shown) = self.known(host, tunable)?;
        read::out_of_range(tunable, &property, &shown, text)
    }

    fn persist(
        &self,
        host: &dyn Host,
        (before, claims): (&ScopeClaims, &ScopeClaims),
        readings: &Readings,
        moving: Moving<'_>,
        options: PersistOptions,
    ) -> Persistence {
        persist::persist(Task { host, ground: &self.ground, before, claims, readings, moving, options })
    }

    fn may_do(&self, effect: &Effect) -> bool {
        permitted::may_do(effect)
    }

    fn whereabouts(&self) -> Option<String> {
        match &self.ground.zone {
            Zone::Exclusive(name) | Zone::Shared(name) => Some(format!("zone:{name}")),
            Zone::Global | Zone::Unknown => None,
        }
    }

    fn has_boot_layer(&self, _host: &dyn Host) -> bool {
        self.ground.persistence() != Persists::Nobody
    }

    fn obstacle(&self) -> Option<String> {
        self.ground.keeper.clone().err()
    }

    fn boots_by_itself(&self) -> bool {
        self.ground.persistence() != Persists::Service
    }

    fn differences(&self, host: &dyn Host) -> Vec<String> {
        read::differences(host, &self.ground)
    }

    fn behaviour(&self, tunable: &str) -> (Mutability, TakesHold) {
        listeners::behaviour(tunable, self.ground.family)
    }

    fn boot_story(&self, host: &dyn Host, tunable: &str) -> BootStory {
        story::tell(host, &self.ground, &related(tunable), tunable)
    }
}
