//! What `tune render` prints: expected texts, that a shell understands them, and that pasting them is enough.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tune_tests::binary::{Ran, tune};
use tune_tests::files::{below, differences};
use tune_tests::sandbox::inside;

const SYSTEMS: &[&str] = &["linux", "freebsd"];

fn render(arguments: &[&str]) -> Ran {
    let mut command = Command::new(tune());
    command.arg("render").args(arguments).env_clear().env("COLUMNS", "80");
    Ran::of(&mut command)
}

fn fixture(system: &str, profile: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/render").join(system);
    folder.join(format!("{profile}.txt"))
}

/// `BLESS=1` writes what is printed now.
#[test]
fn what_is_printed_is_as_expected() {
    for system in SYSTEMS {
        for profile in ["web-server", "fin-wait-2-relief"] {
            let printed = render(&[profile, "--for", system, "--ram", "16GiB"]).exits(0).stdout;
            let path = fixture(system, profile);
            if std::env::var_os("BLESS").is_some() {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, &printed).unwrap();
            }
            let expected = fs::read_to_string(&path).unwrap_or_default();
            assert_eq!(printed, expected, "{} is out of date: run once with BLESS=1", path.display());
        }
    }
}

/// Lines that are neither comments nor empty, the texts of files included.
fn code(script: &str) -> Vec<&str> {
    script.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

#[test]
fn a_shell_understands_all_of_it() {
    for system in SYSTEMS {
        for profile in ["baseline", "web-server", "reverse-proxy", "mobile-clients", "fin-wait-2-relief"] {
            let script = render(&[profile, "--for", system, "--ram", "64GiB"]).exits(0).stdout;
            for shell in ["sh", "bash"] {
                let checked = Ran::of(Command::new(shell).args(["-n", "-c", &script])).exits(0);
                assert_eq!(checked.stderr, "");
            }
            for line in script.lines() {
                assert!(line.chars().count() <= 80 && line.trim_end() == line, "{line:?}");
            }
        }
    }
}

#[test]
fn it_is_the_same_wherever_it_is_made() {
    let text = |width| {
        let mut command = Command::new(tune());
        command.args(["render", "web-server", "--for", "linux", "--ram", "16GiB", "--format", "json"]);
        Ran::of(command.env("COLUMNS", width)).exits(0).json()
    };
    assert_eq!(text("80"), text("120"), "what stands in files does not depend on the terminal");
}

#[test]
fn what_the_profile_depends_on_has_to_be_stated() {
    render(&["web-server", "--for", "linux"]).exits(1).says("--ram");
    let one = ["web-server", "--for", "linux", "--only", "tcp.fin_wait_2_timeout"];
    let script = render(&one).exits(0).stdout;
    assert!(code(&script).contains(&"sysctl -w net.ipv4.tcp_fin_timeout=30"), "{script}");
    render(&["web-server", "--for", "linux", "--ram", "much"]).exits(64);
    render(&["web-server", "--for", "solaris", "--ram", "1GiB"])
        .exits(64)
        .says("illumos, solaris-11, solaris-10");
    render(&["web-server", "--for", "linux", "--root", "/"]).exits(64).says("reads no host");
    render(&["web-server", "--for", "linux", "--only", "tcp.nonsense"]).exits(64);
}

const RECKLESS: &str =
    "name = \"reckless\"\nsummary = \"x\"\n[linux.settings.\"net.tcp_memory_limit\"]\nat_least = \"12GiB\"\n";

#[test]
fn a_plan_that_is_refused_is_not_printed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reckless.toml");
    fs::write(&path, RECKLESS).unwrap();
    let path = path.to_str().unwrap();
    let refused = render(&[path, "--for", "linux", "--ram", "16GiB"]).exits(1).says("half of the memory");
    assert_eq!(refused.stdout, "");
    render(&[path, "--for", "linux", "--ram", "16GiB", "--allow-unsafe", "net.tcp_memory_limit"]).exits(0);
    render(&[path, "--for", "linux", "--ram", "64GiB"]).exits(0);
}

const NOT_KNOWN: &str = "name = \"fine\"\nsummary = \"x\"\n[linux.settings.\"net.mbuf_clusters\"]\nat_least = 1\n\
    [linux.sysctl.\"net.ipv4.tcp_keepalive_probes\"]\nexactly = 7\n";

#[test]
fn what_the_system_lacks_is_refused_or_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fine.toml");
    fs::write(&path, NOT_KNOWN).unwrap();
    let path = path.to_str().unwrap();
    render(&[path, "--for", "linux"]).exits(1).says("--skip-unsupported");
    let left = render(&[path, "--for", "linux", "--skip-unsupported"]).exits(0).says("this system has none");
    assert!(code(&left.stdout).contains(&"net.ipv4.tcp_keepalive_probes = 7"));
}

/// The memory of this machine, as `--ram` takes it.
fn memory() -> String {
    let text = fs::read_to_string("/proc/meminfo").unwrap();
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:")).unwrap();
    total.trim().replace(" kB", "KiB")
}

#[test]
fn pasting_it_is_enough_for_an_audit() {
    inside(|sandbox| {
        for profile in ["web-server", "reverse-proxy", "fin-wait-2-relief"] {
            let script = sandbox.tune(&["render", profile, "--for", "linux", "--ram", &memory()]).code(0).out;
            let pasted = sandbox.with_input(&["sh"], script.as_bytes());
            assert_eq!(pasted.code, 0, "{}", pasted.err);
            let audited = sandbox.tune(&["audit", profile]);
            assert_eq!(audited.code, 0, "{}", audited.out);
            // A second time nothing is added.
            let files = below(Path::new("/etc/sysctl.d"));
            let again = sandbox.with_input(&["sh"], script.as_bytes());
            assert_eq!(again.code, 0, "{}", again.err);
            assert_eq!(differences(&files, &below(Path::new("/etc/sysctl.d"))), Vec::<String>::new());
        }
    });
}

#[test]
fn a_pasted_file_is_told_and_can_be_made_our_own() {
    inside(|sandbox| {
        let script =
            sandbox.tune(&["render", "web-server", "--for", "linux", "--ram", &memory()]).code(0).out;
        assert_eq!(sandbox.with_input(&["sh"], script.as_bytes()).code, 0);
        sandbox.tune(&["apply", "web-server", "--yes"]).code(1).says(&["does not know of"]);
        let _ = sandbox.tune(&["apply", "web-server", "--yes", "--overwrite-foreign"]).code(0);
        let _ = sandbox.tune(&["audit", "web-server"]).code(0);
    });
}
