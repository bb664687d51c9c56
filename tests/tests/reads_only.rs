//! What only looks changes nothing, anywhere: held against every system call of the real command.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use tune_tests::sandbox::{Ended, STATE, Sandbox, TUNE, inside};

/// Commands that only look, and their exit codes without any state and with a profile applied.
const LOOKING: &[(&[&str], i32, i32)] = &[
    (&[], 0, 0),
    (&["status"], 0, 0),
    (&["status", "--format", "json"], 0, 0),
    (&["explain", "tcp.fin_wait_2_timeout"], 0, 0),
    (&["facts"], 0, 0),
    (&["explain", "net.ipv4.tcp_rmem"], 0, 0),
    (&["profile", "list"], 0, 0),
    (&["profile", "show", "web-server"], 0, 0),
    (&["profile", "check", "web-server"], 0, 0),
    (&["profile", "schema"], 0, 0),
    (&["profile", "new", "mine"], 0, 0),
    (&["render", "web-server", "--for", "linux", "--ram", "16GiB"], 0, 0),
    (&["plan", "web-server"], 2, 0),
    (&["audit", "web-server"], 2, 0),
    (&["audit", "web-server", "--only", "boot"], 2, 0),
    (&["apply", "web-server", "--dry-run"], 2, 0),
    (&["apply", "web-server", "--check", "--diff", "--format", "json"], 2, 0),
    (&["apply", "web-server", "--yes", "--dry-run", "--overwrite-foreign", "--take-over"], 2, 0),
    (&["set", "tcp.keepalive_idle=20min", "--dry-run", "--replace", "web-server"], 2, 2),
    (&["rollback", "--dry-run"], 1, 0),
    (&["off", "--dry-run"], 0, 0),
    (&["active"], 0, 0),
    (&["history"], 0, 0),
    (&["history", "--verify"], 0, 0),
    (&["diagnose"], 0, 0),
    (&["diagnose", "--sample", "100ms", "--format", "json"], 0, 0),
    (&["diagnose", "--format", "openmetrics"], 0, 0),
    (&["diagnose", "--all-netns"], 0, 0),
    (&["drop", "--state", "fin-wait-2", "--dry-run"], 0, 0),
    (&["man"], 0, 0),
    (&["completions", "bash"], 0, 0),
    // Refused before anything is begun.
    (&["prove", "--timeout", "2s"], 1, 1),
    (&["apply", "web-server"], 64, 64),
    (&["apply", "no-such-profile", "--yes"], 65, 65),
];

/// System calls that change something, lock something, or tell somebody else.
const CHANGING: &[&str] = &[
    "creat",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "rmdir",
    "mknod",
    "mknodat",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "chmod",
    "fchmod",
    "fchmodat",
    "fchmodat2",
    "chown",
    "fchown",
    "lchown",
    "fchownat",
    "truncate",
    "ftruncate",
    "fallocate",
    "utime",
    "utimes",
    "utimensat",
    "futimesat",
    "setxattr",
    "lsetxattr",
    "fsetxattr",
    "removexattr",
    "lremovexattr",
    "fremovexattr",
    "flock",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "sendfile",
    "copy_file_range",
    "splice",
    "fsync",
    "fdatasync",
    "sync",
    "syncfs",
    "mount",
    "umount2",
    "move_mount",
    "open_by_handle_at",
    "setns",
    "unshare",
    "chroot",
    "pivot_root",
    "sethostname",
    "setdomainname",
    "settimeofday",
    "clock_settime",
    "adjtimex",
    "setrlimit",
    "reboot",
    "kexec_load",
    "init_module",
    "finit_module",
    "delete_module",
    "swapon",
    "bpf",
    "ptrace",
    "kill",
    "tkill",
    "socket",
    "connect",
    "bind",
    "listen",
    "sendto",
    "sendmsg",
    "sendmmsg",
    "setsockopt",
    "add_key",
    "keyctl",
    "io_uring_setup",
    "shmget",
    "msgget",
    "semget",
    "fork",
    "vfork",
];

/// Files that may be opened for writing: they keep nothing, and a terminal is asked through the first.
const KEEP_NOTHING: &[&str] = &["\"/dev/tty\"", "\"/dev/null\""];

/// Returns the name and the arguments of the call in a line of strace.
fn call(line: &str) -> Option<(&str, &str)> {
    // "1234  openat(AT_FDCWD</mnt>, "/etc/x", O_RDONLY) = 3"; a pid comes first.
    line.split_once(' ').map_or(line, |(_, rest)| rest).trim_start().split_once('(')
}

/// Tells what is wrong with a line of strace, if anything is.
fn fault(line: &str) -> Option<&'static str> {
    let (name, arguments) = call(line)?;
    if CHANGING.contains(&name) && !only_asks(name, arguments) {
        return Some("changes or tells something");
    }
    match name {
        "open" | "openat" | "openat2" => {
            let writes = ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_TMPFILE"]
                .iter()
                .any(|flag| arguments.contains(flag));
            let kept = !KEEP_NOTHING.iter().any(|path| arguments.contains(path));
            (writes && kept).then_some("opens for writing")
        }
        "write" | "writev" => {
            let out = ["1<", "2<", "1,", "2,"].iter().any(|fd| arguments.starts_with(fd));
            (!out).then_some("writes elsewhere than on standard output and error")
        }
        "fcntl" => arguments.contains("_SETLK").then_some("locks"),
        "clone" | "clone3" => (!arguments.contains("CLONE_THREAD")).then_some("starts a process"),
        "execve" | "execveat" => None,
        _ => None,
    }
}

/// Tells whether a call is one of those by which the kernel is asked for its connections, which changes nothing: a
/// netlink socket for that, requests that list, and a thread that looks into another network namespace.
fn only_asks(name: &str, arguments: &str) -> bool {
    match name {
        "socket" => arguments.starts_with("AF_NETLINK") && arguments.contains("NETLINK_SOCK_DIAG"),
        // No other sockets are made.
        "setsockopt" => ["SO_RCVBUF", "SO_RCVTIMEO"].iter().any(|option| arguments.contains(option)),
        "sendto" => {
            // Not every strace knows the names.
            const LISTS: [&str; 4] = ["SOCK_DIAG_BY_FAMILY", "TCPDIAG_GETSOCK", "0x12", "0x14"];
            let lists = LISTS.iter().any(|kind| arguments.contains(&format!("nlmsg_type={kind}")));
            lists && arguments.contains("sa_family=AF_NETLINK")
        }
        "setns" => arguments.contains("CLONE_NEWNET"),
        _ => false,
    }
}

#[test]
fn faults_are_seen() {
    for bad in [
        r#"12 openat(AT_FDCWD, "/var/lib/tune/lock", O_RDWR|O_CREAT|O_CLOEXEC, 0600) = 3"#,
        r#"12 openat(AT_FDCWD, "/proc/sys/net/ipv4/tcp_fin_timeout", O_WRONLY) = -1 EACCES (Permission denied)"#,
        r"12 flock(3</x>, LOCK_EX) = 0",
        r#"12 mkdirat(3, "state", 0755) = 0"#,
        r#"12 write(3</proc/sys/net/ipv4/tcp_fin_timeout>, "30\n", 3) = 3"#,
        r"12 fcntl(3, F_OFD_SETLK, {l_type=F_WRLCK}) = 0",
        r"12 socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_TCP) = 3",
        r"12 sendto(3<socket:[12]>, [{nlmsg_len=76, nlmsg_type=0x15 /* NLMSG_??? */}], 76, 0, {sa_family=AF_NETLINK}, 12) = 76",
    ] {
        assert!(fault(bad).is_some(), "{bad}");
    }
    for good in [
        r#"12 openat(AT_FDCWD, "/etc/sysctl.conf", O_RDONLY|O_CLOEXEC) = 3"#,
        r#"12 write(1</mnt/out>, "host: linux\n", 12) = 12"#,
        r#"12 openat(AT_FDCWD, "/dev/tty", O_RDWR) = 3"#,
        r"12 sendto(3<socket:[12]>, [{nlmsg_len=76, nlmsg_type=SOCK_DIAG_BY_FAMILY, nlmsg_seq=1}], 76, 0, {sa_family=AF_NETLINK}, 12) = 76",
    ] {
        assert!(fault(good).is_none(), "{good}");
    }
}

const NOBODY: &[&str] = &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

/// Runs a command under strace, and fails the test if it changed anything or tried to.
fn watched(sandbox: &Sandbox, user: &[&str], arguments: &[&str]) -> Ended {
    watched_but(sandbox, user, arguments, |calls| calls.to_vec())
}

/// As [`watched`], of the calls that are `left`.
fn watched_but(
    sandbox: &Sandbox,
    user: &[&str],
    arguments: &[&str],
    left: impl for<'a> Fn(&[&'a str]) -> Vec<&'a str>,
) -> Ended {
    const TRACE: &str = "/mnt/trace";
    let before = sandbox.fingerprint();
    let strace = ["strace", "-f", "-y", "-s", "200", "-o", TRACE];
    let ended = sandbox.run(&[&strace, user, &[TUNE, "--state-dir", STATE], arguments].concat());
    assert_eq!(sandbox.fingerprint(), before, "{}", ended.line);
    let trace = fs::read_to_string(TRACE).unwrap();
    fs::remove_file(TRACE).unwrap();
    // setpriv becomes tune, and what it did before that is its own.
    let started = format!("execve({TUNE:?}");
    let start = trace.lines().position(|line| line.contains(&started) && line.ends_with("= 0"));
    let calls: Vec<_> = trace.lines().skip(start.expect("tune was started")).collect();
    let faults: Vec<_> = left(&calls).into_iter().filter_map(|line| Some((fault(line)?, line))).collect();
    assert!(faults.is_empty(), "{}: {faults:#?}", ended.line);
    ended
}

/// Calls that make connections over loopback and ask the kernel for them, with something that their arguments hold.
/// Nobody but the process itself is connected to, and the kernel is asked and told nothing.
const CONNECTIONS: &[(&str, &str)] = &[
    ("socket", "AF_INET, SOCK_STREAM"),
    ("socket", "NETLINK_SOCK_DIAG"),
    ("setsockopt", "SOL_SOCKET, SO_R"),
    ("bind", "sin_port=htons(0), sin_addr=inet_addr(\"127.0.0.1\")"),
    ("connect", "sin_addr=inet_addr(\"127.0.0.1\")"),
    ("listen", ""),
    ("sendto", ", \".\", 1, MSG_NOSIGNAL"),
    ("sendto", "nlmsg_type=0x14 "),
    ("sendto", "nlmsg_type=SOCK_DIAG_BY_FAMILY"),
];

/// Calls that furnish a network namespace of its own: its loopback interface goes up, and it gets the host's value.
const FURNISHING: &[(&str, &str)] = &[
    ("socket", "NETLINK_ROUTE"),
    ("sendto", "nlmsg_type=0x10 "),
    ("sendto", "nlmsg_type=RTM_NEWLINK"),
    ("openat", "\"/proc/sys/net/ipv4/tcp_fin_timeout\", O_WRONLY"),
    ("write", "</proc/sys/net/ipv4/tcp_fin_timeout>, \"2\\n\""),
];

fn is_among(line: &str, list: &[(&str, &str)]) -> bool {
    let found = call(line);
    found.is_some_and(|(name, arguments)| {
        list.iter().any(|(called, holds)| name == *called && arguments.contains(holds))
    })
}

/// Returns the calls that do not belong to a measurement where the host's connections are.
fn not_of_measuring_here<'a>(calls: &[&'a str]) -> Vec<&'a str> {
    calls.iter().copied().filter(|line| !is_among(line, CONNECTIONS)).collect()
}

/// Returns the calls that do not belong to a measurement in a network namespace of its own: what is done for that
/// belongs to it only in the thread that went there, and after it did.
fn not_of_measuring_apart<'a>(calls: &[&'a str]) -> Vec<&'a str> {
    let goes = |line: &&str| line.contains(" unshare(CLONE_NEWNET)") && line.ends_with("= 0");
    let at = calls.iter().position(goes).expect("a namespace was made");
    let thread = calls[at].split(' ').next().unwrap();
    let is_there = |place: usize, line: &str| place > at && line.split(' ').next() == Some(thread);
    let belongs = |place: usize, line: &str| {
        place == at || is_there(place, line) && (is_among(line, CONNECTIONS) || is_among(line, FURNISHING))
    };
    let left = calls.iter().enumerate().filter(|(place, line)| !belongs(*place, line));
    left.map(|(_, line)| *line).collect()
}

#[test]
fn who_measures_writes_in_a_namespace_of_its_own_and_nowhere_else() {
    if !can_trace() {
        return;
    }
    inside(|sandbox| {
        let _ = sandbox.run(&["ip", "link", "set", "lo", "up"]).code(0);
        fs::write("/proc/sys/net/ipv4/tcp_fin_timeout", "2\n").unwrap();
        // Traced it may be too slow to tell.
        let measured = |ended: &Ended| assert!([0, 1].contains(&ended.code), "{}{}", ended.out, ended.err);
        measured(&watched_but(sandbox, &[], &["prove"], not_of_measuring_apart));
        measured(&watched_but(sandbox, &[], &["prove", "--here"], not_of_measuring_here));
        measured(&watched_but(sandbox, NOBODY, &["prove", "--here"], not_of_measuring_here));
        assert!(!Path::new(STATE).exists());
    });
}

fn can_trace() -> bool {
    let missing = ["/usr/bin/strace", "/usr/bin/setpriv"].into_iter().find(|tool| !Path::new(tool).exists());
    tune_tests::may_run(missing.map(|tool| format!("needs {tool}")))
}

#[test]
fn who_only_looks_changes_nothing_where_nothing_was_ever_changed() {
    if !can_trace() {
        return;
    }
    inside(|sandbox| {
        for (arguments, code, _) in LOOKING {
            let _ = watched(sandbox, &[], arguments).code(*code);
            let _ = watched(sandbox, NOBODY, arguments).code(*code);
            assert!(!Path::new(STATE).exists(), "{arguments:?}");
        }
    });
}

#[test]
fn who_only_looks_changes_nothing_where_a_profile_is_applied() {
    if !can_trace() {
        return;
    }
    inside(|sandbox| {
        let _ = sandbox.tune(&["apply", "web-server", "--yes"]).code(0);
        for (arguments, _, code) in LOOKING {
            let _ = watched(sandbox, &[], arguments).code(*code);
            let _ = watched(sandbox, NOBODY, arguments).code(*code);
        }
        sandbox.nobody(&["active"]).code(0).says(&["web-server", "tcp_fin_timeout"]);
        sandbox.nobody(&["history", "1"]).code(0).says(&["apply web-server"]);
    });
}

/// Kills an apply at the first moment at which its transaction is open and the kernel changed.
fn interrupt_an_apply(sandbox: &Sandbox) {
    for nth in 1..100 {
        let inject = format!("inject=pwrite64:signal=KILL:when={nth}");
        let strace = ["strace", "-f", "-o", "/dev/null", "-e", "trace=pwrite64", "-e", &inject];
        let _ = sandbox
            .run(&[&strace, &[TUNE, "--state-dir", STATE, "apply", "web-server", "--yes"][..]].concat());
        let kernel = fs::read_to_string("/proc/sys/net/ipv4/tcp_fin_timeout").unwrap();
        let history = sandbox.tune(&["history"]).out;
        if history.contains(" open ") && kernel.trim() == "30" {
            return;
        }
        let _ = sandbox.tune(&["recover"]).code(0);
    }
    panic!("no moment with an open transaction");
}

#[test]
fn who_only_looks_changes_nothing_while_a_transaction_is_open() {
    if !can_trace() {
        return;
    }
    inside(|sandbox| {
        interrupt_an_apply(sandbox);
        for (arguments, ..) in LOOKING {
            let root = watched(sandbox, &[], arguments);
            let nobody = watched(sandbox, NOBODY, arguments).code(root.code);
            nobody.decent();
        }
        for looking in [&["status"][..], &["audit", "web-server"], &["plan", "web-server"]] {
            sandbox.tune(looking).says(&["tune recover"]);
            sandbox.nobody(looking).says(&["tune recover"]);
        }
        let _ = sandbox.tune(&["recover"]).code(0);
        assert_eq!(fs::read_to_string("/proc/sys/net/ipv4/tcp_fin_timeout").unwrap(), "60\n");
    });
}

#[test]
fn what_may_not_be_read_is_unknown_and_no_error() {
    inside(|sandbox| {
        use std::os::unix::fs::PermissionsExt;
        let secret = Path::new("/etc/sysctl.d/10-secret.conf");
        fs::write(secret, "net.ipv4.tcp_fin_timeout = 45\n").unwrap();
        fs::set_permissions(secret, fs::Permissions::from_mode(0o600)).unwrap();
        sandbox.nobody(&["status"]).code(0).says(&["unknown"]);
        sandbox.nobody(&["explain", "net.ipv4.tcp_fin_timeout"]).code(0).says(&["10-secret.conf"]);
        sandbox.nobody(&["audit", "web-server"]).code(2).says(&["10-secret.conf"]);
        // The state as a whole, too.
        let _ = sandbox.tune(&["apply", "web-server", "--yes", "--runtime-only"]).code(0);
        fs::set_permissions(STATE, fs::Permissions::from_mode(0o700)).unwrap();
        sandbox.nobody(&["status"]).code(0).says(&["not known", STATE]);
        sandbox.nobody(&["active"]).code(77).says(&[STATE, "root"]);
        sandbox.nobody(&["history"]).code(77).says(&[STATE, "root"]);
    });
}
