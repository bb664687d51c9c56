//! The program that plays them all: which one it is, on which host, and with which fault.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::process::parent_id;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::fault::Fault;
use super::host::{Host, Paths, file};
use super::ndd_old::Old;
use super::ndd_wrapper::Wrapper;
use super::said::Said;
use super::{canned, ipadm, ndd};

/// The exit code of what is not modelled.
pub const UNMODELLED: u8 = 70;

/// The host, where the path of the program does not tell: the environment's word for it.
const ROOT: &str = "SUNOS_ROOT";

/// What no caller can make anything of.
const GARBAGE: &[u8] = b"\x00\xff\xfe\x1b[31m:::?\n\xc3(:\\:\n60000s\n99999999999999999999999\n\x7f";

/// How long a program that hangs lives at most.
const PATIENCE: Duration = Duration::from_mins(10);

/// Runs the program that the first word names, with the words after it, and returns its exit code.
pub fn run(mut words: impl Iterator<Item = OsString>) -> u8 {
    let started = PathBuf::from(words.next().unwrap_or_default());
    let said = said(&started, words).unwrap_or_else(|what| Said::unmodelled(&what));
    let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
    // A caller that does not listen is no concern of the program's.
    let _ = out.write_all(&said.out).and_then(|()| out.flush());
    let _ = err.write_all(&said.err);
    said.code
}

/// The root of the host, which the path of the program begins with.
fn root(started: &Path) -> Result<PathBuf, String> {
    if let Some(root) = std::env::var_os(ROOT) {
        return Ok(root.into());
    }
    let directory = started.parent().filter(|directory| directory.is_absolute());
    let directory = directory.filter(|path| path.ends_with("usr/sbin") || path.ends_with("usr/bin"));
    let root = directory.and_then(|path| path.ancestors().nth(2));
    root.map(Path::to_owned).ok_or_else(|| {
        format!("{}: start me as ROOT/usr/sbin/NAME or ROOT/usr/bin/NAME, or set {ROOT}", started.display())
    })
}

/// Plays a program, and returns what it says.
pub(super) fn said(started: &Path, words: impl Iterator<Item = OsString>) -> Result<Said, String> {
    let name = started.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    let paths = Paths::below(&root(started)?);
    let words: Result<Vec<String>, OsString> = words.map(OsString::into_string).collect();
    let words = words.map_err(|word| format!("{} is no UTF-8", word.display()))?;
    let call: Vec<String> = [name.clone()].into_iter().chain(words.iter().cloned()).collect();
    paths.append(file::CALLS, &serde_json::to_string(&call).map_err(|error| error.to_string())?)?;

    let lock = paths.lock()?;
    let mut host = Host::load_for(&paths, &call)?;
    if host.meets(Fault::Killed) {
        host.die();
    }
    if host.meets(Fault::Hang) {
        drop(lock);
        hang();
        return Ok(Said::default());
    }
    if host.meets(Fault::Garbage) {
        return Ok(Said::out(GARBAGE));
    }
    let before = host.live.clone();
    let said = play(&mut host, &name, &words);
    if said.code == UNMODELLED {
        host.live = before;
    } else if host.live != before {
        host.save();
    }
    Ok(said)
}

fn play(host: &mut Host, name: &str, words: &[String]) -> Said {
    match name {
        "ipadm" if host.setup.model.has_ipadm() => ipadm::run(host, name, words),
        "ndd" if host.setup.model.has_ipadm() => ndd::run(&mut Wrapper(host), words),
        "ndd" => ndd::run(&mut Old(host), words),
        "netstat" => canned::netstat(host, words),
        "kstat" => canned::kstat(host, words),
        "zonename" => canned::zonename(host, words),
        "uname" => canned::uname(host, words),
        "svcs" => canned::svcs(host, words),
        other => Said::unmodelled(&format!("a program {other:?} on {}", host.setup.model.name())),
    }
}

/// Does nothing until the caller is gone or a long time has passed.
fn hang() {
    let (caller, begun) = (parent_id(), Instant::now());
    while parent_id() == caller && begun.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(50));
    }
}
