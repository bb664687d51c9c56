//! Linux.
mod settings;
