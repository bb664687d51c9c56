//! illumos and Solaris behind the trait that every system implements.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use tune_host::backend::{BootStory, Moving};
use tune_host::{
    Around, Assessment, Backend, Host, PersistOptions, Persistence, Provision, Targets, Unsolvable,
};
use tune_model::catalog::TakesHold;
use tune_model::claim::ScopeClaims;
use tune_model::finding::Finding;
use tune_model::native::Property;
use tune_model::profile::{Profile, Scale};
use tune_model::{Effect, Limits, Readings, Setting, Slot, Storable, Subject, System, Values};

use crate::ground::{self, Ground, Persists, Zone};
use crate::persist::{self, Task, rank, related};
use crate::{buffers, hazard, keepalive, listeners, permitted, read, settings, story};

/// illumos or Solaris, with the program, the release and the zone of a host.
#[derive(Debug)]
pub struct Solaris {
    ground: Ground,
    /// What tunables are called here, as far as they have been asked for.
    properties: RefCell<BTreeMap<String, Property>>,
}

impl Solaris {
    /// The backend for a host.
    #[must_use]
    pub fn on(host: &dyn Host) -> Self {
        Self { ground: ground::of(host), properties: RefCell::default() }
    }

    fn property(&self, host: &dyn Host, tunable: &str) -> Option<Property> {
        let known = self.properties.borrow().get(tunable).cloned();
        known.or_else(|| {
            let found = read::ask(host, &self.ground, std::iter::once(tunable));
            found.get(tunable).map(|(property, _)| property.clone())
        })
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
        match self.property(host, &tunable) {
            Some(property) => Effect::SetProperty { tunable, property, before, after },
            None => Effect::SetTunable { tunable, namespace: None, before, after },
        }
    }

    fn aftermath(&self, host: &dyn Host, tunables: &BTreeSet<&str>) -> Vec<String> {
        listeners::aftermath(host, tunables)
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

    fn read(&self, host: &dyn Host, tunables: &BTreeSet<String>, claims: &ScopeClaims) -> Readings {
        let (readings, found) = read::read(host, &self.ground, tunables, claims);
        let known = found.iter().map(|(name, property, _)| (name.to_owned(), property.clone()));
        self.properties.borrow_mut().extend(known);
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
        read::out_of_range(host, &self.ground, tunable, text)
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

    fn boots_by_itself(&self) -> bool {
        self.ground.persistence() != Persists::Service
    }

    fn differences(&self, host: &dyn Host) -> Vec<String> {
        read::differences(host, &self.ground)
    }

    fn boot_story(&self, host: &dyn Host, tunable: &str) -> BootStory {
        story::tell(host, &self.ground, &related(tunable), tunable)
    }
}

