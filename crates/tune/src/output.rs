//! Writing to the terminal: results to standard output, everything else to standard error.

use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a result could not be written.
static LOST: AtomicBool = AtomicBool::new(false);

/// Prints a result. A reader that has gone away is no error.
pub(crate) fn print(text: &str) {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            LOST.store(true, Ordering::Relaxed);
            let reason = match error.kind() {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "no space is left".to_owned(),
                _ => error.to_string(),
            };
            say(&format!("error: the result could not be written to standard output: {reason}\n"));
        }
        _ => {}
    }
}

/// Tells whether a result could not be written although somebody may wait for it.
pub(crate) fn lost() -> bool {
    LOST.load(Ordering::Relaxed)
}

/// Says something on standard error.
pub(crate) fn say(text: &str) {
    let mut out = anstream::stderr().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Returns the width of the terminal that standard output is.
pub(crate) fn terminal_width() -> Option<usize> {
    dialoguer::console::Term::stdout().size_checked().map(|(_, columns)| usize::from(columns))
}
