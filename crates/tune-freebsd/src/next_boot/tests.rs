#![allow(clippy::unwrap_used)]
use super::*;
use tune_host::{FakeHost, MemoryFiles};
use tune_model::Unread;
use tune_model::claim::{Holding, TakenOver};

use crate::boot::{Outcome, Stage};

const TIMEOUT: &str = "net.inet.tcp.finwait2_timeout";
const KEEPALIVE: &str = "net.inet.tcp.always_keepalive";
const FIRST: &str = "net.inet.ip.portrange.first";
const CLUSTERS: &str = "kern.ipc.nmbclusters";
const DEFAULTS: &str = "loader_conf_files=\"/boot/device.hints /boot/loader.conf\"\n\
    loader_conf_dirs=\"/boot/loader.conf.d\"\nlocal_loader_conf_files=\"/boot/loader.conf.local\"\n\
    nextboot_conf=\"/boot/nextboot.conf\"\n";
const RC_DEFAULTS: &str = "tcp_keepalive=\"YES\"\ntcp_drop_synfin=\"NO\"\nlog_in_vain=\"0\"\ntcp_extensions=\"YES\"\n\
    ip_portrange_first=\"NO\"\nip_portrange_last=\"NO\"\nrc_conf_files=\"/etc/rc.conf /etc/rc.conf.local\"\n";
/// What the loader says of mbufs, so that nothing about them is left to the machine's memory.
const MBUFS: &str = "kern.ipc.nmbclusters=\"1000\"\nkern.ipc.nmbjumbop=\"500\"\nkern.ipc.nmbjumbo9=\"100\"\n\
    kern.ipc.nmbjumbo16=\"100\"\nkern.ipc.nmbufs=\"10000\"\n";

fn host(files: &[(&str, &str)]) -> MemoryFiles {
    let base = MemoryFiles::default()
        .with("/etc/rc.d/sysctl", "#!/bin/sh\n")
        .with("/etc/rc.d/sysctl_lastload", "#!/bin/sh\n")
        .with("/etc/rc.d/netoptions", "# KEYWORD: nojailvnet\n")
        .with("/etc/defaults/rc.conf", RC_DEFAULTS)
        .with("/boot/defaults/loader.conf", DEFAULTS);
    files.iter().fold(base, |tree, (path, content)| tree.with(path, content))
}

fn ground() -> Ground {
    Ground { hz: 100, page: 4096, virtual_machine: Some(true), release: Some(1_400_097), ..Ground::default() }
}

fn next(files: MemoryFiles) -> NextBoot {
    in_jail(files, Jail::None)
}

fn in_jail(files: MemoryFiles, jail: Jail) -> NextBoot {
    let host = FakeHost::new().with_files(files);
    NextBoot::of(&host, &ScopeClaims::default(), &ground(), jail).unwrap()
}

/// The value and the line of a tunable; `?` and the reason where it cannot be told.
fn told(next: &NextBoot, name: &str) -> (String, String) {
    let found = next.predict(name, Which::AsIs);
    let place = found.source.map(|place| place.to_string()).unwrap_or_default();
    (found.text.unwrap_or_else(|unread| format!("? {unread}")), place)
}

fn value(files: &[(&str, &str)], name: &str) -> String {
    told(&next(host(files)), name).0
}

#[test]
fn the_kernels_defaults_stand_where_no_line_is() {
    let next = next(host(&[]));
    assert_eq!(told(&next, TIMEOUT), ("60000".to_owned(), String::new()));
    let unknown = next.predict("net.inet.tcp.functions_default", Which::AsIs);
    assert!(matches!(unknown.text, Err(Unread::Computed(_))));
    assert!(next.notes(TIMEOUT).is_empty());
}

#[test]
fn each_file_of_sysctl_has_its_say_and_the_last_line_wins() {
    for (conf, local, value, place) in [
        ("net.inet.tcp.finwait2_timeout=30000\n", "", "30000", "/etc/sysctl.conf:1"),
        (
            "net.inet.tcp.finwait2_timeout=30000\n",
            "net.inet.tcp.finwait2_timeout=20000",
            "20000",
            "/etc/sysctl.conf.local:1",
        ),
        (
            "net.inet.tcp.finwait2_timeout=1000\nnet.inet.tcp.finwait2_timeout=2000\n",
            "",
            "2000",
            "/etc/sysctl.conf:2",
        ),
        // Kept by ticks of 10 ms.
        ("net.inet.tcp.finwait2_timeout=60001\n", "", "60000", "/etc/sysctl.conf:1"),
        ("net.inet.tcp.finwait2_timeout=2147483647\n", "", "2147483640", "/etc/sysctl.conf:1"),
        // As sysctl(8) reads numbers.
        ("net.inet.tcp.finwait2_timeout=0x7530\n", "", "30000", "/etc/sysctl.conf:1"),
        ("net.inet.tcp.finwait2_timeout=030\n", "", "20", "/etc/sysctl.conf:1"),
        ("net.inet.tcp.finwait2_timeout=\"30000\" # quoted\n", "", "30000", "/etc/sysctl.conf:1"),
        // Refused: by sysctl(8), by the kernel, by what is left of it.
        (
            "net.inet.tcp.finwait2_timeout=30000\nnet.inet.tcp.finwait2_timeout=30s\n",
            "",
            "30000",
            "/etc/sysctl.conf:1",
        ),
        ("net.inet.tcp.finwait2_timeout=9\n", "", "60000", ""),
        ("net.inet.tcp.finwait2_timeout=4294967296\n", "", "60000", ""),
        ("net.inet.tcp.finwait2_timeout=1,000\n", "", "60000", ""),
        ("net.inet.tcp.finwait2_timeout=20,000\n", "", "20", "/etc/sysctl.conf:1"),
        ("net.inet.tcp.finwait2_timeout\n", "", "60000", ""),
    ] {
        let next = next(host(&[("/etc/sysctl.conf", conf), ("/etc/sysctl.conf.local", local)]));
        assert_eq!(told(&next, TIMEOUT), (value.to_owned(), place.to_owned()), "{conf}{local}");
    }
}

#[test]
fn what_may_not_be_read_leaves_everything_unknown() {
    let next = next(host(&[]).with_denied("/etc/sysctl.conf"));
    assert!(told(&next, TIMEOUT).0.starts_with("? /etc/sysctl.conf is not known"));
    assert!(told(&next, "net.inet.udp.checksum").0.starts_with('?'));
}

#[test]
fn the_loader_decides_what_it_is_asked_for() {
    let conf = ("/boot/loader.conf", "net.inet.tcp.tcbhashsize=\"2048\"\n");
    let next_boot = next(host(&[conf]));
    assert_eq!(
        told(&next_boot, "net.inet.tcp.tcbhashsize"),
        ("2048".to_owned(), "/boot/loader.conf:1".to_owned())
    );
    let late = host(&[conf, ("/etc/sysctl.conf", "net.inet.tcp.tcbhashsize=4096\n")]);
    let late = next(late);
    assert_eq!(told(&late, "net.inet.tcp.tcbhashsize").0, "2048");
    assert!(
        late.notes("net.inet.tcp.tcbhashsize")
            .iter()
            .any(|note| note.contains("read when the system starts"))
    );
    let inert = next(host(&[("/boot/loader.conf", "net.inet.tcp.finwait2_timeout=\"15000\"\n")]));
    assert_eq!(told(&inert, TIMEOUT).0, "60000");
    assert_eq!(
        inert.notes(TIMEOUT),
        ["/boot/loader.conf:1 does nothing: the kernel does not ask the loader for it"]
    );
}

#[test]
fn what_each_stack_has_of_its_own_is_asked_for_by_later_kernels_only() {
    let loader = format!("{MBUFS}net.inet.tcp.sack.enable=\"0\"\n");
    let files = host(&[("/boot/loader.conf", &loader)]);
    for (release, shown) in [(1_300_139, "1"), (1_500_068, "0"), (1_402_000, "?")] {
        let ground = Ground { release: Some(release), ..ground() };
        let host = FakeHost::new().with_files(files.clone());
        let next = NextBoot::of(&host, &ScopeClaims::default(), &ground, Jail::None).unwrap();
        assert!(told(&next, "net.inet.tcp.sack.enable").0.starts_with(shown), "{release}");
        assert_eq!(told(&next, "kern.ipc.nmbjumbop").0, "500", "{release}");
    }
}

#[test]
fn the_clock_of_the_next_boot_rounds() {
    let conf = ("/etc/sysctl.conf", "net.inet.tcp.finwait2_timeout=15\n");
    assert_eq!(value(&[conf], TIMEOUT), "10");
    assert_eq!(value(&[conf, ("/boot/loader.conf", "kern.hz=\"1000\"\n")], TIMEOUT), "15");
    let unknown = ("/boot/loader.conf", "kern.hz=\"$hz\"\n");
    assert!(value(&[conf, unknown], TIMEOUT).starts_with('?'));
    assert_eq!(
        value(&[("/etc/sysctl.conf", "net.inet.tcp.finwait2_timeout=15000\n"), unknown], TIMEOUT),
        "15000"
    );
}

#[test]
fn a_loader_file_that_may_not_be_read_leaves_what_it_could_set_unknown() {
    let next = next(
        host(&[("/etc/sysctl.conf", "net.inet.tcp.finwait2_timeout=15000\n")])
            .with_denied("/boot/loader.conf"),
    );
    assert!(told(&next, CLUSTERS).0.starts_with("? /boot/loader.conf is not known"));
    assert_eq!(told(&next, TIMEOUT).0, "15000");
    assert_eq!(told(&next, "net.inet.tcp.fast_finwait2_recycle").0, "0");
}

#[test]
fn files_of_the_directory_that_disagree_are_not_guessed_at() {
    let a = ("/boot/loader.conf.d/a.conf", "kern.ipc.nmbclusters=\"1\"\n");
    let b = ("/boot/loader.conf.d/b.conf", "kern.ipc.nmbclusters=\"2\"\n");
    assert!(value(&[a, b], CLUSTERS).contains("in no certain order"));
    let local = ("/boot/loader.conf.local", MBUFS);
    assert_eq!(value(&[a, b, local], CLUSTERS), "1000");
}

#[test]
fn the_largest_line_wins_where_lines_can_only_raise() {
    for (lines, value, place) in [
        ("", "1000", "/boot/loader.conf:1"),
        ("kern.ipc.nmbclusters=500\n", "1000", "/boot/loader.conf:1"),
        ("kern.ipc.nmbclusters=1000\n", "1000", "/boot/loader.conf:1"),
        ("kern.ipc.nmbclusters=2000\n", "2000", "/etc/sysctl.conf:1"),
        ("kern.ipc.nmbclusters=2000\nkern.ipc.nmbclusters=1500\n", "2000", "/etc/sysctl.conf:1"),
        ("kern.ipc.nmbclusters=1500\nkern.ipc.nmbclusters=2000\n", "2000", "/etc/sysctl.conf:2"),
        // The first raise passes what the mbufs allow, and no other is taken until these are raised.
        ("kern.ipc.nmbclusters=20000\nkern.ipc.nmbclusters=30000\n", "20000", "/etc/sysctl.conf:1"),
        // The second reading of the file finds the mbufs raised.
        (
            "kern.ipc.nmbclusters=20000\nkern.ipc.nmbclusters=30000\nkern.ipc.nmbufs=90000\n",
            "30000",
            "/etc/sysctl.conf:2",
        ),
    ] {
        let next = next(host(&[("/boot/loader.conf", MBUFS), ("/etc/sysctl.conf", lines)]));
        assert_eq!(told(&next, CLUSTERS), (value.to_owned(), place.to_owned()), "{lines}");
    }
    let unknown = value(&[("/etc/sysctl.conf", "kern.ipc.nmbclusters=2000\n")], CLUSTERS);
    assert!(unknown.contains("is not known by then"), "{unknown}");
}

#[test]
fn refused_lines_are_told_with_the_reason() {
    let lines =
        "kern.ipc.nmbclusters=500\nnet.inet.tcp.finwait2_timeout=30s\nnet.inet.ip.portrange.first=80\n";
    let next = next(host(&[("/boot/loader.conf", MBUFS), ("/etc/sysctl.conf", lines)]));
    let notes = next.notes(CLUSTERS);
    assert!(
        notes[0].starts_with("/etc/sysctl.conf:1 changes nothing: it can only be raised, and is 1000"),
        "{notes:?}"
    );
    assert!(
        notes[1].starts_with("/boot/loader.conf:1 sets it for the loader, and /etc/sysctl.conf:1"),
        "{notes:?}"
    );
    assert!(next.notes(TIMEOUT)[0].contains("sysctl refuses it"));
    assert_eq!(told(&next, FIRST).0, "1024");
    assert_eq!(next.notes(FIRST), ["/etc/sysctl.conf:3: the kernel makes it 1024"]);
}

#[test]
fn rc_conf_is_written_in_between() {
    let off = ("/etc/rc.conf", "tcp_keepalive=\"NO\"\nip_portrange_first=20000\n");
    let next_boot = next(host(&[off]));
    assert_eq!(told(&next_boot, KEEPALIVE), ("0".to_owned(), "/etc/rc.conf:1".to_owned()));
    assert_eq!(told(&next_boot, FIRST), ("20000".to_owned(), "/etc/rc.conf:2".to_owned()));
    let conf = ("/etc/sysctl.conf", "net.inet.tcp.always_keepalive=1\n");
    let overwritten = next(host(&[off, conf]));
    assert_eq!(told(&overwritten, KEEPALIVE), ("1".to_owned(), "/etc/sysctl.conf:1".to_owned()));
    assert_eq!(
        overwritten.notes(KEEPALIVE),
        ["/etc/rc.conf:1 (tcp_keepalive) is overwritten by /etc/sysctl.conf:1"]
    );
    let doubt = ("/etc/rc.conf", "if true; then tcp_keepalive=NO; fi\n");
    assert!(value(&[doubt], KEEPALIVE).starts_with("? rc.conf's tcp_keepalive cannot be told"));
    assert_eq!(value(&[doubt, conf], KEEPALIVE), "1");
    assert_eq!(
        told(&next_boot, "net.inet.tcp.rfc1323"),
        ("1".to_owned(), "/etc/defaults/rc.conf:4".to_owned())
    );
}

#[test]
fn without_the_second_reading_rc_conf_has_the_last_word() {
    let mut files = host(&[("/etc/sysctl.conf", "net.inet.tcp.always_keepalive=0\n")]);
    files.set(Path::new("/etc/rc.d/sysctl_lastload"), None);
    assert_eq!(told(&next(files), KEEPALIVE), ("1".to_owned(), "/etc/defaults/rc.conf:1".to_owned()));
}

#[test]
fn the_usual_files_are_taken_to_be_read_where_nothing_names_them() {
    let lines = [
        ("/etc/sysctl.conf", "net.inet.tcp.finwait2_timeout=30000\n"),
        ("/boot/loader.conf.d/a.conf", "kern.ipc.nmbclusters=\"1000\"\n"),
    ];
    let host = lines.iter().fold(FakeHost::new(), |host, (path, text)| host.with_file(path, text));
    let next = NextBoot::of(&host, &ScopeClaims::default(), &ground(), Jail::None).unwrap();
    assert_eq!(told(&next, "net.inet.tcp.finwait2_timeout").0, "30000");
    assert_eq!(told(&next, "kern.ipc.nmbclusters").0, "1000");
    assert!(NextBoot::of(&host, &ScopeClaims::default(), &ground(), Jail::Shared).is_none());
}

#[test]
fn a_jail_has_no_loader_and_only_what_is_its_own() {
    let files = host(&[
        ("/boot/loader.conf", "net.inet.tcp.sack.enable=\"0\"\n"),
        ("/etc/sysctl.conf", "net.inet.tcp.blackhole=2\nnet.inet.tcp.finwait2_timeout=30000\n"),
        ("/etc/rc.conf", "tcp_keepalive=NO\n"),
    ]);
    let vnet = in_jail(files.clone(), Jail::Vnet);
    assert_eq!(told(&vnet, "net.inet.tcp.blackhole").0, "2");
    assert_eq!(told(&vnet, KEEPALIVE).0, "0");
    assert!(matches!(vnet.predict(TIMEOUT, Which::AsIs).text, Err(Unread::OutOfScope(_))));
    assert!(told(&vnet, "net.inet.tcp.syncache.hashsize").0.contains("the loader of the host"));
    let host = FakeHost::new().with_files(files);
    assert!(NextBoot::of(&host, &ScopeClaims::default(), &ground(), Jail::Shared).is_none());
}

#[test]
fn both_names_of_a_tunable_are_one() {
    let files = [("/etc/sysctl.conf", "kern.ipc.soacceptqueue=1024\nkern.ipc.somaxconn=4096\n")];
    for name in ["kern.ipc.somaxconn", "kern.ipc.soacceptqueue"] {
        assert_eq!(value(&files, name), "4096");
    }
}

#[test]
fn outside_of_the_catalog_the_last_line_wins() {
    let conf = "net.inet.udp.maxdgram=9216\nnet.inet.udp.maxdgram=16384\n";
    assert_eq!(value(&[("/etc/sysctl.conf", conf)], "net.inet.udp.maxdgram"), "16384");
    let large = [("/etc/sysctl.conf", "net.inet.udp.maxdgram=4294967296\n")];
    assert!(value(&large, "net.inet.udp.maxdgram").starts_with('?'));
    let loader = [("/boot/loader.conf", "net.inet.tcp.hostcache.hashsize=\"64\"\n")];
    assert!(value(&loader, "net.inet.tcp.hostcache.hashsize").starts_with("? whether the kernel asks"));
}

#[test]
fn one_boot_only_is_told() {
    let files = [
        ("/boot/loader.conf", MBUFS),
        ("/boot/nextboot.conf", "nextboot_enable=\"YES\"\nkern.ipc.nmbclusters=\"7000\"\n"),
    ];
    let next = next(host(&files));
    assert_eq!(told(&next, CLUSTERS), ("7000".to_owned(), "/boot/nextboot.conf:2".to_owned()));
    assert_eq!(next.notes(CLUSTERS), ["/boot/nextboot.conf:2 counts for one boot only"]);
    let last = next.as_is.attempts_on(CLUSTERS).next_back().unwrap();
    assert!(matches!(last.stage, Stage::Loader { once: true }) && matches!(last.outcome, Outcome::Kept(..)));
}

#[test]
fn what_tune_wrote_is_taken_away_in_thought() {
    let local = "# mine\n# tune: begin\nnet.inet.tcp.finwait2_timeout=30000\n# tune: end\n";
    let taken = "# tune: taken over: net.inet.tcp.finwait2_timeout=45000\n";
    let files = host(&[
        ("/etc/sysctl.conf", taken),
        ("/etc/sysctl.conf.local", local),
        ("/boot/loader.conf", MBUFS),
        ("/boot/loader.conf.d/tune.conf", "kern.ipc.nmbclusters=\"5000\"\n"),
    ]);
    let line = taken.trim_end().strip_prefix("# tune: taken over: ").unwrap().to_owned();
    let holding = Holding {
        original: None,
        boot_id: String::new(),
        held: Some("30000".to_owned()),
        claims: Vec::new(),
        taken_over: vec![TakenOver { path: "/etc/sysctl.conf".into(), line }],
    };
    let boot = [(tune_model::Slot::whole(TIMEOUT), holding)].into();
    let claims = ScopeClaims { boot, ..ScopeClaims::default() };
    let host = FakeHost::new().with_files(files);
    let next = NextBoot::of(&host, &claims, &ground(), Jail::None).unwrap();
    assert_eq!(told(&next, TIMEOUT), ("30000".to_owned(), "/etc/sysctl.conf.local:3".to_owned()));
    assert_eq!(told(&next, CLUSTERS), ("5000".to_owned(), "/boot/loader.conf.d/tune.conf:1".to_owned()));
    let without = |name| next.predict(name, Which::WithoutTune);
    assert_eq!(without(TIMEOUT).text.unwrap(), "45000");
    assert_eq!(without(TIMEOUT).source.unwrap().to_string(), "/etc/sysctl.conf:1");
    assert_eq!(without(CLUSTERS).text.unwrap(), "1000");
}

#[test]
fn an_image_has_what_its_release_has() {
    const LIMIT: &str = "net.inet.tcp.maxtcptw";
    let files = host(&[
        ("/boot/loader.conf", "net.inet.tcp.maxtcptw=\"5000\"\n"),
        ("/etc/sysctl.conf", "net.inet.tcp.maxtcptw=6000\n"),
    ]);
    let image = FakeHost::new().with_files(files.clone()).with_scope(Scope::Image("/".into()));
    for (release, told) in [(1_302_001, Ok("6000")), (1_401_000, Err("was removed after FreeBSD 13"))] {
        let ground = Ground { release: Some(release), ..ground() };
        let next = NextBoot::of(&image, &ScopeClaims::default(), &ground, Jail::None).unwrap();
        match (next.predict(LIMIT, Which::AsIs).text, told) {
            (Ok(value), Ok(told)) => assert_eq!(value, told),
            (Err(Unread::Missing(why)), Err(told)) => assert_eq!(why, format!("{LIMIT} {told}")),
            other => panic!("{other:?}"),
        }
        let names = [LIMIT.to_owned()].into();
        let read = crate::read::read(&image, &ground, Jail::None, &names, &ScopeClaims::default());
        let gone = |text: &tune_model::reading::Text| matches!(text, Err(Unread::Missing(_)));
        let reading = &read[LIMIT];
        assert_eq!((gone(&reading.live), gone(&reading.boot)), (told.is_err(), told.is_err()));
    }
    let ground = Ground { release: Some(1_401_000), ..ground() };
    let next = NextBoot::of(&image, &ScopeClaims::default(), &ground, Jail::None).unwrap();
    assert!(next.notes(LIMIT)[1].ends_with("unknown oid: this release has no such tunable"));
}

#[test]
fn a_clock_that_no_line_explains_is_not_guessed_at() {
    let files = |line: &str| host(&[("/etc/sysctl.conf", line)]);
    let told = |ground: Ground, line: &str| {
        let host = FakeHost::new().with_files(files(line));
        told(&NextBoot::of(&host, &ScopeClaims::default(), &ground, Jail::None).unwrap(), TIMEOUT).0
    };
    let (off, even) = ("net.inet.tcp.finwait2_timeout=15\n", "net.inet.tcp.finwait2_timeout=30\n");
    let seconds = "net.inet.tcp.finwait2_timeout=15000\n";
    let unknown = || Ground { virtual_machine: None, ..ground() };
    assert!(told(unknown(), off).starts_with("? to which tick 15 is rounded"));
    assert_eq!(told(unknown(), even), "30");
    let other = || Ground { hz: 250, ..ground() };
    assert!(told(other(), even).starts_with("? to which tick 30 is rounded"));
    assert_eq!((told(other(), seconds), told(other(), "")), ("15000".to_owned(), "60000".to_owned()));
    assert_eq!(told(Ground { hz: 1000, virtual_machine: Some(false), ..ground() }, off), "15");
}

#[test]
fn without_tune_the_clock_is_what_the_kernel_makes_it() {
    let files = host(&[
        ("/etc/sysctl.conf", "net.inet.tcp.finwait2_timeout=30\n"),
        ("/boot/loader.conf.d/tune.conf", "kern.hz=\"250\"\n"),
    ]);
    let ground = Ground { hz: 250, ..ground() };
    let host = FakeHost::new().with_files(files);
    let next = NextBoot::of(&host, &ScopeClaims::default(), &ground, Jail::None).unwrap();
    let text = |name, which| next.predict(name, which).text.unwrap();
    assert_eq!(
        (text("kern.hz", Which::AsIs), text("kern.hz", Which::WithoutTune)),
        ("250".into(), "100".into())
    );
    assert_eq!((text(TIMEOUT, Which::AsIs), text(TIMEOUT, Which::WithoutTune)), ("28".into(), "30".into()));
}

#[test]
fn the_clock_has_its_limits() {
    let conf = ("/etc/sysctl.conf", "net.inet.tcp.finwait2_timeout=15000\n");
    for (line, hz) in
        [("kern.hz=\"1\"\n", "8"), ("kern.hz=\"500000\"\n", "137438"), ("kern.hz=\"-1\"\n", "100")]
    {
        assert_eq!(value(&[conf, ("/boot/loader.conf", line)], "kern.hz"), hz);
        assert_eq!(value(&[conf, ("/boot/loader.conf", line)], TIMEOUT), "15000");
    }
}

fn described(writable: bool, loader: bool, vnet: bool) -> Description {
    let value = Some(tune_model::catalog::KernelType::Int);
    Description { value, writable, loader, vnet, prison: false, secure_above: None }
}

#[test]
fn what_the_kernel_says_of_a_tunable_counts() {
    let files = host(&[
        ("/boot/loader.conf", "net.inet.tcp.finwait2_timeout=\"15000\"\nkern.ipc.maxmbufmem=\"1000000\"\n"),
        ("/etc/sysctl.conf", "net.inet.tcp.blackhole=2\nkern.maxusers=50\n"),
    ]);
    let host = FakeHost::new()
        .with_files(files)
        .describing(TIMEOUT, described(true, true, false))
        .describing("net.inet.tcp.blackhole", described(false, false, true))
        .describing("kern.maxusers", described(true, true, false));
    let next = NextBoot::of(&host, &ScopeClaims::default(), &ground(), Jail::None).unwrap();
    assert_eq!(told(&next, TIMEOUT), ("15000".to_owned(), "/boot/loader.conf:1".to_owned()));
    assert_eq!(told(&next, "net.inet.tcp.blackhole").0, "0");
    assert!(next.notes("net.inet.tcp.blackhole")[0].ends_with("it is read when the system starts"));
    assert_eq!(told(&next, "kern.maxusers").0, "50");
}

#[test]
fn the_kernel_says_what_a_jail_has_of_its_own() {
    let files =
        host(&[("/etc/sysctl.conf", "net.inet.tcp.finwait2_timeout=30000\nnet.inet.tcp.blackhole=2\n")]);
    let host = FakeHost::new()
        .with_files(files)
        .describing(TIMEOUT, described(true, false, true))
        .describing("net.inet.tcp.blackhole", described(true, false, false));
    let next = NextBoot::of(&host, &ScopeClaims::default(), &ground(), Jail::Vnet).unwrap();
    assert_eq!(told(&next, TIMEOUT).0, "30000");
    let shared = next.predict("net.inet.tcp.blackhole", Which::AsIs).text;
    assert!(matches!(shared, Err(Unread::OutOfScope(_))));
}

#[test]
fn what_is_outside_of_the_catalog_has_no_default_here() {
    const CACHE: &str = "net.inet.tcp.hostcache.cachelimit";
    let files = host(&[("/etc/sysctl.conf", "net.inet.tcp.hostcache.cachelimit=100\n")]);
    let host = FakeHost::new().with_files(files).describing(CACHE, described(false, true, true));
    let next = NextBoot::of(&host, &ScopeClaims::default(), &ground(), Jail::None).unwrap();
    assert!(told(&next, CACHE).0.starts_with("? it is read from the loader only, and tune gives the loader"));
    assert!(told(&next, "net.inet.udp.maxdgram").0.ends_with("its default is not known here"));
    assert!(told(&next, "kern.maxfiles").0.ends_with("the kernel computes kern.maxfiles when it starts"));
}

#[test]
fn a_jail_on_its_hosts_stack_blames_that_for_what_is_per_stack_only() {
    let host =
        FakeHost::new().with_files(host(&[])).with_tunable(TIMEOUT, "60000").with_tunable(KEEPALIVE, "1");
    let names = [TIMEOUT.to_owned(), KEEPALIVE.to_owned()].into();
    let read = crate::read::read(&host, &ground(), Jail::Shared, &names, &ScopeClaims::default());
    let why = |name: &str| read[name].out_of_scope.clone().unwrap();
    assert!(why(TIMEOUT).ends_with("belongs to the host: a jail shows its value and cannot set it"));
    assert!(why(KEEPALIVE).ends_with("belongs to the host: this jail has no network stack of its own"));
}
