//! Writing to the terminal: results to standard output, everything else to standard error.

use std::borrow::Cow;
use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicBool, Ordering};

use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice};

/// Whether a result could not be written.
static LOST: AtomicBool = AtomicBool::new(false);

/// Prints a result. A reader that has gone away is no error.
pub(crate) fn print(text: &str) {
    match put(io::stdout().lock(), text) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            LOST.store(true, Ordering::Relaxed);
            let reason = match error.kind() {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "no space is left".to_owned(),
                // The words without the number.
                _ => error.to_string().split(" (os error ").next().unwrap_or_default().to_owned(),
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
    let _ = put(io::stderr().lock(), text);
}

/// Writes in one piece: what is taken away for a stream without colour is taken away before.
fn put(mut out: impl RawStream, text: &str) -> io::Result<()> {
    let text = match AutoStream::choice(&out) {
        ColorChoice::Never => Cow::Owned(anstream::adapter::strip_str(text).to_string()),
        _ => Cow::Borrowed(text),
    };
    out.write_all(text.as_bytes()).and_then(|()| out.flush())
}

/// Prints a line of a result that goes on; an error where nobody reads it any more.
pub(crate) fn put_line(text: &str) -> io::Result<()> {
    put(io::stdout().lock(), text)
}

/// Returns a text as standard output takes it: with colours or without.
pub(crate) fn styled(text: &str) -> String {
    match AutoStream::choice(&io::stdout()) {
        ColorChoice::Never => anstream::adapter::strip_str(text).to_string(),
        _ => text.to_owned(),
    }
}

/// Writes to the terminal as it is, what moves the cursor too.
pub(crate) fn control(text: &str) -> io::Result<()> {
    use std::io::Write;
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush())
}

/// Returns how many lines the terminal has that standard output is.
pub(crate) fn terminal_height() -> Option<usize> {
    dialoguer::console::Term::stdout()
        .size_checked()
        .map(|(lines, _)| usize::from(lines))
        .filter(|lines| *lines > 1)
}

/// Returns the width of the terminal that standard output is.
pub(crate) fn terminal_width() -> Option<usize> {
    dialoguer::console::Term::stdout().size_checked().map(|(_, columns)| usize::from(columns))
}
