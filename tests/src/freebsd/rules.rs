//! What a write makes of a value: one rule for each name that can be written.
//!
//! A name without a rule is refused as unknown to the fake.

use super::table::Release;

/// What a write makes of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// Milliseconds, kept as whole ticks; less than one is refused.
    Ticks,
    /// The same, and what is not a whole number of ticks was never tried.
    WholeTicks,
    /// Taken as it is.
    Plain,
    /// A switch whose other values were not looked at: those up to this one are taken.
    UpTo(i128),
    /// A switch of one byte: whatever is not 0 is kept as 1.
    Bool,
    /// Refused outside of the two.
    Within(i128, i128),
    /// Moved to the nearer of the two where it is outside of them.
    Moved(i128, i128),
    /// Nothing happens below this one.
    UnheardBelow(i128),
    /// A limit of clusters.
    Clusters,
    /// The limit of mbufs.
    Mbufs,
    /// The limit of sockets.
    Sockets,
    /// The securelevel.
    Level,
}

/// The limits of clusters of all sizes.
pub(super) const CLUSTERS: &[&str] =
    &["kern.ipc.nmbclusters", "kern.ipc.nmbjumbop", "kern.ipc.nmbjumbo9", "kern.ipc.nmbjumbo16"];

const INT_MIN: i128 = i32::MIN as i128;
const INT_MAX: i128 = i32::MAX as i128;

const RULES: &[(Rule, &[&str])] = &[
    (
        Rule::Ticks,
        &[
            "net.inet.tcp.finwait2_timeout",
            "net.inet.tcp.keepidle",
            "net.inet.tcp.keepintvl",
            "net.inet.tcp.keepinit",
            "net.inet.tcp.msl",
            "net.inet.tcp.rexmit_initial",
            "net.inet.tcp.rexmit_min",
            "net.inet.tcp.rexmit_slop",
            "net.inet.tcp.persmin",
            "net.inet.tcp.persmax",
            "net.inet.tcp.delacktime",
            "net.inet.tcp.maxunacktime",
        ],
    ),
    (Rule::WholeTicks, &["net.inet.tcp.rexmit_max", "net.inet.tcp.msl_local"]),
    (
        Rule::Plain,
        &[
            "net.inet.tcp.fast_finwait2_recycle",
            "net.inet.tcp.keepcnt",
            "net.inet.tcp.always_keepalive",
            "net.inet.tcp.sendspace",
            "net.inet.tcp.recvspace",
            "net.inet.tcp.sendbuf_max",
            "net.inet.tcp.recvbuf_max",
            "net.inet.tcp.minmss",
            "kern.maxfiles",
            "kern.maxfilesperproc",
        ],
    ),
    (
        Rule::UpTo(1),
        &[
            "net.inet.tcp.sendbuf_auto",
            "net.inet.tcp.recvbuf_auto",
            "net.inet.tcp.syncookies",
            "net.inet.tcp.syncookies_only",
            "net.inet.tcp.syncache.rst_on_sock_fail",
            "net.inet.tcp.syncache.see_other",
            "net.inet.tcp.drop_synfin",
            "net.inet.tcp.blackhole_local",
            "net.inet.tcp.icmp_may_rst",
            "net.inet.tcp.path_mtu_discovery",
            "net.inet.tcp.rfc1323",
            "net.inet.tcp.sack.enable",
            "net.inet.tcp.tso",
            "net.inet.tcp.delayed_ack",
            "net.inet.ip.portrange.randomized",
        ],
    ),
    (
        Rule::UpTo(2),
        &[
            "net.inet.tcp.blackhole",
            "net.inet.tcp.log_in_vain",
            "net.inet.udp.log_in_vain",
            "net.inet.tcp.ecn.enable",
        ],
    ),
    (
        Rule::UpTo(INT_MAX),
        &[
            "net.inet.tcp.sendbuf_inc",
            "net.inet.tcp.initcwnd_segments",
            "kern.ipc.sockbuf_waste_factor",
            "net.inet.ip.portrange.randomcps",
            "net.inet.ip.portrange.randomtime",
        ],
    ),
    (Rule::UpTo(65535), &["net.inet.ip.portrange.reservedhigh", "net.inet.ip.portrange.reservedlow"]),
    (Rule::Bool, &["net.inet.tcp.nolocaltimewait"]),
    (Rule::Within(1, u32::MAX as i128 / 3), &["kern.ipc.soacceptqueue"]),
    (Rule::Within(2304, u64::MAX as i128), &["kern.ipc.maxsockbuf"]),
    (Rule::Within(216, INT_MAX), &["net.inet.tcp.mssdflt"]),
    (Rule::Within(0, 12), &["net.inet.tcp.syncache.rexmtlimit"]),
    (Rule::Within(1, 12), &["net.inet.tcp.retries"]),
    (
        Rule::Moved(1024, 65535),
        &[
            "net.inet.ip.portrange.first",
            "net.inet.ip.portrange.last",
            "net.inet.ip.portrange.hifirst",
            "net.inet.ip.portrange.hilast",
        ],
    ),
    (Rule::Moved(1, 1023), &["net.inet.ip.portrange.lowfirst", "net.inet.ip.portrange.lowlast"]),
    (Rule::UnheardBelow(32), &["net.inet.tcp.maxtcptw"]),
    (Rule::Clusters, CLUSTERS),
    (Rule::Mbufs, &["kern.ipc.nmbufs"]),
    (Rule::Sockets, &["kern.ipc.maxsockets"]),
    (Rule::Level, &["kern.securelevel"]),
];

/// Names that stand for the same variable as another.
pub(super) fn variable(name: &str) -> &str {
    if name == "kern.ipc.somaxconn" { "kern.ipc.soacceptqueue" } else { name }
}

/// Returns the rule of a name.
pub(super) fn rule(release: Release, name: &str) -> Option<Rule> {
    let rule = RULES.iter().find(|(_, names)| names.contains(&name)).map(|(rule, _)| *rule);
    match rule {
        Some(Rule::Bool) if release == Release::Thirteen => Some(Rule::Plain),
        rule => rule,
    }
}

/// Tells whether a name is kept in ticks.
pub(super) fn in_ticks(name: &str) -> bool {
    RULES.iter().take(2).any(|(_, names)| names.contains(&name))
}

/// What came of a value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Made {
    /// It is this now, in the kernel's unit.
    Value(i128),
    /// Nothing happened, and that is no error.
    Nothing,
    /// The value was refused.
    Invalid,
    /// The caller may not do this, whoever it is.
    NotPermitted,
    /// What the kernel does is not known.
    Unknown,
}

/// What a rule looks at besides the value.
pub(super) struct Around<'a> {
    pub(super) release: Release,
    pub(super) hz: i128,
    /// The variable as it is.
    pub(super) now: i128,
    /// Any other variable as it is.
    pub(super) other: &'a dyn Fn(&str) -> i128,
}

impl Rule {
    pub(super) fn makes(self, given: i128, around: &Around<'_>) -> Made {
        match self {
            Self::Ticks => match given * around.hz / 1000 {
                ..1 => Made::Invalid,
                ticks => Made::Value(ticks),
            },
            Self::WholeTicks if given < 1 || given * around.hz % 1000 != 0 => Made::Unknown,
            Self::WholeTicks => Made::Value(given * around.hz / 1000),
            Self::Plain => Made::Value(given),
            Self::UpTo(most) if (0..=most).contains(&given) => Made::Value(given),
            Self::UpTo(_) => Made::Unknown,
            Self::Bool => Made::Value(i128::from(given != 0)),
            Self::Within(low, high) if (low..=high).contains(&given) => Made::Value(given),
            Self::Within(..) => Made::Invalid,
            Self::Moved(low, high) => Made::Value(given.max(low).min(high)),
            Self::UnheardBelow(least) if given < least => Made::Nothing,
            Self::UnheardBelow(_) => Made::Value(given),
            Self::Clusters | Self::Mbufs | Self::Sockets if given < around.now => Made::Invalid,
            Self::Clusters => clusters(given, around),
            Self::Mbufs => Made::Value(given),
            Self::Sockets => sockets(given, around),
            Self::Level if given >= around.now && (INT_MIN..=3).contains(&given) => Made::Value(given),
            Self::Level if given > 3 => Made::Unknown,
            Self::Level => Made::NotPermitted,
        }
    }
}

/// The mbufs must suffice for the clusters as they are before the change; what they will be is not looked at.
fn clusters(given: i128, around: &Around<'_>) -> Made {
    if given == around.now {
        return Made::Nothing;
    }
    let all: i128 = CLUSTERS.iter().map(|name| (around.other)(name)).sum();
    if (around.other)("kern.ipc.nmbufs") >= all { Made::Value(given) } else { Made::Invalid }
}

fn sockets(given: i128, around: &Around<'_>) -> Made {
    let files = (around.other)("kern.maxfiles");
    match given {
        same if same == around.now && around.release == Release::Thirteen => Made::Invalid,
        same if same == around.now => Made::Nothing,
        more if more > files => Made::Invalid,
        more => Made::Value(more),
    }
}
