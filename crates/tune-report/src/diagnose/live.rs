//! A diagnosis that goes on: what fits a screen, with a graph of what was; or a line each time.

use std::collections::VecDeque;

use anstyle::Style;
use tune_sockets::diagnosis::Weight;
use tune_sockets::{StateSet, TcpState};

use super::DiagnoseReport;
use crate::page::Page;
use crate::style::{BAD, DIM, PLAIN, STRONG, WARN};
use crate::words;

/// How high the graph is.
const HEIGHT: usize = 6;
/// How many moments are remembered: more than a screen is wide.
const REMEMBERED: usize = 500;
/// What stands before the graph.
const MARGIN: usize = 10;

/// One moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Moment {
    orphaned: u64,
    held: u64,
}

/// What was seen so far.
#[derive(Debug, Clone, Default)]
pub struct History(VecDeque<Moment>);

impl History {
    /// Remembers what a report says.
    pub fn add(&mut self, report: &DiagnoseReport) {
        let found = &report.facts.fin_wait_2;
        self.0.push_back(Moment { orphaned: found.orphaned(), held: found.held() + found.unknown });
        if self.0.len() > REMEMBERED {
            self.0.pop_front();
        }
    }

    /// Draws it, the newest at the right: those that are held below, orphans above.
    fn graph(&self, columns: usize) -> Vec<String> {
        let shown: Vec<_> = self.0.iter().rev().take(columns).rev().collect();
        let most = shown.iter().map(|moment| moment.orphaned + moment.held).max().unwrap_or(0).max(1);
        let height = |number: u64| (number * HEIGHT as u64).div_ceil(most);
        let row = |level: u64| -> String {
            let cell = |moment: &&Moment| match (height(moment.held), height(moment.orphaned + moment.held)) {
                (held, _) if held >= level => '#',
                (_, all) if all >= level => '.',
                _ => ' ',
            };
            shown.iter().map(cell).collect()
        };
        let levels = (1..=HEIGHT as u64).rev();
        let label = |level: u64| if level == HEIGHT as u64 { most.to_string() } else { String::new() };
        let mut lines: Vec<_> =
            levels.map(|level| format!("{:>1$} |{2}", label(level), MARGIN - 2, row(level))).collect();
        lines.push(format!("{:>1$} +{2}", 0, MARGIN - 2, "-".repeat(columns)));
        lines
    }
}

impl DiagnoseReport {
    /// Returns what fits a screen of so many columns and lines; `every` says how often it is made anew.
    #[must_use]
    pub fn frame(&self, history: &History, (width, height): (usize, usize), every: &str) -> String {
        let mut page = Page::new(width);
        page.verbatim(0, DIM, &format!("{}; every {every}; q quits", words::host(&self.host)));
        page.blank();
        page.verbatim(0, PLAIN, &self.states());
        page.blank();
        let found = &self.facts.fin_wait_2;
        page.heading(&format!(
            "FIN_WAIT_2: {} held (#), {} orphaned (.), timeout {}",
            found.held(),
            found.orphaned(),
            self.facts.timeout.effective
        ));
        let columns = page.width().saturating_sub(MARGIN);
        history.graph(columns).iter().for_each(|line| page.verbatim(0, PLAIN, line));
        page.blank();
        self.headlines(&mut page);
        // A terminal narrower or lower than a page gets what fits.
        page.finish().lines().take(height.max(1)).map(|line| format!("{line}\n")).collect()
    }

    fn states(&self) -> String {
        let counted = StateSet::ALL.iter().map(|state| (state, self.facts.counts.of_state(state)));
        let shown =
            counted.filter(|(_, number)| *number > 0).map(|(state, number)| format!("{state} {number}"));
        shown.collect::<Vec<_>>().join("  ")
    }

    fn headlines(&self, page: &mut Page) {
        if self.findings.is_empty() {
            page.text(0, "Nothing stands out.");
        }
        for (at, finding) in self.findings.iter().enumerate() {
            let style: Style = match finding.weight {
                Weight::Harm => BAD,
                Weight::Problem => WARN,
                Weight::Note => PLAIN,
            };
            page.marked(0, style, &format!("{}.", at + 1), &format!("{}.", finding.title));
            if let Some(command) = finding.remedies.iter().find_map(|remedy| remedy.command.as_deref()) {
                page.verbatim(3, STRONG, command);
            }
        }
    }

    /// Returns it as one line, for a log; `at` is the time.
    #[must_use]
    pub fn line(&self, at: &str) -> String {
        let facts = &self.facts;
        let finding = self.findings.first().map_or("none", |finding| finding.cause.name());
        format!(
            "{at} fin_wait_2={} orphaned={} held={} close_wait={} time_wait={} established={} finding={finding}\n",
            facts.counts.of_state(TcpState::FinWait2),
            facts.fin_wait_2.orphaned(),
            facts.fin_wait_2.held(),
            facts.counts.of_state(TcpState::CloseWait),
            facts.counts.of_state(TcpState::TimeWait),
            facts.counts.of_state(TcpState::Established),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_graph_stacks_orphans_on_what_is_held() {
        let moments = [(0, 0), (3, 3), (6, 0), (0, 6), (0, 1)];
        let history = History(
            moments.iter().map(|(orphaned, held)| Moment { orphaned: *orphaned, held: *held }).collect(),
        );
        assert_eq!(
            history.graph(5),
            [
                "       6 | ..# ",
                "         | ..# ",
                "         | ..# ",
                "         | #.# ",
                "         | #.# ",
                "         | #.##",
                "       0 +-----",
            ]
        );
        assert_eq!(History::default().graph(2).len(), HEIGHT + 1);
    }

    #[test]
    fn only_so_much_is_remembered() {
        let mut history = History::default();
        let moment = Moment { orphaned: 1, held: 1 };
        history.0.extend(std::iter::repeat_n(moment, REMEMBERED));
        assert_eq!(history.graph(3)[0], "       2 |...");
    }
}
