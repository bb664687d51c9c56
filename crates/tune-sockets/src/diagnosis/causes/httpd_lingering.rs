//! httpd reads on after it has closed, so that the client gets the whole answer: the event module for up to 30 s
//! after an explicit close, others for 2 s. The descriptor stays open meanwhile. Measured on 2.4.

use super::super::facts::Facts;
use super::super::finding::{Cause, Finding, Remedy, RemedyKind, Weight};
use super::super::programs::{Program, Server};
use super::{NEVER_ENDS, TIMEOUT_OF_HELD, holding, leading, lingers, server_setting};

const MANY: u64 = 10;

pub(super) fn find(facts: &Facts) -> Vec<Finding> {
    let programs = facts.seen_programs().iter().filter(|program| lingers(program, Server::Httpd));
    programs.map(|program| of(facts, program)).collect()
}

fn of(facts: &Facts, program: &Program) -> Finding {
    let number = program.fin_wait_2;
    let time = if facts.httpd_is_event == Some(false) { "2 s" } else { "up to 30 s" };
    let title = format!(
        "{} keeps {number} closed connections open: its lingering close reads on for {time}",
        program.named()
    );
    let module = match facts.httpd_is_event {
        Some(true) => "it answers with its event module, which does this after each explicit close",
        Some(false) => "no file loads the event module, so a slow client keeps each for 2 s",
        None => "its event module does this after each explicit close; no file here says which module it has",
    };
    let finding = Finding::new(Cause::HttpdLingering, Weight::of(number, MANY), title)
        .about(number, NEVER_ENDS)
        .seen(holding(program, number, "FIN_WAIT_2"))
        .seen_all(leading(program))
        .seen(module);
    let finding = match &facts.keepalive_off_in {
        Some(file) => finding
            .seen(format!("{file} turns KeepAlive off, so httpd closes after each answer"))
            .remedy(keep_alive(facts))
            .remedy(prefork()),
        None => finding.remedy(prefork()).remedy(keep_alive(facts)),
    };
    finding
        .remedy(Remedy::new(
            RemedyKind::Wait,
            "or let it be: each ends by itself. Allow for them in MaxRequestWorkers, ServerLimit and the limit of \
             open files",
        ))
        .vain("a shorter FIN_WAIT_2 timeout", format!("{TIMEOUT_OF_HELD}; it begins when httpd lets go"))
        .vain("KeepAlive Off", "it makes every close an explicit one, so that there are more of these")
        .vain(
            "building httpd without its lingering close (NO_LINGCLOSE)",
            "that was for 1.3; without it a client that is still sending gets a reset and loses the answer",
        )
}

fn keep_alive(facts: &Facts) -> Remedy {
    server_setting(
        "where httpd itself closes after each answer, let connections persist: after a keep-alive timeout it reads on for \
         2 s only",
        facts.httpd_file,
        &["KeepAlive On", "KeepAliveTimeout 5"],
    )
    .price("idle connections stay open for 5 s; does not help where clients ask for Connection: close")
}

fn prefork() -> Remedy {
    Remedy::new(
        RemedyKind::Application,
        "answer with the prefork module, which reads on for 2 s: on Debian a2dismod mpm_event, a2enmod mpm_prefork, \
         systemctl restart apache2",
    )
    .price("a process for each connection, and modules that need threads stop working")
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{causes, found, quiet};
    use super::*;

    #[test]
    fn httpd_is_known_by_its_names() {
        for (command, known) in
            [("apache2", true), ("httpd", true), ("httpd-event", true), ("myhttpd", false)]
        {
            let facts = quiet().held_by(command, 80, 50, 20);
            assert_eq!(causes(&facts).contains(&Cause::HttpdLingering), known, "{command}");
        }
    }

    #[test]
    fn the_best_remedy_depends_on_who_closes() -> Result<(), &'static str> {
        let mut facts = quiet().held_by("apache2", 80, 50, 20);
        facts.httpd_is_event = Some(true);
        let first = |facts: &Facts| {
            found(facts, Cause::HttpdLingering).map(|finding| finding.remedies[0].action.contains("prefork"))
        };
        assert_eq!(first(&facts), Some(true));
        facts.keepalive_off_in = Some("/etc/apache2/apache2.conf".to_owned());
        assert_eq!(first(&facts), Some(false));
        let finding = found(&facts, Cause::HttpdLingering).ok_or("not found")?;
        assert_eq!(finding.remedies[0].directives, ["KeepAlive On", "KeepAliveTimeout 5"]);
        assert!(finding.in_vain.iter().any(|vain| vain.what.contains("timeout")));
        Ok(())
    }
}
