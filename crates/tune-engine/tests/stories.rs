//! Stories of hosts and profiles, one folder each: adding one needs no Rust.
//!
//! `host.toml` is the host, `*.toml` beside it are profiles, and `story.txt` is what happens: a line that begins with
//! `>` is done, and what follows is what comes of it. `BLESS=1 cargo test -p tune-engine` writes what comes of it anew.
//!
//! ```text
//! > audit PROFILE…              findings
//! > apply PROFILE… [--switch…]  plan and carry out; switches as of the command
//! > rollback ID [--switch…]     take a transaction back
//! > off PROFILE… [--switch…]    give up what profiles hold
//! > set TUNABLE VALUE           somebody else sets a live value
//! > write PATH TEXT             somebody else writes a file; `\n` ends a line
//! > remove PATH                 somebody else removes a file
//! > deny PATH                   somebody else leaves a file that cannot be read
//! > hide TUNABLE                a live value cannot be read any more
//! > reveal TUNABLE              it can be again
//! > lose TUNABLE                the kernel has it no more
//! > reboot                      the kernel starts anew and reads the boot files
//! > live TUNABLE                show a live value
//! > show PATH                   show a file
//! > held                        show what is claimed
//! ```
//!
//! After every apply the same is planned again: nothing must be left to do.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use tune_engine::{Engine, Held, Options, Release, backend_for};
use tune_host::fake::FakeHost;
use tune_host::{Backend, Host, Isolation, Machine, MemoryFiles, Scope};
use tune_model::profile::{InMemory, resolve};
use tune_model::{Catalog, Claims, Effect, Finding, Plan, Profile, Status, Subject, System, Verdict};

#[test]
fn every_story_goes_as_it_is_told() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(cases).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(!folders.is_empty());
    let wrong: Vec<String> = folders.iter().filter_map(|folder| differs(folder)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn differs(folder: &Path) -> Option<String> {
    let path = folder.join("story.txt");
    let told = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let found = Story::begin(folder).tell(&told);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &found).unwrap();
        return None;
    }
    (found != told).then(|| format!("{}: told\n{told}\nfound\n{found}", path.display()))
}

/// A host as a case describes it; what is left out is that of an ordinary one.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct HostFile {
    tool: String,
    ram: u64,
    isolation: String,
    missing: Vec<String>,
    denied: Vec<String>,
    unreadable: Vec<String>,
    tunables: BTreeMap<String, String>,
    files: BTreeMap<String, String>,
    links: BTreeMap<String, String>,
}

impl Default for HostFile {
    fn default() -> Self {
        let none = || BTreeMap::new();
        let (missing, denied, unreadable) = (Vec::new(), Vec::new(), Vec::new());
        let (tool, isolation) = ("systemd".to_owned(), String::new());
        Self {
            tool,
            ram: 16 << 30,
            isolation,
            missing,
            denied,
            unreadable,
            tunables: none(),
            files: none(),
            links: none(),
        }
    }
}

/// What an untouched kernel shows.
const TUNABLES: &[(&str, &str)] = &[
    ("net.core.somaxconn", "4096"),
    ("net.ipv4.ip_local_port_range", "32768\t60999"),
    ("net.ipv4.tcp_ehash_entries", "131072"),
    ("net.ipv4.tcp_fin_timeout", "60"),
    ("net.ipv4.tcp_keepalive_intvl", "75"),
    ("net.ipv4.tcp_keepalive_probes", "9"),
    ("net.ipv4.tcp_keepalive_time", "7200"),
    ("net.ipv4.tcp_max_orphans", "65536"),
    ("net.ipv4.tcp_max_syn_backlog", "1024"),
    ("net.ipv4.tcp_max_tw_buckets", "65536"),
    ("net.ipv4.tcp_mem", "187500\t250000\t375000"),
    ("net.ipv4.tcp_rmem", "4096\t131072\t6291456"),
    ("net.ipv4.tcp_tw_reuse", "2"),
    ("net.ipv4.tcp_wmem", "4096\t16384\t4194304"),
];
const ZONES: &str = "Node 0, zone   Normal\n        high     0\n        managed  4000000\n";
const SOCKSTAT: &str = "TCP: inuse 5 orphan 2 tw 7 alloc 9 mem 11\n";

impl HostFile {
    fn build(self) -> FakeHost {
        let mut files = MemoryFiles::default()
            .with("/proc/meminfo", format!("MemTotal: {} kB\n", self.ram >> 10))
            .with("/proc/zoneinfo", ZONES)
            .with("/proc/net/sockstat", SOCKSTAT);
        for (path, text) in &self.files {
            files = files.with(path, text);
        }
        for (path, target) in &self.links {
            files = files.with_link(path, target);
        }
        files = self.unreadable.iter().fold(files, |files, path| files.with_denied(path));
        files = match self.tool.as_str() {
            "systemd" => files.with_directory("/run/systemd/system").with_directory("/etc/sysctl.d"),
            "systemd and procps" => files
                .with_directory("/run/systemd/system")
                .with_directory("/etc/sysctl.d")
                .with("/usr/sbin/sysctl", ""),
            "procps" => files.with("/etc/init.d/procps", "").with("/usr/sbin/sysctl", ""),
            "image" => files.with("/usr/lib/systemd/systemd-sysctl", "").with_directory("/etc/sysctl.d"),
            "empty image" => files.with_directory("/etc/sysctl.d"),
            "none" => files,
            other => panic!("unknown boot tool {other:?}"),
        };
        let isolation = match self.isolation.as_str() {
            "" => Isolation::None,
            "network" => Isolation::NetworkOnly,
            "network and files" => Isolation::NetworkAndFiles,
            other => panic!("unknown isolation {other:?}"),
        };
        let mut tunables: BTreeMap<&str, &str> = TUNABLES.iter().copied().collect();
        tunables.extend(self.tunables.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        tunables.retain(|name, _| !self.missing.iter().any(|missing| missing == name));
        let mut host = FakeHost::new().with_files(files).with_isolation(isolation);
        if self.tool.ends_with("image") {
            let identity = tune_host::Identity::default();
            host = host.with_scope(Scope::Image("/image".into())).with_identity(identity).with_ram(self.ram);
        }
        for (name, value) in tunables {
            host = host.with_tunable(name, &value.replace(' ', "\t"));
        }
        self.denied.iter().fold(host, |host, name| host.with_denied(name))
    }
}

struct Story {
    host: FakeHost,
    backend: Box<dyn Backend>,
    profiles: BTreeMap<String, Profile>,
    claims: Claims,
    transactions: u64,
    out: String,
}

impl Story {
    fn begin(folder: &Path) -> Self {
        let read = |path: PathBuf| std::fs::read_to_string(path).unwrap_or_default();
        let host: HostFile = toml::from_str(&read(folder.join("host.toml")))
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let host = host.build();
        let backend = backend_for(&host).unwrap();
        let mut profiles = BTreeMap::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
            if path.extension().is_some_and(|extension| extension == "toml") && stem != "host" {
                profiles.insert(stem, profile(&read(path)));
            }
        }
        Self { host, backend, profiles, claims: Claims::default(), transactions: 0, out: String::new() }
    }

    fn tell(mut self, told: &str) -> String {
        for line in told.lines() {
            match line.strip_prefix("> ") {
                Some(command) => {
                    if !self.out.is_empty() {
                        self.out.push('\n');
                    }
                    writeln!(self.out, "{line}").unwrap();
                    self.command(command);
                }
                None if line.starts_with('#') => writeln!(self.out, "{line}").unwrap(),
                None => {}
            }
        }
        self.out
    }

    fn say(&mut self, line: impl AsRef<str>) {
        writeln!(self.out, "{}", line.as_ref().trim_end()).unwrap();
    }

    fn command(&mut self, command: &str) {
        let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
        let (first, second) = rest.split_once(' ').unwrap_or((rest, ""));
        match verb {
            "audit" => self.audit(rest),
            "apply" => self.apply(rest),
            "rollback" => {
                let (_, options) = arguments(second);
                self.release(&Release::Transaction(first.parse().unwrap()), &options);
            }
            "off" => {
                let (names, options) = arguments(rest);
                self.release(&Release::Profiles(names.into_iter().collect()), &options);
            }
            "set" => self.host.set_value(first, &second.replace(' ', "\t")),
            "write" => self.host.set_file(first, Some(&second.replace("\\n", "\n"))),
            "remove" => self.host.set_file(first, None),
            "deny" => self.host.deny_file(first),
            "hide" => self.host.hide_value(first, true),
            "reveal" => self.host.hide_value(first, false),
            "lose" => self.host.remove_value(first),
            "reboot" => self.reboot(),
            "live" => self.say(self.host.value(first).unwrap().replace('\t', " ")),
            "show" => self.show(first),
            "held" => self.show_claims(),
            other => panic!("unknown command {other:?}"),
        }
    }

    fn engine(&self) -> Engine<'_> {
        Engine { backend: &*self.backend, host: &self.host }
    }

    fn named(&self, names: &[String]) -> Vec<Profile> {
        names
            .iter()
            .map(|name| self.profiles.get(name).unwrap_or_else(|| panic!("no profile {name}")).clone())
            .collect()
    }

    fn audit(&mut self, rest: &str) {
        let (names, _) = arguments(rest);
        let claims = self.engine().claims_here(&self.claims);
        let found = self.engine().audit(&self.named(&names), &claims, None).unwrap();
        for finding in &found {
            self.finding(finding);
        }
        assert_eq!(self.host.effects(), [""; 0], "an audit changed something");
    }

    fn finding(&mut self, finding: &Finding) {
        let side = |verdict, effective: &tune_model::Effective| match verdict {
            Verdict::NotApplicable => "-".to_owned(),
            verdict => format!("{effective} {verdict}"),
        };
        self.say(format!(
            "{}: {} ({}; now {}, next boot {})",
            finding.subject,
            finding.status,
            finding.wanted,
            side(finding.live, &finding.effective),
            side(finding.boot, &finding.boot_effective)
        ));
        for note in &finding.notes {
            self.say(format!("  note: {note}"));
        }
        if finding.status == Status::Unreadable || finding.boot == Verdict::Unknown {
            let reason = finding.tunables.iter().find_map(|state| state.reason.clone());
            self.say(format!("  reason: {}", reason.unwrap_or_default()));
        }
    }

    fn apply(&mut self, rest: &str) {
        let (names, options) = arguments(rest);
        let profiles = self.named(&names);
        if self.carry_out(|story, held| story.engine().plan_apply(&profiles, held, &options).unwrap()) {
            let again = Options { overwrite_foreign: false, ..options };
            let plan = self.engine().plan_apply(&profiles, self.held(&self.host.boot_id()), &again).unwrap();
            if !plan.is_empty() && plan.conflicts.is_empty() {
                self.say(format!("APPLIED AGAIN THIS CHANGES {:?} AND HOLDS {:?}", plan.steps, plan.claims));
            }
        }
    }

    fn release(&mut self, release: &Release, options: &Options) {
        self.carry_out(|story, held| story.engine().plan_release(release, held, options));
    }

    fn held<'s>(&'s self, boot_id: &'s str) -> Held<'s> {
        Held { claims: &self.claims, transaction: self.transactions + 1, boot_id }
    }

    /// Plans and carries out, and tells what was done; false when it is refused.
    fn carry_out(&mut self, plan: impl Fn(&Self, Held<'_>) -> Plan) -> bool {
        let boot_id = self.host.boot_id();
        let plan = plan(self, self.held(&boot_id));
        assert_eq!(self.host.effects(), [""; 0], "planning changed something");
        self.plan(&plan);
        if !plan.refusals.is_empty() {
            return false;
        }
        if plan.is_empty() {
            self.say("nothing to do");
            return true;
        }
        self.transactions += 1;
        self.say(format!("transaction {}", self.transactions));
        for step in &plan.steps {
            assert!(self.backend.may_do(&step.effect), "{:?} is not permitted", step.effect);
            execute(&self.host, &step.effect);
        }
        self.host.restart();
        self.claims = plan.claims.unwrap_or_else(|| self.claims.clone());
        true
    }

    fn plan(&mut self, plan: &Plan) {
        for refusal in &plan.refusals {
            self.say(format!("refused: {}", refusal.message));
            for hint in &refusal.hints {
                self.say(format!("  hint: {hint}"));
            }
        }
        for conflict in &plan.conflicts {
            let (expected, found) = (last_line(&conflict.expected), last_line(&conflict.found));
            let found = if conflict.unreadable { format!("unreadable ({found})") } else { found.to_owned() };
            self.say(format!("conflict: {} is {found}, not {expected}", conflict.target));
        }
        for warning in &plan.warnings {
            self.say(format!("warning: {warning}"));
        }
        if plan.reboot_required {
            self.say("needs a reboot");
        }
        let changes: Vec<String> = plan.changes.iter().map(change).collect();
        if plan.refusals.is_empty() {
            changes.iter().for_each(|line| self.say(line));
            plan.steps.iter().for_each(|step| self.step(&step.effect));
        }
    }

    fn step(&mut self, effect: &Effect) {
        let told = match effect {
            Effect::SetTunable { tunable, after, .. } => {
                format!("set {tunable} = {}", after.replace('\t', " "))
            }
            Effect::ReplaceFile { path, after: None, .. } => format!("remove {}", path.display()),
            Effect::ReplaceFile { path, after: Some(image), before } => {
                assert!(before.as_ref().is_none_or(|old| (old.mode, old.uid) == (image.mode, image.uid)));
                format!("write {} mode {:o} owner {}", path.display(), image.mode, image.uid)
            }
            Effect::Directory { path, after: false, .. } => format!("remove {}", path.display()),
            other => format!("make {}", other.target()),
        };
        self.say(format!("step: {told}"));
    }

    fn show(&mut self, path: &str) {
        let text = self.host.image(path).map(|image| String::from_utf8(image.content.0).unwrap());
        match text {
            Some(text) => text.lines().for_each(|line| self.say(format!("| {line}"))),
            None => self.say("there is no such file"),
        }
    }

    fn show_claims(&mut self) {
        let claims = self.engine().claims_here(&self.claims);
        for (layer, holdings) in [("runtime", claims.runtime), ("boot", claims.boot)] {
            for (slot, holding) in holdings {
                let text = |text: Option<String>| text.unwrap_or_else(|| "none".to_owned());
                let by: Vec<_> = holding.claims.iter().map(|claim| claim.profile.as_str()).collect();
                let (held, original) = (text(holding.held), text(holding.original));
                self.say(format!("{layer} {slot}: {held}, before {original}, by {}", by.join(", ")));
            }
        }
    }

    fn reboot(&mut self) {
        let names: BTreeSet<String> = Catalog::of(System::Linux).iter().map(|row| row.name.clone()).collect();
        self.host.reboot();
        let readings = self.backend.read(&self.host, &names, &tune_model::claim::ScopeClaims::default());
        for (name, reading) in readings {
            if let (Some(_), Ok(text)) = (self.host.value(&name), &reading.boot) {
                self.host.set_value(&name, text);
            }
        }
    }
}

fn profile(text: &str) -> Profile {
    let name = text.lines().find_map(|line| line.strip_prefix("name = ")).unwrap().trim_matches('"');
    let library = InMemory::default().with(name, text);
    let resolved =
        resolve(&library, Catalog::of, name, System::Linux).unwrap_or_else(|error| panic!("{error}"));
    resolved.profile
}

fn arguments(text: &str) -> (Vec<String>, Options) {
    let mut options = Options::default();
    let mut names = Vec::new();
    let mut words = text.split_whitespace();
    while let Some(word) = words.next() {
        let mut subject = || words.next().unwrap().parse::<Subject>().unwrap();
        match word {
            "--runtime-only" => options.runtime_only = true,
            "--boot-only" => options.boot_only = true,
            "--take-over" => options.take_over = true,
            "--accept-override" => options.accept_override = true,
            "--overwrite-foreign" => options.overwrite_foreign = true,
            "--all-or-nothing" => options.all_or_nothing = true,
            "--skip-unsupported" => options.skip_unsupported = true,
            "--allow-unsafe" => _ = options.allow_unsafe.insert(subject()),
            "--only" => _ = options.only.insert(subject()),
            "--except" => _ = options.except.insert(subject()),
            "--replace" => _ = options.replace.insert(words.next().unwrap().to_owned()),
            switch if switch.starts_with('-') => panic!("unknown switch {switch}"),
            name => names.push(name.to_owned()),
        }
    }
    (names, options)
}

fn execute(host: &FakeHost, effect: &Effect) {
    match effect {
        Effect::SetTunable { tunable, after, namespace, .. } => {
            host.write_in(namespace.as_ref(), tunable, after).unwrap();
        }
        Effect::ReplaceFile { path, after, .. } => host.replace_file(path, after.as_ref(), "1-1").unwrap(),
        Effect::Directory { path, after, .. } => host.set_directory(path, *after).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn change(change: &tune_model::plan::Change) -> String {
    let shown = |text: &Option<String>| text.as_deref().unwrap_or("none").replace('\t', " ");
    let (before, after) = (shown(&change.before), shown(&change.after));
    format!("{} {}: {before} -> {after}", change.scope, change.key)
}

fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or_default()
}
