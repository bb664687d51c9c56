//! `tune active`: which profiles hold values.

use tune_report::ActiveReport;

use crate::context::Context;
use crate::error::CliError;
use crate::exit;

pub(crate) fn run(context: &Context) -> Result<u8, CliError> {
    let claims = match context.look_at_store()? {
        Some(store) => store.claims()?,
        None => tune_model::Claims::default(),
    };
    let open_transaction = context.open_transaction();
    context.show(&ActiveReport { open_transaction, ..ActiveReport::new(context.host_ref(), &claims) });
    Ok(exit::MET)
}
