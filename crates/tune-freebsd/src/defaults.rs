//! What the kernel makes of each tunable when it starts, before anything in /etc is read.
//!
//! Source: sys/kern/subr_param.c `init_param1`, `init_param2`, kern_mbuf.c `tunable_mbinit`, uipc_socket.c
//! `init_maxsockets`, netinet/tcp_subr.c; the numbers agree with those of 14 and 15 with 2 GiB.

use std::collections::BTreeMap;

use tune_model::tunable::integer;
use tune_model::{Catalog, System, Tunable};

/// What the kernel's own arithmetic starts from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ground {
    /// Ticks of the clock in a second; 100 where nothing is known.
    pub(crate) hz: i128,
    /// The size of a page in bytes.
    pub(crate) page: i128,
    /// Physical memory in bytes, where it is known.
    pub(crate) memory: Option<i128>,
    /// The memory that the kernel may take for itself, in bytes, where it is known.
    pub(crate) kernel_memory: Option<i128>,
    /// Whether a hypervisor runs it, where that is known.
    pub(crate) virtual_machine: Option<bool>,
    /// The release's number, as `kern.osreldate` shows it, where it is known: 1400097 is 14.0.
    pub(crate) release: Option<i128>,
}

/// The numbers that the loader hands to the kernel, by the tunable's name.
pub(crate) type Handed = BTreeMap<String, i128>;

/// Returns what a tunable is once the kernel has started with these numbers from its loader; `None` where that is not
/// known.
pub(crate) fn at_start(row: &Tunable, handed: &Handed, ground: &Ground) -> Option<i128> {
    Start { handed, ground }.of(row)
}

/// A kernel as it starts.
struct Start<'a> {
    handed: &'a Handed,
    ground: &'a Ground,
}

/// The clock that leaves it to the kernel.
pub(crate) const HZ_AUTOMATIC: i128 = -1;
const CLUSTER: i128 = 2048;
const MBUF: i128 = 256;
const JUMBO_9: i128 = 9216;
const JUMBO_16: i128 = 16384;

impl Start<'_> {
    fn named(&self, name: &str) -> Option<i128> {
        self.of(Catalog::of(System::FreeBsd).get(name)?)
    }

    fn of(&self, row: &Tunable) -> Option<i128> {
        let said = self.handed.get(&row.name).copied().filter(|_| row.loader);
        match row.default_rule.as_deref() {
            Some(rule) => self.by_rule(rule, said),
            // Another number of buckets than a power of two is not used.
            None => said
                .filter(|said| row.unit != "buckets" || is_power_of_two(*said))
                .or_else(|| self.constant(row).filter(|default| self.is_whole(row, *default))),
        }
    }

    /// A clock that has no whole number of ticks for a default shows something near it.
    fn is_whole(&self, row: &Tunable, default: i128) -> bool {
        !row.ticks || self.named("kern.hz").is_none_or(|hz| default * hz % 1000 == 0)
    }

    fn constant(&self, row: &Tunable) -> Option<i128> {
        if row.default_since.is_empty() {
            return row.default.first().copied();
        }
        let release = self.ground.release?;
        let had = row
            .default_since
            .iter()
            .rev()
            .find(|(since, _)| number_of(since).is_some_and(|since| since <= release));
        had.and_then(|(_, values)| values.first().copied())
    }

    fn by_rule(&self, rule: &str, said: Option<i128>) -> Option<i128> {
        let buffers = || self.named("kern.ipc.maxmbufmem");
        match rule {
            "half-of-kernel-memory" => {
                let most = self.ground.kernel_memory? / 4 * 3;
                Some(said.unwrap_or(self.ground.kernel_memory? / 2).min(most))
            }
            // A limit of 0 counts as none given.
            "maxmbufmem/2048/4" => positive(said).or_else(|| Some(buffers()? / CLUSTER / 4)),
            "maxmbufmem/page/4" => {
                positive(said).or_else(|| Some(buffers()? / page_cluster(self.ground.page) / 4))
            }
            "maxmbufmem/9216/6" => positive(said).or_else(|| Some(buffers()? / JUMBO_9 / 6)),
            "maxmbufmem/16384/6" => positive(said).or_else(|| Some(buffers()? / JUMBO_16 / 6)),
            "nmbufs" => self.mbufs(said),
            "maxusers" => positive(said).or_else(|| Some(users(self.ground.memory?))),
            "maxfiles" => {
                let computed = || Some((40 + 32 * self.named("kern.maxusers")?).max(self.pages()? / 8));
                Some(said.or_else(computed)?.min(self.pages()? / 4))
            }
            "maxfiles*9/10" => said.or_else(|| Some(self.named("kern.maxfiles")? / 10 * 9)),
            "maxsockets" => Some(said.unwrap_or(0).max(self.named("kern.maxfiles")?)),
            "maxtcptw" => positive(said).or_else(|| self.time_wait()),
            "hz" => self.clock(said),
            "syncache-cachelimit" => positive(said).or_else(|| {
                let entries = |name| self.named(name);
                let all = entries("net.inet.tcp.syncache.hashsize")?
                    * entries("net.inet.tcp.syncache.bucketlimit")?;
                Some(all).filter(|all| *all <= u32::MAX.into())
            }),
            "tcbhashsize" => positive(said)
                .map(next_power_of_two)
                .or_else(|| Some(above(self.named("kern.ipc.maxsockets")? / 4))),
            _ => said,
        }
    }

    fn clock(&self, said: Option<i128>) -> Option<i128> {
        const SLOWEST: i128 = 8;
        const FASTEST: i128 = 137_438;
        let automatic = || self.ground.virtual_machine.map(|guest| if guest { 100 } else { 1000 });
        let hz = said.filter(|said| *said != HZ_AUTOMATIC).or_else(automatic)?;
        Some(hz.clamp(SLOWEST, FASTEST))
    }

    fn pages(&self) -> Option<i128> {
        Some(self.ground.memory? / self.ground.page)
    }

    /// At least one for each cluster.
    fn mbufs(&self, said: Option<i128>) -> Option<i128> {
        let limits: Option<Vec<i128>> = crate::kernel::CLUSTERS.iter().map(|name| self.named(name)).collect();
        let sum = limits?.iter().sum::<i128>();
        match said.filter(|said| *said >= sum) {
            Some(said) => Some(said),
            None => Some(sum.max(self.named("kern.ipc.maxmbufmem")? / MBUF / 5)),
        }
    }

    /// Half the ephemeral ports as they are when the kernel starts.
    fn time_wait(&self) -> Option<i128> {
        let port = |end: &str| self.named(&format!("net.inet.ip.portrange.{end}"));
        let half = (port("last")? - port("first")?) / 2;
        Some(half.max(32).min(self.named("kern.ipc.maxsockets")? / 5))
    }
}

fn positive(said: Option<i128>) -> Option<i128> {
    said.filter(|said| *said > 0)
}

const fn is_power_of_two(number: i128) -> bool {
    number > 0 && number & (number - 1) == 0
}

/// One for each 2 MiB, above 384 one for each 16 MiB.
fn users(memory: i128) -> i128 {
    const MANY: i128 = 384;
    let users = (memory >> 21).max(32);
    if users > MANY { MANY + (users - MANY) / 8 } else { users }
}

/// What a cluster of the page's size takes: no more than 8 KiB on machines with larger pages.
pub(crate) fn page_cluster(page: i128) -> i128 {
    page.min(8192)
}

/// The next power of two above `size`, at least 512.
fn above(size: i128) -> i128 {
    next_power_of_two(size + 1).max(512)
}

/// What a hash table is made of that was asked to have `size` entries.
pub(crate) fn next_power_of_two(size: i128) -> i128 {
    let size = u64::try_from(size).unwrap_or(0);
    i128::from(size.checked_next_power_of_two().unwrap_or(1 << 63)).max(16)
}

/// Returns the number of a release such as `14.1`.
pub(crate) fn number_of(release: &str) -> Option<i128> {
    let (major, minor) = release.split_once('.').unwrap_or((release, "0"));
    Some(integer(major)? * 100_000 + integer(minor)? * 1000)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_size_above_every_power_of_two_is_no_reason_to_panic() {
        assert_eq!(next_power_of_two(u64::MAX.into()), 1 << 63);
        assert_eq!(next_power_of_two(17), 32);
    }

    /// What a kernel said of itself.
    fn recorded() -> Ground {
        Ground {
            hz: 100,
            page: 4096,
            memory: Some(2_134_327_296),
            kernel_memory: Some(2_087_858_176),
            virtual_machine: Some(true),
            release: Some(1_500_068),
        }
    }

    fn start(name: &str, handed: &[(&str, i128)], ground: &Ground) -> Option<i128> {
        let handed = handed.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        at_start(Catalog::of(System::FreeBsd).get(name).unwrap(), &handed, ground)
    }

    #[test]
    fn a_recorded_kernel_computed_the_same() {
        for (name, value) in [
            ("kern.ipc.maxmbufmem", 1_043_929_088),
            ("kern.ipc.nmbclusters", 127_432),
            ("kern.ipc.nmbjumbop", 63_716),
            ("kern.ipc.nmbjumbo9", 18_878),
            ("kern.ipc.nmbjumbo16", 10_619),
            ("kern.ipc.nmbufs", 815_569),
            ("kern.maxusers", 463),
            ("kern.maxfiles", 65_134),
            ("kern.ipc.maxsockets", 65_134),
            ("net.inet.tcp.tcbhashsize", 16_384),
            ("net.inet.tcp.syncache.cachelimit", 15_360),
            ("kern.hz", 100),
        ] {
            assert_eq!(start(name, &[], &recorded()), Some(value), "{name}");
        }
    }

    /// As the same kernel answered when its loader handed it these.
    #[test]
    fn the_loader_has_its_say_within_the_rules() {
        let handed = [("kern.ipc.nmbclusters", 65_536), ("kern.ipc.maxsockets", 30_000)];
        assert_eq!(start("kern.ipc.nmbclusters", &handed, &recorded()), Some(65_536));
        assert_eq!(start("kern.ipc.maxsockets", &handed, &recorded()), Some(65_134));
        assert_eq!(start("kern.ipc.nmbufs", &handed, &recorded()), Some(815_569));
        let many = [("kern.ipc.nmbclusters", 1_000_000)];
        assert_eq!(start("kern.ipc.nmbufs", &many, &recorded()), Some(1_000_000 + 63_716 + 18_878 + 10_619));
        let timeout = [("net.inet.tcp.finwait2_timeout", 15_000)];
        assert_eq!(start("net.inet.tcp.finwait2_timeout", &timeout, &recorded()), Some(60_000));
        let most = [("kern.ipc.maxmbufmem", 1 << 40)];
        assert_eq!(start("kern.ipc.maxmbufmem", &most, &recorded()), Some(2_087_858_176 / 4 * 3));
    }

    #[test]
    fn what_follows_from_unknown_memory_is_unknown() {
        let ground = Ground { hz: 100, page: 4096, ..Ground::default() };
        assert_eq!(start("kern.ipc.nmbclusters", &[], &ground), None);
        assert_eq!(start("kern.ipc.nmbclusters", &[("kern.ipc.nmbclusters", 7)], &ground), Some(7));
        assert_eq!(start("net.inet.tcp.keepidle", &[], &ground), Some(7_200_000));
    }
}
