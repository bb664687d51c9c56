//! `tune diagnose --watch`: the same again and again, in place at a terminal, else a line each time.

use std::io::{self, IsTerminal, stdout};
use std::time::{Duration, Instant};

use tune_host::{Interrupt, Keys};
use tune_model::Quantity;
use tune_report::DiagnoseReport;
use tune_report::diagnose::History;

use super::change::watch_signals;
use crate::context::width;
use crate::error::CliError;
use crate::{exit, output};

/// How often, where nothing else was said.
pub(crate) const EVERY: Duration = Duration::from_secs(2);

/// Takes a look each time, until told to stop. A reader that has gone away ends it, too.
pub(crate) fn run(
    every: Duration,
    look: &mut dyn FnMut() -> Result<DiagnoseReport, CliError>,
) -> Result<u8, CliError> {
    let interrupt = watch_signals()?;
    let mut history = History::default();
    let screen = Screen::open()?;
    loop {
        let next = Instant::now() + every;
        let report = look()?;
        history.add(&report);
        let shown = match &screen {
            Some(screen) => screen.draw(&report, &history, every),
            None => output::put_line(&report.line(&tune_transaction::now())),
        };
        if shown.is_err() || ended(screen.as_ref(), next, &interrupt) {
            return Ok(exit::MET);
        }
    }
}

/// Waits until the next look is due; tells whether there is to be none.
fn ended(screen: Option<&Screen>, next: Instant, interrupt: &Interrupt) -> bool {
    const STEP: Duration = Duration::from_millis(100);
    loop {
        if interrupt.asked() {
            return true;
        }
        let Some(left) = next.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else {
            return false;
        };
        match screen {
            None => std::thread::sleep(left.min(STEP)),
            Some(screen) => match screen.keys.pressed(left.min(STEP)) {
                Ok(Some(b'q' | b'Q')) | Err(_) => return true,
                Ok(_) => {}
            },
        }
    }
}

/// The terminal while it shows what changes. Dropping it makes the terminal what it was.
struct Screen {
    keys: Keys,
}

/// Goes to the terminal's other screen and hides the cursor; and back.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
/// Goes to the first place; ends a line, and the screen.
const HOME: &str = "\x1b[H";
const END_OF_LINE: &str = "\x1b[K";
const END_OF_SCREEN: &str = "\x1b[J";

impl Screen {
    /// Takes the terminal; `None` where standard output is none, or nobody is there to press a key.
    fn open() -> Result<Option<Self>, CliError> {
        if !stdout().is_terminal() {
            return Ok(None);
        }
        let keys = Keys::listen();
        let keys = keys.map_err(|error| CliError::failed(format!("the terminal cannot be used: {error}")))?;
        let Some(keys) = keys else { return Ok(None) };
        let screen = Self { keys };
        let _ = output::control(ENTER);
        Ok(Some(screen))
    }

    fn draw(&self, report: &DiagnoseReport, history: &History, every: Duration) -> io::Result<()> {
        let lines = output::terminal_height().unwrap_or(24);
        let every = Quantity::Duration(u64::try_from(every.as_millis()).unwrap_or(u64::MAX)).to_string();
        let text = output::styled(&report.frame(history, (width(), lines - 1), &every));
        let text = text.replace('\n', &format!("{END_OF_LINE}\r\n"));
        output::control(&format!("{HOME}{text}{END_OF_SCREEN}"))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = output::control(LEAVE);
    }
}
