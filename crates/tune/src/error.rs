//! The one error of the command: a kind, the causes, hints, and an exit code.

use std::error::Error;

use tune_host::{NamespaceError, SocketsError};
use tune_model::profile::{Diagnostics, LibraryError, ProfileError};
use tune_report::ErrorReport;
use tune_report::profiles::{Mistake, Spot};
use tune_sockets::CensusError;
use tune_sockets::drop::ChooseError;
use tune_transaction::{Awaiting, ExecuteError, LockError, RecoverError, StateError, TrialError};

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

    /// What is wrong with a profile, or with values on the command line.
    pub(crate) fn of_mistakes(kind: &str, code: u8, mistakes: &Diagnostics) -> Self {
        let mistakes = mistakes.iter().map(mistake).collect();
        Self(ErrorReport::of_mistakes(kind, code, mistakes))
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new("usage", exit::USAGE, message)
    }

    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new("failed", exit::FAILED, message)
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

impl From<ChooseError> for CliError {
    fn from(error: ChooseError) -> Self {
        match error {
            ChooseError::Census(error) => error.into(),
            ChooseError::EmptyFilter => Self::usage(error.to_string())
                .hint("say which: --state, --orphaned or --held, --older-than, --peer, --local-port, --pid")
                .hint("see what there is: tune diagnose"),
            ChooseError::NotAConnection(_) => Self::usage(error.to_string()),
            other => Self::of("failed", exit::FAILED, &other),
        }
    }
}

impl From<CensusError> for CliError {
    fn from(error: CensusError) -> Self {
        match &error {
            CensusError::Sockets(SocketsError::Denied) => {
                Self::of("not-permitted", exit::NOT_PERMITTED, &error).hint("run tune as root")
            }
            CensusError::Sockets(SocketsError::NamespaceGone(_)) => {
                Self::of("namespace", exit::FAILED, &error)
            }
            _ => Self::of("failed", exit::FAILED, &error),
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
            RecoverError::Awaiting(awaiting) => (*awaiting).into(),
            other => Self::of("recover", exit::OPERATOR_NEEDED, &other),
        }
    }
}

impl From<Awaiting> for CliError {
    fn from(awaiting: Awaiting) -> Self {
        Self::of("awaiting-confirmation", exit::BUSY, &awaiting)
            .hint("keep it: tune confirm")
            .hint(format!("take it back: tune rollback {}", awaiting.transaction))
    }
}

impl From<TrialError> for CliError {
    fn from(error: TrialError) -> Self {
        match error {
            TrialError::Recover(error) => error.into(),
            TrialError::NothingAwaits => {
                Self::of("failed", exit::FAILED, &error).hint("see what was done: tune history")
            }
            other => Self::of("failed", exit::FAILED, &other),
        }
    }
}

impl From<Diagnostics> for CliError {
    fn from(error: Diagnostics) -> Self {
        Self::of_mistakes("bad-profile", exit::BAD_DATA, &error)
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

/// Returns a mistake as it is reported.
pub(crate) fn mistake(found: &tune_model::profile::Diagnostic) -> Mistake {
    Mistake {
        origin: Spot::of(&found.origin),
        message: found.message.clone(),
        hint: found.help.clone(),
        // What was cut out of a long line has other columns than the line.
        excerpt: (found.excerpt.before + 1 == found.origin.column as usize)
            .then(|| found.excerpt.text.clone()),
        width: found.excerpt.under,
    }
}
