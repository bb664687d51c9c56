//! What opens the machines that the command works with.

use std::ffi::OsString;
use std::path::PathBuf;

use tune_host::{Host, LiveHost, Machine, NamespaceError, NewNetworkError};
use tune_model::plan::Namespace;

/// What opens the machines that the command works with.
pub trait Doors {
    /// Opens the system that the process itself sees.
    fn own(&self) -> Box<dyn Machine>;

    /// Opens a network namespace of that system, by its name or by the id of a process in it.
    ///
    /// # Errors
    ///
    /// Any [`NamespaceError`].
    fn namespace(&self, name: &str) -> Result<Box<dyn Machine>, NamespaceError>;

    /// Opens the very network namespace that was looked at before, whatever its name stands for by now.
    ///
    /// # Errors
    ///
    /// Any [`NamespaceError`]; [`NamespaceError::Missing`] when nothing holds it any more.
    fn again(&self, namespace: Namespace) -> Result<Box<dyn Machine>, NamespaceError>;

    /// Does something in a new network namespace of the system in which these tunables have these values, as
    /// [`tune_host::in_new_network`] does.
    ///
    /// # Errors
    ///
    /// Any [`NewNetworkError`]; [`NewNetworkError::Unsupported`] where the system has no network namespaces.
    fn in_new_network(
        &self,
        values: &[(String, String)],
        work: &mut (dyn FnMut(&dyn Host) + Send),
    ) -> Result<(), NewNetworkError> {
        let _ = (values, work);
        Err(NewNetworkError::Unsupported)
    }

    /// Returns what the environment has to have for this program, started again, to find the same system.
    fn environment(&self) -> Vec<(OsString, OsString)> {
        Vec::new()
    }

    /// Opens an offline image below `root`, of a machine with `ram` bytes of memory, where that is known.
    fn image(&self, root: PathBuf, ram: Option<u64>) -> Box<dyn Machine> {
        Box::new(LiveHost::image(root, ram))
    }
}

/// The doors to the machine that the process runs on.
#[derive(Debug, Clone, Copy)]
pub struct LiveDoors;

impl Doors for LiveDoors {
    fn own(&self) -> Box<dyn Machine> {
        Box::new(LiveHost::own())
    }

    fn namespace(&self, name: &str) -> Result<Box<dyn Machine>, NamespaceError> {
        Ok(Box::new(LiveHost::namespace(name)?))
    }

    fn again(&self, namespace: Namespace) -> Result<Box<dyn Machine>, NamespaceError> {
        Ok(Box::new(LiveHost::again(namespace)?))
    }

    fn in_new_network(
        &self,
        values: &[(String, String)],
        work: &mut (dyn FnMut(&dyn Host) + Send),
    ) -> Result<(), NewNetworkError> {
        tune_host::in_new_network(values, work)
    }
}
