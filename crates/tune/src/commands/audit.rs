//! `tune audit`: profiles held against the host.

use tune_model::Layer;
use tune_report::AuditReport;

use crate::args::OnlyLayer;
use crate::context::{Context, profile_ref};
use crate::error::CliError;

pub(crate) fn run(context: &Context, names: &[String], only: Option<OnlyLayer>) -> Result<u8, CliError> {
    let profiles = context.load(names, &[])?;
    let (claims, unseen) = context.claims_seen();
    let engine = context.engine();
    let only = only.map(|only| match only {
        OnlyLayer::Runtime => Layer::Runtime,
        OnlyLayer::Boot => Layer::Boot,
    });
    let findings = engine.audit(&profiles, &engine.claims_here(&claims), only).map_err(CliError::failed)?;
    let reservations = engine.backend.reservations(&findings);
    let report = AuditReport {
        host: context.host_ref(),
        profiles: profiles.iter().map(profile_ref).collect(),
        findings,
        notes: unseen.into_iter().chain(reservations).collect(),
        open_transaction: context.open_transaction(),
    };
    context.show(&report);
    Ok(report.exit_status())
}
