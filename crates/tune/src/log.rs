//! What is said with `-v`, on standard error.

use tracing::Level;

use crate::args::Global;

/// Begins to write the log that was asked for; nothing without `-v`.
pub(crate) fn start(global: &Global) {
    let level = match global.verbose {
        0 => return,
        1 => Level::INFO,
        2 => Level::DEBUG,
        _ => Level::TRACE,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .without_time()
        .with_target(false)
        .init();
}
