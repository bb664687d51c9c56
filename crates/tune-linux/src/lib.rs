//! Linux for `tune`.

pub mod boot;
