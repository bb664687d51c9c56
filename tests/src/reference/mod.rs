//! The reference, made from the settings and the catalog: a page for each setting, one for the tunables of each system, and
//! the table that leads to them.

mod setting;
mod tunable;

use std::fmt::{self, Write};

use tune_freebsd::FreeBsd;
use tune_host::{Backend, FakeHost, Provision};
use tune_linux::Linux;
use tune_model::{Kind, Setting, Slot, System};
use tune_solaris::Solaris;

/// For those who would change a page by hand.
const ANEW: &str = "<!-- Made from the catalog: UPDATE_DOCS=1 cargo test -p tune-tests --test docs -->";

const HEAD: &str = "\
# Settings

A setting is one thing under one name on every system; behind it are the tunables of each. `tune explain NAME` tells of
a setting or a tunable on a host, with its present values. All tunables: of [Linux](tunables/linux.md),
[FreeBSD](tunables/freebsd.md), [illumos and Solaris](tunables/illumos-solaris.md).
";

/// Returns the pages, each with its place in the project.
#[must_use]
pub fn pages() -> Vec<(String, String)> {
    // Writing to a text does not fail.
    write_pages().unwrap_or_default()
}

fn write_pages() -> Result<Vec<(String, String)>, fmt::Error> {
    let host = FakeHost::new();
    let backends: [&dyn Backend; 3] = [&Linux::on(&host), &FreeBsd::on(&host), &Solaris::on(&host)];
    let mut pages = vec![("docs/settings.md".to_owned(), contents(&backends)?)];
    for setting in Setting::ALL {
        pages.push((format!("docs/settings/{setting}.md"), setting::page(*setting, &backends)?));
    }
    for backend in backends {
        let system = backend.system();
        pages.push((format!("docs/tunables/{}.md", file(system)), tunable::page(system)?));
    }
    Ok(pages)
}

const fn file(system: System) -> &'static str {
    match system {
        System::Linux => "linux",
        System::FreeBsd => "freebsd",
        System::Solaris => "illumos-solaris",
    }
}

fn contents(systems: &[&dyn Backend]) -> Result<String, fmt::Error> {
    let mut page = format!("{ANEW}\n{HEAD}");
    let titles: String =
        systems.iter().map(|backend| format!(" on {} |", backend.system().title())).collect();
    write!(page, "\n| setting | kind |{titles}\n| --- | --- |{}\n", " --- |".repeat(systems.len()))?;
    for setting in Setting::ALL {
        let of = systems.iter().map(|backend| format!(" {} |", provided(*backend, *setting, "tunables")));
        let of: String = of.collect();
        writeln!(page, "| [{setting}](settings/{setting}.md) | {} |{of}", kind(setting.kind()))?;
    }
    Ok(page)
}

/// Says what a setting is on a system; `tunables` is where the pages of tunables are.
fn provided(backend: &dyn Backend, setting: Setting, tunables: &str) -> String {
    match backend.provision(setting) {
        Provision::None => "none".to_owned(),
        Provision::Fixed(value) => format!("always {value}"),
        provision => linked(backend, provision.slots(), tunables),
    }
}

fn linked(backend: &dyn Backend, slots: &[Slot], tunables: &str) -> String {
    let page = file(backend.system());
    let link = |slot: &Slot| format!("[`{slot}`]({tunables}/{page}.md#{})", anchor(&slot.tunable));
    slots.iter().map(link).collect::<Vec<_>>().join(", ")
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
