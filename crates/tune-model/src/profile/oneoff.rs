//! A profile made of `SETTING=VALUE` arguments.

use std::collections::BTreeMap;

use super::document::{Entry, Key, Table};
use super::log::{Complaint, Log, Spot};
use super::native::{self, Native};
use super::resolve::Resolved;
use super::value::{self, Given, Shape};
use super::{Catalogs, Class, Diagnostics, Profile, Source, Subject, contradiction, require};
use crate::catalog::Tunable;
use crate::setting::Setting;
use crate::system::System;

/// The name of the profile that `tune set` makes.
const NAME: &str = "command-line";

/// The operators, the longer ones first, and the keys they stand for.
const OPERATORS: &[(&str, Key)] = &[("<=", Key::AtMost), (">=", Key::AtLeast), ("=", Key::Exactly)];

/// Makes a profile of `SETTING=VALUE`, `SETTING<=VALUE` and `SETTING>=VALUE` arguments.
///
/// A name is a portable setting or a native tunable of the system; a value is written as in a profile, without quotes.
/// In diagnostics the line is the number of the argument.
///
/// # Errors
///
/// All that is wrong with the arguments.
pub fn one_off(arguments: &[String], catalogs: Catalogs, system: System) -> Result<Resolved, Diagnostics> {
    let mut log = Log::new("argument");
    let text: Vec<_> = arguments.iter().map(|argument| argument.replace(['\n', '\r'], " ")).collect();
    let source = log.add(NAME, None, &text.join("\n"));
    let mut tables: BTreeMap<Subject, Table> = BTreeMap::new();
    let mut start = 0;
    for argument in &text {
        let argument = Argument { source, start, text: argument };
        if let Err((spot, complaint)) = argument.read(&mut tables, catalogs, system) {
            log.error(spot, complaint);
        }
        start += argument.text.len() + 1;
    }
    let requirements =
        tables.iter().filter_map(|(subject, table)| require::requirement(&mut log, subject, table)).collect();
    contradiction::check(&mut log, &tables);
    let (found, inputs) = log.finish();
    if found.iter().any(|found| found.class == Class::Invalid) {
        return Err(found);
    }
    Ok(Resolved { profile: profile(requirements), refused: found, inputs })
}

fn profile(requirements: Vec<super::Requirement>) -> Profile {
    Profile {
        name: NAME.to_owned(),
        summary: "Settings given on the command line".to_owned(),
        source: Source::CommandLine,
        digest: String::new(),
        shadows_built_in: false,
        requirements,
    }
}

struct Argument<'a> {
    source: usize,
    start: usize,
    text: &'a str,
}

/// What an argument's name stands for.
struct Named {
    subjects: Vec<Subject>,
    shape: Shape,
    row: Option<&'static Tunable>,
}

type Mistake = (Spot, Complaint);

impl Argument<'_> {
    fn spot(&self, from: usize, to: usize) -> Spot {
        Spot::new(self.source, &(self.start + from..self.start + to))
    }

    fn read(
        &self,
        tables: &mut BTreeMap<Subject, Table>,
        catalogs: Catalogs,
        system: System,
    ) -> Result<(), Mistake> {
        let (name, key, value_at) = self.split()?;
        let name_spot = self.spot(0, name.len());
        let spot = self.spot(value_at, self.text.len());
        let named = named(name, catalogs, system).map_err(|complaint| (name_spot, complaint))?;
        let given = Given::of_argument(self.text[value_at..].trim(), named.shape);
        let contents = value::contents(&given, key, named.shape, named.subjects.len())
            .map_err(|complaint| (spot, complaint))?;
        for (subject, content) in named.subjects.into_iter().zip(contents) {
            let empty = Table {
                spot: name_spot,
                row: named.row,
                unknown: None,
                whole: true,
                entries: BTreeMap::new(),
            };
            let table = tables.entry(subject.clone()).or_insert(empty);
            if table.entries.insert(key, Entry { spot, content }).is_some() {
                return Err((name_spot, Complaint::new(format!("{subject} is given twice"))));
            }
        }
        Ok(())
    }

    /// Returns the name, what the operator asks for, and where the value starts.
    fn split(&self) -> Result<(&str, Key, usize), Mistake> {
        let at = self.text.find(['<', '>', '=']);
        let found = at.and_then(|at| {
            let (operator, key) =
                OPERATORS.iter().find(|(operator, _)| self.text[at..].starts_with(operator))?;
            Some((self.text[..at].trim_end(), *key, at + operator.len()))
        });
        found.ok_or_else(|| {
            let complaint = Complaint::new("expected SETTING=VALUE, SETTING<=VALUE or SETTING>=VALUE");
            (self.spot(0, self.text.len()), complaint)
        })
    }
}

fn named(name: &str, catalogs: Catalogs, system: System) -> Result<Named, Complaint> {
    if let Some(setting) = Setting::named(name) {
        let shape = Shape::Portable(setting.kind());
        return Ok(Named { subjects: vec![Subject::Setting(setting)], shape, row: None });
    }
    let catalog = catalogs(system);
    match native::find(catalog, system, name) {
        Ok(Native { unknown: Some(_), .. }) => Err(not_in_catalog(catalog, name)),
        Ok(Native { slots, shape, row, .. }) => {
            let subjects = slots.into_iter().map(Subject::Tunable).collect();
            Ok(Named { subjects, shape, row })
        }
        Err(complaint) if native::is_below_prefix(system, name) => Err(complaint),
        Err(_) => Err(unknown(catalog, name)),
    }
}

fn not_in_catalog(catalog: &crate::Catalog, name: &str) -> Complaint {
    let complaint = Complaint::new(format!("{name} is not in the catalog"));
    match native::nearest(catalog, name) {
        Some(nearest) => {
            complaint.help(format!("did you mean {nearest:?}? else use a profile with uncatalogued = true"))
        }
        None => complaint.help("use a profile with uncatalogued = true"),
    }
}

fn unknown(catalog: &crate::Catalog, name: &str) -> Complaint {
    let complaint = Complaint::new(format!("unknown setting or tunable {name:?}"));
    let names =
        Setting::ALL.iter().map(|setting| setting.name()).chain(catalog.iter().map(|row| row.name.as_str()));
    match crate::nearest(name, names) {
        Some(nearest) => complaint.help(format!("did you mean {nearest:?}?")),
        None => complaint.help("tune status lists the settings"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::testing::catalogs;
    use super::super::{Scale, Wanted};
    use super::*;

    fn made(arguments: &[&str]) -> Result<Resolved, Diagnostics> {
        let arguments: Vec<_> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        one_off(&arguments, catalogs, System::Linux)
    }

    #[test]
    fn values_are_written_without_quotes() {
        for (argument, shown) in [
            ("tcp.fin_wait_2_timeout=30s", "tcp.fin_wait_2_timeout 30s"),
            ("tcp.fin_wait_2_timeout <= 30s", "tcp.fin_wait_2_timeout at most 30s"),
            ("tcp.listen_backlog>=4096", "tcp.listen_backlog at least 4096"),
            ("tcp.keepalive_default_on=on", "tcp.keepalive_default_on on"),
            ("tcp.ephemeral_ports=32768-60999", "tcp.ephemeral_ports 32768-60999"),
            ("net.ipv4.tcp_fin_timeout=30", "net.ipv4.tcp_fin_timeout 30"),
            ("net.ipv4.tcp_rmem[max]=8192", "net.ipv4.tcp_rmem[2] 8192"),
            ("net.ipv4.tcp_mem[2]=512MiB", "net.ipv4.tcp_mem[2] 131072"),
            ("net.ipv4.ip_local_reserved_ports=8080", "net.ipv4.ip_local_reserved_ports 8080"),
        ] {
            let profile = made(&[argument]).unwrap_or_else(|error| panic!("{error}")).profile;
            let found = &profile.requirements[0];
            let limits = found.wanted.limits(Scale { ram: 1 << 30, page: 4096 }).unwrap();
            assert_eq!(format!("{} {limits}", found.subject), shown);
        }
    }

    #[test]
    fn a_triple_makes_three_requirements_and_two_bounds_make_one() {
        assert_eq!(made(&["net.ipv4.tcp_rmem=4096 131072 6291456"]).unwrap().profile.requirements.len(), 3);
        let both = made(&["tcp.listen_backlog>=100", "tcp.listen_backlog<=200"]).unwrap().profile;
        assert_eq!(both.requirements.len(), 1);
        let default = made(&["tcp.listen_backlog=vendor-default"]).unwrap().profile;
        assert_eq!(default.requirements[0].wanted, Wanted::VendorDefault);
    }

    #[test]
    fn every_wrong_argument_is_reported() {
        let found = made(&[
            "tcp.fin_wait_2_timeot=30s",
            "tcp.listen_backlog",
            "tcp.listen_backlog=-5",
            "net.ipv4.tcp_foo=5",
            "kernel.panic=1",
            "tcp.syn_backlog=5",
            "tcp.syn_backlog=6",
            "tcp.orphan_limit>=6",
            "tcp.orphan_limit<=5",
            "net.ipv4.tcp_tw_recycle=1",
        ])
        .unwrap_err();
        let shown: Vec<_> =
            found.iter().map(|found| format!("{}: {}", found.origin, found.message)).collect();
        assert_eq!(
            shown,
            [
                "command-line:1:1: unknown setting or tunable \"tcp.fin_wait_2_timeot\"",
                "command-line:2:1: expected SETTING=VALUE, SETTING<=VALUE or SETTING>=VALUE",
                "command-line:3:20: the number -5 is not a whole number such as 4096",
                "command-line:4:1: net.ipv4.tcp_foo is not in the catalog",
                "command-line:5:1: unknown setting or tunable \"kernel.panic\"",
                "command-line:7:1: tcp.syn_backlog is given twice",
                "command-line:8:19: no tcp.orphan_limit satisfies both bounds: at_least 6, at_most 5 (argument 9)",
                "command-line:10:1: net.ipv4.tcp_tw_recycle was removed in Linux 4.12, as it broke clients behind \
                 address translation",
            ]
        );
        assert_eq!(found.0[0].help.as_deref(), Some("did you mean \"tcp.fin_wait_2_timeout\"?"));
    }

    #[test]
    fn a_number_that_a_kernel_would_take_for_octal_is_none() {
        for (argument, taken) in [
            ("net.ipv4.tcp_fin_timeout=30", true),
            ("net.ipv4.tcp_fin_timeout=030", false),
            ("net.ipv4.tcp_fin_timeout=0x1e", false),
            ("tcp.listen_backlog=04096", false),
            ("net.ipv4.tcp_rmem=4096 131072 6291456", true),
            ("net.ipv4.tcp_rmem=010000 131072 6291456", false),
        ] {
            assert_eq!(made(&[argument]).is_ok(), taken, "{argument}");
        }
        let found = made(&["net.ipv4.tcp_fin_timeout=030"]).unwrap_err();
        let help = "a leading zero means octal to a kernel: leave it out";
        assert_eq!(found.0[0].help.as_deref(), Some(help));
    }

    #[test]
    fn a_list_is_required_as_the_kernel_shows_it() {
        let profile = made(&["net.ipv4.ip_local_reserved_ports=9000,8081,8080"]).unwrap().profile;
        let limits = profile.requirements[0].wanted.limits(Scale { ram: 1 << 30, page: 4096 }).unwrap();
        assert_eq!(limits.to_string(), "8080-8081,9000");
    }

    #[test]
    fn unsafe_values_are_kept_apart() {
        assert_eq!(made(&["tcp.keepalive_probes=0"]).unwrap().refused.0.len(), 1);
    }

    proptest::proptest! {
        #[test]
        fn any_argument_is_read_or_refused(arguments in proptest::collection::vec("\\PC*|[a-z_.0-9=<>\n]*", 0..4)) {
            if let Err(found) = one_off(&arguments, catalogs, System::Linux) {
                proptest::prop_assert!(!found.to_string().is_empty());
            }
        }
    }
}
