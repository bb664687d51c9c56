//! `tune diagnose`: what is behind half-closed connections, and what helps.

use std::time::{Duration, Instant};

use tune_host::{Host, Interrupt, Isolation, NamespaceError, NetworkNamespace, Scope};
use tune_report::{DiagnoseReport, verdict};
use tune_sockets::diagnosis::{Counters, Facts, Look, Unseen, diagnose, look_elsewhere, read_counters};

use super::change::watch_signals;
use super::live;
use crate::args::{Diagnose, Format};
use crate::context::Context;
use crate::doors::Doors;
use crate::error::CliError;
use crate::{exit, output};

pub(crate) fn run(context: &Context, doors: &dyn Doors, wanted: &Diagnose) -> Result<u8, CliError> {
    let system = context.backend.system();
    if wanted.watch {
        return watch(context, doors, wanted);
    }
    let before = match wanted.sample {
        Some(time) => {
            let start = (read_counters(context.host(), system), Instant::now());
            pause(time, &watch_signals()?)?;
            Some(start)
        }
        None => None,
    };
    let report = look(context, doors, wanted.all_netns, before.as_ref())?;
    match context.format {
        Format::Openmetrics => output::print(&report.open_metrics()),
        _ => context.show(&report),
    }
    Ok(exit::MET)
}

/// Looks again and again.
fn watch(context: &Context, doors: &dyn Doors, wanted: &Diagnose) -> Result<u8, CliError> {
    if context.format != Format::Human {
        return Err(CliError::usage("--watch goes on without end, and --format makes one document")
            .hint("leave --watch out and run it as often as you like"));
    }
    let mut before: Option<(Counters, Instant)> = None;
    live::run(wanted.sample.unwrap_or(live::EVERY), &mut || {
        let report = look(context, doors, wanted.all_netns, before.as_ref())?;
        before = Some((report.facts.counters.clone(), Instant::now()));
        Ok(report)
    })
}

/// Waits, unless told to stop.
fn pause(time: Duration, interrupt: &Interrupt) -> Result<(), CliError> {
    const STEP: Duration = Duration::from_millis(50);
    let until = Instant::now() + time;
    while let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        if interrupt.asked() {
            return Err(CliError::failed("interrupted; nothing was changed"));
        }
        std::thread::sleep(left.min(STEP));
    }
    Ok(())
}

/// Takes one look; `before` are the counters of a moment before.
fn look(
    context: &Context,
    doors: &dyn Doors,
    all: bool,
    before: Option<&(Counters, Instant)>,
) -> Result<DiagnoseReport, CliError> {
    let option = verdict::scope_option(context.scope());
    let look = Look { host: context.host(), backend: &*context.backend, option: &option, owners: true };
    let mut facts = look.take()?;
    if let Some((counters, at)) = before {
        facts = facts.since(counters, at.elapsed());
    }
    let facts = beside(context, doors, all, facts);
    let findings = diagnose(&facts);
    Ok(DiagnoseReport { host: context.host_ref(), facts, findings, verbose: context.verbose })
}

/// Looks into other network namespaces: all, or from the host those with many sockets.
fn beside(context: &Context, doors: &dyn Doors, all: bool, facts: Facts) -> Facts {
    let host = context.host();
    match (all, host.scope(), host.isolation()) {
        (true, ..) | (_, Scope::Own, Isolation::None) => {}
        // In a container nothing is known of others, and from one of many networks the others are none of ours.
        (_, Scope::Own, Isolation::Unknown) => {
            return facts.beside((Vec::new(), Unseen { maybe_more: true, ..Unseen::default() }));
        }
        _ => return facts,
    }
    let open = |there: &NetworkNamespace| -> Result<Option<Box<dyn Host>>, String> {
        if there.own {
            return Ok(Some(doors.own()));
        }
        match doors.again(there.namespace.clone()) {
            Ok(found) => Ok(Some(found)),
            Err(NamespaceError::Missing(_)) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    };
    facts.beside(look_elsewhere(host, &*context.backend, all, &open))
}
