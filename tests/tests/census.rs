//! The census against the real kernel: every one of many connections is what the processes that made it know it to be.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use tune_host::{Host, LiveHost};
use tune_sockets::inet_diag::{Half, ListReader, Part, Progress, list_request};
use tune_sockets::{
    Census, Connection, Endian, Family, Holding, Options, Orphan, Source, StateSet, TcpState, proc_net, take,
};
use tune_tests::half_closed::{
    Closer, Peers, Work, for_every_user, in_a_namespace, most_descriptors, set_fin_timeout,
};
use tune_tests::{may_run, needs_root};

const NOBODY: u32 = 65534;

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_tune-half-close"))
}

/// Everything is closed, and the peers have confirmed it.
fn settled(host: &dyn Host) -> Census {
    for _ in 0..200 {
        let census = take(host, &Options::naming_owners(StateSet::ALL)).unwrap();
        if census.tally.counts.of_state(TcpState::FinWait1) == 0 {
            return census;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("some connections stay in FIN_WAIT_1");
}

/// What is known of each connection, by its addresses: who has it, its inode, and its user. Of an orphan's user nothing
/// is: the kernel may forget it.
type Known = HashMap<(SocketAddr, SocketAddr), (Who, u64, Option<u32>)>;

/// Who has a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Process,
    /// Nobody, and the kernel keeps a whole socket.
    NobodyForLong,
    /// Nobody, and the kernel keeps either form: a whole socket where it was in use when the peer confirmed.
    Nobody,
}

impl Who {
    fn is(self, connection: &Connection) -> bool {
        match self {
            Self::Process => connection.holding == Holding::Held,
            Self::NobodyForLong => connection.holding == Holding::Orphaned(Orphan::FullSocket),
            Self::Nobody => connection.holding.is_orphaned(),
        }
    }
}

/// Returns how many minisocks the kernel counts in the namespace of the calling thread.
fn minisocks() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/net/sockstat").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("TCP: ")).unwrap();
    let words: Vec<_> = line.split(' ').collect();
    let at = words.iter().position(|word| *word == "tw").unwrap();
    words[at + 1].parse().unwrap()
}

fn note(known: &mut Known, closers: &[Closer], orphan: Who) {
    for closer in closers {
        for made in &closer.made {
            let what = match made.inode {
                Some(inode) => (Who::Process, inode, Some(closer.user())),
                None => (orphan, 0, None),
            };
            assert!(known.insert((made.local, made.remote), what).is_none());
        }
    }
}

/// Lists the connections in FIN_WAIT_2 and returns how many are not what is known of them.
fn mistakes(host: &dyn Host, known: &Known) -> usize {
    let filter = "state=fin-wait-2".parse().unwrap();
    let census = take(host, &Options::listing(filter, usize::MAX)).unwrap();
    assert_eq!((census.source, census.inexact), (Source::InetDiag, false));
    let mut left = known.clone();
    let wrong = |connection: &Connection| {
        let user = connection.uid.filter(|_| !connection.holding.is_orphaned());
        let known = left.remove(&(connection.local, connection.remote));
        known.is_none_or(|(who, inode, owner)| {
            !who.is(connection) || (inode, owner) != (connection.inode, user)
        })
    };
    let wrong = census.connections.iter().map(wrong).filter(|wrong| *wrong).count();
    wrong + left.len()
}

/// Demands that the owners are those that hold connections, each with as many as it made.
fn owners_are(census: &Census, closers: &[Closer], peers: &Peers) {
    let owners = census.owners.as_ref().unwrap();
    let mut wanted: BTreeMap<i32, (u32, u64)> = BTreeMap::new();
    for closer in closers.iter().filter(|closer| closer.held().count() > 0) {
        wanted.insert(closer.pid(), (closer.user(), closer.held().count() as u64));
    }
    let holding = owners.list.iter().filter(|owner| owner.fin_wait_2 > 0);
    let found = holding.map(|owner| (owner.pid, (owner.uid.unwrap(), owner.fin_wait_2))).collect();
    assert_eq!(wanted, found);
    let waiting = owners.list.iter().filter(|owner| owner.close_wait > 0);
    let mut pids: Vec<_> = waiting.map(|owner| owner.pid).collect();
    pids.sort_unstable();
    let mut peers = peers.pids();
    peers.sort_unstable();
    assert_eq!(pids, peers);
    assert!(owners.list.iter().all(|owner| owner.command == "tune-half-close"));
    assert_eq!((owners.unnamed, owners.unreadable), (0, 0));
}

#[test]
fn every_one_of_forty_thousand_connections_is_classified_and_its_owner_named() {
    const PROCESSES: usize = 4;
    const HELD: usize = 5_050;
    const MINISOCKS: usize = 4_600;
    const FULL_SOCKETS: usize = 1_000;
    const ALL: usize = PROCESSES * (HELD + MINISOCKS) + 2 * FULL_SOCKETS;
    let few = (most_descriptors() < 2 * HELD).then(|| "needs 10,000 descriptors for a process".to_owned());
    if !needs_root() || !may_run(few) {
        return;
    }
    let (_directory, program) = for_every_user(program());
    in_a_namespace(|| {
        let host = LiveHost::own();
        let peers = Peers::for_connections(&program, ALL);
        // Closed under a timeout so long that they stay whole sockets for an hour.
        set_fin_timeout(3660);
        let long = Work { orphaned: FULL_SOCKETS, ..Work::default() };
        let long = Closer::all(&program, &peers, &[long, Work { user: NOBODY, ..long }]);
        settled(&host);
        set_fin_timeout(60);
        let work = Work { held: HELD, orphaned: MINISOCKS, ..Work::default() };
        let other = Work { user: NOBODY, ..work };
        let closers = Closer::all(&program, &peers, &[work, other, other, work]);
        let census = settled(&host);

        let mut known = Known::new();
        note(&mut known, &long, Who::NobodyForLong);
        note(&mut known, &closers, Who::Nobody);
        assert_eq!((known.len(), mistakes(&host, &known)), (ALL, 0));

        let found = census.tally.holdings(TcpState::FinWait2);
        let held = (PROCESSES * HELD) as u64;
        assert_eq!((found.held_without_timer, found.held_with_timer), (held, 0));
        assert_eq!(found.minisocks, minisocks());
        assert_eq!(found.orphaned(), (PROCESSES * MINISOCKS + 2 * FULL_SOCKETS) as u64);
        for family in Family::ALL {
            assert_eq!(census.tally.counts.of(TcpState::FinWait2, family), ALL as u64 / 2);
            assert_eq!(census.tally.counts.of(TcpState::CloseWait, family), ALL as u64 / 2);
        }
        let to: u64 = census.tally.leading_peers(9).iter().map(|(_, share)| share.fin_wait_2()).sum();
        assert_eq!(to, ALL as u64);
        assert_eq!(census.tally.listening, peers.addresses.iter().map(SocketAddr::port).collect());
        owners_are(&census, &closers, &peers);
        let idle = census.owners.unwrap().list[0].idle.unwrap();
        assert!(idle.0 <= idle.1 && idle.1 < Duration::from_secs(600), "{idle:?}");

        in_a_namespace(|| other_namespace(&program));
        assert_eq!(mistakes(&host, &known), 0);
    });
}

/// Another namespace has its own connections, and each sees the other's only where it is asked to.
fn other_namespace(program: &Path) {
    let peers = Peers::for_connections(program, 1000);
    let work = Work { held: 300, orphaned: 200, copies: 1, user: 0 };
    let closers = Closer::all(program, &peers, &[work]);
    let census = settled(&LiveHost::own());
    let mut known = Known::new();
    note(&mut known, &closers, Who::Nobody);
    assert_eq!(mistakes(&LiveHost::own(), &known), 0);
    owners_are(&census, &closers, &peers);
    let owner = census.owners.unwrap().list.into_iter().find(|owner| owner.pid == closers[0].pid()).unwrap();
    assert_eq!((owner.descriptors, owner.shared), (600, 0));

    // As the host sees it, from the namespace of another thread.
    let listed = LiveHost::own().network_namespaces();
    let lowest = *peers.pids().iter().min().unwrap();
    let ours = listed.iter().find(|namespace| namespace.own).unwrap();
    assert_eq!(ours.process.as_ref().unwrap().0, lowest);
    assert_eq!(ours.processes, peers.pids().len() + closers.len() + 1);
    let ours = ours.namespace.clone();
    std::thread::scope(|threads| {
        let elsewhere = threads.spawn(|| {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
            let there = LiveHost::again(ours).unwrap();
            assert_eq!(mistakes(&there, &known), 0);
            let empty = take(&LiveHost::own(), &Options::counting(StateSet::ALL)).unwrap();
            assert_eq!(empty.tally.counts.total(), 0);
        });
        elsewhere.join().unwrap();
    });
}

#[test]
fn the_text_of_the_kernel_tells_the_same_as_its_messages() {
    if !needs_root() {
        return;
    }
    in_a_namespace(|| {
        let host = LiveHost::own();
        let peers = Peers::for_connections(program(), 200);
        set_fin_timeout(3660);
        let long = Closer::all(program(), &peers, &[Work { orphaned: 30, ..Work::default() }]);
        settled(&host);
        set_fin_timeout(60);
        let work = Work { held: 40, orphaned: 30, ..Work::default() };
        let closers = Closer::all(program(), &peers, &[work]);
        settled(&host);
        let mut texts = Vec::new();
        for (name, family) in [("tcp", Family::Ipv4), ("tcp6", Family::Ipv6)] {
            let mut lines = proc_net::Lines::new(family, Endian::NATIVE);
            let mut each = |connection| texts.push(connection);
            host.read_network_file(name, &mut |piece| {
                assert!(lines.feed(piece, &mut each));
                ControlFlow::Continue(())
            })
            .unwrap();
            assert!(lines.end(&mut each));
        }
        let filter = format!("state={}", StateSet::ALL).parse().unwrap();
        let mut messages = take(&host, &Options::listing(filter, 1000)).unwrap().connections;
        let what = |connection: &Connection| {
            let ends = (connection.local, connection.remote);
            let who = (connection.holding, connection.inode, connection.uid);
            (ends.0.to_string(), ends.1.to_string(), connection.state, format!("{who:?}"))
        };
        let sorted = |list: &mut Vec<Connection>| {
            let mut list: Vec<_> = list.iter().map(what).collect();
            list.sort();
            list
        };
        let (texts, messages) = (sorted(&mut texts), sorted(&mut messages));
        assert_eq!(texts.len(), 200 + peers.addresses.len());
        assert_eq!(texts, messages);
        drop((long, closers));
    });
}

/// Asks the kernel for a list, and returns the addresses in it.
fn listed(host: &dyn Host, part: Part) -> Vec<(SocketAddr, SocketAddr, TcpState)> {
    let request = list_request(part, StateSet::ALL, false, Endian::NATIVE);
    let (mut found, mut end) = (Vec::new(), Progress::More);
    let mut list = ListReader::new(Endian::NATIVE);
    host.ask_for_sockets(&request, &mut |datagram| {
        end = list.read(datagram, |one| found.push((one.local, one.remote, one.state)));
        if end == Progress::More { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })
    .unwrap();
    assert_eq!(end, Progress::Complete);
    found.sort();
    found
}

#[test]
fn two_halves_of_the_kernels_list_make_the_whole() {
    if !needs_root() {
        return;
    }
    in_a_namespace(|| {
        let host = LiveHost::own();
        let peers = Peers::for_connections(program(), 400);
        let work = Work { held: 200, orphaned: 200, ..Work::default() };
        let _closers = Closer::all(program(), &peers, &[work]);
        settled(&host);
        let [one, other] = [Half::One, Half::Other].map(|half| listed(&host, Part::Half(half)));
        let families = Family::ALL.map(|family| listed(&host, Part::One(family)));
        let whole = listed(&host, Part::Both);
        assert_eq!(whole.len(), 800 + peers.addresses.len());
        assert!(!one.is_empty() && !other.is_empty());
        for parts in [[one, other], families] {
            let mut together = parts.concat();
            together.sort();
            assert_eq!(together, whole);
        }
    });
}
