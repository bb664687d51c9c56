//! Orphans come near the number at which the kernel resets them. Linux counts whole sockets only, and an orphan that
//! looks stuck up to four times. Source: net/ipv4/tcp.c `tcp_too_many_orphans`.

use super::super::facts::Facts;
use super::super::finding::{Cause, Finding, Remedy, RemedyKind, Weight};

/// From a quarter on some may be reset.
const WORST: u64 = 25;

/// Tells whether orphans are so many that resets for want of memory can come from that.
pub(super) fn is_near(facts: &Facts) -> bool {
    facts.usage.orphans.percent().is_some_and(|percent| percent >= WORST)
}

pub(super) fn find(facts: &Facts) -> Vec<Finding> {
    let (Some(used), Some(limit), true) =
        (facts.usage.orphans.used, facts.usage.orphans.limit, is_near(facts))
    else {
        return Vec::new();
    };
    let grown = facts.grown("TCPAbortOnMemory");
    let weight = if grown > 0 || used >= limit { Weight::Harm } else { Weight::Problem };
    let title =
        format!("{used} orphans, and the kernel resets them from {limit} on, some from {} on", limit / 4);
    let finding = Finding::new(Cause::OrphanLimit, weight, title)
        .about(used, 1)
        .seen(format!("net.ipv4.tcp_max_orphans = {limit}; one that looks stuck counts up to four times"));
    let finding = match grown {
        0 => finding,
        _ => finding.seen(format!("TCPAbortOnMemory grew by {grown} while it was watched")),
    };
    let finding = match facts.fin_wait_2.full_sockets {
        0 => finding,
        number => finding
            .seen(format!("{number} of them are in FIN_WAIT_2, in the first half of a timeout above 60 s"))
            .remedy(
                Remedy::new(
                    RemedyKind::Setting,
                    "wait for at most 60 s in FIN_WAIT_2: small entries are no orphans",
                )
                .command(facts.tune("set 'tcp.fin_wait_2_timeout<=60s'"))
                .price("a client that takes longer to close gets a reset"),
            ),
    };
    vec![
        finding
            .remedy(
                Remedy::new(RemedyKind::Setting, "allow more")
                    .command(facts.tune(&format!("set 'tcp.orphan_limit>={}'", limit.saturating_mul(2))))
                    .price("each takes 2.4 KB and its buffers, which cannot be swapped out"),
            )
            .vain(
                "tcp_orphan_retries = 1",
                "it gives up after 2 s what 0 tries for nearly two minutes: clients on bad paths lose their answers",
            ),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{commands, found, quiet};
    use super::super::super::usage::Gauge;
    use super::*;

    fn with(used: u64) -> Facts {
        let mut facts = quiet();
        facts.usage.orphans = Gauge { used: Some(used), limit: Some(1000), pressure: None };
        facts
    }

    #[test]
    fn a_quarter_of_the_limit_is_near() {
        let of = |facts: &Facts| found(facts, Cause::OrphanLimit).map(|finding| finding.weight);
        assert_eq!(of(&with(249)), None);
        assert_eq!(of(&with(250)), Some(Weight::Problem));
        assert_eq!(of(&with(1000)), Some(Weight::Harm));
        assert_eq!(of(&with(250).growing("TCPAbortOnMemory", 3)), Some(Weight::Harm));
    }

    #[test]
    fn a_shorter_timeout_helps_where_the_first_half_fills_it() -> Result<(), &'static str> {
        let facts = with(900).with_timeout(360, 600).with_orphans(80, 0, 800);
        let finding = found(&facts, Cause::OrphanLimit).ok_or("not found")?;
        assert_eq!(
            commands(&finding),
            ["tune set 'tcp.fin_wait_2_timeout<=60s'", "tune set 'tcp.orphan_limit>=2000'"]
        );
        Ok(())
    }
}
