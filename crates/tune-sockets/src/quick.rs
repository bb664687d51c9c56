//! A quick hash for tables with an entry for each of many connections.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};

/// A table that is quick to look up. It is for numbers and addresses.
pub(crate) type QuickMap<K, V> = HashMap<K, V, Quick>;

/// Makes the hashes of one table. Peers choose their addresses: what is not known to them, here where to start and what to
/// multiply by, keeps them from choosing many with the same hash.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quick {
    start: u64,
    factor: u64,
}

impl Default for Quick {
    fn default() -> Self {
        let random = RandomState::new();
        // An even factor would lose bits.
        Self { start: random.hash_one(0), factor: random.hash_one(1) | 1 }
    }
}

impl BuildHasher for Quick {
    type Hasher = Folded;

    #[inline]
    fn build_hasher(&self) -> Folded {
        Folded { sum: self.start, factor: self.factor }
    }
}

/// A hash that is being made: each word is multiplied in, and the upper half of the product folded onto the lower.
#[derive(Debug)]
pub(crate) struct Folded {
    sum: u64,
    factor: u64,
}

impl Hasher for Folded {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..piece.len()].copy_from_slice(piece);
            self.write_u64(u64::from_ne_bytes(word));
        }
    }

    #[inline]
    fn write_u16(&mut self, word: u16) {
        self.write_u64(word.into());
    }

    #[inline]
    fn write_u64(&mut self, word: u64) {
        self.sum = folded(self.sum ^ word, self.factor);
    }

    #[inline]
    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    #[inline]
    fn finish(&self) -> u64 {
        folded(self.sum, MIXER)
    }
}

/// Neighbouring words times a factor that happens to have few bits stay neighbours; this takes them apart. Two to the 64
/// divided by the golden ratio, as for Fibonacci hashing.
const MIXER: u64 = 0x9e37_79b9_7f4a_7c15;

#[inline]
fn folded(word: u64, factor: u64) -> u64 {
    let (low, high) = word.carrying_mul(factor, 0);
    low ^ high
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    /// How many of the lowest 12 bits, by which a table finds a place, are found among as many keys.
    fn places(quick: Quick, keys: impl Iterator<Item = IpAddr>) -> usize {
        keys.map(|key| quick.hash_one(key) & 0xfff).collect::<HashSet<_>>().len()
    }

    #[test]
    fn neighbours_are_spread_over_a_table() {
        // As chance might give them, and the same in each run.
        for number in 1..=200_u64 {
            let factor = number.wrapping_mul(0xd134_2543_de82_ef95) | 1;
            let quick = Quick { start: factor.rotate_left(17), factor };
            let low = (0..4096).map(|number: u32| Ipv4Addr::from(0x0a00_0000 + number).into());
            let high = (0..4096).map(|number: u32| Ipv4Addr::from(number << 20).into());
            let v6_low = (0..4096).map(|number: u128| Ipv6Addr::from(0x2001_0db8 << 96 | number).into());
            let v6_high = (0..4096).map(|number: u128| Ipv6Addr::from(number << 64 | 1).into());
            // Of 4096 balls thrown into as many buckets, 63% of the buckets have one.
            let found =
                [places(quick, low), places(quick, high), places(quick, v6_low), places(quick, v6_high)];
            assert!(found.iter().all(|found| *found > 1400), "{factor:#x}: {found:?}");
        }
    }

    #[test]
    fn two_tables_have_hashes_of_their_own() {
        assert_ne!(Quick::default().hash_one(1_u64), Quick::default().hash_one(1_u64));
    }

    #[test]
    fn an_address_is_found_again_and_no_other() {
        let mut table = QuickMap::<IpAddr, u8>::default();
        table.insert([10, 0, 0, 1].into(), 1);
        table.insert(Ipv6Addr::from(0x0a00_0001).into(), 2);
        assert_eq!(table.get(&[10, 0, 0, 1].into()), Some(&1));
        assert_eq!(table.get(&Ipv6Addr::from(0x0a00_0001).into()), Some(&2));
        assert_eq!(table.get(&[10, 0, 0, 2].into()), None);
    }
}
