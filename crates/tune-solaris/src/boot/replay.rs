//! What ipadm's daemon makes of its lines: one after the other, each by the rules of the running kernel, and on after one
//! that is refused.

use std::collections::BTreeMap;

use tune_model::native;

use crate::buffers;
use crate::settings::{FIRST_PORT, LAST_PORT};

/// What a kernel takes of a tunable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rules {
    /// The smallest and the largest number; for a buffer the latter is that of its limit at the time.
    pub(crate) range: (i128, i128),
    /// A buffer is held against its limit, and one end of the ports against the other: not before 2013.
    pub(crate) crossed: bool,
}

/// A boot as far as properties go.
#[derive(Debug, Clone, Default)]
pub(crate) struct Replay {
    /// The values so far, by tunable.
    pub(crate) values: BTreeMap<String, i128>,
    /// What was refused, and why.
    pub(crate) refused: BTreeMap<String, String>,
}

impl Replay {
    /// Sets a tunable as the daemon does.
    pub(crate) fn set(&mut self, tunable: &str, typed: &str, rules: &Rules) {
        let taken = native::number(typed)
            .ok_or_else(|| format!("{typed:?} is no number"))
            .and_then(|number| self.check(tunable, number, rules).map(|()| number));
        match taken {
            Ok(number) => {
                self.values.insert(tunable.to_owned(), number);
                self.refused.remove(tunable);
            }
            Err(reason) => {
                self.refused.insert(tunable.to_owned(), reason);
            }
        }
    }

    fn check(&self, tunable: &str, number: i128, rules: &Rules) -> Result<(), String> {
        let (low, high) = rules.range;
        let limit = buffers::limit_of(tunable).filter(|_| rules.crossed);
        if let Some((limit, most)) = limit.and_then(|limit| Some((limit.clone(), *self.values.get(&limit)?)))
        {
            return if (low..=most).contains(&number) {
                Ok(())
            } else {
                Err(format!("{limit} is {most} when its line is reached"))
            };
        }
        if !(low..=high).contains(&number) {
            return Err(format!("it is outside of {low} to {high}"));
        }
        let other = |name: &str| self.values.get(name).copied().filter(|_| rules.crossed);
        match tunable {
            FIRST_PORT if other(LAST_PORT).is_some_and(|last| number > last) => {
                Err(format!("{LAST_PORT} is smaller when its line is reached"))
            }
            LAST_PORT if other(FIRST_PORT).is_some_and(|first| number < first) => {
                Err(format!("{FIRST_PORT} is larger when its line is reached"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules { range: (1024, 1 << 30), crossed: true };

    fn replay(lines: &[(&str, &str)]) -> Replay {
        let start =
            [(buffers::LIMIT, 1 << 20), (buffers::RECEIVE, 128_000), (FIRST_PORT, 32768), (LAST_PORT, 65535)];
        let values = start.into_iter().map(|(name, number)| (name.to_owned(), number)).collect();
        let mut replay = Replay { values, ..Replay::default() };
        lines.iter().for_each(|(name, typed)| replay.set(name, typed, &RULES));
        replay
    }

    #[test]
    fn a_buffer_before_the_limit_that_it_needs_is_refused() {
        let (limit, buffer) = ((buffers::LIMIT, "8388608"), (buffers::RECEIVE, " +4194304"));
        assert_eq!(replay(&[limit, buffer]).values[buffers::RECEIVE], 4 << 20);
        let wrong = replay(&[buffer, limit]);
        assert_eq!(wrong.values[buffers::RECEIVE], 128_000);
        assert!(wrong.refused[buffers::RECEIVE].contains("ipadm.tcp.max_buf is 1048576"));
    }

    #[test]
    fn the_ends_of_the_ports_may_not_cross() {
        let wrong = replay(&[(LAST_PORT, "20000"), (FIRST_PORT, "10000")]);
        assert_eq!((wrong.values[FIRST_PORT], wrong.values[LAST_PORT]), (10000, 65535));
        let right = replay(&[(FIRST_PORT, "10000"), (LAST_PORT, "20000")]);
        assert_eq!((right.values[FIRST_PORT], right.values[LAST_PORT]), (10000, 20000));
    }
}
