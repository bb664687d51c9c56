//! The history: one line for each time a transaction reaches a state, each with the digest of the line before.

use std::path::Path;

use serde::{Deserialize, Serialize};
use tune_model::transaction::Entry;

use crate::disk::{self, Directory, PUBLIC};
use crate::error::StateError;
use crate::line;
use crate::newer::{Age, Named};

/// The file of the history.
pub(crate) const HISTORY: &str = "history.jsonl";
/// The file that says how long the history is.
pub(crate) const HEAD: &str = "head";

const FORMAT_LINE: &str = "{\"format\":\"tune.history/1\"}";
pub(crate) const FORMAT: &str = "tune.history/1";
pub(crate) const HEAD_FORMAT: &str = "tune.head/1";

/// The most lines that one transaction may leave beyond the head when it is interrupted: begun, ended, and the one
/// that it took back.
const BEYOND: usize = 3;

/// A line of the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Line {
    number: usize,
    previous: String,
    #[serde(flatten)]
    entry: Entry,
}

/// A line that was read. What it tells may be beyond this version where a newer one wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Link {
    number: usize,
    previous: String,
    #[serde(skip)]
    entry: Option<Entry>,
}

/// How long the history is, and the digest of its last line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    format: String,
    pub(crate) count: usize,
    pub(crate) digest: String,
}

impl Head {
    fn new(count: usize, digest: String) -> Self {
        Self { format: HEAD_FORMAT.to_owned(), count, digest }
    }

    fn genesis(first: &[u8]) -> Self {
        Self::new(0, line_digest(first))
    }
}

fn line_digest(line: &[u8]) -> String {
    format!("sha256:{}", line::digest(&[line]))
}

/// The history as it is on disk, read without a lock.
#[derive(Debug)]
pub(crate) struct Chain {
    file: std::path::PathBuf,
    head: Option<Head>,
    /// What the first line continues from.
    genesis: Head,
    /// Digest of each line after the first, and the line itself where it can be understood.
    lines: Vec<(String, Result<Link, String>)>,
    /// The length of the whole lines in bytes.
    length: u64,
    begun: bool,
}

/// What [`crate::Store::verify`] found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Verification {
    /// How many lines the history has.
    pub lines: usize,
    /// The digest at the end of the chain, to be held against a copy kept elsewhere.
    pub digest: Option<String>,
    /// What shows that the history was changed by something other than `tune`; empty when nothing does.
    pub problems: Vec<String>,
    /// What a crash leaves and the next changing command repairs.
    pub notes: Vec<String>,
}

impl Verification {
    /// Tells whether nothing shows that the history was changed.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.problems.is_empty()
    }
}

impl Chain {
    /// Reads head and history, in this order: a transaction that ends meanwhile only makes the history longer.
    pub(crate) fn read(directory: &Directory) -> Result<Self, StateError> {
        let head = directory.read(HEAD)?;
        let content = directory.read(HISTORY)?.unwrap_or_default();
        Self::of(&content, head.as_deref(), directory.path())
    }

    /// Takes a history and its head apart; `directory` is where errors say that they are.
    pub(crate) fn of(content: &[u8], head: Option<&[u8]>, directory: &Path) -> Result<Self, StateError> {
        let head = head.map(|head| read_head(head, directory)).transpose()?;
        let file = directory.join(HISTORY);
        let (whole, _torn) = line::split(content);
        let of_newer = whole.first().map_or(Ok(false), |first| is_of_newer(first, &file))?;
        let first = whole.first().copied().filter(|_| of_newer).unwrap_or(FORMAT_LINE.as_bytes());
        let genesis = Head::genesis(first);
        let lines = whole.iter().skip(1).map(|line| (line_digest(line), parse(line, of_newer))).collect();
        let mut chain = Self { file, head, genesis, lines, length: 0, begun: !whole.is_empty() };
        chain.drop_torn_lines();
        let kept = whole.iter().take(chain.lines.len() + 1);
        chain.length = kept.map(|line| line.len() as u64 + 1).sum();
        Ok(chain)
    }

    /// Drops lines beyond the head that a power cut has spoilt.
    fn drop_torn_lines(&mut self) {
        let safe = self.head.as_ref().map_or(0, |head| head.count);
        let spoilt = self.lines.iter().skip(safe).position(|(_, line)| line.is_err());
        let Some(spoilt) = spoilt.filter(|_| self.lines.len() <= safe + BEYOND) else { return };
        self.lines.truncate(safe + spoilt);
    }

    /// Returns the last entry of each transaction, in the order of their numbers.
    pub(crate) fn entries(&self) -> Result<Vec<Entry>, StateError> {
        let mut last = std::collections::BTreeMap::new();
        for (at, (_, line)) in self.lines.iter().enumerate() {
            let line =
                line.as_ref().map_err(|what| StateError::corrupt(&self.file, at + 2, what.as_str()))?;
            last.extend(line.entry.iter().map(|entry| (entry.id, entry.clone())));
        }
        Ok(last.into_values().collect())
    }

    /// Returns the last entry of a transaction, whatever else cannot be understood.
    pub(crate) fn last_of(&self, id: u64) -> Option<&Entry> {
        self.intact().rev().find(|entry| entry.id == id)
    }

    /// Returns the highest number of a transaction; 0 where there is none.
    pub(crate) fn newest(&self) -> u64 {
        self.intact().map(|entry| entry.id).max().unwrap_or(0)
    }

    pub(crate) fn intact(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.lines.iter().filter_map(|(_, line)| line.as_ref().ok()?.entry.as_ref())
    }

    /// Returns what the next line continues from. Where head and history disagree the head is believed, so that the
    /// break stays visible for good.
    fn end(&self) -> Head {
        let head = self.known_end();
        let mut end = head.clone();
        for (digest, line) in self.lines.iter().skip(head.count).take(BEYOND) {
            match line {
                Ok(line) if line.previous == end.digest && line.number == end.count + 1 => {
                    end = Head::new(line.number, digest.clone());
                }
                _ => break,
            }
        }
        Head { count: end.count.max(self.lines.len()), ..end }
    }

    fn known_end(&self) -> Head {
        self.head.clone().unwrap_or_else(|| self.genesis.clone())
    }

    /// Tells whether the head says less than the history, or nothing.
    pub(crate) fn head_is_behind(&self) -> bool {
        self.end() != self.known_end()
    }

    /// Holds every line against the one before, and the last against the head.
    pub(crate) fn verify(&self) -> Verification {
        let digest = self.lines.last().map(|(digest, _)| digest.clone());
        let mut found = Verification { lines: self.lines.len(), digest, ..Verification::default() };
        let mut previous = self.genesis.clone();
        for (at, (digest, line)) in self.lines.iter().enumerate() {
            if let Some(problem) = problem_of(at + 1, line, &previous) {
                found.problems.push(problem);
            }
            previous = Head::new(at + 1, digest.clone());
        }
        self.verify_head(&mut found);
        found
    }

    fn verify_head(&self, found: &mut Verification) {
        let Some(head) = &self.head else {
            match self.lines.len() {
                0 => {}
                1..=BEYOND => found.notes.push("there is no head yet".to_owned()),
                _ => found.problems.push("the head is missing".to_owned()),
            }
            return;
        };
        let lines = self.lines.len();
        if head.count > lines {
            found.problems.push(format!("tail lost: the head says {} lines, there are {lines}", head.count));
        } else if head.count > 0 && self.lines[head.count - 1].0 != head.digest {
            found.problems.push(format!("line {} edited: its digest is not the head's", head.count));
        } else if lines > head.count + BEYOND {
            found.problems.push(format!("the head says {} lines, there are {lines}", head.count));
        } else if lines > head.count {
            found.notes.push(format!("the head says {} lines, there are {lines}", head.count));
        }
    }
}

fn problem_of(number: usize, line: &Result<Link, String>, previous: &Head) -> Option<String> {
    let line = match line {
        Err(what) => return Some(format!("line {number} edited: {what}")),
        Ok(line) => line,
    };
    if line.number < number {
        Some(format!("line {number} reordered: it says it is line {}", line.number))
    } else if line.number > number {
        Some(format!("gap before line {number}: it says it is line {}", line.number))
    } else if line.previous != previous.digest {
        Some(format!("line {} edited: line {number} has another digest of it", previous.count))
    } else {
        None
    }
}

fn parse(line: &[u8], of_newer: bool) -> Result<Link, String> {
    match serde_json::from_slice::<Line>(line) {
        Ok(Line { number, previous, entry }) => Ok(Link { number, previous, entry: Some(entry) }),
        Err(_) if of_newer => serde_json::from_slice(line).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

/// Tells whether a newer version wrote the history, and in a way that this one can read.
fn is_of_newer(first: &[u8], file: &Path) -> Result<bool, StateError> {
    let Ok(Named { format }) = serde_json::from_slice(first) else {
        return Err(StateError::corrupt(file, 1, "it names no format"));
    };
    match Age::of(&format, FORMAT) {
        Age::Same => Ok(false),
        Age::Minor => Ok(true),
        Age::Major => Err(StateError::NewerFormat { file: file.to_owned(), format }),
        Age::Foreign => Err(StateError::corrupt(file, 1, "it names no format")),
    }
}

fn read_head(content: &[u8], directory: &Path) -> Result<Head, StateError> {
    let file = directory.join(HEAD);
    let damaged = |error: serde_json::Error| StateError::corrupt(&file, 1, error.to_string());
    let Named { format } = serde_json::from_slice(content).map_err(damaged)?;
    match Age::of(&format, HEAD_FORMAT) {
        Age::Same | Age::Minor => serde_json::from_slice(content).map_err(damaged),
        Age::Major | Age::Foreign => Err(StateError::NewerFormat { file, format }),
    }
}

/// Appends entries. With `durable`, they and the head are on disk when this returns; without, a power cut may lose
/// them.
pub(crate) fn append(directory: &Directory, entries: &[Entry], durable: bool) -> Result<Head, StateError> {
    let chain = Chain::read(directory)?;
    let (text, end) = continued(&chain, entries);
    let fail = |error: std::io::Error| StateError::new("write", &chain.file, &error);
    let text = text.map_err(|error| fail(std::io::Error::other(error)))?;
    let file = directory.edit(HISTORY, PUBLIC)?;
    let length = chain.length;
    if file.metadata().map_err(fail)?.len() > length {
        disk::truncate(&file, length).map_err(fail)?;
    }
    disk::append(&file, length, text.as_bytes(), durable).map_err(fail)?;
    if durable {
        if chain.head.is_none() {
            // The history is new: its name must not be lost where that of a head which counts its lines is kept.
            directory.sync_names()?;
        }
        write_head(directory, &end)?;
    }
    Ok(end)
}

fn continued(chain: &Chain, entries: &[Entry]) -> (serde_json::Result<String>, Head) {
    let mut end = chain.end();
    let mut text = if chain.begun { String::new() } else { format!("{FORMAT_LINE}\n") };
    for entry in entries {
        let line = Line { number: end.count + 1, previous: end.digest.clone(), entry: entry.clone() };
        match serde_json::to_string(&line) {
            Ok(line) => {
                end = Head::new(end.count + 1, line_digest(line.as_bytes()));
                text.push_str(&line);
                text.push('\n');
            }
            Err(error) => return (Err(error), end),
        }
    }
    (Ok(text), end)
}

fn write_head(directory: &Directory, head: &Head) -> Result<(), StateError> {
    let text = serde_json::to_string(head).unwrap_or_default() + "\n";
    directory.replace(HEAD, text.as_bytes(), PUBLIC)
}
