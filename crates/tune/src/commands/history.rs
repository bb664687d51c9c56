//! `tune history`: what was done, by whom, and how it stands.

use tune_report::history::Verification;
use tune_report::{EntryReport, HistoryReport, VerifyReport};

use crate::context::Context;
use crate::error::CliError;
use crate::exit;

pub(crate) fn run(context: &Context, id: Option<u64>, verify: bool) -> Result<u8, CliError> {
    let store = context.look_at_store()?;
    let of_newer = store.as_ref().map(tune_transaction::Store::of_newer).transpose()?.flatten();
    let notes = of_newer.iter().map(ToString::to_string).collect();
    if verify {
        let verify = match store {
            Some(store) => {
                let found = store.verify()?;
                let intact = found.is_ok();
                let problems = found.problems.into_iter().chain(found.notes).collect();
                Verification { intact, transactions: store.history()?.len(), digest: found.digest, problems }
            }
            None => Verification { intact: true, transactions: 0, digest: None, problems: Vec::new() },
        };
        let report = VerifyReport { verify, notes };
        context.show(&report);
        return Ok(report.exit_status());
    }
    let history = store.map(|store| context.history(&store)).transpose()?.unwrap_or_default();
    match id {
        None => context.show(&HistoryReport { transactions: history, notes }),
        Some(id) => match history.into_iter().find(|entry| entry.id == id) {
            Some(entry) => context.show(&EntryReport { entry, notes }),
            None => {
                return Err(CliError::failed(format!("there is no transaction {id}"))
                    .hint("see which there are: tune history"));
            }
        },
    }
    Ok(exit::MET)
}
