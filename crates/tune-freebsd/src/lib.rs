//! FreeBSD for `tune`: its settings, its tunables, and what the next boot makes of them.

#![forbid(unsafe_code)]

mod backend;
mod boot;
mod buffers;
mod defaults;
mod fin_wait_2;
mod fresh;
mod ground;
mod hazard;
mod kernel;
mod next_boot;
mod own_files;
mod permitted;
mod persist;
mod read;
mod settings;
mod story;

pub use backend::{FreeBsd, recognises};
pub use fresh::fresh_files;
