//! What a kernel starts with: what was recorded, and what follows from memory and from the loader's environment.

use std::collections::BTreeMap;

use super::kernel::{Caller, Kernel, OF_CLUSTERS};
use super::rules::{CLUSTERS, in_ticks};
use super::table::{Release, Type};

const PAGE: i128 = 4096;
const CLUSTER: i128 = 2048;
const MBUF: i128 = 256;

type Environment = BTreeMap<String, String>;

impl Kernel {
    /// Starts a kernel that has `hz` ticks a second where the loader says nothing else.
    ///
    /// # Errors
    ///
    /// Says what of the loader's environment the fake does not know.
    pub fn start(release: Release, hz: i128, environment: Environment) -> Result<Self, String> {
        let table = release.table();
        let is_asked = |name: &str| table.get(name).is_some_and(|oid| oid.tunable) || UNSURE.contains(&name);
        if let Some(name) = environment.keys().find(|name| is_asked(name) && !ASKED.contains(&name.as_str()))
        {
            return Err(format!("the fake FreeBSD does not know what {name} in the loader does"));
        }
        let hz = asked(&environment, "kern.hz")?.unwrap_or(hz);
        if !(100..=2000).contains(&hz) {
            return Err(format!("the fake FreeBSD does not know a clock of {hz} ticks a second"));
        }
        let numbers = table.iter().filter(|(_, oid)| oid.kind.size().is_some() && !oid.value.contains(' '));
        // What a time that is no whole number of ticks becomes was not recorded.
        let recorded = numbers.filter_map(|(name, oid)| {
            let shown: i128 = oid.value.parse().unwrap_or_else(|_| panic!("{name} has no value"));
            let whole = !in_ticks(name) || shown * hz % 1000 == 0;
            whole.then(|| (name.to_owned(), if in_ticks(name) { shown * hz / 1000 } else { shown }))
        });
        let mut kernel = Self {
            release,
            caller: Caller::ROOT,
            hz,
            values: recorded.collect(),
            start: BTreeMap::new(),
            stack: BTreeMap::new(),
            environment,
        };
        kernel.asks()?;
        kernel.start = kernel.values.clone();
        Ok(kernel)
    }

    /// Computes what follows from memory and from the loader's environment, in the order of the kernel.
    fn asks(&mut self) -> Result<(), String> {
        let recorded = self.values.clone();
        self.files()?;
        self.sockets()?;
        self.mbufs()?;
        self.syncache()?;
        if let Some(buckets) = self.asked("net.inet.tcp.tcbhashsize")? {
            if !(512..=1 << 24).contains(&buckets) || buckets.count_ones() != 1 {
                return Err(format!("the fake FreeBSD does not know net.inet.tcp.tcbhashsize={buckets}"));
            }
            self.values.insert("net.inet.tcp.tcbhashsize".to_owned(), buckets);
        } else if self.values["kern.ipc.maxsockets"] != recorded["kern.ipc.maxsockets"] {
            self.forget(&["net.inet.tcp.tcbhashsize"]);
        }
        if CLUSTERS.iter().any(|name| self.values[*name] != recorded[*name]) {
            self.forget(OF_CLUSTERS);
        }
        Ok(())
    }

    fn files(&mut self) -> Result<(), String> {
        match self.asked("kern.maxusers")? {
            Some(users @ 32..=384) => self.now("kern.maxusers", users),
            Some(users) => return Err(format!("the fake FreeBSD does not know kern.maxusers={users}")),
            None => {}
        }
        let pages = self.values["hw.physmem"] / PAGE;
        let default = (40 + 32 * self.values["kern.maxusers"]).max(pages / 8);
        let files = self.asked("kern.maxfiles")?.unwrap_or(default).min(pages / 4);
        let each = self.asked("kern.maxfilesperproc")?.unwrap_or(files / 10 * 9);
        self.now("kern.maxfiles", files);
        self.now("kern.maxfilesperproc", each);
        Ok(())
    }

    fn sockets(&mut self) -> Result<(), String> {
        let files = self.values["kern.maxfiles"];
        let sockets = self.asked("kern.ipc.maxsockets")?.unwrap_or(files).max(files);
        self.now("kern.ipc.maxsockets", sockets);
        if self.values.contains_key("net.inet.tcp.maxtcptw") {
            let ports =
                self.values["net.inet.ip.portrange.last"] - self.values["net.inet.ip.portrange.first"];
            let default = (ports / 2).max(32).min(sockets / 5);
            let most = self.asked("net.inet.tcp.maxtcptw")?.unwrap_or(default);
            self.now("net.inet.tcp.maxtcptw", most);
        }
        Ok(())
    }

    fn mbufs(&mut self) -> Result<(), String> {
        let memory = self.values["hw.physmem"].min(self.values["vm.kmem_size"]);
        let most = self.asked("kern.ipc.maxmbufmem")?.unwrap_or(memory / 2).min(memory / 4 * 3);
        self.now("kern.ipc.maxmbufmem", most);
        let sizes = [(CLUSTER, 4), (PAGE, 4), (9 * 1024, 6), (16 * 1024, 6)];
        let mut all = 0;
        for (name, (size, share)) in CLUSTERS.iter().zip(sizes) {
            let limit = match self.asked(name)?.unwrap_or(0) {
                0 => most / size / share,
                asked => asked,
            };
            self.now(name, limit);
            all += limit;
        }
        let mbufs = self.asked("kern.ipc.nmbufs")?.filter(|asked| *asked >= all);
        self.now("kern.ipc.nmbufs", mbufs.unwrap_or_else(|| all.max(most / MBUF / 5)));
        Ok(())
    }

    fn syncache(&mut self) -> Result<(), String> {
        let name = |last: &str| format!("net.inet.tcp.syncache.{last}");
        let asked = self.asked(&name("hashsize"))?;
        let buckets = asked.filter(|asked| asked.count_ones() == 1).unwrap_or(512);
        let depth = self.asked(&name("bucketlimit"))?.unwrap_or(30);
        let most = self.asked(&name("cachelimit"))?.unwrap_or(buckets * depth % (1 << 32));
        for (last, value) in [("hashsize", buckets), ("bucketlimit", depth), ("cachelimit", most)] {
            self.now(&name(last), value);
        }
        Ok(())
    }

    fn now(&mut self, name: &str, value: i128) {
        self.values.insert(name.to_owned(), value);
    }

    fn asked(&self, name: &str) -> Result<Option<i128>, String> {
        let asked = asked(&self.environment, name)?;
        let holds = |number: i128| match self.release.table().get(name).map(|oid| oid.kind) {
            Some(Type::Signed(4)) => number <= i32::MAX.into(),
            Some(Type::Unsigned(4)) => number <= u32::MAX.into(),
            _ => number <= i64::MAX.into(),
        };
        match asked {
            // What 0 means was read for some of them only.
            Some(0) if ZERO_IS_UNKNOWN.contains(&name) => {
                Err(format!("the fake FreeBSD does not know {name}=0"))
            }
            Some(number) if !holds(number) => Err(format!("the fake FreeBSD does not know {name}={number}")),
            asked => Ok(asked),
        }
    }
}

/// What the kernel asks the loader's environment for, as far as the fake knows.
const ASKED: &[&str] = &[
    "kern.hz",
    "kern.maxusers",
    "kern.maxfiles",
    "kern.maxfilesperproc",
    "kern.ipc.maxsockets",
    "kern.ipc.maxmbufmem",
    "kern.ipc.nmbclusters",
    "kern.ipc.nmbjumbop",
    "kern.ipc.nmbjumbo9",
    "kern.ipc.nmbjumbo16",
    "kern.ipc.nmbufs",
    "net.inet.tcp.maxtcptw",
    "net.inet.tcp.tcbhashsize",
    "net.inet.tcp.syncache.hashsize",
    "net.inet.tcp.syncache.bucketlimit",
    "net.inet.tcp.syncache.cachelimit",
];

const ZERO_IS_UNKNOWN: &[&str] = &[
    "kern.maxfiles",
    "kern.maxfilesperproc",
    "kern.ipc.maxmbufmem",
    "net.inet.tcp.maxtcptw",
    "net.inet.tcp.syncache.bucketlimit",
    "net.inet.tcp.syncache.cachelimit",
];

/// What some kernels may ask it for without saying so.
const UNSURE: &[&str] = &["net.inet.tcp.sack.enable"];

fn asked(environment: &Environment, name: &str) -> Result<Option<i128>, String> {
    let Some(text) = environment.get(name) else { return Ok(None) };
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(number) if plain && (text == "0" || !text.starts_with('0')) => Ok(Some(number)),
        _ => Err(format!("the fake FreeBSD does not know what {name}={text:?} in the loader does")),
    }
}
