//! TCP comes near the memory that it may use: at the end of it allocations fail and orphans with data are reset.
//! Source: Linux Documentation/networking/ip-sysctl.rst, `tcp_mem`.

use super::super::facts::Facts;
use super::super::finding::{Cause, Finding, Remedy, RemedyKind, Weight};
use super::super::words::size;
use super::orphan_limit;

pub(super) fn find(facts: &Facts) -> Vec<Finding> {
    let gauge = facts.usage.tcp_memory;
    let (Some(used), Some(limit)) = (gauge.used, gauge.limit) else { return Vec::new() };
    // Orphans beyond their limit are counted in the same place.
    let aborted = if orphan_limit::is_near(facts) { 0 } else { facts.grown("TCPAbortOnMemory") };
    let pressed = facts.grown("TCPMemoryPressures");
    let under_pressure = gauge.pressure.is_some_and(|pressure| used >= pressure);
    if !under_pressure && aborted == 0 && pressed == 0 {
        return Vec::new();
    }
    let weight = if used >= limit || aborted > 0 { Weight::Harm } else { Weight::Problem };
    let title = format!("TCP uses {} of the {} of memory that it may use", size(used), size(limit));
    let finding = Finding::new(Cause::TcpMemory, weight, title)
        .seen(format!("from {} on it is sparing with buffers", size(gauge.pressure.unwrap_or(limit))));
    let grew = |finding: Finding, name: &str, by: u64| match by {
        0 => finding,
        _ => finding.seen(format!("{name} grew by {by} while it was watched")),
    };
    let finding = grew(grew(finding, "TCPAbortOnMemory", aborted), "TCPMemoryPressures", pressed);
    vec![
        finding
            .remedy(
                Remedy::new(RemedyKind::Setting, "let TCP have more, where the machine has it")
                    .command(facts.tune(&format!("set 'net.tcp_memory_limit>={}MiB'", (limit >> 19).max(1))))
                    .price("memory that nothing else has; refused above half of the machine's"),
            )
            .remedy(
                Remedy::new(RemedyKind::Setting, "or let each connection have less")
                    .command(facts.tune("set 'tcp.receive_buffer_max<=4MiB' 'tcp.send_buffer_max<=2MiB'"))
                    .price("slower over long distances"),
            )
            .vain("either where connections leak", "it is only full later: look at the other findings first"),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{found, quiet};
    use super::super::super::usage::Gauge;
    use super::*;

    #[test]
    fn pressure_is_a_problem_and_resets_are_harm() {
        let with = |used: u64| {
            let mut facts = quiet();
            facts.usage.tcp_memory =
                Gauge { used: Some(used << 20), limit: Some(200 << 20), pressure: Some(100 << 20) };
            facts
        };
        let of = |facts: &Facts| found(facts, Cause::TcpMemory).map(|finding| finding.weight);
        assert_eq!(of(&with(99)), None);
        assert_eq!(of(&with(100)), Some(Weight::Problem));
        assert_eq!(of(&with(200)), Some(Weight::Harm));
        assert_eq!(of(&with(9).growing("TCPMemoryPressures", 1)), Some(Weight::Problem));
        assert_eq!(of(&with(9).growing("TCPAbortOnMemory", 1)), Some(Weight::Harm));
    }
}
