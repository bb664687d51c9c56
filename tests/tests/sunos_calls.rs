//! Which calls of the native programs are made, how many, and in which order.
#![allow(clippy::unwrap_used)]

use tune_tests::sunos::{Guest, Model};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tune-on-sunos");

fn on_each_host(test: impl Fn(&str, &Guest)) {
    Guest::on_each(PROGRAM, test);
}

/// How many calls a command makes of the program that keeps the properties.
fn calls(guest: &Guest, words: &[&str]) -> usize {
    guest.machine.forget_calls();
    guest.tune(words);
    guest.calls().len()
}

#[test]
fn each_protocol_is_asked_once_for_each_reading() {
    on_each_host(|name, guest| {
        // ndd is asked for one property at a time.
        let has_ipadm = guest.machine.setup().model.has_ipadm();
        let allowed = |ipadm: usize, ndd: usize| if has_ipadm { ipadm } else { ndd };
        for (words, at_most) in [
            (&["status"][..], allowed(3, 25)),
            (&["audit", "web-server"], allowed(2, 15)),
            (&["plan", "web-server"], allowed(3, 30)),
            (&["explain", "tcp.fin_wait_2_timeout"], allowed(6, 10)),
        ] {
            let made = calls(guest, words);
            assert!((1..=at_most).contains(&made), "{name}: {words:?} makes {made} calls");
        }
        let made = calls(guest, &["apply", "web-server", "--yes"]);
        // Reading twice, and for each change: before it, the change itself and after it, and once more before the first.
        let changes = guest.changes().len();
        assert!(made <= allowed(6, 45) + 4 * changes, "{name}: {changes} changes, {made} calls");
        let made = calls(guest, &["apply", "web-server", "--yes"]);
        assert!(made <= allowed(4, 40), "{name}: a second apply makes {made} calls");
    });
}

/// Where a call that sets a property is, among those that change something.
fn at(calls: &[String], name: &str, temporary: bool) -> usize {
    let is_it = |call: &&String| {
        let named = call.contains(&format!(" {name}=")) || call.contains(&format!(" {name} "));
        named && (call.contains(" -t ") == temporary || call.starts_with("ndd"))
    };
    calls.iter().position(|call| is_it(&call)).unwrap_or_else(|| panic!("{name} in {calls:#?}"))
}

#[test]
fn a_limit_goes_up_first_and_down_last() {
    on_each_host(|name, guest| {
        let setup = guest.machine.setup();
        let [buffer, limit] = match setup.model {
            Model::S10 => ["tcp_recv_hiwat", "tcp_max_buf"],
            Model::IllumosCurrent => ["recv_buf", "max_buf"],
            _ => ["recv_maxbuf", "_max_buf"],
        };
        let layers = if setup.keeps_values() { &[true, false][..] } else { &[true] };
        guest.tune(&["set", "tcp.receive_buffer_max>=4MiB", "--yes"]).exits(0);
        let up = guest.changes();
        for temporary in layers {
            assert!(at(&up, limit, *temporary) < at(&up, buffer, *temporary), "{name}: {up:#?}");
        }
        guest.machine.forget_calls();
        guest.tune(&["off", "--yes"]).exits(0);
        let down: Vec<String> = guest.changes();
        assert!(at(&down, limit, true) > at(&down, buffer, true), "{name}: {down:#?}");
        let reset =
            |name: &str| down.iter().position(|call| call.contains(&format!("reset-prop -p {name} ")));
        if setup.keeps_values() {
            assert!(reset(limit).unwrap() > reset(buffer).unwrap(), "{name}: {down:#?}");
        }
    });
}

#[test]
fn ports_move_without_crossing() {
    on_each_host(|name, guest| {
        let before = guest.everything();
        for range in ["10000-20000", "40000-50000", "15000-60000", "1024-65535"] {
            guest.tune(&["set", &format!("tcp.ephemeral_ports={range}"), "--yes"]).exits(0);
            guest.restart();
            guest.tune(&["status"]).exits(0).says(range);
        }
        guest.tune(&["off", "--yes"]).exits(0);
        guest.everything().same_as(&before, name);
    });
}

#[test]
fn keepalive_parts_become_one_time_and_mbufs_nothing() {
    on_each_host(|name, guest| {
        let head = "name = \"p\"\nsummary = \"Keepalive\"\n";
        let both = "[settings]\n\"tcp.keepalive_interval\" = \"15s\"\n\"tcp.keepalive_probes\" = 4\n";
        guest.put("/etc/tune/profiles/p.toml", &format!("{head}{both}"));
        let planned = guest.tune(&["plan", "p"]).exits(2);
        planned.says("spaces its probes itself").says("60000");
        guest.tune(&["apply", "p", "--yes"]).exits(0);
        guest.tune(&["audit", "p"]).exits(0);
        guest.tune(&["off", "--yes"]).exits(0);
        for (lines, says) in [
            ("\"tcp.keepalive_interval\" = \"15s\"\n", "tcp.keepalive_abort"),
            ("\"tcp.keepalive_probes\" = 4\n", "tcp.keepalive_abort"),
            ("\"net.mbuf_clusters\" = 65536\n", "STREAMS"),
        ] {
            guest.put("/etc/tune/profiles/p.toml", &format!("{head}[settings]\n{lines}"));
            let calls = guest.changes();
            guest.tune(&["apply", "p", "--yes"]).exits(1).says("cannot be met here").says(says);
            guest.tune(&["audit", "p"]).exits(2).says(says);
            assert_eq!(guest.changes(), calls, "{name}");
        }
    });
}
