//! What `tune` writes itself: a block in the last file of sysctl(8), and a file for the loader.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use tune_host::Files;
use tune_model::{Catalog, Place, System};

use crate::boot;
use crate::permitted::{BLOCK_FILE, LOADER_FILE, is_for_loader, is_plain_loader, is_plain_sysctl};

const HEADING: &str = "\
# Written by tune from the profiles that are applied. Changes made here by hand are detected and refused.
# What holds these values: tune active. To give one back: tune off PROFILE.
";
/// What stands for marks that make no block.
const BROKEN: &str = "marks of tune that do not make one block";

/// Where a line of ours goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Home {
    /// The block, for what can be set while the system runs.
    Block,
    /// The loader's file, for what is read when the system starts, or can only be raised later.
    Loader,
}

/// Both, in the order in which they are written.
pub(crate) const HOMES: [Home; 2] = [Home::Loader, Home::Block];

impl Home {
    /// Returns where the line for a tunable goes.
    pub(crate) fn of(tunable: &str) -> Self {
        let row = Catalog::of(System::FreeBsd).get(tunable);
        if row.is_some_and(is_for_loader) { Self::Loader } else { Self::Block }
    }

    /// Returns the file.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Block => BLOCK_FILE,
            Self::Loader => LOADER_FILE,
        }
    }

    /// Names the absence of anything of ours.
    pub(crate) const fn nothing(self) -> &'static str {
        match self {
            Self::Block => "no block",
            Self::Loader => "no file",
        }
    }

    /// Returns what is ours in the file, marks included.
    pub(crate) fn found(self, content: &[u8]) -> Option<String> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match (self, boot::find(content)) {
            (Self::Loader, _) => Some(text(content)),
            (Self::Block, Ok(found)) => found.map(|found| text(&content[found.range])),
            (Self::Block, Err(_)) => Some(BROKEN.to_owned()),
        }
    }

    /// Returns what will be ours with these lines, marks included.
    pub(crate) fn text(self, content: Option<&[u8]>, lines: &str) -> String {
        match self {
            Self::Loader => lines.to_owned(),
            Self::Block => block(content, lines).1,
        }
    }

    /// Returns the file with these lines, or without any of ours; `None` where nothing is left of it.
    pub(crate) fn put(self, content: Option<&[u8]>, lines: Option<&str>) -> Option<Vec<u8>> {
        match (self, lines) {
            (Self::Loader, lines) => lines.map(|lines| lines.as_bytes().to_vec()),
            (Self::Block, Some(lines)) => Some(block(content, lines).0),
            (Self::Block, None) => content
                .and_then(|content| boot::without(content).unwrap_or_else(|_| Some(boot::unmarked(content)))),
        }
    }

    /// Tells whether what was found there can be written anew without losing what `tune` never writes.
    pub(crate) fn is_plain(self, found: &str) -> bool {
        match self {
            Self::Block => found == BROKEN || is_plain_sysctl(found.as_bytes()),
            Self::Loader => is_plain_loader(found.as_bytes()),
        }
    }

    /// Tells whether a line is one of ours.
    pub(crate) fn has(self, files: &dyn Files, place: &Place) -> bool {
        if place.file != Path::new(self.path()) {
            return false;
        }
        let Ok(content) = files.read(&place.file) else { return false };
        match (self, boot::find(&content)) {
            (Self::Loader, _) => true,
            (Self::Block, Ok(Some(found))) => {
                let lines = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count();
                let first = lines(&content[..found.range.start]) + 1;
                let last = first + lines(&content[found.range]);
                usize::try_from(place.line).is_ok_and(|line| (first..last).contains(&line))
            }
            (Self::Block, _) => false,
        }
    }
}

/// Puts a block; marks that make none are taken away first, and what is between them is left.
fn block(content: Option<&[u8]>, lines: &str) -> (Vec<u8>, String) {
    boot::put(content, lines).unwrap_or_else(|_| {
        let content = content.map(boot::unmarked).unwrap_or_default();
        boot::put(Some(&content), lines).unwrap_or_default()
    })
}

/// Lines to be written, by tunable: the value, and the profiles that want it.
#[derive(Debug, Default)]
pub(crate) struct Wanted<'a> {
    lines: BTreeMap<&'a str, (&'a str, BTreeSet<&'a str>)>,
}

impl<'a> Wanted<'a> {
    /// Adds a value.
    pub(crate) fn add(&mut self, tunable: &'a str, held: &'a str, profiles: impl Iterator<Item = &'a str>) {
        let (_, wanting) = self.lines.entry(tunable).or_insert((held.trim(), BTreeSet::new()));
        wanting.extend(profiles);
    }

    /// Returns the text, `None` where there is nothing to write.
    pub(crate) fn lines(&self, home: Home) -> Option<String> {
        if self.lines.is_empty() {
            return None;
        }
        let mut text = HEADING.to_owned();
        for (tunable, (value, profiles)) in &self.lines {
            let profiles = profiles.iter().copied().collect::<Vec<_>>().join(", ");
            let line = match home {
                Home::Block => format!("{tunable}={value}"),
                Home::Loader => format!("{tunable}=\"{value}\""),
            };
            text.push_str(&format!("\n# {}\n{line}\n", plain(&profiles)));
        }
        Some(text)
    }
}

/// The loader and sysctl(8) know no other characters.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).collect()
}
