//! Taking a census of a host's connections.

use std::ops::ControlFlow;
use std::time::Duration;

use tune_host::{Host, SocketsError};

use crate::bytes::Endian;
use crate::connection::{Connection, Family};
use crate::filter::{Filter, Match};
use crate::freebsd::Read;
use crate::inet_diag::{Families, ListReader, Progress, list_request};
use crate::netstat::Netstat;
use crate::owners::{Held, Owners, owners};
use crate::state::StateSet;
use crate::tally::{Tally, Wanted};

/// How often a list that changes while it is made is asked for again.
const ATTEMPTS: u32 = 4;

/// What is asked of a census.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// The states to look at; the kernel leaves out all others.
    pub states: StateSet,
    /// Finds the processes that have the half-closed connections, too.
    pub owners: bool,
    /// Finds how long held connections have been idle, too.
    pub idle_times: bool,
    /// The FIN_WAIT_2 timeout in force, as the system shows it. What depends on it is an estimate.
    pub fin_timeout: Option<Duration>,
    /// Keeps the connections that are meant, and how many of them at most. Only those are counted that are looked at.
    pub keep: Option<(Filter, usize)>,
}

impl Options {
    /// Counts the connections in some states.
    #[must_use]
    pub fn counting(states: StateSet) -> Self {
        Self { states, ..Self::default() }
    }

    /// Counts, and finds the owners of half-closed connections and how long those have been idle.
    #[must_use]
    pub fn naming_owners(states: StateSet) -> Self {
        Self { states, owners: true, idle_times: true, ..Self::default() }
    }

    /// Lists the connections that are meant, at most so many.
    #[must_use]
    pub fn listing(filter: Filter, most: usize) -> Self {
        let idle_times = filter.needs_age();
        Self { states: filter.kernel_states(), idle_times, keep: Some((filter, most)), ..Self::default() }
    }

    /// Takes the FIN_WAIT_2 timeout in force into account.
    #[must_use]
    pub const fn with_fin_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.fin_timeout = timeout;
        self
    }
}

/// Where a census comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// Linux: `NETLINK_SOCK_DIAG`.
    InetDiag,
    /// Linux: `/proc/net/tcp` and `tcp6`, where the kernel has no better; without idle times and cookies.
    ProcNet,
    /// FreeBSD: `net.inet.tcp.pcblist`. It leaves out what the caller may not see.
    PcbList,
    /// FreeBSD: `net.inet.tcp.states`, where the list is laid out in a way that is not known; counts, and no more.
    States,
    /// illumos and Solaris: `netstat`. It does not tell who has a connection.
    Netstat,
}

impl Source {
    /// Returns its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InetDiag => "inet_diag",
            Self::ProcNet => "/proc/net/tcp",
            Self::PcbList => crate::freebsd::PCBLIST,
            Self::States => crate::freebsd::STATES,
            Self::Netstat => "netstat",
        }
    }
}

/// The connections of a host, or of one of its network namespaces.
#[derive(Debug, Clone)]
pub struct Census {
    /// Where it comes from.
    pub source: Source,
    /// What was counted.
    pub tally: Tally,
    /// Who has the half-closed connections; `None` where that was not asked for, or the system does not tell.
    pub owners: Option<Owners>,
    /// The connections that are meant, as many as were to be kept.
    pub connections: Vec<Connection>,
    /// How many connections are meant.
    pub matched: u64,
    /// How many would be meant if their age were known.
    pub unknown_age: u64,
    /// The list changed each time that it was made: it may lack some connections, or have some twice.
    pub inexact: bool,
}

/// Why there is no census.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CensusError {
    /// The system cannot be asked.
    #[error(transparent)]
    Sockets(#[from] SocketsError),
    /// The kernel's answer is not understood.
    #[error("the kernel's list of connections is not understood: {0}")]
    Malformed(String),
}

/// What has been read of one list.
#[derive(Debug)]
struct Reading<'a> {
    options: &'a Options,
    /// The inodes of the processes that are meant, in order; `None` where any process will do.
    inodes: Option<Vec<u64>>,
    tally: Tally,
    connections: Vec<Connection>,
    matched: u64,
    unknown_age: u64,
}

impl<'a> Reading<'a> {
    fn new(options: &'a Options, inodes: Option<Vec<u64>>) -> Self {
        Self { options, inodes, tally: Tally::default(), connections: Vec::new(), matched: 0, unknown_age: 0 }
    }

    /// Forgets everything: the list is read again.
    fn again(&mut self) {
        *self = Self::new(self.options, self.inodes.take());
    }

    fn add(&mut self, connection: Connection) {
        // What was not asked for, where the source cannot leave it out.
        if !self.options.states.has(connection.state) {
            return;
        }
        let wanted = Wanted { holders: self.options.owners, fin_timeout: self.options.fin_timeout };
        self.tally.add(&connection, wanted);
        let Some((filter, most)) = &self.options.keep else { return };
        let of_process =
            || self.inodes.as_ref().is_none_or(|inodes| inodes.binary_search(&connection.inode).is_ok());
        match filter.matches(&connection, self.options.fin_timeout) {
            Match::Yes if of_process() => {
                self.matched += 1;
                if self.connections.len() < *most {
                    self.connections.push(connection);
                }
            }
            Match::UnknownAge if of_process() => self.unknown_age += 1,
            _ => {}
        }
    }

    fn census(mut self, host: &dyn Host, source: Source, inexact: bool) -> Census {
        let wants_owners = self.options.owners && host.names_socket_holders();
        let owners = wants_owners.then(|| owners(host, &Held::new(self.tally.take_held())));
        Census {
            source,
            tally: self.tally,
            owners,
            connections: self.connections,
            matched: self.matched,
            unknown_age: self.unknown_age,
            inexact,
        }
    }
}

/// Takes a census of the connections of a host, in the scope that it looks at: in the best way that it has.
///
/// # Errors
///
/// Any [`CensusError`]; where the host has none of the ways, [`SocketsError::Unsupported`].
pub fn take(host: &dyn Host, options: &Options) -> Result<Census, CensusError> {
    let mut reading = Reading::new(options, inodes(host, options));
    let mut why = None;
    for way in [read_inet_diag, read_proc_net, read_freebsd] {
        match way(host, &mut reading) {
            Err(CensusError::Sockets(SocketsError::Unsupported(reason))) => {
                reading.again();
                why.get_or_insert(reason);
            }
            read => return read.map(|(source, inexact)| reading.census(host, source, inexact)),
        }
    }
    Err(SocketsError::Unsupported(why.unwrap_or_default()).into())
}

/// Takes a census from what `netstat -an -P tcp` printed, once for each family or for both.
///
/// # Errors
///
/// [`CensusError::Malformed`] where a text is not such an output.
pub fn of_netstat(host: &dyn Host, texts: &[&str], options: &Options) -> Result<Census, CensusError> {
    let mut reading = Reading::new(options, None);
    let mut netstat = Netstat::default();
    for text in texts {
        if !netstat.read(text, |connection| reading.add(connection)) {
            return Err(CensusError::Malformed("netstat printed no list of TCP connections".to_owned()));
        }
    }
    Ok(reading.census(host, Source::Netstat, netstat.unknown_states > 0))
}

fn read_proc_net(host: &dyn Host, reading: &mut Reading<'_>) -> Result<(Source, bool), CensusError> {
    crate::proc_net::read(host, |connection| reading.add(connection))?;
    Ok((Source::ProcNet, false))
}

fn read_freebsd(host: &dyn Host, reading: &mut Reading<'_>) -> Result<(Source, bool), CensusError> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        match crate::freebsd::read(host, |connection| reading.add(connection))? {
            Read::List(changed) if !changed || attempt == ATTEMPTS => return Ok((Source::PcbList, changed)),
            Read::List(_) => reading.again(),
            Read::Counts(counts) => {
                reading.again();
                reading.tally.counts = *counts;
                return Ok((Source::States, false));
            }
        }
    }
}

/// Returns the sockets of the processes that are meant, where only some are.
fn inodes(host: &dyn Host, options: &Options) -> Option<Vec<u64>> {
    let (filter, _) = options.keep.as_ref()?;
    if filter.pids.is_empty() {
        return None;
    }
    let found = host.socket_holders(Some(&filter.pids), &|_| true);
    let mut inodes: Vec<_> = found.holders.into_iter().flat_map(|holder| holder.sockets).collect();
    inodes.sort_unstable();
    Some(inodes)
}

/// Reads the kernel's list, again where it changed meanwhile; tells whether it changed every time.
fn read_inet_diag(host: &dyn Host, reading: &mut Reading<'_>) -> Result<(Source, bool), CensusError> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        match read_families(host, reading) {
            Ok(Progress::Interrupted) if attempt < ATTEMPTS => {}
            Ok(end) => return Ok((Source::InetDiag, end == Progress::Interrupted)),
            Err(CensusError::Sockets(SocketsError::Overrun)) if attempt < ATTEMPTS => {}
            Err(error) => return Err(error),
        }
        tracing::debug!("the list of connections changed while it was read; it is read again");
        reading.again();
    }
}

/// Reads both families in one list, or, from a kernel that does not take that request, in two.
fn read_families(host: &dyn Host, reading: &mut Reading<'_>) -> Result<Progress, CensusError> {
    match read_list(host, Families::Both, reading)? {
        Progress::Failed(_) => reading.again(),
        end => return judged(end),
    }
    let v4 = judged(read_list(host, Families::One(Family::Ipv4), reading)?)?;
    let v6 = match judged(read_list(host, Families::One(Family::Ipv6), reading)?) {
        // There is no IPv6.
        Err(CensusError::Sockets(SocketsError::Unsupported(_))) => Progress::Complete,
        end => end?,
    };
    Ok(if v4 == Progress::Complete { v6 } else { v4 })
}

fn read_list(
    host: &dyn Host,
    families: Families,
    reading: &mut Reading<'_>,
) -> Result<Progress, CensusError> {
    let options = reading.options;
    let request = list_request(families, options.states, options.idle_times, Endian::NATIVE);
    let mut list = ListReader::new(Endian::NATIVE);
    let mut end = Progress::More;
    host.ask_for_sockets(&request, &mut |datagram| -> ControlFlow<()> {
        list.feed(datagram, |connection| reading.add(connection), &mut end)
    })?;
    Ok(end)
}

fn judged(end: Progress) -> Result<Progress, CensusError> {
    match end {
        Progress::Failed(number) => Err(SocketsError::answered(number).into()),
        Progress::Malformed => Err(CensusError::Malformed("a message is cut off".to_owned())),
        Progress::More => Err(CensusError::Malformed("it has no end".to_owned())),
        end => Ok(end),
    }
}
