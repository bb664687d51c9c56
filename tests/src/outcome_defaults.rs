//! Holds what `tune` takes for a kernel's defaults against what an untouched kernel shows.

use std::collections::BTreeSet;
use std::fmt;

use tune_host::{Backend, LiveHost};
use tune_linux::Linux;
use tune_model::catalog::Reach;
use tune_model::{Catalog, System};

/// What was found.
#[derive(Debug, Default)]
pub struct Defaults {
    /// Tunables whose default is what an untouched kernel shows.
    pub right: Vec<String>,
    /// Tunables whose default is not foretold, with what the kernel shows.
    pub untold: Vec<String>,
    /// Tunables that this kernel does not have here.
    pub absent: Vec<String>,
    /// Tunables whose default is something else than what an untouched kernel shows.
    pub wrong: Vec<String>,
}

impl fmt::Display for Defaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "defaults: {} right, {} wrong, {} not foretold ({}), {} absent ({})",
            self.right.len(),
            self.wrong.len(),
            self.untold.len(),
            self.untold.join(", "),
            self.absent.len(),
            self.absent.join(", ")
        )
    }
}

/// Looks at the kernel at hand, on which nothing has been changed yet; `whole_machine` takes in what belongs to the
/// host.
#[must_use]
pub fn look(whole_machine: bool) -> Defaults {
    let host = LiveHost::own();
    let rows = || {
        let catalog = Catalog::of(System::Linux).iter();
        catalog.filter(|row| {
            whole_machine || (row.scope == Reach::Netns && row.new_netns.as_deref() != Some("initial"))
        })
    };
    let names: BTreeSet<String> = rows().map(|row| row.name.clone()).collect();
    let readings = Linux::on(&host).read(&host, &names, &Default::default());
    let mut found = Defaults::default();
    for row in rows() {
        let Some(reading) = readings.get(&row.name) else { continue };
        let name = row.name.clone();
        match (&reading.live, &reading.default) {
            (Err(_), _) => found.absent.push(name),
            (Ok(live), None) => found.untold.push(format!("{name} = {}", live.replace('\t', " "))),
            (Ok(live), Some(default)) if live == default => found.right.push(name),
            (Ok(live), Some(default)) => found.wrong.push(format!("{name} is {live:?}, not {default:?}")),
        }
    }
    found
}
