//! Closing a connection on purpose and watching how long the kernel keeps it, beside one that is only half closed.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use tune_host::{Host, Loopback, LoopbackError};
use tune_model::proof::{HalfClosed, Observation, Orphan, Span};

use crate::census::{CensusError, Source};
use crate::connection::Cookie;
use crate::look_up::{Sighting, look_up};
use crate::track::Track;

/// Between two looks, at least.
const PAUSE: Duration = Duration::from_millis(10);
/// So many times as long as a look takes is waited until the next: where a whole list is read, that takes time.
const REST: u32 = 10;
/// But not for longer than this.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Why nothing could be observed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ObserveError {
    /// There is no connection.
    #[error(transparent)]
    Loopback(#[from] LoopbackError),
    /// It cannot be looked at.
    #[error(transparent)]
    Census(#[from] CensusError),
    /// It is not where it should be.
    #[error("a connection that was just made over loopback is not in the kernel's list")]
    Unseen,
    /// The caller does not want to wait any longer.
    #[error("the measurement was interrupted; nothing was changed and nothing is left of it")]
    Interrupted,
}

/// What was seen, and what the kernel's arithmetic depends on besides the host's values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// What was seen of the two connections.
    pub seen: Observation,
    /// The retransmission timeout of the one that was closed, before it was; `None` where the system does not tell.
    pub retransmission_timeout: Option<Duration>,
}

/// A connection that is watched.
struct Watched {
    connection: Loopback,
    cookie: Option<Cookie>,
    track: Track,
}

impl Watched {
    fn open(host: &dyn Host) -> Result<(Self, Sighting, Source), ObserveError> {
        let connection = Loopback::open(host.scope())?;
        let (source, found) = look_up(host, (connection.local(), connection.remote()), None)?;
        let found = found.ok_or(ObserveError::Unseen)?;
        let cookie = found.connection.cookie;
        let watched = Self { connection, cookie, track: Track::from(Duration::ZERO) };
        Ok((watched, found, source))
    }

    const fn addresses(&self) -> (SocketAddr, SocketAddr) {
        (self.connection.local(), self.connection.remote())
    }

    fn look(&mut self, host: &dyn Host, start: Instant) -> Result<(), ObserveError> {
        let begun = start.elapsed();
        let (_, found) = look_up(host, self.addresses(), self.cookie)?;
        self.track.add((begun, start.elapsed()), found.as_ref().map(|found| &found.connection));
        Ok(())
    }

    fn texts(&self) -> (String, String) {
        (self.connection.local().to_string(), self.connection.remote().to_string())
    }
}

/// Opens two connections over loopback in the scope that a host looks at, closes one, half closes the other, and
/// watches both until the closed one is gone or `most` is over. Their other ends stay open.
///
/// `each` is told the time at every look, and breaks to give up. Nothing of the connections is left in the end.
///
/// # Errors
///
/// Any [`ObserveError`].
pub fn observe(
    host: &dyn Host,
    most: Duration,
    each: &mut dyn FnMut(Duration) -> ControlFlow<()>,
) -> Result<Observed, ObserveError> {
    let (mut half_closed, ..) = Watched::open(host)?;
    let (mut closed, before, source) = Watched::open(host)?;
    let start = Instant::now();
    half_closed.connection.half_close()?;
    closed.connection.close();
    loop {
        let looking = Instant::now();
        closed.look(host, start)?;
        // Second, so that it was there after the other one was gone.
        half_closed.look(host, start)?;
        let took = looking.elapsed();
        if closed.track.is_gone() || start.elapsed() >= most {
            break;
        }
        if each(start.elapsed()).is_break() {
            return Err(ObserveError::Interrupted);
        }
        std::thread::sleep((took * REST).clamp(PAUSE, LONGEST_PAUSE));
    }
    let seen = observation(source, &closed, &half_closed);
    Ok(Observed { seen, retransmission_timeout: before.retransmission_timeout })
}

fn observation(source: Source, closed: &Watched, half_closed: &Watched) -> Observation {
    let gap = closed.track.longest_gap().max(half_closed.track.longest_gap());
    let (local, remote) = closed.texts();
    let orphan = Orphan {
        local,
        remote,
        in_fin_wait_2: closed.track.in_fin_wait_2(),
        gone: closed.track.is_gone(),
        stages: closed.track.stages(),
    };
    // A system may run keepalive's timer on every connection; that is another one.
    let timer_ran = half_closed.track.timers().iter().any(|kind| closed.track.timers().contains(kind));
    let (local, remote) = half_closed.texts();
    let half_closed = HalfClosed {
        local,
        remote,
        in_fin_wait_2: half_closed.track.in_fin_wait_2(),
        still_there: half_closed.track.is_in_fin_wait_2(),
        timer_ran,
    };
    Observation {
        source: source.name().to_owned(),
        longest_gap: Span::exactly(gap),
        closed: orphan,
        half_closed,
    }
}
