//! sysctl(8), as far as it was recorded: what is typed, and what it says and exits with.

use super::kernel::{Kernel, Refusal};
use super::table::{Oid, Type};

/// How the tool was called.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// `-n`: values only.
    pub bare: bool,
    /// `-i`: unknown names are passed over.
    pub ignore: bool,
    /// `-q`: says less of unknown names.
    pub quiet: bool,
}

/// Runs the tool with its arguments; returns what it says and its exit code.
///
/// # Panics
///
/// When an option, or what the kernel would do, is not known.
pub fn sysctl(kernel: &mut Kernel, arguments: &[&str]) -> (String, i32) {
    let mut options = Options::default();
    let (switches, rest): (Vec<&str>, Vec<&str>) = arguments.iter().partition(|word| word.starts_with('-'));
    for letter in switches.iter().flat_map(|word| word[1..].chars()) {
        match letter {
            'n' => options.bare = true,
            'i' => options.ignore = true,
            'q' => options.quiet = true,
            'w' => {}
            other => panic!("the fake FreeBSD does not know sysctl -{other}"),
        }
    }
    let (mut said, mut failed) = (String::new(), 0);
    for word in rest {
        let done = one(kernel, options, word, &mut said).unwrap_or_else(|unknown| panic!("{unknown}"));
        failed += i32::from(!done);
    }
    (said, failed)
}

/// Does what one argument asks for; tells whether it could.
///
/// # Errors
///
/// Says what the fake does not know.
pub fn one(kernel: &mut Kernel, options: Options, argument: &str, said: &mut String) -> Result<bool, String> {
    let (name, value) = match argument.split_once('=') {
        Some((name, value)) => (name.trim(), Some(value)),
        None => (argument, None),
    };
    let oid = match kernel.oid(name) {
        Ok(oid) => oid,
        Err(Refusal::Unmodelled(unknown)) => return Err(unknown),
        Err(_) => {
            if !options.ignore && !options.quiet {
                *said += &format!("sysctl: unknown oid '{name}'\n");
            }
            return Ok(options.ignore);
        }
    };
    let outcome = match value {
        None => Ok(show(kernel, options, name)),
        Some(value) => write(kernel, options, (name, oid), value)?,
    };
    let (text, done) = outcome.map_or_else(|text| (text, false), |text| (text, true));
    *said += &text;
    Ok(done)
}

fn show(kernel: &Kernel, options: Options, name: &str) -> String {
    let value = text(kernel, name);
    if options.bare { format!("{value}\n") } else { format!("{name}: {value}\n") }
}

/// Returns a value as the tool prints it.
///
/// # Panics
///
/// When it cannot be read, or has no text that was recorded.
pub fn text(kernel: &Kernel, name: &str) -> String {
    let read = |name: &str| kernel.get(name).and_then(|bytes| Ok((bytes, kernel.oid(name)?)));
    let (bytes, oid) = read(name).unwrap_or_else(|refusal| panic!("{name}: {refusal:?}"));
    as_text(oid, &bytes)
}

/// Returns a value as text.
pub fn as_text(oid: &Oid, bytes: &[u8]) -> String {
    match oid.kind.size() {
        Some(size) => {
            let numbers = bytes.chunks(size).map(|one| oid.kind.decode(one).unwrap_or(0).to_string());
            numbers.collect::<Vec<_>>().join(" ")
        }
        None => String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned(),
    }
}

/// What was said where it was done, and where it was not.
type Said = Result<String, String>;

fn write(
    kernel: &mut Kernel,
    options: Options,
    (name, oid): (&str, &Oid),
    value: &str,
) -> Result<Said, String> {
    match oid.kind {
        Type::Node => return Ok(Err(format!("sysctl: oid '{name}' isn't a leaf node\n"))),
        _ if !oid.writable => return Ok(Err(read_only(name, oid))),
        kind if kind.size().is_none() || value.contains(',') => {
            return Err(format!("the fake FreeBSD does not know how sysctl writes {value:?} to {name}"));
        }
        _ => {}
    }
    let number = match parse(oid.kind, value) {
        Ok(number) => number,
        Err(words) => return Ok(Err(format!("sysctl: {words}\n"))),
    };
    let before = text(kernel, name);
    let shown = if options.bare { String::new() } else { format!("{name}: ") };
    match kernel.set(name, &oid.kind.encode(number)) {
        Ok(()) => Ok(Ok(format!("{shown}{before} -> {}\n", text(kernel, name)))),
        Err(Refusal::Unmodelled(unknown)) => Err(unknown),
        Err(refusal) => Ok(Err(format!("{shown}{before}\nsysctl: {name}={value}: {}\n", refusal.errno().1))),
    }
}

fn read_only(name: &str, oid: &Oid) -> String {
    let where_else = "sysctl: Tunable values are set in /boot/loader.conf\n";
    if oid.tunable {
        format!("sysctl: oid '{name}' is a read only tunable\n{where_else}")
    } else {
        format!("sysctl: oid '{name}' is read only\n")
    }
}

/// Reads a number as strtol(3) does; what it has too much of is cut later.
fn parse(kind: Type, text: &str) -> Result<i128, String> {
    if text.is_empty() {
        return Err("empty numeric value".to_owned());
    }
    let invalid = || format!("invalid integer '{text}'");
    let trimmed = text.trim();
    let (negative, digits) = match trimmed.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
    };
    let (radix, digits) = match digits.strip_prefix("0x") {
        Some(rest) => (16, rest),
        None if digits.len() > 1 && digits.starts_with('0') => (8, &digits[1..]),
        None => (10, digits),
    };
    if digits.starts_with(['+', '-']) {
        return Err(invalid());
    }
    let number = i128::from_str_radix(digits, radix).map_err(|_| invalid())?;
    let number = if negative { -number } else { number };
    let (low, high) = match kind {
        Type::Unsigned(_) => (-i128::from(u64::MAX), i128::from(u64::MAX)),
        _ => (i128::from(i64::MIN), i128::from(i64::MAX)),
    };
    if (low..=high).contains(&number) { Ok(number) } else { Err(invalid()) }
}
