//! The boot files that `tune` writes, and the lines that would win over them.

mod give_back;
mod winners;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use tune_host::backend::Edited;
use tune_host::{Altered, FileError, Files, Host, Overlay, PersistOptions, Persistence, content_of};
use tune_model::claim::{Holding, ScopeClaims, TakenOver};
use tune_model::plan::{Bytes, FileImage};
use tune_model::tunable::same_value;
use tune_model::{Effect, Readings, Slot};

use crate::boot::{Future, Jail, Problem, Setup, Sources};
use crate::defaults::Ground;
use crate::next_boot;
use crate::own_files::{HOMES, Home, Wanted};
use crate::permitted::{LOADER_DIRECTORY, LOADER_FILE};

/// Where everything of the boot loader is.
const BOOT: &str = "/boot";

/// What is to become of the boot files.
#[derive(Clone, Copy)]
pub(crate) struct Change<'a> {
    /// The claims as they are.
    pub(crate) before: &'a ScopeClaims,
    /// The claims as they are to be.
    pub(crate) claims: &'a ScopeClaims,
    pub(crate) options: PersistOptions,
}

/// A plan of the boot files in the making.
struct Draft<'a> {
    host: &'a dyn Host,
    setup: Setup<'a>,
    change: Change<'a>,
    /// What is held at the next boot; what could not be given back stays.
    holdings: BTreeMap<Slot, Holding>,
    /// Files of ours that somebody else has changed.
    frozen: Vec<Home>,
    /// Slots that are left as they are, because their file is.
    stuck: BTreeSet<Slot>,
    /// Lines that were put back, and may be needed out of force for another slot.
    given_back: Vec<TakenOver>,
    overlay: Overlay<'a>,
    out: Persistence,
    /// Files that differ from what is on disk.
    changed: BTreeSet<PathBuf>,
}

/// Plans the boot files for the claims as they are to be.
pub(crate) fn persist(
    host: &dyn Host,
    (ground, jail): (&Ground, Jail),
    change: Change<'_>,
    readings: &Readings,
) -> Persistence {
    let held = change.before.boot.keys().chain(change.claims.boot.keys());
    let sources = Sources::read(host.files(), jail);
    let names = sources.names().chain(held.map(|slot| slot.tunable.as_str()));
    let mut draft = Draft {
        host,
        setup: next_boot::setup(host, ground, jail, names),
        change,
        holdings: change.claims.boot.clone(),
        frozen: Vec::new(),
        stuck: BTreeSet::new(),
        given_back: Vec::new(),
        overlay: Overlay::new(host.files()),
        out: Persistence::default(),
        changed: BTreeSet::new(),
    };
    draft.out.files = change.before.files.clone();
    draft.out.directories = change.before.directories.clone();
    draft.hold_what_others_changed();
    draft.give_back();
    for home in HOMES {
        draft.own_file(home);
    }
    let future = draft.resolve();
    draft.changes(&future, readings);
    draft.effects();
    draft.out.warnings.extend(draft.assumptions(&sources));
    draft.out
}

impl Draft<'_> {
    fn future(&self) -> Future {
        self.setup.simulate(&Sources::read(&self.overlay, self.setup.jail))
    }

    fn home(&self, slot: &Slot) -> Home {
        Home::of(&slot.tunable)
    }

    /// Returns the lines that a file of ours is to have; `None` where it needs none.
    fn wanted(&self, home: Home) -> Option<String> {
        let mut wanted = Wanted::default();
        for (slot, holding) in self.holdings.iter().filter(|(slot, _)| self.home(slot) == home) {
            if let Some(held) = &holding.held {
                wanted.add(&slot.tunable, held, holding.claims.iter().map(|claim| claim.profile.as_str()));
            }
        }
        wanted.lines(home)
    }

    /// Leaves every slot as it is whose file somebody else has changed, unless that is to be overwritten.
    fn hold_what_others_changed(&mut self) {
        for home in HOMES {
            let edited = match content_of(&self.overlay, Path::new(home.path())) {
                Ok(content) => self.edited(home, content.as_deref()),
                Err(error) => Some(self.unread(home, &error)),
            };
            if let Some(edited) = edited {
                self.freeze(home, edited);
            }
        }
    }

    /// Leaves a file, and every slot that is in it, as they are.
    fn freeze(&mut self, home: Home, edited: Edited) {
        self.frozen.push(home);
        for slot in &edited.slots {
            match self.change.before.boot.get(slot) {
                Some(holding) => {
                    self.holdings.insert(slot.clone(), holding.clone());
                    self.out.taken_over.insert(slot.clone(), holding.taken_over.clone());
                }
                None => _ = self.holdings.remove(slot),
            }
        }
        self.stuck.extend(edited.slots.iter().cloned());
        if !edited.slots.is_empty() {
            self.out.edited.push(edited);
        }
    }

    fn unread(&self, home: Home, error: &FileError) -> Edited {
        let path = Path::new(home.path());
        Edited {
            what: Altered::File(path.to_owned()),
            expected: self.change.before.files.get(path).map_or(home.nothing(), String::as_str).to_owned(),
            found: error.to_string(),
            unreadable: true,
            slots: self.slots_in(home),
        }
    }

    /// Returns the slots that are, or were to be, in a file of ours.
    fn slots_in(&self, home: Home) -> Vec<Slot> {
        let slots = self.change.before.boot.keys().chain(self.holdings.keys());
        let slots: BTreeSet<Slot> = slots.filter(|slot| self.home(slot) == home).cloned().collect();
        slots.into_iter().collect()
    }

    fn edited(&self, home: Home, content: Option<&[u8]>) -> Option<Edited> {
        let path = Path::new(home.path());
        let left = self.change.before.files.get(path);
        let found = content.and_then(|content| home.found(content));
        // Written as it is to be, but not noted: a plan that was interrupted.
        let wanted = self.wanted(home).map(|lines| home.text(content, &lines));
        let plain = found.as_deref().is_none_or(|text| home.is_plain(text));
        let overwrite = self.change.options.overwrite_foreign && plain;
        if found.as_ref() == left || found == wanted || overwrite {
            return None;
        }
        let none = || home.nothing().to_owned();
        Some(Edited {
            what: Altered::File(path.to_owned()),
            expected: left.cloned().unwrap_or_else(none),
            found: found.unwrap_or_else(none),
            unreadable: false,
            slots: self.slots_in(home),
        })
    }

    /// Puts the lines of a file of ours where they belong.
    fn own_file(&mut self, home: Home) {
        let path = Path::new(home.path());
        if self.frozen.contains(&home) || self.obstacle(home).is_some() {
            return;
        }
        let content = match content_of(&self.overlay, path) {
            Ok(content) => content,
            Err(error) => return self.freeze(home, self.unread(home, &error)),
        };
        let lines = self.wanted(home);
        let after = home.put(content.as_deref(), lines.as_deref());
        match (&after, lines) {
            (Some(_), Some(lines)) => {
                self.out.files.insert(path.to_owned(), home.text(content.as_deref(), &lines));
            }
            _ => _ = self.out.files.remove(path),
        }
        if content != after {
            self.put(path, after);
        }
    }

    /// Says what is assumed of those who read the files that change.
    fn assumptions(&self, sources: &Sources) -> Vec<String> {
        let of_the_loader = |path: &Path| path.starts_with(BOOT);
        let concerned = |problem: &&Problem| {
            self.changed.iter().any(|path| of_the_loader(path) == of_the_loader(&problem.file))
        };
        sources.assumed.iter().filter(concerned).map(ToString::to_string).collect()
    }

    fn put(&mut self, path: &Path, content: Option<Vec<u8>>) {
        self.overlay.set(path, content);
        self.changed.insert(path.to_owned());
    }

    /// Tells why a file of ours cannot be written, or is not read, where that is so.
    fn obstacle(&self, home: Home) -> Option<String> {
        let (files, path) = (self.host.files(), Path::new(home.path()));
        if home == Home::Loader && self.setup.jail != Jail::None {
            return Some("the files of the loader belong to the host of this jail".to_owned());
        }
        if home == Home::Loader && files.kind(Path::new(BOOT)).is_err() {
            return Some(format!("{BOOT} is not there, and nothing of the loader's"));
        }
        if is_link(files, path) {
            return Some(format!("{} is a symbolic link, which tune does not write through", path.display()));
        }
        match files.read(path) {
            Ok(_) | Err(FileError::Missing(_)) => None,
            Err(error) => Some(error.to_string()),
        }
    }
}

/// Tells whether the last part of a path is a symbolic link.
fn is_link(files: &dyn Files, path: &Path) -> bool {
    let real_parent = path.parent().and_then(|parent| files.real_path(parent).ok());
    let plain = real_parent.zip(path.file_name()).map(|(parent, name)| parent.join(name));
    files.real_path(path).is_ok_and(|real| Some(real) != plain)
}

impl Draft<'_> {
    /// Says which values change at the next boot.
    fn changes(&mut self, future: &Future, readings: &Readings) {
        if self.changed.is_empty() {
            return;
        }
        let slots = self.change.before.boot.keys().chain(self.change.claims.boot.keys());
        let ours: BTreeSet<&str> = slots.map(|slot| slot.tunable.as_str()).collect();
        let mut following = Vec::new();
        for (tunable, reading) in readings {
            let before = reading.boot.as_ref().ok().cloned();
            let after = future.predict(tunable).text.ok();
            let same = match (&before, &after) {
                (Some(before), Some(after)) => same_value(before, after),
                (before, after) => before == after,
            };
            if same {
                continue;
            }
            if ours.contains(tunable.as_str()) {
                let source = future.predict(tunable).source.map(|place| place.file.display().to_string());
                let scope = format!("boot:{}", source.as_deref().unwrap_or(Home::of(tunable).path()));
                self.out.changes.push(tune_model::plan::Change {
                    key: tunable.clone(),
                    before,
                    after,
                    scope,
                });
            } else if let (Some(before), Some(after)) = (before, after) {
                following.push(format!("{tunable} {before} -> {after}"));
            }
        }
        if !following.is_empty() {
            self.out.warnings.push(format!("at the next boot follows from it: {}", following.join(", ")));
        }
    }

    /// Turns the files that changed into effects: the directory first, then our files, then others.
    fn effects(&mut self) {
        let directory = Path::new(LOADER_DIRECTORY);
        let writes_loader = self.out.files.contains_key(Path::new(LOADER_FILE));
        if writes_loader && self.host.files().kind(directory).is_err() {
            let path = directory.to_owned();
            self.out.effects.push(Effect::Directory { path: path.clone(), before: false, after: true });
            self.out.directories.insert(path);
        }
        let mut paths: Vec<_> = self.changed.iter().cloned().collect();
        paths.sort_by_key(|path| !HOMES.iter().any(|home| path == Path::new(home.path())));
        for path in paths {
            let before = self.host.file_image(&path).ok().flatten();
            let content = self.overlay.read(&path).ok();
            let after = content.map(|content| image_like(before.as_ref(), content));
            if before != after {
                self.out.effects.push(Effect::ReplaceFile { path, before, after });
            }
        }
        self.give_back_directory();
    }

    /// Removes the directory that was made for our file, once that is gone and nobody else has put anything there.
    fn give_back_directory(&mut self) {
        let (ours, directory) = (Path::new(LOADER_FILE), Path::new(LOADER_DIRECTORY));
        if self.out.files.contains_key(ours) || !self.out.directories.remove(directory) {
            return;
        }
        let Ok(names) = self.host.files().names(directory) else { return };
        if names.iter().all(|name| Some(name.as_os_str()) == ours.file_name()) {
            let path = directory.to_owned();
            self.out.effects.push(Effect::Directory { path, before: true, after: false });
        }
    }
}

/// A file keeps its mode, owner and attributes; a new one belongs to root and can be read by all.
fn image_like(before: Option<&FileImage>, content: Vec<u8>) -> FileImage {
    match before {
        Some(before) => FileImage { content: Bytes(content), ..before.clone() },
        None => {
            FileImage { content: Bytes(content), mode: 0o644, uid: 0, gid: 0, attributes: BTreeMap::new() }
        }
    }
}
