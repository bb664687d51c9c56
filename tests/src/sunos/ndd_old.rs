//! The `ndd` of Solaris 10: it asks the kernel itself, and says everything on standard output.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::errno::Errno;
use super::fault::Fault;
use super::host::Host;
use super::live::{self, Value};
use super::model::Zone;
use super::ndd::{Answer, Ndd, open_other};
use super::number::signed;
use super::said::Said;

/// What the kernel has under a name.
#[derive(Debug, Clone, Copy)]
enum Parameter {
    /// A number, the default and the range.
    Number(u32, u32, u32),
    /// Something else, and the words for what may be done with it.
    Other(&'static str),
}

/// What the kernel has, in its own order and by name.
struct Parameters {
    order: Vec<&'static str>,
    by_name: BTreeMap<&'static str, Parameter>,
}

static TCP: LazyLock<Parameters> = LazyLock::new(|| {
    let numbers = include_str!("../../fixtures/sunos/opensolaris-2005-06/table.txt").lines();
    let numbers = numbers.filter(|line| !line.starts_with('#')).map(|line| {
        let words: Vec<&'static str> = line.split(' ').collect();
        let number = |place: usize| words[place].parse().expect("a number");
        (words[0], Parameter::Number(number(1), number(2), number(3)))
    });
    let rest = include_str!("../../fixtures/sunos/opensolaris-2005-06/rest.txt").lines();
    let others = rest.map(|line| {
        let (may, name) = line.split_once(": ").expect("words and a name");
        (name, Parameter::Other(may))
    });
    let all: Vec<(&'static str, Parameter)> = numbers.chain(others).collect();
    let list = all.iter().position(|(name, _)| *name == "?").expect("the list has a name");
    let mut order: Vec<&'static str> = all.iter().map(|(name, _)| *name).collect();
    order[..=list].rotate_right(1);
    Parameters { order, by_name: all.into_iter().collect() }
});

const PORTS: &str = "tcp_extra_priv_ports";

/// ndd over the device.
pub(super) struct Old<'a>(pub(super) &'a mut Host);

fn failed(errno: Errno) -> Said {
    let out = match errno {
        Errno::Unmodelled(what) => return Said::unmodelled(&what),
        Errno::Enoent => {
            "name is non-existent for this module\nfor a list of valid names, use name '?'\n".to_owned()
        }
        other => format!("operation failed: {}\n", other.text()),
    };
    Said { out: out.into_bytes(), code: 1, ..Said::default() }
}

fn find(name: &str) -> Result<Parameter, Errno> {
    match TCP.by_name.get(name) {
        Some(parameter) => Ok(*parameter),
        // What TCP does not know is passed down to IP, whose names were not recorded.
        None if name.starts_with("ip_") || name.starts_with("ip6_") => {
            Err(Errno::Unmodelled(format!("ndd /dev/tcp {name}")))
        }
        None => Err(Errno::Enoent),
    }
}

impl Old<'_> {
    fn ports(&self) -> Vec<u16> {
        match self.0.live.get("tcp", PORTS) {
            Some(Value::Ports(ports)) => ports.clone(),
            _ => vec![2049, 4045],
        }
    }

    fn shown(&self, name: &str) -> Result<String, Errno> {
        match find(name)? {
            Parameter::Number(default, ..) => {
                Ok(format!("{}\n", self.0.live.number("tcp", name).unwrap_or(default)))
            }
            Parameter::Other(_) if name == "?" => Ok(list()),
            Parameter::Other(_) if name == PORTS => {
                let ports = self.ports();
                let taken = ports.iter().filter(|port| **port != 0);
                Ok(taken.map(|port| format!("{port} \n")).collect())
            }
            Parameter::Other("write only" | "no read or write") => Err(Errno::Eacces),
            Parameter::Other(_) => Err(Errno::Unmodelled(format!("the report {name}"))),
        }
    }

    fn changed(&mut self, name: &str, text: &str) -> Result<(), Errno> {
        let parameter = find(name)?;
        let shared = matches!(self.0.setup.zone, Zone::Shared(_)) || self.0.meets(Fault::SharedZone);
        if shared || self.0.meets(Fault::NoPerm) || self.0.meets(Fault::NoAuth) {
            return Err(Errno::Eperm);
        }
        match parameter {
            Parameter::Number(_, min, max) => {
                // What follows the number is not looked at.
                let (number, _) = signed(text).ok_or(Errno::Einval)?;
                let number = u32::try_from(number).map_err(|_| Errno::Einval)?;
                if number < min || number > max {
                    return Err(Errno::Einval);
                }
                self.0.live.put("tcp", name, Value::Number(number));
            }
            Parameter::Other("read only" | "no read or write") => return Err(Errno::Eacces),
            Parameter::Other(_) => match name.strip_prefix(PORTS) {
                Some(verb) => self.change_ports(verb, text)?,
                None if name == "tcp_1948_phrase" => {}
                None => return Err(Errno::Unmodelled(format!("ndd -set of {name}"))),
            },
        }
        Ok(())
    }

    fn change_ports(&mut self, verb: &str, text: &str) -> Result<(), Errno> {
        let (number, _) = signed(text).ok_or(Errno::Einval)?;
        let port = u16::try_from(number).ok().filter(|port| *port > 0).ok_or(Errno::Einval)?;
        let mut ports = self.ports();
        match verb {
            "_add" => live::add_port(&mut ports, port)?,
            "_del" => live::remove_port(&mut ports, port)?,
            other => return Err(Errno::Unmodelled(format!("{PORTS}{other}"))),
        }
        self.0.live.put("tcp", PORTS, Value::Ports(ports));
        Ok(())
    }
}

fn list() -> String {
    let line = |name: &&str| {
        let may = match TCP.by_name[name] {
            Parameter::Number(..) => "read and write",
            Parameter::Other(may) => may,
        };
        // A name that fills the column is not parted from the words.
        let gap = if name.len() >= 30 && name.contains(' ') { " " } else { "" };
        format!("{name:<30}{gap}({may})\n")
    };
    TCP.order.iter().map(line).collect()
}

impl Ndd for Old<'_> {
    fn open(&self, device: &str) -> Result<(), Said> {
        match device {
            "/dev/tcp" => Ok(()),
            "/dev/udp" | "/dev/ip" | "/dev/sctp" | "/dev/icmp" | "/dev/arp" | "/dev/rawip" | "/dev/tcp6"
            | "/dev/udp6" | "/dev/ip6" | "/dev/sctp6" | "/dev/icmp6" | "/dev/rawip6" => {
                Err(Said::unmodelled(&format!("ndd {device} of Solaris 10")))
            }
            other => Err(open_other(other)),
        }
    }

    fn get(&mut self, _device: &str, name: &str) -> Answer {
        self.shown(name).map_err(failed)
    }

    fn set(&mut self, _device: &str, name: &str, value: &str) -> Answer {
        self.changed(name, value).map(|()| String::new()).map_err(failed)
    }
}
