//! Takes a census and prints it: what benches/census.sh measures.
//!
//!     census              classifies the connections in FIN_WAIT_2
//!     census --owners     names the processes that have half-closed connections, too

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use tune_host::LiveHost;
use tune_sockets::{Options, StateSet, TcpState, take};

fn main() {
    let host = LiveHost::own();
    let owners = std::env::args().any(|word| word == "--owners");
    let options = match owners {
        true => Options { idle_times: false, ..Options::naming_owners(StateSet::HALF_CLOSED) },
        false => Options::counting(StateSet::of(&[TcpState::FinWait2])),
    };
    let census = take(&host, &options).unwrap();
    let found = census.tally.holdings(TcpState::FinWait2);
    println!("{} minisocks, {} sockets, {} held", found.minisocks, found.full_sockets, found.held());
    println!("{} in CLOSE_WAIT", census.tally.counts.of_state(TcpState::CloseWait));
    for (peer, share) in census.tally.leading_peers(5) {
        println!("{peer} {}", share.total());
    }
    for owner in census.owners.iter().flat_map(|owners| &owners.list) {
        println!("{} {} {} {}", owner.pid, owner.command, owner.fin_wait_2, owner.close_wait);
    }
}
