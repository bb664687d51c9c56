//! What ipadm's daemon makes of its lines: one after the other, each by the rules of the running kernel, and on after one
//! that is refused.

use std::collections::BTreeMap;

use tune_model::native;

use crate::buffers;
use crate::ports::{self, End};

/// What a kernel takes of a tunable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rules {
    /// The smallest and the largest number; for a buffer the latter is that of its limit at the time.
    pub(crate) range: (i128, i128),
    /// A buffer is held against its limit, and one end of the ports against the other: not before 2013.
    pub(crate) crossed: bool,
}

/// The numbers of a kernel, by tunable.
pub(crate) type Values = BTreeMap<String, i128>;

/// A boot as far as properties go.
#[derive(Debug, Clone, Default)]
pub(crate) struct Replay {
    /// The values so far.
    pub(crate) values: Values,
    /// The line that set each of them, counted from 0.
    pub(crate) set_by: BTreeMap<String, usize>,
    /// What was refused by the last line about it, and why.
    pub(crate) refused: BTreeMap<String, String>,
}

impl Replay {
    /// Sets a tunable as the daemon does when it comes to a line.
    pub(crate) fn set(&mut self, tunable: &str, line: usize, typed: &str, rules: &Rules) {
        let taken = native::number(typed)
            .ok_or_else(|| format!("{typed:?} is no number"))
            .and_then(|number| self.check(tunable, number, rules).map(|()| number));
        match taken {
            Ok(number) => {
                self.values.insert(tunable.to_owned(), number);
                self.set_by.insert(tunable.to_owned(), line);
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
                Err(format!("{limit} is {most} then, and it takes {low} to that"))
            };
        }
        if !(low..=high).contains(&number) {
            return Err(format!("it is outside of {low} to {high}"));
        }
        let other = ports::other_end(tunable).filter(|_| rules.crossed);
        match other.and_then(|(end, name)| Some((end, self.values.get(&name).copied()?, name))) {
            Some((End::First, last, name)) if number > last => Err(format!("{name} is {last} then")),
            Some((End::Last, first, name)) if number < first => Err(format!("{name} is {first} then")),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{FIRST_PORT, LAST_PORT};

    const RULES: Rules = Rules { range: (1024, 1 << 30), crossed: true };

    fn replay(lines: &[(&str, &str)]) -> Replay {
        let start =
            [(buffers::LIMIT, 1 << 20), (buffers::RECEIVE, 128_000), (FIRST_PORT, 32768), (LAST_PORT, 65535)];
        let values = start.into_iter().map(|(name, number)| (name.to_owned(), number)).collect();
        let mut replay = Replay { values, ..Replay::default() };
        let numbered = lines.iter().enumerate();
        numbered.for_each(|(at, (name, typed))| replay.set(name, at, typed, &RULES));
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
