//! Illumos and Solaris hosts for tests: programs that answer as the native ones do, over a kernel and files of their own.
//!
//! [`Machine::install`] makes a host in a directory. Its programs, `usr/sbin/ipadm` and the others, are links to the one
//! program of this crate that plays them all, and find their host by the path they are started by; nothing has to be in
//! their environment. What was recorded of the native programs is played again by the test `sunos_recorded`. What was
//! not recorded and is in no source either is refused loudly, with exit code [`UNMODELLED`]; nothing succeeds by being
//! unknown.
//!
//! ```no_run
//! use tune_tests::sunos::{Fault, Machine, Model, Switch};
//!
//! let machine = Machine::install(std::path::Path::new("/tmp/host"), Model::IllumosCurrent);
//! machine.switch_on(Switch::of(Fault::NoIpmgmtd).on("ipadm set-prop").from(2).times(1));
//! let set = machine.run(&["ipadm", "set-prop", "-p", "max_buf=2097152", "tcp"]).exits(0);
//! assert_eq!(machine.persistent("tcp", "max_buf").as_deref(), Some("2097152"));
//! machine.reboot();
//! ```

mod canned;
mod conf;
mod doors;
mod errno;
mod fault;
mod getopt;
mod guest;
mod host;
#[cfg(test)]
mod invariants;
mod ipadm;
mod ipmgmtd;
mod kernel;
pub mod lab;
mod library;
mod live;
mod machine;
mod model;
mod ndd;
mod ndd_old;
mod ndd_wrapper;
mod number;
mod ofmt;
mod program;
mod proto;
mod public;
mod said;
mod show_prop;
mod table;

pub use doors::{SunDoors, SunHost};
pub use fault::{Fault, Switch};
pub use guest::{Everything, Guest, MANIFESTS};
pub use machine::Machine;
pub use model::{Model, Setup, Zone};
pub use program::{UNMODELLED, run};
