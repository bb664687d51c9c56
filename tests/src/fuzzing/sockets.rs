//! What kernels and programs tell of connections.

use std::collections::HashSet;

use tune_sockets::inet_diag::{self, ListReader};
use tune_sockets::netstat::Netstat;
use tune_sockets::{Connection, Endian, Family, Filter, freebsd, proc_net};

const ENDIANS: [Endian; 2] = [Endian::Little, Endian::Big];

/// Reads datagrams of `NETLINK_SOCK_DIAG`: what is read is the same when it is made and read again.
pub fn sockets_inet_diag(bytes: &[u8]) {
    for endian in ENDIANS {
        let mut found = Vec::new();
        let progress = ListReader::new(endian).read(bytes, |connection| found.push(connection));
        assert!(found.len() <= bytes.len() / 72, "{progress:?}");
        for connection in &found {
            let again = inet_diag::decode(&inet_diag::encode(connection, endian), endian).unwrap();
            assert_eq!(again, *connection);
            drop(inet_diag::abort_request(connection, endian));
        }
        drop(inet_diag::decode_found(bytes, endian));
    }
}

/// Reads `/proc/net/tcp` and `tcp6`, whole and in pieces.
pub fn sockets_proc_net(bytes: &[u8]) {
    for (family, endian) in Family::ALL.into_iter().zip(ENDIANS) {
        let whole = lines(bytes, bytes.len().max(1), family, endian);
        for piece in [1, 7, 64] {
            assert_eq!(lines(bytes, piece, family, endian), whole);
        }
    }
}

fn lines(bytes: &[u8], piece: usize, family: Family, endian: Endian) -> (bool, Vec<Connection>) {
    let mut found = Vec::new();
    let mut lines = proc_net::Lines::new(family, endian);
    let mut each = |connection| found.push(connection);
    let understood = bytes.chunks(piece).all(|piece| lines.feed(piece, &mut each)) && lines.end(&mut each);
    (understood, if understood { found } else { Vec::new() })
}

/// Reads FreeBSD's list of connections, and its counts.
pub fn sockets_freebsd(bytes: &[u8]) {
    for endian in ENDIANS {
        let mut found = Vec::new();
        let read = freebsd::decode_list(bytes, endian, |connection| found.push(connection));
        assert!(read.is_err() || bytes.len() >= 128 + 744 * found.len());
        found.iter().for_each(|connection| assert_eq!(freebsd::abort_request(connection, endian).len(), 256));
        assert_eq!(freebsd::decode_states(bytes, endian).is_some(), bytes.len() >= 88);
    }
}

/// Reads the output of illumos' `netstat`.
pub fn sockets_netstat(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut netstat = Netstat::default();
    let mut found = Vec::new();
    let is_output = netstat.read(&text, |connection| found.push(connection));
    assert!(is_output || found.is_empty());
    assert!(found.len() as u64 + netstat.unknown_states <= text.lines().count() as u64);
    // Read once more, listeners of both families are not counted again.
    let ends: HashSet<_> = found.iter().map(|connection| (connection.local, connection.state)).collect();
    netstat.read(&text, |connection| assert!(ends.contains(&(connection.local, connection.state))));
}

/// Reads which connections are meant, and prints it.
pub fn sockets_filter(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match text.parse::<Filter>() {
        Ok(filter) => assert_eq!(filter.to_string().parse(), Ok(filter)),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
