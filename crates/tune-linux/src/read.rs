//! Reading tunables: now, after the next boot, and by default.

use std::collections::BTreeSet;

use tune_host::{Host, ReadError, Scope};
use tune_model::catalog::{Elsewhere, Reach};
use tune_model::claim::ScopeClaims;
use tune_model::reading::{Reading, Readings, Text, Unread};
use tune_model::{Catalog, System, Tunable};

use crate::boot::{self, Key, ToolChoice, Writer, WriterKind};
use crate::defaults::{Ground, numbers};
use crate::next_boot::{NextBoot, Predicted, Start, fields};

/// The key that only the initial network namespace has.
const INITIAL_ONLY: &str = "net.ipv4.tcp_mem";

struct Reader<'a> {
    host: &'a dyn Host,
    initial: bool,
    release: Option<String>,
    ground: Ground<'a>,
    next: Option<NextBoot>,
    writers: Vec<Writer>,
}

pub(crate) fn read(
    host: &dyn Host,
    tools: &ToolChoice,
    tunables: &BTreeSet<String>,
    claims: &ScopeClaims,
) -> Readings {
    let reader = Reader {
        host,
        initial: is_initial(host),
        release: host.identity().release,
        ground: Ground::of(host),
        next: has_boot_layer(host, tools).then(|| NextBoot::of(host, tools, claims)).flatten(),
        writers: boot::writers(host.files()),
    };
    let names: Vec<&str> = tunables.iter().map(String::as_str).collect();
    let texts = host.read_tunables(&names);
    names.iter().zip(texts).map(|(name, text)| ((*name).to_owned(), reader.reading(name, text))).collect()
}

/// Tells whether the scope is the initial network namespace, where the host-wide keys are.
pub(crate) fn is_initial(host: &dyn Host) -> bool {
    matches!(host.scope(), Scope::Image(_)) || host.read_tunables(&[INITIAL_ONLY]).iter().all(Result::is_ok)
}

pub(crate) fn has_boot_layer(host: &dyn Host, tools: &ToolChoice) -> bool {
    !matches!(host.scope(), Scope::Namespace(_)) && tools.boot.is_some()
}

impl Reader<'_> {
    fn reading(&self, name: &str, text: Result<String, ReadError>) -> Reading {
        let row = Catalog::of(System::Linux).get(name);
        let out_of_scope = self.out_of_scope(name, row, &text);
        let live = text.map_err(|error| match (&error, &out_of_scope) {
            // The kernel has it, for the host.
            (ReadError::Missing(_), Some(_)) => {
                Unread::Missing(format!("this network namespace has no {name}"))
            }
            _ => self.unread(&error, row),
        });
        let default = row.and_then(|row| self.ground.default_of(row, live.as_deref().ok()));
        let start = Start { name, row, default: default.as_deref(), live: live.as_deref().ok() };
        let boot = self.predict(&start, |next| &next.as_is);
        let without = self.predict(&start, |next| &next.without_tune);
        let notes = self.notes(&start, row);
        Reading {
            boot: boot.text,
            boot_source: boot.source,
            boot_without_tune: without.text,
            boot_without_tune_source: without.source,
            live,
            default,
            out_of_scope,
            mutability: None,
            notes,
        }
    }

    fn predict(&self, start: &Start<'_>, plan: impl Fn(&NextBoot) -> &boot::BootPlan) -> Predicted {
        match &self.next {
            Some(next) => next.predict(plan(next), start),
            None => Predicted { text: no_boot(self.host), source: None },
        }
    }

    fn out_of_scope(
        &self,
        name: &str,
        row: Option<&Tunable>,
        text: &Result<String, ReadError>,
    ) -> Option<String> {
        let row = row.filter(|_| !self.initial)?;
        let absent = matches!(text, Err(ReadError::Missing(_)));
        // Keys that became per namespace in a later release are the host's in an older one.
        let was_host_wide = absent
            && row.netns_since.as_deref().and_then(numbers) > self.release.as_deref().and_then(numbers);
        if row.scope != Reach::Host && !was_host_wide {
            return None;
        }
        let here = match row.elsewhere {
            _ if absent => "is not there",
            Some(Elsewhere::ReadOnly) => "shows the host's value and cannot be changed",
            _ => "cannot be changed",
        };
        Some(format!("{name} belongs to the host: in this network namespace it {here}"))
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
        let Some(row) = row else { return format!("this kernel has no {name}") };
        let release = self.release.as_deref().unwrap_or("");
        match (&row.module, &row.until, &row.since) {
            (Some(module), ..) => {
                format!("{name} comes with the kernel module {module}, which is not loaded")
            }
            (_, Some(until), _) => format!("{name} was removed after Linux {until}"),
            (_, _, Some(since)) if numbers(since) > numbers(release) => {
                format!("{name} is there since Linux {since}, and this is {release}")
            }
            _ => format!("this kernel ({release}) has no {name}"),
        }
    }

    fn notes(&self, start: &Start<'_>, row: Option<&Tunable>) -> Vec<String> {
        let (Some(next), Ok(key)) = (&self.next, start.name.parse::<Key>()) else { return Vec::new() };
        let module = row.and_then(|row| row.module.as_deref()).and_then(|_| self.late_module(&key));
        let writers = self.writers.iter().filter_map(|writer| named(writer, &key));
        disagreement(next, &key, start).into_iter().chain(module).chain(writers).collect()
    }

    fn late_module(&self, key: &Key) -> Option<String> {
        let module = boot::module_of(self.host.files(), key).filter(|module| module.loaded_by.is_none())?;
        Some(format!(
            "set at boot only if the kernel module {0} is loaded by then: name it in /etc/modules-load.d/{0}.conf",
            module.name
        ))
    }
}

fn no_boot(host: &dyn Host) -> Text {
    Err(Unread::NotApplicable(match host.scope() {
        Scope::Namespace(_) => "a network namespace does not outlive the boot".to_owned(),
        _ => "nothing that applies settings at boot was found here".to_owned(),
    }))
}

/// Says where `sysctl --system` and `systemd-sysctl` would make different values of the same files.
fn disagreement(next: &NextBoot, key: &Key, start: &Start<'_>) -> Option<String> {
    let by_hand = next.by_hand.as_ref()?;
    let found = boot::disagreement(key, &next.as_is, by_hand)?;
    let begin = start.default.or(start.live)?;
    let (boot, other) = found.shown(begin, &fields(start)?)?;
    (boot != other).then(|| {
        let spaced = |text: String| text.replace('\t', " ");
        let winner = found.by_hand.winner.map(|line| format!(" ({})", line.place)).unwrap_or_default();
        format!(
            "run by hand, {} would set {}{winner}, where {} sets {} at boot",
            by_hand.tool,
            spaced(other),
            next.as_is.tool,
            spaced(boot)
        )
    })
}

/// Names a program that writes the key after boot.
pub(crate) fn named(writer: &Writer, key: &Key) -> Option<String> {
    let setting = writer.settings.iter().find(|setting| setting.key == *key)?;
    let who = match writer.kind {
        WriterKind::Tuned => "TuneD's active profile",
        WriterKind::Docker => "Docker",
        WriterKind::Kubernetes => "Kubernetes (kubelet, kube-proxy)",
    };
    let value = setting.value.as_ref().map(|value| format!(" to {value}")).unwrap_or_default();
    let place = setting.place.as_ref().map(|place| format!(", {place}")).unwrap_or_default();
    Some(format!("{who} sets it{value} after boot ({}{place})", writer.evidence.display()))
}
