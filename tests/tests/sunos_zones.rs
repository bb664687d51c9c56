//! Zones of illumos and Solaris: with an IP stack of their own, with that of the global zone, and journals planted in them.
#![allow(clippy::unwrap_used)]

use tune_tests::sunos::{Guest, Model, Setup, Zone};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tune-on-sunos");
const APPLY: &[&str] = &["apply", "web-server", "--yes"];

fn in_a_zone(model: Model, zone: Zone) -> Guest {
    Guest::with(PROGRAM, &Setup::of(model).zone(zone))
}

#[test]
fn a_zone_with_a_stack_of_its_own_is_changed_as_any_host() {
    for model in Model::ALL {
        let guest = in_a_zone(*model, Zone::Exclusive("web".to_owned()));
        let before = guest.everything();
        let (_, status) = guest.document(&["status"]);
        assert_eq!(status["host"]["scope"], "zone:web", "{status}");
        guest.tune(APPLY).exits(0);
        guest.restart();
        guest.tune(&["audit", "web-server"]).exits(0);
        guest.tune(&["off", "--yes"]).exits(0);
        guest.everything().same_as(&before, model.name());
    }
}

#[test]
fn a_zone_of_smartos_keeps_values_itself() {
    let setup = Setup::smartos().zone(Zone::Exclusive("web".to_owned()));
    let guest = Guest::with(PROGRAM, &Setup { ramdisk: false, ..setup });
    guest.tune(APPLY).exits(0);
    assert!(guest.machine.persistent("tcp", "_fin_wait_2_flush_interval").is_some());
    guest.machine.reboot();
    guest.tune(&["audit", "web-server"]).exits(0);
}

#[test]
fn a_zone_with_the_stack_of_the_global_zone_is_shown_and_left() {
    for model in Model::ALL {
        let guest = in_a_zone(*model, Zone::Shared("web".to_owned()));
        let before = guest.everything();
        let (code, found) = guest.document(&["audit", "web-server"]);
        // What belongs to the global zone does not count; what the system lacks altogether does.
        assert!([0, 2].contains(&code), "{}: {found}", model.name());
        let findings = found["findings"].as_array().unwrap();
        let scoped: Vec<_> = findings.iter().filter(|found| found["status"] == "out-of-scope").collect();
        assert!(scoped.len() > 5, "{}: {found}", model.name());
        for finding in scoped {
            assert!(finding["tunables"][0]["live"].is_string(), "its value is shown: {finding}");
        }
        let kinds = ["out-of-scope", "unsupported", "met"];
        let is_known = |found: &serde_json::Value| kinds.contains(&found["status"].as_str().unwrap());
        assert!(findings.iter().all(is_known), "{}: {found}", model.name());
        guest.tune(&["status"]).exits(0).says("zone:web");
        guest.tune(&[APPLY, &["--skip-unsupported"]].concat()).exits(0).says("left out");
        let named = guest.tune(&["set", "tcp.fin_wait_2_timeout=20s", "--yes"]).exits(1);
        named.says("belongs to the global zone");
        guest.tune(&["apply", "--boot"]).exits(0);
        assert!(guest.changes().is_empty(), "{}: {:?}", model.name(), guest.changes());
        guest.everything().same_as(&before, model.name());
    }
}

#[test]
fn a_planted_journal_changes_nothing_that_no_plan_could_contain() {
    let guest = Guest::of(PROGRAM, Model::IllumosCurrent);
    let old = guest.everything();
    let ran = guest.killed("after:3", APPLY);
    assert_ne!(ran.code, 0, "{ran}");
    let journals = guest.machine.root().join("var/lib/tune/journal");
    let entries: Vec<_> = std::fs::read_dir(&journals).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [journal] = &entries[..] else { panic!("{entries:?}") };
    let text = std::fs::read_to_string(journal).unwrap();
    for (own, planted) in [
        ("\"_conn_req_max_q\"", "\"_conn_req_max_q=1 -p _time_wait_interval\""),
        ("\"_fin_wait_2_flush_interval\"", "\"_time_wait_interval\""),
        ("\"before\":\"128\"", "\"before\":\"128 tcp; id\""),
        ("\"protocol\":\"tcp\"", "\"protocol\":\"arp\""),
        ("\"keeper\":\"ipadm\"", "\"keeper\":\"ndd\""),
        ("\"keeper\":\"ipadm\"", "\"keeper\":\"sh\""),
    ] {
        assert!(text.contains(own), "{own}: {text}");
        std::fs::write(journal, text.replace(own, planted)).unwrap();
        let calls = guest.changes();
        let refused = guest.tune(&["recover"]);
        assert_ne!(refused.code, 0, "{planted}: {refused}");
        assert_eq!(guest.changes(), calls, "{planted}: {refused}");
    }
    std::fs::write(journal, &text).unwrap();
    guest.tune(&["recover"]).exits(0);
    guest.everything().same_as(&old, "the journal as it was");
}
