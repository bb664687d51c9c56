//! What a connection that was closed on purpose did, held against what the host's values amount to.

use std::time::Duration;

use serde::ser::{Serialize, Serializer};

use crate::effective::Effective;
use crate::quantity::Quantity;

/// A time that lies between two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    /// It is not less.
    pub least: Duration,
    /// It is not more.
    pub most: Duration,
}

impl Span {
    /// Just that time.
    #[must_use]
    pub const fn exactly(time: Duration) -> Self {
        Self { least: time, most: time }
    }

    /// Returns the span in whole milliseconds.
    #[must_use]
    pub fn effective(self) -> Effective {
        let ms = |time: u128| Quantity::Duration(u64::try_from(time).unwrap_or(u64::MAX));
        let (low, high) = (ms(self.least.as_millis()), ms(self.most.as_nanos().div_ceil(1_000_000)));
        if low == high { Effective::Exact(low) } else { Effective::Between { low, high } }
    }

    /// Returns the time in the middle.
    #[must_use]
    pub fn middle(self) -> Duration {
        (self.least + self.most) / 2
    }
}

/// As [`Effective`].
impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.effective().serialize(serializer)
    }
}

/// In which form the kernel keeps a connection that no process has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeptAs {
    /// A whole socket with its buffers.
    Socket,
    /// A small record with a timer.
    Minisock,
}

/// What a connection was for some time.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Stage {
    /// Its state, as `netstat` names it.
    pub state: String,
    /// The form it was kept in.
    pub kept_as: KeptAs,
    /// How long it was so, as far as it was watched.
    pub lasted: Span,
    /// What the kernel's timer said when it was first seen so; nothing where none ran, or the kernel does not tell.
    pub timer: Option<Quantity>,
}

/// How the connection that was closed came out.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Orphan {
    /// The address of the end that was closed.
    pub local: String,
    /// The address of the other end, which stayed open.
    pub remote: String,
    /// How long it was in FIN_WAIT_2; as far as it was watched, where it is still there.
    pub in_fin_wait_2: Span,
    /// Nothing of it is left.
    pub gone: bool,
    /// What it was, one after the other.
    pub stages: Vec<Stage>,
}

/// How the connection that was only half closed came out.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct HalfClosed {
    /// The address of the end that was half closed.
    pub local: String,
    /// The address of the other end, which stayed open.
    pub remote: String,
    /// For how long it was watched in FIN_WAIT_2.
    pub in_fin_wait_2: Span,
    /// It was there when the other one was gone.
    pub still_there: bool,
    /// A timer ran on it as on the one that was closed.
    pub timer_ran: bool,
}

/// What was seen of the two.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Observation {
    /// Where it was looked up.
    pub source: String,
    /// The longest time between two looks.
    pub longest_gap: Span,
    /// The one that was closed.
    pub closed: Orphan,
    /// The one that was half closed.
    pub half_closed: HalfClosed,
}

/// How long a closed connection has to stay in FIN_WAIT_2, and how exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expectation {
    /// The time.
    pub life: Span,
    /// By how much the kernel's timers may fire late.
    pub slack: Duration,
}

/// What is allowed besides, either way: for the clock that the kernel counts in, and for looking.
pub const TOLERANCE: Duration = Duration::from_millis(300);

impl Expectation {
    /// Returns what a measured time has to be inside of.
    #[must_use]
    pub fn allowed(&self) -> Span {
        let least = self.life.least.saturating_sub(TOLERANCE);
        Span { least, most: self.life.most + self.slack + TOLERANCE }
    }
}

/// How a measured time differs from what was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Difference {
    /// The closed one was gone too early.
    Early,
    /// The closed one was gone too late.
    Late,
    /// The closed one is still there, after longer than it may be.
    StillThere,
    /// The half-closed one is gone, though a process holds it.
    HalfClosedGone,
    /// A timer ran on the half-closed one.
    HalfClosedTimed,
}

/// What an observation comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// Everything is as expected.
    Proven,
    /// Something is not.
    Differs(Vec<Difference>),
    /// It was not watched closely enough, or not long enough, to tell.
    Unclear,
}

/// Holds an observation against what was expected.
#[must_use]
pub fn judge(expected: &Expectation, seen: &Observation) -> Judgement {
    let (allowed, life) = (expected.allowed(), seen.closed.in_fin_wait_2);
    let closed = match (seen.closed.gone, life) {
        (false, life) if life.least > allowed.most => Some(Difference::StillThere),
        (false, _) => return half_closed_alone(seen),
        (true, life) if life.most < allowed.least => Some(Difference::Early),
        (true, life) if life.least > allowed.most => Some(Difference::Late),
        (true, life) if life.least < allowed.least || life.most > allowed.most => {
            return half_closed_alone(seen);
        }
        (true, _) => None,
    };
    let differences: Vec<_> = closed.into_iter().chain(of_half_closed(seen)).collect();
    if differences.is_empty() { Judgement::Proven } else { Judgement::Differs(differences) }
}

/// Of the closed one nothing can be told.
fn half_closed_alone(seen: &Observation) -> Judgement {
    let differences: Vec<_> = of_half_closed(seen).collect();
    if differences.is_empty() { Judgement::Unclear } else { Judgement::Differs(differences) }
}

fn of_half_closed(seen: &Observation) -> impl Iterator<Item = Difference> {
    let gone = (!seen.half_closed.still_there).then_some(Difference::HalfClosedGone);
    gone.into_iter().chain(seen.half_closed.timer_ran.then_some(Difference::HalfClosedTimed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Difference::{Early, HalfClosedGone, HalfClosedTimed, Late, StillThere};

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn seen(life: (u64, u64), gone: bool, still_there: bool, timer_ran: bool) -> Observation {
        let end = || "127.0.0.1:80".to_owned();
        let in_fin_wait_2 = Span { least: ms(life.0), most: ms(life.1) };
        Observation {
            source: "inet_diag".to_owned(),
            longest_gap: Span::exactly(ms(10)),
            closed: Orphan { local: end(), remote: end(), in_fin_wait_2, gone, stages: Vec::new() },
            half_closed: HalfClosed { local: end(), remote: end(), in_fin_wait_2, still_there, timer_ran },
        }
    }

    /// 10 s, which the kernel may make 11.25 s, are measured as 9.7 to 11.55 s.
    #[test]
    fn a_proof_takes_both_connections_and_all_that_may_have_been() {
        let expected = Expectation { life: Span::exactly(ms(10_000)), slack: ms(1250) };
        let differs = |list: &[Difference]| Judgement::Differs(list.to_vec());
        let cases = [
            (seen((10_000, 10_020), true, true, false), Judgement::Proven),
            (seen((9700, 11_550), true, true, false), Judgement::Proven),
            (seen((0, 20), true, true, false), differs(&[Early])),
            (seen((9600, 9699), true, true, false), differs(&[Early])),
            (seen((9699, 9701), true, true, false), Judgement::Unclear),
            (seen((11_549, 11_551), true, true, false), Judgement::Unclear),
            (seen((11_551, 11_560), true, true, false), differs(&[Late])),
            // Looked at again after a minute.
            (seen((20, 60_000), true, true, false), Judgement::Unclear),
            (seen((9000, 9010), false, true, false), Judgement::Unclear),
            (seen((11_560, 11_570), false, true, false), differs(&[StillThere])),
            (seen((10_000, 10_020), true, false, false), differs(&[HalfClosedGone])),
            (seen((10_000, 10_020), true, true, true), differs(&[HalfClosedTimed])),
            (seen((0, 20), true, false, true), differs(&[Early, HalfClosedGone, HalfClosedTimed])),
            (seen((9000, 9010), false, false, false), differs(&[HalfClosedGone])),
        ];
        for (seen, wanted) in cases {
            assert_eq!(judge(&expected, &seen), wanted, "{seen:?}");
        }
    }

    #[test]
    fn nothing_is_allowed_to_take_less_than_no_time() {
        let expected = Expectation { life: Span { least: ms(100), most: ms(1000) }, slack: ms(125) };
        assert_eq!(expected.allowed(), Span { least: ms(0), most: ms(1425) });
    }

    #[test]
    fn spans_are_shown_in_milliseconds_around_them() {
        let span = Span { least: Duration::from_micros(1900), most: Duration::from_micros(2100) };
        let (low, high) = (Quantity::Duration(1), Quantity::Duration(3));
        assert_eq!(span.effective(), Effective::Between { low, high });
        assert_eq!(Span::exactly(ms(2)).effective(), Effective::Exact(Quantity::Duration(2)));
    }
}
