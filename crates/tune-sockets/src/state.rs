//! The states of a TCP connection, and sets of them.

use std::fmt;
use std::str::FromStr;

/// The state of a TCP connection, as RFC 9293 names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TcpState {
    /// Waiting for connections.
    Listen,
    /// We asked for a connection.
    SynSent,
    /// A connection was asked for, and is not complete.
    SynReceived,
    /// Open in both directions.
    Established,
    /// We have closed; the peer has not confirmed that yet.
    #[doc(alias = "FIN_WAIT_1")]
    FinWait1,
    /// We have closed, and the peer knows; it has not closed.
    #[doc(alias = "FIN_WAIT_2")]
    FinWait2,
    /// The peer has closed; the application here has not.
    #[doc(alias = "CLOSE_WAIT")]
    CloseWait,
    /// Both have closed at once.
    Closing,
    /// Both have closed, the peer first; it has not confirmed ours.
    #[doc(alias = "LAST_ACK")]
    LastAck,
    /// Both have closed; late segments are waited for.
    #[doc(alias = "TIME_WAIT")]
    TimeWait,
    /// No connection: unused, or only bound to an address.
    Closed,
}

impl TcpState {
    /// All states, in the order in which they are shown.
    pub const ALL: [Self; 11] = [
        Self::Listen,
        Self::SynSent,
        Self::SynReceived,
        Self::Established,
        Self::FinWait1,
        Self::FinWait2,
        Self::CloseWait,
        Self::Closing,
        Self::LastAck,
        Self::TimeWait,
        Self::Closed,
    ];

    /// Returns the name that `netstat` prints.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Listen => "LISTEN",
            Self::SynSent => "SYN_SENT",
            Self::SynReceived => "SYN_RECEIVED",
            Self::Established => "ESTABLISHED",
            Self::FinWait1 => "FIN_WAIT_1",
            Self::FinWait2 => "FIN_WAIT_2",
            Self::CloseWait => "CLOSE_WAIT",
            Self::Closing => "CLOSING",
            Self::LastAck => "LAST_ACK",
            Self::TimeWait => "TIME_WAIT",
            Self::Closed => "CLOSED",
        }
    }

    /// Returns the name as options take it: `fin-wait-2`.
    #[must_use]
    pub fn option(self) -> String {
        self.name().to_ascii_lowercase().replace('_', "-")
    }

    /// Tells whether a connection in this state exists that can be aborted.
    #[must_use]
    pub const fn is_connection(self) -> bool {
        !matches!(self, Self::Listen | Self::Closed)
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl fmt::Display for TcpState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Why a text names no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is not a state of a connection{}", tune_model::did_you_mean(.nearest.as_deref()))]
pub struct StateError {
    /// What was found.
    pub found: String,
    /// The name most like it, if one is like it at all.
    pub nearest: Option<String>,
}

/// Other names in use: those of `ss`, of the Linux kernel, of illumos.
const ALIASES: [(&str, TcpState); 5] = [
    ("estab", TcpState::Established),
    ("synrecv", TcpState::SynReceived),
    ("synrcvd", TcpState::SynReceived),
    ("unconnected", TcpState::Closed),
    ("close", TcpState::Closed),
];

impl FromStr for TcpState {
    type Err = StateError;

    /// Reads `FIN_WAIT_2`, `fin-wait-2`, `finwait2` and the like.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |text: &str| text.replace(['-', '_'], "").to_ascii_lowercase();
        let wanted = plain(text);
        let named = Self::ALL.into_iter().find(|state| plain(state.name()) == wanted);
        let named =
            named.or_else(|| ALIASES.iter().find(|(name, _)| *name == wanted).map(|(_, state)| *state));
        named.ok_or_else(|| {
            let names = Self::ALL.map(Self::option);
            let nearest = tune_model::nearest(&text.to_ascii_lowercase(), names.iter().map(String::as_str));
            StateError { found: text.to_owned(), nearest }
        })
    }
}

/// A set of states.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct StateSet(u16);

impl StateSet {
    /// No state.
    pub const EMPTY: Self = Self(0);
    /// Every state.
    pub const ALL: Self = Self((1 << TcpState::ALL.len()) - 1);
    /// The states in which one side has closed and the other may never do so: their holders are worth naming.
    pub const HALF_CLOSED: Self = Self(TcpState::FinWait2.bit() | TcpState::CloseWait.bit());

    /// Makes a set.
    #[must_use]
    pub fn of(states: &[TcpState]) -> Self {
        states.iter().copied().collect()
    }

    /// Tells whether a state is in the set.
    #[must_use]
    pub const fn has(self, state: TcpState) -> bool {
        self.0 & state.bit() != 0
    }

    /// Returns the set with a state more.
    #[must_use]
    pub const fn with(self, state: TcpState) -> Self {
        Self(self.0 | state.bit())
    }

    /// Returns what is in either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Tells whether there is no state in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns the states of the set, in the order of [`TcpState::ALL`].
    pub fn iter(self) -> impl Iterator<Item = TcpState> {
        TcpState::ALL.into_iter().filter(move |state| self.has(*state))
    }
}

impl FromIterator<TcpState> for StateSet {
    fn from_iter<I: IntoIterator<Item = TcpState>>(states: I) -> Self {
        states.into_iter().fold(Self::EMPTY, Self::with)
    }
}

impl FromStr for StateSet {
    type Err = StateError;

    /// Reads names with commas between them.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split(',').map(|name| name.trim().parse::<TcpState>()).collect()
    }
}

impl fmt::Display for StateSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(TcpState::option).collect();
        f.pad(&names.join(","))
    }
}

impl fmt::Debug for StateSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn states_are_read_as_people_write_them() {
        let cases = [
            ("FIN_WAIT_2", TcpState::FinWait2),
            ("fin-wait-2", TcpState::FinWait2),
            ("FinWait2", TcpState::FinWait2),
            ("FIN_WAIT2", TcpState::FinWait2),
            ("estab", TcpState::Established),
            ("established", TcpState::Established),
            ("SYN-RECV", TcpState::SynReceived),
            ("SYN_RCVD", TcpState::SynReceived),
            ("close-wait", TcpState::CloseWait),
        ];
        for (text, state) in cases {
            assert_eq!(text.parse(), Ok(state), "{text}");
        }
        let error = "finwait3".parse::<TcpState>().unwrap_err();
        assert_eq!(
            error.to_string(),
            r#""finwait3" is not a state of a connection; did you mean "fin-wait-2"?"#
        );
    }

    #[test]
    fn sets_print_and_read_the_same() {
        for bits in 1..=StateSet::ALL.0 {
            let set = StateSet(bits);
            assert_eq!(set.to_string().parse(), Ok(set));
            assert_eq!(set.iter().collect::<StateSet>(), set);
        }
        assert!("fin-wait-2,".parse::<StateSet>().is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in ".{0,20}") {
            let _ = text.parse::<StateSet>();
        }
    }
}
