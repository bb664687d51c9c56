//! Faults on purpose: what `tune` leaves when the disk, the kernel or the machine fails at any system call.
//!
//! A command is run once undisturbed on a host of its own, under `strace`. Then it is run again from the same beginning
//! for each call that changes something and for each thing that can go wrong there. After each run `tune recover` has
//! its turn, undisturbed, and everything must be wholly as before or wholly as wanted.

pub mod campaign;
pub mod disk;
pub mod fault;
pub mod others;
pub mod power;
pub mod report;
pub mod scene;
pub mod trace;
pub mod verdict;
pub mod world;

/// Tells whether faults can be injected here; see [`crate::needs_root`].
///
/// # Panics
///
/// When they cannot and `CI` is `true`.
#[must_use]
pub fn can_inject() -> bool {
    let strace = std::process::Command::new("strace").arg("-V").output();
    let missing = strace.err().map(|error| format!("needs strace: {error}"));
    crate::needs_root() && crate::may_run(missing)
}

/// Writes a journal with the checks that belong to its lines, as somebody can who may write it.
#[must_use]
pub fn sealed(lines: &[String]) -> String {
    const CHECK: &str = ",\"check\":\"";
    let mut previous = String::new();
    let mut text = String::new();
    for line in lines {
        let body = line.split(CHECK).next().unwrap_or_default();
        let digest = tune_transaction::digest([previous.as_bytes(), body.as_bytes()]);
        previous = digest.trim_start_matches("sha256:").chars().take(16).collect();
        text += &format!("{body}{CHECK}{previous}\"}}\n");
    }
    text
}
