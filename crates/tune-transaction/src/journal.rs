//! The journal of one transaction: what is to be done and undone, and how far it got.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use serde::{Deserialize, Serialize};
use tune_model::plan::{Bytes, Change, Conflict, Step};
use tune_model::transaction::{Entry, TransactionState};

use crate::disk::{self, Directory, PRIVATE};
use crate::error::StateError;
use crate::line;
use crate::newer::{Age, Named};
use crate::pause::{Pause, shown_waiting};

/// The format of journals.
pub(crate) const FORMAT: &str = "tune.journal/1";

/// The first line of a journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) format: String,
    pub(crate) boot_id: String,
    /// The transaction as the history shows it while it is open.
    #[serde(flatten)]
    pub(crate) entry: Entry,
}

/// The active list before and after; its index among the steps is the number of steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClaimsChange {
    pub(crate) before: Option<Bytes>,
    pub(crate) after: Option<Bytes>,
}

/// How a transaction ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ending {
    pub(crate) state: TransactionState,
    pub(crate) changed: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) conflicts: Vec<Conflict>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
    /// How the transaction that was taken back stands now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) taken_back: Option<TransactionState>,
    /// The boot whose end completes that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) until_end_of: Option<String>,
    /// What was really changed, where that is less than was intended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) changes: Option<Vec<Change>>,
}

/// A line of a journal after the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "kebab-case")]
pub(crate) enum Record {
    /// A step, with its undo.
    Step(Box<Step>),
    /// The change of the active list, carried out after the steps.
    Claims(ClaimsChange),
    /// Everything is written down; from here on there may be effects.
    Ready { steps: usize },
    /// A step may have an effect from here on.
    Begin { index: usize },
    /// A step was carried out and read back.
    Done { index: usize },
    /// What could be tried out is done; the rest waits for a confirmation.
    Await(Pause),
    /// A step failed; what was there before is there.
    Failed { index: usize, reason: String },
    /// A step is being taken back.
    UndoBegin { index: usize },
    /// What was there before the step is there.
    Undone { index: usize },
    /// A step could not be taken back.
    Stuck { index: usize, reason: String },
    /// The transaction has ended.
    End(Ending),
}

/// What is written down before the first effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Intent {
    pub(crate) header: Header,
    pub(crate) steps: Vec<Step>,
    pub(crate) claims: Option<ClaimsChange>,
}

/// How far a step got, as far as the journal tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It had no effect.
    Untouched,
    /// It may have had its effect, and may have been taken back since.
    Touched,
    /// It failed, and was taken back.
    Failed(String),
    /// It was taken back.
    Undone,
}

/// A journal that was read.
#[derive(Debug)]
pub(crate) struct Story {
    pub(crate) intent: Intent,
    /// One for each step, and one for the active list.
    pub(crate) progress: Vec<Progress>,
    pub(crate) ending: Option<Ending>,
    /// Where it waits, unless it has gone on from there.
    pub(crate) waits: Option<Pause>,
    /// The length of the intact lines, and the check of the last.
    pub(crate) end: (u64, String),
}

/// What reading a journal gives.
#[derive(Debug)]
pub(crate) enum Reading {
    /// It is whole, or torn only where a crash tears.
    Story(Box<Story>),
    /// The process died before it was written down what was to be done: nothing was.
    NeverBegun,
    /// A newer version wrote it.
    OfNewer(Box<Glimpse>),
}

/// What is understood of a journal of a newer version.
#[derive(Debug)]
pub(crate) struct Glimpse {
    header: Header,
    pub(crate) ended: bool,
    waits: Option<Pause>,
}

impl Glimpse {
    /// Returns the transaction as the history would show it.
    pub(crate) fn shown(self) -> Entry {
        let Header { entry, boot_id, .. } = self.header;
        match &self.waits {
            Some(pause) => shown_waiting(&entry, &boot_id, pause),
            None => entry,
        }
    }
}

/// Returns the file of a transaction, without directory.
pub(crate) fn file_name(id: u64) -> String {
    format!("{id:06}.jsonl")
}

/// Returns the transaction whose journal has this name.
fn id_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".jsonl")?;
    let plain = digits.len() >= 6 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let id = plain.then(|| digits.parse().ok())??;
    // No host makes so many; a planted name must not make the next number overflow.
    (file_name(id) == name && (1..u64::from(u32::MAX)).contains(&id)).then_some(id)
}

/// Returns the highest number of a journal; 0 where there is none.
pub(crate) fn newest(journals: &Directory) -> Result<u64, StateError> {
    Ok(journals.names()?.iter().filter_map(|name| id_of(name)).max().unwrap_or(0))
}

/// A journal that is written.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    path: std::path::PathBuf,
    length: u64,
    check: String,
}

impl Journal {
    /// Makes a journal, durable in whole before it has its name.
    pub(crate) fn create(journals: &Directory, intent: &Intent) -> Result<Self, StateError> {
        let name = file_name(intent.header.entry.id);
        let unwritable = |error: serde_json::Error| StateError::Other {
            tried: "write",
            path: journals.path().join(&name),
            reason: error.to_string(),
        };
        let (text, check) = written(intent).map_err(unwritable)?;
        journals.replace(&name, text.as_bytes(), PRIVATE)?;
        Self::open(journals, &name, (text.len() as u64, check))
    }

    /// Goes on with a journal that was read, dropping what was torn.
    pub(crate) fn resume(journals: &Directory, story: &Story) -> Result<Self, StateError> {
        let journal = Self::open(journals, &file_name(story.intent.header.entry.id), story.end.clone())?;
        let torn = journal.file.metadata().map(|found| found.len() != journal.length);
        torn.and_then(|torn| if torn { disk::truncate(&journal.file, journal.length) } else { Ok(()) })
            .map_err(|error| StateError::new("write", &journal.path, &error))?;
        Ok(journal)
    }

    fn open(journals: &Directory, name: &str, (length, check): (u64, String)) -> Result<Self, StateError> {
        Ok(Self { file: journals.edit(name, PRIVATE)?, path: journals.path().join(name), length, check })
    }

    /// Appends a record that a crash of the process cannot lose, but a power cut can.
    pub(crate) fn note(&mut self, record: &Record) -> Result<(), StateError> {
        self.append(record, false)
    }

    /// Appends a record; it and all before it are durable when this returns.
    pub(crate) fn commit(&mut self, record: &Record) -> Result<(), StateError> {
        self.append(record, true)
    }

    /// Tells whether a record is in the file that could neither be made durable nor be taken out again: a reader will
    /// find it, unless the power goes.
    pub(crate) fn holds_unconfirmed(&self) -> bool {
        let mut tail = Vec::new();
        let read = self.file.try_clone().and_then(|mut file| {
            file.seek(SeekFrom::Start(self.length))?;
            file.read_to_end(&mut tail)
        });
        let (lines, _) = line::split(&tail);
        read.is_ok() && lines.first().is_some_and(|line| line::verify(&self.check, line).is_some())
    }

    fn append(&mut self, record: &Record, durable: bool) -> Result<(), StateError> {
        let appended = line::seal(&self.check, record).map_err(std::io::Error::other).and_then(|sealed| {
            disk::append(&self.file, self.length, sealed.0.as_bytes(), durable).map(|()| sealed)
        });
        let (text, check) = appended.map_err(|error| StateError::new("write", &self.path, &error))?;
        self.length += text.len() as u64;
        self.check = check;
        Ok(())
    }
}

fn written(intent: &Intent) -> serde_json::Result<(String, String)> {
    let (mut text, mut check) = line::seal("", &intent.header)?;
    let steps = intent.steps.iter().map(|step| Record::Step(Box::new(step.clone())));
    let claims = intent.claims.clone().map(Record::Claims);
    let ready = Record::Ready { steps: intent.steps.len() };
    for record in steps.chain(claims).chain([ready]) {
        let (next, sealed) = line::seal(&check, &record)?;
        text.push_str(&next);
        check = sealed;
    }
    Ok((text, check))
}

/// Reads the journal of a transaction.
///
/// A torn tail is dropped. While the machine has not been restarted only the last line can be torn; a power cut can
/// tear all that was not yet synced, and `boot_id` tells which it was.
pub(crate) fn read(journals: &Directory, id: u64, boot_id: &str) -> Result<Reading, StateError> {
    let name = file_name(id);
    let content = journals.read(&name)?.unwrap_or_default();
    read_bytes(&content, id, boot_id, journals.path().join(name))
}

/// Reads the journal of a transaction that is to be gone on with; `None` where it never began.
pub(crate) fn story(journals: &Directory, id: u64, boot_id: &str) -> Result<Option<Box<Story>>, StateError> {
    match read(journals, id, boot_id)? {
        Reading::Story(story) => Ok(Some(story)),
        Reading::NeverBegun => Ok(None),
        Reading::OfNewer(glimpse) => {
            let (file, format) = (journals.path().join(file_name(id)), glimpse.header.format);
            Err(StateError::OfNewer { file, format })
        }
    }
}

/// Reads a journal whose content is at hand; `file` is where errors say that it is.
pub(crate) fn read_bytes(
    content: &[u8],
    id: u64,
    boot_id: &str,
    file: std::path::PathBuf,
) -> Result<Reading, StateError> {
    parse(content, id, boot_id).map_err(|fault| fault.at(file))
}

/// What is wrong with a journal.
enum Fault {
    Corrupt(usize, String),
    Newer(String),
}

impl Fault {
    fn at(self, file: std::path::PathBuf) -> StateError {
        match self {
            Self::Corrupt(line, what) => StateError::corrupt(file, line, what),
            Self::Newer(format) => StateError::NewerFormat { file, format },
        }
    }
}

fn parse(content: &[u8], id: u64, boot_id: &str) -> Result<Reading, Fault> {
    let (lines, torn) = line::split(content);
    let Some(first) = lines.first() else { return Ok(Reading::NeverBegun) };
    let of_newer = is_of_newer(first)?;
    let (checks, intact) = intact_lines(&lines);
    if intact == 0 {
        return Err(Fault::Corrupt(1, "its check does not fit".to_owned()));
    }
    let header: Header = match json(first, 1) {
        Err(_) if of_newer => return Err(Fault::Newer(format_of(first))),
        read => read?,
    };
    let power_was_cut = header.boot_id != boot_id;
    let whole = intact == lines.len() || (intact + 1 == lines.len() && torn.is_empty());
    if !whole && !power_was_cut {
        return Err(Fault::Corrupt(intact + 1, "its check does not fit".to_owned()));
    }
    if header.entry.id != id {
        return Err(Fault::Corrupt(1, format!("it is of transaction {}", header.entry.id)));
    }
    if of_newer {
        return Ok(Reading::OfNewer(Box::new(glimpse(header, &lines[1..intact]))));
    }
    let length: usize = lines[..intact].iter().map(|line| line.len() + 1).sum();
    let end = (length as u64, checks.last().cloned().unwrap_or_default());
    // Looking commands name no boot.
    let restarted = power_was_cut && !boot_id.is_empty();
    let mut reading = Reader::new(header, end).read(&lines[..intact])?;
    if let (true, Reading::Story(story)) = (restarted, &mut reading) {
        story.intent.steps.iter_mut().for_each(|step| step.effect.forget_live());
    }
    Ok(reading)
}

/// Tells whether a newer version wrote the journal, and in a way that this one can read.
fn is_of_newer(first: &[u8]) -> Result<bool, Fault> {
    let nameless = || Fault::Corrupt(1, "it names no format".to_owned());
    let Named { format } = serde_json::from_slice(first).map_err(|_| nameless())?;
    match Age::of(&format, FORMAT) {
        Age::Same => Ok(false),
        Age::Minor => Ok(true),
        Age::Major => Err(Fault::Newer(format)),
        Age::Foreign => Err(nameless()),
    }
}

fn format_of(first: &[u8]) -> String {
    serde_json::from_slice(first).map(|Named { format }| format).unwrap_or_default()
}

/// Tells how far a transaction got, whatever its steps are.
fn glimpse(header: Header, lines: &[&[u8]]) -> Glimpse {
    let mut found = Glimpse { header, ended: false, waits: None };
    for line in lines {
        let record = serde_json::from_slice::<Record>(line).ok();
        found.ended |= matches!(record, Some(Record::End(_)));
        found.waits = match record {
            Some(Record::Await(pause)) => Some(pause),
            _ => None,
        };
    }
    found
}

/// Returns the checks of the intact lines, and their number.
fn intact_lines(lines: &[&[u8]]) -> (Vec<String>, usize) {
    let mut checks: Vec<String> = Vec::new();
    for line in lines {
        let previous = checks.last().map_or("", String::as_str);
        match line::verify(previous, line) {
            Some(check) => checks.push(check.to_owned()),
            None => break,
        }
    }
    let intact = checks.len();
    (checks, intact)
}

fn json<T: serde::de::DeserializeOwned>(line: &[u8], number: usize) -> Result<T, Fault> {
    serde_json::from_slice(line).map_err(|error| Fault::Corrupt(number, error.to_string()))
}

/// Puts the records of a journal together.
struct Reader {
    story: Story,
    ready: bool,
}

impl Reader {
    fn new(header: Header, end: (u64, String)) -> Self {
        let intent = Intent { header, steps: Vec::new(), claims: None };
        let story = Story { intent, progress: Vec::new(), ending: None, waits: None, end };
        Self { story, ready: false }
    }

    fn read(mut self, lines: &[&[u8]]) -> Result<Reading, Fault> {
        for (at, line) in lines.iter().enumerate().skip(1) {
            self.take(json(line, at + 1)?).map_err(|what| Fault::Corrupt(at + 1, what))?;
        }
        Ok(if self.ready { Reading::Story(Box::new(self.story)) } else { Reading::NeverBegun })
    }

    fn take(&mut self, record: Record) -> Result<(), String> {
        let story = &mut self.story;
        story.waits = None;
        match record {
            _ if story.ending.is_some() => return Err("it comes after the end".to_owned()),
            Record::Step(step) if !self.ready => story.intent.steps.push(*step),
            Record::Claims(claims) if !self.ready => story.intent.claims = Some(claims),
            Record::Ready { steps } if !self.ready && steps == story.intent.steps.len() => {
                self.ready = true;
                story.progress = vec![Progress::Untouched; steps + 1];
            }
            Record::End(ending) if self.ready => story.ending = Some(ending),
            Record::Await(pause) if self.ready => story.waits = Some(pause),
            Record::Begin { index }
            | Record::Done { index }
            | Record::UndoBegin { index }
            | Record::Stuck { index, .. } => self.set(index, Progress::Touched)?,
            Record::Failed { index, reason } => self.set(index, Progress::Failed(reason))?,
            Record::Undone { index } => self.set(index, Progress::Undone)?,
            _ => return Err("it is out of order".to_owned()),
        }
        Ok(())
    }

    fn set(&mut self, index: usize, progress: Progress) -> Result<(), String> {
        let slot = self.story.progress.get_mut(index);
        *slot.ok_or_else(|| format!("there is no step {}", index + 1))? = progress;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::tests::plan;

    fn written_journal() -> Vec<u8> {
        let entry = Entry {
            id: 7,
            action: tune_model::transaction::Action::Rollback { of: 3 },
            state: TransactionState::Open,
            started: crate::now(),
            changed: crate::now(),
            actor: crate::actor(),
            scope: "host".to_owned(),
            changes: plan().changes,
            conflicts: Vec::new(),
            note: None,
            until_end_of: None,
            deadline: None,
            deadline_uptime_ms: None,
        };
        let header = Header { format: FORMAT.to_owned(), boot_id: "boot-1".to_owned(), entry };
        let intent = Intent { header, steps: plan().steps, claims: None };
        let (mut text, mut check) = written(&intent).unwrap();
        for record in [Record::Begin { index: 0 }, Record::Done { index: 0 }, Record::Begin { index: 1 }] {
            let (line, sealed) = line::seal(&check, &record).unwrap();
            text.push_str(&line);
            check = sealed;
        }
        text.into_bytes()
    }

    #[test]
    fn a_journal_is_read_as_it_was_written_and_torn_anywhere() {
        let whole = written_journal();
        let Ok(Reading::Story(story)) = parse(&whole, 7, "boot-1") else { panic!("it is whole") };
        assert_eq!(story.intent.steps, plan().steps);
        let reached = [Progress::Touched, Progress::Touched, Progress::Untouched];
        assert_eq!(story.progress[..3], reached);
        for length in 0..whole.len() {
            assert!(parse(&whole[..length], 7, "boot-1").is_ok(), "length {length}");
        }
    }

    #[test]
    fn damage_inside_is_refused_and_so_is_another_number() {
        let whole = written_journal();
        assert!(matches!(parse(&whole, 8, "boot-1"), Err(Fault::Corrupt(1, _))));
        let inside = whole.len() / 2;
        let mut changed = whole;
        changed[inside] ^= 1;
        assert!(matches!(parse(&changed, 7, "boot-1"), Err(Fault::Corrupt(..))));
    }

    #[test]
    fn only_plain_numbers_name_journals() {
        assert_eq!(id_of("000012.jsonl"), Some(12));
        assert_eq!(id_of("1234567.jsonl"), Some(1_234_567));
        for name in ["12.jsonl", "0000012.jsonl", "000000.jsonl", ".000012.jsonl.new", "+00012.jsonl"] {
            assert_eq!(id_of(name), None, "{name}");
        }
    }
}
