//! The values of the running kernel that are not the defaults.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::errno::Errno;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Value {
    /// A number, or a switch as 0 or 1.
    Number(u32),
    /// A name.
    Word(String),
    /// Ports, each in its place; 0 where a place is free.
    Ports(Vec<u16>),
    /// Ports with the ratio that limits their listener.
    Limits(Vec<(u16, i32)>),
}

/// The values of the running kernel that are not the defaults, under `PROTOCOL:NAME`.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Live(BTreeMap<String, Value>);

impl Live {
    pub(super) fn get(&self, protocol: &str, name: &str) -> Option<&Value> {
        self.0.get(&format!("{protocol}:{name}"))
    }

    pub(super) fn number(&self, protocol: &str, name: &str) -> Option<u32> {
        match self.get(protocol, name) {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn put(&mut self, protocol: &str, name: &str, value: Value) {
        self.0.insert(format!("{protocol}:{name}"), value);
    }
}

/// How many places a list of ports has.
pub(super) const PLACES: usize = 64;

/// Adds a port in the first free place.
pub(super) fn add_port(ports: &mut Vec<u16>, port: u16) -> Result<(), Errno> {
    if ports.contains(&port) {
        return Err(Errno::Eexist);
    }
    match ports.iter().position(|place| *place == 0) {
        Some(free) => ports[free] = port,
        None if ports.len() < PLACES => ports.push(port),
        None => return Err(Errno::Eoverflow),
    }
    Ok(())
}

/// Frees the place of a port.
pub(super) fn remove_port(ports: &mut [u16], port: u16) -> Result<(), Errno> {
    let place = ports.iter_mut().find(|place| **place == port).ok_or(Errno::Esrch)?;
    *place = 0;
    Ok(())
}
