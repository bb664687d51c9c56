//! tune-linux
