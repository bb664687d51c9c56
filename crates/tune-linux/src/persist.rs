//! The boot file that `tune` writes, and the lines that would win over it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use tune_host::backend::Edited;
use tune_host::{
    Altered, FileError, Files, Host, Overlay, Override, PersistOptions, Persistence, content_of,
};
use tune_model::claim::{Holding, ScopeClaims, TakenOver};
use tune_model::plan::{Bytes, FileImage};
use tune_model::tunable::same_value;
use tune_model::{Catalog, Effect, Readings, Slot, System};

use crate::boot::{self, BootPlan, BootTool, Key, ToolChoice, comment_out, may_comment_out};
use crate::next_boot::{Forecast, Start, place};
use crate::permitted::{BOOT_DIRECTORY, BOOT_FILE, is_boot_file, is_plain};

const HEADING: &str = "\
# Written by tune from the profiles that are applied. Changes made here by hand are detected and refused.
# What holds these values: tune active. To give one back: tune off PROFILE.
";

/// A plan of the boot files in the making.
struct Draft<'a> {
    host: &'a dyn Host,
    readings: &'a Readings,
    /// What is held at the next boot; what could not be given back stays.
    holdings: BTreeMap<Slot, Holding>,
    /// Lines that were put back, and may be needed out of force for another slot.
    given_back: Vec<TakenOver>,
    overlay: Overlay<'a>,
    forecast: Forecast,
    out: Persistence,
    /// Files that differ from what is on disk.
    changed: BTreeSet<PathBuf>,
}

/// What is to become of the boot files.
#[derive(Clone, Copy)]
pub(crate) struct Change<'a> {
    /// The claims as they are.
    pub(crate) before: &'a ScopeClaims,
    /// The claims as they are to be.
    pub(crate) claims: &'a ScopeClaims,
    pub(crate) options: PersistOptions,
}

pub(crate) fn persist(
    host: &dyn Host,
    tools: &ToolChoice,
    change: Change<'_>,
    readings: &Readings,
) -> Persistence {
    let Change { before, claims, options } = change;
    let overlay = Overlay::new(host.files());
    let mut draft = Draft {
        host,
        readings,
        holdings: claims.boot.clone(),
        overlay,
        given_back: Vec::new(),
        forecast: Forecast::of(host.files(), host.page_size()),
        out: Persistence::default(),
        changed: BTreeSet::new(),
    };
    draft.out.files = before.files.clone();
    draft.out.directories = before.directories.clone();
    draft.give_back(before, tools.boot, options);
    let text = render(&draft.holdings, readings);
    if !draft.own_file(before, text, options) {
        return draft.out;
    }
    if let Some(tool) = tools.boot {
        let plan = draft.resolve(tool, options);
        draft.predict(&plan);
    }
    if let Some(other) = tools.by_hand {
        draft.compare(other);
    }
    draft.effects();
    draft.out
}

/// Returns the text of the boot file, or `None` where no line is needed. A tunable with several fields is written
/// whole: the fields that nobody holds are what the boot would make them, or what they are now.
fn render(holdings: &BTreeMap<Slot, Holding>, readings: &Readings) -> Option<String> {
    let mut lines: BTreeMap<&str, (String, BTreeSet<String>)> = BTreeMap::new();
    for (slot, holding) in holdings {
        let Some(held) = &holding.held else { continue };
        let entry = lines.entry(&slot.tunable).or_insert_with(|| {
            let reading = readings.get(&slot.tunable);
            let text =
                reading.and_then(|reading| reading.boot_without_tune.as_ref().or(reading.live.as_ref()).ok());
            (text.cloned().unwrap_or_default(), BTreeSet::new())
        });
        entry.0 = slot.replaced(&entry.0, held);
        entry.1.extend(holding.claims.iter().map(|claim| claim.profile.clone()));
    }
    if lines.is_empty() {
        return None;
    }
    let mut text = HEADING.to_owned();
    for (tunable, (value, profiles)) in lines {
        let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
        let profiles = profiles.into_iter().collect::<Vec<_>>().join(", ");
        text.push_str(&format!("\n# {profiles}\n{tunable} = {value}\n"));
    }
    Some(text)
}

/// What stands where a line was taken over, or why that cannot be read.
struct Other {
    found: String,
    unreadable: bool,
}

impl Draft<'_> {
    /// Puts our file where it belongs; false when somebody else changed it and that is not to be overwritten.
    fn own_file(&mut self, before: &ScopeClaims, text: Option<String>, options: PersistOptions) -> bool {
        let path = Path::new(BOOT_FILE);
        let left = before.files.get(path);
        let slots = before.boot.keys().chain(self.holdings.keys()).cloned().collect::<BTreeSet<_>>();
        let slots: Vec<_> = slots.into_iter().collect();
        let expected = left.cloned().unwrap_or_else(|| "no file".to_owned());
        let found = match content_of(self.host.files(), path) {
            Ok(content) => content.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
            Err(_) if slots.is_empty() => return false,
            Err(error) => {
                let (path, found) = (path.to_owned(), error.to_string());
                let what = Altered::File(path);
                self.out.edited.push(Edited { what, expected, found, unreadable: true, slots });
                return false;
            }
        };
        // What sets keys that tune never writes is kept from being lost, whatever is said.
        let plain = found.as_ref().is_none_or(|text| is_plain(text.as_bytes()));
        if found.as_ref() != left && found != text && !(options.overwrite_foreign && plain) {
            if !slots.is_empty() {
                let found = found.unwrap_or_else(|| "no file".to_owned());
                let what = Altered::File(path.to_owned());
                self.out.edited.push(Edited { what, expected, found, unreadable: false, slots });
            }
            return false;
        }
        match &text {
            Some(text) => self.out.files.insert(path.to_owned(), text.clone()),
            None => self.out.files.remove(path),
        };
        if found != text {
            self.put(path, text.map(String::into_bytes));
        }
        true
    }

    fn put(&mut self, path: &Path, content: Option<Vec<u8>>) {
        self.overlay.set(path, content);
        self.changed.insert(path.to_owned());
    }

    /// Puts lines back that were commented out for slots that nobody holds any more. Where somebody else has changed
    /// one, the slot stays held.
    fn give_back(&mut self, before: &ScopeClaims, tool: Option<BootTool>, options: PersistOptions) {
        for (slot, holding) in &before.boot {
            let kept = self.holdings.get(slot).is_some_and(|holding| holding.held.is_some());
            let given_back = kept || self.give_back_lines(slot, &holding.taken_over, tool, options);
            if kept || !given_back {
                self.out.taken_over.insert(slot.clone(), holding.taken_over.clone());
            }
            if !given_back {
                self.holdings.insert(slot.clone(), holding.clone());
            }
        }
    }

    /// Puts the lines of a slot back, all or none; false when one is not there any more and that is not to be passed
    /// over.
    fn give_back_lines(
        &mut self,
        slot: &Slot,
        lines: &[TakenOver],
        tool: Option<BootTool>,
        options: PersistOptions,
    ) -> bool {
        let mut restored: BTreeMap<&Path, Vec<u8>> = BTreeMap::new();
        for line in lines {
            if matches!(self.overlay.read(&line.path), Err(FileError::Missing(_))) {
                self.out.warnings.push(format!(
                    "{}: {:?} is not put back: the file is gone",
                    line.path.display(),
                    line.line
                ));
                continue;
            }
            let so_far = restored.get(line.path.as_path());
            let there = self.set_there(slot, &line.path, tool);
            match self.restored(so_far, line, there, options.overwrite_foreign) {
                Ok(content) => _ = restored.insert(&line.path, content),
                Err(Other { found, unreadable: false }) if options.overwrite_foreign => {
                    self.out.warnings.push(format!(
                        "{}: {:?} is not put back, as somebody else has changed the file: {found}",
                        line.path.display(),
                        line.line
                    ));
                }
                Err(Other { found, unreadable }) => {
                    let expected = format!("{}{}", boot::TAKEN_OVER, line.line);
                    let (path, slots) = (line.path.clone(), vec![slot.clone()]);
                    let what = Altered::File(path);
                    self.out.edited.push(Edited { what, expected, found, unreadable, slots });
                    return false;
                }
            }
        }
        for (path, content) in restored {
            self.put(path, Some(content));
        }
        self.given_back.extend(lines.iter().cloned());
        true
    }

    /// Returns a file with a line back in force, or what stands there instead.
    fn restored(
        &self,
        so_far: Option<&Vec<u8>>,
        line: &TakenOver,
        there: Option<(u32, String)>,
        overwrite: bool,
    ) -> Result<Vec<u8>, Other> {
        let unread = |error: FileError| Other { found: error.to_string(), unreadable: true };
        let read = || self.overlay.read(&line.path).map_err(unread);
        let content = so_far.map_or_else(read, |content| Ok(content.clone()))?;
        let original = line.line.as_bytes();
        if let Ok(restored) = boot::restore(&content, original) {
            return Ok(restored);
        }
        // Somebody may have put it back by hand.
        if boot::holds(&content, original) {
            return Ok(content);
        }
        if overwrite {
            return Ok(boot::put_instead(&content, there.map(|(number, _)| number), original));
        }
        let found = there.map_or_else(|| "no such line".to_owned(), |(_, text)| text);
        Err(Other { found, unreadable: false })
    }

    /// Returns the last line of a file that sets the slot's tunable.
    fn set_there(&self, slot: &Slot, path: &Path, tool: Option<BootTool>) -> Option<(u32, String)> {
        let key: Key = slot.tunable.parse().ok()?;
        let plan = BootPlan::read(&self.overlay, tool?);
        let real = |file: &Path| self.overlay.real_path(file).is_ok_and(|real| real == path);
        let mut lines = plan.assignments.iter().filter(|line| line.key().as_ref() == Some(&key));
        let number = lines.rfind(|line| real(&line.place.file))?.place.line;
        Some((number, line_text(&self.overlay.read(path).ok()?, number)?))
    }

    /// Finds the lines that would win over ours, and comments them out where that is wanted and allowed.
    fn resolve(&mut self, tool: BootTool, options: PersistOptions) -> BootPlan {
        let mut plan = BootPlan::read(&self.overlay, tool);
        for (slot, held) in self.held() {
            // A line at a time: behind the one that wins there may be another.
            while let Some((lost, line)) = self.lost(&plan, &slot, &held) {
                let took = line.is_some_and(|place| self.take_over(&slot, &place, options));
                if !took {
                    self.out.overrides.push(lost);
                    break;
                }
                plan = BootPlan::read(&self.overlay, tool);
            }
        }
        plan
    }

    fn held(&self) -> Vec<(Slot, String)> {
        let held = |(slot, holding): (&Slot, &Holding)| Some((slot.clone(), holding.held.clone()?));
        self.holdings.iter().filter_map(held).collect()
    }

    fn lost(&self, plan: &BootPlan, slot: &Slot, held: &str) -> Option<(Override, Option<boot::Place>)> {
        let predicted = self.forecast.predict(plan, &self.start(&slot.tunable)).text;
        let value = predicted.as_ref().ok().and_then(|text| slot.part(text)).map(str::to_owned);
        if value.as_deref() == Some(held) {
            return None;
        }
        let decision = boot::decide(&slot.tunable.parse::<Key>().ok()?, plan);
        let ours = |line: &&boot::Assignment| line.place.file == Path::new(BOOT_FILE);
        let winner = decision.winner.filter(|line| predicted.is_ok() && !ours(line));
        let lost = Override {
            slot: slot.clone(),
            value,
            place: winner.map(|line| place(&line.place)),
            text: winner.map(|line| format!("{} = {}", slot.tunable, line.value_text())),
            can_take_over: winner.is_some_and(|line| self.removable(&line.place).is_some()),
            doubt: predicted.err().map(|unread| unread.to_string()),
        };
        Some((lost, winner.map(|line| line.place.clone())))
    }

    fn start<'s>(&'s self, tunable: &'s str) -> Start<'s> {
        let reading = self.readings.get(tunable);
        Start {
            name: tunable,
            row: Catalog::of(System::Linux).get(tunable),
            default: reading.and_then(|reading| reading.default.as_deref()),
            live: reading.and_then(|reading| reading.live.as_deref().ok()),
        }
    }

    fn removable(&self, place: &boot::Place) -> Option<PathBuf> {
        may_comment_out(&self.overlay, place).ok().filter(|real| is_boot_file(real))
    }

    /// Comments a line out: where that is wanted, or where it was out of force so far and another slot needs it so.
    fn take_over(&mut self, slot: &Slot, place: &boot::Place, options: PersistOptions) -> bool {
        let Some(real) = self.removable(place) else { return false };
        let Ok(content) = self.overlay.read(&real) else { return false };
        let Some(line) = line_text(&content, place.line) else { return false };
        let taken = TakenOver { path: real, line };
        if !options.take_over && !self.given_back.contains(&taken) {
            return false;
        }
        self.put(&taken.path, Some(comment_out(&content, place.line)));
        self.out.taken_over.entry(slot.clone()).or_default().push(taken);
        true
    }

    /// Says which values change at the next boot.
    fn predict(&mut self, plan: &BootPlan) {
        if self.changed.is_empty() {
            return;
        }
        for (tunable, reading) in self.readings {
            let before = reading.boot.as_ref().ok().cloned();
            let after = self.forecast.predict(plan, &self.start(tunable)).text.ok();
            let same = match (&before, &after) {
                (Some(before), Some(after)) => same_value(before, after),
                (before, after) => before == after,
            };
            if !same {
                let scope = format!("boot:{BOOT_FILE}");
                self.out.changes.push(tune_model::plan::Change {
                    key: tunable.clone(),
                    before,
                    after,
                    scope,
                });
            }
        }
    }

    /// Warns where the other common tool, run by hand, would make another value.
    fn compare(&mut self, other: BootTool) {
        let plan = BootPlan::read(&self.overlay, other);
        for (slot, held) in self.held() {
            if let Some((lost, _)) = self.lost(&plan, &slot, &held) {
                let line = lost.place.map(|place| format!(" ({place})")).unwrap_or_default();
                let value = lost.value.unwrap_or_else(|| "another value".to_owned());
                self.out
                    .warnings
                    .push(format!("{slot}: run by hand, {other} would set {value}{line}, not {held}"));
            }
        }
    }

    /// Turns the files that changed into effects: the directory first, then our file, then others.
    fn effects(&mut self) {
        let directory = Path::new(BOOT_DIRECTORY);
        let ours = PathBuf::from(BOOT_FILE);
        let writes_ours = self.changed.contains(&ours);
        if writes_ours && self.host.files().kind(directory).is_err() {
            let path = directory.to_owned();
            self.out.effects.push(Effect::Directory { path: path.clone(), before: false, after: true });
            self.out.directories.insert(path);
        }
        let mut paths: Vec<_> = self.changed.iter().cloned().collect();
        paths.sort_by_key(|path| *path != ours);
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
        let (ours, directory) = (Path::new(BOOT_FILE), Path::new(BOOT_DIRECTORY));
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

fn line_text(content: &[u8], line: u32) -> Option<String> {
    let at = usize::try_from(line).ok()?.checked_sub(1)?;
    let text = content.split(|byte| *byte == b'\n').nth(at)?;
    String::from_utf8(text.to_vec()).ok().map(|text| text.trim_end_matches('\r').to_owned())
}
