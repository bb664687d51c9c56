//! The exit codes: what other programs go by.

/// The host is as wanted, or the command did its work.
pub const MET: u8 = 0;
/// It could not be done, and the host is as before.
pub const FAILED: u8 = 1;
/// The host differs from what is wanted; under `--detailed-exitcodes`: something was changed.
pub const DIFFERS: u8 = 2;
/// Something was changed and not all could be put back: an operator is needed.
pub const OPERATOR_NEEDED: u8 = 3;
/// The command line is wrong.
pub const USAGE: u8 = 64;
/// A profile or a snapshot is wrong.
pub const BAD_DATA: u8 = 65;
/// Another `tune` is at work, or a change awaits confirmation.
pub const BUSY: u8 = 75;
/// The caller may not do this.
pub const NOT_PERMITTED: u8 = 77;

/// Every exit code with its meaning, for the manual page.
pub const ALL: &[(u8, &str)] = &[
    (MET, "The host is as wanted, or the command did its work."),
    (
        FAILED,
        "It could not be done, and the host is as before; also: declined at the prompt, or interrupted and undone.",
    ),
    (
        DIFFERS,
        "The host differs from what is wanted (audit, plan, --dry-run). With --detailed-exitcodes: something was changed.",
    ),
    (
        OPERATOR_NEEDED,
        "Something was changed and not all could be put back, a rollback left what somebody else has changed since, or not all connections could be dropped.",
    ),
    (USAGE, "The command line is wrong."),
    (BAD_DATA, "A profile is wrong."),
    (BUSY, "Another tune is at work, or a change awaits confirmation."),
    (NOT_PERMITTED, "The caller may not do this."),
];
