//! The only door from `tune` to the machine.

pub mod files;

pub use files::{FileError, FileKind, Files, MemoryFiles, Overlay, RootedFiles};
