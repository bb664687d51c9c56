//! Being asked to stop: SIGINT, SIGTERM and SIGHUP.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// Remembers that a signal asked the process to stop, instead of stopping it in the middle of something.
#[derive(Debug, Clone)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Begins to watch for signals.
    ///
    /// # Errors
    ///
    /// The system's own, when a handler cannot be installed.
    pub fn watch() -> io::Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGHUP, SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&asked))?;
        }
        Ok(Self(asked))
    }

    /// Begins to watch for SIGTERM alone: SIGINT and SIGHUP, which are for the login, are ignored.
    ///
    /// # Errors
    ///
    /// The system's own, when a handler cannot be installed.
    pub fn watch_for_the_end() -> io::Result<Self> {
        let (asked, ignored) = <(Arc<AtomicBool>, Arc<AtomicBool>)>::default();
        signal_hook::flag::register(SIGTERM, Arc::clone(&asked))?;
        for signal in [SIGHUP, SIGINT] {
            signal_hook::flag::register(signal, Arc::clone(&ignored))?;
        }
        Ok(Self(asked))
    }

    /// Tells whether the process was asked to stop.
    #[must_use]
    pub fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
