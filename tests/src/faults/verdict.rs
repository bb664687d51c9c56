//! What has to hold after a fault, whatever it was.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::Value;

use super::power::booted;
use super::scene::{Act, Scene, processes_of, stop_watchers};
use super::world::{Snapshot, World};
use crate::binary::{self, Ran};
use crate::files;

/// Where a run left the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Left {
    /// Wholly as before.
    Old,
    /// Wholly as wanted.
    New,
    /// Neither.
    Between,
}

/// What is wrong after a run, in words; nothing where all is well.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Each broken promise.
    pub broken: Vec<String>,
    /// The fault was in a call that only looks: another plan may come of it, as long as it keeps its word.
    lenient: bool,
    /// What such a plan came to.
    other: Option<World>,
    /// A rollback has left what it could not read, and said so.
    unread: bool,
}

impl Verdict {
    /// Begins to judge; `lenient` where the fault is in a call that only looks.
    #[must_use]
    pub fn new(lenient: bool) -> Self {
        Self { lenient, ..Self::default() }
    }

    fn demand(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.broken.push(otherwise());
        }
    }

    fn same(&mut self, what: &str, wanted: &World, found: &World) {
        let differences = wanted.differences(found);
        self.demand(differences.is_empty(), || format!("{what}: {}", differences.join("; ")));
    }

    /// Holds what a run said against what it did. Returns where it left the host.
    pub fn of_run(&mut self, scene: &Scene<'_>, ran: &Ran, killed: bool) -> Left {
        stop_watchers();
        let world = World::of(scene.host);
        let left = left(scene, &world);
        if killed {
            self.demand(ran.code == 137, || format!("it was not killed: {ran}"));
            return left;
        }
        // What lies beside a file until recovery is no file that anybody reads.
        let world = world.without_leftovers();
        self.decent(ran);
        let said: Option<Value> = serde_json::from_str(&ran.stdout).ok().filter(Value::is_object);
        let lost = ran.stderr.contains("could not be written to standard output") || ran.stderr.is_empty();
        self.demand(said.is_some() || lost, || format!("no JSON object: {ran}"));
        match ran.code {
            0 if self.lenient && left == Left::Between => self.of_another_plan(scene, world),
            0 => self.same("exit code 0, but not wholly new", &scene.new, &world),
            3 => {
                self.left_is_told(scene, &world, said.as_ref(), ran);
                self.unread = self.lenient && scene.act == Act::Rollback && leaves_unread(said.as_ref());
            }
            // What was tried out is taken back when it cannot be kept, or goes on waiting.
            _ if scene.act == Act::Confirm && world == scene.clean => {}
            _ if scene.act.recovers() => {
                let whole = world == scene.old.clone().without_leftovers() || world == scene.new;
                self.demand(whole, || format!("exit code {}, and half recovered", ran.code));
            }
            code => self.same(&format!("exit code {code}, but not wholly old"), &scene.old, &world),
        }
        if let Some(said) = said {
            let failed = said["failed"].as_bool();
            self.demand(failed == Some(ran.code != 0), || format!("failed is {failed:?}: {ran}"));
            let code = said["exit_code"].as_i64().unwrap_or_else(|| i64::from(ran.code));
            self.demand(code == i64::from(ran.code), || format!("exit_code is {code}: {ran}"));
        }
        left
    }

    /// Who does not know what the next boot does may write more lines, but no live value may be left out.
    fn of_another_plan(&mut self, scene: &Scene<'_>, world: World) {
        let live = &world.everything.live;
        self.demand(*live == scene.new.everything.live, || {
            "exit code 0, but a live value is not new".to_owned()
        });
        if scene.act == Act::Apply {
            let audit = scene.host.tune(&["audit", "campaign"]);
            self.demand(audit.code == 0, || format!("exit code 0, but: {audit}"));
        }
        self.other = Some(world);
    }

    fn decent(&mut self, ran: &Ran) {
        let all = format!("{}{}", ran.stdout, ran.stderr);
        let panicked =
            ["panicked", "in a way it should not", "RUST_BACKTRACE"].iter().any(|word| all.contains(word));
        self.demand(!panicked && ran.code != 101, || format!("a panic: {ran}"));
        let known = [0, 1, 3, 75, 77].contains(&ran.code);
        self.demand(known, || format!("exit code {}: {ran}", ran.code));
        let bare = ["os error", "Some(", "Err(", "Error {"].iter().find(|word| all.contains(**word));
        self.demand(bare.is_none(), || format!("{bare:?} is said: {ran}"));
    }

    /// An operator who is needed must be told what is not as it was.
    fn left_is_told(&mut self, scene: &Scene<'_>, world: &World, said: Option<&Value>, ran: &Ran) {
        let text = said.map_or_else(|| ran.stderr.clone(), ToString::to_string);
        if text.is_empty() {
            return; // Nothing could be written, not even to standard error.
        }
        let base = match scene.act {
            Act::Confirm => &scene.clean,
            act if act.recovers() => &scene.new,
            _ => &scene.old,
        };
        for difference in base.differences(world) {
            let path = difference.split([' ', ':']).next().unwrap_or_default();
            let name =
                path.strip_prefix("/proc/sys/").map_or_else(|| path.to_owned(), |key| key.replace('/', "."));
            let told = text.contains(&name) || is_directory_of_one_told(path, &text);
            self.demand(told, || format!("exit code 3 does not tell of {difference}: {ran}"));
        }
    }

    /// Recovers after the power was cut and demands what has to hold then; `said` tells whether the command had said
    /// that it was done. Returns where that left the host.
    pub fn of_recovery_after_boot(&mut self, scene: &Scene<'_>, fresh: &Snapshot, said: bool) -> Left {
        let ran = scene.host.tune(&["recover", "--format", "json"]);
        self.decent(&ran);
        self.demand(ran.code == 0, || format!("recover: {ran}"));
        let (old, new) = (booted(&scene.old, fresh), booted(&scene.new, fresh));
        let world = World::of(scene.host);
        let left = if world == old && !scene.act.recovers() {
            Left::Old
        } else if world == new {
            Left::New
        } else {
            self.same("neither old nor new; from old", &old, &world);
            self.same("neither old nor new; from new", &new, &world);
            Left::Between
        };
        self.demand(!said || world == new, || "it had said that it was done".to_owned());
        self.afterwards(scene, left);
        left
    }

    /// Recovers, and demands what has to hold then. Returns where that left the host.
    pub fn of_recovery(&mut self, scene: &Scene<'_>, first: Option<i32>) -> Left {
        let host = scene.host;
        let ran = host.tune(&["recover", "--format", "json"]);
        self.decent(&ran);
        let waits = ran.code == 75 && matches!(scene.act, Act::Try | Act::Confirm);
        self.demand(ran.code == 0 || waits, || format!("recover: {ran}"));
        if waits {
            return self.of_waiting(scene, first);
        }
        if self.unread {
            let ran = host.tune(&["rollback", "--yes"]);
            self.demand(ran.code == 0, || format!("what could not be read is not put back later: {ran}"));
        }
        let world = World::of(host);
        if let Some(other) = self.other.take() {
            self.same("recovery changed what was done", &other, &world);
            self.afterwards(scene, Left::New);
            return Left::New;
        }
        let left =
            if scene.act == Act::Confirm && world == scene.clean { Left::Old } else { left(scene, &world) };
        if scene.act.recovers() {
            self.same("recovered, but not wholly", &scene.new, &world);
        } else if scene.act == Act::Confirm && left == Left::Old {
            self.same("neither kept nor taken back", &scene.clean, &world);
        } else if left == Left::Between {
            self.same("neither old nor new; from old", &scene.old, &world);
            self.same("neither old nor new; from new", &scene.new, &world);
        }
        match first {
            Some(0) => self.demand(left == Left::New || scene.old == scene.new, || {
                "exit code 0, and recovery took it back".to_owned()
            }),
            Some(1 | 77) if !scene.act.recovers() => {
                self.demand(left == Left::Old, || "exit code 1, and recovery finished it".to_owned());
            }
            _ => {}
        }
        self.afterwards(scene, left);
        left
    }

    /// What waits for a confirmation is wholly there, and can be taken back or kept.
    fn of_waiting(&mut self, scene: &Scene<'_>, first: Option<i32>) -> Left {
        let host = scene.host;
        let tried = scene.act == Act::Try;
        let (waiting, then, end) =
            if tried { (&scene.new, "rollback", &scene.old) } else { (&scene.old, "confirm", &scene.new) };
        self.same("it waits, but is not what was tried out", waiting, &World::of(host));
        let told = if tried { Some(0) } else { Some(1) };
        self.demand(first.is_none() || first == told || !tried && first == Some(77), || {
            format!("it waits, and the exit code was {first:?}")
        });
        let arguments: &[&str] = if tried { &["rollback", "--yes"] } else { &["confirm"] };
        let ran = host.tune(arguments);
        self.demand(ran.code == 0, || format!("{then} of what waits: {ran}"));
        self.same(then, end, &World::of(host));
        let left = if tried { Left::Old } else { Left::New };
        self.afterwards(scene, left);
        left
    }

    fn afterwards(&mut self, scene: &Scene<'_>, left: Left) {
        self.second_recovery(scene);
        self.history(scene, left);
        self.tidy(scene);
        self.nothing_runs(scene);
    }

    fn second_recovery(&mut self, scene: &Scene<'_>) {
        let touches = || {
            let mut touches = files::touches(Path::new("/etc"));
            touches.extend(files::touches(scene.host.state()));
            touches.retain(|path, _| !path.ends_with("lock"));
            touches
        };
        if !scene.host.state().exists() {
            return;
        }
        let (before, world) = (touches(), World::of(scene.host));
        let ran = scene.host.tune(&["recover", "--format", "json"]);
        self.demand(ran.code == 0 && ran.stdout.contains("nothing to recover"), || {
            format!("a second recovery: {ran}")
        });
        self.demand(before == touches(), || "a second recovery touched something".to_owned());
        self.same("a second recovery", &world, &World::of(scene.host));
    }

    fn history(&mut self, scene: &Scene<'_>, left: Left) {
        let verified = scene.host.tune(&["history", "--verify", "--format", "json"]);
        let found: Value = serde_json::from_str(&verified.stdout).unwrap_or_default();
        let clean = |what: &str| found["verify"][what].as_array().is_none_or(Vec::is_empty);
        let intact = found["verify"]["intact"] == true || !scene.host.state().exists();
        let ok = verified.code == 0 && intact && clean("problems") && clean("notes");
        self.demand(ok, || format!("history --verify: {verified}"));
        let status = scene.host.tune(&["status", "--format", "json"]);
        let found: Value = serde_json::from_str(&status.stdout).unwrap_or_default();
        let open = found["transactions"].as_array().map_or(0, Vec::len);
        self.demand(status.code == 0 && open == 0, || format!("status after recovery: {status}"));
        self.last_state(scene, left);
    }

    /// The history has to tell the same as the host.
    fn last_state(&mut self, scene: &Scene<'_>, left: Left) {
        let history = scene.host.tune(&["history", "--format", "json"]);
        let found: Value = serde_json::from_str(&history.stdout).unwrap_or_default();
        let mut entries = found["transactions"].as_array().cloned().unwrap_or_default();
        entries.sort_by_key(|entry| entry["id"].as_u64());
        let wanted: &[&str] = match (scene.act, left) {
            (Act::Apply | Act::Confirm, Left::New) => &["applied"],
            (Act::Try | Act::Confirm, _) => &["failed", "rolled-back"],
            (Act::Rollback, Left::New) => &["rolled-back"],
            (Act::Rollback | Act::RecoverRollback, _) => &["applied"],
            _ => &["failed"],
        };
        let of_campaign = |entry: &&Value| entry["profiles"].to_string().contains("campaign");
        let state = entries.iter().rfind(of_campaign).and_then(|entry| entry["state"].as_str());
        let fits = state.map_or(wanted.contains(&"failed"), |state| wanted.contains(&state));
        self.demand(fits, || format!("not {wanted:?}: {history}"));
    }

    /// No file is left but those that belong there, with the modes that belong to them.
    fn tidy(&mut self, scene: &Scene<'_>) {
        for directory in [Path::new("/etc"), scene.host.state()].into_iter().filter(|path| path.exists()) {
            for path in files::below(directory).keys() {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                self.demand(!name.starts_with('.'), || format!("{} is left", path.display()));
            }
        }
        for (name, mode) in MODES {
            let found =
                fs::symlink_metadata(scene.host.state().join(name)).map(|found| found.mode() & 0o7777);
            self.demand(found.as_ref().map_or(true, |found| *found == mode), || {
                format!("{name} has mode {:o}", found.unwrap_or_default())
            });
        }
    }

    fn nothing_runs(&mut self, scene: &Scene<'_>) {
        let left = processes_of(binary::tune());
        self.demand(left.is_empty(), || format!("{}: processes {left:?} are left", scene.act.name()));
    }
}

const MODES: [(&str, u32); 5] =
    [("lock", 0o600), ("claims.json", 0o644), ("history.jsonl", 0o644), ("head", 0o644), ("journal", 0o700)];

/// Tells whether a result names something that could not be read and was left.
fn leaves_unread(said: Option<&Value>) -> bool {
    let conflicts = said.and_then(|said| said["conflicts"].as_array()).into_iter().flatten();
    conflicts.into_iter().any(|conflict| conflict["unreadable"] == true)
}

fn left(scene: &Scene<'_>, world: &World) -> Left {
    if *world == scene.old {
        Left::Old
    } else if *world == scene.new {
        Left::New
    } else {
        Left::Between
    }
}

/// A directory made for a file is told by way of the file.
fn is_directory_of_one_told(path: &str, text: &str) -> bool {
    path.starts_with('/') && text.contains(&format!("{path}/"))
}
