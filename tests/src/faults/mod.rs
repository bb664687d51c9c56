//! Faults on purpose: what `tune` leaves when the disk, the kernel or the machine fails at any system call.
//!
//! A command is run once undisturbed on a host of its own, under `strace`. Then it is run again from the same beginning
//! for each call that changes something and for each thing that can go wrong there. After each run `tune recover` has
//! its turn, undisturbed, and everything must be wholly as before or wholly as wanted.

pub mod campaign;
pub mod disk;
pub mod fault;
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
