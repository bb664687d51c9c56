//! What is read from profiles, and how mistakes in them are reported.

#![allow(clippy::unwrap_used)]
use super::testing::{MISTAKES, catalogs, mistake, mistakes, only, profile};
use super::{Bound, InMemory, Scale, Wanted, check};
use crate::quantity::Quantity;

const TEN: &str = r#"name = "q"
sumary = "misspelt"

[settings."tcp.fin_wait2_timeout"]
exactly = "30s"

[settings."tcp.keepalive_idle"]
at_least = "10 parsecs"
severity = "urgent"

[settings."tcp.listen_backlog"]
exactly = 100
at_most = 200

[settings."tcp.syn_backlog"]
at_least = 300
at_most = 200

[linux.sysctl]
"net.ipv4.tcp_tw_recycle" = 1
"net.ipv4.tcp_mem" = 4096
"kernel.panic" = { exactly = 1, uncatalogued = true }
"#;

#[test]
fn ten_mistakes_are_all_reported_where_they_are() {
    let found = check(&InMemory::default().with("p", TEN), catalogs, "p").unwrap();
    let shown: Vec<_> = found
        .iter()
        .map(|found| format!("{}:{}: {}", found.origin.line, found.origin.column, found.message))
        .collect();
    assert_eq!(
        shown,
        [
            "1:8: the name \"q\" differs from that of the file, \"p\"",
            "2:1: unknown key \"sumary\"",
            "4:11: unknown setting \"tcp.fin_wait2_timeout\"",
            "8:12: the text \"10 parsecs\" is not a duration such as \"30s\" or \"10min\"",
            "9:12: unknown severity \"urgent\"",
            "12:11: exactly stands together with at_most (line 13)",
            "16:12: no tcp.syn_backlog satisfies both bounds: at_least 300, at_most 200 (line 17)",
            "20:1: net.ipv4.tcp_tw_recycle was removed in Linux 4.12, as it broke clients behind address \
             translation",
            "21:22: expected 3 values, a list or a text such as \"1GiB 2GiB 3GiB\", found the number 4096",
            "22:1: unknown tunable \"kernel.panic\" on linux",
        ]
    );
}

#[test]
fn mistakes_are_shown_with_their_line_and_the_nearest_name() {
    let shown = mistakes("[settings.\"tcp.fin_wait2_timeout\"]\nexactly = \"30s\"").to_string();
    let expected = "\
p.toml:2:11: unknown setting \"tcp.fin_wait2_timeout\"
  |
2 | [settings.\"tcp.fin_wait2_timeout\"]
  |           ^^^^^^^^^^^^^^^^^^^^^^^
  = help: did you mean \"tcp.fin_wait_2_timeout\"?";
    assert_eq!(shown, expected);
}

#[test]
fn broken_toml_is_reported_together_with_the_rest() {
    let found = mistakes("summary = \n[settings.\"tcp.listen_backlog\"]\nat_mots = 5\nat_most = 9\n[oops\n");
    let lines: Vec<_> = found.iter().map(|found| found.origin.line).collect();
    assert_eq!(lines, [2, 4, 6], "{found}");
}

#[test]
fn each_mistake_has_its_message() {
    let mut wrong = Vec::new();
    for &(body, line, column, message, help) in MISTAKES {
        let (at, from, found, hint) = mistake(body);
        assert!(found.contains(message) && hint.contains(help), "{body}\n{found}\n{hint}");
        wrong.extend(((at, from) != (line, column)).then(|| format!("{at}:{from}: {body}")));
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn names_must_name_a_file() {
    for name in ["", "-", "../x", "a/b", ".x", "x\\u001b", "a b"] {
        let found =
            check(&InMemory::default().with("p", &format!("name = \"{name}\"")), catalogs, "p").unwrap();
        assert!(found.0[0].message.contains("cannot be the name"), "{found}");
    }
    let found = check(&InMemory::default().with("p", "summary = \"x\""), catalogs, "p").unwrap();
    assert_eq!(found.0[0].message, "the profile has no name");
    assert_eq!(found.0[0].help.as_deref(), Some("add: name = \"p\""));
}

#[test]
fn a_field_stated_twice_is_a_mistake() {
    let body = "[linux.sysctl]\n\"net.ipv4.tcp_rmem[2]\" = 8192\n\"net.ipv4.tcp_rmem[max]\" = 8192";
    let (line, _, message, _) = mistake(body);
    assert_eq!((line, message.as_str()), (4, "net.ipv4.tcp_rmem[2] is already stated in line 3"));
    let (_, _, message, _) = mistake("settings.\"tcp.syn_backlog\" = 5\nsettings.\"tcp.syn_backlog\" = 6");
    assert_eq!(message, "duplicate key");
}

#[test]
fn values_are_read_in_every_form() {
    let fixed = |value| Some(Bound::Fixed(value));
    for (body, at_least) in [
        ("settings.\"tcp.keepalive_idle\" = \"10min\"", fixed(Quantity::Duration(600_000))),
        ("settings.\"tcp.keepalive_default_on\" = true", fixed(Quantity::Switch(true))),
        ("settings.\"net.max_sockets\".at_least = 65_536", fixed(Quantity::Count(65_536))),
        ("settings.\"net.tcp_memory_limit\".at_least = \"1GiB\"", fixed(Quantity::Bytes(1 << 30))),
        ("linux.sysctl.\"net.ipv4.tcp_fin_timeout\" = 30", fixed(Quantity::Native(30))),
        ("linux.sysctl.\"net.ipv4.tcp_rmem[max]\" = 8192", fixed(Quantity::Native(8192))),
        ("linux.sysctl.\"net.ipv4.tcp_mem[2]\" = \"131072 pages\"", fixed(Quantity::Native(131_072))),
        ("linux.sysctl.\"net.ipv4.tcp_mem[2]\" = \"512MiB\"", Some(Bound::PagesOf { bytes: 512 << 20 })),
        (
            "linux.sysctl.\"net.ipv4.ip_local_reserved_ports\" = \"8080,9000-9010\"",
            fixed(Quantity::Text("8080,9000-9010".into())),
        ),
        (
            "linux.sysctl.\"net.ipv4.foo\" = { exactly = -1, uncatalogued = true }",
            fixed(Quantity::Native(-1)),
        ),
    ] {
        let Wanted::Within { at_least: found, .. } = only(body).wanted else { panic!("{body}") };
        assert_eq!(found, at_least, "{body}");
    }
    assert_eq!(only("settings.\"tcp.keepalive_idle\" = \"vendor-default\"").wanted, Wanted::VendorDefault);
}

#[test]
fn the_bare_name_of_a_triple_states_every_field() {
    for value in ["\"4096 131072 6291456\"", "[4096, 131_072, 6291456]"] {
        let requirements = profile(&format!("linux.sysctl.\"net.ipv4.tcp_rmem\" = {value}")).requirements;
        let shown: Vec<_> = requirements.iter().map(|found| found.subject.to_string()).collect();
        assert_eq!(shown, ["net.ipv4.tcp_rmem[0]", "net.ipv4.tcp_rmem[1]", "net.ipv4.tcp_rmem[2]"]);
    }
    for value in ["\"1GiB 2GiB 3GiB\"", "\"4096 8192 9000 pages\"", "[\"1GiB\", \"2GiB\", \"900000 pages\"]"]
    {
        assert_eq!(profile(&format!("linux.sysctl.\"net.ipv4.tcp_mem\" = {value}")).requirements.len(), 3);
    }
}

#[test]
fn a_system_without_a_catalog_takes_integers_below_its_prefixes() {
    assert!(mistakes("freebsd.sysctl.\"net.inet.tcp.msl\" = 15000").is_empty());
    assert!(mistakes("solaris.ipadm.tcp.\"_rexmit_interval_min\".at_least = 400").is_empty());
    assert_eq!(mistakes("freebsd.sysctl.\"kern.maxproc\" = 15000").0.len(), 1);
}

const VALID: &str = r#"name = "p"
extends = []
[settings."tcp.fin_wait_2_timeout"]
at_most = "30s"
why = "é"
[settings."net.mbuf_clusters"]
at_least = { per_gib_of_ram = 16384, min = 65536 }
optional = true
[linux.sysctl]
"net.ipv4.tcp_rmem" = "4096 5000 6000"
"#;

fn never_panics(text: &str) {
    if let Ok(found) = check(&InMemory::default().with("p", text), catalogs, "p") {
        assert!(found.to_string().chars().all(|c| c == '\n' || !c.is_control()));
    }
}

#[test]
fn deep_texts_do_not_exhaust_the_stack() {
    for text in [
        format!("{}a = 1", "a.".repeat(100_000)),
        format!("[{}a]", "a.".repeat(100_000)),
        format!("a = {}", "[".repeat(100_000)),
        format!("a = {}", "{a=".repeat(100_000)),
        format!("{}[x]\nb = 1", "[[a]]\n".repeat(100_000)),
        "\"net.ipv4.x\" = 1\n".repeat(5_000),
        format!("settings = {{ {}b = 1 }}", (0..30_000).map(|at| format!("x{at} = 1, ")).collect::<String>()),
    ] {
        never_panics(&text);
    }
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC*|[a-z\\[\\]=\"{}.\n\r\t\u{1b}#'0-9 ]*") {
        never_panics(&text);
    }

    #[test]
    fn a_damaged_profile_is_read_or_refused(
        at in 0..VALID.len(), cut in 0usize..40, paste in "[\\[\\]=\"{}.,\n0-9a-z\u{1b}é]{0,8}",
    ) {
        let from = VALID.floor_char_boundary(at);
        let to = VALID.floor_char_boundary((at + cut).min(VALID.len()));
        never_panics(&format!("{}{paste}{}", &VALID[..from], &VALID[to..]));
    }
}

#[test]
fn no_amount_of_memory_overflows_a_scaled_bound() {
    let each = Quantity::Bytes(u64::MAX);
    let bound = Bound::PerGibOfRam { each: each.clone(), min: None, max: None };
    let wanted = Wanted::Within { at_least: Some(bound), at_most: None, prefer: None };
    let limits = wanted.limits(Scale { ram: u64::MAX, page: 4096 }).unwrap();
    assert_eq!(limits.at_least, Some(each));
}
