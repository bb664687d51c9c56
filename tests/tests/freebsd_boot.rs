//! What the next boot is said to make, against a fake host that is started anew.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // the counts are part of the result

use std::cell::Cell;
use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tune_freebsd::FreeBsd;
use tune_host::{Backend, Host};
use tune_model::claim::ScopeClaims;
use tune_tests::freebsd::{FakeFreeBsd, Home, Model, Release, tree};

const NAMES: [&str; 14] = [
    "net.inet.tcp.finwait2_timeout",
    "net.inet.tcp.always_keepalive",
    "net.inet.tcp.keepidle",
    "net.inet.ip.portrange.first",
    "kern.ipc.nmbclusters",
    "kern.ipc.nmbjumbop",
    "kern.ipc.nmbjumbo9",
    "kern.ipc.nmbufs",
    "kern.ipc.maxsockets",
    "kern.maxfiles",
    "kern.ipc.soacceptqueue",
    "net.inet.tcp.keepcnt",
    "kern.ipc.maxmbufmem",
    "net.inet.tcp.syncache.hashsize",
];

fn numbers() -> impl Strategy<Value = String> {
    prop_oneof![
        (0..200_000_i64).prop_map(|n| n.to_string()),
        (100_000..2_000_000_i64).prop_map(|n| n.to_string()),
        Just("030".to_owned()),
        Just("0x7530".to_owned()),
        Just("30s".to_owned()),
        Just("4294967296".to_owned()),
        Just("-1".to_owned()),
    ]
}

fn sysctl() -> impl Strategy<Value = String> {
    let line = (0..NAMES.len(), numbers(), prop_oneof![Just("="), Just(" = "), Just(": ")]);
    let line = line.prop_map(|(at, value, by)| format!("{}{by}{value}\n", NAMES[at]));
    proptest::collection::vec(line, 0..6).prop_map(|lines| lines.concat())
}

fn loader() -> impl Strategy<Value = String> {
    let line =
        (4..NAMES.len(), 1..2_000_000_i64).prop_filter_map("a size is a power of two", |(at, value)| {
            let value = if NAMES[at].ends_with("size") { 1 << (value % 20) } else { value };
            Some(format!("{}=\"{value}\"\n", NAMES[at]))
        });
    let hz = prop_oneof![
        Just("kern.hz=\"1000\"\n".to_owned()),
        Just("kern.hz=\"250\"\n".to_owned()),
        Just(String::new())
    ];
    (proptest::collection::vec(line, 0..5), hz).prop_map(|(lines, hz)| lines.concat() + &hz)
}

fn rc() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(""),
        Just("tcp_keepalive=\"NO\"\n"),
        Just("ip_portrange_first=\"20000\"\n"),
        Just("ip_portrange_first=\"80\"\ntcp_drop_synfin=\"YES\"\n"),
    ]
    .prop_map(str::to_owned)
}

/// What stands in the files of a host.
#[derive(Debug, Clone)]
struct Tree {
    release: Release,
    files: [(&'static str, String); 6],
}

fn trees() -> impl Strategy<Value = Tree> {
    let release = prop_oneof![Just(Release::Thirteen), Just(Release::Fourteen), Just(Release::Fifteen)];
    (release, sysctl(), sysctl(), loader(), loader(), loader(), rc()).prop_map(
        |(release, conf, local, early, late, last, rc)| Tree {
            release,
            files: [
                ("etc/sysctl.conf", conf),
                ("etc/sysctl.conf.local", local),
                ("boot/loader.conf", early),
                ("boot/loader.conf.d/site.conf", late),
                ("boot/loader.conf.local", last),
                ("etc/rc.conf", rc),
            ],
        },
    )
}

/// Returns how many values were foretold, and how many were left open.
fn compare(tree: &Tree) -> Result<(u32, u32), TestCaseError> {
    let directory = tempfile::tempdir().unwrap();
    let home = Home::install(directory.path(), Model::of(tree.release));
    tree.files.iter().for_each(|(path, text)| tree::put(&home.root(), path, text));
    let names: BTreeSet<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
    let host = FakeFreeBsd::at(home.clone());
    let said = FreeBsd::on(&host).read(&host, &names, &ScopeClaims::default());
    if let Err(reason) = home.reboot() {
        return Err(TestCaseError::reject(reason));
    }
    let host = FakeFreeBsd::at(home.clone());
    let (mut foretold, mut open) = (0, 0);
    for name in NAMES {
        let Some(text) = host.read_tunables(&[name]).pop().unwrap().ok() else { continue };
        match &said[name].boot {
            Ok(value) => {
                prop_assert_eq!(value, &text, "{}", name);
                foretold += 1;
            }
            Err(_) => open += 1,
        }
    }
    Ok((foretold, open))
}

#[test]
fn the_boot_makes_what_was_said() {
    const CASES: u32 = 200;
    let (foretold, open) = (Cell::new(0), Cell::new(0));
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let ran = runner.run(&trees(), |tree| {
        let (told, untold) = compare(&tree)?;
        foretold.set(foretold.get() + told);
        open.set(open.get() + untold);
        Ok(())
    });
    ran.unwrap();
    println!("{CASES} trees: {} values foretold, {} left open, no mismatch", foretold.get(), open.get());
    assert!(foretold.get() > 20 * open.get(), "too much is left open");
}
