//! tune-model
