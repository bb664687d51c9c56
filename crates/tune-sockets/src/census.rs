//! Taking a census of a host's connections.

use std::ops::ControlFlow;
use std::time::Duration;

use tune_host::{Host, Inquiry, ListRequest, SocketsError};

use crate::bytes::Endian;
use crate::connection::{Connection, Family};
use crate::diagnosis::counters::{network_file, sockstat};
use crate::filter::{Filter, Match};
use crate::freebsd::Read;
use crate::inet_diag::{Half, ListReader, Part, Progress, list_request};
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
    /// The list changed each time that it was made, and may lack some connections or have some twice; of netstat's, some
    /// have states that are not known, and are left out.
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
    inodes: Option<&'a [u64]>,
    tally: Tally,
    connections: Vec<Connection>,
    matched: u64,
    unknown_age: u64,
}

impl<'a> Reading<'a> {
    fn new(options: &'a Options, inodes: Option<&'a [u64]>) -> Self {
        Self { options, inodes, tally: Tally::default(), connections: Vec::new(), matched: 0, unknown_age: 0 }
    }

    /// Forgets everything: the list is read again.
    fn again(&mut self) {
        *self = Self::new(self.options, self.inodes);
    }

    fn add(&mut self, connection: Connection) {
        // What was not asked for, where the source cannot leave it out.
        if !self.options.states.has(connection.state) {
            return;
        }
        let wanted = Wanted { holders: self.options.owners, fin_timeout: self.options.fin_timeout };
        self.tally.add(&connection, wanted);
        let Some((filter, most)) = &self.options.keep else { return };
        let of_process = || self.inodes.is_none_or(|inodes| inodes.binary_search(&connection.inode).is_ok());
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

    /// Adds what was read elsewhere.
    fn merge(&mut self, other: Self) {
        self.tally.merge(other.tally);
        self.matched += other.matched;
        self.unknown_age += other.unknown_age;
        let most = self.options.keep.as_ref().map_or(0, |(_, most)| *most);
        self.connections.extend(other.connections);
        self.connections.truncate(most);
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
    let inodes = inodes(host, options);
    let mut reading = Reading::new(options, inodes.as_deref());
    let mut why = None;
    for way in [read_inet_diag, read_proc_net, read_freebsd, read_netstat] {
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

fn read_proc_net(host: &dyn Host, reading: &mut Reading<'_>) -> Result<(Source, bool), CensusError> {
    crate::proc_net::read(host, |connection| reading.add(connection))?;
    Ok((Source::ProcNet, false))
}

/// illumos and Solaris; elsewhere the program of this name prints something else.
fn read_netstat(host: &dyn Host, reading: &mut Reading<'_>) -> Result<(Source, bool), CensusError> {
    if host.identity().kernel.as_deref() != Some("SunOS") {
        return Err(SocketsError::Unsupported("only illumos and Solaris ask netstat".to_owned()).into());
    }
    let mut texts = Vec::new();
    for family in ["inet", "inet6"] {
        let inquiry = Inquiry::Sockets { family };
        let failed = |reason: String| CensusError::Sockets(SocketsError::Failed(reason));
        let output = host.inquire(&inquiry).map_err(|error| failed(error.to_string()))?;
        if output.status != 0 {
            return Err(failed(format!("`{}` ended with {}", inquiry.command(), output.status)));
        }
        texts.push(output.stdout);
    }
    Ok((Source::Netstat, read_printed(&texts, reading)?))
}

/// Reads what netstat printed, once for each family, and tells whether it left something out. It prints nothing where a
/// family has no connections.
fn read_printed(texts: &[String], reading: &mut Reading<'_>) -> Result<bool, CensusError> {
    let mut netstat = Netstat::default();
    for text in texts.iter().filter(|text| !text.trim().is_empty()) {
        if !netstat.read(text, |connection| reading.add(connection)) {
            return Err(CensusError::Malformed("netstat printed no list of TCP connections".to_owned()));
        }
    }
    Ok(netstat.unknown_states > 0)
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

/// From how many TCP sockets on two lists, each read on a thread of its own, take less time than one. Each list makes the
/// kernel go through its whole table, and to start a thread costs as much as to list some hundred connections.
const WORTH_TWO_LISTS: u64 = 50_000;

/// Tells whether the kernel may have so many TCP sockets that its list is read faster in halves. Source: proc_pid_net(5),
/// net/ipv4/proc.c `sockstat_seq_show`: `alloc` counts those of all namespaces, as they are all in one table, and `tw` small
/// records that are no sockets any more.
fn may_be_many(host: &dyn Host) -> bool {
    let text = network_file(host, "sockstat").unwrap_or_default();
    let count = |name| sockstat(&text, "TCP", name);
    let many = count("alloc").zip(count("tw")).map(|(sockets, records)| sockets.saturating_add(records));
    many.is_none_or(|many| many >= WORTH_TWO_LISTS)
}

/// Reads both families in two halves at once, where that is faster, or in one list, or, from a kernel that does not take such requests, each
/// in a list of its own.
fn read_families(host: &dyn Host, reading: &mut Reading<'_>) -> Result<Progress, CensusError> {
    const WAYS: [&[Part]; 2] = [&[Part::Half(Half::One), Part::Half(Half::Other)], &[Part::Both]];
    let one_at_a_time = !may_be_many(host) || host.idle_processors() == 0;
    for parts in &WAYS[usize::from(one_at_a_time)..] {
        match read_lists(host, parts, reading)? {
            Progress::Failed(_) => reading.again(),
            end => return judged(end),
        }
    }
    let v4 = judged(read_lists(host, &[Part::One(Family::Ipv4)], reading)?)?;
    let v6 = match judged(read_lists(host, &[Part::One(Family::Ipv6)], reading)?) {
        // There is no IPv6.
        Err(CensusError::Sockets(SocketsError::Unsupported(_))) => Progress::Complete,
        end => end?,
    };
    Ok(if v4 == Progress::Complete { v6 } else { v4 })
}

/// A list that is being read.
struct List<'a> {
    reader: ListReader,
    end: Progress,
    reading: Reading<'a>,
}

impl List<'_> {
    fn feed(&mut self, datagram: &[u8]) -> ControlFlow<()> {
        self.end = self.reader.read(datagram, |connection| self.reading.add(connection));
        if self.end == Progress::More { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }
}

/// Reads lists, and returns how the first ended that failed, or else was interrupted.
fn read_lists(host: &dyn Host, parts: &[Part], reading: &mut Reading<'_>) -> Result<Progress, CensusError> {
    let (options, inodes) = (reading.options, reading.inodes);
    let start = |_: &Part| List {
        reader: ListReader::new(Endian::NATIVE),
        end: Progress::More,
        reading: Reading::new(options, inodes),
    };
    let mut lists: Vec<_> = parts.iter().map(start).collect();
    let request = |(part, list): (&Part, _)| -> ListRequest<'_> {
        let list: &mut List<'_> = list;
        let request = list_request(*part, options.states, options.idle_times, Endian::NATIVE);
        (request, Box::new(|datagram| list.feed(datagram)))
    };
    host.ask_for_lists(parts.iter().zip(&mut lists).map(request).collect())?;
    let ends = || lists.iter().map(|list| list.end);
    let failed = ends().find(|end| !matches!(end, Progress::Complete | Progress::Interrupted));
    let end = failed.or_else(|| ends().find(|end| *end != Progress::Complete));
    lists.into_iter().for_each(|list| reading.merge(list.reading));
    Ok(end.unwrap_or(Progress::Complete))
}

fn judged(end: Progress) -> Result<Progress, CensusError> {
    match end {
        Progress::Failed(number) => Err(SocketsError::answered(number).into()),
        Progress::Malformed => Err(CensusError::Malformed("a message is cut off".to_owned())),
        Progress::More => Err(CensusError::Malformed("it has no end".to_owned())),
        end => Ok(end),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::cell::{Cell, RefCell};
    use std::rc::Rc;

    use tune_host::{FakeHost, FakeSockets};

    use super::*;
    use crate::connection::Cookie;
    use crate::connection::tests::example;
    use crate::fake::FakeKernel;
    use crate::state::TcpState;

    fn numbered(number: u32) -> Connection {
        Connection {
            inode: number.into(),
            cookie: Some(Cookie([number, 0])),
            family: if number.is_multiple_of(2) { Family::Ipv4 } else { Family::Ipv6 },
            local: if number.is_multiple_of(2) { "127.0.0.1:80" } else { "[::1]:80" }.parse().unwrap(),
            remote: (
                if number.is_multiple_of(2) { "192.0.2.1" } else { "2001:db8::1" }
                    .parse::<std::net::IpAddr>()
                    .unwrap(),
                u16::try_from(32_768 + 200 * number).unwrap(),
            )
                .into(),
            idle: Some(Duration::from_secs(number.into())),
            ..example()
        }
    }

    fn hundred() -> Vec<Connection> {
        (1..=100).map(numbered).collect()
    }

    fn everything() -> Options {
        Options::listing(format!("state={}", StateSet::ALL).parse().unwrap(), usize::MAX)
    }

    fn host(sockets: impl FakeSockets + 'static) -> FakeHost {
        FakeHost::new().with_sockets(Rc::new(sockets))
    }

    fn has_hundred(census: &Census, source: Source) {
        assert_eq!((census.source, census.tally.counts.total(), census.matched), (source, 100, 100));
        for family in Family::ALL {
            assert_eq!(census.tally.counts.of(TcpState::FinWait2, family), 50);
        }
        let mut inodes: Vec<_> = census.connections.iter().map(|connection| connection.inode).collect();
        inodes.sort_unstable();
        assert_eq!(inodes, (1..=100).collect::<Vec<_>>());
    }

    /// A kernel that answers some requests with an error, and some lists as interrupted.
    #[derive(Debug)]
    struct Moody {
        kernel: FakeKernel,
        refuses: fn(&[u8]) -> bool,
        /// How many lists are still interrupted, or lost in part.
        interrupted: Cell<u32>,
        lost: Cell<u32>,
    }

    impl Moody {
        fn new() -> Self {
            let kernel = FakeKernel::new(hundred());
            Self { kernel, refuses: |_| false, interrupted: Cell::new(0), lost: Cell::new(0) }
        }
    }

    fn counts_down(left: &Cell<u32>) -> bool {
        left.replace(left.get().saturating_sub(1)) > 0
    }

    impl FakeSockets for Moody {
        fn answer(&self, request: &[u8]) -> Result<Vec<Vec<u8>>, SocketsError> {
            if (self.refuses)(request) {
                let number = (-22_i32).to_ne_bytes();
                return Ok(vec![crate::netlink::message(Endian::NATIVE, 2, 0, 1, &number)]);
            }
            if counts_down(&self.lost) {
                return Err(SocketsError::Overrun);
            }
            let mut datagrams = self.kernel.answer(request)?;
            if counts_down(&self.interrupted) {
                // The flag of the first message.
                let flags = Endian::NATIVE.u16(&datagrams[0], 6).unwrap() | 0x10;
                datagrams[0][6..8].copy_from_slice(&Endian::NATIVE.put_u16(flags));
            }
            Ok(datagrams)
        }
    }

    const fn is_program(request: &[u8]) -> bool {
        request.len() > 76
    }

    #[test]
    fn a_kernel_is_asked_in_the_way_that_it_takes() {
        let ways: [fn(&[u8]) -> bool; 3] = [|_| false, is_program, |request| request[4] == 18];
        for refuses in ways {
            let census = take(&host(Moody { refuses, ..Moody::new() }), &everything()).unwrap();
            has_hundred(&census, Source::InetDiag);
            assert!(!census.inexact);
        }
        let error = take(&host(Moody { refuses: |_| true, ..Moody::new() }), &everything()).unwrap_err();
        let says = "this system does not list its connections: its kernel does not know the request";
        assert_eq!(error.to_string(), says);
    }

    #[test]
    fn a_list_that_changes_or_is_lost_is_read_again() {
        for (interrupted, lost, inexact) in [(1, 0, false), (0, 1, false), (1000, 0, true)] {
            let (interrupted, lost) = (Cell::new(interrupted), Cell::new(lost));
            let census = take(&host(Moody { interrupted, lost, ..Moody::new() }), &everything()).unwrap();
            has_hundred(&census, Source::InetDiag);
            assert_eq!(census.inexact, inexact);
        }
        let lost = Cell::new(1000);
        let error = take(&host(Moody { lost, ..Moody::new() }), &everything()).unwrap_err();
        assert_eq!(error, CensusError::Sockets(SocketsError::Overrun));
    }

    /// A kernel that says how many sockets it has, and keeps how long each request was.
    #[derive(Debug)]
    struct Counting {
        kernel: FakeKernel,
        sockstat: Option<&'static str>,
        asked: RefCell<Vec<usize>>,
    }

    impl FakeSockets for Counting {
        fn answer(&self, request: &[u8]) -> Result<Vec<Vec<u8>>, SocketsError> {
            self.asked.borrow_mut().push(request.len());
            self.kernel.answer(request)
        }

        fn network_file(&self, name: &str) -> Option<Vec<u8>> {
            self.sockstat.filter(|_| name == "sockstat").map(Into::into)
        }
    }

    #[test]
    fn few_connections_are_read_in_one_list_and_many_in_halves() {
        for (sockstat, lists) in [
            (Some("sockets: used 9\nTCP: inuse 1 orphan 0 tw 0 alloc 49999 mem 1\n"), 1),
            (Some("sockets: used 9\nTCP: inuse 1 orphan 0 tw 40000 alloc 10000 mem 1\n"), 2),
            (Some("sockets: used 9\n"), 2),
            (None, 2),
        ] {
            let kernel = FakeKernel::new(hundred());
            let kernel = Rc::new(Counting { kernel, sockstat, asked: RefCell::default() });
            let census = take(&FakeHost::new().with_sockets(kernel.clone()), &everything()).unwrap();
            has_hundred(&census, Source::InetDiag);
            assert_eq!(kernel.asked.borrow().len(), lists, "{sockstat:?}");
        }
    }

    /// A kernel that has texts, or structures, and nothing else.
    #[derive(Debug)]
    struct Old(&'static str);

    fn fixture(name: &str) -> Option<Vec<u8>> {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
        std::fs::read(path).ok()
    }

    fn hex(name: &str) -> Option<Vec<u8>> {
        let digits: Vec<u8> = fixture(name)?.into_iter().filter(u8::is_ascii_hexdigit).collect();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        digits.chunks(2).map(byte).collect()
    }

    impl FakeSockets for Old {
        fn network_file(&self, name: &str) -> Option<Vec<u8>> {
            (self.0 == "linux").then(|| fixture(&format!("linux/proc-net-{name}.txt"))).flatten()
        }

        fn structure(&self, name: &str) -> Option<Vec<u8>> {
            match (self.0, name) {
                ("freebsd" | "other", crate::freebsd::STATES) => hex("freebsd-15/tcp.states.hex"),
                ("freebsd", crate::freebsd::PCBLIST) => hex("freebsd-15/pcblist.hex"),
                ("other", crate::freebsd::PCBLIST) => Some(vec![0; 4096]),
                _ => None,
            }
        }
    }

    #[test]
    #[cfg(target_endian = "little")] // As the machines were that these were recorded on.
    fn older_and_other_systems_have_other_ways() {
        for (system, source, fin_wait_2, held) in [
            ("linux", Source::ProcNet, 8, 4),
            ("freebsd", Source::PcbList, 5, 2),
            ("other", Source::States, 5, 0),
        ] {
            let census = take(&host(Old(system)), &Options::naming_owners(StateSet::ALL)).unwrap();
            assert_eq!(census.source, source);
            assert_eq!(census.tally.counts.of_state(TcpState::FinWait2), fin_wait_2, "{system}");
            assert_eq!(census.tally.holdings(TcpState::FinWait2).held(), held, "{system}");
            assert_eq!(census.owners, None);
        }
        assert!(take(&host(Old("none")), &everything()).is_err());
    }

    #[test]
    fn no_more_are_kept_than_wanted_and_only_those_of_the_process() {
        let kernel = || FakeKernel::new(hundred()).with_holder(7, "a", &[1, 2, 3]).with_holder(8, "b", &[4]);
        for (filter, most, kept, matched) in [
            ("held", 10, 10, 100),
            ("held pid=7", 10, 3, 3),
            ("held pid=7 pid=8", 2, 2, 4),
            ("held pid=9", 10, 0, 0),
            ("older-than=91s", 100, 10, 10),
        ] {
            let options = Options::listing(filter.parse().unwrap(), most);
            let census = take(&host(kernel()), &options).unwrap();
            assert_eq!((census.connections.len(), census.matched), (kept, matched), "{filter}");
        }
    }

    #[test]
    fn netstat_tells_states_and_no_holders() {
        let text = String::from_utf8(fixture("illumos/netstat-an-inet.txt").unwrap()).unwrap();
        let options = Options::counting(StateSet::HALF_CLOSED);
        let mut reading = Reading::new(&options, None);
        assert_eq!(read_printed(&[text, String::new()], &mut reading), Ok(true));
        let census = reading.census(&FakeHost::new(), Source::Netstat, false);
        assert_eq!((census.source, census.tally.counts.total()), (Source::Netstat, 3));
        assert_eq!(census.tally.holdings(TcpState::FinWait2).unknown, 2);
        let mut reading = Reading::new(&options, None);
        assert!(read_printed(&["netstat: usage\n".to_owned()], &mut reading).is_err());
    }
}
