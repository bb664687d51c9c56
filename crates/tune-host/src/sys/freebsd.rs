//! FreeBSD: sysctl(3).
//!
//! The `sysctl` crate finds tunables, says of which type they are, and reads and writes numbers, where it does so
//! soundly: it takes the first of several numbers for the value, panics when a value is not of the tunable's type, and
//! writes four of the twelve types. So the type and the size are looked at first, and the rest is calls of our own.
//! Only `CtlInfo::flags` keeps every bit of the kind word; `CtlFlags` drops some.

// No safe interface reads and writes the bytes of a tunable.
#![allow(unsafe_code)]

use std::io;
use std::ptr::{null, null_mut};

use libc::{c_int, c_uint};
use nix::errno::Errno;
use nix::unistd::geteuid;
use sysctl::{Ctl, CtlValue, Sysctl, SysctlError};
use tune_model::catalog::KernelType;
use tune_model::plan::Namespace;

use super::kernel_value::{self, Caller, Form, Kind, Obstacle, fitting, obstacle, shown, size};
use crate::files::plain;
use crate::host::{Description, ReadError, WriteError};
use crate::sockets::AbortError;

/// The largest value that is read as a setting.
const MAX_VALUE: usize = 16 << 20;
/// The largest structure that is read: the list of a million connections.
const MAX_STRUCTURE: usize = 1 << 30;
/// The largest structure that is shown.
const MAX_SHOWN: usize = 4 << 10;
/// Room for the longest number.
const MIN_ROOM: usize = 16;
/// How often a value that grows while it is read is read again.
const ATTEMPTS: usize = 8;

/// A tunable that the running kernel has.
struct Found {
    control: Ctl,
    kind: Kind,
    /// The crate makes a fraction of it.
    is_temperature: bool,
}

impl Found {
    fn named(name: &str) -> io::Result<Self> {
        let control = Ctl::new(name).map_err(cause)?;
        let info = control.info().map_err(cause)?;
        Ok(Self { kind: Kind(info.flags), is_temperature: info.is_temperature(), control })
    }

    fn mib(&self) -> &[c_int] {
        self.control.oid().map_or(&[], Vec::as_slice)
    }

    /// Returns the type of a value that is one number, or why it is none.
    fn number(&self) -> io::Result<KernelType> {
        let why = match self.kind.form() {
            Form::Number(_) if !self.kind.has(kernel_value::READABLE) => "it cannot be read",
            Form::Number(kernel_type) if read_all(self.mib())?.len() == size(kernel_type) => {
                return Ok(kernel_type);
            }
            Form::Number(_) => "it is a row of numbers; only single ones are written",
            Form::Node => NODE,
            Form::Text => "it is a text; only numbers are written",
            Form::Opaque => "it is a structure; only numbers are written",
        };
        Err(io::Error::other(why))
    }

    fn read(&self) -> io::Result<String> {
        self.try_read().map_err(|error| match error.raw_os_error() {
            // The tunable is there: it answers so when it is asked without a question.
            Some(libc::ENOENT) => io::Error::other("it has no value"),
            _ => error,
        })
    }

    fn try_read(&self) -> io::Result<String> {
        match self.kind.form() {
            Form::Node => Err(io::Error::other(NODE)),
            _ if !self.kind.has(kernel_value::READABLE) => Err(io::Error::other("it can only be written")),
            Form::Number(kernel_type) => self.read_numbers(kernel_type),
            Form::Text => Ok(text(&read_all(self.mib())?)),
            Form::Opaque => structure(&read_all(self.mib())?),
        }
    }

    fn read_numbers(&self, kernel_type: KernelType) -> io::Result<String> {
        if !self.is_temperature && length(self.mib())? == size(kernel_type) {
            return Ok(self.control.value().map_err(cause)?.to_string());
        }
        Ok(shown(kernel_type, &read_all(self.mib())?))
    }

    fn write(&self, kernel_type: KernelType, number: i128) -> io::Result<()> {
        match value(kernel_type, number) {
            Some(value) => self.control.set_value(value).map(|_| ()).map_err(cause),
            None => write_bytes(self.mib(), &kernel_value::bytes(kernel_type, number)),
        }
    }
}

const NODE: &str = "it is a node, not a value";

/// Returns the system's answer behind an error of the crate.
fn cause(error: SysctlError) -> io::Error {
    match error {
        SysctlError::NotFound(_) => Errno::ENOENT.into(),
        SysctlError::NoWriteAccess => Errno::EPERM.into(),
        SysctlError::IoError(error) => error,
        other => io::Error::other(other.to_string()),
    }
}

/// Returns a number as the crate writes it; `None` for the types that it does not write.
fn value(kernel_type: KernelType, number: i128) -> Option<CtlValue> {
    match kernel_type {
        KernelType::Int => i32::try_from(number).ok().map(CtlValue::Int),
        KernelType::Uint => u32::try_from(number).ok().map(CtlValue::Uint),
        KernelType::Ulong => u64::try_from(number).ok().map(CtlValue::Ulong),
        KernelType::U8 => u8::try_from(number).ok().map(CtlValue::U8),
        _ => None,
    }
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).trim_end_matches('\n').to_owned()
}

fn structure(bytes: &[u8]) -> io::Result<String> {
    match bytes.len() {
        0..=MAX_SHOWN => Ok(hexadecimal(bytes)),
        length => Err(io::Error::other(format!("it is a structure of {length} bytes"))),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns how many bytes a value has, or may have at most: the kernel adds some for lists that grow.
fn length(mib: &[c_int]) -> io::Result<usize> {
    let mut length = 0;
    // SAFETY: `mib` is as long as it is said to be; without a buffer the kernel writes nothing but `length`, which is
    // ours.
    let answer = unsafe { libc::sysctl(mib.as_ptr(), parts(mib), null_mut(), &raw mut length, null(), 0) };
    answered(answer).map(|()| length)
}

/// Reads a value into a buffer and returns its length.
fn read_bytes(mib: &[c_int], buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = buffer.len();
    let into = buffer.as_mut_ptr().cast();
    // SAFETY: `mib` is as long as it is said to be; the kernel writes at most `length` bytes to `into`, which are the
    // buffer's, and then to `length` how many they were.
    let answer = unsafe { libc::sysctl(mib.as_ptr(), parts(mib), into, &raw mut length, null(), 0) };
    answered(answer).map(|()| length.min(buffer.len()))
}

/// Writes a value. The kernel refuses one that is too short and cuts off one that is too long.
fn write_bytes(mib: &[c_int], bytes: &[u8]) -> io::Result<()> {
    let from = bytes.as_ptr().cast();
    // SAFETY: `mib` is as long as it is said to be; the kernel reads `bytes.len()` bytes at `from`, which are those of
    // `bytes`, and writes nothing.
    let answer = unsafe { libc::sysctl(mib.as_ptr(), parts(mib), null_mut(), null_mut(), from, bytes.len()) };
    answered(answer)
}

/// Returns the length of a name for the kernel, which knows none of more than 24 parts.
fn parts(mib: &[c_int]) -> c_uint {
    c_uint::try_from(mib.len()).unwrap_or_default()
}

fn answered(answer: c_int) -> io::Result<()> {
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Reads a value that may grow or shrink meanwhile.
fn read_all(mib: &[c_int]) -> io::Result<Vec<u8>> {
    read_up_to(mib, MAX_VALUE)
}

fn read_up_to(mib: &[c_int], most: usize) -> io::Result<Vec<u8>> {
    let mut room = 0;
    for _ in 0..ATTEMPTS {
        // At least what one number needs: some tunables, such as kern.maxphys, show a narrower one where there is less.
        room = (2 * length(mib)?).max(2 * room).max(MIN_ROOM);
        if room > most {
            break;
        }
        let mut buffer = vec![0; room];
        match read_bytes(mib, &mut buffer) {
            Err(error) if error.raw_os_error() == Some(libc::ENOMEM) => {}
            read => {
                buffer.truncate(read?);
                return Ok(buffer);
            }
        }
    }
    Err(io::Error::other("it is too large, or grew each time it was read"))
}

/// Tells whether a name can be a tunable's.
fn is_name(name: &str) -> bool {
    let sound = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_graphic());
    name.split('.').all(sound)
}

pub(crate) fn read_tunable(name: &str) -> Result<String, ReadError> {
    if !is_name(name) {
        return Err(ReadError::BadName(name.to_owned()));
    }
    Found::named(name).and_then(|found| found.read()).map_err(|error| read_error(name, &error))
}

pub(crate) fn read_structure(name: &str) -> Result<Vec<u8>, ReadError> {
    if !is_name(name) {
        return Err(ReadError::BadName(name.to_owned()));
    }
    let read = Found::named(name).and_then(|found| read_up_to(found.mib(), MAX_STRUCTURE));
    read.map_err(|error| read_error(name, &error))
}

/// What takes the addresses of a connection and aborts it. It can only be written.
const DROP: &str = "net.inet.tcp.drop";

/// Source: sys/netinet/tcp_subr.c `sysctl_drop`.
pub(crate) fn abort_connection(_namespace: Option<&Namespace>, request: &[u8]) -> Result<(), AbortError> {
    let dropped = Found::named(DROP).and_then(|found| write_bytes(found.mib(), request));
    dropped.map_err(|error| match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ESRCH) => AbortError::Gone,
        Some(Errno::EPERM | Errno::EACCES) => AbortError::Denied,
        Some(Errno::ENOENT) => AbortError::Unsupported,
        _ => AbortError::Failed(plain(&error)),
    })
}

fn read_error(name: &str, error: &io::Error) -> ReadError {
    let name = name.to_owned();
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOENT | Errno::ENOTDIR) => ReadError::Missing(name),
        Some(Errno::EPERM | Errno::EACCES) => ReadError::Denied(name),
        Some(Errno::EISDIR) => ReadError::Failed { name, reason: NODE.to_owned() },
        _ => ReadError::Failed { name, reason: plain(error) },
    }
}

pub(crate) fn describe_tunable(name: &str) -> Option<Description> {
    let found = is_name(name).then(|| Found::named(name).ok()).flatten()?;
    (found.kind.form() != Form::Node).then(|| found.kind.description())
}

/// Writes exactly as many bytes as the tunable has.
pub(crate) fn write_tunable(name: &str, value: &str) -> Result<(), WriteError> {
    let (found, kernel_type) = writable(name)?;
    let failed = |reason| WriteError::Failed { name: name.to_owned(), reason };
    let number = fitting(kernel_type, value).map_err(failed)?;
    found.write(kernel_type, number).map_err(|error| write_error(name, value, Some(found.kind), &error))
}

/// Tells what the kernel would answer, without asking it to write.
pub(crate) fn writable_tunable(name: &str) -> Result<(), WriteError> {
    let (found, _) = writable(name)?;
    obstacle(found.kind, caller()).map_or(Ok(()), |obstacle| Err(refused(name, obstacle)))
}

/// Finds a tunable that holds one number.
fn writable(name: &str) -> Result<(Found, KernelType), WriteError> {
    if !is_name(name) {
        return Err(WriteError::BadName(name.to_owned()));
    }
    let found = Found::named(name).map_err(|error| write_error(name, "", None, &error))?;
    match found.number() {
        Ok(kernel_type) => Ok((found, kernel_type)),
        Err(error) => Err(write_error(name, "", Some(found.kind), &error)),
    }
}

fn write_error(name: &str, value: &str, kind: Option<Kind>, error: &io::Error) -> WriteError {
    let failed = |reason| WriteError::Failed { name: name.to_owned(), reason };
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOENT | Errno::ENOTDIR) => WriteError::Missing(name.to_owned()),
        Some(Errno::EPERM | Errno::EACCES) => {
            let unknown = || Obstacle::Fixed("the kernel does not let this process write it".to_owned());
            refused(name, kind.and_then(|kind| obstacle(kind, caller())).unwrap_or_else(unknown))
        }
        Some(Errno::EISDIR) => failed(NODE.to_owned()),
        Some(Errno::EINVAL | Errno::ERANGE | Errno::EDOM) => {
            WriteError::Refused { name: name.to_owned(), value: value.to_owned() }
        }
        _ => failed(plain(error)),
    }
}

fn refused(name: &str, obstacle: Obstacle) -> WriteError {
    match obstacle {
        Obstacle::NotRoot => WriteError::Denied(name.to_owned()),
        Obstacle::Fixed(reason) => WriteError::NotPermitted { name: name.to_owned(), reason },
    }
}

fn caller() -> Caller {
    let number = |name| read_tunable(name).ok().and_then(|text| text.parse::<i32>().ok());
    let is_set = |name| number(name).is_some_and(|number| number != 0);
    Caller {
        root: geteuid().is_root(),
        jail: is_set("security.jail.jailed").then(|| is_set("security.jail.vnet")),
        securelevel: number("kern.securelevel").unwrap_or(-1),
    }
}

/// Returns the number that a kernel of 13.0 or later draws when it is first asked.
///
/// What cannot be told is left empty, which stands for the same boot: a step is compared with the value before it is
/// taken back, so that mistaking two boots for one puts back too little or asks an operator. `kern.boottime` would
/// mistake one boot for two, as it moves whenever somebody sets the clock, and live values would be left changed in
/// silence.
pub(crate) fn boot_id() -> String {
    let read = Found::named("kern.boot_id").and_then(|found| read_all(found.mib()));
    read.map(|bytes| hexadecimal(&bytes)).unwrap_or_default()
}
