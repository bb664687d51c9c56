//! FreeBSD for `tune`: its settings, its tunables, and what the next boot makes of them.

mod boot;
mod defaults;
mod kernel;
mod next_boot;
mod permitted;
