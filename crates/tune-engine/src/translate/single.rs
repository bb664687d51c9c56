//! Settings that have a number of their own.

use tune_model::legacy::{Amount, Assignment, Part, Row, Unit, Way};
use tune_model::plan::RefusalKind;
use tune_model::{Effective, Kind, Limits, Quantity, Setting, Verdict};

use super::wishes::Wish;
use super::{Draft, Means, On, Why, exactly};

/// The numbers that stand for something where a system's range was not read.
const USUAL: (i128, i128) = (1, i32::MAX as i128);

impl On<'_> {
    /// Translates a requirement by itself.
    pub(super) fn single(&self, wish: &Wish, draft: &mut Draft) {
        let Some(row) = self.row(wish.setting) else {
            let reason = format!("nothing is known of it on {}", self.release.title);
            return draft.leave_out(wish.setting, Why { reason, stands_in: None, unverified: false });
        };
        if wish.is_default() {
            return draft.out.shipped.push(as_shipped(wish.setting, Limits::default(), row));
        }
        match row.way {
            Way::Tunable => match self.means(row) {
                Err(why) => draft.leave_out(wish.setting, why),
                Ok(means) => self.set(wish, row, &means, draft),
            },
            _ => self.judge(wish, row, draft),
        }
    }

    /// Holds what cannot be set against what is required.
    fn judge(&self, wish: &Wish, row: &'static Row, draft: &mut Draft) {
        let reason = |bound: &str| Why {
            reason: format!("{}{bound}", self.no_knob(row)),
            stands_in: row.bounded_by.clone(),
            unverified: false,
        };
        match wish.limits(self.asked.ram) {
            Ok(Some(limits)) if row.way == Way::Fixed && shipped(&limits, row) == Verdict::Met => {
                draft.out.shipped.push(as_shipped(wish.setting, limits, row));
            }
            Ok(Some(limits)) if row.way == Way::Fixed && row.default_amount().is_some() => {
                let fixed = row.default_amount().map(|value| value.to_string()).unwrap_or_default();
                draft.leave_out(wish.setting, reason(&format!(", {fixed}; wanted: {limits}")));
            }
            _ => draft.leave_out(wish.setting, reason("")),
        }
    }

    fn set(&self, wish: &Wish, row: &'static Row, means: &Means, draft: &mut Draft) {
        let limits = match wish.limits(self.asked.ram) {
            Ok(Some(limits)) => limits,
            Ok(None) => return,
            Err(refusal) => return draft.refusals.push(refusal),
        };
        if shipped(&limits, row) == Verdict::Met && row.mark_of(Part::Default).is_confirmed() {
            return draft.out.shipped.push(as_shipped(wish.setting, limits, row));
        }
        match chosen(row, &limits) {
            Ok(value) => draft.out.assignments.push(self.assignment(row, means, value, Some(&limits))),
            Err(reason) => {
                let message = format!("{} on {}: {reason}", wish.setting, self.release.title);
                let hint = format!("leave it out: --except {}", wish.setting);
                draft.refuse(RefusalKind::NotStorable, wish.setting, message, &[&hint]);
            }
        }
    }

    pub(super) fn assignment(
        &self,
        row: &'static Row,
        means: &Means,
        value: i128,
        limits: Option<&Limits>,
    ) -> Assignment {
        let unit = row.unit.unwrap_or(Unit::Count);
        Assignment {
            row,
            tool: means.tool,
            value,
            amounts_to: exactly(unit.amount(row.setting.kind(), value)),
            serves: vec![row.setting],
            leave: limits.map(|limits| left_alone(row, unit, limits)),
            verified: means.verified,
        }
    }
}

/// Returns the default held against bounds.
fn shipped(limits: &Limits, row: &Row) -> Verdict {
    let never = row.zero_is_never && row.default == Some(0);
    let effective = match row.default_amount() {
        _ if never => Effective::Unbounded,
        Some(amount) => Effective::Exact(amount),
        None => Effective::Unknown(String::new()),
    };
    limits.judge(&effective)
}

pub(super) fn as_shipped(setting: Setting, wanted: Limits, row: &Row) -> Amount {
    let effective = match row.default_amount() {
        _ if row.zero_is_never && row.default == Some(0) => Effective::Unbounded,
        Some(amount) => Effective::Exact(amount),
        None => Effective::Unknown("not known".to_owned()),
    };
    let always = row.way == Way::Fixed && row.default.is_some();
    let by = if always { "always" } else { "as the system ships it" };
    Amount { setting, wanted, effective, by: by.to_owned() }
}

/// Returns the numbers that may be asked for: never the 0 that switches a timer off.
pub(super) fn range(row: &Row) -> (i128, i128) {
    let (low, high) = row.range.unwrap_or(USUAL);
    if row.setting.kind() == Kind::Switch { (0, 1) } else { (low.max(1), high) }
}

/// Returns the number that satisfies the bounds, as near to what is preferred or shipped as they allow.
fn chosen(row: &Row, limits: &Limits) -> Result<i128, String> {
    let unit = row.unit.ok_or("its unit is not known")?;
    let kind = row.setting.kind();
    let storable = unit.storable(kind, range(row)).ok_or("it is counted in another way")?;
    if let Some(exact) = limits.exact() {
        let raw = unit.raw(exact).map_err(|inexact| inexact.to_string())?;
        let (low, high) = range(row);
        return if (low..=high).contains(&raw) { Ok(raw) } else { Err(outside(row, limits)) };
    }
    let scalar = |bound: &Option<Quantity>| bound.as_ref().and_then(Quantity::scalar);
    let (low, high) = (scalar(&limits.at_least), scalar(&limits.at_most));
    let shipped = row.default_amount().and_then(|amount| amount.scalar());
    let goal = scalar(&limits.prefer).or(shipped).or(low.filter(|_| high.is_none())).or(high);
    let goal = goal.ok_or("nothing is asked for")?;
    let value = storable.nearest(goal, low, high).ok_or_else(|| outside(row, limits))?;
    Ok(value / unit.factor(kind).unwrap_or(1))
}

/// Says why nothing inside the bounds can be stored, with the nearest that can.
fn outside(row: &Row, limits: &Limits) -> String {
    let unit = row.unit.unwrap_or(Unit::Count);
    let (low, high) = range(row);
    let shown =
        |raw| unit.amount(row.setting.kind(), raw).map(|amount| amount.to_string()).unwrap_or_default();
    let name = row.tunable.as_deref().unwrap_or_default();
    let inside = |bound: &Quantity| {
        unit.raw(bound).err().filter(|inexact| inexact.below.is_some() || inexact.above.is_some())
    };
    let inexact = limits.at_most.as_ref().and_then(inside).or(limits.at_least.as_ref().and_then(inside));
    match inexact {
        Some(inexact) => format!("no whole number of {} lies in {limits}: {inexact}", unit.words()),
        None => format!(
            "{limits} is outside of what it takes for {name}: {low} to {high} {}, {} to {}",
            unit.words(),
            shown(low),
            shown(high)
        ),
    }
}

/// Returns the numbers that satisfy the bounds as they are: with those a host is left alone.
fn left_alone(row: &Row, unit: Unit, limits: &Limits) -> (Option<i128>, Option<i128>) {
    let factor = unit.factor(row.setting.kind()).unwrap_or(1);
    let scalar = |bound: &Option<Quantity>| bound.as_ref().and_then(Quantity::scalar);
    let low = scalar(&limits.at_least).map(|low| low / factor + i128::from(low % factor != 0));
    let high = scalar(&limits.at_most).map(|high| high / factor);
    // Below 1 a timer is off.
    let least = (row.setting.kind() == Kind::Duration && high.is_some()).then_some(1);
    (low.or(least), high)
}
