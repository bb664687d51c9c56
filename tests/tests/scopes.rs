//! Other network namespaces, and offline images.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::Value;
use tune_tests::binary::Ran;
use tune_tests::files::{self, FileStates};
use tune_tests::namespace::{Boot, TestHost};

const FIN: &str = "net.ipv4.tcp_fin_timeout";

/// Reads a key in another namespace.
fn read_in(host: &TestHost, namespace: &str, key: &str) -> String {
    let path = format!("/proc/sys/{}", key.replace('.', "/"));
    let enter = format!("--net={namespace}");
    host.does(&["nsenter", &enter, "cat", &path]).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn findings(document: &Value) -> &Vec<Value> {
    document["findings"].as_array().unwrap()
}

/// A change in a namespace and back; the host's own values and files stay all the while.
fn round(host: &TestHost, name: &str, path: &str) {
    let before = host.everything();
    let audit = host.tune(&["audit", "web-server", "--netns", name, "--format", "json"]).exits(2).json();
    assert_eq!(audit["host"]["scope"], format!("netns:{name}"));
    let orphans = findings(&audit).iter().find(|found| found["setting"] == "tcp.orphan_limit").unwrap();
    assert_eq!(orphans["status"], "out-of-scope", "{orphans}");
    for found in findings(&audit).iter().filter(|found| found["mutability"] != "fixed") {
        assert_eq!(found["boot"], "not-applicable", "{found}");
    }
    host.tune(&["apply", "web-server", "--netns", name, "--yes"]).exits(0);
    assert_eq!(read_in(host, path, FIN), "30");
    host.everything().same_as(&before, "while a namespace is tuned");
    host.tune(&["audit", "web-server", "--netns", name]).exits(0);
    host.tune(&["audit", "web-server"]).exits(2);
    let again = host.tune(&["apply", "web-server", "--netns", name, "--yes", "--format", "json"]);
    assert_eq!(again.exits(0).json()["changed"], false);
    host.tune(&["rollback", "--yes"]).exits(0);
    assert_eq!(read_in(host, path, FIN), "60", "the rollback did not find the namespace again");
    host.everything().same_as(&before, "after the rollback in a namespace");
    assert!(!host.tune(&["active", "--netns", name]).exits(0).stdout.contains("web-server"));
}

#[test]
fn a_namespace_by_name() {
    TestHost::run(Boot::Systemd, |host| {
        host.does(&["ip", "netns", "add", "blue"]);
        round(host, "blue", "/run/netns/blue");
        host.tune(&["audit", "web-server", "--netns", "none-such"]).exits(1).says("none-such");
    });
}

/// A process in a namespace of its own, which ends with the test.
struct Sleeper(Child);

impl Sleeper {
    fn start(host: &TestHost) -> Self {
        let child = host.command("unshare").args(["--net", "sleep", "1000"]).spawn().unwrap();
        let sleeper = Self(child);
        let inode = |path: &str| fs::metadata(path).map(|found| found.ino()).ok();
        let start = Instant::now();
        while inode(&sleeper.path()) == inode("/proc/thread-self/ns/net") {
            assert!(start.elapsed() < Duration::from_secs(20), "no namespace for a process");
            std::thread::sleep(Duration::from_millis(5));
        }
        sleeper
    }

    fn path(&self) -> String {
        format!("/proc/{}/ns/net", self.0.id())
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_namespace_by_process() {
    TestHost::run(Boot::Procps, |host| {
        let sleeper = Sleeper::start(host);
        round(host, &sleeper.0.id().to_string(), &sleeper.path());
    });
}

#[test]
fn what_is_gone_is_forgotten() {
    TestHost::run(Boot::Systemd, |host| {
        host.does(&["ip", "netns", "add", "blue"]);
        host.tune(&["apply", "web-server", "--netns", "blue", "--yes"]).exits(0);
        host.does(&["ip", "netns", "delete", "blue"]);
        let before = host.everything();
        host.tune(&["rollback", "--yes"]).exits(0).says("the network namespace is gone");
        host.everything().same_as(&before, "after forgetting");
        let claims = fs::read_to_string(host.state().join("claims.json")).unwrap();
        assert!(!claims.contains("web-server"), "{claims}");
        host.tune(&["rollback", "--yes"]).exits(1).says("no transaction to take back");
    });
}

#[test]
fn another_namespace_of_the_same_name_is_left_alone() {
    TestHost::run(Boot::Systemd, |host| {
        host.does(&["ip", "netns", "add", "blue"]);
        // Held, so that the number of the old one is not given to the new one.
        let _old = fs::File::open("/run/netns/blue").unwrap();
        host.tune(&["apply", "web-server", "--netns", "blue", "--yes"]).exits(0);
        host.does(&["ip", "netns", "delete", "blue"]);
        host.does(&["ip", "netns", "add", "blue"]);
        host.does(&[
            "nsenter",
            "--net=/run/netns/blue",
            "sh",
            "-c",
            "echo 44 > /proc/sys/net/ipv4/tcp_fin_timeout",
        ]);
        host.tune(&["rollback", "--yes"]).exits(0).says("the network namespace is gone");
        assert_eq!(read_in(host, "/run/netns/blue", FIN), "44");
        let claims = fs::read_to_string(host.state().join("claims.json")).unwrap();
        assert!(!claims.contains("web-server"), "{claims}");
    });
}

#[test]
fn the_host_and_a_namespace_hold_their_own() {
    TestHost::run(Boot::Systemd, |host| {
        let before = host.everything();
        host.does(&["ip", "netns", "add", "blue"]);
        host.tune(&["apply", "web-server", "--yes"]).exits(0);
        host.tune(&["set", "tcp.fin_wait_2_timeout=20s", "--netns", "blue", "--yes"]).exits(0);
        assert_eq!(
            (host.read(FIN), read_in(host, "/run/netns/blue", FIN)),
            ("30".to_owned(), "20".to_owned())
        );
        host.tune(&["rollback", "1", "--yes"]).exits(0);
        host.everything().same_as(&before, "after the host's rollback");
        assert_eq!(read_in(host, "/run/netns/blue", FIN), "20");
        host.tune(&["off", "--netns", "blue", "--yes"]).exits(0);
        assert_eq!(read_in(host, "/run/netns/blue", FIN), "60");
    });
}

#[test]
fn boot_files_belong_to_the_host_wherever_they_are_written_from() {
    TestHost::run(Boot::Systemd, |host| {
        let before = host.everything();
        host.does(&["ip", "netns", "add", "blue"]);
        let inside = |words: &[&str]| {
            let mut command = host.command("nsenter");
            command.arg("--net=/run/netns/blue").arg(tune_tests::binary::tune()).args(words);
            Ran::of(command.arg("--state-dir").arg(host.state()))
        };
        inside(&["set", "tcp.keepalive_probes=5", "--boot-only", "--yes"]).exits(0);
        let claims = fs::read_to_string(host.state().join("claims.json")).unwrap();
        assert!(claims.contains("\"host\"") && !claims.contains("netns:"), "{claims}");
        // The host goes on where the namespace left off.
        host.tune(&["set", "tcp.keepalive_idle=10min", "--boot-only", "--yes"]).exits(0);
        let ours = fs::read_to_string("/etc/sysctl.d/zz-tune.conf").unwrap();
        assert!(ours.contains("keepalive_probes = 5") && ours.contains("keepalive_time = 600"), "{ours}");
        host.tune(&["rollback", "1", "--yes"]).exits(0);
        inside(&["rollback", "--yes"]).exits(0);
        host.everything().same_as(&before, "after both were taken back");
        // A change of both is taken back where it was made.
        inside(&["set", "tcp.keepalive_probes=5", "--yes"]).exits(0);
        host.tune(&["rollback", "--yes"]).exits(1).says("in another network namespace");
        inside(&["rollback", "--yes"]).exits(0);
        host.everything().same_as(&before, "after the namespace's rollback");
    });
}

/// The skeleton of an installed system with links of all kinds, which lead inside of it.
struct Image {
    root: PathBuf,
    before: FileStates,
}

impl Image {
    fn new(host: &TestHost) -> Self {
        let root = host.directory("image");
        for directory in [
            "etc/sysctl.d",
            "etc/tune/profiles",
            "usr/lib/systemd",
            "usr/lib/sysctl.d",
            "usr/sbin",
            "srv/lib",
            "var",
        ] {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        let file = |path: &str, text: &str| fs::write(root.join(path), text).unwrap();
        let link = |target: &str, path: &str| symlink(target, root.join(path)).unwrap();
        file("usr/lib/systemd/systemd", "");
        file("usr/lib/systemd/systemd-sysctl", "");
        link("../lib/systemd/systemd", "usr/sbin/init");
        link("/usr/sbin", "sbin");
        link("usr/lib", "lib");
        link("/srv/lib", "var/lib");
        file("etc/sysctl.conf", "net.ipv4.tcp_fin_timeout = 50\n");
        link("/etc/sysctl.conf", "etc/sysctl.d/zzz-site.conf");
        file("etc/inside.conf", "net.core.somaxconn = 9000\n");
        link("../../../../../../../../etc/inside.conf", "usr/lib/sysctl.d/80-up.conf");
        file(
            "etc/tune/profiles/own.toml",
            "name = \"own\"\nsummary = \"\"\nlinux.sysctl.\"net.ipv4.tcp_retries2\" = 11\n",
        );
        file(
            "etc/tune/profiles/site-web.toml",
            "name = \"site-web\"\nsummary = \"\"\n[settings]\n\"tcp.fin_wait_2_timeout\".at_most = \"30s\"\n\
             \"tcp.keepalive_idle\".at_most = \"15min\"\n\
             \"tcp.listen_backlog\".at_least = { per_gib_of_ram = 512 }\n",
        );
        // What lies outside under the same names must neither be read nor written.
        fs::write("/etc/inside.conf", "net.core.somaxconn = 128\n").unwrap();
        fs::write("/etc/sysctl.conf", "net.ipv4.tcp_fin_timeout = 59\n").unwrap();
        host.site_profile("own", "linux.sysctl.\"net.ipv4.tcp_retries2\" = 14");
        let before = files::below(&root);
        Self { root, before }
    }

    fn path(&self) -> &str {
        self.root.to_str().unwrap()
    }

    /// Names what differs from the beginning, but for the state that is kept in the image.
    fn differences(&self) -> Vec<String> {
        let mut now = files::below(&self.root);
        let state = self.root.join("srv/lib/tune");
        assert!(now.keys().any(|path| path.starts_with(&state)), "no state is kept in the image");
        now.retain(|path, _| !path.starts_with(&state));
        files::differences(&self.before, &now)
    }
}

#[test]
fn an_image_is_tuned_and_nothing_else() {
    TestHost::run(Boot::Procps, |host| {
        let image = Image::new(host);
        let before = host.everything();
        let in_image = |words: &[&str]| host.tune(&[words, &["--root", image.path()]].concat());
        let with_ram = |words: &[&str]| in_image(&[words, &["--ram", "16GiB"]].concat());

        in_image(&["audit", "web-server"]).exits(1).says("--ram");
        let audit = with_ram(&["audit", "site-web", "--format", "json"]).exits(2).json();
        for found in findings(&audit).iter().filter(|found| found["mutability"] != "fixed") {
            assert_eq!(found["live"], "not-applicable", "{found}");
        }
        let text = audit.to_string();
        assert!(
            text.contains("\"9000\"") && text.contains("80-up.conf") && !text.contains("\"128\""),
            "{text}"
        );
        assert_eq!(files::differences(&image.before, &files::below(&image.root)), Vec::<String>::new());

        with_ram(&["apply", "site-web", "--yes"]).exits(1).says("/etc/sysctl.d/zzz-site.conf:1");
        let applied =
            with_ram(&["apply", "site-web", "--yes", "--take-over", "--format", "json"]).exits(0).json();
        assert!(!applied["changes"].to_string().contains("runtime"), "{applied}");
        host.everything().same_as(&before, "while an image is tuned");
        let line = fs::read_to_string(image.root.join("etc/sysctl.conf")).unwrap();
        assert_eq!(line, "# tune: taken over: net.ipv4.tcp_fin_timeout = 50\n");
        let ours = fs::read_to_string(image.root.join("etc/sysctl.d/zz-tune.conf")).unwrap();
        assert!(ours.contains("net.ipv4.tcp_fin_timeout = 30"), "{ours}");
        assert!(!ours.contains("somaxconn"), "{ours}");
        assert_eq!(image.differences().len(), 2);
        with_ram(&["audit", "site-web"]).exits(0);
        host.tune(&["--root", image.path(), "audit", "site-web", "--ram", "16GiB"]).exits(0);
        let again =
            with_ram(&["apply", "site-web", "--yes", "--take-over", "--format", "json"]).exits(0).json();
        assert_eq!(again["changed"], false);

        in_image(&["apply", "own", "--yes"]).exits(0);
        let ours = fs::read_to_string(image.root.join("etc/sysctl.d/zz-tune.conf")).unwrap();
        assert!(ours.contains("net.ipv4.tcp_retries2 = 11"), "{ours}");
        in_image(&["rollback", "--yes"]).exits(0);
        in_image(&["rollback", "--yes"]).exits(0);
        assert_eq!(image.differences(), Vec::<String>::new());
        in_image(&["history", "--verify"]).exits(0);
        host.everything().same_as(&before, "after the image's rollback");
        assert_eq!(fs::read_dir(host.state()).unwrap().count(), 0, "the host's state was used");
    });
}

#[test]
fn a_directory_of_settings_is_made_and_removed_again() {
    TestHost::run(Boot::Systemd, |host| {
        let image = Image::new(host);
        fs::remove_dir_all(image.root.join("etc/sysctl.d")).unwrap();
        let before = files::below(&image.root);
        let tune = |words: &[&str]| host.tune(&[words, &["--root", image.path(), "--ram", "4GiB"]].concat());
        tune(&["set", "tcp.keepalive_probes=5", "--yes"]).exits(0);
        assert!(image.root.join("etc/sysctl.d/zz-tune.conf").exists());
        tune(&["rollback", "--yes"]).exits(0);
        let mut now = files::below(&image.root);
        now.retain(|path, _| !path.starts_with(image.root.join("srv/lib/tune")));
        assert_eq!(files::differences(&before, &now), Vec::<String>::new());
    });
}

#[test]
fn modes_do_not_follow_the_umask() {
    TestHost::run(Boot::Systemd, |host| {
        for umask in ["000", "077"] {
            let image = Image::new(host);
            fs::remove_dir_all(image.root.join("etc/sysctl.d")).unwrap();
            let script = format!("umask {umask}; exec \"$@\"");
            let tune = tune_tests::binary::tune().to_str().unwrap();
            let words = ["set", "tcp.keepalive_probes=5", "--yes", "--root", image.path()];
            host.does(&[&["sh", "-c", &script, "sh", tune][..], &words].concat());
            let mode = |path: &str| fs::metadata(image.root.join(path)).unwrap().mode() & 0o7777;
            assert_eq!(mode("etc/sysctl.d"), 0o755, "umask {umask}");
            assert_eq!(mode("etc/sysctl.d/zz-tune.conf"), 0o644, "umask {umask}");
            assert_eq!(mode("srv/lib/tune"), 0o755, "umask {umask}");
            assert_eq!(mode("srv/lib/tune/history.jsonl"), 0o644, "umask {umask}");
            assert_eq!(mode("srv/lib/tune/claims.json"), 0o644, "umask {umask}");
            assert_eq!(mode("srv/lib/tune/lock"), 0o600, "umask {umask}");
            assert_eq!(mode("srv/lib/tune/journal/000001.jsonl"), 0o600, "umask {umask}");
            fs::remove_dir_all(&image.root).unwrap();
        }
    });
}

#[test]
fn an_image_without_profiles_does_not_borrow_the_hosts() {
    TestHost::run(Boot::Systemd, |host| {
        let image = Image::new(host);
        fs::remove_dir_all(image.root.join("etc/tune")).unwrap();
        host.tune(&["apply", "own", "--yes", "--root", image.path()]).exits(65);
        host.tune(&["profile", "show", "own"]).exits(0);
    });
}

#[test]
fn the_running_system_is_no_image() {
    TestHost::run(Boot::Systemd, |host| {
        for root in ["/", "/etc/..", "/proc/self/root"] {
            host.tune(&["recover", "--root", root]).exits(64).says("the running system");
        }
    });
}

#[test]
fn what_is_no_image_is_refused() {
    TestHost::run(Boot::Systemd, |host| {
        host.tune(&["audit", "web-server", "--root", "/mnt/none-such"]).exits(64).says("/mnt/none-such");
        let empty = host.directory("empty");
        host.tune(&["audit", "web-server", "--root", empty.to_str().unwrap()]).exits(1);
        assert_eq!(fs::read_dir(&empty).unwrap().count(), 0);
        assert!(Path::new("/etc/sysctl.d").exists());
    });
}
