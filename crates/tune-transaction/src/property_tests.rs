//! Properties that the system's own program keeps: what is live and what the next boot sets are two values, and both are
//! put back wherever the process dies or the program fails.

#![allow(clippy::unwrap_used)]

use std::panic::{AssertUnwindSafe, catch_unwind};

use tempfile::TempDir;
use tune_host::FakeHost;
use tune_model::native::{Keeper, Property};
use tune_model::plan::Plan;
use tune_model::transaction::{Action, Outcome, StepResult, TransactionState};
use tune_model::{Effect, Step};

use crate::tests::{Anything, directory};
use crate::{ExecuteError, RecoverError, Store, Surroundings};

const FLUSH: &str = "_fin_wait_2_flush_interval";
const BUFFER: &str = "recv_buf";
const BOOT: &str = "boot-1";

fn property(name: &str) -> Property {
    Property { keeper: Keeper::Ipadm, protocol: "tcp".to_owned(), name: name.to_owned() }
}

fn live(name: &str, before: &str, after: &str) -> Effect {
    let (before, after) = (before.to_owned(), after.to_owned());
    Effect::SetProperty { tunable: format!("ipadm.tcp.{name}"), property: property(name), before, after }
}

fn kept(name: &str, before: Option<&str>, after: Option<&str>, live: &str, default: &str) -> Effect {
    Effect::PersistProperty {
        tunable: format!("ipadm.tcp.{name}"),
        property: property(name),
        before: before.map(str::to_owned),
        after: after.map(str::to_owned),
        live: Some(live.to_owned()),
        default: default.to_owned(),
    }
}

/// One property in both layers, and one that is kept already, is taken out of its place and is put behind.
fn steps() -> Vec<Step> {
    let effects = [
        live(FLUSH, "60000", "30000"),
        kept(FLUSH, None, Some("30000"), "30000", "60000"),
        kept(BUFFER, Some("+0200000"), None, "150000", "128000"),
        kept(BUFFER, None, Some("400000"), "150000", "128000"),
    ];
    let step = |effect| Step { serves: Vec::new(), effect, irreversible: None, takes_hold: None };
    effects.into_iter().map(step).collect()
}

fn plan() -> Plan {
    Plan {
        findings: Vec::new(),
        steps: steps(),
        claims: None,
        refusals: Vec::new(),
        conflicts: Vec::new(),
        warnings: Vec::new(),
        changes: Vec::new(),
        reboot_required: false,
    }
}

struct Scene {
    state: TempDir,
    host: FakeHost,
}

type World = [(String, Option<String>); 2];

impl Scene {
    fn new() -> Self {
        let host =
            FakeHost::new().with_property("tcp", FLUSH, "60000").with_property("tcp", BUFFER, "128000");
        host.set_property("tcp", BUFFER, "150000", Some("+0200000"));
        Self { state: directory(), host }
    }

    fn world(&self) -> World {
        [FLUSH, BUFFER].map(|name| self.host.property("tcp", name).unwrap())
    }

    fn surroundings<'a>(&'a self, boot_id: &'a str) -> Surroundings<'a> {
        Surroundings { machine: &self.host, policy: &Anything, boot_id }
    }

    fn store(&self) -> Store {
        Store::open(self.state.path()).unwrap().logging_to(Vec::new())
    }

    fn execute(&self) -> Result<Outcome, ExecuteError> {
        let store = self.store();
        let mut locked = store.lock("tune apply").unwrap();
        let action = Action::Apply { profiles: vec!["web-server".to_owned()] };
        locked.execute(&self.surroundings(BOOT), &plan(), action, "host", &mut (), &|| false)
    }

    fn recover(&self, boot_id: &str) -> Result<Option<TransactionState>, RecoverError> {
        let store = self.store();
        let mut locked = store.lock("tune recover").unwrap();
        Ok(locked.recover(&self.surroundings(boot_id))?.map(|recovered| recovered.state))
    }
}

fn world(flush: (&str, Option<&str>), buffer: (&str, Option<&str>)) -> World {
    [flush, buffer].map(|(live, kept)| (live.to_owned(), kept.map(str::to_owned)))
}

fn old() -> World {
    world(("60000", None), ("150000", Some("+0200000")))
}

/// The calls that an undisturbed transaction makes.
fn calls() -> Vec<String> {
    let scene = Scene::new();
    assert_eq!(scene.execute().unwrap().state, TransactionState::Applied);
    assert_eq!(scene.world(), world(("30000", Some("30000")), ("150000", Some("400000"))));
    scene.host.effects()
}

#[test]
fn exactly_the_calls_of_the_plan_are_made() {
    let planned: Vec<String> =
        steps().iter().flat_map(|step| step.effect.commands()).map(|command| command.to_string()).collect();
    assert_eq!(calls(), planned);
    assert_eq!(
        planned,
        [
            "ipadm set-prop -t -p _fin_wait_2_flush_interval=30000 tcp",
            "ipadm set-prop -p _fin_wait_2_flush_interval=30000 tcp",
            "ipadm reset-prop -p recv_buf tcp",
            "ipadm set-prop -t -p recv_buf=150000 tcp",
            "ipadm set-prop -p recv_buf=400000 tcp",
            "ipadm set-prop -t -p recv_buf=150000 tcp",
        ]
    );
}

/// Lets the process die before the call with this number.
fn killed_before(call: usize) -> Scene {
    let scene = Scene::new();
    let scene = Scene { host: scene.host.crashing_after(call), ..scene };
    assert!(catch_unwind(AssertUnwindSafe(|| scene.execute())).is_err(), "call {call} was not reached");
    scene
}

#[test]
fn killed_between_any_two_calls_both_values_are_put_back() {
    for call in 0..calls().len() {
        let scene = killed_before(call);
        scene.host.restart();
        assert_eq!(scene.recover(BOOT).unwrap(), Some(TransactionState::Failed), "call {call}");
        assert_eq!(scene.world(), old(), "call {call}");
        assert_eq!(scene.recover(BOOT).unwrap(), None, "call {call}");
    }
}

#[test]
fn after_a_restart_what_is_kept_is_put_back_and_the_running_kernel_follows_it() {
    for call in 0..calls().len() {
        let scene = killed_before(call);
        scene.host.reboot();
        scene.recover("boot-2").unwrap();
        let [(flush, flush_kept), (buffer, buffer_kept)] = scene.world();
        assert_eq!((flush_kept, buffer_kept.as_deref()), (None, Some("+0200000")), "call {call}");
        // As a boot without the transaction would have made them.
        assert_eq!((flush.as_str(), buffer.as_str()), ("60000", "0200000"), "call {call}");
    }
}

#[test]
fn what_the_program_sets_and_does_not_keep_is_put_back_at_once() {
    for times in 0..3 {
        let scene = Scene::new();
        scene.host.keep_properties(Some(times));
        let ended = scene.execute();
        scene.host.keep_properties(None);
        // What cannot be put back while nobody keeps anything is put back later.
        if scene.world() != old() {
            let Ok(Outcome { steps, state, .. }) = ended else {
                panic!("it was refused with something changed")
            };
            assert!(steps.iter().any(|step| matches!(step, StepResult::Stuck { .. })), "{times}: {steps:?}");
            assert_ne!(state, TransactionState::Applied);
            scene.recover(BOOT).unwrap();
        }
        assert_eq!(scene.world(), old(), "{times}");
    }
}

#[test]
fn what_somebody_else_has_set_meanwhile_stays() {
    let scene = killed_before(2);
    scene.host.restart();
    scene.host.set_property("tcp", FLUSH, "45000", Some("30000"));
    assert_eq!(scene.recover(BOOT).unwrap(), Some(TransactionState::PartlyRolledBack));
    // The live value is somebody else's; what was kept is given back around it.
    assert_eq!(scene.world(), world(("45000", None), ("150000", Some("+0200000"))));

    let scene = killed_before(2);
    scene.host.restart();
    scene.host.set_property("tcp", FLUSH, "30000", Some("20000"));
    assert_eq!(scene.recover(BOOT).unwrap(), Some(TransactionState::PartlyRolledBack));
    assert_eq!(scene.world()[0], ("60000".to_owned(), Some("20000".to_owned())));
}

#[test]
fn a_value_that_changed_since_the_plan_is_not_overwritten() {
    for (name, live, kept) in
        [(FLUSH, "50000", None), (BUFFER, "150000", Some("300000")), (BUFFER, "9000", Some("200000"))]
    {
        let scene = Scene::new();
        scene.host.set_property("tcp", name, live, kept);
        let changed = scene.world();
        let ended = scene.execute();
        let failed = match &ended {
            Err(_) => true,
            Ok(outcome) => outcome.state == TransactionState::Failed,
        };
        assert!(failed, "{name} {live} {kept:?}: {ended:?}");
        assert_eq!(scene.world(), changed, "{name} {live} {kept:?}");
    }
}
