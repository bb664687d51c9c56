//! tune-engine
