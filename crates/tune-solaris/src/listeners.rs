//! What has to be restarted before a change reaches it.
//!
//! A socket takes its timers and buffers from the IP stack when it is made, and an accepted one from its listener
//! (illumos inet/tcp/tcp.c `tcp_init_values`): what listens already keeps the old values, and so does all that it accepts.

use std::collections::BTreeSet;

use tune_host::{Host, Inquiry};
use tune_model::catalog::TakesHold;
use tune_model::{Catalog, Mutability, System};

use crate::fresh::Family;

/// Says what keeps the old values once these tunables have changed.
pub(crate) fn aftermath(host: &dyn Host, tunables: &BTreeSet<&str>, family: Option<Family>) -> Vec<String> {
    let copied = |tunable: &&str| {
        matches!(behaviour(tunable, family).1, TakesHold::NewSockets | TakesHold::NewListeners)
    };
    if !tunables.iter().any(copied) {
        return Vec::new();
    }
    let ports = ports(host);
    let which = match ports.len() {
        0 => String::new(),
        _ => format!(", here on {} {}", if ports.len() == 1 { "port" } else { "ports" }, listed(&ports)),
    };
    vec![
        format!(
            "what listens already keeps the old values, and so does every connection that it accepts: restart the \
             services that listen{which}"
        ),
        "connections that are open keep the old values".to_owned(),
    ]
}

/// Returns when a tunable can be changed and whom that reaches.
///
/// Solaris 10 hands nothing from a listener to what it accepts, going by OpenSolaris of 2005-06: there a new connection
/// takes what the IP stack has, and the timer of FIN_WAIT_2 what it has when it starts.
pub(crate) fn behaviour(tunable: &str, family: Option<Family>) -> (Mutability, TakesHold) {
    let row = Catalog::of(System::Solaris).get(tunable);
    let (mutability, takes_hold) =
        row.map_or((Mutability::Live, TakesHold::NewSockets), |row| (row.mutability, row.takes_hold));
    let takes_hold = match (family, takes_hold) {
        (Some(Family::Solaris10), _) if tunable == FLUSH => TakesHold::NewCloses,
        (Some(Family::Solaris10), TakesHold::NewSockets) => TakesHold::NewConnections,
        (_, takes_hold) => takes_hold,
    };
    (mutability, takes_hold)
}

const FLUSH: &str = "ipadm.tcp._fin_wait_2_flush_interval";

fn listed(ports: &BTreeSet<u16>) -> String {
    ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn ports(host: &dyn Host) -> BTreeSet<u16> {
    let families = ["inet", "inet6"].into_iter();
    let asked = families.filter_map(|family| host.inquire(&Inquiry::Sockets { family }).ok());
    asked.filter(|output| output.status == 0).flat_map(|output| listening(&output.stdout)).collect()
}

/// Returns the ports of listening sockets. Widths and columns differ between releases; the state does not.
fn listening(text: &str) -> Vec<u16> {
    let lines = text.lines().filter(|line| line.split_whitespace().any(|word| word == "LISTEN"));
    lines.filter_map(|line| line.split_whitespace().next()?.rsplit('.').next()?.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_behind_the_last_dot() {
        let text = "TCP: IPv4\n   Local Address        Remote Address    Swind  Send-Q Rwind  Recv-Q    State   \n\
            -------------------- -------------------- ------- ------ ------- ------ -----------\n\
            \x20     *.80                 *.*                0      0  128000      0 LISTEN\n\
            192.0.2.1.443        *.*                0      0  128000      0 LISTEN\n\
            192.0.2.1.80         198.51.100.7.50000   64240      0  128872      0 FIN_WAIT_2\n";
        assert_eq!(listening(text), [80, 443]);
    }
}
