//! A network namespace that nobody else is in, to try values of tunables in.

use crate::host::{Host, ReadError, WriteError};
use crate::live::LiveHost;
use crate::sys;

/// Why nothing could be tried in a network namespace of its own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NewNetworkError {
    /// This system has none.
    #[error("this system has no network namespaces")]
    Unsupported,
    /// The caller may not make one.
    #[error("a network namespace may not be made by this user")]
    Denied,
    /// A value could not be read there.
    #[error("in a network namespace of its own, {0}")]
    Unread(#[from] ReadError),
    /// A value could not be set there.
    #[error("in a network namespace of its own, {0}")]
    Unset(#[from] WriteError),
    /// A value was set and is another one.
    #[error("in a network namespace of its own, {name} was set to {wanted:?} and reads {found:?}")]
    Different {
        /// The tunable.
        name: String,
        /// What it was set to.
        wanted: String,
        /// What it reads.
        found: String,
    },
    /// Anything else the system said.
    #[error("a network namespace cannot be made: {0}")]
    Failed(String),
}

/// Does something in a new network namespace in which these tunables have these values, and lets it go.
///
/// The namespace has a loopback interface and nothing else, and ends with the work, with its sockets. The values are
/// written there and nowhere else, those that differ from what a new namespace has, and are read back.
///
/// # Errors
///
/// Any [`NewNetworkError`]; nothing has been done then.
pub fn in_new_network<T: Send>(
    values: &[(String, String)],
    work: impl FnOnce(&dyn Host) -> T + Send,
) -> Result<T, NewNetworkError> {
    sys::in_new_network(|| {
        values.iter().try_for_each(|(name, value)| set(name, value))?;
        Ok(work(&LiveHost::own()))
    })?
}

/// Gives a tunable a value in the namespace of the calling thread.
fn set(name: &str, wanted: &str) -> Result<(), NewNetworkError> {
    // In a container it may be that nothing can be written, and nothing has to be.
    if sys::read_tunable(name)? == wanted {
        return Ok(());
    }
    tracing::info!("writing {wanted:?} to {name} in a network namespace of its own");
    sys::write_tunable(name, wanted)?;
    let found = sys::read_tunable(name)?;
    let (name, wanted) = (name.to_owned(), wanted.to_owned());
    if found == wanted { Ok(()) } else { Err(NewNetworkError::Different { name, wanted, found }) }
}
