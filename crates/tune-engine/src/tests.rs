//! Plans made one after the other, each carried out on a fake machine.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use tune_host::{FakeHost, Host, Isolation, Machine};
use tune_model::plan::{Effect, Plan};
use tune_model::profile::{self, BuiltIn};
use tune_model::{Catalog, Claims, Profile, Setting, Subject, System};

use crate::{Engine, Held, Options, Release, backend_for};

const LATER: &str = "/etc/sysctl.d/zzz.conf";

fn host() -> FakeHost {
    FakeHost::new()
        .with_tunable("net.ipv4.tcp_fin_timeout", "60")
        .with_file("/proc/meminfo", "MemTotal:        8388608 kB\n")
        .with_file("/usr/lib/systemd/systemd-sysctl", "")
        .with_directory("/run/systemd/system")
        .with_directory("/etc/sysctl.d")
}

fn web_server() -> Profile {
    profile::resolve(&BuiltIn, Catalog::of, "web-server", System::Linux).unwrap().profile
}

fn only_fin_wait_2() -> Options {
    Options { only: [Subject::Setting(Setting::FinWait2Timeout)].into(), ..Options::default() }
}

fn carry_out(host: &FakeHost, plan: &Plan) {
    for step in &plan.steps {
        match &step.effect {
            Effect::SetTunable { tunable, after, .. } => host.write_in(None, tunable, after).unwrap(),
            Effect::ReplaceFile { path, after, .. } => host.replace_file(path, after.as_ref(), "t").unwrap(),
            other => panic!("{other:?}"),
        }
    }
}

fn text(host: &FakeHost, path: &str) -> String {
    String::from_utf8(host.files().read(Path::new(path)).unwrap()).unwrap()
}

#[test]
fn taking_back_what_only_took_a_line_over_gives_the_line_back() {
    let host = host();
    let backend = backend_for(&host).unwrap();
    let engine = Engine { backend: &*backend, host: &host };
    let boot_id = host.boot_id();
    let apply = |claims: &Claims, transaction: u64, options: &Options| {
        let held = Held { claims, transaction, boot_id: &boot_id };
        let plan = engine.plan_apply(&[web_server()], held, options).unwrap();
        assert_eq!(plan.refusals, []);
        carry_out(&host, &plan);
        plan.claims.unwrap_or_else(|| claims.clone())
    };
    let claims = apply(&Claims::default(), 1, &only_fin_wait_2());

    let line = "net.ipv4.tcp_fin_timeout = 120\n";
    let image = host.file_image(Path::new("/etc/sysctl.d/zz-tune.conf")).unwrap().unwrap();
    let later = tune_model::plan::FileImage { content: tune_model::plan::Bytes(line.into()), ..image };
    host.replace_file(Path::new(LATER), Some(&later), "t").unwrap();
    let claims = apply(&claims, 2, &Options { take_over: true, ..only_fin_wait_2() });
    assert_eq!(text(&host, LATER), format!("# tune: taken over: {line}"));

    let held = Held { claims: &claims, transaction: 3, boot_id: &boot_id };
    carry_out(&host, &engine.plan_release(&Release::Transaction(2), held, &Options::default()));
    assert_eq!(text(&host, LATER), line);
}

#[test]
fn boot_files_written_from_a_network_namespace_are_held_by_the_host() {
    let inside = host().with_isolation(Isolation::NetworkOnly);
    let backend = backend_for(&inside).unwrap();
    let engine = Engine { backend: &*backend, host: &inside };
    let boot_id = inside.boot_id();
    let plan = |claims: &Claims, options: Options| {
        let held = Held { claims, transaction: 1, boot_id: &boot_id };
        let options = Options { only: only_fin_wait_2().only, ..options };
        engine.plan_apply(&[web_server()], held, &options).unwrap()
    };
    let boot_only = || Options { boot_only: true, ..Options::default() };
    let claims = plan(&Claims::default(), boot_only()).claims.unwrap();
    assert_eq!(claims.scopes.keys().collect::<Vec<_>>(), ["host"]);

    let both = plan(&claims, Options { runtime_only: true, ..Options::default() }).claims.unwrap();
    let own = both.scope(&engine.scope_name());
    assert!(own.boot.is_empty() && own.files.is_empty() && !own.runtime.is_empty());
    assert_eq!(both.scope("host"), claims.scope("host"));
    assert!(engine.would_leak());
}
