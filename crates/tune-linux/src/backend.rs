//! Linux behind the trait that every system implements.

use std::collections::BTreeSet;
use std::time::Duration;

use tune_host::backend::{BootStory, Moving};
use tune_host::{
    Around, Assessment, Backend, Host, PersistOptions, Persistence, Provision, Scope, Targets, Unsolvable,
};
use tune_model::claim::ScopeClaims;
use tune_model::profile::Scale;
use tune_model::{Catalog, Effect, Limits, Readings, Setting, Slot, Storable, System, Values};

use crate::boot::{self, ToolChoice};
use crate::defaults::Ground;
use crate::persist::Change;
use crate::{hazard, keeps, permitted, persist, read, settings, story, use_now};

/// Linux, with pages of a given size and what sets tunables at boot.
#[derive(Debug, Clone)]
pub struct Linux {
    page: u64,
    tools: ToolChoice,
}

impl Linux {
    /// The backend for a host.
    #[must_use]
    pub fn on(host: &dyn Host) -> Self {
        let running = !matches!(host.scope(), Scope::Image(_));
        Self { page: host.page_size(), tools: boot::detect(host.files(), running) }
    }
}

/// Tells whether a host runs Linux, or an image is one of Linux.
#[must_use]
pub fn recognises(host: &dyn Host) -> bool {
    const OF_LINUX: &[&str] = &["/etc/sysctl.d", "/usr/lib/sysctl.d", "/lib/modules", "/etc/os-release"];
    match host.identity().kernel {
        Some(kernel) => kernel == "Linux",
        None => OF_LINUX.iter().any(|path| host.files().kind(path.as_ref()).is_ok()),
    }
}

impl Backend for Linux {
    fn system(&self) -> System {
        System::Linux
    }

    fn provision(&self, setting: Setting) -> Provision {
        settings::provision(setting)
    }

    fn assess(&self, setting: Setting, values: &dyn Values) -> Assessment {
        settings::assess(setting, values, self.page)
    }

    fn storable(&self, setting: Setting, values: &dyn Values) -> Option<Storable> {
        settings::storable(setting, values, self.page)
    }

    fn solve(&self, setting: Setting, limits: &Limits, values: &dyn Values) -> Result<Targets, Unsolvable> {
        settings::solve(setting, limits, values, self.page)
    }

    fn scale(&self, host: &dyn Host) -> Result<Scale, String> {
        let ram = host.stated_ram().or_else(|| use_now::memory(host.files()));
        ram.map(|ram| Scale { ram, page: self.page }).ok_or_else(|| {
            "the amount of memory is not known; state it with --ram, such as --ram 16GiB".to_owned()
        })
    }

    fn read(&self, host: &dyn Host, tunables: &BTreeSet<String>, claims: &ScopeClaims) -> Readings {
        read::read(host, &self.tools, tunables, claims)
    }

    fn hazard(&self, host: &dyn Host, slot: &Slot, value: &str, around: &Around<'_>) -> Option<String> {
        hazard::hazard(host, slot, value, around)
    }

    fn native_storable(&self, slot: &Slot) -> Storable {
        keeps::numbers(slot, self.page)
    }

    fn unstorable(&self, host: &dyn Host, tunable: &str, text: &str) -> Option<String> {
        keeps::refuses(host, tunable, text)
    }

    fn persist(
        &self,
        host: &dyn Host,
        (before, claims): (&ScopeClaims, &ScopeClaims),
        readings: &Readings,
        _moving: Moving<'_>,
        options: PersistOptions,
    ) -> Persistence {
        persist::persist(host, &self.tools, Change { before, claims, options }, readings)
    }

    fn boot_story(&self, host: &dyn Host, tunable: &str) -> BootStory {
        story::tell(host, &self.tools, tunable)
    }

    fn may_do(&self, effect: &Effect) -> bool {
        permitted::may_do(effect)
    }

    /// Timers are kept in slots that get coarser with the time: 8 to the n ticks from 63 times 8 to the n-1 on. Source:
    /// kernel/time/timer.c `LVL_START`, `LVL_GRAN`.
    fn timer_slack(&self, time: Duration) -> Duration {
        time * 8 / 63
    }

    /// Source: include/net/tcp.h `tcp_fin_time`.
    fn fin_wait_2_floor(&self, retransmission_timeout: Duration) -> Duration {
        retransmission_timeout * 7 / 2
    }

    fn has_latecomers(&self) -> bool {
        true
    }

    fn is_as_loaded(&self, host: &dyn Host, tunable: &str, live: &str) -> bool {
        let row = Catalog::of(System::Linux).get(tunable);
        row.is_some_and(|row| Ground::of(host).is_as_loaded(row, live))
    }

    fn has_boot_layer(&self, host: &dyn Host) -> bool {
        read::has_boot_layer(host, &self.tools)
    }
}
