//! What the fuzzers run: the very functions that `tests/tests/fuzzing.rs` runs as properties.

#![forbid(unsafe_code)]
#![allow(clippy::must_use_candidate)]

#[path = "../../tests/src/fuzzing/mod.rs"]
pub mod fuzzing;
