//! Holds profiles against a host and plans the changes.

pub mod findings;
pub mod subject;
pub mod wish;
