//! FreeBSD for `tune`: its settings, its tunables, and what the next boot makes of them.

#![forbid(unsafe_code)]

mod defaults;
mod kernel;
