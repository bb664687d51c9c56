//! A whole machine in memory, for tests: it can refuse, round, lose a write, change behind your back, and stop.
//!
//! ```
//! use tune_host::fake::FakeHost;
//! use tune_host::{Host, Machine};
//!
//! let host = FakeHost::new().with_tunable("net.ipv4.tcp_fin_timeout", "60");
//! host.write_in(None, "net.ipv4.tcp_fin_timeout", "30")?;
//! assert_eq!(host.read_tunables(&["net.ipv4.tcp_fin_timeout"]), [Ok("30".to_owned())]);
//! assert_eq!(host.effects(), ["set net.ipv4.tcp_fin_timeout = 30"]);
//! # Ok::<(), tune_host::WriteError>(())
//! ```

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use tune_model::plan::{Bytes, FileImage, Namespace};

use crate::files::{FileError, FileKind, Files, MemoryFiles};
use crate::host::{Description, Host, Identity, Isolation, Machine, ReadError, Scope, WriteError};
use crate::replace::aside;
use crate::sockets::{AbortError, NetworkNamespace, Receive, SocketHolder, SocketHolders, SocketsError};

/// The words of the panic that stands for the death of the process.
pub const CRASH: &str = "the fake host has crashed";

/// A sort of operation of a [`Machine`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Reading a tunable, alone or among others.
    Read,
    /// Writing a tunable.
    Write,
    /// Reading a file with its mode and owner.
    Image,
    /// Replacing, making or removing a file.
    Replace,
    /// Making or removing a directory.
    Directory,
}

/// What somebody else does meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meddling {
    /// Sets a tunable.
    Value(String, String),
    /// Writes or removes a file.
    File(PathBuf, Option<Vec<u8>>),
}

/// The part of a kernel that knows connections. What it does not offer, the fake host does not have.
pub trait FakeSockets: std::fmt::Debug {
    /// Returns the datagrams that answer a request of `NETLINK_SOCK_DIAG`.
    ///
    /// # Errors
    ///
    /// Any [`SocketsError`].
    fn answer(&self, request: &[u8]) -> Result<Vec<Vec<u8>>, SocketsError> {
        let _ = request;
        Err(SocketsError::Unsupported("the fake kernel has no NETLINK_SOCK_DIAG".to_owned()))
    }

    /// Returns a file below `/proc/net`.
    fn network_file(&self, name: &str) -> Option<Vec<u8>> {
        let _ = name;
        None
    }

    /// Returns a tunable that is a structure.
    fn structure(&self, name: &str) -> Option<Vec<u8>> {
        let _ = name;
        None
    }

    /// Returns all processes with all their sockets, and how many cannot be looked into; nothing where descriptors
    /// cannot be looked at.
    fn holders(&self) -> Option<SocketHolders> {
        None
    }

    /// Returns the ids of the own process and those it was started from.
    fn ancestors(&self) -> Vec<i32> {
        Vec::new()
    }

    /// Returns the network namespaces.
    fn namespaces(&self) -> Vec<NetworkNamespace> {
        Vec::new()
    }

    /// Aborts a connection.
    ///
    /// # Errors
    ///
    /// Any [`AbortError`].
    fn abort(&self, request: &[u8]) -> Result<(), AbortError> {
        let _ = request;
        Err(AbortError::Unsupported)
    }
}

/// A kernel without connections.
#[derive(Debug)]
struct NoSockets;

impl FakeSockets for NoSockets {}

/// How the kernel treats the values written to one tunable.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Habit {
    Refuse(String),
    Store { written: String, stored: String },
    Lose,
    KeepOnly(usize),
    ReadOnly,
    Deny,
    Forbid(String),
}

type Key = (Option<(u64, u64)>, String);

/// A machine in memory. `with_…` and the present participles build it; the rest look at it afterwards.
#[derive(Debug)]
pub struct FakeHost {
    files: FakeFiles,
    tunables: RefCell<BTreeMap<Key, String>>,
    initial: BTreeMap<Key, String>,
    habits: BTreeMap<String, Vec<Habit>>,
    descriptions: BTreeMap<String, Description>,
    failures: RefCell<Vec<(Operation, usize, String)>>,
    meddling: RefCell<Vec<(usize, Meddling)>>,
    counts: RefCell<BTreeMap<Operation, usize>>,
    effects: RefCell<Vec<String>>,
    crash_after: Cell<Option<usize>>,
    crashed: Cell<bool>,
    identity: Identity,
    scope: Scope,
    isolation: Isolation,
    ram: Option<u64>,
    reboots: Cell<u32>,
    uptime: Cell<Duration>,
    sockets: Rc<dyn FakeSockets>,
}

impl Default for FakeHost {
    fn default() -> Self {
        let text = |text: &str| Some(text.to_owned());
        Self {
            files: FakeFiles::default(),
            tunables: RefCell::default(),
            initial: BTreeMap::new(),
            habits: BTreeMap::new(),
            descriptions: BTreeMap::new(),
            failures: RefCell::default(),
            meddling: RefCell::default(),
            counts: RefCell::default(),
            effects: RefCell::default(),
            crash_after: Cell::new(None),
            crashed: Cell::new(false),
            identity: Identity { kernel: text("Linux"), release: text("6.12.0"), host_name: text("fake") },
            scope: Scope::Own,
            isolation: Isolation::None,
            ram: None,
            reboots: Cell::new(0),
            uptime: Cell::new(Duration::from_secs(1000)),
            sockets: Rc::new(NoSockets),
        }
    }
}

impl FakeHost {
    /// A Linux machine with no tunables and no files.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a tunable of the caller's own network namespace.
    #[must_use]
    pub fn with_tunable(self, name: &str, value: &str) -> Self {
        self.with(None, name, value)
    }

    /// Adds a tunable of another network namespace, and with it the namespace.
    #[must_use]
    pub fn with_tunable_in(self, namespace: &Namespace, name: &str, value: &str) -> Self {
        self.with(Some(namespace), name, value)
    }

    fn with(mut self, namespace: Option<&Namespace>, name: &str, value: &str) -> Self {
        self.initial.insert(key(namespace, name), value.to_owned());
        self.tunables.get_mut().insert(key(namespace, name), value.to_owned());
        self
    }

    /// Replaces the tree of files; each regular file is root's, mode 0644.
    #[must_use]
    pub fn with_files(mut self, files: MemoryFiles) -> Self {
        *self.files.tree.get_mut() = files;
        self
    }

    /// Adds a file of root's, mode 0644, and the directories above it.
    #[must_use]
    pub fn with_file(self, path: &str, content: &str) -> Self {
        self.set_file(path, Some(content));
        self
    }

    /// Adds a file with mode, owner and attributes, and the directories above it.
    #[must_use]
    pub fn with_image(self, path: &str, image: FileImage) -> Self {
        self.files.put(Path::new(path), Some(image));
        self
    }

    /// Adds an empty directory, and the directories above it.
    #[must_use]
    pub fn with_directory(self, path: &str) -> Self {
        self.files.tree.replace_with(|tree| std::mem::take(tree).with_directory(path));
        self
    }

    /// Sets what kind of system it is.
    #[must_use]
    pub fn with_identity(mut self, identity: Identity) -> Self {
        self.identity = identity;
        self
    }

    /// Sets what is looked at.
    #[must_use]
    pub fn with_scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// Sets how the network namespace relates to that of the first process.
    #[must_use]
    pub fn with_isolation(mut self, isolation: Isolation) -> Self {
        self.isolation = isolation;
        self
    }

    /// Sets the stated memory in bytes.
    #[must_use]
    pub fn with_ram(mut self, bytes: u64) -> Self {
        self.ram = Some(bytes);
        self
    }

    /// Gives it connections.
    #[must_use]
    pub fn with_sockets(mut self, sockets: Rc<dyn FakeSockets>) -> Self {
        self.sockets = sockets;
        self
    }

    /// Makes the kernel refuse this value of a tunable.
    #[must_use]
    pub fn refusing(self, name: &str, value: &str) -> Self {
        self.habit(name, Habit::Refuse(value.to_owned()))
    }

    /// Makes the kernel store another value than was written, as rounding does.
    #[must_use]
    pub fn storing(self, name: &str, written: &str, stored: &str) -> Self {
        self.habit(name, Habit::Store { written: written.to_owned(), stored: stored.to_owned() })
    }

    /// Makes every write of a tunable succeed and do nothing.
    #[must_use]
    pub fn losing_writes(self, name: &str) -> Self {
        self.habit(name, Habit::Lose)
    }

    /// Makes every write of a tunable fail after its first `fields` fields were stored, as Linux does when a later one
    /// is refused.
    #[must_use]
    pub fn keeping_only(self, name: &str, fields: usize) -> Self {
        self.habit(name, Habit::KeepOnly(fields))
    }

    /// Puts a tunable on a read-only mount.
    #[must_use]
    pub fn with_read_only(self, name: &str) -> Self {
        self.habit(name, Habit::ReadOnly)
    }

    /// Denies reading and writing a tunable to the caller.
    #[must_use]
    pub fn with_denied(self, name: &str) -> Self {
        self.habit(name, Habit::Deny)
    }

    /// Keeps the caller from writing a tunable, for this reason.
    #[must_use]
    pub fn forbidding(self, name: &str, reason: &str) -> Self {
        self.habit(name, Habit::Forbid(reason.to_owned()))
    }

    /// Makes the kernel say this of a tunable besides its value.
    #[must_use]
    pub fn describing(mut self, name: &str, description: Description) -> Self {
        self.descriptions.insert(name.to_owned(), description);
        self
    }

    fn habit(mut self, name: &str, habit: Habit) -> Self {
        self.habits.entry(name.to_owned()).or_default().push(habit);
        self
    }

    /// Makes the `nth` operation of a kind, counted from 1, fail with this reason and without effect.
    #[must_use]
    pub fn failing(self, operation: Operation, nth: usize, reason: &str) -> Self {
        self.failures.borrow_mut().push((operation, nth, reason.to_owned()));
        self
    }

    /// Lets somebody else act just before the `nth` operation of any kind, counted from 1.
    #[must_use]
    pub fn meddled_with_before(self, nth: usize, meddling: Meddling) -> Self {
        self.meddling.borrow_mut().push((nth, meddling));
        self
    }

    /// Lets the process die after `effects` effects: every later operation panics with [`CRASH`]. When the next effect
    /// would have replaced a file, the half-made new one is left beside it.
    #[must_use]
    pub fn crashing_after(self, effects: usize) -> Self {
        self.crash_after.set(Some(effects));
        self
    }

    /// Starts a new process on the same machine: no more crashes, failures or meddling; counts from nothing.
    pub fn restart(&self) {
        self.crash_after.set(None);
        self.crashed.set(false);
        self.failures.borrow_mut().clear();
        self.meddling.borrow_mut().clear();
        self.counts.borrow_mut().clear();
        self.effects.borrow_mut().clear();
    }

    /// Restarts the machine: tunables get their first values again, other network namespaces are gone.
    pub fn reboot(&self) {
        self.restart();
        self.reboots.set(self.reboots.get() + 1);
        self.uptime.set(Duration::from_secs(10));
        let own = self.initial.iter().filter(|((namespace, _), _)| namespace.is_none());
        *self.tunables.borrow_mut() = own.map(|(key, value)| (key.clone(), value.clone())).collect();
    }

    /// Lets time pass.
    pub fn pass(&self, time: Duration) {
        self.uptime.set(self.uptime.get() + time);
    }

    /// Takes a network namespace away.
    pub fn remove_namespace(&self, gone: &Namespace) {
        let gone = Some((gone.device, gone.inode));
        self.tunables.borrow_mut().retain(|(namespace, _), _| *namespace != gone);
    }

    /// Sets a tunable as somebody else, uncounted.
    pub fn set_value(&self, name: &str, value: &str) {
        self.tunables.borrow_mut().insert(key(None, name), value.to_owned());
    }

    /// Writes or removes a file as somebody else, uncounted; it is root's, mode 0644.
    pub fn set_file(&self, path: &str, content: Option<&str>) {
        self.files.put(Path::new(path), content.map(|text| plain(text.as_bytes().to_vec())));
    }

    /// Puts a file there that the caller may not read, uncounted.
    pub fn deny_file(&self, path: &str) {
        self.files.tree.replace_with(|tree| std::mem::take(tree).with_denied(path));
    }

    /// Returns a tunable's value, uncounted.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<String> {
        self.tunables.borrow().get(&key(None, name)).cloned()
    }

    /// Returns a tunable's value in a network namespace, uncounted.
    #[must_use]
    pub fn value_in(&self, namespace: &Namespace, name: &str) -> Option<String> {
        self.tunables.borrow().get(&key(Some(namespace), name)).cloned()
    }

    /// Returns a file, uncounted; `None` for anything but a regular one.
    #[must_use]
    pub fn image(&self, path: &str) -> Option<FileImage> {
        self.files.image(Path::new(path)).ok().flatten()
    }

    /// Returns the changes made through [`Machine`], in order, in words.
    #[must_use]
    pub fn effects(&self) -> Vec<String> {
        self.effects.borrow().clone()
    }

    /// Returns how many operations of a kind were asked for.
    #[must_use]
    pub fn count(&self, operation: Operation) -> usize {
        self.counts.borrow().get(&operation).copied().unwrap_or(0)
    }

    /// Returns how many operations were asked for.
    #[must_use]
    pub fn operations(&self) -> usize {
        self.counts.borrow().values().sum()
    }

    /// Counts an operation, lets somebody else act, and returns why it fails, if it does.
    fn enter(&self, operation: Operation) -> Result<(), String> {
        assert!(!self.crashed.get(), "{CRASH}");
        *self.counts.borrow_mut().entry(operation).or_insert(0) += 1;
        let (total, nth) = (self.operations(), self.count(operation));
        for (_, meddling) in self.meddling.borrow().iter().filter(|(when, _)| *when == total) {
            self.meddle(meddling);
        }
        let failures = self.failures.borrow();
        match failures.iter().find(|(kind, when, _)| (*kind, *when) == (operation, nth)) {
            Some((_, _, reason)) => Err(reason.clone()),
            None => Ok(()),
        }
    }

    fn meddle(&self, meddling: &Meddling) {
        match meddling {
            Meddling::Value(name, value) => self.set_value(name, value),
            Meddling::File(path, content) => self.files.put(path, content.clone().map(plain)),
        }
    }

    /// Ends the process here when its time has come.
    fn survive(&self, half_done: impl FnOnce()) {
        if self.crash_after.get().is_some_and(|effects| self.effects.borrow().len() >= effects) {
            self.crashed.set(true);
            half_done();
            panic!("{CRASH}");
        }
    }

    fn note(&self, effect: String) {
        self.effects.borrow_mut().push(effect);
    }

    fn read(&self, namespace: Option<&Namespace>, name: &str) -> Result<String, ReadError> {
        let failed = |reason| ReadError::Failed { name: name.to_owned(), reason };
        self.enter(Operation::Read).map_err(failed)?;
        if self.habits_of(name).contains(&Habit::Deny) {
            return Err(ReadError::Denied(name.to_owned()));
        }
        if self.is_gone(namespace) {
            return Err(ReadError::NamespaceGone(
                namespace.map(|gone| gone.name.clone()).unwrap_or_default(),
            ));
        }
        let found = self.tunables.borrow().get(&key(namespace, name)).cloned();
        found.ok_or_else(|| ReadError::Missing(name.to_owned()))
    }

    fn is_gone(&self, namespace: Option<&Namespace>) -> bool {
        let namespace = namespace.filter(|namespace| **namespace != own_namespace());
        let wanted = namespace.map(|namespace| (namespace.device, namespace.inode));
        wanted.is_some() && !self.tunables.borrow().keys().any(|(namespace, _)| *namespace == wanted)
    }

    fn habits_of(&self, name: &str) -> &[Habit] {
        self.habits.get(name).map_or(&[], Vec::as_slice)
    }

    fn writable(&self, name: &str) -> Result<(), WriteError> {
        let habits = self.habits_of(name);
        if habits.contains(&Habit::Deny) {
            Err(WriteError::Denied(name.to_owned()))
        } else if habits.contains(&Habit::ReadOnly) {
            Err(WriteError::ReadOnly(name.to_owned()))
        } else if let Some(reason) = self.forbidden(name) {
            Err(WriteError::NotPermitted { name: name.to_owned(), reason })
        } else if self.tunables.borrow().contains_key(&key(self.chosen(), name)) {
            Ok(())
        } else {
            Err(WriteError::Missing(name.to_owned()))
        }
    }

    fn forbidden(&self, name: &str) -> Option<String> {
        self.habits_of(name).iter().find_map(|habit| match habit {
            Habit::Forbid(reason) => Some(reason.clone()),
            _ => None,
        })
    }

    /// Returns what the kernel stores of a value, and what it answers.
    fn stored(&self, name: &str, old: &str, value: &str) -> (String, Result<(), WriteError>) {
        for habit in self.habits_of(name) {
            let refused = || WriteError::Refused { name: name.to_owned(), value: value.to_owned() };
            match habit {
                Habit::Refuse(bad) if bad == value => return (old.to_owned(), Err(refused())),
                Habit::Store { written, stored } if written == value => return (stored.clone(), Ok(())),
                Habit::Lose => return (old.to_owned(), Ok(())),
                Habit::KeepOnly(fields) if fields_of(value) > *fields => {
                    return (first_fields(value, old, *fields), Err(refused()));
                }
                _ => {}
            }
        }
        (value.to_owned(), Ok(()))
    }

    const fn chosen(&self) -> Option<&Namespace> {
        match &self.scope {
            Scope::Namespace(namespace) => Some(namespace),
            _ => None,
        }
    }
}

/// The network namespace of a process that has one of its own.
fn own_namespace() -> Namespace {
    Namespace { name: String::new(), device: 4, inode: 4_026_532_000 }
}

fn key(namespace: Option<&Namespace>, name: &str) -> Key {
    let namespace = namespace.filter(|namespace| **namespace != own_namespace());
    (namespace.map(|namespace| (namespace.device, namespace.inode)), name.to_owned())
}

fn plain(content: Vec<u8>) -> FileImage {
    FileImage { content: Bytes(content), mode: 0o644, uid: 0, gid: 0, attributes: BTreeMap::new() }
}

fn fields_of(value: &str) -> usize {
    value.split_whitespace().count()
}

fn first_fields(new: &str, old: &str, fields: usize) -> String {
    let words = new.split_whitespace().take(fields).chain(old.split_whitespace().skip(fields));
    words.collect::<Vec<_>>().join("\t")
}

impl Host for FakeHost {
    fn files(&self) -> &dyn Files {
        &self.files
    }

    fn identity(&self) -> Identity {
        self.identity.clone()
    }

    fn boot_id(&self) -> String {
        format!("boot-{}", self.reboots.get() + 1)
    }

    fn uptime(&self) -> Duration {
        self.uptime.get()
    }

    fn scope(&self) -> &Scope {
        &self.scope
    }

    fn namespace(&self) -> Option<Namespace> {
        let own = self.scope == Scope::Own && self.isolation != Isolation::None;
        self.chosen().cloned().or_else(|| own.then(own_namespace))
    }

    fn isolation(&self) -> Isolation {
        self.isolation
    }

    fn page_size(&self) -> u64 {
        4096
    }

    fn stated_ram(&self) -> Option<u64> {
        self.ram
    }

    fn read_tunables(&self, names: &[&str]) -> Vec<Result<String, ReadError>> {
        if matches!(self.scope, Scope::Image(_)) {
            return names.iter().map(|name| Err(ReadError::NotLive((*name).to_owned()))).collect();
        }
        names.iter().map(|name| self.read(self.chosen(), name)).collect()
    }

    fn describe_tunables(&self, names: &[&str]) -> Vec<Option<Description>> {
        let live = !matches!(self.scope, Scope::Image(_));
        names.iter().map(|name| self.descriptions.get(*name).copied().filter(|_| live)).collect()
    }

    fn writable_tunables(&self, names: &[&str]) -> Vec<Result<(), WriteError>> {
        if matches!(self.scope, Scope::Image(_)) {
            return names.iter().map(|name| Err(WriteError::NotLive((*name).to_owned()))).collect();
        }
        names.iter().map(|name| self.writable(name)).collect()
    }

    fn file_image(&self, path: &Path) -> Result<Option<FileImage>, FileError> {
        self.enter(Operation::Image).map_err(|reason| other(path, reason))?;
        self.files.image(path)
    }

    fn ask_for_sockets(&self, request: &[u8], receive: &mut Receive<'_>) -> Result<(), SocketsError> {
        let datagrams = self.sockets.answer(request)?;
        let _ = datagrams.iter().try_for_each(|datagram| receive(datagram));
        Ok(())
    }

    fn read_network_file(&self, name: &str, receive: &mut Receive<'_>) -> Result<(), SocketsError> {
        let file = self.sockets.network_file(name);
        let file = file.ok_or_else(|| SocketsError::Unsupported(format!("there is no /proc/net/{name}")))?;
        let _ = file.chunks(1000).try_for_each(receive);
        Ok(())
    }

    fn read_structure(&self, name: &str) -> Result<Vec<u8>, ReadError> {
        self.sockets.structure(name).ok_or_else(|| ReadError::Missing(name.to_owned()))
    }

    fn socket_holders(&self, only: Option<&[i32]>, wanted: &(dyn Fn(u64) -> bool + Sync)) -> SocketHolders {
        let all = self.sockets.holders().unwrap_or_default();
        let meant =
            all.holders.into_iter().filter(|holder| only.is_none_or(|pids| pids.contains(&holder.pid)));
        let with_wanted = |holder: SocketHolder| {
            let sockets: Vec<_> = holder.sockets.into_iter().filter(|inode| wanted(*inode)).collect();
            (!sockets.is_empty()).then_some(SocketHolder { sockets, ..holder })
        };
        SocketHolders { holders: meant.filter_map(with_wanted).collect(), unreadable: all.unreadable }
    }

    fn idle_processors(&self) -> usize {
        1
    }

    fn names_socket_holders(&self) -> bool {
        self.sockets.holders().is_some()
    }

    fn ancestors(&self) -> Vec<i32> {
        self.sockets.ancestors()
    }

    fn network_namespaces(&self) -> Vec<NetworkNamespace> {
        self.sockets.namespaces()
    }
}

impl Machine for FakeHost {
    fn read_in(&self, namespace: Option<&Namespace>, name: &str) -> Result<String, ReadError> {
        self.read(namespace, name)
    }

    fn write_in(&self, namespace: Option<&Namespace>, name: &str, value: &str) -> Result<(), WriteError> {
        let failed = |reason| WriteError::Failed { name: name.to_owned(), reason };
        self.enter(Operation::Write).map_err(failed)?;
        self.survive(|| ());
        if self.is_gone(namespace) {
            return Err(WriteError::NamespaceGone(
                namespace.map(|gone| gone.name.clone()).unwrap_or_default(),
            ));
        }
        let old = self.tunables.borrow().get(&key(namespace, name)).cloned();
        let old = old.ok_or_else(|| WriteError::Missing(name.to_owned()))?;
        let keeps_out = |habit: &Habit| matches!(habit, Habit::Deny | Habit::ReadOnly | Habit::Forbid(_));
        if self.habits_of(name).iter().any(keeps_out) {
            return self.writable(name);
        }
        let (stored, answer) = self.stored(name, &old, value);
        if stored != old {
            self.note(format!("set {name} = {stored}"));
        }
        self.tunables.borrow_mut().insert(key(namespace, name), stored);
        answer
    }

    fn replace_file(&self, path: &Path, image: Option<&FileImage>, tag: &str) -> Result<(), FileError> {
        self.enter(Operation::Replace).map_err(|reason| other(path, reason))?;
        let parent = path.parent().unwrap_or(Path::new("/"));
        if self.files.kind(parent)? != FileKind::Directory {
            return Err(FileError::WrongKind(parent.to_owned()));
        }
        let half_made = aside(path, tag);
        if self.files.image(&half_made)?.is_some() {
            return Err(other(&half_made, "file exists".to_owned()));
        }
        self.survive(|| self.files.put(&half_made, image.cloned()));
        if image.is_none() && self.files.image(path)?.is_none() {
            return Err(FileError::Missing(path.to_owned()));
        }
        self.note(format!("{} {}", if image.is_some() { "write" } else { "remove" }, path.display()));
        self.files.put(path, image.cloned());
        Ok(())
    }

    fn remove_leftover(&self, path: &Path, tag: &str) -> Result<(), FileError> {
        assert!(!self.crashed.get(), "{CRASH}");
        self.files.put(&aside(path, tag), None);
        Ok(())
    }

    fn set_directory(&self, path: &Path, present: bool) -> Result<(), FileError> {
        self.enter(Operation::Directory).map_err(|reason| other(path, reason))?;
        self.survive(|| ());
        let found = match self.files.kind(path) {
            Err(FileError::Missing(_)) => false,
            kind => kind? == FileKind::Directory,
        };
        if present == found {
            let reason = if found { "file exists" } else { "no such directory" };
            return Err(other(path, reason.to_owned()));
        }
        if !present && !self.files.names(path)?.is_empty() {
            return Err(other(path, "directory not empty".to_owned()));
        }
        self.note(format!("{} directory {}", if present { "make" } else { "remove" }, path.display()));
        self.files.tree.replace_with(|tree| {
            let mut tree = std::mem::take(tree);
            if present {
                return tree.with_directory(&path.to_string_lossy());
            }
            tree.set(path, None);
            tree
        });
        Ok(())
    }

    fn abort_connection(&self, request: &[u8]) -> Result<(), AbortError> {
        assert!(!self.crashed.get(), "{CRASH}");
        self.sockets.abort(request)?;
        self.note("abort a connection".to_owned());
        Ok(())
    }
}

fn other(path: &Path, reason: String) -> FileError {
    FileError::Other { path: path.to_owned(), reason }
}

/// A tree in memory whose files also have modes and owners.
#[derive(Debug, Default)]
struct FakeFiles {
    tree: RefCell<MemoryFiles>,
    images: RefCell<BTreeMap<PathBuf, FileImage>>,
}

impl FakeFiles {
    fn put(&self, path: &Path, image: Option<FileImage>) {
        self.tree.borrow_mut().set(path, image.as_ref().map(|image| image.content.0.clone()));
        match image {
            Some(image) => self.images.borrow_mut().insert(path.to_owned(), image),
            None => self.images.borrow_mut().remove(path),
        };
    }

    fn image(&self, path: &Path) -> Result<Option<FileImage>, FileError> {
        let content = match self.kind(path) {
            Err(FileError::Missing(_)) => return Ok(None),
            Ok(FileKind::Regular) => self.read(path)?,
            Ok(_) => return Err(FileError::WrongKind(path.to_owned())),
            Err(error) => return Err(error),
        };
        let known = self.images.borrow().get(&self.real_path(path)?).cloned();
        Ok(Some(known.unwrap_or_else(|| plain(content))))
    }
}

impl Files for FakeFiles {
    fn read(&self, path: &Path) -> Result<Vec<u8>, FileError> {
        self.tree.borrow().read(path)
    }

    fn names(&self, directory: &Path) -> Result<Vec<OsString>, FileError> {
        self.tree.borrow().names(directory)
    }

    fn kind(&self, path: &Path) -> Result<FileKind, FileError> {
        self.tree.borrow().kind(path)
    }

    fn real_path(&self, path: &Path) -> Result<PathBuf, FileError> {
        self.tree.borrow().real_path(path)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const RMEM: &str = "net.ipv4.tcp_rmem";

    #[test]
    fn values_are_refused_rounded_lost_and_stored_in_part() {
        let host = FakeHost::new()
            .with_tunable(RMEM, "4096\t131072\t6291456")
            .with_tunable("a", "1")
            .with_tunable("b", "1")
            .keeping_only(RMEM, 2)
            .storing("a", "15", "10")
            .refusing("a", "0")
            .losing_writes("b");
        assert!(host.write_in(None, RMEM, "8192 8192 -1").is_err());
        assert_eq!(host.value(RMEM).unwrap(), "8192\t8192\t6291456");
        assert!(matches!(host.write_in(None, "a", "0"), Err(WriteError::Refused { .. })));
        host.write_in(None, "a", "15").unwrap();
        host.write_in(None, "b", "2").unwrap();
        assert_eq!((host.value("a").unwrap(), host.value("b").unwrap()), ("10".to_owned(), "1".to_owned()));
        assert_eq!(host.effects(), ["set net.ipv4.tcp_rmem = 8192\t8192\t6291456", "set a = 10"]);
        assert_eq!(host.count(Operation::Write), 4);
    }

    #[test]
    fn a_tunable_is_described_and_kept_from_the_caller() {
        let described = Description {
            value: None,
            writable: true,
            loader: false,
            vnet: true,
            prison: false,
            secure_above: None,
        };
        let host = FakeHost::new()
            .with_tunable("a", "1")
            .describing("a", described)
            .forbidding("a", "it belongs to the host of this jail");
        assert_eq!(host.describe_tunables(&["a", "b"]), [Some(described), None]);
        let refused = host.write_in(None, "a", "2").unwrap_err();
        assert_eq!(refused.to_string(), "a may not be written here: it belongs to the host of this jail");
        assert_eq!(host.writable_tunables(&["a"]), [Err(refused)]);
        assert_eq!(host.value("a").unwrap(), "1");
    }

    #[test]
    fn the_nth_operation_fails_or_is_meddled_with() {
        let host = FakeHost::new()
            .with_tunable("a", "1")
            .failing(Operation::Read, 2, "input/output error")
            .meddled_with_before(3, Meddling::Value("a".to_owned(), "7".to_owned()));
        assert_eq!(host.read_in(None, "a").unwrap(), "1");
        assert!(host.read_in(None, "a").unwrap_err().to_string().contains("input/output"));
        assert_eq!(host.read_in(None, "a").unwrap(), "7");
    }

    #[test]
    fn files_keep_their_mode_and_directories_must_be_empty() {
        let image = FileImage { mode: 0o600, ..plain(b"x".to_vec()) };
        let host = FakeHost::new().with_directory("/etc");
        let path = Path::new("/etc/d/f");
        assert!(matches!(host.replace_file(path, Some(&image), "1"), Err(FileError::Missing(_))));
        host.set_directory(Path::new("/etc/d"), true).unwrap();
        host.replace_file(path, Some(&image), "1").unwrap();
        assert_eq!(host.file_image(path).unwrap(), Some(image));
        assert!(host.set_directory(Path::new("/etc/d"), false).is_err());
        host.replace_file(path, None, "1").unwrap();
        host.set_directory(Path::new("/etc/d"), false).unwrap();
        assert!(host.files().kind(Path::new("/etc/d")).is_err());
    }

    #[test]
    fn a_crash_leaves_the_half_made_file_and_a_reboot_the_first_values() {
        let host = FakeHost::new().with_tunable("a", "1").with_file("/etc/f", "old\n").crashing_after(1);
        host.write_in(None, "a", "2").unwrap();
        let dies = std::panic::AssertUnwindSafe(|| {
            host.replace_file(Path::new("/etc/f"), Some(&plain(b"new\n".to_vec())), "9-0")
        });
        assert!(std::panic::catch_unwind(dies).is_err());
        host.reboot();
        assert_eq!(host.value("a").unwrap(), "1");
        assert_eq!(host.image("/etc/f").unwrap().content.0, b"old\n");
        assert!(host.image("/etc/.f.tune-9-0").is_some());
    }

    #[test]
    fn a_namespace_goes_with_its_tunables() {
        let blue = Namespace { name: "blue".to_owned(), device: 4, inode: 77 };
        let host = FakeHost::new().with_tunable("a", "1").with_tunable_in(&blue, "a", "5");
        assert_eq!(host.read_in(Some(&blue), "a").unwrap(), "5");
        host.remove_namespace(&blue);
        assert!(matches!(host.read_in(Some(&blue), "a"), Err(ReadError::NamespaceGone(_))));
        assert_eq!(host.read_in(None, "a").unwrap(), "1");
    }
}
