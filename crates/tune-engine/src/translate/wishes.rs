//! What profiles require of each setting, all of them together.

use std::collections::BTreeMap;

use tune_model::plan::{Refusal, RefusalKind};
use tune_model::profile::{Requirement, Scale, Wanted};
use tune_model::{Limits, Profile, Setting, Subject};

use crate::Options;

/// What is required of one setting.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    pub setting: Setting,
    wanted: Vec<(String, Wanted)>,
    pub why: Option<String>,
}

/// Returns what the profiles require of the selected settings.
pub(super) fn wishes(profiles: &[Profile], options: &Options) -> Result<Vec<Wish>, Vec<Refusal>> {
    let mut found: BTreeMap<Setting, Wish> = BTreeMap::new();
    for profile in profiles {
        for required in profile.requirements.iter().filter(|required| options.selects(&required.subject)) {
            if let Subject::Setting(setting) = required.subject {
                add(&mut found, setting, profile, required);
            }
        }
    }
    let wishes: Vec<_> = found.into_values().collect();
    // Whether bounds exclude each other does not depend on how much memory there is but for those that scale with it.
    let refusals: Vec<_> = wishes.iter().filter_map(|wish| wish.contradiction(None)).collect();
    if refusals.is_empty() { Ok(wishes) } else { Err(refusals) }
}

fn add(found: &mut BTreeMap<Setting, Wish>, setting: Setting, profile: &Profile, required: &Requirement) {
    let wish = found.entry(setting).or_insert_with(|| Wish { setting, wanted: Vec::new(), why: None });
    wish.wanted.push((profile.name.clone(), required.wanted.clone()));
    if wish.why.is_none() {
        wish.why.clone_from(&required.why);
    }
}

impl Wish {
    /// Tells whether nothing but the system's own default is asked for.
    pub fn is_default(&self) -> bool {
        self.wanted.iter().all(|(_, wanted)| *wanted == Wanted::VendorDefault)
    }

    /// Returns the bounds; none where the default is asked for.
    ///
    /// # Errors
    ///
    /// Says that the memory has to be stated, or that profiles exclude each other.
    pub fn limits(&self, ram: Option<u64>) -> Result<Option<Limits>, Refusal> {
        if ram.is_none() && self.wanted.iter().any(|(_, wanted)| wanted.scales()) {
            return Err(self.refusal(
                RefusalKind::Unreadable,
                format!("{} depends on the memory of the machine, which is not known", self.setting),
                "state it: --ram 16GiB",
            ));
        }
        match self.contradiction(ram) {
            Some(refusal) => Err(refusal),
            None => Ok(self.joined(ram)),
        }
    }

    fn joined(&self, ram: Option<u64>) -> Option<Limits> {
        let scale = Scale { ram: ram.unwrap_or(0), page: 4096 };
        let mut all = self.wanted.iter().filter_map(|(_, wanted)| wanted.limits(scale));
        let first = all.next()?;
        all.try_fold(first, |joined, limits| joined.intersect(&limits))
    }

    fn contradiction(&self, ram: Option<u64>) -> Option<Refusal> {
        let known = self.wanted.iter().filter(|(_, wanted)| ram.is_some() || !wanted.scales()).cloned();
        let known = Self { wanted: known.collect(), ..self.clone() };
        let bounds = known.wanted.iter().any(|(_, wanted)| *wanted != Wanted::VendorDefault);
        if !bounds || known.joined(ram).is_some() {
            return None;
        }
        let profiles: Vec<_> = known.wanted.iter().map(|(profile, _)| profile.as_str()).collect();
        let message = format!("{} exclude each other on {}", profiles.join(" and "), self.setting);
        Some(self.refusal(RefusalKind::Contradiction, message, "name one of the profiles only"))
    }

    fn refusal(&self, kind: RefusalKind, message: String, hint: &str) -> Refusal {
        Refusal { kind, subject: Some(Subject::Setting(self.setting)), message, hints: vec![hint.to_owned()] }
    }
}
