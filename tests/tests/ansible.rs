//! The Ansible collection: real playbooks against the real binary, on a host of its own. Which Ansible, says
//! `TUNE_ANSIBLE_PYTHON`: a Python that has ansible-core; see `.ci/run`.

#![allow(clippy::unwrap_used)]

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use tune_tests::binary::{self, Ran};
use tune_tests::namespace::{Boot, TestHost, write_file};
use tune_tests::watchdog::{NoneLeft, eventually};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Returns the Python with ansible-core, or says that the test cannot run.
fn python() -> Option<String> {
    let python = std::env::var("TUNE_ANSIBLE_PYTHON").ok();
    let missing =
        python.is_none().then(|| "needs ansible-core: TUNE_ANSIBLE_PYTHON names the python".to_owned());
    tune_tests::may_run(missing).then_some(python).flatten()
}

/// Prepares Ansible with the collection, and with nothing of the machine's.
fn ansible(host: &TestHost, python: &str) -> Command {
    let collections = host.directory("collections/ansible_collections/tune");
    let here = collections.join("tune");
    if !here.exists() {
        symlink(root().join("packaging/ansible"), here).unwrap();
    }
    let mut command = host.command(python);
    command.env("PATH", "/mnt/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    for (name, value) in [
        ("LC_ALL", "C.UTF-8"),
        ("HOME", "/mnt/home"),
        ("ANSIBLE_HOME", "/mnt/home"),
        ("ANSIBLE_REMOTE_TMP", "/mnt/home/tmp"),
        ("ANSIBLE_COLLECTIONS_PATH", "/mnt/collections"),
        ("ANSIBLE_LOCALHOST_WARNING", "false"),
        ("ANSIBLE_INVENTORY_UNPARSED_WARNING", "false"),
        ("ANSIBLE_PIPELINING", "true"),
        // Nothing is written beside the sources.
        ("PYTHONDONTWRITEBYTECODE", "1"),
    ] {
        command.env(name, value);
    }
    command
}

fn playbook(host: &TestHost, python: &str, name: &str, more: &[&str]) -> Ran {
    let path = root().join("tests/ansible").join(name);
    let ran = Ran::of(ansible(host, python).args(["-m", "ansible", "playbook"]).arg(path).args(more));
    ran.exits(0)
}

/// Writes a program that stands for `tune` on the target.
fn program(name: &str, script: &str) {
    let path = format!("/mnt/bin/{name}");
    write_file(&path, &format!("#!/bin/sh\n{script}"));
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

/// Lays the programs, profiles and files out that the playbooks go by.
fn furnish(host: &TestHost) {
    // Whatever is left at its default is not the machine's.
    host.does(&["mount", "-t", "tmpfs", "-o", "mode=755", "none", "/var/lib"]);
    let _ = host.directory("bin");
    fs::copy(binary::tune(), "/mnt/bin/tune").unwrap();
    program("as-nobody", "exec setpriv --reuid=65534 --regid=65534 --clear-groups /mnt/bin/tune \"$@\"\n");
    // What Ansible makes of sudo's command line: options, -u and the user, and the command.
    program(
        "as-user",
        "while [ \"$1\" != -u ]; do shift; done\nuser=$2\nshift 2\n\
         exec setpriv --reuid=\"$user\" --regid=65534 --clear-groups \"$@\"\n",
    );
    program("half", "echo '{\"schema\": \"tune.apply/1\", \"chan'; echo 'the disk is full' >&2; exit 9\n");
    program(
        "noisy tune",
        "printf %s \"$GREETING\" > /mnt/greeting\nprintf 'Welcome!\\r\\n{motd}\\r\\n{\"a\": 1}\\r\\n'\n\
         said=$(tune \"$@\" 2>&1)\nstatus=$?\n\
         printf '[1/1] done\\r\\n%s\\r\\nGoodbye {\\r\\n' \"$said\"\nexit $status\n",
    );
    let retries = |value: u8| format!("[linux.sysctl.\"net.ipv4.tcp_retries2\"]\nexactly = {value}\n");
    host.site_profile("site", "[settings]\n\"tcp.keepalive_probes\" = 7\n");
    host.site_profile(
        "dangerous",
        "[settings]\n\"tcp.keepalive_interval\" = \"30s\"\n\"tcp.keepalive_probes\" = 0\n",
    );
    host.site_profile("contested", "[linux.sysctl.\"net.ipv4.tcp_orphan_retries\"]\nexactly = 3\n");
    host.site_profile("trial", &retries(11));
    host.site_profile("late", &retries(12));
    let at_a_path = format!("name = \"a-path\"\nsummary = \"For a test\"\n{}", retries(13));
    write_file("/mnt/the site's/a-path.toml", &at_a_path);
    write_file("/etc/sysctl.d/zzz.conf", "net.ipv4.tcp_orphan_retries = 5\n");
}

#[test]
fn actions_do_to_a_host_what_they_say() {
    let Some(python) = python() else { return };
    TestHost::run(Boot::Systemd, |host| {
        furnish(host);
        let before = host.everything();
        let ran = playbook(host, &python, "actions.yml", &[]);
        assert!(
            ran.stdout.contains("-net.ipv4.tcp_fin_timeout = 60\n+net.ipv4.tcp_fin_timeout = 30\n"),
            "{ran}"
        );
        assert!(ran.stdout.contains("+++ after: /etc/sysctl.d/zz-tune.conf\n"), "{ran}");
        assert!(ran.stdout.contains("unreachable=0    failed=0 "), "{ran}");
        host.everything().same_as(&before, "after the playbook");
    });
}

/// Lays memory over a directory, whose content stays to be seen.
fn overlay(host: &TestHost, directory: &str) {
    let [upper, work] = ["upper", "work"]
        .map(|kind| host.directory(&format!("over{directory}/{kind}")).display().to_string());
    let options = format!("lowerdir={directory},upperdir={upper},workdir={work}");
    host.does(&["mount", "-t", "overlay", "-o", &options, "none", directory]);
}

/// Builds a package of a link to the program; how it is packaged in earnest does not matter here.
fn package(host: &TestHost, into: &str) {
    let architecture = host.does(&["dpkg", "--print-architecture"]);
    let control =
        "Package: tune\nVersion: 0.1\nMaintainer: Nobody <nobody@localhost>\nDescription: For a test\n";
    write_file("/mnt/package/DEBIAN/control", &format!("{control}Architecture: {architecture}"));
    fs::create_dir_all("/mnt/package/usr/sbin").unwrap();
    symlink(binary::tune(), "/mnt/package/usr/sbin/tune").unwrap();
    host.does(&["dpkg-deb", "--root-owner-group", "-Znone", "--build", "/mnt/package", into]);
}

#[test]
fn the_role_installs_and_applies() {
    let Some(python) = python() else { return };
    let apt = Command::new("/usr/bin/python3").args(["-c", "import apt_pkg"]).output();
    let missing = !apt.is_ok_and(|ended| ended.status.success());
    if !tune_tests::may_run(missing.then(|| "needs python3-apt".to_owned())) {
        return;
    }
    TestHost::run(Boot::Systemd, |host| {
        // Packages are installed here, and nothing of them is left on the machine.
        for directory in ["/usr", "/var"] {
            overlay(host, directory);
        }
        let _ = host.directory("controller");
        package(host, "/mnt/controller/tune.deb");
        let site = "name = \"site\"\nsummary = \"For a test\"\n[settings]\n\"tcp.keepalive_probes\" = 7\n";
        write_file("/mnt/controller/site.toml", site);
        for how in [&["--check"][..], &[]] {
            let ran = playbook(host, &python, "role.yml", how);
            assert!(ran.stdout.contains("unreachable=0    failed=0 "), "{ran}");
        }
    });
}

#[test]
fn actions_take_the_options_that_are_documented() {
    let Some(python) = python() else { return };
    TestHost::run(Boot::Systemd, |host| {
        let mut command = ansible(host, &python);
        command.arg(root().join("tests/ansible/documented.py")).arg("/mnt/collections");
        command.args(
            ["docs/fleets.md", "docs/guide.md", "packaging/ansible/README.md"].map(|page| root().join(page)),
        );
        let ran = Ran::of(&mut command).exits(0).says("4 actions").says("0 wrong");
        assert!(!ran.stdout.contains(" 0 uses"), "{ran}");
    });
}

/// The server of the logins, ended with the test.
struct Sshd(Child);

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Sshd {
    /// Starts it for root with a key of the test's, on the loopback of the test's host.
    fn start(host: &TestHost, program: &Path) -> Self {
        host.does(&["ip", "link", "set", "lo", "up"]);
        for name in ["host-key", "key"] {
            host.does(&["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", &format!("/mnt/{name}")]);
        }
        let users = fs::read_to_string("/etc/passwd").unwrap();
        if !users.contains("\nsshd:") {
            fs::write("/etc/passwd", users + "sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin\n").unwrap();
        }
        write_file("/etc/shadow", "root:*:19000:0:99999:7:::\n");
        fs::create_dir_all("/run/sshd").unwrap();
        let settings = "Port 2222\nListenAddress 127.0.0.1\nHostKey /mnt/host-key\nPidFile /mnt/sshd.pid\n\
            AuthorizedKeysFile /mnt/key.pub\nStrictModes no\nUsePAM no\nPermitRootLogin yes\n";
        write_file("/mnt/sshd_config", settings);
        let mut command = host.command(program);
        command.args(["-D", "-f", "/mnt/sshd_config", "-E", "/mnt/sshd.log"]);
        let server = Self(command.spawn().unwrap());
        eventually("sshd listens", || Path::new("/mnt/sshd.pid").exists());
        server
    }

    fn logins(&self) -> usize {
        fs::read_to_string("/mnt/sshd.log").unwrap().matches("Accepted publickey").count()
    }
}

/// Over ssh, which gives commands a terminal, and holds a connection open from task to task: `.ci/full` has the server.
/// `TUNE_SSHD` names another one.
#[test]
#[ignore = "needs openssh-server: .ci/full.d/80-ansible.sh"]
fn a_trial_is_kept_only_over_a_new_connection() {
    let Some(python) = python() else { return };
    let program =
        std::env::var_os("TUNE_SSHD").map_or_else(|| PathBuf::from("/usr/sbin/sshd"), PathBuf::from);
    let missing = (!program.exists()).then(|| format!("needs {}", program.display()));
    if !tune_tests::may_run(missing) {
        return;
    }
    TestHost::run(Boot::Systemd, |host| {
        let _none_left = NoneLeft;
        furnish(host);
        let sshd = Sshd::start(host, &program);
        let ran = playbook(host, &python, "ssh.yml", &["--inventory", "target,"]);
        assert!(ran.stdout.contains("UNREACHABLE!") && ran.stdout.contains("Connection refused"), "{ran}");
        // The first one, and the one that confirmed.
        assert_eq!(sshd.logins(), 2, "{ran}");
        eventually("the host has undone the trial", || host.read("net.ipv4.tcp_keepalive_time") == "900");
        assert_eq!(host.read("net.ipv4.tcp_fin_timeout"), "30");
    });
}

/// The version is that of the workspace; `galaxy.yml` cannot take it from there by itself.
#[test]
fn the_collection_has_the_version_of_the_program() {
    let path = root().join("packaging/ansible/galaxy.yml");
    let text = fs::read_to_string(&path).unwrap();
    let version = text.lines().find_map(|line| line.strip_prefix("version: "));
    assert_eq!(version, Some(env!("CARGO_PKG_VERSION")), "{}", path.display());
}
