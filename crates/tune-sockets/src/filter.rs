//! Which connections are meant.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::cidr::{Cidr, CidrError};
use crate::connection::{Age, Connection};
use crate::state::{StateError, StateSet, TcpState};

/// Connections of which a process has some, and some it has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// Those that no process has any more.
    Orphaned,
    /// Those that a process has open.
    Held,
}

/// Which connections are meant: those for which everything holds that is asked for. An empty filter means all.
///
/// It is read from, and printed as, the words of its options: `state=fin-wait-2 held older-than=5m peer=192.0.2.0/24
/// local-port=80 pid=1234`. Several peers, ports and pids stand for any of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The states; empty for every one.
    pub states: StateSet,
    /// Whether a process has it.
    pub side: Option<Side>,
    /// The least age. What has none that is known is never meant, and is counted.
    pub older_than: Option<Duration>,
    /// Where the peer is; empty for anywhere.
    pub peers: Vec<Cidr>,
    /// The ports here; empty for any.
    pub local_ports: Vec<u16>,
    /// The processes that have it; empty for any.
    pub pids: Vec<i32>,
}

/// Whether a connection is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// It is.
    Yes,
    /// It is not.
    No,
    /// It would be if its age were known and enough.
    UnknownAge,
}

/// Why a text is no filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// A state.
    #[error(transparent)]
    State(#[from] StateError),
    /// A peer.
    #[error(transparent)]
    Peer(#[from] CidrError),
    /// An age.
    #[error("{0:?} is not an age; write 90s, 5min or 2h")]
    Age(String),
    /// A port.
    #[error("{0:?} is not a port: a number from 1 to 65535")]
    Port(String),
    /// A process.
    #[error("{0:?} is not the id of a process")]
    Pid(String),
    /// Something else.
    #[error("connections are not chosen by {found:?}{}", tune_model::did_you_mean(.nearest.as_deref()))]
    Unknown {
        /// What was found.
        found: String,
        /// The option most like it, if one is like it at all.
        nearest: Option<String>,
    },
    /// Both sides at once, which is every connection or none.
    #[error("a connection is either orphaned or held, not both")]
    BothSides,
    /// Something that takes one value was given twice.
    #[error("{0:?} was given twice")]
    Twice(&'static str),
}

/// Reads an age as the command line writes it.
///
/// # Errors
///
/// [`FilterError::Age`].
pub fn parse_age(text: &str) -> Result<Duration, FilterError> {
    humantime::parse_duration(text).map_err(|_| FilterError::Age(text.to_owned()))
}

/// Reads a port as the command line writes it.
///
/// # Errors
///
/// [`FilterError::Port`].
pub fn parse_port(text: &str) -> Result<u16, FilterError> {
    number(text).filter(|port| *port != 0).ok_or_else(|| FilterError::Port(text.to_owned()))
}

/// Reads the id of a process as the command line writes it.
///
/// # Errors
///
/// [`FilterError::Pid`].
pub fn parse_pid(text: &str) -> Result<i32, FilterError> {
    number(text).filter(|pid| *pid > 0).ok_or_else(|| FilterError::Pid(text.to_owned()))
}

fn number<T: FromStr>(text: &str) -> Option<T> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

impl Filter {
    /// The names of its parts.
    const NAMES: [&str; 7] = ["state", "orphaned", "held", "older-than", "peer", "local-port", "pid"];

    /// Tells whether nothing is asked for, so that every connection is meant.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the states that the kernel is to be asked for.
    #[must_use]
    pub const fn kernel_states(&self) -> StateSet {
        if self.states.is_empty() { StateSet::ALL } else { self.states }
    }

    /// Tells whether the idle times of connections are needed.
    #[must_use]
    pub const fn needs_age(&self) -> bool {
        self.older_than.is_some()
    }

    /// Tells whether a connection is meant. Which process has it is not looked at: see [`Filter::pids`].
    #[must_use]
    pub fn matches(&self, connection: &Connection, fin_timeout: Option<Duration>) -> Match {
        let meant = (self.states.is_empty() || self.states.has(connection.state))
            && self.side.is_none_or(|side| side.has(connection))
            && any(&self.local_ports, |port| *port == connection.local.port())
            && any(&self.peers, |block| block.has(connection.remote.ip()));
        match self.older_than.map(|least| (least, connection.age(fin_timeout))) {
            _ if !meant => Match::No,
            None => Match::Yes,
            Some((_, Age::Unknown)) => Match::UnknownAge,
            Some((least, age)) if age.duration() >= Some(least) => Match::Yes,
            Some(_) => Match::No,
        }
    }

    fn take(&mut self, word: &str) -> Result<(), FilterError> {
        let (name, value) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
        match (name, value) {
            ("state", Some(value)) => self.states = self.states.union(value.parse()?),
            ("orphaned", None) => self.take_side(Side::Orphaned)?,
            ("held", None) => self.take_side(Side::Held)?,
            ("older-than", Some(_)) if self.older_than.is_some() => {
                return Err(FilterError::Twice("older-than"));
            }
            ("older-than", Some(value)) => self.older_than = Some(parse_age(value)?),
            ("peer", Some(value)) => self.peers.push(value.parse()?),
            ("local-port", Some(value)) => self.local_ports.push(parse_port(value)?),
            ("pid", Some(value)) => self.pids.push(parse_pid(value)?),
            _ => {
                let nearest = tune_model::nearest(name, Self::NAMES);
                return Err(FilterError::Unknown { found: word.to_owned(), nearest });
            }
        }
        Ok(())
    }

    fn take_side(&mut self, side: Side) -> Result<(), FilterError> {
        match self.side.replace(side) {
            Some(before) if before != side => Err(FilterError::BothSides),
            _ => Ok(()),
        }
    }
}

fn any<T>(list: &[T], holds: impl FnMut(&T) -> bool) -> bool {
    list.is_empty() || list.iter().any(holds)
}

impl Side {
    fn has(self, connection: &Connection) -> bool {
        match self {
            // A TIME_WAIT is nobody's, but nobody has left it behind either.
            Self::Orphaned => connection.holding.is_orphaned() && connection.state != TcpState::TimeWait,
            Self::Held => connection.holding == crate::connection::Holding::Held,
        }
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut filter = Self::default();
        text.split_whitespace().try_for_each(|word| filter.take(word))?;
        Ok(filter)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        if !self.states.is_empty() {
            words.push(format!("state={}", self.states));
        }
        words.extend(self.side.map(|side| match side {
            Side::Orphaned => "orphaned".to_owned(),
            Side::Held => "held".to_owned(),
        }));
        let age = |age| humantime::format_duration(age).to_string().replace(' ', "");
        words.extend(self.older_than.map(|least| format!("older-than={}", age(least))));
        words.extend(self.peers.iter().map(|peer| format!("peer={peer}")));
        words.extend(self.local_ports.iter().map(|port| format!("local-port={port}")));
        words.extend(self.pids.iter().map(|pid| format!("pid={pid}")));
        f.pad(&words.join(" "))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::connection::tests::example;
    use crate::connection::{Holding, Orphan, Timer, TimerKind};
    use proptest::prelude::*;

    fn filter(text: &str) -> Filter {
        text.parse().unwrap()
    }

    #[test]
    fn filters_mean_what_they_say() {
        let idle = Connection { idle: Some(Duration::from_secs(300)), ..example() };
        let orphan = Connection {
            holding: Holding::Orphaned(Orphan::Minisock),
            inode: 0,
            timer: Some(Timer { kind: TimerKind::TimeWait, left: Duration::from_secs(20) }),
            ..example()
        };
        let time_wait = Connection { state: TcpState::TimeWait, ..orphan.clone() };
        let cases = [
            ("", &idle, Match::Yes),
            ("state=fin-wait-2,close-wait", &idle, Match::Yes),
            ("state=close-wait", &idle, Match::No),
            ("held", &idle, Match::Yes),
            ("held", &orphan, Match::No),
            ("orphaned", &orphan, Match::Yes),
            ("orphaned", &time_wait, Match::No),
            ("orphaned", &idle, Match::No),
            ("older-than=5min", &idle, Match::Yes),
            ("older-than=301s", &idle, Match::No),
            ("older-than=1s", &example(), Match::UnknownAge),
            ("older-than=1s state=listen", &example(), Match::No),
            ("older-than=40s", &orphan, Match::Yes),
            ("older-than=41s", &orphan, Match::No),
            ("peer=192.0.2.0/24", &idle, Match::Yes),
            ("peer=192.0.3.0/24 peer=192.0.2.1", &idle, Match::Yes),
            ("peer=192.0.3.0/24", &idle, Match::No),
            ("local-port=443 local-port=80", &idle, Match::Yes),
            ("local-port=443", &idle, Match::No),
        ];
        for (text, connection, wanted) in cases {
            let found = filter(text).matches(connection, Some(Duration::from_secs(60)));
            assert_eq!(found, wanted, "{text}: {connection:?}");
        }
    }

    #[test]
    fn what_is_no_filter_says_why() {
        let cases = [
            ("held orphaned", "a connection is either orphaned or held, not both"),
            ("older-than=5", r#""5" is not an age; write 90s, 5min or 2h"#),
            ("older-than=5s older-than=6s", r#""older-than" was given twice"#),
            ("local-port=0", r#""0" is not a port: a number from 1 to 65535"#),
            ("local-port=+80", r#""+80" is not a port: a number from 1 to 65535"#),
            ("pid=-1", r#""-1" is not the id of a process"#),
            ("older=5s", r#"connections are not chosen by "older=5s"; did you mean "older-than"?"#),
            ("held=yes", r#"connections are not chosen by "held=yes"; did you mean "held"?"#),
            ("state=fin-wait", r#""fin-wait" is not a state of a connection; did you mean "fin-wait-2"?"#),
        ];
        for (text, says) in cases {
            assert_eq!(text.parse::<Filter>().unwrap_err().to_string(), says, "{text}");
        }
    }

    #[test]
    fn filters_print_and_read_the_same() {
        let text =
            "state=fin-wait-2,close-wait held older-than=5m peer=192.0.2.0/24 local-port=80 pid=1 pid=2";
        assert_eq!(filter(text).to_string(), text);
        assert!(filter("").is_empty() && !filter("held").is_empty());
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "(state|held|older-than|peer|pid|local-port|=|[0-9a-z.:/ ,-]){0,12}") {
            if let Ok(filter) = text.parse::<Filter>() {
                prop_assert_eq!(filter.to_string().parse(), Ok(filter));
            }
        }
    }
}
