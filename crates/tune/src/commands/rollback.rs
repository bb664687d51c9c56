//! `tune rollback`: take a transaction back.

use std::collections::BTreeSet;

use tune_engine::Release;
use tune_host::{LiveHost, NamespaceError};
use tune_model::Claims;
use tune_model::claim::ScopeClaims;
use tune_model::plan::Namespace;
use tune_model::transaction::{Action, Entry, TransactionState};

use super::change::{Intent, Wanted, existing_store};
use super::off::{options, switches};
use crate::args::Undo;
use crate::context::Context;
use crate::error::CliError;

pub(crate) fn run(context: Context, id: Option<u64>, undo: &Undo) -> Result<u8, CliError> {
    let history = match existing_store(&context)? {
        Some(store) => store.history()?,
        None => Vec::new(),
    };
    let (claims, unseen) = context.claims_seen();
    if let Some(reason) = unseen {
        return Err(CliError::failed(reason));
    }
    let entry = find(&history, id, &held(&claims))?.clone();
    let of = entry.id;
    let (context, intent) = place(context, &entry, &claims)?;
    Wanted {
        intent,
        action: Action::Rollback { of },
        options: options(undo),
        switches: switches(undo),
        again: Some(format!("tune rollback {of}")),
    }
    .run(&context)
}

/// Looks where the transaction was made. A network namespace that is gone leaves nothing to restore.
fn place(context: Context, entry: &Entry, claims: &Claims) -> Result<(Context, Intent), CliError> {
    let release = Intent::Release(Release::Transaction(entry.id));
    let Some(name) = entry.scope.strip_prefix("netns:").filter(|_| entry.scope != context.scope()) else {
        return Ok((context, release));
    };
    let found = match holder(claims, entry.id) {
        Some((device, inode)) => {
            LiveHost::namespace_again(Namespace { name: name.to_owned(), device, inode })
        }
        None => LiveHost::namespace(name),
    };
    match found {
        Ok(host) => Ok((context.in_namespace(host, name), release)),
        Err(NamespaceError::Missing(_)) => Ok((context, Intent::Forget(entry.id))),
        Err(error) => Err(error.into()),
    }
}

/// Returns device and inode of the network namespace that a transaction holds something in. Its name may stand for
/// another one by now.
fn holder(claims: &Claims, id: u64) -> Option<(u64, u64)> {
    let (name, _) = claims.scopes.iter().find(|(_, scope)| transactions(scope).any(|held| held == id))?;
    let (device, inode) = name.strip_prefix("netns:")?.split_once(':')?;
    Some((device.parse().ok()?, inode.parse().ok()?))
}

/// Returns the transactions that something is still held for: a later one of the same profile takes over.
fn held(claims: &Claims) -> BTreeSet<u64> {
    claims.scopes.values().flat_map(transactions).collect()
}

fn transactions(scope: &ScopeClaims) -> impl Iterator<Item = u64> {
    let holdings = scope.runtime.values().chain(scope.boot.values());
    holdings.flat_map(|holding| &holding.claims).map(|claim| claim.transaction)
}

fn find<'h>(history: &'h [Entry], id: Option<u64>, held: &BTreeSet<u64>) -> Result<&'h Entry, CliError> {
    let Some(id) = id else {
        let mut newest_first = history.iter().rev();
        let last = newest_first.find(|entry| can_be_undone(entry) && held.contains(&entry.id));
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
