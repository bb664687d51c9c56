//! Peers do not close, and the kernel waits for them as long as its timeout says.

use std::time::Duration;

use tune_model::Effective;

use super::super::facts::Facts;
use super::super::finding::{Cause, Finding, Remedy, RemedyKind, Weight};
use super::super::words::{many, verb};
use super::{ENDS_IN_TIME, OTHER_END};

/// So many are a problem under a long timeout, and under a usual one.
const MANY: u64 = 20;
const MANY_IN_TIME: u64 = 1000;
/// Longer than any system waits for long by default but FreeBSD, which waits ten minutes.
const LONG: Duration = Duration::from_secs(60);
/// Short enough for any server.
const SHORT: Duration = Duration::from_secs(30);

pub(super) fn find(facts: &Facts) -> Vec<Finding> {
    let number = facts.fin_wait_2.orphaned() - facts.overdue_orphans();
    if number == 0 || super::other_network::is_this_one(facts) {
        return Vec::new();
    }
    let longest = facts.timeout.longest();
    let endless = matches!(facts.timeout.effective, Effective::Unbounded);
    let long = endless || longest.is_some_and(|longest| longest > LONG);
    let weight = Weight::of(number, if long { MANY } else { MANY_IN_TIME });
    let factor = if endless {
        super::NEVER_ENDS
    } else if facts.orphans_of_listeners() * 2 >= number {
        ENDS_IN_TIME
    } else {
        OTHER_END
    };
    let finding = Finding::new(Cause::UnclosingPeers, weight, title(facts, number)).about(number, factor);
    let finding = finding.seen_all(evidence(facts));
    let finding = if long || longest.is_none_or(|longest| longest > SHORT) {
        with_timeout(facts, finding)
    } else {
        finding.remedy(Remedy::new(
            RemedyKind::Wait,
            "nothing: the timeout is short already, and they end by themselves",
        ))
    };
    vec![with_the_rest(facts, finding)]
}

fn title(facts: &Facts, number: u64) -> String {
    let wait = verb(number, "waits", "wait");
    let who = many(number, "closed connection");
    match &facts.timeout.effective {
        Effective::Unbounded => format!("{who} {wait} for peers that do not close, without end"),
        Effective::Unknown(_) => format!("{who} {wait} for peers that do not close"),
        time => format!("{who} {wait} for peers that do not close, {time} each"),
    }
}

fn evidence(facts: &Facts) -> Vec<String> {
    let mut seen =
        vec![format!("no process has them any more; {} = {}", facts.timeout.tunable, shown(facts))];
    let peers: Vec<_> = facts
        .peers
        .iter()
        .map(|(peer, share)| (*peer, share.orphaned))
        .filter(|(_, number)| *number > 0)
        .collect();
    seen.extend(super::ports(&facts.orphan_ports()).into_iter().chain(super::peers(&peers)));
    seen
}

fn shown(facts: &Facts) -> String {
    match (&facts.timeout.shown, &facts.timeout.effective) {
        (Some(shown), effective) if facts.timeout.longest() != Some(*shown) => {
            format!("{}, which comes to {effective}", shown.as_secs())
        }
        (_, effective) => effective.to_string(),
    }
}

fn with_timeout(facts: &Facts, finding: Finding) -> Finding {
    finding
        .remedy(
            Remedy::new(RemedyKind::Setting, "wait for a shorter time")
                .command(facts.tune("set tcp.fin_wait_2_timeout=30s"))
                .price("a client that takes longer to close gets a reset; what it sends after that is lost"),
        )
        .remedy(Remedy::new(
            RemedyKind::Wait,
            "those there are keep their timers: the number falls within the time that was in force",
        ))
}

/// What else people try.
fn with_the_rest(facts: &Facts, finding: Finding) -> Finding {
    let finding =
        finding.vain("restarting or mending the server", "it has closed already; the clients have not");
    let finding = match facts.fin_wait_2.full_sockets {
        0 => finding
            .vain("dropping them", "each is a small entry that ends by itself, and new ones take its place"),
        number => finding.remedy(
            Remedy::new(
                RemedyKind::Drop,
                format!("or abort those there are: {number} are whole sockets still"),
            )
            .command(facts.tune("drop --state fin-wait-2 --orphaned"))
            .price("cannot be undone: the peer gets a reset"),
        ),
    };
    finding
        .vain("more network memory (mbufs, tcp_mem)", "they are as many as before, and it is only full later")
        .vain(
            "KeepAlive Off in the server",
            "a last resort: there is one close for each request then, and clients that do not close do not close these \
             either",
        )
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{causes, commands, found, quiet};
    use super::*;

    #[test]
    fn orphans_are_judged_by_the_time_that_they_have() {
        let cases = [
            (360, 600, 50, Weight::Problem),
            (360, 600, 10, Weight::Note),
            (60, 60, 50, Weight::Note),
            (60, 60, 5000, Weight::Problem),
            (10, 10, 50, Weight::Note),
        ];
        for (tunable, effective, many, weight) in cases {
            let facts = quiet().with_timeout(tunable, effective).with_orphans(80, many, 0);
            let finding = found(&facts, Cause::UnclosingPeers);
            assert_eq!(finding.map(|finding| finding.weight), Some(weight), "{tunable} {many}");
        }
    }

    #[test]
    fn the_timeout_is_lowered_unless_it_is_short() -> Result<(), &'static str> {
        let long = quiet().with_timeout(360, 600).with_orphans(80, 500, 0);
        let finding = found(&long, Cause::UnclosingPeers).ok_or("not found")?;
        assert_eq!(finding.title, "500 closed connections wait for peers that do not close, 10min each");
        assert_eq!(
            finding.evidence[0],
            "no process has them any more; net.ipv4.tcp_fin_timeout = 360, which comes to 10min"
        );
        assert_eq!(commands(&finding), ["tune set tcp.fin_wait_2_timeout=30s"]);
        let short = quiet().with_timeout(10, 10).with_orphans(80, 500, 0);
        let finding = found(&short, Cause::UnclosingPeers).ok_or("not found")?;
        assert!(commands(&finding).is_empty());
        assert_eq!(finding.remedies[0].kind, RemedyKind::Wait);
        Ok(())
    }

    #[test]
    fn what_waits_without_end_counts_most() {
        let mut facts = quiet().with_orphans(80, 40, 0);
        facts.timeout.effective = Effective::Unbounded;
        assert_eq!(found(&facts, Cause::UnclosingPeers).map(|finding| finding.weight), Some(Weight::Problem));
        assert_eq!(causes(&facts), [Cause::UnclosingPeers]);
    }
}
