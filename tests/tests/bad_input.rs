//! Bad input and bad circumstances: the message helps, the exit code is right, and the host is as before.

#![allow(clippy::unwrap_used)]

use std::fmt::Write;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Stdio;

use tune_tests::sandbox::{
    BOOT_FILE, Ended, STATE, Sandbox, TUNE, command, in_memory, inside, own_mount, read_only, unmount,
    writable,
};

const FIN_TIMEOUT: &str = "/proc/sys/net/ipv4/tcp_fin_timeout";

/// Runs a command for people and for programs; both end with `code`, say these words and change nothing.
fn refused(sandbox: &Sandbox, arguments: &[&str], code: i32, words: &[&str]) {
    let before = sandbox.fingerprint();
    let human = sandbox.tune(arguments).code(code);
    assert_eq!(human.out, "", "{}: a failure is no result", human.line);
    assert!(human.err.starts_with("error: "), "{}: {}", human.line, human.err);
    human.says(words);
    narrow(&human);
    let json = sandbox.tune(&[&["--format", "json"], arguments].concat()).code(code);
    let document = json.document();
    assert_eq!(document["schema"], "tune.error/1", "{}", json.out);
    assert_eq!((&document["failed"], &document["changed"]), (&true.into(), &false.into()));
    assert_eq!(document["exit_code"], code);
    assert!(!document["msg"].as_str().unwrap().contains('\n'), "{}", json.out);
    json.says(
        &words
            .iter()
            .map(|word| word.replace('"', "\\\""))
            .collect::<Vec<_>>()
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>(),
    );
    assert_eq!(sandbox.fingerprint(), before, "{}", human.line);
}

fn narrow(ended: &Ended) {
    for line in ended.out.lines().chain(ended.err.lines()) {
        assert!(line.chars().count() <= 80, "{}: {line:?} is too long", ended.line);
        assert!(!line.contains('\x1b'), "{}: {line:?} has colours", ended.line);
    }
}

fn profile(content: impl AsRef<[u8]>) -> &'static str {
    const PATH: &str = "/mnt/site.toml";
    let _ = fs::remove_file(PATH);
    fs::write(PATH, content).unwrap();
    PATH
}

fn mode(path: &str, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

const TEN_MISTAKES: &str = r#"name = "site"
sumary = "x"
[settings."tcp.fin_wait_2_timout"]
at_most = "30s"
[settings."tcp.keepalive_idle"]
at_most = "30 parsecs"
[settings."tcp.keepalive_interval"]
at_mst = "30s"
[settings."tcp.keepalive_probes"]
exactly = "many"
[settings."tcp.listen_backlog"]
at_least = 10
at_most = 5
[settings."tcp.syn_backlog"]
at_least = -1
[settings."tcp.orphan_limit"]
severity = "awful"
at_least = 100
[linux.sysctl."kernel.core_pattern"]
exactly = "x"
[linux.sysctl."net.ipv4.tcp_mem"]
exactly = 100
"#;

/// Where each of the ten mistakes is.
const PLACES: &[&str] = &["2:1", "3:11", "6:11", "8:1", "10:11", "12:12", "15:12", "17:12", "19:15", "22:11"];

#[test]
fn all_ten_mistakes_of_a_profile_are_told_with_their_places() {
    inside(|sandbox| {
        let path = profile(TEN_MISTAKES);
        let places: Vec<_> = PLACES.iter().map(|place| format!("{path}:{place}: ")).collect();
        let places: Vec<_> = places.iter().map(String::as_str).collect();
        refused(sandbox, &["apply", path, "--yes"], 65, &places);
        refused(sandbox, &["apply", path, "--yes"], 65, &["10 mistakes", "did you mean \"summary\"?"]);
        let check = sandbox.tune(&["profile", "check", path]).code(65);
        check.says(&places);
        check.says(&["10 errors"]);
        narrow(&check);
        let json = sandbox.tune(&["profile", "check", path, "--format", "json"]).code(65).document();
        assert_eq!(json["errors"].as_array().unwrap().len(), 10);
    });
}

/// What is bad about it, the content of a profile, and words of the message.
type BadText = (&'static str, fn() -> Vec<u8>, &'static [&'static str]);

const BAD_TEXTS: &[BadText] = &[
    ("empty", Vec::new, &["has no name", "name = \"site\""]),
    ("too large", || vec![b'#'; 2 << 20], &["larger than 1 MiB"]),
    ("no UTF-8", || b"name = \"\xff\"\n".to_vec(), &["is not UTF-8 text"]),
    ("a NUL byte", || b"name = \"x\"\0\n".to_vec(), &["site.toml:1:11"]),
    ("only NUL bytes", || vec![0; 4096], &["site.toml:1:"]),
    ("10000 brackets", || [&b"name = "[..], &[b'['; 10_000]].concat(), &["site.toml:1:"]),
    ("10000 tables", || [&b"a"[..], &b".a".repeat(10_000), b" = 1\n"].concat(), &["site.toml:1:"]),
    ("a long line", || [&b"name = \"x\"\nfoo = \""[..], &[b'y'; 5000], b"\"\n"].concat(), &["\"foo\""]),
];

#[test]
fn what_is_no_profile_is_refused() {
    inside(|sandbox| {
        for (_, content, words) in BAD_TEXTS {
            refused(sandbox, &["apply", profile(content()), "--yes"], 65, words);
        }
    });
}

#[test]
fn unknown_and_circular_profiles_are_named() {
    inside(|sandbox| {
        refused(
            sandbox,
            &["apply", "web-servr", "--yes"],
            65,
            &["did you mean \"web-server\"?", "mobile-clients"],
        );
        refused(sandbox, &["audit", "web-servr"], 65, &["did you mean \"web-server\"?"]);
        refused(sandbox, &["apply", "/mnt/none.toml", "--yes"], 65, &["/mnt/none.toml", "no such file"]);
        fs::create_dir_all("/etc/tune/profiles").unwrap();
        for (name, other) in [("a", "b"), ("b", "a")] {
            let text = format!("name = \"{name}\"\nsummary = \"s\"\nextends = [\"{other}\"]\n");
            fs::write(format!("/etc/tune/profiles/{name}.toml"), text).unwrap();
        }
        let words = ["extends itself", "/etc/tune/profiles/a.toml:3", "/etc/tune/profiles/b.toml:3:12"];
        refused(sandbox, &["apply", "a", "--yes"], 65, &words);
        sandbox.tune(&["profile", "list"]).code(0).says(&["web-server", "extends itself"]);
    });
}

#[test]
fn a_profile_that_others_could_change_is_not_applied_by_root() {
    inside(|sandbox| {
        let path =
            profile("name = \"site\"\nsummary = \"s\"\n[settings]\n\"tcp.fin_wait_2_timeout\" = \"30s\"\n");
        mode(path, 0o666);
        refused(sandbox, &["apply", path, "--yes"], 65, &[path, "written by everybody", "chmod go-w"]);
        mode(path, 0o664);
        refused(sandbox, &["apply", path, "--yes"], 65, &["written by its group"]);
        mode(path, 0o644);
        chown(path, Some(1000), None).unwrap();
        refused(sandbox, &["apply", path, "--yes"], 65, &["belongs to user 1000", "must belong to root"]);
        chown(path, Some(0), None).unwrap();
        refused(sandbox, &["apply", "/mnt/etc", "--yes"], 65, &["/mnt/etc", "it is not a file"]);
        mode(path, 0o600);
        sandbox.nobody(&["audit", path]).code(65).says(&[path, "permission denied"]);
        let fifo = "/mnt/fifo.toml";
        let _ = sandbox.run(&["mkfifo", fifo]).code(0);
        refused(sandbox, &["apply", fifo, "--yes"], 65, &["it is not a file"]);
        let _ = sandbox.tune(&["apply", path, "--yes"]).code(0);
    });
}

#[test]
fn a_bad_profile_on_standard_input_is_told_with_its_place() {
    inside(|sandbox| {
        for (input, place) in
            [(&b"name = \"x\"\nfoo = 1\n"[..], "standard input:2:1:"), (b"", "standard input:1:1:")]
        {
            let ended = sandbox.with_input(&[TUNE, "--state-dir", STATE, "apply", "-", "--yes"], input);
            let ended = ended.code(65);
            ended.says(&[place]);
            narrow(&ended);
            let json = [TUNE, "--format", "json", "--state-dir", STATE, "apply", "-", "--yes"];
            let document = sandbox.with_input(&json, input).code(65).document();
            assert!(document["msg"].as_str().unwrap().starts_with(place), "{document}");
        }
    });
}

/// Arguments, exit code, and words of the message.
type BadLine = (&'static [&'static str], i32, &'static [&'static str]);

const BAD_LINES: &[BadLine] = &[
    (&["aply"], 64, &["'aply'", "'apply'"]),
    (&["apply", "--dri-run"], 64, &["'--dri-run'", "'--dry-run'"]),
    (&["status", "--format=yaml"], 64, &["--format"]),
    (&["audit"], 64, &["PROFILE"]),
    (&["rollback", "last"], 64, &["'last'"]),
    (&["rollback", "-3"], 64, &["'-3'"]),
    (&["apply"], 64, &["name a profile", "web-server"]),
    (&["apply", "web-server"], 64, &["nobody is there to be asked", "--yes", "--dry-run"]),
    (&["apply", "web-server", "--yes", "--runtime-only", "--boot-only"], 64, &["--boot-only"]),
    (
        &["--root", "/mnt", "set", "tcp.keepalive_probes=5", "--yes", "--netns", "1"],
        64,
        &["--netns", "--root"],
    ),
    (&["--ram", "4GiB", "set", "tcp.keepalive_probes=5", "--yes"], 64, &["--ram", "--root DIR"]),
    (&["apply", "web-server", "--yes", "--only", "tcp.fin_wait_2_timout"], 64, &["tcp.fin_wait_2_timeout"]),
    (&["--netns", "nosuch", "status"], 1, &["no network namespace \"nosuch\"", "ip netns list"]),
    (&["--netns", "../../etc/passwd", "status"], 1, &["no network namespace"]),
    (&["--netns", "", "status"], 1, &["no network namespace"]),
    (&["--root", "nosuch", "status"], 64, &["--root nosuch", "no such directory"]),
    (&["--root", "/mnt", "--netns", "x", "status"], 64, &["--netns"]),
    (&["--ram", "16GiB", "status"], 64, &["--root"]),
    (&["--root", "/mnt", "--ram", "lots", "status"], 64, &["--ram", "\"lots\"", "512MiB"]),
    (&["--root", "/mnt", "--ram", "-1GiB", "status"], 64, &["'-1'"]),
    (&["--root", "/mnt", "--ram", "99999999999999999999GiB", "status"], 64, &["--ram"]),
    (&["explain", "tcp.fin_wait_2_timout"], 64, &["did you mean \"tcp.fin_wait_2_timeout\"?", "tune status"]),
    (&["explain", "net.ipv4.tcp_fin_timout"], 64, &["did you mean \"net.ipv4.tcp_fin_timeout\"?"]),
    (&["explain", ""], 64, &["\"\""]),
    (&["explain", "../../../etc/passwd"], 64, &["is no setting and no tunable"]),
    (&["man", "aply"], 64, &["apply"]),
    (&["profile", "new", "a/b"], 64, &["\"a/b\""]),
    (&["profile", "show", "web-server", "--for", "plan9"], 64, &["plan9", "linux"]),
    (
        &["set", "tcp.fin_wait_2_timeout=90s", "--yes"],
        1,
        &["90s cannot be had", "possible: 60s", "possible: 120s"],
    ),
    (
        &["set", "tcp.fin_wait_2_timeout=1500ms", "--yes"],
        1,
        &["whole seconds", "possible: 1s", "possible: 2s"],
    ),
    (&["set", "tcp.fin_wait_2_timeout=0s", "--yes"], 64, &["would not mean what it says", "--allow-unsafe"]),
    (&["set", "net.ipv4.tcp_keepalive_probes=0", "--yes"], 64, &["1 to 127", "--allow-unsafe"]),
    (&["set", "net.ipv4.tcp_keepalive_probes=99999999999999999999", "--yes"], 64, &["99999999999999999999"]),
    (&["set", "tcp_keepalive_probs=3", "--yes"], 64, &["did you mean \"tcp.keepalive_probes\"?"]),
    (&["set", "net.ipv4.tcp_mem=100", "--yes"], 64, &["unit", "131072 pages"]),
    (&["set", "net.ipv4.tcp_mem=100 200 300", "--yes"], 64, &["131072 pages", "unit"]),
    (&["set", "kernel.core_pattern=x", "--yes"], 64, &["kernel.core_pattern", "net.ipv4."]),
    (
        &["set", "kernel.core_pattern=x", "--yes", "--allow-unsafe", "kernel.core_pattern"],
        64,
        &["kernel.core_pattern"],
    ),
    (&["set", "tcp.fin_wait_2_timeout", "--yes"], 64, &["SETTING=VALUE"]),
    (&["set", "tcp.fin_wait_2_timeout=", "--yes"], 64, &["\"30s\""]),
    (&["set", "", "--yes"], 64, &["SETTING=VALUE"]),
    (&["set", "tcp.fin_wait_2_timeout=30s", "tcp.fin_wait_2_timeout=20s", "--yes"], 64, &["given twice"]),
    (&["rollback", "--yes"], 1, &["no transaction to take back"]),
    (&["rollback", "7", "--yes"], 1, &["no transaction 7", "tune history"]),
    (&["history", "7"], 1, &["no transaction 7", "tune history"]),
    (&["off", "web-server", "--yes"], 1, &["\"web-server\" holds nothing here", "tune active"]),
];

#[test]
fn nonsense_on_the_command_line_is_refused() {
    inside(|sandbox| {
        for (arguments, code, words) in BAD_LINES {
            refused(sandbox, arguments, *code, words);
        }
    });
}

#[test]
fn allow_unsafe_lifts_what_the_kernel_takes() {
    inside(|sandbox| {
        let probes = "net.ipv4.tcp_keepalive_probes";
        let _ = sandbox.tune(&["set", &format!("{probes}=0"), "--yes", "--allow-unsafe", probes]).code(0);
        assert_eq!(fs::read_to_string("/proc/sys/net/ipv4/tcp_keepalive_probes").unwrap(), "0\n");
        let zero = ["set", "tcp.fin_wait_2_timeout=0s", "--yes", "--allow-unsafe", "tcp.fin_wait_2_timeout"];
        refused(sandbox, &zero, 1, &["0s cannot be had", "whole seconds", "possible: 1s"]);
    });
}

#[test]
fn what_is_taken_back_is_not_taken_back_again() {
    inside(|sandbox| {
        let _ = sandbox.tune(&["apply", "web-server", "--yes"]).code(0);
        let _ = sandbox.tune(&["rollback", "1", "--yes"]).code(0);
        refused(sandbox, &["rollback", "1", "--yes"], 1, &["transaction 1", "nothing of it is left"]);
        refused(sandbox, &["rollback", "2", "--yes"], 1, &["itself a rollback of 1"]);
        refused(sandbox, &["rollback", "--yes"], 1, &["no transaction to take back"]);
        refused(sandbox, &["off", "web-server", "--yes"], 1, &["holds nothing"]);
    });
}

#[test]
fn profiles_that_hold_nothing_are_left_out_where_that_is_asked_for() {
    inside(|sandbox| {
        let line = ["off", "web-server", "nonsense", "--if-held", "--yes", "--format", "json"];
        let nothing = sandbox.tune(&line).code(0).document();
        assert_eq!(
            (&nothing["changed"], &nothing["transaction"]),
            (&false.into(), &serde_json::Value::Null),
            "{nothing}"
        );
        let _ = sandbox.tune(&["apply", "web-server", "--yes"]).code(0);
        let _ = sandbox.tune(&["apply", "mobile-clients", "--yes"]).code(0);
        refused(sandbox, &["off", "web-server", "nonsense", "--yes"], 1, &["\"nonsense\" holds nothing"]);
        // None is left of those that are named: the others stay.
        let none = ["off", "nonsense", "--if-held", "--yes", "--format", "json"];
        assert_eq!(sandbox.tune(&none).code(0).document()["changed"], false);
        assert_eq!(sandbox.tune(&line).code(0).document()["changed"], true);
        let active = sandbox.tune(&["active"]).code(0).out;
        assert!(active.contains("mobile-clients") && !active.contains("web-server"), "{active}");
    });
}

#[test]
fn read_only_kernel_settings_are_told_before_anything_is_written() {
    inside(|sandbox| {
        read_only("/proc/sys/net");
        let words = ["net.ipv4.tcp_fin_timeout", "read-only mount", "nothing was changed", "--boot-only"];
        refused(sandbox, &["apply", "web-server", "--yes"], 1, &words);
        assert!(!Path::new(BOOT_FILE).exists());
        let _ = sandbox.tune(&["status"]).code(0);
    });
}

/// Every command that needs the state is refused with these words; who only looks at the host is not.
fn no_state(sandbox: &Sandbox, directory: &str, words: &[&str]) {
    let with = |arguments: &[&'static str]| [&["--state-dir", directory], arguments].concat();
    // The last option of the same name would be a usage error, so the sandbox's own is not given.
    let before = sandbox.fingerprint();
    let run = |arguments: &[&'static str]| sandbox.run(&[&[TUNE], &with(arguments)[..]].concat());
    let ended = run(&["apply", "web-server", "--yes"]).code(1);
    ended.says(words);
    narrow(&ended);
    let document = run(&["apply", "web-server", "--yes", "--format", "json"]).code(1).document();
    assert_eq!(document["kind"], "state");
    assert_eq!(sandbox.fingerprint(), before);
    for looking in [&["status"][..], &["explain", "tcp.fin_wait_2_timeout"], &["profile", "list"]] {
        let _ = run(looking).code(0);
    }
    let _ = run(&["audit", "web-server"]).code(2);
    let _ = run(&["apply", "web-server", "--dry-run"]).code(2);
    assert_eq!(sandbox.fingerprint(), before);
}

#[test]
fn a_state_directory_that_cannot_be_written_stops_it_before_the_first_change() {
    inside(|sandbox| {
        fs::create_dir("/mnt/full").unwrap();
        in_memory("/mnt/full", "size=64k,mode=755");
        fs::write("/mnt/full/filler", vec![0; 64 << 10]).unwrap();
        no_state(sandbox, "/mnt/full/state", &["/mnt/full/state", "no space is left"]);
        // What is read-only is looked at all the same.
        fs::create_dir("/mnt/still").unwrap();
        own_mount("/mnt/still");
        read_only("/mnt/still");
        no_state(sandbox, "/mnt/still", &["/mnt/still", "read-only", "another state directory"]);
        no_state(sandbox, "/mnt/still/inner", &["/mnt/still/inner", "read-only"]);
        no_state(sandbox, "/mnt/none/state", &["/mnt/none does not exist", "--state-dir"]);
    });
}

#[test]
fn a_state_directory_that_others_could_change_is_refused() {
    inside(|sandbox| {
        fs::write("/mnt/file", "").unwrap();
        no_state(sandbox, "/mnt/file", &["/mnt/file", "no directory"]);
        fs::create_dir("/mnt/theirs").unwrap();
        symlink("/mnt/theirs", "/mnt/link").unwrap();
        no_state(sandbox, "/mnt/link", &["/mnt/link", "symbolic link", "name the real directory"]);
        mode("/mnt/theirs", 0o777);
        no_state(sandbox, "/mnt/theirs", &["/mnt/theirs", "others may write it", "0777"]);
        no_state(sandbox, "/mnt/theirs/inner", &["/mnt/theirs", "others may write it"]);
        mode("/mnt/theirs", 0o755);
        chown("/mnt/theirs", Some(1000), None).unwrap();
        no_state(sandbox, "/mnt/theirs", &["/mnt/theirs", "belongs to user 1000", "give it to root"]);
    });
}

#[test]
fn boot_files_that_cannot_be_written_leave_the_kernel_as_it_was() {
    inside(|sandbox| {
        in_memory("/etc/sysctl.d", "size=4k,mode=755");
        fs::write("/etc/sysctl.d/filler", vec![0; 4096]).unwrap();
        boot_file_fails(sandbox, &[BOOT_FILE, "no space is left", "the host is as before"]);
        unmount("/etc/sysctl.d");
        own_mount("/etc/sysctl.d");
        read_only("/etc/sysctl.d");
        boot_file_fails(sandbox, &[BOOT_FILE, "read-only", "nothing was changed"]);
        writable("/etc/sysctl.d");
        let _ = sandbox.tune(&["apply", "web-server", "--yes"]).code(0);
    });
}

fn boot_file_fails(sandbox: &Sandbox, words: &[&str]) {
    let kernel = || fs::read_to_string(FIN_TIMEOUT).unwrap();
    let before = kernel();
    let ended = sandbox.tune(&["apply", "web-server", "--yes"]).code(1);
    ended.says(words);
    let json = sandbox.tune(&["apply", "web-server", "--yes", "--format", "json"]).code(1).document();
    assert_eq!((&json["failed"], &json["changed"]), (&true.into(), &false.into()));
    assert_eq!(kernel(), before);
    assert!(!Path::new(BOOT_FILE).exists());
    sandbox.tune(&["active"]).code(0).says(&["No profile is active"]);
}

/// A file of the state, what becomes of it, and what is said then.
type Damage = (&'static str, fn(&str) -> String, &'static [&'static str]);

fn newer(text: &str) -> String {
    text.replace("/1\"", "/9\"")
}

fn garbage(_: &str) -> String {
    "\u{0}garbage {\n".repeat(3)
}

fn first_half(text: &str) -> String {
    text.chars().take(text.len() / 2).collect()
}

const DAMAGES: &[Damage] = &[
    ("claims.json", newer, &["claims.json", "newer tune", "use that version"]),
    ("claims.json", garbage, &["claims.json line 1 is damaged", "restore it from a backup"]),
    ("claims.json", first_half, &["claims.json line", "is damaged", "restore it from a backup"]),
    ("claims.json", |_| String::new(), &["claims.json line", "is damaged"]),
    ("history.jsonl", newer, &["history.jsonl", "newer tune", "use that version"]),
    ("history.jsonl", garbage, &["history.jsonl line 1 is damaged", "compare it with a backup"]),
    ("head", newer, &["head", "newer tune", "use that version"]),
    ("head", garbage, &["head line 1 is damaged", "compare it with a backup"]),
    ("head", first_half, &["head line 1 is damaged", "compare it with a backup"]),
    ("journal/000001.jsonl", newer, &["000001.jsonl", "newer tune", "use that version"]),
    ("journal/000001.jsonl", garbage, &["000001.jsonl line 1 is damaged", "move it away"]),
];

#[test]
fn damaged_state_is_told_and_never_overwritten() {
    inside(|sandbox| {
        let _ = sandbox.tune(&["apply", "web-server", "--yes"]).code(0);
        for (name, damage, words) in DAMAGES {
            let path = Path::new(STATE).join(name);
            let whole = fs::read_to_string(&path).unwrap();
            fs::write(&path, damage(&whole)).unwrap();
            refused(sandbox, &["apply", "baseline", "--yes"], 1, words);
            refused(sandbox, &["rollback", "--yes"], 1, words);
            let before = sandbox.fingerprint();
            // Who only looks at the host still can.
            let _ = sandbox.tune(&["audit", "web-server"]).code(0);
            let status = sandbox.tune(&["status"]).code(0);
            if !name.starts_with("journal") {
                status.says(words);
            }
            assert_eq!(sandbox.fingerprint(), before);
            fs::write(&path, whole).unwrap();
        }
        let _ = sandbox.tune(&["rollback", "--yes"]).code(0);
    });
}

#[test]
fn output_that_nobody_takes_is_no_panic() {
    inside(|sandbox| {
        let shell = |text: &str| sandbox.run(&["bash", "-c", &format!("{TUNE} --state-dir {STATE} {text}")]);
        for gone in ["status >&-", "status 2>&- >&-", "profile schema | head -c 0"] {
            let ended = shell(gone).code(0);
            assert_eq!(ended.err, "", "{gone}");
        }
        shell("status >/dev/full").code(1).says(&["standard output", "no space is left"]);
        shell("audit web-server >/dev/full").code(1).says(&["standard output"]);
        // What was done is done.
        shell("apply web-server --yes >/dev/full").code(0).says(&["standard output"]);
        shell("rollback --yes --format json >/dev/full").code(0).says(&["standard output"]);
        let reader_gone =
            command(&[TUNE, "profile", "schema"]).stdout(pipe_without_reader()).status().unwrap();
        assert_eq!(reader_gone.code(), Some(0));
    });
}

fn pipe_without_reader() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[test]
fn many_arguments_and_long_ones_are_no_panic() {
    inside(|sandbox| {
        let long = "x".repeat(100_000);
        let mut many = String::new();
        (0..1000).for_each(|n| write!(many, "tcp.nonsense_{n}=1 ").unwrap());
        let many: Vec<_> = [&["set", "--yes"][..], &many.split_whitespace().collect::<Vec<_>>()].concat();
        assert!(sandbox.tune(&many).code(64).err.lines().count() > 1000);
        let _ = sandbox.tune(&["explain", &long]).code(64);
        let _ = sandbox.tune(&["audit", &long]).code(65);
        let _ = sandbox.tune(&["audit", &format!("./{long}")]).code(65);
        let _ = sandbox.tune(&["--netns", &long, "status"]).code(1);
        let _ = sandbox.tune(&["--root", &long, "status"]).code(64);
    });
}

#[test]
fn a_state_directory_whose_name_is_no_text_is_like_any_other() {
    use std::os::unix::ffi::OsStrExt;
    inside(|_| {
        let state = std::ffi::OsStr::from_bytes(b"/mnt/state-\xff");
        let run = |words: &[&str]| {
            let ended = command(&[TUNE]).args(words).arg("--state-dir").arg(state).output().unwrap();
            assert_eq!(ended.status.code(), Some(0), "{words:?}: {}", String::from_utf8_lossy(&ended.stderr));
        };
        run(&["status"]);
        run(&["set", "tcp.keepalive_probes=5", "--yes", "--format", "json"]);
        run(&["rollback", "--yes"]);
    });
}
