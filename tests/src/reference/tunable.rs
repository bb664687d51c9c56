//! The page of a system's tunables: every row of its catalog.

use std::fmt::{self, Write};

use tune_model::catalog::{Elsewhere, FAMILIES, Mutability, Outside, Reach, Tunable, Variant};
use tune_model::{Catalog, System};

/// What stands above the tunables of a system.
const LINUX: &str = "\
All `tcp_*` keys govern TCP over IPv6 too. A key under `net.netfilter` needs its module. [linux.md](../linux.md) tells what the
values do.";
const FREEBSD: &str = "\
All `net.inet.tcp` keys govern TCP over IPv6 too. Times are kept in ticks of `kern.hz`: 10 ms in a virtual machine as
installed, 1 ms elsewhere. A tunable that is not changed by the loader has no effect in loader.conf.
[freebsd.md](../systems/freebsd.md) tells what the values do and how sure that is.";
const SOLARIS: &str = "\
A name is `ipadm`, the protocol and the property. A leading underscore marks a private property, which may change or go
in any release. What stands here is the main line of illumos; where OpenSolaris of 2010-08, Solaris 11 or Solaris 10
differ, or nobody could tell, their own line says so. Distributions change defaults: what `ipadm` shows as DEFAULT counts.
[illumos-solaris.md](../systems/illumos-solaris.md) tells what the values do and how sure that is.";

/// Returns the page of a system.
pub(super) fn page(system: System) -> Result<String, fmt::Error> {
    let mut page = format!("{}\n# Tunables of {}\n", super::ANEW, system.title());
    let intro = match system {
        System::Linux => LINUX,
        System::FreeBsd => FREEBSD,
        System::Solaris => SOLARIS,
    };
    writeln!(page, "\n{intro}\n")?;
    writeln!(
        page,
        "*Allowed* is what a profile may ask for without `--allow-unsafe`, *accepted* what every supported"
    )?;
    writeln!(page, "kernel takes. The portable [settings](../settings.md) are made of these.")?;
    Catalog::of(system).iter().try_for_each(|row| write_tunable(&mut page, row))?;
    Ok(page)
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
pub(super) fn ranges(of: &[(i128, i128)]) -> String {
    let mut shown: Vec<_> = of.iter().map(|(low, high)| format!("{low} to {high}")).collect();
    shown.dedup();
    shown.join("; ")
}

pub(super) fn default(row: &Tunable) -> String {
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

pub(super) const fn mutability(row: &Tunable) -> &'static str {
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
