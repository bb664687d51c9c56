//! How long a closed connection really stays in FIN_WAIT_2, which two tunables decide together.
//!
//! Source: sys/netinet/tcp_input.c, tcp_usrreq.c, tcp_timer.c `tcp_timer_2msl`; measured on 14 and 15.

use tune_host::{Assessment, Targets, Unsolvable, solve_scalar};
use tune_model::{Effective, Kind, Limits, Quantity, Setting, Slot, Unread, Values};

use crate::settings::{INTERVAL, PROBES, explain, longest_product, milliseconds};

pub(crate) const TIMEOUT: &str = "net.inet.tcp.finwait2_timeout";
pub(crate) const RECYCLE: &str = "net.inet.tcp.fast_finwait2_recycle";

pub(crate) fn assess(values: &dyn Values, hz: i128) -> Assessment {
    let mut cautions = Vec::new();
    let effective =
        life(values, hz, &mut cautions).unwrap_or_else(|unread| Effective::Unknown(unread.to_string()));
    Assessment { effective, cautions }
}

/// Returns the tunables that the life comes from as things stand.
pub(crate) fn decisive(values: &dyn Values) -> &'static [&'static str] {
    match values.integer(RECYCLE, 0) {
        Ok(0) => &[PROBES, INTERVAL, RECYCLE],
        _ => &[TIMEOUT, RECYCLE],
    }
}

fn life(values: &dyn Values, hz: i128, cautions: &mut Vec<String>) -> Result<Effective, Unread> {
    let timeout = values.integer(TIMEOUT, 0)?;
    if values.integer(RECYCLE, 0)? != 0 {
        let timeout = Quantity::from_scalar(Kind::Duration, timeout);
        return Ok(timeout.map_or(Effective::Unbounded, Effective::Exact));
    }
    cautions.push(format!(
        "fast_finwait2_recycle is 0, so finwait2_timeout ({timeout} ms) is not used: a closed connection waits \
         keepcnt times keepintvl, and up to one keepintvl more when segments arrive late"
    ));
    let fallback = fallback(values, hz)?;
    if fallback == Effective::Unbounded {
        cautions.push(format!("{PROBES} times {INTERVAL} is no time at all, which stops the timer"));
    }
    Ok(fallback)
}

/// Returns the life without recycling: what keepalive would take to give up, whether or not keepalive is on.
fn fallback(values: &dyn Values, hz: i128) -> Result<Effective, Unread> {
    let (interval, probes) = (values.integer(INTERVAL, 0)?, values.integer(PROBES, 0)?);
    let product = interval.saturating_mul(probes);
    if product > longest_product(hz) {
        return Err(Unread::Unclear(format!(
            "{PROBES} times {INTERVAL} is more ticks than the kernel can count"
        )));
    }
    let low = Quantity::from_scalar(Kind::Duration, product).filter(|_| product > 0);
    let high = Quantity::from_scalar(Kind::Duration, product.saturating_add(interval));
    Ok(low.zip(high).map_or(Effective::Unbounded, |(low, high)| Effective::Between { low, high }))
}

/// Plans the pair: the timeout acts only while recycling is on.
pub(crate) fn solve(limits: &Limits, values: &dyn Values, hz: i128) -> Result<Targets, Unsolvable> {
    let unreadable = |unread: Unread| Unsolvable::Unreadable(unread.to_string());
    let recycling = values.integer(RECYCLE, 0).map_err(unreadable)? != 0;
    if recycling && is_fallback(limits, values, hz) {
        return Ok(Targets::from([(Slot::whole(RECYCLE), "0".to_owned())]));
    }
    let present = values.integer(TIMEOUT, 0).map_err(unreadable)?;
    // Without recycling the timeout that is set counts for nothing, so what is nearest to the life as it is counts.
    let present = if recycling {
        Quantity::from_scalar(Kind::Duration, present).map_or(Effective::Unbounded, Effective::Exact)
    } else {
        fallback(values, hz).unwrap_or(Effective::Unbounded)
    };
    let timeout = solve_scalar(Kind::Duration, &milliseconds(TIMEOUT, hz), limits, &present)
        .map_err(|unsolvable| explain(Setting::FinWait2Timeout, unsolvable, hz))?;
    let mut targets = Targets::from([(Slot::whole(TIMEOUT), timeout.to_string())]);
    if !recycling {
        targets.insert(Slot::whole(RECYCLE), "1".to_owned());
    }
    Ok(targets)
}

/// Tells whether just the life without recycling is wanted, as its default is.
fn is_fallback(limits: &Limits, values: &dyn Values, hz: i128) -> bool {
    let ends = |low, high| (limits.at_least.as_ref(), limits.at_most.as_ref()) == (Some(low), Some(high));
    matches!(fallback(values, hz), Ok(Effective::Between { low, high }) if ends(&low, &high))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use super::*;

    const HZ: i128 = 100;

    fn host(timeout: i64, recycle: i64, interval: i64, probes: i64) -> BTreeMap<String, String> {
        let pairs = [(TIMEOUT, timeout), (RECYCLE, recycle), (INTERVAL, interval), (PROBES, probes)];
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.to_string())).collect()
    }

    fn ms(value: u64) -> Quantity {
        Quantity::Duration(value)
    }

    fn solved(limits: &Limits, host: &BTreeMap<String, String>) -> Vec<(String, String)> {
        solve(limits, host, HZ).unwrap().into_iter().map(|(slot, value)| (slot.tunable, value)).collect()
    }

    /// Each line was measured: the timer that netstat shows for a socket that was closed.
    #[test]
    fn the_timeout_acts_only_while_recycling_is_on() {
        let between = |low, high| Effective::Between { low: ms(low), high: ms(high) };
        for (host, life) in [
            (host(60_000, 0, 75_000, 8), between(600_000, 675_000)),
            (host(15_000, 0, 75_000, 8), between(600_000, 675_000)),
            (host(60_000, 0, 10_000, 3), between(30_000, 40_000)),
            (host(60_000, 1, 75_000, 8), Effective::Exact(ms(60_000))),
            (host(15_000, -1, 75_000, 8), Effective::Exact(ms(15_000))),
            (host(60_000, 0, 75_000, 0), Effective::Unbounded),
            (host(60_000, 0, 75_000, -3), Effective::Unbounded),
        ] {
            let found = assess(&host, HZ);
            assert_eq!(found.effective, life, "{host:?}");
            assert_eq!(found.cautions.is_empty(), host[RECYCLE] != "0", "{host:?}");
        }
        let overflowing = host(60_000, 0, 2_147_483_640, 11);
        assert!(matches!(assess(&overflowing, HZ).effective, Effective::Unknown(_)));
    }

    #[test]
    fn the_pair_is_planned_together() {
        let most = |limit| Limits { at_most: Some(ms(limit)), ..Limits::default() };
        let pair = |timeout: &str| {
            vec![(RECYCLE.to_owned(), "1".to_owned()), (TIMEOUT.to_owned(), timeout.to_owned())]
        };
        assert_eq!(solved(&most(30_000), &host(60_000, 0, 75_000, 8)), pair("30000"));
        // A timeout that is low enough already, and does not act.
        assert_eq!(solved(&most(30_000), &host(15_000, 0, 75_000, 8)), pair("30000"));
        let alone = vec![(TIMEOUT.to_owned(), "30000".to_owned())];
        assert_eq!(solved(&most(30_000), &host(60_000, 1, 75_000, 8)), alone);
    }

    #[test]
    fn just_the_life_by_default_needs_no_recycling() {
        let limits = Limits { at_least: Some(ms(600_000)), at_most: Some(ms(675_000)), ..Limits::default() };
        let off = vec![(RECYCLE.to_owned(), "0".to_owned())];
        assert_eq!(solved(&limits, &host(20_000, 1, 75_000, 8)), off);
    }

    #[test]
    fn between_two_ticks_nothing_can_be_had_and_both_are_named() {
        let host = host(60_000, 1, 75_000, 8);
        let refused = solve(&Limits::exactly(ms(15_005)), &host, HZ).unwrap_err();
        let Unsolvable::NotStorable { message, neighbours } = refused else { panic!("{refused}") };
        assert!(message.contains("10 ms"), "{message}");
        assert_eq!(neighbours, ["15s", "15s10ms"]);
        assert!(solve(&Limits::exactly(ms(15_005)), &host, 1000).is_ok());
    }
}
