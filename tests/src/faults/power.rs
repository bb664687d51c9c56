//! The power goes: every state that the disk can be left in, recovered under another boot.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::campaign::{Campaign, Extent, Violation};
use super::disk::{Data, Disk};
use super::scene::{Act, Place, Scene, stop_watchers};
use super::trace::{self, Area, Call};
use super::verdict::{Left, Verdict};
use super::world::{Snapshot, World, put_back};
use crate::files::FileStates;
use crate::namespace::TestHost;

/// What came of all power cuts.
#[derive(Debug, Default)]
pub struct Cuts {
    /// By command: how many states of the disk there were, how many were tried, how many were wholly old once recovered,
    /// and how many wholly new.
    pub rows: BTreeMap<String, [usize; 4]>,
    /// How many effects were held against what was durable before them.
    pub effects: usize,
    /// Every broken promise.
    pub violations: Vec<Violation>,
}

/// A state of the disk, and whether the command had said by then that it was done.
struct Cut {
    name: String,
    files: FileStates,
    said: bool,
}

/// A sample of so few is taken from some of the calls only: to make every state takes longer than to try a few.
const FEW: usize = 500;
const FIRST_BOOT: &str = "00000000-0000-4000-8000-000000000001";
const NEXT_BOOT: &str = "00000000-0000-4000-8000-000000000002";

impl Cuts {
    /// Cuts the power at every call of every command, or at an even sample of all states that come of it.
    ///
    /// # Panics
    ///
    /// When an undisturbed command does not do what it should.
    #[must_use]
    pub fn run(extent: &Extent) -> Self {
        let found = Mutex::new(Self::default());
        thread::scope(|threads| {
            for worker in 0..extent.workers.max(1) {
                let found = &found;
                threads.spawn(move || {
                    for place in Place::ALL {
                        TestHost::run(place.boot(), |host| on_host(host, place, extent, worker, found));
                    }
                });
            }
        });
        let mut found = found.into_inner().unwrap_or_default();
        found.violations.sort();
        found
    }

    /// Shows what came of it.
    #[must_use]
    pub fn text(&self) -> String {
        use std::fmt::Write;
        let mut text =
            format!("{:<26} {:>7} {:>7} {:>7} {:>7}\n", "power cut during", "states", "tried", "old", "new");
        for (name, [states, tried, old, new]) in &self.rows {
            let _ = writeln!(text, "{name:<26} {states:>7} {tried:>7} {old:>7} {new:>7}");
        }
        let _ = writeln!(
            text,
            "{} states tried, {} effects came after their undo was durable, {} violations",
            self.tried(),
            self.effects,
            self.violations.len()
        );
        for Violation { case, what } in &self.violations {
            let what: String = what.chars().take(1500).collect();
            let _ = writeln!(text, "BROKEN {case}: {what}");
        }
        text
    }

    /// Returns how many states were tried.
    #[must_use]
    pub fn tried(&self) -> usize {
        self.rows.values().map(|[_, tried, ..]| tried).sum()
    }
}

fn on_host(host: &TestHost, place: Place, extent: &Extent, worker: usize, found: &Mutex<Cuts>) {
    let fresh = Snapshot::of(host);
    let workers = extent.workers.max(1);
    for act in Act::ALL.into_iter().enumerate().filter(|(at, _)| at % workers == worker).map(|(_, act)| act) {
        let name = format!("{}/{}", place.name(), act.name());
        if !Campaign::wants(&name, &extent.only) {
            continue;
        }
        host.boots_as(FIRST_BOOT);
        let scene = Scene::new(host, place, act, &fresh);
        let sampled = extent.runs.is_some_and(|runs| runs <= FEW);
        let (cuts, effects, unsafe_effects) = cuts(&scene, &name, if sampled { 9 } else { 1 });
        let each = Place::ALL.len() * Act::ALL.len();
        let chosen = Campaign::chosen(cuts.len(), extent.runs.map(|runs| runs.div_ceil(each)));
        {
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            found.rows.entry(name.clone()).or_default()[0] += cuts.len();
            found.effects += effects;
            found.violations.extend(unsafe_effects);
        }
        host.boots_as(NEXT_BOOT);
        for at in chosen {
            let (left, verdict) = try_cut(&scene, &cuts[at], &fresh);
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            let row = found.rows.entry(name.clone()).or_default();
            row[1] += 1;
            row[2] += usize::from(left == Left::Old);
            row[3] += usize::from(left == Left::New);
            let case = &cuts[at].name;
            found
                .violations
                .extend(verdict.broken.into_iter().map(|what| Violation { case: case.clone(), what }));
        }
    }
}

/// Returns every state of the disk before each of so many calls, how many effects there were, and those that came before their undo was durable.
fn cuts(scene: &Scene<'_>, name: &str, each: usize) -> (Vec<Cut>, usize, Vec<Violation>) {
    scene.restart();
    let start = Snapshot::of(scene.host);
    let ran = scene.traced(&["-y", "-s", "1000000"], None);
    stop_watchers();
    let calls = trace::calls(&scene.strace_said(), scene.host.state());
    let relevant = |path: &Path| {
        path != Path::new("/etc") && trace::is_boot_file(path) || path.starts_with(scene.host.state())
    };
    let files = start.files().filter(|(path, _)| relevant(path));
    let mut disk = Disk::new(files.map(|(path, state)| (path.clone(), state.clone())));
    let (mut seen, mut cuts, mut effects, mut early) = (BTreeSet::new(), Vec::new(), 0, Vec::new());
    let mut said = false;
    for (at, call) in calls.iter().filter(|call| call.changes()).enumerate() {
        if call.area == Area::Speech {
            said = ran.code == 0 && call.arguments.starts_with("1<");
            continue;
        }
        if is_effect(call) {
            effects += 1;
            if let Some(what) = undo_not_durable(call, &disk, scene) {
                early.push(Violation { case: format!("{name}/{call}"), what });
            }
        }
        if at % each == 0 {
            gather(&disk, &format!("{name} before {call}"), said, &mut seen, &mut cuts);
        }
        if call.area != Area::Live {
            disk.carry_out(call);
        }
    }
    gather(&disk, &format!("{name} at its end"), said, &mut seen, &mut cuts);
    (cuts, effects, early)
}

fn gather(disk: &Disk, name: &str, said: bool, seen: &mut BTreeSet<(u64, bool)>, cuts: &mut Vec<Cut>) {
    let (names, data) = (disk.name_choices(), disk.data_choices());
    // Every choice of names with all bytes and with none; every choice of bytes with all names and with none.
    let extremes = [names.first(), names.last()].into_iter().flatten();
    let bytes = extremes.flat_map(|names| data.iter().map(|data| (*names, data)));
    let entries =
        names.iter().flat_map(|names| [&Data::Nothing, &Data::Everything].map(|data| (*names, data)));
    for (names, data) in entries.chain(bytes) {
        let files = disk.left(names, data);
        if seen.insert((digest(&files), said)) {
            cuts.push(Cut { name: format!("{name}, names {names:b}, {data:?}"), files, said });
        }
    }
}

fn digest(files: &FileStates) -> u64 {
    let mut hasher = DefaultHasher::new();
    for (path, state) in files {
        (path, &state.content, state.mode, state.owner).hash(&mut hasher);
    }
    hasher.finish()
}

/// Tells whether a call takes effect on the kernel or on a boot file. What is made beside a file is none yet.
fn is_effect(call: &Call) -> bool {
    let takes_effect = match call.area {
        Area::Live => call.name == "write",
        Area::Boot => matches!(call.name.as_str(), "rename" | "unlink" | "rmdir" | "mkdir"),
        _ => false,
    };
    takes_effect && !call.path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

/// Says what is wrong when the newest durable journal does not have the undo of an effect, or has not been told that
/// the effect begins where that must be durable.
fn undo_not_durable(call: &Call, disk: &Disk, scene: &Scene<'_>) -> Option<String> {
    let journals = scene.host.state().join("journal");
    let durable = disk.durable_paths().filter(|path| path.parent() == Some(&journals));
    let newest = durable.filter(|path| path.extension().is_some_and(|end| end == "jsonl")).max();
    let Some(newest) = newest else { return Some("no journal is durable".to_owned()) };
    let content = disk.durable(newest).map(|state| String::from_utf8_lossy(&state.content).into_owned());
    let content = content.unwrap_or_default();
    let path = call.path.to_string_lossy();
    let key = path.strip_prefix("/proc/sys/").map(|key| key.replace('/', "."));
    let target = format!("\"{}\"", key.as_deref().unwrap_or(&path));
    let step =
        content.lines().position(|line| line.contains("\"record\":\"step\"") && line.contains(&target));
    let Some(step) = step else { return Some(format!("{} has no step on {target}", newest.display())) };
    if !content.contains("\"record\":\"ready\"") {
        return Some(format!("{} is not complete", newest.display()));
    }
    let begin = format!("\"record\":\"begin\",\"index\":{}", step - 1);
    let begun = call.area == Area::Live || content.contains(&begin);
    (!begun).then(|| format!("{} does not have {begin}", newest.display()))
}

fn try_cut(scene: &Scene<'_>, cut: &Cut, fresh: &Snapshot) -> (Left, Verdict) {
    let host = scene.host;
    // No process outlives the power.
    stop_watchers();
    let others = scene
        .old
        .everything
        .files
        .iter()
        .filter(|(path, _)| path.as_path() == Path::new("/etc") || !trace::is_boot_file(path));
    let of = |directory: &Path| -> FileStates {
        let all = others.clone().chain(&cut.files).filter(|(path, _)| path.starts_with(directory));
        all.map(|(path, state)| (path.clone(), state.clone())).collect()
    };
    for directory in [Path::new("/etc"), host.state()] {
        let made = put_back(directory, &of(directory));
        made.unwrap_or_else(|error| panic!("{}: {error} {:?}", cut.name, cut.files.keys()));
    }
    host.set_live(fresh.live());
    let mut verdict = Verdict::default();
    let left = verdict.of_recovery_after_boot(scene, fresh, cut.said);
    (left, verdict)
}

/// The same with the live values of a fresh boot, which recovery must not touch.
#[must_use]
pub fn booted(world: &World, fresh: &Snapshot) -> World {
    let mut world = world.clone();
    world.everything.live.clone_from(fresh.live());
    world
}
