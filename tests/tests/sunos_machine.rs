//! The hosts that the stand-ins for ipadm and ndd run on: faults, zones, restarts, the log of calls, and loud refusals.
#![allow(clippy::unwrap_used)]

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};

use tune_tests::sunos::{Fault, Machine, Model, Setup, Switch, UNMODELLED, Zone};

const NAME: &str = "_fin_wait_2_flush_interval";

/// A host, and the directory that goes with it.
fn host(setup: &Setup) -> (tempfile::TempDir, Machine) {
    let directory = tempfile::tempdir().unwrap();
    let machine = Machine::install_with(directory.path(), setup);
    (directory, machine)
}

fn set(machine: &Machine, value: u32) -> Output {
    let assignment = format!("{NAME}={value}");
    machine.command("ipadm").args(["set-prop", "-p", &assignment, "tcp"]).output().unwrap()
}

/// What the property is, and what is stored of it.
fn both(machine: &Machine) -> (String, String) {
    (machine.live("tcp", NAME).unwrap(), machine.persistent("tcp", NAME).unwrap_or_default())
}

fn pair(live: &str, persistent: &str) -> (String, String) {
    (live.to_owned(), persistent.to_owned())
}

#[test]
fn a_fault_is_met_and_mended() {
    let cases: &[(Fault, i32, &str, &str, &str)] = &[
        (Fault::NoAuth, 1, "Insufficient user authorizations", "60000", ""),
        (Fault::NoPerm, 1, "Permission denied", "60000", ""),
        (Fault::SharedZone, 1, "Permission denied", "60000", ""),
        (Fault::NoIpmgmtd, 1, "Could not communicate with ipmgmtd", "30000", ""),
        (Fault::NoDoor, 0, "", "30000", ""),
        (Fault::NoConf, 0, "", "30000", ""),
        (Fault::Ramdisk, 0, "", "30000", "30000"),
    ];
    for (fault, code, text, live, persistent) in cases {
        let (_directory, machine) = host(&Setup::of(Model::IllumosCurrent));
        machine.fault(*fault);
        let ran = set(&machine, 30000);
        assert_eq!(ran.status.code(), Some(*code), "{fault:?}");
        let expected =
            if text.is_empty() { String::new() } else { format!("ipadm: set-prop: {NAME}: {text}") };
        assert_eq!(String::from_utf8(ran.stderr).unwrap(), expected, "{fault:?}");
        assert_eq!(both(&machine), pair(live, persistent), "{fault:?}");
        assert_eq!(machine.conf().is_none(), *fault == Fault::NoConf, "{fault:?}");

        machine.mend(*fault);
        assert_eq!(set(&machine, 31000).status.code(), Some(0), "{fault:?}");
        // A file that is gone stays away.
        let stored = if *fault == Fault::NoConf { "" } else { "31000" };
        assert_eq!(both(&machine), pair("31000", stored), "{fault:?}");
    }
}

#[test]
fn a_fault_begins_and_ends_with_the_calls_that_it_is_for() {
    let (_directory, machine) = host(&Setup::of(Model::IllumosCurrent));
    machine.switch_on(Switch::of(Fault::NoPerm).on("ipadm set-prop").from(3).times(2));
    let codes: Vec<Option<i32>> = (0..6)
        .map(|call| {
            machine.run(&["ipadm", "show-prop", "-c", "-o", "current", "-p", NAME, "tcp"]).exits(0);
            set(&machine, 30000 + call).status.code()
        })
        .collect();
    assert_eq!(codes, [0, 0, 1, 1, 0, 0].map(Some));
    machine.switch_on(Switch::of(Fault::NoConf).on("set-prop tcp").from(2));
    assert_eq!(set(&machine, 40000).status.code(), Some(0));
    assert!(machine.conf().is_some());
    assert_eq!(set(&machine, 41000).status.code(), Some(0));
    assert_eq!(machine.conf(), None);
}

#[test]
fn a_program_is_killed_before_its_work_or_in_the_middle() {
    for (fault, live) in [(Fault::Killed, "60000"), (Fault::KilledHalfway, "30000")] {
        let (_directory, machine) = host(&Setup::of(Model::Illumos2010));
        machine.fault(fault);
        let ran = set(&machine, 30000);
        assert_eq!((ran.status.signal(), ran.stdout, ran.stderr), (Some(9), vec![], vec![]), "{fault:?}");
        assert_eq!(both(&machine), pair(live, ""), "{fault:?}");
        machine.mend_all();
        assert_eq!(set(&machine, 31000).status.code(), Some(0), "{fault:?}");
    }
}

#[test]
fn a_program_that_hangs_is_in_nobodys_way() {
    let (_directory, machine) = host(&Setup::of(Model::IllumosCurrent));
    machine.switch_on(Switch::of(Fault::Hang).on("ipadm"));
    let mut hanging = machine.command("ipadm").arg("show-prop").stdout(Stdio::null()).spawn().unwrap();
    while machine.calls().is_empty() {
        std::thread::yield_now();
    }
    assert_eq!(machine.run(&["uname"]).exits(0).stdout, "SunOS\n");
    hanging.kill().unwrap();
    hanging.wait().unwrap();
}

#[test]
fn garbage_can_be_read_as_nothing() {
    let (_directory, machine) = host(&Setup::of(Model::IllumosCurrent));
    machine.fault(Fault::Garbage);
    let ran = machine.command("ipadm").args(["show-prop", "tcp"]).output().unwrap();
    assert_eq!(ran.status.code(), Some(0));
    assert!(String::from_utf8(ran.stdout).is_err());
}

#[test]
fn a_restart_applies_what_is_stored_in_the_order_of_the_file() {
    let (_directory, machine) = host(&Setup::of(Model::IllumosCurrent));
    let fresh = machine.conf().unwrap();
    for words in ["max_buf=2097152", "recv_buf=2000000"] {
        machine.run(&["ipadm", "set-prop", "-p", words, "tcp"]).exits(0);
    }
    machine.set_behind("tcp", "send_buf", "100000");
    assert_eq!(machine.live("tcp", "send_buf").as_deref(), Some("100000"));
    assert_eq!(machine.reboot(), Vec::<String>::new());
    assert_eq!(machine.live("tcp", "recv_buf").as_deref(), Some("2000000"));
    assert_eq!(machine.live("tcp", "send_buf").as_deref(), Some("49152"));

    machine.persist_behind("tcp", "max_buf", None);
    machine.persist_behind("tcp", "max_buf", Some("2097152"));
    assert_eq!(machine.reboot(), ["Failed to reapply property recv_buf"]);
    assert_eq!(machine.live("tcp", "recv_buf").as_deref(), Some("128000"));
    assert_eq!(machine.persistent("tcp", "recv_buf").as_deref(), Some("2000000"));
    assert_eq!(machine.log(), ["Failed to reapply property recv_buf"]);

    // What is not about properties is still there, byte for byte.
    assert!(machine.conf().unwrap().starts_with(&fresh));
    machine.write_conf("_protocol=nosuch;__a=1;\n_protocol=tcp;__fin_wait_2_flush_interval=30000;\n");
    assert_eq!(machine.reboot(), ["Failed to reapply property _a"]);
    assert_eq!(both(&machine), pair("30000", "30000"));
}

#[test]
fn a_ramdisk_forgets() {
    let (_directory, machine) = host(&Setup::smartos());
    let fresh = machine.conf();
    assert_eq!(set(&machine, 30000).status.code(), Some(0));
    assert_eq!(both(&machine), pair("30000", "30000"));
    machine.reboot();
    assert_eq!(both(&machine), pair("60000", ""));
    assert_eq!(machine.conf(), fresh);
    machine.run(&["uname", "-v"]).says("joyent_");
}

#[test]
fn a_zone_has_its_own_stack_or_nothing_to_say() {
    let shared = Zone::Shared("web".to_owned());
    let exclusive = Zone::Exclusive("web".to_owned());
    for (zone, name, stack, code) in [
        (Zone::Global, "global", "shared", 0),
        (exclusive, "web", "exclusive", 0),
        (shared, "web", "shared", 1),
    ] {
        for model in [Model::IllumosCurrent, Model::Solaris11] {
            let (_directory, machine) = host(&Setup::of(model).zone(zone.clone()));
            assert_eq!(machine.run(&["zonename"]).exits(0).stdout, format!("{name}\n"));
            assert_eq!(machine.run(&["zonename", "-t"]).exits(0).stdout, format!("{stack}\n"));
            assert_eq!(set(&machine, 30000).status.code(), Some(code), "{zone:?}");
            let show = ["ipadm", "show-prop", "-c", "-o", "current,persistent", "-p", NAME, "tcp"];
            let shown = if code == 0 { "30000:30000\n" } else { "60000:\n" };
            assert_eq!(machine.run(&show).exits(0).stdout, shown);
            let ndd = ["ndd", "-set", "/dev/tcp", "tcp_fin_wait_2_flush_interval", "31000"];
            machine.run(&ndd).exits(code);
        }
    }
}

#[test]
fn solaris_10_has_ndd_only() {
    let (_directory, machine) = host(&Setup::of(Model::S10));
    assert!(machine.command("ipadm").output().is_err());
    let name = "tcp_fin_wait_2_flush_interval";
    machine.run(&["ndd", "-set", "/dev/tcp", name, "67500"]).exits(0);
    assert_eq!(machine.live("tcp", name).as_deref(), Some("67500"));
    assert_eq!(machine.persistent("tcp", name), None);
    machine.set_behind("tcp", name, "60000");
    assert_eq!(machine.run(&["ndd", "/dev/tcp", name]).exits(0).stdout, "60000\n");
    machine.reboot();
    assert_eq!(machine.live("tcp", name).as_deref(), Some("675000"));
    assert_eq!(machine.run(&["uname", "-r"]).exits(0).stdout, "5.10\n");
}

#[test]
fn every_call_is_logged_whole() {
    let (_directory, machine) = host(&Setup::of(Model::IllumosCurrent));
    let odd = ["ipadm", "show-prop", "-p", "a b,\"c\"\n", "tcp"];
    machine.run(&odd);
    assert_eq!(machine.calls(), [odd]);
    machine.forget_calls();
    std::thread::scope(|scope| {
        for caller in 0..8 {
            let machine = &machine;
            scope.spawn(move || {
                for call in 0..20 {
                    let name = format!("tcp_{caller}_{call}");
                    machine.run(&["ndd", "/dev/tcp", &name, &"x".repeat(6000)]);
                }
            });
        }
    });
    let calls = machine.calls();
    assert_eq!(calls.len(), 160);
    assert!(calls.iter().all(|call| call.len() == 4 && call[3].len() == 6000));
}

#[test]
fn what_is_not_modelled_is_refused_loudly_and_changes_nothing() {
    let lines: &[&[&str]] = &[
        &["ipadm"],
        &["ipadm", "show-addr"],
        &["ipadm", "create-ip", "net0"],
        &["ipadm", "show-prop", "-p", "_strict_dst_multihoming", "ipv4"],
        &["ipadm", "set-prop", "-p", "_forward_src_routed=1", "ipv6"],
        &["ipadm", "show-prop", "-o", "", "tcp"],
        &["ndd", "/dev/ip", "?"],
        &["ndd", "/dev/tcp", "tcp_time_wait_interval", "ip_enable_group_ifs"],
        &["netstat", "-m"],
        &["kstat", "tcp:0:tcp"],
        &["kstat", "-p", "tcp:*:tcp"],
        &["uname", "-a"],
        &["uname", "-o"],
        &["svcs", "-a"],
        &["zonename", "-x"],
    ];
    let (_directory, machine) = host(&Setup::of(Model::IllumosCurrent));
    let conf = machine.conf();
    for line in lines {
        let ran = machine.run(line).exits(UNMODELLED.into()).says("NOT MODELLED");
        assert_eq!(ran.stdout, "", "{line:?}");
    }
    assert_eq!(machine.conf(), conf);
    let (_directory, machine) = host(&Setup::of(Model::S10));
    for line in [&["ndd", "/dev/udp", "udp_max_buf"][..], &["ndd", "/dev/tcp", "tcp_status"]] {
        machine.run(line).exits(UNMODELLED.into()).says("NOT MODELLED");
    }
}

#[test]
fn a_host_can_be_named_in_the_environment() {
    let (_directory, machine) = host(&Setup::of(Model::IllumosCurrent));
    let program = std::fs::read_link(machine.program("uname")).unwrap();
    let bare = Command::new(&program).env_clear().output().unwrap();
    assert_eq!(bare.status.code(), Some(UNMODELLED.into()));
    let link = machine.root().join("zonename");
    std::os::unix::fs::symlink(&program, &link).unwrap();
    let named = Command::new(&link).env_clear().env("SUNOS_ROOT", machine.root()).output().unwrap();
    assert_eq!(named.stdout, b"global\n");
}

#[test]
fn canned_answers_are_of_the_model_and_can_be_replaced() {
    let (_directory, machine) = host(&Setup::of(Model::Solaris11));
    assert_eq!(machine.run(&["uname", "-s", "-r", "-v"]).exits(0).stdout, "SunOS 5.11 11.0\n");
    assert_eq!(machine.run(&["uname", "-vs"]).exits(0).stdout, "SunOS 11.0\n");
    let one = machine.run(&["kstat", "-p", "tcp:0:tcp:currEstab"]).exits(0).stdout;
    assert_eq!(one, "tcp:0:tcp:currEstab\t3\n");
    assert!(machine.run(&["kstat", "-p", "tcp:0:tcpstat"]).exits(0).stdout.lines().count() > 5);
    machine.run(&["kstat", "-p", "tcp:0:nosuch"]).exits(1);
    machine.can("kstat.txt", "tcp:0:tcp:currEstab\t4\n");
    assert_eq!(machine.run(&["kstat", "-p", "tcp::tcp"]).exits(0).stdout, "tcp:0:tcp:currEstab\t4\n");
    let state = ["svcs", "-H", "-o", "state", "svc:/network/ip-interface-management:default"];
    assert_eq!(machine.run(&state).exits(0).stdout, "online\n");
}

#[test]
fn names_are_the_ones_that_things_are_chosen_by() {
    for model in Model::ALL {
        assert_eq!(model.name().parse(), Ok(*model));
        assert_eq!(serde_json::to_value(model).unwrap(), model.name());
    }
    for fault in Fault::ALL {
        assert_eq!(fault.name().parse(), Ok(*fault));
        assert_eq!(serde_json::to_value(fault).unwrap(), fault.name());
    }
    assert!("illumos".parse::<Model>().is_err() && "no".parse::<Fault>().is_err());
}
