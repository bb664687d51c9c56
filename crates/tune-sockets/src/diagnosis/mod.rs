//! What is behind the half-closed connections of a host, and what helps.
//!
//! ```text
//! census, limits, counters -> Facts -> findings, the weightiest first
//! ```
//!
//! [`Look::take`] gathers the [`Facts`] from a host; [`diagnose`] holds each cause that is known against them and is pure.
//! Each cause is a function in a file of its own in `causes`, which makes a [`Finding`] or none.

mod causes;
pub(crate) mod counters;
mod elsewhere;
mod facts;
mod finding;
mod gather;
mod programs;
#[cfg(test)]
mod testing;
mod usage;
mod words;

pub use causes::diagnose;
pub use counters::{COUNTERS, Counter, Counters, Rates, read_counters};
pub use elsewhere::{Elsewhere, Open, Unseen, look_elsewhere, title};
pub use facts::{ConntrackTimes, Facts, FinTimeout, Network, Overdue};
pub use finding::{Cause, Finding, Remedy, RemedyKind, Vain, Weight};
pub use gather::{Look, fin_timeout};
pub use programs::{Program, Server};
pub use usage::{Gauge, Memory, Usage};
pub use words::{size, time};
