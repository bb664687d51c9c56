//! Connections counted while they are read, so that many take little memory.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use crate::connection::{Connection, Family, Holding, Orphan, TimerKind};
use crate::ports::SharesByPort;
use crate::quick::QuickMap;
use crate::state::{StateSet, TcpState};

/// How many peers are counted one by one; those of further addresses are counted together.
const MOST_PEERS: usize = 100_000;
/// How many held connections are kept to find out who has them.
const MOST_HELD: usize = 250_000;

/// How many connections there are by state and family.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    by_family: [[u64; Family::ALL.len()]; TcpState::ALL.len()],
    unknown: [u64; TcpState::ALL.len()],
}

impl Counts {
    /// Returns how many are in a state, of one family.
    #[must_use]
    pub const fn of(&self, state: TcpState, family: Family) -> u64 {
        self.by_family[state as usize][family as usize]
    }

    /// Returns how many are in a state whose family the system does not tell.
    #[must_use]
    pub const fn of_unknown_family(&self, state: TcpState) -> u64 {
        self.unknown[state as usize]
    }

    /// Returns how many are in a state.
    #[must_use]
    pub const fn of_state(&self, state: TcpState) -> u64 {
        self.of(state, Family::Ipv4) + self.of(state, Family::Ipv6) + self.of_unknown_family(state)
    }

    /// Returns how many there are.
    #[must_use]
    pub fn total(&self) -> u64 {
        TcpState::ALL.into_iter().map(|state| self.of_state(state)).sum()
    }

    const fn add(&mut self, state: TcpState, family: Family) {
        self.add_many(state, family, 1);
    }

    /// Counts some more.
    pub const fn add_many(&mut self, state: TcpState, family: Family, many: u64) {
        self.by_family[state as usize][family as usize] += many;
    }

    fn merge(&mut self, other: &Self) {
        let theirs = other.by_family.iter().flatten().chain(&other.unknown);
        let mine = self.by_family.iter_mut().flatten().chain(&mut self.unknown);
        mine.zip(theirs).for_each(|(mine, theirs)| *mine += theirs);
    }

    pub(crate) const fn add_unknown(&mut self, state: TcpState, many: u64) {
        self.unknown[state as usize] = self.unknown[state as usize].saturating_add(many);
    }
}

/// How many connections in one state are had by whom.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Orphans that are small records with a timer.
    pub minisocks: u64,
    /// Orphans that are whole sockets.
    pub full_sockets: u64,
    /// Held by a process, and no timer runs: the kernel will never end them.
    pub held_without_timer: u64,
    /// Held by a process, and some timer runs, keepalive mostly: a peer that is gone is noticed.
    pub held_with_timer: u64,
    /// In a listener's queue.
    pub unaccepted: u64,
    /// The system does not tell.
    pub unknown: u64,
}

impl Holdings {
    /// Returns how many no process has any more.
    #[must_use]
    pub const fn orphaned(&self) -> u64 {
        self.minisocks + self.full_sockets
    }

    /// Returns how many processes have open.
    #[must_use]
    pub const fn held(&self) -> u64 {
        self.held_without_timer + self.held_with_timer
    }

    /// Returns how many there are.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.orphaned() + self.held() + self.unaccepted + self.unknown
    }

    const fn merge(&mut self, other: Self) {
        self.minisocks += other.minisocks;
        self.full_sockets += other.full_sockets;
        self.held_without_timer += other.held_without_timer;
        self.held_with_timer += other.held_with_timer;
        self.unaccepted += other.unaccepted;
        self.unknown += other.unknown;
    }

    fn add(&mut self, connection: &Connection) {
        let idle = connection.timer.is_none_or(|timer| timer.kind == TimerKind::Off);
        *match connection.holding {
            Holding::Orphaned(Orphan::Minisock) => &mut self.minisocks,
            Holding::Orphaned(Orphan::FullSocket) => &mut self.full_sockets,
            Holding::Held if idle => &mut self.held_without_timer,
            Holding::Held => &mut self.held_with_timer,
            Holding::Unaccepted => &mut self.unaccepted,
            Holding::Unknown => &mut self.unknown,
        } += 1;
    }
}

/// How many orphans in FIN_WAIT_2 have how long left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TimeLeft {
    /// By time: those that end within the bound of the same place, and not within the one before.
    pub within: [u64; Self::BOUNDS.len()],
    /// Those that take longer than the last bound.
    pub longer: u64,
    /// Those whose time is not known.
    pub unknown: u64,
}

impl TimeLeft {
    /// The bounds.
    pub const BOUNDS: [Duration; 5] = [
        Duration::from_secs(5),
        Duration::from_secs(15),
        Duration::from_secs(30),
        Duration::from_secs(60),
        Duration::from_secs(120),
    ];

    fn merge(&mut self, other: &Self) {
        self.within.iter_mut().zip(other.within).for_each(|(mine, theirs)| *mine += theirs);
        self.longer += other.longer;
        self.unknown += other.unknown;
    }

    fn add(&mut self, left: Option<Duration>) {
        let bound = |left: Duration| Self::BOUNDS.iter().position(|bound| left <= *bound);
        *match left.map(bound) {
            Some(Some(at)) => &mut self.within[at],
            Some(None) => &mut self.longer,
            None => &mut self.unknown,
        } += 1;
    }
}

/// What half-closed connections a port or a peer has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// In FIN_WAIT_2, and no process has them any more.
    pub orphaned: u64,
    /// In FIN_WAIT_2, and a process has them.
    pub held: u64,
    /// In FIN_WAIT_2, and the system does not tell.
    pub unknown: u64,
    /// In CLOSE_WAIT.
    pub close_wait: u64,
}

impl Share {
    /// Returns how many are in FIN_WAIT_2.
    #[must_use]
    pub const fn fin_wait_2(&self) -> u64 {
        self.orphaned + self.held + self.unknown
    }

    /// Returns how many there are.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.fin_wait_2() + self.close_wait
    }

    pub(crate) const fn merge(&mut self, other: Self) {
        self.orphaned += other.orphaned;
        self.held += other.held;
        self.unknown += other.unknown;
        self.close_wait += other.close_wait;
    }

    fn add(&mut self, connection: &Connection) {
        *match (connection.state, connection.holding) {
            (TcpState::CloseWait, _) => &mut self.close_wait,
            (_, Holding::Orphaned(_)) => &mut self.orphaned,
            (_, Holding::Held) => &mut self.held,
            _ => &mut self.unknown,
        } += 1;
    }
}

/// A held half-closed connection, as much of it as its holder is told by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HeldSocket {
    pub(crate) inode: u64,
    pub(crate) state: TcpState,
    pub(crate) port: u16,
    pub(crate) peer: IpAddr,
    pub(crate) idle: Option<Duration>,
}

/// What is counted.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// All connections by state and family.
    pub counts: Counts,
    holdings: [Holdings; TcpState::ALL.len()],
    /// Orphans in FIN_WAIT_2 by the time that they have left.
    pub time_left: TimeLeft,
    ports: SharesByPort,
    peers: QuickMap<IpAddr, Share>,
    /// What peers have that are not counted one by one.
    pub other_peers: Share,
    /// Ports with a listener.
    pub listening: BTreeSet<u16>,
    held: Vec<HeldSocket>,
    /// How many held half-closed connections were not kept to find their holders.
    pub held_beyond: u64,
}

/// What of a connection is counted besides its state.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wanted {
    /// Keep what tells the holders of held connections.
    pub(crate) holders: bool,
    /// The FIN_WAIT_2 timeout in force.
    pub(crate) fin_timeout: Option<Duration>,
}

impl Tally {
    /// Counts a connection.
    pub(crate) fn add(&mut self, connection: &Connection, wanted: Wanted) {
        let state = connection.state;
        self.counts.add(state, connection.family);
        self.holdings[state as usize].add(connection);
        if state == TcpState::Listen {
            self.listening.insert(connection.local.port());
        }
        if !StateSet::HALF_CLOSED.has(state) {
            return;
        }
        self.ports.of(connection.local.port()).add(connection);
        self.add_to_peer(connection);
        if connection.holding.is_orphaned() && state == TcpState::FinWait2 {
            self.time_left.add(connection.time_left(wanted.fin_timeout));
        }
        if wanted.holders && connection.holding == Holding::Held {
            self.keep(connection);
        }
    }

    fn add_to_peer(&mut self, connection: &Connection) {
        let peer = connection.peer();
        let full = self.peers.len() >= MOST_PEERS;
        match self.peers.get_mut(&peer) {
            Some(share) => share.add(connection),
            None if full => self.other_peers.add(connection),
            None => self.peers.entry(peer).or_default().add(connection),
        }
    }

    fn keep(&mut self, connection: &Connection) {
        if self.held.len() >= MOST_HELD {
            self.held_beyond += 1;
            return;
        }
        self.held.push(HeldSocket {
            inode: connection.inode,
            state: connection.state,
            port: connection.local.port(),
            peer: connection.peer(),
            idle: connection.idle,
        });
    }

    /// Returns who has the connections in one state.
    #[must_use]
    pub const fn holdings(&self, state: TcpState) -> &Holdings {
        &self.holdings[state as usize]
    }

    /// Returns what half-closed connections each local port has, by port.
    #[must_use]
    pub fn ports(&self) -> BTreeMap<u16, Share> {
        self.ports.iter().collect()
    }

    /// Returns the peers with the most half-closed connections, the most first.
    #[must_use]
    pub fn leading_peers(&self, many: usize) -> Vec<(IpAddr, Share)> {
        let mut peers: Vec<_> = self.peers.iter().map(|(peer, share)| (*peer, *share)).collect();
        leading(&mut peers, many, Share::total);
        peers
    }

    /// Returns how many peers were counted one by one.
    #[must_use]
    pub fn peers_counted(&self) -> usize {
        self.peers.len()
    }

    /// Adds what was counted elsewhere.
    pub(crate) fn merge(&mut self, other: Self) {
        // Nothing is here yet: the tables are taken as they are.
        if self.counts == Counts::default() {
            *self = other;
            return;
        }
        self.counts.merge(&other.counts);
        for (mine, theirs) in self.holdings.iter_mut().zip(other.holdings) {
            mine.merge(theirs);
        }
        self.time_left.merge(&other.time_left);
        self.ports.merge(other.ports);
        self.other_peers.merge(other.other_peers);
        self.merge_peers(other.peers);
        self.listening.extend(other.listening);
        let room = MOST_HELD.saturating_sub(self.held.len());
        self.held_beyond += other.held_beyond + other.held.len().saturating_sub(room) as u64;
        self.held.extend(other.held.into_iter().take(room));
    }

    fn merge_peers(&mut self, other: QuickMap<IpAddr, Share>) {
        for (peer, share) in other {
            let full = self.peers.len() >= MOST_PEERS;
            match self.peers.get_mut(&peer) {
                Some(mine) => mine.merge(share),
                None if full => self.other_peers.merge(share),
                None => drop(self.peers.insert(peer, share)),
            }
        }
    }

    pub(crate) fn take_held(&mut self) -> Vec<HeldSocket> {
        std::mem::take(&mut self.held)
    }
}

/// Keeps the largest, in order; equals in the order of their keys.
pub(crate) fn leading<K: Ord + Copy, S>(list: &mut Vec<(K, S)>, many: usize, size: impl Fn(&S) -> u64) {
    let order = |(key, share): &(K, S)| (std::cmp::Reverse(size(share)), *key);
    if many < list.len() {
        list.select_nth_unstable_by_key(many, order);
        list.truncate(many);
    }
    list.sort_unstable_by_key(order);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::Timer;
    use crate::connection::tests::example;

    #[test]
    fn what_is_counted_adds_up() {
        let orphan = Connection {
            holding: Holding::Orphaned(Orphan::Minisock),
            timer: Some(Timer { kind: TimerKind::TimeWait, left: Duration::from_secs(20) }),
            inode: 0,
            ..example()
        };
        let close_wait = Connection { state: TcpState::CloseWait, ..example() };
        let listener =
            Connection { state: TcpState::Listen, timer: None, holding: Holding::Held, ..example() };
        let mut tally = Tally::default();
        let wanted = Wanted { holders: true, fin_timeout: None };
        for connection in [&orphan, &example(), &close_wait, &listener] {
            tally.add(connection, wanted);
        }
        assert_eq!(tally.counts.total(), 4);
        assert_eq!(tally.counts.of(TcpState::FinWait2, Family::Ipv4), 2);
        let fin_wait_2 = tally.holdings(TcpState::FinWait2);
        assert_eq!((fin_wait_2.orphaned(), fin_wait_2.held(), fin_wait_2.total()), (1, 1, 2));
        let share = Share { orphaned: 1, held: 1, unknown: 0, close_wait: 1 };
        assert_eq!(tally.ports(), [(80, share)].into());
        assert_eq!(tally.leading_peers(9), [(orphan.peer(), share)]);
        assert_eq!(tally.time_left.within, [0, 0, 1, 0, 0]);
        assert_eq!(tally.listening, [80].into());
        assert_eq!(tally.take_held().len(), 2);
    }

    #[test]
    fn counts_of_two_halves_add_up_to_those_of_the_whole() {
        let states = [TcpState::FinWait2, TcpState::CloseWait, TcpState::Listen, TcpState::FinWait1];
        let holdings = [
            Holding::Held,
            Holding::Orphaned(Orphan::Minisock),
            Holding::Orphaned(Orphan::FullSocket),
            Holding::Unaccepted,
            Holding::Unknown,
        ];
        let all: Vec<_> = (0..200_u16)
            .map(|number| Connection {
                state: states[usize::from(number) % states.len()],
                holding: holdings[usize::from(number) % holdings.len()],
                local: ([127, 0, 0, 1], number % 7).into(),
                remote: ([192, 0, 2, u8::try_from(number % 30).unwrap_or(0)], number).into(),
                inode: number.into(),
                timer: Some(Timer {
                    kind: TimerKind::TimeWait,
                    left: Duration::from_secs(u64::from(number)),
                }),
                ..example()
            })
            .collect();
        let wanted = Wanted { holders: true, fin_timeout: None };
        let count = |connections: &[Connection]| {
            let mut tally = Tally::default();
            connections.iter().for_each(|connection| tally.add(connection, wanted));
            tally
        };
        let whole = count(&all);
        for cut in [0, 1, 77, 200] {
            let mut halves = count(&all[..cut]);
            halves.merge(count(&all[cut..]));
            assert_eq!((halves.counts, halves.holdings), (whole.counts, whole.holdings));
            assert_eq!((halves.time_left, &halves.listening), (whole.time_left, &whole.listening));
            assert_eq!((halves.ports(), &halves.peers), (whole.ports(), &whole.peers));
            assert_eq!(halves.held, whole.held);
        }
    }

    #[test]
    fn peers_beyond_the_limit_are_counted_together() {
        let mut tally = Tally::default();
        for number in 0..u32::try_from(MOST_PEERS).unwrap_or(0) + 10 {
            let peer = std::net::Ipv4Addr::from(number);
            let connection = Connection { remote: (peer, 1).into(), ..example() };
            tally.add(&connection, Wanted::default());
        }
        assert_eq!(tally.peers_counted(), MOST_PEERS);
        assert_eq!(tally.other_peers.held, 10);
    }
}
