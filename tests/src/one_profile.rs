//! What one profile becomes on every system, as a page.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use tune_engine::{Engine, Fresh, Options};
use tune_model::rendering::{Assignment, Rendering};
use tune_model::{Finding, Setting, Status, Subject, Verdict};
use tune_solaris::Family;

/// The memory of the host that is thought of: some bounds depend on it.
const RAM: u64 = 8 << 30;
const PROFILE: &str = "web-server";

/// Returns the page.
///
/// # Panics
///
/// When the profile cannot be rendered for a system.
#[must_use]
pub fn one_profile_page() -> String {
    let mut page = String::new();
    write_page(&mut page).expect("a text takes everything");
    page
}

fn write_page(page: &mut String) -> fmt::Result {
    write!(
        page,
        "# One profile, all systems\n\n\
         What the built-in profile `{PROFILE}` becomes on a freshly installed host with 8 GiB of memory, by system: the\n\
         native name, the value in the system's own unit, and in brackets what it amounts to. Where nothing is set, what\n\
         the system has as it is installed, or why nothing can be set. `tune render {PROFILE} --for SYSTEM` prints the\n\
         commands. This page is made from the catalogs; `UPDATE_DOCS=1 cargo test -p tune-tests --test docs` writes it\n\
         anew.\n"
    )?;
    let rendered: Vec<(Fresh, Rendering)> = Fresh::ALL.iter().map(|fresh| (*fresh, render(*fresh))).collect();
    let mut subjects: Vec<Subject> = Vec::new();
    for (_, rendering) in &rendered {
        for finding in &rendering.plan.findings {
            if matches!(finding.subject, Subject::Setting(_)) && !subjects.contains(&finding.subject) {
                subjects.push(finding.subject.clone());
            }
        }
    }
    subjects.sort();
    for subject in subjects {
        write!(page, "\n## {subject}\n\n| system | wanted | set |\n| --- | --- | --- |\n")?;
        for (fresh, rendering) in &rendered {
            let found = rendering.plan.findings.iter().find(|finding| finding.subject == subject);
            let wanted = found.map_or_else(|| "-".to_owned(), |finding| finding.wanted.to_string());
            let cell =
                found.map_or_else(|| not_asked_for(*fresh, &subject), |finding| cell(rendering, finding));
            let confirmed = if *fresh == Fresh::Solaris(Family::Solaris11) && cell.ends_with("as installed") {
                ", which nobody could confirm"
            } else {
                ""
            };
            writeln!(page, "| {} | {wanted} | {cell}{confirmed} |", fresh.title())?;
        }
    }
    Ok(())
}

fn not_asked_for(fresh: Fresh, subject: &Subject) -> String {
    let merged = [Setting::KeepaliveInterval, Setting::KeepaliveProbes].map(Subject::Setting);
    if matches!(fresh, Fresh::Solaris(_)) && merged.contains(subject) {
        return format!("a part of {}: the split is lost", Setting::KeepaliveAbort);
    }
    "not asked for".to_owned()
}

fn render(fresh: Fresh) -> Rendering {
    let (host, backend) = fresh.host(Some(RAM));
    let engine = Engine { backend: &*backend, host: &host };
    let library = tune_model::profile::BuiltIn;
    let resolved = tune_model::profile::resolve(&library, tune_model::Catalog::of, PROFILE, fresh.system());
    let profile = resolved.unwrap_or_else(|error| panic!("{PROFILE} on {}: {error:?}", fresh.name())).profile;
    let rendering = engine.render(&[profile], &Options::default());
    let rendering = rendering.unwrap_or_else(|error| panic!("{PROFILE} on {}: {error}", fresh.name()));
    assert!(rendering.plan.refusals.is_empty(), "{:?}", rendering.plan.refusals);
    rendering
}

fn cell(rendering: &Rendering, finding: &Finding) -> String {
    let set: Vec<&Assignment> =
        rendering.assignments.iter().filter(|line| line.serves.contains(&finding.subject)).collect();
    let amount = rendering.amounts.get(&finding.subject).map(|amount| amount.effective.to_string());
    if set.is_empty() {
        return nothing_set(finding, amount.as_deref());
    }
    let units: BTreeMap<&str, String> = set.iter().map(|line| (line.tunable.as_str(), unit(line))).collect();
    let lines = set.iter().map(|line| {
        let name = line.property.as_ref().map_or_else(|| line.tunable.clone(), ToString::to_string);
        format!("`{name}` = {}{}", line.value, units[line.tunable.as_str()])
    });
    let amount = amount.map(|amount| format!(" ({amount})")).unwrap_or_default();
    format!("{}{amount}", lines.collect::<Vec<_>>().join(", "))
}

fn unit(line: &Assignment) -> String {
    let systems = tune_model::System::ALL.iter();
    let row = systems.filter_map(|system| tune_model::Catalog::of(*system).get(&line.tunable)).next();
    match row.map(|row| row.unit.as_str()) {
        Some("flag") | None => String::new(),
        Some(unit) => format!(" {unit}"),
    }
}

fn nothing_set(finding: &Finding, amount: Option<&str>) -> String {
    match (finding.status, finding.boot) {
        (Status::Unsupported, _) => {
            let note = finding.notes.last().map_or("there is none", String::as_str);
            format!("nothing: {note}")
        }
        (_, Verdict::Met) => format!("nothing: {} as installed", amount.unwrap_or("as wanted")),
        _ => "nothing, unless the host's own choice is outside: it is computed at the start".to_owned(),
    }
}
