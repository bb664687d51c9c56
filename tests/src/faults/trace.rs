//! What `strace -f -y` wrote down: every system call, which of its name it is, and what it reaches.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a call reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Area {
    /// A value of the running kernel.
    Live,
    /// A file that is read at boot.
    Boot,
    /// The state directory.
    State,
    /// Standard output or standard error.
    Speech,
    /// Anything else.
    Other,
}

/// One system call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its name.
    pub name: String,
    /// Which of its name it is, counted from 1: what `when=` of `strace` means.
    pub nth: usize,
    /// Its arguments, as written.
    pub arguments: String,
    /// What it returned, as written.
    pub result: String,
    /// The file that it reaches; where it names two, the second.
    pub path: PathBuf,
    /// What that is part of.
    pub area: Area,
}

/// The calls that change files, directories, locks or values of the kernel.
pub const CHANGING: &[&str] = &[
    "open",
    "openat",
    "write",
    "pwrite64",
    "fsync",
    "fdatasync",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "unlink",
    "unlinkat",
    "rmdir",
    "mkdir",
    "mkdirat",
    "chmod",
    "fchmod",
    "fchmodat",
    "chown",
    "fchown",
    "fchownat",
    "flock",
    "ftruncate",
    "setxattr",
    "lsetxattr",
    "fsetxattr",
];

/// The calls that look at files.
pub const LOOKING: &[&str] =
    &["openat", "read", "pread64", "statx", "newfstatat", "getdents64", "llistxattr", "lgetxattr", "access"];

impl Call {
    /// Tells whether it changes something outside of the process, or says something.
    #[must_use]
    pub fn changes(&self) -> bool {
        let opens = self.name.starts_with("open");
        let to_write = ["O_WRONLY", "O_RDWR", "O_CREAT"].iter().any(|flag| self.arguments.contains(flag));
        CHANGING.contains(&self.name.as_str()) && self.area != Area::Other && (!opens || to_write)
    }

    /// Tells whether it looks at a value, a boot file or the state.
    #[must_use]
    pub fn looks(&self) -> bool {
        let looked_at = matches!(self.area, Area::Live | Area::Boot | Area::State);
        LOOKING.contains(&self.name.as_str()) && looked_at && !self.changes()
    }

    /// Tells whether it writes bytes, and from where to where in its file, if that is told.
    #[must_use]
    pub fn written(&self) -> Option<(u64, u64)> {
        let length: u64 = self.result.parse().ok()?;
        match self.name.as_str() {
            "write" => Some((0, length)),
            "pwrite64" => {
                let offset: u64 = self.arguments.rsplit(", ").next()?.parse().ok()?;
                Some((offset, offset + length))
            }
            _ => None,
        }
    }

    /// Returns the first of two files that it names.
    #[must_use]
    pub fn source(&self) -> PathBuf {
        let directory = self.arguments.split(['<', '>']).nth(1).filter(|_| !self.arguments.starts_with('"'));
        let named = self.arguments.split('"').nth(1).unwrap_or_default();
        directory.map_or_else(|| named.into(), |directory| Path::new(directory).join(named))
    }

    /// Returns the bytes of a quoted argument, counted from 0.
    #[must_use]
    pub fn text(&self, nth: usize) -> Vec<u8> {
        quoted(self.arguments.as_bytes()).into_iter().nth(nth).unwrap_or_default()
    }

    fn of(line: &str, state: &Path) -> Option<Self> {
        // With -f each line begins with the number of the process.
        let call = line.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start();
        let (name, rest) = call.split_once('(')?;
        let (arguments, result) = rest.rsplit_once(" = ")?;
        let arguments = arguments.trim_end().strip_suffix(')')?;
        let path = reached(name, arguments);
        let area = area(arguments, &path, state);
        let result = result.split(' ').next().unwrap_or_default();
        Some(Self {
            name: name.to_owned(),
            nth: 0,
            arguments: arguments.to_owned(),
            result: result.to_owned(),
            path,
            area,
        })
    }
}

impl std::fmt::Display for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}#{} {}", self.name, self.nth, self.path.display())
    }
}

/// Reads what `strace -f -y` wrote about one process. `state` is the state directory.
#[must_use]
pub fn calls(text: &str, state: &Path) -> Vec<Call> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut found: Vec<_> = text.lines().filter_map(|line| Call::of(line, state)).collect();
    for call in &mut found {
        let nth = seen.entry(call.name.clone()).or_default();
        *nth += 1;
        call.nth = *nth;
    }
    found
}

/// Returns what stands in quotes, its escapes resolved as C writes them.
fn quoted(arguments: &[u8]) -> Vec<Vec<u8>> {
    let mut found: Vec<Vec<u8>> = Vec::new();
    let (mut rest, mut open) = (arguments, false);
    while let [first, after @ ..] = rest {
        rest = after;
        match first {
            b'"' if open => open = false,
            b'"' => {
                open = true;
                found.push(Vec::new());
            }
            b'\\' if open => {
                let (byte, after) = escaped(rest);
                found.last_mut().into_iter().for_each(|text| text.push(byte));
                rest = after;
            }
            byte if open => found.last_mut().into_iter().for_each(|text| text.push(*byte)),
            _ => {}
        }
    }
    found
}

fn escaped(rest: &[u8]) -> (u8, &[u8]) {
    let octal = rest.iter().take(3).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
    if octal > 0 {
        let value = rest[..octal].iter().fold(0_u32, |value, digit| value * 8 + u32::from(digit - b'0'));
        return (u8::try_from(value).unwrap_or(u8::MAX), &rest[octal..]);
    }
    let byte = match rest.first().copied().unwrap_or_default() {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'v' => 11,
        b'f' => 12,
        other => other,
    };
    (byte, rest.get(1..).unwrap_or_default())
}

fn area(arguments: &str, path: &Path, state: &Path) -> Area {
    let speaks = ["0<", "1<", "2<"].iter().any(|fd| arguments.starts_with(fd));
    if speaks {
        Area::Speech
    } else if path.starts_with("/proc/sys/net") {
        Area::Live
    } else if path.starts_with(state) || state.parent() == Some(path) {
        Area::State
    } else if is_boot_file(path) {
        Area::Boot
    } else {
        Area::Other
    }
}

/// Tells whether a path is that of a file of settings, of what is made beside one, or of a directory of such files.
#[must_use]
pub fn is_boot_file(path: &Path) -> bool {
    let beside = path.parent() == Some(Path::new("/etc"))
        && path.file_name().is_some_and(|name| name.to_string_lossy().contains("sysctl"));
    beside || path.starts_with("/etc/sysctl.d") || path == Path::new("/etc")
}

/// Returns the file that a call reaches: `4</path>`, `3</directory>, "name"`, or `"/path"`.
fn reached(name: &str, arguments: &str) -> PathBuf {
    let two = name.starts_with("rename") || name.starts_with("link");
    let directory = arguments.split(['<', '>']).nth(1).map(PathBuf::from);
    let takes_names = !matches!(name, "write" | "pwrite64" | "read" | "pread64" | "getdents64");
    let mut quoted = arguments.split('"').skip(1).step_by(2);
    let named = if two { quoted.nth(1) } else { quoted.next() };
    match (directory, named.filter(|_| takes_names)) {
        // Of descriptors, the second directory is the first one wherever both are in the state directory.
        (Some(directory), Some(named)) if arguments.starts_with(|c: char| c.is_ascii_digit() || c == 'A') => {
            directory.join(named)
        }
        (_, Some(named)) => PathBuf::from(named),
        (directory, None) => directory.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = r#"25605 openat(3</mnt/state>, "lock", O_RDWR|O_CREAT, 0600) = 4</mnt/state/lock>
25605 openat(AT_FDCWD</work>, "/proc/sys/net/ipv4/tcp_fin_timeout", O_WRONLY|O_CLOEXEC) = 5</proc/sys/net/ipv4/tcp_fin_timeout>
25605 write(5</proc/sys/net/ipv4/tcp_fin_timeout>, "30\n", 3) = 3
25605 pwrite64(6</mnt/state/history.jsonl>, "{\"number\":11,\"previous\"..., 695, 6931) = 695
25605 renameat(3</mnt/state>, ".head.new", 3</mnt/state>, "head") = 0
25605 rename("/etc/sysctl.d/.zzz.conf.tune-5-4", "/etc/sysctl.d/zzz.conf") = 0
25605 fsync(5</etc/sysctl.d>)           = 0
25605 write(2</dev/null>, "done", 4) = 4
25605 openat(AT_FDCWD</work>, "/etc/sysctl.d/a.conf", O_RDONLY|O_CLOEXEC) = -1 ENOENT (No such file or directory)
25605 exit_group(0) = ?
"#;

    #[test]
    fn calls_are_counted_by_name_and_known_by_what_they_reach() {
        let found = calls(TRACE, Path::new("/mnt/state"));
        let shown: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "openat#1 /mnt/state/lock",
                "openat#2 /proc/sys/net/ipv4/tcp_fin_timeout",
                "write#1 /proc/sys/net/ipv4/tcp_fin_timeout",
                "pwrite64#1 /mnt/state/history.jsonl",
                "renameat#1 /mnt/state/head",
                "rename#1 /etc/sysctl.d/zzz.conf",
                "fsync#1 /etc/sysctl.d",
                "write#2 /dev/null",
                "openat#3 /etc/sysctl.d/a.conf",
                "exit_group#1 ",
            ]
        );
        let changing = found.iter().filter(|call| call.changes()).count();
        assert_eq!((changing, found[8].looks(), found[8].result.as_str()), (8, true, "-1"));
        assert_eq!(found[3].written(), Some((6931, 7626)));
    }
}
