//! FreeBSD: network memory was asked for and denied. What is allocated counts cached memory too, so that only
//! denials tell. Source: sys/vm/uma_core.c.

use super::super::facts::Facts;
use super::super::finding::{Cause, Finding, Remedy, RemedyKind, Weight};

const DENIED: [&str; 4] = [
    "vm.uma.mbuf_cluster.stats.fails",
    "vm.uma.mbuf_packet.stats.fails",
    "vm.uma.mbuf.stats.fails",
    "vm.uma.mbuf_jumbo_page.stats.fails",
];

pub(super) fn find(facts: &Facts) -> Vec<Finding> {
    let all: u64 = DENIED.iter().map(|name| facts.counters.of(name)).sum();
    let grown: u64 = DENIED.iter().map(|name| facts.grown(name)).sum();
    if all == 0 {
        return Vec::new();
    }
    let weight = if grown > 0 { Weight::Harm } else { Weight::Problem };
    let finding = Finding::new(Cause::MbufsDenied, weight, format!("network memory was denied {all} times"))
        .seen_all(
            DENIED
                .iter()
                .filter(|name| facts.counters.of(name) > 0)
                .map(|name| format!("{name} = {}", facts.counters.of(name))),
        );
    let gauge = facts.usage.mbuf_clusters;
    let finding = match (gauge.used, gauge.limit) {
        (Some(used), Some(limit)) => {
            finding.seen(format!("{used} of {limit} mbuf clusters are in use now")).remedy(
                Remedy::new(RemedyKind::Setting, "allow more mbuf clusters")
                    .command(facts.tune(&format!("set 'net.mbuf_clusters>={}'", limit.saturating_mul(2))))
                    .price("2 KiB each when used; the limit cannot be lowered again before a reboot"),
            )
        }
        _ => finding,
    };
    vec![
        finding.vain(
            "more mbufs where connections leak",
            "they only delay it: look at the other findings first",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{commands, found, quiet};
    use super::super::super::usage::Gauge;
    use super::*;

    #[test]
    fn denials_count_and_use_does_not() {
        let mut facts = quiet();
        facts.usage.mbuf_clusters = Gauge { used: Some(999), limit: Some(1000), pressure: None };
        assert_eq!(found(&facts, Cause::MbufsDenied), None);
        facts.counters.0.insert("vm.uma.mbuf_cluster.stats.fails", 7);
        let finding = found(&facts, Cause::MbufsDenied);
        assert_eq!(finding.as_ref().map(|finding| finding.weight), Some(Weight::Problem));
        assert_eq!(finding.as_ref().map(commands), Some(vec!["tune set 'net.mbuf_clusters>=2000'"]));
        let facts = facts.growing("vm.uma.mbuf_cluster.stats.fails", 1);
        assert_eq!(found(&facts, Cause::MbufsDenied).map(|finding| finding.weight), Some(Weight::Harm));
    }
}
