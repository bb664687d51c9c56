//! The boot file that `tune` writes, and the lines that would win over it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use tune_host::backend::Edited;
use tune_host::{FileError, Files, Host, Overlay, Override, PersistOptions, Persistence, Scope};
use tune_model::claim::{Holding, ScopeClaims, TakenOver};
use tune_model::plan::{Bytes, Change, FileImage};
use tune_model::{Catalog, Effect, Readings, Slot, System};

use crate::boot::{self, BootPlan, BootTool, Decision, Key, comment_out, may_comment_out};
use crate::next_boot::{Start, fields, place};
use crate::permitted::is_boot_file;

/// The file that `tune` writes: it sorts behind every name that an administrator is likely to choose.
pub const BOOT_FILE: &str = "/etc/sysctl.d/zz-tune.conf";
pub(crate) const BOOT_DIRECTORY: &str = "/etc/sysctl.d";

const HEADING: &str = "\
# Written by tune from the profiles that are applied. Changes made here by hand are detected and refused.
# What holds these values: tune active. To give one back: tune off PROFILE.
";

/// A plan of the boot files in the making.
struct Draft<'a> {
    host: &'a dyn Host,
    readings: &'a Readings,
    claims: &'a ScopeClaims,
    overlay: Overlay<'a>,
    out: Persistence,
    /// Files that differ from what is on disk.
    changed: BTreeSet<PathBuf>,
}

pub(crate) fn persist(
    host: &dyn Host,
    before: &ScopeClaims,
    claims: &ScopeClaims,
    readings: &Readings,
    options: PersistOptions,
) -> Persistence {
    let overlay = Overlay::new(host.files());
    let mut draft =
        Draft { host, readings, claims, overlay, out: Persistence::default(), changed: BTreeSet::new() };
    draft.out.files = before.files.clone();
    draft.out.directories = before.directories.clone();
    let text = render(&claims.boot, readings);
    if !draft.own_file(before, text, options) {
        return draft.out;
    }
    let running = !matches!(host.scope(), Scope::Image(_));
    let tools = boot::detect(host.files(), running);
    draft.give_back(before, tools.boot, options.overwrite_foreign);
    if let Some(tool) = tools.boot {
        draft.resolve(tool, options);
        draft.predict(tool);
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

impl Draft<'_> {
    /// Puts our file where it belongs; false when somebody else changed it and that is not to be overwritten.
    fn own_file(&mut self, before: &ScopeClaims, text: Option<String>, options: PersistOptions) -> bool {
        let path = Path::new(BOOT_FILE);
        let left = before.files.get(path);
        let found =
            self.host.files().read(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        if found.as_ref() != left && found != text && !options.overwrite_foreign {
            let slots = before.boot.keys().chain(self.claims.boot.keys()).cloned().collect::<BTreeSet<_>>();
            if slots.is_empty() {
                return false;
            }
            self.out.edited.push(Edited {
                path: path.to_owned(),
                expected: left.cloned().unwrap_or_else(|| "no file".to_owned()),
                found: found.unwrap_or_else(|| "no file".to_owned()),
                slots: slots.into_iter().collect(),
            });
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

    /// Puts lines back that were commented out for slots that nobody holds any more.
    fn give_back(&mut self, before: &ScopeClaims, tool: Option<BootTool>, overwrite: bool) {
        for (slot, holding) in &before.boot {
            let kept = self.claims.boot.get(slot).is_some_and(|holding| holding.held.is_some());
            if kept {
                self.out.taken_over.insert(slot.clone(), holding.taken_over.clone());
                continue;
            }
            for line in &holding.taken_over {
                if let Err(found) = self.give_back_line(slot, line, tool, overwrite) {
                    self.out.edited.push(Edited {
                        path: line.path.clone(),
                        expected: format!("{}{}", boot::TAKEN_OVER, line.line),
                        found,
                        slots: vec![slot.clone()],
                    });
                }
            }
        }
    }

    /// Puts a line back, or says what somebody else has made of it.
    fn give_back_line(
        &mut self,
        slot: &Slot,
        line: &TakenOver,
        tool: Option<BootTool>,
        overwrite: bool,
    ) -> Result<(), String> {
        let original = line.line.as_bytes();
        let content = match self.overlay.read(&line.path) {
            Ok(content) => content,
            Err(error @ FileError::Missing(_)) if overwrite => {
                let lost = format!("{error}, so a line that was taken over is not put back: {}", line.line);
                self.out.warnings.push(lost);
                return Ok(());
            }
            Err(error) => return Err(error.to_string()),
        };
        if let Ok(restored) = boot::restore(&content, original) {
            self.put(&line.path, Some(restored));
            return Ok(());
        }
        // Somebody may have put it back by hand.
        if boot::holds(&content, original) {
            return Ok(());
        }
        let instead = self.set_there(slot, &line.path, tool);
        if !overwrite {
            return Err(instead.map_or_else(|| "no such line".to_owned(), |(_, text)| text));
        }
        let at = instead.map(|(number, _)| number);
        self.put(&line.path, Some(boot::put_instead(&content, at, original)));
        Ok(())
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
    fn resolve(&mut self, tool: BootTool, options: PersistOptions) {
        for (slot, holding) in &self.claims.boot {
            let Some(held) = &holding.held else { continue };
            // A line at a time: behind the one that wins there may be another.
            while let Some((lost, line)) = self.lost(tool, slot, held) {
                let took = options.take_over && line.is_some_and(|place| self.take_over(slot, &place));
                if !took {
                    self.out.overrides.push(lost);
                    break;
                }
            }
        }
    }

    fn lost(&self, tool: BootTool, slot: &Slot, held: &str) -> Option<(Override, Option<boot::Place>)> {
        let plan = BootPlan::read(&self.overlay, tool);
        let decision = boot::decide(&slot.tunable.parse::<Key>().ok()?, &plan);
        let value = self.value(&decision, slot);
        if value.as_deref() == Some(held) {
            return None;
        }
        let ours = |line: &&boot::Assignment| line.place.file == Path::new(BOOT_FILE);
        let winner = decision.winner.filter(|line| !ours(line));
        let lost = Override {
            slot: slot.clone(),
            value,
            place: winner.map(|line| place(&line.place)),
            text: winner.map(|line| format!("{} = {}", slot.tunable, line.value_text())),
            can_take_over: winner.is_some_and(|line| self.removable(&line.place).is_some()),
        };
        Some((lost, winner.map(|line| line.place.clone())))
    }

    fn value(&self, decision: &Decision<'_>, slot: &Slot) -> Option<String> {
        let start = self.start(&slot.tunable);
        let from = start.default.or(start.live).map_or_else(|| "0".to_owned(), str::to_owned);
        let shown = match fields(&start) {
            Some(fields) => decision.predict(&from, &fields)?.shown,
            None => decision.winner?.value_text(),
        };
        slot.part(&shown).map(str::to_owned)
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

    fn take_over(&mut self, slot: &Slot, place: &boot::Place) -> bool {
        let Some(real) = self.removable(place) else { return false };
        let Ok(content) = self.overlay.read(&real) else { return false };
        let Some(line) = line_text(&content, place.line) else { return false };
        self.put(&real, Some(comment_out(&content, place.line)));
        self.out.taken_over.entry(slot.clone()).or_default().push(TakenOver { path: real, line });
        true
    }

    /// Says which values change at the next boot.
    fn predict(&mut self, tool: BootTool) {
        let plan = BootPlan::read(&self.overlay, tool);
        let tunables: BTreeSet<&String> = self.readings.keys().collect();
        for tunable in tunables {
            let before = self.readings[tunable].boot.as_ref().ok().cloned();
            let Ok(key) = tunable.parse::<Key>() else { continue };
            let decision = boot::decide(&key, &plan);
            let after = match decision.writes.is_empty() {
                true => self.readings[tunable].default.clone(),
                false => self.value(&decision, &Slot::whole(tunable)),
            };
            let same = match (&before, &after) {
                (Some(before), Some(after)) => tune_model::tunable::same_value(before, after),
                (before, after) => before == after,
            };
            if !same && !self.changed.is_empty() {
                let scope = format!("boot:{BOOT_FILE}");
                self.out.changes.push(Change { key: tunable.clone(), before, after, scope });
            }
        }
    }

    /// Warns where the other common tool, run by hand, would make another value.
    fn compare(&mut self, other: BootTool) {
        for (slot, holding) in &self.claims.boot {
            let Some(held) = &holding.held else { continue };
            if let Some((lost, _)) = self.lost(other, slot, held) {
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
