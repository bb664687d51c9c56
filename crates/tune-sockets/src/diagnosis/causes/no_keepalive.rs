//! Held connections have no timer at all: a peer that is gone is never noticed. Only the application can turn keepalive on.
//! FreeBSD never probes in FIN_WAIT_2, so that it would be of no use there.

use tune_model::System;

use super::super::facts::Facts;
use super::super::finding::{Cause, Finding, Remedy, RemedyKind, Weight};
use super::super::words::{many, verb};
use super::OTHER_END;

const FEW: u64 = 10;

pub(super) fn find(facts: &Facts) -> Vec<Finding> {
    let number = facts.fin_wait_2.held_without_timer + facts.close_wait.held_without_timer;
    if number < FEW || facts.system != System::Linux {
        return Vec::new();
    }
    let title = format!(
        "{} {} no keepalive: a peer that is gone is never noticed",
        many(number, "held half-closed connection"),
        verb(number, "has", "have")
    );
    vec![
        Finding::new(Cause::NoKeepalive, Weight::Note, title)
            .about(number, OTHER_END)
            .seen("no timer runs on them")
            .remedy(
                Remedy::new(
                    RemedyKind::Application,
                    "turn SO_KEEPALIVE on in the application (nginx: listen ... so_keepalive=on), and TCP_USER_TIMEOUT with \
                     it where a dead peer has to be noticed sooner",
                )
                .price("a probe now and then; ends connections over paths that are down for longer than the probes take"),
            )
            .remedy(
                Remedy::new(RemedyKind::Setting, "with that, let the first probe come sooner")
                    .command(facts.tune("set tcp.keepalive_idle=10min"))
                    .price(format!("more probes: the first comes after {} now", facts.keepalive_idle)),
            )
            .vain(
                "the system's keepalive settings alone",
                "they count for sockets whose application asked for keepalive, and for none of these",
            ),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{causes, quiet};
    use super::*;

    #[test]
    fn held_ones_without_a_timer_are_counted_on_linux() {
        let facts = quiet().held_by("leaky", 80, 10, 5);
        assert!(causes(&facts).contains(&Cause::NoKeepalive));
        assert!(!causes(&quiet().held_by("leaky", 80, 9, 5)).contains(&Cause::NoKeepalive));
        let freebsd = Facts { system: System::FreeBsd, ..facts };
        assert!(!causes(&freebsd).contains(&Cause::NoKeepalive));
    }
}
