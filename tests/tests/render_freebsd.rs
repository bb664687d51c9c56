//! What `tune render` prints for FreeBSD, pasted into a fake one of each release: its kernel takes the commands in their
//! order, its boot reads the files, and an audit finds nothing to say, now and after a restart.

#![allow(clippy::unwrap_used)]

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::iter::Peekable;
use std::path::Path;
use std::process::Command;
use std::vec::IntoIter;

use tune_engine::Engine;
use tune_model::claim::ScopeClaims;
use tune_model::profile::{self, BuiltIn, InMemory, Library, LibraryError, ProfileText};
use tune_model::{Catalog, Status, System};
use tune_tests::binary::{Ran, tune};
use tune_tests::freebsd::home::Model;
use tune_tests::freebsd::{FakeFreeBsd, Home, Release, tool};

/// Somebody who pastes.
struct Paster<'a> {
    home: &'a Home,
    lines: Peekable<IntoIter<String>>,
}

impl<'a> Paster<'a> {
    fn new(home: &'a Home, script: &str) -> Self {
        let joined = script.replace(" \\\n", " ");
        let lines: Vec<_> = joined.lines().map(str::to_owned).collect();
        Self { home, lines: lines.into_iter().peekable() }
    }

    /// Does everything; what is no known form of a line is no code that render prints.
    fn paste(mut self) {
        while let Some(line) = self.lines.next() {
            match line.split_once(' ').unwrap_or((&line, "")) {
                ("" | "#" | "grep", _) => {}
                ("cat", rest) => self.file(rest),
                ("sysctl", rest) => drop(self.sysctl(rest)),
                ("if", rest) => self.conditional(rest),
                _ => panic!("{line:?}"),
            }
        }
    }

    fn sysctl(&self, arguments: &str) -> String {
        self.try_sysctl(arguments).unwrap_or_else(|said| panic!("sysctl {arguments}: {said}"))
    }

    fn try_sysctl(&self, arguments: &str) -> Result<String, String> {
        let words: Vec<_> = arguments.split_whitespace().map(|word| word.trim_matches('"')).collect();
        let (said, code) = self.home.on_the_host(|kernel| tool::sysctl(kernel, &words));
        if code == 0 { Ok(said) } else { Err(said) }
    }

    fn put(&self, operator: &str, path: &str, text: &str) {
        let path = self.home.root().join(path.trim_start_matches('/'));
        let mut options = OpenOptions::new();
        let options =
            if operator == ">>" { options.append(true) } else { options.write(true).truncate(true) };
        options.create(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn file(&mut self, rest: &str) {
        let [operator, path, "<<'EOF'"] = rest.split(' ').collect::<Vec<_>>()[..] else { panic!("{rest:?}") };
        let text: String =
            self.lines.by_ref().take_while(|line| line != "EOF").map(|line| line + "\n").collect();
        self.put(operator, path, &text);
    }

    /// `if [ "$(sysctl -n NAME)" -lt NUMBER ]; then`, up to `fi`.
    fn conditional(&mut self, rest: &str) {
        let rest = rest.strip_prefix("[ \"$(sysctl ").unwrap().strip_suffix(" ]; then").unwrap();
        let (read, number) = rest.split_once(")\" -lt ").unwrap();
        let number = number.parse().unwrap();
        let (read, absent) = read.split_once(" || echo ").unwrap_or((read, ""));
        let lower = match self.try_sysctl(read) {
            Ok(said) => said.trim().parse::<i128>().unwrap() < number,
            Err(_) => absent.parse::<i128>().unwrap() < number,
        };
        let lines: Vec<_> = self.lines.by_ref().take_while(|line| line != "fi").collect();
        for line in lines.iter().filter(|_| lower) {
            match line.trim().trim_end_matches(" &&").split_once(' ').unwrap() {
                ("sysctl", rest) => drop(self.sysctl(rest)),
                ("echo", rest) => {
                    let (text, path) = rest.trim().rsplit_once(" >> ").unwrap();
                    let text = text.trim().strip_prefix('"').unwrap().strip_suffix('"').unwrap();
                    self.put(">>", path.trim(), &(text.replace("\\\"", "\"") + "\n"));
                }
                _ => panic!("{line:?}"),
            }
        }
    }
}

/// What touches everything that has a prerequisite, cannot be undone, or comes with the next boot.
const THOROUGH: &str = r#"
name = "thorough"
summary = "x"
[settings."tcp.fin_wait_2_timeout"]
at_most = "45s"
[settings."tcp.ephemeral_ports"]
at_least = "5000-65535"
[settings."tcp.keepalive_default_on"]
exactly = false
[settings."tcp.time_wait_interval"]
at_most = "30s"
[settings."tcp.syn_backlog"]
at_least = 30000
[settings."tcp.send_buffer_max"]
at_least = "16MiB"
[settings."net.mbuf_clusters"]
at_least = 200000
[settings."net.max_sockets"]
at_least = 100000
[freebsd.sysctl."net.inet.tcp.syncache.hashsize"]
exactly = 2048
"#;

struct Shelf(InMemory);

impl Library for Shelf {
    fn find(&self, name: &str) -> Result<Option<ProfileText>, LibraryError> {
        self.0.find(name)?.map_or_else(|| BuiltIn.find(name), |found| Ok(Some(found)))
    }

    fn names(&self) -> Vec<String> {
        BuiltIn.names()
    }
}

/// Returns what an audit of the fake host does not find met.
fn unmet(home: &Home, name: &str) -> Vec<String> {
    let shelf = Shelf(InMemory::default().with("thorough", THOROUGH));
    let profile = profile::resolve(&shelf, Catalog::of, name, System::FreeBsd).unwrap().profile;
    let machine = FakeFreeBsd::at(Home::open(home.root().parent().unwrap()));
    let backend = tune_engine::backend_for(&machine).unwrap();
    let engine = Engine { backend: &*backend, host: &machine };
    let findings = engine.audit(&[profile], &ScopeClaims::default(), None).unwrap();
    let counts = |status| !matches!(status, Status::Met);
    let unmet = findings.into_iter().filter(|found| counts(found.status) && !found.optional);
    unmet.map(|found| format!("{}: {} {:?}", found.subject, found.status, found.notes)).collect()
}

fn script(profile: &str, folder: &Path) -> String {
    let path = folder.join("thorough.toml");
    fs::write(&path, THOROUGH).unwrap();
    let name = if profile == "thorough" { path.to_str().unwrap() } else { profile };
    let mut command = Command::new(tune());
    Ran::of(command.args(["render", name, "--for", "freebsd", "--ram", "2GiB"])).exits(0).stdout
}

#[test]
fn pasting_it_is_enough_for_an_audit_now_and_after_a_restart() {
    for release in Release::ALL {
        for profile in ["web-server", "reverse-proxy", "mobile-clients", "fin-wait-2-relief", "thorough"] {
            let folder = tempfile::tempdir().unwrap();
            let home = Home::install(folder.path(), Model::of(*release));
            Paster::new(&home, &script(profile, folder.path())).paste();
            home.reboot().unwrap_or_else(|error| panic!("{profile} on {release:?}: {error}"));
            assert_eq!(unmet(&home, profile), Vec::<String>::new(), "{profile} on {release:?}");
        }
    }
}

#[test]
fn what_can_be_set_at_once_is_in_force_at_once() {
    for release in Release::ALL {
        for profile in ["web-server", "reverse-proxy", "mobile-clients", "fin-wait-2-relief"] {
            let folder = tempfile::tempdir().unwrap();
            let home = Home::install(folder.path(), Model::of(*release));
            Paster::new(&home, &script(profile, folder.path())).paste();
            assert_eq!(unmet(&home, profile), Vec::<String>::new(), "{profile} on {release:?}");
        }
    }
}
