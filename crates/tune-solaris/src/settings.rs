//! The portable settings on illumos and Solaris: from properties to effective values, and back.

use tune_host::{Assessment, Provision, Targets, Unsolvable, solve_scalar};
use tune_model::{
    Catalog, Effective, Limits, PortRange, Quantity, Setting, Slot, Storable, System, Unread, Values,
};

use crate::buffers;
use crate::fresh::Family;

/// The settings that are one number in one property, in the setting's own unit: all times are milliseconds.
const ROWS: &[(Setting, &str)] = &[
    (Setting::FinWait2Timeout, "ipadm.tcp._fin_wait_2_flush_interval"),
    (Setting::KeepaliveIdle, "ipadm.tcp._keepalive_interval"),
    (Setting::KeepaliveAbort, ABORT),
    (Setting::TimeWaitInterval, "ipadm.tcp._time_wait_interval"),
    (Setting::ListenBacklog, "ipadm.tcp._conn_req_max_q"),
    (Setting::SynBacklog, "ipadm.tcp._conn_req_max_q0"),
];

pub(crate) const ABORT: &str = "ipadm.tcp._keepalive_abort_interval";
pub(crate) const FIRST_PORT: &str = "ipadm.tcp.smallest_anon_port";
pub(crate) const LAST_PORT: &str = "ipadm.tcp.largest_anon_port";

fn tunable_of(setting: Setting) -> Option<&'static str> {
    ROWS.iter().find(|(known, _)| *known == setting).map(|(_, tunable)| *tunable)
}

/// Returns what kernels take of a tunable: those of a family, or of every one.
pub(crate) fn accepted(tunable: &str, family: Option<Family>) -> (i128, i128) {
    let row = Catalog::of(System::Solaris).get(tunable);
    let of_family = family.and_then(|family| row?.of_family(family.name()).accepted.first().copied());
    of_family.or_else(|| row?.accepted_in(None)).unwrap_or((0, i128::from(u32::MAX)))
}

pub(crate) fn provision(setting: Setting) -> Provision {
    let slots = |names: &[&str]| Provision::Slots(names.iter().map(|name| Slot::whole(*name)).collect());
    match setting {
        Setting::EphemeralPorts => slots(&[FIRST_PORT, LAST_PORT]),
        Setting::SendBufferMax => slots(&[buffers::SEND, buffers::LIMIT]),
        Setting::ReceiveBufferMax => slots(&[buffers::RECEIVE, buffers::LIMIT]),
        _ => tunable_of(setting).map_or(Provision::None, |tunable| slots(&[tunable])),
    }
}

pub(crate) fn stands_in(setting: Setting) -> String {
    let text = match setting {
        Setting::MbufClusters => {
            "kernel memory, of which STREAMS takes its buffers as it needs them (netstat -m shows them and whether any \
             could not be had); each socket is bounded by max_buf, send_buf and recv_buf"
        }
        Setting::TcpMemoryLimit => {
            "kernel memory; TCP itself ends connections that are stuck when it runs short (tcp_reclaim_cnt), and \
             _listener_limit_conf_add bounds what one service may use"
        }
        Setting::KeepaliveInterval | Setting::KeepaliveProbes => {
            "tcp.keepalive_abort: the system spaces its probes itself"
        }
        _ => setting.stands_in(),
    };
    text.to_owned()
}

pub(crate) fn assess(setting: Setting, values: &dyn Values) -> Assessment {
    let mut cautions = Vec::new();
    let effective = match setting {
        Setting::EphemeralPorts => ports(values),
        Setting::SendBufferMax => buffers::effective(buffers::SEND, values, &mut cautions),
        Setting::ReceiveBufferMax => buffers::effective(buffers::RECEIVE, values, &mut cautions),
        _ => match tunable_of(setting) {
            Some(tunable) => values.integer(tunable, 0).map(|number| {
                cautions.extend(caution(tunable, number));
                scalar(setting, tunable, number)
            }),
            None => Ok(Effective::Unknown("this system has no such setting".to_owned())),
        },
    };
    Assessment {
        effective: effective.unwrap_or_else(|unread| Effective::Unknown(unread.to_string())),
        cautions,
    }
}

fn scalar(setting: Setting, tunable: &str, number: i128) -> Effective {
    if (tunable, number) == (ABORT, 0) {
        return Effective::Unbounded;
    }
    Quantity::from_scalar(setting.kind(), number).map_or(Effective::Unbounded, Effective::Exact)
}

fn caution(tunable: &str, number: i128) -> Option<String> {
    ((tunable, number) == (ABORT, 0))
        .then(|| "0 is taken for never: a dead peer then holds its connection for ever".to_owned())
}

fn ports(values: &dyn Values) -> Result<Effective, Unread> {
    let port = |name| {
        let found = values.integer(name, 0)?;
        u16::try_from(found).map_err(|_| Unread::Unclear(format!("{name} reads {found}, which is no port")))
    };
    let (low, high) = (port(FIRST_PORT)?, port(LAST_PORT)?);
    if low > high {
        return Err(Unread::Unclear(format!("{FIRST_PORT} = {low} is above {LAST_PORT} = {high}")));
    }
    Ok(Effective::Exact(Quantity::Ports(PortRange { low, high })))
}

pub(crate) fn storable(setting: Setting, family: Option<Family>) -> Option<Storable> {
    match setting {
        Setting::SendBufferMax => Some(buffers::storable(buffers::SEND, family)),
        Setting::ReceiveBufferMax => Some(buffers::storable(buffers::RECEIVE, family)),
        _ => tunable_of(setting).map(|tunable| {
            let (low, high) = accepted(tunable, family);
            // 0 does not end a connection at once, and is not compared as a number.
            let low = if tunable == ABORT { low.max(1) } else { low };
            Storable::every(1, low, high)
        }),
    }
}

pub(crate) fn solve(
    setting: Setting,
    limits: &Limits,
    values: &dyn Values,
    family: Option<Family>,
) -> Result<Targets, Unsolvable> {
    match setting {
        Setting::SendBufferMax => return buffers::solve(buffers::SEND, limits, values, family),
        Setting::ReceiveBufferMax => return buffers::solve(buffers::RECEIVE, limits, values, family),
        Setting::EphemeralPorts => return solve_ports(limits, values),
        _ => {}
    }
    let unreadable = || Unsolvable::Unreadable(format!("what {setting} depends on cannot be read"));
    let (tunable, storable) = tunable_of(setting).zip(storable(setting, family)).ok_or_else(unreadable)?;
    let present = assess(setting, values).effective;
    let number = solve_scalar(setting.kind(), &storable, limits, &present)?;
    Ok(Targets::from([(Slot::whole(tunable), number.to_string())]))
}

fn solve_ports(limits: &Limits, values: &dyn Values) -> Result<Targets, Unsolvable> {
    let unreadable = |unread: Unread| Unsolvable::Unreadable(unread.to_string());
    let present = match ports(values).map_err(unreadable)? {
        Effective::Exact(present) => present,
        _ => return Err(Unsolvable::Unreadable(format!("{FIRST_PORT} and {LAST_PORT} cannot be read"))),
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
