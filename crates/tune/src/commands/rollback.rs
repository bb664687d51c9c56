//! `tune rollback`: take a transaction back.

use tune_engine::Release;
use tune_host::NamespaceError;
use tune_model::transaction::{Action, Entry, TransactionState};

use super::change::{Intent, Wanted, again, existing_store};
use super::off::{options, switches};
use crate::args::Undo;
use crate::context::Context;
use crate::error::CliError;

pub(crate) fn run(context: Context, id: Option<u64>, undo: &Undo) -> Result<u8, CliError> {
    let history = match existing_store(&context)? {
        Some(store) => store.history()?,
        None => Vec::new(),
    };
    let entry = find(&history, id)?.clone();
    let of = entry.id;
    let (context, intent) = place(context, &entry)?;
    Wanted {
        intent,
        action: Action::Rollback { of },
        options: options(undo),
        switches: switches(undo),
        again: Some(again(id.is_none().then_some(of))),
    }
    .run(&context)
}

/// Looks where the transaction was made. A network namespace that is gone leaves nothing to restore.
fn place(context: Context, entry: &Entry) -> Result<(Context, Intent), CliError> {
    let release = Intent::Release(Release::Transaction(entry.id));
    let Some(name) = entry.scope.strip_prefix("netns:").filter(|_| entry.scope != context.scope()) else {
        return Ok((context, release));
    };
    match tune_host::LiveHost::namespace(name) {
        Ok(_) => Ok((context.in_namespace(name)?, release)),
        Err(NamespaceError::Missing(_)) => Ok((context, Intent::Forget(entry.id))),
        Err(error) => Err(error.into()),
    }
}

fn find(history: &[Entry], id: Option<u64>) -> Result<&Entry, CliError> {
    let Some(id) = id else {
        let last = history.iter().rev().find(|entry| can_be_undone(entry));
        return last.ok_or_else(|| CliError::failed("there is no transaction to take back"));
    };
    let entry = history.iter().find(|entry| entry.id == id);
    let entry = entry.ok_or_else(|| {
        CliError::failed(format!("there is no transaction {id}")).hint("see which there are: tune history")
    })?;
    if can_be_undone(entry) {
        return Ok(entry);
    }
    Err(match (&entry.action, entry.state) {
        (Action::Rollback { of }, _) => {
            CliError::failed(format!("transaction {id} is itself a rollback of {of}"))
                .hint("apply the profile again")
        }
        (_, state) => {
            CliError::failed(format!("transaction {id} is {state}; nothing of it is left to take back"))
        }
    })
}

const fn can_be_undone(entry: &Entry) -> bool {
    let stands = matches!(
        entry.state,
        TransactionState::Applied | TransactionState::AwaitingReboot | TransactionState::PartlyRolledBack
    );
    stands && matches!(entry.action, Action::Apply { .. })
}
