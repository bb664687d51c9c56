//! The page of settings, made from the settings and the catalog.

use std::fmt::{self, Write};

use tune_freebsd::FreeBsd;
use tune_host::{Backend, FakeHost, Provision};
use tune_linux::Linux;
use tune_model::catalog::{Elsewhere, FAMILIES, Mutability, Outside, Reach, Tunable, Variant};
use tune_model::{Catalog, Kind, Setting, Slot, System};
use tune_solaris::Solaris;

const HEAD: &str = "\
# Settings

This page is made from the settings and the catalog: `UPDATE_DOCS=1 cargo test -p tune-tests --test docs` writes it
anew. `tune explain NAME` shows the same for a host, with its present values.

A setting is one thing under one name on every system; behind it are the tunables of each. *Allowed* is what a profile
may ask for without `--allow-unsafe`, *accepted* what every supported kernel takes.
";

/// Returns the page.
#[must_use]
pub fn settings_page() -> String {
    let mut page = HEAD.to_owned();
    match write_page(&mut page) {
        Ok(()) | Err(fmt::Error) => page, // writing to a text does not fail
    }
}

/// What stands above the tunables of a system.
const LINUX: &str =
    "All `tcp_*` keys govern TCP over IPv6 too. A key under `net.netfilter` needs its module.";
const FREEBSD: &str = "\
All `net.inet.tcp` keys govern TCP over IPv6 too. Times are kept in ticks of `kern.hz`: 10 ms in a virtual machine as
installed, 1 ms elsewhere. A tunable that is not changed by the loader has no effect in loader.conf.
[freebsd.md](systems/freebsd.md) tells what the values do and how sure that is.";
const SOLARIS: &str = "\
A name is `ipadm`, the protocol and the property. A leading underscore marks a private property, which may change or go
in any release. What stands here is the main line of illumos; where OpenSolaris of 2010-08, Solaris 11 or Solaris 10
differ, or nobody could tell, their own line says so. Distributions change defaults: what `ipadm` shows as DEFAULT counts.
[illumos-solaris.md](systems/illumos-solaris.md) tells what the values do and how sure that is.";

fn write_page(page: &mut String) -> fmt::Result {
    let host = FakeHost::new();
    let backends: [&dyn Backend; 3] = [&Linux::on(&host), &FreeBsd::on(&host), &Solaris::on(&host)];
    contents(page, &backends)?;
    for setting in Setting::ALL {
        writeln!(page, "\n## {setting}\n\n{} Takes {}.", setting.meaning(), setting.kind().expected())?;
        backends.iter().try_for_each(|backend| write_setting(page, *setting, *backend))?;
    }
    for (system, intro) in [(System::Linux, LINUX), (System::FreeBsd, FREEBSD), (System::Solaris, SOLARIS)] {
        writeln!(page, "\n# Tunables of {}\n\n{intro}", system.title())?;
        Catalog::of(system).iter().try_for_each(|row| write_tunable(page, row))?;
    }
    Ok(())
}

fn contents(page: &mut String, systems: &[&dyn Backend]) -> fmt::Result {
    let titles: String =
        systems.iter().map(|backend| format!(" on {} |", backend.system().title())).collect();
    write!(page, "\n| setting | kind |{titles}\n| --- | --- |{}\n", " --- |".repeat(systems.len()))?;
    for setting in Setting::ALL {
        let name = setting.name();
        let of = systems.iter().map(|backend| format!(" {} |", provided(&backend.provision(*setting))));
        let of: String = of.collect();
        writeln!(page, "| [{name}](#{}) | {} |{of}", anchor(name), kind(setting.kind()))?;
    }
    Ok(())
}

fn write_setting(page: &mut String, setting: Setting, backend: &dyn Backend) -> fmt::Result {
    let title = backend.system().title();
    let provision = backend.provision(setting);
    let what = provided(&provision);
    match &provision {
        Provision::None => {
            writeln!(page, "\n{title} has none. What bounds it there: {}.", backend.stands_in(setting))
        }
        Provision::Fixed(value) => writeln!(page, "\n{title}: always {value}."),
        Provision::Derived(_) => {
            writeln!(page, "\n{title}: follows from {what}; judged by itself, changed through them.")
        }
        Provision::Slots(slots) => {
            let until = slots.iter().find_map(|slot| backend.catalog().get(&slot.tunable)?.until.as_deref());
            let until = until.map(|release| format!(" (until {release})")).unwrap_or_default();
            let beside: Vec<_> = slots.iter().flat_map(|slot| backend.beside(slot)).collect();
            let also = match linked(&beside) {
                names if names.is_empty() => String::new(),
                names => format!(", and {names} where that has to be raised first"),
            };
            writeln!(page, "\n{title}: {what}{until}{also}.")
        }
    }
}

fn provided(provision: &Provision) -> String {
    match provision {
        Provision::None => "none".to_owned(),
        Provision::Fixed(value) => format!("always {value}"),
        _ => linked(provision.slots()),
    }
}

fn linked(slots: &[Slot]) -> String {
    let link = |slot: &Slot| format!("[`{slot}`](#{})", anchor(&slot.tunable));
    slots.iter().map(link).collect::<Vec<_>>().join(", ")
}

fn write_tunable(page: &mut String, row: &Tunable) -> fmt::Result {
    writeln!(page, "\n## {}\n\n{}\n", row.name, row.meaning)?;
    page.push_str("| | |\n| --- | --- |\n");
    for (what, text) in facts(row) {
        writeln!(page, "| {what} | {text} |")?;
    }
    if !row.cautions.is_empty() {
        page.push('\n');
        row.cautions.iter().try_for_each(|caution| writeln!(page, "- {caution}"))?;
    }
    if let Some(reason) = &row.unsafe_values {
        writeln!(page, "\nOutside what is allowed: {reason}")?;
    }
    writeln!(page, "\nSource: {}.", row.source.trim_end_matches('.'))
}

/// Returns the rows of the table: those that there is something to say about.
fn facts(row: &Tunable) -> Vec<(&'static str, String)> {
    let some = |text: &Option<String>| text.clone().unwrap_or_default();
    let all = [
        ("before", row.former_names.join(", ")),
        ("for ndd", some(&row.ndd)),
        ("unit", row.unit.clone()),
        ("type", row.kernel_type.map(|kind| kind.name().to_owned()).unwrap_or_default()),
        ("fields", row.fields.join(", ")),
        ("allowed", ranges(&row.allowed)),
        ("accepted", ranges(&row.accepted)),
        ("other values", outside(row).to_owned()),
        ("default", default(row)),
        ("changed", mutability(row).to_owned()),
        ("reaches", row.takes_hold.words().to_owned()),
        ("scope", scope(row)),
        ("module", some(&row.module)),
        ("since", some(&row.since)),
        ("until", some(&row.until)),
    ];
    let families =
        FAMILIES.iter().filter_map(|family| Some((*family, differing(row.variants.get(*family)?))));
    all.into_iter().chain(families).filter(|(_, text)| !text.is_empty()).collect()
}

/// Tells in what a family of releases differs, and what of it is not sure.
fn differing(variant: &Variant) -> String {
    let absent = if variant.absent { "has no such property" } else { "" };
    let default: Vec<_> = variant.default.iter().map(ToString::to_string).collect();
    let said = [
        absent.to_owned(),
        labelled("default", &default.join(" ")),
        labelled("accepted", &ranges(&variant.accepted)),
        labelled("UNCONFIRMED:", variant.unconfirmed.as_deref().unwrap_or_default()),
    ];
    said.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; ")
}

fn labelled(label: &str, text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("{label} {text}") }
}

/// One range, or one for each field where they differ.
fn ranges(of: &[(i128, i128)]) -> String {
    let mut shown: Vec<_> = of.iter().map(|(low, high)| format!("{low} to {high}")).collect();
    shown.dedup();
    shown.join("; ")
}

fn default(row: &Tunable) -> String {
    let constant: Vec<_> = row.default.iter().map(ToString::to_string).collect();
    match (constant.join(" "), &row.default_text) {
        (value, None) => value,
        (value, Some(text)) if value.is_empty() => text.clone(),
        (value, Some(text)) => format!("{value}. {text}"),
    }
}

fn scope(row: &Tunable) -> String {
    let since = row.netns_since.as_deref().map(|since| format!(", since {since}")).unwrap_or_default();
    match (row.scope, row.elsewhere, row.new_netns.as_deref()) {
        (Reach::Netns, _, Some("initial")) => {
            format!("each network namespace by itself{since}; a new one starts with the initial one's value")
        }
        (Reach::Netns, ..) => {
            format!("each network namespace by itself{since}; a new one starts with the kernel's default")
        }
        (Reach::Vnet, ..) => {
            let since = row.vnet_since.as_deref().map(|since| format!("; before {since} the host"));
            format!("the network stack: the host's, or a VNET jail's own{}", since.unwrap_or_default())
        }
        (Reach::Stack, ..) => "the IP stack of a zone: the global zone's, or its own".to_owned(),
        (Reach::Host, Some(Elsewhere::Absent), _) => {
            "the host; absent in other network namespaces".to_owned()
        }
        (Reach::Host, Some(Elsewhere::ReadOnly), _) => {
            "the host; can be read but not written in other network namespaces".to_owned()
        }
        (Reach::Host, Some(Elsewhere::Varies), _) => {
            "the host; absent or read-only in other network namespaces, by kernel release".to_owned()
        }
        (Reach::Host, None, _) => "the host".to_owned(),
    }
}

/// What becomes of other values, where that is not an error.
const fn outside(row: &Tunable) -> &'static str {
    match row.outside {
        Outside::Refused if row.ticks => "less than one tick is refused",
        Outside::Refused => "",
        Outside::Clamped => "becomes the nearest of these, in silence",
        Outside::Ignored => "ignored, in silence",
    }
}

const fn mutability(row: &Tunable) -> &'static str {
    match (row.mutability, row.loader) {
        (Mutability::Live, false) => "at run time",
        (Mutability::Live, true) => "at run time, and by the loader",
        (Mutability::RaiseOnly, false) => "at run time, upwards only",
        (Mutability::RaiseOnly, true) => "at run time, upwards only; both ways by the loader",
        (Mutability::Boot, false) => "at boot",
        (Mutability::Boot, true) => "by the loader, at boot",
        (Mutability::Fixed, _) => "never",
        _ => "",
    }
}

const fn kind(of: Kind) -> &'static str {
    match of {
        Kind::Duration => "duration",
        Kind::Count => "count",
        Kind::Bytes => "bytes",
        Kind::Switch => "switch",
        Kind::Ports => "ports",
        Kind::Native => "number",
        Kind::Text => "text",
    }
}

/// Returns the anchor that a heading gets: letters, digits, `-` and `_` of it.
#[must_use]
pub fn anchor(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, '-' | '_' | ' ');
    heading.trim().to_lowercase().chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect()
}
