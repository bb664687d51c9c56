//! Linux: TCP sockets as `NETLINK_SOCK_DIAG` tells of them, and the requests for that.
//!
//! Source: include/uapi/linux/inet_diag.h, include/uapi/linux/tcp.h `tcp_info`; sock_diag(7).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use crate::bytes::{Endian, array};
use crate::connection::{Connection, Cookie, Family, Holding, Orphan, Timer, TimerKind};
use crate::netlink::{
    ACKNOWLEDGE, Attributes, DONE, DUMP, HEADER, Message, Messages, REQUEST, attribute, message,
};
use crate::state::{StateSet, TcpState};

/// The message types.
const TCPDIAG_GETSOCK: u16 = 18;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const SOCK_DESTROY: u16 = 21;

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IPPROTO_TCP: u8 = 6;

/// The attribute `INET_DIAG_INFO`, a `tcp_info`.
const INFO: u16 = 2;
/// The bit that asks for it.
const WANT_INFO: u8 = 1 << (INFO - 1);
/// The attribute of a request that is a program to choose sockets by.
const BYTECODE: u16 = 1;

/// How long the fixed part of an answer is.
const FIXED: usize = 72;
/// What stands for "whichever".
const NO_COOKIE: Cookie = Cookie([u32::MAX; 2]);

/// Every request of ours has this number: each has a socket of its own, to which nothing else is answered.
const SEQUENCE: u32 = 1;

/// What a list is to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Both families at once, in the older form of the request: the kernel goes through its table of connections once,
    /// which is what takes the time where the table is large.
    Both,
    /// Of both families one half or the other.
    Half(Half),
    /// One family.
    One(Family),
}

/// A half of all connections, by their ports: in one half exactly one of both ports is at [`MIDDLE`] or above.
///
/// Of a server's connections as of a client's, one side has a port that its kernel gave it, and that is as likely below
/// the middle as not. Whatever the ports are, each connection is in one half.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// One of the ports is above the middle, the other is not.
    One,
    /// Both are, or neither is.
    Other,
}

/// The middle of the ports that Linux gives out where nothing else is set: 32768 to 60999.
pub const MIDDLE: u16 = 46_884;

/// Makes the program for the kernel that takes a half. Source: include/uapi/linux/inet_diag.h `inet_diag_bc_op`: a code,
/// how far to go on when it is true, and when it is not; the port to compare with is in the step behind.
fn program(half: Half, endian: Endian) -> Vec<u8> {
    const JUMP: u8 = 1;
    const LOCAL_FROM: u8 = 2;
    const REMOTE_FROM: u8 = 4;
    const REMOTE_UP_TO: u8 = 5;
    let (from, up_to) = ((REMOTE_FROM, MIDDLE), (REMOTE_UP_TO, MIDDLE - 1));
    let (if_local, if_not) = match half {
        Half::One => (up_to, from),
        Half::Other => (from, up_to),
    };
    let step = |code: u8, yes: u8, no: u16| [&[code, yes][..], &endian.put_u16(no)].concat();
    // To go on to 4 bytes behind the end, which is at 28, is to refuse.
    [
        step(LOCAL_FROM, 8, 20),
        step(0, 0, MIDDLE),
        step(if_local.0, 8, 24),
        step(0, 0, if_local.1),
        step(JUMP, 4, 12),
        step(if_not.0, 8, 12),
        step(0, 0, if_not.1),
    ]
    .concat()
}

/// Makes the request for the list of all sockets in some states, with their idle times or without.
#[must_use]
pub fn list_request(part: Part, of: StateSet, idle_times: bool, endian: Endian) -> Vec<u8> {
    let info = if idle_times { WANT_INFO } else { 0 };
    let states = endian.put_u32(kernel_states(of));
    let (kind, content) = match part {
        // struct inet_diag_req: family, lengths of addresses, extensions, id, states, a cache
        Part::Both => {
            (TCPDIAG_GETSOCK, [&[0, 0, 0, info][..], &any_socket(endian), &states, &[0; 4]].concat())
        }
        Part::Half(half) => {
            let whole = list_request(Part::Both, of, idle_times, endian).split_off(HEADER);
            let program = attribute(endian, BYTECODE, &program(half, endian));
            (TCPDIAG_GETSOCK, [whole, program].concat())
        }
        // struct inet_diag_req_v2: family, protocol, extensions, padding, states, id
        Part::One(family) => (
            SOCK_DIAG_BY_FAMILY,
            [&[family_number(family), IPPROTO_TCP, info, 0][..], &states, &any_socket(endian)].concat(),
        ),
    };
    message(endian, kind, REQUEST | DUMP, SEQUENCE, &content)
}

/// Makes the request for the one socket with these addresses and this cookie.
#[must_use]
pub fn find_request(connection: &Connection, endian: Endian) -> Vec<u8> {
    let content = one_socket(connection, StateSet::ALL, endian);
    message(endian, SOCK_DIAG_BY_FAMILY, REQUEST, SEQUENCE, &content)
}

/// Makes the request for the one socket with these addresses, and with this cookie where there is one, with its timings.
pub(crate) fn look_up_request(
    (local, remote): (SocketAddr, SocketAddr),
    cookie: Option<Cookie>,
    endian: Endian,
) -> Vec<u8> {
    let family = if local.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 };
    let fixed = [family_number(family), IPPROTO_TCP, WANT_INFO, 0];
    let states = endian.put_u32(kernel_states(StateSet::ALL));
    let content = [&fixed[..], &states, &id_of(local, remote, 0, cookie, endian)].concat();
    message(endian, SOCK_DIAG_BY_FAMILY, REQUEST, SEQUENCE, &content)
}

/// Makes the request to abort the one connection with these addresses and this cookie.
#[must_use]
pub fn abort_request(connection: &Connection, endian: Endian) -> Vec<u8> {
    let content = one_socket(connection, StateSet::of(&[connection.state]), endian);
    message(endian, SOCK_DESTROY, REQUEST | ACKNOWLEDGE, SEQUENCE, &content)
}

fn one_socket(connection: &Connection, states: StateSet, endian: Endian) -> Vec<u8> {
    let fixed = [family_number(connection.family), IPPROTO_TCP, 0, 0];
    [&fixed[..], &endian.put_u32(kernel_states(states)), &socket_id(connection, endian)].concat()
}

/// struct inet_diag_sockid: ports and addresses in network order, interface, cookie.
fn socket_id(connection: &Connection, endian: Endian) -> Vec<u8> {
    id_of(connection.local, connection.remote, connection.interface, connection.cookie, endian)
}

fn id_of(
    local: SocketAddr,
    remote: SocketAddr,
    interface: u32,
    cookie: Option<Cookie>,
    endian: Endian,
) -> Vec<u8> {
    let mut id = Vec::with_capacity(48);
    id.extend(local.port().to_be_bytes());
    id.extend(remote.port().to_be_bytes());
    id.extend(address_bytes(local.ip()));
    id.extend(address_bytes(remote.ip()));
    id.extend(endian.put_u32(interface));
    let Cookie(cookie) = cookie.unwrap_or(NO_COOKIE);
    cookie.iter().for_each(|half| id.extend(endian.put_u32(*half)));
    id
}

fn any_socket(endian: Endian) -> Vec<u8> {
    let mut id = vec![0; 40];
    NO_COOKIE.0.iter().for_each(|half| id.extend(endian.put_u32(*half)));
    id
}

fn address_bytes(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&address.octets());
            bytes
        }
        IpAddr::V6(address) => address.octets(),
    }
}

const fn family_number(family: Family) -> u8 {
    match family {
        Family::Ipv4 => AF_INET,
        Family::Ipv6 => AF_INET6,
    }
}

/// The kernel's numbers of the states. Source: include/net/tcp_states.h.
const STATES: [(u8, TcpState); 13] = [
    (1, TcpState::Established),
    (2, TcpState::SynSent),
    (3, TcpState::SynReceived),
    (4, TcpState::FinWait1),
    (5, TcpState::FinWait2),
    (6, TcpState::TimeWait),
    (7, TcpState::Closed),
    (8, TcpState::CloseWait),
    (9, TcpState::LastAck),
    (10, TcpState::Listen),
    (11, TcpState::Closing),
    // A request that is not a socket yet, and a socket that is only bound.
    (12, TcpState::SynReceived),
    (13, TcpState::Closed),
];

pub(crate) fn state_of(number: u8) -> Option<TcpState> {
    // In order, without a gap.
    STATES.get(usize::from(number).checked_sub(1)?).map(|(_, state)| *state)
}

fn kernel_states(states: StateSet) -> u32 {
    STATES.iter().filter(|(_, state)| states.has(*state)).map(|(number, _)| 1 << number).sum()
}

pub(crate) const fn timer_kind(number: u8) -> Option<TimerKind> {
    Some(match number {
        0 => TimerKind::Off,
        1 => TimerKind::Retransmit,
        2 => TimerKind::Keepalive,
        3 => TimerKind::TimeWait,
        4 => TimerKind::ZeroWindow,
        _ => return None,
    })
}

/// Tells who has a socket. Only in the states behind a close does a missing inode mean that it was closed: before, it
/// is one that nobody has accepted yet. The user tells nothing: it is zero for an orphan and for root alike.
pub(crate) const fn holding(state: TcpState, timer: TimerKind, inode: u64) -> Holding {
    if inode != 0 {
        return Holding::Held;
    }
    match (state, timer) {
        (TcpState::FinWait2 | TcpState::TimeWait, TimerKind::TimeWait) | (TcpState::TimeWait, _) => {
            Holding::Orphaned(Orphan::Minisock)
        }
        (TcpState::FinWait1 | TcpState::FinWait2 | TcpState::LastAck | TcpState::Closing, _) => {
            Holding::Orphaned(Orphan::FullSocket)
        }
        (TcpState::SynReceived | TcpState::Established | TcpState::CloseWait, _) => Holding::Unaccepted,
        _ => Holding::Unknown,
    }
}

/// Reads one answer, without its header; nothing where it is none of a TCP socket.
#[must_use]
#[inline]
pub fn decode(answer: &[u8], endian: Endian) -> Option<Connection> {
    let (fixed, rest) = answer.split_first_chunk::<FIXED>()?;
    let family = match fixed[0] {
        AF_INET => Family::Ipv4,
        AF_INET6 => Family::Ipv6,
        _ => return None,
    };
    let state = state_of(fixed[1])?;
    let kind = timer_kind(fixed[2])?;
    let interface = endian.u32(fixed, 40)?;
    let left = Duration::from_millis(endian.u32(fixed, 52)?.into());
    let inode = endian.u32(fixed, 68)?.into();
    Some(Connection {
        family,
        state,
        local: endpoint(fixed, 4, 8, family, interface)?,
        remote: endpoint(fixed, 6, 24, family, interface)?,
        interface,
        timer: Some(if kind == TimerKind::Off { Timer::OFF } else { Timer { kind, left } }),
        inode,
        cookie: Some(Cookie([endian.u32(fixed, 44)?, endian.u32(fixed, 48)?])),
        uid: Some(endian.u32(fixed, 64)?),
        receive_queue: endian.u32(fixed, 56)?,
        send_queue: endian.u32(fixed, 60)?,
        holding: holding(state, kind, inode),
        idle: idle_time(rest, endian),
    })
}

/// Makes an answer as the kernel would, without its header; what [`decode`] reads from it is the same again.
#[must_use]
pub fn encode(connection: &Connection, endian: Endian) -> Vec<u8> {
    let timer = connection.timer.unwrap_or(Timer::OFF);
    let number = |duration: Duration| u32::try_from(duration.as_millis()).unwrap_or(u32::MAX);
    let inode = u32::try_from(connection.inode).unwrap_or(u32::MAX);
    let mut bytes =
        vec![family_number(connection.family), kernel_state(connection.state), timer.kind as u8, 0];
    bytes.extend(socket_id(connection, endian));
    for field in [
        number(timer.left),
        connection.receive_queue,
        connection.send_queue,
        connection.uid.unwrap_or_default(),
        inode,
    ] {
        bytes.extend(endian.put_u32(field));
    }
    if let Some(idle) = connection.idle {
        let mut info = vec![0; 104];
        for at in LAST {
            info[at..at + 4].copy_from_slice(&endian.put_u32(number(idle)));
        }
        bytes.extend(attribute(endian, INFO, &info));
    }
    bytes
}

fn kernel_state(state: TcpState) -> u8 {
    STATES.iter().find(|(_, known)| *known == state).map_or(0, |(number, _)| *number)
}

fn info<'a>(mut attributes: Attributes<'a>) -> Option<&'a [u8]> {
    attributes.find(|(kind, _)| *kind == INFO).map(|(_, content)| content)
}

#[inline]
fn endpoint(
    fixed: &[u8; FIXED],
    port: usize,
    address: usize,
    family: Family,
    interface: u32,
) -> Option<SocketAddr> {
    let port = Endian::Big.u16(fixed, port)?;
    Some(match family {
        Family::Ipv4 => SocketAddr::new(Ipv4Addr::from(array::<4>(fixed, address)?).into(), port),
        Family::Ipv6 => {
            let address = Ipv6Addr::from(array::<16>(fixed, address)?);
            let scope = if address.is_unicast_link_local() { interface } else { 0 };
            SocketAddrV6::new(address, port, 0, scope).into()
        }
    })
}

/// Where a `tcp_info` says how many milliseconds ago something was last sent, received, and confirmed by the peer.
/// When we last confirmed something (offset 48) the kernel does not fill in.
const LAST: [usize; 3] = [44, 52, 56];

/// How much of a `tcp_info` is needed for these.
const INFO_LENGTH: usize = LAST[2] + 4;

/// Returns how long a socket has been idle, where its attributes have that.
fn idle_time(attributes: &[u8], endian: Endian) -> Option<Duration> {
    // Where it was not asked for, there is not even room for it.
    if attributes.len() < INFO_LENGTH {
        return None;
    }
    idle(info(Attributes::of(attributes, endian))?, endian)
}

fn idle(info: &[u8], endian: Endian) -> Option<Duration> {
    let [sent, received, confirmed] = LAST.map(|at| endian.u32(info, at));
    Some(Duration::from_millis(sent?.min(received?).min(confirmed?).into()))
}

/// Where a `tcp_info` has the retransmission timeout, in microseconds.
const RTO: usize = 8;

/// Returns the retransmission timeout of the socket in the datagram that answers a [`look_up_request`].
pub(crate) fn retransmission_timeout(datagram: &[u8], endian: Endian) -> Option<Duration> {
    let Message::Answer(_, answer) = Messages::of(datagram, endian, SEQUENCE).next()?.ok()?.message else {
        return None;
    };
    let info = info(Attributes::of(answer.get(FIXED..)?, endian))?;
    endian.u32(info, RTO).map(|time| Duration::from_micros(time.into()))
}

/// Returns what a request names one socket by: ports, addresses and interface as it has them, and the cookie.
pub(crate) fn identity(connection: &Connection, endian: Endian) -> (Vec<u8>, Cookie) {
    let mut id = socket_id(connection, endian);
    id.truncate(40);
    (id, connection.cookie.unwrap_or(NO_COOKIE))
}

/// A request, as a kernel reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    kind: u16,
    family: Option<Family>,
    states: u32,
    pub(crate) idle_times: bool,
    /// Which one socket is meant, where it is one.
    pub(crate) one: Option<(Vec<u8>, Cookie)>,
    half: Option<Half>,
}

impl Asked {
    pub(crate) fn read(request: &[u8], endian: Endian) -> Option<Self> {
        let (kind, flags) = (endian.u16(request, 4)?, endian.u16(request, 6)?);
        let content = request.get(HEADER..)?;
        let (id_at, states_at, info_at) = if kind == TCPDIAG_GETSOCK { (4, 52, 3) } else { (8, 4, 2) };
        let id = content.get(id_at..id_at + 40)?.to_vec();
        let cookie = Cookie([endian.u32(content, id_at + 40)?, endian.u32(content, id_at + 44)?]);
        Some(Self {
            kind,
            family: match content[0] {
                AF_INET => Some(Family::Ipv4),
                AF_INET6 => Some(Family::Ipv6),
                _ => None,
            },
            states: endian.u32(content, states_at)?,
            idle_times: content[info_at] & WANT_INFO != 0,
            one: (flags & DUMP == 0).then_some((id, cookie)),
            half: [Half::One, Half::Other]
                .into_iter()
                .find(|half| content.ends_with(&program(*half, endian))),
        })
    }

    pub(crate) fn lists(&self, connection: &Connection) -> bool {
        let states = self.states & (1 << kernel_state(connection.state)) != 0;
        let above = [connection.local, connection.remote].map(|end| end.port() >= MIDDLE);
        let half = if above[0] == above[1] { Half::Other } else { Half::One };
        states
            && self.family.is_none_or(|family| family == connection.family)
            && self.half.is_none_or(|wanted| wanted == half)
    }

    pub(crate) fn answer(&self, connection: &Connection) -> Vec<u8> {
        message(Endian::NATIVE, self.kind, 2, SEQUENCE, &encode(connection, Endian::NATIVE))
    }

    pub(crate) fn done(&self) -> Vec<u8> {
        message(Endian::NATIVE, DONE, 2, SEQUENCE, &[0; 4])
    }
}

/// What the kernel answers when it is asked for one socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It is there.
    Same(Connection),
    /// Another one has its addresses.
    Other,
    /// There is none with its addresses.
    Gone,
    /// The kernel's number of another error.
    Failed(i32),
    /// The answer is none.
    Malformed,
}

/// Reads the datagram that answers a [`find_request`].
#[must_use]
pub fn decode_found(datagram: &[u8], endian: Endian) -> Found {
    const ENOENT: i32 = -2;
    const ESTALE: i32 = -116;
    for received in Messages::of(datagram, endian, SEQUENCE) {
        match received.map(|received| received.message) {
            Ok(Message::Answer(SOCK_DIAG_BY_FAMILY, content)) => {
                return decode(content, endian).map_or(Found::Malformed, Found::Same);
            }
            Ok(Message::Error(ENOENT)) => return Found::Gone,
            Ok(Message::Error(ESTALE)) => return Found::Other,
            Ok(Message::Error(number)) => return Found::Failed(number),
            Ok(_) => {}
            Err(_) => break,
        }
    }
    Found::Malformed
}

/// What became of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It goes on.
    More,
    /// It is complete.
    Complete,
    /// It is complete, but changed while it was made.
    Interrupted,
    /// The kernel ended it with this error number.
    Failed(i32),
    /// The kernel sent what is no list.
    Malformed,
}

/// Reads the datagrams of a list, one after the other.
#[derive(Debug)]
pub struct ListReader {
    endian: Endian,
    interrupted: bool,
}

impl ListReader {
    /// Starts with a list.
    #[must_use]
    pub const fn new(endian: Endian) -> Self {
        Self { endian, interrupted: false }
    }

    /// Reads a datagram and hands on its sockets.
    pub fn read(&mut self, datagram: &[u8], mut each: impl FnMut(Connection)) -> Progress {
        for received in Messages::of(datagram, self.endian, SEQUENCE) {
            let Ok(received) = received else { return Progress::Malformed };
            self.interrupted |= received.interrupted;
            match received.message {
                Message::Done(0) if self.interrupted => return Progress::Interrupted,
                Message::Done(0) => return Progress::Complete,
                Message::Done(number) | Message::Error(number) => return Progress::Failed(number),
                Message::Answer(TCPDIAG_GETSOCK | SOCK_DIAG_BY_FAMILY, content) => {
                    if let Some(connection) = decode(content, self.endian) {
                        each(connection);
                    }
                }
                Message::Answer(..) => {}
            }
        }
        Progress::More
    }
}
