//! `tune active`: which profiles hold values.

use tune_report::ActiveReport;

use crate::context::Context;
use crate::error::CliError;
use crate::exit;

pub(crate) fn run(context: &Context) -> Result<u8, CliError> {
    let (claims, of_newer) = match context.look_at_store()? {
        Some(store) => (store.claims()?, store.of_newer().ok().flatten()),
        None => Default::default(),
    };
    let open_transaction = context.open_transaction();
    let notes = of_newer.iter().map(ToString::to_string).collect();
    context.show(&ActiveReport { open_transaction, notes, ..ActiveReport::new(context.host_ref(), &claims) });
    Ok(exit::MET)
}
