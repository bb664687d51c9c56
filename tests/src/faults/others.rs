//! The same faults in the tools that other hosts are set up with, for comparison.

use std::collections::BTreeMap;
use std::fs;

use super::fault::ERRORS;
use super::trace::{self, Area, Call};
use super::world::Snapshot;
use crate::binary::{self, Ran};
use crate::namespace::{Boot, TestHost, systemd_sysctl, write_file};

/// The values that every tool sets, in the order of the file.
const WANTED: [(&str, &str); 6] = [
    ("net.core.somaxconn", "8192"),
    ("net.ipv4.tcp_fin_timeout", "30"),
    ("net.ipv4.tcp_keepalive_intvl", "30"),
    ("net.ipv4.tcp_keepalive_probes", "5"),
    ("net.ipv4.tcp_keepalive_time", "600"),
    ("net.ipv4.tcp_rmem", "4096 131072 16777216"),
];

const FILE: &str = "/etc/sysctl.d/50-same.conf";
const TRACE: &str = "/mnt/strace";

/// What came of the faults in one tool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Calls on values of the kernel, each of which failed in each way.
    pub calls: usize,
    /// Faulty runs.
    pub runs: usize,
    /// Runs after which some values were new and some were not.
    pub half: usize,
    /// Runs that ended with 0 although not every value was new.
    pub false_success: usize,
    /// Of the runs with an error, those that did not end with 0 although every value was new.
    pub false_failure: usize,
    /// Runs after which the values were still neither old nor new once `tune recover` had run; of other tools, once they
    /// had run again undisturbed they had no way to know that they should.
    pub half_for_good: usize,
}

/// A tool, and how it is told to set the values.
struct Tool {
    name: &'static str,
    command: fn(&TestHost) -> Vec<String>,
}

const TOOLS: [Tool; 3] = [
    Tool {
        name: "tune apply",
        command: |host| words(&host.tune_command(&["apply", "same", "--runtime-only", "--yes"])),
    },
    Tool { name: "sysctl -p FILE", command: |_| vec!["sysctl".to_owned(), "-p".to_owned(), FILE.to_owned()] },
    Tool { name: "systemd-sysctl", command: |_| vec![systemd_sysctl().to_owned(), FILE.to_owned()] },
];

/// Runs the comparison; nothing where hosts of their own are not to be had.
///
/// # Panics
///
/// When an undisturbed tool does not set the values.
#[must_use]
pub fn compare() -> BTreeMap<&'static str, Figures> {
    let mut found = BTreeMap::new();
    TestHost::run(Boot::Systemd, |host| {
        let lines = WANTED.map(|(key, value)| format!("{key} = {value}\n"));
        write_file(FILE, &lines.concat());
        let pins =
            WANTED.map(|(key, value)| format!("[linux.sysctl.{key:?}]\nexactly = {}\n", pinned(value)));
        host.site_profile("same", &pins.concat());
        for tool in &TOOLS {
            found.insert(tool.name, tool.figures(host));
        }
    });
    found
}

/// Shows the comparison.
#[must_use]
pub fn text(figures: &BTreeMap<&'static str, Figures>) -> String {
    let mut text = format!(
        "{:<16} {:>6} {:>6} {:>13} {:>24} {:>22}\n",
        "tool", "calls", "runs", "half applied", "exit 0, not all was set", "half applied for good"
    );
    for (name, of) in figures {
        text += &format!(
            "{name:<16} {:>6} {:>6} {:>13} {:>24} {:>22}\n",
            of.calls, of.runs, of.half, of.false_success, of.half_for_good
        );
    }
    text
}

impl Tool {
    fn figures(&self, host: &TestHost) -> Figures {
        let start = Snapshot::of(host);
        let traced = self.run(host, &["-y", "-s", "200"]);
        assert_eq!(new_values(host), WANTED.len(), "{traced}");
        let calls = trace::calls(&fs::read_to_string(TRACE).unwrap_or_default(), host.state());
        let sites: Vec<&Call> =
            calls.iter().filter(|call| call.area == Area::Live && call.changes()).collect();
        let mut found = Figures { calls: sites.len(), ..Figures::default() };
        for call in sites {
            let errors = ERRORS.map(|errno| format!("error={errno}"));
            for fault in errors.into_iter().chain(["signal=KILL".to_owned()]) {
                start.restore(host);
                let inject = format!("inject={}:{fault}:when={}", call.name, call.nth);
                let ran = self.run(host, &["-e", &format!("trace={}", call.name), "-e", &inject]);
                self.judge(host, &ran, &mut found);
            }
        }
        start.restore(host);
        found
    }

    fn judge(&self, host: &TestHost, ran: &Ran, found: &mut Figures) {
        let is_half = |new: usize| new != 0 && new != WANTED.len();
        let new = new_values(host);
        found.runs += 1;
        found.half += usize::from(is_half(new));
        found.false_success += usize::from(ran.code == 0 && new != WANTED.len());
        found.false_failure += usize::from(![0, 137].contains(&ran.code) && new == WANTED.len());
        if self.name.starts_with("tune") {
            host.tune(&["recover"]).exits(0);
        }
        found.half_for_good += usize::from(is_half(new_values(host)));
    }

    fn run(&self, host: &TestHost, strace: &[&str]) -> Ran {
        let mut command = host.command("strace");
        command.args(["-f", "-qq", "-o", TRACE]).args(strace).args((self.command)(host));
        Ran::of(&mut command)
    }
}

fn words(command: &std::process::Command) -> Vec<String> {
    let _ = binary::tune();
    let all = std::iter::once(command.get_program()).chain(command.get_args());
    all.map(|word| word.to_string_lossy().into_owned()).collect()
}

/// Returns a value as a profile has it.
fn pinned(value: &str) -> String {
    if value.contains(' ') { format!("[{}]", value.replace(' ', ", ")) } else { value.to_owned() }
}

fn new_values(host: &TestHost) -> usize {
    WANTED.iter().filter(|(key, value)| host.read(key) == *value).count()
}
