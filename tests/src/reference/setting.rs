//! The page of a setting: what it is on each system, and what to know of it there.

use std::fmt::{self, Write};

use tune_host::{Backend, Provision};
use tune_model::catalog::Tunable;
use tune_model::{Legacy, Setting, Slot};

use super::{linked, provided, tunable};
use crate::legacy_page;

const TUNABLES: &str = "../tunables";

/// Returns the page of a setting.
pub(super) fn page(setting: Setting, systems: &[&dyn Backend]) -> Result<String, fmt::Error> {
    let mut page = format!("{}\n# {setting}\n", super::ANEW);
    writeln!(page, "\n{} Takes {}.", setting.meaning(), setting.kind().expected())?;
    writeln!(page, "\n```sh\ntune explain {setting}                  # on this host, with its values")?;
    writeln!(page, "tune explain {setting} --all-systems    # on every system, old ones too\n```")?;
    systems.iter().try_for_each(|backend| write_system(&mut page, setting, *backend))?;
    write_others(&mut page, setting)?;
    Ok(page)
}

fn write_system(page: &mut String, setting: Setting, backend: &dyn Backend) -> fmt::Result {
    writeln!(page, "\n## {}\n", backend.system().title())?;
    let what = provided(backend, setting, TUNABLES);
    match backend.provision(setting) {
        Provision::None => writeln!(page, "None. What bounds it there: {}.", backend.stands_in(setting)),
        Provision::Fixed(value) => writeln!(page, "Always {value}."),
        Provision::Derived(slots) => {
            writeln!(page, "Follows from {what}; judged by itself, changed through them.")?;
            write_tunables(page, &slots, backend)
        }
        Provision::Slots(slots) => {
            let beside = slots.iter().flat_map(|slot| backend.beside(slot));
            let beside: Vec<_> = beside.filter(|slot| !slots.contains(slot)).collect();
            let also = match linked(backend, &beside, TUNABLES) {
                names if names.is_empty() => String::new(),
                names => format!(", and {names} where that has to be raised first"),
            };
            writeln!(page, "{what}{also}.")?;
            write_tunables(page, &slots, backend)
        }
    }
}

/// Writes what is to be known of the tunables behind a setting.
fn write_tunables(page: &mut String, slots: &[Slot], backend: &dyn Backend) -> fmt::Result {
    let mut rows: Vec<&Tunable> =
        slots.iter().filter_map(|slot| backend.catalog().get(&slot.tunable)).collect();
    rows.dedup_by_key(|row| row.name.as_str());
    page.push_str("\n| tunable | unit | allowed | default | changed | reaches |\n| --- | --- | --- | --- | --- | --- |\n");
    for row in &rows {
        let (allowed, default) = (tunable::ranges(&row.allowed), tunable::default(row));
        let (changed, reaches) = (tunable::mutability(row), row.takes_hold.words());
        writeln!(page, "| `{}` | {} | {allowed} | {default} | {changed} | {reaches} |", row.name, row.unit)?;
    }
    let several = rows.len() > 1;
    for row in rows {
        let of = if several { format!("\nOf `{}`:\n", row.name) } else { String::new() };
        let cautions: Vec<_> = row.cautions.iter().chain(&row.unsafe_values).collect();
        if !cautions.is_empty() {
            writeln!(page, "{of}")?;
        }
        cautions.iter().try_for_each(|caution| writeln!(page, "- {caution}"))?;
    }
    Ok(())
}

/// Writes what is known of systems without a backend.
fn write_others(page: &mut String, setting: Setting) -> fmt::Result {
    let mut rows = String::new();
    for system in Legacy::get().iter() {
        for release in system.releases.iter().filter(|release| !release.catalogued) {
            system
                .rows_on(release, setting)
                .try_for_each(|row| legacy_page::write_row(&mut rows, release, row))?;
        }
    }
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(page, "\n## Systems that tune only knows of\n\n{}{}", legacy_page::COLUMNS, rows.trim_end())?;
    writeln!(
        page,
        "\n[legacy.md](../systems/legacy.md) says what the evidence is, and what `tune` does there."
    )
}
