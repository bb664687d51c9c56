//! Settings and native tunables under one roof: a native slot is a setting of itself.

use std::collections::BTreeMap;

use tune_host::{Assessment, Backend, Provision, Targets, Unsolvable, solve_scalar};
use tune_model::reading::{Layer, Readings, Text, Unread, Values};
use tune_model::{Effective, Kind, Limits, Mutability, Quantity, Slot, Subject};

/// A look at the values of one layer, with planned values laid over them.
#[derive(Debug, Clone)]
pub struct View<'a> {
    readings: &'a Readings,
    base: Base,
    planned: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy)]
enum Base {
    Layer(Layer),
    BootWithoutTune,
    Default,
}

impl<'a> View<'a> {
    /// The values as they are in a layer.
    #[must_use]
    pub const fn layer(readings: &'a Readings, layer: Layer) -> Self {
        Self { readings, base: Base::Layer(layer), planned: BTreeMap::new() }
    }

    /// The values after the next boot, had `tune` written nothing.
    #[must_use]
    pub const fn boot_without_tune(readings: &'a Readings) -> Self {
        Self { readings, base: Base::BootWithoutTune, planned: BTreeMap::new() }
    }

    /// The kernel's defaults.
    #[must_use]
    pub const fn default(readings: &'a Readings) -> Self {
        Self { readings, base: Base::Default, planned: BTreeMap::new() }
    }

    /// Lays the planned value of a slot over what is there. A tunable is written whole: where the values of its other
    /// fields are not known in this layer, they stay what they are now, and where that is not known either nothing can
    /// be planned.
    pub fn plan(&mut self, slot: &Slot, value: &str) {
        match self.text(&slot.tunable).or_else(|_| self.as_it_is(&slot.tunable)) {
            Err(_) if slot.field.is_some() => {}
            text => {
                let text = slot.replaced(&text.unwrap_or_default(), value);
                self.planned.insert(slot.tunable.clone(), text);
            }
        }
    }

    fn as_it_is(&self, tunable: &str) -> Text {
        let unread = || Unread::Unclear(format!("{tunable} was not read"));
        let reading = self.readings.get(tunable).ok_or_else(unread)?;
        reading.boot.clone().or_else(|_| reading.live.clone())
    }

    /// Returns a slot's text.
    ///
    /// # Errors
    ///
    /// [`Unread`] with the reason.
    pub fn part(&self, slot: &Slot) -> Text {
        let text = self.text(&slot.tunable)?;
        let missing = || Unread::Unclear(format!("{} has no such field", slot.tunable));
        slot.part(&text).map(str::to_owned).ok_or_else(missing)
    }
}

impl Values for View<'_> {
    fn text(&self, tunable: &str) -> Text {
        if let Some(planned) = self.planned.get(tunable) {
            return Ok(planned.clone());
        }
        let unread = || Unread::Unclear(format!("{tunable} was not read"));
        let reading = self.readings.get(tunable).ok_or_else(unread)?;
        match self.base {
            Base::Layer(layer) => reading.text(layer).clone(),
            Base::BootWithoutTune => reading.boot_without_tune.clone(),
            Base::Default => {
                let unknown = || Unread::Unclear(format!("the kernel's default of {tunable} is not known"));
                reading.default.clone().ok_or_else(unknown)
            }
        }
    }
}

/// Returns how a subject is provided; a native slot provides itself.
pub fn provision(backend: &dyn Backend, subject: &Subject) -> Provision {
    match subject {
        Subject::Setting(setting) => backend.provision(*setting),
        Subject::Tunable(slot) => Provision::Slots(vec![slot.clone()]),
    }
}

/// Returns the slots that a subject is made of, and those that may have to change before they can.
pub fn slots(backend: &dyn Backend, subject: &Subject) -> Vec<Slot> {
    let mut slots = provision(backend, subject).slots().to_vec();
    for beside in slots.clone().iter().flat_map(|slot| backend.beside(slot)) {
        if !slots.contains(&beside) {
            slots.push(beside);
        }
    }
    slots
}

/// Tells whether a slot is one that a subject is made of, and not only beside one.
pub fn is_made_of(backend: &dyn Backend, subject: &Subject, slot: &Slot) -> bool {
    provision(backend, subject).slots().contains(slot)
}

/// Returns the tunables that have to be read to know what a subject amounts to and to change it.
pub fn tunables(backend: &dyn Backend, subject: &Subject) -> Vec<String> {
    let slots = slots(backend, subject);
    let others: Vec<_> = slots.iter().flat_map(|slot| backend.depends_on(slot)).collect();
    slots.into_iter().map(|slot| slot.tunable).chain(others).collect()
}

/// Returns the tunables that make a subject what it amounts to in a view.
pub fn decisive(backend: &dyn Backend, subject: &Subject, view: &View<'_>) -> Vec<String> {
    match subject {
        Subject::Setting(setting) => backend.decisive(*setting, view),
        Subject::Tunable(slot) => vec![slot.tunable.clone()],
    }
}

/// Returns when a tunable can be changed: as the kernel says, else as the catalog does.
pub fn mutability(backend: &dyn Backend, readings: &Readings, tunable: &str) -> Mutability {
    let said = readings.get(tunable).and_then(|reading| reading.mutability);
    said.unwrap_or_else(|| backend.behaviour(tunable).0)
}

/// Tells whether a slot's value is no single number: a list, or all fields of a row at once.
fn is_text(backend: &dyn Backend, slot: &Slot) -> bool {
    let row = backend.catalog().get(&slot.tunable);
    row.is_some_and(|row| row.is_text() || (slot.field.is_none() && row.width() > 1))
}

/// Returns what a subject amounts to.
pub fn assess(backend: &dyn Backend, subject: &Subject, view: &View<'_>) -> Assessment {
    match subject {
        Subject::Setting(setting) => backend.assess(*setting, view),
        Subject::Tunable(slot) => Assessment { effective: native(backend, slot, view), cautions: Vec::new() },
    }
}

fn native(backend: &dyn Backend, slot: &Slot, view: &View<'_>) -> Effective {
    let text = match view.part(slot) {
        Ok(text) => text,
        Err(unread) => return Effective::Unknown(unread.to_string()),
    };
    let kind = if is_text(backend, slot) { Kind::Text } else { Kind::Native };
    match Quantity::parse(kind, &text.replace('\t', " ")) {
        Ok(value) => Effective::Exact(value),
        Err(error) => Effective::Unknown(error.to_string()),
    }
}

/// Finds values for a subject's slots that satisfy the bounds.
///
/// # Errors
///
/// [`Unsolvable`] with the neighbours.
pub fn solve(
    backend: &dyn Backend,
    subject: &Subject,
    limits: &Limits,
    view: &View<'_>,
) -> Result<Targets, Unsolvable> {
    let mut targets = match subject {
        Subject::Setting(setting) => backend.solve(*setting, limits, view)?,
        Subject::Tunable(slot) => {
            let text = match limits.exact() {
                Some(Quantity::Text(text)) => text.clone(),
                _ => solve_native(backend, slot, limits, view)?.to_string(),
            };
            Targets::from([(slot.clone(), text)])
        }
    };
    backend.prepare(&mut targets, view)?;
    Ok(targets)
}

fn solve_native(
    backend: &dyn Backend,
    slot: &Slot,
    limits: &Limits,
    view: &View<'_>,
) -> Result<i128, Unsolvable> {
    solve_scalar(Kind::Native, &backend.native_storable(slot), limits, &native(backend, slot, view))
}
