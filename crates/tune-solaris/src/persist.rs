//! What has to be done so that the next boot sets the wanted values: by ipadm, or by a service of `tune`'s.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use tune_host::backend::{Edited, Moving};
use tune_host::ipadm_conf::{CONF, Line};
use tune_host::property::{Kept, Shown};
use tune_host::{Altered, FileError, Host, Override, PersistOptions, Persistence, content_of};
use tune_model::claim::{Holding, ScopeClaims};
use tune_model::native::{self, Property};
use tune_model::plan::{Bytes, Change, FileImage};
use tune_model::{Effect, Readings, Slot};

use crate::boot::{NextBoot, Which, put};
use crate::buffers;
use crate::ground::{Ground, Persists};
use crate::ports::{self, End};
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
    let next = NextBoot::of(task.host, task.ground, &found, task.before);
    let mut turns: Vec<Turn> =
        tunables.iter().filter_map(|tunable| turn(task, (&found, &next), tunable, &mut out)).collect();
    turns.sort_by_key(|turn| {
        let from = turn.now.as_deref().unwrap_or(&turn.default);
        (rank(&turn.tunable, from, turn.wanted.as_deref().unwrap_or(&turn.default)), turn.tunable.clone())
    });
    if !out.impossible.is_empty() {
        return out;
    }
    settle_order(task, &next, &turns, &mut out);
    out.changes = turns.iter().filter_map(|turn| change(task, turn)).collect();
    out
}

/// What has to be read to foretell whether the boot takes a value.
pub(crate) fn related(tunable: &str) -> Vec<String> {
    let limit = buffers::limit_of(tunable);
    let bounded = buffers::bounded_by(tunable).into_iter().flatten();
    let other_end = ports::other_end(tunable).map(|(_, other)| other);
    limit.into_iter().chain(bounded).chain(other_end).collect()
}

/// Returns the place among others: what bounds another one from above goes up before it and down after it.
pub(crate) fn rank(tunable: &str, from: &str, to: &str) -> u32 {
    let up = native::number(to) > native::number(from);
    let end = ports::other_end(tunable).map(|(end, _)| end);
    let is_outer = buffers::bounded_by(tunable).is_some() || end == Some(End::Last);
    match (is_outer, end == Some(End::First), up) {
        (true, _, true) | (_, true, false) => 0,
        (true, _, false) | (_, true, true) => 2,
        _ => 1,
    }
}

/// Finds out what becomes of one property; notes what is in the way.
fn turn(
    task: Task<'_>,
    (found, next): (&Found, &NextBoot),
    tunable: &str,
    out: &mut Persistence,
) -> Option<Turn> {
    let slot = Slot::whole(tunable);
    let wanted = task.claims.boot.get(&slot).and_then(|holding| holding.held.clone());
    let original = task.before.kept.get(tunable);
    if wanted.is_none() && original.is_none() || !task.moving.slots.contains(&slot) {
        return None;
    }
    let (property, shown) = match found.get(tunable) {
        Some((property, shown)) => (property.clone(), shown),
        None => {
            out.impossible.push((slot, found.why_not(tunable)));
            return None;
        }
    };
    let now = match kept(shown) {
        Ok(now) => now,
        Err(reason) => {
            out.impossible.push((slot, reason));
            return None;
        }
    };
    if let Some(edited) = altered(task, &slot, now.as_deref()) {
        match (task.options.leave_foreign, &wanted) {
            (true, _) => {
                out.edited.push(edited);
                return None;
            }
            // Applied anew: it is said, and set again.
            (false, Some(_)) => out.edited.push(edited),
            (false, None) => {}
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
    let lost =
        || now.as_deref().filter(|_| original.is_none()).and_then(|now| lost(next, found, tunable, now));
    let in_the_way = if same || wanted.is_none() { None } else { keeps_nothing(task).or_else(lost) };
    if let Some(reason) = in_the_way {
        out.impossible.push((slot, reason));
        return None;
    }
    let live = task.moving.live.get(tunable).cloned().unwrap_or_else(|| shown.current.trim().to_owned());
    let default = shown.default.clone().unwrap_or_else(|| live.clone());
    (!same).then(|| Turn { tunable: tunable.to_owned(), property, default, now, wanted, live })
}

/// Returns what ipadm keeps, unless it does not say.
fn kept(shown: &Shown) -> Result<Option<String>, String> {
    match &shown.kept {
        Kept::Value(value) => Ok(Some(value.clone())),
        Kept::Nothing => Ok(None),
        _ => Err("what ipadm keeps of it cannot be read: does svc:/network/ip-interface-management run?"
            .to_owned()),
    }
}

/// Tells why ipadm would not keep anything although it would say that it does.
fn keeps_nothing(task: Task<'_>) -> Option<String> {
    let missing = matches!(task.host.files().kind(Path::new(CONF)), Err(FileError::Missing(_)));
    missing.then(|| format!("{CONF} is missing, and ipadm then keeps nothing though it says so"))
}

/// Tells why what is kept could not be put back: ipadm keeps nothing that the running kernel does not take as well.
fn lost(next: &NextBoot, found: &Found, tunable: &str, now: &str) -> Option<String> {
    let number = |shown: &Shown| native::number(&shown.current);
    let live = found.iter().filter_map(|(name, _, shown)| Some((name.to_owned(), number(shown)?))).collect();
    let reason = next.refuses_now(tunable, now, &live)?;
    Some(format!(
        "ipadm keeps {now:?} of it, which could not be put back, as the running kernel refuses that: {reason}"
    ))
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
    // Of several lines of a property ipadm drops and changes the first only.
    let movable = |turn: &&Turn| turn.now.is_some() && next.count_lines(&turn.property) == 1;
    let requeued = turns.iter().filter(|turn| refused.contains_key(&turn.tunable)).filter(movable);
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
        if let Some(reason) = refused_on_the_way(task, next, turn, after.as_deref()) {
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

/// Goes through the boot that a sequence of changes leads to, and tells why it would not end with what is wanted.
fn refused(next: &NextBoot, turns: &[Turn], sequence: &[(&Turn, Option<&str>)]) -> BTreeMap<String, String> {
    let mut lines: Vec<Line> = next.lines(Which::AsIs);
    for (turn, value) in sequence {
        put(&mut lines, std::slice::from_ref(&turn.property), *value);
    }
    let replay = next.replay(&lines);
    let reason = |turn: &Turn| {
        let wanted = native::number(turn.wanted.as_deref()?);
        let last = replay.set_by.get(&turn.tunable).map(|at| &lines[*at]);
        let other = last.filter(|line| native::number(&line.value) != wanted);
        let later = || {
            let place = other?.place.as_ref().map_or_else(|| CONF.to_owned(), ToString::to_string);
            Some(format!("{place} sets it to {} after that", other?.value.trim()))
        };
        replay.refused.get(&turn.tunable).cloned().or_else(later)
    };
    turns.iter().filter_map(|turn| Some((turn.tunable.clone(), reason(turn)?))).collect()
}

/// Every call that changes what is kept sets the running kernel on the way, which may refuse that: the value first, or the
/// default where nothing is to be kept, then the one that is to stay.
fn refused_on_the_way(task: Task<'_>, next: &NextBoot, turn: &Turn, after: Option<&str>) -> Option<String> {
    let live = task.readings.iter().filter_map(|(name, reading)| {
        let moved = task.moving.live.get(name).map(String::as_str);
        let now = moved.or(reading.live.as_deref().ok())?;
        Some((name.clone(), native::number(now)?))
    });
    let live = live.collect();
    let refuses = |value: &str| next.refuses_now(&turn.tunable, value, &live);
    // A default is not held against a limit, only against the other end of the ports.
    let is_held = after.is_some() || ports::other_end(&turn.tunable).is_some();
    let passing = after.unwrap_or(&turn.default);
    let first = if is_held { refuses(passing) } else { None };
    let moves = !native::same_number(passing, &turn.live);
    let reason = first.or_else(|| refuses(&turn.live).filter(|_| moves))?;
    Some(format!("ipadm sets the running kernel on the way, which refuses that: {reason}"))
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
    let is_strange = found.as_ref().is_some_and(|text| !service::is_manifest(text.as_bytes()));
    let is_changed = found.as_ref() != left && found != wanted && (is_strange || found.is_none());
    if is_strange && options.overwrite_foreign && found != wanted {
        // Whoever takes that back would put a command of somebody else's where the system starts it.
        let why = format!(
            "{} is no manifest of tune's, and tune will not put such a file back: move it away",
            path.display()
        );
        out.impossible
            .extend(before.boot.keys().chain(claims.boot.keys()).map(|slot| (slot.clone(), why.clone())));
        return out;
    }
    if is_changed && !options.overwrite_foreign {
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
