//! The systems that a plan can be made for without a host.

use std::str::FromStr;

use tune_host::{Backend, FreshHost};
use tune_model::System;
use tune_solaris::{Family, Solaris};

/// A freshly installed system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fresh {
    /// Linux.
    Linux,
    /// FreeBSD.
    FreeBsd,
    /// illumos or Solaris: one of the families, which keep their values in different ways.
    Solaris(Family),
}

impl Fresh {
    /// Every system, in the order in which they are shown.
    pub const ALL: &'static [Self] = &[
        Self::Linux,
        Self::FreeBsd,
        Self::Solaris(Family::Illumos),
        Self::Solaris(Family::Solaris11),
        Self::Solaris(Family::Solaris10),
    ];

    /// Returns the name, as on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Linux => "linux",
            Self::FreeBsd => "freebsd",
            Self::Solaris(family) => family.name(),
        }
    }

    /// Returns the name, as it is written in a sentence.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Linux => System::Linux.title(),
            Self::FreeBsd => System::FreeBsd.title(),
            Self::Solaris(family) => family.title(),
        }
    }

    /// Returns the system whose tables of a profile count.
    #[must_use]
    pub const fn system(self) -> System {
        match self {
            Self::Linux => System::Linux,
            Self::FreeBsd => System::FreeBsd,
            Self::Solaris(_) => System::Solaris,
        }
    }

    /// Returns a freshly installed host with `ram` bytes of memory, where that is known, and the backend for it.
    #[must_use]
    pub fn host(self, ram: Option<u64>) -> (FreshHost, Box<dyn Backend>) {
        let files = match self {
            Self::Linux => tune_linux::fresh_files(),
            Self::FreeBsd => tune_freebsd::fresh_files(),
            Self::Solaris(family) => tune_solaris::fresh_files(family),
        };
        let host = FreshHost::new(files, ram);
        let backend: Box<dyn Backend> = match self {
            Self::Linux => Box::new(tune_linux::Linux::on(&host)),
            Self::FreeBsd => Box::new(tune_freebsd::FreeBsd::on(&host)),
            Self::Solaris(family) => Box::new(Solaris::as_shipped(family)),
        };
        (host, backend)
    }
}

impl FromStr for Fresh {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().copied().find(|fresh| fresh.name() == name);
        found.ok_or_else(|| format!("unknown system {name:?}"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_has_a_host_that_its_own_backend_knows() {
        for fresh in Fresh::ALL {
            assert_eq!(fresh.name().parse(), Ok(*fresh));
            let (host, backend) = fresh.host(None);
            assert_eq!(backend.system(), fresh.system());
            assert_eq!(crate::backend_for(&host).unwrap().system(), fresh.system(), "{fresh:?}");
        }
    }
}
