//! nginx holds a connection that it has closed only where `lingering_close` is `always`, or a request's body was not read.
//! Measured on 1.22: else it holds none.

use super::super::facts::Facts;
use super::super::finding::{Cause, Finding, Remedy, RemedyKind, Weight};
use super::super::programs::{Program, Server};
use super::{NEVER_ENDS, TIMEOUT_OF_HELD, holding, leading, lingers, server_setting};

const MANY: u64 = 10;

pub(super) fn find(facts: &Facts) -> Vec<Finding> {
    let programs = facts.seen_programs().iter().filter(|program| lingers(program, Server::Nginx));
    programs.map(|program| of(facts, program)).collect()
}

fn of(facts: &Facts, program: &Program) -> Finding {
    let number = program.fin_wait_2;
    let title = format!("{} keeps {number} closed connections open: its lingering_close", program.named());
    Finding::new(Cause::NginxLingering, Weight::of(number, MANY), title)
        .about(number, NEVER_ENDS)
        .seen(holding(program, number, "FIN_WAIT_2"))
        .seen_all(leading(program))
        .seen("nginx holds what it has closed only under lingering_close always, for lingering_timeout (5 s as installed)")
        .remedy(
            server_setting(
                "change the line there is: linger only where a client may still be sending, and not for long",
                facts.nginx_file,
                &["lingering_close on;", "lingering_timeout 5s;"],
            )
            .price("none for clients that have sent their whole request"),
        )
        .remedy(
            server_setting("or do not linger at all", facts.nginx_file, &["lingering_close off;"])
                .price("a client that is still sending gets a reset and can lose the answer"),
        )
        .remedy(Remedy::new(RemedyKind::Wait, "or let it be: each ends within lingering_time (30 s as installed)"))
        .vain("a shorter FIN_WAIT_2 timeout", format!("{TIMEOUT_OF_HELD}; it begins when nginx lets go"))
        .vain(
            "reset_timedout_connection on",
            "it resets on header timeouts and unread bodies; other closes still wait",
        )
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{causes, found, quiet};
    use super::*;

    #[test]
    fn what_nginx_holds_for_seconds_is_its_lingering_close() {
        for (command, idle, known) in [("nginx", 4, true), ("nginx", 41, false), ("leaky", 4, false)] {
            let facts = quiet().held_by(command, 80, 50, idle);
            assert_eq!(causes(&facts).contains(&Cause::NginxLingering), known, "{command} {idle}");
        }
        let finding = found(&quiet().held_by("nginx", 80, 3, 4), Cause::NginxLingering);
        assert_eq!(finding.map(|finding| (finding.weight, finding.connections)), Some((Weight::Note, 3)));
    }
}
