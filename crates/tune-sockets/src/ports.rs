//! What half-closed connections the local ports have.

use std::fmt;

use crate::tally::Share;

const PORTS: usize = 1 << 16;

/// Shares by port. A client has a port for each connection, so one more costs no hash and no room but its own: the table
/// says where in the list a port would be, and is right where the list has that port there.
#[derive(Clone, Default)]
pub(crate) struct SharesByPort {
    /// Empty until there is a first port. Its memory is given by the kernel as it is used.
    places: Vec<u16>,
    list: Vec<(u16, Share)>,
}

impl SharesByPort {
    /// Returns what a port has.
    #[inline]
    pub(crate) fn of(&mut self, port: u16) -> &mut Share {
        if self.places.is_empty() {
            self.places = vec![0; PORTS];
        }
        let place = &mut self.places[usize::from(port)];
        let known = self.list.get(usize::from(*place)).is_some_and(|(there, _)| *there == port);
        if !known {
            // There are no more places than ports, so the last is the greatest number of 16 bits.
            *place = u16::try_from(self.list.len()).unwrap_or(u16::MAX);
            self.list.push((port, Share::default()));
        }
        &mut self.list[usize::from(*place)].1
    }

    /// Adds what was counted elsewhere.
    pub(crate) fn merge(&mut self, other: Self) {
        for (port, share) in other.list {
            self.of(port).merge(share);
        }
    }

    /// Returns the ports that have something, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u16, Share)> {
        self.list.iter().copied()
    }
}

impl fmt::Debug for SharesByPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_port_has_a_share_of_its_own() {
        let mut shares = SharesByPort::default();
        for round in 1..=2 {
            for port in (0..=u16::MAX).rev() {
                shares.of(port).held += u64::from(port);
            }
            assert_eq!(shares.iter().count(), PORTS);
            assert!(shares.iter().all(|(port, share)| share.held == round * u64::from(port)));
        }
    }

    #[test]
    fn shares_of_both_add_up() {
        let (mut one, mut other) = (SharesByPort::default(), SharesByPort::default());
        one.of(0).held = 1;
        one.of(443).held = 2;
        other.of(443).held = 3;
        other.of(u16::MAX).held = 4;
        one.merge(other);
        let mut found: Vec<_> = one.iter().map(|(port, share)| (port, share.held)).collect();
        found.sort_unstable();
        assert_eq!(found, [(0, 1), (443, 5), (u16::MAX, 4)]);
        assert_eq!(format!("{:?}", SharesByPort::default()), "{}");
    }
}
