//! Protocols, and the words for them.

/// A protocol, or both versions of IP at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Proto {
    /// Both versions of IP.
    Ip,
    /// IP, version 4.
    Ipv4,
    /// IP, version 6.
    Ipv6,
    /// ICMP, as raw sockets have it.
    Icmp,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Proto {
    /// Returns the protocol that ipadm knows by a word.
    pub(super) fn named(word: &str) -> Option<Self> {
        Some(match word {
            "ip" | "arp" => Self::Ip,
            "ipv4" => Self::Ipv4,
            "ipv6" => Self::Ipv6,
            "icmp" => Self::Icmp,
            "tcp" => Self::Tcp,
            "udp" => Self::Udp,
            "sctp" => Self::Sctp,
            _ => return None,
        })
    }

    /// Returns the protocol of a device, by the last part of its path, where ndd hands it to libipadm.
    pub(super) fn of_device(device: &str) -> Option<Self> {
        let word = device.rsplit('/').next().unwrap_or(device);
        Some(match word {
            "arp" => Self::Ip,
            "ip" | "ip6" => Self::Ip,
            "icmp" | "icmp6" => Self::Icmp,
            "tcp" | "tcp6" => Self::Tcp,
            "udp" | "udp6" => Self::Udp,
            "sctp" | "sctp6" => Self::Sctp,
            _ => return None,
        })
    }

    /// Returns its word.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::Icmp => "icmp",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }

    /// Tells whether it is IP, of whatever version.
    pub(super) const fn is_ip(self) -> bool {
        matches!(self, Self::Ip | Self::Ipv4 | Self::Ipv6)
    }

    /// Tells whether one of the two is the other, or part of it.
    pub(super) fn meets(self, other: Self) -> bool {
        self == other || (self.is_ip() && other.is_ip() && (self == Self::Ip || other == Self::Ip))
    }
}
