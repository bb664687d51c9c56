//! Orphans keep a longer time than the present timeout gives: their timers were set before it was changed, by the
//! application (`TCP_LINGER2`), or by a slow path.

use super::super::facts::Facts;
use super::super::finding::{Cause, Finding, Remedy, RemedyKind, Weight};
use super::super::words::{many, parts, time, verb};
use super::{ENDS_IN_TIME, deferred_accept};

const MANY: u64 = 100;

pub(super) fn find(facts: &Facts) -> Vec<Finding> {
    let number = facts.overdue_orphans();
    if number == 0 || deferred_accept::is_it(facts) {
        return Vec::new();
    }
    let shown = &facts.timeout.effective;
    let title = format!(
        "{} {} longer to run than the timeout of {shown}: they were closed under another one",
        many(number, "orphan"),
        verb(number, "has", "have")
    );
    vec![
        Finding::new(Cause::EarlierTimers, Weight::of(number, MANY), title)
            .about(number, ENDS_IN_TIME)
            .seen(format!("the longest has {} left", time(facts.overdue.longest)))
            .seen(format!("on local ports {}", parts(&facts.overdue.ports, 4)))
            .seen(
                "the timeout was lowered a short time ago, or the application asked for its own (TCP_LINGER2, up to \
                 120 s), or the path is slow or accept was deferred: 3.5 retransmission timeouts are the least time",
            )
            .remedy(Remedy::new(
                RemedyKind::Wait,
                format!("wait {}: no new ones of this kind come if the timeout was lowered", time(facts.overdue.longest)),
            ))
            .remedy(
                Remedy::new(RemedyKind::Drop, "or abort them now")
                    .command(facts.tune("drop --state fin-wait-2 --orphaned"))
                    .price("cannot be undone, and frees little: each is a small entry that ends by itself"),
            )
            .vain("lowering the timeout again", "a timer that runs keeps its time"),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{causes, quiet};
    use super::*;

    #[test]
    fn orphans_within_their_time_are_not_meant() {
        assert_eq!(causes(&quiet().with_overdue(80, 3, 300)), [Cause::EarlierTimers]);
        assert_eq!(causes(&quiet().with_orphans(80, 3, 0)), [Cause::UnclosingPeers]);
    }
}
