//! The hosts and commands that faults are tried on.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::trace::{self, Area, Call};
use super::world::{Snapshot, World};
use crate::binary::{self, Ran};
use crate::namespace::{Boot, TestHost, write_file};

/// Where a host keeps what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// systemd; `tune` has been at work before; somebody else's file, with a mode, an owner and an attribute of its
    /// own, has to be taken over.
    Systemd,
    /// procps; nothing was ever changed, there is neither a state directory nor `/etc/sysctl.d`; a line of
    /// `/etc/sysctl.conf` has to be taken over.
    Procps,
}

/// A command, and what went before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// `apply`.
    Apply,
    /// `apply` whose last file cannot be made, so that it takes itself back.
    FailingApply,
    /// `apply --confirm-within`, which waits afterwards.
    Try,
    /// `confirm` of what waits.
    Confirm,
    /// `rollback` of an apply.
    Rollback,
    /// `recover` after an apply that died just before its end.
    Recover,
    /// `recover` after an apply that died with a half-made boot file.
    RecoverHalf,
    /// `recover` after a rollback that died just before its end.
    RecoverRollback,
}

impl Place {
    /// Every place.
    pub const ALL: [Self; 2] = [Self::Systemd, Self::Procps];

    /// Returns the name it has in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::Procps => "procps",
        }
    }

    /// Returns what applies settings at boot there.
    #[must_use]
    pub const fn boot(self) -> Boot {
        match self {
            Self::Systemd => Boot::Systemd,
            Self::Procps => Boot::Procps,
        }
    }

    /// Returns somebody else's file, whose line wins over ours.
    const fn foreign(self) -> &'static str {
        match self {
            Self::Systemd => "/etc/sysctl.d/zzz.conf",
            Self::Procps => "/etc/sysctl.conf",
        }
    }
}

impl Act {
    /// Every act.
    pub const ALL: [Self; 8] = [
        Self::Apply,
        Self::FailingApply,
        Self::Try,
        Self::Confirm,
        Self::Rollback,
        Self::Recover,
        Self::RecoverHalf,
        Self::RecoverRollback,
    ];

    /// Returns the name it has in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::FailingApply => "failing-apply",
            Self::Try => "try",
            Self::Confirm => "confirm",
            Self::Rollback => "rollback",
            Self::Recover => "recover",
            Self::RecoverHalf => "recover-half",
            Self::RecoverRollback => "recover-rollback",
        }
    }

    /// Tells whether the command is `recover` itself.
    #[must_use]
    pub const fn recovers(self) -> bool {
        matches!(self, Self::Recover | Self::RecoverHalf | Self::RecoverRollback)
    }

    const fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Apply | Self::FailingApply => APPLY,
            Self::Try => TRY,
            Self::Confirm => CONFIRM,
            Self::Rollback => ROLLBACK,
            _ => &["recover", "--format", "json"],
        }
    }

    /// Returns what goes wrong in every run, in the words of `strace`: setting the attribute of the file that is taken over.
    pub const fn standing(self) -> Option<&'static str> {
        match self {
            Self::FailingApply => Some("inject=lsetxattr:error=ENOSPC:when=1"),
            _ => None,
        }
    }
}

const APPLY: &[&str] = &["apply", "campaign", "--yes", "--take-over", "--format", "json"];
const TRY: &[&str] =
    &["apply", "campaign", "--yes", "--take-over", "--confirm-within", "1h", "--format", "json"];
const CONFIRM: &[&str] = &["confirm", "--format", "json"];
const ROLLBACK: &[&str] = &["rollback", "--yes", "--format", "json"];

/// Five live keys, one of them with three fields.
const PROFILE: &str = r#"
[settings]
"tcp.fin_wait_2_timeout" = "30s"
"tcp.keepalive_idle" = "10min"
"tcp.listen_backlog" = 8192
"tcp.syn_backlog" = 2048
"tcp.receive_buffer_max" = "16MiB"
"#;

const TRACE: &str = "/mnt/strace";

/// A command on a host, where it begins and where it may end.
#[derive(Debug)]
pub struct Scene<'h> {
    /// The host.
    pub host: &'h TestHost,
    /// Which host it is.
    pub place: Place,
    /// The command.
    pub act: Act,
    start: Snapshot,
    /// The host before anything was changed.
    pub clean: World,
    /// The host as the command found it.
    pub old: World,
    /// The host as the command leaves it undisturbed.
    pub new: World,
    /// Every system call of an undisturbed run.
    pub calls: Vec<Call>,
}

impl<'h> Scene<'h> {
    /// Makes the host ready for the command and records an undisturbed run.
    ///
    /// # Panics
    ///
    /// When a step of that does not do what it should.
    #[must_use]
    pub fn new(host: &'h TestHost, place: Place, act: Act, fresh: &Snapshot) -> Self {
        fresh.restore(host);
        furnish(host, place);
        let clean = World::of(host);
        prepare(host, act);
        let (start, old) = (Snapshot::of(host), World::of(host));
        let mut scene = Self { host, place, act, start, clean, new: old.clone(), old, calls: Vec::new() };
        let wanted = if act == Act::FailingApply { 1 } else { 0 };
        let ran = scene.traced(&["-y", "-s", "200"], None).exits(wanted);
        assert!(ran.stderr.is_empty() || act.recovers() || act == Act::Try, "{ran}");
        scene.calls = trace::calls(&fs::read_to_string(TRACE).unwrap_or_default(), host.state());
        scene.new = World::of(host);
        stop_watchers();
        let changed = !scene.old.differences(&scene.new).is_empty();
        assert_eq!(changed, act != Act::FailingApply, "{place:?}, {act:?}");
        scene
    }

    /// Begins anew.
    pub fn restart(&self) {
        self.start.restore(self.host);
    }

    /// Runs the command under `strace`, which writes to [`Scene::strace_said`]; `limit` is the size in bytes beyond
    /// which no file can grow.
    pub fn traced(&self, options: &[&str], limit: Option<u64>) -> Ran {
        let standing = self.act.standing().into_iter().flat_map(|option| ["-e", option]);
        let words: Vec<&str> =
            ["-o", TRACE].into_iter().chain(standing).chain(options.iter().copied()).collect();
        let tune = self.host.tune_command(self.act.arguments());
        let Some(limit) = limit else {
            // Without -f: the process that waits for a confirmation outlives the command.
            let mut command = self.host.command("strace");
            command.arg("-qq").args(words).arg(tune.get_program()).args(tune.get_args());
            return Ran::of(&mut command);
        };
        // A signal that is ignored stays so in what is executed; the call then fails instead.
        let limited = "trap '' XFSZ; limit=$1; shift; exec prlimit --fsize=\"$limit\" \"$@\"";
        let mut command = self.host.command("sh");
        command.args(["-c", limited, "sh", &limit.to_string()]);
        command.arg(tune.get_program()).args(tune.get_args());
        Ran::of(&mut command)
    }

    /// Returns what `strace` wrote about the last run.
    #[must_use]
    pub fn strace_said(&self) -> String {
        fs::read_to_string(TRACE).unwrap_or_default()
    }

    /// Returns the calls that change something, with their places among all.
    pub fn changing(&self) -> impl Iterator<Item = (usize, &Call)> {
        let counts = |call: &&Call| self.act.standing().is_none() || call.name != "lsetxattr";
        self.calls.iter().enumerate().filter(|(_, call)| call.changes()).filter(move |(_, call)| counts(call))
    }
}

fn furnish(host: &TestHost, place: Place) {
    host.site_profile("campaign", PROFILE);
    write_file(place.foreign(), "# of the site\nnet.ipv4.tcp_fin_timeout = 50\nvm.swappiness = 10\n");
    let foreign = Path::new(place.foreign());
    let dressed = chown(foreign, Some(1), Some(2))
        .and_then(|()| fs::set_permissions(foreign, Permissions::from_mode(0o640)))
        .and_then(|()| xattr::set(foreign, "user.origin", b"site"));
    dressed.unwrap_or_else(|error| panic!("{}: {error}", foreign.display()));
    match place {
        Place::Systemd => {
            host.tune(&["set", "tcp.keepalive_probes=5", "--yes"]).exits(0);
        }
        Place::Procps => {
            let removed = fs::remove_dir(host.state()).and_then(|()| fs::remove_dir("/etc/sysctl.d"));
            removed.unwrap_or_else(|error| panic!("a directory: {error}"));
        }
    }
}

fn prepare(host: &TestHost, act: Act) {
    match act {
        Act::Apply | Act::FailingApply => {}
        Act::Try => {}
        Act::Confirm => {
            host.tune(TRY).exits(0);
            stop_watchers();
        }
        Act::Rollback => drop(host.tune(APPLY).exits(0)),
        Act::Recover => die(host, APPLY, before_the_end),
        Act::RecoverHalf => die(host, APPLY, |call| call.name == "rename" && call.area == Area::Boot),
        Act::RecoverRollback => {
            host.tune(APPLY).exits(0);
            die(host, ROLLBACK, before_the_end);
        }
    }
}

/// Ends the processes of this host that wait for a confirmation, so that none of them acts in between.
///
/// # Panics
///
/// When one does not end.
pub fn stop_watchers() {
    for _ in 0..500 {
        let left = processes_of(binary::tune());
        if left.is_empty() {
            return;
        }
        for process in left {
            let _ = kill(Pid::from_raw(process), Signal::SIGKILL);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    panic!("a process does not end");
}

/// Returns the processes that run a program in the mount namespace of this thread.
#[must_use]
pub fn processes_of(program: &Path) -> Vec<i32> {
    let namespace = |process: &Path| fs::read_link(process.join("ns/mnt")).ok();
    let own = namespace(Path::new("/proc/thread-self"));
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path());
    processes
        .filter(|process| fs::read_link(process.join("exe")).is_ok_and(|exe| exe == program))
        .filter(|process| namespace(process) == own)
        .filter_map(|process| process.file_name()?.to_str()?.parse().ok())
        .collect()
}

fn before_the_end(call: &Call) -> bool {
    call.name == "pwrite64" && call.arguments.contains(r#"{\"record\":\"end\""#)
}

/// Runs a command that dies before a call.
fn die(host: &TestHost, arguments: &[&str], at: impl Fn(&Call) -> bool) {
    let before = Snapshot::of(host);
    Ran::of(&mut host.traced(&["-o", TRACE, "-y", "-s", "200"], arguments)).exits(0);
    let calls = trace::calls(&fs::read_to_string(TRACE).unwrap_or_default(), host.state());
    before.restore(host);
    let call = calls.iter().find(|call| at(call)).unwrap_or_else(|| panic!("no such call: {calls:#?}"));
    let inject = format!("inject={}:signal=KILL:when={}", call.name, call.nth);
    Ran::of(&mut host.traced(&["-o", TRACE, "-e", &inject], arguments)).exits(137);
}
