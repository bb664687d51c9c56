//! ipadm and ndd of a [`FakeHost`](crate::FakeHost): as much of them as the execution of a plan needs. The programs
//! that imitate the real ones to the byte are in the tests of the whole command.

use std::cell::RefCell;
use std::collections::BTreeMap;

use tune_model::native::{Command, Program};

use crate::native::{Output, RunError};

/// What is kept of one property.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    current: String,
    default: String,
    persistent: Option<String>,
}

/// Properties by protocol and name.
#[derive(Debug, Default)]
pub(crate) struct Properties {
    all: RefCell<BTreeMap<(String, String), Kept>>,
    /// How many more changes are kept; after that nobody answers who keeps them.
    keeps: RefCell<Option<usize>>,
}

impl Properties {
    pub(crate) fn add(&self, protocol: &str, name: &str, default: &str) {
        let kept = Kept { current: default.to_owned(), default: default.to_owned(), persistent: None };
        self.all.borrow_mut().insert((protocol.to_owned(), name.to_owned()), kept);
    }

    /// Lets nobody keep anything after so many changes.
    pub(crate) fn keep_only(&self, changes: Option<usize>) {
        *self.keeps.borrow_mut() = changes;
    }

    /// Sets a property as somebody else.
    pub(crate) fn set(&self, protocol: &str, name: &str, current: &str, persistent: Option<&str>) {
        if let Some(kept) = self.all.borrow_mut().get_mut(&(protocol.to_owned(), name.to_owned())) {
            kept.current = current.to_owned();
            kept.persistent = persistent.map(str::to_owned);
        }
    }

    /// Returns the value in the running kernel, and what the next boot sets.
    pub(crate) fn get(&self, protocol: &str, name: &str) -> Option<(String, Option<String>)> {
        let kept = self.all.borrow().get(&(protocol.to_owned(), name.to_owned())).cloned()?;
        Some((kept.current, kept.persistent))
    }

    /// Restarts the machine.
    pub(crate) fn restart(&self) {
        for kept in self.all.borrow_mut().values_mut() {
            let made = kept.persistent.as_deref().unwrap_or(&kept.default);
            kept.current = made.trim().trim_start_matches('+').to_owned();
        }
    }

    pub(crate) fn run(&self, command: &Command) -> Result<Output, RunError> {
        let words: Vec<&str> = command.arguments.iter().map(String::as_str).collect();
        match (command.program, words.as_slice()) {
            (Program::Ipadm, ["show-prop", "-c", "-o", _, "-p", names, protocol]) => {
                Ok(self.show(protocol, names))
            }
            (Program::Ipadm, ["set-prop", "-t", "-p", set, protocol]) => {
                Ok(self.assign(protocol, set, false))
            }
            (Program::Ipadm, ["set-prop", "-p", set, protocol]) => Ok(self.assign(protocol, set, true)),
            (Program::Ipadm, ["reset-prop", "-p", name, protocol]) => Ok(self.reset(protocol, name)),
            _ => Err(RunError::Absent(command.program)),
        }
    }

    fn show(&self, protocol: &str, names: &str) -> Output {
        let all = self.all.borrow();
        let row = |name: &str| match all.get(&(protocol.to_owned(), name.to_owned())) {
            Some(Kept { current, default, persistent }) => {
                let persistent = persistent.as_deref().unwrap_or_default();
                format!("{protocol}:{name}:rw:{current}:{default}:0-4294967295:{persistent}\n")
            }
            None => format!("{protocol}:{name}:?:?:?:?:?\n"),
        };
        ended(0, names.split(',').map(row).collect(), "")
    }

    fn assign(&self, protocol: &str, set: &str, persistent: bool) -> Output {
        let (name, value) = set.split_once('=').unwrap_or((set, ""));
        let mut all = self.all.borrow_mut();
        let Some(kept) = all.get_mut(&(protocol.to_owned(), name.to_owned())) else {
            return ended(1, String::new(), "ipadm: set-prop: Unknown property");
        };
        kept.current = value.trim().trim_start_matches('+').to_owned();
        if !persistent {
            return ended(0, String::new(), "");
        }
        if !self.is_kept() {
            return ended(1, String::new(), "ipadm: set-prop: Could not communicate with ipmgmtd");
        }
        kept.persistent = Some(value.to_owned());
        ended(0, String::new(), "")
    }

    fn reset(&self, protocol: &str, name: &str) -> Output {
        let mut all = self.all.borrow_mut();
        let Some(kept) = all.get_mut(&(protocol.to_owned(), name.to_owned())) else {
            return ended(1, String::new(), "ipadm: reset-prop: Unknown property");
        };
        kept.current.clone_from(&kept.default);
        if !self.is_kept() {
            return ended(1, String::new(), "ipadm: reset-prop: Could not communicate with ipmgmtd");
        }
        kept.persistent = None;
        ended(0, String::new(), "")
    }

    fn is_kept(&self) -> bool {
        match &mut *self.keeps.borrow_mut() {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }
}

fn ended(status: i32, stdout: String, stderr: &str) -> Output {
    Output { status, stdout, stderr: stderr.to_owned() }
}
