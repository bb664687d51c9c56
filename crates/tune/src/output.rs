//! Writing to the terminal: results to standard output, everything else to standard error.

use std::io::Write;

/// Prints a result. A reader that has gone away is no error.
pub(crate) fn print(text: &str) {
    let mut out = anstream::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
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
