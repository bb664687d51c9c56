//! Stub.
use crate::boot::Jail;
use crate::defaults::Ground;
use tune_host::{Host, PersistOptions, Persistence};
use tune_model::Readings;
use tune_model::claim::ScopeClaims;
/// What is to become of the boot files.
#[derive(Clone, Copy)]
pub(crate) struct Change<'a> {
    /// The claims as they are.
    pub(crate) before: &'a ScopeClaims,
    /// The claims as they are to be.
    pub(crate) claims: &'a ScopeClaims,
    pub(crate) options: PersistOptions,
}
pub(crate) fn persist(
    _host: &dyn Host,
    _place: (&Ground, Jail),
    change: Change<'_>,
    _readings: &Readings,
) -> Persistence {
    let _ = (change.before, change.claims, change.options);
    Persistence::default()
}
