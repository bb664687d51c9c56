//! The clock of the kernel that the next boot starts.
//!
//! Source: sys/kern/subr_param.c `init_param1`; a kernel may be built with another clock than its default (`options HZ`).

use tune_host::Files;
use tune_model::catalog::KernelType;
use tune_model::{Catalog, System};

use super::loader_conf::Loader;
use super::number::{Meant, from_loader};
use crate::defaults::{Ground, HZ_AUTOMATIC, Handed, at_start};
use crate::kernel::in_ticks;

/// The tunable that sets the clock.
pub(crate) const HZ: &str = "kern.hz";
/// The clocks that kernels start with where no line says anything: the one in virtual machines, the other elsewhere.
const USUAL: [i128; 2] = [100, 1000];

/// How often a second a kernel's clock ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clock {
    /// So often.
    Ticks(i128),
    /// As often as usual, and which of the two it is cannot be told.
    Usual,
    /// It cannot be told.
    Unknown,
}

impl Clock {
    /// Returns the clock of a kernel that its loader hands these numbers; `booted_with` is what the files as they are
    /// set it to.
    pub(crate) fn of(handed: &Handed, ground: &Ground, booted_with: Option<i128>) -> Self {
        let (next, running) = (at_boot(handed, ground), ground.hz);
        let explained = sets(handed) || next == Some(running) || booted_with == Some(running);
        match next {
            Some(hz) if explained => Self::Ticks(hz),
            _ if USUAL.contains(&running) && next.is_none_or(|hz| USUAL.contains(&hz)) => Self::Usual,
            _ => Self::Unknown,
        }
    }

    /// Returns what comes of every clock that it may be, where that is the same.
    pub(crate) fn agreed<T: PartialEq>(self, of: impl Fn(i128) -> T) -> Option<T> {
        match self {
            Self::Ticks(hz) => Some(of(hz)),
            Self::Usual => Some(of(USUAL[0])).filter(|one| *one == of(USUAL[1])),
            Self::Unknown => None,
        }
    }

    /// Tells whether a time in milliseconds is kept as it is; whole seconds are whole ticks of any clock.
    pub(crate) fn keeps(self, time: i128) -> bool {
        time % 1000 == 0 || self.agreed(|hz| in_ticks(time, hz)) == Some(time)
    }
}

/// Returns what the loader's files set the clock to, where a line of them does.
pub(crate) fn booted_with(files: &dyn Files, ground: &Ground) -> Option<i128> {
    let loader = Loader::read(files);
    let text = loader.decide(HZ)?.value.ok()?;
    let Meant::Number(number, _) = from_loader(text, Some(KernelType::Int)) else { return None };
    let handed = Handed::from([(HZ.to_owned(), number)]);
    at_boot(&handed, ground).filter(|_| sets(&handed))
}

fn at_boot(handed: &Handed, ground: &Ground) -> Option<i128> {
    at_start(Catalog::of(System::FreeBsd).get(HZ)?, handed, ground)
}

fn sets(handed: &Handed) -> bool {
    handed.get(HZ).is_some_and(|said| *said != HZ_AUTOMATIC)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tune_host::MemoryFiles;

    fn clock(said: Option<i128>, guest: Option<bool>, running: i128, booted_with: Option<i128>) -> Clock {
        let handed = said.map(|said| (HZ.to_owned(), said)).into_iter().collect();
        let ground = Ground { hz: running, page: 4096, virtual_machine: guest, ..Ground::default() };
        Clock::of(&handed, &ground, booted_with)
    }

    #[test]
    fn a_line_decides_within_what_the_kernel_takes() {
        for (said, hz) in [(250, 250), (1, 8), (1_000_000, 137_438), (0, 8)] {
            assert_eq!(clock(Some(said), Some(true), 100, None), Clock::Ticks(hz), "{said}");
            assert_eq!(clock(Some(said), None, 100, None), Clock::Ticks(hz), "{said}");
        }
        assert_eq!(clock(Some(-1), Some(false), 1000, None), Clock::Ticks(1000));
        assert_eq!(clock(Some(-1), None, 100, None), Clock::Usual);
    }

    #[test]
    fn without_a_line_the_running_clock_must_be_explained() {
        assert_eq!(clock(None, Some(true), 100, None), Clock::Ticks(100));
        assert_eq!(clock(None, Some(true), 1000, None), Clock::Usual);
        assert_eq!(clock(None, Some(true), 1000, Some(1000)), Clock::Ticks(100));
        assert_eq!(clock(None, Some(true), 250, None), Clock::Unknown);
        assert_eq!(clock(None, Some(true), 250, Some(250)), Clock::Ticks(100));
        assert_eq!(clock(None, None, 100, None), Clock::Usual);
        assert_eq!(clock(None, None, 250, None), Clock::Unknown);
    }

    #[test]
    fn times_are_kept_where_every_clock_keeps_them() {
        let kept = |clock: Clock| [15_000, 30, 15].map(|time| clock.keeps(time));
        assert_eq!(kept(Clock::Ticks(1000)), [true, true, true]);
        assert_eq!(kept(Clock::Ticks(100)), [true, true, false]);
        assert_eq!(kept(Clock::Usual), [true, true, false]);
        assert_eq!(kept(Clock::Unknown), [true, false, false]);
    }

    #[test]
    fn what_the_files_set_is_told() {
        let ground = Ground { hz: 100, page: 4096, ..Ground::default() };
        let with = |line: &str| {
            let lists = "loader_conf_files=\"/boot/loader.conf\"\n";
            let files = MemoryFiles::default().with("/boot/defaults/loader.conf", lists);
            booted_with(&files.with("/boot/loader.conf", line), &ground)
        };
        assert_eq!(with("kern.hz=\"2000\"\n"), Some(2000));
        assert_eq!(with("kern.hz=\"1\"\n"), Some(8));
        assert_eq!((with("kern.hz=\"-1\"\n"), with("kern.hz=\"x\"\n"), with("")), (None, None, None));
    }
}
