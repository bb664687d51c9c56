//! Holds profiles against a host and plans the changes.
//!
//! Everything here is computed from readings; nothing is written, and the same readings make the same plan.

#![forbid(unsafe_code)]

mod apply;
mod boot;
pub mod findings;
mod fresh;
mod held;
mod joint;
mod late;
pub mod options;
pub mod overview;
mod possible;
mod release;
mod render;
mod settle;
mod steps;
pub mod subject;
#[cfg(test)]
mod tests;
pub mod translate;
mod trial;
pub mod wish;

pub use fresh::Fresh;
pub use options::{Held, Options};
pub use possible::impossible;
pub use release::{Release, forget};
pub use trial::for_trial;

use tune_host::{Backend, Host, Isolation, Scope};
use tune_model::claim::{Claims, ScopeClaims};
use tune_model::finding::Finding;
use tune_model::profile::{Profile, Scale};
use tune_model::{Layer, Mutability, Status, Subject, System, Verdict};

/// The scope of the host's values and boot files.
const HOST: &str = "host";

/// A host and the backend that knows its system.
#[derive(Clone, Copy)]
pub struct Engine<'a> {
    /// The backend.
    pub backend: &'a dyn Backend,
    /// The host.
    pub host: &'a dyn Host,
}

impl std::fmt::Debug for Engine<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("system", &self.backend.system()).finish_non_exhaustive()
    }
}

/// The systems that [`backend_for`] knows.
pub const SYSTEMS: &[System] = &[System::Linux, System::FreeBsd, System::Solaris];

/// Returns the backend that knows a host's system, if any does.
#[must_use]
pub fn backend_for(host: &dyn Host) -> Option<Box<dyn Backend>> {
    if tune_freebsd::recognises(host) {
        return Some(Box::new(tune_freebsd::FreeBsd::on(host)));
    }
    if tune_solaris::recognises(host) {
        return Some(Box::new(tune_solaris::Solaris::on(host)));
    }
    tune_linux::recognises(host).then(|| Box::new(tune_linux::Linux::on(host)) as Box<dyn Backend>)
}

impl Engine<'_> {
    /// Returns the name under which claims of the host's scope are kept.
    #[must_use]
    pub fn scope_name(&self) -> String {
        match (self.host.namespace(), self.backend.jail(self.host)) {
            (Some(namespace), _) => format!("netns:{}:{}", namespace.device, namespace.inode),
            (None, Some(jail)) => format!("jail:{jail}"),
            (None, None) => HOST.to_owned(),
        }
    }

    /// Returns the name under which claims on the next boot are kept: the boot files are those that the process sees,
    /// whatever its network namespace is; a jail has its own.
    fn boot_scope_name(&self) -> String {
        match self.host.scope() {
            Scope::Namespace(_) => self.scope_name(),
            _ if self.backend.jail(self.host).is_some() => self.scope_name(),
            _ => HOST.to_owned(),
        }
    }

    /// Returns the claims on the values that are looked at, and on the boot files.
    #[must_use]
    pub fn claims_here(&self, claims: &Claims) -> ScopeClaims {
        let ScopeClaims { runtime: _, boot, files, directories, kept } =
            claims.scope(&self.boot_scope_name());
        ScopeClaims { boot, files, directories, kept, ..claims.scope(&self.scope_name()) }
    }

    /// Puts claims back where [`Engine::claims_here`] found them.
    fn put_claims(&self, claims: &mut Claims, here: ScopeClaims) {
        let (scope, boot_scope) = (self.scope_name(), self.boot_scope_name());
        if scope == boot_scope {
            claims.set_scope(&scope, here);
            return;
        }
        let runtime = here.runtime.clone();
        claims.set_scope(&scope, ScopeClaims { runtime, ..claims.scope(&scope) });
        let runtime = claims.scope(&boot_scope).runtime;
        claims.set_scope(&boot_scope, ScopeClaims { runtime, ..here });
    }

    /// Tells whether the process is in a network namespace of its own and sees the host's boot files: a change of
    /// both would reach further than the namespace.
    #[must_use]
    pub fn would_leak(&self) -> bool {
        *self.host.scope() == Scope::Own
            && matches!(self.host.isolation(), Isolation::NetworkOnly | Isolation::Unknown)
            && self.backend.has_boot_layer(self.host)
    }

    /// Tells whether there is a running kernel, or a next boot, in the host's scope.
    fn has_layer(&self, layer: Layer) -> bool {
        match layer {
            Layer::Runtime => !matches!(self.host.scope(), Scope::Image(_)),
            Layer::Boot => self.backend.has_boot_layer(self.host),
        }
    }

    /// Holds profiles against the host, in both layers or in one.
    ///
    /// # Errors
    ///
    /// Says what about the host cannot be told that the profiles depend on.
    pub fn audit(
        &self,
        profiles: &[Profile],
        claims: &ScopeClaims,
        only: Option<Layer>,
    ) -> Result<Vec<Finding>, String> {
        let (profiles, notes) = self.merged(profiles);
        let names = wish::tunables_of(self.backend, &profiles);
        let readings = self.backend.read(self.host, &names, claims);
        let scale = self.scale(&profiles)?;
        let wishes = wish::wishes(self.backend, self.host, &profiles, &readings, scale);
        let mut found = findings::findings(self.backend, self.host, &wishes, &readings);
        note(&mut found, &notes);
        if let Some(layer) = only {
            found.iter_mut().for_each(|finding| judge_only(finding, layer));
        }
        Ok(found)
    }

    /// Returns profiles as this system can tell their requirements apart, and what to know about those that it cannot.
    fn merged(&self, profiles: &[Profile]) -> (Vec<Profile>, Vec<(Subject, String)>) {
        let (profiles, notes): (Vec<_>, Vec<_>) =
            profiles.iter().map(|profile| self.backend.merge(profile)).unzip();
        (profiles, notes.concat())
    }

    /// Returns what bounds depend on. The memory has to be known only where one scales with it.
    fn scale(&self, profiles: &[Profile]) -> Result<Scale, String> {
        let mut required = profiles.iter().flat_map(|profile| &profile.requirements);
        match self.backend.scale(self.host) {
            Err(_) if !required.any(|required| required.wanted.scales()) => {
                Ok(Scale { ram: 0, page: self.host.page_size() })
            }
            found => found,
        }
    }
}

fn note(findings: &mut [Finding], notes: &[(Subject, String)]) {
    for (subject, text) in notes {
        for finding in findings.iter_mut().filter(|finding| finding.subject == *subject) {
            if !finding.notes.contains(text) {
                finding.notes.push(text.clone());
            }
        }
    }
}

/// Judges one layer and leaves the other out.
fn judge_only(finding: &mut Finding, layer: Layer) {
    match layer {
        Layer::Runtime => finding.boot = Verdict::NotApplicable,
        Layer::Boot => finding.live = Verdict::NotApplicable,
    }
    if !matches!(finding.status, Status::Unsupported | Status::OutOfScope) {
        finding.status =
            Status::of(finding.live, finding.boot, finding.mutability.unwrap_or(Mutability::Live));
    }
}
