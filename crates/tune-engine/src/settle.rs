//! Claims as they are to be, turned into values, steps and boot files.
//!
//! Applying a profile and taking one back are the same thing here: claims are edited, and every slot that is touched
//! goes to what its claims need, or to what was there before the first of them.

use std::collections::{BTreeMap, BTreeSet};

use tune_host::backend::{Edited, Moving};
use tune_host::{Altered, Backend, Host, Override, PersistOptions, Persistence};
use tune_model::claim::{Holding, ScopeClaims};
use tune_model::plan::{Change, Conflict, Refusal, RefusalKind};
use tune_model::reading::{Layer, Readings, Unread};
use tune_model::{Slot, Step, Subject};

use crate::joint;
use crate::options::Options;
use crate::steps::{self, Move};
use crate::subject::{self, View};

/// What is to be settled.
pub(crate) struct Settlement<'a> {
    pub(crate) backend: &'a dyn Backend,
    pub(crate) host: &'a dyn Host,
    pub(crate) readings: &'a Readings,
    pub(crate) options: &'a Options,
    pub(crate) boot_id: &'a str,
    /// The claims as they are.
    pub(crate) before: &'a ScopeClaims,
    /// The claims as they are to be; slots without claims are to be released.
    pub(crate) after: ScopeClaims,
    /// The subjects whose claims changed, or that are to be enforced.
    pub(crate) touched: BTreeSet<Subject>,
    /// Slots that lose a claim: each starts again from what was there before.
    pub(crate) released: BTreeMap<Layer, BTreeSet<Slot>>,
    /// Somebody else's change is a refusal when applying, a conflict when taking back.
    pub(crate) foreign_is_refused: bool,
}

/// What comes of it.
#[derive(Default)]
pub(crate) struct Settled {
    pub(crate) after: ScopeClaims,
    pub(crate) steps: Vec<Step>,
    pub(crate) changes: Vec<Change>,
    pub(crate) refusals: Vec<Refusal>,
    pub(crate) conflicts: Vec<Conflict>,
    pub(crate) warnings: Vec<String>,
    pub(crate) reboot_required: bool,
    /// The slots whose value changes, by layer.
    pub(crate) moved: BTreeMap<Layer, BTreeSet<Slot>>,
}

impl Settlement<'_> {
    pub(crate) fn settle(mut self) -> Settled {
        let mut settled = Settled::default();
        self.entangle();
        if self.options.changes(Layer::Runtime) && !matches!(self.host.scope(), tune_host::Scope::Image(_)) {
            self.settle_runtime(&mut settled);
        }
        if self.options.changes(Layer::Boot) && self.backend.has_boot_layer(self.host) {
            self.settle_boot(&mut settled);
        }
        for layer in [Layer::Runtime, Layer::Boot] {
            self.drop_idle(layer);
            self.after.layer_mut(layer).retain(|_, holding| !holding.claims.is_empty());
        }
        // What cannot be taken back comes last, when nothing else can fail any more.
        settled.steps.sort_by_key(|step| step.irreversible.is_some());
        settled.after = self.after;
        settled
    }

    /// Drops claims on slots that would have had to change first, and did not have to.
    fn drop_idle(&mut self, layer: Layer) {
        for (slot, holding) in self.after.layer_mut(layer) {
            let idle = match layer {
                Layer::Runtime => holding.held == holding.original,
                Layer::Boot => holding.held.is_none(),
            };
            if idle {
                holding.claims.retain(|claim| subject::is_made_of(self.backend, &claim.subject, slot));
            }
        }
    }

    /// What is made of the same slots changes together, and starts again together where a claim is lost.
    fn entangle(&mut self) {
        for layer in [Layer::Runtime, Layer::Boot] {
            let holdings = self.after.layer(layer);
            self.touched = joint::entangled(self.backend, holdings, &self.touched);
            let Some(released) = self.released.get_mut(&layer) else { continue };
            let on =
                released.iter().filter_map(|slot| holdings.get(slot)).flat_map(|holding| &holding.claims);
            let subjects = on.map(|claim| claim.subject.clone()).collect();
            let subjects = joint::entangled(self.backend, holdings, &subjects);
            let slots = subjects.iter().flat_map(|subject| subject::slots(self.backend, subject));
            released.extend(slots.filter(|slot| self.before.layer(layer).contains_key(slot)));
        }
    }

    fn released_in(&self, layer: Layer) -> BTreeSet<Slot> {
        self.released.get(&layer).cloned().unwrap_or_default()
    }

    /// Returns the slots of a layer that this settlement may move, each with the subjects that it serves.
    fn slots_of(&self, layer: Layer) -> BTreeMap<Slot, Vec<Subject>> {
        let mut slots: BTreeMap<Slot, Vec<Subject>> = BTreeMap::new();
        for (slot, holding) in self.after.layer(layer) {
            let subjects = holding.claims.iter().map(|claim| claim.subject.clone());
            let serving: Vec<_> = subjects.filter(|subject| self.touched.contains(subject)).collect();
            if !serving.is_empty() {
                slots.insert(slot.clone(), serving);
            }
        }
        for slot in self.released_in(layer) {
            let subjects =
                self.before.layer(layer).get(&slot).into_iter().flat_map(|holding| &holding.claims);
            let subjects: Vec<_> = subjects.map(|claim| claim.subject.clone()).collect();
            slots.entry(slot).or_insert(subjects);
        }
        slots
    }

    fn settle_runtime(&mut self, settled: &mut Settled) {
        let live = View::layer(self.readings, Layer::Runtime);
        let mut view = live.clone();
        for slot in self.released_in(Layer::Runtime) {
            if self.unchanged_by_us(&slot) {
                continue;
            }
            match self.original(&slot) {
                Some(original) => view.plan(&slot, &original),
                None => {
                    settled.reboot_required = true;
                    let now = live.part(&slot).unwrap_or_default();
                    settled.warnings.push(format!(
                        "{slot} stays {now} until reboot: what it was before is of an earlier boot and not known now"
                    ));
                }
            }
        }
        let solved =
            joint::solve(self.backend, &self.after.runtime, &self.touched, &mut view, &BTreeMap::new());
        settled.refusals.extend(solved);

        let mut moves = Vec::new();
        for (slot, serves) in self.slots_of(Layer::Runtime) {
            let now = match live.part(&slot) {
                Ok(now) => now,
                Err(unread) => {
                    self.keep_unread(&slot, &unread, serves, settled);
                    continue;
                }
            };
            let Ok(value) = view.part(&slot) else { continue };
            if let Some(reason) = self.held_back(&slot, &now, &value) {
                self.stay(&slot, (&now, &value), &reason, serves, settled);
                continue;
            }
            if now != value && self.foreign(&slot, &now) {
                self.conflict(&slot, now, false, settled);
                continue;
            }
            if now != value {
                settled.warnings.extend(self.drifted(&slot, &now));
            }
            self.hold(&slot, &now, &value);
            if now != value {
                moves.push(Move { slot, value, serves });
            }
        }
        self.finish_runtime(&moves, (&live, &view), settled);
    }

    /// Tells why the running kernel would not take a slot's new value.
    fn held_back(&self, slot: &Slot, now: &str, value: &str) -> Option<String> {
        let mutability = subject::mutability(self.backend, self.readings, &slot.tunable);
        (now != value).then(|| self.backend.held_back(&slot.tunable, mutability, now, value)).flatten()
    }

    /// Leaves a slot as it is until the next boot, and says so.
    fn stay(
        &mut self,
        slot: &Slot,
        (now, value): (&str, &str),
        reason: &str,
        serves: Vec<Subject>,
        settled: &mut Settled,
    ) {
        if let Some(holding) = self.after.runtime.get_mut(slot) {
            holding.held.get_or_insert_with(|| now.to_owned());
        }
        settled.reboot_required = true;
        let message = format!("{slot} stays {now} until reboot: {reason}");
        if self.foreign_is_refused && !self.options.changes(Layer::Boot) {
            settled.refusals.push(Refusal {
                kind: RefusalKind::NotStorable,
                subject: serves.into_iter().next(),
                message: format!("{slot} cannot become {value} while the system runs: {reason}"),
                hints: vec!["set it for the next boot: leave --runtime-only out".to_owned()],
            });
        } else {
            settled.warnings.push(message);
        }
    }

    /// Says that somebody else has changed what is set again now.
    fn drifted(&self, slot: &Slot, now: &str) -> Option<String> {
        let holding = self.before.runtime.get(slot).filter(|holding| holding.boot_id == self.boot_id)?;
        let held = holding.held.as_deref().filter(|held| *held != now && self.foreign_is_refused)?;
        Some(format!("{slot} was changed to {now} by somebody else since tune left {held} there"))
    }

    /// Keeps in mind what is left in a slot. A value that satisfies and that somebody else has set is not ours.
    fn hold(&mut self, slot: &Slot, now: &str, value: &str) {
        let of_an_earlier_boot = self.of_an_earlier_boot(slot);
        let original = if self.made_by_boot_file(slot) { self.original(slot) } else { Some(now.to_owned()) };
        let Some(holding) = self.after.runtime.get_mut(slot) else { return };
        if now != value && of_an_earlier_boot {
            holding.original = original;
            holding.boot_id = self.boot_id.to_owned();
        }
        if now != value || holding.held.is_none() {
            holding.held = Some(value.to_owned());
        }
    }

    fn of_an_earlier_boot(&self, slot: &Slot) -> bool {
        self.before.runtime.get(slot).is_some_and(|holding| holding.boot_id != self.boot_id)
    }

    /// Tells whether the present boot read a value of ours from the boot file.
    fn made_by_boot_file(&self, slot: &Slot) -> bool {
        let persisted = self.before.boot.get(slot).is_some_and(|holding| holding.held.is_some());
        persisted && self.of_an_earlier_boot(slot)
    }

    fn finish_runtime(&self, moves: &[Move], views: (&View<'_>, &View<'_>), settled: &mut Settled) {
        if self.foreign_is_refused {
            let dangers = steps::dangers(self.backend, self.host, moves, views, Layer::Runtime, self.options);
            settled.refusals.extend(dangers);
        }
        let (steps, changes) = steps::live_steps(self.backend, self.host, self.readings, moves);
        settled.steps.extend(steps);
        settled.changes.extend(changes);
        settled.moved.insert(Layer::Runtime, moves.iter().map(|change| change.slot.clone()).collect());
    }

    /// Returns what a slot was before the first claim; after a reboot, what the boot would have made it.
    fn original(&self, slot: &Slot) -> Option<String> {
        let holding = self.before.runtime.get(slot)?;
        if holding.boot_id == self.boot_id {
            return holding.original.clone();
        }
        View::boot_without_tune(self.readings).part(slot).ok()
    }

    /// Tells whether nothing of ours is in a slot: its claims were met without a change, or a boot has ended since.
    fn unchanged_by_us(&self, slot: &Slot) -> bool {
        if self.of_an_earlier_boot(slot) {
            return !self.made_by_boot_file(slot);
        }
        self.before.runtime.get(slot).is_some_and(|holding| holding.held == holding.original)
    }

    /// Tells whether somebody else changed a slot that is to be given back.
    fn foreign(&self, slot: &Slot, now: &str) -> bool {
        if self.options.overwrite_foreign || !self.released_in(Layer::Runtime).contains(slot) {
            return false;
        }
        let Some(holding) = self.before.runtime.get(slot) else { return false };
        let expected = if holding.boot_id == self.boot_id {
            holding.held.clone()
        } else {
            View::layer(self.readings, Layer::Boot).part(slot).ok()
        };
        expected.as_deref() != Some(now)
    }

    /// Does not give up what cannot be read: whether our value is still there, and what to put back, is not known. What
    /// the kernel has no more is gone with its value.
    fn keep_unread(&mut self, slot: &Slot, unread: &Unread, serves: Vec<Subject>, settled: &mut Settled) {
        if !self.released_in(Layer::Runtime).contains(slot) || self.unchanged_by_us(slot) {
            return;
        }
        match unread {
            Unread::Missing(reason) => settled.warnings.push(format!("nothing to put back: {reason}")),
            _ if self.foreign_is_refused => settled.refusals.push(Refusal {
                kind: RefusalKind::Unreadable,
                subject: serves.into_iter().next(),
                message: format!("{slot} cannot be put back: {unread}"),
                hints: Vec::new(),
            }),
            _ => self.conflict(slot, unread.to_string(), true, settled),
        }
    }

    /// Leaves a slot and its claims as they are.
    fn conflict(&mut self, slot: &Slot, found: String, unreadable: bool, settled: &mut Settled) {
        let Some(mut holding) = self.before.runtime.get(slot).cloned() else { return };
        if self.made_by_boot_file(slot) {
            // The line in the boot file may go now, and with it what tells where the value came from.
            holding.held = View::layer(self.readings, Layer::Boot).part(slot).ok();
            holding.original = self.original(slot);
            holding.boot_id = self.boot_id.to_owned();
        }
        let expected = holding.held.clone().unwrap_or_default();
        self.after.runtime.insert(slot.clone(), holding);
        let target = slot.to_string();
        settled.conflicts.push(Conflict { target, layer: Layer::Runtime, expected, found, unreadable });
    }

    fn settle_boot(&mut self, settled: &mut Settled) {
        let slots = self.slots_of(Layer::Boot);
        if slots.is_empty() {
            // What somebody else did to the boot files is none of this settlement's business.
            return;
        }
        let base = View::boot_without_tune(self.readings);
        let mut view = base.clone();
        let held = |holdings: &BTreeMap<Slot, Holding>| -> BTreeMap<Slot, String> {
            holdings
                .iter()
                .filter_map(|(slot, holding)| Some((slot.clone(), holding.held.clone()?)))
                .collect()
        };
        let mut keep = held(&self.before.boot);
        for (slot, value) in keep.iter().filter(|(slot, _)| !slots.contains_key(slot)) {
            view.plan(slot, value);
        }
        let released = self.released_in(Layer::Boot);
        keep.retain(|slot, _| !released.contains(slot));
        let solved = joint::solve(self.backend, &self.after.boot, &self.touched, &mut view, &keep);
        let all_solved = solved.is_empty();
        settled.refusals.extend(solved);

        let mut moves = Vec::new();
        for (slot, serves) in slots {
            if all_solved && let Some(refusal) = self.untold(&slot, &view, &serves) {
                settled.refusals.push(refusal);
            }
            let value = view.part(&slot).ok().filter(|value| base.part(&slot).as_ref() != Ok(value));
            if let (Some(value), true) = (&value, value != held(&self.before.boot).get(&slot).cloned()) {
                moves.push(Move { slot: slot.clone(), value: value.clone(), serves });
            }
            if let Some(holding) = self.after.boot.get_mut(&slot) {
                holding.held = value;
            }
        }
        if self.foreign_is_refused {
            let dangers =
                steps::dangers(self.backend, self.host, &moves, (&base, &view), Layer::Boot, self.options);
            settled.refusals.extend(dangers);
        }
        settled.moved.insert(Layer::Boot, moves.into_iter().map(|change| change.slot).collect());
        self.persist(settled);
    }

    /// Refuses to hold a value whose line could not be written whole.
    fn untold(&self, slot: &Slot, view: &View<'_>, serves: &[Subject]) -> Option<Refusal> {
        let unread = view.part(slot).err()?;
        // What may have to change beside it needs no line where it does not.
        let is_own = |subject: &Subject| subject::provision(self.backend, subject).slots().contains(slot);
        serves.iter().find(|subject| is_own(subject))?;
        self.after.boot.get(slot).filter(|holding| !holding.claims.is_empty())?;
        let subject = serves.first().cloned();
        let hints = subject.iter().map(|subject| format!("leave it out: --except {subject}")).collect();
        Some(Refusal {
            kind: RefusalKind::Unreadable,
            message: format!("{slot} cannot be set for the next boot: {unread}"),
            subject,
            hints,
        })
    }

    fn persist(&mut self, settled: &mut Settled) {
        self.after.boot.retain(|_, holding| !holding.claims.is_empty());
        let options = PersistOptions {
            take_over: self.options.take_over,
            overwrite_foreign: self.options.overwrite_foreign,
            rendering: self.options.rendering,
            leave_foreign: !self.foreign_is_refused && !self.options.overwrite_foreign,
        };
        let live = settled.steps.iter().filter_map(|step| step.effect.live());
        let live = live.map(|(tunable, _, after)| (tunable.to_owned(), after.to_owned())).collect();
        let slots = self.slots_of(Layer::Boot).into_keys().collect();
        let moving = Moving { live: &live, slots: &slots };
        let claims = (self.before, &self.after);
        let mut found = self.backend.persist(self.host, claims, self.readings, moving, options);
        for (slot, lines) in std::mem::take(&mut found.taken_over) {
            if let Some(holding) = self.after.boot.get_mut(&slot) {
                if holding.taken_over != lines {
                    // Taking this transaction back has to give the line back.
                    settled.moved.entry(Layer::Boot).or_default().insert(slot);
                }
                holding.taken_over = lines;
            }
        }
        self.after.files = std::mem::take(&mut found.files);
        self.after.directories = std::mem::take(&mut found.directories);
        self.after.kept = std::mem::take(&mut found.kept);
        settled.refusals.extend(found.impossible.drain(..).map(|(slot, reason)| impossible(&slot, &reason)));
        self.edited(&found, settled);
        self.overrides(&found, settled);
        settled.warnings.append(&mut found.warnings);
        settled.changes.append(&mut found.changes);
        let serves = self.persisted_for(settled);
        settled.steps.extend(found.effects.into_iter().map(|effect| Step {
            serves: serves.clone(),
            effect,
            irreversible: None,
            takes_hold: None,
        }));
    }

    /// Returns the subjects that the boot files change for.
    fn persisted_for(&self, settled: &Settled) -> Vec<Subject> {
        let moved = settled.moved.get(&Layer::Boot).cloned().unwrap_or_default();
        let released = self.released_in(Layer::Boot);
        let slots = self.slots_of(Layer::Boot).into_iter();
        let of = slots.filter(|(slot, _)| moved.contains(slot) || released.contains(slot));
        let serves: BTreeSet<Subject> = of.flat_map(|(_, serves)| serves).collect();
        serves.into_iter().collect()
    }

    /// Files that somebody else changed since: refused when applying, left alone with their claims when taking back.
    fn edited(&mut self, found: &Persistence, settled: &mut Settled) {
        for edited in &found.edited {
            let Altered::File(file) = &edited.what else {
                self.altered(edited, settled);
                continue;
            };
            let path = file.display();
            if self.foreign_is_refused && edited.unreadable {
                settled.refusals.push(Refusal {
                    kind: RefusalKind::Unreadable,
                    subject: None,
                    message: format!("the boot files cannot be changed: {}", edited.found),
                    hints: vec!["change the running kernel only: --runtime-only".to_owned()],
                });
                continue;
            }
            if self.foreign_is_refused {
                let known = self.before.files.contains_key(file);
                let what = if known {
                    "was changed by somebody else since tune wrote it"
                } else {
                    "holds what this state directory does not know of"
                };
                settled.refusals.push(Refusal {
                    kind: RefusalKind::ForeignEdit,
                    subject: None,
                    message: format!("{path} {what}"),
                    hints: vec![
                        format!("move what was added to a file of its own, and restore {path}"),
                        "or let tune write it anew: --overwrite-foreign".to_owned(),
                    ],
                });
                continue;
            }
            if let Some(left) = self.before.files.get(file) {
                self.after.files.insert(file.clone(), left.clone());
            }
            self.leave(edited, settled);
        }
    }

    /// What somebody else has set for the next boot is set again when applying, as in the running kernel, and left alone
    /// with its claims when taking back.
    fn altered(&mut self, edited: &Edited, settled: &mut Settled) {
        let Edited { what, expected, found, .. } = edited;
        if self.foreign_is_refused {
            settled.warnings.push(format!(
                "{what} was set to {found} for the next boot by somebody else since tune left {expected} there"
            ));
            return;
        }
        let name = what.to_string();
        if let Some(kept) = self.before.kept.get(&name) {
            self.after.kept.insert(name, kept.clone());
        }
        self.leave(edited, settled);
    }

    /// Leaves what somebody else has changed, with the claims on it.
    fn leave(&mut self, edited: &Edited, settled: &mut Settled) {
        for slot in &edited.slots {
            if let Some(holding) = self.before.boot.get(slot) {
                self.after.boot.insert(slot.clone(), holding.clone());
            }
        }
        settled.conflicts.push(Conflict {
            target: edited.what.to_string(),
            layer: Layer::Boot,
            expected: edited.expected.clone(),
            found: edited.found.clone(),
            unreadable: edited.unreadable,
        });
    }

    fn overrides(&self, found: &Persistence, settled: &mut Settled) {
        if !self.foreign_is_refused {
            return;
        }
        let moved = settled.moved.get(&Layer::Boot).cloned().unwrap_or_default();
        let mut asked_for = self.slots_of(Layer::Boot);
        for lost in &found.overrides {
            // What is left as it was is none of this plan's business.
            let Some(serving) = asked_for.remove(&lost.slot) else { continue };
            if lost.doubt.is_some() && !moved.contains(&lost.slot) {
                continue;
            }
            let message = overridden(lost);
            if self.options.accept_override {
                settled.warnings.push(message);
                continue;
            }
            let mut hints = vec![
                "change the running kernel only: --runtime-only".to_owned(),
                "or go on all the same: --accept-override".to_owned(),
            ];
            if lost.can_take_over {
                hints.insert(0, "let tune comment that line out, reversibly: --take-over".to_owned());
            }
            settled.refusals.push(Refusal {
                kind: RefusalKind::Overridden,
                subject: serving.into_iter().next(),
                message,
                hints,
            });
        }
    }
}

fn impossible(slot: &Slot, reason: &str) -> Refusal {
    Refusal {
        kind: RefusalKind::NotStorable,
        subject: None,
        message: format!("{slot} cannot be set for the next boot: {reason}"),
        hints: vec!["change the running kernel only: --runtime-only".to_owned()],
    }
}

fn overridden(lost: &Override) -> String {
    if let Some(doubt) = &lost.doubt {
        return format!("{}: that the next boot makes it so cannot be said: {doubt}", lost.slot);
    }
    let line = lost.place.as_ref().map_or_else(|| "another setting".to_owned(), ToString::to_string);
    let text = lost.text.as_deref().map(|text| format!(" ({text})")).unwrap_or_default();
    format!("{}: {line}{text} would win over tune's file at the next boot", lost.slot)
}

/// Returns every tunable that claims are held on.
pub(crate) fn claimed_tunables(claims: &ScopeClaims) -> BTreeSet<String> {
    let slots = claims.runtime.keys().chain(claims.boot.keys());
    slots.map(|slot| slot.tunable.clone()).collect()
}

/// Returns every tunable that the claims' subjects are read from.
pub(crate) fn needed_tunables(backend: &dyn Backend, claims: &ScopeClaims) -> BTreeSet<String> {
    let holdings = claims.runtime.values().chain(claims.boot.values());
    let subjects = holdings.flat_map(|holding| &holding.claims).map(|claim| &claim.subject);
    let read = subjects.flat_map(|wanted| subject::tunables(backend, wanted));
    claimed_tunables(claims).into_iter().chain(read).collect()
}
