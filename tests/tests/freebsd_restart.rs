//! What `tune` says of FreeBSD's next boot is what the fake's restart makes of the files.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // the counts are part of the result

use std::collections::BTreeSet;

use tune_model::{Catalog, Readings, System};
use tune_tests::freebsd::matrix::compare;
use tune_tests::freebsd::{FakeFreeBsd, Home, Model, Release, tree};

/// What to put into which file.
type Files<'a> = &'a [(&'a str, &'a str)];

const SYSCTL: &str = "/etc/sysctl.conf";
const LOCAL: &str = "/etc/sysctl.conf.local";
const LOADER: &str = "/boot/loader.conf";
const LOADER_D: &str = "/boot/loader.conf.d/site.conf";
const LOADER_LOCAL: &str = "/boot/loader.conf.local";
const RC: &str = "/etc/rc.conf";

const TREES: &[Files<'static>] = &[
    &[],
    &[(SYSCTL, "net.inet.tcp.keepidle=600000\n"), (LOCAL, "net.inet.tcp.keepidle=700000\n")],
    &[(SYSCTL, "net.inet.tcp.finwait2_timeout=15\nnet.inet.tcp.keepintvl=5\nnet.inet.tcp.msl=0\n")],
    &[(SYSCTL, "net.inet.tcp.finwait2_timeout=15\n"), (LOADER, "kern.hz=\"1000\"\n")],
    &[(LOADER, "net.inet.tcp.finwait2_timeout=\"15000\"\nkern.ipc.nmbclusters=\"65536\"\n")],
    &[(RC, "tcp_keepalive=\"NO\"\n")],
    &[(RC, "tcp_keepalive=\"NO\"\n"), (SYSCTL, "net.inet.tcp.always_keepalive=1\n")],
    &[(RC, "tcp_drop_synfin=\"YES\"\ntcp_extensions=\"NO\"\nlog_in_vain=\"1\"\n")],
    &[(RC, "ip_portrange_first=\"500\"\nip_portrange_last=\"60000\"\n")],
    &[(SYSCTL, "net.inet.ip.portrange.first=80\nnet.inet.ip.portrange.last=99999\n")],
    &[(SYSCTL, "net.inet.ip.portrange.lowfirst=2000\nnet.inet.ip.portrange.lowlast=0\n")],
    &[(SYSCTL, "kern.ipc.nmbclusters=200000\n"), (LOCAL, "kern.ipc.nmbclusters=150000\n")],
    &[(SYSCTL, "kern.ipc.nmbclusters=900000\nkern.ipc.nmbjumbop=100000\n")],
    &[(SYSCTL, "kern.ipc.nmbclusters=900000\nkern.ipc.nmbjumbop=100000\nkern.ipc.nmbufs=2000000\n")],
    &[(SYSCTL, "kern.ipc.nmbufs=2000000\nkern.ipc.nmbclusters=900000\nkern.ipc.nmbjumbop=100000\n")],
    &[(SYSCTL, "kern.ipc.nmbclusters=900000\nkern.ipc.nmbclusters=900001\n")],
    &[(LOADER, "kern.ipc.nmbclusters=\"400000\"\n"), (SYSCTL, "kern.ipc.nmbclusters=300000\n")],
    &[(LOADER, "kern.ipc.nmbclusters=\"2000000\"\nkern.ipc.nmbufs=\"100\"\n")],
    &[(LOADER, "kern.ipc.nmbufs=\"3000000\"\n")],
    &[(LOADER, "kern.ipc.maxmbufmem=\"268435456\"\n")],
    &[(LOADER, "kern.ipc.maxmbufmem=\"99999999999\"\n")],
    &[(SYSCTL, "kern.ipc.maxmbufmem=1\nnet.inet.tcp.tcbhashsize=4096\n")],
    &[(LOADER, "net.inet.tcp.tcbhashsize=\"4096\"\n")],
    &[(SYSCTL, "kern.ipc.maxsockets=70000\nkern.maxfiles=200000\n")],
    &[(SYSCTL, "kern.maxfiles=200000\nkern.ipc.maxsockets=70000\n")],
    &[(SYSCTL, "kern.ipc.maxsockets=70000\n")],
    &[(SYSCTL, "kern.maxfiles=30000\n")],
    &[(LOADER, "kern.maxfiles=\"30000\"\n")],
    &[(LOADER, "kern.maxfiles=\"100000\"\nkern.ipc.maxsockets=\"110000\"\n")],
    &[(LOADER, "kern.maxfiles=\"9999999\"\n")],
    &[(LOADER, "kern.maxfilesperproc=\"5000\"\n")],
    &[(LOADER, "kern.maxusers=\"100\"\n")],
    &[(LOADER, "kern.ipc.maxsockets=\"30000\"\n")],
    &[(LOADER, "net.inet.tcp.syncache.hashsize=\"1024\"\nnet.inet.tcp.syncache.bucketlimit=\"20\"\n")],
    &[(LOADER, "net.inet.tcp.syncache.hashsize=\"1000\"\n")],
    &[(LOADER, "net.inet.tcp.syncache.cachelimit=\"9000\"\n")],
    &[
        (LOADER, "kern.ipc.nmbclusters=\"300000\"\n"),
        (LOADER_D, "kern.ipc.nmbclusters=\"310000\"\n"),
        (LOADER_LOCAL, "kern.ipc.nmbclusters=\"320000\"\n"),
    ],
    &[(LOADER_D, "kern.ipc.nmbclusters=\"310000\"\n"), ("/boot/loader.conf.d/README", "kern.hz=\"1000\"\n")],
    &[("/boot/device.hints", "kern.ipc.nmbclusters=\"310000\"\n")],
    &[(SYSCTL, " net.inet.tcp.keepidle = 0x7530  # hexadecimal\nnet.inet.tcp.keepintvl=030\n")],
    &[(
        SYSCTL,
        "net.inet.tcp.keepidle:600000\nnet.inet.tcp.keepinit=\"20000\" # said\n# net.inet.tcp.msl=10\n",
    )],
    &[(SYSCTL, "net.inet.tcp.keepcnt=abc\nnet.inet.tcp.keepidle=30s\nnet.inet.tcp.keepinit=\n")],
    &[(SYSCTL, "net.inet.tcp.nosuch=1\nnet.inet.tcp.keepidle=600000\nnet.inet.tcp\n")],
    &[(SYSCTL, "kern.ipc.somaxconn=4096\n"), (LOCAL, "kern.ipc.soacceptqueue=0\n")],
    &[(SYSCTL, "net.inet.tcp.maxtcptw=10\n")],
    &[(SYSCTL, "net.inet.tcp.maxtcptw=5000\n")],
    &[(LOADER, "net.inet.tcp.maxtcptw=\"5000\"\n")],
    &[(SYSCTL, "net.inet.tcp.nolocaltimewait=17\nnet.inet.tcp.keepcnt=-1\n")],
    &[(SYSCTL, "kern.ipc.maxsockbuf=100\n"), (LOCAL, "kern.ipc.maxsockbuf=4194304\n")],
    &[(SYSCTL, "net.inet.tcp.mssdflt=100\nnet.inet.tcp.syncache.rexmtlimit=13\nnet.inet.tcp.retries=13\n")],
    &[(SYSCTL, "net.inet.tcp.finwait2_timeout=4294967296\nnet.inet.tcp.keepidle=4294967297000\n")],
    &[(SYSCTL, "net.inet.tcp.sendspace=-5\nnet.inet.tcp.keepcnt=99999999999\n")],
    &[(SYSCTL, "net.inet.tcp.keepidle=600000")],
    &[(SYSCTL, "net.inet.tcp.maxunacktime=100000\nnet.inet.tcp.maxunacktime=0\n")],
];

fn foretold(home: &Home) -> Readings {
    let machine = FakeFreeBsd::at(home.clone());
    let backend = tune_engine::backend_for(&machine).unwrap();
    let names: BTreeSet<String> = Catalog::of(System::FreeBsd).iter().map(|row| row.name.clone()).collect();
    backend.read(&machine, &names, &Default::default())
}

/// Puts files in, restarts, and tells where what was foretold did not come.
fn attempt(release: Release, files: Files<'_>, counts: &mut [usize; 2]) -> Result<(), String> {
    let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let home = Home::install(directory.path(), Model::of(release));
    for (name, text) in files {
        tree::put(&home.root(), name, text);
    }
    let foretold = foretold(&home);
    home.reboot()?;
    compare(&foretold, &FakeFreeBsd::at(home.clone()), counts)
}

#[test]
fn every_tree_starts_as_foretold() {
    let (mut counts, mut wrong) = ([0; 2], Vec::new());
    for release in Release::ALL {
        for files in TREES {
            if let Err(what) = attempt(*release, files, &mut counts) {
                wrong.push(format!("{release:?} {files:?}: {what}"));
            }
        }
    }
    println!("{} values foretold, {} not", counts[0], counts[1]);
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
}

/// A pseudorandom sequence (a multiplicative congruential generator, Lehmer's).
struct Lehmer(u64);

impl Lehmer {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0 * 48_271 % 2_147_483_647;
        usize::try_from(self.0).unwrap() % bound
    }

    fn pick<'t>(&mut self, from: &[&'t str]) -> &'t str {
        from[self.below(from.len())]
    }
}

const NAMES: &[&str] = &[
    "kern.ipc.nmbclusters",
    "kern.ipc.nmbclusters",
    "kern.ipc.nmbjumbop",
    "kern.ipc.nmbjumbo9",
    "kern.ipc.nmbufs",
    "kern.ipc.nmbufs",
    "kern.ipc.maxmbufmem",
    "kern.ipc.maxsockets",
    "kern.maxfiles",
    "kern.maxfilesperproc",
    "kern.ipc.soacceptqueue",
    "kern.ipc.somaxconn",
    "kern.ipc.maxsockbuf",
    "kern.hz",
    "net.inet.tcp.finwait2_timeout",
    "net.inet.tcp.fast_finwait2_recycle",
    "net.inet.tcp.keepidle",
    "net.inet.tcp.keepintvl",
    "net.inet.tcp.keepcnt",
    "net.inet.tcp.msl",
    "net.inet.tcp.always_keepalive",
    "net.inet.tcp.drop_synfin",
    "net.inet.tcp.rfc1323",
    "net.inet.tcp.log_in_vain",
    "net.inet.tcp.maxtcptw",
    "net.inet.tcp.nolocaltimewait",
    "net.inet.tcp.syncache.hashsize",
    "net.inet.tcp.syncache.cachelimit",
    "net.inet.tcp.tcbhashsize",
    "net.inet.ip.portrange.first",
    "net.inet.ip.portrange.last",
    "net.inet.ip.portrange.lowlast",
    "net.inet.tcp.nosuch",
];
const VALUES: &[&str] = &[
    "0",
    "1",
    "2",
    "5",
    "15",
    "31",
    "100",
    "512",
    "1000",
    "1024",
    "4096",
    "15000",
    "30000",
    "65536",
    "100000",
    "131072",
    "200000",
    "300000",
    "900000",
    "1200000",
    "2000000",
    "67108864",
    "268435456",
    "4194304",
];
const SPELT: &[&str] =
    &["0x7530", "030", "-1", "abc", "2147483647", "2147483648", "99999999999", "+500", "30s"];
const FILES: &[&str] = &[SYSCTL, SYSCTL, SYSCTL, LOCAL, LOCAL, LOADER, LOADER, LOADER_D, LOADER_LOCAL, RC];
const OF_RC: &[&str] = &[
    "tcp_keepalive=\"NO\"\n",
    "tcp_keepalive=\"YES\"\n",
    "tcp_drop_synfin=\"YES\"\n",
    "tcp_extensions=\"NO\"\n",
    "log_in_vain=\"1\"\n",
    "ip_portrange_first=\"2000\"\n",
    "ip_portrange_last=\"80\"\n",
];

/// Returns files with lines that have much to do with each other.
fn thrown(dice: &mut Lehmer) -> Vec<(&'static str, String)> {
    let mut files: Vec<(&str, String)> = Vec::new();
    for _ in 0..=dice.below(8) {
        let file = dice.pick(FILES);
        let (name, value) = (dice.pick(NAMES), dice.pick(VALUES));
        let line = match file {
            RC => dice.pick(OF_RC).to_owned(),
            SYSCTL | LOCAL if dice.below(6) == 0 => format!("{name}={}\n", dice.pick(SPELT)),
            SYSCTL | LOCAL => format!("{name}={value}\n"),
            _ => format!("{name}=\"{value}\"\n"),
        };
        match files.iter_mut().find(|(there, _)| *there == file) {
            Some((_, text)) => text.push_str(&line),
            None => files.push((file, line)),
        }
    }
    files
}

#[test]
fn trees_thrown_together_start_as_foretold() {
    const TREES: usize = 600;
    let (mut counts, mut unknown, mut wrong) = ([0; 2], 0, Vec::new());
    let mut dice = Lehmer(20_261_122);
    for at in 0..TREES {
        let files = thrown(&mut dice);
        let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let release = Release::ALL[at % Release::ALL.len()];
        match attempt(release, &files, &mut counts) {
            Err(what) if what.contains("the fake FreeBSD does not know") => unknown += 1,
            Err(what) => wrong.push(format!("{release:?} {files:?}: {what}")),
            Ok(()) => {}
        }
    }
    println!(
        "{TREES} trees, {unknown} unknown to the fake: {} values foretold, {} not",
        counts[0], counts[1]
    );
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
    assert!(unknown < TREES / 3 && counts[0] > counts[1] * 20, "{unknown} {counts:?}");
}
