//! tune-report
