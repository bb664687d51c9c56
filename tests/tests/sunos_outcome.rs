//! Every tunable of illumos and Solaris at the edges of what is safe, of what all kernels take, and of what the kernel at
//! hand takes: what `tune` calls fine is so, at once and after a restart; what it refuses it refuses before any change.
#![allow(clippy::print_stdout)] // The counts are of interest.

use std::collections::BTreeSet;

use tune_engine::Options;
use tune_model::{Catalog, System, Tunable};
use tune_tests::sunos::lab::{Lab, Stop, line};
use tune_tests::sunos::{Model, Setup};

/// The numbers at, below and above every bound.
fn numbers(row: &Tunable, range: Option<(i128, i128)>) -> BTreeSet<i128> {
    let bounds = row.allowed.iter().chain(&row.accepted).chain(&row.taken_by_some);
    let bounds = bounds.map(|bounds| (bounds.0, bounds.1)).chain(range);
    let ends = bounds.flat_map(|(low, high)| [low, high]).chain(row.default.iter().copied());
    let near = ends.flat_map(|end| [end - 1, end, end + 1]);
    near.chain([0, -1, i128::from(u32::MAX), i128::from(u32::MAX) + 1]).collect()
}

#[derive(Debug, Default)]
struct Tally {
    cases: usize,
    applied: usize,
    refused: usize,
    /// In the kernel's range and refused all the same.
    strict: Vec<String>,
    wrong: Vec<String>,
}

fn attempt(lab: &Lab, row: &Tunable, number: i128, range: Option<(i128, i128)>, tally: &mut Tally) {
    let (tunable, what) = (row.name.as_str(), format!("{} = {number}", row.name));
    lab.renew();
    lab.machine.forget_calls();
    let keeps = lab.machine.setup().keeps_values();
    let options = Options { runtime_only: !keeps, ..Options::default() };
    tally.cases += 1;
    let is = |found: Option<String>| found.as_deref() == Some(number.to_string().as_str());
    match lab.ask(&line(tunable, &format!("exactly = {number}")), &options) {
        Err(Stop::Failed(why)) => tally.wrong.push(format!("{what}: {why}")),
        Err(Stop::Refused(_)) => {
            tally.refused += 1;
            if range.is_some_and(|(low, high)| (low..=high).contains(&number)) {
                tally.strict.push(what.clone());
            }
            let changes =
                |call: &Vec<String>| call.iter().any(|word| ["set-prop", "-set"].contains(&word.as_str()));
            if let Some(call) = lab.machine.calls().iter().find(|call| changes(call)) {
                tally.wrong.push(format!("{what}: refused after {call:?}"));
            }
        }
        Ok(_) => {
            tally.applied += 1;
            if !is(lab.live(tunable)) {
                tally.wrong.push(format!("{what}: it is {:?}", lab.live(tunable)));
            }
            lab.machine.reboot();
            if keeps && !is(lab.live(tunable)) {
                tally.wrong.push(format!("{what}: it is {:?} after a restart", lab.live(tunable)));
            }
        }
    }
}

#[test]
fn what_is_called_fine_is_so_and_what_is_refused_is_refused_first() {
    for model in Model::ALL {
        let lab = Lab::of(&Setup::of(*model));
        let mut tally = Tally::default();
        for row in Catalog::of(System::Solaris).iter().filter(|row| lab.live(&row.name).is_some()) {
            let range = if model.has_ipadm() { lab.range(&row.name) } else { None };
            for number in numbers(row, range) {
                attempt(&lab, row, number, range, &mut tally);
            }
        }
        let Tally { cases, applied, refused, strict, wrong } = tally;
        println!(
            "{}: {cases} cases, {applied} applied, {refused} refused, of these in the kernel's range: {strict:?}",
            model.name()
        );
        assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong[..wrong.len().min(20)].join("\n"));
        assert!(applied * 4 > cases && refused * 10 > cases, "{}", model.name());
    }
}
