//! One connection, as a kernel tells of it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::state::TcpState;

/// The address family of a connection. IPv4 over an IPv6 socket is [`Family::Ipv6`], as the kernel counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Family {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Ipv4, Self::Ipv6];
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
        })
    }
}

/// What a connection's timer waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimerKind {
    /// No timer runs: the kernel will never end the connection by itself.
    Off,
    /// A segment will be sent again.
    Retransmit,
    /// A keepalive probe will be sent; of an orphan in FIN_WAIT_2, the first part of its time runs.
    Keepalive,
    /// The connection ends when it runs out: TIME_WAIT, and FIN_WAIT_2 of an orphan.
    TimeWait,
    /// The peer's window is full and will be probed.
    ZeroWindow,
}

/// A timer and how long it still runs; the time is zero when it is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Timer {
    /// What it waits for.
    pub kind: TimerKind,
    /// How long it still runs.
    pub left: Duration,
}

impl Timer {
    /// No timer.
    pub const OFF: Self = Self { kind: TimerKind::Off, left: Duration::ZERO };
}

/// In which form the kernel keeps an orphan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Orphan {
    /// A small record with a timer, after which nothing is left of it. On Linux it counts against
    /// `tcp_max_tw_buckets`.
    Minisock,
    /// A whole socket with its buffers. On Linux it counts against `tcp_max_orphans`; in FIN_WAIT_2 it is in the first
    /// part of a timeout above 60 s and becomes a minisock when that ends. A few are made under a shorter timeout, too:
    /// those that were in use at the moment when the peer confirmed. FreeBSD has no other form.
    FullSocket,
}

/// Who has a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Holding {
    /// No process: the application has closed it, or has ended. The kernel's timer ends it.
    Orphaned(Orphan),
    /// A process has it open. No FIN_WAIT_2 timeout applies.
    Held,
    /// A listener's queue: no process has accepted it yet.
    Unaccepted,
    /// The system does not tell.
    Unknown,
}

impl Holding {
    /// Tells whether no process has it any more.
    #[must_use]
    pub const fn is_orphaned(self) -> bool {
        matches!(self, Self::Orphaned(_))
    }
}

/// What the kernel's list tells one connection from all others by: the same addresses may be used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cookie(pub [u32; 2]);

/// How long nothing has happened on a connection, or how long it has been what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Age {
    /// For at least so long nothing was sent, received or confirmed.
    IdleAtLeast(Duration),
    /// An estimate of how long ago it was orphaned: the timeout in force less what is left of it.
    Estimated(Duration),
    /// Not known. Never taken for old.
    Unknown,
}

impl Age {
    /// Returns the time, where there is one.
    #[must_use]
    pub const fn duration(self) -> Option<Duration> {
        match self {
            Self::IdleAtLeast(time) | Self::Estimated(time) => Some(time),
            Self::Unknown => None,
        }
    }
}

/// One connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// The family of its socket.
    pub family: Family,
    /// Its state.
    pub state: TcpState,
    /// The address and port here. An address of all zeros is any address.
    pub local: SocketAddr,
    /// The address and port of the peer.
    pub remote: SocketAddr,
    /// The interface it is bound to, or zero.
    pub interface: u32,
    /// Its timer; `None` where the system does not tell.
    pub timer: Option<Timer>,
    /// The number by which descriptors name it; zero where no descriptor does.
    pub inode: u64,
    /// What tells it from a later one with the same addresses; `None` where the system does not tell.
    pub cookie: Option<Cookie>,
    /// The user who made it; says nothing where no process has it.
    pub uid: Option<u32>,
    /// Bytes received and not read; of a listener, connections not accepted.
    pub receive_queue: u32,
    /// Bytes sent and not confirmed; of a listener, how many may wait.
    pub send_queue: u32,
    /// Who has it.
    pub holding: Holding,
    /// For how long at least nothing was sent, received or confirmed; `None` where it was not asked for, or the system
    /// does not tell.
    pub idle: Option<Duration>,
}

impl Connection {
    /// Returns the peer's address; an IPv4 address in an IPv6 socket as the IPv4 address.
    #[must_use]
    pub fn peer(&self) -> IpAddr {
        self.remote.ip().to_canonical()
    }

    /// Returns how old it is.
    ///
    /// `fin_timeout` is the FIN_WAIT_2 timeout now in force, as the system shows it; without it orphans have no age. It
    /// is an estimate for them: the timeout may have been another when they were orphaned, and an application may have
    /// asked for its own.
    #[must_use]
    pub fn age(&self, fin_timeout: Option<Duration>) -> Age {
        match (self.holding, self.state) {
            (Holding::Orphaned(form), TcpState::FinWait2) => {
                let spent = fin_timeout.and_then(|timeout| spent(form, self.timer?, timeout));
                spent.map_or(Age::Unknown, Age::Estimated)
            }
            (Holding::Held | Holding::Unaccepted, _) => self.idle.map_or(Age::Unknown, Age::IdleAtLeast),
            _ => Age::Unknown,
        }
    }

    /// Returns how long an orphan in FIN_WAIT_2 will still be there; an estimate where it is in the first of two parts.
    #[must_use]
    pub fn time_left(&self, fin_timeout: Option<Duration>) -> Option<Duration> {
        let timer = self.timer?;
        match (self.holding, self.state, timer.kind) {
            (Holding::Orphaned(Orphan::Minisock), TcpState::FinWait2, TimerKind::TimeWait) => {
                Some(timer.left)
            }
            (Holding::Orphaned(Orphan::FullSocket), TcpState::FinWait2, TimerKind::Keepalive) => {
                Some(timer.left + fin_timeout.map_or(Duration::ZERO, part))
            }
            (Holding::Orphaned(Orphan::FullSocket), TcpState::FinWait2, TimerKind::TimeWait) => {
                Some(timer.left)
            }
            _ => None,
        }
    }
}

/// Linux keeps an orphan for no longer than this in one piece. Source: include/net/tcp.h `TCP_TIMEWAIT_LEN`.
const ONE_PIECE: Duration = Duration::from_secs(60);
/// A timer is set in whole ticks of the kernel's clock.
const TICK: Duration = Duration::from_millis(20);

/// Returns how long each of the two parts of a longer timeout lasts. Source: net/ipv4/tcp_input.c and tcp_timer.c: a
/// socket for what is above 60 s, then a minisock for the same again.
fn part(timeout: Duration) -> Duration {
    timeout.saturating_sub(ONE_PIECE)
}

/// Returns how much of its time an orphan has spent; nothing where more is left than the timeout could have given.
fn spent(form: Orphan, timer: Timer, timeout: Duration) -> Option<Duration> {
    let (before, whole) = match (form, timer.kind) {
        (Orphan::Minisock, TimerKind::TimeWait) if timeout <= ONE_PIECE => (Duration::ZERO, timeout),
        (Orphan::Minisock, TimerKind::TimeWait) => (part(timeout), part(timeout)),
        // One whose owner was busy with it when the peer confirmed: a whole socket for all of its time.
        (Orphan::FullSocket, TimerKind::Keepalive) if timeout <= ONE_PIECE => (Duration::ZERO, timeout),
        (Orphan::FullSocket, TimerKind::Keepalive) => (Duration::ZERO, part(timeout)),
        // FreeBSD: one timer over the whole time.
        (Orphan::FullSocket, TimerKind::TimeWait) => (Duration::ZERO, timeout),
        _ => return None,
    };
    (timer.left <= whole + TICK).then(|| before + whole.saturating_sub(timer.left))
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    pub(crate) fn example() -> Connection {
        Connection {
            family: Family::Ipv4,
            state: TcpState::FinWait2,
            local: "127.0.0.1:80".parse().unwrap(),
            remote: "192.0.2.1:4000".parse().unwrap(),
            interface: 0,
            timer: Some(Timer::OFF),
            inode: 7,
            cookie: Some(Cookie([1, 0])),
            uid: Some(0),
            receive_queue: 0,
            send_queue: 0,
            holding: Holding::Held,
            idle: None,
        }
    }

    #[test]
    fn ages_of_orphans_come_from_the_timeout_in_force() {
        use Orphan::{FullSocket, Minisock};
        use TimerKind::{Keepalive, TimeWait};
        let cases = [
            (Minisock, TimeWait, 50_000, Some(60), Some(10_000), Some(50_000)),
            (Minisock, TimeWait, 50_000, None, None, Some(50_000)),
            // Longer than the timeout could have given: it was another then.
            (Minisock, TimeWait, 50_000, Some(30), None, Some(50_000)),
            // The second of two parts of 40 s.
            (Minisock, TimeWait, 30_000, Some(100), Some(50_000), Some(30_000)),
            (FullSocket, Keepalive, 30_000, Some(100), Some(10_000), Some(70_000)),
            (FullSocket, Keepalive, 30_000, Some(60), Some(30_000), Some(30_000)),
            (FullSocket, Keepalive, 70_000, Some(60), None, Some(70_000)),
            (FullSocket, TimerKind::Off, 0, Some(60), None, None),
        ];
        for (form, kind, left, timeout, age, remains) in cases {
            let orphan = Connection {
                holding: Holding::Orphaned(form),
                timer: Some(Timer { kind, left: Duration::from_millis(left) }),
                inode: 0,
                ..example()
            };
            let timeout = timeout.map(Duration::from_secs);
            assert_eq!(orphan.age(timeout).duration(), age.map(Duration::from_millis), "{orphan:?}");
            assert_eq!(orphan.time_left(timeout), remains.map(Duration::from_millis), "{orphan:?}");
        }
    }

    #[test]
    fn ages_of_held_connections_are_idle_times_and_else_unknown() {
        let idle = Duration::from_secs(5);
        let held = Connection { idle: Some(idle), ..example() };
        assert_eq!(held.age(None), Age::IdleAtLeast(idle));
        assert_eq!(example().age(Some(idle)), Age::Unknown);
        let unknown = Connection { holding: Holding::Unknown, idle: Some(idle), ..example() };
        assert_eq!(unknown.age(Some(idle)), Age::Unknown);
    }
}
