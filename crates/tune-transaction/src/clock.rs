//! Who and when.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::unistd::{Uid, User, getuid};
use serde::{Deserialize, Serialize};
use tune_model::transaction::Actor;

/// The last second of the year 9999, beyond which RFC 3339 cannot write.
const LAST: Duration = Duration::from_secs(253_402_300_799);

/// Returns the time as RFC 3339, UTC, to the second. A clock that is out of range does no harm.
#[must_use]
pub fn now() -> String {
    wall_clock_in(Duration::ZERO)
}

fn wall_clock_in(time: Duration) -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    humantime::format_rfc3339_seconds(UNIX_EPOCH + since.saturating_add(time).min(LAST)).to_string()
}

/// Until when a change has to be confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadline {
    /// For people: RFC 3339, UTC. The wall clock may be set meanwhile.
    #[serde(rename = "deadline")]
    pub text: String,
    /// What decides: milliseconds since the machine was started.
    #[serde(rename = "deadline_uptime_ms")]
    pub uptime_ms: u64,
}

impl Deadline {
    /// Returns the deadline that is `time` away when the machine has been running for `uptime`.
    #[must_use]
    pub fn after(time: Duration, uptime: Duration) -> Self {
        let due = uptime.saturating_add(time).as_millis();
        Self { text: wall_clock_in(time), uptime_ms: u64::try_from(due).unwrap_or(u64::MAX) }
    }

    /// Returns how much time is left when the machine has been running for `uptime`; nothing once it is over.
    #[must_use]
    pub fn left(&self, uptime: Duration) -> Duration {
        Duration::from_millis(self.uptime_ms).saturating_sub(uptime)
    }
}

/// Returns who runs this process: under `sudo` or `doas` the user behind them.
#[must_use]
pub fn actor() -> Actor {
    let uid = getuid();
    let behind = if uid.is_root() { invoker(|name| std::env::var(name).ok()) } else { None };
    Actor { uid: uid.as_raw(), user: behind.or_else(|| login_name(uid)), pid: std::process::id() }
}

fn invoker(variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    let plain =
        |name: &String| !name.is_empty() && name.len() <= 64 && !name.contains(|c: char| c.is_control());
    ["SUDO_USER", "DOAS_USER"].into_iter().filter_map(variable).find(plain)
}

/// A program that brings its own C library cannot safely load the modules that the host's NSS names, because they
/// belong to the host's library. It knows the users of `/etc/passwd` only.
fn login_name(uid: Uid) -> Option<String> {
    if cfg!(target_feature = "crt-static") {
        let known = std::fs::read("/etc/passwd").ok()?;
        return named_in(&String::from_utf8_lossy(&known), uid);
    }
    User::from_uid(uid).ok().flatten().map(|user| user.name)
}

fn named_in(passwd: &str, uid: Uid) -> Option<String> {
    let mut users = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let found = users.find(|fields| fields.get(2).is_some_and(|id| *id == uid.to_string()))?;
    Some(found[0].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_behind_sudo_is_named_unless_the_name_is_odd() {
        let with = |value: &'static str| {
            move |name: &str| (name == "DOAS_USER" || name == "SUDO_USER").then(|| value.to_owned())
        };
        assert_eq!(invoker(with("ann")), Some("ann".to_owned()));
        assert_eq!(invoker(with("an\nn")), None);
        assert_eq!(invoker(with("")), None);
        assert_eq!(actor().pid, std::process::id());
    }

    #[test]
    fn a_user_is_found_in_the_list_of_users_by_number() {
        let known =
            "root:x:0:0:root:/root:/bin/sh\n\n# 7\nann:x:1000:1000::/home/ann:/bin/sh\nbob:x:10:10:::\n";
        assert_eq!(named_in(known, Uid::from_raw(0)), Some("root".to_owned()));
        assert_eq!(named_in(known, Uid::from_raw(10)), Some("bob".to_owned()));
        assert_eq!(named_in(known, Uid::from_raw(1)), None);
        assert_eq!(login_name(getuid()), User::from_uid(getuid()).ok().flatten().map(|user| user.name));
    }

    #[test]
    fn times_are_rfc_3339_to_the_second() {
        assert!(humantime::parse_rfc3339(&now()).is_ok());
        assert_eq!(now().len(), "2026-01-01T00:00:00Z".len());
    }
}
