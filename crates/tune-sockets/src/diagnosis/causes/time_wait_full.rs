//! The table of small entries, TIME_WAIT and orphaned FIN_WAIT_2, is full: the kernel drops what comes, and tells nobody.
//! Source: net/ipv4/tcp_minisocks.c; measured.

use super::super::facts::Facts;
use super::super::finding::{Cause, Finding, Remedy, RemedyKind, Weight};

const OVERFLOW: &str = "TCPTimeWaitOverflow";
const NEARLY: u64 = 90;

pub(super) fn find(facts: &Facts) -> Vec<Finding> {
    let gauge = facts.usage.time_wait;
    let (Some(used), Some(limit)) = (gauge.used, gauge.limit) else { return Vec::new() };
    let grown = facts.grown(OVERFLOW);
    let full = used >= limit;
    if !full && grown == 0 && gauge.percent().is_none_or(|percent| percent < NEARLY) {
        return Vec::new();
    }
    let weight = if full || grown > 0 { Weight::Harm } else { Weight::Problem };
    let title = match weight {
        Weight::Harm => {
            format!("the table of closed connections is full ({used} of {limit}): further ones are dropped")
        }
        _ => format!("the table of closed connections is nearly full: {used} of {limit}"),
    };
    let finding = Finding::new(Cause::TimeWaitFull, weight, title).about(used, 1).seen(format!(
        "{} entries are FIN_WAIT_2 orphans, the rest TIME_WAIT",
        facts.fin_wait_2.minisocks.min(used)
    ));
    let finding = match (grown, facts.counters.of(OVERFLOW)) {
        (0, 0) => finding,
        (0, all) => finding.seen(format!("{OVERFLOW} is {all} since the start")),
        (grown, _) => finding.seen(format!("{OVERFLOW} grew by {grown} while it was watched")),
    };
    vec![
        finding
            .remedy(
                Remedy::new(RemedyKind::Setting, "allow more")
                    .command(
                        facts.tune(&format!(
                            "set 'tcp.time_wait_limit>={}'",
                            limit.saturating_mul(2).max(8192)
                        )),
                    )
                    .price("256 bytes each"),
            )
            .remedy(
                Remedy::new(
                    RemedyKind::Setting,
                    "where many are FIN_WAIT_2 orphans, wait for a shorter time",
                )
                .command(facts.tune("set tcp.fin_wait_2_timeout=30s"))
                .price("a client that takes longer to close gets a reset"),
            )
            .vain(
                "a FIN_WAIT_2 timeout against TIME_WAIT",
                "TIME_WAIT is 60 s and fixed in the kernel; tcp_fin_timeout does not change it",
            )
            .vain(
                "tcp_tw_recycle",
                "it broke clients behind address translation, and kernels since 4.12 do not have it",
            )
            .vain(
                "a lower limit",
                "what is dropped is not told to the peer, and late segments can meet a new connection",
            ),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{found, quiet};
    use super::super::super::usage::Gauge;
    use super::*;

    #[test]
    fn a_table_is_full_when_it_is_or_overflows() {
        let with = |used| {
            let mut facts = quiet();
            facts.usage.time_wait = Gauge { used: Some(used), limit: Some(100), pressure: None };
            facts
        };
        let of = |facts: &Facts| found(facts, Cause::TimeWaitFull).map(|finding| finding.weight);
        assert_eq!(of(&with(89)), None);
        assert_eq!(of(&with(90)), Some(Weight::Problem));
        assert_eq!(of(&with(100)), Some(Weight::Harm));
        assert_eq!(of(&with(10).growing(OVERFLOW, 1)), Some(Weight::Harm));
    }
}
