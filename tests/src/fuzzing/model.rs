//! Profiles, arguments, names, values and the list of claims.

use tune_host::sysctl_path;
use tune_model::profile::{
    BuiltIn, Diagnostics, ProfileError, ProfileText, Source, check_text, one_off as of_arguments,
    resolve_text,
};
use tune_model::tunable::{integers, list_ranges, merged_list};
use tune_model::{Catalog, Claims, Kind, PortRange, Quantity, Setting, Slot, Subject, System};

/// Reads a profile, and its overrides behind a line of dashes.
pub fn profile(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (own, dropin) = text.split_once("\n---\n").map_or((text, None), |(own, dropin)| (own, Some(dropin)));
    let dropins = dropin.map(|dropin| ("/etc/tune/profiles/p.d/x.toml".into(), dropin.to_owned()));
    let found = || ProfileText {
        name: "p".to_owned(),
        source: Source::File("/etc/tune/profiles/p.toml".into()),
        text: own.to_owned(),
        dropins: dropins.clone().into_iter().collect(),
        shadows_built_in: false,
    };
    match check_text(&BuiltIn, Catalog::of, found()) {
        Ok(mistakes) => places_are_inside(&mistakes, text),
        Err(error) => drop(error.to_string()),
    }
    for system in [System::Linux, System::FreeBsd] {
        match resolve_text(&BuiltIn, Catalog::of, found(), system) {
            Ok(resolved) => requirements_are_allowed(&resolved.profile, system),
            Err(ProfileError::Invalid(mistakes)) => places_are_inside(&mistakes, text),
            Err(error) => drop(error.to_string()),
        }
    }
}

/// Each mistake is at a line that the text has, and is shown without a byte that a terminal would act upon.
fn places_are_inside(mistakes: &Diagnostics, text: &str) {
    let lines = super::lines(text.as_bytes());
    for mistake in mistakes.iter() {
        let built_in = BuiltIn::text(&mistake.origin.profile).map_or(0, |text| super::lines(text.as_bytes()));
        let line = mistake.origin.line;
        assert!((1..=lines.max(built_in)).contains(&line), "line {line} of {lines}: {}", mistake.message);
        assert!(mistake.origin.column > 0);
    }
    let shown = mistakes.to_string();
    assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "{shown:?}");
}

/// A profile never reaches a tunable outside of the catalog and of the namespaces of networking.
fn requirements_are_allowed(profile: &tune_model::Profile, system: System) {
    const OPEN: [&str; 7] =
        ["net.ipv4.", "net.ipv6.", "net.core.", "net.netfilter.", "net.inet.", "net.inet6.", "kern.ipc."];
    for requirement in &profile.requirements {
        let Subject::Tunable(slot) = &requirement.subject else { continue };
        let known = Catalog::of(system).get(&slot.tunable).is_some();
        let open = requirement.uncatalogued && OPEN.iter().any(|prefix| slot.tunable.starts_with(prefix));
        assert!(known || open, "{slot}");
    }
}

/// Reads the words of `tune set`, a line each.
pub fn one_off(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let arguments: Vec<String> = text.split('\n').take(4).map(str::to_owned).collect();
    for system in [System::Linux, System::FreeBsd] {
        match of_arguments(&arguments, Catalog::of, system) {
            Ok(resolved) => requirements_are_allowed(&resolved.profile, system),
            Err(mistakes) => {
                let count = u32::try_from(arguments.len()).unwrap_or(u32::MAX);
                assert!(mistakes.iter().all(|found| (1..=count).contains(&found.origin.line)));
                drop(mistakes.to_string());
            }
        }
    }
}

/// Reads names: of settings, of tunables and their fields, of files below /proc/sys.
pub fn names(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Some(setting) = Setting::named(&text) {
        assert_eq!(setting.to_string(), text);
    }
    if let Ok(slot) = text.parse::<Slot>() {
        assert_eq!(slot.to_string().parse::<Slot>(), Ok(slot.clone()));
        let shown = slot.replaced("1\t2\t3", "7");
        assert!(slot.field.is_none_or(|field| field > 2) || slot.part(&shown) == Some("7"));
    }
    if let Ok(subject) = text.parse::<Subject>() {
        assert_eq!(subject.to_string().parse::<Subject>(), Ok(subject));
    }
    if let Some(path) = sysctl_path(&text) {
        assert!(path.starts_with("/proc/sys"));
        assert!(path.components().all(|part| part.as_os_str() != ".."), "{text:?}");
    }
    if let Ok(key) = text.parse::<tune_linux::boot::Key>() {
        assert_eq!(tune_linux::boot::Key::parse(&key.dotted()), Ok(key.clone()), "{text:?}");
        assert!(!key.path().starts_with('/'));
    }
    let plain = tune_model::profile::is_name(&text);
    assert!(!plain || (!text.contains(['/', '\n', '\0']) && !text.starts_with('.')), "{text:?}");
}

const KINDS: [Kind; 7] =
    [Kind::Duration, Kind::Count, Kind::Bytes, Kind::Switch, Kind::Ports, Kind::Native, Kind::Text];

/// Reads values of every kind, numbers and lists; the first byte chooses nothing, each is tried.
pub fn quantities(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for kind in KINDS {
        let Ok(value) = Quantity::parse(kind, &text) else { continue };
        assert_eq!(Quantity::parse(kind, &value.to_string()).as_ref(), Ok(&value), "{text:?}");
        let shown = serde_json::to_string(&value).unwrap();
        assert_eq!(serde_json::from_str::<Quantity>(&shown).unwrap(), value);
        if let Quantity::Ports(PortRange { low, high }) = value {
            assert!(low <= high);
        }
    }
    drop(integers(&text));
    if let Some(merged) = merged_list(&text) {
        assert_eq!(merged_list(&merged).as_deref(), Some(merged.as_str()));
        assert!(list_ranges(&merged).is_some_and(|ranges| ranges.is_sorted()));
    }
    if let Ok(value) = serde_json::from_slice::<Quantity>(bytes) {
        let shown = serde_json::to_string(&value).unwrap();
        assert_eq!(serde_json::from_str::<Quantity>(&shown).unwrap(), value);
    }
}

/// Reads the list of claims, of this version and of a newer one.
pub fn claims(bytes: &[u8]) {
    let Ok(claims) = tune_transaction::untrusted::claims(bytes) else { return };
    let shown = serde_json::to_string(&claims).unwrap();
    assert_eq!(serde_json::from_str::<Claims>(&shown).unwrap(), claims);
    // What is understood of a newer list is a list of this version.
    assert!(claims.format == tune_model::claim::CLAIMS_FORMAT);
}
