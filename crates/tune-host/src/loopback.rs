//! A connection of the host with itself, to see what its kernel does with one.

use std::io::{self, ErrorKind, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::files::plain;
use crate::host::Scope;
use crate::live::NamespaceError;
use crate::sys;

/// A connection over loopback takes no time; one that does is held up by something.
const PATIENCE: Duration = Duration::from_secs(5);
const NAP: Duration = Duration::from_millis(1);

/// Why no connection over loopback could be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoopbackError {
    /// There is no running system.
    #[error("an image has no connections")]
    Image,
    /// The namespace could not be entered.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// There is no 127.0.0.1 here.
    #[error("no connection can be made over loopback: the interface lo is down here")]
    Down,
    /// Something holds it up.
    #[error(
        "no connection can be made over loopback: it is not accepted, perhaps because of a packet filter"
    )]
    HeldUp,
    /// Anything else the system said.
    #[error("no connection can be made over loopback: {0}")]
    Failed(String),
}

/// A connection over loopback, both ends of it.
///
/// The end that is closed was accepted, as a server's is. Nobody reads a byte that it sends first: so, whenever the
/// other end goes away, also because this process is killed, a kernel as RFC 9293 wants it resets the connection, and
/// nothing of it is left to wait for.
#[derive(Debug)]
pub struct Loopback {
    near: Option<TcpStream>,
    /// Never closed but by going away.
    _far: TcpStream,
    local: SocketAddr,
    remote: SocketAddr,
}

impl Loopback {
    /// Connects the host with itself, in the scope looked at.
    ///
    /// # Errors
    ///
    /// Any [`LoopbackError`].
    pub fn open(scope: &Scope) -> Result<Self, LoopbackError> {
        match scope {
            Scope::Own => connect().map_err(failed),
            Scope::Namespace(namespace) => sys::within(Some(namespace), connect)?.map_err(failed),
            Scope::Image(_) => Err(LoopbackError::Image),
        }
    }

    /// Returns the address of the end that is closed.
    #[must_use]
    pub const fn local(&self) -> SocketAddr {
        self.local
    }

    /// Returns the address of the end that stays open.
    #[must_use]
    pub const fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// Closes one end for sending and goes on to hold it: `shutdown(SHUT_WR)`.
    ///
    /// # Errors
    ///
    /// [`LoopbackError::Failed`].
    pub fn half_close(&self) -> Result<(), LoopbackError> {
        self.near.as_ref().map_or(Ok(()), |near| near.shutdown(Shutdown::Write)).map_err(failed)
    }

    /// Closes one end altogether: no process has it any more.
    pub fn close(&mut self) {
        self.near = None;
    }
}

fn connect() -> io::Result<Loopback> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let far = TcpStream::connect_timeout(&listener.local_addr()?, PATIENCE)?;
    let (local, remote) = (listener.local_addr()?, far.local_addr()?);
    let mut near = accept(&listener, remote)?;
    near.set_nonblocking(false)?;
    near.write_all(b".")?;
    Ok(Loopback { near: Some(near), _far: far, local, remote })
}

/// Anybody on the host can connect, too.
fn accept(listener: &TcpListener, wanted: SocketAddr) -> io::Result<TcpStream> {
    let begun = Instant::now();
    loop {
        match listener.accept() {
            Ok((accepted, from)) if from == wanted => return Ok(accepted),
            Ok(_) => {}
            Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
            Err(_) if begun.elapsed() > PATIENCE => return Err(ErrorKind::TimedOut.into()),
            Err(_) => std::thread::sleep(NAP),
        }
    }
}

#[allow(clippy::needless_pass_by_value)] // for map_err
fn failed(error: io::Error) -> LoopbackError {
    match error.kind() {
        ErrorKind::AddrNotAvailable | ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => {
            LoopbackError::Down
        }
        ErrorKind::TimedOut => LoopbackError::HeldUp,
        _ => LoopbackError::Failed(plain(&error)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_image_has_none() {
        assert_eq!(Loopback::open(&Scope::Image("/".into())).unwrap_err(), LoopbackError::Image);
    }
}
