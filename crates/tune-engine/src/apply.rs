//! Planning to apply profiles.

use std::collections::{BTreeMap, BTreeSet};

use tune_host::Backend;
use tune_model::claim::{Claim, Holding, ScopeClaims};
use tune_model::finding::Finding;
use tune_model::plan::{Plan, Refusal, RefusalKind};
use tune_model::profile::Profile;
use tune_model::reading::{Layer, Readings, Unread};
use tune_model::{Effective, Setting, Slot, Status, Step, Subject, Verdict};

use crate::options::{Held, Options};
use crate::settle::{Settlement, needed_tunables};
use crate::subject::{self, View};
use crate::wish::{self, Wish};
use crate::{Engine, findings, judge_only, note};

impl Engine<'_> {
    /// Plans to apply `profiles`.
    ///
    /// # Errors
    ///
    /// Says what about the host cannot be told that the profiles depend on.
    pub fn plan_apply(
        &self,
        profiles: &[Profile],
        held: Held<'_>,
        options: &Options,
    ) -> Result<Plan, String> {
        let (merged, notes) = self.merged(profiles);
        let profiles = merged.as_slice();
        let before = self.claims_here(held.claims);
        let mut names = wish::tunables_of(self.backend, profiles);
        names.extend(needed_tunables(self.backend, &before));
        let readings = self.backend.read(self.host, &names, &before);
        let scale = self.scale(profiles)?;
        let mut wishes = wish::wishes(self.backend, self.host, profiles, &readings, scale);
        wishes.retain(|wish| options.selects(&wish.subject));
        let mut findings = findings::findings(self.backend, self.host, &wishes, &readings);
        note(&mut findings, &notes);

        let computed = |wish: &Wish| computed(self.backend, wish, &readings);
        let mut sorted = sort_out(&wishes, &findings, options, &computed);
        sorted.tell_elsewhere();
        sorted.refusals.extend(leak(self, options));
        let applied: BTreeSet<&str> = profiles.iter().map(|profile| profile.name.as_str()).collect();
        let edit =
            Edit { engine: self, held, options, readings: &readings, before: &before, applied: &applied };
        let settled = edit.settlement(&sorted.wanted).settle();

        let mut after = settled.after;
        renumber(&mut after, &settled.moved, &applied, held.transaction);
        let mut claims = held.claims.clone();
        self.put_claims(&mut claims, after);
        leave_out(&mut findings, options);
        let mut plan = Plan {
            findings,
            steps: settled.steps,
            claims: (claims != *held.claims).then_some(claims),
            refusals: sorted.refusals,
            conflicts: settled.conflicts,
            warnings: sorted.warnings,
            changes: settled.changes,
            reboot_required: settled.reboot_required,
        };
        plan.refusals.extend(settled.refusals);
        plan.refusals.extend(plan.steps.iter().filter_map(|step| cannot_be_undone(step, options)));
        plan.warnings.extend(notes.iter().map(|(subject, text)| format!("{subject}: {text}")));
        plan.warnings.extend(settled.warnings);
        plan.warnings.extend(in_vain(self, &sorted.wanted, &readings, &plan.steps));
        plan.refusals = unique(plan.refusals);
        Ok(plan)
    }
}

/// The same reason may stand against both layers.
fn unique(refusals: Vec<Refusal>) -> Vec<Refusal> {
    let mut found: Vec<Refusal> = Vec::new();
    for refusal in refusals {
        if !found.contains(&refusal) {
            found.push(refusal);
        }
    }
    found
}

/// A layer that is to be left alone is not what the plan is judged by.
fn leave_out(findings: &mut [Finding], options: &Options) {
    for (layer, other) in [(Layer::Runtime, Layer::Boot), (Layer::Boot, Layer::Runtime)] {
        if !options.changes(layer) {
            findings.iter_mut().for_each(|finding| judge_only(finding, other));
        }
    }
}

/// Wishes that can be acted on, and why the others cannot.
#[derive(Default)]
struct Sorted<'a> {
    wanted: Vec<(&'a Wish, BTreeSet<Layer>)>,
    refusals: Vec<Refusal>,
    warnings: Vec<String>,
    /// What belongs to a wider scope, and why.
    elsewhere: Vec<(Subject, String)>,
}

impl Sorted<'_> {
    /// Says what is left out: one by one where that is not much.
    fn tell_elsewhere(&mut self) {
        const FEW: usize = 3;
        let mut left_out = std::mem::take(&mut self.elsewhere);
        // Several profiles may ask for the same.
        let mut seen = BTreeSet::new();
        left_out.retain(|(subject, _)| seen.insert(subject.clone()));
        if left_out.len() <= FEW {
            let each = left_out.iter().map(|(subject, note)| format!("{subject} is left out: {note}"));
            return self.warnings.extend(each);
        }
        let names: Vec<String> = left_out.iter().map(|(subject, _)| subject.to_string()).collect();
        let count = names.len();
        self.warnings.push(format!("{count} are left out, as they belong to the host: {}", names.join(", ")));
    }
}

/// Tells whether the kernel computes at its start what a bound is about: it may well be inside.
fn computed(backend: &dyn Backend, wish: &Wish, readings: &Readings) -> bool {
    let computed = |slot: &Slot| {
        let reading = readings.get(&slot.tunable);
        reading.is_some_and(|reading| matches!(reading.boot_without_tune, Err(Unread::Computed(_))))
    };
    wish.boot.exact().is_none() && subject::slots(backend, &wish.subject).iter().any(computed)
}

fn sort_out<'a>(
    wishes: &'a [Wish],
    findings: &[Finding],
    options: &Options,
    computed: &dyn Fn(&Wish) -> bool,
) -> Sorted<'a> {
    let mut sorted = Sorted::default();
    for wish in wishes {
        let finding = findings
            .iter()
            .find(|finding| finding.subject == wish.subject && finding.profiles.contains(&wish.profile));
        let Some(finding) = finding else { continue };
        let subject = &wish.subject;
        let note = finding.notes.last().cloned().unwrap_or_default();
        match finding.status {
            Status::OutOfScope if options.by_name => sorted.refusals.push(Refusal {
                kind: RefusalKind::Unsupported,
                subject: Some(subject.clone()),
                message: format!("{subject} cannot be changed here: {note}"),
                hints: vec!["change it on the host".to_owned()],
            }),
            Status::OutOfScope => sorted.elsewhere.push((subject.clone(), note)),
            Status::Unsupported if wish.optional => {}
            Status::Unsupported if options.skip_unsupported => {
                sorted.warnings.push(format!("{subject} is left out: {note}"));
            }
            Status::Unsupported => sorted.refusals.push(Refusal {
                kind: RefusalKind::Unsupported,
                subject: Some(subject.clone()),
                message: format!("{subject} cannot be met here: {note}"),
                hints: vec!["leave out what this system has nothing of: --skip-unsupported".to_owned()],
            }),
            Status::Unreadable
                if (finding.live, finding.boot) == (Verdict::NotApplicable, Verdict::NotApplicable) =>
            {
                sorted.refusals.push(nowhere(subject));
            }
            // A line at the bound could be worse than what the kernel computes by itself.
            Status::Unreadable if finding.live == Verdict::NotApplicable && computed(wish) => {
                sorted.warnings.push(left_to_the_kernel(finding));
            }
            Status::Unreadable if finding.live == Verdict::Unknown => {
                sorted.refusals.push(unreadable(finding));
            }
            // What is known of the next boot must not hide that the running kernel would be left out.
            Status::Drifted if finding.live == Verdict::Unknown && options.changes(Layer::Runtime) => {
                sorted.refusals.push(unreadable(finding));
            }
            _ => {
                let layers = layers(finding, options, &mut sorted.warnings);
                sorted.wanted.push((wish, layers));
            }
        }
    }
    sorted
}

/// Says that nothing is set because the kernel may well decide as wanted.
pub(crate) fn left_to_the_kernel(finding: &Finding) -> String {
    format!("{} is left out: {}", finding.subject, reason(finding))
}

/// Says what the settings behind native tunables amount to, where a change of one does not do what it seems to.
fn in_vain(
    engine: &Engine<'_>,
    wanted: &[(&Wish, BTreeSet<Layer>)],
    readings: &Readings,
    steps: &[Step],
) -> Vec<String> {
    let mut view = View::layer(readings, Layer::Runtime);
    for step in steps {
        if let Some((tunable, _, after)) = step.effect.live() {
            view.plan(&Slot::whole(tunable), after);
        }
    }
    let moved = |slot: &Slot| steps.iter().any(|step| step.effect.target() == slot.tunable);
    let natives = wanted.iter().filter_map(|(wish, _)| match &wish.subject {
        Subject::Tunable(slot) if moved(slot) => Some(slot),
        _ => None,
    });
    let of = |slot: &Slot| {
        let made_of = |setting: &&Setting| engine.backend.provision(**setting).slots().contains(slot);
        Setting::ALL.iter().filter(made_of).copied().collect::<Vec<_>>()
    };
    let settings: BTreeSet<Setting> = natives.flat_map(of).collect();
    let said = settings.into_iter().flat_map(|setting| {
        let found = engine.backend.assess(setting, &view);
        let effective = found.effective;
        found.cautions.into_iter().map(move |caution| format!("{setting} will be {effective}: {caution}"))
    });
    said.collect()
}

/// Refuses what cannot be taken back at run time, unless that was accepted.
fn cannot_be_undone(step: &Step, options: &Options) -> Option<Refusal> {
    let reason = step.irreversible.as_ref().filter(|_| !options.accept_irreversible)?;
    let (tunable, before, after) = step.effect.live()?;
    Some(Refusal {
        kind: RefusalKind::Irreversible,
        subject: step.serves.first().cloned(),
        message: format!("{tunable}: {before} to {after} cannot be taken back before a reboot: {reason}"),
        hints: vec![
            "if that is acceptable: --accept-irreversible".to_owned(),
            "or set it for the next boot only: --boot-only".to_owned(),
        ],
    })
}

fn unreadable(finding: &Finding) -> Refusal {
    let subject = &finding.subject;
    Refusal {
        kind: RefusalKind::Unreadable,
        subject: Some(subject.clone()),
        message: format!("{subject} cannot be read, so it could not be put back: {}", reason(finding)),
        hints: vec!["run tune as root".to_owned()],
    }
}

fn nowhere(subject: &Subject) -> Refusal {
    Refusal {
        kind: RefusalKind::Unsupported,
        subject: Some(subject.clone()),
        message: format!(
            "{subject} cannot be set: there is no running kernel here, and nothing that sets it at boot"
        ),
        hints: Vec::new(),
    }
}

/// A live value that satisfies is never copied to the boot files, also where the boot value cannot be told, unless just
/// the boot files are meant.
fn layers(finding: &Finding, options: &Options, warnings: &mut Vec<String>) -> BTreeSet<Layer> {
    let unasked = options.changes(Layer::Runtime);
    if finding.boot == Verdict::Unknown && finding.live == Verdict::Met && unasked {
        let subject = &finding.subject;
        warnings.push(format!(
            "{subject} is met now; what the next boot makes it cannot be told: {}",
            reason(finding)
        ));
        return BTreeSet::from([Layer::Runtime]);
    }
    BTreeSet::from([Layer::Runtime, Layer::Boot])
}

fn reason(finding: &Finding) -> String {
    let of_tunables = finding.tunables.iter().find_map(|tunable| tunable.reason.clone());
    let unknown = |value: &Effective| match value {
        Effective::Unknown(reason) => Some(reason.clone()),
        _ => None,
    };
    let computed = || [&finding.effective, &finding.boot_effective].into_iter().find_map(unknown);
    of_tunables.or_else(computed).unwrap_or_default()
}

/// A private network namespace over the host's files: a boot file written there would change the host.
fn leak(engine: &Engine<'_>, options: &Options) -> Option<Refusal> {
    let leaks = options.changes(Layer::Runtime) && options.changes(Layer::Boot) && engine.would_leak();
    leaks.then(|| Refusal {
        kind: RefusalKind::WouldLeak,
        subject: None,
        message: "this is a network namespace of its own, and the boot files are the host's".to_owned(),
        hints: vec![
            "change the namespace only: --runtime-only".to_owned(),
            "or change the host's boot files only: --boot-only".to_owned(),
        ],
    })
}

/// Replaces the claims of the applied profiles.
struct Edit<'a> {
    engine: &'a Engine<'a>,
    held: Held<'a>,
    options: &'a Options,
    readings: &'a Readings,
    before: &'a ScopeClaims,
    applied: &'a BTreeSet<&'a str>,
}

impl<'a> Edit<'a> {
    fn settlement(&self, wanted: &[(&Wish, BTreeSet<Layer>)]) -> Settlement<'a> {
        let mut after = self.before.clone();
        let mut released = BTreeMap::new();
        let mut touched: BTreeSet<Subject> = wanted.iter().map(|(wish, _)| wish.subject.clone()).collect();
        for layer in [Layer::Runtime, Layer::Boot] {
            if !self.options.changes(layer) || !self.engine.has_layer(layer) {
                continue;
            }
            let wishes: Vec<_> =
                wanted.iter().filter(|(_, layers)| layers.contains(&layer)).map(|(wish, _)| *wish).collect();
            self.drop_old(after.layer_mut(layer), layer, wanted);
            for wish in &wishes {
                self.add(after.layer_mut(layer), layer, wish);
            }
            let lost = self.lost(after.layer(layer), layer);
            for slot in &lost {
                let holding = after.layer(layer).get(slot);
                touched.extend(
                    holding
                        .into_iter()
                        .flat_map(|holding| &holding.claims)
                        .map(|claim| claim.subject.clone()),
                );
            }
            released.insert(layer, lost);
        }
        Settlement {
            backend: self.engine.backend,
            host: self.engine.host,
            readings: self.readings,
            options: self.options,
            boot_id: self.held.boot_id,
            before: self.before,
            after,
            touched,
            released,
            foreign_is_refused: true,
        }
    }

    /// Drops the claims of the applied profiles that are not wanted any more just so, and those that give way. In a
    /// layer that cannot be told they stay as they are.
    fn drop_old(
        &self,
        holdings: &mut BTreeMap<Slot, Holding>,
        layer: Layer,
        wanted: &[(&Wish, BTreeSet<Layer>)],
    ) {
        let same = |claim: &Claim| {
            wanted.iter().any(|(wish, layers)| {
                wish.profile == claim.profile
                    && wish.subject == claim.subject
                    && (!layers.contains(&layer) || *wish.limits(layer) == claim.wanted)
            })
        };
        for holding in holdings.values_mut() {
            holding.claims.retain(|claim| {
                let ours =
                    self.applied.contains(claim.profile.as_str()) && self.options.selects(&claim.subject);
                (!ours || same(claim)) && !self.options.replace.contains(&claim.profile)
            });
        }
    }

    fn add(&self, holdings: &mut BTreeMap<Slot, Holding>, layer: Layer, wish: &Wish) {
        for slot in subject::slots(self.engine.backend, &wish.subject) {
            let fresh = self.fresh(layer, &slot);
            let holding = holdings.entry(slot.clone()).or_insert(fresh);
            let known = |claim: &Claim| claim.profile == wish.profile && claim.subject == wish.subject;
            if !holding.claims.iter().any(known) {
                holding.claims.push(Claim {
                    transaction: self.held.transaction,
                    profile: wish.profile.clone(),
                    subject: wish.subject.clone(),
                    wanted: wish.limits(layer).clone(),
                });
            }
        }
    }

    fn fresh(&self, layer: Layer, slot: &Slot) -> Holding {
        let view = match layer {
            Layer::Runtime => View::layer(self.readings, Layer::Runtime),
            Layer::Boot => View::boot_without_tune(self.readings),
        };
        Holding {
            original: view.part(slot).ok(),
            boot_id: self.held.boot_id.to_owned(),
            held: None,
            claims: Vec::new(),
            taken_over: Vec::new(),
        }
    }

    /// Returns the slots that lost a claim and did not get it back.
    fn lost(&self, after: &BTreeMap<Slot, Holding>, layer: Layer) -> BTreeSet<Slot> {
        let held = |slot: &Slot, claim: &Claim| {
            after.get(slot).is_some_and(|holding| {
                holding
                    .claims
                    .iter()
                    .any(|other| other.profile == claim.profile && other.subject == claim.subject)
            })
        };
        let lost = |slot: &Slot, holding: &Holding| !holding.claims.iter().all(|claim| held(slot, claim));
        let slots = self.before.layer(layer).iter().filter(|(slot, holding)| lost(slot, holding));
        slots.map(|(slot, _)| slot.clone()).collect()
    }
}

/// Gives claims on values that this transaction changes its number, so that taking it back takes them back.
fn renumber(
    claims: &mut ScopeClaims,
    moved: &BTreeMap<Layer, BTreeSet<Slot>>,
    applied: &BTreeSet<&str>,
    transaction: u64,
) {
    for (layer, slots) in moved {
        let holdings = claims.layer_mut(*layer).iter_mut().filter(|(slot, _)| slots.contains(slot));
        for claim in holdings.flat_map(|(_, holding)| &mut holding.claims) {
            if applied.contains(claim.profile.as_str()) {
                claim.transaction = transaction;
            }
        }
    }
}
