//! Single keys from a terminal, while something is shown there that changes.

use std::io::{self, IsTerminal, Stdin, stdin};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr};
use std::os::fd::AsFd;

/// The terminal that standard input is, handing over each key at once and showing none. Dropping it makes the terminal
/// what it was. Keys that send signals still do.
#[derive(Debug)]
pub struct Keys {
    input: Stdin,
    before: Termios,
}

impl Keys {
    /// Begins to listen; `None` where standard input is no terminal.
    ///
    /// # Errors
    ///
    /// The system's own, when the terminal does not let itself be set.
    pub fn listen() -> io::Result<Option<Self>> {
        let input = stdin();
        if !input.is_terminal() {
            return Ok(None);
        }
        let before = tcgetattr(&input)?;
        let mut each = before.clone();
        each.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO);
        each.control_chars[SpecialCharacterIndices::VMIN as usize] = 1;
        each.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
        tcsetattr(&input, SetArg::TCSADRAIN, &each)?;
        Ok(Some(Self { input, before }))
    }

    /// Waits for a key, at most so long; `None` where none came. A signal ends the wait, too.
    ///
    /// # Errors
    ///
    /// The system's own, when the terminal is gone.
    pub fn pressed(&self, longest: Duration) -> io::Result<Option<u8>> {
        let mut waited = [PollFd::new(self.input.as_fd(), PollFlags::POLLIN)];
        let timeout = PollTimeout::try_from(longest).unwrap_or(PollTimeout::MAX);
        match poll(&mut waited, timeout) {
            Ok(0) | Err(Errno::EINTR) => return Ok(None),
            polled => polled?,
        };
        let mut key = [0];
        match nix::unistd::read(&self.input, &mut key) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => Ok(Some(key[0])),
            Err(Errno::EINTR) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.input, SetArg::TCSADRAIN, &self.before);
    }
}
