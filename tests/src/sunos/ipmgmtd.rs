//! The daemon that keeps values across restarts: its door, its file, and what it does at the start.

use std::fs;

use super::conf::{self, Line, Verdict};
use super::errno::{Errno, Status};
use super::fault::Fault;
use super::host::Host;
use super::kernel::{Change, VALUE_SIZE};
use super::library::{Library, Mode, legacy};
use super::model::Zone;
use super::proto::Proto;

/// Fails as a call through the door would, where nobody is behind it.
fn door(host: &Host) -> Result<(), Errno> {
    let zone = matches!(host.setup.zone, Zone::Shared(_)) || host.meets(Fault::SharedZone);
    match () {
        () if zone || host.meets(Fault::NoDoor) => Err(Errno::Enoent),
        () if host.meets(Fault::NoIpmgmtd) => Err(Errno::Ebadf),
        () => Ok(()),
    }
}

fn read(host: &Host) -> Result<Vec<u8>, Errno> {
    fs::read(host.paths.conf()).map_err(|_| Errno::Enoent)
}

/// Replaces the file, as the daemon does, with a new one of the same name.
fn write(host: &Host, bytes: &[u8]) {
    let (file, aside) = (host.paths.conf(), host.paths.conf().with_extension("conf.new"));
    let written = fs::write(&aside, bytes).and_then(|()| fs::rename(&aside, &file));
    written.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}

/// The name of a property as it is stored: private ones get another underscore.
fn stored(name: &str) -> String {
    if name.starts_with('_') { format!("_{name}") } else { name.to_owned() }
}

fn cut(mut value: String) -> String {
    let end = (0..VALUE_SIZE).rev().find(|end| value.is_char_boundary(*end)).unwrap_or(0);
    value.truncate(end);
    value
}

/// Returns the stored value of a property.
pub(super) fn get(host: &Host, protocol: &str, name: &str) -> Result<String, Errno> {
    door(host)?;
    let (name, mut found) = (stored(name), None);
    conf::walk(&read(host)?, |line| match line.value(&name) {
        Some(value) if line.is_about(protocol) => {
            found = Some(value.to_owned());
            Verdict::Stop
        }
        _ => Verdict::Next,
    });
    found.ok_or(Errno::Enoent)
}

/// Stores a change, after the kernel has taken it.
pub(super) fn keep(host: &Host, protocol: &str, name: &str, change: Change<'_>) -> Result<(), Errno> {
    door(host)?;
    let name = stored(name);
    match change {
        Change::To(value) => store(host, protocol, &name, value, false),
        Change::Add(value) => store(host, protocol, &name, value, true),
        Change::Remove(value) => forget(host, protocol, &name, Some(value)),
        Change::Default => forget(host, protocol, &name, None),
    }
}

fn store(host: &Host, protocol: &str, name: &str, value: &str, add: bool) -> Result<(), Errno> {
    let (mut file, found) = conf::walk(&read(host)?, |line| match line.value(name) {
        Some(before) if line.is_about(protocol) => {
            let mut line = line.clone();
            let value = if add { cut(format!("{before},{value}")) } else { value.to_owned() };
            line.replace(name, &value);
            Verdict::Replace(line.text())
        }
        _ => Verdict::Next,
    });
    if !found {
        file.extend_from_slice(Line::of(protocol, name, value).text().as_bytes());
    }
    write(host, &file);
    Ok(())
}

/// Drops the line, or one value of it: a line without a value is left where that was the last one.
fn forget(host: &Host, protocol: &str, name: &str, only: Option<&str>) -> Result<(), Errno> {
    let mut emptied = false;
    let (file, found) = conf::walk(&read(host)?, |line| match (line.value(name), only) {
        (Some(before), Some(value)) if line.is_about(protocol) => {
            let others: Vec<&str> =
                before.split(',').filter(|one| !one.is_empty() && *one != value).collect();
            emptied = before.is_empty();
            let mut line = line.clone();
            line.replace(name, &others.join(","));
            Verdict::Replace(line.text())
        }
        (Some(_), None) if line.is_about(protocol) => Verdict::Drop,
        _ => Verdict::Next,
    });
    if emptied {
        // The daemon then loses this line and those after it.
        return Err(Errno::Unmodelled(format!("a value removed from {name}, which is stored empty")));
    }
    write(host, &file);
    if found { Ok(()) } else { Err(Errno::Enoent) }
}

/// Applies what is stored, in the order of the file and carrying on after failures, and returns what is logged.
pub(super) fn start(host: &mut Host) -> Vec<String> {
    let (Ok(()), Ok(file)) = (door(host), read(host)) else { return Vec::new() };
    let mut lines = Vec::new();
    conf::walk(&file, |line| {
        lines.push(line.clone());
        Verdict::Next
    });
    lines.iter().filter_map(|line| apply(host, line)).collect()
}

/// Tells what is logged.
fn apply(host: &mut Host, line: &Line) -> Option<String> {
    if line.value("_ifname").is_some() || line.value("_aobjname").is_some() {
        return None;
    }
    let is_own = |name: &str| name.starts_with('_') && !name.starts_with("__");
    let pair = line.pairs().filter(|(name, _)| !is_own(name)).last();
    let (Some(protocol), Some((name, value))) = (line.value(conf::PROTOCOL), pair) else {
        return Some(format!("the stand-in does not model how ipmgmtd takes {:?}", line.text()));
    };
    let failed = |name: &str| Some(format!("Failed to reapply property {name}"));
    let private = name.strip_prefix('_');
    let Some(proto) = Proto::named(protocol) else { return failed(private.unwrap_or(name)) };
    let (name, proto) = match private {
        Some(private) => (private.to_owned(), proto),
        None => legacy(host.knowledge(), name, proto).unwrap_or_else(|| (name.to_owned(), proto)),
    };
    match Library::new(host, Mode::Start).set(proto, &name, Change::To(value), false) {
        Ok(()) => None,
        Err(Status::Unmodelled(what)) => Some(format!("the stand-in does not model {what}")),
        Err(_) => failed(&name),
    }
}
