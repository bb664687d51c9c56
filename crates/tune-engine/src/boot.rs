//! What a service that runs at boot has to set, where the system keeps nothing itself.

use std::collections::BTreeSet;

use tune_model::Layer;
use tune_model::claim::Holding;
use tune_model::plan::Plan;

use crate::Engine;
use crate::options::{Held, Options};
use crate::settle::{Settlement, needed_tunables};

impl Engine<'_> {
    /// Plans to set in the running kernel what profiles hold for the next boot, which this one was.
    ///
    /// It works from the claims alone and touches no files. A value that satisfies them is left as it is.
    #[must_use]
    pub fn plan_boot(&self, held: Held<'_>) -> Plan {
        let before = self.claims_here(held.claims);
        let readings = self.backend.read(self.host, &needed_tunables(self.backend, &before), &before);
        let mut after = before.clone();
        let mut touched = BTreeSet::new();
        for (slot, boot) in &before.boot {
            touched.extend(boot.claims.iter().map(|claim| claim.subject.clone()));
            let live = readings.get(&slot.tunable).and_then(|reading| reading.live.clone().ok());
            // Claimed for the boot only so far: from now on it is held in the running kernel as well.
            after.runtime.entry(slot.clone()).or_insert_with(|| Holding {
                original: live,
                boot_id: held.boot_id.to_owned(),
                held: None,
                claims: boot.claims.clone(),
                taken_over: Vec::new(),
            });
        }
        let options = Options { runtime_only: true, accept_irreversible: true, ..Options::default() };
        let settled = Settlement {
            backend: self.backend,
            host: self.host,
            readings: &readings,
            options: &options,
            boot_id: held.boot_id,
            before: &before,
            after,
            touched,
            released: [(Layer::Runtime, BTreeSet::new())].into(),
            foreign_is_refused: true,
        }
        .settle();
        let mut claims = held.claims.clone();
        // Where nothing has to be set nothing is written down either.
        if !settled.steps.is_empty() {
            self.put_claims(&mut claims, settled.after);
        }
        Plan {
            findings: Vec::new(),
            steps: settled.steps,
            claims: (claims != *held.claims).then_some(claims),
            refusals: settled.refusals,
            conflicts: settled.conflicts,
            warnings: settled.warnings,
            changes: settled.changes,
            reboot_required: settled.reboot_required,
        }
    }
}
