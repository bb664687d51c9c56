//! Calling the system's own programs: by absolute path, without a shell, with an empty environment, and never for longer
//! or with more output than can be right.

use std::io::{self, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use tune_model::native::{Command, Program};

/// How long a program may take. What keeps properties answers in milliseconds, unless its daemon hangs.
pub const TIME_LIMIT: Duration = Duration::from_secs(20);

/// How much a program may print on each of its outputs: the sockets of a large server are some 30 MiB.
pub const OUTPUT_LIMIT: usize = 64 << 20;

/// What a program that ended by itself said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its exit status.
    pub status: i32,
    /// What it printed; bytes that are no UTF-8 are replaced.
    pub stdout: String,
    /// What it complained.
    pub stderr: String,
}

/// Why a program did not end by itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The system has no such program.
    #[error("this system has no {0}")]
    Absent(Program),
    /// It could not be started.
    #[error("{path} could not be started: {reason}")]
    NotStarted {
        /// The program.
        path: PathBuf,
        /// The system's own words.
        reason: String,
    },
    /// It did not end in time and was killed.
    #[error("{command} did not end within {seconds} s and was stopped")]
    TimedOut {
        /// The call.
        command: String,
        /// The limit.
        seconds: u64,
    },
    /// It printed more than can be right and was killed.
    #[error("{command} printed more than {limit} bytes and was stopped")]
    TooMuch {
        /// The call.
        command: String,
        /// The limit.
        limit: usize,
    },
    /// Somebody killed it.
    #[error("{command} was ended by signal {signal}")]
    Killed {
        /// The call.
        command: String,
        /// The signal.
        signal: i32,
    },
}

/// A call that only looks.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Inquiry {
    /// Properties of a protocol, as ipadm shows them to programs.
    ShowProperties {
        /// The protocol.
        protocol: String,
        /// The properties.
        names: Vec<String>,
    },
    /// One property, as ndd shows it.
    GetProperty {
        /// The device.
        device: String,
        /// The property.
        name: String,
    },
    /// The name of the zone.
    Zone,
    /// Whether the zone has an IP stack of its own.
    ZoneStack,
    /// The sockets of one address family, `inet` or `inet6`.
    Sockets {
        /// The address family.
        family: &'static str,
    },
}

/// The fields that are asked for, in this order. What can fail comes last: once one field of a row fails, so do all that
/// follow it.
pub(crate) const FIELDS: [&str; 7] =
    ["proto", "property", "perm", "current", "default", "possible", "persistent"];

impl Inquiry {
    /// Returns the call.
    #[must_use]
    pub fn command(&self) -> Command {
        match self {
            Self::ShowProperties { protocol, names } => Command::new(
                Program::Ipadm,
                &["show-prop", "-c", "-o", &FIELDS.join(","), "-p", &names.join(","), protocol],
            ),
            Self::GetProperty { device, name } => Command::new(Program::Ndd, &["-get", device, name]),
            Self::Zone => Command::new(Program::Zonename, &[]),
            Self::ZoneStack => Command::new(Program::Zonename, &["-t"]),
            Self::Sockets { family } => Command::new(Program::Netstat, &["-an", "-f", family, "-P", "tcp"]),
        }
    }
}

/// Runs the programs of a system whose files are below `root`.
#[derive(Debug, Clone)]
pub struct Runner {
    root: PathBuf,
    limit: Duration,
}

impl Runner {
    /// The programs below `root`, each for at most `limit`.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>, limit: Duration) -> Self {
        Self { root: root.into(), limit }
    }

    /// Runs a program to its end.
    ///
    /// # Errors
    ///
    /// Any [`RunError`]. A program that ended with another status than 0 is none.
    pub fn run(&self, command: &Command) -> Result<Output, RunError> {
        let path = self.locate(command.program)?;
        tracing::debug!("running {command}");
        let mut child = start(&path, command)
            .map_err(|error| RunError::NotStarted { path, reason: crate::files::plain(&error) })?;
        let ended = self.wait(&mut child, command);
        if ended.is_err() {
            // It may have ended meanwhile.
            let _ = child.kill();
            let _ = child.wait();
        }
        let output = ended?;
        tracing::debug!("{command} ended with {}", output.status);
        Ok(output)
    }

    fn locate(&self, program: Program) -> Result<PathBuf, RunError> {
        let below = |path: &&str| self.root.join(path.trim_start_matches('/'));
        let found = program.paths().iter().map(below).find(|path| path.exists());
        found.ok_or(RunError::Absent(program))
    }

    fn wait(&self, child: &mut Child, command: &Command) -> Result<Output, RunError> {
        let deadline = Instant::now() + self.limit;
        let (stdout, stderr) = (drain(child.stdout.take()), drain(child.stderr.take()));
        let stdout = self.collect(&stdout, deadline, command)?;
        let stderr = self.collect(&stderr, deadline, command)?;
        let status = self.reap(child, deadline, command)?;
        match (status.code(), status.signal()) {
            (Some(status), _) => Ok(Output { status, stdout, stderr }),
            (None, signal) => {
                Err(RunError::Killed { command: command.to_string(), signal: signal.unwrap_or_default() })
            }
        }
    }

    fn collect(
        &self,
        output: &Receiver<Vec<u8>>,
        deadline: Instant,
        command: &Command,
    ) -> Result<String, RunError> {
        match output.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(bytes) if bytes.len() > OUTPUT_LIMIT => {
                Err(RunError::TooMuch { command: command.to_string(), limit: OUTPUT_LIMIT })
            }
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(RecvTimeoutError::Disconnected) => Ok(String::new()),
            Err(RecvTimeoutError::Timeout) => Err(self.late(command)),
        }
    }

    /// Its outputs are closed, so that it is about to end: looking again and again costs next to nothing.
    fn reap(&self, child: &mut Child, deadline: Instant, command: &Command) -> Result<ExitStatus, RunError> {
        loop {
            match child.try_wait() {
                Ok(Some(status)) => return Ok(status),
                Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(1)),
                _ => return Err(self.late(command)),
            }
        }
    }

    fn late(&self, command: &Command) -> RunError {
        RunError::TimedOut { command: command.to_string(), seconds: self.limit.as_secs() }
    }
}

/// A group of its own keeps an interrupt at the terminal from ending it half-way: what it did is taken back in order.
fn start(path: &Path, command: &Command) -> io::Result<Child> {
    std::process::Command::new(path)
        .args(&command.arguments)
        .env_clear()
        .env("LC_ALL", "C")
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

/// Reads one output in the background, to one byte more than may come.
fn drain(output: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    if let Some(output) = output {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = output.take(OUTPUT_LIMIT as u64 + 1).read_to_end(&mut bytes);
            // Nobody listens any more when the program was late.
            let _ = sender.send(bytes);
        });
    }
    receiver
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A system whose zonename is this script.
    fn system(script: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("usr/bin/zonename");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        root
    }

    fn run(script: &str, limit: Duration) -> Result<Output, RunError> {
        let root = system(script);
        Runner::new(root.path(), limit).run(&Inquiry::Zone.command())
    }

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn outputs_and_status_are_told_apart() {
        let ended = run("printf 'one\\n'; printf two >&2; exit 3", LONG).unwrap();
        assert_eq!(ended, Output { status: 3, stdout: "one\n".to_owned(), stderr: "two".to_owned() });
    }

    #[test]
    fn the_environment_holds_the_language_only() {
        let ended = run("/usr/bin/env | /usr/bin/sort | /bin/grep -v '^PWD=\\|^SHLVL=\\|^_='", LONG).unwrap();
        assert_eq!(ended.stdout, "LC_ALL=C\n");
    }

    #[test]
    fn what_does_not_end_is_ended() {
        let late = run("exec /bin/sleep 600", Duration::from_millis(200)).unwrap_err();
        assert!(matches!(late, RunError::TimedOut { .. }), "{late}");
        // Its outputs are closed, and still it goes on.
        let silent = run("exec >&- 2>&-; exec /bin/sleep 600", Duration::from_millis(200)).unwrap_err();
        assert!(matches!(silent, RunError::TimedOut { .. }), "{silent}");
    }

    #[test]
    fn what_was_killed_has_no_status() {
        let killed = run("kill -9 $$", LONG).unwrap_err();
        assert_eq!(killed, RunError::Killed { command: "zonename".to_owned(), signal: 9 });
    }

    #[test]
    fn what_prints_without_end_is_ended() {
        let flood = run("exec /usr/bin/yes", LONG).unwrap_err();
        assert!(matches!(flood, RunError::TooMuch { .. }), "{flood}");
    }

    #[test]
    fn what_is_not_there_or_no_program_could_not_be_started() {
        let empty = tempfile::tempdir().unwrap();
        let runner = Runner::new(empty.path(), LONG);
        assert_eq!(runner.run(&Inquiry::Zone.command()).unwrap_err(), RunError::Absent(Program::Zonename));
        let root = system("");
        fs::write(root.path().join("usr/bin/zonename"), "no program\n").unwrap();
        fs::set_permissions(root.path().join("usr/bin/zonename"), fs::Permissions::from_mode(0o644)).unwrap();
        let error = Runner::new(root.path(), LONG).run(&Inquiry::Zone.command()).unwrap_err();
        assert!(matches!(error, RunError::NotStarted { .. }), "{error}");
    }

    #[test]
    fn looking_is_spelled_out() {
        let names = vec!["_a".to_owned(), "b".to_owned()];
        let show = Inquiry::ShowProperties { protocol: "tcp".to_owned(), names };
        assert_eq!(
            show.command().to_string(),
            "ipadm show-prop -c -o proto,property,perm,current,default,possible,persistent -p _a,b tcp"
        );
        let get = Inquiry::GetProperty { device: "/dev/tcp".to_owned(), name: "tcp_x".to_owned() };
        assert_eq!(get.command().to_string(), "ndd -get /dev/tcp tcp_x");
    }
}
