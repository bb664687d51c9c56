//! What has to be done so that the next boot sets the wanted values: by ipadm, or by a service of `tune`'s.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use tune_host::backend::{Edited, Moving};
use tune_host::property::{Kept, Shown};
use tune_host::{Altered, FileError, Host, Override, PersistOptions, Persistence, content_of};
use tune_model::claim::{Holding, ScopeClaims};
use tune_model::native::{self, Property};
use tune_model::plan::{Bytes, Change, FileImage};
use tune_model::{Effect, Readings, Slot};

use crate::boot::{CONF, Line, NextBoot, Which, put};
use crate::buffers;
use crate::ground::{Ground, Persists};
use crate::read::{self, Found};
use crate::service::{self, DIRECTORIES};

/// What is to become of the next boot.
#[derive(Clone, Copy)]
pub(crate) struct Task<'a> {
    pub(crate) host: &'a dyn Host,
    pub(crate) ground: &'a Ground,
    /// The claims as they are.
    pub(crate) before: &'a ScopeClaims,
    /// The claims as they are to be.
    pub(crate) claims: &'a ScopeClaims,
    pub(crate) readings: &'a Readings,
    pub(crate) moving: Moving<'a>,
    pub(crate) options: PersistOptions,
}

pub(crate) fn persist(task: Task<'_>) -> Persistence {
    match task.ground.persistence() {
        _ if task.options.rendering => Persistence::default(),
        Persists::Ipadm if task.ground.image => offline(task),
        Persists::Ipadm => by_ipadm(task),
        Persists::Service => by_service(task),
        Persists::Nobody => Persistence::default(),
    }
}

fn held(claims: &ScopeClaims) -> impl Iterator<Item = (&Slot, &Holding, &str)> {
    claims.boot.iter().filter_map(|(slot, holding)| Some((slot, holding, holding.held.as_deref()?)))
}

/// The file says of itself that nobody but the daemon may edit it, and no daemon runs in an image.
fn offline(task: Task<'_>) -> Persistence {
    let why = "ipadm keeps it, which does not work on an image; tune render shows the commands to run there";
    let impossible = held(task.claims).map(|(slot, ..)| (slot.clone(), why.to_owned())).collect();
    Persistence { impossible, ..Persistence::default() }
}

/// One property whose kept value changes.
#[derive(Debug, Clone)]
struct Turn {
    tunable: String,
    property: Property,
    default: String,
    /// What is kept, as it was typed.
    now: Option<String>,
    wanted: Option<String>,
    /// The value of the running kernel by then.
    live: String,
}

fn by_ipadm(task: Task<'_>) -> Persistence {
    let mut out = Persistence { kept: task.before.kept.clone(), ..Persistence::default() };
    let tunables: BTreeSet<&str> =
        task.before.boot.keys().chain(task.claims.boot.keys()).map(|slot| slot.tunable.as_str()).collect();
    let related: BTreeSet<String> = tunables.iter().flat_map(|tunable| related(tunable)).collect();
    let asked = tunables.iter().copied().chain(related.iter().map(String::as_str));
    let found = read::ask(task.host, task.ground, asked);
    let mut turns: Vec<Turn> =
        tunables.iter().filter_map(|tunable| turn(task, &found, tunable, &mut out)).collect();
    turns.sort_by_key(|turn| {
        let from = turn.now.as_deref().unwrap_or(&turn.default);
        (rank(&turn.tunable, from, turn.wanted.as_deref().unwrap_or(&turn.default)), turn.tunable.clone())
    });
    if !out.impossible.is_empty() {
        return out;
    }
    let next = NextBoot::of(task.host, task.ground, &found, task.before);
    settle_order(task, &next, &turns, &mut out);
    out.changes = turns.iter().filter_map(|turn| change(task, turn)).collect();
    out
}

/// What has to be read to foretell whether the boot takes a value.
pub(crate) fn related(tunable: &str) -> Vec<String> {
    let limit = buffers::limit_of(tunable);
    let bounded = buffers::bounded_by(tunable).into_iter().flatten();
    let ports = [crate::settings::FIRST_PORT, crate::settings::LAST_PORT];
    let ports = ports.iter().filter(|_| ports.contains(&tunable)).map(|port| (*port).to_owned());
    limit.into_iter().chain(bounded).chain(ports).collect()
}

/// Returns the place among others: a limit goes up before what it bounds and down after it.
pub(crate) fn rank(tunable: &str, from: &str, to: &str) -> u32 {
    let up = native::number(to) > native::number(from);
    let outer = buffers::bounded_by(tunable).is_some() || tunable == crate::settings::LAST_PORT;
    match (outer, tunable == crate::settings::FIRST_PORT) {
        (true, _) => {
            if up {
                0
            } else {
                2
            }
        }
        (_, true) => {
            if up {
                2
            } else {
                0
            }
        }
        _ => 1,
    }
}

/// Finds out what becomes of one property; notes what is in the way.
fn turn(task: Task<'_>, found: &Found, tunable: &str, out: &mut Persistence) -> Option<Turn> {
    let slot = Slot::whole(tunable);
    let wanted = task.claims.boot.get(&slot).and_then(|holding| holding.held.clone());
    let original = task.before.kept.get(tunable);
    if wanted.is_none() && original.is_none() || !task.moving.slots.contains(&slot) {
        return None;
    }
    let (property, shown) = match found.get(tunable) {
        Some((property, shown)) => (property.clone(), shown),
        None => {
            out.impossible.push((slot, "it cannot be read".to_owned()));
            return None;
        }
    };
    let now = match kept(task, shown) {
        Ok(now) => now,
        Err(reason) => {
            out.impossible.push((slot, reason));
            return None;
        }
    };
    if let Some(edited) = altered(task, &slot, now.as_deref()) {
        let given_back = wanted.is_none() && !task.options.overwrite_foreign;
        out.edited.push(edited);
        if given_back {
            return None;
        }
    }
    match (&wanted, original) {
        (Some(_), None) => _ = out.kept.insert(tunable.to_owned(), now.clone()),
        (None, Some(_)) => _ = out.kept.remove(tunable),
        _ => {}
    }
    let wanted = wanted.or_else(|| original.cloned().flatten());
    let same = match (&now, &wanted) {
        (Some(now), Some(wanted)) => native::same_number(now, wanted),
        (now, wanted) => now == wanted,
    };
    let live = task.moving.live.get(tunable).cloned().unwrap_or_else(|| shown.current.trim().to_owned());
    let default = shown.default.clone().unwrap_or_else(|| live.clone());
    (!same).then(|| Turn { tunable: tunable.to_owned(), property, default, now, wanted, live })
}

/// Returns what ipadm keeps, unless it does not say, or would say that it keeps what it does not.
fn kept(task: Task<'_>, shown: &Shown) -> Result<Option<String>, String> {
    let missing = matches!(task.host.files().kind(Path::new(CONF)), Err(FileError::Missing(_)));
    match &shown.kept {
        Kept::Value(value) => Ok(Some(value.clone())),
        Kept::Nothing if missing => {
            Err(format!("{CONF} is missing, and ipadm then keeps nothing though it says so"))
        }
        Kept::Nothing => Ok(None),
        _ => Err("what ipadm keeps of it cannot be read: does svc:/network/ip-interface-management run?"
            .to_owned()),
    }
}

/// Tells whether somebody else has changed what is kept since `tune` did.
fn altered(task: Task<'_>, slot: &Slot, now: Option<&str>) -> Option<Edited> {
    task.before.kept.get(&slot.tunable)?;
    let left = task.before.boot.get(slot)?.held.as_deref()?;
    if now.is_some_and(|now| native::same_number(now, left)) {
        return None;
    }
    Some(Edited {
        what: Altered::Tunable(slot.tunable.clone()),
        expected: left.to_owned(),
        found: now.map_or_else(|| "nothing".to_owned(), |now| now.trim().to_owned()),
        unreadable: false,
        slots: vec![slot.clone()],
    })
}

/// Describes the changes in an order in which ipadm takes them and the next boot does too.
///
/// ipadm changes a line where it is and adds new ones at the end. A buffer's line that comes before that of the limit
/// which it needs is dropped first and added anew behind it.
fn settle_order(task: Task<'_>, next: &NextBoot, turns: &[Turn], out: &mut Persistence) {
    let plain: Vec<(&Turn, Option<&str>)> = turns.iter().map(|turn| (turn, turn.wanted.as_deref())).collect();
    let refused = refused(next, turns, &plain);
    let requeued = turns.iter().filter(|turn| refused.contains_key(&turn.tunable) && turn.now.is_some());
    let mut sequence: Vec<(&Turn, Option<&str>)> = requeued.map(|turn| (turn, None)).collect();
    sequence.extend(plain);
    for (tunable, reason) in self::refused(next, turns, &sequence) {
        out.overrides.push(Override {
            slot: Slot::whole(tunable),
            value: None,
            place: None,
            text: None,
            can_take_over: false,
            doubt: Some(reason),
        });
    }
    scripts(task, next, turns, out);
    let mut now: BTreeMap<&str, Option<String>> =
        turns.iter().map(|turn| (turn.tunable.as_str(), turn.now.clone())).collect();
    for (turn, after) in sequence {
        let after = after.map(str::to_owned);
        let before = now.insert(&turn.tunable, after.clone()).flatten();
        if let Some(reason) = refused_on_the_way(task, turn, after.as_deref()) {
            out.impossible.push((Slot::whole(&turn.tunable), reason));
        }
        out.effects.push(Effect::PersistProperty {
            tunable: turn.tunable.clone(),
            property: turn.property.clone(),
            before,
            after,
            live: Some(turn.live.clone()),
            default: turn.default.clone(),
        });
    }
}

/// Goes through the boot that a sequence of changes leads to, and returns what it would not take of what is wanted.
fn refused(next: &NextBoot, turns: &[Turn], sequence: &[(&Turn, Option<&str>)]) -> BTreeMap<String, String> {
    let mut lines: Vec<Line> = next.lines(Which::AsIs);
    for (turn, value) in sequence {
        put(&mut lines, std::slice::from_ref(&turn.property), *value);
    }
    let mut replay = next.replay(&lines);
    let wanted = turns.iter().filter(|turn| turn.wanted.is_some());
    wanted.filter_map(|turn| Some((turn.tunable.clone(), replay.refused.remove(&turn.tunable)?))).collect()
}

/// ipadm sets the running kernel before it keeps anything, and that refuses a buffer above its present limit.
fn refused_on_the_way(task: Task<'_>, turn: &Turn, after: Option<&str>) -> Option<String> {
    let (limit, after) = buffers::limit_of(&turn.tunable).zip(native::number(after?))?;
    let now = || task.readings.get(&limit).and_then(|reading| reading.live.clone().ok());
    let most = task.moving.live.get(&limit).cloned().or_else(now)?;
    (native::number(&most)? < after).then(|| {
        format!("ipadm sets the running kernel on the way, which refuses {after} while {limit} is {most}")
    })
}

/// A start script that sets the same later wins.
fn scripts(task: Task<'_>, next: &NextBoot, turns: &[Turn], out: &mut Persistence) {
    let held = held(task.claims).map(|(slot, ..)| slot.tunable.as_str());
    let wanted = turns.iter().map(|turn| turn.tunable.as_str()).chain(held).collect::<BTreeSet<_>>();
    for tunable in wanted {
        let Some(set) = next.script(tunable) else { continue };
        let holding = task.claims.boot.get(&Slot::whole(tunable)).and_then(|holding| holding.held.as_deref());
        if holding.is_none() || set.value.as_deref() == holding {
            continue;
        }
        out.overrides.push(Override {
            slot: Slot::whole(tunable),
            value: set.value.clone(),
            place: Some(set.place.clone()),
            text: Some("a start script".to_owned()),
            can_take_over: false,
            doubt: None,
        });
    }
}

fn change(task: Task<'_>, turn: &Turn) -> Option<Change> {
    let before = task.readings.get(&turn.tunable).and_then(|reading| reading.boot.clone().ok());
    let after = turn.wanted.as_deref().map_or(turn.default.as_str(), str::trim).to_owned();
    let differs = before.as_deref().is_none_or(|before| !native::same_number(before, &after));
    differs.then(|| Change {
        key: turn.tunable.clone(),
        before,
        after: Some(after),
        scope: format!("boot:{CONF}"),
    })
}

fn by_service(task: Task<'_>) -> Persistence {
    let Task { host, ground, before, claims, options, .. } = task;
    let path = Path::new(service::manifest_path(ground));
    let mut out = Persistence {
        files: before.files.clone(),
        directories: before.directories.clone(),
        ..Persistence::default()
    };
    let content = match content_of(host.files(), path) {
        Ok(content) => content,
        Err(error) => {
            out.edited.push(Edited {
                what: Altered::File(path.to_owned()),
                expected: before.files.get(path).cloned().unwrap_or_else(|| "no file".to_owned()),
                found: error.to_string(),
                unreadable: true,
                slots: before.boot.keys().cloned().collect(),
            });
            return out;
        }
    };
    let found = content.as_deref().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let values = || held(claims).map(|(slot, _, value)| (slot.tunable.as_str(), value));
    let wanted = values().next().is_some().then(|| service::manifest(host, ground, values()));
    let left = before.files.get(path);
    // A manifest that names this program elsewhere is as good.
    let sound = |text: &String| service::is_manifest(text.as_bytes());
    if found.as_ref() != left
        && found != wanted
        && !found.as_ref().is_some_and(sound)
        && !options.overwrite_foreign
    {
        let none = || "no file".to_owned();
        out.edited.push(Edited {
            what: Altered::File(path.to_owned()),
            expected: left.cloned().unwrap_or_else(none),
            found: found.unwrap_or_else(none),
            unreadable: false,
            slots: before.boot.keys().cloned().collect(),
        });
        return out;
    }
    match &wanted {
        Some(text) => out.files.insert(path.to_owned(), text.clone()),
        None => out.files.remove(path),
    };
    if found != wanted {
        replace(host, path, wanted, &mut out);
    }
    let next = NextBoot::of(host, ground, &Found::default(), before);
    scripts(task, &next, &[], &mut out);
    out.changes = served(task, path);
    out
}

/// Describes how the manifest is put in place, or taken away, with the directories made for it.
fn replace(host: &dyn Host, path: &Path, content: Option<String>, out: &mut Persistence) {
    let image = |content: String| FileImage {
        content: Bytes(content.into_bytes()),
        mode: 0o644,
        uid: 0,
        gid: 0,
        attributes: BTreeMap::new(),
    };
    let before = host.file_image(path).ok().flatten();
    let after = content.map(|content| match &before {
        Some(there) => FileImage { content: Bytes(content.into_bytes()), ..there.clone() },
        None => image(content),
    });
    let above = DIRECTORIES.iter().map(Path::new).filter(|directory| path.starts_with(directory));
    let missing = above.filter(|directory| host.files().kind(directory).is_err());
    if after.is_some() {
        for directory in missing {
            out.directories.insert(directory.to_owned());
            out.effects.push(Effect::Directory { path: directory.to_owned(), before: false, after: true });
        }
    }
    let is_gone = after.is_none();
    out.effects.push(Effect::ReplaceFile { path: path.to_owned(), before, after });
    if is_gone {
        let mut made: Vec<_> = std::mem::take(&mut out.directories).into_iter().collect();
        made.sort_by_key(|directory| std::cmp::Reverse(directory.components().count()));
        // What somebody else has put something into stays.
        let only_ours = |directory: &Path| {
            let names = host.files().names(directory).unwrap_or_default();
            names.iter().all(|name| path.starts_with(directory.join(name)))
        };
        for directory in made.into_iter().filter(|directory| only_ours(directory)) {
            out.effects.push(Effect::Directory { path: directory, before: true, after: false });
        }
    }
}

/// The service sets what the claims hold, so that what changes there changes at the next boot.
fn served(task: Task<'_>, path: &Path) -> Vec<Change> {
    let value = |claims: &ScopeClaims, slot: &Slot| {
        let held = claims.boot.get(slot).and_then(|holding| holding.held.clone());
        let default = || task.readings.get(&slot.tunable)?.boot_without_tune.clone().ok();
        held.or_else(default)
    };
    let slots: BTreeSet<&Slot> = task.before.boot.keys().chain(task.claims.boot.keys()).collect();
    let changes = slots.into_iter().map(|slot| Change {
        key: slot.tunable.clone(),
        before: value(task.before, slot),
        after: value(task.claims, slot),
        scope: format!("boot:{}", path.display()),
    });
    changes.filter(|change| change.before != change.after).collect()
}
