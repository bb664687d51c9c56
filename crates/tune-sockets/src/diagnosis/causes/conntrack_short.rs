//! Connection tracking forgets connections before TCP does, and what comes after that is not translated any more, or
//! dropped. Source: Linux Documentation/networking/nf_conntrack-sysctl.rst.

use super::super::facts::{Facts, longest};
use super::super::finding::{Cause, Finding, Remedy, RemedyKind, Weight};
use super::super::words::time;

const FIN_WAIT: &str = "net.netfilter.nf_conntrack_tcp_timeout_fin_wait";
const ESTABLISHED: &str = "net.netfilter.nf_conntrack_tcp_timeout_established";

pub(super) fn find(facts: &Facts) -> Vec<Finding> {
    let Some(tracked) = facts.conntrack else { return Vec::new() };
    let kept = facts.timeout.longest().filter(|kept| *kept > tracked.fin_wait);
    let idle = longest(&facts.keepalive_idle).filter(|idle| *idle > tracked.established);
    if kept.is_none() && idle.is_none() {
        return Vec::new();
    }
    let title = "connection tracking forgets connections before TCP does";
    let mut finding = Finding::new(Cause::ConntrackShort, Weight::Note, title);
    if let Some(kept) = kept {
        finding = finding
            .seen(format!(
                "{FIN_WAIT} = {}, the FIN_WAIT_2 timeout comes to {}",
                tracked.fin_wait.as_secs(),
                time(kept)
            ))
            .remedy(
                Remedy::new(RemedyKind::Setting, "keep half-closed connections tracked for as long")
                    .command(facts.tune(&format!(
                        "set 'tcp.fin_wait_2_timeout<={}s'",
                        tracked.fin_wait.as_secs().min(60)
                    )))
                    .price("a client that takes longer to close gets a reset"),
            );
    }
    if let Some(idle) = idle {
        finding = finding
            .seen(format!(
                "{ESTABLISHED} = {}, keepalive begins after {}",
                tracked.established.as_secs(),
                time(idle)
            ))
            .remedy(
                Remedy::new(RemedyKind::Setting, "let keepalive begin while the connection is still tracked")
                    .command(facts.tune(&format!(
                        "set 'tcp.keepalive_idle<={}s'",
                        (tracked.established.as_secs() / 2).max(1)
                    )))
                    .price("more probes"),
            );
    }
    vec![finding]
}

#[cfg(test)]
mod tests {
    use super::super::super::facts::ConntrackTimes;
    use super::super::super::testing::{commands, found, quiet};
    use super::*;
    use std::time::Duration;

    #[test]
    fn shorter_times_than_those_of_tcp_are_told() {
        let with = |fin_wait, established| {
            let seconds = Duration::from_secs;
            let tracked = ConntrackTimes { fin_wait: seconds(fin_wait), established: seconds(established) };
            Facts { conntrack: Some(tracked), ..quiet() }
        };
        assert_eq!(found(&with(60, 432_000), Cause::ConntrackShort), None);
        let found_commands =
            |facts: &Facts| found(facts, Cause::ConntrackShort).map(|finding| commands(&finding).join(" | "));
        assert_eq!(
            found_commands(&with(30, 432_000)).as_deref(),
            Some("tune set 'tcp.fin_wait_2_timeout<=30s'")
        );
        assert_eq!(found_commands(&with(120, 3600)).as_deref(), Some("tune set 'tcp.keepalive_idle<=1800s'"));
    }
}
