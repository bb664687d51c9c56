//! The one error of the command: a kind, the causes, hints, and an exit code.

use std::error::Error;

use tune_host::NamespaceError;
use tune_model::profile::{Diagnostics, LibraryError, ProfileError};
use tune_report::ErrorReport;
use tune_transaction::{ExecuteError, LockError, RecoverError, StateError};

use crate::exit;

/// Why a command ends without a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CliError(pub ErrorReport);

impl CliError {
    pub(crate) fn new(kind: &str, code: u8, message: impl Into<String>) -> Self {
        Self(ErrorReport::new(kind, code, message))
    }

    fn of(kind: &str, code: u8, error: &dyn Error) -> Self {
        Self(ErrorReport::of(kind, code, error))
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new("usage", exit::USAGE, message)
    }

    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new("failed", exit::FAILED, message)
    }

    /// The same, of a command line that is wrong.
    pub(crate) fn as_usage(mut self) -> Self {
        "usage".clone_into(&mut self.0.kind);
        self.0.exit_code = exit::USAGE;
        self
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self(self.0.hint(hint))
    }
}

impl From<NamespaceError> for CliError {
    fn from(error: NamespaceError) -> Self {
        match error {
            NamespaceError::Denied(_) => Self::of("not-permitted", exit::NOT_PERMITTED, &error)
                .hint("run tune as root, outside of any container"),
            NamespaceError::Missing(_) => Self::of("namespace", exit::FAILED, &error)
                .hint("name one that ip netns list shows, or the id of a process in it"),
            _ => Self::of("namespace", exit::FAILED, &error),
        }
    }
}

impl From<StateError> for CliError {
    fn from(error: StateError) -> Self {
        match error {
            StateError::Denied { .. } => Self::of("not-permitted", exit::NOT_PERMITTED, &error),
            _ => Self::of("state", exit::FAILED, &error),
        }
    }
}

impl From<LockError> for CliError {
    fn from(error: LockError) -> Self {
        match error {
            LockError::State(error) => error.into(),
            other => Self::of("busy", exit::BUSY, &other),
        }
    }
}

impl From<ExecuteError> for CliError {
    fn from(error: ExecuteError) -> Self {
        match error {
            ExecuteError::State(error) => error.into(),
            other => Self::of("failed", exit::FAILED, &other),
        }
    }
}

impl From<RecoverError> for CliError {
    fn from(error: RecoverError) -> Self {
        match error {
            RecoverError::State(error) => error.into(),
            other => Self::of("recover", exit::OPERATOR_NEEDED, &other),
        }
    }
}

impl From<Diagnostics> for CliError {
    fn from(error: Diagnostics) -> Self {
        Self::new("bad-profile", exit::BAD_DATA, error.to_string())
    }
}

impl From<LibraryError> for CliError {
    fn from(error: LibraryError) -> Self {
        Self::of("bad-profile", exit::BAD_DATA, &error)
    }
}

impl From<ProfileError> for CliError {
    fn from(error: ProfileError) -> Self {
        match error {
            ProfileError::Invalid(mistakes) => mistakes.into(),
            ProfileError::Library(error) => error.into(),
            ProfileError::Unknown { ref known, .. } => Self::of("bad-profile", exit::BAD_DATA, &error)
                .hint(format!("known profiles: {}", known.join(", ")))
                .hint("a name with a / is the path of a file"),
            other => Self::of("bad-profile", exit::BAD_DATA, &other),
        }
    }
}
