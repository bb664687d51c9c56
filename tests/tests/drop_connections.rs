//! Dropping connections of the real kernel: what becomes of each sort, and that nothing else is touched.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use tune_host::{Host, LiveHost};
use tune_sockets::drop::{Choice, MOST, Outcome, Totals, choose};
use tune_sockets::{Connection, Filter, Holding, Options, Orphan, StateSet, TcpState, take};
use tune_tests::half_closed::{Closer, Made, Peers, Work, in_a_namespace, set_fin_timeout};
use tune_tests::needs_root;

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_tune-half-close"))
}

fn all(host: &dyn Host) -> Vec<Connection> {
    let filter = format!("state={}", StateSet::ALL).parse().unwrap();
    take(host, &Options::listing(filter, usize::MAX)).unwrap().connections
}

/// Every connection by its addresses, in its state.
fn table(host: &dyn Host) -> BTreeSet<(SocketAddr, SocketAddr, TcpState)> {
    for _ in 0..200 {
        let list = all(host);
        if list.iter().all(|connection| connection.state != TcpState::FinWait1) {
            let row = |connection: &Connection| (connection.local, connection.remote, connection.state);
            return list.iter().map(row).collect();
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("some connections stay in FIN_WAIT_1");
}

fn chosen(host: &dyn Host, filter: &str) -> Choice {
    let filter: Filter = filter.parse().unwrap();
    choose(host, &filter, MOST, Some(Duration::from_secs(60))).unwrap()
}

fn dropped(host: &LiveHost, filter: &str) -> Totals {
    let choice = chosen(host, filter);
    let outcomes = choice.carry_out(host, &mut |_, _| ControlFlow::Continue(())).unwrap();
    Totals::of(&outcomes)
}

/// Resets that the kernel counts: connections reset, and segments sent to do so.
fn resets(host: &dyn Host) -> [u64; 2] {
    let mut text = Vec::new();
    let mut receive = |piece: &[u8]| {
        text.extend(piece);
        ControlFlow::Continue(())
    };
    host.read_network_file("snmp", &mut receive).unwrap();
    let text = String::from_utf8(text).unwrap();
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
    let value = |wanted: &str| {
        let at = names.split(' ').position(|name| name == wanted).unwrap();
        values.split(' ').nth(at).unwrap().parse().unwrap()
    };
    ["EstabResets", "OutRsts"].map(value)
}

/// The row of a connection, and that of its peer.
fn rows(made: &Made) -> [(SocketAddr, SocketAddr, TcpState); 2] {
    [(made.local, made.remote, TcpState::FinWait2), (made.remote, made.local, TcpState::CloseWait)]
}

const MANY: usize = 10;

#[test]
fn each_sort_ends_as_it_must_and_nothing_else_is_touched() {
    if !needs_root() {
        return;
    }
    in_a_namespace(|| {
        let host = LiveHost::own();
        let peers = Peers::for_connections(program(), 100);
        set_fin_timeout(3660);
        let full = Work { orphaned: MANY, ..Work::default() };
        let [full, _other_full] = Closer::all(program(), &peers, &[full, full]).try_into().unwrap();
        table(&host);
        set_fin_timeout(60);
        let work = Work { held: MANY, orphaned: MANY, ..Work::default() };
        let closers = Closer::all(program(), &peers, &[work, work]);
        let mut wanted = table(&host);
        assert_eq!(wanted.len(), 2 * 6 * MANY + peers.addresses.len());
        // Every one of a sort, chosen by the ports that the first process of two got.
        let ports = |list: &mut dyn Iterator<Item = &Made>| {
            list.map(|made| format!(" local-port={}", made.local.port())).collect::<String>()
        };
        let mut expect = |made: &Made, peer_stays: bool| {
            let [row, peer] = rows(made);
            assert!(wanted.remove(&row), "{row:?}");
            assert!(peer_stays || wanted.remove(&peer), "{peer:?}");
        };

        // A minisock vanishes in silence: the peer is not told. Those that were in use when the peer confirmed are none.
        let is_minisock = |connection: &Connection| connection.holding == Holding::Orphaned(Orphan::Minisock);
        let list = all(&host);
        let locals: BTreeSet<_> = list.iter().filter(|one| is_minisock(one)).map(|one| one.local).collect();
        let minisocks = || closers[0].made.iter().filter(|made| locals.contains(&made.local));
        assert!(minisocks().count() > MANY / 2);
        let before = resets(&host);
        let totals = dropped(&host, &format!("orphaned state=fin-wait-2{}", ports(&mut minisocks())));
        assert_eq!(totals, Totals { aborted: minisocks().count(), ..Totals::default() });
        assert_eq!(resets(&host), before);
        minisocks().for_each(|made| expect(made, true));

        // A whole socket, orphaned or held, is reset, and so is the peer.
        let totals = dropped(&host, &format!("orphaned{}", ports(&mut full.made.iter())));
        assert_eq!(totals, Totals { aborted: MANY, ..Totals::default() });
        full.made.iter().for_each(|made| expect(made, false));
        let totals = dropped(&host, &format!("held state=fin-wait-2 pid={}", closers[0].pid()));
        assert_eq!(totals, Totals { aborted: MANY, ..Totals::default() });
        closers[0].held().for_each(|made| expect(made, false));
        let many = 2 * MANY as u64;
        let after = resets(&host);
        assert!(after[0] >= before[0] + many && after[1] >= before[1] + many, "{before:?} {after:?}");

        assert_eq!(table(&host), wanted);
        let [aborted, alone] = <[Closer; 2]>::try_from(closers).unwrap();
        let held: BTreeSet<_> = aborted.held().map(|made| made.local).collect();
        assert_eq!(aborted.found_aborted().into_iter().collect::<BTreeSet<_>>(), held);
        assert!(alone.found_aborted().is_empty());
    });
}

#[test]
fn the_own_sessions_connections_are_never_chosen() {
    if !needs_root() {
        return;
    }
    in_a_namespace(|| {
        let host = LiveHost::own();
        let peers = Peers::for_connections(program(), 10);
        let established = TcpStream::connect(peers.addresses[0]).unwrap();
        let half_closed = TcpStream::connect(peers.addresses[1]).unwrap();
        half_closed.shutdown(Shutdown::Write).unwrap();
        table(&host);
        for (filter, own, chosen_ones) in [
            // The other end of each is the peer's.
            ("state=established", established.local_addr().unwrap(), 1),
            ("state=fin-wait-2", half_closed.local_addr().unwrap(), 0),
        ] {
            let choice = chosen(&host, filter);
            let of = |list: &[tune_sockets::drop::Chosen]| -> Vec<_> {
                list.iter().map(|chosen| chosen.connection.local).collect()
            };
            assert_eq!(of(&choice.own), [own], "{filter}");
            assert_eq!(choice.chosen.len(), chosen_ones, "{filter}");
            assert_eq!(choice.unreadable_ancestors, 0);
        }
        let held = chosen(&host, "held");
        assert!(held.chosen.iter().all(|chosen| chosen.connection.state == TcpState::CloseWait));
    });
}

#[test]
fn what_is_gone_or_changed_when_its_turn_comes_is_left_alone() {
    if !needs_root() {
        return;
    }
    in_a_namespace(|| {
        let host = LiveHost::own();
        let peers = Peers::for_connections(program(), 10);
        let held = Work { held: 2, ..Work::default() };
        let mut closers = Closer::all(program(), &peers, &[held, held]);
        table(&host);
        let choice = chosen(&host, "state=fin-wait-2");
        assert_eq!(choice.chosen.len(), 4);
        assert!(choice.chosen.iter().all(|chosen| chosen.holders.len() == 1));
        // Two are orphans by now: the same connections, which the kernel ends by itself.
        let orphaned: Vec<_> = closers.remove(0).made.iter().map(|made| made.local).collect();
        table(&host);
        let outcomes = choice.carry_out(&host, &mut |_, _| ControlFlow::Continue(())).unwrap();
        for (chosen, outcome) in choice.chosen.iter().zip(&outcomes) {
            let other = orphaned.contains(&chosen.connection.local);
            let wanted = if other { Outcome::Changed } else { Outcome::Aborted };
            assert_eq!(*outcome, wanted, "{chosen:?}");
        }
        assert_eq!(Totals::of(&outcomes), Totals { aborted: 2, changed: 2, ..Totals::default() });
        let again = choice.carry_out(&host, &mut |_, _| ControlFlow::Continue(())).unwrap();
        assert_eq!(Totals::of(&again), Totals { gone: 2, changed: 2, ..Totals::default() });
    });
}
