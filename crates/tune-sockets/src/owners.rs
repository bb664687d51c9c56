//! Which processes have the half-closed connections.

use std::net::IpAddr;
use std::time::Duration;

use tune_host::{Host, SocketHolder};

use crate::quick::QuickMap;
use crate::state::TcpState;
use crate::tally::{HeldSocket, leading};

/// How many ports and peers of an owner are told.
const LEADING: usize = 5;

/// A process that has half-closed connections open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Its id.
    pub pid: i32,
    /// The name of its program.
    pub command: String,
    /// The user it runs as; `None` where that cannot be told.
    pub uid: Option<u32>,
    /// How many connections in FIN_WAIT_2 it has.
    pub fin_wait_2: u64,
    /// How many connections in CLOSE_WAIT it has.
    pub close_wait: u64,
    /// How many of both other processes have as well, as children that inherited them.
    pub shared: u64,
    /// How many descriptors these take; more than connections where some were duplicated.
    pub descriptors: u64,
    /// For how long at least the least and the most idle one has been idle, where that was asked for.
    pub idle: Option<(Duration, Duration)>,
    /// The local ports with the most of them, the most first.
    pub ports: Vec<(u16, u64)>,
    /// The peers with the most of them, the most first.
    pub peers: Vec<(IpAddr, u64)>,
}

impl Owner {
    /// Returns how many connections it has.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.fin_wait_2 + self.close_wait
    }
}

/// The owners of half-closed connections.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Owners {
    /// Those that are known, the one with the most first.
    pub list: Vec<Owner>,
    /// How many held connections no process that can be seen has.
    pub unnamed: u64,
    /// How many processes the caller may not look into.
    pub unreadable: usize,
}

/// Held connections, and where each is by its inode.
#[derive(Debug)]
pub(crate) struct Held {
    sockets: Vec<HeldSocket>,
    places: QuickMap<u64, usize>,
}

impl Held {
    pub(crate) fn new(sockets: Vec<HeldSocket>) -> Self {
        let places = sockets.iter().enumerate().map(|(place, socket)| (socket.inode, place)).collect();
        Self { sockets, places }
    }

    fn find(&self, inode: u64) -> Option<usize> {
        self.places.get(&inode).copied()
    }
}

/// Finds the owners of held connections.
pub(crate) fn owners(host: &dyn Host, held: &Held) -> Owners {
    if held.sockets.is_empty() {
        return Owners::default();
    }
    let found = host.socket_holders(None, &|inode| held.find(inode).is_some());
    attribute(held, &found.holders, found.unreadable)
}

fn attribute(held: &Held, holders: &[SocketHolder], unreadable: usize) -> Owners {
    let mut times_held = vec![0_u32; held.sockets.len()];
    let mut last_holder = vec![None; held.sockets.len()];
    let of_holders: Vec<_> = holders.iter().map(|holder| distinct(held, holder, &mut last_holder)).collect();
    for at in of_holders.iter().flatten() {
        times_held[*at] += 1;
    }
    let mut list: Vec<_> = holders
        .iter()
        .zip(&of_holders)
        .filter(|(_, sockets)| !sockets.is_empty())
        .map(|(holder, sockets)| owner(held, holder, sockets, &times_held))
        .collect();
    list.sort_by_key(|owner| (std::cmp::Reverse(owner.total()), owner.pid));
    let unnamed = times_held.iter().filter(|times| **times == 0).count();
    Owners { list, unnamed: unnamed as u64, unreadable }
}

/// Returns the places of a process's connections, each once, and notes for each that this process was the last to have it.
fn distinct(held: &Held, holder: &SocketHolder, last_holder: &mut [Option<i32>]) -> Vec<usize> {
    let places = holder.sockets.iter().filter_map(|inode| held.find(*inode));
    places.filter(|at| last_holder[*at].replace(holder.pid) != Some(holder.pid)).collect()
}

fn owner(held: &Held, holder: &SocketHolder, places: &[usize], times_held: &[u32]) -> Owner {
    let sockets = || places.iter().map(|at| &held.sockets[*at]);
    let in_state = |state| sockets().filter(|socket| socket.state == state).count() as u64;
    let idle = || sockets().filter_map(|socket| socket.idle);
    Owner {
        pid: holder.pid,
        command: holder.command.clone(),
        uid: holder.uid,
        fin_wait_2: in_state(TcpState::FinWait2),
        close_wait: in_state(TcpState::CloseWait),
        shared: places.iter().filter(|at| times_held[**at] > 1).count() as u64,
        descriptors: holder.sockets.len() as u64,
        idle: idle().min().zip(idle().max()),
        ports: most(sockets().map(|socket| socket.port)),
        peers: most(sockets().map(|socket| socket.peer)),
    }
}

fn most<K: Ord + Copy + std::hash::Hash>(keys: impl Iterator<Item = K>) -> Vec<(K, u64)> {
    let mut counts: QuickMap<K, u64> = QuickMap::default();
    keys.for_each(|key| *counts.entry(key).or_default() += 1);
    let mut list: Vec<_> = counts.into_iter().collect();
    leading(&mut list, LEADING, |count| *count);
    list
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn socket(inode: u64, state: TcpState, idle: u64) -> HeldSocket {
        let peer = "192.0.2.1".parse().unwrap();
        HeldSocket { inode, state, port: 80, peer, idle: Some(Duration::from_secs(idle)) }
    }

    fn holder(pid: i32, sockets: &[u64]) -> SocketHolder {
        SocketHolder { pid, command: format!("worker-{pid}"), uid: Some(0), sockets: sockets.to_vec() }
    }

    #[test]
    fn owners_share_duplicate_and_lack_connections() {
        let held = Held::new(vec![
            socket(30, TcpState::CloseWait, 9),
            socket(10, TcpState::FinWait2, 3),
            socket(20, TcpState::FinWait2, 5),
            socket(40, TcpState::FinWait2, 1),
        ]);
        // 10 twice in one process; 20 in both; 40 in none; 99 is none of ours.
        let owners = attribute(&held, &[holder(1, &[10, 20, 10]), holder(2, &[30, 20]), holder(3, &[99])], 4);
        assert_eq!((owners.unnamed, owners.unreadable, owners.list.len()), (1, 4, 2));
        let first = &owners.list[0];
        assert_eq!((first.pid, first.fin_wait_2, first.close_wait, first.shared), (1, 2, 0, 1));
        assert_eq!(first.descriptors, 3);
        assert_eq!(first.idle, Some((Duration::from_secs(3), Duration::from_secs(5))));
        assert_eq!(first.ports, [(80, 2)]);
        let second = &owners.list[1];
        assert_eq!((second.fin_wait_2, second.close_wait, second.shared), (1, 1, 1));
    }
}
