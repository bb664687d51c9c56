//! JSON Schema of profiles.

use serde_json::{Value, json};

/// x
#[must_use]
pub fn schema() -> Value {
    json!({})
}
