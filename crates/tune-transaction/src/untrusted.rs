//! What is read back from the state directory, read from memory: for fuzzing, which a directory on disk is too slow for.

use tune_model::transaction::Entry;
use tune_model::{Claims, Step};

use crate::Verification;
use crate::error::StateError;
use crate::history::Chain;
use crate::journal::{self, Reading};
use crate::store::{CLAIMS, read_claims};

/// Reads the journal of a transaction; `None` where it never began. Returns its steps, and how many bytes of it count.
///
/// # Errors
///
/// [`StateError::Corrupt`] and [`StateError::NewerFormat`].
pub fn journal(content: &[u8], id: u64, boot_id: &str) -> Result<Option<(Vec<Step>, u64)>, StateError> {
    match journal::read_bytes(content, id, boot_id, journal::file_name(id).into())? {
        Reading::Story(story) => {
            let length = story.end.0;
            Ok(Some((story.intent.steps, length)))
        }
        Reading::OfNewer(glimpse) => {
            drop(glimpse.shown());
            Ok(None)
        }
        Reading::NeverBegun => Ok(None),
    }
}

/// Reads the active list.
///
/// # Errors
///
/// [`StateError::Corrupt`] and [`StateError::NewerFormat`].
pub fn claims(content: &[u8]) -> Result<Claims, StateError> {
    read_claims(content, CLAIMS.into())
}

/// Reads history and head, verifies them, and returns every transaction as it stands.
///
/// # Errors
///
/// [`StateError::Corrupt`] and [`StateError::NewerFormat`].
pub fn history(content: &[u8], head: Option<&[u8]>) -> Result<(Verification, Vec<Entry>), StateError> {
    let chain = Chain::of(content, head, "".as_ref())?;
    Ok((chain.verify(), chain.entries()?))
}
