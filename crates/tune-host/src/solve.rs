//! Choosing a number: the arithmetic that every backend shares.

use tune_model::{Effective, Kind, Limits, Quantity, Storable};

use crate::backend::Unsolvable;

/// Chooses the value, in the kind's base unit, that satisfies `limits` and is nearest to what is preferred, or else to
/// the present value.
///
/// # Errors
///
/// [`Unsolvable::NotStorable`] with the nearest values on either side.
pub fn solve_scalar(
    kind: Kind,
    storable: &Storable,
    limits: &Limits,
    present: &Effective,
) -> Result<i128, Unsolvable> {
    let scalar = |bound: &Option<Quantity>| bound.as_ref().and_then(Quantity::scalar);
    let (low, high) = (scalar(&limits.at_least), scalar(&limits.at_most));
    let present = match present {
        Effective::Exact(value) => value.scalar(),
        Effective::Between { high, .. } => high.scalar(),
        Effective::Unbounded => high,
        Effective::Unknown(_) => None,
    };
    let wanted = scalar(&limits.prefer).or(present).or(high).or(low).unwrap_or(0);
    storable.nearest(wanted, low, high).ok_or_else(|| not_storable(kind, storable, limits, low.or(high)))
}

fn not_storable(kind: Kind, storable: &Storable, limits: &Limits, around: Option<i128>) -> Unsolvable {
    let around = around.unwrap_or(0);
    let neighbours = [storable.floor(around), storable.ceil(around)]
        .into_iter()
        .flatten()
        .filter_map(|value| Quantity::from_scalar(kind, value))
        .map(|value| value.to_string())
        .collect();
    Unsolvable::NotStorable { message: format!("{limits} cannot be had"), neighbours }
}
