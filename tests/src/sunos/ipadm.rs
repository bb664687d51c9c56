//! `ipadm(8)`: subcommands, options, messages.

use super::errno::Status;
use super::getopt::{Getopt, Next, Opt};
use super::host::Host;
use super::kernel::Change;
use super::library::{self, Library, Mode};
use super::model::Knowledge;
use super::ofmt::{Opened, Table};
use super::proto::Proto;
use super::said::Said;
use super::show_prop;

const SHOW: &[Opt] = &[
    Opt { letter: 'c', long: "parsable", valued: false },
    Opt { letter: 'p', long: "prop", valued: true },
    Opt { letter: 'o', long: "output", valued: true },
];

const SET: &[Opt] =
    &[Opt { letter: 'p', long: "prop", valued: true }, Opt { letter: 't', long: "temporary", valued: false }];

/// Why there is no answer.
enum Trouble {
    /// The program says this and fails.
    Died(String),
    /// It is not known what the program would do.
    Unmodelled(String),
}

fn died<T>(text: impl Into<String>) -> Result<T, Trouble> {
    Err(Trouble::Died(text.into()))
}

/// Runs ipadm under a name, with the words after it.
pub(super) fn run(host: &mut Host, program: &str, words: &[String]) -> Said {
    let knowledge = host.knowledge();
    let Some(subcommand) = words.first() else {
        return if knowledge.helps {
            Said::unmodelled("ipadm without a subcommand")
        } else {
            usage(knowledge, 1)
        };
    };
    let rest = &words[1..];
    let answer = match subcommand.as_str() {
        "show-prop" => show(host, program, rest),
        "set-prop" => set(host, rest, &Verb::SET),
        "reset-prop" => set(host, rest, &Verb::RESET),
        "help" if knowledge.helps => return usage(knowledge, 0),
        other if is_subcommand(knowledge, other) => return Said::unmodelled(&format!("ipadm {other}")),
        other => {
            let mut said = usage(knowledge, 1);
            said.err.splice(0..0, format!("{program}: unknown subcommand '{other}'\n").into_bytes());
            return said;
        }
    };
    answer.unwrap_or_else(|trouble| match trouble {
        // The message goes to standard error, and the end of its line to standard output.
        Trouble::Died(text) => {
            Said { out: b"\n".to_vec(), err: format!("{program}: {text}").into_bytes(), code: 1 }
        }
        Trouble::Unmodelled(what) => Said::unmodelled(&what),
    })
}

fn usage(knowledge: &Knowledge, code: u8) -> Said {
    Said { err: knowledge.usage.as_bytes().to_vec(), code, ..Said::default() }
}

fn is_subcommand(knowledge: &Knowledge, word: &str) -> bool {
    let mut lines = knowledge.usage.lines().filter_map(|line| line.strip_prefix('\t'));
    lines.any(|line| line.split('\t').next() == Some(word))
}

/// The line of the list of subcommands that is about one of them.
fn line_of(knowledge: &'static Knowledge, subcommand: &str) -> &'static str {
    let begins = |line: &&str| line.strip_prefix('\t').is_some_and(|line| line.starts_with(subcommand));
    knowledge.usage.lines().find(begins).expect("it is in the list")
}

/// What an option that cannot be read is answered with.
fn misread(next: &Next, usage: &str) -> Trouble {
    match next {
        Next::Valueless(letter) => {
            Trouble::Died(format!("option '-{letter}' requires a value\nusage: {usage}"))
        }
        Next::Unrecognized(letter) => {
            Trouble::Died(format!("unrecognized option '-{letter}'\nusage: {usage}"))
        }
        Next::Unmodelled(what) => Trouble::Unmodelled(what.clone()),
        Next::Option(letter, _) => Trouble::Unmodelled(format!("option -{letter}")),
    }
}

fn protocol(word: &str) -> Result<Proto, Trouble> {
    Proto::named(word).map_or_else(|| died(format!("invalid protocol '{word}' specified")), Ok)
}

fn show(host: &mut Host, program: &str, words: &[String]) -> Result<Said, Trouble> {
    let usage = line_of(host.knowledge(), "show-prop");
    let (mut list, mut fields, mut parsable) = (None::<String>, None::<String>, false);
    let mut getopt = Getopt::new(SHOW, words);
    for next in getopt.by_ref() {
        match next {
            Next::Option('p', _) if list.is_some() => return died("-p must be specified once only"),
            Next::Option('p', value) => {
                library::names(&value).or_else(|_| died("invalid protocol properties specified"))?;
                list = Some(value);
            }
            Next::Option('c', _) => parsable = true,
            Next::Option('o', value) => fields = Some(value),
            other => return Err(misread(&other, usage)),
        }
    }
    let proto = match getopt.operands()[..] {
        [word] => Some(protocol(word)?),
        [] if list.is_some() => return died("protocol must be specified when property name is used"),
        [] => None,
        _ => return died(format!("Usage: {usage}")),
    };
    let names = list.as_deref().map(|list| library::names(list).unwrap_or_default());
    let (table, warning) = match Table::open(fields.as_deref(), parsable) {
        Opened::Table(table, warning) => (table, warning),
        Opened::Refused(text) => return died(text),
        Opened::Unmodelled(what) => return Err(Trouble::Unmodelled(what)),
    };
    let shown = show_prop::show(&Library::new(host, Mode::Ipadm), table, names.as_deref(), proto);
    let shown = shown.map_err(Trouble::Unmodelled)?;
    let warnings = warning.into_iter().chain(shown.warnings);
    let err: String = warnings.map(|warning| format!("{program}: warning: {warning}\n")).collect();
    Ok(Said { out: shown.out.into_bytes(), err: err.into_bytes(), code: u8::from(shown.failed) })
}

/// `set-prop` or `reset-prop`.
struct Verb {
    name: &'static str,
    resets: bool,
}

impl Verb {
    const SET: Self = Self { name: "set-prop", resets: false };
    const RESET: Self = Self { name: "reset-prop", resets: true };

    /// Refuses what is no `NAME=VALUE`, or no `NAME`.
    fn check(&self, text: &str, usage: &str) -> Result<(), Trouble> {
        match (self.resets, text.split_once('=')) {
            (true, Some(_)) => died(format!("incorrect syntax used for -p.\n{usage}")),
            (true, None) => Ok(()),
            (false, None | Some((_, ""))) => died(format!("please specify the value to be set.\n{usage}")),
            (false, Some((_, value))) if value.contains('=') => {
                died(format!("cannot specify more than one prop=val at a time.\n{usage}"))
            }
            (false, Some(_)) => Ok(()),
        }
    }
}

fn set(host: &mut Host, words: &[String], verb: &Verb) -> Result<Said, Trouble> {
    let usage = line_of(host.knowledge(), verb.name);
    let (mut text, mut lasts) = (None::<String>, true);
    let mut getopt = Getopt::new(SET, words);
    for next in getopt.by_ref() {
        match next {
            Next::Option('p', _) if text.is_some() => return died("-p must be specified once only"),
            Next::Option('p', value) => {
                verb.check(&value, usage)?;
                text = Some(value);
            }
            Next::Option('t', _) => lasts = false,
            other => return Err(misread(&other, usage)),
        }
    }
    let (Some(text), [word]) = (text, &getopt.operands()[..]) else {
        return died(format!("Usage: {usage}"));
    };
    let (name, change) = change(&text, usage)?;
    let proto = protocol(word)?;
    match Library::new(host, Mode::Ipadm).set(proto, name, change, lasts) {
        Ok(()) => Ok(Said::default()),
        Err(Status::Unmodelled(what)) => Err(Trouble::Unmodelled(what)),
        Err(status) => died(format!("{}: {name}: {}", verb.name, status.text())),
    }
}

/// The name of a property, and what is to become of it.
fn change<'a>(text: &'a str, usage: &str) -> Result<(&'a str, Change<'a>), Trouble> {
    let Some((name, value)) = text.split_once('=') else { return Ok((text, Change::Default)) };
    Ok(match name.char_indices().last() {
        None => return died(format!("Invalid prop=val specified\n{usage}")),
        Some((end, '+')) => (&name[..end], Change::Add(value)),
        Some((end, '-')) => (&name[..end], Change::Remove(value)),
        Some(_) => (name, Change::To(value)),
    })
}
