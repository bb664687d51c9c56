//! `tune audit --active`: what is held, held against the host, also by a user without rights.

#![allow(clippy::unwrap_used)]

use tune_tests::sandbox::{self, BOOT_FILE, Sandbox};

const FIN: &str = "/proc/sys/net/ipv4/tcp_fin_timeout";

fn findings(sandbox: &Sandbox, code: i32) -> Vec<serde_json::Value> {
    let document = sandbox.nobody(&["audit", "--active", "--format", "json"]).code(code).document();
    document["findings"].as_array().unwrap().clone()
}

#[test]
fn what_is_held_is_audited_without_its_profile() {
    sandbox::inside(|sandbox| {
        sandbox.nobody(&["audit", "--active"]).code(0).says(&["no profile is active here"]);
        let _ = sandbox.tune(&["set", "tcp.fin_wait_2_timeout<=30s", "--yes"]).code(0);
        let found = findings(sandbox, 0);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0]["status"], "met");
        sandbox.nobody(&["audit", "--active"]).code(0).says(&["tcp.fin_wait_2_timeout", "at most 30s"]);

        std::fs::write(FIN, "45").unwrap();
        assert_eq!(findings(sandbox, 2)[0]["status"], "drifted");
        sandbox.nobody(&["audit", "--active"]).code(2).says(&[
            "drifted",
            "tcp.fin_wait_2_timeout",
            "tune active",
        ]);
        let _ = sandbox.nobody(&["audit", "--active", "--only", "boot"]).code(0);
        std::fs::write(FIN, "20").unwrap();
        assert_eq!(findings(sandbox, 0)[0]["status"], "met", "what satisfies is no drift");

        std::fs::write("/etc/sysctl.d/zzz.conf", "net.ipv4.tcp_fin_timeout = 50\n").unwrap();
        assert_eq!(findings(sandbox, 2)[0]["status"], "will-drift");
        std::fs::remove_file("/etc/sysctl.d/zzz.conf").unwrap();
        std::fs::write(FIN, "30").unwrap();
        let _ = sandbox.tune(&["off", "--yes"]).code(0);
        assert_eq!(findings(sandbox, 0).len(), 0);
    });
}

#[test]
fn each_layer_is_held_against_what_it_is_held_for() {
    sandbox::inside(|sandbox| {
        let _ = sandbox.tune(&["set", "tcp.fin_wait_2_timeout=30s", "--boot-only", "--yes"]).code(0);
        assert!(std::path::Path::new(BOOT_FILE).exists());
        let found = findings(sandbox, 0);
        assert_eq!((&found[0]["live"], &found[0]["boot"]), (&"not-applicable".into(), &"met".into()));
        let _ = sandbox.tune(&["off", "--yes"]).code(0);
        let _ = sandbox.tune(&["set", "tcp.fin_wait_2_timeout=30s", "--runtime-only", "--yes"]).code(0);
        let found = findings(sandbox, 0);
        assert_eq!((&found[0]["live"], &found[0]["boot"]), (&"met".into(), &"not-applicable".into()));
    });
}

#[test]
fn what_is_held_has_to_be_known() {
    sandbox::inside(|sandbox| {
        let _ = sandbox.tune(&["set", "tcp.fin_wait_2_timeout=30s", "--yes"]).code(0);
        std::fs::write("/mnt/state/claims.json", "{").unwrap();
        sandbox.nobody(&["audit", "--active"]).code(1).says(&["claims.json"]);
        let _ = sandbox.nobody(&["audit"]).code(64);
        let _ = sandbox.nobody(&["audit", "web-server", "--active"]).code(64);
    });
}
