//! FreeBSD behind the trait that every system implements.

use std::collections::BTreeSet;

use tune_host::backend::{BootStory, Moving};
use tune_host::{
    Around, Assessment, Backend, Host, PersistOptions, Persistence, Provision, Targets, Unsolvable,
};
use tune_model::claim::ScopeClaims;
use tune_model::profile::Scale;
use tune_model::{Catalog, Effect, Limits, Mutability, Readings, Setting, Slot, Storable, System, Values};

use crate::boot::Jail;
use crate::defaults::Ground;
use crate::kernel::{self, CLUSTERS, FILES, MBUFS, SOCKETS};
use crate::persist::Change;
use crate::{buffers, fin_wait_2, ground, hazard, permitted, persist, read, settings, story};

/// Tunables that act together: what one comes to, or whether it is safe, depends on the others.
const RELATED: &[&[&str]] = &[
    &[fin_wait_2::TIMEOUT, fin_wait_2::RECYCLE, settings::INTERVAL, settings::PROBES],
    &[CLUSTERS[0], CLUSTERS[1], CLUSTERS[2], CLUSTERS[3], MBUFS],
    &[SOCKETS, FILES],
    &[buffers::LIMIT, buffers::SEND, buffers::RECEIVE, buffers::FIRST[0], buffers::FIRST[1]],
];

/// FreeBSD, with the clock, the memory and the jail of a host.
#[derive(Debug, Clone)]
pub struct FreeBsd {
    ground: Ground,
    jail: Jail,
}

impl FreeBsd {
    /// The backend for a host.
    #[must_use]
    pub fn on(host: &dyn Host) -> Self {
        Self { ground: ground::of(host), jail: ground::jail(host) }
    }

    fn jailed(&self) -> bool {
        self.jail != Jail::None
    }
}

/// Tells whether a host runs FreeBSD, or an image is one of FreeBSD.
#[must_use]
pub fn recognises(host: &dyn Host) -> bool {
    const OF_FREEBSD: &[&str] =
        &["/bin/freebsd-version", "/boot/defaults/loader.conf", "/etc/defaults/rc.conf"];
    match host.identity().kernel {
        Some(kernel) => kernel == "FreeBSD",
        None => OF_FREEBSD.iter().any(|path| host.files().kind(path.as_ref()).is_ok()),
    }
}

impl Backend for FreeBsd {
    fn system(&self) -> System {
        System::FreeBsd
    }

    fn provision(&self, setting: Setting) -> Provision {
        settings::provision(setting)
    }

    fn decisive(&self, setting: Setting, values: &dyn Values) -> Vec<String> {
        let names = match setting {
            Setting::FinWait2Timeout => fin_wait_2::decisive(values),
            _ => return self.provision(setting).slots().iter().map(|slot| slot.tunable.clone()).collect(),
        };
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn follows(&self, setting: Setting) -> Vec<String> {
        let names: &[&str] = match setting {
            Setting::FinWait2Timeout => &[settings::INTERVAL, settings::PROBES],
            _ => &[],
        };
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn depends_on(&self, slot: &Slot) -> Vec<String> {
        let related = RELATED.iter().filter(|together| together.contains(&slot.tunable.as_str()));
        related.copied().flatten().map(|name| (*name).to_owned()).collect()
    }

    fn beside(&self, slot: &Slot) -> Vec<Slot> {
        match slot.tunable.as_str() {
            name if CLUSTERS.contains(&name) => vec![Slot::whole(MBUFS)],
            SOCKETS => vec![Slot::whole(FILES)],
            buffers::SEND | buffers::RECEIVE if !self.jailed() => vec![Slot::whole(buffers::LIMIT)],
            _ => Vec::new(),
        }
    }

    fn prepare(&self, targets: &mut Targets, values: &dyn Values) -> Result<(), Unsolvable> {
        kernel::prepare(targets, values);
        Ok(())
    }

    fn rank(&self, tunable: &str, _from: &str, _to: &str) -> u32 {
        match tunable {
            // On before the timeout is right, it would act on the wrong one.
            fin_wait_2::RECYCLE => 2,
            name if CLUSTERS.contains(&name) => 1,
            SOCKETS | buffers::SEND | buffers::RECEIVE => 1,
            _ => 0,
        }
    }

    fn held_back(&self, tunable: &str, mutability: Mutability, from: &str, to: &str) -> Option<String> {
        kernel::held_back(tunable, mutability, (from, to), self.ground.hz)
    }

    fn assess(&self, setting: Setting, values: &dyn Values) -> Assessment {
        settings::assess(setting, values, self.ground.hz)
    }

    fn storable(&self, setting: Setting, values: &dyn Values) -> Option<Storable> {
        settings::storable(setting, values, self.ground.hz)
    }

    fn solve(&self, setting: Setting, limits: &Limits, values: &dyn Values) -> Result<Targets, Unsolvable> {
        settings::solve(setting, limits, values, (self.ground.hz, self.jailed()))
    }

    fn scale(&self, host: &dyn Host) -> Result<Scale, String> {
        let ram =
            host.stated_ram().or_else(|| self.ground.memory.and_then(|bytes| u64::try_from(bytes).ok()));
        let page = host.page_size();
        ram.map(|ram| Scale { ram, page }).ok_or_else(|| {
            "the amount of memory is not known; state it with --ram, such as --ram 16GiB".to_owned()
        })
    }

    fn read(&self, host: &dyn Host, tunables: &BTreeSet<String>, claims: &ScopeClaims) -> Readings {
        read::read(host, &self.ground, self.jail, tunables, claims)
    }

    fn hazard(&self, host: &dyn Host, slot: &Slot, value: &str, around: &Around<'_>) -> Option<String> {
        hazard::hazard(host, &self.ground, slot, value, around)
    }

    fn native_storable(&self, slot: &Slot) -> Storable {
        match Catalog::of(System::FreeBsd).get(&slot.tunable) {
            Some(row) if row.ticks => settings::milliseconds(&slot.tunable, self.ground.hz),
            Some(_) => {
                let (low, high) = settings::accepted(&slot.tunable);
                Storable::every(1, low, high)
            }
            None => Storable::every(1, i64::MIN.into(), u64::MAX.into()),
        }
    }

    fn unstorable(&self, host: &dyn Host, tunable: &str, text: &str) -> Option<String> {
        read::does_not_fit(host, tunable, text)
    }

    fn persist(
        &self,
        host: &dyn Host,
        (before, claims): (&ScopeClaims, &ScopeClaims),
        readings: &Readings,
        _moving: Moving<'_>,
        options: PersistOptions,
    ) -> Persistence {
        persist::persist(host, (&self.ground, self.jail), Change { before, claims, options }, readings)
    }

    fn differences(&self, host: &dyn Host) -> Vec<String> {
        read::differences(host, &self.ground)
    }

    fn boot_story(&self, host: &dyn Host, tunable: &str) -> BootStory {
        story::tell(host, (&self.ground, self.jail), tunable)
    }

    fn may_do(&self, effect: &Effect) -> bool {
        permitted::may_do(effect)
    }

    fn jail(&self, host: &dyn Host) -> Option<String> {
        self.jailed().then(|| host.identity().host_name.unwrap_or_default())
    }

    fn has_latecomers(&self) -> bool {
        true
    }

    fn has_boot_layer(&self, _host: &dyn Host) -> bool {
        self.jail != Jail::Shared
    }
}
