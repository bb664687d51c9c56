//! The next boot of illumos and Solaris hosts: what is foretold of every property against a restart of the stand-in, on
//! files that ipadm and people may have left; and changes on such files, which have to be there after a restart.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // The counts are of interest.

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tune_engine::Options;
use tune_model::{Catalog, System};
use tune_tests::sunos::lab::{Lab, Stop, line};
use tune_tests::sunos::{Model, Setup};

const FILES: u32 = 400;

/// What a line of the file sets: by the present name, a former one, or the name that ndd has.
fn names() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for row in Catalog::of(System::Solaris).iter() {
        let (protocol, name) = row.name.strip_prefix("ipadm.").unwrap().split_once('.').unwrap();
        let weight = if row.name.contains("buf") || row.name.contains("port") { 4 } else { 1 };
        let by_ndd = row.ndd.iter().map(String::as_str);
        let all = std::iter::once(name).chain(row.former_names.iter().map(String::as_str)).chain(by_ndd);
        for name in all {
            for _ in 0..weight {
                found.push((protocol.to_owned(), name.to_owned()));
            }
        }
    }
    found
}

fn value() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        select(vec![0_u64, 1, 3, 16, 128, 1024, 2048, 4096, 8192, 32768, 40000, 50000, 60000, 65535, 65536]),
        select(vec![128_000_u64, 262_144, 1 << 20, 2 << 20, 4 << 20, 1 << 30, 4_294_967_295, 4_294_967_296]),
        0_u64..70_000,
        0_u64..8_000_000,
    ];
    let typed = |number: u64, how: u8| match how {
        0 => format!("+{number}"),
        1 => format!("0{number}"),
        2 => format!(" {number}"),
        3 => format!("{number}ms"),
        4 => format!("-{number}"),
        _ => number.to_string(),
    };
    (number, 0_u8..20).prop_map(move |(number, how)| typed(number, how))
}

fn property() -> impl Strategy<Value = String> {
    (select(names()), value()).prop_map(|((protocol, name), value)| {
        let private = if name.starts_with('_') { "_" } else { "" };
        format!("_protocol={protocol};{private}{name}={value};")
    })
}

/// A file as ipadm's daemon might find it.
fn file() -> impl Strategy<Value = String> {
    let other = select(vec![
        "# somebody's note",
        "",
        "_ifname=net0;_family=2;",
        "_ifname=net0;_aobjname=net0/v4;_ipv4addr=192.0.2.1,;up=yes;",
        "_protocol=tcp;sack=passive;",
        "_protocol=tcp;__nobody_knows=5;",
        "_protocol=ipv4;ttl=64;",
        "_protocol=nonesuch;recv_buf=1;",
        "_protocol=tcp;extra_priv_ports=3000,3001;",
    ]);
    let line = prop_oneof![8 => property(), 2 => other.prop_map(str::to_owned)];
    proptest::collection::vec(line, 1..14).prop_map(|lines| lines.join("\n") + "\n")
}

fn on_files(seed: u8, cases: u32, mut test: impl FnMut(&str) -> Result<(), String>) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let runner = &mut TestRunner::new_with_rng(config, rng);
    let strategy = file();
    let mut wrong = Vec::new();
    for _ in 0..cases {
        let text = strategy.new_tree(runner).unwrap().current();
        wrong.extend(test(&text).err().map(|what| format!("{what}\n{text}")));
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong[..wrong.len().min(8)].join("\n"));
}

/// Returns the properties of which something else was foretold than what a restart makes them.
fn foretold_wrongly(lab: &Lab, counts: &mut [usize; 2]) -> Result<(), String> {
    let readings = lab.read_all();
    let logged = lab.machine.reboot();
    let found = lab.all_live();
    let mut wrong = Vec::new();
    for (tunable, reading) in &readings {
        match (&reading.boot, found.get(tunable)) {
            (Ok(text), Some(live)) if text == live => counts[0] += 1,
            (Err(_), None) => {}
            (Err(_), Some(_)) => counts[1] += 1,
            (foretold, live) => wrong.push(format!("{tunable}: foretold {foretold:?}, is {live:?}")),
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(format!("{}\n{logged:?}", wrong.join("\n"))) }
}

#[test]
fn what_is_foretold_is_what_a_restart_makes() {
    for (model, seed) in [(Model::IllumosCurrent, 1), (Model::Illumos2010, 2), (Model::Solaris11, 3)] {
        let lab = Lab::of(&Setup::of(model));
        let mut counts = [0; 2];
        on_files(seed, FILES, |text| {
            lab.machine.write_conf(text);
            foretold_wrongly(&lab, &mut counts)
        });
        println!("{}: {} foretold, {} not told", model.name(), counts[0], counts[1]);
        assert!(counts[0] > 10_000 && counts[1] * 100 < counts[0], "{counts:?}");
    }
}

/// What is asked for on such files, and what it comes to.
const REQUESTS: [(&str, &str); 6] = [
    ("tcp.recv_buf", "4194304"),
    ("tcp.send_buf", "2097152"),
    ("tcp.max_buf", "300000"),
    ("udp.recv_buf", "3000000"),
    ("tcp.smallest_anon_port", "20000"),
    ("tcp.largest_anon_port", "60000"),
];

#[test]
fn what_was_applied_is_there_after_a_restart_whatever_was_in_the_file() {
    for (model, seed) in [(Model::IllumosCurrent, 4), (Model::Illumos2010, 5)] {
        let lab = Lab::of(&Setup::of(model));
        let (mut done, mut refused) = (0, 0);
        let mut request = REQUESTS.iter().cycle();
        on_files(seed, FILES / 2, |text| {
            lab.renew();
            lab.machine.write_conf(text);
            lab.machine.reboot();
            let (name, wanted) = request.next().unwrap();
            let tunable = format!("ipadm.{name}");
            let (conf, live) = (lab.machine.conf(), lab.all_live());
            let asked = lab.ask(&line(&tunable, &format!("exactly = {wanted}")), &Options::default());
            match asked {
                Err(Stop::Failed(what)) => return Err(format!("{tunable} = {wanted}: {what}")),
                Err(Stop::Refused(_)) => {
                    refused += 1;
                    let untouched = (conf, live) == (lab.machine.conf(), lab.all_live());
                    return if untouched { Ok(()) } else { Err("refused, and changed".to_owned()) };
                }
                Ok(_) => done += 1,
            }
            let now = lab.live(&tunable);
            lab.machine.reboot();
            let then = lab.live(&tunable);
            let is = |found: &Option<String>| found.as_deref() == Some(*wanted);
            if is(&now) && is(&then) {
                return Ok(());
            }
            Err(format!(
                "{tunable} = {wanted}: is {now:?}, and {then:?} after a restart\n{:?}",
                lab.machine.conf()
            ))
        });
        println!("{}: {done} applied, {refused} refused", model.name());
        assert!(done > refused * 2, "{done} applied, {refused} refused");
    }
}
