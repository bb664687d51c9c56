//! Tunables by their names in profiles, and by those that the programs know.
//!
//! A profile writes `ipadm.tcp.recv_buf` whatever the release calls it: earlier ones say `recv_maxbuf`, and ndd says
//! `tcp_recv_hiwat`.

use tune_model::native::{Keeper, Property};
use tune_model::{Catalog, System};

/// The protocols whose properties ipadm keeps.
const PROTOCOLS: [&str; 7] = ["tcp", "udp", "icmp", "sctp", "ip", "ipv4", "ipv6"];

/// Returns the protocol and the property that a tunable names.
pub(crate) fn parts(tunable: &str) -> Option<(&str, &str)> {
    let (protocol, name) = tunable.strip_prefix("ipadm.")?.split_once('.')?;
    (PROTOCOLS.contains(&protocol) && is_plain(name)).then_some((protocol, name))
}

/// Tells whether a property's name is one word, so that no program takes it for anything else.
fn is_plain(name: &str) -> bool {
    let word = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    (1..=64).contains(&name.len()) && word
}

/// Returns what a program may know a tunable by, the present name first.
pub(crate) fn candidates(keeper: Keeper, tunable: &str) -> Vec<Property> {
    let Some((protocol, name)) = parts(tunable) else { return Vec::new() };
    let row = Catalog::of(System::Solaris).get(tunable);
    let property = |protocol: &str, name: &str| Property {
        keeper,
        protocol: protocol.to_owned(),
        name: name.to_owned(),
    };
    match (keeper, row) {
        (Keeper::Ipadm, row) => {
            let former = row.map(|row| row.former_names.as_slice()).unwrap_or_default();
            let names = std::iter::once(name).chain(former.iter().map(String::as_str));
            names.map(|name| property(protocol, name)).collect()
        }
        (_, Some(row)) => row.ndd.iter().map(|ndd| property(protocol, ndd)).collect(),
        // ndd has one device for both versions of IP, and names of its own.
        (_, None) if protocol.starts_with("ipv") => Vec::new(),
        (_, None) => vec![property(protocol, &format!("{protocol}_{}", name.trim_start_matches('_')))],
    }
}

/// Tells whether a property is what some program knows a tunable by.
pub(crate) fn names(tunable: &str, property: &Property) -> bool {
    candidates(property.keeper, tunable).contains(property)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(keeper: Keeper, tunable: &str) -> Vec<String> {
        candidates(keeper, tunable).into_iter().map(|property| property.name).collect()
    }

    #[test]
    fn each_program_has_its_own_name() {
        let flush = "ipadm.tcp._fin_wait_2_flush_interval";
        assert_eq!(known(Keeper::Ipadm, flush), ["_fin_wait_2_flush_interval"]);
        assert_eq!(known(Keeper::Ndd, flush), ["tcp_fin_wait_2_flush_interval"]);
        assert_eq!(known(Keeper::Ndd, "ipadm.udp._x"), ["udp_x"]);
        assert!(known(Keeper::Ndd, "ipadm.ipv4.ttl").is_empty());
    }

    #[test]
    fn nothing_else_is_a_name() {
        for planted in [
            "net.ipv4.tcp_fin_timeout",
            "ipadm.tcp",
            "ipadm.arp.x",
            "ipadm.tcp.a b",
            "ipadm.tcp.-t",
            "ipadm.tcp.",
        ] {
            assert_eq!(parts(planted), None, "{planted}");
        }
    }
}
