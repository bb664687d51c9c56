//! What is printed on illumos and Solaris hosts: documents as their schemas say, nothing raw of what programs and files
//! contain, and images that are looked at and not changed.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use tune_tests::sunos::{Fault, Guest, Model, Setup};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tune-on-sunos");

#[test]
fn every_command_prints_the_document_that_its_schema_describes() {
    for model in [Model::IllumosCurrent, Model::S10] {
        let guest = Guest::of(PROGRAM, model);
        for (words, expected) in [
            (&["status"][..], 0),
            (&["explain", "tcp.fin_wait_2_timeout"], 0),
            (&["explain", "ipadm.tcp._fin_wait_2_flush_interval"], 0),
            (&["explain", "net.mbuf_clusters"], 0),
            (&["profile", "list"], 0),
            (&["profile", "show", "web-server"], 0),
            (&["audit", "web-server"], 2),
            (&["plan", "web-server"], 2),
            (&["confirm"], 1),
            (&["apply", "web-server", "--yes", "--diff"], 0),
            (&["apply", "web-server", "--yes"], 0),
            (&["set", "tcp.time_wait_interval=1ms", "--yes"], 1),
            (&["active"], 0),
            (&["history"], 0),
            (&["history", "1"], 0),
            (&["recover"], 0),
            (&["rollback", "1", "--dry-run"], 0),
            (&["off", "--yes"], 0),
            (&["rollback", "1", "--yes"], 1),
        ] {
            let (code, document) = guest.document(words);
            assert_eq!(code, expected, "{}: {words:?}: {document}", model.name());
        }
    }
}

/// Tells whether a terminal would take part of a text for anything but text.
fn is_raw(text: &str) -> bool {
    text.chars().any(|c| c.is_control() && c != '\n')
}

const LOOKING: [&[&str]; 4] = [
    &["status"],
    &["audit", "web-server"],
    &["plan", "web-server"],
    &["explain", "ipadm.tcp._fin_wait_2_flush_interval"],
];

fn shows_nothing_raw(guest: &Guest, what: &str) {
    for words in LOOKING {
        let ran = guest.tune(words);
        assert!([0, 1, 2].contains(&ran.code), "{what}: {ran}");
        assert!(!is_raw(&ran.stdout) && !is_raw(&ran.stderr), "{what}: {ran:?}");
        guest.document(words);
    }
}

#[test]
fn what_programs_and_files_contain_is_escaped() {
    for (name, setup) in Setup::every() {
        let guest = Guest::with(PROGRAM, &setup);
        guest.machine.fault(Fault::Garbage);
        shows_nothing_raw(&guest, &format!("{name}: programs"));
        guest.machine.mend_all();
        guest.put("/etc/rc2.d/S99\u{1b}[31mred", "ndd -set /dev/tcp tcp_fin_wait_2_flush_interval 1\n");
        guest.put("/etc/rc2.d/S98x", "ndd -set /dev/tcp tcp_fin_wait_2_flush_interval \u{1b}[31m\u{7}\0\n");
        if setup.keeps_values() {
            let conf = "_protocol=tcp;__fin_wait_2_flush_interval=\u{1b}[31m\u{7f}1;\n\0\0\n";
            guest.machine.write_conf(conf);
        }
        shows_nothing_raw(&guest, &format!("{name}: files"));
    }
}

/// Puts a file into an image.
fn put(image: &Path, name: &str, text: &str) {
    let path = image.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[test]
fn an_image_is_judged_by_its_files_and_not_changed() {
    const LINE: &str = "_protocol=tcp;__fin_wait_2_flush_interval=20000;\n";
    const SCRIPT: &str = "ndd -set /dev/tcp tcp_fin_wait_2_flush_interval 20000\n";
    for (release, file, text) in [
        ("OmniOS v11 r151046\n", "etc/ipadm/ipadm.conf", LINE),
        ("Oracle Solaris 11.4 X86\n", "etc/ipadm/ipadm.conf", LINE),
        ("Oracle Solaris 10 1/13\n", "etc/rc2.d/S99ndd", SCRIPT),
    ] {
        let guest = Guest::of(PROGRAM, Model::IllumosCurrent);
        let directory = tempfile::tempdir().unwrap();
        let image = directory.path();
        put(image, "etc/name_to_major", "");
        put(image, "etc/release", release);
        put(image, file, text);
        put(image, "var/svc/manifest/site/other.xml", "");
        std::fs::create_dir_all(image.join("var/lib")).unwrap();
        let before = tune_tests::files::below(image);
        let in_image = |words: &[&str]| {
            let root = ["--root", image.to_str().unwrap(), "--ram", "8GiB"];
            guest.tune(&[&root[..], words].concat())
        };
        // What Solaris 11 has by default is not confirmed, so that some of it cannot be told.
        let audited = in_image(&["audit", "web-server"]);
        let audited = audited.exits(if release.contains(" 11") { 1 } else { 2 });
        audited.says("tcp.fin_wait_2_timeout - 20s");
        let told = in_image(&["explain", "ipadm.tcp._fin_wait_2_flush_interval"]).exits(0);
        told.says(&format!("/{file}:1"));
        in_image(&["status"]).exits(0);
        in_image(&["plan", "web-server"]);
        assert_eq!(before, tune_tests::files::below(image), "{release}");
        if text == LINE {
            let refused = in_image(&["apply", "web-server", "--yes", "--skip-unsupported"]).exits(1);
            refused.says("tune render");
            let state = image.join("var/lib/tune");
            let mut now = tune_tests::files::below(image);
            now.retain(|path, _| !path.starts_with(&state));
            assert_eq!(before, now, "{release}");
        }
        assert!(guest.calls().is_empty(), "nothing runs in an image: {:?}", guest.calls());
    }
}
