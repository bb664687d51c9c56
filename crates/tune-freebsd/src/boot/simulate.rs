//! A boot, step by step, over all tunables together: what one becomes can depend on what others are by then.

use std::collections::BTreeMap;

use tune_host::Description;
use tune_model::catalog::{Mutability, Reach};
use tune_model::{Place, Tunable, Unread};

use super::clock::{Clock, HZ};
use super::future::{Attempt, Future, Outcome, Stage};
use super::loader_conf::LoaderLine;
use super::number::{Meant, from_loader, from_sysctl};
use super::sources::Sources;
use super::{Jail, canonical};
use crate::defaults::{Ground, Handed, at_start};
use crate::ground::is_per_stack;
use crate::kernel::{self, CLUSTERS, FILES, Kept, MBUFS, SOCKETS};
use crate::read::mutability;

/// What a simulation is told besides the files.
#[derive(Debug, Clone)]
pub(crate) struct Setup<'a> {
    /// The catalog, by name.
    pub(crate) rows: BTreeMap<&'a str, &'a Tunable>,
    /// What the kernel's arithmetic starts from.
    pub(crate) ground: &'a Ground,
    /// Where it is.
    pub(crate) jail: Jail,
    /// What the running kernel says of tunables, of the catalog and others.
    pub(crate) said: BTreeMap<String, Description>,
    /// What the release has not, by name, and why; only where no kernel runs that could be asked.
    pub(crate) absent: BTreeMap<&'a str, String>,
    /// What the loader's files as they are set the clock to.
    pub(crate) booted_with: Option<i128>,
}

const LOADER_ONLY: &str =
    "it is read from the loader only, and tune gives the loader only tunables of the catalog";
/// What sysctl(8) says of what the kernel has not.
const UNKNOWN: &str = "unknown oid: this release has no such tunable";

impl Setup<'_> {
    /// Goes through a boot.
    pub(crate) fn simulate(&self, sources: &Sources) -> Future {
        let mut boot = Boot { setup: self, clock: Clock::Unknown, future: Future::default() };
        boot.future.see(sources);
        match self.jail {
            Jail::None => boot.load(sources),
            Jail::Shared | Jail::Vnet => boot.start_jail(),
        }
        boot.sysctl(sources, Stage::Sysctl);
        boot.netoptions(sources);
        if sources.again {
            boot.sysctl(sources, Stage::Again);
        }
        boot.leave_to_the_loader();
        boot.future
    }

    /// Tells why a jail may not write a tunable, where it may not.
    fn forbidden(&self, name: &str) -> Option<String> {
        if self.jail == Jail::None {
            return None;
        }
        let said = self.said.get(name).copied();
        let own = is_per_stack(self.rows.get(name).copied(), said, self.ground);
        let allowed = self.jail == Jail::Vnet && (own || said.is_some_and(|said| said.prison));
        (!allowed).then(|| format!("{name} belongs to the host of this jail"))
    }

    /// Returns when a tunable can be changed; what the running kernel says of it counts.
    fn mutability(&self, row: &Tunable) -> Mutability {
        self.said.get(&row.name).map_or(row.mutability, |said| mutability(Some(row), *said))
    }

    /// Tells whether the kernel asks the loader for a tunable; `None` where that cannot be told.
    ///
    /// Source: sys/kern/kern_sysctl.c `sysctl_register_oid`: what each network stack has its own of was passed over in
    /// 13 and 14.0. What cannot be written later is asked for in another way.
    fn asks_loader(&self, row: &Tunable) -> Option<bool> {
        const PASSED_OVER_BEFORE: i128 = 1_400_097;
        const ASKED_SINCE: i128 = 1_500_000;
        let said = self.said.get(&row.name).copied();
        // The flag is on what is asked for, but older kernels leave it off where they ask in another way.
        let loader = row.loader || said.is_some_and(|said| said.loader);
        if !loader || !is_per_stack(Some(row), said, self.ground) || self.mutability(row) == Mutability::Boot
        {
            return Some(loader);
        }
        match self.ground.release? {
            release if release >= ASKED_SINCE => Some(true),
            release if release <= PASSED_OVER_BEFORE => Some(false),
            _ => None,
        }
    }
}

/// A boot in progress.
struct Boot<'s> {
    setup: &'s Setup<'s>,
    clock: Clock,
    future: Future,
}

/// What the loader hands over, and what of it cannot be told.
#[derive(Default)]
struct FromLoader<'l> {
    handed: Handed,
    lines: BTreeMap<&'l str, &'l LoaderLine>,
    doubts: BTreeMap<&'l str, String>,
}

impl Boot<'_> {
    /// The loader hands its variables to the kernel, which makes its tunables from them.
    fn load(&mut self, sources: &Sources) {
        let loader = &sources.loader;
        let mut given = FromLoader::default();
        for name in loader.names() {
            let Some(decision) = loader.decide(name) else { continue };
            for line in loader.of(name).filter(|line| *line != decision.line) {
                self.attempt(name, line, Outcome::Overwritten(decision.line.place.clone()));
            }
            let outcome = self.hand_over(name, &decision.value, decision.line, &mut given);
            self.attempt(name, decision.line, outcome);
        }
        let hidden = loader.problems.iter().find(|problem| problem.hides).map(ToString::to_string);
        let known = hidden.is_none() && !given.doubts.contains_key(HZ);
        if known {
            self.clock = Clock::of(&given.handed, self.setup.ground, self.setup.booted_with);
        }
        for row in self.setup.rows.values() {
            match self.setup.absent.get(row.name.as_str()) {
                Some(why) => _ = self.future.unread.insert(row.name.clone(), Unread::Missing(why.clone())),
                None => self.start(row, &given, hidden.as_deref()),
            }
        }
    }

    /// Says of what is read from the loader alone, and is not in the catalog, that `tune` does not set it.
    fn leave_to_the_loader(&mut self) {
        let of_the_loader = |(name, said): &(&String, &Description)| {
            said.loader && !said.writable && !self.setup.rows.contains_key(name.as_str())
        };
        for (name, _) in self.setup.said.iter().filter(of_the_loader) {
            let known = self.future.values.contains_key(name);
            if !known && !self.future.unread.contains_key(name) {
                self.future.unread.insert(name.clone(), Unread::Computed(LOADER_ONLY.to_owned()));
            }
        }
    }

    fn attempt(&mut self, name: &str, line: &LoaderLine, outcome: Outcome) {
        let text = line.value.clone().unwrap_or_else(|doubt| doubt);
        let stage = Stage::Loader { once: line.once };
        self.future.attempts.push(Attempt {
            name: name.to_owned(),
            place: Some(line.place.clone()),
            text,
            stage,
            outcome,
        });
    }

    fn hand_over<'l>(
        &mut self,
        name: &'l str,
        value: &Result<&str, String>,
        line: &'l LoaderLine,
        given: &mut FromLoader<'l>,
    ) -> Outcome {
        if self.setup.absent.contains_key(name) {
            return Outcome::Inert(UNKNOWN.to_owned());
        }
        let row = self.setup.rows.get(name);
        let said = self.setup.said.get(name);
        let asked = row.map_or_else(|| said.map(|said| said.loader), |row| self.setup.asks_loader(row));
        if asked == Some(false) {
            return Outcome::Inert("the kernel does not ask the loader for it".to_owned());
        }
        let kind = row.and_then(|row| row.kernel_type).or_else(|| said.and_then(|said| said.value));
        let meant = match value {
            Ok(text) => from_loader(text, kind),
            Err(doubt) => Meant::Unclear(doubt.clone()),
        };
        match meant {
            Meant::Refused(why) => Outcome::Refused(why),
            Meant::Number(..) if asked.is_none() && row.is_some() => {
                doubt(given, name, "whether this kernel asks the loader for it cannot be told")
            }
            Meant::Unclear(why) => doubt(given, name, &why),
            Meant::Number(number, _) => {
                given.handed.insert(name.to_owned(), number);
                given.lines.insert(name, line);
                self.outside_at_start(name, number, asked, line)
            }
        }
    }

    /// What is outside of the catalog is what the loader says, where the kernel says that it asks.
    fn outside_at_start(
        &mut self,
        name: &str,
        number: i128,
        asked: Option<bool>,
        line: &LoaderLine,
    ) -> Outcome {
        if !self.setup.rows.contains_key(name) {
            match asked {
                Some(true) => self.future.set(name, number.to_string(), Some(&line.place)),
                _ => self
                    .future
                    .lose(name, format!("whether the kernel asks the loader for {name} cannot be told")),
            }
        }
        Outcome::Kept(number.to_string(), None)
    }

    fn start(&mut self, row: &Tunable, given: &FromLoader<'_>, hidden: Option<&str>) {
        let name = row.name.as_str();
        let computed = row.default_rule.is_some();
        let spread = || given.doubts.iter().find(|(other, _)| computed && !self.stands_alone(other));
        let doubt = given.doubts.get(name).or_else(|| spread().map(|(_, doubt)| doubt));
        match (hidden.filter(|_| row.loader || computed), doubt) {
            (Some(hidden), _) => self.future.lose(name, hidden.to_owned()),
            (None, Some(doubt)) => self.future.lose(name, doubt.clone()),
            (None, None) => self.start_from(row, given),
        }
    }

    /// Nothing is computed from what each network stack has of its own and can be set at any time.
    fn stands_alone(&self, name: &str) -> bool {
        self.setup
            .rows
            .get(name)
            .is_some_and(|row| row.scope == Reach::Vnet && row.mutability == Mutability::Live)
    }

    fn start_from(&mut self, row: &Tunable, given: &FromLoader<'_>) {
        let (name, ground) = (row.name.as_str(), self.setup.ground);
        let Some(value) = at_start(row, &given.handed, ground) else { return };
        if let Some(why) = self.off_the_clock(row, value) {
            return self.future.lose(name, why);
        }
        let line = given.lines.get(name).filter(|_| {
            let mut others = given.handed.clone();
            others.remove(name);
            given.handed.get(name) == Some(&value) || at_start(row, &others, ground) != Some(value)
        });
        self.future.set(name, value.to_string(), line.map(|line| &line.place));
        match given.handed.get(name) {
            Some(said) if !row.loader => self.take_up(row, *said, given),
            Some(said) if *said != value => self.future.remark(name, format!("the kernel makes it {value}")),
            _ => {}
        }
    }

    /// A kernel asks its loader for what the catalog knows of no such thing: it takes it as it does a write.
    fn take_up(&mut self, row: &Tunable, number: i128, given: &FromLoader<'_>) {
        let name = row.name.as_str();
        match self.kernel(row, number, None) {
            Outcome::Kept(shown, _) => {
                self.future.set(name, shown, given.lines.get(name).map(|line| &line.place));
            }
            Outcome::Unclear(why) => self.future.lose(name, why),
            Outcome::Refused(why) => self.future.remark(name, why),
            Outcome::Inert(_) | Outcome::Overwritten(_) => {}
        }
    }

    /// Tells why the clock keeps what the kernel starts with from being known, where it does.
    fn off_the_clock(&self, row: &Tunable, value: i128) -> Option<String> {
        let hz = self.setup.ground.hz;
        if row.name == HZ && !matches!(self.clock, Clock::Ticks(_)) {
            return Some(format!(
                "the running kernel has {hz}, no line says why, and without one it is {value}"
            ));
        }
        let kept = !row.ticks || matches!(self.clock, Clock::Ticks(_)) || self.clock.keeps(value);
        (!kept).then(|| format!("to which tick {value} is rounded down is not known"))
    }

    /// A jail starts with the kernel's defaults, of what is its own.
    fn start_jail(&mut self) {
        self.clock = Clock::Ticks(self.setup.ground.hz);
        for row in self.setup.rows.values() {
            let name = row.name.as_str();
            if let Some(why) = self.setup.forbidden(name) {
                self.future.unread.insert(name.to_owned(), Unread::OutOfScope(why));
            } else if row.loader {
                self.future.lose(name, format!("{name} starts with what the loader of the host says"));
            } else if let Some(value) = at_start(row, &Handed::new(), self.setup.ground) {
                self.future.set(name, value.to_string(), None);
            }
        }
    }

    fn sysctl(&mut self, sources: &Sources, stage: Stage) {
        for line in &sources.sysctl.lines {
            self.write(&line.name, Ok(&line.value), Some(&line.place), stage);
        }
    }

    fn netoptions(&mut self, sources: &Sources) {
        for write in &sources.netoptions.writes {
            let stage = Stage::Rc { variable: write.variable };
            let value = write.value.as_deref().map_err(String::as_str);
            self.write(write.tunable, value, write.place.as_ref(), stage);
        }
    }

    /// sysctl(8) writes a value.
    fn write(&mut self, name: &str, value: Result<&str, &str>, place: Option<&Place>, stage: Stage) {
        let tunable = canonical(name);
        let outcome =
            value.map_or_else(|doubt| Outcome::Unclear(doubt.to_owned()), |text| self.outcome(tunable, text));
        match &outcome {
            Outcome::Kept(shown, _) => self.keep(tunable, shown, place),
            Outcome::Unclear(why) => self.future.lose(tunable, why.clone()),
            _ => {}
        }
        let (name, text) = (tunable.to_owned(), value.unwrap_or_default().to_owned());
        self.future.attempted(Attempt { name, place: place.cloned(), text, stage, outcome });
    }

    fn keep(&mut self, name: &str, shown: &str, place: Option<&Place>) {
        let raised = self.setup.rows.get(name).is_some_and(|row| row.mutability == Mutability::RaiseOnly);
        let same = self.future.values.get(name).is_some_and(|now| now == shown);
        // A line that says what is so already has not made it so, where lines can only raise.
        if !(raised && same) {
            self.future.set(name, shown.to_owned(), place);
        }
    }

    fn outcome(&self, name: &str, text: &str) -> Outcome {
        if let Some(why) = self.setup.forbidden(name) {
            return Outcome::Refused(why);
        }
        if self.setup.absent.contains_key(name) {
            return Outcome::Refused(UNKNOWN.to_owned());
        }
        let (row, said) = (self.setup.rows.get(name), self.setup.said.get(name));
        if said.is_some_and(|said| !said.writable) {
            return Outcome::Refused("it is read when the system starts".to_owned());
        }
        let is_text = row.map_or_else(|| said.is_some_and(|said| said.value.is_none()), |row| row.is_text());
        if is_text {
            return Outcome::Kept(text.to_owned(), None);
        }
        let kind = row.and_then(|row| row.kernel_type).or_else(|| said.and_then(|said| said.value));
        match (from_sysctl(text, kind), row) {
            (Meant::Refused(why), _) => Outcome::Refused(why),
            (Meant::Unclear(why), _) => Outcome::Unclear(why),
            (Meant::Number(number, odd), None) => Outcome::Kept(number.to_string(), odd),
            (Meant::Number(number, odd), Some(row)) => self.kernel(row, number, odd),
        }
    }

    /// The kernel takes a number, or does not.
    fn kernel(&self, row: &Tunable, number: i128, odd: Option<String>) -> Outcome {
        if let Some(why) = self.depends_on_kernel(row, number) {
            return Outcome::Unclear(why);
        }
        let row = &Tunable { mutability: self.setup.mutability(row), ..row.clone() };
        let write = |hz| kernel::write(row, number, &self.future.values, hz);
        // Whole seconds are whole ticks of any clock.
        let whole = || (!row.ticks || number % 1000 == 0).then(|| write(1000));
        let Some(kept) = self.clock.agreed(write).or_else(whole) else {
            return Outcome::Unclear(format!("to which tick {number} is rounded down is not known"));
        };
        let said = |why: String| odd.clone().map_or(why.clone(), |odd| format!("{odd}; {why}"));
        match kept {
            Kept::As(shown) if shown != number => {
                Outcome::Kept(shown.to_string(), Some(said(format!("the kernel makes it {shown}"))))
            }
            Kept::As(shown) => Outcome::Kept(shown.to_string(), odd),
            Kept::Refused(why) => Outcome::Refused(said(why)),
            Kept::Ignored => {
                Outcome::Refused(said("the kernel reports success and keeps what it had".to_owned()))
            }
        }
    }

    /// Tells why it cannot be told whether the kernel takes a number, where it cannot.
    fn depends_on_kernel(&self, row: &Tunable, number: i128) -> Option<String> {
        let within = |ranges: &[(i128, i128)]| {
            ranges.first().is_some_and(|(low, high)| (*low..=*high).contains(&number))
        };
        if within(&row.taken_by_some) && !within(&row.accepted) {
            return Some(format!("whether this kernel takes {number} cannot be told"));
        }
        let name = row.name.as_str();
        let needed: &[&str] = match row.mutability {
            Mutability::RaiseOnly if CLUSTERS.contains(&name) => {
                &[CLUSTERS[0], CLUSTERS[1], CLUSTERS[2], CLUSTERS[3], MBUFS]
            }
            Mutability::RaiseOnly if name == SOCKETS => &[SOCKETS, FILES],
            Mutability::RaiseOnly => &[name],
            _ => &[],
        };
        let unknown = needed.iter().find(|needed| !self.future.values.contains_key(**needed))?;
        Some(format!("whether the kernel takes {number} depends on {unknown}, which is not known by then"))
    }
}

/// Notes what cannot be told of a variable that the kernel may look at.
fn doubt<'l>(given: &mut FromLoader<'l>, name: &'l str, why: &str) -> Outcome {
    if ["kern.", "vm.", "net.", "hw."].iter().any(|prefix| name.starts_with(prefix)) {
        given.doubts.insert(name, format!("{name}: {why}"));
    }
    Outcome::Unclear(why.to_owned())
}
