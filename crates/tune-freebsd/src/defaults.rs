//! What the kernel makes of each tunable when it starts, before anything in /etc is read.

use std::collections::BTreeMap;

use tune_model::Tunable;

/// What the kernel's own arithmetic starts from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ground {
    /// Ticks of the clock in a second; 100 where nothing is known.
    pub(crate) hz: i128,
    /// The size of a page in bytes.
    pub(crate) page: i128,
    /// Physical memory in bytes, where it is known.
    pub(crate) memory: Option<i128>,
    /// The release's number, as `kern.osreldate` shows it, where it is known: 1400097 is 14.0.
    pub(crate) release: Option<i128>,
}

/// The numbers that the loader hands to the kernel, by the tunable's name.
pub(crate) type Handed = BTreeMap<String, i128>;

/// Returns what a tunable is once the kernel has started with these numbers from its loader; `None` where that is not
/// known.
pub(crate) fn at_start(row: &Tunable, handed: &Handed, ground: &Ground) -> Option<i128> {
    let _ = ground;
    let said = handed.get(&row.name).copied().filter(|_| row.loader);
    said.or_else(|| row.default.first().copied())
}
