//! tune-transaction
