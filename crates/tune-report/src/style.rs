//! The colours, and what they mean. Every text reads the same without them.

use anstyle::{AnsiColor, Style};

use tune_model::Status;
use tune_model::transaction::TransactionState;

/// Nothing special.
pub const PLAIN: Style = Style::new();
/// A heading, or a command to type.
pub const STRONG: Style = Style::new().bold();
/// Labels and things of second importance.
pub const DIM: Style = Style::new().dimmed();
/// As it should be.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Something to look at.
pub const WARN: Style = AnsiColor::Yellow.on_default();
/// Wrong.
pub const BAD: Style = AnsiColor::Red.on_default().bold();

/// Returns the text between the codes that turn the style on and off; just the text where there is nothing to turn on.
#[must_use]
pub fn paint(style: Style, text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("{style}{text}{style:#}") }
}

/// Returns how a status is shown: a mark, a word and a colour.
#[must_use]
pub const fn of_status(status: Status) -> (&'static str, Style) {
    match status {
        Status::Met => ("+ met", GOOD),
        Status::WillDrift => ("~ will drift", WARN),
        Status::PendingReboot => ("~ pending reboot", WARN),
        Status::Drifted => ("! drifted", BAD),
        Status::Unreadable => ("? unreadable", WARN),
        Status::Unsupported => ("! unsupported", BAD),
        Status::OutOfScope => ("- out of scope", DIM),
        _ => ("? unknown", WARN),
    }
}

/// Returns the colour of a transaction's state.
#[must_use]
pub const fn of_state(state: TransactionState) -> Style {
    match state {
        TransactionState::Applied | TransactionState::RolledBack => GOOD,
        TransactionState::Open
        | TransactionState::AwaitingConfirmation
        | TransactionState::AwaitingReboot => WARN,
        TransactionState::PartlyRolledBack | TransactionState::Failed => BAD,
    }
}
