//! The TCP connections of a host: how many there are in which state, who has the half-closed ones, and aborting some.
//!
//! A [`Census`] is taken of a [`Host`](tune_host::Host), in the scope that it looks at; for another network namespace
//! of Linux make a host for it from what [`Host::network_namespaces`](tune_host::Host::network_namespaces) lists, with
//! [`LiveHost::again`](tune_host::LiveHost::again). Connections are counted while they are read and not kept, unless
//! [`Options::keep`] says which.
//!
//! ```no_run
//! use tune_host::LiveHost;
//! use tune_sockets::{Options, StateSet, TcpState, take};
//!
//! let host = LiveHost::own();
//! let census = take(&host, &Options::naming_owners(StateSet::HALF_CLOSED))?;
//! let fin_wait_2 = census.tally.holdings(TcpState::FinWait2);
//! println!("{} orphaned, {} held", fin_wait_2.orphaned(), fin_wait_2.held());
//! for owner in census.owners.iter().flat_map(|owners| &owners.list) {
//!     println!("{} ({}) has {}", owner.command, owner.pid, owner.fin_wait_2);
//! }
//! # Ok::<(), tune_sockets::CensusError>(())
//! ```
//!
//! | to | use |
//! | --- | --- |
//! | count connections by state and family | [`Options::counting`], [`Tally::counts`](tally::Tally::counts) |
//! | tell orphans from held ones | [`Tally::holdings`](tally::Tally::holdings) |
//! | see how long orphans have left | [`Tally::time_left`](tally::Tally::time_left) |
//! | find ports and peers that lead | [`Tally::ports`](tally::Tally::ports), [`Tally::leading_peers`](tally::Tally::leading_peers) |
//! | find the processes behind held ones | [`Options::naming_owners`], [`Census::owners`] |
//! | list some connections | [`Filter`], [`Options::listing`], [`Census::connections`] |
//! | abort some | [`drop::choose`], [`drop::Choice::carry_out`] |
//! | tell the age of one | [`Connection::age`] |
//! | look at one again and again | [`look_up`] |
//! | measure how long one is kept | [`observe`] |
//! | find out what is behind them, and what helps | [`diagnosis`] |

#![forbid(unsafe_code)]

mod bytes;
pub mod census;
mod cidr;
mod connection;
pub mod diagnosis;
pub mod drop;
pub mod fake;
mod filter;
pub mod freebsd;
pub mod inet_diag;
mod look_up;
mod netlink;
pub mod netstat;
mod owners;
mod ports;
pub mod proc_net;
mod prove;
mod quick;
mod state;
pub mod tally;
mod track;

pub use bytes::Endian;
pub use census::{Census, CensusError, Options, Source, take};
pub use cidr::{Cidr, CidrError};
pub use connection::{Age, Connection, Cookie, Family, Holding, Orphan, Timer, TimerKind};
pub use filter::{Filter, FilterError, Match, Side, parse_age, parse_pid, parse_port};
pub use look_up::{Sighting, look_up};
pub use owners::{Owner, Owners};
pub use prove::{ObserveError, Observed, observe};
pub use state::{StateError, StateSet, TcpState};
pub use tally::{Counts, Holdings, Share, Tally, TimeLeft};
