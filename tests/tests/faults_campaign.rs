//! A sample of the fault campaigns that `.ci/full` runs whole; see `docs/reliability.md`.

use tune_tests::faults::campaign::{Campaign, Extent};
use tune_tests::faults::can_inject;
use tune_tests::faults::power::Cuts;

fn sample(runs: usize) -> Extent {
    Extent { runs: Some(runs), workers: 2, only: String::new(), looking: false }
}

#[test]
fn wholly_old_or_wholly_new_whatever_fails_at_any_call() {
    if !can_inject() {
        return;
    }
    let campaign = Campaign::run(&sample(240));
    let text = campaign.text();
    assert!(campaign.runs() >= 200, "{text}");
    assert!(campaign.missed.is_empty(), "{text}");
    assert!(campaign.violations.is_empty(), "{text}");
}

#[test]
fn wholly_old_or_wholly_new_wherever_the_power_goes() {
    if !can_inject() {
        return;
    }
    let cuts = Cuts::run(&sample(120));
    let text = cuts.text();
    assert!(cuts.tried() >= 100, "{text}");
    assert!(cuts.violations.is_empty(), "{text}");
}
