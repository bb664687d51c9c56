//! Looking at one connection again and again, without going through all of them.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::Duration;

use tune_host::{Host, SocketsError};

use crate::bytes::Endian;
use crate::census::{CensusError, Options, Source, take};
use crate::connection::{Connection, Cookie};
use crate::filter::Filter;
use crate::inet_diag::{Found, decode_found, look_up_request, retransmission_timeout};
use crate::state::StateSet;

/// One connection as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// The connection.
    pub connection: Connection,
    /// When a segment that is not confirmed would be sent again, where the system tells.
    pub retransmission_timeout: Option<Duration>,
}

/// Looks for the connection between two addresses, in the scope that a host looks at; with a cookie, for that very
/// one. Returns where the answer comes from, and the connection if it is there.
///
/// Linux finds it by its addresses. Where the system has nothing but a list of all connections, that is read.
///
/// # Errors
///
/// Any [`CensusError`].
pub fn look_up(
    host: &dyn Host,
    (local, remote): (SocketAddr, SocketAddr),
    cookie: Option<Cookie>,
) -> Result<(Source, Option<Sighting>), CensusError> {
    match ask(host, (local, remote), cookie) {
        Ok(found) => {
            // Where there is no such connection the kernel may find a listener.
            let meant = |found: &Sighting| found.connection.remote == remote;
            Ok((Source::InetDiag, found.filter(meant)))
        }
        Err(CensusError::Sockets(SocketsError::Unsupported(_))) => in_list(host, (local, remote), cookie),
        Err(error) => Err(error),
    }
}

fn ask(
    host: &dyn Host,
    addresses: (SocketAddr, SocketAddr),
    cookie: Option<Cookie>,
) -> Result<Option<Sighting>, CensusError> {
    let (mut found, mut timeout) = (Found::Malformed, None);
    host.ask_for_sockets(&look_up_request(addresses, cookie, Endian::NATIVE), &mut |datagram| {
        found = decode_found(datagram, Endian::NATIVE);
        timeout = retransmission_timeout(datagram, Endian::NATIVE);
        ControlFlow::Break(())
    })?;
    match found {
        Found::Same(connection) => Ok(Some(Sighting { connection, retransmission_timeout: timeout })),
        Found::Other | Found::Gone => Ok(None),
        Found::Failed(number) => Err(SocketsError::answered(number).into()),
        Found::Malformed => Err(CensusError::Malformed("it is no answer to what was asked".to_owned())),
    }
}

fn in_list(
    host: &dyn Host,
    (local, remote): (SocketAddr, SocketAddr),
    cookie: Option<Cookie>,
) -> Result<(Source, Option<Sighting>), CensusError> {
    let filter = Filter { states: StateSet::ALL, local_ports: vec![local.port()], ..Filter::default() };
    let census = take(host, &Options { states: StateSet::ALL, ..Options::listing(filter, usize::MAX) })?;
    let meant = |found: &Connection| {
        (found.local, found.remote) == (local, remote) && (cookie.is_none() || found.cookie == cookie)
    };
    let found = census.connections.into_iter().find(meant);
    let sighting = found.map(|connection| Sighting { connection, retransmission_timeout: None });
    Ok((census.source, sighting))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use tune_host::{LiveHost, Loopback, Scope};

    use super::*;
    use crate::connection::Holding;
    use crate::state::TcpState;

    #[test]
    fn one_connection_is_found_by_its_addresses_and_cookie() {
        let (host, mut connection) = (LiveHost::own(), Loopback::open(&Scope::Own).unwrap());
        let addresses = (connection.local(), connection.remote());
        let seen = |cookie| look_up(&host, addresses, cookie).unwrap().1;
        let first = seen(None).unwrap();
        assert_eq!((first.connection.local, first.connection.remote), addresses);
        assert_eq!(
            (first.connection.state, first.connection.holding),
            (TcpState::Established, Holding::Held)
        );
        let cookie = first.connection.cookie;
        assert_eq!(seen(cookie).map(|again| again.connection.inode), Some(first.connection.inode));
        let Cookie([low, high]) = cookie.unwrap();
        assert_eq!(seen(Some(Cookie([!low, high]))), None);
        connection.close();
        let orphan = seen(cookie).unwrap().connection;
        assert!(orphan.holding.is_orphaned(), "{orphan:?}");
        // Going through the list finds the same.
        let (_, listed) = in_list(&host, addresses, cookie).unwrap();
        assert!(listed.unwrap().connection.holding.is_orphaned());
        // The far end goes, and with it what is left of the near one.
        drop(connection);
        assert_eq!(seen(None), None);
    }

    proptest! {
        #[test]
        fn any_answer_is_read(bytes in proptest::collection::vec(any::<u8>(), 0..200), length: u8) {
            for endian in [Endian::Little, Endian::Big] {
                let mut answer = look_up_request((ANY, ANY), None, endian);
                answer.extend(&bytes);
                // A length and a number that fit, so that what comes behind is read.
                answer[..4].copy_from_slice(&endian.put_u32(length.into()));
                for answer in [&answer, &bytes] {
                    let _ = (decode_found(answer, endian), retransmission_timeout(answer, endian));
                }
            }
        }
    }

    const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);
}
