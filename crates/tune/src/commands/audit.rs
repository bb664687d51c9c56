//! `tune audit`: profiles held against the host.

use tune_engine::Engine;
use tune_host::NamespaceError;
use tune_model::Layer;
use tune_report::audit_netns::NetworkAudit;
use tune_report::{AuditReport, NetworksAuditReport};
use tune_sockets::diagnosis::title;

use crate::args::OnlyLayer;
use crate::context::{Context, profile_ref};
use crate::doors::Doors;
use crate::error::CliError;

pub(crate) fn run(context: &Context, names: &[String], only: Option<OnlyLayer>) -> Result<u8, CliError> {
    let profiles = context.load(names, &[])?;
    let (claims, unseen) = context.claims_seen();
    let engine = context.engine();
    let findings =
        engine.audit(&profiles, &engine.claims_here(&claims), only.map(layer)).map_err(CliError::failed)?;
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

/// Holds what profiles hold against the host. What is held has to be known for that.
pub(crate) fn run_active(context: &Context, only: Option<OnlyLayer>) -> Result<u8, CliError> {
    let (claims, unseen) = context.claims_seen();
    if let Some(reason) = unseen {
        return Err(CliError::failed(reason));
    }
    let engine = context.engine();
    let boot_id = context.host().boot_id();
    let findings = engine.audit_held(&engine.claims_here(&claims), &boot_id, only.map(layer));
    let notes = match findings.as_slice() {
        [] => vec!["no profile is active here".to_owned()],
        found => engine.backend.reservations(found),
    };
    let open_transaction = context.open_transaction();
    let host = context.host_ref();
    let report = AuditReport { host, profiles: Vec::new(), findings, notes, open_transaction };
    context.show(&report);
    Ok(report.exit_status())
}

const fn layer(only: OnlyLayer) -> Layer {
    match only {
        OnlyLayer::Runtime => Layer::Runtime,
        OnlyLayer::Boot => Layer::Boot,
    }
}

/// Holds profiles against every network namespace of the host.
pub(crate) fn run_everywhere(
    context: &Context,
    doors: &dyn Doors,
    names: &[String],
    only: Option<OnlyLayer>,
) -> Result<u8, CliError> {
    let profiles = context.load(names, &[])?;
    let (claims, unknown) = context.claims_seen();
    let mut networks = Vec::new();
    let mut unseen = (0, None);
    for there in context.host().network_namespaces() {
        let opened = if there.own { Ok(doors.own()) } else { doors.again(there.namespace.clone()) };
        let host = match opened {
            Ok(host) => host,
            // It is gone meanwhile.
            Err(NamespaceError::Missing(_)) => continue,
            Err(error) => {
                unseen = (unseen.0 + 1, unseen.1.or_else(|| Some(error.to_string())));
                continue;
            }
        };
        let engine = Engine { backend: &*context.backend, host: &*host };
        let findings = engine.audit(&profiles, &engine.claims_here(&claims), only.map(layer));
        let findings = findings.map_err(CliError::failed)?;
        networks.push(NetworkAudit::new(there.namespace.name.clone(), title(&there), there.own, findings));
    }
    let report = NetworksAuditReport {
        host: context.host_ref(),
        profiles: profiles.iter().map(profile_ref).collect(),
        networks,
        unseen,
        notes: unknown.into_iter().collect(),
    };
    context.show(&report);
    Ok(report.exit_status())
}
