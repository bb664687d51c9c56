//! The connections are in another network namespace, a container mostly: what is set on the host does not reach it, and
//! each namespace begins with the kernel's defaults. Measured.

use tune_model::{Effective, System};

use super::super::elsewhere::Elsewhere;
use super::super::facts::{Facts, Network, longest};
use super::super::finding::{Cause, Finding, Remedy, RemedyKind, Weight};
use super::super::words::many;
use super::{ENDS_IN_TIME, NEVER_ENDS};
use crate::state::TcpState;

const MANY: u64 = 20;
const NETWORKS: usize = 3;

/// Tells whether the namespace looked at is one that the host's shorter timeout does not reach.
pub(super) fn is_this_one(facts: &Facts) -> bool {
    let host = facts.timeout.of_the_host.as_ref().and_then(longest);
    let differs = host.zip(facts.timeout.longest()).is_some_and(|(host, here)| host < here);
    facts.network == Network::Namespace && facts.system == System::Linux && differs
}

pub(super) fn find(facts: &Facts) -> Vec<Finding> {
    let mut there: Vec<_> =
        facts.elsewhere.iter().filter(|there| !there.own && has_more(there, facts)).collect();
    there.sort_by_key(|there| std::cmp::Reverse(there.half_closed()));
    there.into_iter().take(NETWORKS).map(|there| of(facts, there)).chain(this_one(facts)).collect()
}

/// Of one state: where both ends of the same connections are on the host, each network has as many, in different ones.
fn has_more(there: &Elsewhere, facts: &Facts) -> bool {
    let more = |state| there.counts.of_state(state) > facts.in_state(state);
    more(TcpState::FinWait2) || more(TcpState::CloseWait)
}

const fn half_closed(facts: &Facts) -> u64 {
    facts.in_state(TcpState::FinWait2) + facts.in_state(TcpState::CloseWait)
}

fn of(facts: &Facts, there: &Elsewhere) -> Finding {
    let number = there.half_closed();
    let orphaned = there.fin_wait_2.orphaned();
    let title = format!(
        "{} in the network namespace of {}, which settings here do not reach",
        many(number, "half-closed connection"),
        there.title
    );
    let finding = Finding::new(Cause::OtherNetwork, Weight::of(number, MANY), title)
        .about(number, if orphaned * 2 >= number { ENDS_IN_TIME } else { NEVER_ENDS })
        .seen(format!(
            "there: {} in FIN_WAIT_2 ({orphaned} orphaned, {} held), {} in CLOSE_WAIT; here: {}",
            there.counts.of_state(TcpState::FinWait2),
            there.fin_wait_2.held(),
            there.counts.of_state(TcpState::CloseWait),
            half_closed(facts)
        ))
        .seen(format!(
            "the FIN_WAIT_2 timeout is {} there and {} here",
            there.timeout, facts.timeout.effective
        ));
    let finding = if orphaned * 2 >= number {
        with_timeout(finding, &there.name, &wanted(&facts.timeout.effective, &there.timeout))
            .remedy(look(&there.name, "then look at what is there"))
    } else {
        finding.remedy(look(&there.name, "processes hold them: look who does"))
    };
    finding.vain(
        "changing this host's settings",
        "a network namespace has its own, and begins with the kernel's defaults",
    )
}

/// The namespace that is looked at from the host.
fn this_one(facts: &Facts) -> Option<Finding> {
    let number = facts.fin_wait_2.orphaned().saturating_sub(facts.overdue_orphans());
    let host = facts.timeout.of_the_host.as_ref().filter(|_| is_this_one(facts) && number > 0)?;
    let here = &facts.timeout.effective;
    let title = format!(
        "{} {here} here: this network namespace has a timeout of its own, not the host's {host}",
        many(number, "closed connection") + super::super::words::verb(number, " waits", " wait")
    );
    let name = facts.option.trim_start().strip_prefix("--netns ").unwrap_or_default();
    let finding = Finding::new(Cause::OtherNetwork, Weight::of(number, MANY), title)
        .about(number, ENDS_IN_TIME)
        .seen(format!("{} = {here} here; the host has {host}", facts.timeout.tunable));
    let finding = with_timeout(finding, name, &wanted(host, here))
        .vain(
            "changing the host's settings",
            "a network namespace has its own, and begins with the kernel's defaults",
        )
        .vain("restarting or mending the server", "it has closed already; the clients have not");
    Some(finding)
}

/// Returns what to set there: the host's time where that is shorter, else one that is short enough for any server.
fn wanted(host: &Effective, there: &Effective) -> String {
    match (longest(host), longest(there)) {
        (Some(host_time), Some(there)) if host_time < there => host.to_string(),
        _ => "30s".to_owned(),
    }
}

fn with_timeout(finding: Finding, name: &str, time: &str) -> Finding {
    let seconds = time.strip_suffix('s').filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
    let container = match seconds {
        Some(seconds) => format!(
            "make it last: start the container with it, as docker run --sysctl net.ipv4.tcp_fin_timeout={seconds}, or \
             securityContext.sysctls of a Kubernetes pod"
        ),
        None => "make it last: start the container with net.ipv4.tcp_fin_timeout set".to_owned(),
    };
    finding
        .remedy(
            Remedy::new(RemedyKind::Setting, "set the timeout there")
                .command(format!("tune --netns {name} set tcp.fin_wait_2_timeout={time}"))
                .price("lasts as long as the namespace; a client that takes longer to close gets a reset"),
        )
        .remedy(Remedy::new(RemedyKind::Container, container).price("the container has to be started anew"))
}

fn look(name: &str, action: &str) -> Remedy {
    Remedy::new(RemedyKind::Look, action).command(format!("tune --netns {name} diagnose"))
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{causes, commands, found, quiet};
    use super::*;
    use crate::connection::Family;
    use crate::tally::{Counts, Holdings};
    use std::net::IpAddr;
    use tune_model::Quantity;

    fn container(minisocks: u64, held: u64) -> Elsewhere {
        let mut counts = Counts::default();
        counts.add_many(TcpState::FinWait2, Family::Ipv4, minisocks + held);
        Elsewhere {
            name: "4711".to_owned(),
            title: "web (nginx, pid 4711)".to_owned(),
            own: false,
            counts,
            fin_wait_2: Holdings { minisocks, held_without_timer: held, ..Holdings::default() },
            timeout: Effective::Exact(Quantity::Duration(60_000)),
            addresses: [IpAddr::from([198, 51, 100, 1])].into(),
        }
    }

    fn tuned(elsewhere: Elsewhere) -> Facts {
        Facts { elsewhere: vec![elsewhere], ..quiet().with_timeout(15, 15).with_orphans(80, 3, 0) }
    }

    #[test]
    fn a_container_with_defaults_comes_first() -> Result<(), &'static str> {
        let facts = tuned(container(400, 10));
        assert_eq!(causes(&facts), [Cause::OtherNetwork, Cause::UnclosingPeers]);
        let finding = found(&facts, Cause::OtherNetwork).ok_or("not found")?;
        assert_eq!(
            finding.title,
            "410 half-closed connections in the network namespace of web (nginx, pid 4711), which settings here do not \
             reach"
        );
        assert_eq!(
            commands(&finding),
            ["tune --netns 4711 set tcp.fin_wait_2_timeout=15s", "tune --netns 4711 diagnose"]
        );
        assert!(finding.remedies[1].action.contains("--sysctl net.ipv4.tcp_fin_timeout=15,"));
        Ok(())
    }

    #[test]
    fn a_container_whose_clients_are_on_the_host_comes_first() {
        let with = |peer: [u8; 4]| {
            let mut facts = tuned(container(100, 0)).waited_by("client", 40_000, 100, 30);
            if let Some(client) = facts.programs.as_mut().and_then(|list| list.last_mut()) {
                client.peers = vec![(peer.into(), 100)];
            }
            causes(&facts)[0]
        };
        assert_eq!(with([198, 51, 100, 1]), Cause::OtherNetwork);
        assert_eq!(with([203, 0, 113, 1]), Cause::CloseWaitLeak);
    }

    #[test]
    fn what_is_held_there_is_looked_at_there() {
        let finding = found(&tuned(container(10, 400)), Cause::OtherNetwork);
        assert_eq!(finding.as_ref().map(commands), Some(vec!["tune --netns 4711 diagnose"]));
        assert_eq!(causes(&tuned(container(1, 1))), [Cause::UnclosingPeers]);
    }

    #[test]
    fn a_namespace_looked_at_from_the_host_is_held_against_it() {
        let with = |host| {
            let mut facts = quiet().with_orphans(80, 40, 0);
            facts.network = Network::Namespace;
            facts.option = " --netns web".to_owned();
            facts.timeout.of_the_host = Some(Effective::Exact(Quantity::Duration(host)));
            facts
        };
        assert_eq!(causes(&with(15_000)), [Cause::OtherNetwork]);
        assert_eq!(causes(&with(60_000)), [Cause::UnclosingPeers]);
        let finding = found(&with(15_000), Cause::OtherNetwork);
        assert_eq!(
            finding.as_ref().map(commands),
            Some(vec!["tune --netns web set tcp.fin_wait_2_timeout=15s"])
        );
    }
}
