//! What can go wrong at a system call, in the words of `strace`.

use super::scene::Scene;
use super::trace::{Area, Call};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The call fails, once.
    Error(&'static str),
    /// From this call on the disk fails: every call that changes a file does, values of the kernel can be written.
    Disk(&'static str),
    /// From this call on nothing can be written to the kernel, nor said.
    Kernel(&'static str),
    /// The process is killed instead of the call.
    KillBefore,
    /// The process is killed after the call.
    KillAfter,
    /// No file can grow beyond the middle of this write: it is short, and so is each later one beyond there.
    Short,
    /// The call does nothing and says that it did everything.
    Lie,
    /// The call does nothing and says that it wrote all but one byte.
    LieShort,
}

/// The errors that are tried at each call.
pub const ERRORS: [&str; 6] = ["EIO", "ENOSPC", "EROFS", "EACCES", "EINVAL", "EINTR"];

/// The calls that a failing disk fails. `openat` and `write` serve for other things too.
const OF_THE_DISK: [&str; 12] = [
    "pwrite64",
    "fsync",
    "fdatasync",
    "rename",
    "renameat",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "fchmod",
    "ftruncate",
    "lsetxattr",
];

impl Fault {
    /// Returns what can go wrong at a call that changes something.
    #[must_use]
    pub fn at(call: &Call, scene: &Scene<'_>) -> Vec<Self> {
        let mut faults: Vec<_> = ERRORS.map(Self::Error).to_vec();
        faults.extend([Self::KillBefore, Self::KillAfter]);
        if OF_THE_DISK.contains(&call.name.as_str()) {
            faults.extend(["EIO", "ENOSPC", "EROFS"].map(Self::Disk));
        }
        if call.name == "write" && call.area == Area::Live {
            faults.extend([Self::Kernel("EINVAL"), Self::Kernel("EPERM"), Self::LieShort]);
        }
        // Whoever lies about the state directory may lie about anything; what is read back must not be believed.
        if matches!(call.area, Area::Live | Area::Boot) && lies_matter(call) {
            faults.push(Self::Lie);
        }
        // What goes wrong in every run needs strace, whose own output the limit would reach too.
        if scene.act.standing().is_none() && call.area == Area::State && limit(call, scene).is_some() {
            faults.push(Self::Short);
        }
        faults
    }

    /// Returns what can go wrong at a call that looks at something.
    #[must_use]
    pub fn looking() -> [Self; 2] {
        [Self::Error("EIO"), Self::Error("EACCES")]
    }

    /// Returns the name it has in reports.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Error(errno) => errno.to_owned(),
            Self::Disk(errno) => format!("{errno} for good"),
            Self::Kernel(errno) => format!("kernel {errno} for good"),
            Self::KillBefore => "killed before".to_owned(),
            Self::KillAfter => "killed after".to_owned(),
            Self::Short => "short write".to_owned(),
            Self::Lie => "claimed, not done".to_owned(),
            Self::LieShort => "claimed in part".to_owned(),
        }
    }

    /// Tells whether the process dies of it.
    #[must_use]
    pub const fn kills(self) -> bool {
        matches!(self, Self::KillBefore | Self::KillAfter)
    }

    /// Returns the options of `strace` that make it happen at a call of the scene.
    #[must_use]
    pub fn options(self, at: usize, scene: &Scene<'_>) -> Vec<String> {
        let call = &scene.calls[at];
        let Call { name, nth, .. } = call;
        let here = |what: &str| vec![format!("inject={name}:{what}:when={nth}")];
        match self {
            Self::Error(errno) => here(&format!("error={errno}")),
            Self::KillBefore => here("signal=KILL"),
            Self::KillAfter => {
                let next = scene.calls.get(at + 1).unwrap_or(call);
                vec![format!("inject={}:signal=KILL:when={}", next.name, next.nth)]
            }
            Self::Kernel(errno) => vec![format!("inject={name}:error={errno}:when={nth}+")],
            Self::Disk(errno) => OF_THE_DISK
                .iter()
                .filter(|name| scene.act.standing().is_none_or(|standing| !standing.contains(**name)))
                .map(|name| format!("inject={name}:error={errno}:when={}+", 1 + before(name, at, scene)))
                .collect(),
            Self::Lie => here(&format!("retval={}", call.result)),
            Self::LieShort => {
                let taken: usize = call.result.parse().unwrap_or(1);
                here(&format!("retval={}", taken.saturating_sub(1)))
            }
            Self::Short => Vec::new(),
        }
    }

    /// Returns the size that no file can grow beyond, where that is the fault.
    #[must_use]
    pub fn limit(self, at: usize, scene: &Scene<'_>) -> Option<u64> {
        if self == Self::Short { limit(&scene.calls[at], scene) } else { None }
    }
}

/// Counts the calls of a name before a place.
fn before(name: &str, at: usize, scene: &Scene<'_>) -> usize {
    scene.calls[..at].iter().filter(|call| call.name == name).count()
}

/// Tells whether a call that does nothing can be noticed: what was only to be made durable cannot.
fn lies_matter(call: &Call) -> bool {
    let done = call.result == "0" || call.name == "write";
    done && !matches!(call.name.as_str(), "fsync" | "fdatasync" | "flock" | "openat")
}

/// Returns a limit that cuts this write and none before it.
fn limit(call: &Call, scene: &Scene<'_>) -> Option<u64> {
    let (from, to) = call.written()?;
    let middle = from + (to - from) / 2;
    let earlier = scene.calls.iter().take_while(|earlier| *earlier != call);
    let on_disk = |call: &&Call| matches!(call.area, Area::State | Area::Boot);
    let reached = earlier.filter(on_disk).filter_map(Call::written).map(|(_, to)| to).max();
    (reached.unwrap_or(0) <= middle).then_some(middle)
}
