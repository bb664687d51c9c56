//! Half-closed connections in other network namespaces of the host, which its settings do not reach.

use std::collections::BTreeSet;
use std::net::IpAddr;

use tune_host::{Backend, Host, NetworkNamespace};
use tune_model::Effective;

use super::counters::{network_file, sockstat};
use super::gather::fin_timeout;
use crate::census::{Options, take};
use crate::filter::Filter;
use crate::state::{StateSet, TcpState};
use crate::tally::{Counts, Holdings};

/// What was found in another network namespace.
#[derive(Debug, Clone, PartialEq)]
pub struct Elsewhere {
    /// What it is chosen by, for `--netns`.
    pub name: String,
    /// The container or name it goes by, and a process in it.
    pub title: String,
    /// It is the one of the caller.
    pub own: bool,
    /// Connections by state.
    pub counts: Counts,
    /// Who has those in FIN_WAIT_2.
    pub fin_wait_2: Holdings,
    /// How long the kernel keeps what was closed there.
    pub timeout: Effective,
    /// The addresses there of connections that one side has closed, as far as they were looked at.
    pub addresses: BTreeSet<IpAddr>,
}

impl Elsewhere {
    /// Returns how many connections are in FIN_WAIT_2 or CLOSE_WAIT.
    #[must_use]
    pub const fn half_closed(&self) -> u64 {
        self.counts.of_state(TcpState::FinWait2) + self.counts.of_state(TcpState::CloseWait)
    }
}

/// Network namespaces that could not be looked into.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unseen {
    /// How many there are.
    pub namespaces: usize,
    /// Why, of the first.
    pub reason: Option<String>,
    /// The caller may not even see whether there are others.
    pub maybe_more: bool,
}

/// Makes a host of a network namespace: nothing where it is gone meanwhile, a reason where it may not be entered.
pub type Open<'a> = dyn Fn(&NetworkNamespace) -> Result<Option<Box<dyn Host>>, String> + 'a;

/// A network with fewer sockets is not worth a census unless all are asked for.
const WORTH_A_LOOK: u64 = 50;
/// How many connections are looked at for their addresses.
const ADDRESSES: usize = 1000;

/// Looks into the other network namespaces of a host: `all` of them, or those with many sockets.
pub fn look_elsewhere(
    host: &dyn Host,
    backend: &dyn Backend,
    all: bool,
    open: &Open<'_>,
) -> (Vec<Elsewhere>, Unseen) {
    let mut found = Vec::new();
    let mut unseen = Unseen::default();
    for namespace in host.network_namespaces().into_iter().filter(|namespace| all || !namespace.own) {
        let opened = open(&namespace);
        let looked =
            opened.and_then(|there| there.map_or(Ok(None), |there| look(&*there, backend, &namespace, all)));
        match looked {
            Ok(Some(there)) => found.push(there),
            Ok(None) => {}
            Err(reason) => {
                unseen.namespaces += 1;
                unseen.reason.get_or_insert(reason);
            }
        }
    }
    (found, unseen)
}

fn look(
    host: &dyn Host,
    backend: &dyn Backend,
    namespace: &NetworkNamespace,
    all: bool,
) -> Result<Option<Elsewhere>, String> {
    if !all && sockets(host) < WORTH_A_LOOK {
        return Ok(None);
    }
    let states = if all { StateSet::ALL } else { StateSet::HALF_CLOSED };
    let timeout = fin_timeout(host, backend);
    let half_closed = Filter { states: StateSet::HALF_CLOSED, ..Filter::default() };
    let options = Options { keep: Some((half_closed, ADDRESSES)), ..Options::counting(states) };
    let options = options.with_fin_timeout(timeout.shown);
    let census = take(host, &options).map_err(|error| error.to_string())?;
    Ok(Some(Elsewhere {
        name: namespace.namespace.name.clone(),
        title: title(namespace),
        own: namespace.own,
        counts: census.tally.counts,
        fin_wait_2: *census.tally.holdings(TcpState::FinWait2),
        timeout: timeout.effective,
        addresses: census.connections.iter().map(|connection| connection.local.ip()).collect(),
    }))
}

/// Returns how many sockets a network has, of any state.
fn sockets(host: &dyn Host) -> u64 {
    let v4 = network_file(host, "sockstat").unwrap_or_default();
    let v6 = network_file(host, "sockstat6").unwrap_or_default();
    let count = |text: &str, line, name| sockstat(text, line, name).unwrap_or(0);
    count(&v4, "TCP", "inuse") + count(&v4, "TCP", "tw") + count(&v6, "TCP6", "inuse")
}

/// Names a network namespace by container and process: `web (nginx, pid 4711)`.
#[must_use]
pub fn title(namespace: &NetworkNamespace) -> String {
    let process = namespace.process.as_ref().map(|(pid, command)| format!("{command}, pid {pid}"));
    match (&namespace.label, process) {
        (Some(label), Some(process)) => format!("{label} ({process})"),
        (Some(label), None) => label.clone(),
        (None, Some(process)) => process,
        (None, None) => namespace.namespace.name.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tune_model::plan::Namespace;

    #[test]
    fn namespaces_are_named_by_container_and_process() {
        let of = |label: Option<&str>, process: Option<(i32, &str)>| {
            title(&NetworkNamespace {
                namespace: Namespace { name: "[402]".into(), device: 4, inode: 402 },
                label: label.map(str::to_owned),
                process: process.map(|(pid, command)| (pid, command.to_owned())),
                processes: 1,
                own: false,
            })
        };
        assert_eq!(of(Some("web"), Some((7, "nginx"))), "web (nginx, pid 7)");
        assert_eq!(of(None, Some((7, "nginx"))), "nginx, pid 7");
        assert_eq!((of(Some("web"), None), of(None, None)), ("web".into(), "[402]".into()));
    }
}
