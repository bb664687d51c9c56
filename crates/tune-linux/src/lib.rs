//! Linux for `tune`: its settings, its tunables, and what the next boot makes of them.

#![forbid(unsafe_code)]

mod backend;
pub mod boot;
mod defaults;
mod fresh;
mod hazard;
mod keeps;
mod next_boot;
mod permitted;
mod persist;
mod read;
mod settings;
mod story;
mod use_now;

pub use backend::{Linux, recognises};
pub use fresh::fresh_files;
pub use permitted::BOOT_FILE;
