//! `tune prove` on the real kernel: times that somebody else set, what disturbs a measurement, and what is left of it.

#![allow(clippy::unwrap_used)]

use std::cell::RefCell;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};

use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tune_host::{LiveHost, Machine};
use tune_sockets::{Census, Endian, Filter, Options, TcpState, inet_diag, take};
use tune_tests::binary::Ran;
use tune_tests::freebsd::{Guest, Model, Release};
use tune_tests::namespace::{Boot, TestHost};
use tune_tests::sandbox::{inside, valid};
use tune_tests::terminal::Terminal;
use tune_tests::watchdog::eventually;

const FIN: &str = "net.ipv4.tcp_fin_timeout";
/// The timeouts that are tried; `.ci/full.d` names longer ones.
const TIMEOUTS: &str = "1 3 10 61";

/// Runs a test on a host of its own, whose loopback interface is up.
#[track_caller]
fn on_a_host(test: impl FnOnce(&TestHost) + Send) {
    TestHost::run(Boot::Systemd, |host| {
        host.does(&["ip", "link", "set", "lo", "up"]);
        test(host);
    });
}

/// Measures, again where the machine was too busy to look in time.
#[track_caller]
fn prove(host: &TestHost, options: &[&str]) -> (Ran, Value) {
    let arguments = [&["prove", "--format", "json"], options].concat();
    for _ in 0..5 {
        let ran = host.tune(&arguments);
        let document = checked(&ran);
        if !document["msg"].as_str().unwrap().contains("often enough") {
            return (ran, document);
        }
    }
    panic!("the machine is too busy to measure anything");
}

#[track_caller]
fn checked(ran: &Ran) -> Value {
    let document = ran.json();
    valid(&document, document["schema"].as_str().unwrap()).unwrap_or_else(|error| panic!("{error}\n{ran}"));
    assert_eq!(ran.stderr, "", "{ran}");
    document
}

/// Returns the forms that the closed connection had in FIN_WAIT_2.
fn forms(document: &Value) -> Vec<&str> {
    let stages = document["observed"]["closed"]["stages"].as_array().unwrap();
    let stages = stages.iter().filter(|stage| stage["state"] == "FIN_WAIT_2");
    stages.map(|stage| stage["kept_as"].as_str().unwrap()).collect()
}

fn is_proven(timeout: &str, options: &[&str], place: &str) {
    on_a_host(|host| {
        host.write(FIN, timeout);
        let before = host.everything();
        let (ran, document) = prove(host, &[options, &["--timeout", "3min"]].concat());
        assert_eq!((ran.code, &document["verdict"]), (0, &"proven".into()), "{ran}");
        assert_eq!(document["measured_in"], place, "{ran}");
        assert_eq!(document["tunables"][0]["name"], FIN, "{ran}");
        assert_eq!(document["tunables"][0]["value"], timeout, "{ran}");
        match timeout.parse::<u32>().unwrap() {
            // One that was in use when its FIN was confirmed stays a whole socket.
            ..=60 => assert_eq!(forms(&document).len(), 1, "{ran}"),
            _ => assert_eq!(forms(&document), ["socket", "minisock"], "{ran}"),
        }
        assert_eq!(document["observed"]["half_closed"]["still_there"], true, "{ran}");
        host.everything().same_as(&before, "after a proof");
        assert_eq!(connections().tally.counts.total(), 0);
        let _ = writeln!(std::io::stderr(), "{timeout} {place}: {}", document["msg"]);
    });
}

/// Each on a host of its own, all at once.
#[test]
fn timeouts_set_by_somebody_else_are_proven() {
    let timeouts = std::env::var("TUNE_PROVE_TIMEOUTS").unwrap_or_else(|_| TIMEOUTS.to_owned());
    std::thread::scope(|threads| {
        let proofs: Vec<_> = timeouts
            .split_whitespace()
            .flat_map(|timeout| [(timeout, &[][..], "own-namespace"), (timeout, &["--here"][..], "here")])
            .map(|(timeout, options, place)| threads.spawn(move || is_proven(timeout, options, place)))
            .collect();
        for proof in proofs {
            proof.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
}

/// Returns the connections of the network namespace that the calling thread is in.
fn connections() -> Census {
    take(&LiveHost::own(), &Options::listing(Filter::default(), usize::MAX)).unwrap()
}

/// A measurement that is under way; it ends with the test.
struct Running(Option<Child>);

impl Running {
    fn start(host: &TestHost, options: &[&str]) -> Self {
        let mut command = host.tune_command(&[&["prove"], options].concat());
        Self(Some(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()))
    }

    fn pid(&self) -> i32 {
        self.0.as_ref().unwrap().id().try_into().unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).unwrap();
    }

    /// Waits for the end, and returns what came of it.
    fn ended(mut self) -> Ran {
        let output = self.0.take().unwrap().wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let signal = output.status.signal().map(|signal| 128 + signal);
        Ran {
            command: "tune prove".to_owned(),
            code: output.status.code().or(signal).unwrap(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Waits until it is under way in a network namespace of its own, and returns that.
    fn elsewhere(&self) -> File {
        let found = RefCell::new(None);
        eventually("it is under way in a namespace of its own", || {
            *found.borrow_mut() = self.other_namespace().filter(|space| within(space, is_under_way));
            found.borrow().is_some()
        });
        found.into_inner().unwrap()
    }

    fn other_namespace(&self) -> Option<File> {
        let own = std::fs::metadata("/proc/thread-self/ns/net").unwrap().ino();
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid())).ok()?;
        let mut spaces = tasks.flatten().filter_map(|task| File::open(task.path().join("ns/net")).ok());
        spaces.find(|space| space.metadata().unwrap().ino() != own)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Looks at something from inside of a namespace.
fn within<T: Send>(space: &File, look: impl FnOnce() -> T + Send) -> T {
    let enter = || {
        setns(space, CloneFlags::CLONE_NEWNET).unwrap();
        look()
    };
    std::thread::scope(|threads| threads.spawn(enter).join().unwrap())
}

fn is_under_way() -> bool {
    let census = connections();
    let found = census.tally.holdings(TcpState::FinWait2);
    (found.orphaned(), found.held()) == (1, 1)
}

/// Waits until a measurement is under way in the namespace of the calling thread.
#[track_caller]
fn here() {
    eventually("it is under way", is_under_way);
}

#[test]
fn a_value_that_changes_meanwhile_proves_nothing() {
    on_a_host(|host| {
        host.write(FIN, "2");
        let running = Running::start(host, &["--here", "--format", "json"]);
        here();
        host.write(FIN, "10");
        let ran = running.ended().exits(1).says("net.ipv4.tcp_fin_timeout was 2, and had been changed to 10");
        let document = checked(&ran);
        assert_eq!(document["verdict"], "not-measured");
        assert_eq!(document["observed"]["closed"]["gone"], true);
        // The host's own value counts also while something else is measured.
        host.write(FIN, "2");
        let running = Running::start(host, &[]);
        let _ = running.elsewhere();
        host.write(FIN, "10");
        running.ended().exits(1).says("had been changed to 10").says("next: tune prove");
    });
}

#[test]
fn what_ends_connections_early_is_told_from_the_timeout() {
    on_a_host(|host| {
        host.write(FIN, "3");
        host.write("net.ipv4.tcp_max_tw_buckets", "0");
        let (ran, document) = prove(host, &["--here"]);
        assert_eq!((ran.code, &document["differences"][0]), (2, &"early".into()), "{ran}");
        host.tune(&["prove", "--here"]).exits(2).says("gone too early").says("a full table");
        // A namespace of its own has only the values that the timeout is made of.
        let (ran, _) = prove(host, &[]);
        assert_eq!(ran.code, 0, "{ran}");
    });
}

#[test]
fn a_half_closed_connection_that_goes_differs() {
    on_a_host(|host| {
        host.write(FIN, "3");
        let running = Running::start(host, &["--here", "--format", "json"]);
        here();
        let held = connections().connections;
        let held = held.iter().find(|one| one.state == TcpState::FinWait2 && one.inode != 0).unwrap();
        let request = inet_diag::abort_request(held, Endian::NATIVE);
        LiveHost::own().abort_connection(&request).unwrap();
        let ran = running.ended().exits(2);
        assert_eq!(checked(&ran)["differences"], serde_json::json!(["half-closed-gone"]), "{ran}");
    });
}

#[test]
fn what_takes_longer_than_there_is_time_is_not_begun() {
    on_a_host(|host| {
        host.write(FIN, "120");
        host.tune(&["prove"]).exits(1).says("takes up to 2min17s").says("next: tune prove --timeout 2min17s");
        host.write(FIN, "60");
        let (ran, document) = prove(host, &["--timeout", "20s", "--here"]);
        assert_eq!((ran.code, &document["verdict"]), (1, &"not-measured".into()), "{ran}");
        assert_eq!((&document["needs"]["value"], &document["observed"]), (&69_000.into(), &Value::Null));
        assert_eq!(connections().tally.counts.total(), 0);
        host.tune(&["prove", "--timeout", "1"]).exits(64).says("--timeout");
    });
}

#[test]
fn who_may_not_make_a_namespace_measures_here() {
    inside(|sandbox| {
        std::fs::write("/proc/sys/net/ipv4/tcp_fin_timeout", "1\n").unwrap();
        sandbox.nobody(&["prove"]).code(77).says(&["may not be made by this user", "tune prove --here"]);
        let refused = sandbox.nobody(&["prove", "--format", "json"]).code(77).document();
        assert_eq!(refused["kind"], "not-permitted");
        sandbox.nobody(&["prove", "--here"]).code(1).says(&["the interface lo is down here"]);
        let _ = sandbox.run(&["ip", "link", "set", "lo", "up"]).code(0);
        let measured = || sandbox.nobody(&["prove", "--here"]);
        let proven = (0..5).map(|_| measured()).find(|ended| !ended.out.contains("often enough")).unwrap();
        proven.code(0).says(&["where this host's connections are", "Proven"]);
        std::fs::create_dir_all("/mnt/image/etc/sysctl.d").unwrap();
        sandbox.tune(&["--root", "/mnt/image", "prove"]).code(64).says(&["an image has none"]);
    });
}

/// What is closed in two parts keeps its namespace alive by itself: nothing may be left of it, either.
#[test]
fn whatever_ends_it_leaves_nothing() {
    let ends = [(Signal::SIGINT, 1), (Signal::SIGTERM, 1), (Signal::SIGHUP, 1), (Signal::SIGKILL, 128 + 9)];
    for timeout in ["60", "90"] {
        for (signal, code) in ends {
            on_a_host(|host| {
                host.write(FIN, timeout);
                let running = Running::start(host, &[]);
                let space = running.elsewhere();
                running.signal(signal);
                let ran = running.ended().exits(code);
                assert_eq!(code == 1, ran.stderr.contains("interrupted"), "{ran}");
                // Nothing but this test's descriptor holds the namespace.
                assert_eq!(within(&space, || connections().tally.counts.total()), 0);

                let running = Running::start(host, &["--here"]);
                here();
                running.signal(signal);
                let _ = running.ended().exits(code);
                assert_eq!(connections().tally.counts.total(), 0, "{:?}", connections().connections);
            });
        }
    }
}

#[test]
fn who_waits_at_a_terminal_is_told_how_long() {
    on_a_host(|host| {
        host.write(FIN, "3");
        let mut terminal = Terminal::start(host.tune_command(&["prove"]));
        terminal.wait_for("measuring: 0 s, about 2 s left").wait_for("measuring: 1 s").wait_for("closed");
        host.write(FIN, "1");
        let _ = host.tune(&["prove"]).says("measuring, for about 1 s");
        assert_eq!(host.tune(&["prove", "--quiet"]).stderr, "");
    });
}

#[test]
fn a_chosen_namespace_is_proven_from_its_values_or_in_place() {
    TestHost::run(Boot::Systemd, |host| {
        host.write(FIN, "60");
        host.does(&["ip", "netns", "add", "blue"]);
        host.does(&["ip", "-n", "blue", "link", "set", "lo", "up"]);
        within(&File::open("/run/netns/blue").unwrap(), || host.write(FIN, "1"));
        for (options, place) in
            [(&["--netns", "blue"][..], "own-namespace"), (&["--netns", "blue", "--here"], "here")]
        {
            let (ran, document) = prove(host, options);
            assert_eq!((ran.code, &document["measured_in"]), (0, &place.into()), "{ran}");
            assert_eq!(document["host"]["scope"], "netns:blue");
        }
        host.does(&["ip", "netns", "delete", "blue"]);
    });
}

/// Its ten minutes are said; the connections of this fake host cannot be listed.
#[test]
fn on_freebsd_it_says_how_long_a_proof_takes() {
    let guest = Guest::of(env!("CARGO_BIN_EXE_tune-on-freebsd"), Model::of(Release::Fifteen));
    let ran = guest.tune(&["prove"]).exits(1).says("stays in FIN_WAIT_2 for 10min to 11min15s");
    let ran = ran.says("next: tune prove --timeout 11min17s").says("net.inet.tcp.finwait2_timeout = 60000");
    drop(ran);
    let ran = guest.tune(&["prove", "--timeout", "20min", "--format", "json"]).exits(1);
    assert!(checked(&ran)["msg"].as_str().unwrap().contains("it could not be measured"), "{ran}");
    assert_eq!(guest.home.writes(), Vec::<String>::new());
}
