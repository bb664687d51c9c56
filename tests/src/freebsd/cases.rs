//! The values that are tried on a row of the catalog, and the ways of asking for them.

use std::collections::BTreeSet;

use tune_model::Tunable;
use tune_model::catalog::KernelType;

use super::kernel::Kernel;
use super::tool;
use crate::outcome_cases::{Case, Form};

/// Returns every request that is tried on a row: a number exactly, with and without insisting, as a line of a profile
/// and as an argument in turn; and as a bound.
pub fn of_row(row: &Tunable, kernel: &Kernel) -> Vec<Case> {
    let asked = numbers(row, kernel).into_iter().enumerate();
    asked.flat_map(|(at, number)| of_number(&row.name, number, at)).collect()
}

/// The numbers at, below and above every bound, the default and the present value, between ticks, and at the ends of
/// the types.
fn numbers(row: &Tunable, kernel: &Kernel) -> BTreeSet<i128> {
    let bounds = row.allowed.iter().chain(&row.accepted).chain(&row.taken_by_some);
    let mut around: BTreeSet<i128> = bounds.flat_map(|(low, high)| [*low, *high]).collect();
    around.extend([0, i128::from(i32::MAX), i128::from(u32::MAX)]);
    around.extend(&row.default);
    if let Ok(bytes) = kernel.get(&row.name)
        && let Ok(oid) = kernel.oid(&row.name)
    {
        let now: i128 = tool::as_text(oid, &bytes).parse().unwrap_or_default();
        around.extend([now, now * 2, now / 2]);
    }
    let near = |number: &i128| [number - 1, *number, number + 1];
    let mut found: BTreeSet<i128> = around.iter().flat_map(near).collect();
    if row.ticks {
        let between = |number: &i128| [number + 5, number + 10, number - 10];
        found.extend(around.iter().flat_map(between));
    }
    let (low, high) = row.kernel_type.unwrap_or(KernelType::S64).range();
    found.extend([low - 1, low, high, high + 1]);
    found
}

fn of_number(name: &str, number: i128, at: usize) -> [Case; 4] {
    let asking = |form, insist| Case { subject: name.to_owned(), form, insist };
    let line = |key: &str| Form::Profile(format!("[freebsd.sysctl.{name:?}]"), format!("{key} = {number}"));
    let set = Form::Set(format!("{name}={number}"));
    let (one, other) = if at.is_multiple_of(2) { (line("exactly"), set) } else { (set, line("exactly")) };
    [
        asking(one, true),
        asking(other, false),
        asking(line("at_least"), at.is_multiple_of(3)),
        asking(line("at_most"), !at.is_multiple_of(3)),
    ]
}

/// Returns the number that exactly is asked for, where it is one.
pub fn exactly(case: &Case) -> Option<i128> {
    let text = match &case.form {
        Form::Set(argument) => argument.strip_prefix(&format!("{}=", case.subject))?,
        Form::Profile(table, line) if table.starts_with("[freebsd") => line.strip_prefix("exactly = ")?,
        Form::Profile(..) => return None,
    };
    text.parse().ok()
}
