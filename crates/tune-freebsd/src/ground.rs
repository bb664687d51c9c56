//! What a host is made of: its clock, its memory, its release, and whether it is a jail.

use tune_host::{Files, Host, Scope};
use tune_model::tunable::integer;

use crate::boot::Jail;
use crate::defaults::Ground;

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
    use super::*;
    use tune_host::MemoryFiles;

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
}
