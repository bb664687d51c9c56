//! Families of releases, and what a freshly installed system of each has of the files that matter here.

use tune_host::MemoryFiles;
use tune_model::native::Keeper;

/// A family of releases, whose tables of properties are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// illumos, from 2013 on.
    Illumos,
    /// Solaris 11.
    Solaris11,
    /// Solaris 10 and earlier.
    Solaris10,
}

impl Family {
    /// Every family, in the order in which they are shown.
    pub const ALL: &'static [Self] = &[Self::Illumos, Self::Solaris11, Self::Solaris10];

    /// Returns the name, as in the catalog and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Illumos => "illumos",
            Self::Solaris11 => "solaris-11",
            Self::Solaris10 => "solaris-10",
        }
    }

    /// Returns the name, as it is written in a sentence.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Illumos => "illumos",
            Self::Solaris11 => "Solaris 11",
            Self::Solaris10 => "Solaris 10",
        }
    }

    /// Returns the program that keeps the properties there.
    #[must_use]
    pub const fn keeper(self) -> Keeper {
        match self {
            Self::Illumos | Self::Solaris11 => Keeper::Ipadm,
            Self::Solaris10 => Keeper::Ndd,
        }
    }
}

/// Returns the files of a freshly installed system of a family.
#[must_use]
pub fn fresh_files(family: Family) -> MemoryFiles {
    let release = match family {
        Family::Illumos => "illumos\n",
        Family::Solaris11 => "Oracle Solaris 11\n",
        Family::Solaris10 => "Oracle Solaris 10\n",
    };
    let files = MemoryFiles::default().with("/etc/name_to_major", "").with("/etc/release", release);
    match family.keeper() {
        Keeper::Ipadm => files.with("/etc/ipadm/ipadm.conf", "_ifname=lo0;_family=2;\n"),
        _ => files.with_directory("/var/svc/manifest/site"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tune_host::{Backend, FreshHost};

    #[test]
    fn each_is_recognised_as_what_it_is() {
        for family in Family::ALL {
            let host = FreshHost::new(fresh_files(*family), None);
            assert!(crate::recognises(&host), "{family:?}");
            assert_eq!(crate::ground::of(&host).family, Some(*family));
            assert!(crate::Solaris::on(&host).has_boot_layer(&host));
        }
    }
}
