//! illumos and Solaris for `tune`: which program keeps the properties, what they amount to, and what the next boot sets.

#![forbid(unsafe_code)]

mod backend;
mod boot;
mod buffers;
mod fresh;
mod ground;
mod hazard;
mod keepalive;
mod listeners;
mod names;
mod permitted;
mod persist;
mod ports;
mod read;
mod service;
mod settings;
mod story;

pub use backend::Solaris;
pub use fresh::{Family, fresh_files};
pub use ground::recognises;
