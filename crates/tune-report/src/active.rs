//! The profiles that hold values, and what was there before them.

use serde::Serialize;
use tune_model::claim::{Holding, ScopeClaims};
use tune_model::finding::HostRef;
use tune_model::{Claims, Layer, Limits, Slot, Subject};

use crate::escape::fields;
use crate::page::Page;
use crate::style::{PLAIN, STRONG};
use crate::table::Table;
use crate::{Report, audit, json, words};

/// What one profile holds on one tunable in one layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ActiveClaim {
    /// The profile.
    pub profile: String,
    /// The transaction that made the claim.
    pub transaction: u64,
    /// Where: `host`, or a network namespace.
    pub scope: String,
    /// What the profile required.
    pub setting: Subject,
    /// The tunable.
    pub tunable: Slot,
    /// The running kernel, or the next boot.
    pub layer: Layer,
    /// The bounds.
    pub wanted: Limits,
    /// The value that is held; `None` where no line of ours is needed.
    pub held: Option<String>,
    /// The value before the first claim.
    pub original: Option<String>,
}

/// Everything that is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ActiveReport {
    /// The host.
    pub host: HostRef,
    /// The profiles that hold something, in the order in which they came.
    pub profiles: Vec<String>,
    /// What they hold.
    pub claims: Vec<ActiveClaim>,
    /// A transaction that is not finished, in words, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_transaction: Option<String>,
    /// What an administrator should know besides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl ActiveReport {
    /// The name of the document's schema.
    pub const SCHEMA: &str = "tune.active/1";

    /// Makes a report of all claims on a host.
    #[must_use]
    pub fn new(host: HostRef, claims: &Claims) -> Self {
        let claims: Vec<_> = claims.scopes.iter().flat_map(|(name, scope)| in_scope(name, scope)).collect();
        let mut by_age: Vec<_> = claims.iter().map(|claim| (claim.transaction, &claim.profile)).collect();
        by_age.sort();
        let mut profiles: Vec<String> = Vec::new();
        for (_, profile) in by_age {
            if !profiles.contains(profile) {
                profiles.push(profile.clone());
            }
        }
        Self { host, profiles, claims, open_transaction: None, notes: Vec::new() }
    }
}

fn in_scope(name: &str, scope: &ScopeClaims) -> Vec<ActiveClaim> {
    let layers = [Layer::Runtime, Layer::Boot].into_iter();
    let holdings = layers.flat_map(|layer| scope.layer(layer).iter().map(move |holding| (layer, holding)));
    holdings.flat_map(|(layer, (slot, holding))| on_slot(name, layer, slot, holding)).collect()
}

fn on_slot(scope: &str, layer: Layer, slot: &Slot, holding: &Holding) -> Vec<ActiveClaim> {
    let claims = holding.claims.iter().map(|claim| ActiveClaim {
        profile: claim.profile.clone(),
        transaction: claim.transaction,
        scope: scope.to_owned(),
        setting: claim.subject.clone(),
        tunable: slot.clone(),
        layer,
        wanted: claim.wanted.clone(),
        held: holding.held.clone(),
        original: holding.original.clone(),
    });
    claims.collect()
}

impl Report for ActiveReport {
    fn human(&self, width: usize) -> String {
        let mut page = Page::new(width);
        page.item(0, "host:", &words::host(&self.host));
        audit::remarks(&mut page, &self.notes, self.open_transaction.as_deref());
        if self.claims.is_empty() {
            page.text(0, "No profile is active: tune holds nothing on this host.");
            return page.finish();
        }
        for profile in &self.profiles {
            page.blank();
            page.heading(profile);
            page.table(&self.table(profile));
        }
        page.blank();
        page.marked(0, STRONG, "next:", "tune off PROFILE drops what a profile holds");
        page.finish()
    }

    fn json(&self) -> String {
        json::document(Self::SCHEMA, self)
    }
}

impl ActiveReport {
    /// Tells whether claims are held where the caller is. A namespace goes by device and inode in claims.
    fn is_own(&self, scope: &str) -> bool {
        let inode = scope.strip_prefix("netns:").and_then(|scope| scope.rsplit(':').next());
        let shown = self.host.scope.strip_prefix("netns:").map(|shown| shown.trim_matches(['[', ']']));
        scope == "host" || (inode.is_some() && inode == shown)
    }

    fn table(&self, profile: &str) -> Table {
        let mut table = Table::new(&["tunable", "where", "required", "held", "before", "since"]);
        for claim in self.claims.iter().filter(|claim| claim.profile == profile) {
            let place = match (claim.layer, self.is_own(&claim.scope)) {
                (Layer::Runtime, true) => "live".to_owned(),
                (Layer::Boot, true) => "boot".to_owned(),
                (_, false) => claim.scope.clone(),
            };
            let shown = |value: &Option<String>| value.as_deref().map_or_else(|| "-".to_owned(), fields);
            let (held, original) = (shown(&claim.held), shown(&claim.original));
            let since = format!("transaction {}", claim.transaction);
            let (tunable, wanted) = (claim.tunable.to_string(), claim.wanted.to_string());
            table.row(PLAIN, [tunable, place, wanted, held, original, since]);
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use tune_model::Setting;
    use tune_model::claim::Claim;

    use super::*;
    use crate::testing::{check, host, plain, seconds};

    fn holding(profiles: &[(u64, &str)]) -> Holding {
        let claim = |(transaction, profile): &(u64, &str)| Claim {
            transaction: *transaction,
            profile: (*profile).to_owned(),
            subject: Subject::Setting(Setting::FinWait2Timeout),
            wanted: Limits { at_most: Some(seconds(30)), ..Limits::default() },
        };
        Holding {
            original: Some("60".into()),
            boot_id: "b".into(),
            held: Some("30".into()),
            claims: profiles.iter().map(claim).collect(),
            taken_over: vec![],
        }
    }

    #[test]
    fn claims_are_shown_by_profile() {
        let slot = Slot::whole("net.ipv4.tcp_fin_timeout");
        let mut scope = ScopeClaims::default();
        scope.runtime.insert(slot.clone(), holding(&[(4, "baseline"), (2, "web-server")]));
        let boot = Holding { held: None, original: None, ..holding(&[(2, "web-server")]) };
        scope.boot.insert(slot, boot);
        let mut claims = Claims::default();
        claims.set_scope("host", scope);
        let report = ActiveReport::new(host(), &claims);
        assert_eq!(report.profiles, ["web-server", "baseline"]);
        assert_eq!(
            plain(&report),
            "\
host: linux 6.18.44

web-server
tunable                   where  required     held  before  since
net.ipv4.tcp_fin_timeout  live   at most 30s  30    60      transaction 2
net.ipv4.tcp_fin_timeout  boot   at most 30s  -     -       transaction 2

baseline
tunable                   where  required     held  before  since
net.ipv4.tcp_fin_timeout  live   at most 30s  30    60      transaction 4

next: tune off PROFILE drops what a profile holds
"
        );
        check(&report, "active");
    }

    #[test]
    fn a_host_without_claims_says_so() {
        let report = ActiveReport::new(host(), &Claims::default());
        assert_eq!(
            plain(&report),
            "\
host: linux 6.18.44
No profile is active: tune holds nothing on this host.
"
        );
        check(&report, "active");
    }
}
