//! The fake FreeBSD kernel answers as the recorded ones did: every recorded command, in order.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::str::Lines;

use tune_tests::freebsd::table::Type;
use tune_tests::freebsd::{Caller, Jail, Kernel, Refusal, Release, tool};

/// A recording that is played again.
struct Replay<'a> {
    kernel: Kernel,
    lines: Peekable<Lines<'a>>,
    answers: usize,
}

impl<'a> Replay<'a> {
    fn of(release: Release, text: &'a str) -> Self {
        let kernel = Kernel::start(release, 100, BTreeMap::new()).unwrap();
        Self { kernel, lines: text.lines().peekable(), answers: 0 }
    }

    fn play(mut self) -> usize {
        while let Some(line) = self.lines.next() {
            if line.starts_with('#') {
                continue;
            }
            if let Some(command) = line.strip_prefix("$ ") {
                self.command(line, command);
            } else {
                self.other(line);
            }
        }
        self.answers
    }

    #[track_caller]
    fn answers(&mut self, line: &str, found: &str, recorded: &str) {
        assert_eq!(found.trim_end(), recorded.trim_end(), "after {line:?}");
        self.answers += 1;
    }

    /// What is typed: by root, by nobody, or in a jail; and what it said, up to its exit code.
    fn command(&mut self, line: &str, command: &str) {
        let mut recorded: Vec<&str> = Vec::new();
        let code = loop {
            let line = self.lines.next().unwrap();
            if let Some(code) = line.strip_prefix("[exit ") {
                break code.trim_end_matches(']').parse::<i32>().unwrap();
            }
            recorded.push(line);
        };
        recorded.retain(|line| !line.starts_with("jail: "));
        let (caller, command) = caller(command);
        if caller != Caller::ROOT {
            self.kernel.entered_by(caller);
        }
        let (program, arguments) = command.split_once(' ').unwrap();
        match program.rsplit('/').next().unwrap() {
            "sysctl" => {
                let arguments = words(arguments);
                let (said, ended) = tool::sysctl(&mut self.kernel, &arguments);
                self.answers(line, &said, &recorded.join("\n"));
                assert_eq!(ended, code, "after {line:?}");
            }
            "sc" if arguments.ends_with(" get") => {
                recorded.iter().for_each(|line| self.call(line));
            }
            "sc" => recorded.iter().for_each(|line| self.call(line)),
            "kenv" => {
                let found = self.kernel.kenv(arguments).unwrap_or_default().to_owned();
                self.answers(line, &found, &recorded.join("\n"));
            }
            other => panic!("{other} is not played"),
        }
        self.kernel.entered_by(Caller::ROOT);
    }

    fn other(&mut self, line: &str) {
        if let Some(assignment) = line.strip_prefix("(unseen) ") {
            let (_, code) = tool::sysctl(&mut self.kernel, &[assignment]);
            assert_eq!(code, 0, "{line}");
        } else if let Some(tunables) = line.strip_prefix("booted with loader tunables: ") {
            let pairs = tunables.split(' ').map(|pair| pair.split_once('=').unwrap());
            let environment = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            self.kernel = Kernel::start(self.kernel.release, 100, environment).unwrap();
        } else if line.starts_with("uid=") || line.starts_with("get ") {
            self.call(line);
        } else if let Some((name, change)) = line.split_once(": ")
            && let Some((_, after)) = change.split_once(" -> ")
        {
            let (said, _) = tool::sysctl(&mut self.kernel, &[&format!("{name}={after}")]);
            self.answers(line, &said, line);
        } else if line.starts_with("sysctl: unknown oid") {
            // It was to be put back, and is not there.
        } else {
            panic!("{line:?} is not played");
        }
    }

    /// A call of sysctlbyname(3), as its result was printed.
    fn call(&mut self, line: &str) {
        let found = if line.starts_with("uid=") { self.set(line) } else { self.get(line) };
        self.answers(line, &found, line);
    }

    fn set(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split(' ').collect();
        let (uid, name, kind, value) = (words[0], words[2], words[3], words[4]);
        assert_eq!(uid == "uid=0", self.kernel.caller.root, "{line}");
        let number = |kind: Type| kind.encode(value.parse().unwrap());
        let new = match kind {
            "int" => number(Type::Signed(4)),
            "uint" => number(Type::Unsigned(4)),
            "long" => number(Type::Signed(8)),
            "short" => number(Type::Signed(2)),
            "str" => [value.as_bytes(), b"\0"].concat(),
            other => panic!("{other}"),
        };
        let (rc, (errno, said)) = match self.kernel.set(name, &new) {
            Ok(()) => (0, (0, "ok")),
            Err(refusal) => (-1, refusal.errno()),
        };
        format!("{uid} set {name} {kind} {value} (newlen {}): rc={rc} errno={errno} ({said})", new.len())
    }

    fn get(&self, line: &str) -> String {
        let name = line["get ".len()..].split([' ', ':']).next().unwrap();
        let got = self.kernel.get(name);
        if line.contains("with NULL buffer") {
            return match got {
                Ok(bytes) => format!("get {name} with NULL buffer: rc=0 errno=0 needed={}", bytes.len()),
                Err(refusal) => {
                    format!("get {name} with NULL buffer: rc=-1 errno={} needed=0", refusal.errno().0)
                }
            };
        }
        if line.contains("with oldlen=1") {
            let (errno, said) = self.kernel.get_into(name, 1).unwrap_err().errno();
            return format!("get {name} with oldlen=1: rc=-1 errno={errno} ({said}) oldlen after=1");
        }
        match got {
            Ok(bytes) if bytes.len() == 4 => {
                format!("get {name}: len=4 int={}", Type::Signed(4).decode(&bytes).unwrap())
            }
            Ok(bytes) => format!("get {name}: len=8 long={}", Type::Signed(8).decode(&bytes).unwrap()),
            Err(refusal) => {
                let (errno, said) = refusal.errno();
                format!("get {name}: rc=-1 errno={errno} ({said})")
            }
        }
    }
}

/// Returns who types a command, and the command itself.
fn caller(command: &str) -> (Caller, &str) {
    let jailed = |jail| Caller { root: true, jail };
    for (prefix, caller) in [
        ("chroot -u nobody -g nobody / ", Caller::NOBODY),
        ("jail -c name=j1 path=/ ip4=inherit command=", jailed(Jail::Shared)),
        ("jail -c name=j2 path=/ vnet command=", jailed(Jail::Vnet)),
    ] {
        if let Some(command) = command.strip_prefix(prefix) {
            return (caller, command);
        }
    }
    (Caller::ROOT, command)
}

/// Splits what was typed; a blank that belongs to a value stands right after the `=` or at the end.
fn words(arguments: &str) -> Vec<&str> {
    if arguments.contains("= ") && !arguments.contains(" = ") || arguments.ends_with(' ') {
        return vec![arguments];
    }
    arguments.split(' ').collect()
}

fn recordings(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/freebsd/recorded").join(folder);
    let mut found: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

#[test]
fn the_fake_answers_as_the_kernels_did() {
    let mut answers = 0;
    for (folder, release) in [("15.0", Release::Fifteen), ("14.0", Release::Fourteen)] {
        for path in recordings(folder) {
            let text = std::fs::read_to_string(&path).unwrap();
            answers += Replay::of(release, &text).play();
        }
    }
    assert!(answers > 600, "only {answers} answers were compared");
}

#[test]
fn a_kernel_starts_with_what_was_recorded() {
    for release in [Release::Fourteen, Release::Fifteen] {
        let kernel = Kernel::start(release, 100, BTreeMap::new()).unwrap();
        let mut compared = 0;
        for (name, oid) in release.table().iter().filter(|(_, oid)| oid.kind.size().is_some()) {
            assert_eq!(tool::text(&kernel, name), oid.value, "{name}");
            compared += 1;
        }
        assert!(compared > 300, "only {compared} numbers were compared");
    }
}

#[test]
fn what_the_fake_does_not_know_it_refuses() {
    let mut kernel = Kernel::start(Release::Fifteen, 100, BTreeMap::new()).unwrap();
    let unknown = |refusal| matches!(refusal, Err(Refusal::Unmodelled(_)));
    let int = |number: i128| Type::Signed(4).encode(number);
    assert!(unknown(kernel.set("net.inet.ip.ttl", &int(64))), "a name without a rule");
    assert!(unknown(kernel.set("net.inet.tcp.tso", &int(2))), "a value that was never tried");
    assert!(unknown(kernel.get("net.inet6.ip6.hlim").map(drop)), "a type that was not recorded");
    assert!(unknown(kernel.get("vm.nothing").map(drop)), "a part of the tree that was not recorded");
    assert_eq!(kernel.get("net.inet.tcp.nothing"), Err(Refusal::Missing));
    let environment = BTreeMap::from([("kern.ipc.shmmni".to_owned(), "64".to_owned())]);
    assert!(Kernel::start(Release::Fifteen, 100, environment).is_err(), "a tunable without a rule");
}
