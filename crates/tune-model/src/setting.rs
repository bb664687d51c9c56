//! The portable settings: what `tune` can be asked for on every system.

use std::fmt;
use std::str::FromStr;

/// What a setting's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A length of time; counted in milliseconds.
    Duration,
    /// A number of things.
    Count,
    /// An amount of memory.
    Bytes,
    /// On or off.
    Switch,
    /// A range of TCP ports, both ends included.
    Ports,
    /// An integer in a native tunable's own unit.
    Native,
    /// A native text that is no number.
    Text,
}

impl Kind {
    /// Returns the kind in words, with an example of how a profile writes it.
    #[must_use]
    pub const fn expected(self) -> &'static str {
        match self {
            Self::Duration => "a duration such as \"30s\" or \"10min\"",
            Self::Count => "a whole number such as 4096",
            Self::Bytes => "a size such as \"512MiB\"",
            Self::Switch => "true or false",
            Self::Ports => "a port range such as \"32768-60999\"",
            Self::Native => "a whole number in the tunable's own unit",
            Self::Text => "a text",
        }
    }
}

macro_rules! settings {
    ($($variant:ident, $name:literal, $kind:ident, $meaning:literal, $stands_in:literal;)*) => {
        /// A portable setting, named as in profiles and on the command line.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Setting {
            $(#[doc = $meaning] $variant,)*
        }

        impl Setting {
            /// Every setting, in the order in which they are shown.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Returns the name, such as `tcp.fin_wait_2_timeout`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// Returns what its values are.
            #[must_use]
            pub const fn kind(self) -> Kind {
                match self { $(Self::$variant => Kind::$kind),* }
            }

            /// Returns what it means, in a sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning),* }
            }

            /// Returns what bounds the same thing on a system that has no such setting.
            #[must_use]
            pub const fn stands_in(self) -> &'static str {
                match self { $(Self::$variant => $stands_in),* }
            }
        }
    };
}

settings! {
    FinWait2Timeout, "tcp.fin_wait_2_timeout", Duration,
        "How long a connection that the application has closed may wait in FIN_WAIT_2 for the peer to close.",
        "keepalive, or the application's own timeout";
    KeepaliveIdle, "tcp.keepalive_idle", Duration,
        "How long a connection with keepalive may be idle before the first probe.",
        "the application's own timeout";
    KeepaliveInterval, "tcp.keepalive_interval", Duration,
        "How long to wait for an answer to a keepalive probe before the next one.",
        "tcp.keepalive_abort, the total time of probing";
    KeepaliveProbes, "tcp.keepalive_probes", Count,
        "How many unanswered keepalive probes end a connection.",
        "tcp.keepalive_abort, the total time of probing";
    KeepaliveAbort, "tcp.keepalive_abort", Duration,
        "How long keepalive probes a silent peer before it gives the connection up: interval times probes.",
        "tcp.keepalive_interval and tcp.keepalive_probes";
    KeepaliveDefaultOn, "tcp.keepalive_default_on", Switch,
        "Whether keepalive is on for every connection, also where the application did not ask for it.",
        "SO_KEEPALIVE, set by each application (nginx: listen ... so_keepalive=on)";
    TimeWaitInterval, "tcp.time_wait_interval", Duration,
        "How long a fully closed connection stays in TIME_WAIT.",
        "a constant of the kernel";
    TimeWaitLimit, "tcp.time_wait_limit", Count,
        "How many connections may be in TIME_WAIT, small FIN_WAIT_2 entries included where the system counts them so.",
        "kernel memory";
    OrphanLimit, "tcp.orphan_limit", Count,
        "How many full sockets no longer held by a process may exist; beyond it they are reset.",
        "kernel memory, and tcp.fin_wait_2_timeout";
    ListenBacklog, "tcp.listen_backlog", Count,
        "The most completed connections that may wait for accept(2); caps what applications ask for.",
        "listen(2)'s own argument";
    SynBacklog, "tcp.syn_backlog", Count,
        "How many half-open connections may wait for the third packet of the handshake.",
        "SYN cookies";
    EphemeralPorts, "tcp.ephemeral_ports", Ports,
        "The local ports that outgoing connections are given.",
        "bind(2) by the application";
    SendBufferMax, "tcp.send_buffer_max", Bytes,
        "The largest send buffer that automatic sizing may give a connection.",
        "SO_SNDBUF, set by the application";
    ReceiveBufferMax, "tcp.receive_buffer_max", Bytes,
        "The largest receive buffer that automatic sizing may give a connection.",
        "SO_RCVBUF, set by the application";
    MbufClusters, "net.mbuf_clusters", Count,
        "How many 2 KiB mbuf clusters (NMBCLUSTERS) the network stack may use.",
        "net.tcp_memory_limit, where packet buffers come from general kernel memory";
    TcpMemoryLimit, "net.tcp_memory_limit", Bytes,
        "How much memory all TCP sockets together may use before allocations fail.",
        "net.mbuf_clusters, or kernel memory as a whole";
    MaxSockets, "net.max_sockets", Count,
        "How many sockets may exist.",
        "open-file limits and kernel memory";
}

impl Setting {
    /// Returns the setting of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|setting| setting.name() == name)
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Setting {
    type Err = UnknownSetting;

    fn from_str(name: &str) -> Result<Self, UnknownSetting> {
        Self::named(name).ok_or_else(|| UnknownSetting {
            name: name.to_owned(),
            nearest: crate::nearest(name, Self::ALL.iter().map(|setting| setting.name())),
        })
    }
}

/// There is no setting of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown setting {name:?}{}", crate::did_you_mean(.nearest.as_deref()))]
pub struct UnknownSetting {
    /// What was asked for.
    pub name: String,
    /// The valid name nearest to it, if any is near.
    pub nearest: Option<String>,
}

crate::serde_as_text!(Setting);
