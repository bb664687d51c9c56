//! Linux: `/proc/net/tcp` and `/proc/net/tcp6`, where nothing better is to be had.
//!
//! Source: proc_pid_net(5); net/ipv4/tcp_ipv4.c `tcp4_seq_show`, net/ipv6/tcp_ipv6.c.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::ControlFlow;
use std::time::Duration;

use tune_host::{Host, SocketsError};

use crate::bytes::Endian;
use crate::census::CensusError;
use crate::connection::{Connection, Family, Timer, TimerKind};
use crate::inet_diag::{holding, state_of, timer_kind};

/// The kernel shows times in hundredths of a second here, whatever its own clock does.
const TICK_MILLISECONDS: u64 = 10;
/// A line is about 150 bytes; one that is longer than this is none of ours.
const LONGEST_LINE: usize = 4 << 10;

/// Reads both lists.
pub(crate) fn read(host: &dyn Host, mut each: impl FnMut(Connection)) -> Result<(), CensusError> {
    read_list(host, "tcp", Family::Ipv4, &mut each)?;
    match read_list(host, "tcp6", Family::Ipv6, &mut each) {
        // There is no IPv6.
        Err(CensusError::Sockets(SocketsError::Unsupported(_))) => Ok(()),
        read => read,
    }
}

fn read_list(
    host: &dyn Host,
    name: &str,
    family: Family,
    each: &mut impl FnMut(Connection),
) -> Result<(), CensusError> {
    let mut lines = Lines::new(family, Endian::NATIVE);
    let mut understood = true;
    host.read_network_file(name, &mut |piece| {
        understood = lines.feed(piece, &mut *each);
        if understood { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    if understood && lines.end(each) {
        return Ok(());
    }
    Err(CensusError::Malformed(format!("a line of /proc/net/{name} is no socket")))
}

/// Puts lines together from pieces of a file, and reads them.
#[derive(Debug)]
pub struct Lines {
    family: Family,
    endian: Endian,
    begun: Vec<u8>,
    headed: bool,
}

impl Lines {
    /// Starts with a file.
    #[must_use]
    pub const fn new(family: Family, endian: Endian) -> Self {
        Self { family, endian, begun: Vec::new(), headed: false }
    }

    /// Reads a piece and hands on the sockets of its lines; tells whether all were understood.
    pub fn feed(&mut self, piece: &[u8], each: &mut impl FnMut(Connection)) -> bool {
        let mut rest = piece;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let understood = if self.begun.is_empty() {
                self.line(&rest[..end], each)
            } else {
                let mut line = std::mem::take(&mut self.begun);
                line.extend(&rest[..end]);
                self.line(&line, each)
            };
            if !understood {
                return false;
            }
            rest = &rest[end + 1..];
        }
        self.begun.extend(rest);
        self.begun.len() <= LONGEST_LINE
    }

    /// Reads what is left; tells whether it was understood.
    pub fn end(mut self, each: &mut impl FnMut(Connection)) -> bool {
        let line = std::mem::take(&mut self.begun);
        line.is_empty() || self.line(&line, each)
    }

    fn line(&mut self, line: &[u8], each: &mut impl FnMut(Connection)) -> bool {
        if line.len() > LONGEST_LINE {
            return false;
        }
        if !std::mem::replace(&mut self.headed, true) {
            return line.trim_ascii_start().starts_with(b"sl");
        }
        let read = std::str::from_utf8(line).ok().and_then(|line| decode(line, self.family, self.endian));
        read.is_some_and(|connection| {
            each(connection);
            true
        })
    }
}

/// Reads a line; nothing where it is none of a socket.
#[must_use]
pub fn decode(line: &str, family: Family, endian: Endian) -> Option<Connection> {
    let mut words = line.split_ascii_whitespace();
    // Its number in the list.
    words.next()?.strip_suffix(':')?;
    let (local, remote) = (words.next()?, words.next()?);
    let state = state_of(u8::from_str_radix(words.next()?, 16).ok()?)?;
    let (send, receive) = words.next()?.split_once(':')?;
    let (kind, left) = words.next()?.split_once(':')?;
    let kind = timer_kind(u8::from_str_radix(kind, 16).ok()?)?;
    // How often something was sent again.
    words.next()?;
    let uid = words.next()?.parse().ok()?;
    // Probes that were not answered.
    words.next()?;
    let inode = words.next()?.parse().ok()?;
    let left = u64::from_str_radix(left, 16).ok()?.saturating_mul(TICK_MILLISECONDS);
    let timer = Timer { kind, left: Duration::from_millis(left) };
    Some(Connection {
        family,
        state,
        local: endpoint(local, family, endian)?,
        remote: endpoint(remote, family, endian)?,
        interface: 0,
        timer: Some(if kind == TimerKind::Off { Timer::OFF } else { timer }),
        inode,
        cookie: None,
        uid: Some(uid),
        receive_queue: u32::from_str_radix(receive, 16).ok()?,
        send_queue: u32::from_str_radix(send, 16).ok()?,
        holding: holding(state, kind, inode),
        idle: None,
    })
}

/// Reads an address and a port. An address is words of 32 bits, each printed as the number it is on this machine.
fn endpoint(text: &str, family: Family, endian: Endian) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| {
        let number = u32::from_str_radix(address.get(8 * at..8 * at + 8)?, 16).ok()?;
        Some(endian.put_u32(number))
    };
    let address: IpAddr = match (family, address.len()) {
        (Family::Ipv4, 8) => Ipv4Addr::from(word(0)?).into(),
        (Family::Ipv6, 32) => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            Ipv6Addr::from(<[u8; 16]>::try_from(words.concat()).ok()?).into()
        }
        _ => return None,
    };
    Some(SocketAddr::new(address, port))
}
