//! What is live and what ipadm keeps are two values: both are put back exactly, whatever they were, and whichever of them
//! was changed.
#![allow(clippy::unwrap_used)]

use tune_tests::sunos::{Guest, Model, Setup};
use tune_tests::watchdog::eventually;

const PROGRAM: &str = env!("CARGO_BIN_EXE_tune-on-sunos");
const FLUSH: &str = "_fin_wait_2_flush_interval";

/// A property, the setting that moves it, and values: the default, another one, what is wanted.
struct Subject {
    name: &'static str,
    set: &'static str,
    other: &'static str,
    wanted: &'static str,
}

const SUBJECTS: [Subject; 2] = [
    Subject { name: FLUSH, set: "tcp.fin_wait_2_timeout=20s", other: "45000", wanted: "20000" },
    Subject {
        name: "_time_wait_interval",
        set: "ipadm.tcp._time_wait_interval=50000",
        other: "90000",
        wanted: "50000",
    },
];

/// What was there before, live and kept.
type Before = (Option<&'static str>, Option<String>);

impl Subject {
    /// Every combination of a live value and a kept one.
    fn befores(&self) -> Vec<Before> {
        let lives = [None, Some(self.other), Some(self.wanted)];
        let typed = |text: &str| [text.to_owned(), format!("+0{text}"), format!(" {text}")];
        let kept: Vec<Option<String>> = [self.other, self.wanted]
            .into_iter()
            .flat_map(typed)
            .chain(["77000".to_owned()])
            .map(Some)
            .chain([None])
            .collect();
        lives.into_iter().flat_map(|live| kept.iter().map(move |kept| (live, kept.clone()))).collect()
    }

    fn host(&self, setup: &Setup, (live, kept): &Before) -> Guest {
        let guest = Guest::with(PROGRAM, setup).quick();
        if let Some(live) = live {
            guest.machine.set_behind("tcp", self.name, live);
        }
        if let Some(kept) = kept {
            guest.machine.persist_behind("tcp", self.name, Some(kept));
        }
        guest
    }
}

fn number(text: Option<&str>) -> Option<u64> {
    text.and_then(|text| text.trim().trim_start_matches('+').parse().ok())
}

/// Tries something on every combination; by system in turn where there are many.
fn on_each_combination(test: impl Fn(&str, &Subject, &Before, &Guest)) {
    let models = [Model::IllumosCurrent, Model::Illumos2010, Model::Solaris11];
    for subject in SUBJECTS {
        for (at, before) in subject.befores().into_iter().enumerate() {
            let model = models[at % models.len()];
            let what = format!("{}, {}: {before:?}", model.name(), subject.name);
            test(&what, &subject, &before, &subject.host(&Setup::of(model), &before));
        }
    }
}

#[test]
fn both_are_set_and_put_back_as_they_were_typed() {
    on_each_combination(|what, subject, _, guest| {
        let old = guest.everything();
        guest.tune(&["set", subject.set, "--yes"]).exits(0);
        let new = guest.everything();
        assert_eq!(new.live(&format!("tcp {}", subject.name)), Some(subject.wanted), "{what}");
        assert_eq!(
            number(new.kept(&format!("tcp {}", subject.name))),
            number(Some(subject.wanted)),
            "{what}"
        );
        guest.tune(&["set", subject.set, "--yes"]).exits(0).says("Nothing changed");
        guest.tune(&["off", "--yes"]).exits(0);
        guest.everything().same_as(&old, what);
        guest.tune(&["history", "--verify"]).exits(0);
    });
}

#[test]
fn after_a_restart_the_running_kernel_follows_what_was_kept() {
    on_each_combination(|what, subject, (_, kept), guest| {
        guest.tune(&["set", subject.set, "--yes"]).exits(0);
        guest.restart();
        let key = format!("tcp {}", subject.name);
        assert_eq!(guest.everything().live(&key), Some(subject.wanted), "{what}");
        guest.tune(&["off", "--yes"]).exits(0);
        let now = guest.everything();
        assert_eq!(now.kept(&key).map(str::to_owned), *kept, "{what}");
        let natural = number(kept.as_deref()).unwrap_or(60000);
        assert_eq!(number(now.live(&key)), Some(natural), "{what}");
    });
}

#[test]
fn the_running_kernel_alone() {
    on_each_combination(|what, subject, (_, kept), guest| {
        let old = guest.everything();
        guest.tune(&["set", subject.set, "--yes", "--runtime-only"]).exits(0);
        let key = format!("tcp {}", subject.name);
        assert_eq!(guest.everything().live(&key), Some(subject.wanted), "{what}");
        assert_eq!(guest.everything().kept(&key).map(str::to_owned), *kept, "{what}");
        assert!(guest.changes().iter().all(|call| call.contains(" -t ")), "{what}: {:?}", guest.changes());
        guest.tune(&["off", "--yes"]).exits(0);
        guest.everything().same_as(&old, what);
        assert!(guest.changes().iter().all(|call| call.contains(" -t ")), "{what}: {:?}", guest.changes());
    });
}

#[test]
fn the_next_boot_alone() {
    on_each_combination(|what, subject, _, guest| {
        let old = guest.everything();
        guest.tune(&["set", subject.set, "--yes", "--boot-only"]).exits(0);
        let (key, now) = (format!("tcp {}", subject.name), guest.everything());
        assert_eq!(now.live(&key), old.live(&key), "{what}");
        assert_eq!(number(now.kept(&key)), number(Some(subject.wanted)), "{what}");
        guest.tune(&["off", "--yes"]).exits(0);
        guest.everything().same_as(&old, what);
        guest.tune(&["set", subject.set, "--yes", "--boot-only"]).exits(0);
        guest.restart();
        assert_eq!(guest.everything().live(&key), Some(subject.wanted), "{what}");
    });
}

#[test]
fn tried_out_only_the_running_kernel_is_touched_until_it_is_confirmed() {
    let tried = ["--yes", "--confirm-within", "10min"];
    on_each_combination(|what, subject, before, guest| {
        // The combinations differ little here: those with a kept value, and one without.
        if before.0.is_some() {
            return;
        }
        let old = guest.everything();
        guest.tune(&[&["set", subject.set], &tried[..]].concat()).exits(0);
        let temporary = |guest: &Guest| guest.changes().iter().all(|call| call.contains(" -t "));
        assert!(temporary(guest), "{what}: {:?}", guest.changes());
        let key = format!("tcp {}", subject.name);
        assert_eq!(guest.everything().kept(&key), old.kept(&key), "{what}");
        guest.tune(&["rollback", "--yes"]).exits(0);
        guest.everything().same_as(&old, &format!("{what}: revoked"));
        assert!(temporary(guest), "{what}: {:?}", guest.changes());

        guest.tune(&[&["set", subject.set], &tried[..]].concat()).exits(0);
        guest.tune(&["confirm"]).exits(0);
        guest.tune(&["set", subject.set, "--yes"]).exits(0).says("Nothing changed");
        assert_eq!(number(guest.everything().kept(&key)), number(Some(subject.wanted)), "{what}");
        guest.tune(&["off", "--yes"]).exits(0);
        guest.everything().same_as(&old, &format!("{what}: confirmed, and taken back"));
    });
}

#[test]
fn silence_and_a_restart_undo_what_was_tried_out() {
    for (name, setup) in Setup::every() {
        let guest = Guest::with(PROGRAM, &setup);
        let old = guest.everything();
        guest.tune(&["apply", "web-server", "--yes", "--confirm-within", "1s"]).exits(0);
        eventually("it is undone", || guest.everything().differences(&old).is_empty());
        eventually("nobody waits", || guest.watchers().is_empty());
        guest.tune(&["confirm"]).exits(1).says("nothing awaits confirmation");
        guest.tune(&["history", "--verify"]).exits(0);

        guest.tune(&["apply", "web-server", "--yes", "--confirm-within", "10min"]).exits(0);
        let calls = guest.changes();
        assert!(
            calls.iter().all(|call| call.contains(" -t ") || call.starts_with("ndd")),
            "{name}: {calls:?}"
        );
        guest.machine.reboot();
        guest.everything().same_as(&old, &format!("{name}: after a restart"));
        guest.tune(&["confirm"]).exits(1);
        guest.tune(&["recover"]).exits(0);
        eventually("nobody waits", || guest.watchers().is_empty());
        guest.everything().same_as(&old, &format!("{name}: recovered after a restart"));
        guest.tune(&["history", "--verify"]).exits(0);
    }
}
