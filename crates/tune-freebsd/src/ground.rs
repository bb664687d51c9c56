//! What a host is made of: its clock, its memory, its release, and whether it is a jail.

use tune_host::{Description, Files, Host, Scope};
use tune_model::Tunable;
use tune_model::catalog::Reach;
use tune_model::tunable::integer;

use crate::boot::Jail;
use crate::defaults::{Ground, number_of};

/// The clock of a virtual machine, which is the coarsest: where nothing is known, what it keeps every kernel keeps.
const COARSEST: i128 = 100;

pub(crate) fn of(host: &dyn Host) -> Ground {
    let read = |name: &str| number(host, name);
    let memory = host.stated_ram().map(i128::from).or_else(|| read("hw.physmem"));
    Ground {
        hz: read("kern.hz").filter(|hz| *hz > 0).unwrap_or(COARSEST),
        page: host.page_size().into(),
        memory,
        kernel_memory: memory.zip(read("vm.kmem_size")).map(|(physical, kernel)| physical.min(kernel)),
        virtual_machine: text(host, "kern.vm_guest").map(|guest| guest != "none"),
        release: read("kern.osreldate").or_else(|| installed(host.files())),
    }
}

fn text(host: &dyn Host, name: &str) -> Option<String> {
    host.read_tunables(&[name]).pop()?.ok().map(|text| text.trim().to_owned())
}

pub(crate) fn number(host: &dyn Host, name: &str) -> Option<i128> {
    integer(&text(host, name)?)
}

pub(crate) fn jail(host: &dyn Host) -> Jail {
    let is = |name: &str| number(host, name).is_some_and(|flag| flag != 0);
    match host.scope() {
        Scope::Image(_) => Jail::None,
        _ if !is("security.jail.jailed") => Jail::None,
        _ if is("security.jail.vnet") => Jail::Vnet,
        _ => Jail::Shared,
    }
}

/// Tells whether each network stack has its own of a tunable; what the running kernel says of it counts.
pub(crate) fn is_per_stack(row: Option<&Tunable>, said: Option<Description>, ground: &Ground) -> bool {
    let known = |row: &Tunable| {
        let since = row.vnet_since.as_deref().and_then(number_of);
        row.scope == Reach::Vnet && since.is_none_or(|since| ground.release >= Some(since))
    };
    said.map_or_else(|| row.is_some_and(known), |said| said.vnet)
}

/// Tells why a release that is known has no such tunable, where it has none.
pub(crate) fn absent(row: &Tunable, ground: &Ground) -> Option<String> {
    let this = ground.release?;
    let since = row.since.as_deref().filter(|since| number_of(since).is_some_and(|since| since > this));
    let until = row.until.as_deref().filter(|until| first_after(until).is_some_and(|after| this >= after));
    let name = &row.name;
    let (major, minor) = (this / 100_000, this % 100_000 / 1000);
    let late =
        since.map(|since| format!("{name} is there since FreeBSD {since}, and this is {major}.{minor}"));
    late.or_else(|| until.map(|until| removed(name, until)))
}

/// Says that later releases than `until` have no such tunable.
pub(crate) fn removed(name: &str, until: &str) -> String {
    format!("{name} was removed after FreeBSD {until}")
}

/// Returns the number of the first release after one such as `13.2`; `13` stands for all of its releases.
fn first_after(until: &str) -> Option<i128> {
    let next = if until.contains('.') { 1000 } else { 100_000 };
    number_of(until).map(|until| until + next)
}

/// Returns the release of an image, from the script that tells it.
fn installed(files: &dyn Files) -> Option<i128> {
    let script = files.read("/bin/freebsd-version".as_ref()).ok()?;
    let script = String::from_utf8_lossy(&script);
    let version = script.lines().find_map(|line| line.strip_prefix("USERLAND_VERSION=\""))?;
    let numbers = version.split(|c: char| !c.is_ascii_digit() && c != '.').next()?;
    let (major, minor) = numbers.split_once('.')?;
    Some(integer(major)? * 100_000 + integer(minor)? * 1000)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tune_host::MemoryFiles;
    use tune_model::{Catalog, System};

    #[test]
    fn an_image_tells_its_release() {
        let script = "#!/bin/sh\n\nUSERLAND_VERSION=\"14.1-RELEASE-p5\"\n";
        let files = MemoryFiles::default().with("/bin/freebsd-version", script);
        assert_eq!(installed(&files), Some(1_401_000));
        assert_eq!(installed(&MemoryFiles::default()), None);
    }

    #[test]
    fn a_release_larger_than_any_is_none() {
        let version = "USERLAND_VERSION=\"99999999999999999999999999999999999999.0\"\n";
        assert_eq!(installed(&MemoryFiles::default().with("/bin/freebsd-version", version)), None);
    }

    #[test]
    fn a_release_has_what_its_series_has() {
        let row = |name: &str| Catalog::of(System::FreeBsd).get(name).unwrap();
        let absent = |name: &str, release| {
            absent(row(name), &Ground { release: Some(release), ..Ground::default() }).is_some()
        };
        let (limit, retries) = ("net.inet.tcp.maxtcptw", "net.inet.tcp.retries");
        assert!(!absent(limit, 1_302_001) && absent(limit, 1_400_000) && absent(limit, 1_401_000));
        assert!(absent(retries, 1_302_001) && !absent(retries, 1_400_000));
        assert!(super::absent(row(limit), &Ground::default()).is_none());
        assert_eq!(first_after("13.2"), Some(1_303_000));
    }
}
