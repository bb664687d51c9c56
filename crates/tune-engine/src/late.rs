//! What is left to set where the system itself has set the boot values: tunables that came to be only afterwards.
//!
//! A value that is not as claimed was changed by somebody, unless the tunable was not there when the boot values were
//! set. Only what was seen to be missing in this boot, still has its default, and is decided by a line of ours is set;
//! everything else is named and left alone.

use std::collections::{BTreeMap, BTreeSet};

use tune_model::claim::{Claim, Claims, Holding, ScopeClaims};
use tune_model::plan::{Plan, RefusalKind};
use tune_model::reading::{Layer, Reading, Readings, Unread};
use tune_model::tunable::same_value;
use tune_model::{Slot, Subject};

use crate::Engine;
use crate::options::{Held, Options};
use crate::settle::{Settled, Settlement, needed_tunables};

impl Engine<'_> {
    /// Returns the tunables held for the boot that the running kernel does not have at this moment.
    #[must_use]
    pub fn absent(&self, claims: &Claims) -> BTreeSet<String> {
        let boot = self.claims_here(claims).boot;
        let names: BTreeSet<String> = boot.into_keys().map(|slot| slot.tunable).collect();
        names.into_iter().filter(|name| !self.backend.has(self.host, name)).collect()
    }

    /// Plans to set what came to be after the system had set its boot values; `absent` are the tunables that were seen to
    /// be missing in this boot.
    ///
    /// It works from the claims alone and touches no files. Each other difference is a warning.
    #[must_use]
    pub fn plan_late(&self, held: Held<'_>, absent: &BTreeSet<String>) -> Plan {
        let before = self.claims_here(held.claims);
        let readings = self.backend.read(self.host, &needed_tunables(self.backend, &before), &before);
        let late = Late { engine: *self, held, before: &before, readings: &readings, absent };
        let (subjects, missing) = late.subjects();
        let (subjects, drift) = late.sort_out(&late.settle(subjects.clone()), &subjects);
        let settled = late.settle(subjects);
        let refused = settled.refusals.iter().map(|refusal| format!("{}; left alone", refusal.message));
        let warnings = missing.into_iter().chain(drift).chain(refused).collect();
        if !settled.refusals.is_empty() || settled.steps.is_empty() || !late.moves_latecomers_only(&settled) {
            return plan(warnings, Settled::default(), None);
        }
        let mut claims = held.claims.clone();
        self.put_claims(&mut claims, settled.after.clone());
        plan(warnings, settled, (claims != *held.claims).then_some(claims))
    }
}

fn plan(mut warnings: Vec<String>, settled: Settled, claims: Option<Claims>) -> Plan {
    warnings.extend(settled.warnings);
    Plan {
        findings: Vec::new(),
        steps: settled.steps,
        claims,
        refusals: Vec::new(),
        conflicts: settled.conflicts,
        warnings,
        changes: settled.changes,
        reboot_required: settled.reboot_required,
    }
}

struct Late<'a> {
    engine: Engine<'a>,
    held: Held<'a>,
    before: &'a ScopeClaims,
    readings: &'a Readings,
    absent: &'a BTreeSet<String>,
}

impl Late<'_> {
    /// Returns what this boot has to be held against, and what of it is not there yet, in words.
    fn subjects(&self) -> (BTreeSet<Subject>, BTreeSet<String>) {
        let mut subjects = BTreeSet::new();
        let mut without = BTreeSet::new();
        let mut missing = BTreeSet::new();
        for (slot, holding) in self.of_this_boot() {
            let of = holding.claims.iter().map(|claim| claim.subject.clone());
            match self.readings.get(&slot.tunable).map(|reading| &reading.live) {
                Some(Err(Unread::Missing(reason))) => {
                    without.extend(of);
                    missing.insert(format!("{slot} cannot be set yet: {reason}"));
                }
                _ => subjects.extend(of),
            }
        }
        (subjects.difference(&without).cloned().collect(), missing)
    }

    /// Returns what the boot should have made, and what was set in the running kernel since. What was written to the boot
    /// files during this boot only is for the next one.
    fn of_this_boot(&self) -> impl Iterator<Item = (&Slot, &Holding)> {
        let of_this = |holding: &Holding| holding.boot_id == self.held.boot_id;
        let boot = self.before.boot.iter().filter(move |(_, holding)| !of_this(holding));
        let runtime = self.before.runtime.iter().filter(move |(_, holding)| of_this(holding));
        boot.chain(runtime)
    }

    fn settle(&self, touched: BTreeSet<Subject>) -> Settled {
        let mut after = self.before.clone();
        for (slot, boot) in &self.before.boot {
            if boot.claims.iter().any(|claim| touched.contains(&claim.subject)) {
                after
                    .runtime
                    .entry(slot.clone())
                    .or_insert_with(|| self.held_from_now_on(slot, &boot.claims));
            }
        }
        let options = Options { runtime_only: true, accept_irreversible: true, ..Options::default() };
        Settlement {
            backend: self.engine.backend,
            host: self.engine.host,
            readings: self.readings,
            options: &options,
            boot_id: self.held.boot_id,
            before: self.before,
            after,
            touched,
            released: BTreeMap::from([(Layer::Runtime, BTreeSet::new())]),
            foreign_is_refused: true,
        }
        .settle()
    }

    /// Claimed for the boot only so far: from now on it is held in the running kernel as well.
    fn held_from_now_on(&self, slot: &Slot, claims: &[Claim]) -> Holding {
        let live = self.readings.get(&slot.tunable).and_then(|reading| reading.live.clone().ok());
        Holding {
            original: live.and_then(|text| slot.part(&text).map(str::to_owned)),
            boot_id: self.held.boot_id.to_owned(),
            held: None,
            claims: claims.to_vec(),
            taken_over: Vec::new(),
        }
    }

    /// Tells the subjects that may be set, from how all of them would be, and says why the others may not.
    fn sort_out(&self, all: &Settled, subjects: &BTreeSet<Subject>) -> (BTreeSet<Subject>, Vec<String>) {
        let untold = |kind| matches!(kind, RefusalKind::Unreadable | RefusalKind::Contradiction);
        let untold = all.refusals.iter().filter(|refusal| untold(refusal.kind));
        let mut told: Vec<String> = untold.map(|refusal| refusal.message.clone()).collect();
        let mut left = BTreeSet::new();
        let mut moved = BTreeSet::new();
        for slot in all.moved.get(&Layer::Runtime).into_iter().flatten() {
            let Some(holding) = all.after.runtime.get(slot) else { continue };
            let of = holding.claims.iter().map(|claim| claim.subject.clone());
            let wanted = holding.held.as_deref().unwrap_or_default();
            if let Some(reason) = self.not_late(slot, wanted) {
                told.push(self.drift(slot, wanted, &reason));
                left.extend(of);
            } else {
                moved.extend(of);
            }
        }
        let late = moved.difference(&left).filter(|subject| subjects.contains(subject));
        (late.cloned().collect(), told)
    }

    /// What is made of the same tunables is settled together, and must not come along.
    fn moves_latecomers_only(&self, settled: &Settled) -> bool {
        let moved = settled.moved.get(&Layer::Runtime).into_iter().flatten();
        let held = |slot: &Slot| settled.after.runtime.get(slot).and_then(|holding| holding.held.clone());
        moved.into_iter().all(|slot| self.not_late(slot, &held(slot).unwrap_or_default()).is_none())
    }

    fn drift(&self, slot: &Slot, wanted: &str, reason: &str) -> String {
        let shown = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let now = self.reading(slot).and_then(|reading| part(slot, reading.live.as_ref().ok()?));
        let (now, wanted) = (shown(&now.unwrap_or_default()), shown(wanted));
        let holdings = [self.before.runtime.get(slot), self.before.boot.get(slot)];
        let claims = holdings.into_iter().flatten().flat_map(|holding| &holding.claims);
        let profiles: BTreeSet<&str> = claims.map(|claim| claim.profile.as_str()).collect();
        let profiles = profiles.into_iter().collect::<Vec<_>>().join(", ");
        format!("{slot} is {now}, where {profiles} would have {wanted}; left alone: {reason}")
    }

    fn reading(&self, slot: &Slot) -> Option<&Reading> {
        self.readings.get(&slot.tunable)
    }

    /// Returns why a slot must not be set; `None` where it came to be later and nobody has set it since.
    fn not_late(&self, slot: &Slot, wanted: &str) -> Option<String> {
        let reading = self.reading(slot)?;
        let of_this_boot = |holding: &Holding| holding.boot_id == self.held.boot_id;
        if self.before.runtime.get(slot).is_some_and(of_this_boot) {
            return Some("somebody else has changed it since tune looked after it in this boot".to_owned());
        }
        if !self.is_decided_by_us(slot, reading, wanted) {
            return Some(elsewhere(reading));
        }
        if !self.absent.contains(&slot.tunable) {
            return Some(
                "it was not seen to be missing in this boot, so somebody else may have set it".to_owned(),
            );
        }
        let as_loaded = |live: &str| self.engine.backend.is_as_loaded(self.engine.host, &slot.tunable, live);
        match (&reading.default, &reading.live) {
            (Some(default), Ok(live)) if same_value(default, live) => None,
            (None, Ok(live)) if as_loaded(live) => None,
            (Some(default), _) => Some(format!("somebody else has set it since it came to be {default}")),
            (None, _) => Some(
                "whether somebody else has set it since it came cannot be told: its default is not known"
                    .to_owned(),
            ),
        }
    }

    /// Tells whether a line of ours is what the boot files come to, as we left it.
    fn is_decided_by_us(&self, slot: &Slot, reading: &Reading, wanted: &str) -> bool {
        let held = self.before.boot.get(slot).and_then(|holding| holding.held.as_deref());
        let ours =
            reading.boot_source.as_ref().is_some_and(|place| self.before.files.contains_key(&place.file));
        let made = reading.boot.as_ref().ok().and_then(|text| part(slot, text));
        ours && held == Some(wanted) && made.as_deref() == Some(wanted)
    }
}

/// Says what the boot files come to, where that is not what is held.
fn elsewhere(reading: &Reading) -> String {
    match (&reading.boot, &reading.boot_source) {
        (Ok(made), Some(place)) => format!("the boot files make it {made}, from {place}"),
        (Ok(made), None) => format!("the boot files leave it at {made}"),
        (Err(unread), _) => format!("what the boot files make it is not known: {unread}"),
    }
}

fn part(slot: &Slot, text: &str) -> Option<String> {
    slot.part(text).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use tune_host::{FakeHost, Host, Machine};
    use tune_model::plan::{Bytes, Effect, FileImage};
    use tune_model::{Catalog, System, profile};

    use super::*;
    use crate::backend_for;

    const TIMEOUT: &str = "net.netfilter.nf_conntrack_tcp_timeout_fin_wait";
    const MAX: &str = "net.netfilter.nf_conntrack_max";
    const OURS: &str = "/etc/sysctl.d/zz-tune.conf";

    fn host(tunables: &[(&str, &str)]) -> FakeHost {
        let host = FakeHost::new()
            .with_file("/proc/meminfo", "MemTotal:        8388608 kB\n")
            .with_file("/usr/lib/systemd/systemd-sysctl", "")
            .with_directory("/run/systemd/system")
            .with_directory("/etc/sysctl.d")
            // So that it is the initial network namespace.
            .with_tunable("net.ipv4.tcp_mem", "287898\t383867\t575796");
        tunables.iter().fold(host, |host, (name, value)| host.with_tunable(name, value))
    }

    /// A host on which a limit of connection tracking was applied, in its next boot.
    struct Second {
        host: FakeHost,
        claims: Claims,
    }

    impl Second {
        fn after(argument: &str) -> Self {
            let host = host(&[(TIMEOUT, "120"), (MAX, "262144"), ("net.ipv4.tcp_fin_timeout", "60")]);
            let found = profile::one_off(&[argument.to_owned()], Catalog::of, System::Linux).unwrap();
            let claims = Claims::default();
            let boot_id = host.boot_id();
            let backend = backend_for(&host).unwrap();
            let engine = Engine { backend: &*backend, host: &host };
            let held = Held { claims: &claims, transaction: 1, boot_id: &boot_id };
            let plan = engine.plan_apply(&[found.profile], held, &Options::default()).unwrap();
            assert_eq!(plan.refusals, []);
            for step in &plan.steps {
                match &step.effect {
                    Effect::SetTunable { tunable, after, .. } => host.write_in(None, tunable, after).unwrap(),
                    Effect::ReplaceFile { path, after, .. } => {
                        host.replace_file(path, after.as_ref(), "t").unwrap();
                    }
                    other => panic!("{other:?}"),
                }
            }
            host.reboot();
            assert_ne!(host.boot_id(), boot_id);
            Self { claims: plan.claims.unwrap(), host }
        }

        fn plan(&self, absent: &[&str]) -> Plan {
            let boot_id = self.host.boot_id();
            let held = Held { claims: &self.claims, transaction: 2, boot_id: &boot_id };
            let backend = backend_for(&self.host).unwrap();
            let absent = absent.iter().map(|name| (*name).to_owned()).collect();
            let plan = Engine { backend: &*backend, host: &self.host }.plan_late(held, &absent);
            assert_eq!(plan.refusals, []);
            plan
        }

        /// Demands that nothing is set, and why.
        #[track_caller]
        fn leaves(&self, absent: &[&str], why: &str) {
            let plan = self.plan(absent);
            assert!(plan.is_empty(), "{plan:?}");
            assert!(plan.warnings.iter().any(|told| told.contains(why)), "{:?}", plan.warnings);
        }

        fn absent(&self) -> BTreeSet<String> {
            let backend = backend_for(&self.host).unwrap();
            Engine { backend: &*backend, host: &self.host }.absent(&self.claims)
        }
    }

    #[test]
    fn what_came_later_and_has_its_default_is_set() {
        let mut second = Second::after(&format!("{TIMEOUT}=300"));
        let plan = second.plan(&[TIMEOUT]);
        let steps: Vec<_> = plan.steps.iter().filter_map(|step| step.effect.live()).collect();
        assert_eq!((steps, plan.warnings), (vec![(TIMEOUT, "120", "300")], Vec::new()));
        second.claims = plan.claims.unwrap();
        second.host.write_in(None, TIMEOUT, "300").unwrap();
        let again = second.plan(&[TIMEOUT]);
        assert!(again.is_empty() && again.warnings.is_empty(), "{again:?}");
        // From now on it was there, and whatever it is somebody else made it.
        second.host.write_in(None, TIMEOUT, "120").unwrap();
        second.leaves(&[TIMEOUT], "somebody else has changed it since tune looked after it");
    }

    #[test]
    fn what_was_there_all_the_time_was_changed_by_somebody() {
        let second = Second::after(&format!("{TIMEOUT}=300"));
        second.leaves(&[], "somebody else may have set it");
        let second = Second::after("tcp.fin_wait_2_timeout=30s");
        second.leaves(&[], "net.ipv4.tcp_fin_timeout is 60, where command-line would have 30; left alone");
        second.host.write_in(None, "net.ipv4.tcp_fin_timeout", "20").unwrap();
        second.leaves(&[], "is 20, where command-line would have 30");
        second.host.write_in(None, "net.ipv4.tcp_fin_timeout", "30").unwrap();
        let plan = second.plan(&[]);
        assert!(plan.is_empty() && plan.warnings.is_empty(), "{plan:?}");
    }

    #[test]
    fn what_was_set_since_it_came_is_left() {
        let second = Second::after(&format!("{TIMEOUT}=300"));
        second.host.write_in(None, TIMEOUT, "180").unwrap();
        second.leaves(&[TIMEOUT], "somebody else has set it since it came to be 120");
    }

    #[test]
    fn a_default_that_is_not_known_is_no_evidence() {
        let second = Second::after(&format!("{MAX}=1000000"));
        let set = second.plan(&[MAX]);
        assert_eq!(set.steps.len(), 1, "{set:?}");
        second.host.write_in(None, MAX, "500000").unwrap();
        second.leaves(&[MAX], "its default is not known");
    }

    #[test]
    fn a_line_that_is_not_ours_is_not_carried_out() {
        let line = format!("{TIMEOUT} = 240\n");
        let image = FileImage {
            content: Bytes(line.into_bytes()),
            mode: 0o644,
            uid: 0,
            gid: 0,
            attributes: Default::default(),
        };
        for place in ["/etc/sysctl.d/zzz.conf", OURS] {
            let second = Second::after(&format!("{TIMEOUT}=300"));
            second.host.replace_file(Path::new(place), Some(&image), "t").unwrap();
            second.leaves(&[TIMEOUT], &format!("the boot files make it 240, from {place}:1"));
        }
        let second = Second::after(&format!("{TIMEOUT}=300"));
        second.host.replace_file(Path::new(OURS), None, "t").unwrap();
        second.leaves(&[TIMEOUT], "the boot files leave it at 120");
    }

    #[test]
    fn what_is_not_there_yet_is_noted_and_said() {
        let second = Second::after(&format!("{TIMEOUT}=300"));
        assert_eq!(second.absent(), BTreeSet::new());
        second.host.remove_value(TIMEOUT);
        assert_eq!(second.absent(), BTreeSet::from([TIMEOUT.to_owned()]));
        second.leaves(&[], "cannot be set yet: ");
    }

    #[test]
    fn what_is_held_for_the_next_boot_only_is_not_missed_in_this_one() {
        let host = host(&[("net.ipv4.tcp_fin_timeout", "60")]);
        let found =
            profile::one_off(&["tcp.fin_wait_2_timeout=30s".to_owned()], Catalog::of, System::Linux).unwrap();
        let boot_id = host.boot_id();
        let backend = backend_for(&host).unwrap();
        let engine = Engine { backend: &*backend, host: &host };
        let none = Claims::default();
        let held = Held { claims: &none, transaction: 1, boot_id: &boot_id };
        let options = Options { boot_only: true, ..Options::default() };
        let claims = engine.plan_apply(&[found.profile], held, &options).unwrap().claims.unwrap();
        let plan =
            engine.plan_late(Held { claims: &claims, transaction: 2, boot_id: &boot_id }, &BTreeSet::new());
        assert!(plan.is_empty() && plan.warnings.is_empty(), "{plan:?}");
    }
}
