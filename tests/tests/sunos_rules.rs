//! The stand-ins for ipadm and ndd where nothing was recorded: what the sources say, a case for each rule.
#![allow(clippy::unwrap_used)]

use tune_tests::sunos::{Machine, Model};

/// A command, its exit code, and the last line of what it says.
type Step<'a> = (&'a str, i32, &'a str);

/// Runs commands, one after the other, on one host.
#[track_caller]
fn on(model: Model, steps: &[Step<'_>]) -> (tempfile::TempDir, Machine) {
    let directory = tempfile::tempdir().unwrap();
    let machine = Machine::install(directory.path(), model);
    for (line, code, last) in steps {
        let words: Vec<&str> = line.split(' ').collect();
        let ran = machine.run(&words).exits(*code);
        let said = ran.stdout.clone() + &ran.stderr;
        assert_eq!(said.lines().last().unwrap_or_default(), *last, "{ran}");
    }
    (directory, machine)
}

const CURRENT: Model = Model::IllumosCurrent;

#[test]
fn a_list_of_names_has_each_once() {
    on(
        CURRENT,
        &[
            ("ipadm show-prop -p sack,sack tcp", 1, "ipadm: invalid protocol properties specified"),
            ("ipadm show-prop -c -o property -p sack,,ecn tcp", 0, "ecn"),
            (
                "ipadm show-prop -c -o property -p sack,,, tcp",
                1,
                "ipadm: invalid protocol properties specified",
            ),
        ],
    );
}

#[test]
fn extra_ports_have_places() {
    let ports = "ipadm show-prop -c -o current -p extra_priv_ports tcp";
    let both = "ipadm show-prop -c -o current,persistent -p extra_priv_ports tcp";
    let (_directory, machine) = on(
        CURRENT,
        &[
            ("ipadm set-prop -p extra_priv_ports+=5001 tcp", 0, ""),
            (
                "ipadm set-prop -p extra_priv_ports+=5001 tcp",
                1,
                "ipadm: set-prop: extra_priv_ports: Already exists",
            ),
            ("ipadm set-prop -p extra_priv_ports-=2049 tcp", 0, ""),
            (both, 0, "4045,5001:5001"),
            ("ipadm set-prop -p extra_priv_ports+=6000 tcp", 0, ""),
            (both, 0, "6000,4045,5001:5001,6000"),
            ("ipadm set-prop -p extra_priv_ports=7000 tcp", 0, ""),
            (both, 0, "7000:7000"),
        ],
    );
    // At the start all that is stored is added to the defaults.
    machine.reboot();
    assert_eq!(machine.live("tcp", "extra_priv_ports").as_deref(), Some("2049,4045,7000"));
    for port in 1..=61 {
        machine.run(&["ipadm", "set-prop", "-t", "-p", &format!("extra_priv_ports+={port}"), "tcp"]).exits(0);
    }
    let full = machine.run(&["ipadm", "set-prop", "-t", "-p", "extra_priv_ports+=62", "tcp"]).exits(1);
    assert!(full.stderr.ends_with("Number of values exceeds the allowed limit"), "{full}");
    assert_eq!(machine.run(&ports.split(' ').collect::<Vec<_>>()).stdout.split(',').count(), 64);
}

#[test]
fn the_last_value_that_is_removed_leaves_an_empty_line() {
    let (_directory, machine) = on(
        CURRENT,
        &[
            ("ipadm set-prop -p extra_priv_ports+=5001 udp", 0, ""),
            ("ipadm set-prop -p extra_priv_ports-=5001 udp", 0, ""),
            ("ipadm show-prop -c -o current,persistent -p extra_priv_ports udp", 0, "2049,4045:"),
        ],
    );
    assert!(machine.conf().unwrap().ends_with("\n_protocol=udp;extra_priv_ports=;\n"));
    assert_eq!(machine.reboot(), ["Failed to reapply property extra_priv_ports"]);
    machine.run(&["ipadm", "reset-prop", "-p", "extra_priv_ports", "udp"]).exits(0);
    assert!(!machine.conf().unwrap().contains("extra_priv_ports"));
}

#[test]
fn a_private_value_that_is_added_is_stored_beside_the_other() {
    on(
        CURRENT,
        &[
            ("ipadm set-prop -p _keepalive_interval=20000 tcp", 0, ""),
            ("ipadm set-prop -p _keepalive_interval+=30000 tcp", 0, ""),
            ("ipadm show-prop -c -o current,persistent -p _keepalive_interval tcp", 0, "30000:20000,30000"),
        ],
    );
}

#[test]
fn numbers_that_the_kernel_rounds_or_checks_against_others() {
    let out = "Value is outside the allowed range";
    let smallest = format!("ipadm: set-prop: smallest_anon_port: {out}");
    let reset = format!("ipadm: reset-prop: smallest_anon_port: {out}");
    let send = format!("ipadm: set-prop: send_buf: {out}");
    on(
        CURRENT,
        &[
            ("ipadm set-prop -p _wroff_xtra=33 tcp", 0, ""),
            ("ipadm show-prop -c -o current,persistent -p _wroff_xtra tcp", 0, "40:33"),
            ("ipadm set-prop -p _wroff_extra=33 udp", 0, ""),
            ("ipadm show-prop -c -o current -p _wroff_extra udp", 0, "33"),
            ("ipadm set-prop -p largest_anon_port=32768 udp", 0, ""),
            ("ipadm set-prop -p smallest_anon_port=32769 udp", 1, &smallest),
            ("ipadm set-prop -p smallest_anon_port=2000 udp", 0, ""),
            ("ipadm set-prop -p largest_anon_port=2001 udp", 0, ""),
            ("ipadm reset-prop -p smallest_anon_port udp", 1, &reset),
            ("ipadm set-prop -p largest_anon_port=2000 sctp", 0, ""),
            ("ipadm set-prop -p send_buf=262145 icmp", 1, &send),
            ("ipadm set-prop -p _max_buf=262145 icmp", 0, ""),
            ("ipadm set-prop -p send_maxbuf=262145 icmp", 0, ""),
            (
                "ipadm show-prop -c -o property,current,persistent -p send_buf icmp",
                0,
                "send_buf:262145:262145",
            ),
            ("ipadm reset-prop -p max_buf icmp", 0, ""),
            ("ipadm reset-prop -p send_buf icmp", 0, ""),
        ],
    );
    on(
        Model::Illumos2010,
        &[
            ("ipadm set-prop -p _wroff_xtra=1 sctp", 0, ""),
            ("ipadm show-prop -c -o current -p _wroff_xtra sctp", 0, "8"),
            ("ipadm set-prop -p recv_maxbuf=1073741824 tcp", 0, ""),
            ("ipadm set-prop -p largest_anon_port=1024 udp", 0, ""),
        ],
    );
}

#[test]
fn a_limit_of_a_listener_is_read_up_to_what_is_no_number() {
    let invalid = "ipadm: set-prop: _listener_limit_conf_add: Invalid argument provided";
    on(
        CURRENT,
        &[
            ("ipadm set-prop -p _listener_limit_conf_add=80:10x tcp", 0, ""),
            ("ipadm set-prop -p _listener_limit_conf_add=443:5 tcp", 0, ""),
            ("ipadm set-prop -p _listener_limit_conf_add=80:11 tcp", 0, ""),
            ("ipadm show-prop -c -o current -p _listener_limit_conf tcp", 0, "80:11,443:5"),
            ("ipadm set-prop -p _listener_limit_conf_add=0:5 tcp", 1, invalid),
            ("ipadm set-prop -p _listener_limit_conf_add=65536:5 tcp", 1, invalid),
            ("ipadm set-prop -p _listener_limit_conf_add=80:0 tcp", 1, invalid),
            ("ipadm set-prop -p _listener_limit_conf_add=80:x tcp", 1, invalid),
            ("ndd /dev/tcp tcp_listener_limit_conf", 0, "443:5"),
            ("ndd -set /dev/tcp tcp_listener_limit_conf_del 80", 0, ""),
            ("ipadm show-prop -c -o current -p _listener_limit_conf tcp", 0, "443:5"),
        ],
    );
}

#[test]
fn limits_that_are_too_many_cannot_be_shown() {
    let (_directory, machine) = on(CURRENT, &[]);
    let show = ["ipadm", "show-prop", "-c", "-o", "current", "-p", "_listener_limit_conf", "sctp"];
    // Each takes twelve letters, and a comma between two: 39 are 506, 40 are 519.
    for port in 10_001..=10_040 {
        let shown = machine.run(&show).exits(0).stdout;
        assert!(shown.len() <= 507, "{shown}");
        let limit = format!("_listener_limit_conf_add={port}:100000");
        machine.run(&["ipadm", "set-prop", "-t", "-p", &limit, "sctp"]).exits(0);
    }
    assert_eq!(machine.run(&show).exits(1).stdout, "?\n");
    let ndd = machine.run(&["ndd", "/dev/sctp", "sctp_listener_limit_conf"]).exits(1);
    assert_eq!(ndd.stderr, "operation failed: No buffer space available\n");
}

#[test]
fn words_are_the_librarys_and_numbers_the_kernels() {
    let invalid = |name: &str| format!("ipadm: set-prop: {name}: Invalid argument provided");
    let (forwarding, hostmodel) = (invalid("forwarding"), invalid("hostmodel"));
    let family = "ipadm: set-prop: forwarding: Incorrect protocol family for operation";
    let (_directory, machine) = on(
        CURRENT,
        &[
            ("ipadm set-prop -p forwarding=on ipv4", 0, ""),
            ("ipadm set-prop -p forwarding=1 ipv4", 1, &forwarding),
            ("ipadm set-prop -p forwarding=on ip", 1, family),
            ("ipadm show-prop -c -o proto,current,persistent -p forwarding ip", 0, "ipv6:off:"),
            ("ndd /dev/ip ip_forwarding", 0, "1"),
            ("ndd -set /dev/ip6 ip6_forwarding 2", 1, "operation failed: Invalid argument provided"),
            ("ndd -set /dev/ip6 ip6_forwarding 1", 0, ""),
            ("ipadm show-prop -c -o current -p forwarding ipv6", 0, "on"),
            ("ipadm set-prop -p hostmodel=custom ipv6", 1, &hostmodel),
            ("ipadm set-prop -p hostmodel=strong ipv6", 0, ""),
            ("ipadm show-prop -c -o current,default -p hostmodel ipv6", 0, "strong:weak"),
            ("ipadm set-prop -p mtu=1500 ipv4", 1, &invalid("mtu")),
            ("ndd /dev/ip hostmodel", 1, "operation failed: Incorrect protocol family for operation"),
        ],
    );
    assert!(machine.conf().unwrap().contains("_protocol=ipv4;forwarding=on;\n"));
    machine.reboot();
    assert_eq!(machine.live("ipv4", "forwarding").as_deref(), Some("on"));
    assert_eq!(machine.live("ipv6", "forwarding").as_deref(), Some("off"));
}

#[test]
fn options_are_read_as_by_getopt_long() {
    let set = "	set-prop	[-t] -p <prop>[+|-]=<value[,...]> <protocol>";
    let usage = format!("usage: {set}");
    on(
        CURRENT,
        &[
            ("ipadm set-prop -tp _reass_timeout=1 -- tcp", 0, ""),
            ("ipadm set-prop tcp --temp --prop _reass_timeout=2", 0, ""),
            ("ipadm show-prop -cocurrent,persistent -p_reass_timeout tcp", 0, "2:"),
            ("ipadm set-prop --temporary=1 -p _reass_timeout=3 tcp", 1, &usage),
            ("ipadm set-prop --prop", 1, &usage),
            ("ipadm set-prop -: tcp", 1, &usage),
            ("ipadm set-prop -p +=5 tcp", 1, "ipadm: set-prop: : Unknown property"),
            (
                "ipadm show-prop --p=sack tcp",
                1,
                "usage: 	show-prop	[[-c] -o <field>,...] [-p <prop>,...] [protocol]",
            ),
            ("ipadm show-prop -c -o , tcp", 1, "ipadm: no valid output fields"),
        ],
    );
    on(Model::Illumos2010, &[("ipadm", 1, "	show-prop	[[-c] -o <field>,...] [-p <prop>,...] [protocol]")]);
}

#[test]
fn ndd_knows_old_names_for_new_ones() {
    let unknown = "operation failed: Unknown property";
    on(
        CURRENT,
        &[
            ("ndd /dev/sctp sctp_xmit_hiwat", 0, "102400"),
            ("ndd icmp6 icmp_recv_hiwat", 0, "8192"),
            ("ndd /dev/tcp _max_buf", 1, unknown),
            ("ndd /dev/tcp udp_max_buf", 1, unknown),
            ("ndd /dev/tcp udp_recv_hiwat", 0, "57344"),
            ("ndd -set /dev/udp udp_extra_priv_ports_del 2049", 0, ""),
            ("ndd /dev/udp udp_extra_priv_ports", 0, "4045"),
            ("ndd", 0, "module to query ? "),
        ],
    );
    on(
        Model::Illumos2010,
        &[("ndd /dev/tcp _max_buf", 0, "1048576"), ("ndd /dev/icmp icmp_max_buf", 0, "262144")],
    );
}

#[test]
fn the_old_ndd_tells_errors_of_the_kernel() {
    on(
        Model::S10,
        &[
            ("ndd -set /dev/tcp tcp_extra_priv_ports_add 2049", 1, "operation failed: File exists"),
            ("ndd -set /dev/tcp tcp_extra_priv_ports_del 2050", 1, "operation failed: No such process"),
            ("ndd -set /dev/tcp tcp_extra_priv_ports_del 2049x", 0, ""),
            ("ndd /dev/tcp tcp_extra_priv_ports", 0, "4045 "),
            ("ndd -set /dev/tcp tcp_extra_priv_ports_add 0", 1, "operation failed: Invalid argument"),
            ("ndd -set /dev/tcp tcp_status 1", 1, "operation failed: Permission denied"),
            ("ndd -set /dev/tcp tcp_debug 0x10", 0, ""),
            ("ndd -set /dev/tcp tcp_smallest_anon_port 65535", 0, ""),
            ("ndd -set /dev/tcp tcp_largest_anon_port 1024", 0, ""),
        ],
    );
}
