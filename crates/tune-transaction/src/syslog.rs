//! A copy of the head of the history for the system log. Nothing here is ever an error, and nothing waits.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

/// Where system loggers listen for datagrams.
const SOCKETS: [&str; 2] = ["/dev/log", "/var/run/log"];
/// Facility `auth`, severity `notice`.
const PRIORITY: u32 = 4 << 3 | 5;

/// Returns the usual sockets.
pub(crate) fn sockets() -> Vec<PathBuf> {
    SOCKETS.iter().map(PathBuf::from).collect()
}

/// Sends a line to the first of the sockets that takes it.
pub(crate) fn announce(sockets: &[PathBuf], text: &str) {
    let message = format!("<{PRIORITY}>tune[{}]: {text}", std::process::id());
    let _ = sockets.iter().any(|socket| send(socket, &message).is_ok());
}

fn send(socket: &Path, message: &str) -> std::io::Result<()> {
    let sender = UnixDatagram::unbound()?;
    sender.set_nonblocking(true)?;
    sender.send_to(message.as_bytes(), socket).map(|_| ())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_first_socket_that_listens_gets_the_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let logger = UnixDatagram::bind(&path).unwrap();
        announce(&[directory.path().join("absent"), path], "history has 3 records");
        let mut buffer = [0; 100];
        let length = logger.recv(&mut buffer).unwrap();
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        assert!(text.starts_with("<37>tune[") && text.ends_with("]: history has 3 records"), "{text}");
    }
}
