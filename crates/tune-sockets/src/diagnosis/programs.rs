//! The processes that have half-closed connections, by program.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use tune_host::{Files, Host};

use crate::owners::{Owner, Owners};
use crate::tally::leading;

/// How many ports and peers of a program are told.
const LEADING: usize = 5;

/// A server whose settings are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Server {
    /// Apache httpd.
    Httpd,
    /// nginx.
    Nginx,
}

/// The names of programs, as the kernel keeps them: cut off after 15 bytes.
const SERVERS: [(&str, Server); 6] = [
    ("apache2", Server::Httpd),
    ("httpd", Server::Httpd),
    ("httpd-prefork", Server::Httpd),
    ("httpd-worker", Server::Httpd),
    ("httpd-event", Server::Httpd),
    ("nginx", Server::Nginx),
];

impl Server {
    /// Recognises a server by the name of its program.
    #[must_use]
    pub fn of(command: &str) -> Option<Self> {
        SERVERS.iter().find(|(name, _)| *name == command).map(|(_, server)| *server)
    }

    /// Returns the file that settings of ours go to: the first whose installation is there, else the first.
    pub(crate) fn file(self, files: &dyn Files) -> (&'static str, Option<&'static str>) {
        let known: &[Installation] = match self {
            Self::Httpd => &HTTPD,
            Self::Nginx => &NGINX,
        };
        let there = known.iter().find(|place| files.kind(Path::new(place.sign)).is_ok());
        let place = there.unwrap_or(&known[0]);
        (place.file, place.then)
    }
}

/// How a distribution lays a server out.
struct Installation {
    /// A directory that tells it from others.
    sign: &'static str,
    /// Where settings of ours go to.
    file: &'static str,
    /// What makes the server take the file in.
    then: Option<&'static str>,
}

const HTTPD: [Installation; 3] = [
    Installation {
        sign: "/etc/apache2/conf-available",
        file: "/etc/apache2/conf-available/zz-tune.conf",
        then: Some("a2enconf zz-tune && apachectl graceful"),
    },
    Installation {
        sign: "/etc/httpd/conf.d",
        file: "/etc/httpd/conf.d/zz-tune.conf",
        then: Some("apachectl graceful"),
    },
    Installation {
        sign: "/usr/local/etc/apache24/Includes",
        file: "/usr/local/etc/apache24/Includes/zz-tune.conf",
        then: Some("apachectl graceful"),
    },
];

/// nginx refuses a setting that is made twice at one level, so it is changed where it is.
const NGINX: [Installation; 2] = [
    Installation {
        sign: "/etc/nginx",
        file: "/etc/nginx/nginx.conf",
        then: Some("nginx -t && nginx -s reload"),
    },
    Installation {
        sign: "/usr/local/etc/nginx",
        file: "/usr/local/etc/nginx/nginx.conf",
        then: Some("nginx -t && nginx -s reload"),
    },
];

/// A program with half-closed connections: one process, or several of one name that do the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Its name.
    pub command: String,
    /// Its processes, by their ids.
    pub pids: Vec<i32>,
    /// The users they run as.
    pub uids: Vec<u32>,
    /// How many connections in FIN_WAIT_2 it has. What processes share counts for each.
    pub fin_wait_2: u64,
    /// How many connections in CLOSE_WAIT it has.
    pub close_wait: u64,
    /// How many of these more than one process has.
    pub shared: u64,
    /// For how long at least the least and the most idle one has been idle.
    pub idle: Option<(Duration, Duration)>,
    /// The local ports with the most, the most first.
    pub ports: Vec<(u16, u64)>,
    /// The peers with the most, the most first.
    pub peers: Vec<(IpAddr, u64)>,
}

impl Program {
    /// Returns which server it is, where its settings are known.
    #[must_use]
    pub fn server(&self) -> Option<Server> {
        Server::of(&self.command)
    }

    /// Names it: `apache2 (pid 12)`, `apache2 (3 processes)`.
    #[must_use]
    pub fn named(&self) -> String {
        let command = if self.command.is_empty() { "a process" } else { &self.command };
        match &self.pids[..] {
            [pid] => format!("{command} (pid {pid})"),
            pids => format!("{command} ({} processes)", pids.len()),
        }
    }

    fn of(owner: &Owner) -> Self {
        Self {
            command: owner.command.clone(),
            pids: vec![owner.pid],
            uids: owner.uid.into_iter().collect(),
            fin_wait_2: owner.fin_wait_2,
            close_wait: owner.close_wait,
            shared: owner.shared,
            idle: owner.idle,
            ports: owner.ports.clone(),
            peers: owner.peers.clone(),
        }
    }

    fn add(&mut self, owner: &Owner) {
        self.pids.push(owner.pid);
        self.pids.sort_unstable();
        self.uids.extend(owner.uid.filter(|uid| !self.uids.contains(uid)));
        self.fin_wait_2 += owner.fin_wait_2;
        self.close_wait += owner.close_wait;
        self.shared += owner.shared;
        self.idle = match (self.idle, owner.idle) {
            (Some(mine), Some(its)) => Some((mine.0.min(its.0), mine.1.max(its.1))),
            (mine, its) => mine.or(its),
        };
        add_up(&mut self.ports, &owner.ports);
        add_up(&mut self.peers, &owner.peers);
    }
}

fn add_up<K: Ord + Copy>(sums: &mut Vec<(K, u64)>, more: &[(K, u64)]) {
    for (key, number) in more {
        match sums.iter_mut().find(|(known, _)| known == key) {
            Some((_, sum)) => *sum += number,
            None => sums.push((*key, *number)),
        }
    }
    leading(sums, LEADING, |number| *number);
}

/// Takes processes of one name together that serve the same port, or none; those with the most first.
pub(crate) fn programs(owners: &Owners, listening: &BTreeSet<u16>) -> Vec<Program> {
    let served =
        |ports: &[(u16, u64)]| ports.first().map(|(port, _)| *port).filter(|port| listening.contains(port));
    let mut list: Vec<Program> = Vec::new();
    for owner in &owners.list {
        let alike = |program: &&mut Program| {
            program.command == owner.command && served(&program.ports) == served(&owner.ports)
        };
        match list.iter_mut().find(alike) {
            Some(program) => program.add(owner),
            None => list.push(Program::of(owner)),
        }
    }
    list.sort_by_key(|program| std::cmp::Reverse(program.fin_wait_2 + program.close_wait));
    list
}

/// Signs of the module that answers httpd's connections, and whether it is the one that lingers for 30 s.
const MODULES: [(&str, &str, bool); 4] = [
    ("/etc/apache2/mods-enabled/mpm_event.load", "mpm_event", true),
    ("/etc/apache2/mods-enabled/mpm_prefork.load", "mpm_prefork", false),
    ("/etc/httpd/conf.modules.d/00-mpm.conf", "mod_mpm_event.so", true),
    ("/etc/httpd/conf.modules.d/00-mpm.conf", "mod_mpm_prefork.so", false),
];

/// Tells whether httpd here answers with its event module; `None` where no file says.
pub(crate) fn httpd_is_event(host: &dyn Host) -> Option<bool> {
    let says = |path: &str, module: &str| {
        let content = host.files().read(Path::new(path)).unwrap_or_default();
        let text = String::from_utf8_lossy(&content).into_owned();
        text.lines().any(|line| line.trim_start().starts_with("LoadModule") && line.contains(module))
    };
    MODULES.iter().find(|(path, module, _)| says(path, module)).map(|(.., event)| *event)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tune_host::FakeHost;

    fn owner(pid: i32, command: &str, fin_wait_2: u64, idle: u64) -> Owner {
        Owner {
            pid,
            command: command.to_owned(),
            uid: Some(33),
            fin_wait_2,
            close_wait: 0,
            shared: 0,
            descriptors: fin_wait_2,
            idle: Some((Duration::from_secs(idle), Duration::from_secs(idle + 1))),
            ports: vec![(80, fin_wait_2)],
            peers: Vec::new(),
        }
    }

    #[test]
    fn processes_of_one_name_are_one_program() {
        let client = Owner { ports: vec![(40_000, 1), (40_001, 1)], ..owner(7, "apache2", 2, 0) };
        let list =
            vec![owner(9, "leaky", 5, 4), owner(3, "apache2", 4, 7), owner(2, "apache2", 3, 1), client];
        let found = programs(&Owners { list, ..Owners::default() }, &BTreeSet::from([80]));
        let names: Vec<_> = found.iter().map(Program::named).collect();
        assert_eq!(names, ["apache2 (2 processes)", "leaky (pid 9)", "apache2 (pid 7)"]);
        let apache = &found[0];
        assert_eq!((apache.fin_wait_2, &apache.pids[..], &apache.uids[..]), (7, &[2, 3][..], &[33][..]));
        assert_eq!(apache.idle, Some((Duration::from_secs(1), Duration::from_secs(8))));
        assert_eq!(apache.ports, [(80, 7)]);
        assert_eq!(apache.server(), Some(Server::Httpd));
    }

    #[test]
    fn the_layout_of_httpd_is_found() {
        let host = FakeHost::new().with_directory("/etc/httpd/conf.d").with_file(
            "/etc/httpd/conf.modules.d/00-mpm.conf",
            "#LoadModule mod_mpm_prefork.so\nLoadModule mpm_event_module modules/mod_mpm_event.so\n",
        );
        assert_eq!(Server::Httpd.file(host.files()).0, "/etc/httpd/conf.d/zz-tune.conf");
        assert_eq!(httpd_is_event(&host), Some(true));
        assert_eq!(httpd_is_event(&FakeHost::new()), None);
    }
}
