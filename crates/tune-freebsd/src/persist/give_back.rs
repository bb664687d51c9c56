//! Putting back the lines that were taken over.

use std::collections::BTreeMap;
use std::path::Path;

use tune_host::backend::Edited;
use tune_host::{Altered, FileError, Files};
use tune_model::Slot;
use tune_model::claim::TakenOver;

use super::Draft;
use crate::boot;

/// What stands where a line was taken over, or why that cannot be read.
struct Other {
    found: String,
    unreadable: bool,
}

impl Draft<'_> {
    /// Puts lines back that were commented out for slots that nobody holds any more. Where somebody else has changed
    /// one, the slot stays held.
    pub(super) fn give_back(&mut self) {
        for (slot, holding) in &self.change.before.boot {
            if self.stuck.contains(slot) {
                continue;
            }
            let kept = self.holdings.get(slot).is_some_and(|holding| holding.held.is_some());
            let given_back = kept || self.give_back_lines(slot, &holding.taken_over);
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
    fn give_back_lines(&mut self, slot: &Slot, lines: &[TakenOver]) -> bool {
        let overwrite = self.change.options.overwrite_foreign;
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
            let there = self.set_there(slot, &line.path);
            match self.restored(restored.get(line.path.as_path()), line, there) {
                Ok(content) => _ = restored.insert(&line.path, content),
                Err(Other { found, unreadable: false }) if overwrite => self.out.warnings.push(format!(
                    "{}: {:?} is not put back, as somebody else has changed the file: {found}",
                    line.path.display(),
                    line.line
                )),
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
    ) -> Result<Vec<u8>, Other> {
        let unread = |error: FileError| Other { found: error.to_string(), unreadable: true };
        let read = || self.overlay.read(&line.path).map_err(unread);
        let content = so_far.map_or_else(read, |content| Ok(content.clone()))?;
        let original = line.line.as_bytes();
        if let Some(restored) = boot::restore(&content, original) {
            return Ok(restored);
        }
        // Somebody may have put it back by hand.
        if boot::holds(&content, original) {
            return Ok(content);
        }
        if self.change.options.overwrite_foreign {
            return Ok(boot::put_instead(&content, there.map(|(number, _)| number), original));
        }
        let found = there.map_or_else(|| "no such line".to_owned(), |(_, text)| text);
        Err(Other { found, unreadable: false })
    }

    /// Returns the last line of a file, outside of what is ours, that sets the slot's tunable.
    fn set_there(&self, slot: &Slot, path: &Path) -> Option<(u32, String)> {
        let future = self.future();
        let places = future.attempts_on(&slot.tunable).filter_map(|attempt| attempt.place.as_ref());
        let mut there = places.filter(|place| self.literal(&place.file).as_deref() == Some(path));
        let line = there.rfind(|place| !self.is_ours(place))?.line;
        Some((line, boot::line_text(&self.overlay.read(path).ok()?, line)?))
    }
}
