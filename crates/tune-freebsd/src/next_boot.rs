//! Stub.
use crate::boot::Jail;
use crate::defaults::Ground;
use tune_host::Host;
use tune_model::Place;
use tune_model::claim::ScopeClaims;
use tune_model::reading::{Text, Unread};
pub(crate) enum Which {
    AsIs,
    WithoutTune,
}
pub(crate) struct Predicted {
    pub(crate) text: Text,
    pub(crate) source: Option<Place>,
}
pub(crate) struct NextBoot;
impl NextBoot {
    pub(crate) fn of(
        _host: &dyn Host,
        _claims: &ScopeClaims,
        _ground: &Ground,
        _place: Jail,
    ) -> Option<Self> {
        None
    }
    pub(crate) fn predict(&self, _name: &str, _which: Which) -> Predicted {
        Predicted { text: Err(Unread::Unclear("stub".to_owned())), source: None }
    }
    pub(crate) fn notes(&self, _name: &str) -> Vec<String> {
        Vec::new()
    }
}
