//! What the shipped profiles ask of illumos and Solaris hosts that were left alone.

use tune_model::catalog::FAMILIES;
use tune_model::profile::{BuiltIn, Library, Profile, Requirement, Scale, Subject, resolve};
use tune_model::{Catalog, Limits, PortRange, Quantity, Setting, System, Tunable};

const SCALE: Scale = Scale { ram: 8 << 30, page: 4096 };

fn shipped() -> impl Iterator<Item = Profile> {
    BuiltIn.names().into_iter().map(|name| {
        let found = resolve(&BuiltIn, Catalog::of, &name, System::Solaris);
        found.unwrap_or_else(|error| panic!("{error}")).profile
    })
}

/// The settings that one property holds by itself, and the buffers, of which that is what a connection gets.
const ROWS: &[(Setting, &str)] = &[
    (Setting::FinWait2Timeout, "ipadm.tcp._fin_wait_2_flush_interval"),
    (Setting::KeepaliveIdle, "ipadm.tcp._keepalive_interval"),
    (Setting::KeepaliveAbort, "ipadm.tcp._keepalive_abort_interval"),
    (Setting::TimeWaitInterval, "ipadm.tcp._time_wait_interval"),
    (Setting::ListenBacklog, "ipadm.tcp._conn_req_max_q"),
    (Setting::SynBacklog, "ipadm.tcp._conn_req_max_q0"),
    (Setting::SendBufferMax, "ipadm.tcp.send_buf"),
    (Setting::ReceiveBufferMax, "ipadm.tcp.recv_buf"),
];

fn row(name: &str) -> &'static Tunable {
    Catalog::of(System::Solaris).get(name).unwrap_or_else(|| panic!("{name}"))
}

/// Returns the property that a requirement is about, where it is one.
fn property(requirement: &Requirement) -> Option<&'static Tunable> {
    match &requirement.subject {
        Subject::Tunable(slot) => Some(row(&slot.tunable)),
        Subject::Setting(setting) => ROWS.iter().find(|(of, _)| of == setting).map(|(_, name)| row(name)),
    }
}

fn number(quantity: &Quantity) -> i128 {
    match quantity {
        Quantity::Duration(number) | Quantity::Count(number) | Quantity::Bytes(number) => i128::from(*number),
        Quantity::Native(number) => *number,
        other => panic!("{other} is no number"),
    }
}

/// Returns the bounds that a profile states on one property, in its own unit.
fn bounds(requirement: &Requirement) -> Option<(&'static Tunable, i128, i128)> {
    let row = property(requirement)?;
    let Limits { at_least, at_most, .. } = requirement.wanted.limits(SCALE)?;
    let low = at_least.as_ref().map_or(i128::MIN, number);
    Some((row, low, at_most.as_ref().map_or(i128::MAX, number)))
}

fn named(name: &str) -> Profile {
    shipped().find(|profile| profile.name == name).unwrap_or_else(|| panic!("{name}"))
}

/// Returns what of a profile a host of some family that was left alone does not meet.
fn unmet(profile: &str, family: &str) -> Vec<String> {
    let asked = named(profile);
    let missed = asked.requirements.iter().filter(|requirement| {
        bounds(requirement).is_some_and(|(row, low, high)| {
            let default = row.of_family(family).default.first().copied().expect("a default");
            !(low..=high).contains(&default)
        })
    });
    missed.map(|requirement| requirement.subject.to_string()).collect()
}

/// What a profile asks for can be had on every family, without insisting.
#[test]
fn what_is_asked_for_is_allowed_everywhere() {
    let mut held = 0;
    for profile in shipped() {
        for (row, low, high) in profile.requirements.iter().filter_map(bounds) {
            let (least, most) = row.allowed_in(None).expect("bounds");
            assert!(low <= most && high >= least, "{}: {}", profile.name, row.name);
            for family in FAMILIES.iter().map(|family| row.of_family(family)).filter(|family| !family.absent)
            {
                let (least, most) = family.accepted[0];
                assert!(low <= most && high >= least, "{}: {}", profile.name, row.name);
            }
            held += 1;
        }
    }
    assert!(held > 30, "{held}");
}

/// The head of the profile says so.
#[test]
fn the_baseline_asks_of_a_host_as_installed_for_what_it_says() {
    assert_eq!(unmet("baseline", "illumos"), ["tcp.listen_backlog"]);
    assert_eq!(unmet("baseline", "solaris-10"), ["tcp.fin_wait_2_timeout", "tcp.listen_backlog"]);
}

/// There is no interval and no count of probes here: who asks for those has to say what they come to.
#[test]
fn who_asks_for_probes_asks_for_the_time_that_they_take() {
    let mut held = 0;
    for profile in shipped() {
        let asks = |setting| {
            let of = |requirement: &&Requirement| requirement.subject == Subject::Setting(setting);
            profile.requirements.iter().find(of)
        };
        let probes = [Setting::KeepaliveInterval, Setting::KeepaliveProbes].map(asks);
        for requirement in probes.into_iter().flatten() {
            assert!(requirement.optional, "{}: {}", profile.name, requirement.subject);
            assert!(asks(Setting::KeepaliveAbort).is_some(), "{}", profile.name);
            held += 1;
        }
    }
    assert!(held >= 8, "{held}");
}

/// A buffer is what every connection may fill, and nothing bounds their sum.
#[test]
fn ten_thousand_connections_fit_into_a_server() {
    for profile in shipped() {
        for requirement in &profile.requirements {
            let Subject::Setting(Setting::SendBufferMax | Setting::ReceiveBufferMax) = requirement.subject
            else {
                continue;
            };
            let Some((row, low, _)) = bounds(requirement) else { continue };
            assert!(low * 10_000 <= 6 << 30, "{}: {} {low}", profile.name, row.name);
        }
    }
}

#[test]
fn ports_that_are_asked_for_are_some_that_every_family_gives() {
    let [low, high] = ["smallest", "largest"].map(|end| row(&format!("ipadm.tcp.{end}_anon_port")));
    let wanted = named("reverse-proxy").requirements.iter().find_map(|requirement| {
        let asked = requirement.subject == Subject::Setting(Setting::EphemeralPorts);
        requirement.wanted.limits(SCALE).filter(|_| asked)?.at_least
    });
    let Some(Quantity::Ports(PortRange { low: first, high: last })) = wanted else { panic!("{wanted:?}") };
    let within = |row: &Tunable, port: u16| {
        let (least, most) = row.allowed_in(None).expect("bounds");
        (least..=most).contains(&i128::from(port))
    };
    assert!(within(low, first) && within(high, last));
}
