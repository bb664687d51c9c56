//! The `tune` binary under test: where it is, and what came of a run.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;

/// Returns the path of the `tune` binary of the same build as the calling test.
///
/// Cargo tells only the tests of a binary's own package where it is. It lies two directories above the test
/// executables (`target/debug/tune` beside `target/debug/deps/…`), and cargo is asked once to bring it up to date,
/// since `cargo test -p tune-tests` does not. `TUNE_BINARY` names another one, which is taken as it is.
///
/// # Panics
///
/// When it is not there and cannot be built.
#[must_use]
pub fn tune() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| match std::env::var_os("TUNE_BINARY") {
        Some(named) => PathBuf::from(named),
        None => beside("tune"),
    })
}

/// Returns the path of a program of the same build as the calling test, brought up to date.
///
/// A program that asks, which is no test, gets the one that lies beside it.
///
/// # Panics
///
/// When it is not there and cannot be built.
#[must_use]
pub fn beside(name: &str) -> PathBuf {
    let caller = std::env::current_exe().expect("a program knows its own path");
    let parent = caller.parent().expect("a program lies in a directory");
    if parent.file_name().is_none_or(|name| name != "deps") {
        return parent.join(name);
    }
    let directory = parent.parent().expect("tests lie below the build directory");
    let release = directory.file_name().is_some_and(|name| name == "release");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut build = Command::new(cargo);
    // The whole workspace, of which only this is wanted: then features are those of the tests, and nothing is built twice.
    build.args(["build", "--quiet", "--workspace", "--bin", name]);
    build.args(release.then_some("--release"));
    build
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("CARGO_TARGET_DIR", directory.parent().unwrap_or(directory));
    let built = build.status();
    let path = directory.join(name);
    assert!(path.exists(), "{} is not there, and cargo ended with {built:?}", path.display());
    path
}

/// What came of a run.
#[derive(Debug, Clone)]
pub struct Ran {
    /// The command, for messages.
    pub command: String,
    /// The exit code; 128 and the signal's number where a signal ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

#[allow(clippy::must_use_candidate)] // a demand is made for its own sake
impl Ran {
    /// Runs a command to its end.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self::ended(command, &output)
    }

    /// Tells of a command that has ended.
    pub fn ended(command: &Command, output: &Output) -> Self {
        use std::os::unix::process::ExitStatusExt;
        let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let status = output.status;
        Self {
            command: format!("{} {}", command.get_program().to_string_lossy(), words.join(" ")),
            code: status.code().or_else(|| Some(128 + status.signal()?)).unwrap_or(-1),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    /// Demands an exit code.
    ///
    /// # Panics
    ///
    /// When it was another one; everything that was said is shown.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert!(self.code == code, "exit code {}, not {code}\n{self}", self.code);
        self
    }

    /// Demands words on standard output or standard error, however the lines are broken.
    ///
    /// # Panics
    ///
    /// When they are not there.
    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let said = flat(&self.stdout) + " " + &flat(&self.stderr);
        assert!(said.contains(&flat(words)), "{words:?} is not said\n{self}");
        self
    }

    /// Returns the one JSON object on standard output.
    ///
    /// # Panics
    ///
    /// When it is anything else.
    #[track_caller]
    #[must_use]
    pub fn json(&self) -> Value {
        let parsed: Result<Value, _> = serde_json::from_str(&self.stdout);
        match parsed {
            Ok(value) if value.is_object() => value,
            other => panic!("no JSON object: {other:?}\n{self}"),
        }
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { command, code, stdout, stderr } = self;
        write!(f, "$ {command}\nexit code {code}\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}
