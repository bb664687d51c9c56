//! Reading tunables: now, after the next boot, and by default.

use std::collections::BTreeSet;

use tune_host::{Description, Host, ReadError, Scope};
use tune_model::catalog::Mutability;
use tune_model::claim::ScopeClaims;
use tune_model::reading::{Reading, Readings, Text, Unread};
use tune_model::tunable::integer;
use tune_model::{Catalog, System, Tunable};

use crate::boot::Jail;
use crate::defaults::{Ground, Handed, at_start, next_power_of_two};
use crate::ground::{absent, is_per_stack, removed};
use crate::next_boot::{NextBoot, Predicted, Which};

struct Reader<'a> {
    host: &'a dyn Host,
    ground: &'a Ground,
    jail: Jail,
    next: Option<NextBoot>,
}

pub(crate) fn read(
    host: &dyn Host,
    ground: &Ground,
    jail: Jail,
    tunables: &BTreeSet<String>,
    claims: &ScopeClaims,
) -> Readings {
    let next = NextBoot::of(host, claims, ground, jail);
    let reader = Reader { host, ground, jail, next };
    let names: Vec<&str> = tunables.iter().map(String::as_str).collect();
    let (texts, described) = (host.read_tunables(&names), host.describe_tunables(&names));
    let found = names.iter().zip(texts).zip(described);
    found
        .map(|((name, text), described)| ((*name).to_owned(), reader.reading(name, text, described)))
        .collect()
}

impl Reader<'_> {
    fn reading(
        &self,
        name: &str,
        text: Result<String, ReadError>,
        described: Option<Description>,
    ) -> Reading {
        let row = Catalog::of(System::FreeBsd).get(name);
        let text = self.on_this_release(row, text);
        let gone = matches!(text, Err(ReadError::Missing(_))).then(|| self.missing(name, row));
        let default =
            row.filter(|_| gone.is_none()).and_then(|row| at_start(row, &Handed::new(), self.ground));
        let out_of_scope = if gone.is_some() { None } else { self.out_of_scope(name, row, described) };
        let mutability = described.map(|described| mutability(row, described));
        let live = text.map_err(|error| self.unread(&error, row));
        // A jail that is started anew finds on its host what it finds now.
        let kept = self.jail == Jail::Vnet
            && (out_of_scope.is_some() || matches!(mutability, Some(Mutability::Boot | Mutability::Fixed)));
        let predict = |which| {
            if kept {
                return Predicted { text: live.clone(), source: None };
            }
            self.predict(name, which, gone.as_deref())
        };
        let (boot, without) = (predict(Which::AsIs), predict(Which::WithoutTune));
        let notes = self.next.as_ref().map(|next| next.notes(name)).unwrap_or_default();
        Reading {
            boot: boot.text,
            boot_source: boot.source,
            boot_without_tune: without.text,
            boot_without_tune_source: without.source,
            default: default.map(|number| number.to_string()),
            out_of_scope,
            mutability,
            live,
            notes,
        }
    }

    /// The next kernel is taken to be the one that runs: what it has not is not set.
    fn predict(&self, name: &str, which: Which, gone: Option<&str>) -> Predicted {
        match (&self.next, gone) {
            (Some(_), Some(reason)) => {
                Predicted { text: Err(Unread::Missing(reason.to_owned())), source: None }
            }
            (Some(next), None) => next.predict(name, which),
            (None, _) => Predicted { text: no_boot(self.host), source: None },
        }
    }

    /// In a jail only its own network stack's keys can be written, and those that any jail may write.
    fn out_of_scope(
        &self,
        name: &str,
        row: Option<&Tunable>,
        described: Option<Description>,
    ) -> Option<String> {
        if self.jail == Jail::None || described.is_some_and(|described| described.prison) {
            return None;
        }
        let own = is_per_stack(row, described, self.ground);
        let why = match (self.jail, own) {
            (Jail::Vnet, true) => return None,
            (_, false) => "a jail shows its value and cannot set it",
            (_, true) => "this jail has no network stack of its own",
        };
        Some(format!("{name} belongs to the host: {why}"))
    }

    /// Where nothing is live, the release tells what its kernel has.
    fn on_this_release(
        &self,
        row: Option<&Tunable>,
        text: Result<String, ReadError>,
    ) -> Result<String, ReadError> {
        match text {
            Err(ReadError::NotLive(name)) if row.is_some_and(|row| absent(row, self.ground).is_some()) => {
                Err(ReadError::Missing(name))
            }
            text => text,
        }
    }

    fn unread(&self, error: &ReadError, row: Option<&Tunable>) -> Unread {
        match error {
            ReadError::Missing(name) => Unread::Missing(self.missing(name, row)),
            ReadError::Denied(_) => Unread::Denied(error.to_string()),
            ReadError::NotLive(_) => Unread::NotApplicable(error.to_string()),
            _ => Unread::Unclear(error.to_string()),
        }
    }

    fn missing(&self, name: &str, row: Option<&Tunable>) -> String {
        let absent = row.and_then(|row| absent(row, self.ground));
        match (absent, row.and_then(|row| row.until.as_deref())) {
            (Some(absent), _) => absent,
            (None, Some(until)) => removed(name, until),
            (None, None) => {
                let release = self.host.identity().release.unwrap_or_default();
                format!("this kernel ({release}) has no {name}")
            }
        }
    }
}

/// Says where the running kernel is not as the catalog has it.
pub(crate) fn differences(host: &dyn Host, ground: &Ground) -> Vec<String> {
    let rows: Vec<&Tunable> = Catalog::of(System::FreeBsd).iter().collect();
    let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    let described = host.describe_tunables(&names);
    rows.iter().zip(described).filter_map(|(row, described)| differs(row, described?, ground)).collect()
}

fn differs(row: &Tunable, described: Description, ground: &Ground) -> Option<String> {
    let kind = row.kernel_type.zip(described.value).filter(|(known, found)| known.range() != found.range());
    let kind = kind.map(|(known, found)| format!("its type is {} and not {}", found.name(), known.name()));
    let expected = matches!(row.mutability, Mutability::Live | Mutability::RaiseOnly);
    let writable = (described.writable != expected).then(|| {
        let can = if described.writable { "can" } else { "cannot" };
        format!("it {can} be written while the system runs")
    });
    let stack = (described.vnet != is_per_stack(Some(row), None, ground)).then(|| {
        let whose =
            if described.vnet { "each network stack has its own" } else { "there is one for the host" };
        whose.to_owned()
    });
    let found: Vec<String> = [kind, writable, stack].into_iter().flatten().collect();
    (!found.is_empty())
        .then(|| format!("{} is not on this kernel as in the catalog: {}", row.name, found.join("; ")))
}

/// Returns when the running kernel lets a tunable be changed.
pub(crate) fn mutability(row: Option<&Tunable>, described: Description) -> Mutability {
    match (described.writable, described.loader, row.map(|row| row.mutability)) {
        // The flags do not tell that a handler takes no smaller value.
        (true, _, Some(Mutability::RaiseOnly)) => Mutability::RaiseOnly,
        (true, ..) => Mutability::Live,
        // Older kernels fetch some from the loader without the flag.
        (false, _, Some(Mutability::Boot)) | (false, true, _) => Mutability::Boot,
        (false, ..) => Mutability::Fixed,
    }
}

fn no_boot(host: &dyn Host) -> Text {
    Err(Unread::NotApplicable(match host.scope() {
        Scope::Namespace(_) => "FreeBSD has no network namespaces".to_owned(),
        _ => "a jail without a network stack of its own sets nothing when it starts".to_owned(),
    }))
}

/// Returns why a tunable would not hold a number: the kernel cuts what is longer than its type in silence, and makes
/// another size of a hash table.
pub(crate) fn does_not_fit(host: &dyn Host, tunable: &str, text: &str) -> Option<String> {
    const TABLES: [&str; 2] = ["net.inet.tcp.tcbhashsize", "net.inet.tcp.syncache.hashsize"];
    let number = integer(text.trim())?;
    if TABLES.contains(&tunable) && next_power_of_two(number) != number {
        return Some(format!("{tunable} = {number}: the kernel takes powers of two only, from 16 on"));
    }
    let said = host.describe_tunables(&[tunable]).pop().flatten();
    if said.is_some_and(|said| said.value.is_none()) {
        return Some(format!("{tunable} holds no number"));
    }
    let row = Catalog::of(System::FreeBsd).get(tunable);
    let kind = said.and_then(|said| said.value).or_else(|| row?.kernel_type)?;
    let (low, high) = kind.range();
    (!(low..=high).contains(&number))
        .then(|| format!("{tunable} = {number} does not fit its type, {}: {low} to {high}", kind.name()))
}
