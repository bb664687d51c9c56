//! What comes of a boot: every value, the line that made it, and what became of the other lines.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tune_model::{Catalog, Place, System, Text, Unread};

use super::canonical;
use super::problem::Problem;
use super::sources::Sources;

/// When in a boot a line acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Before the kernel starts; `once` where the line counts for one boot.
    Loader { once: bool },
    /// By rc.d/sysctl.
    Sysctl,
    /// By rc.d/netoptions, for a variable of rc.conf.
    Rc { variable: &'static str },
    /// By rc.d/sysctl_lastload.
    Again,
}

/// What becomes of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The kernel shows this from then on; with what is odd about it.
    Kept(String, Option<String>),
    /// It changes nothing, for this reason.
    Refused(String),
    /// It has no effect where it stands, for this reason.
    Inert(String),
    /// A later line is read in its place.
    Overwritten(Place),
    /// It cannot be told, for this reason.
    Unclear(String),
}

/// A line and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// The tunable.
    pub(crate) name: String,
    /// The line; `None` for what a script writes where no line says anything.
    pub(crate) place: Option<Place>,
    /// The value, as the line has it.
    pub(crate) text: String,
    pub(crate) stage: Stage,
    pub(crate) outcome: Outcome,
}

impl Attempt {
    /// Tells whether it stands in a file of the loader.
    pub(crate) const fn is_loader(&self) -> bool {
        matches!(self.stage, Stage::Loader { .. })
    }

    /// Tells whether it stands in a file of sysctl(8).
    pub(crate) const fn is_sysctl(&self) -> bool {
        matches!(self.stage, Stage::Sysctl | Stage::Again)
    }
}

/// A value that the next boot makes, and the line that decides it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Predicted {
    pub(crate) text: Text,
    pub(crate) source: Option<Place>,
}

/// What comes of a boot.
#[derive(Debug, Clone, Default)]
pub(crate) struct Future {
    /// What is known, by name.
    pub(crate) values: BTreeMap<String, String>,
    /// What is not, and why.
    pub(crate) unread: BTreeMap<String, Unread>,
    sources: BTreeMap<String, Place>,
    /// Every line, in the order in which they are read.
    pub(crate) attempts: Vec<Attempt>,
    /// What is wrong with the files.
    pub(crate) problems: Vec<Problem>,
    /// The files that the loader reads.
    pub(crate) loader_files: Vec<PathBuf>,
    /// Why any value may be another.
    blind: Option<String>,
}

impl Future {
    /// Takes over what is wrong with the files.
    pub(super) fn see(&mut self, sources: &Sources) {
        let found = sources.assumed.iter().chain(&sources.loader.problems).chain(&sources.sysctl.problems);
        self.problems.extend(found.cloned());
        self.loader_files.clone_from(&sources.loader.files);
        let hiding = sources.sysctl.problems.iter().find(|problem| problem.hides);
        self.blind = hiding.map(ToString::to_string);
    }

    pub(super) fn set(&mut self, name: &str, value: String, place: Option<&Place>) {
        self.values.insert(name.to_owned(), value);
        self.unread.remove(name);
        match place {
            Some(place) => self.sources.insert(name.to_owned(), place.clone()),
            None => self.sources.remove(name),
        };
    }

    /// From here on the value is not known.
    pub(super) fn lose(&mut self, name: &str, why: String) {
        self.values.remove(name);
        self.sources.remove(name);
        self.unread.insert(name.to_owned(), Unread::Unclear(why));
    }

    /// Says what is odd about what the last line for a tunable was kept as.
    pub(super) fn remark(&mut self, name: &str, odd: String) {
        let last = self.attempts.iter_mut().rfind(|attempt| attempt.name == name);
        if let Some(Outcome::Kept(_, remark)) = last.map(|attempt| &mut attempt.outcome) {
            *remark = Some(odd);
        }
    }

    /// Notes what became of a line; the second time that it is read counts.
    pub(super) fn attempted(&mut self, attempt: Attempt) {
        let again = attempt.stage == Stage::Again;
        let same = |other: &&mut Attempt| {
            again && other.is_sysctl() && (&other.name, &other.place) == (&attempt.name, &attempt.place)
        };
        match self.attempts.iter_mut().find(same) {
            Some(first) => *first = attempt,
            None => self.attempts.push(attempt),
        }
    }

    /// Predicts a tunable.
    pub(crate) fn predict(&self, name: &str) -> Predicted {
        let name = canonical(name);
        let text = match (&self.blind, self.values.get(name), self.unread.get(name)) {
            (_, _, Some(unread @ Unread::OutOfScope(_))) => Err(unread.clone()),
            (Some(blind), ..) => Err(Unread::Unclear(blind.clone())),
            (None, Some(value), _) => Ok(value.clone()),
            (None, None, Some(unread)) => Err(unread.clone()),
            (None, None, None) => Err(Unread::Computed(untold(name))),
        };
        let source = self.sources.get(name).filter(|_| text.is_ok()).cloned();
        Predicted { text, source }
    }

    /// Returns the lines for a tunable, in the order in which they are read.
    pub(crate) fn attempts_on<'f>(&'f self, name: &'f str) -> impl DoubleEndedIterator<Item = &'f Attempt> {
        self.attempts.iter().filter(move |attempt| attempt.name == canonical(name))
    }

    /// Says what an administrator should know of the lines for a tunable.
    pub(crate) fn notes(&self, name: &str) -> Vec<String> {
        let source = self.predict(name).source;
        let mut notes: Vec<String> =
            self.attempts_on(name).filter_map(|attempt| note(attempt, source.as_ref())).collect();
        notes.extend(self.in_both(name));
        notes
    }

    /// Tells of a tunable that the loader's files and those of sysctl(8) set.
    fn in_both(&self, name: &str) -> Option<String> {
        let counts =
            |attempt: &&Attempt| !matches!(attempt.outcome, Outcome::Inert(_) | Outcome::Overwritten(_));
        let loader = self.attempts_on(name).filter(counts).rfind(|attempt| attempt.is_loader())?;
        let sysctl = self.attempts_on(name).filter(counts).rfind(|attempt| attempt.is_sysctl())?;
        let (loader, sysctl) = (loader.place.as_ref()?, sysctl.place.as_ref()?);
        Some(format!("{loader} sets it for the loader, and {sysctl} sets it once the system runs"))
    }
}

/// Says why nothing is known of a tunable that no line sets.
fn untold(name: &str) -> String {
    match Catalog::of(System::FreeBsd).get(name) {
        Some(_) => format!("the kernel computes {name} when it starts"),
        None => format!("no line sets {name}, and its default is not known here"),
    }
}

fn note(attempt: &Attempt, source: Option<&Place>) -> Option<String> {
    let place = attempt.place.as_ref()?;
    let wins = source == Some(place);
    match (&attempt.outcome, attempt.stage) {
        (Outcome::Inert(why), _) => Some(format!("{place} does nothing: {why}")),
        (Outcome::Refused(why), _) => Some(format!("{place} changes nothing: {why}")),
        (Outcome::Kept(..), Stage::Loader { once: true }) if wins => {
            Some(format!("{place} counts for one boot only"))
        }
        (Outcome::Kept(_, Some(odd)), _) => Some(format!("{place}: {odd}")),
        (Outcome::Kept(..), Stage::Rc { variable }) if !wins => {
            source.map(|source| format!("{place} ({variable}) is overwritten by {source}"))
        }
        _ => None,
    }
}
