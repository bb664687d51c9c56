//! Ports that outgoing connections get: two properties, of which kernels since 2013 let neither pass the other.
//!
//! Source: illumos inet/tcp/tcp_tunables.c `tcp_smallest_anon_set` and `tcp_largest_anon_set`, udp_tunables.c likewise. SCTP
//! holds neither against the other.

/// One end of a range of ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The smallest port.
    First,
    /// The largest.
    Last,
}

/// Returns which end of a range a tunable is, and the tunable that it is held against.
pub(crate) fn other_end(tunable: &str) -> Option<(End, String)> {
    let (protocol, name) = tunable.rsplit_once('.')?;
    let (end, other) = match name {
        "smallest_anon_port" => (End::First, "largest_anon_port"),
        "largest_anon_port" => (End::Last, "smallest_anon_port"),
        _ => return None,
    };
    let is_held = ["ipadm.tcp", "ipadm.udp"].contains(&protocol);
    is_held.then(|| (end, format!("{protocol}.{other}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_has_another_where_kernels_hold_them_against_each_other() {
        let first = other_end("ipadm.udp.smallest_anon_port");
        assert_eq!(first, Some((End::First, "ipadm.udp.largest_anon_port".to_owned())));
        let last = other_end("ipadm.tcp.largest_anon_port");
        assert_eq!(last, Some((End::Last, "ipadm.tcp.smallest_anon_port".to_owned())));
        assert_eq!(other_end("ipadm.sctp.largest_anon_port"), None);
        assert_eq!(other_end("ipadm.tcp.smallest_nonpriv_port"), None);
    }
}
