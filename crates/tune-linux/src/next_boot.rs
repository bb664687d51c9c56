//! What the next boot makes of a tunable, with what `tune` wrote and without.

use std::path::Path;

use tune_host::{Files, Host, Overlay};
use tune_model::claim::ScopeClaims;
use tune_model::reading::{Text, Unread};
use tune_model::tunable::{integers, merged_list};
use tune_model::{Place, Tunable};

use crate::boot::{
    self, BootPlan, CommandLineSetting, Commit, Decision, Fields, Key, Outcome, ToolChoice,
    command_line_settings,
};
use crate::keeps;
use crate::permitted::BOOT_FILE;

/// What will be read at the next boot, as it stands and as it would be without `tune`.
pub(crate) struct NextBoot {
    pub(crate) as_is: BootPlan,
    pub(crate) without_tune: BootPlan,
    pub(crate) by_hand: Option<BootPlan>,
    forecast: Forecast,
}

/// Tells what comes of a reading of the boot files.
pub(crate) struct Forecast {
    command_line: Vec<CommandLineSetting>,
    page: u64,
}

/// Where a prediction starts: the tunable, its default and its present value.
pub(crate) struct Start<'a> {
    pub(crate) name: &'a str,
    pub(crate) row: Option<&'a Tunable>,
    pub(crate) default: Option<&'a str>,
    pub(crate) live: Option<&'a str>,
}

/// A value that the next boot makes, and the line that decides it.
pub(crate) struct Predicted {
    pub(crate) text: Text,
    pub(crate) source: Option<Place>,
}

impl Predicted {
    fn kept(self, tunable: &str, page: u64) -> Self {
        Self { text: self.text.map(|text| keeps::kept(tunable, text, page)), ..self }
    }
}

impl NextBoot {
    /// Reads the boot files; `None` where nothing applies settings at boot.
    pub(crate) fn of(host: &dyn Host, tools: &ToolChoice, claims: &ScopeClaims) -> Option<Self> {
        let files = host.files();
        let tool = tools.boot?;
        let as_is = BootPlan::read(files, tool);
        let without_tune = match without_tune(files, claims) {
            Some(overlay) => BootPlan::read(&overlay, tool),
            None => as_is.clone(),
        };
        let by_hand = tools.by_hand.map(|other| BootPlan::read(files, other));
        Some(Self { as_is, without_tune, by_hand, forecast: Forecast::of(files, host.page_size()) })
    }

    /// Predicts a tunable under one reading of the boot files.
    pub(crate) fn predict(&self, plan: &BootPlan, start: &Start<'_>) -> Predicted {
        self.forecast.predict(plan, start)
    }
}

impl Forecast {
    pub(crate) fn of(files: &dyn Files, page: u64) -> Self {
        let command_line = files.read(Path::new("/proc/cmdline")).unwrap_or_default();
        Self { command_line: command_line_settings(&String::from_utf8_lossy(&command_line)), page }
    }

    /// Predicts a tunable under one reading of the boot files.
    pub(crate) fn predict(&self, plan: &BootPlan, start: &Start<'_>) -> Predicted {
        let unclear = |reason: String| Predicted { text: Err(Unread::Unclear(reason)), source: None };
        let Ok(key) = start.name.parse::<Key>() else {
            return unclear(format!("{} is no name of a tunable", start.name));
        };
        let (named, aliased) = (boot::decide(&key, plan), by_alias(start.name, plan));
        let decision = match aliased {
            Some(other) if named.writes.is_empty() => other,
            Some(_) => return unclear(format!("{} is set under both of its names", start.name)),
            None => named,
        };
        if let Some(problem) = plan.unseen().next() {
            return unclear(problem.to_string());
        }
        if start.row.is_some_and(Tunable::is_text) {
            return text_value(&decision, start.default);
        }
        if depends_on_kernel(&decision, start) {
            let name = start.name;
            return unclear(format!(
                "whether this kernel takes the value that a line gives {name} cannot be told"
            ));
        }
        match (self.beginning(&key, start), decision.writes.is_empty()) {
            (Some((text, _)), true) => Predicted { text: Ok(text), source: None },
            (None, true) => {
                let reason = format!("the kernel computes {} when it starts", start.name);
                Predicted { text: Err(Unread::Computed(reason)), source: None }
            }
            (beginning, false) => written(&decision, beginning.map(|(text, _)| text).as_deref(), start)
                .map(|found| found.kept(start.name, self.page))
                .unwrap_or_else(|| {
                    unclear(format!("what the lines for {} leave of its default is not known", start.name))
                }),
        }
    }

    /// Returns the value before any file is read: the default, or what the kernel command line says.
    fn beginning(&self, key: &Key, start: &Start<'_>) -> Option<(String, bool)> {
        let said = self.command_line.iter().rev().find(|setting| setting.key == *key);
        let Some(said) = said else { return start.default.map(|text| (text.to_owned(), false)) };
        let fields = fields(start)?;
        let from = start.default.or(start.live)?;
        boot::predict(from, [said.value.as_bytes()], &fields).map(|found| (found.shown, true))
    }
}

/// Follows the lines that are written; without a known default one of them must set every field.
fn written(decision: &Decision<'_>, beginning: Option<&str>, start: &Start<'_>) -> Option<Predicted> {
    let fields = fields(start)?;
    let from =
        beginning.or(start.live).map_or_else(|| vec!["0"; fields.ranges.len()].join("\t"), str::to_owned);
    let found = decision.predict(&from, &fields)?;
    let whole = |outcome: &Outcome| matches!(outcome, Outcome::Accepted { fields: given, .. } if *given >= fields.ranges.len());
    if beginning.is_none() && !found.outcomes.iter().any(whole) {
        return None;
    }
    let source = decision.effective(&from, &fields).map(|line| place(&line.place));
    Some(Predicted { text: Ok(found.shown), source })
}

/// Returns what is decided for the other name of a tunable that has two, where a line sets that.
fn by_alias<'p>(tunable: &str, plan: &'p BootPlan) -> Option<Decision<'p>> {
    let other = keeps::alias(tunable)?;
    Some(boot::decide(&other.parse().ok()?, plan)).filter(|decision| !decision.writes.is_empty())
}

/// Tells whether one supported kernel would take a line that another refuses.
fn depends_on_kernel(decision: &Decision<'_>, start: &Start<'_>) -> bool {
    let Some((row, narrow)) = start.row.filter(|row| !row.taken_by_some.is_empty()).zip(fields(start)) else {
        return false;
    };
    let ranges = row.taken_by_some.iter().map(|(low, high)| *low..=*high).collect::<Vec<_>>();
    let wide = Fields { signed: true, ranges, commit: narrow.commit };
    let zeros = vec!["0"; narrow.ranges.len()].join("\t");
    let from = start.default.or(start.live).unwrap_or(&zeros);
    let shown = |fields| decision.predict(from, fields).map(|found| found.shown);
    shown(&narrow) != shown(&wide)
}

fn text_value(decision: &Decision<'_>, default: Option<&str>) -> Predicted {
    match decision.winner {
        Some(line) => Predicted { text: Ok(shown_list(line)), source: Some(place(&line.place)) },
        None => {
            let unclear = || Unread::Unclear("its default is not known".to_owned());
            Predicted { text: default.map(str::to_owned).ok_or_else(unclear), source: None }
        }
    }
}

/// Returns a list as the kernel will show it.
pub(crate) fn shown_list(line: &boot::Assignment) -> String {
    let text = line.value_text();
    merged_list(text.trim()).unwrap_or(text)
}

pub(crate) fn place(found: &boot::Place) -> Place {
    Place { file: found.file.clone(), line: found.line }
}

/// Returns the integers of a tunable as the kernel reads them; nothing for a list.
pub(crate) fn fields(start: &Start<'_>) -> Option<Fields> {
    const UNPRIVILEGED: u16 = 1024;
    if start.name == "net.ipv4.ip_local_port_range" {
        return Some(Fields::port_range(UNPRIVILEGED));
    }
    match start.row {
        Some(row) if row.is_text() => None,
        Some(row) if !row.accepted.is_empty() => {
            let ranges: Vec<_> = row.accepted.iter().map(|(low, high)| *low..=*high).collect();
            let signed = row.accepted.iter().any(|(low, _)| *low < 0);
            Some(Fields { ranges, signed, commit: Commit::Each })
        }
        _ => {
            let width = integers(start.live?)?.len();
            Some(Fields::signed(width, i128::from(i32::MIN)..=i128::from(i32::MAX)))
        }
    }
}

/// Takes away what `tune` wrote; `None` where there is nothing of the kind.
fn without_tune<'a>(files: &'a dyn Files, claims: &ScopeClaims) -> Option<Overlay<'a>> {
    let lines: Vec<_> = claims.boot.values().flat_map(|holding| &holding.taken_over).collect();
    // Also one that is not as it was left, or whose claims are lost: nobody else writes under that name.
    let ours = files.kind(Path::new(BOOT_FILE)).is_ok();
    if !ours && lines.is_empty() {
        return None;
    }
    let mut overlay = Overlay::new(files);
    if ours {
        overlay.set(BOOT_FILE, None);
    }
    for line in lines {
        if let Ok(content) = overlay.read(&line.path)
            && let Ok(restored) = boot::restore(&content, line.line.as_bytes())
        {
            overlay.set(&line.path, Some(restored));
        }
    }
    Some(overlay)
}
