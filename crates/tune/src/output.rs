//! Writing to the terminal: results to standard output, everything else to standard error.

use std::borrow::Cow;

use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice};

/// Prints a result. A reader that has gone away is no error.
pub(crate) fn print(text: &str) {
    put(std::io::stdout().lock(), text);
}

/// Says something on standard error.
pub(crate) fn say(text: &str) {
    put(std::io::stderr().lock(), text);
}

/// Writes in one piece: what is taken away for a stream without colour is taken away before.
fn put(mut out: impl RawStream, text: &str) {
    let text = match AutoStream::choice(&out) {
        ColorChoice::Never => Cow::Owned(anstream::adapter::strip_str(text).to_string()),
        _ => Cow::Borrowed(text),
    };
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Returns the width of the terminal that standard output is.
pub(crate) fn terminal_width() -> Option<usize> {
    dialoguer::console::Term::stdout().size_checked().map(|(_, columns)| usize::from(columns))
}
