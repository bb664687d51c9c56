//! Planning to take back: a transaction, or a profile.

use std::collections::{BTreeMap, BTreeSet};

use tune_model::claim::{Claim, Holding};
use tune_model::plan::Plan;
use tune_model::reading::Layer;
use tune_model::{Slot, Subject};

use crate::Engine;
use crate::options::{Held, Options};
use crate::settle::{Settlement, needed_tunables};

/// Which claims are dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Release {
    /// Those that a transaction made.
    Transaction(u64),
    /// Those of these profiles.
    Profiles(BTreeSet<String>),
}

impl Release {
    fn takes(&self, claim: &Claim) -> bool {
        match self {
            Self::Transaction(id) => claim.transaction == *id,
            Self::Profiles(names) => names.contains(&claim.profile),
        }
    }
}

impl Engine<'_> {
    /// Plans to drop claims: each value goes to what the remaining claims need, or to what was there before.
    #[must_use]
    pub fn plan_release(&self, release: &Release, held: Held<'_>, options: &Options) -> Plan {
        let before = self.claims_here(held.claims);
        let readings = self.backend.read(self.host, &needed_tunables(self.backend, &before), &before);
        let mut after = before.clone();
        let mut released = BTreeMap::new();
        let mut touched = BTreeSet::new();
        for layer in [Layer::Runtime, Layer::Boot] {
            if options.changes(layer) {
                let slots = drop_claims(after.layer_mut(layer), release);
                touched.extend(remaining(after.layer(layer), &slots));
                released.insert(layer, slots);
            }
        }
        let settled = Settlement {
            backend: self.backend,
            host: self.host,
            readings: &readings,
            options,
            boot_id: held.boot_id,
            before: &before,
            after,
            touched,
            released,
            foreign_is_refused: false,
        }
        .settle();
        let mut claims = held.claims.clone();
        self.put_claims(&mut claims, settled.after);
        let plan = Plan {
            findings: Vec::new(),
            steps: settled.steps,
            claims: (claims != *held.claims).then_some(claims),
            refusals: settled.refusals,
            conflicts: settled.conflicts,
            warnings: settled.warnings,
            changes: settled.changes,
            reboot_required: settled.reboot_required,
        };
        if options.all_or_nothing && !plan.conflicts.is_empty() { without_steps(plan) } else { plan }
    }
}

/// Plans to drop a transaction's claims in a network namespace that is gone: there is nothing left to restore.
#[must_use]
pub fn forget(claims: &tune_model::Claims, transaction: u64) -> Plan {
    let mut after = claims.clone();
    for (name, scope) in &claims.scopes {
        if name.starts_with("netns:") {
            let mut scope = scope.clone();
            for layer in [Layer::Runtime, Layer::Boot] {
                drop_claims(scope.layer_mut(layer), &Release::Transaction(transaction));
                scope.layer_mut(layer).retain(|_, holding| !holding.claims.is_empty());
            }
            after.set_scope(name, scope);
        }
    }
    Plan {
        findings: Vec::new(),
        steps: Vec::new(),
        claims: (after != *claims).then_some(after),
        refusals: Vec::new(),
        conflicts: Vec::new(),
        warnings: vec!["the network namespace is gone, and its values with it".to_owned()],
        changes: Vec::new(),
        reboot_required: false,
    }
}

fn drop_claims(holdings: &mut BTreeMap<Slot, Holding>, release: &Release) -> BTreeSet<Slot> {
    let mut slots = BTreeSet::new();
    for (slot, holding) in holdings {
        if holding.claims.iter().any(|claim| release.takes(claim)) {
            holding.claims.retain(|claim| !release.takes(claim));
            slots.insert(slot.clone());
        }
    }
    slots
}

fn remaining(holdings: &BTreeMap<Slot, Holding>, slots: &BTreeSet<Slot>) -> Vec<Subject> {
    let claims = slots.iter().filter_map(|slot| holdings.get(slot)).flat_map(|holding| &holding.claims);
    claims.map(|claim| claim.subject.clone()).collect()
}

/// Nothing is touched when something could not be put back.
fn without_steps(plan: Plan) -> Plan {
    Plan { steps: Vec::new(), claims: None, changes: Vec::new(), reboot_required: false, ..plan }
}
