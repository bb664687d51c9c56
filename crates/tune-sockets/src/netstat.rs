//! illumos and Solaris: what `netstat -an -P tcp` prints.
//!
//! Widths and columns changed over time, so a row is read by its words, and its state is the first word that is one.
//! Source: usr/src/cmd/cmd-inet/usr.bin/netstat/netstat.c, `miblist_print` of TCP.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::connection::{Connection, Family, Holding, Orphan};
use crate::state::TcpState;

/// The words for states. Sockets that are unused or only bound are no connections.
const WORDS: [(&str, TcpState); 13] = [
    ("CLOSED", TcpState::Closed),
    ("IDLE", TcpState::Closed),
    ("BOUND", TcpState::Closed),
    ("LISTEN", TcpState::Listen),
    ("SYN_SENT", TcpState::SynSent),
    ("SYN_RCVD", TcpState::SynReceived),
    ("ESTABLISHED", TcpState::Established),
    ("CLOSE_WAIT", TcpState::CloseWait),
    ("FIN_WAIT_1", TcpState::FinWait1),
    ("CLOSING", TcpState::Closing),
    ("LAST_ACK", TcpState::LastAck),
    ("FIN_WAIT_2", TcpState::FinWait2),
    ("TIME_WAIT", TcpState::TimeWait),
];

/// Before the state: two addresses, and the sizes of two windows and queues.
const BEFORE_STATE: usize = 6;

/// Reads outputs one after the other; a listener that both families show is counted once.
#[derive(Debug, Default)]
pub struct Netstat {
    family: Option<Family>,
    listening: BTreeSet<u16>,
    /// How many rows have a state that is not known.
    pub unknown_states: u64,
}

impl Netstat {
    /// Reads an output and hands on its connections; tells whether it was one.
    pub fn read(&mut self, text: &str, mut each: impl FnMut(Connection)) -> bool {
        self.family = None;
        let mut headed = false;
        for line in text.lines() {
            let words: Vec<_> = line.split_whitespace().collect();
            match words[..] {
                ["TCP:", "IPv4", ..] => self.family = Some(Family::Ipv4),
                ["TCP:", "IPv6", ..] => self.family = Some(Family::Ipv6),
                // Another protocol begins.
                [name, "IPv4" | "IPv6", ..] if name.ends_with(':') => self.family = None,
                _ => {
                    if let Some(connection) = self.family.and_then(|family| self.row(family, &words)) {
                        each(connection);
                    }
                }
            }
            headed |= self.family.is_some();
        }
        headed
    }

    fn row(&mut self, family: Family, words: &[&str]) -> Option<Connection> {
        let local = endpoint(words.first()?, family)?;
        let remote = endpoint(words.get(1)?, family)?;
        let queue = |at: usize| words.get(at).and_then(|word| word.parse().ok());
        let (send_queue, receive_queue) = (queue(3)?, queue(5)?);
        let Some(state) = words.iter().skip(BEFORE_STATE).find_map(|word| state_of(word)) else {
            self.unknown_states += 1;
            return None;
        };
        let connection = Connection {
            family,
            state,
            local,
            remote,
            interface: 0,
            timer: None,
            inode: 0,
            cookie: None,
            uid: None,
            receive_queue,
            send_queue,
            holding: holding(state),
            idle: None,
        };
        self.is_new(&connection).then_some(connection)
    }

    /// A listener for both families is shown under each.
    fn is_new(&mut self, connection: &Connection) -> bool {
        let (port, any) = (connection.local.port(), connection.local.ip().is_unspecified());
        match (connection.state, connection.family) {
            (TcpState::Listen, Family::Ipv4) if any => {
                self.listening.insert(port);
                true
            }
            (TcpState::Listen, Family::Ipv6) if any => !self.listening.contains(&port),
            _ => true,
        }
    }
}

fn state_of(word: &str) -> Option<TcpState> {
    WORDS.iter().find(|(name, _)| *name == word).map(|(_, state)| *state)
}

/// The output does not tell orphans from others. Between the states of a close only TIME_WAIT is nobody's for certain.
const fn holding(state: TcpState) -> Holding {
    match state {
        TcpState::TimeWait => Holding::Orphaned(Orphan::FullSocket),
        _ => Holding::Unknown,
    }
}

/// Reads `192.0.2.1.80`, `fe80::1%net0.80`, `*.80` and `*.*`: the port is behind the last dot.
fn endpoint(word: &str, family: Family) -> Option<SocketAddr> {
    let (address, port) = word.rsplit_once('.')?;
    let port = if port == "*" { 0 } else { port.parse().ok()? };
    let address: IpAddr = match (address, family) {
        ("*", Family::Ipv4) => Ipv4Addr::UNSPECIFIED.into(),
        ("*", Family::Ipv6) => Ipv6Addr::UNSPECIFIED.into(),
        (address, Family::Ipv4) => address.parse::<Ipv4Addr>().ok()?.into(),
        (address, Family::Ipv6) => {
            let address = address.split_once('%').map_or(address, |(address, _)| address);
            address.parse::<Ipv6Addr>().ok()?.into()
        }
    };
    Some(SocketAddr::new(address, port))
}
