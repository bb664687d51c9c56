//! Deferred accept makes the kernel take a client that says nothing for one that is very slow, and the retransmission
//! timeout that results outweighs the FIN_WAIT_2 timeout: the kernel waits at least 3.5 times as long. Source:
//! net/ipv4/tcp.c `__tcp_close`; measured with httpd 2.4: 324 s, and that twice, instead of 60 s.

use std::time::Duration;

use super::super::facts::Facts;
use super::super::finding::{Cause, Finding, Remedy, RemedyKind, Weight};
use super::super::programs::Server;
use super::super::words::{many, parts, time, verb};
use super::{TOO_LONG, server_setting};
use crate::state::TcpState;

const MANY: u64 = 10;
/// A retransmission timeout this much inflated comes from waiting for data in the handshake: 3.5 times 31 s and more.
const INFLATED: Duration = Duration::from_secs(108);

/// Tells whether orphans that stay too long are of this kind: on a port on which httpd listens.
pub(super) fn is_it(facts: &Facts) -> bool {
    let of_httpd = |port: &u16| {
        facts.listeners.get(port).is_some_and(|command| Server::of(command) == Some(Server::Httpd))
    };
    facts.overdue.longest >= INFLATED && facts.overdue.ports.iter().any(|(port, _)| of_httpd(port))
}

pub(super) fn find(facts: &Facts) -> Vec<Finding> {
    let number = facts.overdue_orphans();
    if number == 0 || !is_it(facts) {
        return Vec::new();
    }
    let shown = &facts.timeout.effective;
    let title = format!(
        "{} {} far longer than the timeout of {shown}: httpd's deferred accept",
        many(number, "closed connection"),
        verb(number, "stays", "stay")
    );
    let syn = facts.in_state(TcpState::SynReceived);
    let finding = Finding::new(Cause::DeferredAccept, Weight::of(number, MANY), title)
        .about(number, TOO_LONG)
        .seen(format!(
            "{} of {} orphans looked at have longer to run than {shown}, the longest {}",
            facts.overdue.longer,
            facts.overdue.looked_at,
            time(facts.overdue.longest)
        ))
        .seen(format!("on local ports {}, where httpd listens", parts(&facts.overdue.ports, 4)))
        .seen(
            "AcceptFilter http data, as installed, hands a connection over when data comes; the kernel takes the wait of \
             a silent client for its round trip, and keeps what was closed for 3.5 retransmission timeouts",
        );
    let finding = if syn > 0 {
        finding.seen(format!("{syn} in SYN_RECEIVED: silent clients that still wait"))
    } else {
        finding
    };
    let (file, _) = facts.httpd_file;
    let then =
        file.contains("apache2/conf-available").then_some("a2enconf zz-tune && systemctl restart apache2");
    vec![
        finding
            .remedy(
                server_setting(
                    "accept connections at once, then restart httpd: a reload keeps its listening sockets",
                    (file, then),
                    &["AcceptFilter http none", "AcceptFilter https none"],
                )
                .price("a silent client takes a worker until mod_reqtimeout ends it (20 s as installed)"),
            )
            .remedy(Remedy::new(
                RemedyKind::Wait,
                "those there are keep their timers; the last can take eleven minutes",
            ))
            .remedy(dropping(facts))
            .vain(
                "a shorter FIN_WAIT_2 timeout",
                "it is the least time; 3.5 retransmission timeouts are longer, and the longer of the two counts",
            ),
    ]
}

/// Returns the way to be rid of those there are. Their age is not known: they have longer than the timeout.
fn dropping(facts: &Facts) -> Remedy {
    let ports = facts.overdue.ports.iter().map(|(port, _)| format!(" --local-port {port}"));
    Remedy::new(RemedyKind::Drop, "or, after that, abort those there are")
        .command(facts.tune(&format!("drop --state fin-wait-2 --orphaned{}", ports.collect::<String>())))
        .price("cannot be undone; the orphans on these ports that end in time go with them")
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{causes, commands, found, quiet};
    use super::*;

    #[test]
    fn long_orphans_of_httpd_come_from_deferred_accept() {
        let cases = [
            (Some("apache2"), 324, Cause::DeferredAccept),
            (Some("httpd"), 324, Cause::DeferredAccept),
            (Some("apache2"), 90, Cause::EarlierTimers),
            (Some("leaky"), 324, Cause::EarlierTimers),
            (None, 324, Cause::EarlierTimers),
        ];
        for (command, longest, cause) in cases {
            let mut facts = quiet().with_overdue(80, 40, longest);
            facts.listeners.extend(command.map(|command| (80, command.to_owned())));
            assert_eq!(causes(&facts), [cause], "{command:?} {longest}");
        }
    }

    #[test]
    fn it_says_what_to_write_and_where() -> Result<(), &'static str> {
        let mut facts = quiet().with_overdue(80, 40, 324);
        facts.listeners.insert(80, "apache2".to_owned());
        let finding = found(&facts, Cause::DeferredAccept).ok_or("not found")?;
        assert_eq!(
            finding.title,
            "40 closed connections stay far longer than the timeout of 60s: httpd's deferred accept"
        );
        assert_eq!(finding.remedies[0].directives, ["AcceptFilter http none", "AcceptFilter https none"]);
        assert_eq!(finding.remedies[0].file.as_deref(), Some("/etc/apache2/conf-available/zz-tune.conf"));
        assert_eq!(commands(&finding), ["tune drop --state fin-wait-2 --orphaned --local-port 80"]);
        Ok(())
    }
}
