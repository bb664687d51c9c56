//! Every line that sets a property at the next boot, and who reads it.

use tune_host::Host;
use tune_host::backend::{BootLine, BootStory};
use tune_host::ipadm_conf::CONF;
use tune_model::Place;
use tune_model::claim::ScopeClaims;

use crate::boot::{NextBoot, Which};
use crate::ground::{Ground, Persists};
use crate::{read, service};

/// Tells how the next boot comes to the value of a tunable.
pub(crate) fn tell(host: &dyn Host, ground: &Ground, related: &[String], tunable: &str) -> BootStory {
    let asked = related.iter().map(String::as_str).chain([tunable]);
    let found = if ground.image { read::Found::default() } else { read::ask(host, ground, asked) };
    let next = NextBoot::of(host, ground, &found, &ScopeClaims::default());
    let decided = next.predict(tunable, Which::AsIs).source;
    let kept = kept(&next, ground, tunable, decided.as_ref());
    let scripts = next.scripts(tunable).map(|set| BootLine {
        place: set.place.clone(),
        value: set.value.clone().unwrap_or_else(|| "what the script computes".to_owned()),
        wins: decided.as_ref() == Some(&set.place),
        note: Some("a start script: whether the line is reached, it decides itself".to_owned()),
    });
    BootStory {
        tool: tool(host, ground),
        lines: kept.into_iter().chain(scripts).collect(),
        ..BootStory::default()
    }
}

fn kept(next: &NextBoot, ground: &Ground, tunable: &str, decided: Option<&Place>) -> Option<BootLine> {
    let lines = next.lines(Which::AsIs);
    let line = next.line_of(&lines, tunable)?;
    let place = line.place.clone().unwrap_or_else(|| Place { file: CONF.into(), line: 0 });
    let wins = decided == Some(&place);
    let refused = next.replay(&lines).refused.remove(tunable);
    let lost =
        || (ground.persistence() == Persists::Service).then(|| "/etc is made anew at each boot".to_owned());
    Some(BootLine { place, value: line.value.trim().to_owned(), wins, note: refused.or_else(lost) })
}

fn tool(host: &dyn Host, ground: &Ground) -> Option<String> {
    match ground.persistence() {
        Persists::Ipadm => Some("ipmgmtd, from what ipadm keeps".to_owned()),
        Persists::Service => service::is_installed(host, ground)
            .then(|| "the service system/tune, which runs tune apply --boot".to_owned()),
        Persists::Nobody => None,
    }
}
