//! Plans that are tried out first, and undone unless confirmed.

use tune_model::plan::{Plan, Refusal, RefusalKind};
use tune_model::{Finding, Layer, Step, Subject, Verdict};

/// Makes a plan one that can be tried out: what changes the running kernel comes first, and what time or a restart does
/// not undo is refused, whatever else was accepted.
#[must_use]
pub fn for_trial(mut plan: Plan) -> Plan {
    plan.steps.sort_by_key(|step| step.effect.layer() == Layer::Boot);
    plan.refusals.retain(|refusal| refusal.kind != RefusalKind::Irreversible);
    let lasting: Vec<_> = plan.steps.iter().filter_map(lasting).collect();
    plan.refusals.extend(lasting);
    if plan.reboot_required {
        plan.refusals.extend(at_boot_only(&plan));
    }
    plan
}

fn lasting(step: &Step) -> Option<Refusal> {
    let reason = step.irreversible.as_ref()?;
    let subject = step.serves.first().cloned();
    let message = format!("{} cannot be tried out: {reason}", step.effect.target());
    Some(refusal(RefusalKind::Irreversible, subject, message))
}

/// Names what takes hold at the next boot only.
fn at_boot_only(plan: &Plan) -> Vec<Refusal> {
    let mut waiting: Vec<_> = plan.findings.iter().filter(|finding| waits_for_boot(finding, plan)).collect();
    waiting.dedup_by(|one, other| one.subject == other.subject);
    if waiting.is_empty() {
        let message = "part of it takes hold at the next boot only, so it cannot be tried out".to_owned();
        return vec![refusal(RefusalKind::Irreversible, None, message)];
    }
    let told = waiting.into_iter().map(|finding| {
        let message = "it takes hold at the next boot only, so it cannot be tried out".to_owned();
        refusal(RefusalKind::Irreversible, Some(finding.subject.clone()), message)
    });
    told.collect()
}

fn waits_for_boot(finding: &Finding, plan: &Plan) -> bool {
    let serving = |layer| {
        let mut steps = plan.steps.iter().filter(move |step| step.effect.layer() == layer);
        steps.any(|step| step.serves.contains(&finding.subject))
    };
    finding.live == Verdict::NotMet && serving(Layer::Boot) && !serving(Layer::Runtime)
}

fn refusal(kind: RefusalKind, subject: Option<Subject>, message: String) -> Refusal {
    let leave_out = subject.as_ref().map(|subject| format!("leave it out: --except {subject}"));
    let mut hints: Vec<_> = leave_out.into_iter().collect();
    hints.push("or apply it without --confirm-within".to_owned());
    Refusal { kind, subject, message, hints }
}

#[cfg(test)]
mod tests {
    use tune_model::Effect;

    use super::*;

    fn step(effect: Effect, irreversible: Option<&str>) -> Step {
        let irreversible = irreversible.map(ToOwned::to_owned);
        Step { serves: Vec::new(), effect, irreversible, takes_hold: None }
    }

    fn set(irreversible: Option<&str>) -> Step {
        let (before, after) = ("1".to_owned(), "2".to_owned());
        let tunable = "kern.ipc.nmbclusters".to_owned();
        step(Effect::SetTunable { tunable, namespace: None, before, after }, irreversible)
    }

    fn plan(steps: Vec<Step>) -> Plan {
        Plan {
            findings: Vec::new(),
            steps,
            claims: None,
            refusals: Vec::new(),
            conflicts: Vec::new(),
            warnings: Vec::new(),
            changes: Vec::new(),
            reboot_required: false,
        }
    }

    #[test]
    fn what_can_be_tried_out_comes_first() {
        let file = step(Effect::Directory { path: "/etc/x".into(), before: false, after: true }, None);
        let tried = for_trial(plan(vec![file.clone(), set(None)]));
        assert_eq!((tried.steps, tried.refusals), (vec![set(None), file], Vec::new()));
    }

    #[test]
    fn what_lasts_is_refused_whatever_was_accepted() {
        let tried = for_trial(plan(vec![set(Some("it can only be raised"))]));
        assert_eq!(tried.refusals.len(), 1);
        assert!(tried.refusals[0].message.contains("it can only be raised"), "{:?}", tried.refusals);
        let tried = for_trial(Plan { reboot_required: true, ..plan(vec![set(None)]) });
        assert_eq!(tried.refusals[0].kind, RefusalKind::Irreversible);
    }
}
