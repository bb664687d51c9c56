//! The `ndd` of systems that have ipadm: other names for what libipadm does, never stored.

use std::sync::LazyLock;

use super::errno::Status;
use super::host::Host;
use super::kernel::{Change, What};
use super::library::{Asked, Library, Mode, legacy};
use super::ndd::{Answer, Ndd, open_other};
use super::proto::Proto;
use super::said::Said;
use super::table::{Kind, Row};

/// What can be done with a name of ndd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// To get and to set it.
    Plain,
    /// Only to get it.
    Read,
    /// Only to set it, which adds.
    Add,
    /// Only to set it, which removes.
    Remove,
}

/// A name of ndd for a public property.
struct Name {
    ndd: &'static str,
    proto: Proto,
    ipadm: &'static str,
    used: Use,
}

impl Name {
    fn parse(line: &'static str) -> Self {
        let words: Vec<&str> = line.split(' ').collect();
        let used = match words.get(3) {
            None => Use::Plain,
            Some(&"read") => Use::Read,
            Some(&"add") => Use::Add,
            Some(&"remove") => Use::Remove,
            Some(other) => panic!("no use is called {other:?}"),
        };
        Self { ndd: words[0], proto: Proto::named(words[1]).expect("a protocol"), ipadm: words[2], used }
    }
}

static NAMES: LazyLock<Vec<Name>> =
    LazyLock::new(|| include_str!("../../fixtures/sunos/ndd-names.txt").lines().map(Name::parse).collect());

/// ndd over libipadm.
pub(super) struct Wrapper<'a>(pub(super) &'a mut Host);

fn failed(status: &Status) -> Said {
    match status {
        Status::Unmodelled(what) => Said::unmodelled(what),
        other => Said::failed(&format!("operation failed: {}", other.text())),
    }
}

impl Wrapper<'_> {
    /// The property that a name means, and what can be done with it.
    fn named(&self, device: &str, name: &str) -> Result<(Proto, String, Use), Said> {
        if let Some(known) = NAMES.iter().find(|known| known.ndd == name) {
            return Ok((known.proto, known.ipadm.to_owned(), known.used));
        }
        let proto = Proto::of_device(device).expect("it was opened");
        let (name, proto) =
            legacy(self.0.knowledge(), name, proto).ok_or_else(|| failed(&Status::Unknown))?;
        Ok((proto, name, Use::Plain))
    }

    /// The names of a device: those that ndd has a word for, and private ones.
    fn list(&self, device: &str) -> Answer {
        let proto = Proto::of_device(device).expect("it was opened");
        if proto.is_ip() {
            return Err(Said::unmodelled("the names of IP"));
        }
        Ok(self.0.knowledge().table.of(proto).map(listed).collect())
    }
}

/// The lines of one property in the list.
fn listed(row: &Row) -> String {
    let line = |name: &str, may: &str| format!("{name:<30} ({may})\n");
    let own = match row.kind {
        Kind::Limits => "read only",
        Kind::Secret | Kind::AddLimit | Kind::DeleteLimit => "write only",
        _ => "read and write",
    };
    let known = NAMES.iter().filter(|known| known.ipadm == row.name && known.proto == row.proto);
    let lines: String = known
        .map(|known| match known.used {
            Use::Plain => line(known.ndd, own),
            Use::Read => line(known.ndd, "read only"),
            Use::Add | Use::Remove => line(known.ndd, "write only"),
        })
        .collect();
    if lines.is_empty() && row.name.starts_with('_') {
        return line(&format!("{}{}", row.proto.word(), row.name), own);
    }
    lines
}

impl Ndd for Wrapper<'_> {
    fn open(&self, device: &str) -> Result<(), Said> {
        Proto::of_device(device).map_or_else(|| Err(open_other(device)), |_| Ok(()))
    }

    fn get(&mut self, device: &str, name: &str) -> Answer {
        if name == "?" {
            return self.list(device);
        }
        let (proto, name, used) = self.named(device, name)?;
        if matches!(used, Use::Add | Use::Remove) {
            return Err(failed(&Status::Denied));
        }
        let got = Library::new(self.0, Mode::Legacy).get(proto, &name, Asked::Kernel(What::Current));
        got.map(|value| value.replace(',', "\n") + "\n").map_err(|status| failed(&status))
    }

    fn set(&mut self, device: &str, name: &str, value: &str) -> Answer {
        if name == "?" {
            return Err(Said::unmodelled("ndd -set of '?'"));
        }
        let (proto, name, used) = self.named(device, name)?;
        let change = match used {
            Use::Plain => Change::To(value),
            Use::Read => return Err(failed(&Status::Denied)),
            Use::Add => Change::Add(value),
            Use::Remove => Change::Remove(value),
        };
        let set = Library::new(self.0, Mode::Legacy).set(proto, &name, change, false);
        set.map(|()| String::new()).map_err(|status| failed(&status))
    }
}
