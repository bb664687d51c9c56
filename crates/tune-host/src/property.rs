//! Properties of protocols, as ipadm and ndd show and set them.
//!
//! Only what these programs print for other programs decides; what they say to people is passed on and never read.

use tune_model::native::{self, Command, Keeper, Property};

use crate::host::{Host, Machine, ReadError};
use crate::ipadm_conf;
use crate::native::{FIELDS, Inquiry, Output, RunError};

/// What the next boot sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// This value, as it was typed.
    Value(String),
    /// Nothing: the kernel's default stays.
    Nothing,
    /// The program does not say, or shows nothing of what is in its file: it has not reached its daemon.
    Unreadable,
    /// The program keeps nothing, ever.
    Never,
}

/// A property as the program that keeps it shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The value in the running kernel.
    pub current: String,
    /// The kernel's default.
    pub default: Option<String>,
    /// The range, as `1000-7200000`, or the words that it takes.
    pub possible: Option<String>,
    /// It can be set.
    pub writable: bool,
    /// What the next boot sets.
    pub kept: Kept,
}

/// Reads one property.
///
/// # Errors
///
/// Any [`ReadError`].
pub fn read(host: &dyn Host, property: &Property) -> Result<Shown, ReadError> {
    let found = read_all(host, property.keeper, &property.protocol, std::slice::from_ref(&property.name));
    found.into_iter().next().unwrap_or_else(|| Err(ReadError::Missing(property.to_string())))
}

/// Reads properties of a protocol, in the order asked for.
pub fn read_all(host: &dyn Host, keeper: Keeper, protocol: &str, names: &[String]) -> Found {
    match keeper {
        Keeper::Ipadm if names.is_empty() => Vec::new(),
        Keeper::Ipadm => {
            let inquiry = Inquiry::ShowProperties { protocol: protocol.to_owned(), names: names.to_vec() };
            let rows = host
                .inquire(&inquiry)
                .map_err(Unasked::Program)
                .and_then(|output| rows(&inquiry, &output, protocol, names).map_err(Unasked::NotUnderstood));
            let rows = rows.map(|rows| held_against_file(host, protocol, names, rows));
            rows.unwrap_or_else(|why| {
                names.iter().map(|name| Err(why.of(format!("{protocol} {name}")))).collect()
            })
        }
        _ => names.iter().map(|name| read_ndd(host, protocol, name)).collect(),
    }
}

type Found = Vec<Result<Shown, ReadError>>;

/// ipadm shows that nothing is kept also where it cannot reach its daemon, whose file then tells.
fn held_against_file(host: &dyn Host, protocol: &str, names: &[String], mut rows: Found) -> Found {
    if !rows.iter().flatten().any(|shown| shown.kept == Kept::Nothing) {
        return rows;
    }
    let lines = ipadm_conf::read(host.files()).unwrap_or_default();
    for (shown, name) in rows.iter_mut().zip(names) {
        let Ok(shown) = shown else { continue };
        let property =
            Property { keeper: Keeper::Ipadm, protocol: protocol.to_owned(), name: name.trim().to_owned() };
        if shown.kept == Kept::Nothing && lines.iter().any(|line| line.keeps(&property)) {
            shown.kept = Kept::Unreadable;
        }
    }
    rows
}

/// Why nothing was learned of any of the properties that were asked for.
enum Unasked {
    /// The program did not answer.
    Program(RunError),
    /// What it answered is not known to mean anything.
    NotUnderstood(String),
}

impl Unasked {
    fn of(&self, name: String) -> ReadError {
        match self {
            Self::Program(RunError::Absent(program)) => ReadError::NoProgram(*program),
            Self::Program(error) => ReadError::Failed { name, reason: error.to_string() },
            Self::NotUnderstood(reason) => ReadError::Failed { name, reason: reason.clone() },
        }
    }
}

/// Understands the rows of `show-prop -c`. It ends with 1 where one of several properties is not there, and shows the
/// others all the same.
fn rows(inquiry: &Inquiry, output: &Output, protocol: &str, names: &[String]) -> Result<Found, String> {
    let lines: Vec<&str> = output.stdout.lines().filter(|line| !line.is_empty()).collect();
    if lines.is_empty() || output.status > 1 {
        return Err(ended(&inquiry.command(), output));
    }
    let unclear = || {
        let text = excerpt(&output.stdout);
        format!("what {} printed cannot be understood: {text:?}", inquiry.command())
    };
    if lines.len() != names.len() {
        return Err(unclear());
    }
    let row = |(line, name): (&&str, &String)| row(line, protocol, name).ok_or_else(unclear);
    lines.iter().zip(names).map(row).collect()
}

fn row(line: &str, protocol: &str, name: &str) -> Option<Result<Shown, ReadError>> {
    let fields = split(line)?;
    let [proto, property, perm, current, default, possible, persistent] =
        <[String; FIELDS.len()]>::try_from(fields).ok()?;
    if proto != protocol || property != name.trim() {
        return None;
    }
    let missing = current == FAILED || perm == FAILED;
    if missing {
        return Some(Err(ReadError::Missing(format!("{protocol} {name}"))));
    }
    let known = |text: String| Some(text).filter(|text| text != FAILED && !text.is_empty());
    let kept = match persistent.as_str() {
        FAILED => Kept::Unreadable,
        "" => Kept::Nothing,
        _ => Kept::Value(persistent),
    };
    let writable = perm.contains('w');
    Some(Ok(Shown { current, default: known(default), possible: known(possible), writable, kept }))
}

/// What stands for a field that could not be told.
const FAILED: &str = "?";

/// Splits a row at its colons; a backslash takes the meaning off a colon or a backslash.
fn split(line: &str) -> Option<Vec<String>> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(c) = characters.next() {
        match c {
            ':' => fields.push(String::new()),
            '\\' => fields.last_mut()?.push(characters.next()?),
            _ => fields.last_mut()?.push(c),
        }
    }
    Some(fields)
}

/// An old ndd prints its errors where the value belongs, so that both the status and the digits have to be right.
fn read_ndd(host: &dyn Host, protocol: &str, name: &str) -> Result<Shown, ReadError> {
    let property = Property { keeper: Keeper::Ndd, protocol: protocol.to_owned(), name: name.to_owned() };
    let inquiry = Inquiry::GetProperty { device: property.device(), name: name.to_owned() };
    let failed = |reason| ReadError::Failed { name: property.to_string(), reason };
    let output = host.inquire(&inquiry).map_err(|error| Unasked::Program(error).of(property.to_string()))?;
    if output.status != 0 {
        return Err(failed(ended(&inquiry.command(), &output)));
    }
    let current = output.stdout.trim();
    if native::number(current).is_none() {
        let text = excerpt(&output.stdout);
        return Err(failed(format!("what {} printed is no number: {text:?}", inquiry.command())));
    }
    let current = current.to_owned();
    Ok(Shown { current, default: None, possible: None, writable: true, kept: Kept::Never })
}

/// Carries out calls that change a property, in order.
///
/// # Errors
///
/// Says which call failed, what it said, and what that may come from; those before it have taken effect.
pub fn change(machine: &dyn Machine, property: &Property, commands: &[Command]) -> Result<(), String> {
    for command in commands {
        let output = machine.run(command).map_err(|error| error.to_string())?;
        if output.status != 0 {
            return Err(format!("{}{}", ended(command, &output), advice(machine, property)));
        }
    }
    Ok(())
}

/// Says what may keep a property from being changed, going by what its program shows of it and not by what it says to
/// people. That a value is in its range was seen before the call was made.
fn advice(machine: &dyn Machine, property: &Property) -> &'static str {
    match (property.keeper, read(machine, property)) {
        (Keeper::Ipadm, Ok(Shown { writable: false, .. })) => "; this system lets it be read only",
        (Keeper::Ipadm, Ok(Shown { kept: Kept::Unreadable, .. })) => {
            "; does svc:/network/ip-interface-management run? ipadm cannot tell what it keeps"
        }
        (Keeper::Ipadm, Ok(_)) => {
            "; a right may be missing: authorization solaris.network.interface.config and privilege sys_ip_config, as \
             root has them, or pfexec with the profile Network Management"
        }
        (_, Ok(_)) => "; a right may be missing: run tune as root",
        (_, Err(_)) => "",
    }
}

/// Says how a program ended, in its own words where it had any: old ones complain on the output that is for results.
fn ended(command: &Command, output: &Output) -> String {
    let said = [&output.stderr, &output.stdout].into_iter().map(|text| excerpt(text));
    match said.into_iter().find(|text| !text.is_empty()) {
        Some(text) => format!("{command} ended with {}: {text}", output.status),
        None => format!("{command} ended with {} and said nothing", output.status),
    }
}

/// Returns what a program said in one line of bearable length. A long option that ipadm does not know comes with a NUL.
fn excerpt(text: &str) -> String {
    const LONGEST: usize = 200;
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c == '\0').filter(|w| !w.is_empty()).collect();
    let line = words.join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}

/// Reads for the fuzzers what ipadm may have printed.
#[doc(hidden)]
pub fn rows_of(text: &str, names: &[String]) -> Result<usize, String> {
    let inquiry = Inquiry::ShowProperties { protocol: "tcp".to_owned(), names: names.to_vec() };
    let output = Output { status: 1, stdout: text.to_owned(), stderr: String::new() };
    rows(&inquiry, &output, "tcp", names).map(|rows| rows.len())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn shown(status: i32, stdout: &str, names: &[&str]) -> Result<Vec<Result<Shown, ReadError>>, String> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let inquiry = Inquiry::ShowProperties { protocol: "tcp".to_owned(), names: names.clone() };
        let output = Output { status, stdout: stdout.to_owned(), stderr: "ipadm: no\n".to_owned() };
        rows(&inquiry, &output, "tcp", &names)
    }

    #[test]
    fn a_row_is_read_with_what_is_kept_as_it_was_typed() {
        let rows = shown(
            1,
            "tcp:_fin_wait_2_flush_interval:rw:30000:60000:1000-7200000:+030000\ntcp:_nope:?:?:?:?:?\n",
            &["_fin_wait_2_flush_interval", "_nope"],
        );
        let rows = rows.unwrap();
        assert_eq!(
            rows[0],
            Ok(Shown {
                current: "30000".to_owned(),
                default: Some("60000".to_owned()),
                possible: Some("1000-7200000".to_owned()),
                writable: true,
                kept: Kept::Value("+030000".to_owned()),
            })
        );
        assert_eq!(rows[1], Err(ReadError::Missing("tcp _nope".to_owned())));
    }

    #[test]
    fn nothing_kept_and_not_told_are_two_things() {
        let row = |kept: &str| {
            let line = format!("tcp:max_buf:r-:1:1:1-2:{kept}\n");
            shown(0, &line, &["max_buf"]).unwrap().remove(0).unwrap()
        };
        assert_eq!(row("").kept, Kept::Nothing);
        assert_eq!(row("?").kept, Kept::Unreadable);
        assert!(!row("?").writable);
    }

    #[test]
    fn colons_and_backslashes_inside_a_field_are_quoted() {
        assert_eq!(split(r"a\:b:c\\:").unwrap(), ["a:b", r"c\", ""]);
        assert_eq!(split(r"a\"), None);
    }

    #[test]
    fn what_is_not_understood_is_an_error_of_its_own() {
        for (status, text, reason) in [
            (0, "tcp:a:rw:1:1:1-2\n", "cannot be understood"),
            (0, "tcp:b:rw:1:1:1-2:\n", "cannot be understood"),
            (0, "udp:a:rw:1:1:1-2:\n", "cannot be understood"),
            (0, "tcp:a:rw:1:1:1-2:\ntcp:a:rw:1:1:1-2:\n", "cannot be understood"),
            (1, "\n", "ended with 1: ipadm: no"),
            (70, "tcp:a:rw:1:1:1-2:\n", "ended with 70"),
        ] {
            let error = shown(status, text, &["a"]).unwrap_err();
            assert!(error.contains(reason), "{text:?}: {error}");
        }
    }

    #[test]
    fn what_a_program_said_is_one_clean_line() {
        assert_eq!(
            excerpt("ipadm: unrecognized option '-\0'\nusage: ...\n"),
            "ipadm: unrecognized option '- ' usage: ..."
        );
        assert!(excerpt(&"x".repeat(1000)).len() < 210);
    }
}
