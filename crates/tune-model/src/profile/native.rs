//! Which native tunables a profile may name.

use super::log::Complaint;
use super::value::Shape;
use crate::catalog::{Catalog, Tunable};
use crate::system::System;
use crate::tunable::Slot;

/// A native tunable that a profile named, or one field of it.
#[derive(Debug, Clone)]
pub(super) struct Native {
    pub(super) slots: Vec<Slot>,
    pub(super) shape: Shape,
    pub(super) row: Option<&'static Tunable>,
    /// The catalog knows the system but not the tunable, so the profile must say `uncatalogued = true`: what to do.
    pub(super) unknown: Option<String>,
}

/// Names that are not to be used, and what to know about them: tunables that kernels had once, and second names.
const REMOVED: &[(System, &str, &str, &str)] = &[
    (
        System::Linux,
        "net.ipv4.tcp_tw_recycle",
        "was removed in Linux 4.12, as it broke clients behind address translation",
        "drop it; net.ipv4.tcp_tw_reuse is the one that remains",
    ),
    (
        System::FreeBsd,
        "kern.ipc.somaxconn",
        "is another name of kern.ipc.soacceptqueue",
        "write kern.ipc.soacceptqueue",
    ),
];

/// The protocols whose properties ipadm keeps.
pub(super) const IPADM_PROTOCOLS: &[&str] = &["tcp", "udp", "icmp", "sctp", "ip", "ipv4", "ipv6"];

/// Returns how the names of tunables start that may be set although the catalog does not know them.
pub(super) const fn prefixes(system: System) -> &'static [&'static str] {
    match system {
        System::Linux => &["net.ipv4.", "net.ipv6.", "net.core.", "net.netfilter."],
        System::FreeBsd => &["net.inet.", "net.inet6.", "kern.ipc."],
        System::Solaris => &[
            "ipadm.tcp.",
            "ipadm.udp.",
            "ipadm.icmp.",
            "ipadm.sctp.",
            "ipadm.ip.",
            "ipadm.ipv4.",
            "ipadm.ipv6.",
        ],
    }
}

/// Returns the names that kernels of a system had once.
pub(super) fn removed(system: System) -> impl Iterator<Item = &'static str> {
    REMOVED.iter().filter(move |(on, ..)| *on == system).map(|(_, name, ..)| *name)
}

/// Returns what may be set under a name.
pub(super) fn find(catalog: &'static Catalog, system: System, name: &str) -> Result<Native, Complaint> {
    if let Some((_, _, what, help)) = REMOVED.iter().find(|(on, old, ..)| *on == system && *old == name) {
        return Err(Complaint::new(format!("{name} {what}")).help(*help));
    }
    let (base, field) = base_and_field(name);
    match catalog.get(base) {
        Some(row) => catalogued(row, field),
        None if field.is_some() => Err(unknown(catalog, system, base)),
        None => uncatalogued(catalog, system, name),
    }
}

fn base_and_field(name: &str) -> (&str, Option<&str>) {
    let parts = name.split_once('[').and_then(|(base, rest)| Some((base, rest.strip_suffix(']')?)));
    parts.map_or((name, None), |(base, field)| (base, Some(field)))
}

fn catalogued(row: &'static Tunable, field: Option<&str>) -> Result<Native, Complaint> {
    let slots = match field {
        None => row.slots(),
        Some(field) => vec![Slot::field(&row.name, field_number(row, field)?)],
    };
    Ok(Native { slots, shape: shape(row), row: Some(row), unknown: None })
}

/// Returns what values a field of a tunable takes.
pub(super) fn shape(row: &Tunable) -> Shape {
    const PAGES: &[&str] = &["net.ipv4.tcp_mem", "net.ipv4.udp_mem"];
    if row.is_text() {
        Shape::Text
    } else if row.unit == "pages" || PAGES.contains(&row.name.as_str()) {
        Shape::Pages
    } else {
        Shape::Integer
    }
}

fn field_number(row: &Tunable, field: &str) -> Result<usize, Complaint> {
    let by_number = field.parse().ok().filter(|at| *at < row.fields.len() && !field.starts_with('+'));
    let found = by_number.or_else(|| row.fields.iter().position(|name| name == field));
    found.ok_or_else(|| {
        let complaint = Complaint::new(format!("{} has no field {field:?}", row.name));
        match row.fields.as_slice() {
            [] => complaint.help("it holds one value only: leave the brackets out"),
            names => {
                let last = names.len() - 1;
                complaint.help(format!("its fields are 0 to {last}: {}", names.join(", ")))
            }
        }
    })
}

fn uncatalogued(catalog: &'static Catalog, system: System, name: &str) -> Result<Native, Complaint> {
    if !may_be_set(system, name) {
        return Err(unknown(catalog, system, name));
    }
    let unknown = (!catalog.is_empty()).then(|| match nearest(catalog, name) {
        Some(nearest) => format!("did you mean {nearest:?}? if not, add: uncatalogued = true"),
        None => "check the name; if it is meant, add: uncatalogued = true".to_owned(),
    });
    Ok(Native { slots: vec![Slot::whole(name)], shape: Shape::Integer, row: None, unknown })
}

fn may_be_set(system: System, name: &str) -> bool {
    below_prefix(system, name).is_some_and(is_plain)
}

fn below_prefix(system: System, name: &str) -> Option<&str> {
    prefixes(system).iter().find_map(|prefix| name.strip_prefix(prefix))
}

/// Tells whether a name starts as that of a tunable which may be set.
pub(super) fn is_below_prefix(system: System, name: &str) -> bool {
    below_prefix(system, name).is_some()
}

/// Tells whether a name is made of words and dots, so that it stays below its prefix when it becomes a path.
fn is_plain(name: &str) -> bool {
    let word = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
    };
    name.len() <= 200 && name.split('.').all(word)
}

fn unknown(catalog: &Catalog, system: System, name: &str) -> Complaint {
    let complaint = Complaint::new(format!("unknown tunable {name:?} on {system}"));
    match nearest(catalog, name) {
        Some(nearest) => complaint.help(format!("did you mean {nearest:?}?")),
        None => complaint
            .help(format!("besides the catalog, integers below {} may be set", prefixes(system).join(", "))),
    }
}

/// Returns the catalogued name most like `name`.
pub(super) fn nearest(catalog: &Catalog, name: &str) -> Option<String> {
    crate::nearest(name, catalog.iter().map(|row| row.name.as_str()))
}

/// Tells on which system a name that is no setting would be a sysctl.
pub(super) fn home(catalogs: super::Catalogs, name: &str) -> Option<System> {
    [System::Linux, System::FreeBsd].into_iter().find(|system| is_found(catalogs(*system), *system, name))
}

/// Tells whether [`find`] finds a name, without looking for one that is like it.
fn is_found(catalog: &'static Catalog, system: System, name: &str) -> bool {
    let (base, field) = base_and_field(name);
    match catalog.get(base) {
        _ if removed(system).any(|old| old == name) => false,
        Some(row) => catalogued(row, field).is_ok(),
        None => field.is_none() && may_be_set(system, name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_a_home_where_it_is_found() {
        let names = [
            "net.ipv4.tcp_rmem",
            "net.ipv4.tcp_rmem[2]",
            "net.ipv4.tcp_rmem[3]",
            "net.ipv4.tcp_rmem[max]",
            "net.ipv4.tcp_rmem[",
            "net.ipv4.tcp_tw_recycle",
            "kern.ipc.somaxconn",
            "kern.ipc.nmbclusters",
            "net.ipv4.what_is_this",
            "net.ipv4.what_is_this[0]",
            "net.ipv4.",
            "net.ipv4.a/b",
            "net.inet.tcp.x-y_z",
            "kernel.core_pattern",
            "",
            "[0]",
        ];
        for system in [System::Linux, System::FreeBsd, System::Solaris] {
            for name in names {
                let catalog = Catalog::of(system);
                assert_eq!(is_found(catalog, system, name), find(catalog, system, name).is_ok(), "{name}");
            }
        }
    }
}
