//! `tune rollback`: take a transaction back.

use tune_engine::Release;
use tune_host::NamespaceError;
use tune_model::Claims;
use tune_model::claim::{Claim, ScopeClaims};
use tune_model::plan::Namespace;
use tune_model::transaction::{Action, Entry, TransactionState};

use super::change::{Intent, Wanted, again};
use super::confirm;
use super::off::{options, switches};
use crate::args::Undo;
use crate::context::Context;
use crate::doors::Doors;
use crate::error::CliError;

pub(crate) fn run(context: Context, doors: &dyn Doors, id: Option<u64>, undo: &Undo) -> Result<u8, CliError> {
    let on_trial = context.unfinished()?.filter(|entry| {
        entry.state == TransactionState::AwaitingConfirmation && id.is_none_or(|id| id == entry.id)
    });
    if let Some(entry) = on_trial {
        return confirm::revoke(&context, &entry, undo);
    }
    let (history, claims) = match context.look_at_store()? {
        Some(store) => (context.history(&store)?, store.claims()?),
        None => Default::default(),
    };
    let entry = find(&history, &claims, id)?.clone();
    let of = entry.id;
    let (context, intent) = place(context, doors, &claims, &entry)?;
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
fn place(
    context: Context,
    doors: &dyn Doors,
    claims: &Claims,
    entry: &Entry,
) -> Result<(Context, Intent), CliError> {
    let release = Intent::Release(Release::Transaction(entry.id));
    let held_here = holds(&context.engine().claims_here(claims), entry.id);
    let here = context.engine().scope_name();
    // What is held on boot files only can be taken back wherever they are seen.
    let elsewhere = |(name, scope): &(&String, &ScopeClaims)| {
        **name != here && runtime_of(scope, entry.id).next().is_some()
    };
    let Some((there, _)) = claims.scopes.iter().find(elsewhere) else {
        return Ok((context, release));
    };
    let name = entry.scope.strip_prefix("netns:").unwrap_or_default();
    let Some(namespace) = namespace(there, name) else {
        let message =
            format!("transaction {} was made in {}, and this is {}", entry.id, entry.scope, context.scope());
        return Err(CliError::failed(message).hint("take it back there"));
    };
    match doors.again(namespace) {
        Ok(_) if held_here => {
            let message = format!(
                "transaction {} was made in another network namespace, and changed boot files too",
                entry.id
            );
            Err(CliError::failed(message).hint("take it back there"))
        }
        Ok(host) => Ok((context.on(host, &entry.scope), release)),
        Err(NamespaceError::Missing(_)) if held_here => Ok((context, release)),
        Err(NamespaceError::Missing(_)) => Ok((context, Intent::Forget(entry.id))),
        Err(error) => Err(error.into()),
    }
}

/// Tells whether a transaction still holds something anywhere: turning its profile off, or applying it again, takes
/// that away.
fn is_held(claims: &Claims, id: u64) -> bool {
    claims.scopes.values().any(|scope| holds(scope, id))
}

fn holds(scope: &ScopeClaims, id: u64) -> bool {
    let mut boot = scope.boot.values().flat_map(|holding| &holding.claims);
    runtime_of(scope, id).next().is_some() || boot.any(|claim| claim.transaction == id)
}

fn runtime_of(scope: &ScopeClaims, id: u64) -> impl Iterator<Item = &Claim> {
    let claims = scope.runtime.values().flat_map(|holding| &holding.claims);
    claims.filter(move |claim| claim.transaction == id)
}

/// Returns the network namespace of a scope: by its identity, as a name may stand for another one by now.
fn namespace(scope: &str, name: &str) -> Option<Namespace> {
    let (device, inode) = scope.strip_prefix("netns:")?.split_once(':')?;
    Some(Namespace { name: name.to_owned(), device: device.parse().ok()?, inode: inode.parse().ok()? })
}

fn find<'h>(history: &'h [Entry], claims: &Claims, id: Option<u64>) -> Result<&'h Entry, CliError> {
    let Some(id) = id else {
        let last = history.iter().rev().find(|entry| can_be_undone(entry) && is_held(claims, entry.id));
        return last.ok_or_else(|| CliError::failed("there is no transaction to take back"));
    };
    let entry = history.iter().find(|entry| entry.id == id);
    let entry = entry.ok_or_else(|| {
        CliError::failed(format!("there is no transaction {id}")).hint("see which there are: tune history")
    })?;
    if can_be_undone(entry) && is_held(claims, id) {
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
        (Action::Off { .. }, _) => {
            CliError::failed(format!("transaction {id} turned profiles off")).hint("apply them again")
        }
        (Action::Drop { .. }, _) => {
            CliError::failed(format!("transaction {id} dropped connections, and that cannot be undone"))
                .hint(format!("see which: tune history {id}"))
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
