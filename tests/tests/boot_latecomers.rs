//! `tune apply --boot` where the system sets the boot values itself: what came later is set, everything else is left.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use tune_tests::binary::Ran;
use tune_tests::files;
use tune_tests::namespace::{Boot, TestHost};
use tune_tests::sandbox::{in_memory, unmount};
use tune_tests::trial::OURS;

const BOOT: &[&str] = &["apply", "--boot"];
/// A key of a module, of a network namespace, and what the module makes it.
const KEY: &str = "net.netfilter.nf_conntrack_tcp_timeout_fin_wait";
const DEFAULT: &str = "120";
const OF_THE_MODULE: &str = "/proc/sys/net/netfilter";
const FIN: &str = "net.ipv4.tcp_fin_timeout";

/// The keys of a module are away as long as this is there.
struct Unloaded;

impl Unloaded {
    fn new() -> Self {
        in_memory(OF_THE_MODULE, "mode=555");
        Self
    }

    /// Each time a module is loaded its keys are as it makes them.
    fn load(self, host: &TestHost) {
        unmount(OF_THE_MODULE);
        host.write(KEY, DEFAULT);
    }
}

/// Runs a test on a host that holds a key of a module and one of the kernel, in its second boot. Of the boot settings the
/// kernel has those of the kernel.
fn in_the_second_boot(test: impl FnOnce(&TestHost, Unloaded) + Send) {
    if !tune_tests::may_run(missing()) {
        return;
    }
    TestHost::run(Boot::Systemd, |host| {
        host.boots_as("11111111-1111-1111-1111-111111111111");
        host.tune(&["set", "tcp.fin_wait_2_timeout=30s", &format!("{KEY}=300"), "--yes"]).exits(0);
        assert_eq!((host.read(KEY), host.read(FIN)), ("300".to_owned(), "30".to_owned()));
        host.boots_as("22222222-2222-2222-2222-222222222222");
        test(host, Unloaded::new());
    });
}

fn missing() -> Option<String> {
    let path = Path::new("/proc/sys").join(KEY.replace('.', "/"));
    (!path.exists()).then(|| format!("this kernel has no {KEY}"))
}

fn transactions(host: &TestHost) -> usize {
    let history = host.tune(&["history", "--format", "json"]).exits(0).json();
    history["transactions"].as_array().unwrap().len()
}

/// Everything that is kept, but for what only tells one changer from another.
fn kept(host: &TestHost) -> impl PartialEq + std::fmt::Debug + use<> {
    let mut state = files::touches(host.state());
    state.retain(|path, _| !path.ends_with("lock") && path != host.state());
    (state, files::touches(Path::new("/etc")))
}

#[track_caller]
fn changed(ran: &Ran) -> bool {
    ran.json()["changed"].as_bool().unwrap()
}

#[track_caller]
fn boots(host: &TestHost) -> Ran {
    host.tune(&[BOOT, &["--format", "json"]].concat()).exits(0)
}

#[test]
fn a_key_of_a_module_that_was_loaded_later_is_set_once() {
    in_the_second_boot(|host, unloaded| {
        let files = files::touches(Path::new("/etc"));
        let early = boots(host).says(&format!("{KEY} cannot be set yet")).says("nf_conntrack");
        assert!(!changed(&early));
        assert_eq!(transactions(host), 1);
        unloaded.load(host);
        host.tune(&[BOOT, &["--dry-run"]].concat()).exits(2).says(&format!("set {KEY} 120 -> 300"));
        assert_eq!(host.read(KEY), DEFAULT);
        host.tune(BOOT).exits(0).says(&format!("{KEY} 120 -> 300 ... done")).says("1 value changed");
        assert_eq!((host.read(KEY), host.read(FIN)), ("300".to_owned(), "30".to_owned()));
        assert_eq!(files::touches(Path::new("/etc")), files, "it touches no boot file");
        assert_eq!(transactions(host), 2);
        let before = kept(host);
        assert!(!changed(&boots(host)));
        assert_eq!(kept(host), before, "nothing changed, and nothing is written");
        host.tune(&["history", "--verify"]).exits(0);
        host.tune(&["audit", "web-server", "--only", "runtime"]);
        host.tune(&["off", "--yes"]).exits(0);
        assert_eq!((host.read(KEY), host.read(FIN)), (DEFAULT.to_owned(), "60".to_owned()));
        assert!(!Path::new(OURS).exists());
    });
}

#[test]
fn what_an_administrator_has_set_is_left_and_said() {
    in_the_second_boot(|host, unloaded| {
        let _ = boots(host);
        unloaded.load(host);
        host.write(KEY, "180");
        host.write(FIN, "45");
        let before = kept(host);
        let said = boots(host);
        let said = said
            .says(&format!("{KEY} is 180, where set:{KEY} would have 300; left alone"))
            .says(&format!("{FIN} is 45, where set:tcp.fin_wait_2_timeout would have 30; left alone"));
        assert!(!changed(&said));
        assert_eq!((host.read(KEY), host.read(FIN)), ("180".to_owned(), "45".to_owned()));
        assert_eq!(kept(host), before);
        // Set by tune once, and put back to the module's own value by hand.
        host.write(KEY, DEFAULT);
        assert!(changed(&boots(host)));
        host.write(KEY, DEFAULT);
        assert!(!changed(&boots(host).says("somebody else has changed it since tune looked after it")));
        assert_eq!(host.read(KEY), DEFAULT);
    });
}

#[test]
fn without_evidence_that_it_was_missing_it_is_left() {
    in_the_second_boot(|host, unloaded| {
        unloaded.load(host);
        let said = boots(host).says("somebody else may have set it");
        assert!(!changed(&said));
        assert_eq!(host.read(KEY), DEFAULT);
        // What was seen in one boot says nothing of another.
        let unloaded = Unloaded::new();
        let _ = boots(host);
        host.boots_as("33333333-3333-3333-3333-333333333333");
        unloaded.load(host);
        assert!(!changed(&boots(host).says("somebody else may have set it")));
        assert_eq!(host.read(KEY), DEFAULT);
    });
}

#[test]
fn a_later_line_of_somebody_else_is_not_overruled() {
    in_the_second_boot(|host, unloaded| {
        let _ = boots(host);
        fs::write("/etc/sysctl.d/zzz.conf", format!("{KEY} = 240\n")).unwrap();
        unloaded.load(host);
        assert!(!changed(&boots(host).says("the boot files make it 240, from /etc/sysctl.d/zzz.conf:1")));
        assert_eq!(host.read(KEY), DEFAULT);
    });
}

#[test]
fn what_was_interrupted_is_finished_first() {
    in_the_second_boot(|host, unloaded| {
        let killed =
            ["-o", "/mnt/strace", "-e", "trace=renameat", "-e", "inject=renameat:signal=KILL:when=3"];
        let ran = Ran::of(&mut host.traced(&killed, &["apply", "web-server", "--yes"]));
        assert_eq!(ran.code, 137, "{ran}");
        host.boots_as("33333333-3333-3333-3333-333333333333");
        let _ = host.tune(BOOT).exits(0).says("was interrupted");
        host.tune(&["recover"]).exits(0).says("Nothing to recover");
        host.tune(&["history", "--verify"]).exits(0);
        unloaded.load(host);
        assert!(changed(&boots(host)));
        assert_eq!(host.read(KEY), "300");
    });
}

#[test]
fn where_nothing_was_ever_applied_nothing_is_made() {
    TestHost::run(Boot::Systemd, |host| {
        let nowhere = host.directory("nowhere").join("state");
        let named = ["--state-dir", nowhere.to_str().unwrap()];
        let ran = host.tune(&[BOOT, &named].concat()).exits(0).says("nothing was ever applied here");
        drop(ran.says("Nothing changed"));
        assert!(!nowhere.exists());
    });
}
