//! The running kernel: what it answers to a read and to a write, byte for byte.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::rules::{Around, CLUSTERS, Made, in_ticks, rule, variable};
use super::table::{Oid, Release, Table, Type};

/// What a jail is to the kernel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Jail {
    /// The host itself.
    #[default]
    None,
    /// A jail on the host's network stack.
    Shared,
    /// A jail with a network stack of its own.
    Vnet,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// It is root, in the jail or on the host.
    pub root: bool,
    /// Where it is.
    pub jail: Jail,
}

impl Caller {
    /// Root of the host.
    pub const ROOT: Self = Self { root: true, jail: Jail::None };
    /// Anybody on the host.
    pub const NOBODY: Self = Self { root: false, jail: Jail::None };
}

/// What stands behind "Operation not permitted".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// It cannot be written while the system runs.
    ReadOnly,
    /// The caller is not root.
    NotRoot,
    /// It belongs to the host, and the caller is in a jail.
    Jailed,
    /// The securelevel, which is above 0.
    Securelevel,
    /// The securelevel itself, which cannot be lowered.
    Lowered,
}

/// What the kernel answers instead of success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such name: ENOENT.
    Missing,
    /// EPERM.
    NotPermitted(Cause),
    /// EINVAL.
    Invalid,
    /// The name has others below it: EISDIR.
    Directory,
    /// The reply did not fit: ENOMEM, with how much did.
    TooSmall(Vec<u8>),
    /// The fake does not know what the kernel would do.
    Unmodelled(String),
}

impl Refusal {
    /// Returns the number and the words of the error, as the system has them.
    ///
    /// # Panics
    ///
    /// When the fake does not know what the kernel would do.
    pub fn errno(&self) -> (i32, &'static str) {
        match self {
            Self::NotPermitted(_) => (1, "Operation not permitted"),
            Self::Missing => (2, "No such file or directory"),
            Self::TooSmall(_) => (12, "Cannot allocate memory"),
            Self::Directory => (21, "Is a directory"),
            Self::Invalid => (22, "Invalid argument"),
            Self::Unmodelled(what) => panic!("{what}"),
        }
    }
}

fn unmodelled(what: impl std::fmt::Display) -> Refusal {
    Refusal::Unmodelled(format!("the fake FreeBSD does not know {what}"))
}

/// A running kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kernel {
    /// Which it is.
    pub release: Release,
    /// Who asks.
    pub caller: Caller,
    /// The ticks of a second.
    pub(super) hz: i128,
    /// What the loader left for it.
    pub(super) environment: BTreeMap<String, String>,
    /// Every number, in the kernel's own unit; what is missing was recorded and may be something else by now.
    pub(super) values: BTreeMap<String, i128>,
    /// Every number as it was when the kernel started, from which a new network stack starts too.
    pub(super) start: BTreeMap<String, i128>,
    /// The numbers of the jail's own network stack.
    pub(super) stack: BTreeMap<String, i128>,
}

impl Kernel {
    /// Returns the ticks of a second.
    pub const fn hz(&self) -> i128 {
        self.hz
    }

    /// Returns a variable of the loader's environment as the kernel was started with.
    pub fn kenv(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str)
    }

    /// Lets somebody else ask from now on; a jail with a network stack of its own begins with a new one.
    pub fn entered_by(&mut self, caller: Caller) {
        self.caller = caller;
        self.stack = if caller.jail == Jail::Vnet { self.start.clone() } else { BTreeMap::new() };
    }

    /// Returns what was recorded under a name.
    ///
    /// # Errors
    ///
    /// [`Refusal::Missing`] where there is none.
    pub fn oid(&self, name: &str) -> Result<&'static Oid, Refusal> {
        match self.release.table().get(name) {
            Some(Oid { kind: Type::Unrecorded, .. }) => Err(unmodelled(format!("of what type {name} is"))),
            Some(oid) => Ok(oid),
            None if Table::is_whole_around(name) || !name.contains('.') => Err(Refusal::Missing),
            None => Err(unmodelled(format!("whether there is a {name}"))),
        }
    }

    /// Returns the value under a name, as the system call does.
    ///
    /// # Errors
    ///
    /// Any [`Refusal`].
    pub fn get(&self, name: &str) -> Result<Vec<u8>, Refusal> {
        let oid = self.oid(name)?;
        match oid.kind {
            Type::Node => Err(Refusal::Directory),
            Type::Text if !oid.value.is_empty() => Ok([oid.value.as_bytes(), b"\0"].concat()),
            Type::Signed(_) | Type::Unsigned(_) if oid.value.contains(' ') => {
                Ok(oid.value.split(' ').flat_map(|one| oid.kind.encode(one.parse().unwrap_or(0))).collect())
            }
            Type::Signed(_) | Type::Unsigned(_) => Ok(oid.kind.encode(self.shown(name)?)),
            _ => Err(unmodelled(format!("the value of {name}"))),
        }
    }

    /// As [`Kernel::get`], with room for so many bytes.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooSmall`] with what fits, and any other [`Refusal`].
    pub fn get_into(&self, name: &str, room: usize) -> Result<Vec<u8>, Refusal> {
        let mut value = self.get(name)?;
        if value.len() <= room {
            return Ok(value);
        }
        value.truncate(room);
        Err(Refusal::TooSmall(value))
    }

    /// Returns a number as the system shows it.
    fn shown(&self, name: &str) -> Result<i128, Refusal> {
        match (name, self.caller.jail) {
            ("security.jail.jailed", jail) => return Ok(i128::from(jail != Jail::None)),
            ("security.jail.vnet", jail) => return Ok(i128::from(jail == Jail::Vnet)),
            ("kern.hz", _) => return Ok(self.hz),
            _ => {}
        }
        let kept = self.variables(name).get(variable(name));
        let kept = *kept.ok_or_else(|| unmodelled(format!("what {name} is by now")))?;
        Ok(if in_ticks(name) { kept * 1000 / self.hz } else { kept })
    }

    /// Returns where a name's variable is for the caller.
    fn variables(&self, name: &str) -> &BTreeMap<String, i128> {
        if self.is_of_the_jail(name) { &self.stack } else { &self.values }
    }

    fn is_of_the_jail(&self, name: &str) -> bool {
        self.caller.jail == Jail::Vnet && self.release.table().get(name).is_some_and(|oid| oid.vnet)
    }

    /// Writes bytes under a name, as the system call does: what is longer than the value is cut.
    ///
    /// # Errors
    ///
    /// Any [`Refusal`]; nothing was changed then.
    pub fn set(&mut self, name: &str, new: &[u8]) -> Result<(), Refusal> {
        let oid = self.oid(name)?;
        if oid.kind == Type::Node {
            return Err(Refusal::Directory);
        }
        self.permitted(name, oid)?;
        if oid.kind.size().is_none() {
            return Err(unmodelled(format!("what a write makes of {name}")));
        }
        let given = oid.kind.decode(new).ok_or(Refusal::Invalid)?;
        self.put(name, given)
    }

    /// Tells whether the caller may write a name.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotPermitted`] with the cause, and what [`Kernel::oid`] says.
    pub fn may_set(&self, name: &str) -> Result<(), Refusal> {
        self.permitted(name, self.oid(name)?)
    }

    fn permitted(&self, name: &str, oid: &Oid) -> Result<(), Refusal> {
        let own = match self.caller.jail {
            Jail::None => true,
            Jail::Vnet => oid.vnet,
            Jail::Shared => false,
        };
        let cause = match () {
            () if !oid.writable => Cause::ReadOnly,
            () if oid.secure && self.values.get("kern.securelevel").is_some_and(|level| *level > 0) => {
                Cause::Securelevel
            }
            () if !self.caller.root => Cause::NotRoot,
            () if own => return Ok(()),
            () if oid.prison => return Err(unmodelled(format!("what a jail makes of {name}"))),
            () => Cause::Jailed,
        };
        Err(Refusal::NotPermitted(cause))
    }

    fn put(&mut self, name: &str, given: i128) -> Result<(), Refusal> {
        let rule = rule(self.release, variable(name))
            .ok_or_else(|| unmodelled(format!("what a write makes of {name}")))?;
        let now = self.variables(name).get(variable(name)).copied();
        let other = |name: &str| self.values.get(name).copied().unwrap_or_default();
        let now = now.ok_or_else(|| unmodelled(format!("what {name} is by now")))?;
        let around = Around { release: self.release, hz: self.hz, now, other: &other };
        match rule.makes(given, &around) {
            Made::Value(value) => self.store(variable(name), value),
            Made::Nothing => {}
            Made::Invalid => return Err(Refusal::Invalid),
            Made::NotPermitted => return Err(Refusal::NotPermitted(Cause::Lowered)),
            Made::Unknown => return Err(unmodelled(format!("what the kernel makes of {given} for {name}"))),
        }
        Ok(())
    }

    fn store(&mut self, name: &str, value: i128) {
        let variables = if self.is_of_the_jail(name) { &mut self.stack } else { &mut self.values };
        variables.insert(name.to_owned(), value);
        if CLUSTERS.contains(&name) {
            self.forget(OF_CLUSTERS);
        }
    }

    pub(super) fn forget(&mut self, names: &[&str]) {
        self.values.retain(|name, _| !names.contains(&name.as_str()));
    }
}

/// What follows the number of clusters, in a way that was not recorded.
pub(super) const OF_CLUSTERS: &[&str] =
    &["net.inet.tcp.reass.maxsegments", "net.inet.ip.maxfrags", "net.inet.ip.maxfragpackets"];
