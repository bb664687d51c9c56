//! The values that a system can really keep: the planner promises no others.

/// Evenly spaced values from `first` to `last`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// The smallest.
    pub first: i128,
    /// The largest.
    pub last: i128,
    /// The distance from one to the next.
    pub step: i128,
}

/// The values a setting can take on a system, in the setting's base unit: pieces in ascending order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storable(Vec<Piece>);

impl Storable {
    /// Makes a set of pieces, which must be in ascending order and not overlap; empty pieces are dropped.
    #[must_use]
    pub fn new(pieces: impl IntoIterator<Item = Piece>) -> Self {
        let pieces: Vec<_> = pieces.into_iter().filter(|piece| piece.first <= piece.last).collect();
        debug_assert!(pieces.windows(2).all(|pair| pair[0].last < pair[1].first), "pieces out of order");
        Self(pieces)
    }

    /// Every `step`-th value from `first` to `last`.
    #[must_use]
    pub fn every(step: i128, first: i128, last: i128) -> Self {
        Self::new([Piece { first, last, step }])
    }

    /// Returns the largest storable value that is at most `wanted`.
    #[must_use]
    pub fn floor(&self, wanted: i128) -> Option<i128> {
        let piece = self.0.iter().rev().find(|piece| piece.first <= wanted)?;
        let inside = wanted.min(piece.last);
        Some(inside - (inside - piece.first) % piece.step)
    }

    /// Returns the smallest storable value that is at least `wanted`.
    #[must_use]
    pub fn ceil(&self, wanted: i128) -> Option<i128> {
        self.0.iter().find_map(|piece| {
            let inside = wanted.max(piece.first);
            let up = inside + (piece.step - (inside - piece.first) % piece.step) % piece.step;
            (up <= piece.last).then_some(up)
        })
    }

    /// Tells whether `value` can be kept as it is.
    #[must_use]
    pub fn contains(&self, value: i128) -> bool {
        self.floor(value) == Some(value)
    }

    /// Returns the storable value nearest to `wanted` from `low` to `high`; the smaller one where two are as near.
    #[must_use]
    pub fn nearest(&self, wanted: i128, low: Option<i128>, high: Option<i128>) -> Option<i128> {
        let inside =
            |value: &i128| low.is_none_or(|low| low <= *value) && high.is_none_or(|high| *value <= high);
        let wanted = low.map_or(wanted, |low| wanted.max(low));
        let wanted = high.map_or(wanted, |high| wanted.min(high));
        [self.floor(wanted), self.ceil(wanted)]
            .into_iter()
            .flatten()
            .filter(inside)
            .min_by_key(|value| (value - wanted).abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Linux FIN_WAIT_2: 1 to 60 s, then 120 s and up in steps of two.
    fn fin_wait_2() -> Storable {
        Storable::new([Piece { first: 1, last: 60, step: 1 }, Piece { first: 120, last: 4_000, step: 2 }])
    }

    #[test]
    fn the_gap_has_neighbours_on_both_sides() {
        let set = fin_wait_2();
        assert_eq!((set.floor(90), set.ceil(90)), (Some(60), Some(120)));
        assert_eq!((set.floor(121), set.ceil(121)), (Some(120), Some(122)));
        assert_eq!((set.floor(0), set.ceil(4_001)), (None, None));
        assert!(set.contains(120) && !set.contains(119));
    }

    #[test]
    fn nearest_stays_inside_the_bounds() {
        let set = fin_wait_2();
        assert_eq!(set.nearest(89, None, None), Some(60));
        assert_eq!(set.nearest(89, Some(61), None), Some(120));
        assert_eq!(set.nearest(89, Some(61), Some(119)), None);
        assert_eq!(set.nearest(500, None, Some(301)), Some(300));
    }

    proptest::proptest! {
        #[test]
        fn floor_and_ceil_are_the_closest(wanted in -10i128..5_000) {
            let set = fin_wait_2();
            let all: Vec<i128> = (1..=60).chain((120..=4_000).step_by(2)).collect();
            proptest::prop_assert_eq!(set.floor(wanted), all.iter().copied().rfind(|v| *v <= wanted));
            proptest::prop_assert_eq!(set.ceil(wanted), all.iter().copied().find(|v| *v >= wanted));
        }
    }
}
