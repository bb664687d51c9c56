//! Parents, overrides and a system's own tables, worked into one profile.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

use super::diagnostic::{Diagnostics, escaped};
use super::document::{Document, Table};
use super::library::{Library, LibraryError, ProfileText};
use super::log::{Complaint, Input, Log, Spot};
use super::walk::{self, Role};
use super::{Catalogs, Profile, Requirement, Source, Subject, contradiction, require};
use crate::system::System;

/// Why there is no profile.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// There is none of that name.
    #[error("unknown profile {name:?}{}", crate::did_you_mean(.nearest.as_deref()))]
    Unknown {
        /// What was asked for.
        name: String,
        /// The name nearest to it, if any is near.
        nearest: Option<String>,
        /// All names.
        known: Vec<String>,
    },
    /// It, or one that it extends, cannot be read.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// It, or one that it extends, has mistakes.
    #[error(transparent)]
    Invalid(#[from] Diagnostics),
}

/// A profile without mistakes, and values in it that are only for those who insist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The profile; its digest is empty.
    pub profile: Profile,
    /// The unsafe values, all of class [`super::Class::Unsafe`].
    pub refused: Diagnostics,
    /// The texts that went into it, in the order in which they were read.
    pub inputs: Vec<Input>,
}

impl Resolved {
    /// Returns the profile if every unsafe value in it is of a setting or tunable in `allowed`.
    ///
    /// # Errors
    ///
    /// The unsafe values that are not allowed.
    pub fn allowing(self, allowed: &[String]) -> Result<Profile, Diagnostics> {
        let refused = self.refused.forgiving(allowed);
        if refused.is_empty() { Ok(self.profile) } else { Err(refused) }
    }
}

/// Returns the profile of that name as it stands for a system; without one, its portable requirements.
///
/// # Errors
///
/// [`ProfileError`] when it is unknown, unreadable, or has mistakes in any of its texts.
pub fn resolve(
    library: &dyn Library,
    catalogs: Catalogs,
    name: &str,
    system: impl Into<Option<System>>,
) -> Result<Resolved, ProfileError> {
    resolve_text(library, catalogs, find(library, name)?, system)
}

/// Returns a profile whose text is at hand as it stands for a system; its parents come from the library. Without a
/// system it has its portable requirements only.
///
/// # Errors
///
/// [`ProfileError`] when it has mistakes, or a parent is unknown, unreadable or has mistakes.
pub fn resolve_text(
    library: &dyn Library,
    catalogs: Catalogs,
    text: ProfileText,
    system: impl Into<Option<System>>,
) -> Result<Resolved, ProfileError> {
    let mut loader = Loader::new(library, catalogs);
    let name = loader.load(text)?;
    let requirements = loader.requirements(&name, system.into());
    let Loader { log, loaded, .. } = loader;
    let (found, inputs) = log.finish();
    if found.iter().any(|found| found.class == super::Class::Invalid) {
        return Err(found.into());
    }
    let Loaded { summary, source, shadows_built_in, .. } = &loaded[&name];
    let profile = Profile {
        name,
        summary: summary.clone(),
        source: source.clone(),
        digest: String::new(),
        shadows_built_in: *shadows_built_in,
        requirements,
    };
    Ok(Resolved { profile, refused: found, inputs })
}

/// Returns all that is wrong with a profile and its parents, on any system.
///
/// # Errors
///
/// [`ProfileError`] when it is unknown or unreadable; mistakes are what is returned.
pub fn check(library: &dyn Library, catalogs: Catalogs, name: &str) -> Result<Diagnostics, ProfileError> {
    check_text(library, catalogs, find(library, name)?)
}

/// Returns all that is wrong with a profile whose text is at hand and with its parents, on any system.
///
/// # Errors
///
/// [`ProfileError`] when a parent is unreadable; mistakes are what is returned.
pub fn check_text(
    library: &dyn Library,
    catalogs: Catalogs,
    text: ProfileText,
) -> Result<Diagnostics, ProfileError> {
    let mut loader = Loader::new(library, catalogs);
    let name = loader.load(text)?;
    for system in System::ALL {
        loader.requirements(&name, Some(*system));
    }
    Ok(loader.log.finish().0)
}

fn find(library: &dyn Library, name: &str) -> Result<ProfileText, ProfileError> {
    library.find(name)?.ok_or_else(|| {
        let known = library.names();
        let nearest = crate::nearest(name, known.iter().map(String::as_str));
        ProfileError::Unknown { name: name.to_owned(), nearest, known }
    })
}

/// How many profiles may extend one another in a row.
const DEEPEST: usize = 32;

/// A profile whose texts have been taken apart.
struct Loaded {
    summary: String,
    source: Source,
    shadows_built_in: bool,
    parents: Vec<String>,
    own: Document,
    overrides: Vec<Document>,
}

/// A link from a profile to the one that it extends.
struct Link {
    name: String,
    spot: Spot,
}

struct Loader<'l> {
    library: &'l dyn Library,
    catalogs: Catalogs,
    log: Log,
    loaded: BTreeMap<String, Loaded>,
    /// The profiles being loaded, from the first, and where each names the next.
    chain: Vec<Link>,
}

type Tables = BTreeMap<Subject, Table>;

impl<'l> Loader<'l> {
    fn new(library: &'l dyn Library, catalogs: Catalogs) -> Self {
        Self { library, catalogs, log: Log::new("line"), loaded: BTreeMap::new(), chain: Vec::new() }
    }

    /// Reads a profile's texts and, before it counts as loaded, those of its parents.
    fn load(&mut self, text: ProfileText) -> Result<String, LibraryError> {
        let ProfileText { name, source, text, dropins, shadows_built_in } = text;
        let file = match &source {
            Source::File(path) => Some(path.clone()),
            _ => None,
        };
        let expected = (source != Source::StandardInput).then(|| name.clone());
        let own = self.read(&name, file, &text, Role::Profile(expected.as_deref()));
        let overrides: Vec<_> = dropins
            .into_iter()
            .map(|(file, text)| self.read(&name, Some(file), &text, Role::Override(&name)))
            .collect();
        check_own(&mut self.log, &own, &overrides);
        let name = own.name.clone().filter(|_| expected.is_none()).unwrap_or(name);
        let last = |of: &dyn Fn(&Document) -> Option<String>| overrides.iter().rev().find_map(of);
        let summary = last(&|document| document.summary.clone()).or_else(|| own.summary.clone());
        let extends = overrides.iter().rev().find_map(|document| document.extends.as_ref());
        let extends = extends.or(own.extends.as_ref()).cloned().unwrap_or_default();
        let parents = self.parents(&name, extends)?;
        let summary = summary.unwrap_or_default();
        let loaded = Loaded { summary, source, shadows_built_in, parents, own, overrides };
        self.loaded.insert(name.clone(), loaded);
        Ok(name)
    }

    fn read(&mut self, name: &str, file: Option<PathBuf>, text: &str, role: Role<'_>) -> Document {
        let source = self.log.add(name, file, text);
        walk::read(&mut self.log, source, role, self.catalogs)
    }

    /// Loads the parents and returns the names of those that could be.
    fn parents(&mut self, child: &str, extends: Vec<(String, Spot)>) -> Result<Vec<String>, LibraryError> {
        let mut parents = Vec::new();
        for (name, spot) in extends {
            self.chain.push(Link { name: child.to_owned(), spot });
            if self.parent(&name, spot)? {
                parents.push(name);
            }
            self.chain.pop();
        }
        Ok(parents)
    }

    fn parent(&mut self, name: &str, spot: Spot) -> Result<bool, LibraryError> {
        if let Some(start) = self.chain.iter().position(|link| link.name == name) {
            self.cycle(start, spot);
            return Ok(false);
        }
        if self.loaded.contains_key(name) {
            return Ok(true);
        }
        if self.chain.len() > DEEPEST {
            self.log.error(spot, Complaint::new(format!("more than {DEEPEST} profiles extend one another")));
            return Ok(false);
        }
        match self.library.find(name)? {
            Some(text) => self.load(text).map(|_| true),
            None => {
                self.unknown_parent(name, spot);
                Ok(false)
            }
        }
    }

    fn unknown_parent(&mut self, name: &str, spot: Spot) {
        let known = self.library.names();
        let known: Vec<_> = known.iter().map(String::as_str).collect();
        let above: Vec<_> =
            self.chain[..self.chain.len() - 1].iter().rev().map(|link| self.link(link, spot)).collect();
        let through =
            if above.is_empty() { String::new() } else { format!(", extended by {}", above.join(", by ")) };
        let child =
            self.chain.last().map(|link| format!(" that {:?} extends", link.name)).unwrap_or_default();
        let complaint = Complaint::new(format!("unknown profile {name:?}{child}{through}"));
        self.log.error(spot, complaint.nearest(name, &known));
    }

    fn cycle(&mut self, start: usize, spot: Spot) {
        let name = self.chain[start].name.clone();
        let links: Vec<_> = self.chain[start..].iter().map(|link| self.link(link, spot)).collect();
        let complaint = Complaint::new(format!(
            "{name:?} extends itself: {} extends {}",
            links.join(" extends "),
            escaped(&name)
        ));
        let help = "a profile that hides a built-in one cannot extend it: rename it, or override single keys in NAME.d";
        let complaint = if links.len() == 1 { complaint.help(help) } else { complaint };
        self.log.error(spot, complaint);
    }

    /// Names a profile and where it names the next one.
    fn link(&self, link: &Link, from: Spot) -> String {
        format!("{} ({})", escaped(&link.name), self.log.place(link.spot, from))
    }

    /// Returns what a loaded profile requires on a system, noting what contradicts itself.
    fn requirements(&mut self, name: &str, system: Option<System>) -> Vec<Requirement> {
        let mut known = BTreeMap::new();
        let tables = self.tables(name, system, &mut known);
        let log = &mut self.log;
        let requirements: Vec<_> =
            tables.iter().filter_map(|(subject, table)| require::requirement(log, subject, table)).collect();
        contradiction::check(log, &tables);
        requirements
    }

    /// Returns the tables of a profile on a system: what is inherited, replaced by its own, changed by its overrides.
    fn tables(
        &self,
        name: &str,
        system: Option<System>,
        known: &mut BTreeMap<String, Rc<Tables>>,
    ) -> Rc<Tables> {
        if let Some(tables) = known.get(name) {
            return Rc::clone(tables);
        }
        let Loaded { parents, own, overrides, .. } = &self.loaded[name];
        let mut tables = Tables::new();
        for parent in parents {
            let inherited = self.tables(parent, system, known);
            tables.extend(inherited.iter().map(|(subject, table)| (subject.clone(), table.clone())));
        }
        tables.extend(own.on(system).into_iter().map(|(subject, table)| (subject.clone(), table.clone())));
        for (subject, table) in overrides.iter().flat_map(|document| document.on(system)) {
            match tables.get_mut(subject) {
                Some(below) => below.overlay(table.clone()),
                None => drop(tables.insert(subject.clone(), table.clone())),
            }
        }
        tables.retain(|_, table| !table.is_removed());
        let tables = Rc::new(tables);
        known.insert(name.to_owned(), Rc::clone(&tables));
        tables
    }
}

/// Notes the mistakes in a profile's own texts, also those in tables that a system does not use or a child replaces.
fn check_own(log: &mut Log, own: &Document, overrides: &[Document]) {
    for ((_, subject), table) in &own.tables {
        require::check(log, subject, table);
    }
    for table in overrides.iter().flat_map(|document| document.tables.values()) {
        require::check_removal(log, table);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::testing::{catalogs, on_linux};
    use super::super::{BuiltIn, InMemory, Key, Origin, Severity, Wanted};
    use super::*;
    use crate::limits::Limits;
    use crate::setting::Setting;

    const P: &str = "name = \"p\"\n";

    fn library(parts: &[(&str, &str)]) -> InMemory {
        let add = |library: InMemory, (name, text): &(&str, &str)| {
            library.with(name, &format!("name = \"{name}\"\n{text}"))
        };
        parts.iter().fold(InMemory::default(), add)
    }

    fn limits(profile: &Profile, setting: Setting) -> Option<String> {
        let scale = super::super::Scale { ram: 4 << 30, page: 4096 };
        let of = |found: &&Requirement| found.subject == Subject::Setting(setting);
        let limits: Limits = profile.requirements.iter().find(of)?.wanted.limits(scale)?;
        Some(limits.to_string())
    }

    fn of(library: &InMemory, system: System) -> Profile {
        let resolved = resolve(library, catalogs, "p", system).unwrap_or_else(|error| panic!("{error}"));
        assert!(resolved.refused.is_empty());
        resolved.profile
    }

    fn messages(library: &InMemory) -> Vec<String> {
        let found = check(library, catalogs, "p").unwrap();
        found.iter().map(|found| format!("{}: {}", found.origin, found.message)).collect()
    }

    #[test]
    fn tables_are_inherited_whole_and_later_parents_win() {
        let library = library(&[
            (
                "a",
                "settings.\"tcp.syn_backlog\" = { at_least = 1, severity = \"high\" }\nsettings.\"tcp.listen_backlog\" = 1",
            ),
            ("b", "settings.\"tcp.syn_backlog\" = { at_most = 9 }\nsettings.\"tcp.orphan_limit\" = 7"),
            ("p", "extends = [\"a\", \"b\"]\nsettings.\"tcp.orphan_limit\" = 8"),
        ]);
        let profile = of(&library, System::Linux);
        assert_eq!(limits(&profile, Setting::SynBacklog).unwrap(), "at most 9");
        assert_eq!(limits(&profile, Setting::ListenBacklog).unwrap(), "1");
        assert_eq!(limits(&profile, Setting::OrphanLimit).unwrap(), "8");
        let syn = &profile.requirements[2];
        assert_eq!(syn.subject, Subject::Setting(Setting::SynBacklog));
        assert_eq!((syn.severity, syn.origin.to_string()), (Severity::Medium, "b.toml:2:10".to_owned()));
    }

    #[test]
    fn what_is_removed_is_gone_also_on_one_system() {
        let library = library(&[
            ("a", "settings.\"tcp.syn_backlog\" = 1\nsettings.\"tcp.orphan_limit\" = 7"),
            (
                "p",
                "extends = [\"a\"]\nsettings.\"tcp.syn_backlog\".remove = true\nlinux.settings.\"tcp.orphan_limit\".remove = true",
            ),
        ]);
        assert_eq!(of(&library, System::Linux).requirements, []);
        assert_eq!(of(&library, System::FreeBsd).requirements.len(), 1);
    }

    #[test]
    fn a_systems_own_table_replaces_the_portable_one_there() {
        let library = library(&[
            (
                "a",
                "settings.\"tcp.syn_backlog\" = 1\nlinux.settings.\"tcp.syn_backlog\" = 2\nfreebsd.sysctl.\"net.inet.tcp.msl\" = 5000",
            ),
            ("p", "extends = [\"a\"]\n"),
        ]);
        assert_eq!(limits(&of(&library, System::Linux), Setting::SynBacklog).unwrap(), "2");
        let freebsd = of(&library, System::FreeBsd);
        assert_eq!(limits(&freebsd, Setting::SynBacklog).unwrap(), "1");
        assert_eq!(freebsd.requirements[1].subject.to_string(), "net.inet.tcp.msl");
        let child = library.with("p", "name = \"p\"\nextends = [\"a\"]\nsettings.\"tcp.syn_backlog\" = 3");
        assert_eq!(limits(&of(&child, System::Linux), Setting::SynBacklog).unwrap(), "3");
    }

    #[test]
    fn without_a_system_the_portable_requirements_count_alone() {
        let library = library(&[(
            "p",
            "settings.\"tcp.syn_backlog\" = 1\nlinux.settings.\"tcp.syn_backlog\" = 2\nlinux.settings.\"tcp.orphan_limit\" = 7\nfreebsd.sysctl.\"net.inet.tcp.msl\" = 5000",
        )]);
        let profile = resolve(&library, catalogs, "p", None).unwrap().profile;
        assert_eq!(limits(&profile, Setting::SynBacklog).unwrap(), "1");
        assert_eq!(profile.requirements.len(), 1);
    }

    #[test]
    fn overrides_change_single_keys_in_the_order_of_their_names() {
        let library = library(&[
            ("a", "settings.\"tcp.syn_backlog\" = { at_least = 1, why = \"a\", severity = \"high\" }"),
            ("p", "extends = [\"a\"]\nsettings.\"tcp.orphan_limit\" = { at_least = 7, why = \"p\" }"),
        ])
        .with_override("p", "20.toml", "[settings.\"tcp.orphan_limit\"]\nexactly = 9\n")
        .with_override("p", "10.toml", "name = \"p\"\nsummary = \"s\"\n[settings]\n\"tcp.orphan_limit\".at_least = 8\n\"tcp.syn_backlog\".at_least = 5");
        let profile = of(&library, System::Linux);
        assert_eq!(limits(&profile, Setting::OrphanLimit).unwrap(), "9");
        assert_eq!(profile.summary, "s");
        let syn = &profile.requirements[1];
        assert_eq!((syn.why.as_deref(), syn.severity), (Some("a"), Severity::High));
        let shown: Vec<_> = syn.keys.iter().map(|(key, origin)| format!("{key} {origin}")).collect();
        assert_eq!(shown, ["at_least p.d/10.toml:5:30", "severity a.toml:2:68", "why a.toml:2:52"]);
    }

    #[test]
    fn an_override_that_empties_a_range_names_both_lines() {
        let library = library(&[("p", "settings.\"tcp.orphan_limit\".at_least = 7")]).with_override(
            "p",
            "x.toml",
            "[settings.\"tcp.orphan_limit\"]\nat_most = 5\nsevrity = \"low\"",
        );
        assert_eq!(
            messages(&library),
            [
                "p.toml:2:40: no tcp.orphan_limit satisfies both bounds: at_least 7, at_most 5 (p.d/x.toml:2)",
                "p.d/x.toml:3:1: unknown key \"sevrity\"",
            ]
        );
    }

    #[test]
    fn an_override_can_remove_and_can_change_the_parents() {
        let library = library(&[
            ("a", "settings.\"tcp.syn_backlog\" = 1"),
            ("b", "settings.\"tcp.syn_backlog\" = 2"),
            ("p", "extends = [\"a\"]\nsettings.\"tcp.orphan_limit\" = 7"),
        ])
        .with_override(
            "p",
            "x.toml",
            "extends = [\"b\"]\nsettings.\"tcp.orphan_limit\".remove = true",
        );
        let profile = of(&library, System::Linux);
        assert_eq!(limits(&profile, Setting::SynBacklog).unwrap(), "2");
        assert_eq!(profile.requirements.len(), 1);
    }

    #[test]
    fn cycles_name_every_link() {
        let library = library(&[
            ("a", "extends = [\"b\"]"),
            ("b", "\nextends = [\"a\"]"),
            ("p", "extends = [\"a\", \"p\"]"),
        ]);
        assert_eq!(
            messages(&library),
            [
                "p.toml:2:17: \"p\" extends itself: p (line 2) extends p",
                "b.toml:3:12: \"a\" extends itself: a (a.toml:2) extends b (line 3) extends a",
            ]
        );
    }

    #[test]
    fn an_unknown_parent_names_who_wants_it() {
        let library =
            library(&[("a", "extends = [\"basline\"]"), ("baseline", ""), ("p", "extends = [\"a\"]")]);
        let Err(ProfileError::Invalid(found)) = on_linux(&library) else { panic!() };
        let found = &found.0[0];
        assert_eq!(
            (found.origin.to_string().as_str(), found.message.as_str()),
            ("a.toml:2:12", "unknown profile \"basline\" that \"a\" extends, extended by p (p.toml:2)")
        );
        assert_eq!(found.help.as_deref(), Some("did you mean \"baseline\"?"));
    }

    #[test]
    fn an_unknown_profile_is_answered_with_the_nearest_and_the_list() {
        let error = resolve(&BuiltIn, catalogs, "web-sever", System::Linux).unwrap_err();
        assert_eq!(error.to_string(), "unknown profile \"web-sever\"; did you mean \"web-server\"?");
        let ProfileError::Unknown { known, .. } = error else { panic!() };
        assert_eq!(known.len(), 6);
    }

    #[test]
    fn a_long_row_of_parents_is_refused_and_a_wide_one_is_not() {
        let deep = (0..40).fold(library(&[("n40", "")]), |library, at| {
            library.with(&format!("n{at}"), &format!("name = \"n{at}\"\nextends = [\"n{}\"]", at + 1))
        });
        let deep = deep.with("p", "name = \"p\"\nextends = [\"n0\"]");
        assert_eq!(messages(&deep), ["n31.toml:2:12: more than 32 profiles extend one another"]);
        let wide = (0..30).fold(library(&[("l30", ""), ("r30", "")]), |library, at| {
            ["l", "r"].iter().fold(library, |library, side| {
                let next = at + 1;
                library.with(
                    &format!("{side}{at}"),
                    &format!("name = \"{side}{at}\"\nextends = [\"l{next}\", \"r{next}\"]"),
                )
            })
        });
        assert_eq!(messages(&wide.with("p", "name = \"p\"\nextends = [\"l0\", \"r0\"]")), [""; 0]);
    }

    #[test]
    fn probing_must_not_contradict_its_parts() {
        let parts = "settings.\"tcp.keepalive_interval\" = \"10s\"\nsettings.\"tcp.keepalive_probes\" = 6";
        let library = |abort| library(&[("a", parts), ("p", &format!("extends = [\"a\"]\n{abort}"))]);
        assert_eq!(messages(&library("settings.\"tcp.keepalive_abort\" = \"1min\"")), [""; 0]);
        assert_eq!(messages(&library("settings.\"tcp.keepalive_abort\".at_most = \"61s\"")), [""; 0]);
        assert_eq!(
            messages(&library("settings.\"tcp.keepalive_abort\" = \"61s\"")),
            [
                "p.toml:3:34: tcp.keepalive_abort contradicts its own parts, tcp.keepalive_interval (a.toml:2) times \
              tcp.keepalive_probes (a.toml:3)"
            ]
        );
        assert_eq!(messages(&library("settings.\"tcp.keepalive_abort\".at_most = \"59s\"")).len(), 1);
        assert_eq!(messages(&library("settings.\"tcp.keepalive_abort\".at_least = \"61s\"")).len(), 1);
    }

    #[test]
    fn unsafe_values_are_for_those_who_insist_and_only_while_they_count() {
        let unsafe_value = ("a", "linux.sysctl.\"net.ipv4.tcp_fin_timeout\" = 0");
        let base = library(&[unsafe_value, ("p", "extends = [\"a\"]")]);
        let resolved = on_linux(&base).unwrap();
        assert_eq!(resolved.refused.0.len(), 1);
        assert!(resolved.clone().allowing(&[]).is_err());
        assert!(resolved.allowing(&["net.ipv4.tcp_fin_timeout".to_owned()]).is_ok());
        let replaced = ("p", "extends = [\"a\"]\nlinux.sysctl.\"net.ipv4.tcp_fin_timeout\" = 5");
        assert!(on_linux(&library(&[unsafe_value, replaced])).unwrap().refused.is_empty());
    }

    #[test]
    fn scaled_bounds_are_empty_only_when_no_memory_helps() {
        let body = |text: &str| library(&[("p", &format!("settings.\"tcp.orphan_limit\" = {text}"))]);
        assert_eq!(messages(&body("{ at_least = { per_gib_of_ram = 100 }, at_most = 1000 }")), [""; 0]);
        let never = body(
            "{ at_least = { per_gib_of_ram = 100, min = 5000 }, at_most = { per_gib_of_ram = 10, max = 99 } }",
        );
        assert_eq!(messages(&never).len(), 1);
    }

    #[test]
    fn standard_input_may_have_any_name_and_origins_name_the_profile() {
        let text = ProfileText {
            name: "standard input".to_owned(),
            source: Source::StandardInput,
            text: format!("{P}settings.\"tcp.orphan_limit\" = 5"),
            dropins: Vec::new(),
            shadows_built_in: false,
        };
        let resolved = resolve_text(&BuiltIn, catalogs, text, System::Linux).unwrap();
        assert_eq!(resolved.profile.name, "p");
        let expected = Origin { profile: "standard input".into(), file: None, line: 2, column: 10 };
        assert_eq!(resolved.profile.requirements[0].origin, expected);
    }

    #[test]
    fn shipped_profiles_are_without_mistakes_on_every_system() {
        for name in BuiltIn.names() {
            let found = check(&BuiltIn, crate::Catalog::of, &name).unwrap();
            assert!(found.is_empty(), "{found}");
        }
    }

    #[test]
    fn an_exact_value_and_a_vendor_default_keep_the_keys_they_were_written_with() {
        let library = library(&[("p", "settings.\"tcp.orphan_limit\" = \"vendor-default\"")]);
        let profile = of(&library, System::Linux);
        assert_eq!(profile.requirements[0].wanted, Wanted::VendorDefault);
        assert_eq!(profile.requirements[0].keys[0].0, Key::Exactly);
    }
}
