//! What libipadm knows of the properties that it has a name for.

use super::proto::Proto;

/// Where a property can be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// On an interface.
    Interface,
    /// On a protocol.
    Protocol,
    /// On either.
    Both,
}

/// Words that the library has for the numbers of the kernel.
#[derive(Debug)]
pub(super) struct Words {
    /// In the order of the numbers.
    pub(super) by_number: Vec<&'static str>,
    /// As they are shown where all are.
    pub(super) shown: &'static str,
}

/// A property that libipadm has a name for.
#[derive(Debug)]
pub(super) struct Public {
    pub(super) proto: Proto,
    pub(super) name: &'static str,
    /// The name that it had before, which is still taken.
    pub(super) was: Option<&'static str>,
    pub(super) class: Class,
    /// It has several values, and can be added to.
    pub(super) several: bool,
    pub(super) words: Option<Words>,
}

impl Public {
    fn parse(line: &'static str) -> Self {
        let mut words = line.split(' ');
        let mut next = || words.next().unwrap_or_else(|| panic!("{line}: too short"));
        let (proto, name) = (Proto::named(next()).expect("a protocol"), next());
        let class = match next() {
            "interface" => Class::Interface,
            "protocol" => Class::Protocol,
            "both" => Class::Both,
            other => panic!("no class is called {other:?}"),
        };
        let rest: Vec<&'static str> = words.collect();
        let value = |key: &str| rest.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
        let words = value("words").map(|by_number| Words {
            by_number: by_number.split(',').collect(),
            shown: value("shown").unwrap_or(by_number),
        });
        Self { proto, name, was: value("was"), class, several: rest.contains(&"several"), words }
    }

    /// Tells whether the property is called so.
    pub(super) fn is_called(&self, name: &str) -> bool {
        self.name == name || self.was == Some(name)
    }
}

/// All of them, in the order that they are shown in.
#[derive(Debug)]
pub(super) struct Publics(Vec<Public>);

/// What came of looking for a name.
pub(super) enum Found<'a> {
    /// It is there.
    Public(&'a Public),
    /// It is there for another protocol of the same family.
    Elsewhere,
    /// The kernel may know it.
    Private,
}

impl Publics {
    pub(super) fn parse(text: &'static str) -> Self {
        Self(text.lines().map(Public::parse).collect())
    }

    /// Looks for the property of exactly that protocol.
    pub(super) fn find(&self, proto: Proto, name: &str) -> Found<'_> {
        // The library has one list for each of these, and one for all of IP.
        let listed = |public: &&Public| public.proto == proto || (public.proto.is_ip() && proto.is_ip());
        let mut named = self.0.iter().filter(listed).filter(|public| public.is_called(name)).peekable();
        if named.peek().is_none() {
            return Found::Private;
        }
        named.find(|public| public.proto == proto).map_or(Found::Elsewhere, Found::Public)
    }

    /// Returns those of a protocol, or of all, that can be set on a protocol.
    pub(super) fn shown(&self, proto: Option<Proto>) -> impl Iterator<Item = &Public> {
        let meets = move |public: &&Public| proto.is_none_or(|proto| public.proto.meets(proto));
        self.0.iter().filter(meets).filter(|public| public.class != Class::Interface)
    }

    /// Returns those that have the name, by its newest word, and belong to the protocol or a part of it.
    pub(super) fn named<'a>(&'a self, name: &'a str, proto: Proto) -> impl Iterator<Item = &'a Public> {
        self.0.iter().filter(move |public| public.name == name && public.proto.meets(proto))
    }
}
