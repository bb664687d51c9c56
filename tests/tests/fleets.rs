//! What docs/fleets.md tells to write where neither a module nor states are at hand does what it says.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use tune_tests::binary::{self, Ran};
use tune_tests::namespace::{Boot, TestHost, write_file};
use tune_tests::{may_run, needs_root, tool};

const FIN: &str = "net.ipv4.tcp_fin_timeout";

/// Returns the block of docs/fleets.md in a language that has certain words in it.
fn block(language: &str, words: &str) -> String {
    let text = fs::read_to_string(tool::packaging("..").join("docs/fleets.md")).unwrap();
    let fence = format!("```{language}\n");
    let blocks = text.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap());
    let found: Vec<_> = blocks.filter(|block| block.contains(words)).map(str::to_owned).collect();
    assert_eq!(found.len(), 1, "{language} with {words}: {found:?}");
    found[0].clone()
}

fn executable(path: &str, text: &str) {
    write_file(path, text);
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Puts `tune` where the blocks are made to look for it.
fn install(host: &TestHost) {
    symlink(binary::tune(), host.directory("bin").join("tune")).unwrap();
}

/// A line that wins over `tune`'s file, which is refused.
fn hinder() {
    write_file("/etc/sysctl.d/zzz.conf", "net.ipv4.tcp_fin_timeout = 120\n");
}

#[test]
fn the_job_of_cron_is_silent_until_there_is_something_to_say() {
    TestHost::run(Boot::Procps, |host| {
        install(host);
        executable("/mnt/bin/logger", "#!/bin/sh\nexec /bin/cat >/mnt/logged\n");
        let script = block("sh", "#!/bin/sh").replace("PATH=/usr/local/sbin:", "PATH=/mnt/bin:");
        executable("/mnt/job", &script.replace("tune apply", "tune --state-dir /mnt/state apply"));
        let job = |code| Ran::of(&mut host.command("/mnt/job")).exits(code);
        let silent = |ran: Ran| assert!(ran.stdout.is_empty() && ran.stderr.is_empty(), "{ran}");

        silent(job(0));
        assert!(fs::read_to_string("/mnt/logged").unwrap().contains("4 values changed."));
        assert_eq!(host.read(FIN), "30");
        fs::remove_file("/mnt/logged").unwrap();
        silent(job(0));
        assert!(!Path::new("/mnt/logged").exists());
        hinder();
        let ran = job(1).says("would win over tune's file at the next boot");
        assert!(ran.stdout.is_empty(), "{ran}");
    });
}

#[test]
#[ignore = "needs CFEngine; .ci/full.d/83-cfengine.sh runs it"]
fn exit_codes_become_what_cfengine_makes_of_promises() {
    let agent = tool::find("TUNE_CF_AGENT", "cf-agent");
    if !needs_root() || !may_run(agent.as_ref().err().cloned()) {
        return;
    }
    let agent = agent.unwrap();
    TestHost::run(Boot::Procps, |host| {
        install(host);
        let policy = block("cfengine3", "bundle agent tune").replace("/usr/sbin/tune", "/mnt/bin/tune");
        let policy = policy.replace("{ \"apply\"", "{ \"--state-dir\", \"/mnt/state\", \"apply\"");
        write_file(
            "/mnt/cf/inputs/promises.cf",
            &format!("body common control {{ bundlesequence => {{ \"tune\" }}; }}\n{policy}"),
        );
        for path in ["/mnt/cf", "/mnt/cf/inputs", "/mnt/cf/inputs/promises.cf"] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
        }
        fs::create_dir("/mnt/cf/bin").unwrap();
        symlink(agent.with_file_name("cf-promises"), "/mnt/cf/bin/cf-promises").unwrap();
        let of_cfengine = |program: &Path, arguments: &[&str]| {
            let mut command = host.command(program);
            Ran::of(command.env("CFENGINE_TEST_OVERRIDE_WORKDIR", "/mnt/cf").args(arguments)).exits(0)
        };
        of_cfengine(&agent.with_file_name("cf-key"), &[]);
        let run = |more: &[&str]| {
            of_cfengine(
                &agent,
                &[&["--no-lock", "--inform", "--file", "/mnt/cf/inputs/promises.cf"], more].concat(),
            )
        };

        let dry = run(&["--dry-run"]);
        assert_eq!(host.read(FIN), "60");
        drop(dry.says("Would execute script").says("tune could not apply web-server"));
        drop(run(&[]).says("defined as promise repaired").says("R: tune has changed values of web-server"));
        assert_eq!(host.read(FIN), "30");
        let kept = run(&[]).says("defined as promise kept");
        assert!(!kept.stdout.contains("R: "), "{kept}");
        hinder();
        drop(
            run(&[])
                .says("returned code '1' defined as promise failed")
                .says("R: tune could not apply web-server"),
        );
    });
}
