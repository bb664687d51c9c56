//! What the tests of the whole share: when a test may run, and laboratories to run the real tools in.

#![forbid(unsafe_code)]
// What a step of a test returns is there to be looked at, not to be looked at every time.
#![allow(clippy::must_use_candidate)]

pub mod binary;
pub mod boot_lab;
pub mod faults;
pub mod files;
pub mod freebsd;
pub mod fuzzing;
pub mod half_closed;
pub mod keepers;
pub mod legacy_page;
pub mod namespace;
pub mod native;
pub mod one_profile;
pub mod outcome_cases;
pub mod outcome_defaults;
pub mod outcome_lab;
pub mod outcome_matrix;
pub mod reference;
pub mod sandbox;
pub mod staged;
pub mod sunos;
pub mod sysctl_trees;
pub mod terminal;
pub mod tool;
pub mod trial;
pub mod watchdog;

use std::io::Write;

/// Tells whether a test that needs root and namespaces of its own can run here.
///
/// Where it cannot, says `not run: REASON` and the test passes by returning, so that a checkout can be tested
/// without privileges. With `CI=true` in the environment that is a failure instead: there, a test that never
/// runs must be seen.
///
/// ```no_run
/// if !tune_tests::needs_root() {
///     return;
/// }
/// ```
///
/// # Panics
///
/// When the test cannot run and `CI` is `true`.
#[must_use]
pub fn needs_root() -> bool {
    may_run(missing_privilege())
}

/// As [`needs_root`], for any other thing that a test cannot do without: nothing is missing where `missing`
/// is `None`.
///
/// # Panics
///
/// When something is missing and `CI` is `true`.
#[must_use]
pub fn may_run(missing: Option<String>) -> bool {
    let Some(reason) = missing else { return true };
    let ci = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(!ci, "not run: {reason}; with CI=true every test has to run");
    let _ = writeln!(std::io::stderr(), "not run: {reason}");
    false
}

/// Tries what the laboratories need, in a thread that is thrown away.
fn missing_privilege() -> Option<String> {
    use nix::sched::{CloneFlags, unshare};
    if !nix::unistd::geteuid().is_root() {
        return Some("needs root".to_owned());
    }
    let flags = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET;
    match std::thread::spawn(move || unshare(flags)).join() {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(format!("needs mount and network namespaces: {error}")),
        Err(_) => Some("needs mount and network namespaces".to_owned()),
    }
}
