//! The stand-ins for ipadm and ndd answer as the recorded programs did: every recorded command, in order, byte for byte.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // the counts are part of the result

use std::fs;
use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::str::Lines;

use serde::Deserialize;
use tune_tests::sunos::{Fault, Machine, Model};

/// One command, how it was recorded.
#[derive(Deserialize)]
struct Record {
    cmd: Vec<String>,
    fault: String,
    exit: i32,
    stdout: String,
    stderr: String,
}

/// What stood in `ipadm.conf` before the recorded commands, where the recording does not show it.
const BEFORE: &[(&str, &str)] = &[
    ("persistence file missing", ""),
    (
        "boot order",
        "_protocol=tcp;recv_buf=2000000;\n_protocol=tcp;max_buf=4000000;\n_protocol=tcp;__nope=1;\n\
         _protocol=tcp;__fin_wait_2_flush_interval=30000;\n",
    ),
];

/// What was put there after the file had been missing.
const PUT_THERE: &str = "# c\n_ifname=net0;_family=2;\n_aobjname=net0/v4;_ipv4addr=192.0.2.1,;up=yes;\n\
                         _protocol=tcp;max_buf=2097152;\n# tail\n";

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/sunos").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A recording that is played again.
struct Replay<'a> {
    model: Model,
    directory: PathBuf,
    fresh: usize,
    machine: Machine,
    lines: Peekable<Lines<'a>>,
    records: std::vec::IntoIter<Record>,
    title: String,
    fault: String,
    played: usize,
    checks: usize,
    differences: Vec<String>,
}

impl<'a> Replay<'a> {
    fn of(model: Model, directory: &Path, text: &'a str, records: Vec<Record>) -> Self {
        Self {
            model,
            directory: directory.to_owned(),
            fresh: 0,
            machine: Machine::install(&directory.join("0"), model),
            lines: text.lines().peekable(),
            records: records.into_iter(),
            title: String::new(),
            fault: String::new(),
            played: 0,
            checks: 0,
            differences: Vec::new(),
        }
    }

    fn start_fresh(&mut self) {
        self.fresh += 1;
        self.machine = Machine::install(&self.directory.join(self.fresh.to_string()), self.model);
        for (title, conf) in BEFORE {
            if self.title.starts_with(title) {
                self.machine.write_conf(conf);
                conf.is_empty().then(|| self.machine.remove_conf());
            }
        }
    }

    fn play(mut self) -> Self {
        while let Some(line) = self.lines.next() {
            if let Some(title) = line.strip_prefix("===== ") {
                title.clone_into(&mut self.title);
                self.start_fresh();
            } else if line.starts_with("$ ") {
                self.command(line);
            } else if line.starts_with("--- reboot") {
                self.reboot();
            } else if let Some(rest) = line.strip_prefix("ipadm.conf lines: ") {
                let expected = if rest == "(none)" { String::new() } else { self.indented() };
                let conf = self.machine.conf().unwrap();
                let own = conf.lines().filter(|line| line.starts_with("_protocol="));
                self.check(line, &own.map(|line| format!("{line}\n")).collect::<String>(), &expected);
            } else if line == "whole ipadm.conf:" {
                let expected = self.indented();
                self.check(line, &self.machine.conf().unwrap(), &expected);
            } else if line == "ipadm.conf exists: False" {
                self.check(line, &format!("{:?}", self.machine.conf()), "None");
                self.machine.write_conf(PUT_THERE);
            } else {
                assert!(line.is_empty(), "{line:?} is not played");
            }
        }
        assert!(self.records.next().is_none(), "a record was left over");
        self
    }

    /// The lines that are set in by three blanks.
    fn indented(&mut self) -> String {
        let mut text = String::new();
        while let Some(line) = self.lines.next_if(|line| line.starts_with("   ")) {
            text += &line[3..];
            text.push('\n');
        }
        text
    }

    fn check(&mut self, what: &str, found: &str, expected: &str) {
        self.checks += 1;
        if found != expected {
            let title = &self.title;
            self.differences.push(format!("{title}: {what}\n--- found\n{found}--- recorded\n{expected}"));
        }
    }

    fn command(&mut self, line: &str) {
        let record = self.records.next().unwrap();
        let (shown, fault) = match line.strip_suffix('}').and_then(|line| line.rsplit_once("   {")) {
            Some((shown, fault)) => (shown, fault),
            None => (line, ""),
        };
        // What is shown is quoted for people; that both are about the same command is seen by their letters.
        let letters = |text: &str| text.replace([' ', '"', '\''], "");
        assert_eq!(letters(&shown[2..]), letters(&record.cmd.concat()));
        assert_eq!(fault, record.fault, "{line}");
        while self.lines.next_if(|line| line.starts_with("1> ") || line.starts_with("2> ")).is_some() {}
        assert_eq!(self.lines.next().unwrap(), format!("[exit {}]", record.exit), "{line}");

        // There, each fault was tried on a system of its own.
        if self.title.starts_with("faults") && !fault.is_empty() && fault != self.fault {
            self.start_fresh();
            fault.clone_into(&mut self.fault);
        }
        let known = |name: &&str| *name != "nostream"; // the device that it was used on is never a stream
        for name in fault.split(' ').filter(|name| !name.is_empty()).filter(known) {
            self.machine.fault(name.parse::<Fault>().unwrap());
        }
        let output = self.machine.command(&record.cmd[0]).args(&record.cmd[1..]).output().unwrap();
        self.machine.mend_all();

        let shows = |code: Option<i32>, out: &[u8], err: &[u8]| {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace('\0', "\\0");
            format!("exit {code:?}\n1> {}\n2> {}\n", text(out), text(err))
        };
        let found = shows(output.status.code(), &output.stdout, &output.stderr);
        let expected = shows(Some(record.exit), record.stdout.as_bytes(), record.stderr.as_bytes());
        self.check(line, &found, &expected);
        self.checks -= 1;
        self.played += 1;
    }

    fn reboot(&mut self) {
        let mut expected = String::new();
        while let Some(line) =
            self.lines.next_if(|line| line.starts_with("    syslog: ") || line.starts_with("<4> "))
        {
            expected += line.trim_start().trim_start_matches("syslog: ").trim_start_matches("<4> ");
            expected.push('\n');
        }
        let logged: String = self.machine.reboot().iter().map(|line| format!("{line}\n")).collect();
        self.check("reboot", &logged, &expected);
    }
}

fn replay(model: Model, folder: &str, count: usize) {
    let directory = tempfile::tempdir().unwrap();
    let text = fixture(&format!("{folder}/cases.txt"));
    let records = fixture(&format!("{folder}/cases.jsonl"));
    let records: Vec<Record> = records.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records.len(), count, "{folder}");
    let played = Replay::of(model, directory.path(), &text, records).play();
    println!("{folder} as {}: {} commands, {} looks at files", model.name(), played.played, played.checks);
    assert_eq!(played.played, count, "{folder}");
    let differences = &played.differences;
    assert!(differences.is_empty(), "{} differences\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn illumos_of_2025_answers_as_recorded() {
    replay(Model::IllumosCurrent, "illumos-2025-01", 323);
}

#[test]
fn opensolaris_of_2010_answers_as_recorded() {
    replay(Model::Illumos2010, "opensolaris-2010-08", 323);
}

#[test]
fn solaris_11_is_taken_to_answer_as_opensolaris_of_2010() {
    replay(Model::Solaris11, "opensolaris-2010-08", 323);
}

#[test]
fn opensolaris_of_2005_answers_as_recorded() {
    replay(Model::S10, "opensolaris-2005-06", 64);
}

#[test]
fn every_property_is_shown_as_recorded() {
    let folders = [(Model::IllumosCurrent, "illumos-2025-01"), (Model::Illumos2010, "opensolaris-2010-08")];
    for (model, folder) in folders {
        let directory = tempfile::tempdir().unwrap();
        let machine = Machine::install(directory.path(), model);
        let catalog = fixture(&format!("{folder}/catalog.txt"));
        for protocol in ["tcp", "udp", "icmp", "sctp"] {
            let rows: Vec<&str> =
                catalog.lines().filter(|line| line.split(':').next() == Some(protocol)).collect();
            let names: Vec<&str> = rows.iter().map(|row| row.split(':').nth(1).unwrap()).collect();
            let fields = "proto,property,perm,current,persistent,default,possible";
            let words = ["ipadm", "show-prop", "-c", "-o", fields, "-p", &names.join(","), protocol];
            assert_eq!(machine.run(&words).stdout, rows.join("\n") + "\n", "{folder} {protocol}");
        }
    }
}

#[test]
fn netstat_answers_as_recorded() {
    let directory = tempfile::tempdir().unwrap();
    let machine = Machine::install(directory.path(), Model::IllumosCurrent);
    let recorded = fixture("illumos-2025-01/netstat-tcp.txt");
    let mut shown = String::new();
    for line in recorded.lines().filter_map(|line| line.strip_prefix("$ netstat ")) {
        let words: Vec<&str> = std::iter::once("netstat").chain(line.split(' ')).collect();
        let ran = machine.run(&words);
        shown += &format!("$ netstat {line}\n");
        shown.extend(ran.stdout.lines().map(|line| format!("1> {line}\n")));
        shown.extend(ran.stderr.lines().map(|line| format!("2> {line}\n")));
        shown += &format!("[exit {}]\n", ran.code);
    }
    assert_eq!(shown, recorded);
    let part = |family| machine.run(&["netstat", "-an", "-f", family, "-P", "tcp"]).exits(0).stdout;
    let both = machine.run(&["netstat", "-an", "-P", "tcp"]).exits(0).stdout;
    assert_eq!(both, part("inet") + &part("inet6"));
}
