//! An application shuts down its sending side and keeps the descriptor: nothing but the application ends that.

use super::super::facts::Facts;
use super::super::finding::{Cause, Finding, Remedy, RemedyKind, Weight};
use super::super::programs::{Program, Server};
use super::super::words::{many, verb};
use super::{
    NEVER_ENDS, OTHER_END, TIMEOUT_OF_HELD, dropping, holding, is_within_the_host, leading, lingers, serves,
};

/// So many are no coincidence.
const MANY: u64 = 10;
/// More programs than this are not told one by one.
const PROGRAMS: usize = 3;

pub(super) fn find(facts: &Facts) -> Vec<Finding> {
    let leaks = |program: &&Program| {
        let known = lingers(program, Server::Httpd) || lingers(program, Server::Nginx);
        program.fin_wait_2 > 0 && !known
    };
    let programs = facts.seen_programs().iter().filter(leaks).take(PROGRAMS);
    programs.map(|program| of(facts, program)).chain(unnamed(facts)).collect()
}

fn of(facts: &Facts, program: &Program) -> Finding {
    let number = program.fin_wait_2;
    let what = if serves(facts, program) { "connections" } else { "outgoing connections" };
    let title = format!("{} has half-closed {number} {what} and does not close them", program.named());
    let factor =
        if !serves(facts, program) && is_within_the_host(facts, program) { OTHER_END } else { NEVER_ENDS };
    let fix = "close the descriptor when the answer is sent: shutdown(SHUT_WR) alone keeps it for ever. Where the \
               client's end has to be seen, read with a deadline and close then";
    let linger = "or close with SO_LINGER on and a time of 0: the connection is reset at once";
    Finding::new(Cause::HalfCloseLeak, Weight::of(number, MANY), title)
        .about(number, factor)
        .seen(holding(program, number, "FIN_WAIT_2"))
        .seen_all(leading(program))
        .remedy(
            Remedy::new(RemedyKind::Application, format!("mend {}: {fix}", program.command))
                .price("restarting it frees them all, and ends what it is doing"),
        )
        .remedy(dropping(facts, program, "fin-wait-2"))
        .remedy(
            Remedy::new(RemedyKind::Application, linger)
                .price("what was not sent yet is lost, and the client may not get the end of the answer"),
        )
        .vain("a shorter FIN_WAIT_2 timeout", TIMEOUT_OF_HELD)
        .vain("keepalive", "it ends a connection whose peer is gone, and leaves one whose peer is alive")
        .vain("more memory", "they do not end, so it is only full later")
}

/// Held by processes that this user may not see, or the system does not tell.
fn unnamed(facts: &Facts) -> Option<Finding> {
    let held = facts.fin_wait_2.held();
    let named: u64 = facts.seen_programs().iter().map(|program| program.fin_wait_2).sum();
    let (number, why) = match &facts.programs {
        None => (held, "this system does not tell tune which process that is"),
        Some(_) => {
            (held.saturating_sub(named).min(facts.unnamed), "this user may not see which process that is")
        }
    };
    if number == 0 {
        return None;
    }
    let title = format!(
        "{} {} half-closed and held by a process",
        many(number, "connection"),
        verb(number, "is", "are")
    );
    let look = match facts.programs {
        Some(_) => Remedy::new(RemedyKind::Look, "look as root").command(facts.tune("diagnose")),
        None => Remedy::new(
            RemedyKind::Look,
            "find the process with the system's own tool: sockstat -46, or pfiles PID",
        ),
    };
    let finding = Finding::new(Cause::HalfCloseLeak, Weight::of(number, MANY), title)
        .about(number, NEVER_ENDS)
        .seen(why)
        .remedy(look)
        .vain("a shorter FIN_WAIT_2 timeout", TIMEOUT_OF_HELD);
    Some(finding)
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{causes, commands, found, quiet};
    use super::*;

    #[test]
    fn a_program_that_holds_fin_wait_2_leaks_unless_it_is_known_to_linger() {
        let cases = [
            ("leaky", 3, true),
            ("apache2", 29, false),
            ("apache2", 300, true),
            ("nginx", 4, false),
            ("nginx", 3600, true),
        ];
        for (command, idle, leaks) in cases {
            let facts = quiet().held_by(command, 80, 50, idle);
            assert_eq!(causes(&facts).contains(&Cause::HalfCloseLeak), leaks, "{command} {idle}");
        }
    }

    #[test]
    fn it_names_program_number_and_the_way_to_drop() -> Result<(), &'static str> {
        let facts = quiet().held_by("leaky", 80, 50, 20);
        let finding = found(&facts, Cause::HalfCloseLeak).ok_or("not found")?;
        assert_eq!(finding.title, "leaky (pid 100) has half-closed 50 connections and does not close them");
        assert_eq!(
            finding.evidence[0],
            "leaky (pid 100) holds 50 in FIN_WAIT_2, idle for at least 0s to 20s"
        );
        assert_eq!(commands(&finding), ["tune drop --state fin-wait-2 --held --older-than 10s --pid 100"]);
        assert_eq!(finding.weight, Weight::Problem);
        Ok(())
    }

    #[test]
    fn holders_that_cannot_be_seen_are_found_too() -> Result<(), &'static str> {
        let mut facts = quiet().held_by("leaky", 80, 50, 20);
        facts.programs = Some(Vec::new());
        facts.unnamed = 50;
        let finding = found(&facts, Cause::HalfCloseLeak).ok_or("not found")?;
        assert_eq!(finding.title, "50 connections are half-closed and held by a process");
        assert_eq!(commands(&finding), ["tune diagnose"]);
        // Those that cannot be seen are all in CLOSE_WAIT.
        let mut other = quiet().held_by("leaky", 80, 50, 20);
        other.unnamed = 7;
        assert_eq!(causes(&other).iter().filter(|cause| **cause == Cause::HalfCloseLeak).count(), 1);
        facts.programs = None;
        assert_eq!(found(&facts, Cause::HalfCloseLeak).map(|finding| finding.connections), Some(50));
        Ok(())
    }
}
