//! An application does not close what its peers have closed: the mirror image of a half-closed leak. There the peer
//! waits in FIN_WAIT_2 for this host.

use super::super::facts::Facts;
use super::super::finding::{Cause, Finding, Remedy, RemedyKind, Weight};
use super::super::programs::Program;
use super::super::words::{many, verb};
use super::{NEVER_ENDS, OTHER_END, dropping, holding, is_within_the_host, leading, serves};

/// So many are no coincidence: a server that is busy has some.
const MANY: u64 = 10;
const PROGRAMS: usize = 3;

pub(super) fn find(facts: &Facts) -> Vec<Finding> {
    let programs = facts.seen_programs().iter().filter(|program| program.close_wait > 0).take(PROGRAMS);
    programs.map(|program| of(facts, program)).chain(unnamed(facts)).collect()
}

fn of(facts: &Facts, program: &Program) -> Finding {
    let number = program.close_wait;
    let factor =
        if !serves(facts, program) && is_within_the_host(facts, program) { OTHER_END } else { NEVER_ENDS };
    let peers = if serves(facts, program) { "clients" } else { "servers" };
    let title = format!(
        "{} does not close {} that its {peers} have closed",
        program.named(),
        many(number, "connection")
    );
    let mend = format!(
        "mend {}: it has to read until the end of the stream (read returns 0) and close then, also on its error paths \
         and in pools of idle connections",
        program.command
    );
    Finding::new(Cause::CloseWaitLeak, Weight::of(number, MANY), title)
        .about(number, factor)
        .seen(holding(program, number, "CLOSE_WAIT"))
        .seen_all(leading(program))
        .remedy(
            Remedy::new(RemedyKind::Application, mend)
                .price("restarting it frees them all, and ends what it is doing"),
        )
        .remedy(dropping(facts, program, "close-wait"))
        .vain(
            "any timeout of the kernel",
            "CLOSE_WAIT has none: the peer is done, and this host's program is not",
        )
        .vain("a shorter FIN_WAIT_2 timeout", "that is the state of the other end, and its host decides it")
}

fn unnamed(facts: &Facts) -> Option<Finding> {
    let named: u64 = facts.seen_programs().iter().map(|program| program.close_wait).sum();
    let rest = facts.close_wait.held().saturating_sub(named);
    let number = if facts.programs.is_some() { rest.min(facts.unnamed) } else { rest };
    if number == 0 {
        return None;
    }
    let title = format!(
        "{} {} not closed here although the peer has closed",
        many(number, "connection"),
        verb(number, "is", "are")
    );
    let finding = Finding::new(Cause::CloseWaitLeak, Weight::of(number, MANY), title)
        .about(number, NEVER_ENDS)
        .seen("which process holds them cannot be seen by this user, or the system does not tell")
        .remedy(Remedy::new(RemedyKind::Look, "look as root").command(facts.tune("diagnose")))
        .vain("any timeout of the kernel", "CLOSE_WAIT has none: only the program that holds it ends it");
    Some(finding)
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{causes, commands, found, quiet};
    use super::*;

    #[test]
    fn a_program_that_does_not_close_is_named() -> Result<(), &'static str> {
        let facts = quiet().waited_by("java", 8080, 30, 1300);
        let finding = found(&facts, Cause::CloseWaitLeak).ok_or("not found")?;
        assert_eq!(
            finding.title,
            "java (pid 100) does not close 30 connections that its servers have closed"
        );
        assert_eq!(commands(&finding), ["tune drop --state close-wait --held --older-than 10min --pid 100"]);
        let server = quiet().waited_by("java", 80, 1, 1300);
        let finding = found(&server, Cause::CloseWaitLeak).ok_or("not found")?;
        assert_eq!(finding.title, "java (pid 100) does not close 1 connection that its clients have closed");
        assert_eq!(finding.weight, Weight::Note);
        Ok(())
    }

    #[test]
    fn holders_that_cannot_be_seen_are_found_too() {
        let mut facts = quiet().waited_by("java", 8080, 30, 1300);
        facts.programs = Some(Vec::new());
        facts.unnamed = 30;
        assert_eq!(causes(&facts), [Cause::CloseWaitLeak, Cause::NoKeepalive]);
    }
}
