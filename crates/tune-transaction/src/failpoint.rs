//! The places where tests stop the process or let the disk fail: before every change of the state directory.

#[cfg(not(test))]
pub(crate) use absent::*;
#[cfg(test)]
pub(crate) use armed::*;

#[cfg(not(test))]
mod absent {
    use std::fs::File;
    use std::io;
    use std::path::Path;

    pub(crate) const fn pass(_operation: &str) -> io::Result<()> {
        Ok(())
    }

    pub(crate) const fn pass_open(_directory: &Path, _name: &str) -> io::Result<()> {
        Ok(())
    }

    pub(crate) const fn pass_sync(_file: &File) -> io::Result<()> {
        Ok(())
    }

    pub(crate) const fn pass_sync_directory(_directory: &Path) -> io::Result<()> {
        Ok(())
    }

    pub(crate) const fn pass_rename(_directory: &Path, _to: &str) -> io::Result<()> {
        Ok(())
    }

    pub(crate) const fn pass_write(_file: &File, _bytes: &[u8], _offset: u64) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod armed {
    #![allow(clippy::unwrap_used)]
    use std::cell::RefCell;
    use std::collections::BTreeMap;
    use std::fs::File;
    use std::io;
    use std::os::unix::fs::{FileExt, MetadataExt};
    use std::path::{Path, PathBuf};

    /// What happens at the chosen operation.
    #[derive(Debug, Clone, Copy, Default)]
    pub(crate) enum Event {
        #[default]
        Nothing,
        /// The process dies; of a write the first bytes are on disk.
        Crash { partial: usize },
        /// The operation fails; of a write the first bytes are on disk.
        Fail { errno: i32, partial: usize },
        /// This operation and all later ones fail.
        FailFrom { errno: i32 },
    }

    #[derive(Debug, Default)]
    struct Plan {
        seen: Vec<String>,
        at: usize,
        event: Event,
        dead: bool,
        durable: Durable,
    }

    /// What a power cut cannot take any more.
    #[derive(Debug, Clone, Default)]
    pub(crate) struct Durable {
        /// The length of each file at its last sync, by inode.
        pub(crate) lengths: BTreeMap<u64, u64>,
        /// Files that were renamed over, or made, since the last sync of their directory, as they were before.
        pub(crate) renamed: Vec<(PathBuf, Option<Vec<u8>>)>,
    }

    thread_local! {
        static PLAN: RefCell<Plan> = RefCell::default();
    }

    /// Lets `event` happen at the operation `at`, counted from 0.
    pub(crate) fn arm(at: usize, event: Event) {
        PLAN.with_borrow_mut(|plan| *plan = Plan { at, event, ..Plan::default() });
    }

    /// As [`arm`], with what is durable already.
    pub(crate) fn arm_with(durable: Durable, at: usize, event: Event) {
        PLAN.with_borrow_mut(|plan| *plan = Plan { at, event, durable, ..Plan::default() });
    }

    /// Lets nothing happen any more, and returns what operations there were.
    pub(crate) fn disarm() -> (Vec<String>, Durable) {
        let plan = PLAN.with_borrow_mut(std::mem::take);
        (plan.seen, plan.durable)
    }

    fn event(operation: &str) -> Event {
        PLAN.with_borrow_mut(|plan| {
            let nth = plan.seen.len();
            plan.seen.push(operation.to_owned());
            match plan.event {
                Event::FailFrom { .. } if nth >= plan.at => plan.event,
                _ if plan.dead => Event::Fail { errno: 5, partial: 0 },
                event if nth == plan.at => {
                    plan.dead = matches!(event, Event::Crash { .. });
                    event
                }
                _ => Event::Nothing,
            }
        })
    }

    pub(crate) fn pass(operation: &str) -> io::Result<()> {
        match event(operation) {
            Event::Nothing => Ok(()),
            Event::Crash { .. } => panic!("the process died before: {operation}"),
            Event::Fail { errno, .. } | Event::FailFrom { errno } => Err(io::Error::from_raw_os_error(errno)),
        }
    }

    pub(crate) fn pass_open(directory: &Path, name: &str) -> io::Result<()> {
        pass("open")?;
        let path = directory.join(name);
        if !path.exists() {
            PLAN.with_borrow_mut(|plan| plan.durable.renamed.push((path, None)));
        }
        Ok(())
    }

    pub(crate) fn pass_sync(file: &File) -> io::Result<()> {
        pass("sync")?;
        let found = file.metadata()?;
        PLAN.with_borrow_mut(|plan| plan.durable.lengths.insert(found.ino(), found.len()));
        Ok(())
    }

    pub(crate) fn pass_sync_directory(directory: &Path) -> io::Result<()> {
        pass("sync directory")?;
        PLAN.with_borrow_mut(|plan| {
            plan.durable.renamed.retain(|(renamed, _)| renamed.parent() != Some(directory));
        });
        Ok(())
    }

    pub(crate) fn pass_rename(directory: &Path, to: &str) -> io::Result<()> {
        pass(&format!("rename to {to}"))?;
        let path = directory.join(to);
        let before = std::fs::read(&path).ok();
        PLAN.with_borrow_mut(|plan| plan.durable.renamed.push((path, before)));
        Ok(())
    }

    pub(crate) fn pass_write(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        let event = event(&format!("write {}", bytes.len()));
        if let Event::Crash { partial } | Event::Fail { partial, .. } = event {
            file.write_all_at(&bytes[..partial.min(bytes.len())], offset).unwrap();
        }
        match event {
            Event::Nothing => Ok(()),
            Event::Crash { .. } => panic!("the process died in a write"),
            Event::Fail { errno, .. } | Event::FailFrom { errno } => Err(io::Error::from_raw_os_error(errno)),
        }
    }
}
