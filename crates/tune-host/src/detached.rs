//! Processes that outlive the login that started them.

use std::fs::File;
use std::io::{self, Error, Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{SysconfVar, chdir, close, dup2_stdout, setsid, sysconf};

use crate::files::plain;

/// What a detached process says when nothing that happens to the login reaches it any more.
const READY: &[u8] = b"detached\n";
/// How long it may take to say so.
const PATIENCE: Duration = Duration::from_secs(20);
/// The first descriptor that is not one of the three that every process has.
const FIRST: i32 = 3;

/// A process that was started to go on by itself.
#[derive(Debug)]
pub struct Detached(Child);

impl Detached {
    /// Starts this program again, with an empty environment but for what the command has, and waits until it has
    /// called [`detach`] and [`say_ready`].
    ///
    /// # Errors
    ///
    /// The system's own, when it cannot be started, ends early, or says nothing; it is gone then.
    pub fn start(arguments: &mut Command) -> io::Result<Self> {
        let child =
            arguments.current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut started = Self(child.spawn().map_err(|error| Error::new(error.kind(), plain(&error)))?);
        match started.wait_until_ready() {
            Ok(()) => Ok(started),
            Err(error) => {
                started.dismiss();
                Err(error)
            }
        }
    }

    fn wait_until_ready(&mut self) -> io::Result<()> {
        let mut said = Vec::new();
        let mut pipe = self.0.stdout.take().ok_or_else(|| Error::other("it has no output"))?;
        let begun = Instant::now();
        while said != READY {
            wait_for(&pipe, PATIENCE.saturating_sub(begun.elapsed()))?;
            let mut buffer = [0; 64];
            match pipe.read(&mut buffer) {
                Ok(0) => return Err(Error::other("it ended by itself")),
                Ok(length) => said.extend(&buffer[..length]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if !READY.starts_with(&said) {
                return Err(Error::other("it is another program"));
            }
        }
        Ok(())
    }

    /// Ends the process, which must have done nothing yet that matters.
    pub fn dismiss(mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn wait_for(pipe: &impl AsFd, time: Duration) -> io::Result<()> {
    let mut watched = [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)];
    let milliseconds = u16::try_from(time.as_millis()).unwrap_or(u16::MAX);
    match poll(&mut watched, PollTimeout::from(milliseconds)) {
        Ok(0) => Err(Error::other("it does not get ready")),
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Leaves the login that started this process: its session and terminal, its directory, and every descriptor that was
/// inherited but for the first three. To be called before anything was opened.
///
/// # Errors
///
/// The system's own, when there is no new session to be had.
pub fn detach() -> io::Result<()> {
    for descriptor in inherited() {
        let _ = close(descriptor);
    }
    setsid()?;
    Ok(chdir("/")?)
}

/// Tells the process that waits in [`Detached::start`], and has nothing more to do with it.
///
/// # Errors
///
/// The system's own, when that process is gone.
pub fn say_ready() -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(READY)?;
    out.flush()?;
    Ok(dup2_stdout(File::options().write(true).open("/dev/null")?)?)
}

/// Returns the descriptors that are open; where that cannot be seen, every one that could be.
fn inherited() -> Vec<i32> {
    let number = |entry: io::Result<std::fs::DirEntry>| entry.ok()?.file_name().to_str()?.parse().ok();
    let seen: Option<Vec<i32>> =
        std::fs::read_dir("/proc/self/fd").ok().map(|list| list.filter_map(number).collect());
    let most = || sysconf(SysconfVar::OPEN_MAX).ok().flatten().and_then(|most| i32::try_from(most).ok());
    let found = seen.unwrap_or_else(|| (FIRST..most().unwrap_or(1024)).collect());
    found.into_iter().filter(|descriptor| *descriptor >= FIRST).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn shell(script: &str) -> io::Result<Detached> {
        Detached::start(Command::new("/bin/sh").args(["-c", script]))
    }

    #[test]
    fn a_process_that_is_ready_goes_on_until_it_is_dismissed() {
        let started = shell("echo detached; exec sleep 1000").unwrap();
        let path = format!("/proc/{}", started.0.id());
        let linux = std::path::Path::new("/proc/self/fd").exists();
        assert!(!linux || std::path::Path::new(&path).exists());
        started.dismiss();
        assert!(!std::path::Path::new(&path).exists());
    }

    #[test]
    fn one_that_ends_or_is_something_else_is_an_error() {
        let failure = |script| shell(script).unwrap_err().to_string();
        assert_eq!(failure("exit 0"), "it ended by itself");
        assert_eq!(failure("echo hello; exec sleep 1000"), "it is another program");
        assert!(Detached::start(&mut Command::new("/nonexistent")).is_err());
    }

    #[test]
    fn inherited_descriptors_are_seen() {
        let open = File::open("/dev/null").unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&open);
        assert!(inherited().contains(&number));
        assert!(inherited().iter().all(|descriptor| *descriptor > 2));
    }
}
