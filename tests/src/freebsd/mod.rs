//! A FreeBSD host for tests: a kernel with recorded values and the rules of the real one, its boot, and its files.
//!
//! It is written from what was recorded and from what the sources of the kernels say, and knows nothing of how `tune`
//! computes the same things: where the two differ, one of them is wrong. What it does not know it refuses in words
//! that say so; nothing succeeds by being unknown.

pub mod cases;
pub mod guest;
pub mod home;
pub mod kernel;
pub mod loader;
pub mod machine;
pub mod matrix;
pub mod rc;
mod rules;
mod start;
pub mod table;
pub mod tool;
pub mod tree;

pub use guest::Guest;
pub use home::{Home, Model};
pub use kernel::{Caller, Cause, Jail, Kernel, Refusal};
pub use machine::{FakeDoors, FakeFreeBsd};
pub use table::Release;
