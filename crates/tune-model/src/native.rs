//! The system's own programs: which there are, and how they are called. No shell is involved anywhere.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A program of illumos or Solaris, always called by its absolute path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Program {
    /// ipadm(8): properties of the protocols, live and persistent.
    Ipadm,
    /// ndd(8): the same, live only.
    Ndd,
    /// zonename(1): the zone that the caller is in.
    Zonename,
    /// netstat(8): sockets and protocol counters.
    Netstat,
}

impl Program {
    /// Every program.
    pub const ALL: &'static [Self] = &[Self::Ipadm, Self::Ndd, Self::Zonename, Self::Netstat];

    /// Returns the name, as it is written on a command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ipadm => "ipadm",
            Self::Ndd => "ndd",
            Self::Zonename => "zonename",
            Self::Netstat => "netstat",
        }
    }

    /// Returns where it may be; the first that exists is called.
    #[must_use]
    pub const fn paths(self) -> &'static [&'static str] {
        match self {
            Self::Ipadm => &["/usr/sbin/ipadm", "/sbin/ipadm"],
            Self::Ndd => &["/usr/sbin/ndd"],
            Self::Zonename => &["/usr/bin/zonename", "/sbin/zonename"],
            Self::Netstat => &["/usr/bin/netstat"],
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A call of a program. Shown as a person would type it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The program.
    pub program: Program,
    /// Its arguments.
    pub arguments: Vec<String>,
}

impl Command {
    /// A call with these arguments.
    #[must_use]
    pub fn new(program: Program, arguments: &[&str]) -> Self {
        Self { program, arguments: arguments.iter().map(|word| (*word).to_owned()).collect() }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.arguments.iter().map(|word| quoted(word));
        let line: Vec<String> = std::iter::once(self.program.name().to_owned()).chain(words).collect();
        f.pad(&line.join(" "))
    }
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-=./,:+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// The program that keeps a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Keeper {
    /// ipadm, which also keeps what the next boot sets.
    Ipadm,
    /// ndd, which keeps nothing beyond the running kernel.
    Ndd,
}

/// A property of a protocol, as the program that keeps it names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Property {
    /// The program.
    pub keeper: Keeper,
    /// The protocol: `tcp`, `udp`, `icmp`, `sctp`, `ip`, `ipv4` or `ipv6`.
    pub protocol: String,
    /// The name: `_fin_wait_2_flush_interval` for ipadm, `tcp_fin_wait_2_flush_interval` for ndd.
    pub name: String,
}

impl Property {
    /// Returns the call that changes the running kernel and nothing else.
    #[must_use]
    pub fn set_live(&self, value: &str) -> Command {
        let value = value.trim();
        match self.keeper {
            Keeper::Ipadm => {
                let set = format!("{}={value}", self.name);
                Command::new(Program::Ipadm, &["set-prop", "-t", "-p", &set, &self.protocol])
            }
            Keeper::Ndd => Command::new(Program::Ndd, &["-set", &self.device(), &self.name, value]),
        }
    }

    /// Returns the call that changes the running kernel and what the next boot sets; `None` drops the latter and makes
    /// the former the kernel's default.
    ///
    /// Only ipadm has it. A value goes as it was typed once: that is what the program keeps.
    #[must_use]
    pub fn persist(&self, value: Option<&str>) -> Command {
        match value {
            Some(value) => {
                let set = format!("{}={value}", self.name);
                Command::new(Program::Ipadm, &["set-prop", "-p", &set, &self.protocol])
            }
            None => Command::new(Program::Ipadm, &["reset-prop", "-p", &self.name, &self.protocol]),
        }
    }

    /// Returns the device by which ndd knows the protocol.
    #[must_use]
    pub fn device(&self) -> String {
        format!("/dev/{}", self.protocol)
    }
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.keeper {
            Keeper::Ipadm => f.pad(&format!("{} {}", self.protocol, self.name)),
            Keeper::Ndd => f.pad(&format!("{} {}", self.device(), self.name)),
        }
    }
}

/// Tells whether two values of a property are the same: ipadm keeps `+030000` as it was typed and means 30000.
#[must_use]
pub fn same_number(one: &str, other: &str) -> bool {
    match (number(one), number(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one.trim() == other.trim(),
    }
}

/// Returns the number that a value is, as ipadm reads it: decimal, also with blanks or a plus sign before it.
#[must_use]
pub fn number(value: &str) -> Option<i128> {
    crate::tunable::integer(value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn property(keeper: Keeper, name: &str) -> Property {
        Property { keeper, protocol: "tcp".to_owned(), name: name.to_owned() }
    }

    #[test]
    fn commands_are_what_a_person_would_type() {
        let flush = property(Keeper::Ipadm, "_fin_wait_2_flush_interval");
        for (command, text) in [
            (flush.set_live("30000"), "ipadm set-prop -t -p _fin_wait_2_flush_interval=30000 tcp"),
            (flush.persist(Some("30000")), "ipadm set-prop -p _fin_wait_2_flush_interval=30000 tcp"),
            (flush.persist(Some(" 30000")), "ipadm set-prop -p '_fin_wait_2_flush_interval= 30000' tcp"),
            (flush.persist(None), "ipadm reset-prop -p _fin_wait_2_flush_interval tcp"),
            (
                property(Keeper::Ndd, "tcp_fin_wait_2_flush_interval").set_live("67500"),
                "ndd -set /dev/tcp tcp_fin_wait_2_flush_interval 67500",
            ),
        ] {
            assert_eq!(command.to_string(), text);
        }
    }

    #[test]
    fn values_are_compared_as_numbers() {
        for (one, other, same) in
            [("30000", "+030000", true), ("30000", " 30000", true), ("1", "10", false), ("a", " a", true)]
        {
            assert_eq!(same_number(one, other), same, "{one:?} {other:?}");
        }
    }
}
