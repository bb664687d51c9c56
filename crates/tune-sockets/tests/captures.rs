//! What kernels answered, decoded.

#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tune_sockets::inet_diag::{self, ListReader, Progress};
use tune_sockets::netstat::Netstat;
use tune_sockets::{
    Connection, Cookie, Endian, Family, Holding, Orphan, Timer, TimerKind, freebsd, proc_net,
};
use tune_sockets::{StateSet, TcpState};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(fixture(name)).unwrap()
}

fn text(name: &str) -> String {
    std::fs::read_to_string(fixture(name)).unwrap()
}

fn hex(name: &str) -> Vec<u8> {
    let digits: Vec<u8> = bytes(name).into_iter().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// Recorded on a machine whose numbers have their lowest byte first, with request numbers of its own.
fn inet_diag(name: &str) -> Vec<Connection> {
    let mut datagrams = bytes(name);
    let mut at = 0;
    let mut messages = Vec::new();
    while at < datagrams.len() {
        let length = u32::from_le_bytes(datagrams[at..at + 4].try_into().unwrap()) as usize;
        datagrams[at + 8..at + 12].copy_from_slice(&1_u32.to_le_bytes());
        messages.push((at, length));
        at += (length + 3) & !3;
    }
    let mut found = Vec::new();
    let mut list = ListReader::new(Endian::Little);
    for (at, length) in messages {
        let progress = list.read(&datagrams[at..at + length], |connection| found.push(connection));
        assert!(matches!(progress, Progress::More | Progress::Complete), "{name}: {progress:?}");
    }
    found
}

struct Known {
    entry: Value,
}

impl Known {
    fn number(&self, name: &str) -> u64 {
        self.entry[name].as_u64().unwrap()
    }

    fn is(&self, connection: &Connection, with_cookie: bool) {
        let family = if self.number("fam") == 2 { Family::Ipv4 } else { Family::Ipv6 };
        let address = if family == Family::Ipv4 { "127.0.0.1" } else { "::1" };
        let kind = match self.number("timer") {
            0 => TimerKind::Off,
            2 => TimerKind::Keepalive,
            3 => TimerKind::TimeWait,
            other => panic!("{other}"),
        };
        let state = match self.number("state") {
            1 => TcpState::Established,
            5 => TcpState::FinWait2,
            6 => TcpState::TimeWait,
            8 => TcpState::CloseWait,
            10 => TcpState::Listen,
            other => panic!("{other}"),
        };
        assert_eq!((connection.family, connection.state), (family, state));
        assert_eq!(u64::from(connection.local.port()), self.number("sport"));
        assert_eq!(u64::from(connection.remote.port()), self.number("dport"));
        assert_eq!(connection.local.ip().to_string(), address);
        if state != TcpState::Listen {
            assert_eq!(connection.remote.ip().to_string(), address);
        }
        assert_eq!(connection.inode, self.number("inode"));
        assert_eq!(u64::from(connection.uid.unwrap()), self.number("uid"));
        assert_eq!(u64::from(connection.receive_queue), self.number("rq"));
        let timer = connection.timer.unwrap();
        assert_eq!(timer.kind, kind);
        // The three lists were read one after the other, within a tenth of a second.
        let left = Duration::from_millis(self.number("expires"));
        assert!(timer.left.abs_diff(left) < Duration::from_millis(100), "{timer:?} {left:?}");
        if with_cookie {
            let half = |at: usize| u32::try_from(self.entry["cookie"][at].as_u64().unwrap()).unwrap();
            assert_eq!(connection.cookie, Some(Cookie([half(0), half(1)])));
            assert_eq!(u64::from(connection.send_queue), self.number("wq"));
        }
        assert_eq!(connection.holding, self.holding(state));
    }

    /// From how the socket was made, where that is known.
    fn holding(&self, state: TcpState) -> Holding {
        let orphan = match self.number("sport") {
            40_970 | 44_852 => Orphan::Minisock,
            55_092 | 58_878 => Orphan::FullSocket,
            _ if state == TcpState::TimeWait => Orphan::Minisock,
            _ => return Holding::Held,
        };
        Holding::Orphaned(orphan)
    }
}

fn known() -> Vec<Known> {
    let document: Value = serde_json::from_str(&text("linux/inet_diag-decoded.json")).unwrap();
    document["entries"].as_array().unwrap().iter().map(|entry| Known { entry: entry.clone() }).collect()
}

#[test]
fn every_recorded_socket_is_what_it_is_known_to_be() {
    let found = [inet_diag("linux/inet_diag-tcp4-all.bin"), inet_diag("linux/inet_diag-tcp6-all.bin")];
    let known = known();
    assert_eq!((found.concat().len(), known.len()), (29, 29));
    for (connection, known) in found.concat().iter().zip(&known) {
        known.is(connection, true);
    }
}

#[test]
fn a_list_of_one_state_has_those_of_the_whole_list() {
    for family in ["tcp4", "tcp6"] {
        let all = inet_diag(&format!("linux/inet_diag-{family}-all.bin"));
        let some = inet_diag(&format!("linux/inet_diag-{family}-finwait2.bin"));
        let of_all: Vec<_> = all.iter().filter(|connection| connection.state == TcpState::FinWait2).collect();
        assert_eq!(of_all.len(), some.len());
        for (one, other) in of_all.iter().zip(&some) {
            assert_eq!((one.cookie, one.holding, one.inode), (other.cookie, other.holding, other.inode));
        }
    }
}

#[test]
fn proc_net_tells_the_same() {
    let mut found = Vec::new();
    for (name, family) in
        [("linux/proc-net-tcp.txt", Family::Ipv4), ("linux/proc-net-tcp6.txt", Family::Ipv6)]
    {
        // In pieces that end anywhere.
        let mut lines = proc_net::Lines::new(family, Endian::Little);
        let file = bytes(name);
        let mut each = |connection| found.push(connection);
        assert!(file.chunks(97).all(|piece| lines.feed(piece, &mut each)));
        assert!(lines.end(&mut each));
    }
    let known = known();
    assert_eq!(found.len(), known.len());
    for (connection, known) in found.iter().zip(&known) {
        known.is(connection, false);
    }
}

#[test]
fn a_machine_with_the_other_order_of_bytes_reads_the_same() {
    for connection in inet_diag("linux/inet_diag-tcp6-all.bin") {
        let connection = Connection { idle: Some(Duration::from_millis(1234)), ..connection };
        for endian in [Endian::Little, Endian::Big] {
            let encoded = inet_diag::encode(&connection, endian);
            assert_eq!(inet_diag::decode(&encoded, endian), Some(connection.clone()));
        }
    }
    let line = "0: 7F000001:BD7D 7F000001:0050 05 00000000:00000001 03:00000064 00000000 0 0 0 3 0";
    let read = proc_net::decode(line, Family::Ipv4, Endian::Big).unwrap();
    assert_eq!(read.local.to_string(), "127.0.0.1:48509");
    assert_eq!(read.timer, Some(Timer { kind: TimerKind::TimeWait, left: Duration::from_secs(1) }));
}

#[test]
fn requests_are_those_that_a_kernel_takes() {
    let states = StateSet::of(&[TcpState::FinWait2]);
    let both = inet_diag::list_request(inet_diag::Part::Both, states, false, Endian::Little);
    assert_eq!((both.len(), both[4], both[6..8].to_vec()), (76, 18, vec![1, 3]));
    // Behind the header, the family and the id.
    assert_eq!(both[16 + 4 + 48..16 + 4 + 52], 32_u32.to_le_bytes());
    let one = inet_diag::list_request(inet_diag::Part::One(Family::Ipv6), states, true, Endian::Little);
    assert_eq!((one.len(), one[4], one[16..20].to_vec()), (72, 20, vec![10, 6, 2, 0]));
    assert_eq!(one[20..24], 32_u32.to_le_bytes());
    let orphan = &inet_diag("linux/inet_diag-tcp4-finwait2.bin")[0];
    let abort = inet_diag::abort_request(orphan, Endian::Little);
    assert_eq!((abort.len(), abort[4], abort[6]), (72, 21, 5));
    assert_eq!(abort[24..28], [40_970_u16.to_be_bytes(), 45_671_u16.to_be_bytes()].concat());
    assert_eq!(abort[28..32], [127, 0, 0, 1]);
    assert_eq!(abort[64..68], 34_161_u32.to_le_bytes());
}

/// A row of FreeBSD's netstat.
fn row(line: &str) -> Option<(TcpState, SocketAddr, SocketAddr)> {
    let words: Vec<_> = line.split_whitespace().collect();
    let ["tcp4", _, _, local, remote, state] = words[..] else { return None };
    let endpoint = |word: &str| match word.rsplit_once('.').unwrap() {
        ("*", _) => "0.0.0.0:0".parse().unwrap(),
        (address, port) => format!("{address}:{port}").parse().unwrap(),
    };
    Some((state.parse().unwrap(), endpoint(local), endpoint(remote)))
}

#[test]
fn freebsds_list_is_what_its_netstat_printed() {
    // Which side keeps its descriptor, by the port that it is connected to.
    const CLOSED_BY: u16 = 5001;
    for (release, orphans, held) in [("freebsd-14", 3, 2), ("freebsd-15", 3, 2)] {
        let mut found = Vec::new();
        let list = hex(&format!("{release}/pcblist.hex"));
        let changed = freebsd::decode_list(&list, Endian::Little, |connection| found.push(connection));
        assert_eq!(changed, Ok(false));
        let rows: Vec<_> = text(&format!("{release}/pcblist.netstat.txt")).lines().filter_map(row).collect();
        let read: Vec<_> =
            found.iter().map(|connection| (connection.state, connection.local, connection.remote)).collect();
        assert_eq!(read, rows, "{release}");
        let fin_wait_2 = || found.iter().filter(|connection| connection.state == TcpState::FinWait2);
        let orphaned = |connection: &&Connection| connection.holding == Holding::Orphaned(Orphan::FullSocket);
        assert_eq!(fin_wait_2().filter(orphaned).count(), orphans);
        assert_eq!(fin_wait_2().count() - orphans, held);
        for connection in fin_wait_2() {
            assert_eq!(orphaned(&connection), connection.remote.port() == CLOSED_BY, "{connection:?}");
            let timer = connection.timer.unwrap();
            assert_eq!(timer == Timer::OFF, connection.holding == Holding::Held);
            assert!(timer.left < Duration::from_secs(600));
            assert!(connection.idle.unwrap() > Duration::from_secs(4));
        }
    }
}

#[test]
fn freebsds_counts_are_those_of_its_list() {
    for release in ["freebsd-14", "freebsd-15"] {
        let counts =
            freebsd::decode_states(&hex(&format!("{release}/tcp.states.hex")), Endian::Little).unwrap();
        for (state, many) in [
            (TcpState::Listen, 3),
            (TcpState::Established, 2),
            (TcpState::CloseWait, 5),
            (TcpState::FinWait2, 5),
            (TcpState::TimeWait, 0),
        ] {
            assert_eq!(counts.of_state(state), many, "{release} {state}");
        }
    }
}

#[test]
fn a_list_of_another_layout_is_refused() {
    let list = hex("freebsd-15/pcblist.hex");
    let read = |list: &[u8]| freebsd::decode_list(list, Endian::Little, |_| ());
    let says = |list: &[u8]| read(list).unwrap_err().to_string();
    let mut longer = list.clone();
    longer[64..72].copy_from_slice(&752_u64.to_le_bytes());
    assert_eq!(says(&longer), "its records are of 752 bytes, and only those of 744 are known");
    let mut inner = list.clone();
    inner[72..80].copy_from_slice(&404_u64.to_le_bytes());
    assert_eq!(says(&inner), "its records are of 404 bytes, and only those of 744 are known");
    for cut in [0, 63, 64, 100, list.len() - 1, list.len() - 64] {
        assert_eq!(says(&list[..cut]), "it is cut off", "{cut}");
    }
    let mut changed = list.clone();
    let tail = list.len() - 64;
    changed[tail + 16] ^= 1;
    assert_eq!(read(&changed), Ok(true));
    assert!(freebsd::decode_states(&[0; 87], Endian::Little).is_none());
}

#[test]
fn freebsds_drop_takes_the_peer_first() {
    let list = hex("freebsd-15/pcblist.hex");
    let mut found = Vec::new();
    freebsd::decode_list(&list, Endian::Little, |connection| found.push(connection)).unwrap();
    let request = freebsd::abort_request(&found[0], Endian::Little);
    assert_eq!(request.len(), 256);
    assert_eq!(request[..8], [&[16, 2][..], &48_886_u16.to_be_bytes(), &[127, 0, 0, 1]].concat());
    assert_eq!(request[128..136], [&[16, 2][..], &5001_u16.to_be_bytes(), &[127, 0, 0, 1]].concat());
    let v6 = Connection {
        family: Family::Ipv6,
        local: "[2001:db8::1]:80".parse().unwrap(),
        remote: "[2001:db8::2]:81".parse().unwrap(),
        ..found[0].clone()
    };
    let request = freebsd::abort_request(&v6, Endian::Little);
    assert_eq!((request[0], request[1], request[128], request[23]), (28, 28, 28, 2));
}

#[test]
fn netstat_of_illumos_is_read_by_its_words() {
    let mut netstat = Netstat::default();
    let mut found = Vec::new();
    for name in ["illumos/netstat-an-inet.txt", "illumos/netstat-an-inet6.txt"] {
        assert!(netstat.read(&text(name), |connection| found.push(connection)));
    }
    let count = |state, family| {
        let is = |connection: &&Connection| connection.state == state && connection.family == family;
        found.iter().filter(is).count()
    };
    for (state, v4, v6) in [
        (TcpState::Listen, 2, 0),
        (TcpState::FinWait2, 2, 2),
        (TcpState::FinWait1, 1, 0),
        (TcpState::Established, 1, 0),
        (TcpState::TimeWait, 1, 0),
        (TcpState::CloseWait, 1, 0),
        (TcpState::LastAck, 1, 0),
        (TcpState::Closing, 1, 0),
        (TcpState::SynSent, 1, 0),
        (TcpState::SynReceived, 1, 0),
        (TcpState::Closed, 3, 0),
    ] {
        assert_eq!((count(state, Family::Ipv4), count(state, Family::Ipv6)), (v4, v6), "{state}");
    }
    assert_eq!(netstat.unknown_states, 1);
    let wide = found.iter().find(|connection| connection.local.port() == 65_535).unwrap();
    assert_eq!(wide.remote.to_string(), "198.151.100.209:65534");
    assert_eq!((wide.send_queue, wide.receive_queue, wide.holding), (5000, 900, Holding::Unknown));
    let interface = found.iter().find(|connection| connection.remote.port() == 50_002).unwrap();
    assert_eq!(interface.local.to_string(), "[fe80::208:20ff:fe12:3456]:80");
}

#[test]
fn a_row_with_more_columns_is_read_too() {
    // With -u: the user, the process and its command behind the state.
    let text = "\nTCP: IPv4\n   Local Address  Remote Address  Swind Send-Q Rwind Recv-Q State User Pid Command\n\
        192.0.2.1.80 198.51.100.9.51002 64240 0 128872 0 FIN_WAIT_2 root 1234 LISTEN\n\nUDP: IPv4\n\
        192.0.2.1.80 198.51.100.9.51002 64240 0 128872 0 FIN_WAIT_2\n";
    let mut found = Vec::new();
    assert!(Netstat::default().read(text, |connection| found.push(connection)));
    assert_eq!((found.len(), found[0].state), (1, TcpState::FinWait2));
    assert!(!Netstat::default().read("netstat: illegal option -- Z\n", |_| ()));
}
