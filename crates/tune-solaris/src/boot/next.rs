//! What the next boot makes of a tunable, with what `tune` set and without.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tune_host::Host;
use tune_host::ipadm_conf::{self, Line};
use tune_host::property::{Kept, Shown};
use tune_model::claim::ScopeClaims;
use tune_model::native::{Keeper, Property};
use tune_model::reading::{Text, Unread};
use tune_model::{Catalog, Place, System};

use super::replay::{Replay, Rules, Values};
use super::scripts::{Setter, setters};
use crate::fresh::Family;
use crate::ground::{Ground, Persists, Zone};
use crate::read::Found;
use crate::service;
use crate::{names, settings};

/// Which boot is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// The next one as things are.
    AsIs,
    /// The next one without anything that `tune` set.
    WithoutTune,
}

/// A value that the next boot sets.
#[derive(Debug, Clone)]
pub(crate) struct Predicted {
    pub(crate) text: Text,
    /// The line that decides it; `None` for the kernel's default.
    pub(crate) source: Option<Place>,
}

/// The next boot, as it stands and as it would be without `tune`.
#[derive(Debug)]
pub(crate) struct NextBoot {
    persists: Persists,
    /// Why nothing of the kind happens.
    nobody: String,
    family: Option<Family>,
    on_paper: bool,
    crossed: bool,
    /// The lines that ipadm keeps, in the order in which they are set.
    lines: Vec<Line>,
    /// ipadm keeps lines whose order cannot be told.
    unordered: bool,
    /// What `tune` has found kept before it set its own.
    kept: BTreeMap<String, Option<String>>,
    /// What the service sets.
    served: BTreeMap<String, String>,
    manifest: String,
    manifest_path: PathBuf,
    setters: Vec<Setter>,
    known: BTreeMap<String, Known>,
}

/// What is known of a tunable.
#[derive(Debug, Clone)]
struct Known {
    properties: Vec<Property>,
    default: Result<i128, Unread>,
    rules: Rules,
    /// Whether what is kept of it could be read.
    unreadable: bool,
}

impl NextBoot {
    pub(crate) fn of(host: &dyn Host, ground: &Ground, found: &Found, claims: &ScopeClaims) -> Self {
        let persists = ground.persistence();
        let manifest = service::manifest_path(ground);
        let serves = persists == Persists::Service && service::is_installed(host, ground);
        let held = claims.boot.iter().filter(|_| serves);
        let file = (persists == Persists::Ipadm).then(|| ipadm_conf::read(host.files())).flatten();
        let mut next = Self {
            persists,
            nobody: nobody(ground),
            family: ground.family,
            on_paper: ground.on_paper,
            crossed: ground.crossed,
            unordered: false,
            lines: file.clone().unwrap_or_default(),
            kept: claims.kept.clone(),
            served: held
                .filter_map(|(slot, holding)| Some((slot.tunable.clone(), holding.held.clone()?)))
                .collect(),
            manifest: host
                .files()
                .read(Path::new(manifest))
                .map_or_else(|_| String::new(), |content| String::from_utf8_lossy(&content).into_owned()),
            manifest_path: manifest.into(),
            setters: setters(host.files()),
            known: BTreeMap::new(),
        };
        for (tunable, property, shown) in found.iter() {
            next.know(tunable, property, shown);
        }
        if !ground.image && persists == Persists::Ipadm {
            next.believe(found, file.is_some());
        }
        next
    }

    fn know(&mut self, tunable: &str, property: &Property, shown: &Shown) {
        let default = match shown.default.as_deref().and_then(tune_model::native::number) {
            Some(default) => Ok(default),
            None => self.default_of_family(tunable),
        };
        let range = shown.possible.as_deref().and_then(range);
        let rules = Rules {
            range: range.unwrap_or_else(|| settings::accepted(tunable, self.family)),
            crossed: self.crossed,
        };
        let unreadable = shown.kept == Kept::Unreadable;
        // A kernel takes the names that were before its own, and none that came later.
        let properties = names::candidates(property.keeper, tunable);
        let properties = properties.into_iter().skip_while(|one| one != property).collect();
        self.known.insert(tunable.to_owned(), Known { properties, default, rules, unreadable });
    }

    /// What ipadm says that it keeps counts for more than its file, which tells the order.
    fn believe(&mut self, found: &Found, has_file: bool) {
        let mut missing = Vec::new();
        for (_, property, shown) in found.iter() {
            let at = self.lines.iter().position(|line| line.keeps(property));
            match (&shown.kept, at) {
                (Kept::Value(value), Some(at)) => self.lines[at].value.clone_from(value),
                (Kept::Value(value), None) => missing.push(Line {
                    protocol: property.protocol.clone(),
                    name: property.name.clone(),
                    value: value.clone(),
                    is_known: true,
                    place: None,
                }),
                _ => {}
            }
        }
        self.unordered = !missing.is_empty() && !has_file;
        // Limits first, as it would have to be.
        missing.sort_by_key(|line| !line.name.ends_with("max_buf"));
        self.lines.extend(missing);
    }

    /// Returns how many lines the file has of a property, by exactly this name.
    pub(crate) fn count_lines(&self, property: &Property) -> usize {
        self.lines.iter().filter(|line| line.keeps(property)).count()
    }

    /// Returns why the running kernel, whose values these are, would not take one.
    pub(crate) fn refuses_now(&self, tunable: &str, typed: &str, live: &Values) -> Option<String> {
        let mut replay = Replay { values: live.clone(), ..Replay::default() };
        replay.set(tunable, 0, typed, &self.known.get(tunable)?.rules);
        replay.refused.remove(tunable)
    }

    /// Returns the kernel's default.
    pub(crate) fn default(&self, tunable: &str) -> Result<String, Unread> {
        let default = match self.known.get(tunable) {
            Some(known) => known.default.clone(),
            None => self.default_of_family(tunable),
        };
        default.map(|number| number.to_string())
    }

    fn default_of_family(&self, tunable: &str) -> Result<i128, Unread> {
        if self.on_paper {
            return unconfirmed_default(tunable, self.family);
        }
        default_of(tunable, self.family)
    }

    /// Returns what the next boot makes of a tunable.
    pub(crate) fn predict(&self, tunable: &str, which: Which) -> Predicted {
        if self.persists == Persists::Nobody {
            return Predicted { text: Err(Unread::NotApplicable(self.nobody.clone())), source: None };
        }
        if let Some(set) = self.script(tunable) {
            let text = set.value.clone().ok_or_else(|| {
                Unread::Unclear(format!("{} sets it to something that it computes", set.place))
            });
            return Predicted { text, source: Some(set.place.clone()) };
        }
        if let (Which::AsIs, Some(value)) = (which, self.served.get(tunable)) {
            let line = service::line_of(&self.manifest, tunable);
            let source = Place { file: self.manifest_path.clone(), line };
            return Predicted { text: Ok(value.clone()), source: Some(source) };
        }
        if self.persists == Persists::Service {
            return Predicted { text: self.default(tunable), source: None };
        }
        if self.known.get(tunable).is_some_and(|known| known.unreadable) {
            let reason = format!("what ipadm keeps of {tunable} cannot be read");
            return Predicted { text: Err(Unread::Unclear(reason)), source: None };
        }
        self.replayed(tunable, which)
    }

    fn replayed(&self, tunable: &str, which: Which) -> Predicted {
        let lines = self.lines(which);
        let replay = self.replay(&lines);
        let line = replay.set_by.get(tunable).map(|at| &lines[*at]);
        let is_placed = line.is_some_and(|line| line.place.is_some());
        if self.unordered && crate::buffers::limit_of(tunable).is_some() && !is_placed {
            let reason = format!("the order of what ipadm keeps cannot be read from {}", ipadm_conf::CONF);
            return Predicted { text: Err(Unread::Unclear(reason)), source: None };
        }
        let text = match replay.values.get(tunable) {
            Some(number) => Ok(number.to_string()),
            None => self.default(tunable),
        };
        Predicted { text, source: line.and_then(|line| line.place.clone()) }
    }

    /// Returns the lines of a boot, in the order in which they are set.
    pub(crate) fn lines(&self, which: Which) -> Vec<Line> {
        let mut lines = self.lines.clone();
        if which == Which::WithoutTune {
            for (tunable, before) in &self.kept {
                put(&mut lines, &self.properties(tunable), before.as_deref());
            }
        }
        lines
    }

    /// Goes through a boot with these lines.
    pub(crate) fn replay(&self, lines: &[Line]) -> Replay {
        let mut replay = Replay::default();
        for (tunable, known) in &self.known {
            if let Ok(default) = known.default {
                replay.values.insert(tunable.clone(), default);
            }
        }
        for (at, line) in lines.iter().enumerate() {
            match self.known.iter().find(|(_, known)| known.properties.iter().any(|one| line.sets(one))) {
                Some((tunable, known)) => replay.set(tunable, at, &line.value, &known.rules),
                None => self.set_unknown(&mut replay, at, line),
            }
        }
        replay
    }

    /// What nobody asked about, as on an image: names and ranges are those of the catalog. A name that the kernel does not
    /// know of a tunable which it has by another one is none.
    fn set_unknown(&self, replay: &mut Replay, at: usize, line: &Line) {
        let is_it = |tunable: &str| {
            names::candidates(Keeper::Ipadm, tunable).iter().any(|property| line.sets(property))
        };
        let rows = Catalog::of(System::Solaris).iter();
        let row = rows.into_iter().find(|row| is_it(&row.name));
        if let Some(row) = row.filter(|row| !self.known.contains_key(&row.name)) {
            if let (None, Some(limit)) = (replay.values.get(&row.name), crate::buffers::limit_of(&row.name))
                && let (false, Ok(default)) =
                    (replay.values.contains_key(&limit), self.default_of_family(&limit))
            {
                replay.values.insert(limit, default);
            }
            let rules = Rules { range: settings::accepted(&row.name, self.family), crossed: self.crossed };
            replay.set(&row.name, at, &line.value, &rules);
        }
    }

    fn properties(&self, tunable: &str) -> Vec<Property> {
        match self.known.get(tunable) {
            Some(known) => known.properties.clone(),
            None => names::candidates(Keeper::Ipadm, tunable),
        }
    }

    /// Returns the line that sets a tunable.
    pub(crate) fn line_of<'l>(&self, lines: &'l [Line], tunable: &str) -> Option<&'l Line> {
        let properties = self.properties(tunable);
        lines.iter().rev().find(|line| properties.iter().any(|property| line.sets(property)))
    }

    /// Returns the last line of a start script that sets a tunable.
    pub(crate) fn script(&self, tunable: &str) -> Option<&Setter> {
        self.setters.iter().rev().find(|set| self.sets(set, tunable))
    }

    /// Returns every line of start scripts that sets a tunable.
    pub(crate) fn scripts<'s>(&'s self, tunable: &'s str) -> impl Iterator<Item = &'s Setter> {
        self.setters.iter().filter(move |set| self.sets(set, tunable))
    }

    fn sets(&self, set: &Setter, tunable: &str) -> bool {
        let known = names::candidates(Keeper::Ndd, tunable);
        known.iter().any(|property| property.protocol == set.protocol && property.name == set.name)
    }

    /// Says what an administrator should know about the next boot's value.
    pub(crate) fn notes(&self, tunable: &str) -> Vec<String> {
        if self.on_paper {
            return doubt(tunable, self.family).into_iter().collect();
        }
        if self.persists != Persists::Ipadm {
            return Vec::new();
        }
        let lines = self.lines(Which::AsIs);
        let refused = self.replay(&lines).refused.remove(tunable);
        let line = self.line_of(&lines, tunable);
        let note = refused.zip(line).map(|(reason, line)| {
            format!("ipadm keeps {}, and the next boot will not take it: {reason}", line.value.trim())
        });
        note.into_iter().collect()
    }
}

/// Returns the default of a family of releases, where it is known and confirmed.
pub(crate) fn default_of(tunable: &str, family: Option<Family>) -> Result<i128, Unread> {
    match doubt(tunable, family) {
        Some(doubt) => Err(Unread::Unclear(doubt)),
        None => unconfirmed_default(tunable, family),
    }
}

/// Says what nobody could confirm of a family's default.
fn doubt(tunable: &str, family: Option<Family>) -> Option<String> {
    let variant = Catalog::of(System::Solaris).get(tunable)?.variants.get(family?.name())?;
    let reason = variant.unconfirmed.as_deref()?;
    Some(format!("the default of {tunable} on {} is not confirmed: {reason}", family?.title()))
}

fn unconfirmed_default(tunable: &str, family: Option<Family>) -> Result<i128, Unread> {
    let unknown = |reason: &str| Unread::Unclear(format!("the default of {tunable} {reason}"));
    let row = Catalog::of(System::Solaris).get(tunable).ok_or_else(|| unknown("is not known"))?;
    let family = family.ok_or_else(|| unknown("is not known for this release"))?;
    row.of_family(family.name())
        .default
        .first()
        .copied()
        .ok_or_else(|| unknown("differs between distributions"))
}

/// Sets, adds at the end, or drops the line of a property, as ipadm does.
pub(crate) fn put(lines: &mut Vec<Line>, properties: &[Property], value: Option<&str>) {
    let at = lines.iter().position(|line| properties.iter().any(|property| line.keeps(property)));
    match (at, value, properties.first()) {
        (Some(at), Some(value), _) => value.clone_into(&mut lines[at].value),
        (Some(at), None, _) => _ = lines.remove(at),
        (None, Some(value), Some(property)) => lines.push(Line {
            protocol: property.protocol.clone(),
            name: property.name.clone(),
            value: value.to_owned(),
            is_known: true,
            place: None,
        }),
        _ => {}
    }
}

fn nobody(ground: &Ground) -> String {
    match (&ground.keeper, &ground.zone) {
        (Err(reason), _) => reason.clone(),
        (Ok(_), Zone::Shared(name)) => {
            format!("zone {name} uses the IP stack of the global zone and sets nothing when it starts")
        }
        _ => String::new(),
    }
}

/// Reads a range as ipadm shows it: `1000-7200000`.
pub(crate) fn range(possible: &str) -> Option<(i128, i128)> {
    let (low, high) = possible.split_once('-')?;
    Some((low.parse().ok()?, high.parse().ok()?))
}
