//! `tune facts`: what configuration management collects.
//!
//! Those who collect facts take what is printed whatever the exit code, so that this is always a document and 0.

use tune_report::FactsReport;

use super::status;
use crate::args::Global;
use crate::context::Context;
use crate::doors::Doors;
use crate::error::CliError;
use crate::exit;
use crate::output;

const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(crate) fn run(global: &Global, doors: &dyn Doors) -> Result<u8, CliError> {
    use tune_report::Report;
    let report = match Context::new(global, doors) {
        Ok(context) => FactsReport::new(VERSION, status::look(&context), context.claims_seen().1.is_none()),
        Err(error) => FactsReport::failed(VERSION, &error.0),
    };
    output::print(&report.json());
    Ok(exit::MET)
}
