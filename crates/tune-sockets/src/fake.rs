//! A kernel's table of connections in memory, for tests: it answers as Linux does, and aborts.

use std::cell::RefCell;

use tune_host::{AbortError, FakeSockets, SocketHolder, SocketHolders, SocketsError};

use crate::bytes::Endian;
use crate::connection::{Connection, Cookie};
use crate::inet_diag::{self, Asked};
use crate::netlink::message;

/// How many connections it puts into a datagram.
const IN_ONE: usize = 30;

/// What it does when it is told to abort a connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Obedience {
    /// It aborts it.
    #[default]
    Aborts,
    /// It says that it did, and does not.
    Pretends,
    /// It refuses: the caller may not.
    Denies,
}

/// A table of connections, and the processes that have them.
#[derive(Debug, Default)]
pub struct FakeKernel {
    connections: RefCell<Vec<Connection>>,
    holders: Vec<SocketHolder>,
    unreadable: usize,
    ancestors: Vec<i32>,
    obedience: Obedience,
}

impl FakeKernel {
    /// Makes a kernel with some connections.
    #[must_use]
    pub fn new(connections: Vec<Connection>) -> Self {
        Self { connections: RefCell::new(connections), ..Self::default() }
    }

    /// Adds a process with some sockets; the same inode several times for duplicated descriptors.
    #[must_use]
    pub fn with_holder(mut self, pid: i32, command: &str, sockets: &[u64]) -> Self {
        let (command, sockets) = (command.to_owned(), sockets.to_vec());
        self.holders.push(SocketHolder { pid, command, uid: Some(0), sockets });
        self
    }

    /// Adds processes that cannot be looked into.
    #[must_use]
    pub const fn with_unreadable(mut self, many: usize) -> Self {
        self.unreadable = many;
        self
    }

    /// Sets the processes that the caller was started from, itself first.
    #[must_use]
    pub fn with_ancestors(mut self, pids: &[i32]) -> Self {
        self.ancestors = pids.to_vec();
        self
    }

    /// Sets what it does when it is told to abort a connection.
    #[must_use]
    pub const fn that(mut self, obedience: Obedience) -> Self {
        self.obedience = obedience;
        self
    }

    /// Returns the connections that there are.
    #[must_use]
    pub fn connections(&self) -> Vec<Connection> {
        self.connections.borrow().clone()
    }

    /// Changes the connections, as time does.
    pub fn change(&self, change: impl FnOnce(&mut Vec<Connection>)) {
        change(&mut self.connections.borrow_mut());
    }

    fn list(&self, asked: &Asked) -> Vec<Vec<u8>> {
        let connections = self.connections.borrow();
        let meant: Vec<_> = connections.iter().filter(|connection| asked.lists(connection)).collect();
        let answers = meant.chunks(IN_ONE).map(|some| {
            let answer = |connection: &&Connection| {
                // Without idle times where they were not asked for.
                let idle = connection.idle.filter(|_| asked.idle_times);
                asked.answer(&Connection { idle, ..(*connection).clone() })
            };
            some.iter().flat_map(answer).collect()
        });
        answers.chain([asked.done()]).collect()
    }

    fn place(&self, id: &(Vec<u8>, Cookie)) -> Result<usize, i32> {
        const ENOENT: i32 = -2;
        const ESTALE: i32 = -116;
        let connections = self.connections.borrow();
        let same = |connection: &Connection| inet_diag::identity(connection, Endian::NATIVE).0 == id.0;
        let at = connections.iter().position(same).ok_or(ENOENT)?;
        if connections[at].cookie == Some(id.1) { Ok(at) } else { Err(ESTALE) }
    }
}

impl FakeSockets for FakeKernel {
    fn answer(&self, request: &[u8]) -> Result<Vec<Vec<u8>>, SocketsError> {
        let unknown = || SocketsError::Failed("the fake kernel does not understand the request".to_owned());
        let asked = Asked::read(request, Endian::NATIVE).ok_or_else(unknown)?;
        let Some(id) = &asked.one else { return Ok(self.list(&asked)) };
        let found = self.place(id).map(|at| asked.answer(&self.connections.borrow()[at]));
        Ok(vec![found.unwrap_or_else(error)])
    }

    fn holders(&self) -> Option<SocketHolders> {
        Some(SocketHolders { holders: self.holders.clone(), unreadable: self.unreadable })
    }

    fn ancestors(&self) -> Vec<i32> {
        self.ancestors.clone()
    }

    fn abort(&self, request: &[u8]) -> Result<(), AbortError> {
        let asked = Asked::read(request, Endian::NATIVE).and_then(|asked| asked.one);
        let id = asked.ok_or(AbortError::Unsupported)?;
        let at = self.place(&id).map_err(|_| AbortError::Gone)?;
        match self.obedience {
            Obedience::Aborts => drop(self.connections.borrow_mut().remove(at)),
            Obedience::Pretends => {}
            Obedience::Denies => return Err(AbortError::Denied),
        }
        Ok(())
    }
}

fn error(number: i32) -> Vec<u8> {
    const ERROR: u16 = 2;
    message(Endian::NATIVE, ERROR, 0, 1, &number.to_ne_bytes())
}
