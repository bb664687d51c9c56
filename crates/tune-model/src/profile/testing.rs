//! A small catalog and short ways to try profiles, for the tests beside.

#![allow(clippy::unwrap_used)]

use std::sync::LazyLock;

use super::{Diagnostics, InMemory, Profile, ProfileError, Requirement, Resolved, check, resolve};
use crate::catalog::Catalog;
use crate::system::System;

const ROWS: &str = r#"
[[tunable]]
name = "net.ipv4.tcp_fin_timeout"
meaning = "Wait."
unit = "s"
accepted = [[-100, 4000]]
allowed = [[1, 3600]]
unsafe_values = "a timer of 0 never runs out"
scope = "netns"
mutability = "live"
takes_hold = "new-closes"
source = "test"

[[tunable]]
name = "net.ipv4.tcp_rmem"
meaning = "Buffers."
unit = "bytes"
fields = ["min", "default", "max"]
accepted = [[1, 2147483647], [1, 2147483647], [1, 2147483647]]
allowed = [[4096, 2147483647], [4096, 2147483647], [4096, 1073741824]]
scope = "netns"
mutability = "live"
takes_hold = "new-connections"
source = "test"

[[tunable]]
name = "net.ipv4.tcp_mem"
meaning = "Memory."
unit = "pages"
fields = ["low", "pressure", "max"]
allowed = [[1024, 4294967296], [1024, 4294967296], [1024, 4294967296]]
scope = "host"
mutability = "live"
takes_hold = "all-connections"
source = "test"

[[tunable]]
name = "net.ipv4.ip_local_reserved_ports"
meaning = "Ports."
unit = "list"
scope = "netns"
mutability = "live"
takes_hold = "new-connections"
source = "test"
"#;

/// A Linux catalog of four rows; the other systems have none.
pub(super) fn catalogs(system: System) -> &'static Catalog {
    static LINUX: LazyLock<Catalog> = LazyLock::new(|| Catalog::parse(ROWS));
    match system {
        System::Linux => &LINUX,
        other => Catalog::of(other),
    }
}

/// Resolves the profile `p` of a library for Linux.
pub(super) fn on_linux(library: &InMemory) -> Result<Resolved, ProfileError> {
    resolve(library, catalogs, "p", System::Linux)
}

/// Resolves a profile whose body is given.
pub(super) fn profile(body: &str) -> Profile {
    let library = InMemory::default().with("p", &format!("name = \"p\"\n{body}"));
    let Resolved { profile, refused, .. } = on_linux(&library).unwrap_or_else(|error| panic!("{error}"));
    assert!(refused.is_empty(), "{refused}");
    profile
}

/// Returns the only requirement of a profile whose body is given.
pub(super) fn only(body: &str) -> Requirement {
    let mut requirements = profile(body).requirements;
    assert_eq!(requirements.len(), 1, "{requirements:#?}");
    requirements.remove(0)
}

/// Returns all that is wrong with a profile whose body, from line 2 on, is given.
pub(super) fn mistakes(body: &str) -> Diagnostics {
    let library = InMemory::default().with("p", &format!("name = \"p\"\n{body}"));
    check(&library, catalogs, "p").unwrap()
}

/// Returns the only mistake in a profile whose body is given: line, column, message and help.
pub(super) fn mistake(body: &str) -> (u32, u32, String, String) {
    let mut found = mistakes(body).0;
    assert_eq!(found.len(), 1, "{}", Diagnostics(found));
    let found = found.remove(0);
    (found.origin.line, found.origin.column, found.message, found.help.unwrap_or_default())
}
