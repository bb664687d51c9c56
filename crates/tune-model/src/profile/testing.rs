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
accepted = [[0, 65535]]
allowed = [[1024, 65535]]
scope = "netns"
mutability = "live"
takes_hold = "new-connections"
source = "test"
"#;

/// A Linux catalog of four rows, and the real ones of the other systems.
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

/// Bodies with one mistake each: line, column, and parts of the message and of the help.
pub(super) const MISTAKES: &[(&str, u32, u32, &str, &str)] = &[
    (
        "[settings.tcp]\nkeepalive_idle = \"1h\"",
        2,
        11,
        "unknown setting \"tcp\"",
        "needs quotes: [settings.\"tcp.keepalive_idle\"]",
    ),
    (
        "settings.\"net.ipv4.tcp_fin_timeout\" = 5",
        2,
        10,
        "unknown setting",
        "[linux.sysctl.\"net.ipv4.tcp_fin_timeout\"]",
    ),
    (
        "settings.\"tcp.keepalive_idle\" = 600",
        2,
        33,
        "expected a duration such as \"30s\" or \"10min\", found the number 600",
        "\"600s\"",
    ),
    ("settings.\"net.tcp_memory_limit\" = 600", 2, 35, "expected a size", "\"600B\""),
    ("settings.\"tcp.listen_backlog\" = \"600\"", 2, 33, "expected a whole number", "without quotes: 600"),
    ("settings.\"tcp.listen_backlog\" = -1", 2, 33, "the number -1 is not", ""),
    ("settings.\"tcp.listen_backlog\" = 1.5", 2, 33, "found a fraction", ""),
    ("settings.\"tcp.listen_backlog\" = 99999999999999999999", 2, 33, "is not a whole number", ""),
    ("settings.\"tcp.keepalive_default_on\" = \"on\"", 2, 39, "expected true or false", "without quotes"),
    (
        "settings.\"tcp.keepalive_default_on\" = { at_least = true }",
        2,
        52,
        "at_least asks for more or less",
        "use exactly",
    ),
    ("settings.\"tcp.ephemeral_ports\" = \"9-5\"", 2, 34, "is not a port range", ""),
    (
        "settings.\"tcp.listen_backlog\" = { exactly = { per_gib_of_ram = 5 } }",
        2,
        45,
        "exactly cannot scale",
        "at_least and at_most",
    ),
    (
        "settings.\"tcp.listen_backlog\" = { at_least = { per_gib_of_ram = 0 } }",
        2,
        65,
        "0 is no amount to scale with",
        "",
    ),
    (
        "settings.\"tcp.listen_backlog\" = { at_least = { min = 5 } }",
        2,
        46,
        "at_least scales with nothing",
        "add per_gib_of_ram",
    ),
    (
        "settings.\"tcp.listen_backlog\" = { at_least = { per_gib_of_ram = 5, min = 9, max = 8 } }",
        2,
        83,
        "max 8 is below min 9",
        "",
    ),
    (
        "settings.\"tcp.listen_backlog\" = { at_least = { per_gib_of_ram = 5, most = 9 } }",
        2,
        68,
        "unknown key \"most\"",
        "per_gib_of_ram, min, max",
    ),
    (
        "settings.\"tcp.listen_backlog\" = { per_gib_of_ram = 5 }",
        2,
        35,
        "no requirement by itself",
        "at_least =",
    ),
    (
        "settings.\"tcp.listen_backlog\" = { at_most = \"vendor-default\" }",
        2,
        45,
        "does not take \"vendor-default\"",
        "only exactly",
    ),
    (
        "settings.\"tcp.listen_backlog\" = { remove = true, why = \"x\" }",
        2,
        44,
        "remove stands together",
        "alone",
    ),
    ("settings.\"tcp.listen_backlog\" = { remove = false }", 2, 44, "remove takes only true", ""),
    (
        "settings.\"tcp.listen_backlog\" = { exactly = 5, optional = 1 }",
        2,
        59,
        "optional takes true or false, found the number 1",
        "",
    ),
    (
        "settings.\"tcp.listen_backlog\" = { exactly = 5, uncatalogued = true }",
        2,
        63,
        "for native tunables",
        "",
    ),
    ("settings.\"tcp.listen_backlog\" = { why = \"x\" }", 2, 10, "asks for nothing", "add exactly"),
    (
        "settings.\"tcp.listen_backlog\" = { at_most = 5, prefer = 6 }",
        2,
        57,
        "prefer is outside the bounds, at most 5",
        "",
    ),
    (
        "settings.\"tcp.listen_backlog\" = 0",
        2,
        33,
        "0 for tcp.listen_backlog",
        "--allow-unsafe tcp.listen_backlog",
    ),
    ("settings.\"tcp.ephemeral_ports\" = \"1000-2000\"", 2, 34, "ports below 1024", "--allow-unsafe"),
    ("settings.\"tcp.ephemeral_ports\" = \"0-2000\"", 2, 34, "no port 0", ""),
    (
        "extends = \"baseline\"",
        2,
        11,
        "extends takes a list of profile names, such as [\"baseline\"], found the text",
        "",
    ),
    ("summary = 5", 2, 11, "summary takes a text, found the number 5", ""),
    ("linux = 5", 2, 9, "linux takes a table", ""),
    ("linux.ipadm.tcp.x = 5", 2, 7, "unknown key \"ipadm\"", "settings, sysctl"),
    ("solaris.ipadm.tpc.x = 5", 2, 15, "unknown protocol \"tpc\"", "expected one of: tcp, udp"),
    (
        "linux.sysctl.\"net.ipv4.tcp_fin_timeuot\" = 5",
        2,
        14,
        "net.ipv4.tcp_fin_timeuot is not in the catalog",
        "did you mean \"net.ipv4.tcp_fin_timeout\"?",
    ),
    ("linux.sysctl.\"net.ipv4.../x\" = 5", 2, 14, "unknown tunable", ""),
    (
        "linux.sysctl.\"tcp.listen_backlog\" = 5",
        2,
        14,
        "unknown tunable",
        "[linux.settings.\"tcp.listen_backlog\"]",
    ),
    ("linux.sysctl.\"net.ipv4.tcp_rmem[max\" = 5", 2, 14, "unknown tunable", ""),
    ("linux.sysctl.\"net.ipv4.tcp_rmem[3]\" = 5", 2, 14, "no field \"3\"", "0 to 2: min, default, max"),
    ("linux.sysctl.\"net.ipv4.tcp_fin_timeout[0]\" = 5", 2, 14, "no field \"0\"", "leave the brackets out"),
    ("linux.sysctl.\"net.ipv4.tcp_rmem\" = \"4096 5000\"", 2, 36, "expected 3 values", "tcp_rmem[2]"),
    (
        "linux.sysctl.\"net.ipv4.tcp_rmem\" = { at_least = { per_gib_of_ram = 5 } }",
        2,
        49,
        "is for one field",
        "net.ipv4.tcp_rmem[0]",
    ),
    ("linux.sysctl.\"net.ipv4.tcp_mem[2]\" = 5", 2, 38, "expected an amount of memory", "\"5 pages\""),
    ("linux.sysctl.\"net.ipv4.tcp_mem[2]\" = \"5\"", 2, 38, "is not an amount of memory", "\"5 pages\""),
    (
        "linux.sysctl.\"net.ipv4.tcp_mem[2]\" = \"64000001B\"",
        2,
        38,
        "no whole number of pages",
        "the nearest are",
    ),
    (
        "linux.sysctl.\"net.ipv4.tcp_mem[2]\" = \"1MiB\"",
        2,
        38,
        "1MiB is outside of what a profile may ask",
        "",
    ),
    (
        "linux.sysctl.\"net.ipv4.tcp_fin_timeout\" = 0",
        2,
        43,
        "outside of what a profile may ask of net.ipv4.tcp_fin_timeout: 1 to 3600",
        "never runs out; --allow-unsafe",
    ),
    ("linux.sysctl.\"net.ipv4.tcp_fin_timeout\" = 4001", 2, 43, "outside of what the kernel takes", ""),
    ("linux.sysctl.\"net.ipv4.ip_local_reserved_ports\" = 80", 2, 51, "expected a text", ""),
    ("linux.sysctl.\"net.ipv4.ip_local_reserved_ports\" = \"80\\nx=1\"", 2, 51, "printable ASCII", ""),
    (
        "linux.sysctl.\"net.ipv4.ip_local_reserved_ports\" = \"http\"",
        2,
        51,
        "the text \"http\" is no list",
        "",
    ),
    (
        "linux.sysctl.\"net.ipv4.ip_local_reserved_ports\" = \"8080,80-99\"",
        2,
        51,
        "80 is outside of what a profile may ask",
        "--allow-unsafe",
    ),
    (
        "linux.sysctl.\"net.ipv4.ip_local_reserved_ports\" = \"80-70000\"",
        2,
        51,
        "70000 is outside of what the kernel takes",
        "",
    ),
    (
        "linux.sysctl.\"net.ipv4.ip_local_reserved_ports\" = { at_most = \"80\" }",
        2,
        63,
        "neither",
        "use exactly",
    ),
];
