//! libipadm: names, words for numbers, and the two steps of a change.

use super::errno::{Errno, Status};
use super::fault::Fault;
use super::host::Host;
use super::ipmgmtd;
use super::kernel::{self, Change, VALUE_SIZE, What};
use super::model::{Knowledge, Zone};
use super::proto::Proto;
use super::public::{Class, Found, Public};

/// For whom the library works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// For ipadm.
    Ipadm,
    /// For ndd, which wants numbers where there are words.
    Legacy,
    /// For ipmgmtd at the start.
    Start,
}

/// What is asked of a property, of the kernel or of ipmgmtd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// The kernel is asked.
    Kernel(What),
    /// What is stored is asked for.
    Persistent,
}

/// libipadm, open on a host.
pub(super) struct Library<'a> {
    host: &'a mut Host,
    mode: Mode,
}

impl<'a> Library<'a> {
    pub(super) fn new(host: &'a mut Host, mode: Mode) -> Self {
        Self { host, mode }
    }

    pub(super) fn knowledge(&self) -> &'static Knowledge {
        self.host.knowledge()
    }

    /// Finds a property; `None` is a private one, that only the kernel may know.
    fn describe(&self, proto: Proto, name: &str) -> Result<Option<&'static Public>, Status> {
        match self.knowledge().publics.find(proto, name) {
            Found::Elsewhere => Err(Status::BadProtocol),
            Found::Private => Ok(None),
            Found::Public(public) if public.class == Class::Interface => Err(Status::Invalid),
            Found::Public(public) => Ok(Some(public)),
        }
    }

    /// Returns what is asked of a property.
    pub(super) fn get(&self, proto: Proto, name: &str, asked: Asked) -> Result<String, Status> {
        let public = self.describe(proto, name)?;
        let words = public.and_then(|public| public.words.as_ref()).filter(|_| self.mode != Mode::Legacy);
        let name = public.map_or(name, |public| public.name);
        let what = match (asked, words) {
            (Asked::Persistent, _) => {
                return ipmgmtd::get(self.host, proto.word(), name).map_err(Status::of);
            }
            (Asked::Kernel(What::Possible), Some(words)) => return Ok(words.shown.to_owned()),
            (Asked::Kernel(what), _) => what,
        };
        let got = kernel::get(&self.knowledge().table, &self.host.live, proto, name, what);
        let got = got.map_err(Status::of_kernel)?;
        Ok(match (what, words) {
            (What::Permission, _) => permission(&got),
            (_, Some(words)) => got.parse().map_or(got, |number: usize| words.by_number[number].to_owned()),
            (_, None) => got,
        })
    }

    /// Changes a property: first in the kernel and then, where it is to last, in the file.
    pub(super) fn set(
        &mut self,
        proto: Proto,
        name: &str,
        change: Change<'_>,
        last: bool,
    ) -> Result<(), Status> {
        if self.mode != Mode::Start && self.host.meets(Fault::NoAuth) {
            return Err(Status::Unauthorized);
        }
        if change.value().is_some_and(|value| value.len() >= VALUE_SIZE) {
            return Err(Status::Invalid);
        }
        let public = self.describe(proto, name)?;
        let several = public.is_none_or(|public| public.several);
        if !several && matches!(change, Change::Add(_) | Change::Remove(_)) {
            return Err(Status::Invalid);
        }
        let known = public.map_or(name, |public| public.name);
        if public.is_some_and(|public| public.several) {
            self.set_several(proto, known, change)?;
        } else {
            let number = self.number(public, change)?;
            let change = number.as_ref().map_or(change, |number| change.with(number));
            self.kernel(proto, known, change)?;
        }
        if !last {
            return Ok(());
        }
        if self.host.meets(Fault::KilledHalfway) {
            self.host.die();
        }
        match ipmgmtd::keep(self.host, proto.word(), known, change) {
            Err(Errno::Enoent) | Ok(()) => Ok(()),
            Err(errno) => Err(Status::of(errno)),
        }
    }

    /// The number that a word stands for, where there are words.
    fn number(&self, public: Option<&Public>, change: Change<'_>) -> Result<Option<String>, Status> {
        let words = public.and_then(|public| public.words.as_ref());
        let (Some(words), Some(value)) = (words, change.value()) else { return Ok(None) };
        if self.mode == Mode::Legacy {
            return Ok(None);
        }
        let number = words.by_number.iter().position(|word| *word == value).ok_or(Status::Invalid)?;
        Ok(Some(number.to_string()))
    }

    /// Changes a list: by one value at a time, except at the start, when all are added to the defaults.
    fn set_several(&mut self, proto: Proto, name: &str, change: Change<'_>) -> Result<(), Status> {
        let Some(value) = change.value() else { return self.kernel(proto, name, change) };
        let values = names(value)?;
        let starting = self.mode == Mode::Start;
        if values.len() > 1 && !starting {
            return Err(Status::Invalid);
        }
        for value in values {
            self.kernel(proto, name, if starting { Change::Add(value) } else { change.with(value) })?;
        }
        Ok(())
    }

    fn kernel(&mut self, proto: Proto, name: &str, change: Change<'_>) -> Result<(), Status> {
        let shared = matches!(self.host.setup.zone, Zone::Shared(_)) || self.host.meets(Fault::SharedZone);
        let privileged = self.mode == Mode::Start || !(shared || self.host.meets(Fault::NoPerm));
        let table = &self.host.knowledge().table;
        kernel::set(table, &mut self.host.live, privileged, proto, name, change).map_err(Status::of_kernel)
    }
}

fn permission(number: &str) -> String {
    let number: u32 = number.parse().unwrap_or(0);
    let letter = |bit, letter| if number & bit == 0 { '-' } else { letter };
    [letter(1, 'r'), letter(2, 'w')].iter().collect()
}

/// Takes a list of names apart. Blanks before it are not part of it, and no name may be there twice.
pub(super) fn names(list: &str) -> Result<Vec<&str>, Status> {
    let list = list.trim_start_matches([' ', '\t', '\n', '\u{b}', '\u{c}', '\r']);
    if list.is_empty() || list.contains('=') {
        return Err(Status::Invalid);
    }
    let mut names: Vec<&str> = Vec::new();
    for name in list.split(',').filter(|name| !name.starts_with('\n')) {
        if names.contains(&name) {
            return Err(Status::Exists);
        }
        names.push(name);
    }
    Ok(names)
}

/// How the names begin that ndd has for private properties of IP and that do not begin with `ip_` or `ip6_`.
const IP_PREFIXES: &[&str] = &["arp_", "ndp_", "igmp_", "mld_", "ipsec_", "icmp_", "pim_", "ipv4_", "ipv6_"];

/// The name that a property of ndd has for the library, or `None` where that is a public one.
pub(super) fn legacy(knowledge: &Knowledge, name: &str, proto: Proto) -> Option<(String, Proto)> {
    if matches!(knowledge.publics.find(proto, name), Found::Public(_)) {
        return None;
    }
    if proto.is_ip() {
        return Some(match name.strip_prefix("ip6").filter(|rest| rest.starts_with('_')) {
            Some(rest) => (rest.to_owned(), Proto::Ipv6),
            None if IP_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) => (format!("_{name}"), proto),
            None => (
                name.strip_prefix("ip").filter(|rest| rest.starts_with('_')).unwrap_or(name).to_owned(),
                proto,
            ),
        });
    }
    let stripped = name.strip_prefix(proto.word()).filter(|rest| rest.starts_with('_'));
    Some((stripped.unwrap_or(name).to_owned(), proto))
}
