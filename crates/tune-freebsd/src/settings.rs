//! The portable settings on FreeBSD: from tunables to effective values, and back.

use tune_host::{Assessment, Provision, Targets, Unsolvable};
use tune_model::{
    Catalog, Effective, Kind, Limits, PortRange, Quantity, Setting, Slot, Storable, System, Unread, Values,
};

use crate::buffers;
use crate::fin_wait_2;
use crate::kernel::tick;

/// How a tunable's integer becomes a setting's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Conversion {
    /// Milliseconds, kept in ticks.
    Milliseconds,
    /// The maximum segment lifetime, of which TIME_WAIT lasts two.
    TwiceMilliseconds,
    /// A number of things, or of bytes.
    Number,
}

struct Row {
    setting: Setting,
    tunable: &'static str,
    conversion: Conversion,
}

const fn row(setting: Setting, tunable: &'static str, conversion: Conversion) -> Row {
    Row { setting, tunable, conversion }
}

const ROWS: &[Row] = &[
    row(Setting::KeepaliveIdle, "net.inet.tcp.keepidle", Conversion::Milliseconds),
    row(Setting::KeepaliveInterval, INTERVAL, Conversion::Milliseconds),
    row(Setting::KeepaliveProbes, PROBES, Conversion::Number),
    row(Setting::TimeWaitInterval, "net.inet.tcp.msl", Conversion::TwiceMilliseconds),
    row(Setting::TimeWaitLimit, "net.inet.tcp.maxtcptw", Conversion::Number),
    row(Setting::ListenBacklog, "kern.ipc.soacceptqueue", Conversion::Number),
    row(Setting::SynBacklog, "net.inet.tcp.syncache.cachelimit", Conversion::Number),
    row(Setting::MbufClusters, "kern.ipc.nmbclusters", Conversion::Number),
    row(Setting::TcpMemoryLimit, "kern.ipc.maxmbufmem", Conversion::Number),
    row(Setting::MaxSockets, "kern.ipc.maxsockets", Conversion::Number),
];

pub(crate) const INTERVAL: &str = "net.inet.tcp.keepintvl";
pub(crate) const PROBES: &str = "net.inet.tcp.keepcnt";
const KEEPALIVE: &str = "net.inet.tcp.always_keepalive";
const FIRST_PORT: &str = "net.inet.ip.portrange.first";
const LAST_PORT: &str = "net.inet.ip.portrange.last";

impl Row {
    fn of(setting: Setting) -> Option<&'static Self> {
        ROWS.iter().find(|row| row.setting == setting)
    }

    const fn factor(&self) -> i128 {
        match self.conversion {
            Conversion::TwiceMilliseconds => 2,
            _ => 1,
        }
    }

    fn storable(&self, hz: i128) -> Storable {
        let (low, high) = accepted(self.tunable);
        match self.conversion {
            Conversion::Number => Storable::every(1, low.max(0), high),
            _ => {
                let (step, factor) = (tick(hz), self.factor());
                Storable::every(step * factor, step * factor, high / step * step * factor)
            }
        }
    }

    fn effective(&self, native: i128) -> Effective {
        let found = Quantity::from_scalar(self.setting.kind(), native * self.factor());
        found.map_or(Effective::Unbounded, Effective::Exact)
    }

    fn caution(&self, native: i128) -> Option<String> {
        let text = match (self.setting, native) {
            (Setting::KeepaliveProbes, ..=0) => {
                "without probes the first keepalive drops a healthy idle connection, and a closed connection in \
                 FIN_WAIT_2 has no timer unless fast_finwait2_recycle is on"
            }
            (Setting::SynBacklog, 0) => "with 0 every half-open connection depends on SYN cookies",
            _ => return None,
        };
        Some(text.to_owned())
    }
}

/// Returns what the kernels take of a tunable.
pub(crate) fn accepted(tunable: &str) -> (i128, i128) {
    let row = Catalog::of(System::FreeBsd).get(tunable);
    row.and_then(|row| row.accepted_in(None)).unwrap_or((0, i128::from(i32::MAX)))
}

pub(crate) fn provision(setting: Setting) -> Provision {
    let slots = |names: &[&str]| names.iter().map(|name| Slot::whole(*name)).collect();
    match setting {
        Setting::FinWait2Timeout => Provision::Slots(slots(&[fin_wait_2::TIMEOUT, fin_wait_2::RECYCLE])),
        Setting::KeepaliveAbort => Provision::Derived(slots(&[INTERVAL, PROBES])),
        Setting::KeepaliveDefaultOn => Provision::Slots(slots(&[KEEPALIVE])),
        Setting::EphemeralPorts => Provision::Slots(slots(&[FIRST_PORT, LAST_PORT])),
        Setting::SendBufferMax => Provision::Slots(slots(&[buffers::SEND])),
        Setting::ReceiveBufferMax => Provision::Slots(slots(&[buffers::RECEIVE])),
        _ => Row::of(setting).map_or(Provision::None, |row| Provision::Slots(slots(&[row.tunable]))),
    }
}

pub(crate) fn assess(setting: Setting, values: &dyn Values, hz: i128) -> Assessment {
    let mut cautions = Vec::new();
    let effective = match setting {
        Setting::FinWait2Timeout => return fin_wait_2::assess(values, hz),
        Setting::KeepaliveAbort => abort_time(values),
        Setting::KeepaliveDefaultOn => {
            values.integer(KEEPALIVE, 0).map(|flag| Effective::Exact(Quantity::Switch(flag != 0)))
        }
        Setting::EphemeralPorts => ports(values),
        Setting::SendBufferMax => buffers::effective(buffers::SEND, values, &mut cautions),
        Setting::ReceiveBufferMax => buffers::effective(buffers::RECEIVE, values, &mut cautions),
        _ => match Row::of(setting) {
            Some(row) => values.integer(row.tunable, 0).map(|native| {
                cautions.extend(row.caution(native));
                row.effective(native)
            }),
            None => Ok(Effective::Unknown("FreeBSD has no such setting".to_owned())),
        },
    };
    Assessment {
        effective: effective.unwrap_or_else(|unread| Effective::Unknown(unread.to_string())),
        cautions,
    }
}

fn abort_time(values: &dyn Values) -> Result<Effective, Unread> {
    let (interval, probes) = (values.integer(INTERVAL, 0)?, values.integer(PROBES, 0)?);
    let product = Quantity::from_scalar(Kind::Duration, interval.saturating_mul(probes.max(0)));
    Ok(product.map_or(Effective::Unbounded, Effective::Exact))
}

fn ports(values: &dyn Values) -> Result<Effective, Unread> {
    let port = |name| {
        let found = values.integer(name, 0)?;
        u16::try_from(found).map_err(|_| Unread::Unclear(format!("{found} is no port")))
    };
    // The kernel takes either for the lower end.
    let (one, other) = (port(FIRST_PORT)?, port(LAST_PORT)?);
    Ok(Effective::Exact(Quantity::Ports(PortRange { low: one.min(other), high: one.max(other) })))
}

pub(crate) fn storable(setting: Setting, values: &dyn Values, hz: i128) -> Option<Storable> {
    match setting {
        Setting::FinWait2Timeout => Some(milliseconds(fin_wait_2::TIMEOUT, hz)),
        Setting::KeepaliveAbort => {
            let probes = values.integer(PROBES, 0).ok().filter(|probes| *probes > 0)?;
            let step = tick(hz) * probes;
            Some(Storable::every(step, step, longest_product(hz) / step * step))
        }
        Setting::SendBufferMax => Some(buffers::storable(buffers::SEND)),
        Setting::ReceiveBufferMax => Some(buffers::storable(buffers::RECEIVE)),
        _ => Row::of(setting).map(|row| row.storable(hz)),
    }
}

/// Returns the milliseconds that a tunable kept in ticks can have.
pub(crate) fn milliseconds(tunable: &str, hz: i128) -> Storable {
    let step = tick(hz);
    Storable::every(step, step, accepted(tunable).1 / step * step)
}

/// Returns the longest product of interval and probes that the kernel can compute: it does so in an `int` of ticks.
pub(crate) fn longest_product(hz: i128) -> i128 {
    i128::from(i32::MAX) * 1000 / hz
}

pub(crate) fn solve(
    setting: Setting,
    limits: &Limits,
    values: &dyn Values,
    (hz, jailed): (i128, bool),
) -> Result<Targets, Unsolvable> {
    match setting {
        Setting::FinWait2Timeout => return fin_wait_2::solve(limits, values, hz),
        Setting::SendBufferMax => return buffers::solve(buffers::SEND, limits, values, jailed),
        Setting::ReceiveBufferMax => return buffers::solve(buffers::RECEIVE, limits, values, jailed),
        Setting::KeepaliveDefaultOn => return solve_switch(limits),
        Setting::EphemeralPorts => return solve_ports(limits, values),
        _ => {}
    }
    let unreadable = || Unsolvable::Unreadable(format!("what {setting} depends on cannot be read"));
    let storable = storable(setting, values, hz).ok_or_else(unreadable)?;
    let present = assess(setting, values, hz).effective;
    let base = tune_host::solve_scalar(setting.kind(), &storable, limits, &present)
        .map_err(|unsolvable| explain(setting, unsolvable, hz))?;
    let (name, value) = match setting {
        Setting::KeepaliveAbort => (INTERVAL, base / values.integer(PROBES, 0).map_err(|_| unreadable())?),
        _ => {
            let row = Row::of(setting).ok_or_else(unreadable)?;
            (row.tunable, base / row.factor())
        }
    };
    Ok(Targets::from([(Slot::whole(name), value.to_string())]))
}

/// Adds what is peculiar to FreeBSD to the bare arithmetic.
pub(crate) fn explain(setting: Setting, unsolvable: Unsolvable, hz: i128) -> Unsolvable {
    let Unsolvable::NotStorable { message, neighbours } = unsolvable else { return unsolvable };
    let reason = match setting {
        Setting::KeepaliveAbort => "it is the interval times the number of probes, in whole ticks",
        Setting::TimeWaitInterval => "it is twice net.inet.tcp.msl, in whole ticks",
        _ if setting.kind() == Kind::Duration => "the kernel keeps whole ticks, at least one",
        _ => return Unsolvable::NotStorable { message, neighbours },
    };
    let message = match setting.kind() {
        Kind::Duration => format!("{message}: {reason} of {} ms", tick(hz)),
        _ => format!("{message}: {reason}"),
    };
    Unsolvable::NotStorable { message, neighbours }
}

fn solve_switch(limits: &Limits) -> Result<Targets, Unsolvable> {
    match limits.exact() {
        Some(Quantity::Switch(on)) => {
            Ok(Targets::from([(Slot::whole(KEEPALIVE), i32::from(*on).to_string())]))
        }
        _ => Err(Unsolvable::NotStorable {
            message: format!("a switch cannot be {limits}"),
            neighbours: Vec::new(),
        }),
    }
}

fn solve_ports(limits: &Limits, values: &dyn Values) -> Result<Targets, Unsolvable> {
    let present = match ports(values) {
        Ok(Effective::Exact(present)) => present,
        _ => {
            return Err(Unsolvable::Unreadable(format!("{FIRST_PORT} and {LAST_PORT} cannot be read")));
        }
    };
    let wanted = limits.prefer.clone().unwrap_or(present);
    let raised = limits.at_least.as_ref().and_then(|low| wanted.join(low)).unwrap_or(wanted);
    let wanted = limits.at_most.as_ref().map_or(Some(raised.clone()), |high| raised.meet(high));
    match wanted {
        Some(Quantity::Ports(PortRange { low, high })) => Ok(Targets::from([
            (Slot::whole(FIRST_PORT), low.to_string()),
            (Slot::whole(LAST_PORT), high.to_string()),
        ])),
        _ => Err(Unsolvable::NotStorable {
            message: format!("no range of ports is {limits}"),
            neighbours: Vec::new(),
        }),
    }
}
