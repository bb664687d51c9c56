//! The lines that would win over ours, and taking them out of force.

use std::path::{Path, PathBuf};

use tune_host::{FileKind, Files, Override};
use tune_model::claim::TakenOver;
use tune_model::tunable::same_value;
use tune_model::{Place, Slot};

use super::{Draft, is_link};
use crate::boot::{self, Attempt, Future, Outcome, Stage};
use crate::own_files::{HOMES, Home};
use crate::permitted::{LOADER_DIRECTORY, LOADER_FILE, is_boot_file};

impl Draft<'_> {
    /// Finds the lines that would win over ours, and comments them out where that is wanted and allowed.
    pub(super) fn resolve(&mut self) -> Future {
        let mut future = self.future();
        for (slot, held) in self.held() {
            // A line at a time: behind the one that wins there may be another.
            while let Some((lost, line)) = self.lost(&future, &slot, &held) {
                let took = line.is_some_and(|place| self.take_over(&slot, &place));
                if !took {
                    self.out.overrides.push(lost);
                    break;
                }
                future = self.future();
            }
            self.agree(&future, &slot, &held);
        }
        future
    }

    fn held(&self) -> Vec<(Slot, String)> {
        let loose = self.holdings.iter().filter(|(slot, _)| !self.stuck.contains(*slot));
        loose.filter_map(|(slot, holding)| Some((slot.clone(), holding.held.clone()?))).collect()
    }

    fn lost(&self, future: &Future, slot: &Slot, held: &str) -> Option<(Override, Option<Place>)> {
        let predicted = future.predict(&slot.tunable);
        let value = predicted.text.as_deref().ok().map(str::to_owned);
        let obstacle = self.obstacle(self.home(slot));
        if value.as_deref().is_some_and(|value| same_value(value, held)) && obstacle.is_none() {
            return None;
        }
        let source = predicted.source.filter(|place| !self.is_ours(place));
        let winner = source.or_else(|| self.rival(future, slot)).filter(|_| obstacle.is_none());
        let unread = predicted.text.err().map(|unread| unread.to_string());
        let doubt = obstacle.or_else(|| self.not_read(future, slot)).or(unread).or_else(|| match winner {
            Some(_) => None,
            None => Some(self.why_not_ours(future, slot, held)),
        });
        let lost = Override {
            slot: slot.clone(),
            value,
            text: winner.as_ref().and_then(|place| text_of(future, slot, place, held)),
            can_take_over: winner.as_ref().is_some_and(|place| self.removable(place).is_some()),
            place: winner.clone(),
            doubt,
        };
        Some((lost, winner))
    }

    /// Returns a line that keeps ours from deciding, where two files of one directory disagree.
    fn rival(&self, future: &Future, slot: &Slot) -> Option<Place> {
        let undecided = |attempt: &&Attempt| {
            attempt.is_loader() && matches!(attempt.outcome, Outcome::Unclear(_) | Outcome::Overwritten(_))
        };
        let places =
            future.attempts_on(&slot.tunable).filter(undecided).filter_map(|attempt| attempt.place.clone());
        let in_directory = |place: &Place| place.file.parent() == Some(Path::new(LOADER_DIRECTORY));
        let mut others = places.filter(|place| in_directory(place) && !self.is_ours(place));
        others.next_back()
    }

    /// Tells whether the loader passes over our file.
    fn not_read(&self, future: &Future, slot: &Slot) -> Option<String> {
        let read = future.loader_files.iter().any(|file| file == Path::new(LOADER_FILE));
        (self.home(slot) == Home::Loader && !read)
            .then(|| format!("the boot loader of this host does not read {LOADER_DIRECTORY}"))
    }

    /// Tells why no line of ours decides, although no other line does.
    fn why_not_ours(&self, future: &Future, slot: &Slot, held: &str) -> String {
        let ours = |attempt: &&Attempt| attempt.place.as_ref().is_some_and(|place| self.is_ours(place));
        let why = future.attempts_on(&slot.tunable).filter(ours).find_map(|attempt| match &attempt.outcome {
            Outcome::Refused(why) | Outcome::Inert(why) | Outcome::Kept(_, Some(why)) => Some(why.clone()),
            _ => None,
        });
        why.unwrap_or_else(|| format!("the kernel does not make {} {held} at boot", slot.tunable))
    }

    /// Tells whether a line is one of ours.
    pub(super) fn is_ours(&self, place: &Place) -> bool {
        HOMES.iter().any(|home| home.has(&self.overlay, place))
    }

    /// Returns the name under which a file is changed: its own, or where a link leads.
    pub(super) fn literal(&self, file: &Path) -> Option<PathBuf> {
        if is_link(&self.overlay, file) { self.overlay.real_path(file).ok() } else { Some(file.to_owned()) }
    }

    fn removable(&self, place: &Place) -> Option<TakenOver> {
        let path = self.literal(&place.file).filter(|path| is_boot_file(path) && !self.is_ours(place))?;
        let regular = self.overlay.kind(&path) == Ok(FileKind::Regular);
        let line = boot::line_text(&self.overlay.read(&path).ok()?, place.line).filter(|_| regular)?;
        Some(TakenOver { path, line })
    }

    /// Comments a line out: where that is wanted, or where it was out of force so far and another slot needs it so.
    fn take_over(&mut self, slot: &Slot, place: &Place) -> bool {
        let Some(taken) = self.removable(place) else { return false };
        let Ok(content) = self.overlay.read(&taken.path) else { return false };
        if !self.change.options.take_over && !self.given_back.contains(&taken) {
            return false;
        }
        self.put(&taken.path, Some(boot::comment_out(&content, place.line)));
        self.out.taken_over.entry(slot.clone()).or_default().push(taken);
        true
    }

    /// Names the command that makes rc.conf agree, where an administrator has set it otherwise there.
    fn agree(&mut self, future: &Future, slot: &Slot, held: &str) {
        const VENDORS: &str = "/etc/defaults";
        let by_hand = |place: &&Place| !place.file.starts_with(VENDORS);
        for attempt in future.attempts_on(&slot.tunable) {
            let (Stage::Rc { .. }, Some(place)) = (attempt.stage, attempt.place.as_ref().filter(by_hand))
            else {
                continue;
            };
            if !same_value(&attempt.text, held)
                && let Some(command) = boot::sysrc(&slot.tunable, held)
            {
                self.out.warnings.push(format!(
                    "{slot}: {place} has it set to {} early in the boot; to have it agree: {command}",
                    attempt.text
                ));
            }
        }
    }
}

/// Returns what a line says; for one of rc.conf also what to type to change it.
fn text_of(future: &Future, slot: &Slot, place: &Place, held: &str) -> Option<String> {
    let mut attempts = future.attempts_on(&slot.tunable);
    let attempt = attempts.rfind(|attempt| attempt.place.as_ref() == Some(place))?;
    Some(match (attempt.stage, boot::sysrc(&slot.tunable, held)) {
        (Stage::Rc { variable }, Some(command)) => format!("{variable}; to change it: {command}"),
        (Stage::Rc { variable }, None) => variable.to_owned(),
        _ => format!("{}={}", attempt.name, attempt.text),
    })
}
