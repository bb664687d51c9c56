//! Lines of other files that win at the next boot: refused, taken over, accepted, given back; and the real boot
//! tool, which has to do what was predicted.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;

use tune_tests::namespace::{Boot, Everything, TestHost, write_file};

const FIN: &str = "net.ipv4.tcp_fin_timeout";
const OURS: &str = "/etc/sysctl.d/zz-tune.conf";
const SITE: &str = "# The site's own.\n net/ipv4/tcp_fin_timeout=50  \n\nnet.ipv4.tcp_retries2 = 10\n";

/// Where a line wins over ours.
struct Rival {
    boot: Boot,
    /// The file that the line is written to.
    file: &'static str,
    /// A link to that file, under whose name it is read.
    link: Option<(&'static str, &'static str)>,
    /// How refusals name the line.
    named: &'static str,
}

const RIVALS: [Rival; 4] = [
    Rival {
        boot: Boot::Systemd,
        file: "/etc/sysctl.d/zzz.conf",
        link: None,
        named: "/etc/sysctl.d/zzz.conf:2",
    },
    Rival { boot: Boot::Procps, file: "/etc/sysctl.conf", link: None, named: "/etc/sysctl.conf:2" },
    Rival {
        boot: Boot::Systemd,
        file: "/etc/sysctl.conf",
        link: Some(("/etc/sysctl.d/zzz-sysctl.conf", "../sysctl.conf")),
        named: "/etc/sysctl.d/zzz-sysctl.conf:2",
    },
    Rival {
        boot: Boot::Procps,
        file: "/etc/sysctl.conf",
        link: Some(("/etc/sysctl.d/99-sysctl.conf", "../sysctl.conf")),
        named: "/etc/sysctl.conf:2",
    },
];

impl Rival {
    fn run(&self, test: impl FnOnce(&TestHost, &Everything) + Send) {
        TestHost::run(self.boot, |host| {
            write_file(self.file, SITE);
            if let Some((name, target)) = self.link {
                symlink(target, name).unwrap();
            }
            fs::set_permissions(self.file, Permissions::from_mode(0o640)).unwrap();
            chown(self.file, Some(7), Some(8)).unwrap();
            xattr::set(self.file, "trusted.origin", b"site").unwrap();
            test(host, &host.everything());
        });
    }

    fn take_over(&self, host: &TestHost) {
        host.tune(&["apply", "web-server", "--yes", "--take-over"]).exits(0);
        let text = fs::read_to_string(self.file).unwrap();
        assert_eq!(text, SITE.replace(" net/ipv4/", "# tune: taken over:  net/ipv4/"));
        host.tune(&["audit", "web-server"]).exits(0);
        boots_as_predicted(host);
    }
}

/// Runs the real tool over the files as they are, and holds every key of an audit against its prediction.
fn boots_as_predicted(host: &TestHost) -> BTreeMap<String, String> {
    let audit = host.tune(&["audit", "web-server", "--only", "boot", "--format", "json"]).json();
    let findings = audit["findings"].as_array().unwrap().iter();
    let counted = findings.filter(|found| found["status"] != "out-of-scope");
    let tunables: Vec<_> = counted.flat_map(|found| found["tunables"].as_array().unwrap()).collect();
    let predicted: BTreeMap<&str, String> = tunables
        .iter()
        .filter_map(|state| Some((state["name"].as_str()?, state["boot"].as_str()?.replace('\t', " "))))
        .collect();
    assert!(predicted.len() >= 8, "{audit}");
    let keys: Vec<&str> = predicted.keys().copied().collect();
    let found = host.after_boot(&keys);
    for (key, value) in &predicted {
        assert_eq!(&found[*key], value, "{key} after the boot tool ran");
    }
    found
}

#[test]
fn a_line_that_wins_is_named_before_anything_is_written() {
    for rival in &RIVALS {
        rival.run(|host, before| {
            host.tune(&["apply", "web-server", "--yes"]).exits(1).says(rival.named).says("--take-over");
            let refused = host.tune(&["apply", "web-server", "--yes", "--format", "json"]).exits(1).json();
            assert_eq!((&refused["kind"], &refused["failed"]), (&"refused".into(), &true.into()));
            host.everything().same_as(before, "after a refusal");
            let plan = host.tune(&["plan", "web-server"]).exits(2);
            plan.says(rival.named);
            let history = host.tune(&["history", "--format", "json"]).exits(0).json();
            assert_eq!(history["transactions"], serde_json::json!([]), "{history}");
        });
    }
}

#[test]
fn a_line_is_taken_over_and_given_back_byte_for_byte() {
    for rival in &RIVALS {
        rival.run(|host, before| {
            rival.take_over(host);
            assert_eq!(boots_as_predicted(host)[FIN], "30");
            let again = host.tune(&["apply", "web-server", "--yes", "--format", "json"]).exits(0).json();
            assert_eq!(again["changed"], false);
            host.tune(&["rollback", "--yes"]).exits(0);
            host.everything().same_as(before, "after the rollback");
            rival.take_over(host);
            host.tune(&["off", "web-server", "--yes"]).exits(0);
            host.everything().same_as(before, "after tune off");
        });
    }
}

#[test]
fn an_accepted_override_stays_will_drift() {
    for rival in &RIVALS {
        rival.run(|host, before| {
            host.tune(&["apply", "web-server", "--yes", "--accept-override"]).exits(0).says(rival.named);
            let audit = host.tune(&["audit", "web-server", "--format", "json"]).exits(2).json();
            let statuses: Vec<_> = audit["findings"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|found| found["status"] == "will-drift")
                .map(|found| found["setting"].as_str().unwrap())
                .collect();
            assert_eq!(statuses, ["tcp.fin_wait_2_timeout"]);
            assert_eq!(boots_as_predicted(host)[FIN], "50");
            let again = host.tune(&["apply", "web-server", "--yes", "--accept-override", "--format", "json"]);
            assert_eq!(again.exits(0).json()["changed"], false);
            host.tune(&["rollback", "--yes"]).exits(0);
            host.everything().same_as(before, "after the rollback");
        });
    }
}

#[test]
fn the_running_kernel_alone_needs_no_boot_file() {
    RIVALS[0].run(|host, before| {
        host.tune(&["apply", "web-server", "--yes", "--runtime-only"]).exits(0);
        assert_eq!(host.everything().files, before.files);
        assert_eq!(boots_as_predicted(host)[FIN], "50");
        host.tune(&["rollback", "--yes"]).exits(0);
        host.everything().same_as(before, "after the rollback");
    });
}

#[test]
fn a_line_of_a_package_cannot_be_taken_over() {
    TestHost::run(Boot::Systemd, |host| {
        let packaged = "/usr/lib/sysctl.d/zzzz.conf";
        write_file(packaged, "net.ipv4.tcp_fin_timeout = 50\n");
        let before = host.everything();
        let refused = host.tune(&["apply", "web-server", "--yes", "--take-over"]).exits(1);
        let refused = refused.says("/usr/lib/sysctl.d/zzzz.conf:1");
        assert!(!refused.stderr.contains("let tune comment that line out"), "{refused}");
        host.everything().same_as(&before, "after a refusal");
        assert_eq!(fs::read_to_string(packaged).unwrap(), "net.ipv4.tcp_fin_timeout = 50\n");
        // A file of the same name below /etc masks it, as systemd has it.
        symlink("/dev/null", "/etc/sysctl.d/zzzz.conf").unwrap();
        host.tune(&["apply", "web-server", "--yes"]).exits(0);
        assert_eq!(boots_as_predicted(host)[FIN], "30");
        host.tune(&["rollback", "--yes"]).exits(0);
    });
}

#[test]
fn an_edit_of_a_line_taken_over_is_reported_and_left() {
    for rival in &RIVALS {
        rival.run(|host, before| {
            rival.take_over(host);
            let edited = fs::read_to_string(rival.file).unwrap();
            let edited = edited
                .replace("# tune: taken over:  net/ipv4/tcp_fin_timeout=50  ", "net.ipv4.tcp_fin_timeout=40");
            fs::write(rival.file, &edited).unwrap();
            let all = host.everything();
            host.tune(&["rollback", "--yes", "--all-or-nothing"]).exits(3);
            host.everything().same_as(&all, "after all or nothing");
            let partly = host.tune(&["rollback", "--yes", "--format", "json"]).exits(3).json();
            let conflict = &partly["conflicts"][0];
            assert_eq!(conflict["target"], rival.file, "{partly}");
            assert!(conflict["expected"].as_str().unwrap().contains("tcp_fin_timeout=50"), "{partly}");
            assert!(conflict["found"].as_str().unwrap().contains("tcp_fin_timeout=40"), "{partly}");
            assert_eq!(fs::read_to_string(rival.file).unwrap(), edited);
            assert_eq!(host.everything().live, before.live, "the rest was not put back");
            host.tune(&["rollback", "--yes", "--overwrite-foreign"]).exits(0);
            host.everything().same_as(before, "after the rollback that overwrites");
        });
    }
}

#[test]
fn a_line_put_back_by_hand_is_no_conflict() {
    RIVALS[0].run(|host, before| {
        RIVALS[0].take_over(host);
        fs::write(RIVALS[0].file, SITE).unwrap();
        host.tune(&["rollback", "--yes"]).exits(0);
        host.everything().same_as(before, "after the rollback");
    });
}

#[test]
fn a_file_taken_over_and_removed_is_not_made_again() {
    RIVALS[0].run(|host, before| {
        RIVALS[0].take_over(host);
        fs::remove_file(RIVALS[0].file).unwrap();
        host.tune(&["rollback", "--yes"]).exits(0).says("is not put back: the file is gone");
        assert!(!Path::new(RIVALS[0].file).exists() && !Path::new(OURS).exists());
        assert_eq!(host.everything().live, before.live);
    });
}

#[test]
fn lines_that_others_add_to_a_file_taken_over_stay() {
    RIVALS[0].run(|host, _| {
        RIVALS[0].take_over(host);
        let edited = fs::read_to_string(RIVALS[0].file).unwrap();
        fs::write(RIVALS[0].file, format!("# added before\n{edited}# added behind\n")).unwrap();
        host.tune(&["rollback", "--yes"]).exits(0);
        let text = fs::read_to_string(RIVALS[0].file).unwrap();
        assert_eq!(text, format!("# added before\n{SITE}# added behind\n"));
        assert!(!Path::new(OURS).exists());
    });
}

#[test]
fn an_edit_of_the_boot_file_stops_the_next_apply() {
    TestHost::run(Boot::Systemd, |host| {
        let before = host.everything();
        host.tune(&["apply", "web-server", "--yes"]).exits(0);
        let ours = fs::read_to_string(OURS).unwrap();
        fs::write(OURS, ours + "net.ipv4.tcp_retries2 = 9\n").unwrap();
        let edited = host.everything();
        host.tune(&["set", "tcp.keepalive_probes=5", "--yes"])
            .exits(1)
            .says(OURS)
            .says("--overwrite-foreign");
        host.everything().same_as(&edited, "after a refusal");
        host.tune(&["set", "tcp.keepalive_probes=5", "--yes", "--overwrite-foreign"]).exits(0);
        host.tune(&["off", "--yes"]).exits(0);
        host.everything().same_as(&before, "after tune off");
    });
}

#[test]
fn a_boot_file_that_is_gone_already_is_no_conflict() {
    TestHost::run(Boot::Systemd, |host| {
        let before = host.everything();
        host.tune(&["apply", "web-server", "--yes"]).exits(0);
        fs::remove_file(OURS).unwrap();
        host.tune(&["audit", "web-server"]).exits(2);
        host.tune(&["rollback", "--yes"]).exits(0);
        host.everything().same_as(&before, "after the rollback");
    });
}
