//! `tune rollback`: take a transaction back.

use tune_engine::Release;
use tune_host::{LiveHost, NamespaceError};
use tune_model::Claims;
use tune_model::claim::ScopeClaims;
use tune_model::plan::Namespace;
use tune_model::transaction::{Action, Entry, TransactionState};

use super::change::{Intent, Wanted, again, existing_store};
use super::off::{options, switches};
use crate::args::Undo;
use crate::context::Context;
use crate::error::CliError;

pub(crate) fn run(context: Context, id: Option<u64>, undo: &Undo) -> Result<u8, CliError> {
    let (history, claims) = match existing_store(&context)? {
        Some(store) => (store.history()?, store.claims()?),
        None => Default::default(),
    };
    let entry = find(&history, &claims, id)?.clone();
    let of = entry.id;
    let (context, intent) = place(context, &claims, &entry)?;
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
fn place(context: Context, claims: &Claims, entry: &Entry) -> Result<(Context, Intent), CliError> {
    let release = Intent::Release(Release::Transaction(entry.id));
    let here = context.engine().scope_name();
    let Some(there) = made_in(claims, entry.id).filter(|scope| *scope != here) else {
        return Ok((context, release));
    };
    let name = entry.scope.strip_prefix("netns:").unwrap_or_default();
    let Some(namespace) = namespace(there, name) else {
        let message =
            format!("transaction {} was made on the host, and this is a network namespace", entry.id);
        return Err(CliError::failed(message).hint("take it back on the host"));
    };
    match LiveHost::again(namespace) {
        Ok(host) => Ok((context.on(host, &entry.scope), release)),
        Err(NamespaceError::Missing(_)) => Ok((context, Intent::Forget(entry.id))),
        Err(error) => Err(error.into()),
    }
}

/// Returns the scope in which a transaction still holds something: turning its profile off, or applying it again,
/// takes that away.
fn made_in(claims: &Claims, id: u64) -> Option<&str> {
    let holds = |scope: &ScopeClaims| {
        let mut holdings = scope.runtime.values().chain(scope.boot.values());
        holdings.any(|holding| holding.claims.iter().any(|claim| claim.transaction == id))
    };
    claims.scopes.iter().find(|(_, scope)| holds(scope)).map(|(name, _)| name.as_str())
}

/// Returns the network namespace of a scope: by its identity, as a name may stand for another one by now.
fn namespace(scope: &str, name: &str) -> Option<Namespace> {
    let (device, inode) = scope.strip_prefix("netns:")?.split_once(':')?;
    Some(Namespace { name: name.to_owned(), device: device.parse().ok()?, inode: inode.parse().ok()? })
}

fn find<'h>(history: &'h [Entry], claims: &Claims, id: Option<u64>) -> Result<&'h Entry, CliError> {
    let Some(id) = id else {
        let last =
            history.iter().rev().find(|entry| can_be_undone(entry) && made_in(claims, entry.id).is_some());
        return last.ok_or_else(|| CliError::failed("there is no transaction to take back"));
    };
    let entry = history.iter().find(|entry| entry.id == id);
    let entry = entry.ok_or_else(|| {
        CliError::failed(format!("there is no transaction {id}")).hint("see which there are: tune history")
    })?;
    if can_be_undone(entry) && made_in(claims, id).is_some() {
        return Ok(entry);
    }
    Err(match (&entry.action, entry.state) {
        _ if can_be_undone(entry) => CliError::failed(format!(
            "nothing of transaction {id} is held any more: later ones took its values over"
        ))
        .hint("see what is held, and by which transaction: tune active"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_known_by_its_identity() {
        let found = namespace("netns:4:4026532179", "blue");
        assert_eq!(found, Some(Namespace { name: "blue".to_owned(), device: 4, inode: 4_026_532_179 }));
        assert_eq!(namespace("host", ""), None);
    }
}
