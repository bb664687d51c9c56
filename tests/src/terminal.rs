//! A person at a terminal: waits for words, presses keys.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};

/// A program running at a pseudo-terminal of 80 columns, which is its standard input, output and error.
#[derive(Debug)]
pub struct Terminal {
    child: Child,
    keyboard: File,
    screen: Arc<Mutex<String>>,
    /// How much of the screen was waited for already.
    seen: usize,
}

/// How long a program may take to say something.
const PATIENCE: Duration = Duration::from_secs(20);

#[allow(clippy::must_use_candidate)] // a demand is made for its own sake
impl Terminal {
    /// Starts a program.
    ///
    /// # Panics
    ///
    /// When there is no pseudo-terminal to be had, or the program does not start.
    #[must_use]
    pub fn start(mut command: Command) -> Self {
        let size = Winsize { ws_row: 60, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(Some(&size), None).unwrap_or_else(|error| panic!("a pseudo-terminal: {error}"));
        let end =
            || Stdio::from(pair.slave.try_clone().unwrap_or_else(|error| panic!("the terminal: {error}")));
        command.env("TERM", "xterm").stdin(end()).stdout(end()).stderr(end());
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let keyboard = File::from(pair.master);
        let mut shown = keyboard.try_clone().unwrap_or_else(|error| panic!("the terminal: {error}"));
        let screen = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&screen);
        // Ends with an error of the terminal when the program has closed it.
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = shown.read(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push_str(&text);
            }
        });
        Self { child, keyboard, screen, seen: 0 }
    }

    /// Returns everything that was shown, without what moves the cursor.
    #[must_use]
    pub fn shown(&self) -> String {
        let raw = self.screen.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        without_escapes(&raw)
    }

    /// Waits for words that were not waited for yet.
    ///
    /// # Panics
    ///
    /// When they do not come.
    #[track_caller]
    pub fn wait_for(&mut self, words: &str) -> &mut Self {
        let start = Instant::now();
        loop {
            let shown = self.shown();
            if let Some(at) = shown.get(self.seen..).and_then(|rest| rest.find(words)) {
                self.seen += at + words.len();
                return self;
            }
            assert!(start.elapsed() < PATIENCE, "{words:?} does not come\n{shown}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Presses keys.
    ///
    /// # Panics
    ///
    /// When the terminal is gone.
    #[track_caller]
    pub fn press(&mut self, keys: &str) -> &mut Self {
        // A menu that has just been drawn may not be listening yet.
        std::thread::sleep(Duration::from_millis(50));
        self.keyboard.write_all(keys.as_bytes()).unwrap_or_else(|error| panic!("{keys:?}: {error}"));
        self
    }

    /// Waits for the end and demands an exit code; returns everything that was shown.
    ///
    /// # Panics
    ///
    /// When it was another one.
    #[track_caller]
    pub fn exits(mut self, code: i32) -> String {
        let start = Instant::now();
        let status = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break status,
                _ => assert!(start.elapsed() < PATIENCE, "it does not end\n{}", self.shown()),
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        assert!(status.code() == Some(code), "{status}, not {code}\n{}", self.shown());
        self.shown()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Takes out the sequences that begin with ESC `[`, and carriage returns.
fn without_escapes(raw: &str) -> String {
    let mut text = String::new();
    let mut chars = raw.chars().filter(|char| *char != '\r');
    while let Some(char) = chars.next() {
        if char != '\u{1b}' {
            text.push(char);
        } else if chars.next() == Some('[') {
            let _ = chars.find(|char| ('@'..='~').contains(char));
        }
    }
    text
}
