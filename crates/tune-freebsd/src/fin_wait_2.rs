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
    let product = interval * probes;
    if product > longest_product(hz) {
        return Err(Unread::Unclear(format!(
            "{PROBES} times {INTERVAL} is more ticks than the kernel can count"
        )));
    }
    let low = Quantity::from_scalar(Kind::Duration, product).filter(|_| product > 0);
    let high = Quantity::from_scalar(Kind::Duration, product + interval);
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
