//! What a diagnosis finds.

use serde::Serialize;

/// What is behind half-closed connections, or what they press on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Cause {
    /// The table of TIME_WAIT and orphaned FIN_WAIT_2 entries is full.
    TimeWaitFull,
    /// Orphans come near the number at which the kernel resets them.
    OrphanLimit,
    /// TCP comes near the memory that it may use.
    TcpMemory,
    /// Network memory was asked for and denied.
    MbufsDenied,
    /// They are in another network namespace, which the settings here do not reach.
    OtherNetwork,
    /// An application shuts down its sending side and keeps the descriptor.
    HalfCloseLeak,
    /// httpd reads on for up to 30 s after it has closed.
    HttpdLingering,
    /// nginx reads on after it has closed.
    NginxLingering,
    /// A deferred accept has made the kernel take the connection for very slow.
    DeferredAccept,
    /// Orphans keep a longer time than the present timeout gives.
    EarlierTimers,
    /// An application does not close what its peers have closed.
    CloseWaitLeak,
    /// Peers do not close, and the kernel waits for them.
    UnclosingPeers,
    /// Orphans are whole sockets for the first half of a timeout above 60 s.
    FirstPhase,
    /// Held connections have no keepalive, so that peers which are gone are never noticed.
    NoKeepalive,
    /// Connection tracking forgets connections before TCP does.
    ConntrackShort,
}

impl Cause {
    /// Returns the name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TimeWaitFull => "time-wait-full",
            Self::OrphanLimit => "orphan-limit",
            Self::TcpMemory => "tcp-memory",
            Self::MbufsDenied => "mbufs-denied",
            Self::OtherNetwork => "other-network",
            Self::HalfCloseLeak => "half-close-leak",
            Self::HttpdLingering => "httpd-lingering",
            Self::NginxLingering => "nginx-lingering",
            Self::DeferredAccept => "deferred-accept",
            Self::EarlierTimers => "earlier-timers",
            Self::CloseWaitLeak => "close-wait-leak",
            Self::UnclosingPeers => "unclosing-peers",
            Self::FirstPhase => "first-phase",
            Self::NoKeepalive => "no-keepalive",
            Self::ConntrackShort => "conntrack-short",
        }
    }
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weight {
    /// Good to know: there are few, or it does no harm yet.
    Note,
    /// Connections pile up, or soon something is refused.
    Problem,
    /// The kernel refuses or resets something already.
    Harm,
}

impl Weight {
    /// Returns the word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Problem => "problem",
            Self::Harm => "harm",
        }
    }

    /// Returns how much so many connections matter, where `many` of them are a problem.
    pub(crate) const fn of(connections: u64, many: u64) -> Self {
        if connections >= many { Self::Problem } else { Self::Note }
    }
}

/// What sort of thing a remedy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RemedyKind {
    /// A setting of the system.
    Setting,
    /// A setting of the application, or a change of its code.
    Application,
    /// Aborting connections.
    Drop,
    /// A setting of whatever runs the container.
    Container,
    /// Looking closer.
    Look,
    /// Nothing but time.
    Wait,
}

/// Something that helps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remedy {
    /// What sort of thing it is.
    pub kind: RemedyKind,
    /// What to do, a sentence.
    pub action: String,
    /// The command to type, where it is one of `tune`.
    pub command: Option<String>,
    /// The file to write to, where it is a setting of an application.
    pub file: Option<String>,
    /// The lines to write there.
    pub directives: Vec<String>,
    /// What it costs, where it costs anything.
    pub price: Option<String>,
}

impl Remedy {
    pub(crate) fn new(kind: RemedyKind, action: impl Into<String>) -> Self {
        let (command, file, directives, price) = (None, None, Vec::new(), None);
        Self { kind, action: action.into(), command, file, directives, price }
    }

    pub(crate) fn command(self, command: impl Into<String>) -> Self {
        Self { command: Some(command.into()), ..self }
    }

    pub(crate) fn file(self, file: &str, directives: &[&str]) -> Self {
        let directives = directives.iter().map(|line| (*line).to_owned()).collect();
        Self { file: Some(file.to_owned()), directives, ..self }
    }

    pub(crate) fn price(self, price: impl Into<String>) -> Self {
        Self { price: Some(price.into()), ..self }
    }
}

/// Something that people try and that does not help here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Vain {
    /// What is tried.
    pub what: String,
    /// Why it does not help.
    pub why: String,
}

/// One thing that was found, with what shows it and what helps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is.
    pub cause: Cause,
    /// How much it matters.
    pub weight: Weight,
    /// How many connections it is about; zero where it is about something else.
    pub connections: u64,
    /// What counts among findings of one weight.
    #[serde(skip)]
    pub(crate) score: u64,
    /// It in one sentence.
    pub title: String,
    /// What shows it, a fragment each.
    pub evidence: Vec<String>,
    /// What helps, the best first.
    pub remedies: Vec<Remedy>,
    /// What does not.
    pub in_vain: Vec<Vain>,
}

impl Finding {
    pub(crate) fn new(cause: Cause, weight: Weight, title: impl Into<String>) -> Self {
        let (evidence, remedies, in_vain) = (Vec::new(), Vec::new(), Vec::new());
        Self { cause, weight, connections: 0, score: 0, title: title.into(), evidence, remedies, in_vain }
    }

    /// Says how many connections it is about, and how much each counts.
    pub(crate) const fn about(mut self, connections: u64, factor: u64) -> Self {
        self.connections = connections;
        self.score = connections.saturating_mul(factor);
        self
    }

    pub(crate) fn seen(mut self, evidence: impl Into<String>) -> Self {
        self.evidence.push(evidence.into());
        self
    }

    pub(crate) fn seen_all(mut self, evidence: impl IntoIterator<Item = String>) -> Self {
        self.evidence.extend(evidence);
        self
    }

    pub(crate) fn remedy(mut self, remedy: Remedy) -> Self {
        self.remedies.push(remedy);
        self
    }

    pub(crate) fn vain(mut self, what: impl Into<String>, why: impl Into<String>) -> Self {
        self.in_vain.push(Vain { what: what.into(), why: why.into() });
        self
    }
}
