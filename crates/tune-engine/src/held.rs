//! What is held, held against the host: the bounds are those of the day on which they were applied.

use std::collections::{BTreeMap, BTreeSet};

use tune_model::claim::{Claim, ScopeClaims};
use tune_model::finding::Finding;
use tune_model::profile::{Origin, Severity};
use tune_model::reading::{Layer, Unread};
use tune_model::{Limits, Subject};

use crate::settle::needed_tunables;
use crate::subject;
use crate::wish::Wish;
use crate::{Engine, findings, judge_only};

/// What a profile holds on a subject, and where this boot has to have it.
type Wanted<'a> = BTreeMap<(&'a Subject, &'a str), (&'a Limits, BTreeSet<Layer>)>;

impl Engine<'_> {
    /// Holds what profiles hold against the host, in both layers or in one.
    ///
    /// What was applied to the running kernel only ended with its boot. What was written to the boot files only, during this
    /// boot, is for the next one. What the kernel does not have just now is not counted.
    #[must_use]
    pub fn audit_held(&self, claims: &ScopeClaims, boot_id: &str, only: Option<Layer>) -> Vec<Finding> {
        let readings = self.backend.read(self.host, &needed_tunables(self.backend, claims), claims);
        let wanted = wanted(claims, boot_id);
        let is_missing = |wanted: &Subject| {
            let names = subject::tunables(self.backend, wanted);
            names
                .iter()
                .filter_map(|name| readings.get(name))
                .any(|found| matches!(found.live, Err(Unread::Missing(_))))
        };
        let wish = |((subject, profile), (limits, _)): (&(&Subject, &str), &(&Limits, _))| Wish {
            subject: (*subject).clone(),
            runtime: (*limits).clone(),
            boot: (*limits).clone(),
            vendor_default: false,
            unknown_default: None,
            profile: (*profile).to_owned(),
            severity: Severity::default(),
            optional: is_missing(subject),
            why: None,
            reference: None,
            origin: Origin { profile: (*profile).to_owned(), file: None, line: 0, column: 0 },
        };
        let wishes: Vec<Wish> = wanted.iter().map(wish).collect();
        let mut found = findings::findings(self.backend, self.host, &wishes, &readings);
        for finding in &mut found {
            let of = wanted.iter().filter(|((subject, _), _)| **subject == finding.subject);
            let layers: BTreeSet<Layer> = of.flat_map(|(_, (_, layers))| layers.clone()).collect();
            let one =
                [Layer::Runtime, Layer::Boot].into_iter().find(|layer| layers == BTreeSet::from([*layer]));
            for layer in only.into_iter().chain(one) {
                judge_only(finding, layer);
            }
        }
        found
    }
}

fn wanted<'a>(claims: &'a ScopeClaims, boot_id: &str) -> Wanted<'a> {
    let mut found = Wanted::new();
    let mut want = |claim: &'a Claim, layer| {
        let (_, layers) = found
            .entry((&claim.subject, claim.profile.as_str()))
            .or_insert_with(|| (&claim.wanted, BTreeSet::new()));
        layers.insert(layer);
    };
    for holding in claims.runtime.values().filter(|holding| holding.boot_id == boot_id) {
        holding.claims.iter().for_each(|claim| want(claim, Layer::Runtime));
    }
    for holding in claims.boot.values() {
        for claim in &holding.claims {
            want(claim, Layer::Boot);
            if holding.boot_id != boot_id {
                want(claim, Layer::Runtime);
            }
        }
    }
    found
}
