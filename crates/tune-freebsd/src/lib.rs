//! FreeBSD for `tune`: its settings, its tunables, and what the next boot makes of them.

mod defaults;
mod kernel;
