//! What is looked at: which program keeps the properties, which family of releases it is, which zone.
//!
//! What a program answers counts for more than what a system calls itself: both families call themselves SunOS 5.11.

use std::path::Path;

use tune_host::property::{self, Shown};
use tune_host::{Host, Inquiry, ReadError, Scope};
use tune_model::native::{self, Keeper};

use crate::fresh::Family;

/// The property that every supported release has, by its name for either program; and one that tells how old ipadm is.
const PROBES: [(Keeper, &[&str]); 2] = [
    (Keeper::Ipadm, &["_fin_wait_2_flush_interval", "max_buf"]),
    (Keeper::Ndd, &["tcp_fin_wait_2_flush_interval"]),
];

/// The zone that is looked at from inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Zone {
    /// The global zone.
    Global,
    /// Another one, with an IP stack of its own: it keeps and sets its own values.
    Exclusive(String),
    /// Another one, which uses the IP stack of the global zone: it sees that one's values and sets none.
    Shared(String),
    /// It could not be told.
    Unknown,
}

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ground {
    /// The program that keeps the properties, or why there is none.
    pub(crate) keeper: Result<Keeper, String>,
    /// The family of releases, where it can be told.
    pub(crate) family: Option<Family>,
    pub(crate) zone: Zone,
    /// The kernel holds buffers against their limit and the ends of a range of ports against each other. It does where
    /// `max_buf` has its present name: both came in 2013.
    pub(crate) crossed: bool,
    /// The files in /etc are made anew at each boot: the global zone of SmartOS.
    pub(crate) ramdisk: bool,
    /// It is an image: nothing runs.
    pub(crate) image: bool,
    /// It is there on paper only: what is not confirmed of a release counts, and is said.
    pub(crate) on_paper: bool,
}

impl Ground {
    /// Returns who sets the values at the next boot.
    pub(crate) fn persistence(&self) -> Persists {
        match (&self.keeper, &self.zone) {
            (Err(_), _) | (_, Zone::Shared(_)) => Persists::Nobody,
            (Ok(Keeper::Ipadm), _) if !self.ramdisk => Persists::Ipadm,
            _ => Persists::Service,
        }
    }
}

/// Who sets values at the next boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Persists {
    /// ipadm's daemon, from what ipadm keeps.
    Ipadm,
    /// A service that runs `tune`.
    Service,
    /// Nobody: they are not this zone's to set.
    Nobody,
}

/// Tells whether a host runs illumos or Solaris, or an image is one of them.
#[must_use]
pub fn recognises(host: &dyn Host) -> bool {
    match host.identity().kernel {
        Some(kernel) => kernel == "SunOS",
        None => ["/etc/name_to_major", "/etc/release"].iter().all(|path| is_there(host, path)),
    }
}

fn is_there(host: &dyn Host, path: &str) -> bool {
    host.files().kind(Path::new(path)).is_ok()
}

pub(crate) fn of(host: &dyn Host) -> Ground {
    if matches!(host.scope(), Scope::Image(_)) {
        return of_image(host);
    }
    let identity = host.identity();
    let version = identity.version.unwrap_or_default();
    let zone = zone(host);
    let (keeper, crossed) = keeper(host);
    Ground {
        keeper,
        crossed,
        family: family(&identity.release.unwrap_or_default(), &version),
        ramdisk: version.starts_with("joyent_") && zone == Zone::Global,
        zone,
        image: false,
        on_paper: false,
    }
}

/// Which program there would be, its files tell.
fn of_image(host: &dyn Host) -> Ground {
    let release = host.files().read(Path::new("/etc/release")).unwrap_or_default();
    let release = String::from_utf8_lossy(&release);
    let first = release.lines().next().unwrap_or_default();
    let family = match first {
        _ if first.contains("Solaris 10") => Family::Solaris10,
        _ if first.contains("Solaris 11") => Family::Solaris11,
        _ => Family::Illumos,
    };
    Ground { ramdisk: first.contains("SmartOS"), on_paper: false, ..as_shipped(family) }
}

/// A freshly installed system of a family.
pub(crate) const fn as_shipped(family: Family) -> Ground {
    Ground {
        keeper: Ok(family.keeper()),
        family: Some(family),
        zone: Zone::Unknown,
        crossed: matches!(family, Family::Illumos),
        ramdisk: false,
        image: true,
        on_paper: true,
    }
}

/// Both families have been 5.11 since 2010; only Solaris numbers its version.
fn family(release: &str, version: &str) -> Option<Family> {
    match release {
        "5.11" if version.starts_with("11.") => Some(Family::Solaris11),
        "5.11" => Some(Family::Illumos),
        "5.8" | "5.9" | "5.10" => Some(Family::Solaris10),
        _ => None,
    }
}

/// Tells which program keeps the properties, and whether it knows `max_buf` by its present name.
///
/// Where ipadm is there and gives no sensible answer, ndd is not asked: it would keep nothing, and what ipadm keeps would
/// be overlooked because of a fault that may pass.
fn keeper(host: &dyn Host) -> (Result<Keeper, String>, bool) {
    let mut reasons = Vec::new();
    for (keeper, names) in PROBES {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut rows = property::read_all(host, keeper, "tcp", &names).into_iter();
        let Some(first) = rows.next() else { continue };
        let crossed = rows.next().is_some_and(|row| row.is_ok());
        match first {
            Ok(Shown { current, .. }) if native::number(&current).is_some() => return (Ok(keeper), crossed),
            Err(error @ (ReadError::Missing(_) | ReadError::NoProgram(_))) => reasons.push(error.to_string()),
            Ok(Shown { current, .. }) => {
                return (Err(format!("{} reads {current:?}, which is no number", names[0])), false);
            }
            Err(ReadError::Failed { reason, .. }) => return (Err(reason), false),
            Err(error) => return (Err(error.to_string()), false),
        }
    }
    (Err(format!("no program tells the properties of TCP: {}", reasons.join("; "))), false)
}

fn zone(host: &dyn Host) -> Zone {
    let ask = |inquiry| match host.inquire(&inquiry) {
        Ok(output) if output.status == 0 => Some(output.stdout.trim().to_owned()),
        _ => None,
    };
    let Some(name) = ask(Inquiry::Zone).filter(|name| !name.is_empty()) else { return Zone::Unknown };
    if name == "global" {
        return Zone::Global;
    }
    match ask(Inquiry::ZoneStack).as_deref() {
        Some("shared") => Zone::Shared(name),
        Some("exclusive") => Zone::Exclusive(name),
        _ => Zone::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_told_apart_by_the_version() {
        for (release, version, expected) in [
            ("5.10", "Generic_147148-26", Some(Family::Solaris10)),
            ("5.11", "11.4.67.164.2", Some(Family::Solaris11)),
            ("5.11", "11.0", Some(Family::Solaris11)),
            ("5.11", "illumos-1792cdc723", Some(Family::Illumos)),
            ("5.11", "omnios-r151046-d4ff6e1cfd", Some(Family::Illumos)),
            ("5.11", "joyent_20240101T000000Z", Some(Family::Illumos)),
            ("5.12", "x", None),
        ] {
            assert_eq!(family(release, version), expected, "{release} {version}");
        }
    }
}
