//! FreeBSD: `net.inet.tcp.pcblist`, `net.inet.tcp.states`, and what `net.inet.tcp.drop` takes.
//!
//! Source: sys/netinet/tcp_var.h `xtcpcb`, in_pcb.h `xinpcb` and `xinpgen`, sys/socketvar.h `xsocket`, tcp_fsm.h,
//! tcp_subr.c `sysctl_drop`. The records have had these lengths since 12.0 wherever 64 bits are aligned to 8 bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tune_host::{Host, ReadError, SocketsError};

use crate::bytes::{Endian, array};
use crate::census::CensusError;
use crate::connection::{Connection, Cookie, Family, Holding, Orphan, Timer, TimerKind};
use crate::state::TcpState;
use crate::tally::Counts;

/// The list of connections.
pub const PCBLIST: &str = "net.inet.tcp.pcblist";
/// How many connections there are by state.
pub const STATES: &str = "net.inet.tcp.states";

/// How long the parts of the list are: what stands at both ends, a record, and the record inside of it.
const ENDS: usize = 64;
const RECORD: usize = 744;
const INNER: u64 = 400;

/// The kernel's order of the states.
const ORDER: [TcpState; 11] = [
    TcpState::Closed,
    TcpState::Listen,
    TcpState::SynSent,
    TcpState::SynReceived,
    TcpState::Established,
    TcpState::CloseWait,
    TcpState::FinWait1,
    TcpState::Closing,
    TcpState::LastAck,
    TcpState::FinWait2,
    TcpState::TimeWait,
];

/// The list is not laid out as it is known to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// A record has another length.
    #[error("its records are of {found} bytes, and only those of {RECORD} are known")]
    Length {
        /// The length found.
        found: u64,
    },
    /// It is cut off, or ends in the middle.
    #[error("it is cut off")]
    Cut,
}

/// Reads `net.inet.tcp.states`: eleven numbers of 64 bits, or more in later releases. Families are not told.
#[must_use]
pub fn decode_states(bytes: &[u8], endian: Endian) -> Option<Counts> {
    let mut counts = Counts::default();
    for (at, state) in ORDER.into_iter().enumerate() {
        counts.add_unknown(state, endian.u64(bytes, 8 * at)?);
    }
    Some(counts)
}

/// Reads `net.inet.tcp.pcblist` and hands on its connections; tells whether the list changed while it was made.
///
/// # Errors
///
/// Any [`LayoutError`].
pub fn decode_list(
    bytes: &[u8],
    endian: Endian,
    mut each: impl FnMut(Connection),
) -> Result<bool, LayoutError> {
    let generation = |ends: &[u8]| Some((endian.u64(ends, 16)?, endian.u64(ends, 24)?));
    let head = bytes.get(..ENDS).filter(|head| endian.u64(head, 0) == Some(ENDS as u64));
    let head = head.and_then(generation).ok_or(LayoutError::Cut)?;
    let mut rest = &bytes[ENDS..];
    loop {
        match endian.u64(rest, 0).ok_or(LayoutError::Cut)? {
            length if length == ENDS as u64 => {
                let tail = rest.get(..ENDS).and_then(generation).ok_or(LayoutError::Cut)?;
                return Ok(head != tail);
            }
            length if length == RECORD as u64 => {
                let (record, after) = rest.split_at_checked(RECORD).ok_or(LayoutError::Cut)?;
                match endian.u64(record, 8) {
                    Some(INNER) => {}
                    inner => return Err(LayoutError::Length { found: inner.unwrap_or_default() }),
                }
                // A state, or a family, that is none is no connection of ours.
                decode(record, endian).into_iter().for_each(&mut each);
                rest = after;
            }
            found => return Err(LayoutError::Length { found }),
        }
    }
}

fn decode(record: &[u8], endian: Endian) -> Option<Connection> {
    let state = *ORDER.get(usize::try_from(endian.i32(record, 568)?).ok()?)?;
    let family = match record.get(400)? {
        flags if flags & 2 != 0 => Family::Ipv6,
        flags if flags & 1 != 0 => Family::Ipv4,
        _ => return None,
    };
    let timer = timer(state, record, endian)?;
    // A kernel address: it tells the socket from a later one, and is zero where the kernel hides it.
    let pcb = array::<8>(record, 32)?;
    let half = |at| endian.u32(&pcb, at);
    Some(Connection {
        family,
        state,
        local: endpoint(record, 262, 280, family)?,
        remote: endpoint(record, 260, 264, family)?,
        interface: 0,
        timer: Some(timer),
        inode: 0,
        cookie: Some(Cookie([half(0)?, half(4)?])),
        uid: Some(endian.u32(record, 136)?),
        receive_queue: endian.u32(record, 184)?,
        send_queue: endian.u32(record, 220)?,
        holding: holding(state, timer, endian.u16(record, 178)?),
        idle: milliseconds(record, 588, endian),
    })
}

/// Returns the timer that decides. In FIN_WAIT_2 that of keepalive runs on but never ends the connection.
fn timer(state: TcpState, record: &[u8], endian: Endian) -> Option<Timer> {
    const KINDS: [(usize, TimerKind); 4] = [
        (604, TimerKind::TimeWait),
        (592, TimerKind::Retransmit),
        (596, TimerKind::ZeroWindow),
        (600, TimerKind::Keepalive),
    ];
    for (at, kind) in KINDS {
        let left = endian.i32(record, at)?;
        let idle_keepalive = kind == TimerKind::Keepalive && state == TcpState::FinWait2;
        if left > 0 && !idle_keepalive {
            return Some(Timer { kind, left: Duration::from_millis(left.unsigned_abs().into()) });
        }
    }
    Some(Timer::OFF)
}

/// The socket was closed: in 13.0 that it has no descriptor any more, and that it is disconnected. Source:
/// sys/sys/socketvar.h `SS_NOFDREF`, `SS_ISDISCONNECTED`.
const CLOSED: u16 = 0x2001;

/// Tells who has a socket. In FIN_WAIT_2 it is the timer that tells: it runs once nothing can be received any more,
/// which is when the last descriptor was closed, or both directions shut.
const fn holding(state: TcpState, timer: Timer, socket: u16) -> Holding {
    match state {
        TcpState::FinWait2 if matches!(timer.kind, TimerKind::TimeWait) => {
            Holding::Orphaned(Orphan::FullSocket)
        }
        TcpState::TimeWait => Holding::Orphaned(Orphan::FullSocket),
        TcpState::FinWait1 | TcpState::Closing | TcpState::LastAck if socket & CLOSED != 0 => {
            Holding::Orphaned(Orphan::FullSocket)
        }
        // Of a process, or still in the queue of its listener.
        TcpState::FinWait2 | TcpState::CloseWait | TcpState::Established | TcpState::Listen => Holding::Held,
        _ => Holding::Unknown,
    }
}

fn milliseconds(record: &[u8], at: usize, endian: Endian) -> Option<Duration> {
    let time = u64::try_from(endian.i32(record, at)?).ok()?;
    Some(Duration::from_millis(time))
}

fn endpoint(record: &[u8], port: usize, address: usize, family: Family) -> Option<SocketAddr> {
    let address: IpAddr = match family {
        Family::Ipv4 => Ipv4Addr::from(array::<4>(record, address + 12)?).into(),
        Family::Ipv6 => Ipv6Addr::from(array::<16>(record, address)?).into(),
    };
    Some(SocketAddr::new(address, Endian::Big.u16(record, port)?))
}

/// Makes what `net.inet.tcp.drop` takes: two addresses of 128 bytes, the peer's first.
#[must_use]
pub fn abort_request(connection: &Connection, endian: Endian) -> Vec<u8> {
    [socket_address(connection.remote, endian), socket_address(connection.local, endian)].concat()
}

fn socket_address(address: SocketAddr, endian: Endian) -> [u8; 128] {
    const AF_INET: u8 = 2;
    const AF_INET6: u8 = 28;
    let mut bytes = [0; 128];
    bytes[2..4].copy_from_slice(&address.port().to_be_bytes());
    match address {
        SocketAddr::V4(address) => {
            bytes[..2].copy_from_slice(&[16, AF_INET]);
            bytes[4..8].copy_from_slice(&address.ip().octets());
        }
        SocketAddr::V6(address) => {
            bytes[..2].copy_from_slice(&[28, AF_INET6]);
            bytes[8..24].copy_from_slice(&address.ip().octets());
            bytes[24..28].copy_from_slice(&endian.put_u32(address.scope_id()));
        }
    }
    bytes
}

/// What was read of the list.
#[derive(Debug)]
pub(crate) enum Read {
    /// All of it; whether it changed while it was made.
    List(bool),
    /// It is laid out otherwise; this is how many connections there are.
    Counts(Box<Counts>),
}

/// Reads the list, or, where it is laid out otherwise, the counts.
pub(crate) fn read(host: &dyn Host, each: impl FnMut(Connection)) -> Result<Read, CensusError> {
    let bytes = host.read_structure(PCBLIST).map_err(unreadable)?;
    match decode_list(&bytes, Endian::NATIVE, each) {
        Ok(changed) => Ok(Read::List(changed)),
        Err(error) => {
            tracing::warn!("{PCBLIST}: {error}; connections are only counted");
            let counts = host.read_structure(STATES).map_err(unreadable)?;
            let counts = decode_states(&counts, Endian::NATIVE);
            counts
                .map(|counts| Read::Counts(Box::new(counts)))
                .ok_or_else(|| CensusError::Malformed(format!("{STATES}: it is too short")))
        }
    }
}

fn unreadable(error: ReadError) -> CensusError {
    CensusError::Sockets(match error {
        ReadError::Missing(name) => SocketsError::Unsupported(format!("it has no {name}")),
        ReadError::Denied(_) => SocketsError::Denied,
        error => SocketsError::Failed(error.to_string()),
    })
}
