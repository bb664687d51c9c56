//! Blocks of addresses: `192.0.2.0/24`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A block of addresses, or a single one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
}

/// Why a text is no block of addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CidrError {
    /// The part before the slash is no address.
    #[error("{0:?} is not an address; write 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32")]
    Address(String),
    /// The part behind the slash is no length of a prefix.
    #[error("{found:?} is not the length of a prefix: a number from 0 to {most}")]
    Prefix {
        /// What was found.
        found: String,
        /// The longest prefix of the family.
        most: u8,
    },
    /// The address has bits outside of the prefix.
    #[error("{found} has bits behind its prefix; did you mean {meant}?")]
    Beyond {
        /// What was found.
        found: String,
        /// The block that the address is in.
        meant: Cidr,
    },
}

impl Cidr {
    /// Tells whether an address is in the block. An IPv4 address in an IPv6 socket counts as the IPv4 address.
    #[must_use]
    pub fn has(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(_), address @ IpAddr::V4(_)) | (IpAddr::V6(_), address @ IpAddr::V6(_)) => {
                masked(address, self.prefix) == self.address
            }
            _ => false,
        }
    }
}

const fn longest(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    let free = u32::from(longest(address) - prefix);
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(free).unwrap_or(0);
            Ipv4Addr::from_bits(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(free).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}

/// Writes a block of IPv4 addresses in IPv6 as what it is.
fn unmapped(address: IpAddr, prefix: u8) -> (IpAddr, u8) {
    const MAPPED: u8 = 96;
    match (address, address.to_canonical()) {
        (IpAddr::V6(_), short @ IpAddr::V4(_)) if prefix >= MAPPED => (short, prefix - MAPPED),
        _ => (address, prefix),
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().map_err(|_| CidrError::Address(text.to_owned()))?;
        let most = longest(address);
        let bad = |found: &str| CidrError::Prefix { found: found.to_owned(), most };
        let prefix = match prefix {
            None => most,
            Some(prefix) if prefix.bytes().all(|byte| byte.is_ascii_digit()) => {
                prefix.parse().ok().filter(|length| *length <= most).ok_or_else(|| bad(prefix))?
            }
            Some(prefix) => return Err(bad(prefix)),
        };
        let (address, prefix) = unmapped(address, prefix);
        let block = Self { address: masked(address, prefix), prefix };
        if block.address == address {
            return Ok(block);
        }
        Err(CidrError::Beyond { found: text.to_owned(), meant: block })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix == longest(self.address) {
            return write!(f, "{}", self.address);
        }
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn blocks_have_their_addresses_and_no_others() {
        let cases = [
            ("192.0.2.0/24", "192.0.2.255", true),
            ("192.0.2.0/24", "192.0.3.0", false),
            ("192.0.2.0/24", "::ffff:192.0.2.9", true),
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("::ffff:192.0.2.0/120", "192.0.2.9", true),
            ("::ffff:192.0.2.9", "::ffff:192.0.2.9", true),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
        ];
        for (block, address, inside) in cases {
            let block: Cidr = block.parse().unwrap();
            assert_eq!(block.has(address.parse().unwrap()), inside, "{block} {address}");
        }
    }

    #[test]
    fn what_is_no_block_says_why() {
        let cases = [
            ("10.0.0.1/8", "10.0.0.1/8 has bits behind its prefix; did you mean 10.0.0.0/8?"),
            ("10.0.0.0/33", r#""33" is not the length of a prefix: a number from 0 to 32"#),
            ("10.0.0.0/+8", r#""+8" is not the length of a prefix: a number from 0 to 32"#),
            ("10.0.0.0/", r#""" is not the length of a prefix: a number from 0 to 32"#),
            ("10.0.0", r#""10.0.0" is not an address; write 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32"#),
        ];
        for (text, says) in cases {
            assert_eq!(text.parse::<Cidr>().unwrap_err().to_string(), says);
        }
    }

    proptest! {
        #[test]
        fn blocks_print_and_read_the_same(bits: u128, v4: bool, prefix in 0_u8..=128) {
            let address = if v4 {
                IpAddr::from(Ipv4Addr::from_bits(u32::try_from(bits >> 96).unwrap()))
            } else {
                Ipv6Addr::from_bits(bits).into()
            };
            let prefix = prefix.min(longest(address));
            let (address, prefix) = unmapped(masked(address, prefix), prefix);
            let block = Cidr { address, prefix };
            prop_assert_eq!(block.to_string().parse(), Ok(block));
            prop_assert!(block.has(address) || (!v4 && address.to_canonical().is_ipv4()));
        }

        #[test]
        fn any_text_is_read(text in "[0-9a-f:./]{0,30}") {
            let _ = text.parse::<Cidr>();
        }
    }
}
