//! The Puppet module with the real Puppet and the real `tune`, on hosts of their own.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tune_tests::binary::{self, Ran};
use tune_tests::namespace::{Boot, TestHost, write_file};
use tune_tests::sandbox::BOOT_FILE;
use tune_tests::tool::SITE;
use tune_tests::trial::FIN;
use tune_tests::{may_run, needs_root, sandbox, tool};

/// Settings of Puppet's and the directories that they name here, below one in memory.
const PLACES: [(&str, &str); 7] = [
    ("confdir", ""),
    ("codedir", "code"),
    ("vardir", "var"),
    ("rundir", "run"),
    ("logdir", "log"),
    ("ssldir", "ssl"),
    ("publicdir", "public"),
];

/// A host with Puppet and the module on it.
struct Site<'host> {
    host: &'host TestHost,
    puppet: PathBuf,
    home: PathBuf,
}

impl Site<'_> {
    /// Runs a test on one, or says why it cannot.
    fn run(test: impl FnOnce(&Site<'_>) + Send) {
        let puppet = tool::find("TUNE_PUPPET", "puppet");
        if !needs_root() || !may_run(puppet.as_ref().err().cloned()) {
            return;
        }
        let puppet = puppet.unwrap();
        TestHost::run(Boot::Procps, |host| {
            let home = host.directory("puppet");
            symlink(tool::packaging("puppet"), host.directory("modules").join("tune")).unwrap();
            symlink(binary::tune(), host.directory("bin").join("tune")).unwrap();
            host.site_profile("site", SITE);
            test(&Site { host, puppet, home });
        });
    }

    /// Prepares a command of Puppet's, which keeps everything in memory.
    fn puppet(&self, face: &[&str], arguments: &[&str]) -> Command {
        let mut command = self.host.command(&self.puppet);
        command.env("PATH", "/mnt/bin:/usr/sbin:/usr/bin:/sbin:/bin").args(face);
        for (option, name) in PLACES {
            command.arg(format!("--{option}")).arg(self.home.join(name));
        }
        command.args(["--modulepath", "/mnt/modules", "--color", "false"]).args(arguments);
        command
    }

    fn apply_with(&self, options: &[&str], manifest: &str) -> Ran {
        let file = self.home.join("site.pp");
        fs::write(&file, format!("Tune_profile {{ state_dir => '/mnt/state' }}\n{manifest}\n")).unwrap();
        let arguments = [options, &["--detailed-exitcodes", file.to_str().unwrap()]].concat();
        Ran::of(&mut self.puppet(&["apply"], &arguments))
    }

    fn apply(&self, manifest: &str) -> Ran {
        self.apply_with(&[], manifest)
    }

    fn noop(&self, manifest: &str) -> Ran {
        self.apply_with(&["--noop"], manifest)
    }

    /// Returns the names of what lies in the state directory.
    fn state(&self) -> Vec<String> {
        let names = fs::read_dir(self.host.state()).unwrap();
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

/// Demands that a resource of ours was not mentioned: what is as wanted is silent.
#[track_caller]
fn is_silent(ran: &Ran) {
    assert!(!ran.stdout.contains("Tune_profile") && !ran.stderr.contains("Tune_profile"), "{ran}");
}

#[test]
fn the_module_has_the_version_of_the_program() {
    let text = fs::read_to_string(tool::packaging("puppet").join("metadata.json")).unwrap();
    let metadata: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(metadata["version"], env!("CARGO_PKG_VERSION"), "packaging/puppet/metadata.json");
}

#[test]
#[ignore = "needs Puppet; .ci/full.d/81-puppet.sh runs it"]
fn noop_tells_what_would_change_and_changes_nothing() {
    Site::run(|site| {
        let before = site.host.everything();
        let told = site.noop("tune_profile { 'site': }").exits(0);
        let line = "Tune_profile[site]/ensure: current_value 'drifted' (net.ipv4.tcp_fin_timeout: 60 -> 30; \
                    net.ipv4.tcp_keepalive_time: 7200 -> 600), should be 'applied' (noop)";
        told.says(line);
        site.host.everything().same_as(&before, "after noop");
        assert_eq!(site.state(), [""; 0]);
    });
}

#[test]
#[ignore = "needs Puppet; .ci/full.d/81-puppet.sh runs it"]
fn a_profile_is_applied_once_and_drift_is_repaired() {
    Site::run(|site| {
        let manifest = "tune_profile { 'site': } ~>
                        exec { '/bin/sh -c \"echo x >> /mnt/refreshed\"': refreshonly => true }";
        let refreshed = || fs::read_to_string("/mnt/refreshed").unwrap_or_default().lines().count();
        let line = "Tune_profile[site]/ensure: net.ipv4.tcp_fin_timeout: 60 -> 30; net.ipv4.tcp_keepalive_time: \
                    7200 -> 600";
        site.apply(manifest).exits(2).says(line);
        assert_eq!((site.host.read(FIN), refreshed()), ("30".to_owned(), 1));
        assert!(fs::read_to_string(BOOT_FILE).unwrap().contains("net.ipv4.tcp_fin_timeout = 30\n"));

        let before = site.host.everything();
        is_silent(&site.apply(manifest).exits(0));
        site.host.everything().same_as(&before, "after a second run");
        assert_eq!(refreshed(), 1);

        site.host.write(FIN, "45");
        let line = "Tune_profile[site]/ensure: net.ipv4.tcp_fin_timeout: 45 -> 30 (running kernel only)";
        site.apply(manifest).exits(2).says(line);
        site.host.everything().same_as(&before, "after the drift was repaired");
        assert_eq!(refreshed(), 2);
    });
}

#[test]
#[ignore = "needs Puppet; .ci/full.d/81-puppet.sh runs it"]
fn what_is_refused_fails_and_saves_nothing() {
    Site::run(|site| {
        site.host.site_profile("never", "[settings]\n\"tcp.fin_wait_2_timeout\" = \"0s\"\n");
        let before = site.host.everything();
        let ran = site.apply("tune_profile { 'never': }").exits(4);
        let ran = ran.says("Tune_profile[never]: Could not evaluate: tune apply never --check").says(
            "0s for tcp.fin_wait_2_timeout would not mean what it says; hint: --allow-unsafe tcp.fin_wait_2_timeout",
        );
        drop(ran);
        site.apply("tune_profile { 'none': }")
            .exits(4)
            .says("unknown profile \"none\"; hint: known profiles:");
        site.host.everything().same_as(&before, "after a profile that is refused");

        write_file("/etc/sysctl.d/zzz.conf", "net.ipv4.tcp_fin_timeout = 120\n");
        let before = site.host.everything();
        let ran = site.apply("tune_profile { 'site': }").exits(4);
        drop(
            ran.says("/etc/sysctl.d/zzz.conf:1 (net.ipv4.tcp_fin_timeout = 120) would win over tune's file"),
        );
        site.noop("tune_profile { 'site': }").says("would win over tune's file");
        site.host.everything().same_as(&before, "after a line that wins");
        assert_eq!(site.state(), [""; 0]);
        site.apply("tune_profile { 'site': take_over => true }").exits(2);
        assert_eq!(site.host.read(FIN), "30");
    });
}

#[test]
#[ignore = "needs Puppet; .ci/full.d/81-puppet.sh runs it"]
fn absent_gives_up_what_the_profile_holds() {
    Site::run(|site| {
        let before = site.host.everything();
        let absent = "tune_profile { 'site': ensure => absent }";
        is_silent(&site.apply(absent).exits(0));
        site.apply("tune_profile { 'site': }").exits(2);
        let applied = site.host.everything();
        let line = "current_value 'applied' (net.ipv4.tcp_fin_timeout: 30 -> 60; net.ipv4.tcp_keepalive_time: 600 -> \
                    7200), should be 'absent' (noop)";
        site.noop(absent).exits(0).says(line);
        site.host.everything().same_as(&applied, "after noop");
        site.apply(absent).exits(2).says("ensure: net.ipv4.tcp_fin_timeout: 30 -> 60;");
        site.host.everything().same_as(&before, "after absent");
        is_silent(&site.apply(absent).exits(0));
    });
}

#[test]
#[ignore = "needs Puppet; .ci/full.d/81-puppet.sh runs it"]
fn what_somebody_else_has_changed_stays_and_is_a_failure() {
    Site::run(|site| {
        site.apply("tune_profile { 'site': }").exits(2);
        site.host.write(FIN, "45");
        let ran = site.apply("tune_profile { 'site': ensure => absent }").exits(4);
        drop(ran.says(
            "net.ipv4.tcp_fin_timeout is 45, not 30 as tune left it; somebody else changed it, and it stays",
        ));
        assert_eq!(site.host.read(FIN), "45");
        site.apply("tune_profile { 'site': ensure => absent, overwrite_foreign => true }").exits(2);
        assert_eq!(site.host.read(FIN), "60");
    });
}

/// The files of profiles that Puppet manages are there before the profiles are applied, wherever they stand.
#[test]
#[ignore = "needs Puppet; .ci/full.d/81-puppet.sh runs it"]
fn two_profiles_are_two_resources() {
    Site::run(|site| {
        let manifest = r#"
            tune_profile { ['site', 'backlog']: }
            file { '/etc/tune/profiles/backlog.toml':
              content => "name = 'backlog'\nsummary = 'For a test'\n[settings]\n'tcp.listen_backlog' = 5000\n",
            }"#;
        let ran = site.apply(manifest).exits(2);
        drop(
            ran.says("Tune_profile[site]/ensure: net")
                .says("Tune_profile[backlog]/ensure: net.core.somaxconn: 4096"),
        );
        assert_eq!(
            (site.host.read(FIN).as_str(), site.host.read("net.core.somaxconn").as_str()),
            ("30", "5000")
        );
        is_silent(&site.apply(manifest).exits(0));

        site.host.site_profile("other", "[settings]\n\"tcp.fin_wait_2_timeout\" = \"20s\"\n");
        let ran = site.apply("tune_profile { ['site', 'other']: }").exits(4);
        drop(ran.says("Tune_profile[other]").says("site").says("--replace"));
        assert_eq!(site.host.read(FIN), "30");
    });
}

#[test]
#[ignore = "needs Puppet; .ci/full.d/81-puppet.sh runs it"]
fn exit_codes_are_those_of_puppet() {
    Site::run(|site| {
        site.apply("tune_profile { 'site': colour => red }").exits(1).says("no parameter named 'colour'");
        let both = "tune_profile { 'site': runtime_only => true, boot_only => true }";
        site.apply(both).exits(1).says("runtime_only and boot_only exclude each other");
        let path = "tune_profile { '/etc/tune/profiles/site.toml': ensure => absent }";
        site.apply(path).exits(1).says("ensure => absent wants the name");
        // Changes and failures.
        site.apply("tune_profile { ['site', 'none']: }").exits(6);
        site.apply("tune_profile { '/etc/tune/profiles/site.toml': }").exits(0);
        // Somebody else is at work.
        site.host.write(FIN, "45");
        let lock = fs::File::open(site.host.state().join("lock")).unwrap();
        let held = nix::fcntl::Flock::lock(lock, nix::fcntl::FlockArg::LockExclusiveNonblock).unwrap();
        let ran = site.apply("tune_profile { 'site': }").exits(4);
        drop((ran.says("change from 'drifted'").says("to 'applied' failed: tune apply site --yes"), held));
        site.apply("tune_profile { 'site': }").exits(2);
    });
}

#[test]
#[ignore = "needs Puppet; .ci/full.d/81-puppet.sh runs it"]
fn a_program_that_is_missing_is_named() {
    Site::run(|site| {
        let elsewhere = "tune_profile { 'site': executable => '/opt/tune' }";
        let ran = site.apply(elsewhere).exits(4);
        drop(ran.says(
            "tune is not installed: there is no executable /opt/tune; install it first, or give its path",
        ));
        let ran = site.apply("tune_profile { 'site': executable => 'no-tune' }").exits(4);
        drop(ran.says("there is no executable no-tune in PATH, /usr/local/sbin"));
        site.noop(elsewhere).exits(0).says("it is not known what would be changed");
        let ran = site.apply("tune_profile { 'site': executable => '/bin/true' }").exits(4);
        drop(ran.says(
            "/bin/true apply site --check --state-dir /mnt/state: exit code 0, and not the JSON object",
        ));
        // Installed by the same catalog.
        let manifest = "tune_profile { 'site': executable => '/opt-tune' }
                        file { '/opt-tune': ensure => link, target => '/mnt/bin/tune' }";
        let manifest = manifest.replace("/opt-tune", "/mnt/later");
        site.apply(&manifest).exits(2).says("Tune_profile[site]/ensure: net.ipv4.tcp_fin_timeout: 60 -> 30");
    });
}

/// A parameter that `tune` knew nothing of would be a usage error, and a list that is cut short would change more.
#[test]
#[ignore = "needs Puppet; .ci/full.d/81-puppet.sh runs it"]
fn every_parameter_is_an_option_of_tune() {
    Site::run(|site| {
        let manifest = "tune_profile { 'site':
            runtime_only => true, take_over => true, accept_override => false, overwrite_foreign => true,
            skip_unsupported => true, accept_irreversible => true,
            only => ['tcp.fin_wait_2_timeout', 'tcp.keepalive_idle'], except => 'tcp.keepalive_idle',
            allow_unsafe => ['tcp.fin_wait_2_timeout'], replace => ['web-server'],
        }";
        let line = "ensure: net.ipv4.tcp_fin_timeout: 60 -> 30 (running kernel only)\n";
        assert!(site.apply(manifest).exits(2).stdout.contains(line));
        assert!(!Path::new(BOOT_FILE).exists());
        let boot = "tune_profile { 'site': boot_only => true, accept_override => true }";
        let line = "ensure: net.ipv4.tcp_fin_timeout: 60 -> 30 (next boot only); net.ipv4.tcp_keepalive_time: \
                    7200 -> 600 (next boot only)\n";
        assert!(site.apply(boot).exits(2).stdout.contains(line));
        let off = "tune_profile { 'site': ensure => absent, all_or_nothing => true }";
        site.apply(off).exits(2);
        assert_eq!(site.host.read(FIN), "60");
    });
}

#[test]
#[ignore = "needs Puppet; .ci/full.d/81-puppet.sh runs it"]
fn the_fact_tells_what_tune_tells() {
    Site::run(|site| {
        let ran = site.apply("notice(\"system: ${facts['tune']['host']['system']}\")").exits(0);
        drop(ran.says("system: linux"));
    });
}

#[test]
#[ignore = "needs Puppet; .ci/full.d/81-puppet.sh runs it"]
fn the_resources_of_a_host_are_its_profiles() {
    Site::run(|site| {
        sandbox::in_memory("/var/lib", "mode=755");
        let list = || Ran::of(&mut site.puppet(&["resource"], &["tune_profile"])).exits(0);
        assert!(!list().stdout.contains("tune_profile"));
        Ran::of(site.host.command("/mnt/bin/tune").args(["apply", "site", "--yes"])).exits(0);
        drop(list().says("tune_profile { 'site': ensure => 'applied', provider => 'cli', }"));
    });
}

/// The form of the documents for hosts without the module.
#[test]
#[ignore = "needs Puppet; .ci/full.d/81-puppet.sh runs it"]
fn an_exec_can_be_a_resource() {
    Site::run(|site| {
        let manifest =
            manifests("docs/fleets.md").into_iter().find(|text| text.starts_with("exec {")).unwrap();
        let manifest = manifest.replace("tune apply web-server", "tune --state-dir /mnt/state apply site");
        let manifest = manifest.replace("tune audit web-server", "tune --state-dir /mnt/state audit site");
        let manifest = manifest.replace("'/usr/local/sbin'", "'/mnt/bin'");
        let before = site.host.everything();
        site.noop(&manifest).exits(0).says("should be ['0'] (noop)");
        site.host.everything().same_as(&before, "after noop");
        site.apply(&manifest).exits(2);
        assert_eq!(site.host.read(FIN), "30");
        site.apply(&manifest).exits(0);
        write_file("/etc/sysctl.d/zzz.conf", "net.ipv4.tcp_fin_timeout = 120\n");
        site.apply(&manifest).exits(4).says("returns: error: refused; nothing was changed");
    });
}

/// Returns the manifests that a page shows.
fn manifests(page: &str) -> Vec<String> {
    blocks(page, "puppet")
}

fn blocks(page: &str, language: &str) -> Vec<String> {
    let text = fs::read_to_string(tool::packaging("..").join(page)).unwrap();
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// Those of the documents too.
#[test]
#[ignore = "needs Puppet; .ci/full.d/81-puppet.sh runs it"]
fn puppet_and_ruby_take_what_is_written() {
    Site::run(|site| {
        let chef = site.home.join("chef.rb");
        fs::write(&chef, blocks("docs/fleets.md", "ruby").concat()).unwrap();
        let module = tool::packaging("puppet");
        let parts = ["lib/puppet/type/tune_profile.rb", "lib/puppet/provider/tune_profile/cli.rb"];
        for file in parts.map(|part| module.join(part)).iter().chain([&chef]) {
            let ran = Ran::of(site.host.command("ruby").arg("-cw").arg(file)).exits(0).says("Syntax OK");
            assert!(ran.stderr.is_empty(), "{ran}");
        }
        let all = [manifests("packaging/puppet/README.md"), manifests("docs/fleets.md")].concat();
        assert!(all.len() >= 3, "only {} manifests were found", all.len());
        for manifest in all {
            let file = site.home.join("page.pp");
            fs::write(&file, manifest).unwrap();
            Ran::of(&mut site.puppet(&["parser", "validate"], &[file.to_str().unwrap()])).exits(0);
        }
    });
}
