//! The network namespaces of a host in one table.

use serde::Serialize;
use tune_sockets::TcpState;
use tune_sockets::diagnosis::{Elsewhere, Facts};

use crate::page::Page;
use crate::style::{PLAIN, STRONG, WARN};
use crate::table::Table;
use crate::verdict::counted;

/// A network namespace, as documents show it.
#[derive(Debug, Serialize)]
pub(super) struct NetworkDocument<'a> {
    name: &'a str,
    title: &'a str,
    own: bool,
    established: u64,
    fin_wait_2: u64,
    orphaned: u64,
    held: u64,
    close_wait: u64,
    time_wait: u64,
    timeout: &'a tune_model::Effective,
}

impl<'a> NetworkDocument<'a> {
    pub(super) fn of(there: &'a Elsewhere) -> Self {
        let of = |state| there.counts.of_state(state);
        Self {
            name: &there.name,
            title: &there.title,
            own: there.own,
            established: of(TcpState::Established),
            fin_wait_2: of(TcpState::FinWait2),
            orphaned: there.fin_wait_2.orphaned(),
            held: there.fin_wait_2.held(),
            close_wait: of(TcpState::CloseWait),
            time_wait: of(TcpState::TimeWait),
            timeout: &there.timeout,
        }
    }
}

/// Shows what was found in network namespaces besides.
pub(super) fn brief(page: &mut Page, facts: &Facts) {
    if facts.elsewhere.is_empty() {
        return;
    }
    page.blank();
    page.heading("Network namespaces:");
    let mut table = Table::new(&["network of", "FIN_WAIT_2", "orphaned", "held", "CLOSE_WAIT", "timeout"]);
    for there in &facts.elsewhere {
        let found = NetworkDocument::of(there);
        let here = if there.own { " (this one)" } else { "" };
        let style = if there.half_closed() > 0 { STRONG } else { PLAIN };
        let numbers =
            [found.fin_wait_2, found.orphaned, found.held, found.close_wait].map(|number| number.to_string());
        let timeout = there.timeout.to_string();
        let cells = [format!("{}{here}", there.title)].into_iter().chain(numbers).chain([timeout]);
        table.row(style, cells);
    }
    page.table(&table);
}

/// Says what could not be looked into.
pub(super) fn unseen(page: &mut Page, facts: &Facts) {
    let unseen = &facts.unseen;
    if unseen.namespaces > 0 {
        let reason = unseen.reason.as_deref().unwrap_or("this user may not");
        page.marked(
            0,
            WARN,
            "not looked into:",
            &format!("{} of the host: {reason}", counted(unseen.namespaces, "network namespace")),
        );
    }
    if unseen.maybe_more {
        page.item(
            0,
            "note:",
            "networks of containers were not looked into: as root, tune diagnose --all-netns does",
        );
    }
}
