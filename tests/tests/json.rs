//! What the real command writes: one JSON document of a published schema, or text that fits a terminal.

#![allow(clippy::unwrap_used)]

use std::fs;

use serde_json::Value;
use tune_tests::sandbox::{Ended, STATE, Sandbox, TUNE, command, inside, read_only};

const FIN_TIMEOUT: &str = "/proc/sys/net/ipv4/tcp_fin_timeout";

/// Commands of every kind; those that change something do so in this order.
const COMMANDS: &[&[&str]] = &[
    &["status"],
    &["explain", "tcp.fin_wait_2_timeout"],
    &["explain", "tcp.keepalive_abort"],
    &["explain", "net.mbuf_clusters"],
    &["explain", "net.ipv4.tcp_mem"],
    &["explain", "net.ipv4.ip_forward"],
    &["explain", "nonsense"],
    &["profile", "list"],
    &["profile", "show", "web-server"],
    &["profile", "show", "reverse-proxy", "--for", "freebsd"],
    &["profile", "show", "system-defaults", "--for", "solaris"],
    &["profile", "check", "web-server"],
    &["profile", "check", "/mnt/bad.toml"],
    &["audit", "web-server", "baseline", "mobile-clients"],
    &["audit", "web-server", "--only", "runtime"],
    &["audit", "nonsense"],
    &["prove", "--timeout", "10s"],
    &["prove", "--here", "--timeout", "80s"],
    &["plan", "web-server"],
    &["plan", "web-server", "--diff"],
    &["plan", "system-defaults", "fin-wait-2-relief"],
    &["rollback", "--yes"],
    &["off", "--yes"],
    &["recover"],
    &["confirm"],
    &["plan", "web-server", "--confirm-within", "2min", "--diff"],
    &["apply", "fin-wait-2-relief", "--yes", "--confirm-within", "10min"],
    &["status"],
    &["active"],
    &["history", "1"],
    &["audit", "web-server"],
    &["apply", "web-server", "--yes"],
    &["rollback", "--dry-run", "--diff"],
    &["rollback"],
    &["apply", "fin-wait-2-relief", "--yes", "--confirm-within", "10min"],
    &["confirm"],
    &["rollback", "--yes"],
    &["active"],
    &["history"],
    &["history", "--verify"],
    &["apply", "web-server"],
    &["apply", "web-server", "--yes", "--diff"],
    &["apply", "web-server", "--yes", "--diff"],
    &["apply", "reverse-proxy", "mobile-clients", "--yes", "--detailed-exitcodes"],
    &["set", "tcp.keepalive_idle=10min", "net.ipv4.tcp_tw_reuse=1", "--yes", "--diff"],
    &["set", "tcp.keepalive_idle=1h", "--dry-run", "--diff"],
    &["set", "tcp.fin_wait_2_timeout=90s", "--yes"],
    &["set", "tcp.fin_wait_2_timeout=soon", "--yes"],
    &["status"],
    &["active"],
    &["audit", "web-server"],
    &["rollback", "--dry-run", "--diff"],
    &["rollback", "--yes", "--diff"],
    &["off", "mobile-clients", "--dry-run", "--diff"],
    &["off", "mobile-clients", "--yes", "--diff"],
    &["off", "nonsense", "--yes"],
    &["off", "nonsense", "--if-held", "--yes"],
    &["history"],
    &["history", "1"],
    &["history", "99"],
    &["history", "--verify"],
    &["diagnose"],
    &["diagnose", "--all-netns"],
    &["audit", "web-server", "--only", "runtime", "--all-netns"],
    &["diagnose", "--sample", "100ms"],
    &["diagnose", "--sample", "1ms"],
    &["drop", "--state", "fin-wait-2", "--dry-run"],
    &["drop", "--state", "fin-wait-2", "--held", "--older-than", "5min", "--yes"],
    &["drop", "--peer", "192.0.2.0/24", "--local-port", "80"],
    &["drop", "--yes"],
    &["drop", "--state", "listen", "--yes"],
    &["drop", "--peer", "192.0.2.1/24", "--yes"],
    &["--root", "/mnt/image", "diagnose"],
    &["--root", "/mnt/image", "--ram", "16GiB", "status"],
    &["--root", "/mnt/image", "--ram", "16GiB", "audit", "web-server"],
    &["--root", "/mnt/image", "plan", "web-server", "--diff"],
    &["render", "web-server", "--for", "linux", "--ram", "16GiB"],
    &["render", "fin-wait-2-relief", "reverse-proxy", "--for", "linux", "--ram", "16GiB"],
    &["render", "system-defaults", "--for", "linux", "--skip-unsupported"],
    &["render", "system-defaults", "--for", "linux"],
    &["render", "web-server", "--for", "freebsd", "--ram", "16GiB"],
    &["render", "reverse-proxy", "mobile-clients", "--for", "freebsd", "--ram", "2GiB"],
    &["render", "web-server", "--for", "solaris"],
    &["render", "web-server", "--for", "illumos", "--ram", "8GiB"],
    &["render", "reverse-proxy", "--for", "solaris-10", "--ram", "8GiB"],
    &["explain", "tcp.fin_wait_2_timeout", "--for", "hp-ux"],
    &["explain", "tcp.keepalive_interval", "--for", "openbsd-7.3"],
    &["explain", "tcp.fin_wait_2_timeout", "--for", "linux"],
    &["explain", "net.inet.tcp.msl", "--for", "freebsd"],
    &["explain", "tcp.orphan_limit", "--for", "aix"],
    &["explain", "tcp.fin_wait_2_timeout", "--for", "hp-xu"],
    &["explain", "tcp.fin_wait_2_timeout", "--all-systems"],
    &["explain", "net.mbuf_clusters", "--all-systems"],
    &["render", "web-server", "--for", "hp-ux"],
    &["render", "web-server", "--for", "netbsd", "--ram", "16GiB"],
    &["render", "baseline", "--for", "tru64", "--unverified"],
    &["render", "web-server", "--for", "irix"],
    &["render", "web-server", "--for", "openbsd"],
    &["--netns", "nosuch", "status"],
    &["frobnicate"],
    &["apply", "--frobnicate"],
    &["rollback", "--overwrite-foreign", "--all-or-nothing"],
];

/// The commands whose documents configuration management reads.
const CHANGE_MAKING: &[&str] =
    &["tune.plan/1", "tune.apply/1", "tune.off/1", "tune.rollback/1", "tune.confirm/1"];

fn prepare() {
    fs::write("/mnt/bad.toml", "name = \"bad\"\nfoo = 1\n").unwrap();
    for directory in ["/mnt/image/etc/sysctl.d", "/mnt/image/var/lib", "/mnt/image/etc/init.d"] {
        fs::create_dir_all(directory).unwrap();
    }
    fs::write("/mnt/image/etc/sysctl.conf", "net.ipv4.tcp_fin_timeout = 45\n").unwrap();
    fs::write("/mnt/image/etc/init.d/procps", "").unwrap();
}

/// The image keeps its own state.
fn line<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    let state: &[&str] = if arguments[0] == "--root" { &[] } else { &["--state-dir", STATE] };
    [&[TUNE], state, arguments].concat()
}

fn checked(ended: &Ended) -> Value {
    let document = ended.document();
    ended.decent();
    let schema = document["schema"].as_str().unwrap();
    if schema == "tune.error/1" {
        assert_eq!(document["exit_code"], ended.code, "{}", ended.out);
        assert_eq!((&document["failed"], &document["changed"]), (&true.into(), &false.into()));
        assert!(ended.code != 0 && ended.code != 2, "{}: {}", ended.line, ended.out);
    }
    if CHANGE_MAKING.contains(&schema) {
        change_is_told(&document);
    }
    document
}

fn change_is_told(document: &Value) {
    let changes = document["changes"].as_array().unwrap();
    assert!(document["changed"].is_boolean(), "{document}");
    assert!(document["msg"].is_string() && document["msg"] == document["comment"], "{document}");
    assert!(changes.is_empty() || document["changed"] == true || document["failed"] == true, "{document}");
    for change in changes {
        let scope = change["scope"].as_str().unwrap();
        assert!(change["key"].is_string(), "{change}");
        assert!(scope == "runtime" || scope.starts_with("boot:/"), "{change}");
        for side in ["before", "after"] {
            assert!(change[side].is_string() || change[side].is_null(), "{change}");
            assert_ne!(change[side], "", "{change}");
        }
    }
    for diff in document.get("diff").and_then(Value::as_array).into_iter().flatten() {
        for side in ["before", "after"] {
            let text = diff[side].as_str().unwrap();
            assert!(text.is_empty() || text.ends_with('\n'), "{diff}");
            assert!(diff[format!("{side}_header")].is_string(), "{diff}");
        }
    }
}

#[test]
fn every_command_writes_one_document_of_its_schema() {
    inside(|sandbox| {
        prepare();
        for arguments in COMMANDS {
            let _ = checked(&sandbox.run(&[&line(arguments)[..], &["--format", "json"]].concat()));
        }
    });
}

#[test]
fn programs_are_told_what_changed_and_that_nothing_did() {
    inside(|sandbox| {
        let apply = ["apply", "web-server", "--yes", "--diff", "--format", "json"];
        let dry =
            checked(&sandbox.tune(&["apply", "web-server", "--check", "--diff", "--format", "json"]).code(2));
        let first = checked(&sandbox.tune(&apply).code(0));
        let second = checked(&sandbox.tune(&apply).code(0));
        assert_eq!(
            (&dry["changed"], &first["changed"], &second["changed"]),
            (&true.into(), &true.into(), &false.into())
        );
        assert_eq!(dry["changes"], first["changes"]);
        assert_eq!(dry["diff"], first["diff"]);
        assert!(!first["diff"].as_array().unwrap().is_empty());
        assert_eq!(second["changes"], serde_json::json!([]));
        let without = checked(&sandbox.tune(&["rollback", "--yes", "--format", "json"]).code(0));
        assert!(without.get("diff").is_none(), "diff comes only when asked for");
    });
}

#[test]
fn failures_and_conflicts_are_documents_too() {
    inside(|sandbox| {
        let json = |arguments: &[&str]| sandbox.tune(&[arguments, &["--format", "json"]].concat());
        let _ = sandbox.tune(&["apply", "web-server", "--yes"]).code(0);
        fs::write(FIN_TIMEOUT, "45\n").unwrap();
        let _ = checked(&json(&["audit", "web-server"]).code(2));
        let _ = checked(&json(&["rollback", "--yes", "--all-or-nothing"]));
        let _ = checked(&json(&["rollback", "--dry-run"]));
        let conflict = checked(&json(&["rollback", "--yes"]).code(3));
        assert_eq!(conflict["changed"], true);
        fs::remove_dir_all(STATE).unwrap();
        fs::write(STATE, "").unwrap();
        let _ = checked(&json(&["apply", "web-server", "--yes"]).code(1));
        fs::remove_file(STATE).unwrap();
        read_only("/proc/sys/net");
        let _ = checked(&json(&["apply", "web-server", "--yes"]).code(1));
        let nobody = sandbox.nobody(&["apply", "web-server", "--yes", "--format=json"]).code(77);
        assert_eq!(checked(&nobody)["kind"], "not-permitted");
    });
}

fn fits(ended: &Ended) {
    for line in ended.out.lines().chain(ended.err.lines()) {
        assert!(line.chars().count() <= 80, "{}: {} columns: {line:?}", ended.line, line.chars().count());
        assert!(!line.contains(|c: char| c.is_control()), "{}: {line:?}", ended.line);
    }
}

#[test]
fn text_for_people_fits_80_columns_and_has_no_colours() {
    inside(|sandbox| {
        prepare();
        for arguments in COMMANDS {
            let ended = sandbox.run(&line(arguments));
            ended.decent();
            // The lines of a diff are those of files.
            if !arguments.contains(&"--diff") {
                fits(&ended);
            }
        }
    });
}

#[test]
fn what_is_shown_as_the_next_command_can_be_typed() {
    inside(|sandbox| {
        let typed = |shown: &Ended| {
            let line = shown.out.lines().rfind(|line| line.starts_with("next: tune ")).unwrap();
            let rest = &line["next: tune ".len()..];
            let state =
                if rest.contains("--state-dir") { String::new() } else { format!("--state-dir {STATE}") };
            sandbox.run(&["bash", "-c", &format!("{TUNE} {state} {rest} --yes")])
        };
        let _ = typed(&sandbox.tune(&["audit", "web-server"]).code(2)).code(0);
        let _ = sandbox.tune(&["audit", "web-server", "--only", "runtime"]).code(0);
        let _ = typed(&sandbox.tune(&["rollback", "--dry-run"]).code(0)).code(0);
        let _ = sandbox.tune(&["apply", "web-server", "--yes"]).code(0);
        sandbox
            .tune(&["active"])
            .code(0)
            .says(&["net.ipv4.tcp_fin_timeout live ", "net.ipv4.tcp_fin_timeout boot "]);
    });
}

#[test]
fn nothing_is_made_up_of_a_tunable_outside_of_the_catalog() {
    inside(|sandbox| {
        let ended = sandbox.tune(&["explain", "net.ipv4.ip_forward"]).code(0);
        ended.says(&["not in the catalog"]);
        for made_up in ["unit:", "can be changed:", "reaches:", "scope:", "source:"] {
            assert!(!ended.out.contains(made_up), "{made_up} in {}", ended.out);
        }
    });
}

#[test]
fn no_color_is_obeyed_where_colours_are_forced() {
    inside(|_| {
        let run = |variables: &[(&str, &str)]| {
            let mut status = command(&[TUNE, "--state-dir", STATE, "audit", "web-server"]);
            let ended = status.envs(variables.iter().copied()).output().unwrap();
            String::from_utf8(ended.stdout).unwrap()
        };
        assert!(!run(&[]).contains('\x1b'));
        assert!(run(&[("CLICOLOR_FORCE", "1")]).contains('\x1b'), "the output has colours at all");
        assert!(!run(&[("NO_COLOR", "1")]).contains('\x1b'));
    });
}

const HOSTILE: &str = "name = \"evil\"\nsummary = \"\\u001b[2Jsummary\"\n\
    [settings.\"tcp.fin_wait_2_timeout\"]\nat_most = \"30s\"\nwhy = \"\\u001b]0;title\\u0007 and \\u202e\"\n\
    reference = \"line\\nbreak \\u001b[31m\"\n";

/// What a terminal would act upon.
fn harmless(ended: &Ended) {
    let acted = |c: char| {
        (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    for text in [&ended.out, &ended.err] {
        assert!(!text.contains(acted), "{}: {text:?}", ended.line);
    }
}

#[test]
fn what_foreign_text_would_do_to_a_terminal_is_made_visible() {
    inside(|sandbox| {
        let profile = "/mnt/e\x1b[31mvil.toml";
        let fitting = HOSTILE.replace("\"evil\"", "\"e\\u001b[31mvil\"");
        for (path, text) in [(profile, HOSTILE), (profile, &fitting), ("/mnt/evil.toml", HOSTILE)] {
            fs::write(path, text).unwrap();
            for arguments in [
                &["profile", "check", path][..],
                &["profile", "show", path],
                &["audit", path],
                &["plan", path, "--diff"],
                &["render", path, "--for", "linux"],
            ] {
                harmless(&sandbox.tune(arguments));
                let _ = sandbox.tune(&[arguments, &["--format", "json"]].concat()).document();
            }
        }
        fs::write("/etc/sysctl.d/99-\x1b[2J.conf", "net.ipv4.tcp_fin_timeout = 45\x1b[31m\n").unwrap();
        fs::write("/etc/sysctl.d/zzz-\x1b]0;x\x07.conf", "net.ipv4.tcp_fin_timeout = 50\n").unwrap();
        hostile_host(sandbox);
    });
}

fn hostile_host(sandbox: &Sandbox) {
    for arguments in [
        &["status"][..],
        &["explain", "tcp.fin_wait_2_timeout"],
        &["audit", "web-server"],
        &["plan", "web-server"],
        &["apply", "web-server", "--yes"],
        &["plan", "web-server", "--take-over", "--diff"],
        &["apply", "web-server", "--yes", "--take-over"],
        &["history", "1"],
        &["apply", "\x1b[31m", "--yes"],
        &["explain", "\x1b[31m"],
        &["set", "\x1b[31m=\x1b[0m", "--yes"],
        &["--netns", "\x1b[31m", "status"],
        &["--root", "\x1b[31m", "status"],
        &["off", "\x1b[31m", "--yes"],
        &["\x1b[31m"],
        &["--\x1b[31m"],
        &["man", "\x1b[31m"],
        &["profile", "new", "\x1b[31m"],
    ] {
        let human = sandbox.tune(arguments);
        human.decent();
        harmless(&human);
        if arguments[0] != "man" || human.code != 0 {
            let _ = checked(&sandbox.tune(&[&["--format=json"], arguments].concat()));
        }
    }
}

#[test]
fn facts_are_a_document_whatever_happens() {
    inside(|sandbox| {
        let facts = sandbox.tune(&["facts"]).code(0);
        let document = checked(&facts);
        assert_eq!(document["settings"]["tcp.fin_wait_2_timeout"]["now"]["text"], "60s");
        assert_eq!(document["active"], serde_json::json!([]));
        let _ = sandbox
            .tune(&["set", "tcp.fin_wait_2_timeout=30s", "--yes", "--confirm-within", "10min"])
            .code(0);
        let document = checked(&sandbox.tune(&["facts"]).code(0));
        assert_eq!(document["pending"][0]["state"], "awaiting-confirmation");
        assert_eq!(document["settings"]["tcp.fin_wait_2_timeout"]["now"]["value"], 30_000);
        // The process that would undo it ends with it.
        let _ = sandbox.tune(&["rollback", "--yes"]).code(0);
        let nothing = checked(&sandbox.tune(&["--netns", "nosuch", "facts"]).code(0));
        assert!(nothing["error"].as_str().unwrap().contains("nosuch"), "{nothing}");
        assert_eq!(nothing["settings"], Value::Null);
        fs::write(format!("{STATE}/claims.json"), "{").unwrap();
        let damaged = checked(&sandbox.tune(&["facts"]).code(0));
        assert_eq!(damaged["active"], Value::Null);
        assert!(damaged["notes"][0].as_str().unwrap().contains("claims.json"), "{damaged}");
    });
}
