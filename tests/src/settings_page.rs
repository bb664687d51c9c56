//! The page of settings, made from the settings and the catalog.

use std::fmt::{self, Write};

use tune_host::{Backend, FakeHost, Provision};
use tune_linux::Linux;
use tune_model::catalog::{Elsewhere, Mutability, Reach, Tunable};
use tune_model::{Catalog, Kind, Setting, System};

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

fn write_page(page: &mut String) -> fmt::Result {
    let linux = Linux::on(&FakeHost::new());
    let catalog = Catalog::of(System::Linux);
    contents(page, &linux)?;
    for setting in Setting::ALL {
        write_setting(page, *setting, &linux.provision(*setting))?;
    }
    page.push_str("\n# Tunables of Linux\n");
    page.push_str(
        "\nAll `tcp_*` keys govern TCP over IPv6 too. A key under `net.netfilter` needs its module.\n",
    );
    catalog.iter().try_for_each(|row| write_tunable(page, row))
}

fn contents(page: &mut String, linux: &Linux) -> fmt::Result {
    page.push_str("\n| setting | kind | on Linux |\n| --- | --- | --- |\n");
    for setting in Setting::ALL {
        let name = setting.name();
        let of = provided(&linux.provision(*setting));
        writeln!(page, "| [{name}](#{}) | {} | {of} |", anchor(name), kind(setting.kind()))?;
    }
    Ok(())
}

fn write_setting(page: &mut String, setting: Setting, provision: &Provision) -> fmt::Result {
    writeln!(page, "\n## {setting}\n\n{} Takes {}.\n", setting.meaning(), setting.kind().expected())?;
    match provision {
        Provision::None => writeln!(page, "Linux has none. What bounds it there: {}.", setting.stands_in())?,
        Provision::Fixed(value) => writeln!(page, "Linux: always {value}.")?,
        Provision::Derived(_) => {
            writeln!(
                page,
                "Linux: follows from {}; judged by itself, changed through them.",
                provided(provision)
            )?;
        }
        _ => writeln!(page, "Linux: {}.", provided(provision))?,
    }
    Ok(())
}

fn provided(provision: &Provision) -> String {
    match provision {
        Provision::None => "none".to_owned(),
        Provision::Fixed(value) => format!("always {value}"),
        _ => {
            let link = |name: &str, text: String| format!("[`{text}`](#{})", anchor(name));
            let slots = provision.slots().iter();
            slots.map(|slot| link(&slot.tunable, slot.to_string())).collect::<Vec<_>>().join(", ")
        }
    }
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
        ("unit", row.unit.clone()),
        ("fields", row.fields.join(", ")),
        ("allowed", ranges(&row.allowed)),
        ("accepted", ranges(&row.accepted)),
        ("default", default(row)),
        ("changed", mutability(row.mutability).to_owned()),
        ("reaches", row.takes_hold.words().to_owned()),
        ("scope", scope(row)),
        ("module", some(&row.module)),
        ("since", some(&row.since)),
        ("until", some(&row.until)),
    ];
    all.into_iter().filter(|(_, text)| !text.is_empty()).collect()
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
        (Reach::Vnet, ..) => "the network stack: the host's, or a VNET jail's own".to_owned(),
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

const fn mutability(of: Mutability) -> &'static str {
    match of {
        Mutability::Live => "at run time",
        Mutability::RaiseOnly => "at run time, upwards only",
        Mutability::Boot => "at boot",
        Mutability::Fixed => "never",
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
