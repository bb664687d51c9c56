//! Everything that decides a boot, read at once.

use tune_host::Files;

use super::loader_conf::{Loader, no_lists};
use super::problem::Problem;
use super::rc_conf::Netoptions;
use super::sysctl_conf::SysctlConf;
use super::{Jail, applies_them_again, no_script};

/// What is read when the system starts, in the order in which it is applied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sources {
    /// The loader's files; empty in a jail.
    pub(crate) loader: Loader,
    /// The files of sysctl(8).
    pub(crate) sysctl: SysctlConf,
    /// What /etc/rc.conf has written.
    pub(crate) netoptions: Netoptions,
    /// The files of sysctl(8) are applied once more at the end.
    pub(crate) again: bool,
    /// What is assumed although it could not be seen.
    pub(crate) assumed: Vec<Problem>,
}

impl Sources {
    /// Reads what a host, or a jail, reads.
    pub(crate) fn read(files: &dyn Files, jail: Jail) -> Self {
        let loader = if jail == Jail::None { Loader::read(files) } else { Loader::default() };
        let no_lists = (jail == Jail::None).then(|| no_lists(files)).flatten();
        Self {
            loader,
            sysctl: SysctlConf::read(files),
            netoptions: Netoptions::read(files, jail),
            again: applies_them_again(files),
            assumed: no_script(files).into_iter().chain(no_lists).collect(),
        }
    }

    /// Returns every name that is set somewhere.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let sysctl = self.sysctl.lines.iter().map(|line| line.name.as_str());
        sysctl.chain(self.loader.names()).chain(self.netoptions.writes.iter().map(|write| write.tunable))
    }
}
