//! Aborting connections: first they are chosen and can be looked at, then each is aborted on its own.
//!
//! It cannot be undone. An application that has the connection open finds it aborted at its next call, and data on the
//! way is lost; an orphan's peer may never learn of it.

use std::collections::HashMap;
use std::fmt;
use std::ops::ControlFlow;
use std::time::Duration;

use tune_host::{AbortError, Host, Machine, SocketsError};

use crate::bytes::Endian;
use crate::census::{Census, CensusError, Options, Source, take};
use crate::connection::{Age, Connection, Holding};
use crate::filter::Filter;
use crate::inet_diag::{self, Found, decode_found, find_request};
use crate::state::{StateSet, TcpState};

/// How many connections are aborted at once, where nothing else was said.
pub const MOST: usize = 1000;

/// The states that are meant where none is named: those of a connection that one side at least has closed. TIME_WAIT is
/// not one of them: it protects later connections.
pub const CLOSING: [TcpState; 5] =
    [TcpState::FinWait1, TcpState::FinWait2, TcpState::CloseWait, TcpState::Closing, TcpState::LastAck];

/// Why no connections are chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChooseError {
    /// Nothing says which.
    #[error("nothing says which connections to drop, and all of them are not dropped")]
    EmptyFilter,
    /// The state is none of a connection.
    #[error("what is in state {0} is not a connection; end the program that has it instead")]
    NotAConnection(TcpState),
    /// Established connections are meant, and those of the caller's own session cannot be told.
    #[error(
        "established connections are not dropped here: this session's own cannot be told from the others"
    )]
    OwnSessionUnknown,
    /// A process is meant, and which process has a connection is not known here.
    #[error("which process has a connection cannot be told here, so none can be chosen by process")]
    HoldersUnknown,
    /// The system lists connections in a way that does not let one be aborted.
    #[error("connections that {} lists cannot be aborted: what would do it is private to the system", .0.name())]
    CannotAbort(Source),
    /// The list could not be had.
    #[error(transparent)]
    Census(#[from] CensusError),
}

/// A process that has a connection.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holder {
    /// Its id.
    pub pid: i32,
    /// The name of its program.
    pub command: String,
}

/// A connection that was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// The connection.
    pub connection: Connection,
    /// How old it is.
    pub age: Age,
    /// The processes that have it, as far as they can be seen.
    pub holders: Vec<Holder>,
}

/// The connections that were chosen.
#[derive(Debug, Clone)]
#[must_use]
pub struct Choice {
    /// Those that are to be aborted.
    pub chosen: Vec<Chosen>,
    /// Those that were left out because this process, or one that it was started from, has them.
    pub own: Vec<Chosen>,
    /// How many more are meant than were to be chosen at once.
    pub beyond: u64,
    /// How many would be meant if their age were known.
    pub unknown_age: u64,
    /// How many of the processes that this one was started from cannot be looked into.
    pub unreadable_ancestors: usize,
    /// Where the list comes from.
    pub source: Source,
}

/// Why a choice is not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the connections of the processes that tune was started from cannot all be seen, so none that is held is dropped"
)]
pub struct OwnSessionHidden;

/// What became of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was aborted, and is gone.
    Aborted,
    /// It was gone before.
    Gone,
    /// It is in another state now, its process has left it, or another one has its addresses; it was left alone.
    Changed,
    /// The kernel said that it aborted it, and it is still there.
    Remains,
    /// It could not be aborted.
    Failed(AbortError),
    /// It was not tried: the caller stopped, or the one before showed that none can be aborted.
    NotTried,
}

/// How many came to which end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Aborted, and gone.
    pub aborted: usize,
    /// Gone before.
    pub gone: usize,
    /// Left alone because they had changed.
    pub changed: usize,
    /// Still there, whatever the kernel said.
    pub remained: usize,
    /// Not aborted.
    pub failed: usize,
    /// Not tried.
    pub not_tried: usize,
}

impl Totals {
    /// Counts outcomes.
    pub fn of<'a>(outcomes: impl IntoIterator<Item = &'a Outcome>) -> Self {
        let mut totals = Self::default();
        for outcome in outcomes {
            *match outcome {
                Outcome::Aborted => &mut totals.aborted,
                Outcome::Gone => &mut totals.gone,
                Outcome::Changed => &mut totals.changed,
                Outcome::Remains => &mut totals.remained,
                Outcome::Failed(_) => &mut totals.failed,
                Outcome::NotTried => &mut totals.not_tried,
            } += 1;
        }
        totals
    }

    /// Tells whether none that should be gone is still there.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.remained + self.failed + self.not_tried == 0
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aborted => f.pad("aborted"),
            Self::Gone => f.pad("gone already"),
            Self::Changed => f.pad("changed meanwhile, left alone"),
            Self::Remains => f.pad("still there, though the kernel took the request"),
            Self::Failed(error) => write!(f, "not aborted: {error}"),
            Self::NotTried => f.pad("not tried"),
        }
    }
}

/// Chooses connections, at most so many. Nothing is changed.
///
/// Without states in the filter those of [`CLOSING`] are meant: established connections only where their state is
/// named. Connections of this process, and of those it was started from, are never chosen.
///
/// # Errors
///
/// Any [`ChooseError`].
pub fn choose(
    host: &dyn Host,
    filter: &Filter,
    most: usize,
    fin_timeout: Option<Duration>,
) -> Result<Choice, ChooseError> {
    let filter = checked(host, filter)?;
    // Those of the own session are found among what is kept, so there must be room for them.
    let own = own_sockets(host);
    let room = most.saturating_add(own.inodes.len());
    let options = Options { idle_times: true, ..Options::listing(filter, room) };
    let census = take(host, &options.with_fin_timeout(fin_timeout))?;
    if !matches!(census.source, Source::InetDiag | Source::PcbList) {
        return Err(ChooseError::CannotAbort(census.source));
    }
    Ok(sorted_out(host, census, &own, most, fin_timeout))
}

fn checked(host: &dyn Host, filter: &Filter) -> Result<Filter, ChooseError> {
    if filter.is_empty() {
        return Err(ChooseError::EmptyFilter);
    }
    if let Some(state) = filter.states.iter().find(|state| !state.is_connection()) {
        return Err(ChooseError::NotAConnection(state));
    }
    if filter.states.has(TcpState::Established) && !host.names_socket_holders() {
        return Err(ChooseError::OwnSessionUnknown);
    }
    if !filter.pids.is_empty() && !host.names_socket_holders() {
        return Err(ChooseError::HoldersUnknown);
    }
    let states = if filter.states.is_empty() { StateSet::of(&CLOSING) } else { filter.states };
    Ok(Filter { states, ..filter.clone() })
}

/// The sockets of this process and those it was started from.
struct OwnSockets {
    inodes: Vec<u64>,
    unreadable: usize,
}

fn own_sockets(host: &dyn Host) -> OwnSockets {
    let found = host.socket_holders(Some(&host.ancestors()), &|_| true);
    let mut inodes: Vec<_> = found.holders.into_iter().flat_map(|holder| holder.sockets).collect();
    inodes.sort_unstable();
    inodes.dedup();
    OwnSockets { inodes, unreadable: found.unreadable }
}

fn sorted_out(
    host: &dyn Host,
    census: Census,
    own: &OwnSockets,
    most: usize,
    fin_timeout: Option<Duration>,
) -> Choice {
    let mut holders = holders(host, &census.connections);
    let describe = |connection: Connection| Chosen {
        age: connection.age(fin_timeout),
        holders: holders.remove(&connection.inode).unwrap_or_default(),
        connection,
    };
    let all = census.connections.into_iter().map(describe);
    let is_own = |chosen: &Chosen| own.inodes.binary_search(&chosen.connection.inode).is_ok();
    let (own_ones, mut chosen): (Vec<_>, Vec<_>) = all.partition(is_own);
    chosen.truncate(most);
    Choice {
        beyond: census.matched.saturating_sub((chosen.len() + own_ones.len()) as u64),
        chosen,
        own: own_ones,
        unknown_age: census.unknown_age,
        unreadable_ancestors: own.unreadable,
        source: census.source,
    }
}

fn holders(host: &dyn Host, connections: &[Connection]) -> HashMap<u64, Vec<Holder>> {
    let mut inodes: Vec<_> =
        connections.iter().map(|connection| connection.inode).filter(|inode| *inode != 0).collect();
    if inodes.is_empty() {
        return HashMap::new();
    }
    inodes.sort_unstable();
    let found = host.socket_holders(None, &|inode| inodes.binary_search(&inode).is_ok());
    let mut by_inode: HashMap<u64, Vec<Holder>> = HashMap::new();
    for process in found.holders {
        for inode in process.sockets {
            let holder = Holder { pid: process.pid, command: process.command.clone() };
            let list = by_inode.entry(inode).or_default();
            if !list.contains(&holder) {
                list.push(holder);
            }
        }
    }
    by_inode
}

impl Choice {
    /// Tells whether the choice may be carried out.
    ///
    /// # Errors
    ///
    /// [`OwnSessionHidden`] where a held connection is chosen and may be this session's own.
    pub fn permitted(&self) -> Result<(), OwnSessionHidden> {
        let held = || self.chosen.iter().any(|chosen| chosen.connection.holding == Holding::Held);
        if self.unreadable_ancestors > 0 && held() { Err(OwnSessionHidden) } else { Ok(()) }
    }

    /// Aborts the chosen connections one after the other, and returns what became of each, in the same order.
    ///
    /// Just before, each is looked for again: only one in the same state, with the same cookie and held as it was, is aborted. Afterwards
    /// it is looked for once more. `each` is told every outcome, and breaks where the rest is to be left alone.
    ///
    /// # Errors
    ///
    /// [`OwnSessionHidden`], before the first.
    pub fn carry_out(
        &self,
        machine: &dyn Machine,
        each: &mut dyn FnMut(&Chosen, &Outcome) -> ControlFlow<()>,
    ) -> Result<Vec<Outcome>, OwnSessionHidden> {
        self.permitted()?;
        let mut outcomes = Vec::with_capacity(self.chosen.len());
        for chosen in &self.chosen {
            let outcome = abort(machine, self.source, &chosen.connection);
            let hopeless =
                matches!(outcome, Outcome::Failed(AbortError::Denied | AbortError::NamespaceGone(_)));
            let stop = each(chosen, &outcome).is_break();
            outcomes.push(outcome);
            if hopeless || stop {
                break;
            }
        }
        outcomes.resize(self.chosen.len(), Outcome::NotTried);
        Ok(outcomes)
    }
}

fn abort(machine: &dyn Machine, source: Source, connection: &Connection) -> Outcome {
    match still_there(machine, source, connection) {
        Err(error) => return Outcome::Failed(error),
        Ok(Presence::Gone) => return Outcome::Gone,
        Ok(Presence::Other) => return Outcome::Changed,
        Ok(Presence::Same(now)) if !is_as_chosen(&now, connection) => return Outcome::Changed,
        Ok(Presence::Same(_)) => {}
    }
    let request = match source {
        Source::PcbList => crate::freebsd::abort_request(connection, Endian::NATIVE),
        _ => inet_diag::abort_request(connection, Endian::NATIVE),
    };
    match machine.abort_connection(&request) {
        Err(AbortError::Gone) => return Outcome::Gone,
        Err(error) => return Outcome::Failed(error),
        Ok(()) => {}
    }
    match still_there(machine, source, connection) {
        Ok(Presence::Gone | Presence::Other) => Outcome::Aborted,
        Ok(Presence::Same(now)) if now.state == TcpState::Closed => Outcome::Aborted,
        Ok(Presence::Same(_)) => Outcome::Remains,
        Err(error) => Outcome::Failed(error),
    }
}

/// Tells whether a connection is in the state in which it was chosen, and had by the same: a process that closes it, or
/// ends, leaves it to the kernel under the same cookie.
fn is_as_chosen(now: &Connection, chosen: &Connection) -> bool {
    let held_by = |connection: &Connection| (connection.inode, connection.holding.is_orphaned());
    now.state == chosen.state && held_by(now) == held_by(chosen)
}

/// What is found at the addresses of a connection.
enum Presence {
    Same(Box<Connection>),
    Other,
    Gone,
}

fn still_there(host: &dyn Host, source: Source, connection: &Connection) -> Result<Presence, AbortError> {
    let found = match source {
        Source::PcbList => in_list(host, connection),
        _ => in_table(host, connection),
    };
    found.map_err(|error| match error {
        SocketsError::Denied => AbortError::Denied,
        SocketsError::NamespaceGone(gone) => AbortError::NamespaceGone(gone),
        error => AbortError::Failed(error.to_string()),
    })
}

fn in_table(host: &dyn Host, connection: &Connection) -> Result<Presence, SocketsError> {
    let mut found = Found::Malformed;
    host.ask_for_sockets(&find_request(connection, Endian::NATIVE), &mut |datagram| {
        found = decode_found(datagram, Endian::NATIVE);
        ControlFlow::Break(())
    })?;
    match found {
        Found::Same(now) if now.cookie == connection.cookie => Ok(Presence::Same(Box::new(now))),
        Found::Same(_) | Found::Other => Ok(Presence::Other),
        Found::Gone => Ok(Presence::Gone),
        Found::Failed(number) => Err(SocketsError::answered(number)),
        Found::Malformed => Err(SocketsError::Failed("its answer is not understood".to_owned())),
    }
}

fn in_list(host: &dyn Host, connection: &Connection) -> Result<Presence, SocketsError> {
    let ends = |connection: &Connection| (connection.local, connection.remote);
    let mut presence = Presence::Gone;
    let read = crate::freebsd::read(host, |now| {
        if ends(&now) == ends(connection) {
            let same = now.cookie == connection.cookie;
            presence = if same { Presence::Same(Box::new(now)) } else { Presence::Other };
        }
    });
    match read {
        Ok(_) => Ok(presence),
        Err(CensusError::Sockets(error)) => Err(error),
        Err(error) => Err(SocketsError::Failed(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::rc::Rc;

    use tune_host::FakeHost;

    use super::*;
    use crate::connection::tests::example;
    use crate::connection::{Cookie, Orphan, Timer, TimerKind};
    use crate::fake::{FakeKernel, Obedience};

    fn numbered(number: u32, state: TcpState) -> Connection {
        Connection {
            state,
            inode: number.into(),
            cookie: Some(Cookie([number, 0])),
            remote: format!("192.0.2.{number}:4000").parse().unwrap(),
            idle: Some(Duration::from_secs(u64::from(number) * 60)),
            ..example()
        }
    }

    fn orphan(number: u32) -> Connection {
        Connection {
            inode: 0,
            holding: Holding::Orphaned(Orphan::Minisock),
            timer: Some(Timer { kind: TimerKind::TimeWait, left: Duration::from_secs(30) }),
            idle: None,
            ..numbered(number, TcpState::FinWait2)
        }
    }

    /// A web server's, a shell's own (its parent's), and an orphan.
    fn kernel() -> FakeKernel {
        FakeKernel::new(vec![
            numbered(1, TcpState::FinWait2),
            numbered(2, TcpState::CloseWait),
            numbered(3, TcpState::Established),
            numbered(4, TcpState::Established),
            numbered(5, TcpState::FinWait2),
            orphan(6),
            numbered(7, TcpState::Listen),
        ])
        .with_holder(100, "httpd", &[1, 2, 3, 7])
        .with_holder(101, "httpd", &[1])
        .with_holder(20, "sshd", &[4, 5])
        .with_ancestors(&[900, 30, 20, 1])
    }

    struct World {
        kernel: Rc<FakeKernel>,
        host: FakeHost,
    }

    fn world(kernel: FakeKernel) -> World {
        let kernel = Rc::new(kernel);
        World { host: FakeHost::new().with_sockets(kernel.clone()), kernel }
    }

    impl World {
        fn choose(&self, filter: &str) -> Result<Choice, ChooseError> {
            let timeout = Some(Duration::from_secs(60));
            choose(&self.host, &filter.parse().unwrap(), MOST, timeout)
        }

        fn carry_out(&self, choice: &Choice) -> Vec<Outcome> {
            choice.carry_out(&self.host, &mut |_, _| ControlFlow::Continue(())).unwrap()
        }

        fn left(&self) -> Vec<u32> {
            self.kernel.connections().iter().map(|connection| connection.cookie.unwrap().0[0]).collect()
        }
    }

    fn inodes(list: &[Chosen]) -> Vec<u32> {
        list.iter().map(|chosen| chosen.connection.cookie.unwrap().0[0]).collect()
    }

    #[test]
    fn what_is_chosen_is_meant_and_is_not_of_the_own_session() {
        let cases = [
            ("held", vec![1, 2], vec![5]),
            ("orphaned", vec![6], vec![]),
            ("state=fin-wait-2", vec![1, 6], vec![5]),
            ("state=established", vec![3], vec![4]),
            ("local-port=80", vec![1, 2, 6], vec![5]),
            ("pid=100", vec![1, 2], vec![]),
            ("pid=101", vec![1], vec![]),
            ("pid=20", vec![], vec![5]),
            ("older-than=2min", vec![2], vec![5]),
            ("older-than=30s orphaned", vec![6], vec![]),
            ("peer=192.0.2.4", vec![], vec![]),
        ];
        for (filter, chosen, own) in cases {
            let choice = world(kernel()).choose(filter).unwrap();
            assert_eq!((inodes(&choice.chosen), inodes(&choice.own)), (chosen, own), "{filter}");
            assert_eq!(choice.beyond, 0);
        }
    }

    #[test]
    fn holders_and_ages_are_told() {
        let choice = world(kernel()).choose("state=fin-wait-2").unwrap();
        let named: Vec<_> = choice.chosen[0].holders.iter().map(|holder| holder.pid).collect();
        assert_eq!(named, [100, 101]);
        assert_eq!(choice.chosen[0].age, Age::IdleAtLeast(Duration::from_secs(60)));
        assert_eq!(choice.chosen[1].age, Age::Estimated(Duration::from_secs(30)));
        assert!(choice.chosen[1].holders.is_empty());
    }

    #[test]
    fn what_is_not_chosen_says_why() {
        let world = world(kernel());
        let says = |filter| world.choose(filter).unwrap_err().to_string();
        assert_eq!(says(""), "nothing says which connections to drop, and all of them are not dropped");
        assert_eq!(
            says("state=listen"),
            "what is in state LISTEN is not a connection; end the program that has it instead"
        );
    }

    #[test]
    fn an_unknown_age_is_never_chosen_and_is_counted() {
        let unknown = Connection { idle: None, ..numbered(8, TcpState::FinWait2) };
        let choice = world(FakeKernel::new(vec![unknown])).choose("older-than=1s").unwrap();
        assert_eq!((choice.chosen.len(), choice.unknown_age), (0, 1));
    }

    #[test]
    fn no_more_than_the_limit_are_chosen() {
        let many = (1..=50).map(|number| numbered(number, TcpState::FinWait2)).collect();
        let world = world(FakeKernel::new(many).with_holder(1, "init", &[1, 2]).with_ancestors(&[1]));
        let choice = choose(&world.host, &"held".parse().unwrap(), 10, None).unwrap();
        assert_eq!((choice.chosen.len(), choice.own.len(), choice.beyond), (10, 2, 38));
        assert_eq!(Totals::of(&world.carry_out(&choice)).aborted, 10);
        assert_eq!(world.left().len(), 40);
    }

    #[test]
    fn each_is_aborted_and_nothing_else() {
        let world = world(kernel());
        let outcomes = world.carry_out(&world.choose("state=fin-wait-2").unwrap());
        assert_eq!(outcomes, [Outcome::Aborted, Outcome::Aborted]);
        assert_eq!(world.left(), [2, 3, 4, 5, 7]);
    }

    #[test]
    fn what_changed_meanwhile_is_left_alone() {
        let world = world(kernel());
        let choice = world.choose("local-port=80").unwrap();
        world.kernel.change(|connections| {
            // The first went on, the second is another one now, the third is gone.
            connections[0].state = TcpState::TimeWait;
            connections[1].cookie = Some(Cookie([99, 0]));
            connections.retain(|connection| connection.cookie != Some(Cookie([6, 0])));
        });
        let outcomes = world.carry_out(&choice);
        assert_eq!(outcomes, [Outcome::Changed, Outcome::Changed, Outcome::Gone]);
        assert_eq!(world.left(), [1, 99, 3, 4, 5, 7]);
        let totals = Totals::of(&outcomes);
        assert_eq!((totals.changed, totals.gone, totals.is_complete()), (2, 1, true));
    }

    #[test]
    fn what_its_process_left_meanwhile_is_left_alone() {
        let world = world(kernel());
        let choice = world.choose("held state=fin-wait-2").unwrap();
        world.kernel.change(|connections| {
            let left = Connection { cookie: Some(Cookie([1, 0])), ..orphan(1) };
            connections[0] = left;
        });
        assert_eq!(world.carry_out(&choice), [Outcome::Changed]);
        assert_eq!(world.left().len(), 7);
    }

    #[test]
    fn a_kernel_is_not_believed_and_a_refusal_ends_it() {
        let pretending = world(kernel().that(Obedience::Pretends));
        let outcomes = pretending.carry_out(&pretending.choose("held").unwrap());
        assert_eq!(outcomes, [Outcome::Remains, Outcome::Remains]);
        let denying = world(kernel().that(Obedience::Denies));
        let outcomes = denying.carry_out(&denying.choose("held").unwrap());
        assert_eq!(outcomes, [Outcome::Failed(AbortError::Denied), Outcome::NotTried]);
        assert!(!Totals::of(&outcomes).is_complete());
    }

    #[test]
    fn a_caller_can_stop() {
        let world = world(kernel());
        let choice = world.choose("held").unwrap();
        let outcomes = choice.carry_out(&world.host, &mut |_, _| ControlFlow::Break(())).unwrap();
        assert_eq!(outcomes, [Outcome::Aborted, Outcome::NotTried]);
    }

    #[test]
    fn held_ones_are_left_alone_where_the_own_session_cannot_be_seen() {
        let world = world(kernel().with_unreadable(1));
        let held = world.choose("held").unwrap();
        assert_eq!(held.carry_out(&world.host, &mut |_, _| ControlFlow::Continue(())), Err(OwnSessionHidden));
        let orphaned = world.choose("orphaned").unwrap();
        assert_eq!(world.carry_out(&orphaned), [Outcome::Aborted]);
    }
}
