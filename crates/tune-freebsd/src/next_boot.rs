//! What the next boot makes of a tunable, with what `tune` wrote and without.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use tune_host::{Description, Files, Host, Overlay, Scope};
use tune_model::claim::ScopeClaims;
use tune_model::{Catalog, System};

pub(crate) use crate::boot::Predicted;
use crate::boot::{self, Future, Jail, Setup, Sources};
use crate::defaults::Ground;
use crate::ground::absent;
use crate::permitted::{BLOCK_FILE, LOADER_FILE, is_native};

/// Which reading of the boot files is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// The files as they are.
    AsIs,
    /// The files without anything that `tune` wrote.
    WithoutTune,
}

/// What the next boot comes to, as it stands and as it would be without `tune`.
#[derive(Debug)]
pub(crate) struct NextBoot {
    as_is: Future,
    without_tune: Option<Future>,
}

impl NextBoot {
    /// Reads the boot files; `None` where nothing is set at boot.
    pub(crate) fn of(host: &dyn Host, claims: &ScopeClaims, ground: &Ground, jail: Jail) -> Option<Self> {
        let files = host.files();
        if jail == Jail::Shared {
            return None;
        }
        let overlay = without_tune(files, claims);
        let as_is = Sources::read(files, jail);
        let without = overlay.map(|overlay| Sources::read(&overlay, jail));
        let names = as_is.names().chain(without.iter().flat_map(Sources::names));
        let setup = setup(host, ground, jail, names);
        let without_tune = without.map(|sources| setup.simulate(&sources));
        Some(Self { as_is: setup.simulate(&as_is), without_tune })
    }

    /// Predicts a tunable.
    pub(crate) fn predict(&self, name: &str, which: Which) -> Predicted {
        match (which, &self.without_tune) {
            (Which::WithoutTune, Some(future)) => future.predict(name),
            _ => self.as_is.predict(name),
        }
    }

    /// Says what an administrator should know of the lines for a tunable.
    pub(crate) fn notes(&self, name: &str) -> Vec<String> {
        self.as_is.notes(name)
    }
}

/// Prepares simulations of a host, whose files name these tunables.
pub(crate) fn setup<'a, 'n>(
    host: &dyn Host,
    ground: &'a Ground,
    jail: Jail,
    names: impl Iterator<Item = &'n str>,
) -> Setup<'a> {
    let catalog = Catalog::of(System::FreeBsd);
    let rows: BTreeMap<_, _> = catalog.iter().map(|row| (row.name.as_str(), row)).collect();
    let others = names.map(boot::canonical).filter(|name| is_native(name));
    let names: BTreeSet<&str> = rows.keys().copied().chain(others).collect();
    let image = matches!(host.scope(), Scope::Image(_));
    let gone = catalog.iter().filter(|_| image);
    let absent = gone.filter_map(|row| Some((row.name.as_str(), absent(row, ground)?))).collect();
    let booted_with = (jail == Jail::None).then(|| boot::booted_with(host.files(), ground)).flatten();
    Setup { rows, ground, jail, said: describe(host, names), absent, booted_with }
}

fn describe(host: &dyn Host, names: BTreeSet<&str>) -> BTreeMap<String, Description> {
    let names: Vec<&str> = names.into_iter().collect();
    let said = host.describe_tunables(&names);
    names.iter().zip(said).filter_map(|(name, said)| Some(((*name).to_owned(), said?))).collect()
}

/// Takes away what `tune` wrote; `None` where there is nothing of the kind.
fn without_tune<'a>(files: &'a dyn Files, claims: &ScopeClaims) -> Option<Overlay<'a>> {
    let lines: Vec<_> = claims.boot.values().flat_map(|holding| &holding.taken_over).collect();
    let mut overlay = Overlay::new(files);
    let mut changed = !lines.is_empty();
    // Also what is not as it was left, or whose claims are lost: nobody else writes these marks and that name.
    if let Ok(content) = files.read(Path::new(BLOCK_FILE))
        && let Ok(Some(_)) = boot::find(&content)
    {
        overlay.set(BLOCK_FILE, boot::without(&content).ok().flatten());
        changed = true;
    }
    if files.kind(Path::new(LOADER_FILE)).is_ok() {
        overlay.set(LOADER_FILE, None);
        changed = true;
    }
    for line in lines {
        if let Ok(content) = overlay.read(&line.path)
            && let Some(restored) = boot::restore(&content, line.line.as_bytes())
        {
            overlay.set(&line.path, Some(restored));
        }
    }
    changed.then_some(overlay)
}

#[cfg(test)]
mod tests;
