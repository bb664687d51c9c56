//! Above 60 s Linux keeps what was closed as a whole socket for the first half of its time: ten times the memory, and it
//! counts against the limit of orphans. Source: net/ipv4/tcp.c, tcp_timer.c; measured.

use std::time::Duration;

use super::super::facts::Facts;
use super::super::finding::{Cause, Finding, Remedy, RemedyKind, Weight};
use super::super::words::{many, verb};
use super::OTHER_END;

const MANY: u64 = 100;
const ONE_PIECE: Duration = Duration::from_secs(60);

pub(super) fn find(facts: &Facts) -> Vec<Finding> {
    let number = facts.fin_wait_2.full_sockets;
    let Some(shown) = facts.timeout.shown.filter(|shown| *shown > ONE_PIECE) else { return Vec::new() };
    if number == 0 || facts.system != tune_model::System::Linux {
        return Vec::new();
    }
    let title = format!(
        "{} {} in the first half of a timeout above 60 s, and {} a whole socket",
        many(number, "orphan"),
        verb(number, "is", "are"),
        verb(number, "is", "each is")
    );
    let finding = Finding::new(Cause::FirstPhase, Weight::of(number, MANY), title).about(number, OTHER_END).seen(format!(
        "tcp_fin_timeout = {} comes to {}: above 60 the kernel waits twice the excess, half of it with the socket",
        shown.as_secs(),
        facts.timeout.effective
    ));
    let used = facts.usage.orphans.percent();
    let finding = match used {
        Some(percent) => finding.seen(format!("orphans take {percent} % of tcp_max_orphans")),
        None => finding,
    };
    vec![
        finding
            .remedy(
                Remedy::new(
                    RemedyKind::Setting,
                    "wait for at most 60 s: a small entry is kept from the start",
                )
                .command(facts.tune("set 'tcp.fin_wait_2_timeout<=60s'"))
                .price("those in their first half are reset when it ends, instead of waiting for the second"),
            )
            .vain("raising tcp_max_orphans", "each still takes 2.4 KB and its buffers"),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{causes, quiet};
    use super::*;

    #[test]
    fn only_whole_sockets_under_a_timeout_above_60_s_are_meant() {
        let cases = [(90, 60, 50, 50, true), (60, 60, 50, 50, false), (90, 60, 50, 0, false)];
        for (tunable, effective, minisocks, full, is_it) in cases {
            let facts = quiet().with_timeout(tunable, effective).with_orphans(80, minisocks, full);
            assert_eq!(causes(&facts).contains(&Cause::FirstPhase), is_it, "{tunable} {full}");
        }
    }
}
