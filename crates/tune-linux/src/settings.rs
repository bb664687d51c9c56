//! The portable settings on Linux: from tunables to effective values, and back.

use tune_host::{Assessment, Provision, Targets, Unsolvable};
use tune_model::{
    Catalog, Effective, Kind, Limits, Piece, PortRange, Quantity, Setting, Slot, Storable, System, Unread,
    Values,
};

/// How a tunable's integer becomes a setting's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Conversion {
    /// Seconds.
    Seconds,
    /// Seconds, but for what the kernel makes of more than 60.
    FinWait2,
    /// A number of things; negative means no limit.
    Count,
    /// Bytes.
    Bytes,
    /// Pages of memory.
    Pages,
}

struct Row {
    setting: Setting,
    tunable: &'static str,
    field: usize,
    conversion: Conversion,
}

const fn row(setting: Setting, tunable: &'static str, field: usize, conversion: Conversion) -> Row {
    Row { setting, tunable, field, conversion }
}

const ROWS: &[Row] = &[
    row(Setting::FinWait2Timeout, "net.ipv4.tcp_fin_timeout", 0, Conversion::FinWait2),
    row(Setting::KeepaliveIdle, "net.ipv4.tcp_keepalive_time", 0, Conversion::Seconds),
    row(Setting::KeepaliveInterval, INTERVAL, 0, Conversion::Seconds),
    row(Setting::KeepaliveProbes, PROBES, 0, Conversion::Count),
    row(Setting::TimeWaitLimit, "net.ipv4.tcp_max_tw_buckets", 0, Conversion::Count),
    row(Setting::OrphanLimit, "net.ipv4.tcp_max_orphans", 0, Conversion::Count),
    row(Setting::ListenBacklog, "net.core.somaxconn", 0, Conversion::Count),
    row(Setting::SynBacklog, "net.ipv4.tcp_max_syn_backlog", 0, Conversion::Count),
    row(Setting::SendBufferMax, "net.ipv4.tcp_wmem", 2, Conversion::Bytes),
    row(Setting::ReceiveBufferMax, "net.ipv4.tcp_rmem", 2, Conversion::Bytes),
    row(Setting::TcpMemoryLimit, "net.ipv4.tcp_mem", 2, Conversion::Pages),
];

const INTERVAL: &str = "net.ipv4.tcp_keepalive_intvl";
const PROBES: &str = "net.ipv4.tcp_keepalive_probes";
const PORTS: &str = "net.ipv4.ip_local_port_range";
/// TCP_TIMEWAIT_LEN, a constant of the kernel.
const TIME_WAIT: Quantity = Quantity::Duration(60_000);
const SECOND: i128 = 1000;

impl Row {
    fn of(setting: Setting) -> Option<&'static Self> {
        ROWS.iter().find(|row| row.setting == setting)
    }

    fn slot(&self) -> Slot {
        let fields = Catalog::of(System::Linux).get(self.tunable).map_or(0, |row| row.fields.len());
        if fields == 0 { Slot::whole(self.tunable) } else { Slot::field(self.tunable, self.field) }
    }

    /// Returns what the kernels take in this field.
    fn accepted(&self) -> (i128, i128) {
        let row = Catalog::of(System::Linux).get(self.tunable);
        row.and_then(|row| row.accepted_in(Some(self.field))).unwrap_or((0, i128::from(i32::MAX)))
    }
}

pub(crate) fn provision(setting: Setting) -> Provision {
    match setting {
        Setting::KeepaliveAbort => Provision::Derived(vec![Slot::whole(INTERVAL), Slot::whole(PROBES)]),
        Setting::TimeWaitInterval => Provision::Fixed(TIME_WAIT),
        Setting::EphemeralPorts => Provision::Slots(vec![Slot::field(PORTS, 0), Slot::field(PORTS, 1)]),
        _ => Row::of(setting).map_or(Provision::None, |row| Provision::Slots(vec![row.slot()])),
    }
}

pub(crate) fn assess(setting: Setting, values: &dyn Values, page: u64) -> Assessment {
    let mut cautions = Vec::new();
    let effective = match setting {
        Setting::KeepaliveAbort => abort_time(values),
        Setting::TimeWaitInterval => Ok(Effective::Exact(TIME_WAIT)),
        Setting::EphemeralPorts => ports(values),
        _ => match Row::of(setting) {
            Some(row) => {
                let effective =
                    values.integer(row.tunable, row.field).map(|native| row.effective(native, page));
                cautions.extend(
                    values.integer(row.tunable, row.field).ok().and_then(|native| row.caution(native)),
                );
                effective
            }
            None => Ok(Effective::Unknown("Linux has no such setting".to_owned())),
        },
    };
    Assessment {
        effective: effective.unwrap_or_else(|unread| Effective::Unknown(unread.to_string())),
        cautions,
    }
}

impl Row {
    fn effective(&self, native: i128, page: u64) -> Effective {
        let base = match self.conversion {
            Conversion::FinWait2 => return fin_wait_2_life(native),
            // The kernel takes -1 as a time that no host lives to see, and limits as unsigned.
            _ if native < 0 => return Effective::Unbounded,
            Conversion::Seconds => native * SECOND,
            Conversion::Count | Conversion::Bytes => native,
            Conversion::Pages => native * i128::from(page),
        };
        Quantity::from_scalar(self.setting.kind(), base).map_or(Effective::Unbounded, Effective::Exact)
    }

    fn native(&self, base: i128, page: u64) -> i128 {
        match self.conversion {
            Conversion::FinWait2 => fin_wait_2_native(base / SECOND),
            Conversion::Seconds => base / SECOND,
            Conversion::Count | Conversion::Bytes => base,
            Conversion::Pages => base / i128::from(page),
        }
    }

    fn storable(&self, page: u64) -> Storable {
        let (low, high) = self.accepted();
        let low = low.max(0);
        match self.conversion {
            Conversion::FinWait2 => Storable::new([
                Piece { first: SECOND, last: 60 * SECOND, step: SECOND },
                Piece { first: 120 * SECOND, last: 2 * (high - 60) * SECOND, step: 2 * SECOND },
            ]),
            Conversion::Seconds => Storable::every(SECOND, low * SECOND, high * SECOND),
            Conversion::Count | Conversion::Bytes => Storable::every(1, low, high),
            Conversion::Pages => {
                let page = i128::from(page);
                Storable::every(page, low * page, high.min(i128::from(u64::MAX) / page) * page)
            }
        }
    }

    fn caution(&self, native: i128) -> Option<String> {
        match (self.setting, native) {
            (Setting::FinWait2Timeout, ..=0) => Some(format!(
                "tcp_fin_timeout = {native}: the kernel's floor of 3.5 retransmission timeouts remains, about 0.7 s"
            )),
            (Setting::FinWait2Timeout, 61..=119) => Some(format!(
                "tcp_fin_timeout = {native} makes {} s, not {native} s: above 60 the kernel waits twice the excess",
                2 * (native - 60)
            )),
            (Setting::FinWait2Timeout, 121..) => Some(format!(
                "tcp_fin_timeout = {native} makes {} s: above 60 the kernel waits twice the excess, and for the first \
                 half the socket counts against tcp_max_orphans",
                2 * (native - 60)
            )),
            (Setting::FinWait2Timeout, 120) => Some(
                "above 60 s an orphan stays a full socket for the first half and counts against tcp_max_orphans".to_owned(),
            ),
            (Setting::KeepaliveProbes, 0) => {
                Some("with 0 probes the first keepalive resets a healthy idle connection".to_owned())
            }
            (Setting::TimeWaitLimit, ..=-1) => Some("a negative limit counts as none".to_owned()),
            (Setting::TimeWaitLimit, 0) => {
                Some("with 0 every closing connection is dropped at once, without telling the peer".to_owned())
            }
            _ => None,
        }
    }
}

/// Returns the life of an orphan in FIN_WAIT_2 under `tcp_fin_timeout = native`.
///
/// Up to 60 s the kernel keeps a small entry for that time. Above, it keeps the full socket for the excess over 60 s
/// and then a small entry for as long again. Source: net/ipv4/tcp.c, tcp_timer.c; measured.
fn fin_wait_2_life(native: i128) -> Effective {
    let seconds = match native {
        ..=0 => {
            return Effective::Between { low: Quantity::Duration(0), high: Quantity::Duration(1000) };
        }
        1..=60 => native,
        _ => 2 * (native - 60),
    };
    Quantity::from_scalar(Kind::Duration, seconds * SECOND).map_or(Effective::Unbounded, Effective::Exact)
}

/// Returns the `tcp_fin_timeout` that makes a life of so many seconds.
const fn fin_wait_2_native(seconds: i128) -> i128 {
    if seconds <= 60 { seconds } else { 60 + seconds / 2 }
}

fn abort_time(values: &dyn Values) -> Result<Effective, Unread> {
    let interval = values.integer(INTERVAL, 0)?;
    let probes = values.integer(PROBES, 0)?;
    if interval < 0 {
        return Ok(Effective::Unbounded);
    }
    let product =
        Quantity::from_scalar(Kind::Duration, interval.saturating_mul(probes.max(0)).saturating_mul(SECOND));
    Ok(product.map_or(Effective::Unbounded, Effective::Exact))
}

fn ports(values: &dyn Values) -> Result<Effective, Unread> {
    let port = |field| {
        let found = values.integer(PORTS, field)?;
        u16::try_from(found).map_err(|_| Unread::Unclear(format!("{found} is no port")))
    };
    Ok(Effective::Exact(Quantity::Ports(PortRange { low: port(0)?, high: port(1)? })))
}

pub(crate) fn storable(setting: Setting, values: &dyn Values, page: u64) -> Option<Storable> {
    if setting == Setting::KeepaliveAbort {
        let probes = values.integer(PROBES, 0).ok().filter(|probes| *probes > 0)?;
        let interval = Row::of(Setting::KeepaliveInterval)?;
        let step = probes * SECOND;
        return Some(Storable::every(step, step, interval.accepted().1.saturating_mul(step)));
    }
    Row::of(setting).map(|row| row.storable(page))
}

pub(crate) fn solve(
    setting: Setting,
    limits: &Limits,
    values: &dyn Values,
    page: u64,
) -> Result<Targets, Unsolvable> {
    if setting == Setting::EphemeralPorts {
        return solve_ports(limits, values);
    }
    let unreadable = || Unsolvable::Unreadable(format!("what {setting} depends on cannot be read"));
    let storable = storable(setting, values, page).ok_or_else(unreadable)?;
    let present = assess(setting, values, page).effective;
    let base = tune_host::solve_scalar(setting.kind(), &storable, limits, &present)
        .map_err(|unsolvable| explain(setting, unsolvable))?;
    let slot_value = if setting == Setting::KeepaliveAbort {
        let probes = values.integer(PROBES, 0).map_err(|_| unreadable())?;
        (Slot::whole(INTERVAL), base / (probes * SECOND))
    } else {
        let row = Row::of(setting).ok_or_else(unreadable)?;
        (row.slot(), row.native(base, page))
    };
    Ok(Targets::from([(slot_value.0, slot_value.1.to_string())]))
}

/// Says what keeps a FIN_WAIT_2 timeout between these from being had.
fn why_not_storable(neighbours: &[String]) -> &'static str {
    let milliseconds = |life: &String| Quantity::parse(Kind::Duration, life).ok()?.scalar();
    match neighbours.iter().filter_map(milliseconds).max() {
        Some(120_000) => {
            "a life of 61 to 119 s could only be had with a tcp_fin_timeout above 60, of which the kernel waits \
             twice the excess, in the first half with a full socket that counts against tcp_max_orphans"
        }
        Some(120_001..) => {
            "above 60 s the kernel waits twice the excess, so only even numbers of seconds can be had"
        }
        _ => "the kernel counts whole seconds, of which 1 is the least that means what it says",
    }
}

/// Adds what is peculiar to Linux to the bare arithmetic.
fn explain(setting: Setting, unsolvable: Unsolvable) -> Unsolvable {
    match (setting, unsolvable) {
        (Setting::FinWait2Timeout, Unsolvable::NotStorable { message, neighbours }) => {
            let reason = why_not_storable(&neighbours);
            Unsolvable::NotStorable {
                message: format!("{message}: {reason}"),
                neighbours: neighbours
                    .into_iter()
                    .map(|life| {
                        match Quantity::parse(Kind::Duration, &life).ok().and_then(|life| life.scalar()) {
                            Some(ms) => {
                                format!("{life} (tcp_fin_timeout = {})", fin_wait_2_native(ms / SECOND))
                            }
                            None => life,
                        }
                    })
                    .collect(),
            }
        }
        (Setting::KeepaliveAbort, Unsolvable::NotStorable { message, neighbours }) => {
            Unsolvable::NotStorable {
                message: format!(
                    "{message}: it is the interval times the number of probes, in whole seconds"
                ),
                neighbours,
            }
        }
        (_, other) => other,
    }
}

fn solve_ports(limits: &Limits, values: &dyn Values) -> Result<Targets, Unsolvable> {
    let present = match ports(values) {
        Ok(Effective::Exact(present)) => present,
        _ => return Err(Unsolvable::Unreadable(format!("{PORTS} cannot be read"))),
    };
    let wanted = limits.prefer.clone().unwrap_or(present);
    let raised = limits.at_least.as_ref().and_then(|low| wanted.join(low)).unwrap_or(wanted);
    let wanted = limits.at_most.as_ref().map_or(Some(raised.clone()), |high| raised.meet(high));
    match wanted {
        Some(Quantity::Ports(PortRange { low, high })) => Ok(Targets::from([
            (Slot::field(PORTS, 0), low.to_string()),
            (Slot::field(PORTS, 1), high.to_string()),
        ])),
        _ => Err(Unsolvable::NotStorable {
            message: format!("no range of ports is {limits}"),
            neighbours: Vec::new(),
        }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use super::*;

    const PAGE: u64 = 4096;

    fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    fn fin(timeout: &str) -> BTreeMap<String, String> {
        values(&[("net.ipv4.tcp_fin_timeout", timeout)])
    }

    fn exactly(seconds: u64) -> Limits {
        Limits::exactly(Quantity::Duration(seconds * 1000))
    }

    /// Timeout and measured life, in seconds.
    #[test]
    fn a_fin_wait_2_timeout_is_judged_by_the_life_it_makes() {
        for (timeout, life) in [
            (1, 1),
            (3, 3),
            (60, 60),
            (61, 2),
            (65, 10),
            (70, 20),
            (90, 60),
            (100, 80),
            (120, 120),
            (150, 180),
            (200, 280),
        ] {
            let found = assess(Setting::FinWait2Timeout, &fin(&timeout.to_string()), PAGE);
            assert_eq!(found.effective, Effective::Exact(Quantity::Duration(life * 1000)), "{timeout}");
            assert_eq!(found.cautions.is_empty(), timeout <= 60, "{timeout}");
        }
    }

    #[test]
    fn a_fin_wait_2_life_is_made_by_the_timeout_that_makes_it() {
        for (life, timeout) in [(1, "1"), (60, "60"), (120, "120"), (180, "150")] {
            let solved = solve(Setting::FinWait2Timeout, &exactly(life), &fin("60"), PAGE).unwrap();
            assert_eq!(solved.into_values().collect::<Vec<_>>(), [timeout], "{life}");
        }
    }

    #[test]
    fn a_life_of_90_seconds_is_refused_with_its_neighbours() {
        let refused = solve(Setting::FinWait2Timeout, &exactly(90), &fin("60"), PAGE).unwrap_err();
        let Unsolvable::NotStorable { message, neighbours } = refused else { panic!("{refused}") };
        assert!(message.contains("tcp_max_orphans"), "{message}");
        assert_eq!(neighbours, ["60s (tcp_fin_timeout = 60)", "120s (tcp_fin_timeout = 120)"]);
    }

    #[test]
    fn the_abort_time_is_reached_through_the_interval() {
        let now = values(&[(INTERVAL, "75"), (PROBES, "9")]);
        let found = assess(Setting::KeepaliveAbort, &now, PAGE).effective;
        assert_eq!(found, Effective::Exact(Quantity::Duration(675_000)));
        let solved = solve(Setting::KeepaliveAbort, &exactly(90), &now, PAGE).unwrap();
        assert_eq!(solved, Targets::from([(Slot::whole(INTERVAL), "10".to_owned())]));
        assert!(solve(Setting::KeepaliveAbort, &exactly(100), &now, PAGE).is_err());
    }

    #[test]
    fn memory_is_bytes_here_and_pages_there() {
        let now = values(&[("net.ipv4.tcp_mem", "287898\t383867\t575796")]);
        let found = assess(Setting::TcpMemoryLimit, &now, PAGE).effective;
        assert_eq!(found, Effective::Exact(Quantity::Bytes(575_796 * 4096)));
        let more = Limits { at_least: Some(Quantity::Bytes(3 << 30)), ..Limits::default() };
        let solved = solve(Setting::TcpMemoryLimit, &more, &now, PAGE).unwrap();
        assert_eq!(solved.into_values().collect::<Vec<_>>(), ["786432"]);
    }

    #[test]
    fn sentinels_are_no_numbers() {
        let never = values(&[("net.ipv4.tcp_keepalive_time", "-1")]);
        assert_eq!(assess(Setting::KeepaliveIdle, &never, PAGE).effective, Effective::Unbounded);
    }

    #[test]
    fn a_port_range_is_widened_no_further_than_asked() {
        let now = values(&[(PORTS, "32768\t60999")]);
        let ports = |low, high| Quantity::Ports(PortRange { low, high });
        let wide = Limits { at_least: Some(ports(16384, 60000)), ..Limits::default() };
        let solved = solve(Setting::EphemeralPorts, &wide, &now, PAGE).unwrap();
        assert_eq!(solved.into_values().collect::<Vec<_>>(), ["16384", "60999"]);
    }
}
