//! What a newer version wrote: read as far as this one understands it, never written over.
//!
//! A format is `tune.NAME/MAJOR`, or `tune.NAME/MAJOR.MINOR`. A minor version adds members, words and records and leaves
//! the rest as it is; a major one may change anything.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tune_model::claim::{Claim, Holding, ScopeClaims};
use tune_model::{Claims, Slot};

/// The member that names a format, whatever else there is.
#[derive(Deserialize)]
pub(crate) struct Named {
    pub(crate) format: String,
}

/// How a format stands to the one that this version writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Age {
    /// It is the same.
    Same,
    /// It has more in it, and what is known is where it was.
    Minor,
    /// It cannot be read.
    Major,
    /// It is the format of something else.
    Foreign,
}

impl Age {
    pub(crate) fn of(format: &str, ours: &str) -> Self {
        let name = ours.split_inclusive('/').next().unwrap_or(ours);
        let minor = format.strip_prefix(ours).and_then(|rest| rest.strip_prefix('.'));
        match minor {
            None if format == ours => Self::Same,
            Some(minor) if !minor.is_empty() && minor.bytes().all(|byte| byte.is_ascii_digit()) => {
                Self::Minor
            }
            _ if format.starts_with(name) => Self::Major,
            _ => Self::Foreign,
        }
    }
}

/// Returns what is understood of an active list; `None` where it has no scopes.
pub(crate) fn claims(list: &Value) -> Option<Claims> {
    let scopes = list.get("scopes")?.as_object()?.iter();
    let scopes = scopes.map(|(name, scope)| (name.clone(), scope_claims(scope))).collect();
    Some(Claims { scopes, ..Claims::default() })
}

fn scope_claims(scope: &Value) -> ScopeClaims {
    ScopeClaims {
        runtime: holdings(&scope["runtime"]),
        boot: holdings(&scope["boot"]),
        files: known(&scope["files"], &[]).unwrap_or_default(),
        directories: known(&scope["directories"], &[]).unwrap_or_default(),
        kept: known(&scope["kept"], &[]).unwrap_or_default(),
    }
}

fn holdings(of_layer: &Value) -> BTreeMap<Slot, Holding> {
    let all = of_layer.as_object().into_iter().flatten();
    all.filter_map(|(slot, holding)| Some((slot.parse().ok()?, understood(holding)?))).collect()
}

fn understood(holding: &Value) -> Option<Holding> {
    let members = holding.as_object()?;
    let listed = |name: &str| members.get(name).and_then(Value::as_array).into_iter().flatten();
    let claim = |claim| known::<Claim>(claim, &["transaction", "profile", "subject", "wanted"]);
    let claims = listed("claims").filter_map(claim).collect();
    let taken_over = listed("taken_over").filter_map(|line| known(line, &["path", "line"])).collect();
    let mut bare = members.clone();
    bare.insert("claims".to_owned(), Value::Array(Vec::new()));
    let bare: Holding = known(&bare.into(), &["original", "boot_id", "held", "claims"])?;
    Some(Holding { claims, taken_over, ..bare })
}

/// Returns a value without the members that this version does not know; of no members, all are kept.
fn known<T: DeserializeOwned>(value: &Value, members: &[&str]) -> Option<T> {
    let mut value = value.clone();
    if let Some(object) = value.as_object_mut().filter(|_| !members.is_empty()) {
        object.retain(|name, _| members.contains(&name.as_str()));
    }
    serde_json::from_value(value).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn formats_are_told_apart() {
        for (format, age) in [
            ("tune.history/1", Age::Same),
            ("tune.history/1.1", Age::Minor),
            ("tune.history/1.20", Age::Minor),
            ("tune.history/2", Age::Major),
            ("tune.history/11", Age::Major),
            ("tune.history/2.1", Age::Major),
            ("tune.history/1.", Age::Major),
            ("tune.history/1.x", Age::Major),
            ("tune.head/1", Age::Foreign),
            ("", Age::Foreign),
        ] {
            assert_eq!(Age::of(format, "tune.history/1"), age, "{format}");
        }
    }

    #[test]
    fn of_a_newer_list_what_is_known_is_read() {
        let mut known = Claims::default();
        known.set_scope("host", crate::tests::claims().scope("host"));
        let mut list = serde_json::to_value(&known).unwrap();
        list["format"] = "tune.claims/1.1".into();
        list["colour"] = "green".into();
        let scope = &mut list["scopes"]["host"];
        scope["later"] = Value::Array(Vec::new());
        let holding = &mut scope["runtime"]["net.ipv4.tcp_fin_timeout"];
        holding["since"] = 5.into();
        holding["claims"] = serde_json::json!([{"profile": "of a kind that is not known"}]);
        scope["runtime"]["net.ipv4.tcp_wmem"] = "something else".into();
        assert_eq!(claims(&list), Some(known));
        assert_eq!(claims(&serde_json::json!({"format": "tune.claims/1.1"})), None);
    }
}
