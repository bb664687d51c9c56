//! Stub.
use tune_model::Effect;
pub(crate) fn may_do(_effect: &Effect) -> bool {
    false
}
