//! Every fault at every call, or an even sample of them, on several hosts at once.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::thread;

use super::fault::Fault;
use super::scene::{Act, Place, Scene};
use super::verdict::{Left, Verdict};
use super::world::Snapshot;
use crate::binary::Ran;
use crate::namespace::TestHost;

/// What to try.
#[derive(Debug, Clone)]
pub struct Extent {
    /// At most this many faulty runs, spread evenly; all where it is `None`.
    pub runs: Option<usize>,
    /// How many hosts at once.
    pub workers: usize,
    /// Only cases whose names begin with this.
    pub only: String,
    /// Whether calls that only look fail too.
    pub looking: bool,
}

/// One fault at one call of one command on one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Case {
    place: Place,
    act: Act,
    at: usize,
    fault: Fault,
}

/// What came of the runs of one command with one kind of fault.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many there were.
    pub runs: usize,
    /// How they ended, by exit code.
    pub codes: BTreeMap<i32, usize>,
    /// How many left the host neither old nor new at first.
    pub between: usize,
    /// How many were wholly old once recovered.
    pub old: usize,
    /// How many were wholly new once recovered.
    pub new: usize,
}

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// The name of the case, by which it can be run again.
    pub case: String,
    /// What is broken.
    pub what: String,
}

/// What came of a campaign.
#[derive(Debug, Default)]
pub struct Campaign {
    /// By command and fault.
    pub tallies: BTreeMap<(String, String), Tally>,
    /// How many calls were reached.
    pub sites: usize,
    /// Every broken promise.
    pub violations: Vec<Violation>,
    /// Runs whose fault did not come about.
    pub missed: Vec<String>,
}

impl Campaign {
    /// Runs a campaign. Where hosts of their own are not to be had, nothing is run; see [`crate::needs_root`].
    ///
    /// # Panics
    ///
    /// When an undisturbed command does not do what it should.
    #[must_use]
    pub fn run(extent: &Extent) -> Self {
        let found = Mutex::new(Self::default());
        thread::scope(|threads| {
            for worker in 0..extent.workers.max(1) {
                let found = &found;
                threads.spawn(move || {
                    for place in Place::ALL {
                        TestHost::run(place.boot(), |host| on_host(host, place, extent, worker, found));
                    }
                });
            }
        });
        let mut found = found.into_inner().unwrap_or_default();
        found.violations.sort();
        found
    }

    /// Returns how many faulty runs there were.
    #[must_use]
    pub fn runs(&self) -> usize {
        self.tallies.values().map(|tally| tally.runs).sum()
    }

    /// Tells whether a group of cases may hold those whose names begin with `only`.
    pub(crate) fn wants(group: &str, only: &str) -> bool {
        group.starts_with(only) || only.starts_with(group)
    }

    /// Chooses numbers below `all`, spread evenly.
    pub(crate) fn chosen(all: usize, wanted: Option<usize>) -> Vec<usize> {
        let wanted = wanted.unwrap_or(all).min(all);
        (0..wanted).map(|nth| nth * all / wanted.max(1)).collect()
    }

    fn take(&mut self, result: CaseResult) {
        let CaseResult { name, case, ran, at_first, recovered, verdict, missed } = result;
        if missed {
            self.missed.push(name.clone());
        }
        let key = (format!("{}/{}", case.place.name(), case.act.name()), case.fault.name());
        let tally = self.tallies.entry(key).or_default();
        tally.runs += 1;
        *tally.codes.entry(ran.code).or_default() += 1;
        tally.between += usize::from(at_first == Left::Between);
        tally.old += usize::from(recovered == Left::Old);
        tally.new += usize::from(recovered == Left::New);
        let violations = verdict.broken.into_iter().map(|what| Violation { case: name.clone(), what });
        self.violations.extend(violations);
    }
}

fn on_host(host: &TestHost, place: Place, extent: &Extent, worker: usize, found: &Mutex<Campaign>) {
    let fresh = Snapshot::of(host);
    let scenes: Vec<_> = Act::ALL
        .into_iter()
        .filter(|act| Campaign::wants(&format!("{}/{}/", place.name(), act.name()), &extent.only))
        .map(|act| Scene::new(host, place, act, &fresh))
        .collect();
    let cases: Vec<_> = scenes
        .iter()
        .flat_map(|scene| cases(scene, extent.looking).into_iter().map(move |case| (scene, case)))
        .filter(|(scene, case)| name(scene, *case).starts_with(&extent.only))
        .collect();
    if worker == 0 {
        let sites: usize = scenes.iter().map(|scene| scene.changing().count()).sum();
        found.lock().unwrap_or_else(std::sync::PoisonError::into_inner).sites += sites;
    }
    for at in Campaign::chosen(cases.len(), extent.runs.map(|runs| runs.div_ceil(Place::ALL.len()))) {
        let (scene, case) = cases[at];
        if at % extent.workers.max(1) == worker {
            let result = try_case(scene, case);
            found.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take(result);
        }
    }
}

fn cases(scene: &Scene<'_>, looking: bool) -> Vec<Case> {
    let case = |at: usize, fault: Fault| Case { place: scene.place, act: scene.act, at, fault };
    let mut found: Vec<_> = scene
        .changing()
        .flat_map(|(at, call)| Fault::at(call, scene).into_iter().map(move |fault| case(at, fault)))
        .collect();
    if looking {
        let looks = scene.calls.iter().enumerate().filter(|(_, call)| call.looks());
        found.extend(looks.flat_map(|(at, _)| Fault::looking().map(|fault| case(at, fault))));
    }
    found
}

fn name(scene: &Scene<'_>, case: Case) -> String {
    let call = &scene.calls[case.at];
    let Case { place, act, fault, .. } = case;
    format!("{}/{}/{}#{}/{}", place.name(), act.name(), call.name, call.nth, fault.name())
}

struct CaseResult {
    name: String,
    case: Case,
    ran: Ran,
    at_first: Left,
    recovered: Left,
    verdict: Verdict,
    missed: bool,
}

fn try_case(scene: &Scene<'_>, case: Case) -> CaseResult {
    scene.restart();
    let Case { at, fault, .. } = case;
    let options = fault.options(at, scene);
    let words: Vec<&str> = options.iter().flat_map(|option| ["-e", option.as_str()]).collect();
    // Only what is traced is injected.
    let injected = options.iter().map(String::as_str).chain(case.act.standing());
    let traced: Vec<_> = injected.filter_map(|option| option.split(['=', ':']).nth(1)).collect();
    let filter = format!("trace={}", traced.join(","));
    let ran = scene.traced(&[&["-e", &filter], words.as_slice()].concat(), fault.limit(at, scene));
    let mut verdict = Verdict::new(scene.calls[at].looks());
    let at_first = verdict.of_run(scene, &ran, fault.kills());
    let said = scene.strace_said();
    let came = said.lines().any(|line| line.contains("(INJECTED)") && !is_standing(line, case.act));
    let missed = fault != Fault::Short && !fault.kills() && !came;
    let recovered = verdict.of_recovery(scene, (!fault.kills()).then_some(ran.code));
    let name = format!("{} [{}]", name(scene, case), scene.calls[at].path.display());
    CaseResult { name, case, ran, at_first, recovered, verdict, missed }
}

/// Tells whether what was injected is what goes wrong in every run of the act.
fn is_standing(line: &str, act: Act) -> bool {
    act.standing().is_some() && line.contains("lsetxattr(")
}
