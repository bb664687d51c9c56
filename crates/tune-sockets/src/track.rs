//! What became of one connection, from looking at it now and then.

use std::time::Duration;

use tune_model::Quantity;
use tune_model::proof::{KeptAs, Span, Stage};

use crate::connection::{Connection, Holding, Orphan, Timer, TimerKind};
use crate::state::TcpState;

/// What a connection was when it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Form {
    state: TcpState,
    kept_as: KeptAs,
}

/// For how long a connection was what it was.
#[derive(Debug, Clone)]
struct Seen {
    form: Form,
    /// It became so between these two.
    began: Span,
    /// It was last seen so.
    last: Duration,
    /// It stopped being so between these two; nothing while it is so.
    ended: Option<Span>,
    timer: Option<Timer>,
}

/// The looks at one connection. All times count from the same start.
#[derive(Debug, Clone)]
pub(crate) struct Track {
    seen: Vec<Seen>,
    timers: Vec<TimerKind>,
    gone: Option<Span>,
    /// When it was last looked at, and the longest time between two looks.
    looked: Duration,
    longest_gap: Duration,
}

impl Track {
    /// Begins when the connection is closed.
    pub(crate) const fn from(start: Duration) -> Self {
        Self { seen: Vec::new(), timers: Vec::new(), gone: None, looked: start, longest_gap: Duration::ZERO }
    }

    /// Adds a look that began and ended at these times, and what was found.
    pub(crate) fn add(&mut self, (begun, ended): (Duration, Duration), found: Option<&Connection>) {
        // What is new came about after the last look began, and before this one ended.
        let change = Span { least: self.looked, most: ended };
        self.longest_gap = self.longest_gap.max(ended.saturating_sub(self.looked));
        self.looked = begun;
        let form = found.map(form);
        if let Some(last) = self.seen.last_mut() {
            if form == Some(last.form) {
                last.last = begun;
            } else {
                last.ended = last.ended.or(Some(change));
            }
        }
        let Some((form, connection)) = form.zip(found) else {
            self.gone = self.gone.or(Some(change));
            return;
        };
        if connection.state == TcpState::FinWait2 {
            self.note_timer(connection.timer);
        }
        if self.seen.last().is_none_or(|last| last.form != form) {
            let timer = connection.timer.filter(|timer| timer.kind != TimerKind::Off);
            self.seen.push(Seen { form, began: change, last: begun, ended: None, timer });
        }
    }

    fn note_timer(&mut self, timer: Option<Timer>) {
        let kind = timer.map(|timer| timer.kind).filter(|kind| *kind != TimerKind::Off);
        self.timers.extend(kind.filter(|kind| !self.timers.contains(kind)));
    }

    pub(crate) const fn is_gone(&self) -> bool {
        self.gone.is_some()
    }

    pub(crate) const fn longest_gap(&self) -> Duration {
        self.longest_gap
    }

    /// Tells whether it is in FIN_WAIT_2 and was so at the last look.
    pub(crate) fn is_in_fin_wait_2(&self) -> bool {
        let now = self.seen.last().filter(|_| !self.is_gone());
        now.is_some_and(|now| now.form.state == TcpState::FinWait2)
    }

    /// Returns the kinds of timers that ran on it in FIN_WAIT_2.
    pub(crate) fn timers(&self) -> &[TimerKind] {
        &self.timers
    }

    /// Returns how long it was in FIN_WAIT_2, as far as it was watched.
    pub(crate) fn in_fin_wait_2(&self) -> Span {
        let in_it = || self.seen.iter().filter(|seen| seen.form.state == TcpState::FinWait2);
        match (in_it().next(), in_it().next_back()) {
            (Some(first), Some(last)) => between(first.began, self.end_of(last)),
            // It may have been, between two looks.
            _ => Span { least: Duration::ZERO, most: self.gone.map_or(Duration::ZERO, width) },
        }
    }

    fn end_of(&self, seen: &Seen) -> Span {
        seen.ended.unwrap_or(Span { least: seen.last, most: self.looked.max(seen.last) })
    }

    pub(crate) fn stages(&self) -> Vec<Stage> {
        let stage = |seen: &Seen| Stage {
            state: seen.form.state.name().to_owned(),
            kept_as: seen.form.kept_as,
            lasted: between(seen.began, self.end_of(seen)),
            timer: seen
                .timer
                .map(|timer| Quantity::Duration(u64::try_from(timer.left.as_millis()).unwrap_or(u64::MAX))),
        };
        self.seen.iter().map(stage).collect()
    }
}

fn form(connection: &Connection) -> Form {
    let minisock = connection.holding == Holding::Orphaned(Orphan::Minisock);
    Form { state: connection.state, kept_as: if minisock { KeptAs::Minisock } else { KeptAs::Socket } }
}

fn width(span: Span) -> Duration {
    span.most.saturating_sub(span.least)
}

fn between(began: Span, ended: Span) -> Span {
    Span { least: ended.least.saturating_sub(began.most), most: ended.most.saturating_sub(began.least) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::tests::example;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    const fn span(least: u64, most: u64) -> Span {
        Span { least: ms(least), most: ms(most) }
    }

    fn orphan(state: TcpState, form: Orphan, kind: TimerKind, left: u64) -> Connection {
        let timer = Some(Timer { kind, left: ms(left) });
        Connection { state, holding: Holding::Orphaned(form), timer, inode: 0, ..example() }
    }

    /// Looks that take 2 ms each and begin at these times.
    fn track(looks: &[(u64, Option<&Connection>)]) -> Track {
        let mut track = Track::from(Duration::ZERO);
        for (begun, found) in looks {
            track.add((ms(*begun), ms(begun + 2)), *found);
        }
        track
    }

    #[test]
    fn a_life_in_two_parts_is_measured_as_a_whole_and_in_its_parts() {
        let closing = orphan(TcpState::FinWait1, Orphan::FullSocket, TimerKind::Retransmit, 200);
        let socket = orphan(TcpState::FinWait2, Orphan::FullSocket, TimerKind::Keepalive, 1000);
        let minisock = orphan(TcpState::FinWait2, Orphan::Minisock, TimerKind::TimeWait, 990);
        let mut looks = vec![(1, Some(&closing)), (40, Some(&socket))];
        looks.extend([(990, Some(&socket)), (1010, Some(&minisock)), (1990, Some(&minisock)), (2010, None)]);
        let track = track(&looks);
        assert!(track.is_gone() && !track.is_in_fin_wait_2());
        // From between 1 and 42 to between 1990 and 2012.
        assert_eq!(track.in_fin_wait_2(), span(1948, 2011));
        assert_eq!(track.timers(), [TimerKind::Keepalive, TimerKind::TimeWait]);
        assert_eq!(track.longest_gap(), ms(982));
        let stages = track.stages();
        let lasted: Vec<_> = stages.iter().map(|stage| (stage.kept_as, stage.lasted)).collect();
        let parts = [
            (KeptAs::Socket, span(0, 42)),
            (KeptAs::Socket, span(948, 1011)),
            (KeptAs::Minisock, span(978, 1022)),
        ];
        assert_eq!(lasted, parts);
        assert_eq!(stages[1].timer, Some(Quantity::Duration(1000)));
    }

    #[test]
    fn what_is_never_seen_in_fin_wait_2_was_there_between_two_looks_at_most() {
        let closing = orphan(TcpState::FinWait1, Orphan::FullSocket, TimerKind::Retransmit, 200);
        let track = track(&[(1, Some(&closing)), (30, Some(&closing)), (50, None), (70, None)]);
        assert_eq!(track.in_fin_wait_2(), span(0, 22));
        assert_eq!(track.timers(), []);
    }

    #[test]
    fn what_is_still_there_was_watched_so_long() {
        let held = example();
        let track = track(&[(1, Some(&held)), (500, Some(&held)), (1000, Some(&held))]);
        assert!(track.is_in_fin_wait_2() && !track.is_gone());
        assert_eq!(track.in_fin_wait_2(), span(997, 1000));
        assert_eq!(track.timers(), []);
    }

    #[test]
    fn what_became_something_else_is_not_in_fin_wait_2_any_more() {
        let minisock = orphan(TcpState::FinWait2, Orphan::Minisock, TimerKind::TimeWait, 990);
        let time_wait = orphan(TcpState::TimeWait, Orphan::Minisock, TimerKind::TimeWait, 60_000);
        let track = track(&[(10, Some(&minisock)), (100, Some(&minisock)), (120, Some(&time_wait))]);
        assert_eq!(track.in_fin_wait_2(), span(88, 122));
        assert!(!track.is_in_fin_wait_2() && !track.is_gone());
    }
}
