//! Trying something out on a test's host, and what is to be seen of it afterwards.

#![allow(clippy::unwrap_used)] // Whatever cannot be had here fails the test.
#![allow(clippy::missing_panics_doc)] // Each demands something.

use std::path::Path;

use serde_json::Value;

use crate::binary::Ran;
use crate::namespace::{Boot, Everything, TestHost};
use crate::watchdog::{NoneLeft, Watchdog, eventually};

/// What the profile `web-server` lowers.
pub const FIN: &str = "net.ipv4.tcp_fin_timeout";
/// Something else that it lowers.
pub const IDLE: &str = "net.ipv4.tcp_keepalive_time";
/// What is written for the next boot.
pub const OURS: &str = "/etc/sysctl.d/zz-tune.conf";
/// A time that a test can wait for.
pub const SHORT: &str = "2s";
/// Longer than any test takes.
pub const LONG: &str = "10min";

/// Runs a test on a host of its own, on which no process is left in the end.
#[track_caller]
pub fn on_a_host(test: impl FnOnce(&TestHost, &Everything) + Send) {
    TestHost::run(Boot::Systemd, |host| {
        let _none_left = NoneLeft;
        let before = host.everything();
        test(host, &before);
        eventually("no process is left", || Watchdog::all().is_empty());
    });
}

/// Tries the profile `web-server` out.
#[track_caller]
pub fn try_out(host: &TestHost, time: &str) -> Ran {
    let ran = host.tune(&["apply", "web-server", "--yes", "--confirm-within", time]).exits(0);
    assert_eq!(host.read(FIN), "30");
    assert!(!Path::new(OURS).exists(), "a boot file was written before it was confirmed");
    ran
}

/// Waits until that is undone, and demands that nothing is left of it.
#[track_caller]
pub fn undone(host: &TestHost, before: &Everything, note: &str) {
    eventually("it is undone", || host.read(FIN) == "60");
    eventually("the books are closed", || state(host) == "rolled-back");
    host.everything().same_as(before, "after it was undone");
    assert!(last(host)["note"].as_str().unwrap().contains(note), "{}", last(host));
    assert_eq!(waiting(host), None);
    host.tune(&["history", "--verify"]).exits(0);
    host.tune(&["recover"]).exits(0).says("Nothing to recover");
}

/// Returns the last transaction.
#[track_caller]
pub fn last(host: &TestHost) -> Value {
    let history = host.tune(&["history", "--format", "json"]).exits(0).json();
    history["transactions"].as_array().unwrap().last().unwrap().clone()
}

/// Tells how the last transaction stands.
#[track_caller]
pub fn state(host: &TestHost) -> String {
    last(host)["state"].as_str().unwrap().to_owned()
}

/// Returns the transaction that status shows as not finished; audit and active must show it too.
#[track_caller]
pub fn waiting(host: &TestHost) -> Option<Value> {
    let status = host.tune(&["status", "--format", "json"]).exits(0).json();
    let found = status["transactions"].as_array().unwrap().first().cloned();
    for command in [&["audit", "web-server", "--format", "json"][..], &["active", "--format", "json"]] {
        let document = host.tune(command).json();
        assert_eq!(document.get("open_transaction").is_some(), found.is_some(), "{command:?}: {document}");
    }
    found
}
